package mm

import (
	"math/rand"
	"sync"
	"sync/atomic"
	"testing"

	"skerry/kernel/abi"
)

func rounds(n int) int {
	if raceEnabled || testing.Short() {
		return n / 8
	}
	return n
}

// TestConcurrentOwners has every thread map, unmap, move, protect, discard and
// use pages of its own, which lie between those of others in the same tables
// and vmas, and know exactly what they hold.
func TestConcurrentOwners(t *testing.T) {
	const threads, slice = 4, 8
	m := newMachine(t, 24000, threads, Options{Huge: true})
	base := uintptr(0x7f0000200000) - threads*slice*pageSize
	var wg sync.WaitGroup
	for id := 0; id < threads; id++ {
		wg.Add(1)
		go func() {
			defer wg.Done()
			o := owner{m: m, c: m.cpus[id], rng: rand.New(rand.NewSource(int64(id)))}
			for i := range o.at {
				// Page i of thread id, in round i of the threads.
				o.at[i] = base + uintptr(i*threads+id)*pageSize*2
			}
			for n := rounds(40000); n > 0 && !t.Failed(); n-- {
				o.step()
			}
		}()
	}
	wg.Wait()
	m.close()
}

// owner is one thread and what it knows of its pages, two at each place.
type owner struct {
	m      *machine
	c      *cpu
	rng    *rand.Rand
	at     [8]uintptr
	value  [8][2]uint64
	mapped [8]bool
	ro     [8]bool
}

func (o *owner) step() {
	i := o.rng.Intn(len(o.at))
	a := o.at[i]
	m := o.m
	ok := func(what string, e abi.Errno) {
		if e != abi.OK {
			m.t.Errorf("%s: %v", what, e)
		}
	}
	switch o.rng.Intn(12) {
	case 0:
		_, e := m.Mmap(&Request{Addr: a, Len: 2 * pageSize, Prot: rw, Flags: mapPrivate | mapAnonymous | mapFixed})
		ok("mmap", e)
		o.mapped[i], o.ro[i], o.value[i] = true, false, [2]uint64{}
	case 1:
		ok("munmap", m.Munmap(a, 2*pageSize))
		o.mapped[i] = false
	case 2:
		if o.mapped[i] {
			ok("mprotect", m.Mprotect(a, 2*pageSize, []uint32{protRead, rw}[o.rng.Intn(2)]))
			inf, _ := m.Find(a)
			o.ro[i] = !inf.Write
		}
	case 3:
		if o.mapped[i] {
			ok("madvise", m.Madvise(a+pageSize, pageSize, madvDontNeed))
			o.value[i][1] = 0
		}
	case 4:
		j := o.rng.Intn(len(o.at))
		if i != j && o.mapped[i] {
			_, e := m.Mremap(a, 2*pageSize, 2*pageSize, mremapMayMove|mremapFixed, o.at[j])
			ok("mremap", e)
			o.mapped[j], o.ro[j], o.value[j] = true, o.ro[i], o.value[i]
			o.mapped[i] = false
		}
	default:
		half := o.rng.Intn(2)
		at := a + uintptr(half)*pageSize
		if o.rng.Intn(2) == 0 {
			v := o.rng.Uint64()
			r := o.c.store(at, v)
			switch {
			case r == FaultOK && o.mapped[i] && !o.ro[i]:
				o.value[i][half] = v
			case r == FaultAccErr && o.mapped[i] && o.ro[i], r == FaultMapErr && !o.mapped[i]:
			default:
				m.t.Errorf("%#x: store %d, mapped %v, read-only %v", at, r, o.mapped[i], o.ro[i])
			}
		}
		v, r := o.c.load(at)
		if o.mapped[i] != (r == FaultOK) || r == FaultOK && v != o.value[i][half] {
			m.t.Errorf("%#x: load %#x (%d), want %#x (mapped %v)", at, v, r, o.value[i][half], o.mapped[i])
		}
	}
}

