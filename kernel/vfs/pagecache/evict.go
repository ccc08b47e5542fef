package pagecache

import "skerry/kernel/ground/frame"

// candidate is a page that the evictor looks at: frame k of run r.
type candidate struct {
	r *run
	k int
}

// span is a range of pages of one cache, for Unmap.
type span struct {
	b           *Backed
	first, last uint64
}

// sweepMax bounds the pages that one round of the clock looks at.
const sweepMax = 16 * RunPages

// evict gives up to n pages of the pool up, so that others can have their
// frames: first those that were not used since the clock passed last and that
// nobody maps, then mapped ones. It answers how many. No lock is held.
func (p *Pool) evict(n int) int {
	p.evictMu.Lock()
	defer p.evictMu.Unlock()
	got := 0
	// Two rounds let the first one clear the accessed flags.
	for round := 0; round < 2 && got < n; round++ {
		got += p.sweep(n-got, nil)
	}
	if got > 0 {
		return got
	}
	// All that is left is mapped, or in the middle of a transfer. Take ranges out
	// of mappings until enough came free.
	for tries := 2 * p.count(); tries > 0 && got < n; tries-- {
		p.mu.Lock()
		r := p.runs[p.hand%len(p.runs)]
		spans := p.spans(r)
		p.mu.Unlock()
		p.unmap(spans)
		got += p.sweep(n-got, r)
		p.hand++
	}
	return got
}

// sweep moves the clock over all pages once, or over those of one run, until it
// has n. With a run given, accessed flags do not count.
func (p *Pool) sweep(n int, only *run) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	got := 0
	total := min(len(p.runs)*RunPages, sweepMax)
	if only != nil {
		total = RunPages
		p.page = 0
	}
	for i := 0; i < total && got < n; i++ {
		r := only
		if r == nil {
			r = p.runs[p.hand%len(p.runs)]
		}
		k := p.page
		if p.page++; p.page == RunPages {
			p.page = 0
			if only == nil {
				p.hand++
			}
		}
		if r.inUse(k) && p.evictPage(candidate{r, k}, only != nil) {
			got++
		}
	}
	return got
}

// evictPage gives one page up if only its cache holds it. Without force, one that
// was used since the last time gets another round. The caller holds mu.
func (p *Pool) evictPage(c candidate, force bool) bool {
	b := p.caches[c.r.owner[c.k]]
	if b == nil {
		return false
	}
	f := c.r.first + frame.PFN(c.k)
	index := uint64(c.r.index[c.k])
	b.mu.Lock()
	s := b.tree.get(index)
	if s == nil {
		b.mu.Unlock()
		return false // taken, but not in the cache yet
	}
	w := s.Load()
	if pfnOf(w) != f || w&busy != 0 || f.Refs() != 1 {
		b.mu.Unlock()
		return false
	}
	if w&accessed != 0 && !force {
		s.And(^uint64(accessed))
		b.mu.Unlock()
		return false
	}
	b.tree.remove(index)
	b.mu.Unlock()
	p.giveOne(b, f)
	p.stats.Evicted++
	return true
}

// count is the number of runs.
func (p *Pool) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.runs)
}

// spans is the pages of a run as ranges of files. The caller holds mu.
func (p *Pool) spans(r *run) []span {
	var all []span
	for k := range RunPages {
		b := p.caches[r.owner[k]]
		if !r.inUse(k) || b == nil {
			continue
		}
		index := uint64(r.index[k])
		if n := len(all); n > 0 && all[n-1].b == b && all[n-1].last+1 == index {
			all[n-1].last = index
			continue
		}
		all = append(all, span{b, index, index})
	}
	return all
}

// unmap takes ranges out of the mappings of their files. Private copies stay.
func (p *Pool) unmap(spans []span) {
	for _, s := range spans {
		if s.b.Mapped() {
			s.b.Unmap(s.first, s.last, false)
			p.mu.Lock()
			p.stats.Unmapped++
			p.mu.Unlock()
		}
	}
}

// Reclaim gives memory back for other uses and answers how many frames: pages
// outside the runs if there are any, else a whole run. The caller holds no lock
// of mm, file or cache that Unmap might want; locks of open file descriptions,
// pipes and writers are fine.
func (p *Pool) Reclaim() int {
	p.evictMu.Lock()
	defer p.evictMu.Unlock()
	p.mu.Lock()
	n := p.dropExtras(maxExtras)
	p.mu.Unlock()
	if n > 0 {
		return n
	}
	for tries := p.count(); tries > 0; tries-- {
		p.mu.Lock()
		if len(p.runs) <= p.keep {
			p.mu.Unlock()
			return 0
		}
		r := p.coldest()
		r.draining = true
		p.free -= RunPages - r.used
		spans := p.spans(r)
		p.mu.Unlock()
		if p.drain(r, spans) {
			return RunPages
		}
	}
	return 0
}

// coldest picks the run with the fewest pages in recent use out of a few, and
// ages the flags of those it looked at. The caller holds mu.
func (p *Pool) coldest() *run {
	const look = 4
	var best *run
	least := RunPages + 1
	for range min(look, len(p.runs)) {
		p.hand++
		r := p.runs[p.hand%len(p.runs)]
		hot := 0
		for k := range RunPages {
			if !r.inUse(k) {
				continue
			}
			if b := p.caches[r.owner[k]]; b != nil && b.age(uint64(r.index[k])) {
				hot++
			}
		}
		if hot < least {
			best, least = r, hot
		}
	}
	return best
}

// drain empties a run and gives it back; if some page is in use all the same, the
// run goes on as before.
func (p *Pool) drain(r *run, spans []span) bool {
	p.sweep(RunPages, r)
	p.mu.Lock()
	left := r.used
	p.mu.Unlock()
	if left > 0 {
		p.unmap(spans)
		p.sweep(RunPages, r)
	}
	p.mu.Lock()
	if r.used > 0 {
		r.draining = false
		p.free += RunPages - r.used
		p.mu.Unlock()
		return false
	}
	for i, q := range p.runs {
		if q == r {
			p.runs = append(p.runs[:i], p.runs[i+1:]...)
			break
		}
	}
	delete(p.byBase, r.first/RunPages)
	p.stats.RunsReturned++
	p.mu.Unlock()
	p.src.Give(r.first)
	return true
}
