package pagecache

import (
	"sync"

	"skerry/kernel/abi"
	"skerry/kernel/ground/frame"
	"skerry/kernel/hw/block"
)

// Source says where the pages of a file lie. Its methods may read from the
// device; no lock is held.
type Source interface {
	// Extent says where page index is, and how many pages from it on follow one
	// another there, at least 1: at byte off of the device; nowhere, for a hole
	// (Hole); or in a place that Build knows (Built). index lies in the file.
	Extent(index uint64) (off int64, n uint64, e abi.Errno)
	// Build puts the contents of a page into b, which is zero.
	Build(index uint64, b []byte) abi.Errno
	// Check looks at a page that the device has filled; an error keeps it out of
	// the cache and is the answer to who wanted it.
	Check(index uint64, off int64, b []byte) abi.Errno
}

// Offsets of Extent that are none.
const (
	Hole  int64 = -1
	Built int64 = -2
)

// maxPages is the most pages of a file: the pool stores 32 bits of an index.
const maxPages = 1 << 32

// Read-ahead, in pages: what a first or random access brings in, and what a
// sequential reader's window grows to. A transfer costs the same for one page
// as for several, nearly.
const (
	windowFirst = 16
	windowMax   = 64
)

// Backed is the cache of a file on a device that never changes.
type Backed struct {
	Cache
	pool *Pool
	dev  block.Device
	src  Source
	size uint64 // pages

	// id and frames are the pool's, under its lock.
	id     uint32
	frames int

	// next and window are the sequential reader's state, under mu.
	next   uint64
	window uint64
}

// Init sets the cache up for a file of the given number of pages. EFBIG if there
// are too many.
func (b *Backed) Init(pool *Pool, dev block.Device, src Source, pages uint64) abi.Errno {
	if pages > maxPages {
		return abi.EFBIG
	}
	b.pool, b.dev, b.src, b.size = pool, dev, src, pages
	return abi.OK
}

// Page returns the frame of a page with a reference for the caller, reading it
// in if need be; others who want it wait for the one who does. ENXIO beyond the
// end, EIO if the device fails, ENOMEM if no frame can be had.
func (b *Backed) Page(index uint64) (frame.PFN, abi.Errno) {
	if index >= b.size {
		return 0, abi.ENXIO
	}
	for {
		if p := b.Peek(index); p != 0 {
			return p, abi.OK
		}
		if b.isBusy(index) {
			b.awaitPage(index)
			continue
		}
		off, _, e := b.src.Extent(index)
		if off == Hole && e == abi.OK {
			// One frame stands for all holes. They are not put into the tree, which
			// a huge sparse file would fill.
			b.pool.zero.Ref()
			return b.pool.zero, abi.OK
		}
		if e == abi.OK {
			e = b.load(index)
		}
		if e != abi.OK {
			return 0, e
		}
	}
}

func (b *Backed) isBusy(index uint64) bool {
	b.mu.RLock()
	defer b.mu.RUnlock()
	s := b.tree.get(index)
	return s != nil && s.Load()&busy != 0
}

// awaitPage sleeps while a page is busy.
func (b *Backed) awaitPage(index uint64) {
	p := b.pool
	p.ioMu.Lock()
	for b.isBusy(index) {
		p.io.Wait()
	}
	p.ioMu.Unlock()
}

// load brings a page in, and with it its surroundings. If those fail, the page
// alone is tried.
func (b *Backed) load(index uint64) abi.Errno {
	lo, hi := b.plan(index)
	e := b.loadRange(index, lo, hi)
	if e == abi.EIO && hi-lo > 1 {
		e = b.loadRange(index, index, index+1)
	}
	return e
}

// plan chooses the pages [lo, hi) to bring in. A reader that goes on where the
// last load ended gets a growing window ahead of it, everyone else the aligned
// block around the page.
func (b *Backed) plan(index uint64) (lo, hi uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if index == b.next && index != 0 {
		b.window = min(max(b.window*2, windowFirst), windowMax)
		lo, hi = index, index+b.window
	} else {
		b.window = windowFirst
		lo = index &^ (windowFirst - 1)
		hi = lo + windowFirst
	}
	hi = min(hi, b.size)
	b.next = hi
	return lo, hi
}

// loader is the room that one load needs; reused.
type loader struct {
	pages [windowMax]frame.PFN
	segs  [windowMax]block.Seg
}

var loaders = sync.Pool{New: func() any { return new(loader) }}

