package pagecache

import (
	"sync"

	"skerry/kernel/abi"
	"skerry/kernel/ground/frame"
	"skerry/kernel/vfs"
)

// Pool is the memory of all Backed caches of the machine.
type Pool struct {
	src  Runs
	keep int // runs that Reclaim leaves
	zero frame.PFN

	// evictMu lets one thread at a time look for pages to give up. It guards the
	// clock's hand, a run and a page in it.
	evictMu sync.Mutex
	hand    int
	page    int

	mu     sync.Mutex
	runs   []*run
	byBase map[frame.PFN]*run // by first frame / RunPages
	free   int                // free frames in runs that are not draining
	caches map[uint32]*Backed
	lastID uint32
	extras []extra
	stats  Stats

	ioMu sync.Mutex
	io   *sync.Cond // some pages are no longer busy
}

// extra is a page that does not lie in a run, since the CPU put it together.
type extra struct {
	b     *Backed
	index uint64
}

// keptRuns is how many runs a pool never gives back, and Kept how many frames those are.
const (
	keptRuns = 1
	Kept     = keptRuns * RunPages
)

// maxExtras bounds such pages.
const maxExtras = 256

// Stats counts what a pool did.
type Stats struct {
	Runs, Pages, Extras     int
	Reads, ReadPages        uint64 // transfers from devices
	Evicted, Unmapped       uint64 // pages given up, ranges taken from mappings
	RunsTaken, RunsReturned uint64
}

// NewPool returns a pool that gets its memory from src, and takes the first run
// at once, so that there is one whatever happens later. ENOMEM if there is none.
// It becomes what vfs.AllocPage asks when memory is short.
func NewPool(src Runs) (*Pool, abi.Errno) {
	p := &Pool{src: src, keep: keptRuns, byBase: make(map[frame.PFN]*run), caches: make(map[uint32]*Backed)}
	p.io = sync.NewCond(&p.ioMu)
	p.zero = frame.AllocZero(frame.KindCache)
	if p.zero == 0 || !p.grow() {
		return nil, abi.ENOMEM
	}
	vfs.Reclaim = p.Reclaim
	return p, abi.OK
}

// Stats returns the counts.
func (p *Pool) Stats() Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.stats
	s.Runs, s.Extras = len(p.runs), len(p.extras)
	for _, r := range p.runs {
		s.Pages += r.used
	}
	return s
}

// grow takes another run, if there is one to be had.
func (p *Pool) grow() bool {
	first := p.src.Take()
	if first == 0 {
		return false
	}
	p.mu.Lock()
	r := &run{first: first}
	p.runs = append(p.runs, r)
	p.byBase[first/RunPages] = r
	p.free += RunPages
	p.stats.RunsTaken++
	p.mu.Unlock()
	return true
}

// take fills pages with frames for the pages of b from lo on, and answers how
// many it got: at least one, unless memory is so short that nothing can be given
// up.
func (p *Pool) take(b *Backed, lo uint64, pages []frame.PFN) int {
	for {
		p.mu.Lock()
		n := p.takeFree(b, lo, pages)
		p.mu.Unlock()
		if n > 0 {
			return n
		}
		if !p.grow() && p.evict(len(pages)) == 0 {
			return 0
		}
	}
}

func (p *Pool) takeFree(b *Backed, lo uint64, pages []frame.PFN) int {
	if p.free == 0 {
		return 0
	}
	if b.id == 0 {
		p.lastID++
		for p.lastID == 0 || p.caches[p.lastID] != nil {
			p.lastID++
		}
		b.id = p.lastID
		p.caches[b.id] = b
	}
	n := 0
	for i := len(p.runs) - 1; i >= 0 && n < len(pages); i-- {
		r := p.runs[i]
		for !r.draining && r.used < RunPages && n < len(pages) {
			k := r.take()
			r.owner[k] = b.id
			r.index[k] = uint32(lo) + uint32(n)
			pages[n] = r.first + frame.PFN(k)
			n++
		}
	}
	p.free -= n
	b.frames += n
	return n
}

// give returns frames of b that no cache holds any more.
func (p *Pool) give(b *Backed, pages []frame.PFN) {
	p.mu.Lock()
	for _, f := range pages {
		p.giveOne(b, f)
	}
	p.mu.Unlock()
}

// giveOne is give with mu held.
func (p *Pool) giveOne(b *Backed, f frame.PFN) {
	r := p.byBase[f/RunPages]
	r.give(int(f - r.first))
	if !r.draining {
		p.free++
	}
	if b.frames--; b.frames == 0 {
		delete(p.caches, b.id)
		b.id = 0
	}
}

// addExtra notes a page outside the runs, and makes room for it.
func (p *Pool) addExtra(b *Backed, index uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.extras) >= maxExtras {
		p.dropExtras(maxExtras / 4)
	}
	p.extras = append(p.extras, extra{b, index})
}

// dropExtras gives up to n of the oldest extra pages that nobody uses up, and
// answers how many. The caller holds mu.
func (p *Pool) dropExtras(n int) int {
	dropped := 0
	keep := p.extras[:0]
	for _, x := range p.extras {
		if dropped < n && x.b.dropExtra(x.index) {
			dropped++
			continue
		}
		keep = append(keep, x)
	}
	clear(p.extras[len(keep):])
	p.extras = keep
	return dropped
}
