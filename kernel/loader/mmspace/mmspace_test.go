package mmspace

import (
	"bytes"
	"debug/elf"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"skerry/kernel/abi"
	"skerry/kernel/ground/arch"
	"skerry/kernel/ground/frame"
	"skerry/kernel/loader"
	"skerry/kernel/mm"
	"skerry/kernel/usermem"
	"skerry/kernel/vdso"
	"skerry/kernel/vfs"
)

// cached is a Mapper of bytes: a page cache with everything in it.
type cached struct {
	vfs.BaseFile
	data  []byte
	exec  bool
	mode  uint32
	pages map[uint64]frame.PFN
	fail  abi.Errno
}

func newCached(data []byte) *cached {
	return &cached{data: data, exec: true, mode: abi.S_IFREG | 0o555, pages: map[uint64]frame.PFN{}}
}

func (c *cached) Stat(st *abi.Stat) abi.Errno {
	*st = abi.Stat{Mode: c.mode, Size: int64(len(c.data))}
	return abi.OK
}

func (c *cached) Page(i uint64, write bool) (frame.PFN, abi.Errno) {
	if c.fail != abi.OK {
		return 0, c.fail
	}
	if i<<frame.Shift >= uint64(len(c.data)) || write {
		return 0, abi.ENXIO
	}
	p := c.pages[i]
	if p == 0 {
		if p = frame.AllocZero(frame.KindCache); p == 0 {
			return 0, abi.ENOMEM
		}
		copy(p.Bytes(), c.data[i<<frame.Shift:])
		c.pages[i] = p
	}
	p.Ref()
	return p, abi.OK
}

func (c *cached) AddMapping(vfs.Mapping)    {}
func (c *cached) RemoveMapping(vfs.Mapping) {}
func (c *cached) Executable() bool          { return c.exec }
func (c *cached) MayWriteShared() bool      { return false }

type noTLB struct{}

func (noTLB) Flush(uintptr, uintptr) {}

// newSpace makes an address space whose tables usermem walks as the MMU would.
// There is one at a time: close it before the next.
func newSpace(frames int) (s Space, done func()) {
	frame.InitHost(frames)
	root := frame.AllocZero(frame.KindKernel)
	s = Space{mm.New(mm.Options{Root: root, TLB: noTLB{}, JIT: 1 << 30})}
	oldT, oldR := usermem.HostTranslate, usermem.Resolve
	usermem.Resolve = s.Resolve
	usermem.HostTranslate = func(addr uintptr, write bool) (uintptr, bool) {
		// Intel SDM vol. 3, 4.5: present, writable, user; 2 MiB pages.
		const present, writable, user, huge, phys = 1, 2, 4, 1 << 7, 0x000ffffffffff000
		table := root.Addr()
		for shift := uint(39); ; shift -= 9 {
			e := arch.Load64(table + addr>>shift&511*8)
			if e&(present|user) != present|user || write && e&writable == 0 {
				return 0, false
			}
			size := uintptr(1) << shift
			if shift == 12 || shift == 21 && e&huge != 0 {
				return frame.FromPhys(e&phys&^uint64(size-1)).Addr() + addr&(size-1), true
			}
			table = frame.FromPhys(e & phys).Addr()
		}
	}
	return s, func() {
		s.Destroy()
		usermem.HostTranslate, usermem.Resolve = oldT, oldR
	}
}

func read(t *testing.T, addr uintptr, n int) []byte {
	t.Helper()
	b := make([]byte, n)
	if _, e := usermem.CopyIn(b, addr); e != abi.OK {
		t.Fatalf("%#x: %v", addr, e)
	}
	return b
}

// build makes a static, a position-independent and a dynamic program, as far as
// this host can.
func build(t *testing.T) map[string]string {
	t.Helper()
	gcc, err := exec.LookPath("gcc")
	if err != nil {
		t.Skip("no gcc here")
	}
	dir := t.TempDir()
	src := filepath.Join(dir, "main.c")
	if err := os.WriteFile(src, []byte("char zero[9000]; int data = 5; int main(void) { return zero[data]; }"), 0o600); err != nil {
		t.Fatal(err)
	}
	paths := map[string]string{}
	for name, flag := range map[string]string{"fixed": "-static", "pie": "-static-pie", "dynamic": "-pie"} {
		out := filepath.Join(dir, name)
		if msg, err := exec.Command(gcc, "-fPIE", flag, "-o", out, src).CombinedOutput(); err != nil {
			t.Logf("%s: %v %s", name, err, msg)
			continue
		}
		paths[name] = out
	}
	return paths
}

