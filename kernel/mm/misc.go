package mm

import (
	"slices"

	"skerry/kernel/abi"
	"skerry/kernel/vfs"
)

// Msync writes what shared mappings changed to their files, msync(2). Files
// that live in memory have nothing to write.
func (s *Space) Msync(addr, n uintptr, flags uint32) abi.Errno {
	if flags&^uint32(msAsync|msInvalidate|msSync) != 0 || addr&pageMask != 0 ||
		flags&(msAsync|msSync) == msAsync|msSync {
		return abi.EINVAL
	}
	size := (n + pageMask) &^ pageMask
	end := addr + size
	if end < addr || end > Highest {
		return abi.ENOMEM
	}
	holes := false
	for addr < end {
		s.mu.RLock()
		v := s.set.find(addr)
		if v == nil || v.start >= end {
			s.mu.RUnlock()
			return abi.ENOMEM
		}
		if v.start > addr {
			holes, addr = true, v.start
		}
		to := min(end, v.end)
		if v.flags&vmDying != 0 {
			holes = true
		}
		if flags&msInvalidate != 0 && v.flags&vmLocked != 0 {
			s.mu.RUnlock()
			return abi.EBUSY
		}
		var file vfs.Mapper
		if flags&msSync != 0 && v.flags&vmShared != 0 && v.file != nil {
			file = v.file.mapper
		}
		s.mu.RUnlock()
		if f, ok := file.(vfs.Syncer); ok {
			if e := f.Sync(true); e != abi.OK {
				return e
			}
		}
		addr = to
	}
	if holes {
		return abi.ENOMEM
	}
	return abi.OK
}

// Mincore says for each page from addr on whether it is in memory, mincore(2):
// one byte of out a page, in its lowest bit. ENOMEM over a hole.
func (s *Space) Mincore(addr uintptr, out []byte) abi.Errno {
	if addr&pageMask != 0 {
		return abi.EINVAL
	}
	size := uintptr(len(out)) << pageShift
	if addr > Highest || size > Highest-addr {
		return abi.ENOMEM
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	end := addr + size
	for at := addr; at < end; {
		v := s.lookup(at)
		if v == nil {
			return abi.ENOMEM
		}
		for ; at < min(end, v.end); at += pageSize {
			out[(at-addr)>>pageShift] = s.resident(v, at)
		}
	}
	return abi.OK
}

// resident is 1 if a page is mapped or in its file's memory.
func (s *Space) resident(v *vma, addr uintptr) byte {
	if e := s.leaf(addr); mapped(e) && pfnOf(e) != s.zero {
		return 1
	}
	switch {
	case v.obj != nil:
		if v.obj.has(v.index(addr)) {
			return 1
		}
	case v.special != nil:
		return 1
	case v.file != nil && v.file.peek != nil:
		if p := v.file.peek.Peek(v.index(addr)); p != 0 {
			p.Unref()
			return 1
		}
	}
	return 0
}

// leaf is the entry that maps addr, small or large, or 0. The caller holds mu.
func (s *Space) leaf(addr uintptr) uint64 {
	d, _ := s.tree.pde(addr)
	if d == nil {
		return 0
	}
	e := settled(d)
	if isTable(e) {
		return settled(entry(tableOf(e), addr, pageShift))
	}
	return e
}

// SealRelro names a range that the program makes read-only once it has relocated
// itself (PT_GNU_RELRO): when that happens the range is sealed, so that it stays
// so. For the loader, before the program runs.
func (s *Space) SealRelro(start, end uintptr) {
	s.mu.Lock()
	s.relro = append(s.relro, [2]uintptr{start, end})
	s.unlock()
}

// sealRelro seals the named ranges that a change to [start, end) has left without
// a writable page. Without room for another vma the range stays unsealed. The
// caller holds mu for writing.
func (s *Space) sealRelro(start, end uintptr) {
	for i := 0; i < len(s.relro); i++ {
		r := s.relro[i]
		if end <= r[0] || r[1] <= start || !s.readOnly(r[0], r[1]) {
			continue
		}
		for at := r[0]; at < r[1]; {
			v := s.lookup(at)
			to := min(r[1], v.end)
			if s.reflag(v, at, to, vmSealed, 0) != abi.OK {
				return
			}
			at = to
		}
		s.relro = slices.Delete(s.relro, i, i+1)
		i--
	}
}

// sealLibrary seals what is not writable of the file that is mapped at addr, if that is a
// library's data which the loader of libraries has just made read-only: the last that it
// does to one, after relocation. Loaders change what they have mapped until then (holes
// between segments, the rest of a mapping that was too long). A library without
// PT_GNU_RELRO is never sealed. The caller holds mu for writing.
func (s *Space) sealLibrary(addr uintptr) {
	v := s.lookup(addr)
	// What may be written of a file with code is no code any more (firstGrant).
	if v == nil || v.file == nil || v.flags&(vmShared|vmMayExec) != 0 || !v.file.mapper.Executable() {
		return
	}
	file := v.file
	for at := uintptr(0); ; {
		v := s.set.find(at)
		if v == nil {
			return
		}
		at = v.end
		if v.file == file && v.flags&(vmShared|vmDying) == 0 && v.prot&protWrite == 0 {
			_ = s.reflag(v, v.start, v.end, vmSealed, 0) // whole: it needs no other vma
		}
	}
}

// readOnly reports whether all of [start, end) is mapped without the right to
// write. The caller holds mu.
func (s *Space) readOnly(start, end uintptr) bool {
	for at := start; at < end; {
		v := s.lookup(at)
		if v == nil || v.prot&protWrite != 0 {
			return false
		}
		at = v.end
	}
	return true
}

// Seal makes the mappings of [addr, addr+n) immutable, mseal(2): they cannot be
// unmapped, moved, replaced or reprotected, nor private read-only contents
// discarded. ENOMEM over a hole, and then nothing is sealed.
func (s *Space) Seal(addr, n uintptr, flags uint64) abi.Errno {
	if flags != 0 || addr&pageMask != 0 {
		return abi.EINVAL
	}
	size := (n + pageMask) &^ pageMask
	end := addr + size
	if n != 0 && size == 0 || end < addr {
		return abi.EINVAL
	}
	if size == 0 {
		return abi.OK
	}
	s.mu.Lock()
	defer s.unlock()
	for at := addr; at < end; {
		v := s.lookup(at)
		if v == nil {
			return abi.ENOMEM
		}
		at = v.end
	}
	for at := addr; at < end; {
		v := s.lookup(at)
		to := min(end, v.end)
		if e := s.reflag(v, at, to, vmSealed, 0); e != abi.OK {
			return e
		}
		at = to
	}
	return abi.OK
}
