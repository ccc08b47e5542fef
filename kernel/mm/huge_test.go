package mm

import (
	"math/rand"
	"testing"

	"skerry/kernel/abi"
	"skerry/kernel/ground/frame"
)

func hugeBytes(m *machine, addr, n uintptr) uint64 { return m.Usage(addr, addr+n).Huge }

func TestHuge(t *testing.T) {
	m := newMachine(t, 16384, 2, Options{Huge: true})
	a, b := m.cpus[0], m.cpus[1]
	p := m.anon(0, 3*hugeSize, rw)
	if p&hugeMask != 0 {
		t.Fatalf("%#x is not aligned", p)
	}
	user := frame.Read().User
	want(t, "store", a.store(p+hugeSize+5*pageSize, 1), FaultOK)
	if hugeBytes(m, p, 3*hugeSize) != hugeSize || frame.Read().User-user != entries {
		t.Fatalf("%+v", m.Usage(p, p+3*hugeSize))
	}
	if v, _ := b.load(p + hugeSize + 6*pageSize); v != 0 {
		t.Fatal("not cleared:", v)
	}
	if i := m.Usage(p, p+3*hugeSize); i.Rss != hugeSize || i.Anonymous != hugeSize {
		t.Fatalf("%+v", i)
	}
	for i := uintptr(0); i < entries; i++ {
		b.store(p+hugeSize+i*pageSize, 100+uint64(i))
	}
	// Parts lose rights, come back, and go.
	split := 0
	m.onFlush = func(start, end uintptr) {
		// No CPU may hold the region as one page and as many at once.
		if d, _ := m.tree.pde(p + hugeSize); start == p+hugeSize && end == p+2*hugeSize && d.Load() == pteBusy {
			split++
		}
	}
	must(t, "mprotect", m.Mprotect(p+hugeSize+4*pageSize, pageSize, protRead))
	m.onFlush = nil
	if split != 1 {
		t.Fatal("split without a flush in between")
	}
	if hugeBytes(m, p, 3*hugeSize) != 0 || m.Stats().Splits != 1 {
		t.Fatal("not split")
	}
	want(t, "read-only part", b.store(p+hugeSize+4*pageSize, 1), FaultAccErr)
	want(t, "the rest", b.store(p+hugeSize+3*pageSize, 103), FaultOK)
	must(t, "munmap", m.Munmap(p+hugeSize+8*pageSize, pageSize))
	if _, r := a.load(p + hugeSize + 8*pageSize); r != FaultMapErr {
		t.Fatal(r)
	}
	must(t, "madvise", m.Madvise(p+hugeSize+9*pageSize, pageSize, madvDontNeed))
	for i := uintptr(0); i < entries; i++ {
		w := 100 + uint64(i)
		if i == 8 {
			continue
		} else if i == 9 {
			w = 0
		}
		if v, r := a.load(p + hugeSize + i*pageSize); v != w || r != FaultOK {
			t.Fatalf("page %d holds %d (%d)", i, v, r)
		}
	}
	// Whole large pages: rights, PROT_NONE, moves, discard.
	want(t, "store", a.store(p, 7), FaultOK)
	must(t, "mprotect", m.Mprotect(p, hugeSize, protNone))
	if _, r := b.load(p); r != FaultAccErr {
		t.Fatal(r)
	}
	must(t, "mprotect", m.Mprotect(p, hugeSize, rw))
	if v, _ := b.load(p); v != 7 || hugeBytes(m, p, hugeSize) != hugeSize {
		t.Fatal("contents or size lost:", v)
	}
	q := p - 64*hugeSize
	to, e := m.Mremap(p, hugeSize, hugeSize, mremapMayMove|mremapFixed, q)
	must(t, "mremap", e)
	if v, _ := b.load(to); v != 7 || hugeBytes(m, q, hugeSize) != hugeSize {
		t.Fatal("a large page did not move whole")
	}
	to, e = m.Mremap(q, hugeSize, hugeSize, mremapMayMove|mremapFixed, q-8*hugeSize+3*pageSize)
	must(t, "mremap", e)
	if v, _ := b.load(to); v != 7 || hugeBytes(m, to, hugeSize) != 0 {
		t.Fatal("unaligned move")
	}
	want(t, "store", a.store(p+2*hugeSize, 9), FaultOK)
	must(t, "madvise", m.Madvise(p+2*hugeSize, hugeSize, madvDontNeed))
	if v, _ := b.load(p + 2*hugeSize); v != 0 {
		t.Fatal("discarded large page holds", v)
	}
	m.close()
}

