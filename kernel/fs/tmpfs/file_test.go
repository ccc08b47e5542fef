package tmpfs

import (
	"bytes"
	"math/rand"
	"sync"
	"testing"

	"skerry/kernel/abi"
	"skerry/kernel/ground/frame"
	"skerry/kernel/vfs"
	"skerry/kernel/wait"
)

const cwd = abi.AT_FDCWD

// mapping stands for an address space that maps a whole file shared.
type mapping struct {
	f     *file
	mu    sync.Mutex
	pages map[uint64]frame.PFN
	seq   int
}

func newMapping(f *file) *mapping {
	m := &mapping{f: f, pages: map[uint64]frame.PFN{}}
	f.AddMapping(m)
	return m
}

func (m *mapping) Unmap(first, last uint64, even bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.seq++
	for i, p := range m.pages {
		if i >= first && i <= last {
			p.Unref()
			delete(m.pages, i)
		}
	}
}

// touch faults a page in and returns it, as mm does: fetch, then look whether an
// Unmap came between.
func (m *mapping) touch(i uint64) (frame.PFN, abi.Errno) {
	for {
		m.mu.Lock()
		if p := m.pages[i]; p != 0 {
			m.mu.Unlock()
			return p, abi.OK
		}
		seq := m.seq
		m.mu.Unlock()
		p, e := m.f.Page(i, true)
		if e != abi.OK {
			return 0, e
		}
		m.mu.Lock()
		if m.seq == seq && m.pages[i] == 0 {
			m.pages[i] = p
			m.mu.Unlock()
			return p, abi.OK
		}
		m.mu.Unlock()
		p.Unref()
	}
}

func (m *mapping) close() {
	m.Unmap(0, ^uint64(0), true)
	m.f.RemoveMapping(m)
}

func TestSharedMapping(t *testing.T) {
	c, fs := world(Options{Size: 1 << 20})
	var w wait.Waiter
	d := open(t, c, "/f", abi.O_CREAT|abi.O_RDWR, 0o644)
	f := d.File().(*file)
	if !f.MayWriteShared() || f.Executable() {
		t.Error("what a tmpfs file may be")
	}
	m := newMapping(f)
	if _, e := m.touch(0); e != abi.ENXIO {
		t.Error("page of an empty file:", e)
	}
	d.Write(&w, bytesVec(bytes.Repeat([]byte("x"), 10000)))
	p, e := m.touch(1)
	must(t, "touch", e, abi.OK)
	copy(p.Bytes()[100:], "mapped")
	b := make([]byte, 6)
	d.Pread(bytesVec(b), 4096+100)
	if string(b) != "mapped" {
		t.Errorf("read sees %q", b)
	}
	d.Pwrite(bytesVec([]byte("file")), 4096)
	if string(p.Bytes()[:4]) != "file" {
		t.Error("the mapping does not see the write")
	}
	// Bytes written behind the end through the mapping do not come to light when
	// the file grows.
	last, _ := m.touch(2)
	copy(last.Bytes()[10000-8192:], "secret")
	c.Ftruncate(install(t, c, d), 12000)
	b = make([]byte, 2000)
	d.Pread(bytesVec(b), 10000)
	if bytes.Count(b, []byte{0}) != 2000 {
		t.Error("the tail was not cleared on growth by truncate")
	}
	copy(last.Bytes()[12000-8192:], "secret")
	d.Pwrite(bytesVec([]byte("z")), 12280)
	b = make([]byte, 280)
	d.Pread(bytesVec(b), 12000)
	if bytes.Count(b, []byte{0}) != 280 {
		t.Error("the tail was not cleared on growth by write")
	}
	// Truncate takes the pages away, also the half one's rest.
	must(t, "truncate", c.Truncate("/f", 5000), abi.OK)
	if len(m.pages) != 1 || m.pages[1] != p {
		t.Error("pages left in the mapping:", len(m.pages))
	}
	if _, e := m.touch(2); e != abi.ENXIO {
		t.Error("page beyond the new end:", e)
	}
	if p.Bytes()[904] != 0 || p.Bytes()[903] != 'x' {
		t.Error("the half page")
	}
	if f.Peek(2) != 0 || f.Peek(0) == 0 {
		t.Error("peek")
	}
	f.Peek(0).Unref()
	f.Peek(0).Unref()
	f.Cache.Peek(0).Unref()
	// The file lives on in the mapping when name and description are gone.
	must(t, "unlink", c.Unlink(cwd, "/f"), abi.OK)
	c.Files.CloseRange(0, 99, 0, true)
	if fs.usedPages.Load() != 2 || fs.usedInodes.Load() != 2 {
		t.Error("gone too early:", fs.usedPages.Load(), fs.usedInodes.Load())
	}
	if q, e := m.touch(1); q != p || e != abi.OK {
		t.Error("the mapping's page:", e)
	}
	m.close()
	if fs.usedPages.Load() != 0 || fs.usedInodes.Load() != 1 {
		t.Error("not gone:", fs.usedPages.Load(), fs.usedInodes.Load())
	}
}

