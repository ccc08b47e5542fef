package relay

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// handshakeTime is how long a handshake over the loopback may take, in
// milliseconds. It is done before connect(2) returns, unless packets were dropped.
const handshakeTime = 2

// dialOnce connects to an IPv4 address of the loopback. If the queue of the
// listener is full, the system drops the attempt and would try again after a
// second (tcp_conn_request in Linux); here that is errQueueFull at once.
func dialOnce(to netip.AddrPort) (*net.TCPConn, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	f := os.NewFile(uintptr(fd), "relay")
	defer f.Close()
	err = unix.Connect(fd, &unix.SockaddrInet4{Port: int(to.Port()), Addr: to.Addr().As4()})
	if err == unix.EINPROGRESS || err == unix.EINTR {
		err = established(fd)
	}
	if err != nil {
		return nil, err
	}
	c, err := net.FileConn(f)
	if err != nil {
		return nil, err
	}
	return c.(*net.TCPConn), nil
}

func established(fd int) error {
	p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}
	for {
		n, err := unix.Poll(p, handshakeTime)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return os.NewSyscallError("poll", err)
		}
		if n == 0 {
			return errQueueFull
		}
		break
	}
	e, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err == nil && e != 0 {
		err = unix.Errno(e)
	}
	if err != nil {
		return os.NewSyscallError("connect", err)
	}
	return nil
}

// Hold takes a free TCP port of 127.0.0.1 for a process that will listen on it
// with SO_REUSEADDR, as QEMU does. Until release is called nobody else is given
// the port, and that process may listen all the same, for ours does not
// (socket(7)).
func Hold() (at netip.AddrPort, release func(), err error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return at, nil, os.NewSyscallError("socket", err)
	}
	if err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err == nil {
		err = unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}})
	}
	var sa unix.Sockaddr
	if err == nil {
		sa, err = unix.Getsockname(fd)
	}
	in, ok := sa.(*unix.SockaddrInet4)
	if err != nil || !ok {
		unix.Close(fd)
		return at, nil, fmt.Errorf("a port of the loopback: %w", err)
	}
	return netip.AddrPortFrom(netip.AddrFrom4(in.Addr), uint16(in.Port)), func() { unix.Close(fd) }, nil
}

// reader reads into buffers that it takes when there is data.
type reader struct {
	raw   syscall.RawConn
	try   func(fd uintptr) bool // read once; allocated once
	b     *[bufferSize]byte
	n     int
	fault error
}

func newReader(c *net.TCPConn) (*reader, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return nil, err
	}
	r := &reader{raw: raw}
	r.try = func(fd uintptr) bool {
		b := buffers.Get().(*[bufferSize]byte)
		for {
			r.n, r.fault = unix.Read(int(fd), b[:])
			if r.fault != unix.EINTR {
				break
			}
		}
		if r.n > 0 {
			r.b = b
			return true
		}
		buffers.Put(b)
		return r.fault != unix.EAGAIN
	}
	return r, nil
}

// read waits for data. Without an error and with n = 0 it is the end; with n > 0
// the caller puts b back.
func (r *reader) read() (b *[bufferSize]byte, n int, err error) {
	if err := r.raw.Read(r.try); err != nil {
		return nil, 0, err
	}
	if r.n <= 0 {
		return nil, 0, r.fault
	}
	return r.b, r.n, nil
}

// unsent is how many bytes, and the end, the other side has not acknowledged
// (tcp(7), SIOCOUTQ).
func unsent(c *net.TCPConn) (n int, err error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return 0, err
	}
	e := raw.Control(func(fd uintptr) { n, err = unix.IoctlGetInt(int(fd), unix.SIOCOUTQ) })
	if e != nil {
		err = e
	}
	return n, err
}

// Limit raises the limit of descriptors of this process, and of the ones that it
// starts, as far as may be, and returns how many connections fit into it. QEMU
// needs one descriptor for each, and the relay two.
func Limit() int {
	var l unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &l) != nil {
		return 100
	}
	const enough = 2*MaxConnections + spare
	l.Cur = min(max(l.Cur, enough), l.Max)
	// Even where nothing is raised: the Go runtime has raised our own limit, and
	// children get the one from before unless it was set here (os/rlimit.go).
	if syscall.Setrlimit(unix.RLIMIT_NOFILE, &syscall.Rlimit{Cur: l.Cur, Max: l.Max}) != nil && unix.Getrlimit(unix.RLIMIT_NOFILE, &l) != nil {
		return 100
	}
	return int(min(MaxConnections, max(l.Cur, spare+20)/2-spare/2))
}

// spare is how many descriptors are not for connections.
const spare = 100
