package mm

import (
	"testing"

	"skerry/kernel/abi"
	"skerry/kernel/ground/frame"
	"skerry/kernel/usermem"
)

const rw = protRead | protWrite

func want(t *testing.T, what string, got, want FaultResult) {
	t.Helper()
	if got != want {
		t.Fatalf("%s: fault result %d, want %d", what, got, want)
	}
}

func TestAnonymous(t *testing.T) {
	m := newMachine(t, 4000, 2, Options{})
	a, b := m.cpus[0], m.cpus[1]
	p := m.anon(0, 8*pageSize, rw)
	user := frame.Read().User
	for i := uintptr(0); i < 8; i++ {
		if v, r := a.load(p + i*pageSize); v != 0 || r != FaultOK {
			t.Fatal(v, r)
		}
		b.load(p + i*pageSize)
	}
	if n := frame.Read().User - user; n != 0 {
		t.Fatalf("reading untouched memory took %d frames", n)
	}
	// b has the page of zeroes in its TLB and must see what a writes.
	for i := uintptr(0); i < 8; i++ {
		want(t, "store", a.store(p+i*pageSize, 7+uint64(i)), FaultOK)
		if v, _ := b.load(p + i*pageSize); v != 7+uint64(i) {
			t.Fatalf("the other CPU reads %d", v)
		}
	}
	if n := frame.Read().User - user; n != 8 {
		t.Fatalf("8 pages took %d frames", n)
	}
	if _, r := a.exec(p); r != FaultAccErr {
		t.Fatal("anonymous memory without PROT_EXEC runs", r)
	}
	for _, bad := range []uintptr{0, 8, 0xfff8, Lowest - 8, p - 8, p + 8*pageSize, Highest, Highest + 8, 1 << 63, ^uintptr(7)} {
		for _, k := range []Access{Read, Write, Exec} {
			want(t, "unmapped", m.Fault(bad, k), FaultMapErr)
		}
	}
	must(t, "mprotect", m.Mprotect(p, 2*pageSize, protRead))
	want(t, "read-only", b.store(p, 1), FaultAccErr)
	must(t, "mprotect", m.Mprotect(p, pageSize, protNone))
	if _, r := b.load(p); r != FaultAccErr {
		t.Fatal("PROT_NONE", r)
	}
	must(t, "mprotect", m.Mprotect(p, pageSize, rw))
	if v, r := b.load(p); v != 7 || r != FaultOK {
		t.Fatal("contents after PROT_NONE:", v, r)
	}
	want(t, "store", b.store(p, 9), FaultOK)
	must(t, "munmap", m.Munmap(p, 8*pageSize))
	if _, r := b.load(p); r != FaultMapErr {
		t.Fatal("after munmap", r)
	}
	if n := frame.Read().User - user; n != 0 || m.Stats().Tables != 0 {
		t.Fatalf("%d frames, %d table bytes after munmap", n, m.Stats().Tables)
	}
	m.close()
}

func TestPrivateFile(t *testing.T) {
	for _, peek := range []bool{false, true} {
		m := newMachine(t, 4000, 2, Options{})
		f := newFile("f", 1000, 40)
		var file interface {
			Page(uint64, bool) (frame.PFN, abi.Errno)
		} = f
		mapped := m.file(0, 40*pageSize, rw, mapPrivate, f, 0)
		if peek {
			must(t, "munmap", m.Munmap(mapped, 40*pageSize))
			mapped = m.file(0, 40*pageSize, rw, mapPrivate, peekFile{f}, 0)
			for i := uint64(0); i < 40; i++ { // all in the cache
				p, _ := file.Page(i, false)
				p.Unref()
			}
		}
		a, b := m.cpus[0], m.cpus[1]
		if v, _ := a.load(mapped + 17*pageSize); v != 1017 {
			t.Fatal(v)
		}
		if got, want := m.Stats().Around, uint64(15); peek && got != want || !peek && got != 0 {
			t.Fatalf("%d pages were mapped around, peek %v", got, peek)
		}
		b.load(mapped + 17*pageSize)
		want(t, "store", a.store(mapped+17*pageSize, 5), FaultOK) // copy of a mapped page
		want(t, "store", a.store(mapped+3*pageSize, 6), FaultOK)  // copy without reading first
		for i, w := range map[uintptr]uint64{17: 5, 3: 6, 4: 1004} {
			if v, _ := b.load(mapped + i*pageSize); v != w {
				t.Fatalf("page %d holds %d, want %d", i, v, w)
			}
		}
		for _, i := range []uint64{3, 17} {
			p, _ := file.Page(i, false)
			if word(p).Load() != 1000+i {
				t.Fatal("a private write reached the file")
			}
			p.Unref()
		}
		must(t, "madvise", m.Madvise(mapped, 40*pageSize, madvDontNeed))
		if v, _ := b.load(mapped + 17*pageSize); v != 1017 {
			t.Fatal("after MADV_DONTNEED:", v)
		}
		f.truncate(10)
		want(t, "beyond the end", a.store(mapped+17*pageSize, 1), FaultBusErr)
		f.fail.Store(int64(abi.EIO))
		f.evict(2)
		if _, r := a.load(mapped + 2*pageSize); r != FaultBusErr {
			t.Fatal("device error:", r)
		}
		f.fail.Store(0)
		must(t, "munmap", m.Munmap(mapped, 40*pageSize))
		f.drop(t)
		m.close()
	}
}

