package mm

import (
	"bytes"
	"math/rand"
	"strings"
	"testing"
	"time"

	"skerry/kernel/abi"
	"skerry/kernel/ground/frame"
	"skerry/kernel/vfs"
)

func errno(t *testing.T, what string, got, want abi.Errno) {
	t.Helper()
	if got != want {
		t.Fatalf("%s: %v, want %v", what, got, want)
	}
}

func TestBrk(t *testing.T) {
	m := newMachine(t, 2000, 1, Options{JIT: 1 << 30})
	c := m.cpus[0]
	if m.Brk(1<<30) != 0 {
		t.Fatal("a break before InitBrk")
	}
	const start = uintptr(1<<30) + 0x123
	m.InitBrk(start)
	for _, s := range []struct{ to, want uintptr }{
		{0, start}, {start - 1, start}, {start + 1, start + 1}, {start + 10*pageSize, start + 10*pageSize},
		{Highest + 1, start + 10*pageSize}, {^uintptr(0), start + 10*pageSize},
		{start + 3*pageSize, start + 3*pageSize}, {start + 20*pageSize, start + 20*pageSize},
	} {
		if got := m.Brk(s.to); got != s.want {
			t.Fatalf("brk(%#x) = %#x, want %#x", s.to, got, s.want)
		}
	}
	want(t, "store", c.store(start+12*pageSize, 5), FaultOK)
	i, ok := m.Find(start + pageSize) // the page that start lies in is the ELF data's
	if !ok || !i.Heap || i.Name != "[heap]" || i.MayExec || i.Start != roundUp(start, pageSize) || i.End != (start+21*pageSize)&^pageMask {
		t.Fatalf("%+v", i)
	}
	// Shrinking frees, growing again shows zeroes.
	m.Brk(start)
	m.Brk(start + 20*pageSize)
	if v, _ := c.load(start + 12*pageSize); v != 0 {
		t.Fatal("old heap contents:", v)
	}
	// A mapping in the way, and the guard gap of a stack.
	m.anon((start+30*pageSize)&^pageMask, pageSize, rw)
	if m.Brk(start+40*pageSize) != start+20*pageSize {
		t.Fatal("brk over a mapping")
	}
	must(t, "munmap", m.Munmap((start+30*pageSize)&^pageMask, pageSize))
	must(t, "MapStack", m.MapStack((start+guardGap+40*pageSize)&^pageMask, pageSize))
	if m.Brk(start+60*pageSize) != start+20*pageSize {
		t.Fatal("brk into the guard gap")
	}
	m.SetLimit(LimitData, 22*pageSize)
	if m.Brk(start+24*pageSize) != start+20*pageSize {
		t.Fatal("brk over RLIMIT_DATA")
	}
	m.SetLimit(LimitData, unlimited)
	if n := m.denials.Load(); n != 0 {
		t.Fatalf("%d denials, and nothing was sealed", n)
	}
	must(t, "mseal", m.Seal((start+5*pageSize)&^pageMask, pageSize, 0))
	page := func(n uintptr) uintptr { return (start + n*pageSize + pageMask) &^ pageMask }
	if m.Brk(start) != start+20*pageSize {
		t.Fatal("brk over a sealed page")
	}
	if d := m.last.Load(); m.denials.Load() != 1 || d.Rule != RuleSealed || d.Call != "brk" || d.Addr != page(0) || d.Len != 20*pageSize || d.Errno != abi.ENOMEM {
		t.Fatalf("told of %d: %+v", m.denials.Load(), d)
	}
	// One in the way, and a heap that ends above all of them.
	m.anon(page(25), pageSize, rw)
	must(t, "mseal", m.Seal(page(25), pageSize, 0))
	if m.Brk(start+30*pageSize) != start+20*pageSize {
		t.Fatal("brk over a sealed page")
	}
	if d := m.last.Load(); m.denials.Load() != 2 || d.Addr != page(20) || d.Len != 10*pageSize {
		t.Fatalf("told of %d: %+v", m.denials.Load(), d)
	}
	if m.Brk(start+7*pageSize) != start+7*pageSize || m.Brk(start+10*pageSize) != start+10*pageSize || m.denials.Load() != 2 {
		t.Fatal("brk beside a sealed page")
	}
	m.close()
}

