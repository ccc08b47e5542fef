package inet

import (
	"io"
	"sync/atomic"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/waiter"

	"skerry/kernel/abi"
	"skerry/kernel/net/socket"
	"skerry/kernel/net/stack"
	"skerry/kernel/usermem"
)

// States of a stream socket as such, the way Linux keeps them beside the TCP
// state: they decide what connect(2) answers.
const (
	unconnected = iota
	connecting
	connected
)

// Stream is a TCP socket.
type Stream struct {
	base
	state    int         // under base.mu
	failed   atomic.Bool // the endpoint's error was moved to base.err
	userCork atomic.Bool // TCP_CORK
	moreCork atomic.Bool // MSG_MORE of the last send
	closed   atomic.Bool

	bytesIn, bytesOut atomic.Uint64
	unmoderated       atomic.Int32 // bytes read since the receive buffer was tuned
	seen              atomic.Int64 // last count of the send queue, bytes

	// Guarded by registry.mu.
	orphan     bool
	prev, next *Stream
}

// newStream makes an unconnected TCP socket.
func (h *Host) newStream(domain int) (*Stream, abi.Errno) {
	if !h.reg.charge(streamCost) {
		return nil, abi.ENOBUFS
	}
	s := &Stream{}
	s.init(h, domain)
	if e := s.fresh(); e != abi.OK {
		h.reg.release(streamCost)
		return nil, e
	}
	h.reg.mu.Lock()
	h.reg.streams[s] = struct{}{}
	h.reg.mu.Unlock()
	return s, abi.OK
}

// fresh gives the socket a new endpoint.
func (s *Stream) fresh() abi.Errno {
	q := &waiter.Queue{}
	ep, err := s.host.st.IP.NewEndpoint(tcp.ProtocolNumber, s.proto(), q)
	if err != nil {
		return errnoOf(err)
	}
	s.attach(newTCP(ep, q), s)
	return abi.OK
}

// renew replaces the endpoint by a fresh one with the same options, and the same
// local address if the program had chosen it. The lock is held.
func (s *Stream) renew() {
	old := s.ep.Load()
	s.detach(old)
	old.Abort()
	if s.fresh() != abi.OK {
		s.attach(old, s) // cannot be: the protocol exists
		return
	}
	s.state = unconnected
	s.err.Store(0)
	s.shut.Store(0)
	s.failed.Store(false)
	ep := s.ep.Load()
	for _, o := range s.record {
		s.apply(ep, o.level, o.name, o.val)
	}
	if s.bound != nil {
		ep.Bind(full(*s.bound))
	}
}

// NotifyEvent implements waiter.EventListener.
func (s *Stream) NotifyEvent(m waiter.EventMask) {
	if s.closed.Load() {
		s.host.reg.over(s)
		return
	}
	s.base.NotifyEvent(m)
}

// Type implements socket.Socket.
func (*Stream) Type() int { return abi.SOCK_STREAM }

// Stream implements vfs.Stream.
func (*Stream) Stream() bool { return true }

// collect moves the error of an endpoint that has failed to base.err, once.
func (s *Stream) collect(ep *endpoint) {
	if s.failed.Load() || s.failed.Swap(true) {
		return
	}
	var first tcpip.Error
	for i := 0; i < 3; i++ { // a hard and a last error may be the same one twice
		err := ep.LastError()
		if err == nil {
			break
		}
		if first == nil {
			first = err
		}
	}
	if first != nil {
		s.err.CompareAndSwap(0, int32(errnoOf(first)))
	}
}

// over reports whether the endpoint has left the connection behind.
func over(st tcp.EndpointState) bool { return st == tcp.StateClose || st == tcp.StateError }

