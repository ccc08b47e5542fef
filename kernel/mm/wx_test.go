package mm

import (
	"fmt"
	"os"
	"testing"

	"skerry/kernel/abi"
	"skerry/kernel/vfs"
)

// wxWorld is two pages at each of two places, and every call that could turn
// written bytes into code, tried in every order.
type wxWorld struct {
	*machine
	files []*fakeFile
	calls []wxCall
	magic uint64
}

type wxCall struct {
	name string
	do   func() abi.Errno
}

const (
	wxT = uintptr(0x7f0000000000) // the two places
	wxU = wxT + 16*pageSize
	wxN = 2 * pageSize
)

func newWXWorld(t *testing.T, jit bool) *wxWorld {
	w := &wxWorld{machine: newMachine(t, 600, 2, Options{AllowJIT: jit}), magic: 0xbad << 32}
	add := func(name string, do func() abi.Errno) { w.calls = append(w.calls, wxCall{name, do}) }
	mmap := func(name string, flags uint32, f vfs.Mapper, writable bool) {
		for _, prot := range []uint32{protRead, rw, protRead | protExec, rw | protExec} {
			add(fmt.Sprintf("mmap %s prot %d", name, prot), func() abi.Errno {
				r := Request{Addr: wxT, Len: wxN, Prot: prot, Flags: flags | mapFixed, File: f, Readable: true, Writable: writable}
				_, e := w.Mmap(&r)
				return e
			})
		}
	}
	mmap("anon", mapPrivate|mapAnonymous, nil, false)
	mmap("shared anon", mapShared|mapAnonymous, nil, false)
	for _, k := range []struct {
		name         string
		exec, shared bool
	}{{"text", true, false}, {"root file", false, false}, {"tmpfs", false, true}} {
		f := newFile(k.name, 0, 2)
		f.exec, f.shared = k.exec, k.shared
		w.files = append(w.files, f)
		mmap(k.name+" private", mapPrivate, f, k.shared)
		mmap(k.name+" shared", mapShared, f, k.shared)
	}
	for _, prot := range []uint32{protNone, protRead, rw, protRead | protExec, protExec, rw | protExec} {
		add(fmt.Sprint("mprotect both ", prot), func() abi.Errno { return w.Mprotect(wxT, wxN, prot) })
		add(fmt.Sprint("mprotect first ", prot), func() abi.Errno { return w.Mprotect(wxT, pageSize, prot) })
	}
	remap := func(name string, from, oldLen, newLen uintptr, flags uint32, to uintptr) {
		add("mremap "+name, func() abi.Errno { _, e := w.Mremap(from, oldLen, newLen, flags, to); return e })
	}
	remap("T to U", wxT, wxN, wxN, mremapMayMove|mremapFixed, wxU)
	remap("U to T", wxU, wxN, wxN, mremapMayMove|mremapFixed, wxT)
	remap("first of T to U", wxT, pageSize, pageSize, mremapMayMove|mremapFixed, wxU)
	remap("view of T at U", wxT, 0, wxN, mremapMayMove|mremapFixed, wxU)
	remap("T to U, kept", wxT, wxN, wxN, mremapMayMove|mremapFixed|mremapDontUnmap, wxU)
	remap("shrink and grow", wxT, pageSize, wxN, 0, 0)
	add("munmap first", func() abi.Errno { return w.Munmap(wxT, pageSize) })
	for _, a := range []int{madvDontNeed, madvFree, madvRemove, madvPopulateWrite} {
		add(fmt.Sprint("madvise ", a), func() abi.Errno { return w.Madvise(wxT, wxN, a) })
	}
	return w
}

// reset empties the world.
func (w *wxWorld) reset() {
	must(w.t, "munmap", w.Munmap(wxT, 64*pageSize))
	for _, f := range w.files {
		f.drop(w.t)
	}
}