// loadRange brings index in, and of [lo, hi) what lies next to it on the device
// and is not there yet.
func (b *Backed) loadRange(index, lo, hi uint64) abi.Errno {
	// The extent that holds index.
	off, n, e := b.src.Extent(lo)
	for e == abi.OK && lo+n <= index {
		lo += n
		off, n, e = b.src.Extent(lo)
	}
	if e != abi.OK {
		return e
	}
	hi = min(hi, lo+n)
	if off == Built {
		return b.build(index)
	}
	if off < 0 {
		return abi.EIO // Page saw that it is no hole
	}
	l := loaders.Get().(*loader)
	defer loaders.Put(l)
	// Of what is there already, only the neighbours of index matter.
	first, last := b.absent(index, lo, hi)
	if first > last {
		return abi.OK
	}
	off += int64(first-lo) * frame.Size
	pages := l.pages[:last-first+1]
	got := b.pool.take(b, first, pages)
	if got == 0 {
		return abi.ENOMEM
	}
	if first+uint64(got) <= index {
		// Too few to reach index: it matters more than what is before it.
		b.pool.give(b, pages[:got])
		if first == index {
			return abi.ENOMEM
		}
		return b.loadRange(index, index, index+1)
	}
	pages = pages[:got]
	claimed := b.claim(index, first, pages)
	if claimed == 0 {
		return abi.OK
	}
	e = b.transfer(l, off, pages[:claimed])
	return b.settle(index, first, off, pages[:claimed], e)
}

// absent narrows [lo, hi) to the pages around index that are not there; first >
// last if index is.
func (b *Backed) absent(index, lo, hi uint64) (first, last uint64) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	if b.tree.get(index) != nil {
		return 1, 0
	}
	first, last = index, index
	for first > lo && b.tree.get(first-1) == nil {
		first--
	}
	for last+1 < hi && last-first+1 < windowMax && b.tree.get(last+1) == nil {
		last++
	}
	return first, last
}

// claim puts frames into the cache, busy, for pages first and following, as far
// as nobody was faster, and answers how many; the others are given back. 0 means
// that somebody else brings index in.
func (b *Backed) claim(index, first uint64, pages []frame.PFN) int {
	b.mu.Lock()
	n := 0
	for n < len(pages) && b.tree.get(first+uint64(n)) == nil {
		n++
	}
	if first+uint64(n) <= index {
		n = 0 // it lies behind a page that is there now, or is there itself
	}
	for i, p := range pages[:n] {
		w := uint64(p) | busy
		if first+uint64(i) == index {
			w |= accessed
		}
		b.tree.put(first+uint64(i), w)
	}
	b.mu.Unlock()
	if n < len(pages) {
		b.pool.give(b, pages[n:])
	}
	return n
}

// transfer reads frames from the device.
func (b *Backed) transfer(l *loader, off int64, pages []frame.PFN) abi.Errno {
	n := 0
	for i, p := range pages {
		if i > 0 && p == pages[i-1]+1 {
			l.segs[n-1].Len += frame.Size
			continue
		}
		l.segs[n] = block.Seg{Phys: p.Phys(), Len: frame.Size}
		n++
	}
	b.pool.mu.Lock()
	b.pool.stats.Reads++
	b.pool.stats.ReadPages += uint64(len(pages))
	b.pool.mu.Unlock()
	return b.dev.Read(off, l.segs[:n])
}

// settle ends a transfer: pages become usable, or go. The answer is about index.
func (b *Backed) settle(index, first uint64, off int64, pages []frame.PFN, e abi.Errno) abi.Errno {
	var bad [windowMax]frame.PFN
	nbad := 0
	answer := e
	var failed uint64 // bit per page
	for i, p := range pages {
		pe := e
		if pe == abi.OK {
			pe = b.src.Check(first+uint64(i), off+int64(i)*frame.Size, p.Bytes())
		}
		if pe != abi.OK {
			failed |= 1 << i
			if first+uint64(i) == index {
				answer = pe
			}
		}
	}
	b.mu.Lock()
	for i, p := range pages {
		if failed>>i&1 != 0 {
			b.tree.remove(first + uint64(i))
			bad[nbad] = p
			nbad++
			continue
		}
		b.tree.get(first + uint64(i)).And(^uint64(busy))
	}
	b.mu.Unlock()
	p := b.pool
	p.ioMu.Lock()
	p.io.Broadcast()
	p.ioMu.Unlock()
	if nbad > 0 {
		p.give(b, bad[:nbad])
	}
	return answer
}

// build makes a page by the CPU, in a frame outside the runs.
func (b *Backed) build(index uint64) abi.Errno {
	f := frame.AllocZero(frame.KindCache)
	if f == 0 {
		return abi.ENOMEM
	}
	if e := b.src.Build(index, f.Bytes()); e != abi.OK {
		f.Unref()
		return e
	}
	q := b.Add(index, f)
	if q == f {
		b.pool.addExtra(b, index)
	}
	q.Unref()
	return abi.OK
}

// dropExtra gives a built page up if nobody uses it. The caller holds the pool's
// lock.
func (b *Backed) dropExtra(index uint64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.tree.get(index)
	if s == nil {
		return true
	}
	f := pfnOf(s.Load())
	if f.Refs() != 1 {
		return false
	}
	b.tree.remove(index)
	f.Unref()
	return true
}

// age clears a page's accessed flag and answers what it was.
func (b *Backed) age(index uint64) bool {
	b.mu.RLock()
	defer b.mu.RUnlock()
	s := b.tree.get(index)
	return s != nil && s.And(^uint64(accessed))&accessed != 0
}
