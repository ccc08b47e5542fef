// Package inet is the sockets of the families AF_INET and AF_INET6: TCP and UDP
// over gVisor's endpoints, with the behaviour that Linux programs know.
//
// An endpoint moves bytes and speaks the protocol; what is Linux's and not the
// protocol's is here: errno for every state, what poll reports, options and
// their inheritance, ioctls, control messages, error queues, the accounting of
// memory. A TCP socket can outlive an endpoint: after a failed connection
// attempt or a disconnect it continues with a fresh one.
//
// Locks. base.mu guards a socket's configuration and the exchange of endpoints;
// it is held across calls into an endpoint that do not copy from or to user
// memory. The hot paths, Send, Recv and Readiness, do not take it. Registry.mu
// guards the lists of sockets and is a leaf.
//
// Imports: abi, usermem, vfs, wait, the net packages stack, egress, socket, and
// gVisor's tcpip.
package inet

import (
	"net/netip"
	"sync"
	"sync/atomic"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/waiter"

	"skerry/kernel/abi"
	"skerry/kernel/net/socket"
	"skerry/kernel/net/stack"
	"skerry/kernel/vfs"
)

// Bits of base.shut.
const (
	shutRD = 1
	shutWR = 2
)

// Memory in bytes that a socket is charged for as such, buffers apart.
const (
	streamCost   = 9 << 10
	datagramCost = 4 << 10
)

// endpoint is one endpoint of the IP stack with its queue, and the entry by which
// the socket hears of its events.
type endpoint struct {
	tcpip.Endpoint
	tcp   *tcp.Endpoint // nil for UDP
	local localCaller   // tcp, if it is the kernel's copy of gVisor
	queue *waiter.Queue
	entry waiter.Entry
	grown atomic.Bool // see Stream.grow
}

// localCaller is what the kernel's copy of gVisor adds to TCP endpoints
// (cmd/trimgvisor): what a call sends by loopback has arrived when LeaveCall returns.
type localCaller interface {
	Local() bool
	EnterCall()
	LeaveCall()
}

// enter begins a call that may send to a socket of this machine; leave ends it, with
// no lock held.
func (ep *endpoint) enter() {
	if ep.local != nil {
		ep.local.EnterCall()
	}
}

// enterLocal is enter for the calls that are made most, and leaves out what has no peer
// in this machine; leave belongs to it if it reports true.
func (ep *endpoint) enterLocal() bool {
	if ep.local == nil || !ep.local.Local() {
		return false
	}
	ep.local.EnterCall()
	return true
}

func (ep *endpoint) leave() {
	if ep.local != nil {
		ep.local.LeaveCall()
	}
}

// newTCP is an endpoint of TCP with its queue.
func newTCP(ep tcpip.Endpoint, q *waiter.Queue) *endpoint {
	e := &endpoint{Endpoint: ep, tcp: ep.(*tcp.Endpoint), queue: q}
	e.local, _ = ep.(localCaller)
	return e
}

// base is what TCP and UDP sockets share.
type base struct {
	vfs.BaseFile
	host   *Host
	domain int // AF_INET or AF_INET6
	id     uint64

	// queue is who waits for the socket: not the endpoint's own queue, so that it
	// outlives the endpoint and events can be widened to what poll promises.
	queue waiter.Queue
	ep    atomic.Pointer[endpoint]

	err  atomic.Int32 // pending error (SO_ERROR), an abi.Errno
	shut atomic.Uint32
	socket.TimeLimits
	lowat    atomic.Int32
	stamp    atomic.Uint32 // 0 or the SO_TIMESTAMP… that was asked for
	sndSized atomic.Bool   // SO_SNDBUF was set
	pktInfo4 atomic.Bool   // IP_PKTINFO, which the endpoint has for IPV6_RECVPKTINFO as well

	mu      sync.Mutex
	record  []setting // options that were set, for a fresh endpoint
	bound   *socket.Inet
	noPort  bool // IP_BIND_ADDRESS_NO_PORT
	options settings
}

// settings are options that live in the socket and not in the endpoint; guarded
// by base.mu.
type settings struct {
	oobInline   bool
	priority    int32
	device      tcpip.NICID // SO_BINDTODEVICE
	deferAccept int         // TCP_DEFER_ACCEPT, in retransmissions
	groups4     int         // memberships of multicast groups
	groups6     int
}

// setting is one successful setsockopt.
type setting struct {
	level, name int
	val         []byte
}

func (b *base) init(h *Host, domain int) {
	b.host, b.domain, b.id = h, domain, socket.NextID()
	b.lowat.Store(1)
}

func (b *base) proto() tcpip.NetworkProtocolNumber {
	if b.domain == abi.AF_INET6 {
		return header.IPv6ProtocolNumber
	}
	return header.IPv4ProtocolNumber
}

// attach makes ep the socket's endpoint. listener is the socket itself, as the
// listener of the endpoint's events.
func (b *base) attach(ep *endpoint, listener waiter.EventListener) {
	ep.entry.Init(listener, waiter.AllEvents|waiter.EventInternal)
	ep.queue.EventRegister(&ep.entry)
	b.ep.Store(ep)
}

