package unix

import (
	"encoding/binary"

	"gvisor.dev/gvisor/pkg/waiter"

	"skerry/kernel/abi"
	"skerry/kernel/net/socket"
	"skerry/kernel/usermem"
)

// Read implements vfs.File.
func (s *Socket) Read(v *usermem.Vec, _ int64) (int, abi.Errno) {
	var m socket.RecvMsg
	n, e := s.Recv(v, &m)
	s.f.rights.drop(m.Rights) // read(2) cannot hand them over
	if e == abi.EAGAIN && s.Readiness(waiter.EventRdHUp)&waiter.EventRdHUp != 0 {
		return 0, abi.OK // shut for reading: see inet.Datagram.Read
	}
	return n, e
}

// Write implements vfs.File.
func (s *Socket) Write(v *usermem.Vec, _ int64) (int, abi.Errno) {
	return s.Send(v, &socket.SendMsg{})
}

// Send implements socket.Socket.
func (s *Socket) Send(v *usermem.Vec, m *socket.SendMsg) (int, abi.Errno) {
	if m.Flags&abi.MSG_OOB != 0 {
		return 0, abi.EOPNOTSUPP
	}
	if e := checkControl(m.Control); e != abi.OK {
		return 0, e
	}
	if s.typ == abi.SOCK_DGRAM {
		return s.sendDatagram(v, m)
	}
	s.mu.Lock()
	st, peer, shut := s.state, s.peer, s.shutW
	err := s.err
	s.err = abi.OK
	s.mu.Unlock()
	switch {
	case err != abi.OK && s.typ == abi.SOCK_SEQPACKET:
		return 0, err
	case m.Addr != nil && s.typ == abi.SOCK_STREAM && st == established:
		return 0, abi.EISCONN
	case m.Addr != nil && s.typ == abi.SOCK_STREAM:
		return 0, abi.EOPNOTSUPP
	case st != established && s.typ == abi.SOCK_SEQPACKET || peer == nil:
		return 0, abi.ENOTCONN
	case shut:
		return 0, abi.EPIPE
	}
	if s.typ == abi.SOCK_SEQPACKET {
		return s.sendPacket(v, m, peer)
	}
	return s.sendStream(v, m, peer)
}

// checkControl looks through the control messages: descriptors were looked up
// by the caller, credentials may name only this process and the one identity.
func checkControl(b []byte) abi.Errno {
	for len(b) > 0 {
		c, rest, ok, e := socket.NextCmsg(b)
		if !ok {
			return e
		}
		b = rest
		if c.Level != abi.SOL_SOCKET {
			continue
		}
		switch c.Type {
		case abi.SCM_RIGHTS:
		case abi.SCM_CREDENTIALS:
			if len(c.Data) != 12 {
				return abi.EINVAL
			}
			if binary.LittleEndian.Uint32(c.Data) != 1 || binary.LittleEndian.Uint32(c.Data[4:]) != abi.ID || binary.LittleEndian.Uint32(c.Data[8:]) != abi.ID {
				return abi.EPERM
			}
		default:
			return abi.EINVAL
		}
	}
	return abi.OK
}

// reserve charges n bytes of a message to the sender: EAGAIN if its buffer is
// full, ENOBUFS if sockets have used up their memory.
func (s *Socket) reserve(n int) (int, abi.Errno) {
	charge := n + messageCost
	if s.sent.Load() >= s.sndbuf.Load() {
		return 0, abi.EAGAIN
	}
	if !s.f.budget.Charge(charge) {
		return 0, abi.ENOBUFS
	}
	s.sent.Add(int64(charge))
	return charge, abi.OK
}

// compose makes a message of the next n bytes of v.
func (s *Socket) compose(v *usermem.Vec, n int) (*message, abi.Errno) {
	charge, e := s.reserve(n)
	if e != abi.OK {
		return nil, e
	}
	m := newMessage(n)
	m.from, m.charge = s, charge
	if k, e := v.CopyIn(m.data); e != abi.OK || k < n {
		s.credit(m)
		return nil, abi.EFAULT
	}
	return m, abi.OK
}

// sendStream sends as much as there is room for.
func (s *Socket) sendStream(v *usermem.Vec, sm *socket.SendMsg, peer *Socket) (int, abi.Errno) {
	done := 0
	for v.Len() > 0 {
		// At most what the buffer has room for, so that a large write wakes the
		// reader early.
		free := s.sndbuf.Load() - s.sent.Load() - messageCost
		n := min(v.Len(), maxPart, max(int(free), 256))
		m, e := s.compose(v, n)
		if e == abi.OK {
			e = s.deliver(m, sm, peer)
		}
		if e != abi.OK {
			if done > 0 {
				return done, abi.OK
			}
			return 0, e
		}
		done += n
	}
	return done, abi.OK
}

