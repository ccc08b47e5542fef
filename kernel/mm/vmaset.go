package mm

// chunkMax is how many vmas a chunk holds.
const chunkMax = 64

// chunk is a run of neighbouring vmas.
type chunk struct {
	n     int
	start [chunkMax]uintptr // of each vma, so that a search stays in this array
	v     [chunkMax]*vma
}

// summary is what searches need to know of a chunk.
type summary struct {
	first uintptr // start of its first vma
	// maxGap is the largest distance between the edge of one of its vmas and the
	// end of the vma before that; valid if known.
	maxGap uintptr
	known  bool
}

// vmaSet is the vmas of a space sorted by address: a sorted array of sorted
// chunks. A lookup is two binary searches; an insertion moves at most one chunk
// and the array of chunks, a thousand entries at the limit of 65,530 vmas; a
// search for a gap looks at each chunk once.
type vmaSet struct {
	sums   []summary
	chunks []*chunk
	n      int
	// drop is called when a vma leaves the set.
	drop func()
}

// locate is the position of the first vma that ends above addr: a chunk and an
// index in it, or (len(chunks), 0).
func (t *vmaSet) locate(addr uintptr) (int, int) {
	// The last chunk that starts at or below addr.
	lo, hi := 0, len(t.sums)
	for lo < hi {
		m := int(uint(lo+hi) >> 1)
		if t.sums[m].first <= addr {
			lo = m + 1
		} else {
			hi = m
		}
	}
	if lo == 0 {
		return 0, 0
	}
	ci := lo - 1
	c := t.chunks[ci]
	lo, hi = 0, c.n
	for lo < hi {
		m := int(uint(lo+hi) >> 1)
		if c.start[m] <= addr {
			lo = m + 1
		} else {
			hi = m
		}
	}
	i := lo - 1
	if c.v[i].end > addr {
		return ci, i
	}
	if lo < c.n {
		return ci, lo
	}
	return ci + 1, 0
}

// find is the first vma that ends above addr, or nil: the one that holds addr
// or the next one.
func (t *vmaSet) find(addr uintptr) *vma {
	ci, i := t.locate(addr)
	if ci == len(t.chunks) {
		return nil
	}
	return t.chunks[ci].v[i]
}

// before is the vma before position (ci, i), or nil.
func (t *vmaSet) before(ci, i int) *vma {
	if i > 0 {
		return t.chunks[ci].v[i-1]
	}
	if ci > 0 {
		c := t.chunks[ci-1]
		return c.v[c.n-1]
	}
	return nil
}

// neighbours are the last vma that ends at or below addr and the first that
// ends above it.
func (t *vmaSet) neighbours(addr uintptr) (prev, next *vma) {
	ci, i := t.locate(addr)
	prev = t.before(ci, i)
	if ci < len(t.chunks) {
		next = t.chunks[ci].v[i]
	}
	return prev, next
}

// around are the vmas before and after v.
func (t *vmaSet) around(v *vma) (prev, next *vma) {
	ci, i := t.locate(v.start)
	prev = t.before(ci, i)
	if c := t.chunks[ci]; i+1 < c.n {
		next = c.v[i+1]
	} else if ci+1 < len(t.chunks) {
		next = t.chunks[ci+1].v[0]
	}
	return prev, next
}

// insert adds v, which overlaps nothing.
func (t *vmaSet) insert(v *vma) {
	t.n++
	if len(t.chunks) == 0 {
		c := &chunk{n: 1}
		c.v[0], c.start[0] = v, v.start
		t.chunks = append(t.chunks, c)
		t.sums = append(t.sums, summary{first: v.start})
		return
	}
	ci, i := t.locate(v.start)
	if i == 0 && ci > 0 { // rather at the end of the chunk before
		ci--
		i = t.chunks[ci].n
	}
	c := t.chunks[ci]
	if c.n == chunkMax {
		t.divide(ci)
		if i > c.n {
			i -= c.n
			ci++
			c = t.chunks[ci]
		}
	}
	copy(c.v[i+1:c.n+1], c.v[i:c.n])
	copy(c.start[i+1:c.n+1], c.start[i:c.n])
	c.v[i], c.start[i] = v, v.start
	c.n++
	t.sums[ci].first = c.start[0]
	t.touch(ci)
}

// divide makes two chunks of a full one.
func (t *vmaSet) divide(ci int) {
	c := t.chunks[ci]
	d := &chunk{n: chunkMax / 2}
	copy(d.v[:], c.v[chunkMax/2:])
	copy(d.start[:], c.start[chunkMax/2:])
	clear(c.v[chunkMax/2:])
	c.n = chunkMax / 2
	t.chunks = append(t.chunks, nil)
	copy(t.chunks[ci+2:], t.chunks[ci+1:])
	t.chunks[ci+1] = d
	t.sums = append(t.sums, summary{})
	copy(t.sums[ci+2:], t.sums[ci+1:])
	t.sums[ci+1] = summary{first: d.start[0]}
	t.sums[ci].known = false
}

// remove takes v out.
func (t *vmaSet) remove(v *vma) {
	t.removeAt(t.locate(v.start))
}