func TestLimits(t *testing.T) {
	m := newMachine(t, 2000, 1, Options{})
	m.SetLimit(LimitAS, 10*pageSize)
	p := m.anon(0, 8*pageSize, rw)
	mmap := func(addr, pages uintptr, prot, flags uint32) abi.Errno {
		_, e := m.Mmap(&Request{Addr: addr, Len: pages * pageSize, Prot: prot, Flags: flags | mapAnonymous})
		return e
	}
	errno(t, "over RLIMIT_AS", mmap(0, 3, rw, mapPrivate), abi.ENOMEM)
	errno(t, "a replacement of the same size", mmap(p, 8, rw, mapPrivate|mapFixed), abi.OK)
	_, e := m.Mremap(p, 8*pageSize, 11*pageSize, mremapMayMove, 0)
	errno(t, "mremap over RLIMIT_AS", e, abi.ENOMEM)
	m.SetLimit(LimitAS, unlimited)
	m.SetLimit(LimitData, 10*pageSize)
	errno(t, "over RLIMIT_DATA", mmap(0, 3, rw, mapPrivate), abi.ENOMEM)
	errno(t, "shared is no data", mmap(0, 3, rw, mapShared), abi.OK)
	errno(t, "read-only is no data", mmap(1<<40, 3, protRead, mapPrivate|mapFixed), abi.OK)
	errno(t, "until it becomes writable", m.Mprotect(1<<40, 3*pageSize, rw), abi.ENOMEM)
	errno(t, "part of it", m.Mprotect(1<<40, 2*pageSize, rw), abi.OK)
	m.SetLimit(LimitData, unlimited)

	// Heuristic overcommit.
	over := uintptr(max(frame.Total(), sparseTable) + 1)
	errno(t, "more than the machine", mmap(0, over, rw, mapPrivate), abi.ENOMEM)
	errno(t, "with MAP_NORESERVE", mmap(0, over, rw, mapPrivate|mapNoReserve), abi.OK)
	errno(t, "read-only", mmap(1<<41, over, protRead, mapPrivate|mapFixed), abi.OK)
	errno(t, "made writable", m.Mprotect(1<<41, over*pageSize, rw), abi.ENOMEM)
	errno(t, "twice what there is in two", mmap(0, over/2, rw, mapPrivate)|mmap(0, over-over/2, rw, mapPrivate), abi.OK)

	// The number of vmas.
	base, n := uintptr(1<<42), 0
	for e = abi.OK; e == abi.OK; n++ {
		e = mmap(base+uintptr(n)*2*pageSize, 1, protRead, mapPrivate|mapFixed)
	}
	if st := m.Stats(); st.Mappings != maxVMAs || e != abi.ENOMEM {
		t.Fatal(st.Mappings, e)
	}
	errno(t, "a cut too many", m.Munmap(1<<41+pageSize, pageSize), abi.ENOMEM)
	errno(t, "mprotect too many", m.Mprotect(1<<41+pageSize, pageSize, protNone), abi.ENOMEM)
	errno(t, "mprotect at the end of one", m.Mprotect(1<<41, pageSize, protNone), abi.ENOMEM)
	errno(t, "madvise too many", m.Madvise(1<<41+pageSize, pageSize, madvDontDump), abi.ENOMEM)
	_, e = m.Mremap(base, pageSize, pageSize, mremapMayMove|mremapFixed, 1<<43)
	errno(t, "mremap too many", e, abi.ENOMEM)
	errno(t, "munmap of whole ones", m.Munmap(base, 8*pageSize), abi.OK)
	errno(t, "then there is room", m.Munmap(1<<41+pageSize, pageSize), abi.OK)
	m.close()
}

