package mm

import (
	"runtime"
	"sync"
	"testing"

	"skerry/kernel/abi"
	"skerry/kernel/vfs"
)

// jitWorld is a wxWorld with short names for what the tests do.
type jitWorld struct {
	*wxWorld
}

func (w jitWorld) mmap(addr, pages uintptr, prot, flags uint32, f vfs.Mapper) abi.Errno {
	_, e := w.Mmap(&Request{Addr: addr, Len: pages * pageSize, Prot: prot, Flags: flags | mapFixed, File: f, Readable: true, Writable: f != nil})
	return e
}

func (w jitWorld) is(what string, got, want abi.Errno) {
	w.t.Helper()
	if got != want {
		w.t.Fatalf("%s: %v, want %v", what, got, want)
	}
}

// used checks how many pages of the budget are taken.
func (w jitWorld) used(what string, pages uint64) {
	w.t.Helper()
	if _, n := w.JITBudget(); n != pages*pageSize {
		w.t.Fatalf("%s: %d bytes of the budget are used, want %d pages", what, n, pages)
	}
}

const (
	anonPrivate = mapPrivate | mapAnonymous
	anonShared  = mapShared | mapAnonymous
	rx          = protRead | protExec
	rwx         = rw | protExec
)

func newJITWorld(t *testing.T, pages uint64) jitWorld {
	return jitWorld{newWXWorld(t, pages*pageSize+pageSize-1)} // rounded down
}

func (w jitWorld) end() {
	w.reset()
	w.close()
}

