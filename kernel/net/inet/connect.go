package inet

import (
	"net/netip"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/waiter"

	"skerry/kernel/abi"
	"skerry/kernel/net/egress"
	"skerry/kernel/net/socket"
	"skerry/kernel/wait"
)

// Bind implements socket.Socket.
func (s *Stream) Bind(addr []byte) abi.Errno {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, e := s.parseBind(addr)
	if e != abi.OK {
		return e
	}
	ep := s.ep.Load()
	if ep.tcp.EndpointState() != tcp.StateInitial || s.bound != nil {
		return abi.EINVAL
	}
	if a.Addr.IsMulticast() || isBroadcast(a.Addr) {
		return abi.EADDRNOTAVAIL
	}
	if s.noPort && a.Port == 0 {
		// The port is chosen by connect, as IP_BIND_ADDRESS_NO_PORT asks.
		if !s.ours(a) {
			return abi.EADDRNOTAVAIL
		}
		s.bound = &a
		return abi.OK
	}
	if s.listened(a) {
		return abi.EADDRINUSE
	}
	if e := bindErrno(ep.Bind(full(a))); e != abi.OK {
		return e
	}
	if got, err := ep.GetLocalAddress(); err == nil {
		a.Port = got.Port // the same one again after a disconnect
	}
	s.bound = &a
	return abi.OK
}

// listened reports whether another socket listens where this one would, which
// SO_REUSEADDR does not allow (inet_bind_conflict of Linux). The IP stack looks at the
// very same address only, and ends a socket that it does not let listen. The lock is
// held.
func (s *Stream) listened(a socket.Inet) bool {
	if a.Port == 0 {
		return false
	}
	mine := s.ep.Load().SocketOptions()
	// The registry's lock is a leaf, and an endpoint that is asked for its address takes
	// its own.
	var listeners []*Stream
	s.host.reg.mu.Lock()
	for o := range s.host.reg.streams {
		if ep := o.ep.Load(); o != s && ep != nil && ep.tcp.EndpointState() == tcp.StateListen && o.shut.Load()&shutRD == 0 {
			listeners = append(listeners, o)
		}
	}
	s.host.reg.mu.Unlock()
	for _, o := range listeners {
		ep := o.ep.Load()
		at, err := ep.GetLocalAddress()
		if err != nil || at.Port != a.Port {
			continue
		}
		theirs := ep.SocketOptions()
		x, y := a.Addr, addrOf(at.Addr)
		both := mine.GetReusePort() && theirs.GetReusePort()
		device := mine.GetBindToDevice() == 0 || theirs.GetBindToDevice() == 0 || mine.GetBindToDevice() == theirs.GetBindToDevice()
		if !both && device && covers(x, y, s.domain, o.domain, mine.GetV6Only(), theirs.GetV6Only()) {
			return true
		}
	}
	return false
}

// covers reports whether two local addresses, of sockets of the families fx and fy,
// overlap: they are the same, or one is unspecified and speaks for the other's version
// of IP as well.
func covers(x, y netip.Addr, fx, fy int, only6x, only6y bool) bool {
	if !y.IsValid() { // the IP stack's way to say unspecified
		y = netip.IPv6Unspecified()
		if fy == abi.AF_INET {
			y = netip.IPv4Unspecified()
		}
	}
	dualx, dualy := fx == abi.AF_INET6 && !only6x && x == netip.IPv6Unspecified(), fy == abi.AF_INET6 && !only6y && y == netip.IPv6Unspecified()
	x, y = x.Unmap(), y.Unmap()
	switch {
	case x.Is4() != y.Is4():
		return dualx && y.Is4() || dualy && x.Is4()
	case x.IsUnspecified() || y.IsUnspecified():
		return true
	}
	return x == y
}