func TestSharedFileAndObject(t *testing.T) {
	m := newMachine(t, 4000, 2, Options{})
	f := newFile("f", 100, 8)
	a, b := m.cpus[0], m.cpus[1]
	x := m.file(0, 8*pageSize, rw, mapShared, f, 0)
	y := m.file(0, 4*pageSize, protRead, mapShared, f, 4*pageSize)
	b.load(y)
	b.load(x + 4*pageSize)
	want(t, "store", a.store(x+4*pageSize, 77), FaultOK)
	if v, _ := b.load(y); v != 77 {
		t.Fatal("shared write is not seen:", v)
	}
	if word(f.pages[4]).Load() != 77 {
		t.Fatal("shared write did not reach the file")
	}
	f.truncate(4)
	if _, r := b.load(y); r != FaultBusErr {
		t.Fatal("after truncate", r)
	}
	f.truncate(8)
	if v, _ := b.load(y); v != 104 {
		t.Fatal("after truncate and growth:", v)
	}

	o, e := m.Mmap(&Request{Len: 4 * pageSize, Prot: rw, Flags: mapShared | mapAnonymous})
	must(t, "mmap", e)
	want(t, "store", a.store(o+pageSize, 3), FaultOK)
	must(t, "madvise", m.Madvise(o, 4*pageSize, madvDontNeed))
	if v, _ := b.load(o + pageSize); v != 3 {
		t.Fatal("shared memory lost by MADV_DONTNEED:", v)
	}
	o2, e := m.Mremap(o, 0, 6*pageSize, mremapMayMove, 0)
	must(t, "mremap of length 0", e)
	if v, _ := b.load(o2 + pageSize); v != 3 {
		t.Fatal("second view:", v)
	}
	want(t, "beyond the object", b.store(o2+5*pageSize, 1), FaultBusErr)
	must(t, "MADV_REMOVE", m.Madvise(o, 2*pageSize, madvRemove))
	if v, _ := a.load(o2 + pageSize); v != 0 {
		t.Fatal("after MADV_REMOVE:", v)
	}
	must(t, "munmap", m.Munmap(o, 4*pageSize))
	want(t, "store", b.store(o2, 1), FaultOK)
	must(t, "munmap", m.Munmap(x, 8*pageSize))
	must(t, "munmap", m.Munmap(y, 4*pageSize))
	f.drop(t)
	m.close()
}

// holeFile shows one page for reading and another for writing where it has
// nothing yet, as a file system may for holes.
type holeFile struct {
	*fakeFile
	zero frame.PFN
}

func (f holeFile) Page(index uint64, write bool) (frame.PFN, abi.Errno) {
	f.mu.Lock()
	hole := f.pages[index] == 0
	f.mu.Unlock()
	if !write && hole && index < f.size.Load() {
		f.zero.Ref()
		if f.after != nil {
			f.after()
		}
		return f.zero, abi.OK
	}
	return f.fakeFile.Page(index, write)
}

