package mm

import (
	"runtime"

	"skerry/kernel/abi"
	"skerry/kernel/vfs"
)

// HolePuncher is a Mapper that can give back part of its contents, as
// fallocate(2) with FALLOC_FL_PUNCH_HOLE; MADV_REMOVE needs it. Offsets are in
// bytes. It is called with nothing locked.
type HolePuncher interface {
	PunchHole(off, n int64) abi.Errno
}

// Madvise takes advice on [addr, addr+n), madvise(2). As there, ranges that are
// not mapped are skipped and answered with ENOMEM in the end.
//
// MADV_FREE frees at once, which it may. Advice about fork is accepted where
// Linux accepts it and has nothing to change, since nothing forks. Merging
// (KSM) and MADV_COLLAPSE are EINVAL, as on a kernel without them.
func (s *Space) Madvise(addr, n uintptr, advice int) abi.Errno {
	switch advice {
	case madvHWPoison, madvSoftOffline:
		return abi.EPERM // CAP_SYS_ADMIN
	case madvNormal, madvRandom, madvSequential, madvWillNeed, madvDontNeed, madvFree,
		madvRemove, madvDontFork, madvDoFork, madvHugePage, madvNoHugePage, madvDontDump,
		madvDoDump, madvWipeOnFork, madvKeepOnFork, madvCold, madvPageOut,
		madvPopulateRead, madvPopulateWrite, madvDontNeedLocked:
	default:
		return abi.EINVAL
	}
	if addr&pageMask != 0 {
		return abi.EINVAL
	}
	size := (n + pageMask) &^ pageMask
	if n != 0 && size == 0 || addr+size < addr {
		return abi.EINVAL
	}
	if size == 0 {
		return abi.OK
	}
	end, hole := clamp(addr, size)
	if e := s.advise(addr, end, advice); e != abi.OK {
		return e
	}
	return hole
}

// advise is Madvise with the arguments checked.
func (s *Space) advise(addr, end uintptr, advice int) abi.Errno {
	switch advice {
	case madvPopulateRead, madvPopulateWrite:
		return s.advisePopulate(addr, end, advice == madvPopulateWrite)
	case madvDontNeed, madvDontNeedLocked, madvFree:
		return s.discard(addr, end, advice)
	case madvCold, madvPageOut:
		return s.cool(addr, end)
	case madvWillNeed:
		if e := s.covered(addr, end); e != abi.OK {
			return e
		}
		return s.willNeed(addr, end)
	case madvRemove:
		return s.remove(addr, end)
	case madvDontFork, madvDoFork, madvKeepOnFork, madvWipeOnFork:
		return s.adviseFork(addr, end, advice)
	}
	return s.adviseFlags(addr, end, advice)
}

// covered answers ENOMEM if part of a range is not mapped.
func (s *Space) covered(addr, end uintptr) abi.Errno {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for addr < end {
		v := s.lookup(addr)
		if v == nil {
			return abi.ENOMEM
		}
		addr = v.end
	}
	return abi.OK
}

// adviseFlags is the advice that is only noted.
func (s *Space) adviseFlags(addr, end uintptr, advice int) abi.Errno {
	var set, clear uint32
	switch advice {
	case madvNormal:
		clear = vmRandom | vmSeq
	case madvRandom:
		set, clear = vmRandom, vmSeq
	case madvSequential:
		set, clear = vmSeq, vmRandom
	case madvHugePage:
		set, clear = vmHuge, vmNoHuge
	case madvNoHugePage:
		set, clear = vmNoHuge, vmHuge
	case madvDontDump:
		set = vmNoDump
	case madvDoDump:
		clear = vmNoDump
	}
	s.mu.Lock()
	defer s.unlock()
	holes := abi.OK
	for addr < end {
		v := s.set.find(addr)
		if v == nil || v.start >= end {
			return abi.ENOMEM
		}
		if v.start > addr {
			holes, addr = abi.ENOMEM, v.start
		}
		to := min(end, v.end)
		if v.flags&vmDying != 0 {
			holes, addr = abi.ENOMEM, to
			continue
		}
		if advice == madvDoDump && v.flags&vmSpecial != 0 {
			return abi.EINVAL
		}
		if e := s.reflag(v, addr, to, set, clear); e != abi.OK {
			return e
		}
		addr = to
	}
	return holes
}