// probe writes wherever the program may and runs whatever it may: what runs
// must be text as the image has it.
func (w *wxWorld) probe(trace func() string) {
	for _, base := range []uintptr{wxT, wxU} {
		for a := base; a < base+wxN; a += pageSize {
			w.magic++
			w.cpus[0].store(a, w.magic)
		}
	}
	for _, base := range []uintptr{wxT, wxU} {
		for a := base; a < base+wxN; a += pageSize {
			for _, c := range w.cpus {
				v, r := c.exec(a)
				if r != FaultOK {
					continue
				}
				m, _ := w.Find(a)
				want := m.Offset>>pageShift + uint64(a-m.Start)>>pageShift
				if m.File == nil || !m.File.Executable() || v != want {
					w.t.Fatalf("%s: %#x runs %#x of %q", trace(), a, v, m.Name)
				}
			}
		}
	}
}

// TestWriteExec tries every sequence of three calls (four with MM_WX=4): no
// bytes that the program wrote ever run.
func TestWriteExec(t *testing.T) {
	depth := 3
	if raceEnabled || testing.Short() {
		depth = 2
	}
	if os.Getenv("MM_WX") == "4" {
		depth = 4
	}
	w := newWXWorld(t, false)
	seq := make([]int, 0, depth)
	trace := func() string {
		s := ""
		for _, i := range seq {
			s += w.calls[i].name + "; "
		}
		return s
	}
	n, ran := 0, 0
	// try extends the sequence; one whose last call failed is no better than
	// without it.
	var try func()
	try = func() {
		for i := range w.calls {
			seq = append(seq, i)
			w.reset()
			e := abi.OK
			for _, j := range seq {
				e = w.calls[j].do()
				w.probe(trace)
			}
			n++
			if e == abi.OK {
				ran++
				if len(seq) < depth {
					try()
				}
			}
			seq = seq[:len(seq)-1]
		}
	}
	try()
	t.Logf("%d calls, %d sequences, %d of them without an error, %d denials", len(w.calls), n, ran, w.denials.Load())
	if w.denials.Load() == 0 || ran < 100 {
		t.Error("the test denies nothing")
	}
	w.reset()
	w.close()
}