func TestMlock(t *testing.T) {
	m := newMachine(t, 2000, 1, Options{})
	p := m.anon(1<<40, 16*pageSize, rw)
	m.SetLimit(LimitMemlock, 8*pageSize)
	errno(t, "mlock", m.Mlock(p+100, 4*pageSize, 0), abi.OK) // rounds to 5 pages
	if u := m.Usage(p, p+16*pageSize); u.Rss != 5*pageSize {
		t.Fatal("mlock brought in", u.Rss)
	}
	if st := m.Stats(); st.Locked != 5*pageSize {
		t.Fatal(st.Locked)
	}
	errno(t, "over the limit", m.Mlock(p+8*pageSize, 4*pageSize, 0), abi.ENOMEM)
	errno(t, "overlapping", m.Mlock(p, 8*pageSize, 0), abi.OK)
	errno(t, "MADV_DONTNEED", m.Madvise(p, pageSize, madvDontNeed), abi.EINVAL)
	errno(t, "MADV_DONTNEED_LOCKED", m.Madvise(p, pageSize, madvDontNeedLocked), abi.OK)
	_, e := m.Mmap(&Request{Len: pageSize, Prot: rw, Flags: mapPrivate | mapAnonymous | mapLocked})
	errno(t, "MAP_LOCKED over the limit", e, abi.EAGAIN)
	_, e = m.Mremap(p, 8*pageSize, 9*pageSize, mremapMayMove, 0)
	errno(t, "mremap over the limit", e, abi.EAGAIN)
	errno(t, "msync", m.Msync(p, pageSize, msInvalidate), abi.EBUSY)
	errno(t, "munlock", m.Munlock(p, 16*pageSize), abi.OK)
	errno(t, "a hole", m.Mlock(p+14*pageSize, 3*pageSize, 0), abi.ENOMEM)
	errno(t, "munlock", m.Munlockall(), abi.OK)
	if st := m.Stats(); st.Locked != 0 {
		t.Fatal(st.Locked)
	}
	for _, f := range []uint32{0, 4, 8, 9} {
		errno(t, "mlockall flags", m.Mlockall(f), abi.EINVAL)
	}
	errno(t, "mlockall over the limit", m.Mlockall(mclCurrent), abi.ENOMEM)
	errno(t, "mlockall of the future", m.Mlockall(mclFuture), abi.OK)
	q := m.anon(1<<41, 4*pageSize, rw)
	if u := m.Usage(q, q+4*pageSize); u.Rss != 4*pageSize {
		t.Fatal("MCL_FUTURE brought in", u.Rss)
	}
	to, e := m.Mremap(q, 4*pageSize, 6*pageSize, mremapMayMove, 0)
	errno(t, "mremap", e, abi.OK)
	if u := m.Usage(to, to+6*pageSize); u.Rss != 6*pageSize {
		t.Fatal("mremap of locked memory brought in", u.Rss)
	}
	m.SetLimit(LimitMemlock, unlimited)
	errno(t, "mlockall", m.Mlockall(mclCurrent|mclFuture|mclOnFault), abi.OK)
	if i, _ := m.Find(p); !i.Locked {
		t.Fatal("not locked")
	}
	m.SetLimit(LimitMemlock, 0)
	errno(t, "no right", m.Mlock(p, 1, 0)|m.Mlockall(mclCurrent), abi.EPERM)
	m.close()
}

