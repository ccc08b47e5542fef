// Package netlink is the sockets of the family AF_NETLINK, of which only
// NETLINK_ROUTE exists and only for reading (netlink(7), rtnetlink(7)): links,
// addresses, routes and neighbours can be listed, and their changes subscribed
// to; requests to change something answer EPERM.
//
// An answer is made whole when the request is sent, and waits in the socket's
// queue. Lock: Socket.mu, a leaf; Family.mu before it. It imports abi, usermem,
// vfs (File), the net packages budget, socket and stack, and gVisor's stack.
package netlink

import (
	"encoding/binary"
	"sync"

	"gvisor.dev/gvisor/pkg/waiter"

	"skerry/kernel/abi"
	"skerry/kernel/net/socket"
	"skerry/kernel/net/stack"
	"skerry/kernel/usermem"
	"skerry/kernel/vfs"
)

const (
	socketCost = 1024
	// defaultBuf is the default size in bytes of what may wait in a socket and of a
	// request (SO_RCVBUF, SO_SNDBUF), minBuf the least.
	defaultBuf = 212992
	minBuf     = 4608
)

// Family makes netlink sockets. Make it with New.
type Family struct {
	// Refused, which may be nil, hears of requests to change something, with their type.
	// Set before the first one.
	Refused func(typ uint16)

	st *stack.Stack

	mu    sync.Mutex
	ports map[uint32]*Socket
	next  uint32
}

// New makes the family over an IP stack and hears of its changes.
func New(st *stack.Stack) *Family {
	f := &Family{st: st, ports: make(map[uint32]*Socket)}
	st.SetWatch(f.changed)
	return f
}

// Socket makes a socket: EPROTONOSUPPORT for a protocol other than
// NETLINK_ROUTE, ESOCKTNOSUPPORT for a type other than SOCK_RAW and SOCK_DGRAM.
func (f *Family) Socket(typ, proto int) (*Socket, abi.Errno) {
	if typ != abi.SOCK_RAW && typ != abi.SOCK_DGRAM {
		return nil, abi.ESOCKTNOSUPPORT
	}
	if proto != abi.NETLINK_ROUTE {
		return nil, abi.EPROTONOSUPPORT
	}
	if !f.st.Budget.ChargeSocket(socketCost) {
		return nil, abi.ENOBUFS
	}
	return &Socket{f: f, typ: typ, id: socket.NextID(), sndbuf: defaultBuf, rcvbuf: defaultBuf}, abi.OK
}

// Socket is a netlink socket.
type Socket struct {
	vfs.BaseFile
	f     *Family
	typ   int
	id    uint64
	queue waiter.Queue

	socket.TimeLimits

	mu     sync.Mutex
	port   uint32 // 0: none yet
	groups uint32
	in     [][]byte
	bytes  int
	err    abi.Errno
	short  bool // NETLINK_CAP_ACK
	sndbuf int
	rcvbuf int
}

// Type implements socket.Socket.
func (s *Socket) Type() int { return s.typ }

// EventRegister implements waiter.Waitable.
func (s *Socket) EventRegister(e *waiter.Entry) error {
	s.queue.EventRegister(e)
	return nil
}

// EventUnregister implements waiter.Waitable.
func (s *Socket) EventUnregister(e *waiter.Entry) { s.queue.EventUnregister(e) }

// Readiness implements waiter.Waitable: IN if a message waits, OUT always.
func (s *Socket) Readiness(mask waiter.EventMask) waiter.EventMask {
	m := waiter.WritableEvents
	s.mu.Lock()
	if len(s.in) > 0 {
		m |= waiter.ReadableEvents
	}
	if s.err != abi.OK {
		m |= waiter.EventErr
	}
	s.mu.Unlock()
	return m & (mask | waiter.EventErr)
}

// Stat implements vfs.File.
func (s *Socket) Stat(st *abi.Stat) abi.Errno { return socket.Stat(st, s.id) }

