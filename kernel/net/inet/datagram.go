package inet

import (
	"bytes"
	"net/netip"
	"sync"
	"sync/atomic"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	gstack "gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
	"gvisor.dev/gvisor/pkg/waiter"

	"skerry/kernel/abi"
	"skerry/kernel/net/egress"
	"skerry/kernel/net/socket"
	"skerry/kernel/net/stack"
	"skerry/kernel/usermem"
)

const protoIPv4 = header.IPv4ProtocolNumber

// maxUDP is the largest payload of a UDP datagram over IPv4: 65535 without the
// two headers.
const maxUDP = 65507

// Datagram is a UDP socket.
type Datagram struct {
	base
	connected bool          // under base.mu
	taken     atomic.Uint64 // datagrams read

	corkMu  sync.Mutex
	cork    []byte // a datagram that MSG_MORE or UDP_CORK is collecting
	corked  bool   // there is one, perhaps empty
	corkTo  *tcpip.FullAddress
	corkOpt atomic.Bool  // UDP_CORK
	segment atomic.Int32 // UDP_SEGMENT
}

// newDatagram makes a UDP socket.
func (h *Host) newDatagram(domain int) (*Datagram, abi.Errno) {
	if !h.reg.charge(datagramCost) {
		return nil, abi.ENOBUFS
	}
	d := &Datagram{}
	d.init(h, domain)
	q := &waiter.Queue{}
	ep, err := h.st.IP.NewEndpoint(udp.ProtocolNumber, d.proto(), q)
	if err != nil {
		h.reg.release(datagramCost)
		return nil, errnoOf(err)
	}
	d.attach(&endpoint{Endpoint: ep, queue: q}, d)
	h.reg.mu.Lock()
	h.reg.grams[ep.(gstack.TransportEndpoint)] = d
	h.reg.mu.Unlock()
	return d, abi.OK
}

// Type implements socket.Socket.
func (*Datagram) Type() int { return abi.SOCK_DGRAM }

// Bind implements socket.Socket.
func (d *Datagram) Bind(addr []byte) abi.Errno {
	d.mu.Lock()
	defer d.mu.Unlock()
	a, e := d.parseBind(addr)
	if e != abi.OK {
		return e
	}
	return bindErrno(d.ep.Load().Bind(full(a)))
}

// Listen implements socket.Socket.
func (*Datagram) Listen(int) abi.Errno { return abi.EOPNOTSUPP }

// Accept implements socket.Socket.
func (*Datagram) Accept([]byte) (socket.Socket, int, abi.Errno) { return nil, 0, abi.EOPNOTSUPP }

