package vdsotest

import (
	"syscall"
	"unsafe"
)

// Flags that package syscall does not name, linux/mman.h and linux/memfd.h.
const (
	MapFixedNoReplace = 0x100000

	sysMemfdCreate = 319
)

// Addr is the address of the first byte of b, which the caller keeps alive.
func Addr(b []byte) uintptr { return uintptr(unsafe.Pointer(unsafe.SliceData(b))) }

// At is the n bytes at an address that Mmap returned.
func At(addr uintptr, n int) []byte {
	return unsafe.Slice((*byte)(*(*unsafe.Pointer)(unsafe.Pointer(&addr))), n)
}

// Mmap is mmap(2); memory that it makes is not the garbage collector's.
func Mmap(addr, n uintptr, prot, flags, fd int, off int64) (uintptr, error) {
	p, _, e := syscall.Syscall6(syscall.SYS_MMAP, addr, n, uintptr(prot), uintptr(flags), uintptr(fd), uintptr(off))
	if e != 0 {
		return 0, e
	}
	return p, nil
}

// Munmap is munmap(2).
func Munmap(addr, n uintptr) error {
	if _, _, e := syscall.Syscall(syscall.SYS_MUNMAP, addr, n, 0); e != 0 {
		return e
	}
	return nil
}

// Memfd makes a file in memory of n bytes.
func Memfd(n int64) (int, error) {
	name := [...]byte{'v', 'd', 's', 'o', 0}
	fd, _, e := syscall.Syscall(sysMemfdCreate, uintptr(unsafe.Pointer(&name)), 0, 0)
	if e != 0 {
		return -1, e
	}
	return int(fd), syscall.Ftruncate(int(fd), n)
}
