// Package sockettest is for tests only: it runs the same socket calls on the
// host's kernel and on this kernel's sockets and compares what they answer, line
// by line.
package sockettest

import (
	"gvisor.dev/gvisor/pkg/waiter"

	"skerry/kernel/abi"
	"skerry/kernel/net/socket"
	"skerry/kernel/usermem"
	"skerry/kernel/wait"
)

const pollAll = 0x1 | 0x2 | 0x4 | 0x40 | 0x100 | 0x2000

// sys is the socket calls, of the host's kernel or of this package. All sockets
// are non-blocking. Errors are errno.
type sys interface {
	socket(domain, typ, proto int) (int, abi.Errno)
	socketpair(domain, typ, proto int) (int, int, abi.Errno)
	bind(fd int, addr []byte) abi.Errno
	listen(fd, backlog int) abi.Errno
	accept(fd int, peer []byte) (int, int, abi.Errno)
	connect(fd int, addr []byte) abi.Errno
	shutdown(fd, how int) abi.Errno
	name(fd int, peer bool, b []byte) (int, abi.Errno)
	send(fd int, b []byte, flags int, addr, control []byte) (int, abi.Errno)
	recv(fd int, b []byte, flags int, addr, control []byte) (n, addrLen, controlLen, outFlags int, e abi.Errno)
	setopt(fd, level, name int, val []byte) abi.Errno
	getopt(fd, level, name int, val []byte) (int, abi.Errno)
	ioctl(fd int, cmd uint, arg []byte) abi.Errno
	poll(fd int) uint32
	close(fd int)
}

// skerrySys is this package behind the functions of net/socket.
type skerrySys struct {
	fds  []socket.Socket
	w    wait.Waiter
	make func(domain, typ, proto int) (socket.Socket, abi.Errno)
	pair func(domain, typ, proto int) (socket.Socket, socket.Socket, abi.Errno)
}

func (s *skerrySys) add(c socket.Socket) int {
	s.fds = append(s.fds, c)
	return len(s.fds) - 1
}
func (s *skerrySys) socket(domain, typ, proto int) (int, abi.Errno) {
	c, e := s.make(domain, typ, proto)
	if e != abi.OK {
		return -1, e
	}
	return s.add(c), abi.OK
}
func (s *skerrySys) socketpair(domain, typ, proto int) (int, int, abi.Errno) {
	a, b, e := s.pair(domain, typ, proto)
	if e != abi.OK {
		return -1, -1, e
	}
	return s.add(a), s.add(b), abi.OK
}
func (s *skerrySys) bind(fd int, a []byte) abi.Errno { return s.fds[fd].Bind(a) }
func (s *skerrySys) listen(fd, n int) abi.Errno      { return s.fds[fd].Listen(n) }
func (s *skerrySys) accept(fd int, peer []byte) (int, int, abi.Errno) {
	c, n, e := socket.Accept(s.fds[fd], &s.w, peer, true)
	if e != abi.OK {
		return -1, len(peer), e
	}
	return s.add(c), n, e
}
func (s *skerrySys) connect(fd int, a []byte) abi.Errno {
	return socket.Connect(s.fds[fd], &s.w, a, true)
}
func (s *skerrySys) shutdown(fd, how int) abi.Errno { return s.fds[fd].Shutdown(how) }
func (s *skerrySys) name(fd int, peer bool, b []byte) (int, abi.Errno) {
	if peer {
		return s.fds[fd].PeerAddr(b)
	}
	return s.fds[fd].LocalAddr(b)
}
func (s *skerrySys) send(fd int, b []byte, flags int, addr, control []byte) (int, abi.Errno) {
	var v usermem.Vec
	v.InitBytes(b)
	return socket.Transmit(s.fds[fd], &s.w, &v, &socket.SendMsg{Flags: flags, Addr: addr, Control: control}, true)
}
func (s *skerrySys) recv(fd int, b []byte, flags int, addr, control []byte) (int, int, int, int, abi.Errno) {
	var v usermem.Vec
	v.InitBytes(b)
	m := socket.RecvMsg{Flags: flags, Control: control}
	n, e := socket.Receive(s.fds[fd], &s.w, &v, &m, true)
	if e != abi.OK {
		return -1, len(addr), len(control), 0, e
	}
	if addr != nil {
		copy(addr, m.Addr[:m.AddrLen])
	}
	return n, m.AddrLen, m.Used, m.OutFlags, e
}
func (s *skerrySys) setopt(fd, level, name int, v []byte) abi.Errno {
	return s.fds[fd].SetOption(level, name, v)
}
func (s *skerrySys) getopt(fd, level, name int, v []byte) (int, abi.Errno) {
	return s.fds[fd].GetOption(level, name, v)
}
func (s *skerrySys) ioctl(fd int, cmd uint, arg []byte) abi.Errno {
	_, e := s.fds[fd].Ioctl(uint32(cmd), Address(arg))
	return e
}
func (s *skerrySys) poll(fd int) uint32 {
	return s.fds[fd].Readiness(waiter.EventMask(pollAll)).ToLinux()
}
func (s *skerrySys) close(fd int) {
	if s.fds[fd] != nil {
		s.fds[fd].Release()
		s.fds[fd] = nil
	}
}
