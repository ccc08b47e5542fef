package mm

import "skerry/kernel/ground/frame"

// Flags of a vma.
const (
	vmShared    = 1 << iota // changes are seen by other mappings of the object
	vmMayRead               // may become readable
	vmMayWrite              // may become writable
	vmMayExec               // may become executable
	vmGrowsDown             // grows towards lower addresses on a fault
	vmStack                 // the program's first stack
	vmHeap                  // the brk area
	vmData                  // memory of the program's or interpreter's own ELF data
	vmLocked                // mlock: present, and kept so
	vmOnFault               // with vmLocked: locked as pages come in
	vmNoReserve             // MAP_NORESERVE: no overcommit check
	vmSealed                // mseal
	vmNoDump                // MADV_DONTDUMP
	vmHuge                  // MADV_HUGEPAGE
	vmNoHuge                // MADV_NOHUGEPAGE
	vmRandom                // MADV_RANDOM: no fault-around
	vmSeq                   // MADV_SEQUENTIAL
	vmSpecial               // kernel pages (vDSO): neither merged nor expanded
	vmDying                 // a range whose pages are being freed; nothing is mapped here
	vmJIT                   // was executable once, out of the budget (Options.JIT): counts until unmapped
)

// vma is one mapping: a range of pages with one protection and one backing.
//
// Its fields change only with Space.mu held for writing; for file mappings
// start, end, pgoff and flags change only with Space.rmu held as well, so that
// Unmap may read them under that lock alone.
type vma struct {
	space      *Space
	start, end uintptr
	flags      uint32
	prot       uint8

	// pgoff is the index of the first page in file, obj or special.
	pgoff uint64

	// At most one of these is set; none means private anonymous memory.
	file    *fileMap
	obj     *object
	special []frame.PFN

	name string // for /proc/self/maps: the path, or "[stack]" and the like

	at   int  // position in file.vmas
	next *vma // list of removed vmas
}

// memory reports whether the vma has neither a file nor kernel pages behind it:
// anonymous memory, private or shared.
func (v *vma) memory() bool { return v.file == nil && v.special == nil }

// anonymous reports whether the vma is private anonymous memory.
func (v *vma) anonymous() bool {
	return v.file == nil && v.obj == nil && v.special == nil
}

// pages is the vma's size.
func (v *vma) pages() uint64 { return uint64(v.end-v.start) >> pageShift }

// index is the page index in the backing for an address in the vma.
func (v *vma) index(addr uintptr) uint64 {
	return v.pgoff + uint64(addr-v.start)>>pageShift
}

// edge is the lowest address that nothing else should be placed at or above:
// the start, or for a stack that much lower that the guard gap stays free.
func (v *vma) edge() uintptr {
	if v.flags&vmGrowsDown == 0 {
		return v.start
	}
	if v.start < guardGap {
		return 0
	}
	return v.start - guardGap
}

// compatible reports whether w, which begins where v ends, may become part of v.
func (v *vma) compatible(w *vma) bool {
	if v.end != w.start || v.flags != w.flags || v.prot != w.prot ||
		v.flags&(vmSpecial|vmDying) != 0 || v.name != w.name {
		return false
	}
	if v.anonymous() {
		return w.anonymous()
	}
	return v.file == w.file && v.obj == w.obj && w.special == nil && v.pgoff+v.pages() == w.pgoff
}

// dataPages is what the vma counts for RLIMIT_DATA: private writable memory that
// is not a stack (Linux, is_data_mapping).
func (v *vma) dataPages() uint64 {
	if v.prot&protWrite == 0 || v.flags&(vmShared|vmGrowsDown) != 0 {
		return 0
	}
	return v.pages()
}

// adjust moves a vma's borders. The caller holds mu for writing and keeps the
// set sorted.
func (s *Space) adjust(v *vma, start, end uintptr) {
	s.uncount(v)
	if v.file != nil {
		s.rmu.Lock()
		v.setRange(start, end)
		s.rmu.Unlock()
	} else {
		v.setRange(start, end)
	}
	s.count(v)
	s.set.moved(v)
}

// setRange moves the borders; the contents stay where they are.
func (v *vma) setRange(start, end uintptr) {
	if v.backed() {
		// Downwards, the index goes down with the address.
		v.pgoff += uint64(start>>pageShift) - uint64(v.start>>pageShift)
	}
	v.start, v.end = start, end
}

