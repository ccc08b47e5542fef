package sockettest

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"skerry/kernel/abi"
	"skerry/kernel/net/socket"
)

// Script runs calls on one system and writes down what they answer.
type Script struct {
	sys
	t     testing.TB
	log   []string
	ports map[uint16]string // ephemeral ports, by the order in which they appeared
	names map[int]string    // descriptors
	open  []int
}

func (x *Script) Note(format string, args ...any) {
	x.log = append(x.log, fmt.Sprintf(format, args...))
}

func (x *Script) fd(fd int) string {
	if n, ok := x.names[fd]; ok {
		return n
	}
	return fmt.Sprint(fd)
}

func (x *Script) addr(b []byte, n int) string {
	if n > len(b) || n < 2 {
		return fmt.Sprintf("len %d", n)
	}
	b = b[:n]
	switch f, _ := socket.Family(b); f {
	case abi.AF_INET:
		a, _ := socket.ParseInet(b)
		return fmt.Sprintf("%v:%s/%d", a.Addr, x.port(a.Port), n)
	case abi.AF_UNIX:
		if u, e := socket.ParseUnix(b[:min(n, socket.SizeUnix)]); e == abi.OK {
			return fmt.Sprintf("%q abstract %v/%d", u.Name, u.Abstract, n)
		}
	case abi.AF_INET6:
		a, _ := socket.ParseInet6(b)
		return fmt.Sprintf("[%v]:%s/%d", a.Addr, x.port(a.Port), n)
	}
	return fmt.Sprintf("% x", b)
}

func (x *Script) port(p uint16) string {
	if p == 0 || p == 9 {
		return fmt.Sprint(p)
	}
	if x.ports[p] == "" {
		x.ports[p] = fmt.Sprintf("P%d", len(x.ports))
	}
	return x.ports[p]
}

var pollNames = []struct {
	bit  uint32
	name string
}{{1, "IN"}, {2, "PRI"}, {4, "OUT"}, {8, "ERR"}, {16, "HUP"}, {0x40, "RDNORM"}, {0x100, "WRNORM"}, {0x2000, "RDHUP"}}