// Readiness implements waiter.Waitable, by what tcp_poll of Linux reports:
//
//	state                              events
//	new, bound                         OUT HUP
//	listening                          IN if a connection waits
//	connecting                         -
//	connected                          IN if data, OUT if room
//	end received, or SHUT_RD           + IN RDHUP
//	SHUT_WR                            + OUT
//	both of these                      + HUP
//	reset, timed out, refused          IN OUT HUP RDHUP, ERR until the error is taken
//
// IN and OUT come with RDNORM and WRNORM.
func (s *Stream) Readiness(mask waiter.EventMask) waiter.EventMask {
	ep := s.ep.Load()
	shut := s.shut.Load()
	var m waiter.EventMask
	switch st := ep.tcp.EndpointState(); st {
	case tcp.StateInitial, tcp.StateBound:
		m = waiter.WritableEvents | waiter.EventHUp
		if shut&shutRD != 0 {
			m |= waiter.ReadableEvents | waiter.EventRdHUp
		}
	case tcp.StateListen:
		if shut&shutRD != 0 {
			m = waiter.WritableEvents | waiter.EventHUp
		} else {
			m = ep.Readiness(waiter.ReadableEvents) & waiter.ReadableEvents
		}
	case tcp.StateConnecting, tcp.StateSynSent, tcp.StateSynRecv:
	case tcp.StateClose, tcp.StateError:
		s.collect(ep)
		m = waiter.ReadableEvents | waiter.WritableEvents | waiter.EventHUp | waiter.EventRdHUp
	default:
		m = ep.Readiness(mask&(waiter.ReadableEvents|waiter.WritableEvents)) & (waiter.ReadableEvents | waiter.WritableEvents)
		if low := s.lowat.Load(); low > 1 && m&waiter.EventIn != 0 {
			if n, err := ep.GetSockOptInt(tcpip.ReceiveQueueSizeOption); err == nil && n < int(low) {
				m &^= waiter.ReadableEvents
			}
		}
		if st == tcp.StateCloseWait || st == tcp.StateLastAck || st == tcp.StateClosing || st == tcp.StateTimeWait {
			shut |= shutRD
		}
		if shut&shutRD != 0 {
			m |= waiter.ReadableEvents | waiter.EventRdHUp
		}
		if shut&shutWR != 0 {
			m |= waiter.WritableEvents
		}
		if shut == shutRD|shutWR {
			m |= waiter.EventHUp
		}
	}
	if s.err.Load() != 0 {
		m |= waiter.EventErr
	}
	return m & (mask | waiter.EventErr | waiter.EventHUp)
}

// Read implements vfs.File.
func (s *Stream) Read(v *usermem.Vec, _ int64) (int, abi.Errno) {
	if v.Len() == 0 {
		return 0, abi.OK
	}
	return s.recv(v, 0)
}

// Recv implements socket.Socket. A stream has no sender's address.
func (s *Stream) Recv(v *usermem.Vec, m *socket.RecvMsg) (int, abi.Errno) {
	if m.Flags&abi.MSG_ERRQUEUE != 0 {
		return s.recvError(v, m)
	}
	if m.Flags&abi.MSG_OOB != 0 {
		return 0, abi.EINVAL // there is no urgent data
	}
	return s.recv(v, m.Flags)
}

func (s *Stream) recv(v *usermem.Vec, flags int) (int, abi.Errno) {
	ep := s.ep.Load()
	peek := flags&abi.MSG_PEEK != 0
	var dst io.Writer = v
	if flags&abi.MSG_TRUNC != 0 { // tcp(7): the bytes are thrown away
		dst = &discard{v.Len()}
	}
	local := ep.enterLocal()
	res, err := ep.Read(dst, tcpip.ReadOptions{Peek: peek})
	if err == nil && !peek {
		s.bytesIn.Add(uint64(res.Count))
		s.moderate(ep, res.Count)
	}
	if local {
		ep.leave()
	}
	if err == nil {
		return res.Count, abi.OK
	}
	return s.recvFailed(ep, err, v.Len())
}

// moderateStep is how many bytes are read before the receive buffer's tuning
// looks at them; it takes the endpoint's lock anew.
const moderateStep = 16 << 10

func (s *Stream) moderate(ep *endpoint, n int) {
	if n += int(s.unmoderated.Load()); n < moderateStep {
		s.unmoderated.Store(int32(n))
		return
	}
	s.unmoderated.Store(0)
	ep.ModerateRecvBuf(n)
}

// recvFailed decides what a receive without data answers. A socket that was shut
// for reading before it was connected has the end there, though its endpoint
// knows nothing of that.
func (s *Stream) recvFailed(ep *endpoint, err tcpip.Error, room int) (int, abi.Errno) {
	shut := s.shut.Load()&shutRD != 0
	switch err.(type) {
	case *tcpip.ErrWouldBlock:
		if shut {
			return 0, abi.OK
		}
		return 0, abi.EAGAIN
	case *tcpip.ErrBadBuffer:
		if room == 0 {
			return 0, abi.OK // nothing was asked for, and there is data
		}
		return 0, abi.EFAULT
	case *tcpip.ErrClosedForReceive:
		if over(ep.tcp.EndpointState()) {
			s.collect(ep)
		}
		return 0, s.takeErr()
	case *tcpip.ErrNotConnected:
		if e := s.takeErr(); e != abi.OK {
			return 0, e
		}
		if shut && ep.tcp.EndpointState() != tcp.StateListen {
			return 0, abi.OK
		}
		return 0, abi.ENOTCONN
	}
	// The endpoint's own error, which it has given up with this answer.
	s.err.CompareAndSwap(0, int32(errnoOf(err)))
	s.collect(ep)
	return 0, s.takeErr()
}

// Write implements vfs.File.
func (s *Stream) Write(v *usermem.Vec, _ int64) (int, abi.Errno) { return s.send(v, 0) }