// deliver puts a message into the peer's queue, with the rights that are still
// to be sent.
func (s *Socket) deliver(m *message, sm *socket.SendMsg, peer *Socket) abi.Errno {
	if e := s.f.rights.put(m, sm); e != abi.OK {
		s.credit(m)
		return e
	}
	peer.mu.Lock()
	if peer.dead || peer.shutR {
		peer.mu.Unlock()
		sm.Rights = s.f.rights.take(m)
		s.credit(m)
		return abi.EPIPE
	}
	peer.in.push(m)
	peer.mu.Unlock()
	peer.queue.Notify(waiter.ReadableEvents)
	return abi.OK
}

// sendPacket sends a message of a sequenced-packet socket.
func (s *Socket) sendPacket(v *usermem.Vec, sm *socket.SendMsg, peer *Socket) (int, abi.Errno) {
	n := v.Len()
	if int64(n) > s.sndbuf.Load()-32 {
		return 0, abi.EMSGSIZE
	}
	if peer.full(s) {
		return 0, abi.EAGAIN
	}
	m, e := s.compose(v, n)
	if e == abi.OK {
		e = s.deliver(m, sm, peer)
	}
	if e != abi.OK {
		return 0, e
	}
	return n, abi.OK
}

// sendDatagram sends a datagram to an address or to the socket's destination.
func (s *Socket) sendDatagram(v *usermem.Vec, sm *socket.SendMsg) (int, abi.Errno) {
	s.mu.Lock()
	peer, shut, name, err := s.peer, s.shutW, s.name, s.err
	s.err = abi.OK
	s.mu.Unlock()
	if shut {
		return 0, abi.EPIPE
	}
	if err != abi.OK {
		return 0, err
	}
	to := peer
	if sm.Addr != nil {
		f, e := socket.Family(sm.Addr)
		if e != abi.OK || f != abi.AF_UNIX {
			return 0, abi.EINVAL
		}
		u, e := socket.ParseUnix(sm.Addr)
		if e != abi.OK {
			return 0, e
		}
		if u.None() {
			return 0, abi.EINVAL
		}
		if to, e = s.f.find(s.typ, u); e != abi.OK {
			return 0, e
		}
	}
	if to == nil {
		return 0, abi.ENOTCONN
	}
	n := v.Len()
	if int64(n) > s.sndbuf.Load()-32 {
		return 0, abi.EMSGSIZE
	}
	to.mu.Lock()
	e := abi.OK
	switch {
	case to.typ != s.typ:
		e = abi.EPROTOTYPE
	case to.dead:
		e = abi.ECONNREFUSED
	case to.peer != nil && to.peer != s:
		e = abi.EPERM
	case to.shutR:
		e = abi.EPIPE
	case to != s && to.peer != s && to.in.n > maxQueued:
		to.wake(s)
		e = abi.EAGAIN
	}
	to.mu.Unlock()
	if e == abi.ECONNREFUSED && to == peer {
		s.mu.Lock()
		if s.peer == to {
			s.peer, s.state = nil, closed
		}
		s.mu.Unlock()
	}
	if e != abi.OK {
		return 0, e
	}
	m, e := s.compose(v, n)
	if e != abi.OK {
		return 0, e
	}
	m.name = name
	if e := s.deliver(m, sm, to); e != abi.OK {
		if e == abi.EPIPE { // it closed meanwhile
			e = abi.ECONNREFUSED
		}
		return 0, e
	}
	return n, abi.OK
}

// Recv implements socket.Socket.
func (s *Socket) Recv(v *usermem.Vec, m *socket.RecvMsg) (int, abi.Errno) {
	if m.Flags&abi.MSG_OOB != 0 {
		if s.packets() {
			return 0, abi.EOPNOTSUPP
		}
		return 0, abi.EINVAL
	}
	if m.Flags&abi.MSG_ERRQUEUE != 0 {
		return 0, abi.EAGAIN
	}
	s.io.Lock()
	defer s.io.Unlock()
	if s.packets() {
		return s.recvPacket(v, m)
	}
	return s.recvStream(v, m)
}