func TestMincoreAndRoot(t *testing.T) {
	m := newMachine(t, 2000, 1, Options{})
	c := m.cpus[0]
	f := newFile("root", 0, 8)
	f.exec, f.kind = true, frame.KindRoot
	p := m.file(1<<40, 8*pageSize, protRead, mapPrivate, peekFile{f}, 0)
	c.load(p + 2*pageSize)
	page, _ := f.Page(5, false)
	page.Unref()
	out := make([]byte, 8)
	must(t, "mincore", m.Mincore(p, out))
	if !bytes.Equal(out, []byte{0, 0, 1, 0, 0, 1, 0, 0}) {
		t.Fatal(out)
	}
	errno(t, "a hole", m.Mincore(p, make([]byte, 9)), abi.ENOMEM)
	errno(t, "unaligned", m.Mincore(p+1, out), abi.EINVAL)
	errno(t, "beyond user space", m.Mincore(Highest, out), abi.ENOMEM)

	// Reclaim takes pages of the root from ordinary mappings, not from locked
	// ones; a truncate takes all.
	must(t, "mlock", m.Mlock(p+2*pageSize, pageSize, 0))
	c.load(p + 3*pageSize)
	f.evict(2)
	f.evict(3)
	if u := m.Usage(p, p+8*pageSize); u.Rss != 2*pageSize || m.leaf(p+2*pageSize) == 0 || m.leaf(p+3*pageSize) != 0 { // 5 came with 3
		t.Fatalf("%+v", u)
	}
	f.truncate(2)
	if u := m.Usage(p, p+8*pageSize); u.Rss != 0 {
		t.Fatalf("%+v", u)
	}
	must(t, "munmap", m.Munmap(p, 8*pageSize))
	f.drop(t)
	m.close()
}

func TestSeal(t *testing.T) {
	m := newMachine(t, 2000, 1, Options{})
	c := m.cpus[0]
	p := m.anon(1<<40, 8*pageSize, rw)
	q := p + 2*pageSize
	c.store(q, 5)
	errno(t, "flags", m.Seal(q, pageSize, 1), abi.EINVAL)
	errno(t, "unaligned", m.Seal(q+1, pageSize, 0), abi.EINVAL)
	errno(t, "overflow", m.Seal(q, ^uintptr(0), 0)|m.Seal(q, ^uintptr(0)-pageSize+1, 0), abi.EINVAL)
	errno(t, "nothing", m.Seal(q, 0, 0), abi.OK)
	errno(t, "a hole", m.Seal(q, 7*pageSize, 0), abi.ENOMEM)
	if i, _ := m.Find(q); i.Sealed {
		t.Fatal("sealed in part")
	}
	errno(t, "seal", m.Seal(q, 2*pageSize, 0), abi.OK)
	errno(t, "again", m.Seal(q, 2*pageSize, 0), abi.OK)
	n := m.denials.Load()
	errno(t, "munmap", m.Munmap(p, 8*pageSize), abi.EPERM)
	errno(t, "mprotect", m.Mprotect(q, pageSize, protRead), abi.EPERM)
	_, e := m.Mremap(q, pageSize, 2*pageSize, mremapMayMove, 0)
	errno(t, "mremap", e, abi.EPERM)
	_, e = m.Mremap(p, pageSize, pageSize, mremapMayMove|mremapFixed, q+pageSize)
	errno(t, "mremap over it", e, abi.EPERM)
	_, e = m.Mremap(p, 8*pageSize, pageSize, 0, 0)
	errno(t, "mremap that shrinks over it", e, abi.EPERM)
	_, e = m.Mmap(&Request{Addr: p, Len: 3 * pageSize, Prot: rw, Flags: mapPrivate | mapAnonymous | mapFixed})
	errno(t, "mmap over it", e, abi.EPERM)
	if d := m.denials.Load() - n; d != 6 {
		t.Fatalf("%d denials reported", d)
	}
	errno(t, "discard of writable memory", m.Madvise(q, pageSize, madvDontNeed), abi.OK)
	must(t, "mprotect beside it", m.Mprotect(p, pageSize, protRead))
	c.store(q, 6)

	// RELRO: written, read-only, sealed: the contents must stay.
	r := m.anon(1<<41, pageSize, rw)
	c.store(r, 7)
	must(t, "mprotect", m.Mprotect(r, pageSize, protRead))
	must(t, "mseal", m.Seal(r, pageSize, 0))
	for _, a := range []int{madvDontNeed, madvFree, madvDontNeedLocked, madvDontFork, madvWipeOnFork} {
		errno(t, "advice on RELRO", m.Madvise(r, pageSize, a), abi.EPERM)
	}
	if v, _ := c.load(r); v != 7 {
		t.Fatal(v)
	}
	m.close()
}