// TestJITKinds: a budget is for anonymous memory, private or shared, which may be
// anything then; everything else is as it was.
func TestJITKinds(t *testing.T) {
	w := newJITWorld(t, 256)
	for _, flags := range []uint32{anonPrivate, anonShared} {
		w.is("RWX", w.mmap(wxT, 2, rwx, flags, nil), abi.OK)
		if w.cpus[0].store(wxT, 5) != FaultOK {
			t.Fatal("JIT memory is not writable")
		}
		if v, r := w.cpus[1].exec(wxT); v != 5 || r != FaultOK {
			t.Fatal("JIT memory does not run", v, r)
		}
		w.is("to R", w.Mprotect(wxT, wxN, protRead), abi.OK)
		if _, r := w.cpus[1].exec(wxT); r != FaultAccErr {
			t.Fatal("memory runs that is not executable", r)
		}
		w.is("to RX", w.Mprotect(wxT, wxN, rx), abi.OK)
		w.is("to RW", w.Mprotect(wxT, wxN, rw), abi.OK)
		w.cpus[0].store(wxT+pageSize, 6)
		w.is("to none", w.Mprotect(wxT, wxN, protNone), abi.OK)
		w.is("to RX", w.Mprotect(wxT, wxN, rx), abi.OK)
		if v, r := w.cpus[1].exec(wxT + pageSize); v != 6 || r != FaultOK {
			t.Fatal("JIT memory does not run", v, r)
		}
		w.used("after all that", 2)
		_, e := w.Mremap(wxT, wxN, wxN, mremapMayMove|mremapDontUnmap, 0)
		w.is("DONTUNMAP of X", e, abi.EINVAL)
	}
	w.is("tmpfs X", w.mmap(wxT, 2, rx, mapPrivate, w.files[2]), abi.EACCES)
	if d := w.last.Load(); d.Rule != RuleWriteExec {
		t.Fatalf("denial %+v", d)
	}
	w.is("shared tmpfs X", w.mmap(wxT, 2, rx, mapShared, w.files[2]), abi.EACCES)
	w.is("plain root file X", w.mmap(wxT, 2, rx, mapPrivate, w.files[1]), abi.EACCES)
	w.is("text RWX", w.mmap(wxT, 2, rwx, mapPrivate, w.files[0]), abi.EACCES)
	w.is("text RW", w.mmap(wxT, 2, rw, mapPrivate, w.files[0]), abi.OK)
	w.is("then X", w.Mprotect(wxT, wxN, rx), abi.EACCES)
	_, e := w.Mmap(&Request{Addr: wxT, Len: wxN, Prot: rwx, Flags: anonPrivate | mapFixed, ELFData: true})
	w.is("ELF data X", e, abi.EACCES)
	if d := w.last.Load(); d.Rule != RuleWriteExec {
		t.Fatalf("denial %+v", d)
	}
	w.is("MAP_GROWSDOWN X", w.mmap(wxT, 2, rwx, anonPrivate|mapGrowsDown, nil), abi.EACCES)
	w.is("MAP_STACK X", w.mmap(wxT, 2, rwx, anonPrivate|mapStack, nil), abi.EACCES)
	w.is("MAP_STACK", w.mmap(wxT, 2, rw, anonPrivate|mapStack, nil), abi.OK)
	w.is("then X", w.Mprotect(wxT, wxN, rx), abi.EACCES)
	must(t, "stack", w.MapStack(wxU+8<<20, 4*pageSize))
	w.is("stack X", w.Mprotect(wxU+8<<20-2*pageSize, pageSize, rx), abi.EACCES)
	w.InitBrk(wxU)
	w.Brk(wxU + pageSize)
	w.is("brk X", w.Mprotect(wxU, pageSize, rx), abi.EACCES)
	w.SetLayout(Layout{MmapBase: wxT + 1<<30, TextStart: wxT, TextEnd: wxU})
	// A fixed shared mapping goes elsewhere, unless something is there already or it could
	// not run anywhere.
	must(t, "munmap", w.Munmap(wxT, wxN))
	w.is("shared in the text window", w.mmap(wxT, 2, rw, anonShared, nil), abi.ENOMEM)
	w.is("private there", w.mmap(wxT, 2, rw, anonPrivate, nil), abi.OK)
	w.is("shared over it", w.mmap(wxT, 2, rw, anonShared, nil), abi.OK)
	w.is("then X", w.Mprotect(wxT, wxN, rx), abi.EACCES)
	must(t, "munmap", w.Munmap(wxT, wxN))
	w.is("in the text window", w.mmap(wxT, 2, rwx, anonPrivate, nil), abi.EACCES)
	w.is("RW there", w.mmap(wxT, 2, rw, anonPrivate, nil), abi.OK)
	w.is("then X", w.Mprotect(wxT, wxN, rx), abi.EACCES)
	move := func(prot uint32) abi.Errno {
		a := w.anon(wxU+40*pageSize, wxN, prot)
		_, e := w.Mremap(a, wxN, wxN, mremapMayMove|mremapFixed, wxT)
		return e
	}
	w.is("moved there", move(rwx), abi.EACCES)
	w.is("moved there without X", move(rw), abi.OK)
	w.is("then X", w.Mprotect(wxT, wxN, rx), abi.EACCES)
	// What was marked and moves there gives its budget back: it never runs again.
	must(t, "munmap", w.Munmap(wxU+40*pageSize, wxN))
	w.used("nothing", 0)
	a := w.anon(wxU+40*pageSize, wxN, rwx)
	must(t, "to RW", w.Mprotect(a, wxN, rw))
	w.used("marked", 2)
	_, e = w.Mremap(a, wxN, wxN, mremapMayMove|mremapFixed, wxT)
	w.is("moved there", e, abi.OK)
	w.used("moved there", 0)
	w.is("then X", w.Mprotect(wxT, wxN, rx), abi.EACCES)
	// Nor does it grow into the window, of text or of a fixed program.
	must(t, "munmap", w.Munmap(wxT, wxN))
	for _, l := range []Layout{{TextStart: wxT, TextEnd: wxU}, {FixedStart: wxT, FixedEnd: wxT + pageSize}} {
		l.MmapBase = wxT + 1<<30
		w.SetLayout(l)
		for _, prot := range []uint32{rwx, rw} {
			a = w.anon(wxT-pageSize, pageSize, prot)
			_, e = w.Mremap(a, pageSize, 3*pageSize, 0, 0)
			w.is("grown in place", e, abi.ENOMEM)
			to, e := w.Mremap(a, pageSize, 3*pageSize, mremapMayMove, 0)
			w.is("grown elsewhere", e, abi.OK)
			if w.inText(to, 3*pageSize) {
				t.Fatalf("grown to %#x, in the window", to)
			}
			w.is("then X", w.Mprotect(to, 3*pageSize, rx), abi.OK)
			must(t, "munmap", w.Munmap(to, 3*pageSize))
		}
	}
	w.end()
}