// TestConcurrentChaos lets all threads do everything to the same pages, while
// files are cut and their caches emptied. What a page shows must be something
// that was put into that very page, and never comes from a free frame.
func TestConcurrentChaos(t *testing.T) {
	const threads, pages = 4, 64
	m := newMachine(t, 24000, threads, Options{Huge: true})
	base := uintptr(0x7f0000400000) - pages/2*pageSize
	text, tmp := newFile("text", 1<<40, pages), newFile("tmp", 2<<40, pages)
	text.exec, text.shared = true, false
	var stop atomic.Bool
	var wg, helpers sync.WaitGroup
	helpers.Add(1)
	go func() { // the file side
		defer helpers.Done()
		rng := rand.New(rand.NewSource(77))
		for !stop.Load() {
			text.evict(uint64(rng.Intn(pages)))
			if rng.Intn(4) == 0 {
				tmp.truncate(uint64(rng.Intn(pages)))
				tmp.truncate(pages)
			}
		}
	}()
	for id := 0; id < threads; id++ {
		wg.Add(1)
		go func() {
			defer wg.Done()
			rng := rand.New(rand.NewSource(int64(id)))
			for n := rounds(30000); n > 0 && !t.Failed(); n-- {
				chaos(m, m.cpus[id], rng, base, pages, peekFile{text}, tmp)
			}
		}()
	}
	wg.Wait()
	stop.Store(true)
	helpers.Wait()
	must(t, "munmap", m.Munmap(base-hugeSize, 8*hugeSize))
	text.drop(t)
	tmp.drop(t)
	m.close()
}

func chaos(m *machine, c *cpu, rng *rand.Rand, base uintptr, pages int, text peekFile, tmp *fakeFile) {
	p := rng.Intn(pages)
	n := uintptr(1+rng.Intn(min(8, pages-p))) << pageShift
	a := base + uintptr(p)<<pageShift
	r := Request{Addr: a, Len: n, Flags: mapFixed, Readable: true, Writable: true, Offset: uint64(p) << pageShift}
	switch rng.Intn(24) {
	case 0, 1:
		r.Prot, r.Flags = rw, r.Flags|mapPrivate|mapAnonymous
		m.Mmap(&r)
	case 2, 3:
		r.Prot, r.Flags, r.File = protRead|protExec, r.Flags|mapPrivate, text
		m.Mmap(&r)
	case 4:
		r.Prot, r.Flags, r.File = rw, r.Flags|mapPrivate, text
		m.Mmap(&r)
	case 5:
		r.Prot, r.Flags, r.File = rw, r.Flags|mapShared, tmp
		m.Mmap(&r)
	case 6:
		r.Prot, r.Flags, r.File = rw, r.Flags|mapPrivate, tmp
		m.Mmap(&r)
	case 7:
		r.Prot, r.Flags, r.Offset = rw, r.Flags|mapShared|mapAnonymous, 0
		m.Mmap(&r)
	case 8:
		m.Munmap(a, n)
	case 9:
		m.Mprotect(a, n, []uint32{protNone, protRead, rw, protRead | protExec}[rng.Intn(4)])
	case 10:
		m.Madvise(a, n, []int{madvDontNeed, madvFree, madvRemove, madvCold, madvNoHugePage}[rng.Intn(5)])
	case 11:
		// A large page in and out of existence beside the rest.
		h := (base + hugeSize) &^ hugeMask
		if rng.Intn(2) == 0 {
			r.Addr, r.Len, r.Prot, r.Flags = h, hugeSize, rw, mapPrivate|mapAnonymous|mapFixed
			m.Mmap(&r)
		} else if rng.Intn(2) == 0 {
			m.Madvise(h+uintptr(rng.Intn(entries))<<pageShift, pageSize, madvDontNeed)
		} else {
			m.Munmap(h+uintptr(rng.Intn(entries))<<pageShift, pageSize)
		}
		at := h + uintptr(rng.Intn(entries))<<pageShift
		chaosUse(m, c, rng, at, uint64(at-base)>>pageShift)
	default:
		chaosUse(m, c, rng, a, uint64(p))
	}
}