func TestHoleUpgrade(t *testing.T) {
	m := newMachine(t, 1000, 2, Options{})
	f := holeFile{newFile("f", 0, 4), frame.AllocZero(frame.KindCache)}
	x := m.file(0, 4*pageSize, rw, mapShared, f, 0)
	m.cpus[0].load(x)
	m.cpus[1].load(x)
	want(t, "store", m.cpus[0].store(x, 9), FaultOK)
	if v, _ := m.cpus[1].load(x); v != 9 {
		t.Fatal("stale page of zeroes:", v)
	}
	must(t, "munmap", m.Munmap(x, 4*pageSize))

	// A private page becomes a shared one while its fault waits: what was
	// fetched for reading must not be written.
	x = m.file(0, pageSize, rw, mapPrivate, f, pageSize)
	f.after = func() { m.file(x, pageSize, rw, mapShared, f, pageSize) }
	want(t, "store", m.cpus[0].store(x, 8), FaultOK)
	f.after = nil
	if word(f.zero).Load() != 0 || f.pages[1] == 0 || word(f.pages[1]).Load() != 8 {
		t.Fatal("the page of zeroes was written")
	}
	must(t, "munmap", m.Munmap(x, pageSize))
	if f.zero.Refs() != 1 {
		t.Fatal("references to the hole page:", f.zero.Refs())
	}
	f.zero.Unref()
	f.drop(t)
	m.close()
}

func TestStack(t *testing.T) {
	m := newMachine(t, 6000, 1, Options{})
	c := m.cpus[0]
	const top = 0x7ffffff00000
	must(t, "MapStack", m.MapStack(top, 32*pageSize))
	want(t, "one page down", c.store(top-33*pageSize, 1), FaultOK)
	want(t, "4 MiB down", c.store(top-4<<20, 1), FaultOK)
	want(t, "the last page", c.store(top-8<<20, 1), FaultOK)
	want(t, "beyond the limit", c.store(top-8<<20-8, 1), FaultMapErr)
	if st := m.Stats(); st.Stack != 8<<20 || st.Data != 0 {
		t.Fatal(st.Stack, st.Data)
	}
	if i, ok := m.Find(top - 1); !ok || !i.Stack || i.MayExec || i.Name != "[stack]" {
		t.Fatal(i)
	}
	if e := m.Mprotect(top-pageSize, pageSize, rw|protExec); e != abi.EACCES {
		t.Fatal("executable stack:", e)
	}
	if e := m.Mprotect(top-pageSize, pageSize, protRead|protExec|protGrowsDown); e != abi.EACCES {
		t.Fatal("executable stack (__stack_prot):", e)
	}

	// The guard gap: hints and MAP_FIXED_NOREPLACE keep out of it, and growth
	// stops where it would vanish.
	const low = top - 8<<20
	r := Request{Addr: low - 1<<20, Len: pageSize, Prot: rw, Flags: mapPrivate | mapAnonymous}
	if a, e := m.Mmap(&r); e != abi.OK || a == r.Addr {
		t.Fatalf("hint in the guard gap: %#x, %v", a, e)
	}
	r.Flags |= mapFixedNoReplace
	if _, e := m.Mmap(&r); e != abi.EEXIST {
		t.Fatal("MAP_FIXED_NOREPLACE in the guard gap:", e)
	}
	m.SetLimit(LimitStack, unlimited)
	m.anon(low-16<<20, pageSize, rw)
	const edge = low - 16<<20 + pageSize + guardGap
	want(t, "down to the guard gap", c.store(edge, 1), FaultOK)
	want(t, "into the guard gap", c.store(edge-8, 1), FaultMapErr)
	must(t, "munmap", m.Munmap(low-16<<20, pageSize))
	m.anon(low-16<<20, pageSize, protNone) // a guard of its own
	want(t, "towards a PROT_NONE mapping", c.store(edge-8, 1), FaultOK)
	want(t, "onto it", c.store(low-16<<20, 1), FaultAccErr)

	// Never below Lowest, whatever the limit.
	g, e := m.Mmap(&Request{Addr: Lowest + pageSize, Len: pageSize, Prot: rw, Flags: mapPrivate | mapAnonymous | mapGrowsDown | mapFixed})
	must(t, "MAP_GROWSDOWN", e)
	want(t, "to Lowest", c.store(g-8, 1), FaultOK)
	want(t, "below Lowest", c.store(Lowest-8, 1), FaultMapErr)
	m.close()
}

