package mm

import (
	"fmt"
	"math/rand"
	"os"
	"slices"
	"strconv"
	"testing"

	"skerry/kernel/abi"
	"skerry/kernel/vfs"
)

// driver applies the same operations to the space and to the model.
type driver struct {
	*machine
	model
	rng   source
	files []*backing
	names map[*object]string
	next  uint64 // values to store
	done  string // the last operation
	objs  int
}

func newDriver(t testing.TB, rng source, jit int) *driver {
	d := &driver{machine: newMachine(t, 1200, 2, Options{JIT: uint64(jit) << pageShift}), rng: rng, names: map[*object]string{}, next: 1 << 32}
	d.jit = jit
	d.SetLayout(Layout{MmapBase: arenaEnd})
	for i, n := range []string{"text", "lib", "tmp", "data"} {
		f := newFile(n, uint64(i+1)<<16, 40)
		f.exec = i < 2
		f.shared = !f.exec
		d.files = append(d.files, &backing{name: n, words: map[uint64]uint64{}, size: 40, base: f.base, exec: f.exec, file: f})
	}
	return d
}

// mapper is the file as the space sees it: every second one can peek.
func (b *backing) mapper() vfs.Mapper {
	if b.base>>16&1 == 0 {
		return peekFile{b.file}
	}
	return b.file
}

// close2 is close with the files' frames given back in between.
func (d *driver) close2() {
	d.unmapAll()
	for _, b := range d.files {
		b.file.drop(d.t)
	}
	d.close()
}

// unmapAll unmaps everything, sealed or not.
func (d *driver) unmapAll() {
	d.mu.Lock()
	d.drain(d.detach(0, Highest), 0, Highest)
	d.unlock()
}

func (d *driver) addr(page int) uintptr { return arenaBase + uintptr(page)<<pageShift }

// span draws a range of pages, short ones more often.
func (d *driver) span() (lo, hi int) {
	lo = d.rng.Intn(arenaPages)
	n := 1 + d.rng.Intn(8)
	if d.rng.Intn(8) == 0 {
		n = 1 + d.rng.Intn(arenaPages)
	}
	return lo, min(lo+n, arenaPages)
}

func (d *driver) prot() uint8 {
	return [...]uint8{0, 1, 3, 3, 3, 1, 5, 5, 7, 2, 4, 6}[d.rng.Intn(12)]
}

func (d *driver) step() {
	lo, hi := d.span()
	addr, n := d.addr(lo), uintptr(hi-lo)<<pageShift
	var got, want abi.Errno
	switch k := d.rng.Intn(50); {
	case k < 8:
		got, want = d.doMmap(lo, hi, addr, n)
	case k < 11:
		d.note("munmap", lo, hi)
		got, want = d.Munmap(addr, n), d.munmap(lo, hi)
	case k < 16:
		p := d.prot()
		d.note(fmt.Sprint("mprotect ", p), lo, hi)
		got, want = d.Mprotect(addr, n, uint32(p)), d.mprotect(lo, hi, p)
	case k < 19:
		got, want = d.doMremap(lo, hi, addr, n)
	case k < 22:
		a := []int{madvDontNeed, madvFree, madvDontNeedLocked}[d.rng.Intn(3)]
		d.note(fmt.Sprint("discard ", a), lo, hi)
		got, want = d.Madvise(addr, n, a), d.discard(lo, hi, a)
	case k < 24:
		advice := []struct {
			a          int
			set, clear uint32
		}{{madvDontDump, vmNoDump, 0}, {madvDoDump, 0, vmNoDump}, {madvRandom, vmRandom, vmSeq}, {madvNormal, 0, vmRandom | vmSeq}}[d.rng.Intn(4)]
		d.note(fmt.Sprint("madvise ", advice.a), lo, hi)
		got, want = d.Madvise(addr, n, advice.a), d.reflag(lo, hi, advice.set, advice.clear, false)
	case k < 25:
		lock := d.rng.Intn(3) == 0
		d.note(fmt.Sprint("mlock ", lock), lo, hi)
		if lock {
			got, want = d.Mlock(addr, n, mlockOnFault), d.reflag(lo, hi, vmLocked|vmOnFault, 0, true)
		} else {
			got, want = d.Munlock(addr, n), d.reflag(lo, hi, 0, vmLocked|vmOnFault, true)
		}
	case k < 26 && d.rng.Intn(30) == 0:
		d.note("mseal", lo, hi)
		got, want = d.Seal(addr, n, 0), abi.OK
		if d.any(lo, hi, isHole) {
			want = abi.ENOMEM
		} else {
			d.reflag(lo, hi, vmSealed, 0, true)
		}
	case k < 27:
		b := d.files[2+d.rng.Intn(2)]
		size := uint64(d.rng.Intn(40))
		d.note(fmt.Sprint("truncate ", b.name, " ", size), 0, 0)
		b.file.truncate(size)
		d.truncate(b, size)
	case k < 28:
		// A page of the root can go from the cache any time. Rather one that is
		// mapped, and has a private copy.
		p := &d.pages[lo]
		for i := range d.pages {
			if q := &d.pages[(lo+i)%arenaPages]; q.own && q.back != nil {
				p = q
				break
			}
		}
		if p.mapped && p.back != nil && p.back.exec {
			p.back.file.evict(p.index)
		}
	default:
		d.doAccess(lo)
	}
	if got != want {
		d.t.Fatalf("%s: %v, the model says %v\n%v", d.done, got, want, d.runs())
	}
}