// chaosUse writes and reads one page. A stored word names its page's offset in
// the arena, which is the index in its file as well.
func chaosUse(m *machine, c *cpu, rng *rand.Rand, a uintptr, p uint64) {
	switch rng.Intn(3) {
	case 0:
		c.store(a, 3<<40+p)
	case 1:
		if v, r := c.load(a); r == FaultOK && v != 0 && v != 1<<40+p && v != 2<<40+p && v != 3<<40+p {
			m.t.Errorf("%#x holds %#x, which was never put there", a, v)
		}
	case 2:
		if v, r := c.exec(a); r == FaultOK && v != 1<<40+p {
			m.t.Errorf("%#x runs %#x", a, v)
		}
	}
}

// TestConcurrentSamePage has all threads fault on one fresh page after another;
// nobody's store is lost, whether the page came small, large or by copying.
func TestConcurrentSamePage(t *testing.T) {
	const threads = 4
	for _, huge := range []bool{false, true} {
		m := newMachine(t, 24000, threads, Options{Huge: huge})
		f := newFile("f", 0, 64)
		for round := 0; round < rounds(400); round++ {
			anon := m.anon(1<<40, hugeSize, rw)
			priv := m.file(2<<40, 4*pageSize, rw, mapPrivate, f, 0)
			var wg sync.WaitGroup
			for id := 0; id < threads; id++ {
				wg.Add(1)
				go func() {
					defer wg.Done()
					c := m.cpus[id]
					off := uintptr(id * 8)
					if round%2 == 0 {
						c.load(anon)
						c.load(priv)
					}
					c.store(anon+off, uint64(id)+1)
					c.store(priv+off, uint64(id)+1)
				}()
			}
			wg.Wait()
			for id := 0; id < threads; id++ {
				for _, a := range []uintptr{anon, priv} {
					if v, _ := m.cpus[(id+1)%threads].load(a + uintptr(id*8)); v != uint64(id)+1 {
						t.Fatalf("round %d: the store of thread %d to %#x is lost: %d", round, id, a, v)
					}
				}
			}
		}
		must(t, "munmap", m.Munmap(2<<40, 4*pageSize))
		f.drop(t)
		m.close()
	}
}

// TestConcurrentLargeUnmap unmaps more than largeRange, with the lock let go in
// between, while others fault there, map over it and work beside it.
func TestConcurrentLargeUnmap(t *testing.T) {
	const size = largeRange + 8<<20
	m := newMachine(t, 24000, 3, Options{})
	base := uintptr(1<<40) + 64*pageSize // shares tables with what is below
	var wg sync.WaitGroup
	var stop atomic.Bool
	for id := 1; id < 3; id++ {
		wg.Add(1)
		go func() {
			defer wg.Done()
			c, rng := m.cpus[id], rand.New(rand.NewSource(int64(id)))
			mine := base - uintptr(id)*8*pageSize
			for n := uint64(1); !stop.Load(); n++ {
				c.store(base+uintptr(rng.Intn(size))&^pageMask, n)
				_, e := m.Mmap(&Request{Addr: mine, Len: 4 * pageSize, Prot: rw, Flags: mapPrivate | mapAnonymous | mapFixed})
				if e != abi.OK {
					t.Errorf("mmap: %v", e)
				}
				if r := c.store(mine, n); r != FaultOK {
					t.Errorf("store beside a dying range: %d", r)
				}
				if v, _ := c.load(mine); v != n {
					t.Errorf("%d, want %d", v, n)
				}
				if rng.Intn(4) == 0 {
					over := base + uintptr(rng.Intn(size-pageSize))&^pageMask
					if _, e := m.Mmap(&Request{Addr: over, Len: pageSize, Prot: rw, Flags: mapPrivate | mapAnonymous | mapFixed}); e != abi.OK {
						t.Errorf("mmap over a dying range: %v", e)
					}
					c.store(over, n)
					m.Munmap(over, pageSize)
				}
				m.Mprotect(base, size, protRead)
				m.Usage(base, base+size)
			}
		}()
	}
	c := m.cpus[0]
	for round := 0; round < rounds(240); round++ {
		_, e := m.Mmap(&Request{Addr: base, Len: size, Prot: rw, Flags: mapPrivate | mapAnonymous | mapFixed})
		must(t, "mmap", e)
		for a := base; a < base+size; a += 37 * pageSize {
			c.store(a, uint64(a))
		}
		must(t, "munmap", m.Munmap(base, size))
		if _, r := c.load(base + 8); r == FaultOK {
			// Another thread may have mapped over it; nobody wrote there.
			if v, _ := c.load(base + 8); v != 0 {
				t.Fatal("old contents after munmap")
			}
		}
	}
	stop.Store(true)
	wg.Wait()
	m.close()
}

