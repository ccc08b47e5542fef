package unix

import (
	"sync"
	"sync/atomic"

	"gvisor.dev/gvisor/pkg/waiter"

	"skerry/kernel/abi"
	"skerry/kernel/net/socket"
	"skerry/kernel/vfs"
)

// States of a socket, as Linux's sk_state.
const (
	closed = iota
	listening
	established
)

// maxQueued is how many datagrams may wait in a socket that is not the sender's
// own: net.unix.max_dgram_qlen of Linux, and one more is let in.
const maxQueued = 10

// Socket is an AF_UNIX socket.
type Socket struct {
	vfs.BaseFile
	f     *Family
	typ   int
	id    uint64
	queue waiter.Queue

	sndbuf, rcvbuf atomic.Int64
	socket.TimeLimits
	lowat    atomic.Int32
	passCred atomic.Bool
	flags    atomic.Uint32 // options that are only kept, by their numbers
	sent     atomic.Int64  // bytes charged to this socket that wait elsewhere

	io sync.Mutex // a reader has it

	mu           sync.Mutex
	state        int
	dead         bool // released
	shutR, shutW bool
	err          abi.Errno
	name         socket.Unix
	peer         *Socket // the other end, or a datagram socket's destination
	cred         bool    // SO_PEERCRED is known
	in           queue
	pending      []*Socket // connections that wait to be accepted
	backlog      int
	blocked      map[*Socket]struct{} // who found this socket full and wants to hear

	// Guarded by Family.rights.mu.
	desc     socket.Passed // the description that was passed
	inflight int
}

// Type implements socket.Socket.
func (s *Socket) Type() int { return s.typ }

// packets reports whether message boundaries are kept.
func (s *Socket) packets() bool { return s.typ != abi.SOCK_STREAM }

// EventRegister implements waiter.Waitable.
func (s *Socket) EventRegister(e *waiter.Entry) error {
	s.queue.EventRegister(e)
	return nil
}

// EventUnregister implements waiter.Waitable.
func (s *Socket) EventUnregister(e *waiter.Entry) { s.queue.EventUnregister(e) }

// Stat implements vfs.File.
func (s *Socket) Stat(st *abi.Stat) abi.Errno { return socket.Stat(st, s.id) }

// Name implements vfs.Namer.
func (s *Socket) Name() string { return socket.Name(s.id) }

// Stream implements vfs.Stream.
func (s *Socket) Stream() bool { return s.typ == abi.SOCK_STREAM }

// Limits implements socket.Socket.
func (s *Socket) Limits() (recv, send int64, low int) {
	recv, send = s.Timeouts()
	return recv, send, int(s.lowat.Load())
}

// allEvents is what a socket whose end has come is ready for.
const allEvents = waiter.ReadableEvents | waiter.WritableEvents | waiter.EventHUp | waiter.EventRdHUp | waiter.EventErr

// writable is Linux's unix_writable: three quarters of the buffer are free.
func (s *Socket) writable() bool { return s.sent.Load()<<2 <= s.sndbuf.Load() }

// Readiness implements waiter.Waitable, by unix_poll and unix_dgram_poll of
// Linux:
//
//	messages, or the end             IN
//	listening                        IN if a connection waits
//	three quarters of SO_SNDBUF free OUT, for datagrams also that the peer takes one
//	shut for reading                 IN RDHUP
//	shut both ways, peer closed      HUP
//	not connected (no datagrams)     HUP
//	error pending                    ERR
func (s *Socket) Readiness(mask waiter.EventMask) waiter.EventMask {
	var m waiter.EventMask
	s.mu.Lock()
	if s.err != abi.OK {
		m |= waiter.EventErr
	}
	if s.shutR && s.shutW {
		m |= waiter.EventHUp
	}
	if s.shutR {
		m |= waiter.ReadableEvents | waiter.EventRdHUp
	}
	if s.in.n > 0 && s.in.bytes >= s.low() || len(s.pending) > 0 {
		m |= waiter.ReadableEvents
	}
	if s.typ != abi.SOCK_DGRAM && s.state == closed {
		m |= waiter.EventHUp
	}
	peer := s.peer
	listens := s.state == listening
	s.mu.Unlock()
	if s.writable() && !listens {
		if s.packets() && peer != nil && peer.full(s) {
			// It will hear when the peer has read.
		} else {
			m |= waiter.WritableEvents
		}
	}
	return m & (mask | waiter.EventErr | waiter.EventHUp)
}

