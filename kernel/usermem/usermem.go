// Package usermem is the only way from the kernel to the program's memory: a
// few assembly primitives whose faults are fixed up, and on top of them copies
// of bytes, words, strings, structs and scatter lists.
//
// Every length and range is checked against Limit without overflow before the
// first access. Each user word is fetched once: callers copy a whole struct or
// vector in and then check the copy. No function here may be called with a lock
// held that a page fault could want (mm, inode, page cache), since a copy may
// have to read a page from disk.
//
// There is one address space in the machine, so the fault resolver is a
// package variable that mm sets at boot. It imports only ground/arch and abi.
package usermem

import (
	"runtime"

	"skerry/kernel/abi"
)

// Limit is the end of user addresses: the last page below 2^47 is never mapped
// (a SYSCALL at its end would return to a non-canonical address).
const Limit = 0x7ffffffff000

// Resolve makes the user page at addr accessible for a kernel copy (read, or
// write too), as a fault of the program itself would, or returns EFAULT. Set
// once at boot by mm.
var Resolve = func(addr uintptr, write bool) abi.Errno { return abi.EFAULT }

// HostTranslate stands for the MMU when the kernel's packages run in tests on
// the host: it returns the address in this process behind user address addr,
// if that page is present and allows the access.
var HostTranslate = func(addr uintptr, write bool) (uintptr, bool) { return 0, false }

// InRange reports whether [addr, addr+n) lies in user space.
func InRange(addr, n uintptr) bool {
	return addr <= Limit && n <= Limit-addr
}

// CopyIn copies len(dst) bytes from user address src and returns how many were
// copied; fewer than asked for comes with EFAULT.
func CopyIn(dst []byte, src uintptr) (int, abi.Errno) {
	if !InRange(src, uintptr(len(dst))) {
		return 0, abi.EFAULT
	}
	done := 0
	for done < len(dst) {
		left := copyFrom(dst[done:], src+uintptr(done))
		done = len(dst) - left
		if left == 0 {
			break
		}
		if e := Resolve(src+uintptr(done), false); e != abi.OK {
			return done, abi.EFAULT
		}
	}
	return done, abi.OK
}

// CopyOut copies src to user address dst and returns how many bytes were
// copied; fewer than asked for comes with EFAULT.
func CopyOut(dst uintptr, src []byte) (int, abi.Errno) {
	if !InRange(dst, uintptr(len(src))) {
		return 0, abi.EFAULT
	}
	done := 0
	for done < len(src) {
		left := copyTo(dst+uintptr(done), src[done:])
		done = len(src) - left
		if left == 0 {
			break
		}
		if e := Resolve(dst+uintptr(done), true); e != abi.OK {
			return done, abi.EFAULT
		}
	}
	return done, abi.OK
}

// zeroes is what Zero copies from.
var zeroes [4096]byte

// Zero clears n bytes at user address dst and returns how many were cleared.
func Zero(dst, n uintptr) (uintptr, abi.Errno) {
	if !InRange(dst, n) {
		return 0, abi.EFAULT
	}
	done := uintptr(0)
	for done < n {
		m, e := CopyOut(dst+done, zeroes[:min(n-done, uintptr(len(zeroes)))])
		done += uintptr(m)
		if e != abi.OK {
			return done, e
		}
	}
	return done, abi.OK
}

// String copies a NUL-terminated string of at most max bytes, NUL included,
// from user address src. Without a NUL in max bytes the answer is ENAMETOOLONG.
func String(src uintptr, max int) (string, abi.Errno) {
	s, whole, e := Prefix(src, max)
	if e == abi.OK && !whole {
		return "", abi.ENAMETOOLONG
	}
	return s, e
}