// TestHugeReluctance is where large pages must not appear.
func TestHugeReluctance(t *testing.T) {
	m := newMachine(t, 8192, 1, Options{Huge: true})
	c := m.cpus[0]
	p := m.anon(1<<40+pageSize, 2*hugeSize, rw)
	c.store(p, 1) // the 2 MiB around it reach beyond the mapping
	must(t, "madvise", m.Madvise(1<<40+hugeSize, hugeSize, madvNoHugePage))
	c.store(1<<40+hugeSize, 1)
	must(t, "MapStack", m.MapStack(1<<41, 4*hugeSize))
	c.store(1<<41-hugeSize, 1)
	if st := m.Stats(); st.Huge != 0 {
		t.Fatalf("%d large pages", st.Huge)
	}
	// A reader first: small pages from there on.
	q := m.anon(1<<42, hugeSize, rw)
	c.load(q)
	c.store(q+pageSize, 1)
	// Not with little memory left.
	var hold []frame.PFN
	for frame.FreeFrames() > frame.Total()/8+entries-10 {
		hold = append(hold, frame.Alloc(frame.KindCache))
	}
	r := m.anon(1<<43, hugeSize, rw)
	c.store(r, 1)
	if st := m.Stats(); st.Huge != 0 {
		t.Fatalf("%d large pages", st.Huge)
	}
	for _, f := range hold {
		f.Unref()
	}
	m.close()
}

// TestHugeNoTable discards part of a large page when there is no frame to split
// it with.
func TestHugeNoTable(t *testing.T) {
	m := newMachine(t, 4096, 1, Options{Huge: true})
	c := m.cpus[0]
	p := m.anon(1<<40, hugeSize, rw)
	for i := uintptr(0); i < entries; i++ {
		c.store(p+i*pageSize, 5)
	}
	var hold []frame.PFN
	for {
		f := frame.Alloc(frame.KindKernel)
		if f == 0 {
			break
		}
		hold = append(hold, f)
	}
	must(t, "madvise", m.Madvise(p+pageSize, 2*pageSize, madvDontNeed))
	for i, w := range []uint64{5, 0, 0, 5} {
		if v, _ := c.load(p + uintptr(i)*pageSize); v != w {
			t.Fatalf("page %d holds %d", i, v)
		}
	}
	if e := m.Munmap(p, pageSize); e != abi.ENOMEM {
		t.Fatal("munmap that must split:", e)
	}
	if e := m.Mprotect(p, pageSize, protRead); e != abi.ENOMEM {
		t.Fatal("mprotect that must split:", e)
	}
	for _, f := range hold {
		f.Unref()
	}
	m.close()
}

// TestHugeRandom writes, discards, protects and moves at random over large
// pages and compares the contents with a plain array.
func TestHugeRandom(t *testing.T) {
	const pages = 4 * entries
	rng := rand.New(rand.NewSource(3))
	m := newMachine(t, 16384, 2, Options{Huge: true})
	base := m.anon(1<<40, pages*pageSize, rw)
	mem := make([]uint64, pages)
	hole := make([]bool, pages)
	for round := 0; round < 4000; round++ {
		lo := rng.Intn(pages)
		n := 1 + rng.Intn(40)
		if rng.Intn(3) == 0 {
			lo, n = lo&^(entries-1), entries*(1+rng.Intn(2))
		}
		n = min(n, pages-lo)
		addr, size := base+uintptr(lo)<<pageShift, uintptr(n)<<pageShift
		fill := func(h bool) {
			for i := lo; i < lo+n; i++ {
				mem[i], hole[i] = 0, h
			}
		}
		switch k := rng.Intn(20); {
		case k < 2:
			must(t, "munmap", m.Munmap(addr, size))
			fill(true)
		case k < 5:
			m.anon(addr, size, rw)
			fill(false)
		case k < 7:
			if e := m.Madvise(addr, size, madvDontNeed); e != abi.OK && e != abi.ENOMEM {
				t.Fatal(e)
			}
			for i := lo; i < lo+n; i++ {
				mem[i] = 0
			}
		case k < 9:
			p := []uint32{0, 1, 3}[rng.Intn(3)]
			m.Mprotect(addr, size, p)
			m.Mprotect(addr, size, rw)
		default:
			c := m.cpus[rng.Intn(2)]
			i := lo + rng.Intn(n)
			a := base + uintptr(i)<<pageShift
			if !hole[i] && k < 16 { // write before anyone reads
				mem[i] = rng.Uint64()
				want(t, "store", c.store(a, mem[i]), FaultOK)
			}
			v, r := m.cpus[rng.Intn(2)].load(a)
			if hole[i] != (r == FaultMapErr) || !hole[i] && v != mem[i] {
				t.Fatalf("round %d: page %d holds %d (%d), want %d (hole %v)", round, i, v, r, mem[i], hole[i])
			}
			if !hole[i] && k >= 16 {
				mem[i] = rng.Uint64()
				want(t, "store", c.store(a, mem[i]), FaultOK)
			}
		}
		// Rights may be left changed where mprotect met a hole.
		for a := base; a < base+pages*pageSize; {
			i, ok := m.Find(a)
			if !ok {
				i, ok = m.Next(a)
			}
			if !ok || i.Start >= base+pages*pageSize {
				break
			}
			if !i.Write {
				must(t, "mprotect", m.Mprotect(i.Start, i.End-i.Start, rw))
			}
			a = i.End
		}
	}
	if st := m.Stats(); st.Huge < 10 || st.Splits < 10 {
		t.Fatalf("only %d large pages and %d splits", st.Huge, st.Splits)
	}
	m.close()
}