// install gives the description a descriptor.
func install(t *testing.T, c *vfs.Context, d *vfs.Description) int32 {
	t.Helper()
	fd, e := c.Files.Install(d, false)
	must(t, "install", e, abi.OK)
	return fd
}

func TestLimits(t *testing.T) {
	c, fs := world(Options{Size: 10 * 4096, Inodes: 6})
	var w wait.Waiter
	d := open(t, c, "/f", abi.O_CREAT|abi.O_RDWR, 0o644)
	fd := install(t, c, d)
	big := make([]byte, 60000)
	if n, e := d.Write(&w, bytesVec(big)); n != 40960 || e != abi.OK {
		t.Error("write to a full file system:", n, e)
	}
	if n, e := d.Write(&w, bytesVec(big)); n != 0 || e != abi.ENOSPC {
		t.Error("write to a full one:", n, e)
	}
	must(t, "truncate up is free", c.Ftruncate(fd, 1<<40), abi.OK)
	if _, e := d.File().(*file).Page(1000, true); e != abi.ENOSPC {
		t.Error("page of a full one:", e)
	}
	must(t, "truncate", c.Ftruncate(fd, 4096), abi.OK)
	if n := fs.usedPages.Load(); n != 1 {
		t.Error(n, "pages after truncate")
	}
	must(t, "fallocate too much", d.Fallocate(0, 0, 1<<30), abi.ENOSPC)
	must(t, "fallocate more than is left", d.Fallocate(0, 8192, 10*4096), abi.ENOSPC)
	if n := fs.usedPages.Load(); n != 1 {
		t.Error(n, "pages after a failed fallocate")
	}
	must(t, "fallocate", d.Fallocate(abi.FALLOC_FL_KEEP_SIZE, 8192, 4096), abi.OK)
	var st abi.Stat
	d.Stat(&st)
	if st.Size != 4096 || st.Blocks != 16 {
		t.Error(st.Size, st.Blocks)
	}
	must(t, "long link", c.Symlink(string(bytes.Repeat([]byte("x"), 200)), cwd, "/l"), abi.OK)
	if n := fs.usedPages.Load(); n != 3 {
		t.Error("a long symbolic link is a page:", n)
	}
	for _, p := range []string{"/1", "/2", "/3"} {
		must(t, "mkdir", c.Mkdir(cwd, p, 0o755), abi.OK)
	}
	must(t, "one too many", c.Mkdir(cwd, "/4", 0o755), abi.ENOSPC)
	must(t, "a link too many", c.Link(cwd, "/f", cwd, "/g", 0), abi.ENOSPC)
	must(t, "rmdir", c.Rmdir(cwd, "/1"), abi.OK)
	must(t, "link", c.Link(cwd, "/f", cwd, "/g", 0), abi.OK)
	must(t, "full again", c.Mkdir(cwd, "/1", 0o755), abi.ENOSPC)
	must(t, "unlink", c.Unlink(cwd, "/f"), abi.OK)
	must(t, "room again", c.Mkdir(cwd, "/1", 0o755), abi.OK)
	must(t, "unlink", c.Unlink(cwd, "/g"), abi.OK)
	must(t, "unlink", c.Unlink(cwd, "/l"), abi.OK)
	must(t, "still open", c.Mkdir(cwd, "/5", 0o755), abi.OK)
	must(t, "the open file counts", c.Mkdir(cwd, "/6", 0o755), abi.ENOSPC)
	c.Files.Close(fd)
	must(t, "now it does not", c.Mkdir(cwd, "/6", 0o755), abi.OK)
	if n := fs.usedPages.Load(); n != 0 {
		t.Error(n, "pages left")
	}
	if _, e := fs.Memfd("m", 0); e != abi.ENOSPC {
		t.Error("memfd:", e)
	}
}

