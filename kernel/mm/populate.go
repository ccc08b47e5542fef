package mm

import (
	"runtime"

	"skerry/kernel/abi"
)

// populate brings in the pages of a range, writable where private memory may be
// written, as MAP_POPULATE and mlock do. It stops at the first page that cannot
// be had, FaultAccErr if the mapping is inaccessible. Nothing is locked.
func (s *Space) populate(addr, end uintptr) FaultResult {
	for n := 0; addr < end; n++ {
		s.mu.RLock()
		v := s.lookup(addr)
		if v == nil {
			s.mu.RUnlock()
			return FaultMapErr
		}
		prot, flags := v.prot, v.flags
		s.mu.RUnlock()
		a := Read
		if prot&protWrite != 0 && flags&vmShared == 0 {
			a = Write
		}
		if r := s.Fault(addr, a); r != FaultOK {
			return r
		}
		addr = s.beyond(addr)
		if n%64 == 63 {
			runtime.Gosched()
		}
	}
	return FaultOK
}

// beyond is the first address after the page, small or large, that serves addr.
func (s *Space) beyond(addr uintptr) uintptr {
	s.mu.RLock()
	next := addr + pageSize
	if d, _ := s.tree.pde(addr); d != nil && isHuge(d.Load()) {
		next = nextSpan(addr, hugeShift)
	}
	s.mu.RUnlock()
	return next
}

// advisePopulate is MADV_POPULATE_READ and MADV_POPULATE_WRITE: EINVAL where
// the mapping forbids the access, EFAULT for a page that would be a SIGBUS,
// ENOMEM for a hole or without memory.
func (s *Space) advisePopulate(addr, end uintptr, write bool) abi.Errno {
	a, need := Read, uint8(protRead)
	if write {
		a, need = Write, protWrite
	}
	for n := 0; addr < end; n++ {
		s.mu.RLock()
		v := s.lookup(addr)
		bad := v != nil && v.prot&need == 0
		s.mu.RUnlock()
		if bad {
			return abi.EINVAL
		}
		switch s.Fault(addr, a) {
		case FaultMapErr, FaultOOM:
			return abi.ENOMEM
		case FaultAccErr:
			return abi.EINVAL
		case FaultBusErr:
			return abi.EFAULT
		}
		addr = s.beyond(addr)
		if n%64 == 63 {
			runtime.Gosched()
		}
	}
	return abi.OK
}
