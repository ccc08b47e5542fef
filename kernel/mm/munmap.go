package mm

import (
	"runtime"

	"skerry/kernel/abi"
)

// Munmap removes the pages of [addr, addr+n), munmap(2). EINVAL for a bad
// range, ENOMEM when a vma would have to be cut and there are too many, EPERM
// for a sealed mapping; nothing is changed then.
func (s *Space) Munmap(addr, n uintptr) abi.Errno {
	if addr&pageMask != 0 || addr > Highest || n > Highest-addr {
		return abi.EINVAL
	}
	n = (n + pageMask) &^ pageMask
	if n == 0 || n > Highest-addr {
		return abi.EINVAL
	}
	s.mu.Lock()
	e := s.unmap(addr, addr+n)
	s.unlock()
	if e == abi.EPERM {
		return s.deny(&Denial{Rule: RuleSealed, Call: "munmap", Addr: addr, Len: n, Errno: e})
	}
	return e
}

// unmap empties a page-aligned range. The caller holds mu for writing; for a
// large range it is let go in between, with the range reserved.
func (s *Space) unmap(start, end uintptr) abi.Errno {
	first, flags := s.survey(start, end)
	for flags&vmDying != 0 {
		s.idle.Wait()
		first, flags = s.survey(start, end)
	}
	if first == nil {
		return abi.OK
	}
	if e := s.mayCut(first, flags, start, end); e != abi.OK {
		return e
	}
	s.drain(s.detach(start, end), start, end)
	return abi.OK
}

// survey returns the first vma that overlaps [start, end), and what flags there
// are in the range.
func (s *Space) survey(start, end uintptr) (first *vma, flags uint32) {
	t := &s.set
	for ci, i := t.locate(start); ci < len(t.chunks); ci, i = ci+1, 0 {
		for c := t.chunks[ci]; i < c.n; i++ {
			if c.start[i] >= end {
				return first, flags
			}
			if first == nil {
				first = c.v[i]
			}
			flags |= c.v[i].flags
		}
	}
	return first, flags
}

// sealed reports whether a sealed vma overlaps [start, end).
func (s *Space) sealed(start, end uintptr) bool {
	_, flags := s.survey(start, end)
	return flags&vmSealed != 0
}

// mayCut checks that [start, end) can be taken out, and splits the large pages
// that its borders cut, so that the rest cannot fail. first and flags are what
// survey found.
func (s *Space) mayCut(first *vma, flags uint32, start, end uintptr) abi.Errno {
	if flags&vmSealed != 0 {
		return abi.EPERM
	}
	if first.start < start && end < first.end && s.set.n >= maxVMAs {
		return abi.ENOMEM
	}
	if !s.splitHuge(start) || !s.splitHuge(end) {
		return abi.ENOMEM
	}
	return abi.OK
}

// detach takes the vmas in [start, end) out of the set, cutting those that
// reach beyond, and returns them as a list. Their pages are still there.
func (s *Space) detach(start, end uintptr) *vma {
	if v := s.lookup(start); v != nil && v.start < start {
		s.split(v, start)
	}
	var head *vma
	last := &head
	for {
		ci, i := s.set.locate(start)
		if ci == len(s.set.chunks) {
			return head
		}
		v := s.set.chunks[ci].v[i]
		if v.start >= end {
			return head
		}
		if v.end > end {
			s.split(v, end)
			ci, i = s.set.locate(start)
		}
		s.uncount(v)
		s.set.removeAt(ci, i)
		*last, last = v, &v.next
	}
}

// drain frees the pages and tables of detached vmas. The caller holds mu for
// writing. If the range is large it is reserved by a dying vma while the pages
// are freed with mu let go.
func (s *Space) drain(removed *vma, start, end uintptr) {
	if removed == nil {
		return
	}
	var g gather
	if end-start <= largeRange {
		for a := start; a < end; {
			a = s.zap(&g, a, end)
			if g.full() {
				s.finish(&g)
			}
		}
		s.buryAll(removed)
		s.freeTables(&g, start, end)
		s.finish(&g)
		s.releaseAll(removed)
		return
	}
	d := &vma{space: s, start: start, end: end, flags: vmDying}
	s.set.insert(d)
	s.mu.Unlock()
	for a := start; a < end; {
		a = s.zap(&g, a, end)
		s.finish(&g)
		runtime.Gosched()
	}
	s.buryAll(removed)
	s.freeLevel(&g, s.tree.root, pml4Shift, start, end, start, end)
	s.finish(&g)
	s.mu.Lock()
	s.set.remove(d)
	s.freeTables(&g, start, end)
	s.finish(&g)
	s.releaseAll(removed)
	s.idle.Broadcast()
}