func (x *Script) NewSocket(name string, domain, typ int) int {
	fd, e := x.sys.socket(domain, typ, 0)
	x.names[fd] = name
	x.open = append(x.open, fd)
	x.Note("socket %s: %v", name, e)
	return fd
}
func (x *Script) Bind(fd int, a []byte) { x.Note("bind %s: %v", x.fd(fd), x.bind(fd, a)) }
func (x *Script) Listen(fd, n int)      { x.Note("listen %s %d: %v", x.fd(fd), n, x.listen(fd, n)) }
func (x *Script) Connect(fd int, a []byte) {
	x.Note("connect %s: %v", x.fd(fd), x.connect(fd, a))
}
func (x *Script) Accept(fd int, name string) int {
	var b [128]byte
	c, n, e := x.accept(fd, b[:])
	if e != abi.OK {
		x.Note("accept %s: %v", x.fd(fd), e)
		return -1
	}
	x.names[c] = name
	x.open = append(x.open, c)
	x.Note("accept %s -> %s from %s", x.fd(fd), name, x.addr(b[:], n))
	return c
}
func (x *Script) Shutdown(fd, how int) {
	x.Note("shutdown %s %d: %v", x.fd(fd), how, x.shutdown(fd, how))
}
func (x *Script) Name(fd int) []byte {
	b := make([]byte, 128)
	n, e := x.name(fd, false, b)
	if e != abi.OK {
		x.Note("getsockname %s: %v", x.fd(fd), e)
		return nil
	}
	x.Note("getsockname %s: %s", x.fd(fd), x.addr(b, n))
	return b[:n]
}
func (x *Script) Peer(fd int) {
	var b [128]byte
	if n, e := x.name(fd, true, b[:]); e != abi.OK {
		x.Note("getpeername %s: %v", x.fd(fd), e)
	} else {
		x.Note("getpeername %s: %s", x.fd(fd), x.addr(b[:], n))
	}
}
func (x *Script) Send(fd int, s string, flags int, to []byte) {
	n, e := x.send(fd, []byte(s), flags, to, nil)
	if e != abi.OK {
		n = -1
	}
	x.Note("send %s %q %#x: %d %v", x.fd(fd), s, flags, n, e)
}
func (x *Script) Recv(fd, room, flags int) {
	b := make([]byte, room)
	var a [128]byte
	n, alen, _, out, e := x.recv(fd, b, flags, a[:], nil)
	if e != abi.OK {
		x.Note("recv %s %d %#x: %v", x.fd(fd), room, flags, e)
		return
	}
	from := ""
	if alen > 0 {
		from = " from " + x.addr(a[:], alen)
	}
	x.Note("recv %s %d %#x: %d %q flags %#x%s", x.fd(fd), room, flags, n, b[:min(n, room)], out, from)
}
func (x *Script) Poll(fds ...int) {
	for _, fd := range fds {
		r := x.poll(fd)
		var s []string
		for _, p := range pollNames {
			if r&p.bit != 0 {
				s = append(s, p.name)
			}
		}
		x.Note("poll %s: %s", x.fd(fd), strings.Join(s, " "))
	}
}
func (x *Script) Set(fd, level, name int, val []byte) {
	x.Note("setsockopt %s %d %d % x: %v", x.fd(fd), level, name, val, x.setopt(fd, level, name, val))
}
func (x *Script) Get(fd, level, name, room int) {
	b := make([]byte, room)
	n, e := x.getopt(fd, level, name, b)
	if e != abi.OK {
		x.Note("getsockopt %s %d %d: %v", x.fd(fd), level, name, e)
		return
	}
	x.Note("getsockopt %s %d %d: % x", x.fd(fd), level, name, b[:min(max(n, 0), room)])
}
func (x *Script) Error(fd int) {
	var b [4]byte
	x.getopt(fd, abi.SOL_SOCKET, abi.SO_ERROR, b[:])
	x.Note("SO_ERROR %s: %v", x.fd(fd), abi.Errno(binary.LittleEndian.Uint32(b[:])))
}
func (x *Script) Ioctl(fd int, cmd uint) {
	b := I32(-77)
	e := x.ioctl(fd, cmd, b)
	x.Note("ioctl %s %#x: %d %v", x.fd(fd), cmd, int32(binary.LittleEndian.Uint32(b)), e)
}

// IoctlBytes is an ioctl with a structure, which is written down as it comes
// back.
func (x *Script) IoctlBytes(fd int, cmd uint, b []byte) {
	e := x.ioctl(fd, cmd, b)
	x.Note("ioctl %s %#x: % x %v", x.fd(fd), cmd, b, e)
}
func (x *Script) Close(fd int) {
	x.Note("close %s", x.fd(fd))
	x.close(fd)
	for i, o := range x.open {
		if o == fd {
			x.open = append(x.open[:i], x.open[i+1:]...)
			break
		}
	}
}

// Settle waits until a descriptor reports all of a poll mask.
func (x *Script) Settle(fd int, mask uint32) {
	for i := 0; i < 400; i++ {
		if x.poll(fd)&mask == mask {
			time.Sleep(2 * time.Millisecond)
			return
		}
		time.Sleep(time.Millisecond)
	}
	x.Note("settle %s %#x: never", x.fd(fd), mask)
}

// Raw calls, for what the wrappers do not show.

// TrySocket makes a socket and answers the error; it is closed at once.
func (x *Script) TrySocket(domain, typ, proto int) abi.Errno {
	fd, e := x.sys.socket(domain, typ, proto)
	if e == abi.OK {
		x.close(fd)
	}
	return e
}

// RecvMsg is recvmsg(2) as it is.
func (x *Script) RecvMsg(fd int, b []byte, flags int, addr, control []byte) (n, addrLen, controlLen, outFlags int, e abi.Errno) {
	return x.recv(fd, b, flags, addr, control)
}

// SendMsg is sendmsg(2) as it is.
func (x *Script) SendMsg(fd int, b []byte, flags int, addr, control []byte) (int, abi.Errno) {
	return x.send(fd, b, flags, addr, control)
}

