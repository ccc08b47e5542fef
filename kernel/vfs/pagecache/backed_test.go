package pagecache

import (
	"encoding/binary"
	"math/rand"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"skerry/kernel/abi"
	"skerry/kernel/ground/frame"
	"skerry/kernel/hw/block"
	"skerry/kernel/vfs"
)

// disk is a device whose page n holds n in its first 8 bytes and its last 8.
type disk struct {
	pages  uint64
	mu     sync.Mutex
	counts map[uint64]int
	reads  int
	bad    map[uint64]bool
	gate   chan struct{} // if set, a read waits for it
}

func (d *disk) Size() int64    { return int64(d.pages) * frame.Size }
func (d *disk) ReadOnly() bool { return true }

func (d *disk) Read(off int64, segs []block.Seg) abi.Errno {
	if d.gate != nil {
		<-d.gate
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.reads++
	n := uint64(off) / frame.Size
	for _, s := range segs {
		for k := uint32(0); k < s.Len; k += frame.Size {
			if d.bad[n] {
				return abi.EIO
			}
			if n >= d.pages {
				return abi.EINVAL
			}
			b := frame.FromPhys(s.Phys + uint64(k)).Bytes()
			clear(b)
			binary.LittleEndian.PutUint64(b, n)
			binary.LittleEndian.PutUint64(b[frame.Size-8:], n)
			if d.counts != nil {
				d.counts[n]++
			}
			n++
		}
	}
	return abi.OK
}

// flat is a file whose page n is page base+n of the disk, with holes in it.
type flat struct {
	base, pages uint64
	holes       func(uint64) bool
	built       func(uint64) bool
	corrupt     atomic.Uint64 // page whose check fails, plus one
}

func (f *flat) Extent(i uint64) (int64, uint64, abi.Errno) {
	if f.holes != nil && f.holes(i) {
		return Hole, 1, abi.OK
	}
	if f.built != nil && f.built(i) {
		return Built, 1, abi.OK
	}
	n := uint64(1)
	for i+n < f.pages && (f.holes == nil || !f.holes(i+n)) && (f.built == nil || !f.built(i+n)) && n < 1000 {
		n++
	}
	return int64(f.base+i) * frame.Size, n, abi.OK
}

func (f *flat) Build(i uint64, b []byte) abi.Errno {
	binary.LittleEndian.PutUint64(b, f.base+i)
	binary.LittleEndian.PutUint64(b[frame.Size-8:], f.base+i)
	return abi.OK
}

func (f *flat) Check(i uint64, off int64, b []byte) abi.Errno {
	if f.corrupt.Load() == i+1 {
		return abi.EUCLEAN
	}
	if uint64(off) != (f.base+i)*frame.Size || binary.LittleEndian.Uint64(b) != f.base+i {
		panic("check sees the wrong page")
	}
	return abi.OK
}

func setup(t testing.TB, frames int) *Pool {
	t.Helper()
	frame.InitHost(frames)
	p, e := NewPool(PlainRuns{})
	if e != abi.OK {
		t.Fatal(e)
	}
	t.Cleanup(func() { vfs.Reclaim = nil })
	return p
}

func newFile(t testing.TB, p *Pool, d *disk, f *flat) *Backed {
	t.Helper()
	b := new(Backed)
	if e := b.Init(p, d, f, f.pages); e != abi.OK {
		t.Fatal(e)
	}
	return b
}

// check compares a page with what the disk holds, and gives it back.
func check(t testing.TB, p frame.PFN, want uint64) {
	t.Helper()
	b := p.Bytes()
	if g, h := binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[frame.Size-8:]); g != want || h != want {
		t.Errorf("page holds %d and %d, want %d", g, h, want)
	}
	p.Unref()
}

func TestReadAhead(t *testing.T) {
	p := setup(t, 4096)
	d := &disk{pages: 2000, counts: map[uint64]int{}}
	b := newFile(t, p, d, &flat{base: 100, pages: 1000})
	for i := uint64(0); i < 1000; i++ {
		f, e := b.Page(i)
		if e != abi.OK {
			t.Fatal(i, e)
		}
		check(t, f, 100+i)
	}
	for i := uint64(0); i < 1000; i++ {
		if d.counts[100+i] != 1 {
			t.Errorf("page %d was read %d times", i, d.counts[100+i])
		}
	}
	if len(d.counts) != 1000 || d.reads > 25 {
		t.Errorf("%d pages in %d reads", len(d.counts), d.reads)
	}
	if _, e := b.Page(1000); e != abi.ENXIO {
		t.Error("beyond the end:", e)
	}
	// A random reader gets the block around the page and no more.
	d.reads, d.counts = 0, map[uint64]int{}
	c := newFile(t, p, d, &flat{base: 0, pages: 1000})
	f, _ := c.Page(500)
	check(t, f, 500)
	if d.reads != 1 || len(d.counts) != windowFirst || d.counts[496] != 1 {
		t.Error("random read:", d.reads, len(d.counts))
	}
}