// parseBind reads an address to bind to. inet_bind of Linux takes AF_UNSPEC for
// AF_INET if the address is unspecified.
func (b *base) parseBind(addr []byte) (socket.Inet, abi.Errno) {
	if f, _ := socket.Family(addr); b.domain == abi.AF_INET && f == abi.AF_UNSPEC && len(addr) >= socket.SizeInet {
		a, e := socket.ParseInet(addr)
		if !a.Addr.IsUnspecified() {
			e = abi.EAFNOSUPPORT
		}
		return a, e
	}
	a, e := b.parse(addr, false)
	if e == abi.OK && a.Addr.Is4In6() && b.ep.Load().SocketOptions().GetV6Only() {
		return a, abi.EINVAL
	}
	return a, e
}

func bindErrno(err tcpip.Error) abi.Errno {
	switch err.(type) {
	case *tcpip.ErrNoPortAvailable:
		return abi.EADDRINUSE
	case *tcpip.ErrHostUnreachable: // a mapped address on an IPv6-only socket
		return abi.EINVAL
	}
	return errnoOf(err)
}

// ours reports whether an address is the machine's (or unspecified).
func (b *base) ours(a socket.Inet) bool {
	if a.Addr.Unmap().IsUnspecified() {
		return true
	}
	f := full(socket.Inet{Addr: a.Addr.Unmap(), Scope: a.Scope})
	proto := b.proto()
	if a.Addr.Unmap().Is4() {
		proto = protoIPv4
	}
	return b.host.st.IP.CheckLocalAddress(f.NIC, proto, f.Addr) != 0
}

// isBroadcast recognises the limited broadcast address.
func isBroadcast(a netip.Addr) bool {
	return a.Unmap() == netip.AddrFrom4([4]byte{255, 255, 255, 255})
}

// Connect implements socket.Socket.
func (s *Stream) Connect(addr []byte) abi.Errno {
	f, e := socket.Family(addr)
	if e != abi.OK {
		return e
	}
	first := s.ep.Load()
	first.enter()
	defer first.leave()
	s.mu.Lock()
	defer s.mu.Unlock()
	if f == abi.AF_UNSPEC { // disconnects; a listener stops listening
		cut := s.state != unconnected
		s.renew()
		if cut {
			s.err.Store(int32(abi.ECONNRESET)) // tcp_disconnect of Linux leaves it so
		}
		return abi.OK
	}
	switch s.state {
	case connected:
		return abi.EISCONN
	case connecting:
		if e := s.settle(); e != abi.EINPROGRESS {
			return e // OK once, then EISCONN
		}
		return abi.EALREADY
	}
	ep := s.ep.Load()
	if ep.tcp.EndpointState() == tcp.StateListen {
		return abi.EISCONN
	}
	a, e := s.parse(addr, false)
	if e != abi.OK {
		return e
	}
	if a.Addr.Is4In6() && ep.SocketOptions().GetV6Only() {
		return abi.ENETUNREACH
	}
	if a.Addr.IsMulticast() || isBroadcast(a.Addr) {
		return abi.ENETUNREACH
	}
	to := target(a)
	if !s.host.st.MaySend(egress.TCP, nil, to) {
		return abi.EACCES
	}
	if s.bound != nil && ep.tcp.EndpointState() == tcp.StateInitial {
		if e := bindErrno(ep.Bind(full(*s.bound))); e != abi.OK {
			return e
		}
	}
	switch err := ep.Connect(to); err.(type) {
	case nil, *tcpip.ErrConnectStarted:
		s.state = connecting
		return abi.EINPROGRESS
	case *tcpip.ErrPortInUse:
		return abi.EADDRNOTAVAIL
	default:
		return errnoOf(err)
	}
}

// ConnectResult implements socket.Socket.
func (s *Stream) ConnectResult() abi.Errno {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch s.state {
	case connected:
		return abi.OK
	case connecting:
		return s.settle()
	}
	return abi.ENOTCONN
}