func TestMremap(t *testing.T) {
	m := newMachine(t, 4000, 1, Options{})
	c := m.cpus[0]
	// DONTUNMAP leaves an empty mapping.
	p := m.anon(1<<40, 4*pageSize, rw)
	c.store(p, 5)
	to, e := m.Mremap(p, 4*pageSize, 4*pageSize, mremapMayMove|mremapDontUnmap, 0)
	must(t, "mremap", e)
	if v, _ := c.load(to); v != 5 {
		t.Fatal(v)
	}
	if v, r := c.load(p); v != 0 || r != FaultOK {
		t.Fatal(v, r)
	}
	// Growth: in place, blocked, moved; contents and the rest of the vma stay.
	q := m.anon(1<<41, 4*pageSize, rw)
	for i := uintptr(0); i < 4; i++ {
		c.store(q+i*pageSize, 10+uint64(i))
	}
	to, e = m.Mremap(q, 4*pageSize, 8*pageSize, 0, 0)
	if e != abi.OK || to != q {
		t.Fatal(to, e)
	}
	_, e = m.Mremap(q, 4*pageSize, 5*pageSize, 0, 0) // not at the end of the vma
	errno(t, "growth in the middle", e, abi.ENOMEM)
	to, e = m.Mremap(q+2*pageSize, 2*pageSize, 3*pageSize, mremapMayMove, 0)
	must(t, "mremap", e)
	for i := uintptr(0); i < 2; i++ {
		if v, _ := c.load(to + i*pageSize); v != 12+uint64(i) {
			t.Fatal(v)
		}
	}
	if _, r := c.load(q + 3*pageSize); r != FaultMapErr {
		t.Fatal(r)
	}
	if v, _ := c.load(q + 4*pageSize); v != 0 {
		t.Fatal(v)
	}
	_, e = m.Mremap(q, 8*pageSize, 9*pageSize, mremapMayMove, 0)
	errno(t, "over a hole", e, abi.EFAULT)
	_, e = m.Mremap(q, pageSize, pageSize, mremapMayMove|mremapFixed, Lowest-pageSize)
	errno(t, "to the low pages", e, abi.EPERM)
	_, e = m.Mremap(q, pageSize, pageSize, mremapMayMove|mremapFixed, Highest)
	errno(t, "to the last page", e, abi.EINVAL)

	// Without frames for tables nothing moves and nothing is lost.
	s := m.anon(1<<42, 2<<20, rw)
	for i := uintptr(0); i < 512; i += 7 {
		c.store(s+i*pageSize, uint64(i))
	}
	var hold []frame.PFN
	for {
		f := frame.Alloc(frame.KindKernel)
		if f == 0 {
			break
		}
		hold = append(hold, f)
	}
	for n := 0; ; n++ {
		// The target's two last tables are what is missing at first.
		if _, e = m.Mremap(s, 2<<20, 2<<20, mremapMayMove|mremapFixed, 1<<43+5*pageSize); e == abi.OK {
			if n < 3 {
				t.Fatalf("moved with %d frames", n)
			}
			break
		}
		errno(t, "without frames", e, abi.ENOMEM)
		for i := uintptr(0); i < 512; i += 7 {
			if v, _ := c.load(s + i*pageSize); v != uint64(i) {
				t.Fatalf("page %d lost: %d", i, v)
			}
		}
		hold[len(hold)-1].Unref()
		hold = hold[:len(hold)-1]
	}
	for i := uintptr(0); i < 512; i += 7 {
		if v, _ := c.load(1<<43 + (5+i)*pageSize); v != uint64(i) {
			t.Fatalf("page %d lost: %d", i, v)
		}
	}
	for _, f := range hold {
		f.Unref()
	}
	m.close()
}