// low is the low-water mark of a stream; packets are readable whole.
func (s *Socket) low() int {
	if s.packets() {
		return 0
	}
	return int(s.lowat.Load())
}

// full reports whether this socket takes no more packets from another, which
// then is told when it does.
func (s *Socket) full(from *Socket) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.in.n <= maxQueued || s.peer == from { // two ends of a connection know no limit
		return false
	}
	s.wake(from)
	return true
}

// wake notes that a socket wants to hear of room; the lock is held.
func (s *Socket) wake(other *Socket) {
	if s.blocked == nil {
		s.blocked = make(map[*Socket]struct{})
	}
	s.blocked[other] = struct{}{}
}

// unblock tells everyone who wanted to hear of room. Call it without locks.
func (s *Socket) unblock() {
	s.mu.Lock()
	b := s.blocked
	s.blocked = nil
	s.mu.Unlock()
	for o := range b {
		o.queue.Notify(waiter.WritableEvents)
	}
}

// lock2 locks two sockets in order; they may be the same.
func lock2(a, b *Socket) {
	switch {
	case a == b:
		a.mu.Lock()
	case a.id < b.id:
		a.mu.Lock()
		b.mu.Lock()
	default:
		b.mu.Lock()
		a.mu.Lock()
	}
}

func unlock2(a, b *Socket) {
	a.mu.Unlock()
	if a != b {
		b.mu.Unlock()
	}
}

