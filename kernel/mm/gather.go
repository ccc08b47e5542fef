package mm

import "skerry/kernel/ground/frame"

// gatherMax is how many frames a gather holds: a flush for that many pages
// costs little beside freeing them.
const gatherMax = 256

// TLB is what the address space needs of the processors.
type TLB interface {
	// Flush makes every CPU drop its translations for [start, end), and what it
	// has cached of the tables above them. When it returns all have done so.
	// It must not block on anything but the other CPUs.
	Flush(start, end uintptr)
}

// gather collects frames whose entries were cleared, so that one flush serves
// many: 5.8 of the architecture, clear, flush, then free.
type gather struct {
	n      int
	lo, hi uintptr
	pfns   [gatherMax]frame.PFN
}

// full reports whether the next add could fail.
func (g *gather) full() bool { return g.n == gatherMax }

// note widens the range to be flushed.
func (g *gather) note(lo, hi uintptr) {
	if g.hi == 0 {
		g.lo, g.hi = lo, hi
		return
	}
	g.lo, g.hi = min(g.lo, lo), max(g.hi, hi)
}

// add takes over one reference to p.
func (g *gather) add(p frame.PFN) {
	g.pfns[g.n] = p
	g.n++
}

// notePeak keeps how much anonymous memory there was, before some of it goes.
func (s *Space) notePeak() {
	n := frame.UserFrames()
	for old := s.anonPeak.Load(); n > old && !s.anonPeak.CompareAndSwap(old, n); old = s.anonPeak.Load() {
	}
}

// finish flushes and releases what was gathered.
func (s *Space) finish(g *gather) {
	if g.hi != 0 {
		s.tlb.Flush(g.lo, g.hi)
		g.lo, g.hi = 0, 0
	}
	if g.n > 0 {
		s.notePeak()
	}
	for _, p := range g.pfns[:g.n] {
		p.Unref()
	}
	g.n = 0
}