// settle looks how a connection attempt ended. A failed one leaves a socket that
// can try again. The lock is held.
func (s *Stream) settle() abi.Errno {
	ep := s.ep.Load()
	switch st := ep.tcp.EndpointState(); {
	case st == tcp.StateConnecting || st == tcp.StateSynSent || st == tcp.StateSynRecv:
		return abi.EINPROGRESS
	case !over(st):
		s.state = connected
		return abi.OK
	case s.bytesEver():
		s.state = connected // it was connected, and is over since
		return abi.OK
	}
	s.collect(ep)
	e := s.takeErr()
	if e == abi.OK {
		e = abi.ECONNABORTED
	}
	s.renew()
	return e
}

// bytesEver reports whether the endpoint has ever been connected, judged by
// its remote side having acknowledged anything.
func (s *Stream) bytesEver() bool {
	return s.ep.Load().Stats().(*tcp.Stats).SegmentsReceived.Value() > 1
}

// Listen implements socket.Socket.
func (s *Stream) Listen(backlog int) abi.Errno {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != unconnected {
		return abi.EINVAL
	}
	ep := s.ep.Load()
	if st := ep.tcp.EndpointState(); over(st) {
		return abi.EINVAL
	}
	if s.bound != nil && ep.tcp.EndpointState() == tcp.StateInitial {
		if e := bindErrno(ep.Bind(full(*s.bound))); e != abi.OK {
			return e
		}
	}
	if s.bound != nil && ep.tcp.EndpointState() != tcp.StateListen && s.listened(*s.bound) {
		return abi.EADDRINUSE
	}
	// Linux compares as unsigned, so that -1 asks for the most, and lets one
	// more in than it was told.
	if backlog < 0 || backlog > s.host.backlog {
		backlog = s.host.backlog
	}
	s.shut.Store(0)
	return bindErrno(ep.Listen(backlog + 1))
}

// Accept implements socket.Socket.
func (s *Stream) Accept(peer []byte) (socket.Socket, int, abi.Errno) {
	ep := s.ep.Load()
	if ep.tcp.EndpointState() != tcp.StateListen || s.shut.Load()&shutRD != 0 {
		return nil, 0, abi.EINVAL
	}
	if !s.host.reg.charge(streamCost) {
		// As Linux answers without memory for a socket. Servers take it for a
		// passing shortage of files and try again later, while ENOBUFS ends some.
		return nil, 0, abi.ENFILE
	}
	var from tcpip.FullAddress
	child, q, err := ep.Accept(&from)
	if err != nil {
		s.host.reg.release(streamCost)
		return nil, 0, errnoOf(err)
	}
	c := &Stream{state: connected}
	c.init(s.host, s.domain)
	s.mu.Lock()
	record := s.record
	c.options = s.options
	c.Inherit(&s.TimeLimits)
	c.lowat.Store(s.lowat.Load())
	s.mu.Unlock()
	c.options.deferAccept, c.options.priority = 0, 0
	c.stamp.Store(s.stamp.Load())
	e := newTCP(child, q)
	for _, o := range record {
		if inherited(o.level, o.name) {
			c.apply(e, o.level, o.name, o.val)
			c.record = append(c.record, o)
		}
	}
	c.attach(e, c)
	s.host.reg.mu.Lock()
	s.host.reg.streams[c] = struct{}{}
	s.host.reg.mu.Unlock()
	return c, c.put(peer, from), abi.OK
}