// TestReadOnce: readers of one page that come together cause one transfer.
func TestReadOnce(t *testing.T) {
	p := setup(t, 4096)
	d := &disk{pages: 100, counts: map[uint64]int{}, gate: make(chan struct{})}
	b := newFile(t, p, d, &flat{pages: 100})
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			f, e := b.Page(uint64(i % 16))
			if e != abi.OK {
				t.Error(e)
				return
			}
			check(t, f, uint64(i%16))
		})
	}
	for b.Count() < windowFirst {
		runtime.Gosched() // until the first reader has claimed the block
	}
	close(d.gate)
	wg.Wait()
	for i := uint64(0); i < 16; i++ {
		if d.counts[i] != 1 {
			t.Errorf("page %d read %d times", i, d.counts[i])
		}
	}
}

func TestHolesAndBuilt(t *testing.T) {
	p := setup(t, 4096)
	d := &disk{pages: 100}
	src := &flat{pages: 90, holes: func(i uint64) bool { return i%7 == 3 }, built: func(i uint64) bool { return i == 89 }}
	b := newFile(t, p, d, src)
	for i := uint64(0); i < 90; i++ {
		f, e := b.Page(i)
		if e != abi.OK {
			t.Fatal(i, e)
		}
		want := i
		if i%7 == 3 {
			want = 0
		}
		check(t, f, want)
	}
	if s := p.Stats(); s.Extras != 1 || p.zero.Refs() != 1 {
		t.Error(s.Extras, p.zero.Refs())
	}
	if p.Reclaim() != 1 { // the built page, the only one outside the run
		t.Error("the built page stayed")
	}
	f, _ := b.Page(89)
	check(t, f, 89)
}

func TestErrors(t *testing.T) {
	p := setup(t, 4096)
	d := &disk{pages: 100, bad: map[uint64]bool{5: true}}
	src := &flat{pages: 200}
	b := newFile(t, p, d, src)
	if _, e := b.Page(5); e != abi.EIO {
		t.Error("bad block:", e)
	}
	f, e := b.Page(4) // its neighbour fails, it does not
	if e != abi.OK {
		t.Fatal("beside a bad block:", e)
	}
	check(t, f, 4)
	if _, e := b.Page(150); e != abi.EINVAL {
		t.Error("beyond the device:", e)
	}
	src.corrupt.Store(33)
	if _, e := b.Page(32); e != abi.EUCLEAN {
		t.Error("corrupt page:", e)
	}
	f, e = b.Page(33)
	if e != abi.OK {
		t.Fatal("beside a corrupt page:", e)
	}
	check(t, f, 33)
	src.corrupt.Store(0)
	f, e = b.Page(32)
	if e != abi.OK {
		t.Fatal("the error stuck:", e)
	}
	check(t, f, 32)
	if p.Stats().Pages != b.Count() {
		t.Error("frames lost:", p.Stats().Pages, b.Count())
	}
}

// fakeMapping stands for an address space: it keeps frames until Unmap.
type fakeMapping struct {
	mu    sync.Mutex
	pages map[uint64]frame.PFN
	seq   int
}

func (m *fakeMapping) Unmap(first, last uint64, even bool) {
	m.mu.Lock()
	m.seq++
	var gone []frame.PFN
	for i, f := range m.pages {
		if i >= first && i <= last {
			gone = append(gone, f)
			delete(m.pages, i)
		}
	}
	m.mu.Unlock()
	for _, f := range gone {
		f.Unref()
	}
}

// fault maps a page as mm does: fetch, lock, look whether an Unmap came between.
func (m *fakeMapping) fault(b *Backed, i uint64) abi.Errno {
	for {
		m.mu.Lock()
		seq := m.seq
		m.mu.Unlock()
		f, e := b.Page(i)
		if e != abi.OK {
			return e
		}
		m.mu.Lock()
		if m.seq != seq || m.pages[i] != 0 {
			have := m.pages[i]
			m.mu.Unlock()
			f.Unref()
			if have != 0 {
				return abi.OK
			}
			continue
		}
		m.pages[i] = f
		m.mu.Unlock()
		return abi.OK
	}
}