// TestJITBudget: what is charged, when, and when it is given back.
func TestJITBudget(t *testing.T) {
	w := newJITWorld(t, 4)
	if b, _ := w.JITBudget(); b != 4*pageSize {
		t.Fatalf("a budget of %d bytes", b)
	}
	w.is("reserve", w.mmap(wxT, 16, protNone, anonPrivate|mapNoReserve, nil), abi.OK)
	w.used("reserved", 0)
	w.is("two pages", w.Mprotect(wxT, 2*pageSize, rx), abi.OK)
	w.used("two pages", 2)
	w.is("again, and one more", w.Mprotect(wxT, 3*pageSize, rwx), abi.OK)
	w.used("three pages", 3)
	n := w.denials.Load()
	w.is("two more", w.Mprotect(wxT+4*pageSize, 2*pageSize, rx), abi.ENOMEM)
	if d := w.last.Load(); w.denials.Load() != n+1 || d.Rule != RuleJIT || d.Call != "mprotect" || d.Len != 2*pageSize || d.JIT != 4*pageSize || d.JITUsed != 3*pageSize {
		t.Fatalf("denial %+v", d)
	}
	w.used("three pages", 3)
	w.is("mmap of two", w.mmap(wxU, 2, rwx, anonPrivate, nil), abi.ENOMEM)
	if d := w.last.Load(); w.denials.Load() != n+2 || d.Rule != RuleJIT || d.Call != "mmap" || d.JITUsed != 3*pageSize {
		t.Fatalf("denial %+v", d)
	}
	w.is("mmap of one", w.mmap(wxU, 1, rwx, anonPrivate, nil), abi.OK)
	w.used("all", 4)
	w.is("one more", w.Mprotect(wxT+8*pageSize, pageSize, rx), abi.ENOMEM)

	// The mark stays whatever becomes of the protection and the contents.
	w.is("none", w.Mprotect(wxT, 3*pageSize, protNone), abi.OK)
	w.is("discarded", w.Madvise(wxT, 3*pageSize, madvDontNeed), abi.OK)
	w.is("split by advice", w.Madvise(wxT+pageSize, pageSize, madvDontDump), abi.OK)
	w.used("all", 4)
	w.is("one more", w.Mprotect(wxT+8*pageSize, pageSize, rx), abi.ENOMEM)
	w.is("back", w.Mprotect(wxT, 3*pageSize, rx), abi.OK)

	// Over what is there, a mapping takes only what the other had not.
	w.is("over it", w.mmap(wxT+pageSize, 2, rwx, anonPrivate, nil), abi.OK)
	w.is("over it, and one more", w.mmap(wxT+pageSize, 3, rwx, anonPrivate, nil), abi.ENOMEM)
	w.used("all", 4)
	w.is("over it, without X", w.mmap(wxT+pageSize, 2, rw, anonPrivate, nil), abi.OK)
	w.used("two given back", 2)
	w.is("X on one", w.Mprotect(wxT+pageSize, pageSize, rx), abi.OK)
	w.is("unmapped in part", w.Munmap(wxT, 2*pageSize), abi.OK)
	w.used("unmapped", 1)

	// mremap: growth counts, in place and elsewhere, and so does a second view.
	w.reset()
	w.used("nothing", 0)
	w.is("two", w.mmap(wxT, 2, rwx, anonPrivate, nil), abi.OK)
	_, e := w.Mremap(wxT, 2*pageSize, 5*pageSize, 0, 0)
	w.is("grown to five", e, abi.ENOMEM)
	if d := w.last.Load(); d.Rule != RuleJIT || d.Call != "mremap" {
		t.Fatalf("denial %+v", d)
	}
	_, e = w.Mremap(wxT, 2*pageSize, 4*pageSize, 0, 0)
	w.is("grown to four", e, abi.OK)
	w.used("grown", 4)
	_, e = w.Mremap(wxT, 4*pageSize, 4*pageSize, mremapMayMove|mremapFixed, wxU)
	w.is("moved", e, abi.OK)
	w.used("moved", 4)
	_, e = w.Mremap(wxU, 4*pageSize, pageSize, 0, 0)
	w.is("shrunk", e, abi.OK)
	w.used("shrunk", 1)
	w.is("to RW", w.Mprotect(wxU, pageSize, rw), abi.OK)
	_, e = w.Mremap(wxU, pageSize, pageSize, mremapMayMove|mremapFixed|mremapDontUnmap, wxT)
	w.is("moved, the old one kept", e, abi.OK)
	w.used("both", 2)
	w.is("three over the target", w.mmap(wxT, 3, rwx, anonPrivate, nil), abi.OK)
	_, e = w.Mremap(wxU, pageSize, 3*pageSize, mremapMayMove|mremapFixed, wxT)
	w.is("grown onto it", e, abi.OK)
	w.used("grown onto it", 3)

	w.reset()
	w.is("shared", w.mmap(wxT, 3, rwx, anonShared, nil), abi.OK)
	_, e = w.Mremap(wxT, 0, 2*pageSize, mremapMayMove|mremapFixed, wxU)
	w.is("a view of two", e, abi.ENOMEM)
	_, e = w.Mremap(wxT, 0, pageSize, mremapMayMove|mremapFixed, wxU)
	w.is("a view of one", e, abi.OK)
	w.used("both", 4)
	w.is("without the first", w.Munmap(wxT, 3*pageSize), abi.OK)
	w.used("the view", 1)
	w.end()
}

