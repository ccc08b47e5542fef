package mm

import (
	"skerry/kernel/abi"
	"skerry/kernel/ground/frame"
)

// MapStack makes the program's first stack: size bytes that end at top and grow
// down on faults as far as RLIMIT_STACK and the guard gap allow. It is never
// executable.
func (s *Space) MapStack(top, size uintptr) abi.Errno {
	if top&pageMask != 0 || size&pageMask != 0 || size == 0 || top > Highest || size > top-Lowest {
		return abi.EINVAL
	}
	s.mu.Lock()
	defer s.unlock()
	if s.mappedPages(top-size, top) != 0 {
		return abi.EEXIST
	}
	s.insert(&vma{space: s, start: top - size, end: top, prot: protRead | protWrite, name: "[stack]",
		flags: vmMayRead | vmMayWrite | vmGrowsDown | vmStack})
	s.grown()
	return abi.OK
}

// MapSpecial maps kernel pages into the program, such as the vDSO and its data:
// readable, executable if exec is set, never writable and sealed. The caller
// keeps its own reference to the frames for good and may go on writing them.
func (s *Space) MapSpecial(addr uintptr, frames []frame.PFN, exec bool, name string) abi.Errno {
	n := uintptr(len(frames)) << pageShift
	if addr&pageMask != 0 || n == 0 || addr < Lowest || addr > Highest-n {
		return abi.EINVAL
	}
	v := &vma{space: s, start: addr, end: addr + n, prot: protRead, name: name, special: frames,
		flags: vmMayRead | vmSpecial | vmSealed | vmNoDump}
	if exec {
		v.prot |= protExec
		v.flags |= vmMayExec
		v.flags &^= vmNoDump // debuggers want the vDSO's symbols
	}
	s.mu.Lock()
	defer s.unlock()
	if s.mappedPages(addr, addr+n) != 0 {
		return abi.EEXIST
	}
	s.insert(v)
	s.grown()
	return abi.OK
}
