package mm

import (
	"skerry/kernel/abi"
	"skerry/kernel/vfs"
)

// Request is the arguments of mmap(2), decoded.
type Request struct {
	Addr, Len   uintptr
	Prot, Flags uint32

	// File is what is mapped, nil for anonymous memory; Offset is in bytes.
	// Readable and Writable say how the descriptor was opened.
	File               vfs.Mapper
	Offset             uint64
	Readable, Writable bool
	// Name is the file's path, for /proc/self/maps.
	Name string

	// ELFData marks memory of a program's own data, which never becomes
	// executable. For the loader.
	ELFData bool
	// Shmat is set where the call is shmat(2), which a denial names then.
	Shmat bool
}

// call is the system call that asks.
func (r *Request) call() string {
	if r.Shmat {
		return "shmat"
	}
	return "mmap"
}

// Mmap makes a mapping, mmap(2), and returns its address. Beside the errors of
// the man page: EACCES where writable xor executable forbids it, EPERM below
// Lowest or over a sealed mapping. A caller without descriptor checks (EBADF,
// ENODEV for a file that is no Mapper) does them before.
func (s *Space) Mmap(r *Request) (uintptr, abi.Errno) {
	m, e := s.prepare(r)
	if e != abi.OK {
		s.denyMmap(r, m.denied, e)
		return 0, e
	}
	var addr uintptr
	for dry := 0; dry == 0 || m.dry && dry < 64 && s.reclaim(); dry++ {
		m.dry = false
		s.mu.Lock()
		addr, e = s.mapLocked(r, &m)
		s.unlock()
	}
	if e != abi.OK {
		s.denyMmap(r, m.denied, e)
		return 0, e
	}
	if r.Flags&(mapPopulate|mapNonblock) == mapPopulate || m.flags&(vmLocked|vmOnFault) == vmLocked {
		s.populate(addr, addr+m.len) // what does not come in now comes with the access
	}
	return addr, e
}

// denyMmap tells of a refusal, if a rule is the reason.
func (s *Space) denyMmap(r *Request, rule Rule, e abi.Errno) {
	if rule == 0 {
		return
	}
	d := Denial{Rule: rule, Call: r.call(), Addr: r.Addr, Len: r.Len, Prot: r.Prot,
		File: r.File, Name: r.Name, Executable: r.File != nil && r.File.Executable(), Errno: e}
	d.JIT, d.JITUsed = s.JITBudget()
	s.deny(&d)
}

// mapping is a checked Request.
type mapping struct {
	len    uintptr
	pages  uint64
	prot   uint8
	flags  uint32
	pgoff  uint64
	fixed  bool
	keep   bool // MAP_FIXED_NOREPLACE
	denied Rule
	dry    bool // there was no frame for a table
}

// prepare checks what can be checked without the lock, in Linux's order.
func (s *Space) prepare(r *Request) (m mapping, e abi.Errno) {
	if r.Offset&pageMask != 0 {
		return m, abi.EINVAL
	}
	if r.Flags&mapHugeTLB != 0 {
		return m, hugeTLB(r)
	}
	if r.Len == 0 {
		return m, abi.EINVAL
	}
	m.keep = r.Flags&mapFixedNoReplace != 0
	m.fixed = m.keep || r.Flags&mapFixed != 0
	m.len = (r.Len + pageMask) &^ pageMask
	if m.len == 0 || m.len > Highest {
		return m, abi.ENOMEM
	}
	m.pages = uint64(m.len >> pageShift)
	m.pgoff = r.Offset >> pageShift
	if m.fixed {
		if r.Addr > Highest-m.len {
			return m, abi.ENOMEM
		}
		if r.Addr&pageMask != 0 {
			return m, abi.EINVAL
		}
		if r.Addr < Lowest {
			m.denied = RuleLowPages
			return m, abi.EPERM
		}
	}
	m.prot = uint8(r.Prot & (protRead | protWrite | protExec))
	if r.Flags&mapNoReserve != 0 {
		m.flags |= vmNoReserve
	}
	if r.Flags&mapLocked != 0 {
		if s.limit[LimitMemlock].Load() == 0 {
			return m, abi.EPERM
		}
		m.flags |= vmLocked
	}
	if r.File != nil {
		e = s.prepareFile(r, &m)
	} else {
		e = s.prepareAnon(r, &m)
	}
	if e != abi.OK {
		return m, e
	}
	switch e = s.firstGrant(&m.flags, m.prot, r.File == nil); {
	case e != abi.OK:
		m.denied = s.execRule(m.flags, r.File == nil && r.Flags&mapStack == 0)
	case s.gainsExec(m.prot, m.prot):
		m.denied, e = RuleExecGain, abi.EACCES
	}
	return m, e
}