// backed reports whether pgoff means anything.
func (v *vma) backed() bool { return v.file != nil || v.obj != nil || v.special != nil }

// setFlags replaces a vma's flags. The caller holds mu for writing.
func (s *Space) setFlags(v *vma, flags uint32) {
	s.uncount(v)
	if v.file != nil {
		s.rmu.Lock()
		v.flags = flags
		s.rmu.Unlock()
	} else {
		v.flags = flags
	}
	s.count(v)
}

// split cuts v at addr, which lies strictly inside, and returns the upper part.
// The caller holds mu for writing and has checked the limit on vmas.
func (s *Space) split(v *vma, addr uintptr) *vma {
	w := &vma{
		space: s, start: addr, end: v.end, flags: v.flags, prot: v.prot, pgoff: v.pgoff,
		file: v.file, obj: v.obj, special: v.special, name: v.name,
	}
	if v.backed() {
		w.pgoff = v.index(addr)
	}
	s.hold(w)
	s.uncount(v)
	if v.file != nil {
		// In one step, so that Unmap never finds a page in neither.
		s.rmu.Lock()
		v.end = addr
		v.file.link(w)
		s.rmu.Unlock()
	} else {
		v.end = addr
	}
	s.count(v)
	s.set.moved(v)
	s.set.insert(w)
	s.count(w)
	return w
}

// insert adds a new vma, joining it with its neighbours where it can.
func (s *Space) insert(v *vma) {
	prev, next := s.set.neighbours(v.start)
	if prev != nil && prev.compatible(v) {
		s.adjust(prev, prev.start, v.end)
		s.release(v)
		s.join(prev, next)
		return
	}
	s.expose(v)
	s.set.insert(v)
	s.count(v)
	s.join(v, next)
}

// join makes w part of v if they touch and agree. Both may be nil.
func (s *Space) join(v, w *vma) {
	if v == nil || w == nil || !v.compatible(w) {
		return
	}
	s.uncount(w)
	s.set.remove(w)
	s.uncount(v)
	if v.file != nil {
		s.rmu.Lock()
		v.end = w.end
		v.file.unlink(w)
		s.rmu.Unlock()
	} else {
		v.end = w.end
	}
	s.count(v)
	s.set.moved(v)
	s.release(w)
}

// tidy joins v with what lies on both sides.
func (s *Space) tidy(v *vma) {
	prev, next := s.set.around(v)
	s.join(v, next)
	s.join(prev, v)
}

// expose lets a file's Unmap see a new vma.
func (s *Space) expose(v *vma) {
	if v.file != nil {
		s.rmu.Lock()
		v.file.link(v)
		s.rmu.Unlock()
	}
}

// bury hides a vma from Unmap again: its pages are gone.
func (s *Space) bury(v *vma) {
	if v.file != nil {
		s.rmu.Lock()
		v.file.unlink(v)
		s.rmu.Unlock()
	}
}

// hold takes what a vma holds beside its pages once more, for a copy of it;
// release drops it, for good when mu is let go. The caller holds mu for writing.
func (s *Space) hold(v *vma) {
	if v.obj != nil {
		v.obj.refs++
	}
	if v.file != nil {
		v.file.refs++
	}
}

func (s *Space) release(v *vma) {
	if v.obj != nil {
		if v.obj.refs--; v.obj.refs == 0 {
			s.freed = append(s.freed, v.obj)
		}
	}
	if v.file != nil {
		v.file.unref()
	}
}

// count and uncount keep the sums that limits are checked against.
func (s *Space) count(v *vma)   { s.account(v, 1) }
func (s *Space) uncount(v *vma) { s.account(v, ^uint64(0)) }

func (s *Space) account(v *vma, sign uint64) {
	if v.flags&vmDying != 0 {
		return
	}
	n := v.pages() * sign
	s.total.Add(n)
	s.data.Add(v.dataPages() * sign)
	if v.prot&protExec != 0 {
		s.exec.Add(n)
	}
	if v.flags&(vmLocked|vmGrowsDown|vmJIT) == 0 {
		return
	}
	if v.flags&vmLocked != 0 {
		s.locked.Add(n)
	}
	if v.flags&vmGrowsDown != 0 {
		s.stack.Add(n)
	}
	if v.flags&vmJIT != 0 {
		s.jit.Add(n)
	}
}