func TestLoad(t *testing.T) {
	rng := rand.New(rand.NewPCG(21, 22))
	for name, path := range build(t) {
		t.Run(name, func(t *testing.T) {
			s, done := newSpace(4096)
			defer done()
			open := func(path string) (loader.File, abi.Errno) {
				b, err := os.ReadFile(path)
				if err != nil {
					return nil, abi.ENOENT
				}
				return NewFile(newCached(b), path)
			}
			program, _ := open(path)
			l := loader.Draw(rng.Uint64)
			p, e := loader.Load(program, open, &l)
			if e != nil {
				t.Fatal(e)
			}
			st, e := loader.NewStack(&loader.Start{Args: []string{"a", "b"}, Env: []string{"C=d"}, Path: path,
				StackLimit: loader.DefaultStack}, p, &l)
			if e != nil {
				t.Fatal(e)
			}
			v, errno := NewVDSO()
			if errno != abi.OK {
				t.Fatal(errno)
			}
			if e := s.Load(p, &l, v, st); e != nil {
				t.Fatal(e)
			}
			bias := p.Entry
			f, err := elf.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			bias -= uintptr(f.Entry)
			for _, seg := range f.Progs {
				if seg.Type != elf.PT_LOAD {
					continue
				}
				want := make([]byte, seg.Memsz)
				if _, err := seg.ReadAt(want[:seg.Filesz], 0); err != nil {
					t.Fatal(err)
				}
				addr := uintptr(seg.Vaddr) + bias
				if !bytes.Equal(read(t, addr, len(want)), want) {
					t.Errorf("segment at %#x has other contents", seg.Vaddr)
				}
				end := addr + uintptr(seg.Memsz)
				if rest := int(-end & 4095); seg.Memsz > seg.Filesz && !bytes.Equal(read(t, end, rest), make([]byte, rest)) {
					t.Errorf("behind the segment at %#x are no zeroes", seg.Vaddr)
				}
				checkRights(t, s, addr, seg.Flags)
				checkRights(t, s, end-1, seg.Flags)
			}
			if !bytes.Equal(read(t, st.SP, len(st.Bytes)), st.Bytes) {
				t.Error("the stack has other contents")
			}
			if !bytes.Equal(read(t, l.VDSO+vdso.ImageOffset, 4096), vdso.Image()) {
				t.Error("the vDSO has other contents")
			}
			vdso.At(v.Data.Addr()).Update(vdso.Base{TSC: 0x1122334455667788, Mult: 1, Mono: 1, Real: 1, Boot: 1})
			if b := read(t, l.VDSO, 4096); b[8] != 0x88 || b[15] != 0x11 {
				t.Error("an update is not seen in the vvar page")
			}
			checkRights(t, s, l.VDSO, elf.PF_R)
			checkRights(t, s, l.VDSO+vdso.ImageOffset, elf.PF_R|elf.PF_X)
			if at := s.Brk(0); at != l.Brk {
				t.Errorf("the heap begins at %#x, not at %#x", at, l.Brk)
			}
			if at := s.Brk(l.Brk + 1<<20); at != l.Brk+1<<20 {
				t.Errorf("the heap does not grow: %#x", at)
			}
			// What is mapped later goes below the base, code into the window.
			at, errno := s.Mmap(&mm.Request{Len: 4096, Prot: 3, Flags: 0x22})
			if errno != abi.OK || at != l.MmapBase-4096 {
				t.Errorf("memory is at %#x, the base at %#x: %v", at, l.MmapBase, errno)
			}
			lib, _ := NewFile(newCached(make([]byte, 8192)), "/lib/x.so")
			at, errno = s.Mmap(&mm.Request{Len: 8192, Prot: 1, Flags: 2, File: lib.mapper, Readable: true})
			if errno != abi.OK || at < l.TextStart || at >= l.TextEnd || at < l.VDSO+vdso.Size {
				t.Errorf("a library is at %#x, the window is %#x..%#x: %v", at, l.TextStart, l.TextEnd, errno)
			}
			// The stack grows as far as it has room.
			if _, e := usermem.Zero(l.StackTop-loader.StackRoom(loader.DefaultStack)+4096, 16); e != abi.OK {
				t.Errorf("the stack does not grow: %v", e)
			}
		})
	}
}