// reflag changes flags of [start, end), which lies in v. ENOMEM if there are
// too many vmas. The caller holds mu for writing.
func (s *Space) reflag(v *vma, start, end uintptr, set, clear uint32) abi.Errno {
	flags := v.flags&^clear | set
	if flags == v.flags {
		return abi.OK
	}
	v, e := s.isolate(v, start, end)
	if e != abi.OK {
		return e
	}
	s.setFlags(v, flags)
	s.tidy(v)
	return abi.OK
}

// adviseFork checks what Linux checks; there is nothing to do.
func (s *Space) adviseFork(addr, end uintptr, advice int) abi.Errno {
	e := s.walk(addr, end, func(v *vma) abi.Errno {
		switch {
		case advice == madvWipeOnFork && !(v.anonymous() && v.flags&vmShared == 0),
			advice == madvDoFork && v.flags&vmSpecial != 0:
			return abi.EINVAL
		case (advice == madvDontFork || advice == madvWipeOnFork) && v.keepsSealed():
			return abi.EPERM
		}
		return abi.OK
	})
	if e == abi.EPERM {
		s.deny(&Denial{Rule: RuleSealed, Call: "madvise", Addr: addr, Len: end - addr, Errno: e})
	}
	return e
}

// walk calls f for each vma in a range, under the lock for reading, until one
// answers an error; holes are ENOMEM in the end.
func (s *Space) walk(addr, end uintptr, f func(*vma) abi.Errno) abi.Errno {
	s.mu.RLock()
	defer s.mu.RUnlock()
	e, at := abi.OK, addr
	holes := false
	s.set.each(addr, func(v *vma) bool {
		if v.start >= end {
			return false
		}
		if v.flags&vmDying != 0 {
			return true
		}
		holes = holes || v.start > at
		at = v.end
		e = f(v)
		return e == abi.OK
	})
	if e == abi.OK && (holes || at < end) {
		e = abi.ENOMEM
	}
	return e
}

// keepsSealed reports whether a sealed mapping must keep what it shows: private
// memory that the program may not write may not be discarded either.
func (v *vma) keepsSealed() bool {
	return v.flags&vmSealed != 0 && v.flags&vmShared == 0 && v.prot&protWrite == 0
}

// discard drops pages: anonymous memory reads as zeroes afterwards, private
// file mappings as the file. It goes in small steps, each under the lock for
// reading, so that faults and other calls come in between.
func (s *Space) discard(addr, end uintptr, advice int) abi.Errno {
	var g gather
	from, holes := addr, false
	for addr < end {
		s.mu.RLock()
		v := s.set.find(addr)
		if v == nil || v.start >= end {
			s.mu.RUnlock()
			holes = true
			break
		}
		if v.flags&vmDying != 0 {
			addr, holes = min(end, v.end), true
			s.mu.RUnlock()
			continue
		}
		if v.start > addr {
			addr, holes = v.start, true
		}
		if e := discardable(v, advice); e != abi.OK {
			s.mu.RUnlock()
			if e == abi.EPERM {
				s.deny(&Denial{Rule: RuleSealed, Call: "madvise", Addr: from, Len: end - from, Errno: e})
			}
			return e
		}
		addr = s.discardSome(&g, addr, min(end, v.end))
		s.finish(&g)
		s.mu.RUnlock()
		if addr < end {
			runtime.Gosched()
		}
	}
	if holes {
		return abi.ENOMEM
	}
	return abi.OK
}

func discardable(v *vma, advice int) abi.Errno {
	switch {
	case v.keepsSealed():
		return abi.EPERM
	case v.flags&vmSpecial != 0,
		v.flags&vmLocked != 0 && advice != madvDontNeedLocked,
		advice == madvFree && !v.anonymous():
		return abi.EINVAL
	}
	return abi.OK
}

