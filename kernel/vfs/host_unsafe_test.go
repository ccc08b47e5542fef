package vfs

import (
	"runtime"
	"syscall"
	"unsafe"
)

func sysN(nr uintptr, args ...uintptr) (uintptr, syscall.Errno) {
	var a [6]uintptr
	copy(a[:], args)
	r, _, e := syscall.Syscall6(nr, a[0], a[1], a[2], a[3], a[4], a[5])
	if e != 0 {
		r = 0
	}
	return r, e
}

// bufAddr is the address of a buffer that stays alive and in place, since it is
// on the heap and the caller goes on to use it.
func bufAddr(b []byte) uintptr { return uintptr(unsafe.Pointer(&b[0])) }

func sysBuf(nr uintptr, fd int, b []byte) (int, syscall.Errno) {
	var p unsafe.Pointer
	if len(b) > 0 {
		p = unsafe.Pointer(&b[0])
	} else {
		p = unsafe.Pointer(&nr)
	}
	n, _, e := syscall.Syscall(nr, uintptr(fd), uintptr(p), uintptr(len(b)))
	runtime.KeepAlive(b)
	return int(n), e
}

func sysPoll(fds []PollFD) (int, syscall.Errno) {
	var p unsafe.Pointer
	if len(fds) > 0 {
		p = unsafe.Pointer(&fds[0])
	}
	n, _, e := syscall.Syscall(syscall.SYS_POLL, uintptr(p), uintptr(len(fds)), 0)
	if e != 0 {
		n = 0
	}
	return int(n), e
}

func sysSelect(n int, sets *[3][16]uint64) (int, syscall.Errno) {
	var tv syscall.Timeval
	r, _, e := syscall.Syscall6(syscall.SYS_SELECT, uintptr(n), uintptr(unsafe.Pointer(&sets[0])),
		uintptr(unsafe.Pointer(&sets[1])), uintptr(unsafe.Pointer(&sets[2])), uintptr(unsafe.Pointer(&tv)), 0)
	if e != 0 {
		r = 0
	}
	return int(r), e
}
