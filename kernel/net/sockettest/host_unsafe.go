package sockettest

import (
	"syscall"
	"unsafe"

	"skerry/kernel/abi"
	"skerry/kernel/usermem"
)

func init() {
	// The test's own memory plays the program's.
	usermem.HostTranslate = func(a uintptr, _ bool) (uintptr, bool) { return a, a >= 4096 }
}

// Address is the address of a buffer, as the program would pass it.
func Address(b []byte) uintptr { return ptr(b) }

// hostSys is the kernel that the test runs on.
type hostSys struct{}

func errno(e syscall.Errno) abi.Errno { return abi.Errno(e) }

func ptr(b []byte) uintptr {
	if len(b) == 0 {
		return 0
	}
	return uintptr(unsafe.Pointer(&b[0]))
}

func (hostSys) socket(domain, typ, proto int) (int, abi.Errno) {
	fd, _, e := syscall.Syscall(syscall.SYS_SOCKET, uintptr(domain), uintptr(typ|syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC), uintptr(proto))
	return int(fd), errno(e)
}
func (hostSys) socketpair(domain, typ, proto int) (int, int, abi.Errno) {
	var fds [2]int32
	_, _, e := syscall.Syscall6(syscall.SYS_SOCKETPAIR, uintptr(domain), uintptr(typ|syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC), uintptr(proto), uintptr(unsafe.Pointer(&fds)), 0, 0)
	return int(fds[0]), int(fds[1]), errno(e)
}
func (hostSys) bind(fd int, a []byte) abi.Errno {
	_, _, e := syscall.Syscall(syscall.SYS_BIND, uintptr(fd), ptr(a), uintptr(len(a)))
	return errno(e)
}
func (hostSys) listen(fd, n int) abi.Errno {
	_, _, e := syscall.Syscall(syscall.SYS_LISTEN, uintptr(fd), uintptr(n), 0)
	return errno(e)
}
func (hostSys) accept(fd int, peer []byte) (int, int, abi.Errno) {
	n := int32(len(peer))
	c, _, e := syscall.Syscall6(syscall.SYS_ACCEPT4, uintptr(fd), ptr(peer), uintptr(unsafe.Pointer(&n)), syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC, 0, 0)
	return int(c), int(n), errno(e)
}
func (hostSys) connect(fd int, a []byte) abi.Errno {
	_, _, e := syscall.Syscall(syscall.SYS_CONNECT, uintptr(fd), ptr(a), uintptr(len(a)))
	return errno(e)
}
func (hostSys) shutdown(fd, how int) abi.Errno {
	_, _, e := syscall.Syscall(syscall.SYS_SHUTDOWN, uintptr(fd), uintptr(how), 0)
	return errno(e)
}
func (hostSys) name(fd int, peer bool, b []byte) (int, abi.Errno) {
	n := int32(len(b))
	call := uintptr(syscall.SYS_GETSOCKNAME)
	if peer {
		call = syscall.SYS_GETPEERNAME
	}
	_, _, e := syscall.Syscall(call, uintptr(fd), ptr(b), uintptr(unsafe.Pointer(&n)))
	return int(n), errno(e)
}

type msghdr struct {
	name       uintptr
	namelen    uint32
	_          uint32
	iov        uintptr
	iovlen     uint64
	control    uintptr
	controllen uint64
	flags      int32
	_          int32
}

func (hostSys) send(fd int, b []byte, flags int, addr, control []byte) (int, abi.Errno) {
	iov := [2]uintptr{ptr(b), uintptr(len(b))}
	m := msghdr{name: ptr(addr), namelen: uint32(len(addr)), iov: uintptr(unsafe.Pointer(&iov)), iovlen: 1, control: ptr(control), controllen: uint64(len(control))}
	n, _, e := syscall.Syscall(syscall.SYS_SENDMSG, uintptr(fd), uintptr(unsafe.Pointer(&m)), uintptr(flags|syscall.MSG_NOSIGNAL))
	return int(n), errno(e)
}
func (hostSys) recv(fd int, b []byte, flags int, addr, control []byte) (int, int, int, int, abi.Errno) {
	iov := [2]uintptr{ptr(b), uintptr(len(b))}
	m := msghdr{name: ptr(addr), namelen: uint32(len(addr)), iov: uintptr(unsafe.Pointer(&iov)), iovlen: 1, control: ptr(control), controllen: uint64(len(control))}
	n, _, e := syscall.Syscall(syscall.SYS_RECVMSG, uintptr(fd), uintptr(unsafe.Pointer(&m)), uintptr(flags))
	return int(n), int(m.namelen), int(m.controllen), int(m.flags), errno(e)
}
func (hostSys) setopt(fd, level, name int, v []byte) abi.Errno {
	_, _, e := syscall.Syscall6(syscall.SYS_SETSOCKOPT, uintptr(fd), uintptr(level), uintptr(name), ptr(v), uintptr(len(v)), 0)
	return errno(e)
}
func (hostSys) getopt(fd, level, name int, v []byte) (int, abi.Errno) {
	n := int32(len(v))
	_, _, e := syscall.Syscall6(syscall.SYS_GETSOCKOPT, uintptr(fd), uintptr(level), uintptr(name), ptr(v), uintptr(unsafe.Pointer(&n)), 0)
	return int(n), errno(e)
}
func (hostSys) ioctl(fd int, cmd uint, arg []byte) abi.Errno {
	_, _, e := syscall.Syscall(syscall.SYS_IOCTL, uintptr(fd), uintptr(cmd), ptr(arg))
	return errno(e)
}
func (hostSys) poll(fd int) uint32 {
	p := struct {
		fd      int32
		ev, rev int16
	}{int32(fd), pollAll, 0}
	syscall.Syscall(syscall.SYS_POLL, uintptr(unsafe.Pointer(&p)), 1, 0)
	return uint32(uint16(p.rev))
}
func (hostSys) close(fd int) { syscall.Close(fd) }