// hugeTLB answers MAP_HUGETLB as a Linux without a pool of huge pages does:
// EINVAL for a size that x86-64 does not have or a file that is not of
// hugetlbfs, else ENOMEM.
func hugeTLB(r *Request) abi.Errno {
	size := r.Flags >> mapHugeShift & mapHugeMask
	if r.File != nil || size != 0 && size != hugeShift && size != pdptShift {
		return abi.EINVAL
	}
	mask := uintptr(1)<<max(size, hugeShift) - 1
	if (r.Len+mask)&^mask == 0 {
		return abi.EINVAL
	}
	return abi.ENOMEM
}

func (s *Space) prepareFile(r *Request, m *mapping) abi.Errno {
	if r.Offset > 1<<63-uint64(m.len) {
		return abi.EOVERFLOW
	}
	shared := false
	switch r.Flags & mapType {
	case mapSharedValidate:
		if r.Flags&^uint32(mapLegacy|mapType) != 0 {
			return abi.EOPNOTSUPP // MAP_SYNC, or a flag that does not exist yet
		}
		shared = true
	case mapShared:
		shared = true
	case mapPrivate:
	default:
		return abi.EINVAL
	}
	if shared && m.prot&protWrite != 0 && !r.Writable {
		return abi.EACCES
	}
	if !r.Readable {
		return abi.EACCES
	}
	if r.Flags&mapGrowsDown != 0 {
		return abi.EINVAL
	}
	m.flags |= vmMayRead
	switch {
	case shared:
		m.flags |= vmShared
		switch {
		case r.Writable && r.File.MayWriteShared():
			m.flags |= vmMayWrite
		case m.prot&protWrite == 0:
		case r.Writable:
			return abi.EPERM // sealed: memfd_create(2)
		default:
			return abi.EACCES
		}
	case r.File.Executable():
		m.flags |= vmMayWrite | vmMayExec
	default:
		m.flags |= vmMayWrite
	}
	return abi.OK
}

func (s *Space) prepareAnon(r *Request, m *mapping) abi.Errno {
	m.flags |= vmMayRead | vmMayWrite
	m.pgoff = 0
	switch r.Flags & mapType {
	case mapShared:
		if r.Flags&mapGrowsDown != 0 {
			return abi.EINVAL
		}
		m.flags |= vmShared
	case mapPrivate:
		if r.Flags&mapGrowsDown != 0 {
			m.flags |= vmGrowsDown
		}
		if r.ELFData {
			m.flags |= vmData
		}
	default:
		return abi.EINVAL
	}
	if s.budget() != 0 && jitKind(m.flags) && r.Flags&mapStack == 0 {
		m.flags |= vmMayExec
	}
	return abi.OK
}

// firstGrant applies writable xor executable to the protection that a mapping
// is given, at birth or later: EACCES if the rule forbids it, else the flags
// with what the grant closes for good. Memory without a file that may become
// executable at all (Options.JIT) may be both; the grant of X marks it, and the
// caller checks that there is budget for what was not marked before.
func (s *Space) firstGrant(flags *uint32, prot uint8, memory bool) abi.Errno {
	f := *flags
	if prot&protWrite != 0 && f&vmMayWrite == 0 || prot&protExec != 0 && f&vmMayExec == 0 ||
		prot&protRead != 0 && f&vmMayRead == 0 {
		return abi.EACCES
	}
	if f&vmMayExec == 0 {
		return abi.OK
	}
	if memory {
		if prot&protExec != 0 {
			*flags |= vmJIT
		}
		return abi.OK
	}
	switch prot & (protWrite | protExec) {
	case protWrite | protExec:
		return abi.EACCES
	case protWrite:
		f &^= vmMayExec
	case protExec:
		f &^= vmMayWrite
	}
	*flags = f
	return abi.OK
}