// Name implements vfs.Namer.
func (s *Socket) Name() string { return socket.Name(s.id) }

// Limits implements socket.Socket.
func (s *Socket) Limits() (recv, send int64, low int) {
	recv, send = s.Timeouts()
	return recv, send, 1
}

// Bind implements socket.Socket: the port that is asked for, or with 0 any,
// and the groups to hear of.
func (s *Socket) Bind(addr []byte) abi.Errno {
	f, e := socket.Family(addr)
	if e != abi.OK {
		return e
	}
	port, groups, e := socket.ParseNetlink(addr)
	if e != abi.OK || f != abi.AF_NETLINK {
		return abi.EINVAL
	}
	s.mu.Lock()
	again := s.port != 0 && port != s.port // only its groups can change
	s.mu.Unlock()
	if again {
		return abi.EINVAL
	}
	if e := s.bind(port); e != abi.OK {
		return e
	}
	s.mu.Lock()
	s.groups = groups
	s.mu.Unlock()
	return abi.OK
}

// bind gives the socket a port: 1, which is the process, if it is free and none
// is asked for.
func (s *Socket) bind(port uint32) abi.Errno {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.port != 0 {
		return abi.OK
	}
	if port == 0 {
		port = 1
		for s.f.ports[port] != nil {
			s.f.next--
			port = s.f.next | 1<<31 // Linux takes negative numbers
		}
	} else if s.f.ports[port] != nil {
		return abi.EADDRINUSE
	}
	s.port = port
	s.f.ports[port] = s
	return abi.OK
}

// Connect implements socket.Socket: the kernel is the only peer.
func (s *Socket) Connect(addr []byte) abi.Errno {
	f, e := socket.Family(addr)
	if e != abi.OK {
		return e
	}
	if f == abi.AF_UNSPEC {
		return abi.OK
	}
	port, groups, e := socket.ParseNetlink(addr)
	switch {
	case e != abi.OK || f != abi.AF_NETLINK:
		return abi.EINVAL
	case port != 0 || groups != 0:
		return abi.EPERM
	}
	return s.bind(0)
}

// ConnectResult implements socket.Socket.
func (*Socket) ConnectResult() abi.Errno { return abi.OK }

// Listen implements socket.Socket.
func (*Socket) Listen(int) abi.Errno { return abi.EOPNOTSUPP }

// Accept implements socket.Socket.
func (*Socket) Accept([]byte) (socket.Socket, int, abi.Errno) { return nil, 0, abi.EOPNOTSUPP }

// Shutdown implements socket.Socket.
func (*Socket) Shutdown(int) abi.Errno { return abi.EOPNOTSUPP }

// LocalAddr implements socket.Socket.
func (s *Socket) LocalAddr(b []byte) (int, abi.Errno) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return socket.PutNetlink(b, s.port, s.groups), abi.OK
}

// PeerAddr implements socket.Socket: the kernel.
func (*Socket) PeerAddr(b []byte) (int, abi.Errno) { return socket.PutNetlink(b, 0, 0), abi.OK }

// Read implements vfs.File.
func (s *Socket) Read(v *usermem.Vec, _ int64) (int, abi.Errno) {
	return s.Recv(v, &socket.RecvMsg{})
}

// Write implements vfs.File.
func (s *Socket) Write(v *usermem.Vec, _ int64) (int, abi.Errno) {
	return s.Send(v, &socket.SendMsg{})
}