// TestPressure reads more than fits, with pages mapped and others pinned.
func TestPressure(t *testing.T) {
	p := setup(t, 1600) // three runs at most
	d := &disk{pages: 20000}
	b := newFile(t, p, d, &flat{pages: 20000})
	m := &fakeMapping{pages: map[uint64]frame.PFN{}}
	b.AddMapping(m)
	pinned, _ := b.Page(77)
	rng := rand.New(rand.NewSource(1))
	for n := 0; n < 30000; n++ {
		i := uint64(rng.Intn(20000))
		if n%3 == 0 {
			if e := m.fault(b, i); e != abi.OK {
				t.Fatal(e)
			}
			continue
		}
		f, e := b.Page(i)
		if e != abi.OK {
			t.Fatal(n, e)
		}
		check(t, f, i)
	}
	for i, f := range m.pages {
		f.Ref()
		check(t, f, i)
	}
	if f, _ := b.Page(77); f != pinned {
		t.Error("a page in use was given up")
	} else {
		f.Unref()
	}
	s := p.Stats()
	if s.Runs < 2 || s.Evicted == 0 || s.Unmapped == 0 || s.Pages != b.Count() {
		t.Errorf("%+v, %d pages in the cache", s, b.Count())
	}
	// Reclaim gives whole runs back, but not the one with the pinned page, nor
	// the last one.
	before := frame.FreeFrames()
	got := 0
	for n := p.Reclaim(); n > 0; n = p.Reclaim() {
		got += n
	}
	if s := p.Stats(); got == 0 || frame.FreeFrames() != before+int64(got) || s.Runs != 1 {
		t.Errorf("reclaimed %d, %d frames came free, %d runs left", got, frame.FreeFrames()-before, s.Runs)
	}
	pinned.Ref()
	check(t, pinned, 77)
	pinned.Unref()
}

// TestHot: pages in steady use survive a scan of the rest.
func TestHot(t *testing.T) {
	p := setup(t, 1600)
	d := &disk{pages: 20000, counts: map[uint64]int{}}
	b := newFile(t, p, d, &flat{pages: 20000})
	for i := uint64(2000); i < 20000; i++ {
		f, e := b.Page(i)
		if e != abi.OK {
			t.Fatal(e)
		}
		f.Unref()
		for j := uint64(0); j < 8; j++ {
			f, _ := b.Page(j)
			check(t, f, j)
		}
	}
	if d.counts[0] > 3 {
		t.Errorf("a hot page was read %d times", d.counts[0])
	}
}

// TestTogether runs readers, faults and reclaim against one another.
func TestTogether(t *testing.T) {
	p := setup(t, 2200)
	d := &disk{pages: 9000}
	var files []*Backed
	for i := range uint64(3) {
		files = append(files, newFile(t, p, d, &flat{base: i * 3000, pages: 3000, holes: func(i uint64) bool { return i%50 == 49 }}))
	}
	var wg sync.WaitGroup
	maps := make([]*fakeMapping, 3)
	for g := range 6 {
		if g < 3 {
			maps[g] = &fakeMapping{pages: map[uint64]frame.PFN{}}
			files[g].AddMapping(maps[g])
		}
	}
	for g := range 6 {
		wg.Go(func() {
			rng := rand.New(rand.NewSource(int64(g)))
			for range 3000 {
				b, i := files[rng.Intn(3)], uint64(rng.Intn(3000))
				if g < 3 {
					if e := maps[g].fault(files[g], i); e != abi.OK && e != abi.ENOMEM {
						t.Error(e)
					}
					continue
				}
				if g == 3 && rng.Intn(50) == 0 {
					p.Reclaim()
				}
				f, e := b.Page(i)
				if e == abi.ENOMEM {
					continue
				}
				if e != abi.OK {
					t.Error(e)
					return
				}
				want := uint64(0)
				if i%50 != 49 {
					want = b.src.(*flat).base + i
				}
				check(t, f, want)
			}
		})
	}
	wg.Wait()
	for g, m := range maps {
		for i, f := range m.pages {
			want := uint64(g)*3000 + i
			if i%50 == 49 {
				want = 0
			}
			check(t, f, want)
		}
	}
	n := 0
	for _, b := range files {
		n += b.Count()
	}
	if s := p.Stats(); s.Pages != n {
		t.Errorf("%d frames in use, %d pages in caches", s.Pages, n)
	}
	for range 10 {
		p.Reclaim()
	}
	if r := frame.Read().RootFS; r != RunPages {
		t.Errorf("%d frames of the root left", r)
	}
}
