package mm

import "skerry/kernel/abi"

// Mremap resizes or moves a mapping, mremap(2), and returns its address.
// MREMAP_DONTUNMAP is refused (EINVAL) for executable memory.
func (s *Space) Mremap(addr, oldLen, newLen uintptr, flags uint32, newAddr uintptr) (uintptr, abi.Errno) {
	if flags&^uint32(mremapMayMove|mremapFixed|mremapDontUnmap) != 0 ||
		flags&mremapFixed != 0 && flags&mremapMayMove == 0 ||
		flags&mremapDontUnmap != 0 && (flags&mremapMayMove == 0 || oldLen != newLen) ||
		addr&pageMask != 0 {
		return 0, abi.EINVAL
	}
	oldLen, newLen = (oldLen+pageMask)&^pageMask, (newLen+pageMask)&^pageMask
	if newLen == 0 {
		return 0, abi.EINVAL
	}
	if addr >= Highest {
		return 0, abi.EFAULT
	}
	if flags&(mremapFixed|mremapDontUnmap) != 0 {
		if newAddr&pageMask != 0 || newLen > Highest || newAddr > Highest-newLen ||
			addr+oldLen > newAddr && newAddr+newLen > addr {
			return 0, abi.EINVAL
		}
		if newAddr < Lowest && flags&mremapFixed != 0 {
			return 0, s.deny(&Denial{Rule: RuleLowPages, Call: "mremap", Addr: newAddr, Len: newLen, Errno: abi.EPERM})
		}
	}
	var m remap
	var to uintptr
	e := abi.ENOMEM
	for dry := 0; dry == 0 || m.dry && dry < 64 && s.reclaim(); dry++ {
		// A second attempt finds the target empty and the tail gone: no harm.
		m = remap{addr: addr, oldLen: oldLen, newLen: newLen, flags: flags, to: newAddr}
		s.mu.Lock()
		to, e = s.remapLocked(&m)
		s.unlock()
	}
	if m.fill != 0 && e == abi.OK {
		s.populate(m.fill, to+newLen)
	}
	if m.denied == 0 && e == abi.EPERM {
		m.denied = RuleSealed
	}
	if e != abi.OK && m.denied != 0 {
		d := Denial{Rule: m.denied, Call: "mremap", Addr: addr, Len: newLen, Errno: e}
		d.JIT, d.JITUsed = s.JITBudget()
		s.deny(&d)
	}
	return to, e
}

// remap is the arguments of mremap, lengths rounded up.
type remap struct {
	addr, oldLen, newLen, to uintptr
	flags                    uint32
	fill                     uintptr // where locked memory must be filled in
	dry                      bool    // there was no frame for a table
	denied                   Rule
}

func (s *Space) remapLocked(m *remap) (uintptr, abi.Errno) {
	silly := m.oldLen > Highest-m.addr
	if !silly {
		s.settle(m.addr, m.addr+max(m.oldLen, 1))
	}
	v := s.lookup(m.addr)
	if v == nil || silly && m.newLen >= m.oldLen {
		return 0, abi.EFAULT
	}
	if silly {
		return 0, abi.EINVAL // nothing that long can be shortened
	}
	if v.flags&vmSealed != 0 {
		return 0, abi.EPERM
	}
	if m.oldLen == 0 && v.flags&vmShared == 0 {
		return 0, abi.EINVAL
	}
	if m.flags&mremapDontUnmap != 0 && (v.prot&protExec != 0 || v.file != nil && v.flags&vmMayExec != 0 || v.flags&vmSpecial != 0) {
		return 0, abi.EINVAL
	}
	if m.flags&mremapFixed != 0 {
		if s.set.n+3 > maxVMAs {
			return 0, abi.ENOMEM
		}
		// Nothing is lost at the target if the rest must fail.
		if e := s.mayResize(v, m); e != abi.OK {
			return 0, e
		}
		if e := s.unmap(m.to, m.to+m.newLen); e != abi.OK {
			return 0, e
		}
		// For a large target mu was let go: look again.
		if s.dying(m.addr, m.addr+max(m.oldLen, 1)) {
			return 0, abi.EFAULT
		}
		if v = s.lookup(m.addr); v == nil {
			return 0, abi.EFAULT
		}
		if v.flags&vmSealed != 0 {
			return 0, abi.EPERM
		}
	}
	moves := m.flags&(mremapFixed|mremapDontUnmap) != 0
	if m.oldLen > m.newLen {
		if e := s.unmap(m.addr+m.newLen, m.addr+m.oldLen); e != abi.OK {
			return 0, e
		}
		m.oldLen = m.newLen
		if v = s.lookup(m.addr); v == nil {
			return 0, abi.EFAULT
		}
	}
	if m.oldLen == m.newLen && !moves {
		return m.addr, abi.OK // even if it is several mappings
	}
	if e := s.mayResize(v, m); e != abi.OK {
		return 0, e
	}
	if !moves {
		if m.oldLen != 0 && s.extend(v, m) {
			return m.addr, abi.OK
		}
		if m.flags&mremapMayMove == 0 {
			return 0, abi.ENOMEM
		}
	}
	return s.move(v, m)
}