// GetOption is getsockopt(2) as it is.
func (x *Script) GetOption(fd, level, name int, val []byte) (int, abi.Errno) {
	return x.getopt(fd, level, name, val)
}

// Addr names an address as the log does.
func (x *Script) Addr(b []byte, n int) string { return x.addr(b, n) }

// SocketPair is socketpair(2).
func (x *Script) SocketPair(a, b string, domain, typ int) (int, int) {
	c, d, e := x.socketpair(domain, typ, 0)
	x.names[c], x.names[d] = a, b
	x.open = append(x.open, c, d)
	x.Note("socketpair %s %s: %v", a, b, e)
	return c, d
}

// Pairs makes socketpair(2) work in Alone and Diff.
type Pairs func(domain, typ, proto int) (socket.Socket, socket.Socket, abi.Errno)

// Diff runs a script on both systems and compares. mk makes this kernel's
// sockets.
func Diff(t *testing.T, f func(*Script), mk func(domain, typ, proto int) (socket.Socket, abi.Errno), pair ...Pairs) {
	t.Helper()
	logs := [2][]string{}
	ours := &skerrySys{make: mk}
	if len(pair) > 0 {
		ours.pair = pair[0]
	}
	for i, s := range []sys{hostSys{}, ours} {
		x := newScript(s, t)
		f(x)
		for _, fd := range x.open {
			x.close(fd)
		}
		logs[i] = x.log
	}
	for i := 0; i < max(len(logs[0]), len(logs[1])); i++ {
		var a, b string
		if i < len(logs[0]) {
			a = logs[0][i]
		}
		if i < len(logs[1]) {
			b = logs[1][i]
		}
		if a != b {
			t.Errorf("step %d:\n  Linux  %s\n  Skerry %s", i, a, b)
		}
	}
	if t.Failed() && testing.Verbose() {
		t.Log(strings.Join(logs[0], "\n"))
	}
}

// Alone is a script for this kernel's sockets only.
func Alone(t testing.TB, mk func(domain, typ, proto int) (socket.Socket, abi.Errno)) *Script {
	return newScript(&skerrySys{make: mk}, t)
}

func newScript(s sys, t testing.TB) *Script {
	return &Script{sys: s, t: t, ports: map[uint16]string{}, names: map[int]string{}}
}

// In4 is a struct sockaddr_in.
func In4(ip string, port uint16) []byte {
	b := make([]byte, 16)
	socket.PutInet(b, netip.MustParseAddr(ip), port)
	return b
}

// In6 is a struct sockaddr_in6.
func In6(ip string, port uint16) []byte {
	b := make([]byte, 28)
	socket.PutInet6(b, netip.MustParseAddr(ip), port, 0)
	return b
}

// I32 is an int in memory.
func I32(v int) []byte { return binary.LittleEndian.AppendUint32(nil, uint32(v)) }

// Listener makes a listening socket on loopback and returns it with its
// address.
func (x *Script) Listener(domain int) (int, []byte) {
	l := x.NewSocket("l", domain, abi.SOCK_STREAM)
	if domain == abi.AF_INET {
		x.Bind(l, In4("127.0.0.1", 0))
	} else {
		x.Bind(l, In6("::1", 0))
	}
	x.Listen(l, 5)
	return l, x.Name(l)
}

// Pair makes a connection: client, server, listener.
func (x *Script) Pair() (c, s, l int) {
	l, a := x.Listener(abi.AF_INET)
	c = x.NewSocket("c", abi.AF_INET, abi.SOCK_STREAM)
	x.Connect(c, a)
	x.Settle(c, 4)
	x.Settle(l, 1)
	x.Connect(c, a)
	s = x.Accept(l, "s")
	return c, s, l
}

// Refused is a loopback address where nobody listens.
func (x *Script) Refused(typ int) []byte {
	t := x.NewSocket("t", abi.AF_INET, typ)
	x.Bind(t, In4("127.0.0.1", 0))
	a := x.Name(t)
	x.Close(t)
	return a
}
