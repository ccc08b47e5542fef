package mm

import (
	"sync/atomic"

	"skerry/kernel/abi"
	"skerry/kernel/ground/frame"
)

// aroundPages is how many pages of a file one read fault maps at most: the
// aligned block around the address, as far as it is in memory already.
const aroundPages = 16

// faultBacked serves mappings of files, shared objects and kernel pages. The
// caller holds mu for reading, and the protection allows the access. f holds
// the page that the last attempt asked for, if it came.
func (s *Space) faultBacked(v *vma, addr uintptr, a Access, f *fetch) step {
	pt := s.tree.makePT(addr)
	if pt == 0 {
		return stepFrame
	}
	p := entry(pt, addr, pageShift)
	old := p.Load()
	shared := v.flags&vmShared != 0
	if old != 0 && (!shared || old&pteP == 0 || a != Write || old&pteW != 0) {
		return s.faultPresent(v, p, old, addr, a)
	}
	// Here the entry is empty, or a shared page is to be written for the first
	// time.
	useq := uint64(0)
	if v.file != nil {
		useq = v.file.useq.Load()
	}
	from, r := s.source(v, addr, shared && a == Write, useq, f)
	if r != stepDone {
		return r
	}
	if !shared && a == Write {
		return s.copyIn(v, p, from, useq)
	}
	e := from.Phys() | v.bits()
	switch {
	case v.obj != nil && v.prot&protWrite != 0:
		e |= pteW // an object need not hear of writes
		if a == Write {
			e |= pteD
		}
	case shared && a == Write:
		e |= pteW | pteD
	}
	if old != 0 {
		return s.upgrade(v, p, old, e, addr, useq)
	}
	if a != Write && v.file != nil && v.file.peek != nil && v.flags&vmRandom == 0 {
		return s.installAround(v, pt, e, addr, useq)
	}
	return s.install(v, p, e, useq, &s.stats.file)
}

// source is the frame behind a page of the backing, with a reference for the
// caller; stepDone says that there is one.
func (s *Space) source(v *vma, addr uintptr, write bool, useq uint64, f *fetch) (frame.PFN, step) {
	index := v.index(addr)
	switch {
	case v.obj != nil:
		return v.obj.page(index)
	case v.special != nil:
		if index >= uint64(len(v.special)) {
			return 0, stepBus
		}
		p := v.special[index]
		p.Ref()
		return p, stepDone
	}
	if f.pfn != 0 {
		p := f.pfn
		f.pfn = 0
		if f.file == v.file && f.index == index && f.write == write && f.useq == useq {
			return p, stepDone
		}
		p.Unref() // the mapping or the file changed while the page was fetched
	}
	if !write && v.file.peek != nil {
		if p := v.file.peek.Peek(index); p != 0 {
			return p, stepDone
		}
	}
	f.file, f.useq, f.index, f.write = v.file, useq, index, write
	return 0, stepFetch
}

// changed reports whether the vma's file took pages away since its useq was
// read. The caller holds rmu.
func (v *vma) changed(useq uint64) bool { return v.file != nil && v.file.useq.Load() != useq }

// install puts an entry that holds a reference into an empty slot, unless the
// file took pages away since useq was read: then the frame may be one of them.
func (s *Space) install(v *vma, p *slot, e, useq uint64, count *atomic.Uint64) step {
	r := stepDone
	s.rmu.RLock()
	if v.changed(useq) || !p.CompareAndSwap(0, e) {
		r = stepAgain
	}
	s.rmu.RUnlock()
	if r != stepDone {
		pfnOf(e).Unref()
		return r
	}
	count.Add(1)
	return r
}

// copyIn gives a private mapping its own copy of a page that it writes before
// it ever read it. The reference to from is used up.
func (s *Space) copyIn(v *vma, p *slot, from frame.PFN, useq uint64) step {
	f := frame.Alloc(frame.KindUser)
	if f == 0 {
		from.Unref()
		return stepFrame
	}
	copyFrame(f, from)
	from.Unref()
	return s.install(v, p, f.Phys()|v.bits()|pteW|pteD|ptePriv, useq, &s.stats.copied)
}

// upgrade makes a page of a shared mapping writable, e being the entry with the
// frame that the file gave for writing.
func (s *Space) upgrade(v *vma, p *slot, old, e uint64, addr uintptr, useq uint64) step {
	r, drop := stepAgain, pfnOf(e)
	s.rmu.RLock()
	switch {
	case v.changed(useq):
	case pfnOf(old) == pfnOf(e):
		// The entry has a reference already, so the new one is dropped.
		if p.CompareAndSwap(old, old|e) {
			r = stepDone
		}
	case p.CompareAndSwap(old, pteBusy):
		// The file mapped something else for reading, such as a page of zeroes
		// for a hole.
		page := addr &^ pageMask
		s.tlb.Flush(page, page+pageSize)
		p.Store(e)
		r, drop = stepDone, pfnOf(old)
	}
	s.rmu.RUnlock()
	drop.Unref()
	if r == stepDone {
		s.stats.upgraded.Add(1)
	}
	return r
}

// installAround is install for a page that is read, together with those of its
// neighbours that the file has in memory.
func (s *Space) installAround(v *vma, pt uintptr, e uint64, addr uintptr, useq uint64) step {
	const block = aroundPages * pageSize
	page := addr &^ pageMask
	lo := max(v.start, addr&^(block-1))
	hi := min(v.end, addr&^(block-1)+block)
	var got [aroundPages]frame.PFN
	n := int(hi-lo) >> pageShift
	for i := 0; i < n; i++ {
		at := lo + uintptr(i)<<pageShift
		if at != page && entry(pt, at, pageShift).Load() == 0 {
			got[i] = v.file.peek.Peek(v.index(at))
		}
	}
	bits := v.bits()
	r := stepAgain
	s.rmu.RLock()
	if !v.changed(useq) {
		for i := 0; i < n; i++ {
			if got[i] != 0 && entry(pt, lo+uintptr(i)<<pageShift, pageShift).CompareAndSwap(0, got[i].Phys()|bits) {
				got[i] = 0
				s.stats.around.Add(1)
			}
		}
		if entry(pt, page, pageShift).CompareAndSwap(0, e) {
			r = stepDone
		}
	}
	s.rmu.RUnlock()
	for _, q := range got[:n] {
		if q != 0 {
			q.Unref()
		}
	}
	if r != stepDone {
		pfnOf(e).Unref()
		return r
	}
	s.stats.file.Add(1)
	return r
}

// willNeed reads pages of a file into its cache, madvise(2) MADV_WILLNEED, as
// far as they exist. Nothing is locked.
func (s *Space) willNeed(addr, end uintptr) abi.Errno {
	const most = 512 // 2 MiB a call: what a caller may wait for is bounded
	for n := 0; addr < end && n < most; n++ {
		s.mu.RLock()
		v := s.lookup(addr)
		if v == nil || v.file == nil {
			if v != nil {
				addr = v.end
			} else {
				addr = end
			}
			s.mu.RUnlock()
			continue
		}
		file, index := v.file, v.index(addr)
		s.mu.RUnlock()
		p, e := file.mapper.Page(index, false)
		if e != abi.OK {
			return abi.OK // a hint; the access will tell
		}
		p.Unref()
		addr += pageSize
	}
	return abi.OK
}