// discardSome is zap for a range that may cut large pages. Where there is no
// frame to split one, the part is cleared in place.
func (s *Space) discardSome(g *gather, addr, end uintptr) uintptr {
	next := s.zap(g, addr, end)
	if next != addr || g.full() {
		return next
	}
	// Stopped at a large page that reaches beyond the range.
	cut := addr
	if cut&hugeMask == 0 {
		cut = end
	}
	if s.splitHuge(cut) {
		return addr
	}
	return s.clearHuge(addr, min(end, nextSpan(addr, hugeShift)))
}

// cool takes the accessed mark from pages: that they are cold is all there is
// to know without swap, and the file's pages can be read again anyway.
func (s *Space) cool(addr, end uintptr) abi.Errno {
	return s.walk(addr, end, func(v *vma) abi.Errno {
		if v.flags&(vmLocked|vmSpecial) != 0 {
			return abi.EINVAL
		}
		s.clearAccessed(max(addr, v.start), min(end, v.end))
		return abi.OK
	})
}

// clearAccessed clears the accessed bits of a range without a flush: a CPU that
// still has the translation only reports the page late.
func (s *Space) clearAccessed(addr, end uintptr) {
	for addr < end {
		d, next := s.tree.pde(addr)
		if d == nil {
			addr = next
			continue
		}
		e := settled(d)
		next = min(end, nextSpan(addr, hugeShift))
		if isHuge(e) {
			d.CompareAndSwap(e, e&^pteA)
		} else if isTable(e) {
			for a := addr; a < next; a += pageSize {
				if p := entry(tableOf(e), a, pageShift); p.Load()&pteP != 0 {
					old := p.Load()
					if old&pteP != 0 {
						p.CompareAndSwap(old, old&^pteA)
					}
				}
			}
		}
		addr = next
	}
}

// remove is MADV_REMOVE: the pages go from the object itself.
func (s *Space) remove(addr, end uintptr) abi.Errno {
	holes := false
	for addr < end {
		s.mu.Lock()
		v := s.set.find(addr)
		if v == nil || v.start >= end {
			s.unlock()
			return abi.ENOMEM
		}
		if v.flags&vmDying != 0 {
			addr, holes = min(end, v.end), true
			s.unlock()
			continue
		}
		if v.start > addr {
			addr, holes = v.start, true
		}
		to := min(end, v.end)
		e := abi.OK
		var file vfs.Mapper
		switch {
		case v.flags&vmLocked != 0 || v.file == nil && v.obj == nil:
			e = abi.EINVAL
		case v.flags&(vmShared|vmMayWrite) != vmShared|vmMayWrite:
			e = abi.EACCES
		case v.obj != nil:
			s.punchObject(v.obj, v.index(addr), v.index(addr)+uint64(to-addr)>>pageShift)
		default:
			file = v.file.mapper
		}
		off := int64(v.index(addr)) << pageShift
		s.unlock()
		if file != nil {
			h, ok := file.(HolePuncher)
			if !ok {
				return abi.EOPNOTSUPP
			}
			e = h.PunchHole(off, int64(to-addr))
		}
		if e != abi.OK {
			return e
		}
		addr = to
	}
	if holes {
		return abi.ENOMEM
	}
	return abi.OK
}

// punchObject frees pages [first, last) of a shared object in all its views.
// The caller holds mu for writing.
func (s *Space) punchObject(o *object, first, last uint64) {
	var g gather
	s.set.each(0, func(v *vma) bool {
		if v.obj != o || v.pgoff >= last || v.pgoff+v.pages() <= first {
			return true
		}
		lo := v.start + uintptr(max(first, v.pgoff)-v.pgoff)<<pageShift
		hi := v.start + uintptr(min(last, v.pgoff+v.pages())-v.pgoff)<<pageShift
		for lo < hi {
			lo = s.zap(&g, lo, hi)
			s.finish(&g)
		}
		return true
	})
	o.punch(first, last)
}
