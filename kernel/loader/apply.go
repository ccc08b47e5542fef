package loader

import "skerry/kernel/abi"

// AddressSpace is what Apply needs of the program's memory; kernel/mm has it.
// All addresses and lengths are whole pages but for Zero's, and whatever is
// mapped is private to the program.
type AddressSpace interface {
	// MapFile maps n bytes of f from byte off on at addr, where nothing may be
	// yet, and which is fixed. What is behind the end of the file in its last
	// page reads as zeroes.
	MapFile(f File, addr, n uintptr, prot uint32, off uint64) abi.Errno
	// MapAnon maps n bytes of zeroes at addr likewise.
	MapAnon(addr, n uintptr, prot uint32) abi.Errno
	// Zero clears bytes of a writable mapping.
	Zero(addr, n uintptr) abi.Errno
	// Seal makes a range immutable (mseal(2)): it can neither be unmapped nor
	// replaced, moved or given another protection.
	Seal(addr, n uintptr) abi.Errno
}

// Apply makes the plan's mappings. After an error the address space is of no use:
// some of them are there.
func (p *Plan) Apply(as AddressSpace) *Error {
	for i := range p.Mappings {
		m := &p.Mappings[i]
		var e abi.Errno
		if m.File != nil {
			e = as.MapFile(m.File, m.Addr, m.Len, m.Prot, m.Off)
		} else {
			e = as.MapAnon(m.Addr, m.Len, m.Prot)
		}
		if e == abi.OK && m.ZeroLen != 0 {
			e = as.Zero(m.ZeroAddr, m.ZeroLen)
		}
		if e != abi.OK {
			return m.failed(e)
		}
	}
	// Last, so that what failed above left nothing behind that cannot be undone.
	for i := range p.Mappings {
		m := &p.Mappings[i]
		if m.Seal {
			if e := as.Seal(m.Addr, m.Len); e != abi.OK {
				return m.failed(e)
			}
		}
	}
	return nil
}

// failed says why a mapping could not be made.
func (m *Mapping) failed(e abi.Errno) *Error {
	text := "cannot be loaded: " + e.Error()
	switch {
	case e == abi.ENOMEM:
		text = "does not fit into the machine's memory: give it more (-m)"
	case e == abi.EACCES && m.Prot&ProtExec != 0:
		text = "is not marked executable in the image: only files of the image that had an x bit when it was built can run"
	case e == abi.EIO:
		text = "cannot be read from its disk"
	case e == abi.EFAULT:
		text = "cannot be loaded: a page of its data could not be read from its disk, or there was no memory for it"
	}
	return &Error{StatusCannotRun, e, text}
}