// TestConcurrentTruncate cuts a file while others read and write its pages:
// once truncate has returned, nobody reaches what was cut.
func TestConcurrentTruncate(t *testing.T) {
	const pages = 8
	m := newMachine(t, 4000, 4, Options{})
	f := newFile("f", 0, pages)
	maps := []uintptr{
		m.file(1<<40, pages*pageSize, rw, mapShared, f, 0),
		m.file(2<<40, pages*pageSize, rw, mapPrivate, peekFile{f}, 0),
		m.file(3<<40, pages*pageSize, rw, mapShared, peekFile{f}, 0),
	}
	var stop atomic.Bool
	var wg sync.WaitGroup
	for id := 1; id < 4; id++ {
		wg.Add(1)
		go func() {
			defer wg.Done()
			c, rng := m.cpus[id], rand.New(rand.NewSource(int64(id)))
			at := maps[id-1]
			for n := uint64(1); !stop.Load(); n++ {
				a := at + uintptr(rng.Intn(pages))*pageSize
				if id != 2 && rng.Intn(16) == 0 {
					// Moving must not hide pages from truncate.
					to := at ^ 1<<36
					if _, e := m.Mremap(at, pages*pageSize, pages*pageSize, mremapMayMove|mremapFixed, to); e != abi.OK {
						t.Errorf("mremap: %v", e)
					}
					at = to
				}
				if rng.Intn(2) == 0 {
					c.load(a)
				} else {
					c.store(a, n)
				}
			}
		}()
	}
	for n := rounds(4000); n > 0 && !t.Failed(); n-- {
		f.truncate(0)
		for _, base := range []uintptr{maps[0], maps[0] ^ 1<<36, maps[1], maps[2], maps[2] ^ 1<<36} {
			for i := uintptr(0); i < pages; i++ {
				if r := m.cpus[0].access(base+i*pageSize, Access(n&1), nil); r == FaultOK {
					t.Errorf("page %d at %#x is reached after truncate", i, base)
				}
			}
		}
		f.truncate(pages)
	}
	stop.Store(true)
	wg.Wait()
	f.drop2(t, m)
	m.close()
}

// TestConcurrentMoveTruncate cuts a file while its mapping is moved, split and
// joined: no page is overlooked on its way from one vma to another.
func TestConcurrentMoveTruncate(t *testing.T) {
	const pages = 96
	m := newMachine(t, 4000, 1, Options{})
	rng := rand.New(rand.NewSource(5))
	f := newFile("f", 0, pages)
	at := m.file(1<<40+3*pageSize, pages*pageSize, rw, mapShared, f, 0)
	for n := rounds(3000); n > 0 && !t.Failed(); n-- {
		for i := uintptr(0); i < pages; i++ {
			m.cpus[0].load(at + i*pageSize)
		}
		to, delay := at, rng.Intn(4000)
		var spin atomic.Int64
		var ready sync.WaitGroup
		var wg sync.WaitGroup
		ready.Add(2)
		wg.Add(1)
		go func() {
			defer wg.Done()
			ready.Done()
			ready.Wait()
			for range delay {
				spin.Add(1)
			}
			var e abi.Errno
			if n%2 == 0 {
				to = at ^ 1<<36 ^ 1<<13
				_, e = m.Mremap(at, pages*pageSize, pages*pageSize, mremapMayMove|mremapFixed, to)
			} else if e = m.Mprotect(at+8*pageSize, 40*pageSize, protRead); e == abi.OK {
				e = m.Mprotect(at+8*pageSize, 40*pageSize, rw)
			}
			if e != abi.OK {
				t.Error(e)
			}
		}()
		ready.Done()
		ready.Wait()
		f.truncate(0)
		wg.Wait()
		at = to
		if u := m.Usage(at, at+pages*pageSize); u.Rss != 0 {
			t.Errorf("%d bytes are mapped after truncate", u.Rss)
		}
		f.truncate(pages)
	}
	f.drop2(t, m)
	m.close()
}
