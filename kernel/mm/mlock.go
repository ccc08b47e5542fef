package mm

import "skerry/kernel/abi"

// Mlock locks the pages of [addr, addr+n) in memory, mlock2(2). There is no
// swap, so what it adds is that the pages are there when it returns and that
// reclaim leaves them. EPERM if RLIMIT_MEMLOCK is 0, ENOMEM beyond it, over a
// hole or an inaccessible page, EAGAIN without memory.
func (s *Space) Mlock(addr, n uintptr, flags uint32) abi.Errno {
	if flags&^uint32(mlockOnFault) != 0 {
		return abi.EINVAL
	}
	if s.limit[LimitMemlock].Load() == 0 {
		return abi.EPERM
	}
	start, end, e := lockRange(addr, n)
	if e == abi.EINVAL && uint64(n) > s.limit[LimitMemlock].Load() {
		e = abi.ENOMEM // do_mlock of Linux counts before it looks whether the end wraps
	}
	if e != abi.OK || start == end {
		return e
	}
	set := uint32(vmLocked)
	if flags&mlockOnFault != 0 {
		set |= vmOnFault
	}
	s.mu.Lock()
	more := uint64(end-start) >> pageShift
	if !s.mayLock(more) {
		// What is locked already does not count twice.
		more -= s.lockedPages(start, end)
	}
	e = abi.ENOMEM
	if s.mayLock(more) {
		e = s.relock(start, end, set)
	}
	s.unlock()
	if e != abi.OK || set&vmOnFault != 0 {
		return e
	}
	switch s.populate(start, end) {
	case FaultMapErr, FaultAccErr, FaultBusErr:
		return abi.ENOMEM
	case FaultOOM:
		return abi.EAGAIN
	}
	return abi.OK
}

// Munlock undoes Mlock.
func (s *Space) Munlock(addr, n uintptr) abi.Errno {
	start, end, e := lockRange(addr, n)
	if e != abi.OK || start == end {
		return e
	}
	s.mu.Lock()
	e = s.relock(start, end, 0)
	s.unlock()
	return e
}

// lockRange rounds the range of mlock(2) to pages.
func lockRange(addr, n uintptr) (start, end uintptr, e abi.Errno) {
	size := (n + addr&pageMask + pageMask) &^ pageMask
	start = addr &^ pageMask
	end = start + size
	if end < start {
		return 0, 0, abi.EINVAL
	}
	if size != 0 && (start > Highest || size > Highest-start) {
		return 0, 0, abi.ENOMEM
	}
	return start, end, abi.OK
}

// relock sets the lock flags of a range. The caller holds mu for writing.
func (s *Space) relock(start, end uintptr, set uint32) abi.Errno {
	for start < end {
		v := s.lookup(start)
		if v == nil {
			return abi.ENOMEM
		}
		to := min(end, v.end)
		flags := set
		if v.flags&vmSpecial != 0 {
			flags = 0 // always there
		}
		if e := s.reflag(v, start, to, flags, vmLocked|vmOnFault); e != abi.OK {
			return e
		}
		start = to
	}
	return abi.OK
}

// lockedPages counts the locked pages in a range.
func (s *Space) lockedPages(start, end uintptr) (n uint64) {
	s.set.each(start, func(v *vma) bool {
		if v.start >= end {
			return false
		}
		if v.flags&vmLocked != 0 {
			n += uint64(min(v.end, end)-max(v.start, start)) >> pageShift
		}
		return true
	})
	return n
}

// Mlockall locks all mappings, those that come, or both, mlockall(2).
func (s *Space) Mlockall(flags uint32) abi.Errno {
	if flags == 0 || flags == mclOnFault || flags&^uint32(mclCurrent|mclFuture|mclOnFault) != 0 {
		return abi.EINVAL
	}
	limit := s.limit[LimitMemlock].Load()
	if limit == 0 {
		return abi.EPERM
	}
	set := uint32(vmLocked)
	if flags&mclOnFault != 0 {
		set |= vmOnFault
	}
	s.mu.Lock()
	if flags&mclCurrent != 0 && s.total.Load() > limit>>pageShift {
		s.unlock()
		return abi.ENOMEM
	}
	s.futureLock = 0
	if flags&mclFuture != 0 {
		s.futureLock = set
	}
	if flags&mclCurrent != 0 {
		s.relockAll(set)
	}
	s.unlock()
	if flags&mclCurrent != 0 && set&vmOnFault == 0 {
		s.populateAll()
	}
	return abi.OK
}

// Munlockall undoes Mlockall, for what is mapped and what comes.
func (s *Space) Munlockall() abi.Errno {
	s.mu.Lock()
	s.futureLock = 0
	s.relockAll(0)
	s.unlock()
	return abi.OK
}

// relockAll sets the lock flags of every mapping. The caller holds mu for
// writing.
func (s *Space) relockAll(set uint32) {
	for at := uintptr(0); ; {
		v := s.set.find(at)
		if v == nil {
			return
		}
		at = v.end
		if v.flags&(vmSpecial|vmDying) == 0 {
			s.reflag(v, v.start, v.end, set, vmLocked|vmOnFault) // whole vmas: cannot fail
		}
	}
}

// populateAll brings in every page of every accessible mapping, as far as
// memory lasts, like mlockall(MCL_CURRENT) of Linux, which ignores errors.
func (s *Space) populateAll() {
	for at := uintptr(0); ; {
		m, ok := s.Next(at)
		if !ok {
			return
		}
		at = m.End
		if s.populate(m.Start, m.End) == FaultOOM {
			return
		}
	}
}
