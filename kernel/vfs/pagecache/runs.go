package pagecache

import (
	"math/bits"

	"skerry/kernel/ground/frame"
)

// Runs is where a pool gets its memory: runs of RunPages frames, aligned to their
// size, which the CPU can only read until they are given back whole. Each frame
// of a run carries one reference, the pool's.
type Runs interface {
	// Take returns the first frame of a run, or 0 if memory is short.
	Take() frame.PFN
	// Give takes a run back; the pool's references pass to the callee, and there
	// are no others.
	Give(first frame.PFN)
}

// RunPages is the number of frames of a run: 2 MiB.
const RunPages = 1 << frame.HugeOrder

// PlainRuns are runs that are not protected: for tests on the host, where there
// is no direct map of ours.
type PlainRuns struct{}

// Take allocates a run.
func (PlainRuns) Take() frame.PFN {
	p := frame.AllocOrder(frame.KindRoot, frame.HugeOrder)
	if p != 0 {
		p.Split()
	}
	return p
}

// Give frees a run.
func (PlainRuns) Give(first frame.PFN) {
	for i := range frame.PFN(RunPages) {
		(first + i).Unref()
	}
}

// run is one run and what its frames hold.
type run struct {
	first frame.PFN
	used  int
	// draining keeps new pages out while the run is being emptied.
	draining bool
	bitmap   [RunPages / 64]uint64 // bit per frame: in use
	from     int                   // where the search for a free frame starts
	owner    [RunPages]uint32      // Backed.id
	index    [RunPages]uint32      // page index
}

// take takes a free frame; the run has one.
func (r *run) take() int {
	for w := r.from / 64; ; w = (w + 1) % len(r.bitmap) {
		free := ^r.bitmap[w]
		if w == r.from/64 {
			if ahead := free >> (r.from % 64) << (r.from % 64); ahead != 0 {
				free = ahead
			}
		}
		if free != 0 {
			i := w*64 + bits.TrailingZeros64(free)
			r.bitmap[w] |= 1 << (i % 64)
			r.used++
			r.from = (i + 1) % RunPages
			return i
		}
	}
}

func (r *run) give(i int) {
	r.bitmap[i/64] &^= 1 << (i % 64)
	r.used--
}

func (r *run) inUse(i int) bool { return r.bitmap[i/64]>>(i%64)&1 != 0 }