// Prefix copies a string up to its NUL, or max bytes of it, each once; whole says
// that there was a NUL.
func Prefix(src uintptr, max int) (s string, whole bool, e abi.Errno) {
	var buf [256]byte
	var long []byte
	for n := 0; n < max; {
		// Up to the end of the page, so that no fault is taken beyond the NUL.
		at := src + uintptr(n)
		chunk := min(max-n, len(buf), int(4096-at&4095))
		m, e := CopyIn(buf[:chunk], at)
		for i := 0; i < m; i++ {
			if buf[i] == 0 {
				if long == nil {
					return string(buf[:i]), true, abi.OK
				}
				return string(append(long, buf[:i]...)), true, abi.OK
			}
		}
		if e != abi.OK {
			return "", false, e
		}
		long = append(long, buf[:m]...)
		n += m
	}
	return string(long), false, abi.OK
}

// Load32 reads one aligned word with a single access. EINVAL if unaligned.
func Load32(addr uintptr) (uint32, abi.Errno) {
	if e := checkWord(addr, 4); e != abi.OK {
		return 0, e
	}
	for {
		if v, ok := load32(addr); ok {
			return v, abi.OK
		}
		if Resolve(addr, false) != abi.OK {
			return 0, abi.EFAULT
		}
	}
}

// Load64 reads one aligned 8-byte word with a single access.
func Load64(addr uintptr) (uint64, abi.Errno) {
	if e := checkWord(addr, 8); e != abi.OK {
		return 0, e
	}
	for {
		if v, ok := load64(addr); ok {
			return v, abi.OK
		}
		if Resolve(addr, false) != abi.OK {
			return 0, abi.EFAULT
		}
	}
}

// Store32 writes one aligned word with a single access.
func Store32(addr uintptr, v uint32) abi.Errno {
	if e := checkWord(addr, 4); e != abi.OK {
		return e
	}
	for !store32(addr, v) {
		if Resolve(addr, true) != abi.OK {
			return abi.EFAULT
		}
	}
	return abi.OK
}

// Cmpxchg32 is an atomic compare-and-swap on a user word; it returns the value
// that was there before.
func Cmpxchg32(addr uintptr, old, new uint32) (uint32, abi.Errno) {
	if e := checkWord(addr, 4); e != abi.OK {
		return 0, e
	}
	for {
		if v, ok := cmpxchg32(addr, old, new); ok {
			return v, abi.OK
		}
		if Resolve(addr, true) != abi.OK {
			return 0, abi.EFAULT
		}
	}
}

func checkWord(addr, size uintptr) abi.Errno {
	if addr&(size-1) != 0 {
		return abi.EINVAL
	}
	if !InRange(addr, size) {
		return abi.EFAULT
	}
	return abi.OK
}

// Fixup is one entry of the fault table: a fault on a user address at a code
// address in [Start, End) continues at Landing.
type Fixup struct{ Start, End, Landing uintptr }

// Fixups is the table, for ground's page-fault handler. Starts and landings
// come from assembly, where code addresses are exact; an end is where the
// runtime's own function table says that the symbol ends.
func Fixups() []Fixup {
	var raw [7][3]uintptr
	fixups(&raw)
	table := make([]Fixup, len(raw))
	for i, r := range raw {
		end := r[0]
		for f := runtime.FuncForPC(end); f != nil && f.Entry() == r[0]; f = runtime.FuncForPC(end) {
			end++
		}
		table[i] = Fixup{r[0], end, r[2]}
	}
	return table
}

// Peek32 is Load32 without bringing a missing page in: for callers that hold a
// lock. ok is false if the word cannot be read right now.
func Peek32(addr uintptr) (v uint32, ok bool) {
	if checkWord(addr, 4) != abi.OK {
		return 0, false
	}
	return load32(addr)
}

// Peek64 is Load64 without bringing a missing page in.
func Peek64(addr uintptr) (v uint64, ok bool) {
	if checkWord(addr, 8) != abi.OK {
		return 0, false
	}
	return load64(addr)
}

// PeekCmpxchg32 is Cmpxchg32 without bringing a missing page in.
func PeekCmpxchg32(addr uintptr, old, new uint32) (prev uint32, ok bool) {
	if checkWord(addr, 4) != abi.OK {
		return 0, false
	}
	return cmpxchg32(addr, old, new)
}
