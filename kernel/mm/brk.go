package mm

import "skerry/kernel/abi"

// InitBrk says where the heap begins; it is empty. Once, by the loader.
func (s *Space) InitBrk(start uintptr) {
	s.mu.Lock()
	s.brkStart, s.brkEnd = start, start
	s.mu.Unlock()
}

// Brk moves the end of the heap, brk(2), and returns where it is then: at addr,
// or where it was if that cannot be.
func (s *Space) Brk(addr uintptr) uintptr {
	s.mu.Lock()
	was := (s.brkEnd + pageMask) &^ pageMask
	from, ok, sealed := s.brkLocked(addr)
	at := s.brkEnd
	fill := ok && from != 0 && s.futureLock&(vmLocked|vmOnFault) == vmLocked
	s.unlock()
	if fill {
		s.populate(from, (at+pageMask)&^pageMask)
	}
	if sealed { // the call has no error: C libraries make ENOMEM of it
		to := (addr + pageMask) &^ pageMask
		s.deny(&Denial{Rule: RuleSealed, Call: "brk", Addr: min(was, to), Len: max(was, to) - min(was, to), Errno: abi.ENOMEM})
	}
	return at
}

// brkLocked moves the break and returns where new pages begin, 0 for none. sealed says
// that it does not since what it would remove or cover is. The caller holds mu for
// writing.
func (s *Space) brkLocked(addr uintptr) (from uintptr, ok, sealed bool) {
	if s.brkStart == 0 || addr < s.brkStart || addr > Highest {
		return 0, false, false
	}
	if uint64(addr-s.brkStart) > s.limit[LimitData].Load() {
		return 0, false, false
	}
	want := (addr + pageMask) &^ pageMask
	was := (s.brkEnd + pageMask) &^ pageMask
	for s.dying(min(was, want), max(was, want)) {
		s.idle.Wait()
		was = (s.brkEnd + pageMask) &^ pageMask
	}
	switch {
	case want < was:
		// For a large range mu is let go in unmap; the break moves first, so
		// that nobody sees it above memory that is going.
		if first, flags := s.survey(want, was); first != nil {
			if e := s.mayCut(first, flags, want, was); e != abi.OK {
				return 0, false, e == abi.EPERM
			}
		}
		s.brkEnd = addr
		s.drain(s.detach(want, was), want, was)
		return 0, true, false
	case want == was:
		s.brkEnd = addr
		return 0, true, false
	}
	n := uint64(want-was) >> pageShift
	flags := vmMayRead | vmMayWrite | vmHeap | s.futureLock
	if !s.vacant(was, want-was) || s.set.n >= maxVMAs ||
		!s.mayGrow(protRead|protWrite, flags, n, 0) || overcommitted(protRead|protWrite, flags, n) ||
		flags&vmLocked != 0 && !s.mayLock(n) {
		_, there := s.survey(was, want)
		return 0, false, there&vmSealed != 0
	}
	s.insert(&vma{space: s, start: was, end: want, flags: flags, prot: protRead | protWrite, name: "[heap]"})
	s.grown()
	s.brkEnd = addr
	return was, true, false
}
