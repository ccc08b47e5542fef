package mm

import (
	"fmt"
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

func newWXWorld(t *testing.T, jit uint64) *wxWorld {
	w := &wxWorld{machine: newMachine(t, 600, 2, Options{JIT: jit}), magic: 0xbad << 32}
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
	remap("first of T to U, grown", wxT, pageSize, wxN, mremapMayMove|mremapFixed, wxU)
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
// must be text as the image has it, or memory that is marked and within the
// budget.
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
				if w.isMarked(a) {
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
	n := uint64(0)
	w.set.each(0, func(v *vma) bool {
		if v.flags&vmJIT != 0 {
			n += v.pages()
		}
		return true
	})
	if budget, used := w.JITBudget(); n<<pageShift != used || used > budget {
		w.t.Fatalf("%s: %d pages are marked, %d bytes of %d are counted", trace(), n, used, budget)
	}
}

// isMarked reports whether addr lies in memory that was made executable within
// the budget.
func (w *wxWorld) isMarked(addr uintptr) bool {
	v := w.set.find(addr)
	return v != nil && v.memory() && v.flags&vmJIT != 0
}

// TestWriteExec tries every sequence of four calls: without a budget no bytes that
// the program wrote ever run, with one only as many as it has.
func TestWriteExec(t *testing.T) {
	t.Run("no budget", func(t *testing.T) { writeExec(t, 0) })
	t.Run("3 pages", func(t *testing.T) { writeExec(t, 3*pageSize) })
}

func writeExec(t *testing.T, budget uint64) {
	depth := 4
	if raceEnabled || testing.Short() {
		depth = 2
	}
	w := newWXWorld(t, budget)
	seq := make([]int, 0, depth)
	trace := func() string {
		s := ""
		for _, i := range seq {
			s += w.calls[i].name + "; "
		}
		return s
	}
	n, ran, spent := 0, 0, 0
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
			if _, used := w.JITBudget(); used != 0 && used == budget {
				spent++
			}
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
	t.Logf("%d calls, %d sequences, %d of them without an error, %d denials, %d with the budget spent", len(w.calls), n, ran, w.denials.Load(), spent)
	if w.denials.Load() == 0 || ran < 100 || budget != 0 && spent == 0 {
		t.Error("the test denies nothing")
	}
	w.reset()
	w.close()
}

// TestWriteExecRules states the rules one by one.
func TestWriteExecRules(t *testing.T) {
	w := newWXWorld(t, 0)
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
	if d := w.last.Load(); d.Rule != RuleJIT || d.JIT != 0 {
		t.Fatalf("denial %+v", d)
	}
	is("shared anonymous RX", mmap(5, mapShared|mapAnonymous, nil), abi.EACCES)
	is("anonymous RW", mmap(3, mapPrivate|mapAnonymous, nil), abi.OK)
	n := w.denials.Load()
	is("anonymous RW to RX", w.Mprotect(wxT, wxN, 5), abi.EACCES)
	if d := w.last.Load(); w.denials.Load() != n+1 || d.Rule != RuleJIT || d.Call != "mprotect" || d.Addr != wxT || d.Prot != 5 {
		t.Fatalf("denial %+v", d)
	}
	jumps := w.jumps.Load()
	if _, r := w.cpus[0].exec(wxT + 8); r != FaultAccErr {
		t.Fatalf("a jump into anonymous memory: %v", r)
	}
	if d := w.last.Load(); w.jumps.Load() != jumps+1 || d.Rule != RuleWriteExec || d.Addr != wxT+8 {
		t.Fatalf("denial %+v", d)
	}
	is("shared file RW of a read-only descriptor", mmap(1, mapShared, w.files[2]), abi.OK)
	is("mprotect W", w.Mprotect(wxT, wxN, 3), abi.EACCES)
	if w.denials.Load() != n+1 {
		t.Fatal("an ordinary EACCES was reported as a denial")
	}
	w.reset()
	w.close()
}