// TestJITRace: threads that replace large mappings, which lets the lock go in
// between, never have more than the budget together.
func TestJITRace(t *testing.T) {
	const size = largeRange + pageSize
	m := newMachine(t, 2000, 1, Options{JIT: 3 * size})
	rounds := 300
	if testing.Short() {
		rounds = 50
	}
	var wg sync.WaitGroup
	var refused, granted [4]int
	for i := range 4 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			at := uintptr(0x7e0000000000) + uintptr(i)<<30
			for n := range rounds {
				prot := uint32(rwx)
				if n%3 == 2 {
					prot = protNone
				}
				switch e := mapAt(m, at, size, prot); {
				case e == abi.ENOMEM:
					refused[i]++
				case e != abi.OK:
					t.Errorf("mmap: %v", e)
				case prot == rwx:
					granted[i]++
				}
				if b, used := m.JITBudget(); used > b {
					t.Errorf("%d bytes of %d are used", used, b)
				}
				runtime.Gosched()
			}
		}()
	}
	wg.Wait()
	t.Log(granted, "granted,", refused, "refused")
	// Whether the threads met at the limit depends on the host; one after another
	// they do.
	short := 0
	for i := range 4 {
		if mapAt(m, uintptr(0x7e0000000000)+uintptr(i)<<30, size, rwx) == abi.ENOMEM {
			short++
		}
	}
	if short != 1 {
		t.Errorf("of four mappings of a third of the budget %d were refused", short)
	}
	if m.jitHeld != 0 {
		t.Errorf("%d pages are still held", m.jitHeld)
	}
	m.mu.Lock()
	m.drain(m.detach(0, Highest), 0, Highest)
	m.unlock()
	if _, used := m.JITBudget(); used != 0 {
		t.Errorf("%d bytes are used by nothing", used)
	}
	m.close()
}