// Send implements socket.Socket. The address and control messages of a stream
// are ignored, as on Linux.
func (s *Stream) Send(v *usermem.Vec, m *socket.SendMsg) (int, abi.Errno) {
	if m.Flags&(abi.MSG_OOB|abi.MSG_FASTOPEN) != 0 {
		return 0, abi.EOPNOTSUPP
	}
	return s.send(v, m.Flags)
}

func (s *Stream) send(v *usermem.Vec, flags int) (int, abi.Errno) {
	ep := s.ep.Load()
	if s.shut.Load()&shutWR != 0 || s.err.Load() != 0 {
		return 0, s.sendFailed(ep, &tcpip.ErrClosedForSend{})
	}
	if more := flags&abi.MSG_MORE != 0; more || s.moreCork.Load() {
		s.moreCork.Store(more)
		if more && !s.userCork.Load() {
			ep.SocketOptions().SetCorkOption(true)
		}
	}
	if !ep.grown.Load() {
		s.grow(ep)
	}
	local := ep.enterLocal()
	n, err := ep.Write(v, tcpip.WriteOptions{})
	if flags&abi.MSG_MORE == 0 && !s.userCork.Load() && ep.SocketOptions().GetCorkOption() {
		ep.SocketOptions().SetCorkOption(false)
	}
	if local {
		ep.leave()
	}
	if err == nil {
		s.bytesOut.Add(uint64(n))
		s.host.st.Budget.Note(int(n + n/dataFactor))
		return int(n), abi.OK
	}
	return 0, s.sendFailed(ep, err)
}

// firstFlight is how many segments the send buffer of a fresh connection holds:
// twice the initial congestion window, as in tcp_sndbuf_expand of Linux.
const firstFlight = 2 * tcp.InitialCwnd

// grow enlarges the send buffer of a connection that has just been made, unless
// the program chose its size. The IP stack does so only after the buffer was
// full once, which leaves a non-blocking writer with a fraction of what Linux
// takes.
func (s *Stream) grow(ep *endpoint) {
	switch ep.tcp.EndpointState() {
	case tcp.StateEstablished, tcp.StateCloseWait:
	default:
		return // not yet, or no more
	}
	ep.grown.Store(true)
	if s.sndSized.Load() {
		return
	}
	ep.tcp.LockUser()
	n := int64(firstFlight) * int64(stack.SegmentSize(ep.tcp))
	ep.tcp.UnlockUser()
	o := ep.SocketOptions()
	if _, most := o.SendBufferLimits(); n > most {
		n = most
	}
	if n > o.GetSendBufferSize() {
		o.SetSendBufferSize(n, false)
	}
}

// sendFailed decides what a send answers that took nothing: a pending error goes
// before EPIPE.
func (s *Stream) sendFailed(ep *endpoint, err tcpip.Error) abi.Errno {
	switch err.(type) {
	case *tcpip.ErrWouldBlock:
		return abi.EAGAIN
	case *tcpip.ErrBadBuffer:
		return abi.EFAULT
	case *tcpip.ErrClosedForSend:
	default:
		s.err.CompareAndSwap(0, int32(errnoOf(err)))
	}
	if over(ep.tcp.EndpointState()) {
		s.collect(ep)
	}
	if e := s.takeErr(); e != abi.OK {
		return e
	}
	return abi.EPIPE
}

// discard throws bytes away, up to a number.
type discard struct{ left int }

// Write implements io.Writer.
func (d *discard) Write(b []byte) (int, error) {
	n := min(len(b), d.left)
	d.left -= n
	if n < len(b) {
		return n, io.ErrShortWrite
	}
	return n, nil
}

// Release implements vfs.File: the connection is closed in order, and goes on by
// itself until it is over.
func (s *Stream) Release() {
	ep := s.ep.Load()
	s.closed.Store(true)
	ep.enter()
	uncork(ep)
	ep.Close()
	s.host.reg.addOrphan(s)
	ep.leave()
}

// count is the memory in bytes of the endpoint's queues.
func (s *Stream) count() int64 {
	ep := s.ep.Load().tcp
	if ep.TryLock() {
		n := int64(stack.SendQueue(ep))
		ep.ResumeWork() // which unlocks
		s.seen.Store(n + n/dataFactor)
	}
	return s.seen.Load() + int64(stack.ReceiveMemory(ep))
}

// shrink holds the buffers to a share, in bytes.
func (s *Stream) shrink(share int) {
	o := s.ep.Load().SocketOptions()
	if o.GetReceiveBufferSize() > int64(share) {
		o.SetReceiveBufferSize(int64(share), false)
	}
	if o.GetSendBufferSize() > int64(share) {
		o.SetSendBufferSize(int64(share), false)
	}
}
