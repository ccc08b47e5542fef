package strace

import (
	"skerry/kernel/abi"
	"skerry/kernel/usermem"
)

// User is the memory of the machine's program. Reading may take page faults, so
// no lock may be held that one could want.
type User struct{}

// Read implements Mem.
func (User) Read(dst []byte, addr uintptr) bool {
	_, e := usermem.CopyIn(dst, addr)
	return e == abi.OK
}

// String implements Mem.
func (User) String(addr uintptr, max int) (string, bool) {
	var b [maxPath + 1]byte
	n := 0
	max = min(max, len(b))
	for n < max {
		// Up to the end of the page, so that no fault is taken beyond the NUL.
		at := addr + uintptr(n)
		m, e := usermem.CopyIn(b[n:n+min(max-n, int(4096-at&4095))], at)
		for i, x := range b[n : n+m] {
			if x == 0 {
				return string(b[:n+i]), true
			}
		}
		if e != abi.OK {
			return "", false
		}
		n += m
	}
	return string(b[:n]), true
}