// Recv implements socket.Socket.
func (s *Socket) Recv(v *usermem.Vec, m *socket.RecvMsg) (int, abi.Errno) {
	if m.Flags&abi.MSG_OOB != 0 {
		return 0, abi.EOPNOTSUPP
	}
	s.mu.Lock()
	if e := s.err; e != abi.OK {
		s.err = abi.OK
		s.mu.Unlock()
		return 0, e
	}
	if len(s.in) == 0 {
		s.mu.Unlock()
		return 0, abi.EAGAIN
	}
	b := s.in[0]
	if m.Flags&abi.MSG_PEEK == 0 {
		s.in[0] = nil
		s.in = s.in[1:]
		s.bytes -= len(b)
		defer s.f.st.Budget.Release(len(b))
	}
	s.mu.Unlock()
	n, e := v.CopyOut(b)
	if e != abi.OK {
		return 0, e
	}
	m.AddrLen = socket.PutNetlink(m.Addr[:], 0, 0)
	if n < len(b) {
		m.OutFlags |= abi.MSG_TRUNC
		if m.Flags&abi.MSG_TRUNC != 0 {
			n = len(b)
		}
	}
	return n, abi.OK
}

// maxRequest is the largest request in bytes; real ones take some dozens.
const maxRequest = 32 << 10

// Send implements socket.Socket: requests to the kernel, which are answered at
// once.
func (s *Socket) Send(v *usermem.Vec, m *socket.SendMsg) (int, abi.Errno) {
	if m.Flags&abi.MSG_OOB != 0 {
		return 0, abi.EOPNOTSUPP
	}
	if m.Addr != nil {
		f, e := socket.Family(m.Addr)
		if e != abi.OK || f != abi.AF_NETLINK {
			return 0, abi.EINVAL
		}
		port, groups, e := socket.ParseNetlink(m.Addr)
		if e != abi.OK {
			return 0, e
		}
		if groups != 0 {
			return 0, abi.EPERM
		}
		if port != 0 {
			return 0, abi.ECONNREFUSED
		}
	}
	s.mu.Lock()
	most := min(s.sndbuf-32, maxRequest)
	s.mu.Unlock()
	if v.Len() > most {
		return 0, abi.EMSGSIZE
	}
	b := make([]byte, v.Len())
	n, e := v.CopyIn(b)
	if e != abi.OK {
		return 0, e
	}
	if e := s.bind(0); e != abi.OK {
		return 0, e
	}
	s.mu.Lock()
	full, port, short := s.bytes >= s.rcvbuf, s.port, s.short
	s.mu.Unlock()
	if full {
		return 0, abi.ENOBUFS
	}
	// Messages follow each other, aligned; one that does not fit ends it, as on
	// Linux (netlink_rcv_skb).
	for rest := b; len(rest) >= hdrSize; {
		size := binary.LittleEndian.Uint32(rest)
		if size < hdrSize || size > uint32(len(rest)) {
			break
		}
		r := &reply{seq: binary.LittleEndian.Uint32(rest[8:]), port: port}
		s.f.answer(r, rest[:size], short)
		r.flush()
		for _, d := range r.out {
			s.queueUp(d)
		}
		rest = rest[min(align(int(size)), len(rest)):]
	}
	return n, abi.OK
}

// queueUp puts a datagram into the queue; without memory the reader is told
// that one is missing.
func (s *Socket) queueUp(b []byte) {
	ok := s.f.st.Budget.Charge(len(b))
	s.mu.Lock()
	switch {
	case !ok:
		s.err = abi.ENOBUFS
	case s.bytes >= s.rcvbuf:
		s.err = abi.ENOBUFS
		s.f.st.Budget.Release(len(b))
	default:
		s.in = append(s.in, b)
		s.bytes += len(b)
	}
	s.mu.Unlock()
	s.queue.Notify(waiter.ReadableEvents | waiter.EventErr)
}

// Release implements vfs.File.
func (s *Socket) Release() {
	s.f.mu.Lock()
	if s.f.ports[s.port] == s {
		delete(s.f.ports, s.port)
	}
	s.f.mu.Unlock()
	s.mu.Lock()
	n := s.bytes
	s.in, s.bytes = nil, 0
	s.mu.Unlock()
	s.f.st.Budget.Release(n)
	s.f.st.Budget.ReleaseSocket(socketCost)
}