func TestPlacement(t *testing.T) {
	m := newMachine(t, 2000, 1, Options{Huge: true, Random: rand.New(rand.NewSource(4)).Uint64})
	const base = 0x7f0000000000
	m.SetLayout(Layout{MmapBase: base, TextStart: base - 8<<30, TextEnd: base - 4<<30})
	text := newFile("lib", 0, 16)
	text.exec = true
	if a := m.anon(0, pageSize, rw); a != base-pageSize {
		t.Fatalf("first mapping at %#x", a)
	}
	if a := m.anon(0, 3*hugeSize, rw); a&hugeMask != 0 {
		t.Fatalf("large mapping at %#x", a)
	}
	x := m.file(0, 16*pageSize, protRead, mapPrivate, text, 0)
	if x != base-4<<30-16*pageSize {
		t.Fatalf("library at %#x", x)
	}
	a, e := m.Mmap(&Request{Addr: x - 64*pageSize, Len: pageSize, Prot: rw, Flags: mapPrivate | mapAnonymous})
	if must(t, "mmap", e); m.inText(a, pageSize) {
		t.Fatalf("a hint into the text window: %#x", a)
	}
	for i := 0; i < 5; i++ { // fills what is above the window, then goes below
		a, e := m.Mmap(&Request{Len: 1 << 30, Prot: rw, Flags: mapPrivate | mapAnonymous | mapNoReserve})
		if must(t, "mmap", e); m.inText(a, 1<<30) {
			t.Fatalf("memory in the text window: %#x", a)
		}
	}
	seen := map[uintptr]bool{}
	for i := 0; i < 50; i++ {
		a, e := m.Mmap(&Request{Addr: 1 << 40, Len: pageSize, Prot: rw, Flags: mapPrivate | mapAnonymous | map32Bit})
		if must(t, "MAP_32BIT", e); a < 1<<30 || a >= 2<<30 {
			t.Fatalf("MAP_32BIT at %#x", a)
		}
		seen[a>>20] = true
	}
	if len(seen) < 40 {
		t.Fatalf("MAP_32BIT chose %d different MiB of 50", len(seen))
	}
	if a, e := m.Mmap(&Request{Addr: 1 << 29, Len: pageSize, Prot: rw, Flags: mapPrivate | mapAnonymous | map32Bit}); e != abi.OK || a != 1<<29 {
		t.Fatalf("MAP_32BIT with a hint: %#x, %v", a, e)
	}
	// The whole of user space can be had, but not the bounds.
	must(t, "munmap", m.Munmap(0, Highest))
	if _, e = m.Mmap(&Request{Len: Highest - base - pageSize, Prot: protNone, Flags: mapPrivate | mapAnonymous}); e != abi.OK {
		t.Fatal(e)
	}
	must(t, "munmap", m.Munmap(0, Highest))
	for _, c := range []struct {
		addr, n uintptr
		want    abi.Errno
	}{
		{0, pageSize, abi.EPERM}, {Lowest - pageSize, pageSize, abi.EPERM}, {Lowest, pageSize, abi.OK},
		{Highest - pageSize, pageSize, abi.OK}, {Highest, pageSize, abi.ENOMEM}, {Highest - pageSize, 2 * pageSize, abi.ENOMEM},
		{1 << 63, pageSize, abi.ENOMEM}, {^uintptr(0) &^ pageMask, pageSize, abi.ENOMEM},
	} {
		_, e := m.Mmap(&Request{Addr: c.addr, Len: c.n, Prot: rw, Flags: mapPrivate | mapAnonymous | mapFixed})
		errno(t, "mmap at the bounds", e, c.want)
	}
	text.drop2(t, m)
	m.close()
}