// mayResize checks limits (Linux, vma_to_resize).
func (s *Space) mayResize(v *vma, m *remap) abi.Errno {
	if min(m.oldLen, m.newLen) > v.end-m.addr {
		return abi.EFAULT
	}
	if m.newLen <= m.oldLen {
		if m.flags&mremapDontUnmap == 0 {
			return abi.OK
		}
		n := uint64(m.newLen >> pageShift)
		if !s.mayGrow(v.prot, v.flags, n, 0) {
			return abi.ENOMEM
		}
		return s.mayResizeJIT(v, m, n)
	}
	if v.flags&vmSpecial != 0 {
		return abi.EFAULT
	}
	if v.file != nil && v.index(m.addr)+uint64(m.newLen>>pageShift) > 1<<51 {
		return abi.EINVAL
	}
	more := uint64(m.newLen-m.oldLen) >> pageShift
	if v.flags&vmLocked != 0 && !s.mayLock(more) {
		return abi.EAGAIN
	}
	if !s.mayGrow(v.prot, v.flags, more, 0) || overcommitted(v.prot, v.flags, more) {
		return abi.ENOMEM
	}
	return s.mayResizeJIT(v, m, more)
}

// mayResizeJIT checks the JIT budget for more pages of a mapping that is marked,
// of which a target with MREMAP_FIXED may give some back.
func (s *Space) mayResizeJIT(v *vma, m *remap, more uint64) abi.Errno {
	if v.flags&vmJIT == 0 {
		return abi.OK
	}
	over := uint64(0)
	if m.flags&mremapFixed != 0 {
		over = s.marked(m.to, m.to+m.newLen)
	}
	if !s.mayMark(more, over) {
		m.denied = RuleJIT
		return abi.ENOMEM
	}
	return abi.OK
}

// extend lengthens a mapping where it is, if the room behind it is free.
func (s *Space) extend(v *vma, m *remap) bool {
	end := m.addr + m.newLen
	if m.addr+m.oldLen != v.end || end > Highest || end < m.addr || !s.vacant(v.end, end-v.end) {
		return false
	}
	if v.file == nil && v.flags&vmMayExec != 0 && s.inText(v.end, end-v.end) {
		return false // as for a new mapping, nothing but image code becomes executable there
	}
	if v.flags&(vmLocked|vmOnFault) == vmLocked {
		m.fill = v.end
	}
	s.adjust(v, v.start, end)
	s.grown()
	s.tidy(v)
	return true
}