func (d *driver) note(what string, lo, hi int) { d.done = fmt.Sprintf("%s [%d,%d)", what, lo, hi) }

func (d *driver) doMmap(lo, hi int, addr, n uintptr) (got, want abi.Errno) {
	r := Request{Addr: addr, Len: n, Prot: uint32(d.prot()), Flags: mapPrivate | mapFixed, Readable: true, Writable: true}
	shared := d.rng.Intn(3) == 0
	noReplace := d.rng.Intn(4) == 0
	if shared {
		r.Flags ^= mapPrivate | mapShared
	}
	if noReplace {
		r.Flags |= mapFixedNoReplace
	}
	var b *backing
	index := uint64(0)
	if d.rng.Intn(2) == 0 {
		b = d.files[d.rng.Intn(len(d.files))]
		index = uint64(d.rng.Intn(36))
		r.File, r.Name, r.Offset = b.mapper(), b.name, index<<pageShift
		r.Writable = r.File.MayWriteShared() // files of the root are never open for writing
	} else {
		r.Flags |= mapAnonymous
		if shared {
			d.objs++
			b = &backing{name: "object" + strconv.Itoa(d.objs), words: map[uint64]uint64{}, size: uint64(hi - lo), object: true}
		}
	}
	d.note(fmt.Sprintf("mmap prot %d flags %#x %s", r.Prot, r.Flags, r.Name), lo, hi)
	a, got := d.Mmap(&r)
	want = d.mmap(lo, hi, uint8(r.Prot), shared, b, index, noReplace)
	if got == abi.OK {
		if a != addr {
			d.t.Fatalf("%s: MAP_FIXED answered %#x", d.done, a)
		}
		if b != nil && b.object {
			d.mu.RLock()
			d.names[d.set.find(addr).obj] = b.name
			d.mu.RUnlock()
		}
	}
	return got, want
}

func (d *driver) doMremap(lo, hi int, addr, n uintptr) (got, want abi.Errno) {
	size := 1 + d.rng.Intn(10)
	fixed := d.rng.Intn(2) == 0
	if d.rng.Intn(12) == 0 {
		hi, n = lo, 0
	}
	flags, to := uint32(mremapMayMove), 0
	if fixed {
		flags |= mremapFixed
		to = d.rng.Intn(arenaPages - size + 1)
		if lo < to+size && to < hi {
			return // EINVAL; the arguments are tested elsewhere
		}
	}
	d.note(fmt.Sprintf("mremap to %d+%d fixed %v", to, size, fixed), lo, hi)
	a, got := d.Mremap(addr, n, uintptr(size)<<pageShift, flags, d.addr(to))
	want = d.mremap(lo, hi, to, size, fixed)
	if hi-lo > size {
		hi = lo + size
	}
	if want != abi.OK || got != abi.OK || hi-lo == size && !fixed && a == addr {
		return got, want
	}
	page := int(a-arenaBase) >> pageShift
	if over := page + size - arenaPages; a >= arenaBase && over > 0 { // it grew out of the arena
		must(d.t, "munmap", d.Munmap(arenaEnd, uintptr(over)<<pageShift))
		size -= over
	}
	switch {
	case fixed && page != to:
		d.t.Fatalf("%s: answered page %d", d.done, page)
	case a < arenaBase: // there was no room in the arena
		must(d.t, "munmap", d.Munmap(a, uintptr(size)<<pageShift))
		for i := lo; i < hi; i++ {
			d.pages[i] = modelPage{}
		}
		return
	case page != lo && d.any(page, page+size, isMapped):
		d.t.Fatalf("%s: page %d is taken", d.done, page)
	case page == lo && d.any(hi, lo+size, isMapped):
		d.t.Fatalf("%s: grew over a mapping", d.done)
	}
	d.carry(lo, hi, page, size)
	return
}