func (f *fakeFile) drop2(t *testing.T, m *machine) {
	must(t, "munmap", m.Munmap(0, Highest))
	f.drop(t)
}

func TestSpecial(t *testing.T) {
	m := newMachine(t, 1000, 1, Options{})
	c := m.cpus[0]
	frames := []frame.PFN{frame.AllocZero(frame.KindKernel), frame.AllocZero(frame.KindKernel)}
	word(frames[1]).Store(42)
	const at = 1 << 40
	must(t, "MapSpecial", m.MapSpecial(at, frames, true, "[vdso]"))
	errno(t, "twice", m.MapSpecial(at+pageSize, frames, true, "[vdso]"), abi.EEXIST)
	if v, r := c.exec(at + pageSize); v != 42 || r != FaultOK {
		t.Fatal(v, r)
	}
	want(t, "write", c.store(at+pageSize, 1), FaultAccErr)
	errno(t, "mprotect", m.Mprotect(at, pageSize, rw), abi.EACCES)
	errno(t, "mprotect none", m.Mprotect(at, pageSize, protNone), abi.EPERM)
	errno(t, "munmap", m.Munmap(at, 2*pageSize), abi.EPERM)
	errno(t, "discard", m.Madvise(at, 2*pageSize, madvDontNeed), abi.EPERM)
	_, e := m.Mremap(at, 2*pageSize, 2*pageSize, mremapMayMove|mremapFixed, 1<<41)
	errno(t, "mremap", e, abi.EPERM)
	if i, ok := m.Find(at); !ok || !i.Special || i.Name != "[vdso]" || i.MayWrite {
		t.Fatalf("%+v", i)
	}
	m.Space.mu.Lock()
	m.drain(m.detach(0, Highest), 0, Highest)
	m.unlock()
	for _, f := range frames {
		if f.Refs() != 1 {
			t.Fatal("references:", f.Refs())
		}
		f.Unref()
	}
	m.close()
}

// TestSparse works on 100 TiB with a page here and there: what is empty costs
// next to nothing.
func TestSparse(t *testing.T) {
	m := newMachine(t, 4000, 1, Options{})
	c := m.cpus[0]
	const size, step = 100 << 40, 1<<40 + 37*pageSize
	f := newFile("f", 0, size>>pageShift)
	at := m.file(1<<40, size, rw, mapShared, f, 0)
	start := time.Now()
	for a := at; a < at+size; a += step {
		want(t, "store", c.store(a, 1), FaultOK)
	}
	if u := m.Usage(at, at+size); u.Rss != 100*pageSize {
		t.Fatal(u.Rss)
	}
	f.truncate(50 << 28) // 50 TiB
	if u := m.Usage(at, at+size); u.Rss != 50*pageSize {
		t.Fatal(u.Rss)
	}
	must(t, "mprotect", m.Mprotect(at, size, protRead))
	to, e := m.Mremap(at, 13<<40, 13<<40, mremapMayMove|mremapFixed, 110<<40)
	must(t, "mremap", e)
	if v, _ := c.load(to + step); v != 1 {
		t.Fatal(v)
	}
	must(t, "madvise", m.Madvise(at+13<<40, size-13<<40, madvDontNeed))
	must(t, "munmap", m.Munmap(0, Highest))
	if st := m.Stats(); st.Tables != 0 {
		t.Fatalf("%d bytes of tables are left", st.Tables)
	}
	if d := time.Since(start); d > 5*time.Second {
		t.Fatalf("took %v", d)
	}
	f.drop2(t, m)
	m.close()
}