// Connect implements socket.Socket: it sets the peer, or with AF_UNSPEC none.
func (d *Datagram) Connect(addr []byte) abi.Errno {
	f, e := socket.Family(addr)
	if e != abi.OK {
		return e
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	ep := d.ep.Load()
	if f == abi.AF_UNSPEC {
		d.connected = false
		return errnoOf(ep.Disconnect())
	}
	a, e := d.parse(addr, true)
	if e != abi.OK {
		return e
	}
	to := target(a)
	if !d.host.st.MaySend(egress.UDP, ep, to) {
		return abi.EACCES
	}
	if d.broadcast(to) && !ep.SocketOptions().GetBroadcast() {
		return abi.EACCES
	}
	if err := ep.Connect(to); err != nil {
		if _, ok := err.(*tcpip.ErrHostUnreachable); ok && a.Addr.Is4In6() {
			return abi.ENETUNREACH // IPv6 only
		}
		return errnoOf(err)
	}
	d.connected = true
	return abi.OK
}

// broadcast reports whether an address is one that a link sends to everybody on it.
func (d *Datagram) broadcast(a tcpip.FullAddress) bool {
	v := addrOf(a.Addr).Unmap()
	if !v.Is4() {
		return false
	}
	r, err := d.host.st.IP.FindRoute(a.NIC, tcpip.Address{}, stack.Address(v), protoIPv4, false)
	if err != nil {
		return false
	}
	defer r.Release()
	return r.IsOutboundBroadcast()
}

// ConnectResult implements socket.Socket.
func (d *Datagram) ConnectResult() abi.Errno { return abi.OK }

// Shutdown implements socket.Socket. An unconnected socket is shut down as well,
// but the answer is ENOTCONN (inet_shutdown of Linux).
func (d *Datagram) Shutdown(how int) abi.Errno {
	if how < 0 || how > abi.SHUT_RDWR {
		return abi.EINVAL
	}
	bits := uint32(how + 1)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.shut.Store(d.shut.Load() | bits)
	d.queue.Notify(waiter.EventRdHUp | waiter.EventHUp | waiter.ReadableEvents | waiter.WritableEvents)
	if !d.connected {
		return abi.ENOTCONN
	}
	return abi.OK
}

// LocalAddr implements socket.Socket.
func (d *Datagram) LocalAddr(b []byte) (int, abi.Errno) {
	a, err := d.ep.Load().GetLocalAddress()
	if err != nil {
		return 0, errnoOf(err)
	}
	return d.put(b, a), abi.OK
}

// PeerAddr implements socket.Socket.
func (d *Datagram) PeerAddr(b []byte) (int, abi.Errno) {
	a, err := d.ep.Load().GetRemoteAddress()
	if err != nil {
		return 0, errnoOf(err)
	}
	return d.put(b, a), abi.OK
}

// Readiness implements waiter.Waitable, by what udp_poll of Linux reports:
//
//	a datagram waits                  IN
//	room in the send buffer           OUT
//	error pending or in its queue     ERR
//	SHUT_RD                           IN RDHUP
//	SHUT_RDWR                         + HUP
func (d *Datagram) Readiness(mask waiter.EventMask) waiter.EventMask {
	ep := d.ep.Load()
	m := ep.Readiness(waiter.ReadableEvents | waiter.WritableEvents | waiter.EventErr)
	shut := d.shut.Load()
	if shut&shutRD != 0 {
		m |= waiter.ReadableEvents | waiter.EventRdHUp
	}
	if shut == shutRD|shutWR {
		m |= waiter.EventHUp
	}
	if d.err.Load() != 0 || ep.SocketOptions().PeekErr() != nil {
		m |= waiter.EventErr
	}
	return m & (mask | waiter.EventErr | waiter.EventHUp)
}

// Read implements vfs.File. Once shut for reading and empty it answers the end,
// not EAGAIN: a file is ready for reading then, and does not know whether its
// reader blocks. Linux, which knows, says EAGAIN to a reader that does not; so
// does Recv.
func (d *Datagram) Read(v *usermem.Vec, _ int64) (int, abi.Errno) {
	if v.Len() == 0 {
		return 0, abi.OK
	}
	n, _, e := d.recv(v, tcpip.ReadOptions{})
	if e == abi.EAGAIN && d.shut.Load()&shutRD != 0 {
		return 0, abi.OK
	}
	return n, e
}

// Recv implements socket.Socket.
func (d *Datagram) Recv(v *usermem.Vec, m *socket.RecvMsg) (int, abi.Errno) {
	if m.Flags&abi.MSG_ERRQUEUE != 0 {
		return d.recvError(v, m)
	}
	if m.Flags&abi.MSG_OOB != 0 {
		return 0, abi.EOPNOTSUPP
	}
	n, res, e := d.recv(v, tcpip.ReadOptions{Peek: m.Flags&abi.MSG_PEEK != 0, NeedRemoteAddr: true})
	if e != abi.OK {
		return 0, e
	}
	d.host.st.Heard(d.ep.Load(), res.RemoteAddr)
	m.AddrLen = d.put(m.Addr[:], res.RemoteAddr)
	d.control(m, &res.ControlMessages)
	if n < res.Total {
		m.OutFlags |= abi.MSG_TRUNC
		if m.Flags&abi.MSG_TRUNC != 0 {
			n = res.Total
		}
	}
	return n, abi.OK
}

func (d *Datagram) recv(v *usermem.Vec, opts tcpip.ReadOptions) (int, tcpip.ReadResult, abi.Errno) {
	if e := d.takeErr(); e != abi.OK {
		return 0, tcpip.ReadResult{}, e
	}
	room := v.Len()
	res, err := d.ep.Load().Read(v, opts)
	switch err.(type) {
	case nil:
		if !opts.Peek {
			d.taken.Add(1)
		}
		return res.Count, res, abi.OK
	case *tcpip.ErrBadBuffer:
		if !opts.Peek {
			d.taken.Add(1)
		}
		// No byte was copied: a fault, or no room for any.
		if room == 0 {
			return 0, res, abi.OK
		}
	}
	return 0, res, errnoOf(err)
}

// addrPool holds destinations of sends: the endpoint takes a pointer.
var addrPool = sync.Pool{New: func() any { return new(tcpip.FullAddress) }}

// Write implements vfs.File.
func (d *Datagram) Write(v *usermem.Vec, _ int64) (int, abi.Errno) {
	return d.send(v, &tcpip.WriteOptions{}, 0, int(d.segment.Load()))
}

// Send implements socket.Socket.
func (d *Datagram) Send(v *usermem.Vec, m *socket.SendMsg) (int, abi.Errno) {
	if m.Flags&abi.MSG_OOB != 0 {
		return 0, abi.EOPNOTSUPP
	}
	var opts tcpip.WriteOptions
	segment := int(d.segment.Load())
	if len(m.Control) > 0 {
		if e := d.sendControl(m.Control, d.toIPv4(m.Addr), &opts.ControlMessages, &segment); e != abi.OK {
			return 0, e
		}
	}
	if m.Addr == nil {
		return d.send(v, &opts, m.Flags, segment)
	}
	if f, e := socket.Family(m.Addr); e != abi.OK {
		return 0, e
	} else if f == abi.AF_UNSPEC && d.domain == abi.AF_INET6 {
		return d.send(v, &opts, m.Flags, segment) // RFC 2553: as if none was given
	} else if f == abi.AF_UNSPEC && len(m.Addr) >= socket.SizeInet {
		m.Addr[0] = abi.AF_INET // udp_sendmsg of Linux takes it for AF_INET
	}
	a, e := d.parse(m.Addr, true)
	if e != abi.OK {
		return 0, e
	}
	if a.Port == 0 {
		return 0, abi.EINVAL
	}
	to := addrPool.Get().(*tcpip.FullAddress)
	*to = target(a)
	opts.To = to
	n := 0
	if d.host.st.MaySend(egress.UDP, d.ep.Load(), *to) {
		n, e = d.send(v, &opts, m.Flags, segment)
	} else {
		e = abi.EACCES
	}
	addrPool.Put(to)
	return n, e
}

func (d *Datagram) send(v *usermem.Vec, opts *tcpip.WriteOptions, flags, segment int) (int, abi.Errno) {
	if d.shut.Load()&shutWR != 0 {
		return 0, abi.EPIPE
	}
	if v.Len() > maxUDP {
		return 0, abi.EMSGSIZE
	}
	if e := d.takeErr(); e != abi.OK {
		return 0, e
	}
	if flags&abi.MSG_MORE != 0 || d.corkOpt.Load() || d.hasCork() {
		return d.collect(v, opts, flags&abi.MSG_MORE != 0 || d.corkOpt.Load())
	}
	return d.write(v, opts, segment)
}

// sendErrno is errnoOf with what Linux says of a destination that cannot be.
func (d *Datagram) sendErrno(err tcpip.Error, addressed bool) abi.Errno {
	e := errnoOf(err)
	if _, ok := err.(*tcpip.ErrHostUnreachable); ok && addressed {
		return abi.ENETUNREACH
	}
	return e
}

// hasCork reports whether a datagram is being collected.
func (d *Datagram) hasCork() bool {
	d.corkMu.Lock()
	defer d.corkMu.Unlock()
	return d.corked
}

// collect appends to the datagram that is being collected, and sends it unless
// more is to come (MSG_MORE and UDP_CORK, udp(7)). The destination is that of
// the first part.
func (d *Datagram) collect(v *usermem.Vec, opts *tcpip.WriteOptions, more bool) (int, abi.Errno) {
	part := make([]byte, v.Len())
	n, e := v.CopyIn(part)
	if e != abi.OK {
		return 0, e
	}
	d.corkMu.Lock()
	defer d.corkMu.Unlock()
	if len(d.cork)+n > maxUDP {
		return 0, abi.EMSGSIZE
	}
	first := !d.corked
	if first {
		d.corked, d.corkTo = true, nil
		if opts.To != nil {
			to := *opts.To
			d.corkTo = &to
		} else if d.ep.Load().State() != uint32(transport.DatagramEndpointStateConnected) {
			d.corked = false
			return 0, abi.EDESTADDRREQ
		}
	}
	if !d.host.st.Budget.Charge(n) {
		d.corked = !first
		return 0, abi.ENOBUFS
	}
	d.cork = append(d.cork, part...)
	if more {
		return n, abi.OK
	}
	return n, d.flushLocked()
}

// flushLocked sends what was collected; corkMu is held.
func (d *Datagram) flushLocked() abi.Errno {
	if !d.corked {
		return abi.OK
	}
	b, to := d.cork, d.corkTo
	d.cork, d.corked, d.corkTo = nil, false, nil
	d.host.st.Budget.Release(len(b))
	_, e := d.write(bytes.NewReader(b), &tcpip.WriteOptions{To: to}, int(d.segment.Load()))
	return e
}

// Release implements vfs.File.
func (d *Datagram) Release() {
	h := d.host
	d.corkMu.Lock()
	h.st.Budget.Release(len(d.cork))
	d.cork, d.corked, d.corkTo = nil, false, nil
	d.corkMu.Unlock()
	ep := d.ep.Load()
	ep.Close()
	h.reg.mu.Lock()
	delete(h.reg.grams, ep.Endpoint.(gstack.TransportEndpoint))
	h.reg.mu.Unlock()
	h.reg.release(datagramCost)
}

// queuedCost is the least memory that a queued datagram takes, in bytes, as
// Linux counts it: a packet's bookkeeping besides its bytes.
const queuedCost = 768

// queued is the number of datagrams that wait in the endpoint: those that came,
// less those it refused and those that were read.
func (d *Datagram) queued() int64 {
	st := d.ep.Load().Stats().(*tcpip.TransportEndpointStats)
	in := st.PacketsReceived.Value()
	gone := st.ReceiveErrors.ReceiveBufferOverflow.Value() + st.ReceiveErrors.ClosedReceiver.Value() + d.taken.Load()
	return max(int64(in-gone), 0)
}

// gate reports whether one more small datagram may wait: as many as would fill
// the buffer if each were charged its bookkeeping, as on Linux.
func (d *Datagram) gate() bool {
	return d.queued() < max(d.ep.Load().SocketOptions().GetReceiveBufferSize()/queuedCost, 16)
}

// count is the memory in bytes of the endpoint's receive queue, estimated by
// the first datagram's size.
func (d *Datagram) count() int64 {
	n := d.queued()
	if n == 0 {
		return 0
	}
	ep := d.ep.Load()
	first, err := ep.GetSockOptInt(tcpip.ReceiveQueueSizeOption)
	if err != nil {
		first = 0
	}
	return n*queuedCost + min(n*int64(max(2*first, 256)), 2*ep.SocketOptions().GetReceiveBufferSize())
}

// addrOf is an address of the IP stack as netip has it.
func addrOf(a tcpip.Address) netip.Addr {
	addr, _ := netip.AddrFromSlice(a.AsSlice())
	return addr
}
