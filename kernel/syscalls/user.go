package syscalls

import (
	"skerry/kernel/abi"
	"skerry/kernel/usermem"
)

// load64 and store64 move one word that Linux does not ask to be aligned.

func load64(addr uintptr) (uint64, abi.Errno) {
	var v uint64
	e := usermem.In(&v, addr)
	return v, e
}

func store64(addr uintptr, v uint64) abi.Errno { return usermem.Out(addr, &v) }

func load32(addr uintptr) (uint32, abi.Errno) {
	var v uint32
	e := usermem.In(&v, addr)
	return v, e
}

func store32(addr uintptr, v uint32) abi.Errno { return usermem.Out(addr, &v) }

// inSized reads a struct that may be shorter or longer than the kernel's, as
// copy_struct_from_user does: what is missing is zero, what is beyond must be.
func inSized[T any](p *T, addr, size, known uintptr) abi.Errno {
	b := usermem.BytesOf(p)
	n := min(size, known, uintptr(len(b)))
	if _, e := usermem.CopyIn(b[:n], addr); e != abi.OK {
		return e
	}
	var rest [64]byte
	for off := n; off < size; {
		m := min(size-off, uintptr(len(rest)))
		if _, e := usermem.CopyIn(rest[:m], addr+off); e != abi.OK {
			return e
		}
		for _, v := range rest[:m] {
			if v != 0 {
				return abi.E2BIG
			}
		}
		off += m
	}
	return abi.OK
}
