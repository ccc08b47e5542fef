package mm

import (
	"runtime"

	"skerry/kernel/abi"
	"skerry/kernel/ground/arch"
	"skerry/kernel/ground/frame"
)

// Access is what a fault wanted to do.
type Access uint8

// Kinds of access.
const (
	Read Access = iota
	Write
	Exec
)

// FaultResult is what became of a fault.
type FaultResult uint8

const (
	// FaultOK: the access may be repeated.
	FaultOK FaultResult = iota
	// FaultMapErr: nothing is mapped there; SIGSEGV with SEGV_MAPERR.
	FaultMapErr
	// FaultAccErr: the mapping forbids it; SIGSEGV with SEGV_ACCERR.
	FaultAccErr
	// FaultBusErr: beyond the end of the file, or the device failed; SIGBUS
	// with BUS_ADRERR.
	FaultBusErr
	// FaultOOM: no memory is left for the program.
	FaultOOM
)

// step is how far one attempt at a fault came.
type step uint8

const (
	stepDone   step = iota
	stepAgain       // something changed meanwhile: look again
	stepBusy        // someone is replacing the entry: let him
	stepFrame       // no frame is left
	stepFetch       // the file must be asked for the page
	stepMiss        // no vma
	stepAccess      // the vma forbids it
	stepBus         // no such page
)

// needs is which protection bits allow an access; any of them will do. The
// processor can neither write nor execute what it cannot read.
var needs = [...]uint8{Read: protRead | protWrite | protExec, Write: protWrite, Exec: protExec}

// Fault makes the page at addr accessible, if the mapping there allows it. It
// is called by the thread that took the fault, with nothing locked; it may wait
// for a device. A fault also drops the CPU's own stale translation of the page
// (Intel SDM vol. 3, 4.10.4.1), so that granting rights needs no flush.
func (s *Space) Fault(addr uintptr, a Access) FaultResult {
	if addr-Lowest >= Highest-Lowest {
		return FaultMapErr
	}
	s.mu.RLock()
	v := s.recent.Load()
	if v == nil || addr-v.start >= v.end-v.start {
		if v = s.lookup(addr); v == nil {
			s.mu.RUnlock()
			return s.faultSlow(addr, a, stepMiss)
		}
		s.recent.Store(v)
	}
	r := stepFetch
	switch {
	case v.prot&needs[a] == 0:
		r = stepAccess
	case v.anonymous():
		r = s.faultAnon(v, addr, a)
	}
	s.mu.RUnlock()
	if r == stepDone {
		return FaultOK
	}
	return s.faultSlow(addr, a, r)
}

// fetch is a page that a fault got from a file with the address space unlocked,
// and what it was asked for.
type fetch struct {
	file  *fileMap
	useq  uint64
	index uint64
	write bool
	major bool // it had to be read
	pfn   frame.PFN
}

// faultSlow carries on after a first attempt ended with r.
func (s *Space) faultSlow(addr uintptr, a Access, r step) FaultResult {
	var f fetch
	for dry := 0; ; {
		switch r {
		case stepDone:
			f.drop()
			if f.major {
				s.stats.major.Add(1)
			}
			return FaultOK
		case stepAccess:
			f.drop()
			if a == Exec {
				s.denyJump(addr)
			}
			return FaultAccErr
		case stepBus:
			f.drop()
			return FaultBusErr
		case stepMiss:
			if !s.growStack(addr) {
				f.drop()
				return FaultMapErr
			}
		case stepBusy:
			runtime.Gosched()
		case stepFrame:
			// Others may take what is freed, so success is not certain; but each
			// round frees something, and there is only so much.
			if dry++; dry > 64 || !s.reclaim() {
				f.drop()
				return FaultOOM
			}
		case stepFetch:
			if f.file != nil {
				p, e := f.file.mapper.Page(f.index, f.write)
				switch e {
				case abi.OK:
					f.pfn = p
					f.major = f.major || f.file.device
				case abi.ENOMEM:
					if dry++; dry > 64 || !s.reclaim() {
						return FaultOOM
					}
				default:
					return FaultBusErr
				}
			}
		case stepAgain:
			s.stats.retried.Add(1)
		}
		r = s.attempt(addr, a, &f)
	}
}

// denyJump tells of a jump to memory that is no code, which is what an attack with code
// of its own looks like.
func (s *Space) denyJump(addr uintptr) {
	d := Denial{Rule: RuleWriteExec, Call: CallJump, Addr: addr, Len: 1, Prot: protExec, Errno: abi.EACCES}
	s.mu.RLock()
	if v := s.lookup(addr); v != nil {
		d.Name = v.name
	}
	s.mu.RUnlock()
	s.deny(&d)
}

// drop gives back a fetched page that was not used.
func (f *fetch) drop() {
	if f.pfn != 0 {
		f.pfn.Unref()
		f.pfn = 0
	}
	f.file = nil
}

// attempt is one try with the address space locked for reading.
func (s *Space) attempt(addr uintptr, a Access, f *fetch) step {
	s.mu.RLock()
	r := stepMiss
	if v := s.lookup(addr); v != nil {
		switch {
		case v.prot&needs[a] == 0:
			r = stepAccess
		case v.anonymous():
			r = s.faultAnon(v, addr, a)
		default:
			r = s.faultBacked(v, addr, a, f)
		}
	}
	s.mu.RUnlock()
	return r
}