// RefuseExecGain is PR_MDWE_REFUSE_EXEC_GAIN of prctl(2), for good: from now on
// nothing is mapped writable and executable at once, and memory that is not
// executable does not become so.
func (s *Space) RefuseExecGain() { s.noExecGain.Store(true) }

// gainsExec reports whether a change of protection is what RefuseExecGain rules
// out. For a new mapping both are the same.
func (s *Space) gainsExec(old, new uint8) bool {
	return new&protExec != 0 && (new&protWrite != 0 || old&protExec == 0) && s.noExecGain.Load()
}

// mapLocked places and makes the mapping. The caller holds mu for writing.
func (s *Space) mapLocked(r *Request, m *mapping) (uintptr, abi.Errno) {
	if s.set.n >= maxVMAs {
		return 0, abi.ENOMEM
	}
	m.flags |= s.futureLock
	addr := r.Addr
	if m.fixed {
		s.settle(addr, addr+m.len)
		if m.keep && !s.vacant(addr, m.len) {
			return 0, abi.EEXIST
		}
	} else if addr = s.place(r, m); addr == 0 {
		return 0, abi.ENOMEM
	}
	if s.inText(addr, m.len) && r.File == nil {
		if m.fixed && m.flags&vmShared != 0 && s.budget() > 0 && s.vacant(addr, m.len) {
			// PHP's compiler, which wants to be near to its own code. It takes another
			// place if it does not get this one, where its code could not run.
			return 0, abi.ENOMEM
		}
		// Nothing but image code becomes executable in the text window.
		m.flags &^= vmMayExec
		if m.prot&protExec != 0 {
			m.denied = RuleWriteExec
			return 0, abi.EACCES
		}
	}
	if m.flags&vmLocked != 0 && !s.mayLock(m.pages) {
		return 0, abi.EAGAIN
	}
	over := uint64(0)
	if m.fixed && !m.keep {
		if s.sealed(addr, addr+m.len) {
			m.denied = RuleSealed
			return 0, abi.EPERM
		}
		over = s.mappedPages(addr, addr+m.len)
	}
	jit := uint64(0)
	if m.flags&vmJIT != 0 {
		if jit = m.pages; !s.mayMark(jit, s.marked(addr, addr+m.len)) {
			m.denied = RuleJIT
			return 0, abi.ENOMEM
		}
	}
	if !s.mayGrow(m.prot, m.flags, m.pages, over) || overcommitted(m.prot, m.flags, m.pages) {
		return 0, abi.ENOMEM
	}
	v := &vma{space: s, start: addr, end: addr + m.len, flags: m.flags, prot: m.prot,
		pgoff: m.pgoff, name: r.Name}
	if r.File != nil {
		v.file = s.mapOf(r.File)
	} else if m.flags&vmShared != 0 {
		if v.obj = newObject(m.pages); v.obj == nil {
			m.dry = true
			return 0, abi.ENOMEM
		}
	}
	if m.fixed && !m.keep {
		// For a large range mu is let go meanwhile; nobody is to take the budget.
		s.jitHeld += jit
		e := s.unmap(addr, addr+m.len)
		s.jitHeld -= jit
		if e != abi.OK {
			s.release(v)
			if e == abi.EPERM {
				m.denied = RuleSealed
			}
			return 0, e
		}
	}
	s.insert(v)
	s.grown()
	return addr, abi.OK
}

// mappedPages counts what is mapped in a range.
func (s *Space) mappedPages(start, end uintptr) (n uint64) {
	s.set.each(start, func(v *vma) bool {
		if v.start >= end {
			return false
		}
		n += uint64(min(v.end, end)-max(v.start, start)) >> pageShift
		return true
	})
	return n
}