// buryAll hides removed vmas. After it no Unmap walks their tables.
func (s *Space) buryAll(removed *vma) {
	for v := removed; v != nil; v = v.next {
		s.bury(v)
	}
}

// releaseAll drops what removed vmas held.
func (s *Space) releaseAll(removed *vma) {
	for v := removed; v != nil; v = v.next {
		s.release(v)
	}
}

// zapSteps bounds how many entries one call of zap looks at.
const zapSteps = 4096

// zap clears entries of [addr, end) and gathers their frames, until the gather
// is full or enough was done for one go, and returns where to go on. Large
// pages must lie wholly inside: at one that does not it stops.
func (s *Space) zap(g *gather, addr, end uintptr) uintptr {
	from := addr
	for steps := 0; addr < end && steps < zapSteps && !g.full(); steps++ {
		d, next := s.tree.pde(addr)
		if d == nil {
			addr = next
			continue
		}
		e := settled(d)
		if e == 0 {
			addr = nextSpan(addr, hugeShift)
			continue
		}
		if isHuge(e) {
			if addr&hugeMask != 0 || end-addr < hugeSize {
				break
			}
			if e = take(d); e != 0 {
				g.add(pfnOf(e))
				g.note(addr, addr+hugeSize)
			}
			addr += hugeSize
			continue
		}
		steps += entries
		addr = s.zapTable(g, tableOf(e), addr, min(end, nextSpan(addr, hugeShift)))
	}
	if addr == from {
		return addr
	}
	return min(addr, end)
}

// zapTable is zap within one table.
func (s *Space) zapTable(g *gather, table, addr, end uintptr) uintptr {
	lo, hi := end, addr
	for ; addr < end && !g.full(); addr += pageSize {
		p := entry(table, addr, pageShift)
		e := p.Load()
		if e == 0 {
			continue
		}
		if e == pteBusy || !p.CompareAndSwap(e, 0) {
			if e = take(p); e == 0 {
				continue
			}
		}
		lo, hi = min(lo, addr), addr+pageSize
		if f := pfnOf(e); f != s.zero {
			g.add(f)
		}
	}
	if lo < hi {
		g.note(lo, hi)
	}
	return addr
}

// freeTables unlinks the tables that served only [start, end), which is empty
// now, and gathers them. The caller holds mu for writing.
func (s *Space) freeTables(g *gather, start, end uintptr) {
	floor, ceil := uintptr(0), uintptr(1<<47)
	prev, next := s.set.neighbours(start)
	if prev != nil {
		floor = prev.end
	}
	if next != nil {
		ceil = next.start
	}
	s.freeLevel(g, s.tree.root, pml4Shift, start, end, floor, ceil)
}

// freeLevel unlinks tables below one table. One goes if the addresses that it
// serves lie in [floor, ceil), where nothing is mapped; since whoever was last
// mapped there did the same, all its entries are then empty.
func (s *Space) freeLevel(g *gather, table uintptr, shift uint, start, end, floor, ceil uintptr) {
	for addr := start; addr < end; addr = nextSpan(addr, shift) {
		p := entry(table, addr, shift)
		e := p.Load()
		if !isTable(e) {
			continue
		}
		base, next := addr>>shift<<shift, nextSpan(addr, shift)
		if shift > hugeShift {
			s.freeLevel(g, tableOf(e), shift-9, addr, min(end, next), floor, ceil)
		}
		if base < floor || next > ceil {
			continue
		}
		if checkTables {
			mustBeEmpty(tableOf(e))
		}
		if g.full() {
			s.finish(g)
		}
		p.Store(0)
		g.note(base, base+pageSize) // any flush drops cached table entries, SDM vol. 3, 4.10.4.1
		g.add(pfnOf(e))
		s.tree.tables.Add(-1)
	}
}

// checkTables makes tests stop where a table is freed that still maps
// something.
var checkTables bool

func mustBeEmpty(table uintptr) {
	for a := uintptr(0); a < entries*pageSize; a += pageSize {
		if e := entry(table, a, pageShift).Load(); e != 0 {
			panic("mm: a table that still maps something is freed")
		}
	}
}