// detach takes an endpoint off the socket's events.
func (b *base) detach(ep *endpoint) { ep.queue.EventUnregister(&ep.entry) }

// NotifyEvent implements waiter.EventListener: the endpoint has news. The IP
// stack announces the end of the input as input; who waits only for a hang-up
// must hear of it too.
func (b *base) NotifyEvent(m waiter.EventMask) {
	if m&waiter.ReadableEvents != 0 {
		m |= waiter.EventRdHUp | waiter.ReadableEvents
	}
	if m&waiter.WritableEvents != 0 {
		m |= waiter.WritableEvents
	}
	b.queue.Notify(m)
}

// EventRegister implements waiter.Waitable.
func (b *base) EventRegister(e *waiter.Entry) error {
	b.queue.EventRegister(e)
	return nil
}

// EventUnregister implements waiter.Waitable.
func (b *base) EventUnregister(e *waiter.Entry) { b.queue.EventUnregister(e) }

// Stat implements vfs.File.
func (b *base) Stat(st *abi.Stat) abi.Errno { return socket.Stat(st, b.id) }

// Name implements vfs.Namer.
func (b *base) Name() string { return socket.Name(b.id) }

// Limits implements socket.Socket.
func (b *base) Limits() (recv, send int64, low int) {
	recv, send = b.Timeouts()
	return recv, send, int(b.lowat.Load())
}

// KeepError keeps an error for whoever asks next.
func (b *base) KeepError(e abi.Errno) { b.err.Store(int32(e)) }

// takeErr takes the pending error.
func (b *base) takeErr() abi.Errno {
	if b.err.Load() == 0 {
		return abi.OK
	}
	return abi.Errno(b.err.Swap(0))
}

// parse reads an address for this socket. IPv4 sockets take only AF_INET;
// IPv6 ones take AF_INET6, and AF_INET too if mixed is set (datagrams).
func (b *base) parse(addr []byte, mixed bool) (socket.Inet, abi.Errno) {
	f, e := socket.Family(addr)
	if e != abi.OK {
		return socket.Inet{}, e
	}
	switch {
	case b.domain == abi.AF_INET:
		if len(addr) < socket.SizeInet {
			return socket.Inet{}, abi.EINVAL
		}
		if f != abi.AF_INET {
			return socket.Inet{}, abi.EAFNOSUPPORT
		}
		return socket.ParseInet(addr)
	case mixed && f == abi.AF_INET:
		a, e := socket.ParseInet(addr)
		if b.ep.Load().SocketOptions().GetV6Only() {
			return a, abi.ENETUNREACH
		}
		a.Addr = netip.AddrFrom16(a.Addr.As16())
		return a, e
	case len(addr) < socket.MinInet6:
		return socket.Inet{}, abi.EINVAL
	case f != abi.AF_INET6:
		return socket.Inet{}, abi.EAFNOSUPPORT
	}
	a, e := socket.ParseInet6(addr)
	if e == abi.OK && a.Addr.IsLinkLocalUnicast() && a.Scope == 0 && b.options.device == 0 {
		return a, abi.EINVAL // which link?
	}
	return a, e
}

// full is an address in the IP stack's form. An unspecified address is no
// address there.
func full(a socket.Inet) tcpip.FullAddress {
	f := tcpip.FullAddress{Port: a.Port}
	if !a.Addr.IsUnspecified() {
		f.Addr = stack.Address(a.Addr)
	}
	if a.Addr.Is6() && (a.Addr.IsLinkLocalUnicast() || a.Addr.IsLinkLocalMulticast()) {
		f.NIC = tcpip.NICID(a.Scope)
	}
	return f
}

// target is full for a destination. An unspecified one stays: the IP stack takes
// it for the socket's own address or loopback, as Linux does.
func target(a socket.Inet) tcpip.FullAddress {
	f := full(a)
	f.Addr = stack.Address(a.Addr)
	return f
}

// put writes an address of the IP stack in the socket's family.
func (b *base) put(buf []byte, a tcpip.FullAddress) int {
	addr, _ := netip.AddrFromSlice(a.Addr.AsSlice())
	if b.domain == abi.AF_INET {
		return socket.PutInet(buf, addr, a.Port)
	}
	return socket.PutInet6(buf, addr, a.Port, uint32(a.NIC))
}

// longestSetting is the bytes of an option's value that are remembered; the
// longest that a TCP socket takes, TCP_CONGESTION's, has 16.
const longestSetting = 32

// remember records an option that was set, for a later endpoint.
func (b *base) remember(level, name int, val []byte) {
	val = val[:min(len(val), longestSetting)]
	for i := range b.record {
		if b.record[i].level == level && b.record[i].name == name {
			b.record[i].val = append([]byte(nil), val...)
			return
		}
	}
	b.record = append(b.record, setting{level, name, append([]byte(nil), val...)})
}