func TestMemory(t *testing.T) {
	free := frame.FreeFrames()
	defer frame.SetReserve(0)
	c, _ := world(Options{Size: 1 << 40})
	var w wait.Waiter
	d := open(t, c, "/f", abi.O_CREAT|abi.O_RDWR, 0o644)
	frame.SetReserve(free - 5) // five frames left
	if n, e := d.Write(&w, bytesVec(make([]byte, 100000))); n != 5*4096 || e != abi.OK {
		t.Error("write without memory:", n, e)
	}
	if n, e := d.Write(&w, bytesVec(make([]byte, 1))); n != 0 || e != abi.ENOMEM {
		t.Error("write without memory:", n, e)
	}
	asked := 0
	vfs.Reclaim = func() int {
		asked++
		frame.SetReserve(frame.FreeFrames() - 1)
		return 1
	}
	defer func() { vfs.Reclaim = nil }()
	if n, e := d.Write(&w, bytesVec(make([]byte, 1))); n != 1 || e != abi.OK || asked != 1 {
		t.Error("write after reclaim:", n, e, asked)
	}
	c.Unlink(cwd, "/f")
	d.Unref()
	if n := frame.FreeFrames(); n != free {
		t.Error(free-n, "frames left")
	}
}

func TestMemfdSeals(t *testing.T) {
	_, fs := world(Options{Size: 1 << 20})
	var w wait.Waiter
	tab := vfs.NewTable()
	d, e := fs.Memfd("name", mfdAllowSealing)
	must(t, "memfd", e, abi.OK)
	fd, _ := tab.Install(d, false)
	if p := d.Path(); p != "/memfd:name (deleted)" {
		t.Error(p)
	}
	d.Write(&w, bytesVec(make([]byte, 5000)))
	add := func(s uint64) abi.Errno {
		_, e := tab.Fcntl(fd, abi.F_ADD_SEALS, s)
		return e
	}
	f := d.File().(*file)
	must(t, "unknown seal", add(0x40), abi.EINVAL)
	must(t, "grow", add(abi.F_SEAL_GROW), abi.OK)
	if n, e := d.Pwrite(bytesVec(make([]byte, 100)), 4950); n != 50 || e != abi.OK {
		t.Error("write over the sealed end:", n, e)
	}
	if n, e := d.Pwrite(bytesVec(make([]byte, 100)), 5000); n != 0 || e != abi.EPERM {
		t.Error("write at the sealed end:", n, e)
	}
	must(t, "allocate", d.Fallocate(0, 0, 6000), abi.EPERM)
	must(t, "truncate up", f.truncate(6000), abi.EPERM)
	must(t, "truncate down", f.truncate(4999), abi.OK)
	must(t, "shrink", add(abi.F_SEAL_SHRINK), abi.OK)
	must(t, "truncate down", f.truncate(4000), abi.EPERM)
	m := newMapping(f)
	must(t, "write seal on a mapped file", add(abi.F_SEAL_WRITE), abi.EBUSY)
	m.close()
	must(t, "write", add(abi.F_SEAL_WRITE), abi.OK)
	if _, e := d.Pwrite(bytesVec(make([]byte, 1)), 0); e != abi.EPERM || f.MayWriteShared() {
		t.Error("write to a sealed file:", e)
	}
	must(t, "punch", d.Fallocate(3, 0, 4096), abi.EPERM)
	must(t, "the last seal", add(abi.F_SEAL_SEAL), abi.OK)
	must(t, "one more", add(abi.F_SEAL_EXEC), abi.EPERM)
	if n, _ := tab.Fcntl(fd, abi.F_GET_SEALS, 0); n != 0xf {
		t.Errorf("%#x", n)
	}
	tab.Close(fd)

	d, _ = fs.Memfd("", 0)
	fd, _ = tab.Install(d, false)
	must(t, "seal of one that may not", add(abi.F_SEAL_WRITE), abi.EPERM)
	tab.Close(fd)
	d, _ = fs.Memfd("", mfdNoexecSeal)
	var st abi.Stat
	d.Stat(&st)
	if st.Mode != abi.S_IFREG|0o666 || st.Nlink != 0 {
		t.Errorf("%o %d", st.Mode, st.Nlink)
	}
	must(t, "x bits of one that never runs", d.File().(*file).SetAttr(&vfs.Attr{Set: vfs.AttrMode, Mode: 0o777}), abi.EPERM)
	d.Unref()
	for name, flags := range map[string]uint32{"x": 16 | 8, "y": 4, string(make([]byte, 250)): 0} {
		if _, e := fs.Memfd(name, flags); e != abi.EINVAL {
			t.Error(flags, e)
		}
	}
	if fs.usedPages.Load() != 0 || fs.usedInodes.Load() != 1 {
		t.Error("left:", fs.usedPages.Load(), fs.usedInodes.Load())
	}
}

