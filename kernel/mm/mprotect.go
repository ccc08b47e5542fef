package mm

import "skerry/kernel/abi"

// Mprotect changes the protection of [addr, addr+n), mprotect(2). As there,
// what lies before the first error is changed already. EACCES where writable
// xor executable forbids it, EPERM for a sealed mapping.
func (s *Space) Mprotect(addr, n uintptr, prot uint32) abi.Errno {
	grows := prot & (protGrowsDown | protGrowsUp)
	prot &^= protGrowsDown | protGrowsUp
	if addr&pageMask != 0 || grows == protGrowsDown|protGrowsUp {
		return abi.EINVAL
	}
	if n == 0 {
		return abi.OK
	}
	n = (n + pageMask) &^ pageMask
	if n == 0 || addr+n < addr {
		return abi.ENOMEM
	}
	if prot&^(protRead|protWrite|protExec|protSem) != 0 {
		return abi.EINVAL
	}
	var d Denial
	end, hole := clamp(addr, n)
	s.mu.Lock()
	e := s.protect(addr, end, uint8(prot&(protRead|protWrite|protExec)), grows, &d)
	s.unlock()
	if e == abi.OK {
		e = hole
	}
	if d.Rule != 0 {
		d.Call, d.Prot, d.Errno = "mprotect", prot, e
		s.deny(&d)
	}
	return e
}

// clamp is the end of a range as far as user space reaches; what lies beyond is
// a hole, ENOMEM once the rest is done. addr+n does not overflow.
func clamp(addr, n uintptr) (end uintptr, hole abi.Errno) {
	if end = addr + n; end > Highest {
		return max(addr, Highest), abi.ENOMEM
	}
	return end, abi.OK
}

// protect changes vma after vma. The caller holds mu for writing.
func (s *Space) protect(start, end uintptr, prot uint8, grows uint32, d *Denial) abi.Errno {
	v := s.set.find(start)
	if v == nil {
		return abi.ENOMEM
	}
	switch {
	case grows == protGrowsDown:
		if v.start >= end {
			return abi.ENOMEM
		}
		if v.flags&vmGrowsDown == 0 {
			return abi.EINVAL
		}
		start = v.start
	case v.start > start:
		return abi.ENOMEM
	case grows == protGrowsUp:
		return abi.EINVAL // no mapping of x86 grows up
	}
	var g gather
	e := abi.OK
	first := start
	for start < end {
		v = s.lookup(start)
		if v == nil {
			e = abi.ENOMEM
			break
		}
		to := min(end, v.end)
		if e = s.protectOne(&g, v, start, to, prot, d); e != abi.OK {
			break
		}
		start = to
	}
	s.finish(&g)
	if len(s.relro) != 0 && prot&protWrite == 0 {
		s.sealRelro(first, start)
	}
	if s.opt.SealLibraries && prot&protWrite == 0 && start > first {
		s.sealLibrary(first)
	}
	return e
}

// protectOne changes [start, end) of one vma.
func (s *Space) protectOne(g *gather, v *vma, start, end uintptr, prot uint8, d *Denial) abi.Errno {
	flags := v.flags
	if e := s.firstGrant(&flags, prot, v.memory()); e != abi.OK {
		// A shared mapping of a file opened read-only is refused by everyone.
		if prot&protExec != 0 || v.flags&vmShared == 0 {
			s.describe(d, s.execRule(v.flags, v.memory()), v, start, end)
		}
		return e
	}
	if s.gainsExec(v.prot, prot) {
		s.describe(d, RuleExecGain, v, start, end)
		return abi.EACCES
	}
	if flags&vmSealed != 0 {
		s.describe(d, RuleSealed, v, start, end)
		return abi.EPERM
	}
	if prot == v.prot && flags == v.flags {
		return abi.OK
	}
	n := uint64(end-start) >> pageShift
	if prot&protWrite != 0 && v.prot&protWrite == 0 {
		if !s.mayWrite(prot, flags, n) || overcommitted(prot, flags, n) {
			return abi.ENOMEM
		}
	}
	if (flags^v.flags)&vmJIT != 0 && !s.mayMark(n, 0) {
		s.describe(d, RuleJIT, v, start, end)
		return abi.ENOMEM
	}
	v, e := s.isolate(v, start, end)
	if e != abi.OK {
		return e
	}
	s.uncount(v)
	v.prot = prot
	s.count(v)
	s.setFlags(v, flags)
	s.reprotect(g, v)
	s.tidy(v)
	return abi.OK
}

// describe fills in what a denial is about.
func (s *Space) describe(d *Denial, r Rule, v *vma, start, end uintptr) {
	*d = Denial{Rule: r, Addr: start, Len: end - start, Name: v.name}
	d.JIT, d.JITUsed = s.JITBudget()
	if v.file != nil {
		d.File, d.Executable = v.file.mapper, v.file.mapper.Executable()
	}
}

// isolate makes [start, end), which lies in v, a vma of its own and returns it.
// ENOMEM if there are too many vmas, or no frame to split a large page with.
func (s *Space) isolate(v *vma, start, end uintptr) (*vma, abi.Errno) {
	cuts := 0
	if v.start < start {
		cuts++
	}
	if end < v.end {
		cuts++
	}
	if s.set.n+cuts > maxVMAs || !s.splitHuge(start) || !s.splitHuge(end) {
		return nil, abi.ENOMEM
	}
	if v.start < start {
		v = s.split(v, start)
	}
	if end < v.end {
		s.split(v, end)
	}
	return v, abi.OK
}

// reprotect brings the entries of a vma in line with its protection. Rights
// that were taken need the flush that the caller makes; rights that were given
// do not.
func (s *Space) reprotect(g *gather, v *vma) {
	for a := v.start; a < v.end; {
		d, next := s.tree.pde(a)
		if d == nil {
			a = next
			continue
		}
		e := d.Load()
		next = min(v.end, nextSpan(a, hugeShift))
		switch {
		case isHuge(e):
			if s.reprotectEntry(v, d) {
				g.note(a, next)
			}
		case isTable(e):
			for ; a < next; a += pageSize {
				if p := entry(tableOf(e), a, pageShift); p.Load() != 0 && s.reprotectEntry(v, p) {
					g.note(a, a+pageSize)
				}
			}
		}
		a = next
	}
}

// reprotectEntry changes one entry and reports whether a right was taken away.
func (s *Space) reprotectEntry(v *vma, p *slot) bool {
	for {
		old := settled(p)
		if old == 0 {
			return false
		}
		e := old &^ (pteP | pteW | pteNX | pteNone)
		switch {
		case v.prot == protNone:
			e |= pteNone | pteNX
		default:
			e |= v.bits()
			// A shared page becomes writable again by a fault, so that its file
			// hears of it.
			if v.prot&protWrite != 0 && (old&ptePriv != 0 || old&pteW != 0) {
				e |= pteW
			}
		}
		if e == old || p.CompareAndSwap(old, e) {
			return old&pteP != 0 && (e&pteP == 0 || old&pteW != 0 && e&pteW == 0 || old&pteNX == 0 && e&pteNX != 0)
		}
	}
}
