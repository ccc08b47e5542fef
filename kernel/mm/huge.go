package mm

import (
	"skerry/kernel/ground/arch"
	"skerry/kernel/ground/frame"
)

// DisableHuge is PR_SET_THP_DISABLE: no further 2 MiB pages while it is set.
func (s *Space) DisableHuge(on bool) { s.noHuge.Store(on) }

// HugeDisabled reports what DisableHuge set.
func (s *Space) HugeDisabled() bool { return s.noHuge.Load() }

// wantsHuge reports whether large regions get 2 MiB pages at all.
func (s *Space) wantsHuge() bool { return s.opt.Huge && !s.noHuge.Load() }

// hugeFits reports whether the 2 MiB around addr may become one page: all of it
// lies in the vma, and enough memory is free that rounding up does no harm.
func (s *Space) hugeFits(v *vma, addr uintptr) bool {
	base := addr &^ hugeMask
	return s.wantsHuge() && v.flags&(vmNoHuge|vmGrowsDown) == 0 &&
		base >= v.start && base+hugeSize <= v.end &&
		!atReserve(entries+frame.Total()/8)
}

// faultHuge fills an empty page-directory entry with a cleared 2 MiB page. It
// answers stepFrame, with the entry as it was, when there is no such block.
func (s *Space) faultHuge(v *vma, d *slot) step {
	if !d.CompareAndSwap(0, pteBusy) {
		return stepAgain
	}
	f := frame.AllocOrder(frame.KindUser, frame.HugeOrder)
	if f == 0 {
		d.Store(0)
		return stepFrame
	}
	arch.ZeroPage(f.Addr(), hugeSize)
	d.Store(f.Phys() | v.bits() | pteW | pteD | ptePS | ptePriv)
	s.stats.huge.Add(1)
	return stepDone
}

// faultOnHuge serves a fault on a page-directory entry that maps a large page
// or is being replaced.
func (s *Space) faultOnHuge(v *vma, d *slot, e uint64, a Access) step {
	switch {
	case e == pteBusy:
		return stepBusy
	case e&pteP == 0:
		panic("mm: unexpected page-directory entry")
	case a != Write || e&pteW != 0:
		return stepDone
	case !d.CompareAndSwap(e, e|pteW|pteD|pteA):
		return stepAgain
	}
	return stepDone
}

// splitHuge turns the large page that addr lies strictly inside, if there is
// one, into small ones with the same contents and rights. It reports false if
// there is no frame for the table, which may come out of the reserve. The
// caller holds mu.
func (s *Space) splitHuge(addr uintptr) bool {
	if addr&hugeMask == 0 {
		return true
	}
	d, _ := s.tree.pde(addr)
	if d == nil {
		return true
	}
	e := settled(d)
	if !isHuge(e) {
		return true
	}
	t := frame.Alloc(frame.KindKernel)
	if t == 0 {
		return false
	}
	for !d.CompareAndSwap(e, pteBusy) {
		// The processor set a bit, or another thread splits or frees the page.
		if e = settled(d); !isHuge(e) {
			t.Unref()
			return true
		}
	}
	base := addr &^ hugeMask
	if e&pteP != 0 {
		// No CPU may see the region through pages of both sizes at once.
		s.tlb.Flush(base, base+hugeSize)
	}
	f := pfnOf(e)
	f.Split()
	rest := e &^ (pteMem | ptePS)
	for i := uintptr(0); i < entries; i++ {
		entry(t.Addr(), i<<pageShift, pageShift).Store((f + frame.PFN(i)).Phys() | rest)
	}
	s.tree.tables.Add(1)
	d.Store(t.Phys() | tableBits)
	s.stats.splits.Add(1)
	return true
}

// clearHuge zeroes [addr, end) of the large page that maps it and returns end,
// or addr if there is no such page (any more).
func (s *Space) clearHuge(addr, end uintptr) uintptr {
	d, _ := s.tree.pde(addr)
	if d == nil {
		return addr
	}
	e := settled(d)
	// Busy, the page cannot be freed meanwhile.
	if !isHuge(e) || !d.CompareAndSwap(e, pteBusy) {
		return addr
	}
	arch.ZeroPage(pfnOf(e).Addr()+addr&hugeMask, end-addr)
	d.Store(e)
	return end
}