// checkRights: what is not writable is sealed, and cannot be written by the
// kernel's copies either; what is writable never becomes executable.
func checkRights(t *testing.T, s Space, addr uintptr, flags elf.ProgFlag) {
	t.Helper()
	page := addr &^ 4095
	if flags&elf.PF_W != 0 {
		if e := s.Mprotect(page, 4096, 5); e != abi.EACCES {
			t.Errorf("%#x is data and becomes executable: %v", page, e)
		}
		return
	}
	if _, e := usermem.CopyOut(addr, []byte{1}); e != abi.EFAULT {
		t.Errorf("%#x is written: %v", addr, e)
	}
	if e := s.Mprotect(page, 4096, 3); e == abi.OK {
		t.Errorf("%#x becomes writable", page)
	}
	if e := s.Munmap(page, 4096); e != abi.EPERM {
		t.Errorf("%#x is unmapped: %v", page, e)
	}
}

func TestNotExecutable(t *testing.T) {
	for name, path := range build(t) {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		s, done := newSpace(4096)
		c := newCached(b)
		c.exec = false
		f, _ := NewFile(c, path)
		l := loader.Draw(rand.Uint64)
		p, e := loader.Load(f, func(string) (loader.File, abi.Errno) { return NewFile(newCached(b), "/ld.so") }, &l)
		if e != nil {
			t.Fatal(e)
		}
		if e := p.Apply(s); e == nil || e.Errno != abi.EACCES || e.Status != loader.StatusCannotRun {
			t.Errorf("%s: a file without the mark is loaded: %v", name, e)
		}
		done()
	}
}

func TestFile(t *testing.T) {
	frame.InitHost(64)
	data := make([]byte, 3*4096+100)
	rng := rand.New(rand.NewPCG(23, 24))
	for i := range data {
		data[i] = byte(rng.Uint32())
	}
	c := newCached(data)
	f, e := NewFile(c, "/f")
	if e != abi.OK || f.Size() != int64(len(data)) {
		t.Fatal(f, e)
	}
	for range 2000 {
		off, n := rng.Int64N(int64(len(data))+5000), rng.IntN(9000)
		b := make([]byte, n)
		got, e := f.ReadAt(b, off)
		want := data[min(off, int64(len(data))):]
		want = want[:min(n, len(want))]
		if e != abi.OK || got != len(want) || !bytes.Equal(b[:got], want) {
			t.Fatalf("%d at %d: %d, %v", n, off, got, e)
		}
	}
	if _, e := f.ReadAt(make([]byte, 1), -1); e != abi.EINVAL {
		t.Error(e)
	}
	c.fail = abi.EIO
	if _, e := f.ReadAt(make([]byte, 1), 0); e != abi.EIO {
		t.Error(e)
	}
	for _, p := range c.pages {
		if p.Refs() != 1 {
			t.Errorf("%d references to a page", p.Refs())
		}
	}
	c.mode = abi.S_IFDIR
	if _, e := NewFile(c, "/d"); e != abi.EACCES {
		t.Error(e)
	}
}

func TestOutOfMemory(t *testing.T) {
	for name, path := range build(t) {
		t.Run(name, func(t *testing.T) {
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			failed := 0
			for frames := range 40 {
				s, done := newSpace(256)
				// Leave that many: programs come in on demand, so a start takes few.
				for frame.FreeFrames() > int64(frames) && frame.Alloc(frame.KindUser) != 0 {
				}
				open := func(string) (loader.File, abi.Errno) { return NewFile(newCached(b), path) }
				f, _ := open("")
				l := loader.Draw(rand.Uint64)
				p, e := loader.Load(f, open, &l)
				if e == nil {
					var st *loader.Stack
					if st, e = loader.NewStack(&loader.Start{Path: path}, p, &l); e != nil {
						t.Fatal(e)
					}
					v, errno := NewVDSO()
					if errno == abi.OK {
						e = s.Load(p, &l, v, st)
					} else {
						e = &loader.Error{Status: loader.StatusCannotRun, Text: errno.Error()}
					}
				}
				done()
				if e == nil {
					continue
				}
				failed++
				if e.Status != loader.StatusCannotRun || e.Text == "" {
					t.Errorf("%d frames: %+v", frames, e)
				}
			}
			if failed == 0 {
				t.Error("there was always enough: the test tests nothing")
			}
		})
	}
}