// Shutdown implements socket.Socket.
func (s *Stream) Shutdown(how int) abi.Errno {
	if how < 0 || how > abi.SHUT_RDWR {
		return abi.EINVAL
	}
	bits := uint32(how + 1) // SHUT_RD 0 → 1, SHUT_WR 1 → 2, SHUT_RDWR 2 → 3
	ep := s.ep.Load()
	ep.enter()
	defer ep.leave()
	s.mu.Lock()
	defer s.mu.Unlock()
	ep = s.ep.Load()
	st := ep.tcp.EndpointState()
	switch {
	case st == tcp.StateListen:
		if bits&shutRD != 0 {
			// Connections are refused from now on, the port is kept, and
			// listen(2) makes it a listener again.
			s.shut.Store(shutRD)
			ep.Shutdown(tcpip.ShutdownRead)
		}
		return abi.OK
	case st == tcp.StateConnecting || st == tcp.StateSynSent || st == tcp.StateSynRecv:
		s.shut.Store(s.shut.Load() | bits)
		ep.Shutdown(flags(bits))
		return abi.OK
	case over(st) || st == tcp.StateInitial || st == tcp.StateBound:
		s.shut.Store(s.shut.Load() | bits) // poll shows it
		return abi.ENOTCONN
	}
	s.shut.Store(s.shut.Load() | bits)
	if bits&shutWR != 0 {
		uncork(ep)
	}
	err := ep.Shutdown(flags(bits))
	s.queue.Notify(waiter.EventRdHUp | waiter.EventHUp | waiter.ReadableEvents | waiter.WritableEvents)
	return errnoOf(err)
}

// uncork sends what TCP_CORK or MSG_MORE holds back: nothing will come behind it.
func uncork(ep *endpoint) {
	if o := ep.SocketOptions(); o.GetCorkOption() {
		o.SetCorkOption(false)
	}
}

// flags are the bits of base.shut in the IP stack's form.
func flags(bits uint32) tcpip.ShutdownFlags {
	f := tcpip.ShutdownFlags(0)
	if bits&shutRD != 0 {
		f |= tcpip.ShutdownRead
	}
	if bits&shutWR != 0 {
		f |= tcpip.ShutdownWrite
	}
	return f
}

// LocalAddr implements socket.Socket.
func (s *Stream) LocalAddr(b []byte) (int, abi.Errno) {
	a, err := s.ep.Load().GetLocalAddress()
	if err != nil {
		return 0, errnoOf(err)
	}
	s.mu.Lock()
	if s.bound != nil && a.Port == 0 {
		a = full(*s.bound)
	}
	s.mu.Unlock()
	return s.put(b, a), abi.OK
}

// PeerAddr implements socket.Socket.
func (s *Stream) PeerAddr(b []byte) (int, abi.Errno) {
	ep := s.ep.Load()
	if ep.tcp.EndpointState() == tcp.StateTimeWait {
		return 0, abi.ENOTCONN // only the protocol still remembers it
	}
	a, err := ep.GetRemoteAddress()
	if err != nil {
		return 0, errnoOf(err)
	}
	return s.put(b, a), abi.OK
}

// Linger is what close(2) does before Release when SO_LINGER asks for it: the
// connection is closed, and the thread waits until the peer has everything, the
// time is over, or a signal comes.
func (s *Stream) Linger(w *wait.Waiter) {
	ep := s.ep.Load()
	l := ep.SocketOptions().GetLinger()
	if !l.Enabled || l.Timeout <= 0 {
		return
	}
	ep.enter()
	uncork(ep)
	ep.Shutdown(tcpip.ShutdownRead | tcpip.ShutdownWrite)
	ep.leave()
	end := wait.Now() + int64(l.Timeout)
	var e waiter.Entry
	e.Init(w, waiter.AllEvents)
	s.queue.EventRegister(&e)
	defer s.queue.EventUnregister(&e)
	for {
		switch ep.tcp.EndpointState() {
		case tcp.StateFinWait1, tcp.StateClosing, tcp.StateLastAck:
		default:
			return
		}
		// The IP stack does not announce that the peer acknowledged the last of
		// it, so the state is looked at now and then.
		if e := w.Sleep(min(end, wait.Now()+lingerLook)); e == abi.ERESTARTSYS || wait.Now() >= end {
			return
		}
	}
}

// lingerLook is the time in ns between two looks at a lingering connection.
const lingerLook = 10_000_000