// TestReclaimForTables: calls that need a table ask for memory before they fail.
func TestReclaimForTables(t *testing.T) {
	var hold []frame.PFN
	m := newMachine(t, 600, 1, Options{Reclaim: func() int {
		if len(hold) == 0 {
			return 0
		}
		hold[len(hold)-1].Unref()
		hold = hold[:len(hold)-1]
		return 1
	}})
	c := m.cpus[0]
	p := m.anon(1<<40, 8*pageSize, rw)
	c.store(p, 5)
	for f := frame.Alloc(frame.KindCache); f != 0; f = frame.Alloc(frame.KindCache) {
		hold = append(hold, f)
	}
	had := len(hold)
	to, e := m.Mremap(p, 8*pageSize, 8*pageSize, mremapMayMove|mremapFixed, 1<<44)
	must(t, "mremap", e)
	if v, _ := c.load(to); v != 5 || len(hold) >= had || len(hold) < had-5 {
		t.Fatal(v, had, len(hold))
	}
	for frame.FreeFrames() > 0 {
		hold = append(hold, frame.Alloc(frame.KindCache))
	}
	o, e := m.Mmap(&Request{Len: pageSize, Prot: rw, Flags: mapShared | mapAnonymous})
	must(t, "mmap", e)
	want(t, "store", c.store(o, 1), FaultOK)
	for len(hold) > 0 {
		hold[0].Unref()
		hold = hold[1:]
	}
	m.close()
}

// TestFetchRaces changes the world while a fault waits for its page.
func TestFetchRaces(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(m *machine, f *fakeFile, at uintptr)
		want FaultResult
		word uint64
	}{
		{"munmap", func(m *machine, f *fakeFile, at uintptr) { m.Munmap(at, pageSize) }, FaultMapErr, 0},
		{"mprotect", func(m *machine, f *fakeFile, at uintptr) { m.Mprotect(at, pageSize, protNone) }, FaultAccErr, 0},
		{"truncate", func(m *machine, f *fakeFile, at uintptr) { f.truncate(0) }, FaultBusErr, 0},
		{"truncate and growth", func(m *machine, f *fakeFile, at uintptr) { f.truncate(0); f.truncate(8) }, FaultOK, 103},
		{"evict", func(m *machine, f *fakeFile, at uintptr) { f.evict(3) }, FaultOK, 103},
		{"replacement", func(m *machine, f *fakeFile, at uintptr) { m.anon(at, pageSize, rw) }, FaultOK, 0},
		{"another offset", func(m *machine, f *fakeFile, at uintptr) {
			m.file(at, pageSize, rw, mapPrivate, f, 5*pageSize)
		}, FaultOK, 105},
		{"a move away", func(m *machine, f *fakeFile, at uintptr) {
			m.Mremap(at, pageSize, pageSize, mremapMayMove|mremapFixed, at+64*pageSize)
		}, FaultMapErr, 0},
	} {
		for _, flags := range []uint32{mapPrivate, mapShared} {
			for k := 0; k < 4; k++ {
				a, peek := Access(k&1), k&2 != 0
				m := newMachine(t, 1000, 1, Options{})
				f := newFile("f", 100, 8)
				var file vfs.Mapper = f
				if peek {
					file = peekFile{f}
					p, _ := f.Page(3, false)
					p.Unref()
				}
				at := m.file(1<<40, pageSize, rw, flags, file, 3*pageSize)
				fired := false
				// The page is read, then the world changes before the fault has it.
				do := func() {
					if !fired {
						fired = true
						c.do(m, f, at)
					}
				}
				if f.after = do; peek && a == Read || peek && flags == mapPrivate {
					if !strings.Contains("truncate and growth evict", c.name) {
						continue // with the space locked only the file can change
					}
					f.after, f.peeked = nil, do
				}
				got := m.cpus[0].access(at, a, nil)
				if got != c.want {
					t.Fatalf("%s, flags %d, access %d: %d", c.name, flags, a, got)
				}
				if got == FaultOK {
					if v, _ := m.cpus[0].load(at); v != c.word {
						t.Fatalf("%s: holds %d", c.name, v)
					}
				}
				f.after, f.peeked = nil, nil
				if !fired {
					t.Fatal("nothing happened")
				}
				f.drop2(t, m)
				m.close()
			}
		}
	}
}