// TestWriteExecRules states the rules one by one.
func TestWriteExecRules(t *testing.T) {
	w := newWXWorld(t, false)
	text := w.files[0]
	mmap := func(prot, flags uint32, f vfs.Mapper) abi.Errno {
		_, e := w.Mmap(&Request{Addr: wxT, Len: wxN, Prot: prot, Flags: flags | mapFixed, File: f, Readable: true})
		return e
	}
	is := func(what string, got, want abi.Errno) {
		t.Helper()
		if got != want {
			t.Fatalf("%s: %v, want %v", what, got, want)
		}
	}
	is("text RWX", mmap(7, mapPrivate, text), abi.EACCES)
	if d := w.last.Load(); d == nil || d.Rule != RuleWriteExec || d.Call != "mmap" || !d.Executable {
		t.Fatalf("denial %+v", d)
	}
	is("text RX", mmap(5, mapPrivate, text), abi.OK)
	is("text RX to RW", w.Mprotect(wxT, wxN, 3), abi.EACCES)
	is("to none", w.Mprotect(wxT, wxN, 0), abi.OK)
	is("none to RW", w.Mprotect(wxT, wxN, 3), abi.EACCES)
	is("back to RX", w.Mprotect(wxT, wxN, 5), abi.OK)
	is("text R", mmap(1, mapPrivate, text), abi.OK)
	is("first grant W on one page", w.Mprotect(wxT, pageSize, 3), abi.OK)
	is("then R", w.Mprotect(wxT, pageSize, 1), abi.OK)
	is("X on both", w.Mprotect(wxT, wxN, 5), abi.EACCES)
	is("X on the other", w.Mprotect(wxT+pageSize, pageSize, 5), abi.OK)
	is("shared text RX", mmap(5, mapShared, text), abi.EACCES)
	is("anonymous RX", mmap(5, mapPrivate|mapAnonymous, nil), abi.EACCES)
	is("anonymous RW", mmap(3, mapPrivate|mapAnonymous, nil), abi.OK)
	n := w.denials.Load()
	is("anonymous RW to RX", w.Mprotect(wxT, wxN, 5), abi.EACCES)
	if d := w.last.Load(); w.denials.Load() != n+1 || d.Call != "mprotect" || d.Addr != wxT || d.Prot != 5 {
		t.Fatalf("denial %+v", d)
	}
	is("shared file RW of a read-only descriptor", mmap(1, mapShared, w.files[2]), abi.OK)
	is("mprotect W", w.Mprotect(wxT, wxN, 3), abi.EACCES)
	if w.denials.Load() != n+1 {
		t.Fatal("an ordinary EACCES was reported as a denial")
	}
	w.reset()
	w.close()

	// With AllowJIT anonymous private memory may be anything, nothing else.
	w = newWXWorld(t, true)
	is("JIT RWX", mmap(7, mapPrivate|mapAnonymous, nil), abi.OK)
	if w.cpus[0].store(wxT, 5) != FaultOK {
		t.Fatal("JIT memory is not writable")
	}
	if v, r := w.cpus[1].exec(wxT); v != 5 || r != FaultOK {
		t.Fatal("JIT memory does not run", v, r)
	}
	is("JIT to R", w.Mprotect(wxT, wxN, 1), abi.OK)
	is("JIT to RX", w.Mprotect(wxT, wxN, 5), abi.OK)
	is("DONTUNMAP of X", func() abi.Errno {
		_, e := w.Mremap(wxT, wxN, wxN, mremapMayMove|mremapDontUnmap, 0)
		return e
	}(), abi.EINVAL)
	is("shared anonymous X", mmap(5, mapShared|mapAnonymous, nil), abi.EACCES)
	is("tmpfs X", mmap(5, mapPrivate, w.files[2]), abi.EACCES)
	is("plain root file X", mmap(5, mapPrivate, w.files[1]), abi.EACCES)
	is("text RWX", mmap(7, mapPrivate, w.files[0]), abi.EACCES)
	_, e := w.Mmap(&Request{Addr: wxT, Len: wxN, Prot: 7, Flags: mapPrivate | mapAnonymous | mapFixed, ELFData: true})
	is("ELF data X", e, abi.EACCES)
	_, e = w.Mmap(&Request{Addr: wxT, Len: wxN, Prot: 7, Flags: mapPrivate | mapAnonymous | mapFixed | mapGrowsDown})
	is("MAP_GROWSDOWN X", e, abi.EACCES)
	w.InitBrk(wxU)
	w.Brk(wxU + pageSize)
	is("brk X", w.Mprotect(wxU, pageSize, 5), abi.EACCES)
	w.SetLayout(Layout{MmapBase: wxT + 1<<30, TextStart: wxT, TextEnd: wxU})
	_, e = w.Mmap(&Request{Addr: wxT, Len: wxN, Prot: 7, Flags: mapPrivate | mapAnonymous | mapFixed})
	is("JIT in the text window", e, abi.EACCES)
	is("anonymous RW there", mmap(3, mapPrivate|mapAnonymous, nil), abi.OK)
	is("then X", w.Mprotect(wxT, wxN, 5), abi.EACCES)
	move := func(prot uint32) abi.Errno {
		jit := w.anon(wxU+32*pageSize, wxN, prot)
		_, e := w.Mremap(jit, wxN, wxN, mremapMayMove|mremapFixed, wxT)
		return e
	}
	is("JIT memory moved there", move(7), abi.EACCES)
	is("memory moved there", move(3), abi.OK)
	is("then X", w.Mprotect(wxT, wxN, 5), abi.EACCES)
	w.reset()
	w.close()
}