// bits are the entry bits that a mapping's protection gives to a page that may
// be written as it is, without pteW; the protection is not none.
func (v *vma) bits() uint64 {
	if v.prot&protExec != 0 {
		return pteP | pteU | pteA
	}
	return pteP | pteU | pteA | pteNX
}

// faultAnon serves private anonymous memory. The caller holds mu for reading,
// and the protection allows the access.
func (s *Space) faultAnon(v *vma, addr uintptr, a Access) step {
	d := s.tree.makePDE(addr)
	if d == nil {
		return stepFrame
	}
	e := d.Load()
	if !isTable(e) {
		if e == 0 && a == Write && s.hugeFits(v, addr) {
			if r := s.faultHuge(v, d); r != stepFrame {
				return r
			}
		}
		if e != 0 {
			return s.faultOnHuge(v, d, e, a)
		}
		if !s.tree.addTable(d) {
			return stepFrame
		}
		if e = d.Load(); !isTable(e) {
			return stepAgain
		}
	}
	pt := tableOf(e)
	p := entry(pt, addr, pageShift)
	old := p.Load()
	if old != 0 {
		return s.faultPresent(v, p, old, addr, a)
	}
	if a != Write {
		if !p.CompareAndSwap(0, s.zero.Phys()|v.bits()) {
			return stepAgain
		}
		s.stats.zeroed.Add(1)
		return stepDone
	}
	f := frame.AllocZero(frame.KindUser)
	if f == 0 {
		return stepFrame
	}
	if !p.CompareAndSwap(0, f.Phys()|v.bits()|pteW|pteD|ptePriv) {
		f.Unref()
		return stepAgain
	}
	s.stats.anon.Add(1)
	return stepDone
}

// faultPresent serves a private page that has an entry: a stale translation, a
// right that was granted since, or a first write.
func (s *Space) faultPresent(v *vma, p *slot, old uint64, addr uintptr, a Access) step {
	switch {
	case old&pteP == 0:
		if old == pteBusy {
			return stepBusy
		}
		// A page kept through PROT_NONE always got its rights back with the
		// mapping; an entry in any other state is a bug of this package.
		panic("mm: unexpected page-table entry")
	case a != Write || old&pteW != 0:
		return stepDone
	case old&ptePriv != 0:
		if !p.CompareAndSwap(old, old|pteW|pteD|pteA) {
			return stepAgain
		}
		s.stats.upgraded.Add(1)
		return stepDone
	}
	return s.copyOnWrite(v, p, old, addr)
}

// copyOnWrite replaces a shared frame, the zero page or a file's, by a private
// copy. Whoever makes the entry busy owns the reference that it held; nobody
// sees the copy before every CPU has forgotten the original, so that no CPU
// reads old bytes after another has written new ones.
func (s *Space) copyOnWrite(v *vma, p *slot, old uint64, addr uintptr) step {
	from := pfnOf(old)
	f := frame.Alloc(frame.KindUser)
	if f == 0 {
		return stepFrame
	}
	if !p.CompareAndSwap(old, pteBusy) {
		f.Unref()
		return stepAgain
	}
	if from == s.zero {
		arch.ZeroPage(f.Addr(), pageSize)
	} else {
		copyFrame(f, from)
	}
	page := addr &^ pageMask
	s.tlb.Flush(page, page+pageSize)
	p.Store(f.Phys() | v.bits() | pteW | pteD | ptePriv)
	if from != s.zero {
		from.Unref()
	}
	s.stats.copied.Add(1)
	return stepDone
}

// copyFrame copies one frame to another through the direct map.
func copyFrame(to, from frame.PFN) {
	copy(arch.Bytes(to.Addr(), pageSize), arch.Bytes(from.Addr(), pageSize))
}

// Resolve is Fault for the kernel's own copies (usermem.Resolve): EFAULT if the
// page cannot be made accessible.
func (s *Space) Resolve(addr uintptr, write bool) abi.Errno {
	a := Read
	if write {
		a = Write
	}
	switch s.Fault(addr, a) {
	case FaultOK:
		return abi.OK
	case FaultOOM:
		if s.opt.OOM != nil {
			s.opt.OOM()
		}
	}
	return abi.EFAULT
}

// growStack extends the stack that lies above addr down to it, if its limit and
// the guard gap allow it, and reports whether the fault should be tried again.
func (s *Space) growStack(addr uintptr) bool {
	s.mu.Lock()
	ok := s.growLocked(addr &^ pageMask)
	s.mu.Unlock()
	return ok
}

func (s *Space) growLocked(start uintptr) bool {
	prev, v := s.set.neighbours(start)
	if v == nil || v.flags&vmDying != 0 {
		return false
	}
	if v.start <= start {
		return true // someone was faster
	}
	if v.flags&vmGrowsDown == 0 {
		return false
	}
	if prev != nil && start-prev.end < guardGap && prev.flags&vmGrowsDown == 0 &&
		(prev.prot != protNone || prev.flags&vmDying != 0) {
		return false
	}
	n := uint64(v.start-start) >> pageShift
	if uint64(v.end-start) > s.limit[LimitStack].Load() || !s.mayGrow(v.prot, v.flags, n, 0) {
		return false
	}
	if v.flags&vmLocked != 0 && !s.mayLock(n) {
		return false
	}
	s.adjust(v, start, v.end)
	s.grown()
	return true
}