// nothing is what a receive answers when the queue is empty; the lock is held.
func (s *Socket) nothing() abi.Errno {
	if e := s.err; e != abi.OK {
		s.err = abi.OK
		return e
	}
	if s.shutR {
		return abi.OK
	}
	return abi.EAGAIN
}

// recvPacket takes one message.
func (s *Socket) recvPacket(v *usermem.Vec, out *socket.RecvMsg) (int, abi.Errno) {
	peek := out.Flags&abi.MSG_PEEK != 0
	s.mu.Lock()
	if s.typ == abi.SOCK_SEQPACKET && s.state != established {
		s.mu.Unlock()
		return 0, abi.ENOTCONN
	}
	if e := s.err; e != abi.OK { // before the queue, unlike on streams
		s.err = abi.OK
		s.mu.Unlock()
		return 0, e
	}
	m := s.in.first
	if m == nil {
		e := s.nothing()
		if e == abi.OK && s.typ == abi.SOCK_DGRAM {
			e = abi.EAGAIN // the end is told to blocking callers only
		}
		s.mu.Unlock()
		return 0, e
	}
	s.mu.Unlock()
	n, e := v.CopyOut(m.data)
	if e != abi.OK {
		return 0, e // and the message stays, for there was no reading it
	}
	if n < m.whole {
		out.OutFlags |= abi.MSG_TRUNC
		if out.Flags&abi.MSG_TRUNC != 0 {
			n = m.whole
		}
	}
	if s.typ == abi.SOCK_DGRAM && !m.name.None() {
		out.AddrLen = socket.PutUnix(out.Addr[:], m.name)
	}
	s.credentials(out)
	if peek {
		out.Rights = s.f.rights.copy(m)
		return n, abi.OK
	}
	s.mu.Lock()
	s.in.pop()
	wasFull := s.in.n == maxQueued || len(s.blocked) > 0
	s.mu.Unlock()
	out.Rights = s.f.rights.take(m)
	s.credit(m)
	if wasFull {
		s.unblock()
	}
	return n, abi.OK
}

// recvStream takes bytes across messages, but stops behind one that carries
// descriptors, so that they stay with the bytes they came with.
func (s *Socket) recvStream(v *usermem.Vec, out *socket.RecvMsg) (int, abi.Errno) {
	peek := out.Flags&abi.MSG_PEEK != 0
	s.mu.Lock()
	if s.state != established {
		e := abi.EINVAL
		if s.dead {
			e = abi.EBADF
		}
		s.mu.Unlock()
		return 0, e
	}
	m := s.in.first
	if m == nil {
		e := s.nothing()
		s.mu.Unlock()
		if e == abi.OK {
			s.credentials(out)
		}
		return 0, e
	}
	s.mu.Unlock()
	done := 0
	for m != nil && v.Len() > 0 {
		n, e := v.CopyOut(m.data)
		done += n
		stop := e != abi.OK
		if done > 0 && (peek || len(m.rights) > 0) {
			if peek {
				out.Rights = append(out.Rights, s.f.rights.copy(m)...)
			} else {
				out.Rights = append(out.Rights, s.f.rights.take(m)...)
			}
			stop = stop || len(out.Rights) > 0
		}
		s.mu.Lock()
		next := m.next
		if !peek {
			s.in.bytes -= n
			m.data = m.data[n:]
			if len(m.data) == 0 {
				s.in.pop()
			} else {
				next, m = m, nil // more of it is left
			}
		} else if n < len(m.data) {
			stop = true
		}
		s.mu.Unlock()
		if !peek && m != nil && len(m.data) == 0 {
			s.credit(m)
		}
		if stop {
			if done == 0 {
				return 0, e
			}
			break
		}
		m = next
	}
	if done > 0 {
		s.credentials(out)
	}
	return done, abi.OK
}

// credentials puts the sender's credentials if SO_PASSCRED asks for them: there
// is one process and one identity.
func (s *Socket) credentials(out *socket.RecvMsg) {
	if !s.passCred.Load() {
		return
	}
	c := ucred()
	out.Put(abi.SOL_SOCKET, abi.SCM_CREDENTIALS, c[:])
}

// ucred is struct ucred of the one process: pid 1 and the one identity.
func ucred() (c [12]byte) {
	binary.LittleEndian.PutUint32(c[:], 1)
	binary.LittleEndian.PutUint32(c[4:], abi.ID)
	binary.LittleEndian.PutUint32(c[8:], abi.ID)
	return c
}