func TestOutOfMemory(t *testing.T) {
	asked := 0
	var spare []frame.PFN
	ooms := 0
	m := newMachine(t, 300, 1, Options{
		Reclaim: func() int {
			asked++
			if len(spare) == 0 {
				return 0
			}
			spare[0].Unref()
			spare = spare[1:]
			return 1
		},
		OOM: func() { ooms++ },
	})
	frame.SetReserve(20)
	for i := 0; i < 30; i++ {
		spare = append(spare, frame.AllocZero(frame.KindCache))
	}
	c := m.cpus[0]
	p := m.anon(0, 299*pageSize, rw)
	n := uintptr(0)
	for ; c.store(p+n*pageSize, 1) == FaultOK; n++ {
	}
	if len(spare) != 0 || asked < 31 || frame.FreeFrames() < 19 {
		t.Fatalf("stopped with %d spare, %d requests, %d free", len(spare), asked, frame.FreeFrames())
	}
	want(t, "out of memory", m.Fault(p+n*pageSize, Write), FaultOOM)
	if e := m.Resolve(p+n*pageSize, true); e != abi.EFAULT || ooms != 1 {
		t.Fatal(e, ooms)
	}
	// Tables are charged: one page per GiB ends in OOM too, not in the reserve.
	must(t, "munmap", m.Munmap(p, 299*pageSize))
	big, e := m.Mmap(&Request{Len: 200 << 30, Prot: rw, Flags: mapPrivate | mapAnonymous | mapNoReserve})
	must(t, "mmap", e)
	for n = 0; c.store(big+n<<30, 1) == FaultOK; n++ {
	}
	if n < 60 || n > 140 || frame.FreeFrames() < 18 {
		t.Fatalf("%d sparse pages with %d frames left", n, frame.FreeFrames())
	}
	must(t, "munmap", m.Munmap(big, 200<<30))
	frame.SetReserve(0)
	m.before.Reserve = 0
	m.close()
}

// TestUsermem runs kernel copies against the space.
func TestUsermem(t *testing.T) {
	m := newMachine(t, 1000, 1, Options{})
	c := m.cpus[0]
	oldT, oldR := usermem.HostTranslate, usermem.Resolve
	defer func() { usermem.HostTranslate, usermem.Resolve = oldT, oldR }()
	usermem.Resolve = m.Resolve
	usermem.HostTranslate = func(addr uintptr, write bool) (uintptr, bool) {
		a := Read
		if write {
			a = Write
		}
		if !c.try(addr, a, nil) {
			return 0, false
		}
		return pfnOf(c.tlb[addr&^pageMask]).Addr() + addr&pageMask, true
	}
	p := m.anon(1<<40, 3*pageSize, rw)
	f := newFile("text", 500, 2)
	f.exec = true
	x := m.file(p+3*pageSize, 2*pageSize, protRead|protExec, mapPrivate, f, 0)
	buf := make([]byte, 3*pageSize)
	for i := range buf {
		buf[i] = byte(i)
	}
	if n, e := usermem.CopyOut(p+100, buf); n != 3*pageSize-100 || e != abi.EFAULT {
		t.Fatal("a copy that runs into text:", n, e)
	}
	if v, _ := c.load(x); v != 500 {
		t.Fatal("text was written:", v)
	}
	got := make([]byte, 100)
	if n, e := usermem.CopyIn(got, p+100); n != 100 || e != abi.OK || got[7] != 7 {
		t.Fatal(n, e, got[7])
	}
	if _, e := usermem.Cmpxchg32(x, 500, 1); e != abi.EFAULT {
		t.Fatal("compare-and-swap on text:", e)
	}
	must(t, "munmap", m.Munmap(p, 5*pageSize))
	f.drop(t)
	m.close()
}

// TestCopyOrder: while some CPU may still read the original, nobody can reach
// the copy, or one CPU could see another's store and then the value before it.
func TestCopyOrder(t *testing.T) {
	m := newMachine(t, 1000, 2, Options{})
	f := newFile("f", 100, 1)
	hole := holeFile{newFile("hole", 0, 1), frame.AllocZero(frame.KindCache)}
	for _, p := range []uintptr{
		m.file(1<<40, pageSize, rw, mapPrivate, f, 0),
		m.anon(2<<40, pageSize, rw),
		m.file(3<<40, pageSize, rw, mapShared, hole, 0),
	} {
		m.cpus[1].load(p)
		flushed := 0
		m.onFlush = func(start, end uintptr) {
			flushed++
			if e := m.tree.pte(p).Load(); start != p || end != p+pageSize || e&pteP != 0 {
				t.Errorf("flush of [%#x, %#x) with entry %#x", start, end, e)
			}
		}
		want(t, "store", m.cpus[0].store(p, 5), FaultOK)
		m.onFlush = nil
		if v, _ := m.cpus[1].load(p); v != 5 || flushed != 1 {
			t.Fatal(v, flushed)
		}
	}
	must(t, "munmap", m.Munmap(0, Highest))
	hole.zero.Unref()
	hole.drop(t)
	f.drop(t)
	m.close()
}