// move makes the mapping anew at another address and moves its pages there.
func (s *Space) move(v *vma, m *remap) (uintptr, abi.Errno) {
	if s.set.n+3 > maxVMAs {
		return 0, abi.ENOMEM
	}
	to := m.to
	if m.flags&mremapFixed == 0 {
		r := Request{}
		if v.file != nil {
			r.File = v.file.mapper
		}
		if m.flags&mremapDontUnmap != 0 {
			r.Addr = m.to // a hint
		}
		if to = s.place(&r, &mapping{len: m.newLen, flags: v.flags}); to == 0 {
			return 0, abi.ENOMEM
		}
	}
	if !s.splitHuge(m.addr) || !s.splitHuge(m.addr+m.oldLen) {
		m.dry = true
		return 0, abi.ENOMEM
	}
	w := &vma{space: s, start: to, end: to + m.newLen, flags: v.flags, prot: v.prot,
		file: v.file, obj: v.obj, special: v.special, name: v.name}
	if w.file == nil && s.inText(to, m.newLen) {
		if w.prot&protExec != 0 {
			m.denied = RuleWriteExec
			return 0, abi.EACCES // only image code runs in the text window
		}
		w.flags &^= vmMayExec | vmJIT
	}
	if v.backed() {
		w.pgoff = v.index(m.addr)
	}
	s.hold(w)
	s.expose(w)
	if !s.movePages(m.addr, to, m.oldLen, v.file != nil) {
		s.bury(w)
		s.release(w)
		s.trimTables(to, to+m.newLen)
		m.dry = true
		return 0, abi.ENOMEM
	}
	if v.flags&(vmLocked|vmOnFault) == vmLocked {
		m.fill = to + m.oldLen
	}
	s.set.insert(w)
	s.count(w)
	if m.flags&mremapDontUnmap != 0 {
		// The old range stays, empty and no longer locked (mremap(2)).
		if v.flags&vmLocked != 0 {
			if x, e := s.isolate(v, m.addr, m.addr+m.oldLen); e == abi.OK {
				s.setFlags(x, x.flags&^(vmLocked|vmOnFault))
				s.tidy(x)
			}
		}
	} else if m.oldLen != 0 {
		s.drain(s.detach(m.addr, m.addr+m.oldLen), m.addr, m.addr+m.oldLen)
	}
	if w = s.lookup(to); w != nil {
		s.tidy(w)
	}
	s.grown()
	return to, abi.OK
}

// movePages moves the entries of [from, from+n) to another range, which is
// empty, and flushes. If there is no frame for a table it moves them back and
// answers false. Nobody else changes entries meanwhile: faults and Unmap are
// locked out.
func (s *Space) movePages(from, to, n uintptr, file bool) bool {
	if n == 0 {
		return true
	}
	if file {
		s.rmu.Lock()
	}
	done := s.moveSome(from, to, n)
	ok := done == n
	if !ok {
		// The tables of the old range are still there, so this cannot fail.
		s.moveSome(to, from, done)
	}
	// Flush first: once rmu is free, Unmap may take a page from its new place
	// and free it, with CPUs still reaching it at the old one.
	s.tlb.Flush(from, from+n)
	if file {
		s.rmu.Unlock()
	}
	return ok
}

// moveSome moves entries and returns how many bytes it got through.
func (s *Space) moveSome(from, to, n uintptr) uintptr {
	for at := uintptr(0); at < n; {
		a, b := from+at, to+at
		src, next := s.tree.pde(a)
		if src == nil {
			at = min(n, next-from)
			continue
		}
		e := src.Load()
		step := min(n-at, nextSpan(a, hugeShift)-a)
		if e == 0 {
			at += step
			continue
		}
		dst := s.tree.makePDE(b)
		if dst == nil {
			return at
		}
		if step == hugeSize && b&hugeMask == 0 && dst.Load() == 0 {
			// A large page, or a whole table with what it maps.
			dst.Store(src.Swap(0))
			at += step
			continue
		}
		if isHuge(e) {
			if !s.splitHuge(a + pageSize) {
				return at
			}
			e = src.Load()
		}
		moved, ok := s.moveTable(tableOf(e), a, b, step)
		at += moved
		if !ok {
			return at
		}
	}
	return n
}

// moveTable moves the entries of [a, a+n), which one table serves.
func (s *Space) moveTable(table, a, b, n uintptr) (uintptr, bool) {
	for i := uintptr(0); i < n; i += pageSize {
		p := entry(table, a+i, pageShift)
		if p.Load() == 0 {
			continue
		}
		pt := s.tree.makePT(b + i)
		if pt == 0 {
			return i, false
		}
		entry(pt, b+i, pageShift).Store(p.Swap(0))
	}
	return n, true
}

// trimTables frees the tables of a range where nothing is mapped. The caller
// holds mu for writing.
func (s *Space) trimTables(start, end uintptr) {
	var g gather
	s.freeTables(&g, start, end)
	s.finish(&g)
}