func TestTmpfile(t *testing.T) {
	c, fs := world(Options{Size: 1 << 20})
	var w wait.Waiter
	d := open(t, c, "/", abi.O_TMPFILE|abi.O_RDWR, 0o600)
	d.Write(&w, bytesVec([]byte("hello")))
	fd := install(t, c, d)
	must(t, "link", c.Link(fd, "", cwd, "/named", abi.AT_EMPTY_PATH), abi.OK)
	var st abi.Stat
	c.Stat(cwd, "/named", 0, &st)
	if st.Size != 5 || st.Nlink != 1 {
		t.Error(st.Size, st.Nlink)
	}
	must(t, "unlink", c.Unlink(cwd, "/named"), abi.OK)
	must(t, "link again", c.Link(fd, "", cwd, "/named", abi.AT_EMPTY_PATH), abi.ENOENT)
	c.Files.Close(fd)
	fd = install(t, c, open(t, c, "/", abi.O_TMPFILE|abi.O_RDWR|abi.O_EXCL, 0o600))
	must(t, "link of an exclusive one", c.Link(fd, "", cwd, "/named", abi.AT_EMPTY_PATH), abi.ENOENT)
	c.Files.Close(fd)
	if fs.usedPages.Load() != 0 || fs.usedInodes.Load() != 1 {
		t.Error("left:", fs.usedPages.Load(), fs.usedInodes.Load())
	}
}