func (d *driver) doAccess(page int) {
	a := [...]Access{Read, Write, Write, Read, Exec}[d.rng.Intn(5)]
	c := d.cpus[d.rng.Intn(2)]
	d.note(fmt.Sprint("access ", a), page, page+1)
	d.next++
	var got uint64
	var r FaultResult
	switch a {
	case Read:
		got, r = c.load(d.addr(page))
	case Exec:
		got, r = c.exec(d.addr(page))
	case Write:
		got, r = d.next, c.store(d.addr(page), d.next)
	}
	want, wr := d.access(page, a, d.next)
	if r != wr || r == FaultOK && got != want {
		d.t.Fatalf("%s: %#x (%d), the model says %#x (%d)\n%v", d.done, got, r, want, wr, d.runs())
	}
}

// check compares the lists of vmas, and the sums.
func (d *driver) check() {
	want, got := d.runs(), kernelRuns(d.Space, d.names)
	if !slices.Equal(got, want) {
		d.t.Fatalf("%s:\n got %q\nwant %q", d.done, got, want)
	}
	var total, data, locked uint64
	for i := range d.pages {
		if p := &d.pages[i]; p.mapped {
			total++
			if p.prot&protWrite != 0 && p.flags&vmShared == 0 {
				data++
			}
			if p.flags&vmLocked != 0 {
				locked++
			}
		}
	}
	if n := d.marked(0, arenaPages); d.Stats().JIT>>pageShift != uint64(n) || n > d.jit {
		d.t.Fatalf("%s: %d pages marked, the model says %d of %d", d.done, d.Stats().JIT>>pageShift, n, d.jit)
	}
	if st := d.Stats(); st.VM>>pageShift != total || st.Data>>pageShift != data || st.Locked>>pageShift != locked || st.Exec > st.VM {
		d.t.Fatalf("%s: sums %+v, want %d %d %d pages", d.done, st, total, data, locked)
	}
}

// TestModel runs random operations against the model. MM_OPS sets how many.
func TestModel(t *testing.T) {
	ops := 150000
	if raceEnabled || testing.Short() {
		ops = 20000
	}
	if n, err := strconv.Atoi(os.Getenv("MM_OPS")); err == nil {
		ops = n
	}
	for seed := int64(1); ops > 0; seed++ {
		// A new space now and then, since sealed pages stay.
		d := newDriver(t, rand.New(rand.NewSource(seed)), [...]int{0, 6, 16, 1000}[seed%4])
		for i := 0; i < 2500 && ops > 0; i, ops = i+1, ops-1 {
			d.step()
			d.check()
		}
		d.close2()
	}
}

// byteSource makes decisions out of fuzz input.
type byteSource struct{ b []byte }

func (s *byteSource) Intn(n int) int {
	if len(s.b) == 0 {
		return 0
	}
	v := int(s.b[0])
	s.b = s.b[1:]
	return v % n
}

func FuzzModel(f *testing.F) {
	rng := rand.New(rand.NewSource(9))
	for i := 0; i < 8; i++ {
		b := make([]byte, 400)
		rng.Read(b)
		f.Add(b, byte(i%2*i))
	}
	f.Fuzz(func(t *testing.T, b []byte, jit byte) {
		src := &byteSource{b[:min(len(b), 4000)]}
		d := newDriver(t, src, int(jit))
		for len(src.b) > 0 {
			d.step()
			d.check()
		}
		d.close2()
	})
}