// removeAt takes the vma at a position out.
func (t *vmaSet) removeAt(ci, i int) {
	t.n--
	c := t.chunks[ci]
	copy(c.v[i:], c.v[i+1:c.n])
	copy(c.start[i:], c.start[i+1:c.n])
	c.n--
	c.v[c.n] = nil
	if c.n == 0 {
		t.chunks = append(t.chunks[:ci], t.chunks[ci+1:]...)
		t.chunks[:len(t.chunks)+1][len(t.chunks)] = nil
		t.sums = append(t.sums[:ci], t.sums[ci+1:]...)
	} else {
		t.sums[ci].first = c.start[0]
	}
	t.touch(ci)
	if t.drop != nil {
		t.drop()
	}
}

// moved records that v's borders changed, without overtaking a neighbour.
func (t *vmaSet) moved(v *vma) {
	// The new start is in the old position's reach: nothing lies between.
	ci, i := t.locate(v.end - 1)
	if ci == len(t.chunks) || t.chunks[ci].v[i] != v {
		return // not in the set (yet)
	}
	c := t.chunks[ci]
	c.start[i] = v.start
	t.sums[ci].first = c.start[0]
	t.touch(ci)
}

// touch forgets the largest gap of a chunk and of the one after it, whose first
// gap begins in this one.
func (t *vmaSet) touch(ci int) {
	if ci < len(t.sums) {
		t.sums[ci].known = false
	}
	if ci+1 < len(t.sums) {
		t.sums[ci+1].known = false
	}
}

// gap is the largest gap before one of the vmas of a chunk.
func (t *vmaSet) gap(ci int) uintptr {
	if sum := &t.sums[ci]; !sum.known {
		sum.maxGap, sum.known = t.measure(ci), true
	}
	return t.sums[ci].maxGap
}

func (t *vmaSet) measure(ci int) uintptr {
	c, end, most := t.chunks[ci], uintptr(0), uintptr(0)
	if p := t.before(ci, 0); p != nil {
		end = p.end
	}
	for _, v := range c.v[:c.n] {
		if e := v.edge(); e > end {
			most = max(most, e-end)
		}
		end = v.end
	}
	return most
}

// highest finds room for n bytes as high as possible in [lo, hi), at a multiple
// of align (a power of two), or 0.
func (t *vmaSet) highest(n, lo, hi, align uintptr) uintptr {
	if lo >= hi || n > hi-lo {
		return 0
	}
	top := hi // [end of the vma before (ci, i), top) is free
	ci, i := t.locate(hi - 1)
	if ci < len(t.chunks) {
		top = min(top, t.chunks[ci].v[i].edge())
	}
	for {
		p := t.before(ci, i)
		floor := lo
		if p != nil {
			floor = max(lo, p.end)
		}
		if a := fit(floor, top, n, align); a != 0 {
			return a
		}
		if floor == lo {
			return 0
		}
		if i > 0 {
			i--
		} else {
			ci--
			i = t.chunks[ci].n - 1
		}
		top = p.edge()
		if t.gap(ci) < n { // no gap before any vma of this chunk will do
			for ci > 0 && t.gap(ci-1) < n {
				ci--
			}
			i = 0
			top = t.chunks[ci].v[0].edge()
		}
	}
}

// lowest finds room for n bytes as low as possible in [lo, hi), or 0.
func (t *vmaSet) lowest(n, lo, hi, align uintptr) uintptr {
	ci, i := t.locate(lo)
	for lo < hi && n <= hi-lo {
		if ci == len(t.chunks) {
			if a := roundUp(lo, align); a >= lo && a <= hi && hi-a >= n {
				return a
			}
			return 0
		}
		c := t.chunks[ci]
		if i == 0 && t.gap(ci) < n {
			for ci+1 < len(t.chunks) && t.gap(ci+1) < n {
				ci++
			}
			c = t.chunks[ci]
			lo = max(lo, c.v[c.n-1].end)
			ci++
			continue
		}
		v := c.v[i]
		e := min(v.edge(), hi)
		if a := roundUp(lo, align); a >= lo && a <= e && e-a >= n {
			return a
		}
		lo = max(lo, v.end)
		if i++; i == c.n {
			ci, i = ci+1, 0
		}
	}
	return 0
}

// fit is the highest aligned address for n bytes in [lo, hi), or 0.
func fit(lo, hi, n, align uintptr) uintptr {
	if lo >= hi || n > hi-lo {
		return 0
	}
	if a := (hi - n) &^ (align - 1); a >= lo {
		return a
	}
	return 0
}

// roundUp rounds up to a power of two; the result of an overflow is 0, which
// callers reject by its being below their bound.
func roundUp(a, align uintptr) uintptr { return (a + align - 1) &^ (align - 1) }

// each calls f for every vma that ends above addr, in order, until f says stop.
func (t *vmaSet) each(addr uintptr, f func(*vma) bool) {
	ci, i := t.locate(addr)
	for ; ci < len(t.chunks); ci, i = ci+1, 0 {
		for c := t.chunks[ci]; i < c.n; i++ {
			if !f(c.v[i]) {
				return
			}
		}
	}
}