// TestFileTogether writes, maps, truncates and punches one file from several
// threads. Readers must see whole values or zeros, never another file's bytes.
func TestFileTogether(t *testing.T) {
	before := frame.Read().Cache
	c, fs := world(Options{Size: 1 << 20})
	d := open(t, c, "/f", abi.O_CREAT|abi.O_RDWR, 0o644)
	f := d.File().(*file)
	var wg sync.WaitGroup
	for g := range 5 {
		wg.Go(func() {
			rng := rand.New(rand.NewSource(int64(g)))
			m := newMapping(f)
			buf := make([]byte, 9000)
			for range 3000 {
				off := int64(rng.Intn(100000))
				switch rng.Intn(6) {
				case 0:
					f.Write(bytesVec(bytes.Repeat([]byte{7}, rng.Intn(9000))), off)
				case 1:
					f.truncate(off)
				case 2:
					f.Fallocate(abi.FALLOC_FL_PUNCH_HOLE|abi.FALLOC_FL_KEEP_SIZE, off, 1+int64(rng.Intn(20000)))
				case 3:
					m.touch(uint64(off) >> 12)
				case 4:
					f.SeekHole(off, rng.Intn(2) == 0)
				default:
					n, _ := f.Read(bytesVec(buf), off)
					for _, b := range buf[:n] {
						if b != 0 && b != 7 {
							t.Error("foreign bytes")
							return
						}
					}
				}
			}
			m.close()
		})
	}
	wg.Wait()
	if n := fs.usedPages.Load(); n != int64(f.Count()) {
		t.Error(n, "pages charged,", f.Count(), "there")
	}
	c.Unlink(cwd, "/f")
	d.Unref()
	if frame.Read().Cache != before || fs.usedPages.Load() != 0 {
		t.Error("frames left:", frame.Read().Cache-before, fs.usedPages.Load())
	}
}

// FuzzOperations reads operations from bytes and runs them; the oracle is that
// nothing panics and everything is given back.
func FuzzOperations(f *testing.F) {
	f.Add([]byte("\x00a\x01b\x02ab\x03a\x04b\x05c\x06"))
	f.Fuzz(func(t *testing.T, ops []byte) {
		c, fs := world(Options{Size: 1 << 18, Inodes: 50})
		var w wait.Waiter
		next := func() byte {
			if len(ops) == 0 {
				return 0
			}
			b := ops[0]
			ops = ops[1:]
			return b
		}
		path := func() string {
			p := "/"
			for n := next() % 4; n > 0; n-- {
				p += [...]string{"a", "b", "..", ".", "c/", "//"}[next()%6] + "/"
			}
			return p + string(rune('a'+next()%4))
		}
		for len(ops) > 0 {
			switch next() % 12 {
			case 0:
				c.Mkdir(cwd, path(), 0o755)
			case 1:
				c.Rmdir(cwd, path())
			case 2:
				c.Unlink(cwd, path())
			case 3:
				c.Rename(cwd, path(), cwd, path(), uint32(next()%4))
			case 4:
				c.Link(cwd, path(), cwd, path(), 0)
			case 5:
				c.Symlink(path(), cwd, path())
			case 6:
				c.Open(&w, cwd, path(), uint32(next())|uint32(next())<<8|abi.O_NONBLOCK, 0o644)
			case 7:
				if d, e := c.Files.Get(int32(next() % 8)); e == abi.OK {
					d.Pwrite(bytesVec(make([]byte, int(next())*40)), int64(next())<<(next()%55))
					d.Unref()
				}
			case 8:
				if d, e := c.Files.Get(int32(next() % 8)); e == abi.OK {
					d.Read(&w, bytesVec(make([]byte, 100)))
					d.Getdents(bytesVec(make([]byte, 100)))
					d.Unref()
				}
			case 9:
				c.Truncate(path(), int64(next())<<(next()%55))
			case 10:
				if d, e := c.Files.Get(int32(next() % 8)); e == abi.OK {
					d.Fallocate(uint32(next()%4), int64(next())<<(next()%30), int64(next())<<(next()%30))
					d.Lseek(int64(next())<<(next()%55), int(next()%6))
					d.Unref()
				}
			case 11:
				c.Files.Close(int32(next() % 8))
			}
		}
		c.Files.CloseRange(0, 100, 0, true)
		d := &differ{c: c}
		d.removeAll("/")
		if fs.usedPages.Load() != 0 || fs.usedInodes.Load() != 1 {
			t.Error("left:", fs.usedPages.Load(), fs.usedInodes.Load())
		}
	})
}