// Bind implements socket.Socket.
func (s *Socket) Bind(addr []byte) abi.Errno {
	f, e := socket.Family(addr)
	if e != abi.OK || f != abi.AF_UNIX {
		return abi.EINVAL
	}
	u, e := socket.ParseUnix(addr)
	if e != abi.OK {
		return e
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if u.None() {
		if !s.name.None() {
			return abi.OK
		}
		return s.autobind()
	}
	if !s.name.None() {
		return abi.EINVAL
	}
	if u.Abstract {
		if e := s.f.claim(u.Name, s); e != abi.OK {
			return e
		}
		s.name = u
		return abi.OK
	}
	n := s.f.names.Load()
	if n == nil {
		return abi.EROFS
	}
	// The name is taken only once it exists; the lock keeps a second bind of
	// this socket out, and the file system knows nothing of it.
	if e := (*n).Bind(u.Name, s); e != abi.OK {
		return e
	}
	s.name = u
	return abi.OK
}

// autobind gives an abstract name; the lock is held.
func (s *Socket) autobind() abi.Errno {
	name, e := s.f.claimAny(s)
	if e == abi.OK {
		s.name = socket.Unix{Name: name, Abstract: true}
	}
	return e
}

// Listen implements socket.Socket.
func (s *Socket) Listen(backlog int) abi.Errno {
	if s.typ == abi.SOCK_DGRAM {
		return abi.EOPNOTSUPP
	}
	s.mu.Lock()
	if s.name.None() || s.state == established {
		s.mu.Unlock()
		return abi.EINVAL
	}
	if backlog < 0 || backlog > abi.SOMAXCONN {
		backlog = abi.SOMAXCONN
	}
	more := backlog > s.backlog
	s.state, s.backlog, s.cred = listening, backlog, true
	s.mu.Unlock()
	if more {
		s.unblock()
	}
	return abi.OK
}

// Connect implements socket.Socket. Streams are connected at once, EAGAIN if the
// listener's queue is full. A datagram socket's destination may be changed, and
// AF_UNSPEC takes it away.
func (s *Socket) Connect(addr []byte) abi.Errno {
	f, e := socket.Family(addr)
	if e != abi.OK {
		return e
	}
	if f == abi.AF_UNSPEC && s.typ == abi.SOCK_DGRAM {
		s.aim(nil)
		return abi.OK
	}
	if f != abi.AF_UNIX {
		return abi.EINVAL
	}
	u, e := socket.ParseUnix(addr)
	if e != abi.OK {
		return e
	}
	if u.None() {
		return abi.EINVAL
	}
	to, e := s.f.find(s.typ, u)
	if e != abi.OK {
		return e
	}
	if s.typ == abi.SOCK_DGRAM {
		return s.connectDatagram(to)
	}
	return s.connectStream(to)
}

func (s *Socket) connectDatagram(to *Socket) abi.Errno {
	lock2(s, to)
	e := abi.OK
	switch {
	case to.typ != s.typ:
		e = abi.EPROTOTYPE
	case to.dead:
		e = abi.ECONNREFUSED
	case to.peer != nil && to.peer != s:
		e = abi.EPERM
	}
	unlock2(s, to)
	if e == abi.OK {
		s.aim(to)
	}
	return e
}

// aim changes a datagram socket's destination, to nil for none. What the old
// one sent and was not read is gone, as on Linux.
func (s *Socket) aim(to *Socket) {
	s.mu.Lock()
	old := s.peer
	s.peer = to
	var gone queue
	if old != nil && old != to {
		gone, s.in = s.in, queue{}
	}
	s.state = closed
	if to != nil {
		s.state = established
	}
	s.mu.Unlock()
	s.discard(&gone)
	if old != nil && old != to {
		// The old peer, if it was aimed here, learns that it talks to no one.
		old.mu.Lock()
		if old.peer == s {
			old.err = abi.ECONNRESET
		}
		old.mu.Unlock()
		old.queue.Notify(allEvents)
	}
	s.queue.Notify(waiter.WritableEvents)
}

func (s *Socket) connectStream(to *Socket) abi.Errno {
	c, e := s.f.Socket(s.typ, 0) // the other end
	if e != abi.OK {
		return e
	}
	lock2(s, to)
	switch {
	case to.typ != s.typ:
		e = abi.EPROTOTYPE
	case s.state == established:
		e = abi.EISCONN
	case s.state == listening:
		e = abi.EINVAL
	case to.dead || to.state != listening || to.shutR:
		e = abi.ECONNREFUSED
	case len(to.pending) > to.backlog:
		to.wake(s)
		e = abi.EAGAIN
	}
	if e != abi.OK {
		unlock2(s, to)
		c.Release()
		return e
	}
	c.mu.Lock() // its number is the highest
	c.name, c.peer, c.state, c.cred = to.name, s, established, true
	c.mu.Unlock()
	c.sndbuf.Store(to.sndbuf.Load())
	c.rcvbuf.Store(to.rcvbuf.Load())
	c.passCred.Store(to.passCred.Load())
	s.peer, s.state, s.cred = c, established, true
	s.shutR, s.shutW = false, false
	to.pending = append(to.pending, c)
	unlock2(s, to)
	to.queue.Notify(waiter.ReadableEvents)
	s.queue.Notify(waiter.WritableEvents)
	return abi.OK
}

// ConnectResult implements socket.Socket.
func (s *Socket) ConnectResult() abi.Errno { return abi.OK }

// Accept implements socket.Socket.
func (s *Socket) Accept(peer []byte) (socket.Socket, int, abi.Errno) {
	if s.typ == abi.SOCK_DGRAM {
		return nil, 0, abi.EOPNOTSUPP
	}
	s.mu.Lock()
	if s.state != listening || s.shutR {
		s.mu.Unlock()
		return nil, 0, abi.EINVAL
	}
	if len(s.pending) == 0 {
		s.mu.Unlock()
		return nil, 0, abi.EAGAIN
	}
	c := s.pending[0]
	s.pending[0] = nil
	s.pending = s.pending[1:]
	s.mu.Unlock()
	s.unblock()
	return c, socket.PutUnix(peer, c.peerName()), abi.OK
}

// peerName is the name of the other end, which may be none.
func (s *Socket) peerName() socket.Unix {
	s.mu.Lock()
	p := s.peer
	s.mu.Unlock()
	if p == nil {
		return socket.Unix{}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.name
}

// LocalAddr implements socket.Socket.
func (s *Socket) LocalAddr(b []byte) (int, abi.Errno) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return socket.PutUnix(b, s.name), abi.OK
}

// PeerAddr implements socket.Socket.
func (s *Socket) PeerAddr(b []byte) (int, abi.Errno) {
	s.mu.Lock()
	p := s.peer
	s.mu.Unlock()
	if p == nil {
		return 0, abi.ENOTCONN
	}
	return socket.PutUnix(b, s.peerName()), abi.OK
}

// Shutdown implements socket.Socket: on connections it reaches the other end
// too.
func (s *Socket) Shutdown(how int) abi.Errno {
	if how < 0 || how > abi.SHUT_RDWR {
		return abi.EINVAL
	}
	r, w := how != abi.SHUT_WR, how != abi.SHUT_RD
	s.mu.Lock()
	s.shutR, s.shutW = s.shutR || r, s.shutW || w
	p := s.peer
	s.mu.Unlock()
	s.queue.Notify(allEvents)
	if p != nil && s.typ != abi.SOCK_DGRAM {
		p.mu.Lock()
		p.shutR, p.shutW = p.shutR || w, p.shutW || r
		p.mu.Unlock()
		p.queue.Notify(allEvents)
	}
	s.unblock()
	return abi.OK
}

// Release implements vfs.File. The other end of a connection sees the end, and a
// reset if something it sent was not read.
func (s *Socket) Release() {
	s.mu.Lock()
	s.dead = true
	peer, pending, in := s.peer, s.pending, s.in
	unread := s.in.n > 0
	s.pending, s.in, s.state = nil, queue{}, closed
	s.shutR, s.shutW = true, true
	if s.typ != abi.SOCK_DGRAM {
		// A connection's other end keeps its pointer to learn the name; it is
		// dropped when that end is released.
		s.peer = nil
	}
	s.mu.Unlock()
	if peer != nil && s.typ != abi.SOCK_DGRAM {
		peer.mu.Lock()
		peer.shutR, peer.shutW = true, true
		if unread {
			peer.err = abi.ECONNRESET
		}
		peer.mu.Unlock()
		peer.queue.Notify(allEvents)
	}
	for _, c := range pending { // never accepted: as if read by nobody
		c.mu.Lock()
		p := c.peer
		c.mu.Unlock()
		if p != nil {
			p.mu.Lock()
			p.err = abi.ECONNRESET
			p.mu.Unlock()
		}
		c.Release()
	}
	s.discard(&in)
	s.unblock()
	s.f.forget(s)
	s.f.rights.collect(false)
}

// discard drops messages that nobody will read.
func (s *Socket) discard(q *queue) {
	for q.n > 0 {
		m := q.pop()
		s.f.rights.drop(s.f.rights.take(m))
		s.credit(m)
	}
}

// credit gives a message's charge back to its sender and frees it.
func (s *Socket) credit(m *message) {
	from, n := m.from, m.charge
	m.free()
	s.f.budget.Release(n)
	before := from.sent.Add(-int64(n)) + int64(n)
	// Told when it becomes writable, not for every message.
	if limit := from.sndbuf.Load(); before<<2 > limit && (before-int64(n))<<2 <= limit || before >= limit {
		from.queue.Notify(waiter.WritableEvents)
	}
}
