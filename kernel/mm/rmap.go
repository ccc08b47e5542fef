package mm

import (
	"skerry/kernel/ground/frame"
	"skerry/kernel/vfs"
)

var _ vfs.Mapping = (*fileMap)(nil)

// Unmap implements vfs.Mapping: it takes the file's pages [first, last] out of
// the space. When it returns no CPU reaches them any more, and a fault that
// fetched one of them before does not install it. The file changes its own
// state first (size, cache), then calls Unmap, then drops its frames. Its locks
// may be held.
//
// With even clear, private copies stay, and so do pages of the verified root
// (frame.KindRoot) in a mapping locked by mlock: their contents never change,
// and the program was promised that they stay.
func (m *fileMap) Unmap(first, last uint64, even bool) {
	s := m.space
	s.stats.unmaps.Add(1)
	var g gather
	for counted, more := false, true; more; counted = true {
		s.rmu.Lock()
		if !counted {
			m.useq.Add(1)
		}
		first, more = m.unmapSome(&g, first, last, even)
		s.rmu.Unlock()
		s.finish(&g)
	}
}

// unmapSome removes the next stretch of pages from all vmas in one go, since
// between two calls a vma may be split, joined or moved. It returns the index
// to go on with, and whether there is more to do. The caller holds rmu.
func (m *fileMap) unmapSome(g *gather, first, last uint64, even bool) (uint64, bool) {
	const never = ^uint64(0)
	lo := uint64(never)
	for _, v := range m.vmas {
		lo = min(lo, v.firstTable(first, last))
	}
	if lo == never {
		return 0, false
	}
	hi := min(last, lo+entries-1)
	for _, v := range m.vmas {
		v.unmapRange(g, lo, hi, even)
	}
	return hi + 1, hi < last
}

// cut is the part of a vma that shows the pages [first, last] of its file;
// empty if start >= end.
func (v *vma) cut(first, last uint64) (start, end uintptr) {
	past := v.pgoff + v.pages()
	if last < v.pgoff || first >= past {
		return 0, 0
	}
	start, end = v.start, v.end
	if first > v.pgoff {
		start += uintptr(first-v.pgoff) << pageShift
	}
	if last < past-1 {
		end = v.start + uintptr(last+1-v.pgoff)<<pageShift
	}
	return start, end
}

// firstTable is the first page index in [first, last] for which there is a
// page table in the vma, or all ones.
func (v *vma) firstTable(first, last uint64) uint64 {
	a, end := v.cut(first, last)
	for a < end {
		d, next := v.space.tree.pde(a)
		switch {
		case d == nil:
			a = next
		case isTable(d.Load()):
			return v.index(a)
		default:
			a = nextSpan(a, hugeShift)
		}
	}
	return ^uint64(0)
}

// unmapRange removes the pages [first, last] from one vma.
func (v *vma) unmapRange(g *gather, first, last uint64, even bool) {
	s := v.space
	keepRoot := !even && v.flags&vmLocked != 0
	a, end := v.cut(first, last)
	for a < end {
		d, next := s.tree.pde(a)
		if d == nil {
			a = next
			continue
		}
		e := d.Load()
		next = min(end, nextSpan(a, hugeShift))
		if isTable(e) {
			for ; a < next; a += pageSize {
				if g.full() {
					s.finish(g)
				}
				s.unmapEntry(g, entry(tableOf(e), a, pageShift), a, even, keepRoot)
			}
		}
		a = next
	}
}

// unmapEntry removes one entry if it is to go.
func (s *Space) unmapEntry(g *gather, p *slot, addr uintptr, even, keepRoot bool) {
	for {
		e := settled(p)
		if e == 0 || e&ptePriv != 0 && !even || keepRoot && pfnOf(e).Kind() == frame.KindRoot {
			return
		}
		if p.CompareAndSwap(e, 0) {
			g.note(addr, addr+pageSize)
			if f := pfnOf(e); f != s.zero {
				g.add(f)
			}
			return
		}
	}
}
