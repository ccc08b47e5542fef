package socket

import (
	"gvisor.dev/gvisor/pkg/waiter"

	"skerry/kernel/abi"
	"skerry/kernel/usermem"
	"skerry/kernel/wait"
)

// deadline turns a time limit into a deadline on wait.Now's clock.
func deadline(limit int64) int64 {
	if limit <= 0 {
		return wait.Forever
	}
	return wait.Now() + limit
}

// interrupted is the errno of a wait that a signal ended: calls with a time limit
// are not restarted (signal(7)).
func interrupted(e abi.Errno, limit int64) abi.Errno {
	if e == abi.ERESTARTSYS && limit > 0 {
		return abi.EINTR
	}
	return e
}

// Receive is recvmsg(2). nonblock is the description's O_NONBLOCK; MSG_DONTWAIT
// counts as well.
func Receive(s Socket, w *wait.Waiter, v *usermem.Vec, m *RecvMsg, nonblock bool) (int, abi.Errno) {
	room := v.Len()
	n, e := s.Recv(v, m)
	if nonblock || m.Flags&(abi.MSG_DONTWAIT|abi.MSG_ERRQUEUE) != 0 || e != abi.OK && e != abi.EAGAIN {
		return n, e
	}
	limit, _, low := s.Limits()
	if e == abi.EAGAIN {
		if n, e = receiveOnce(s, w, v, m, deadline(limit)); e != abi.OK {
			return n, interrupted(e, limit)
		}
	}
	// A stream goes on to the low-water mark, or to the end with MSG_WAITALL. The
	// bytes so far are the answer to whatever stops it.
	target := min(low, room)
	if m.Flags&abi.MSG_WAITALL != 0 {
		target = room
	}
	if n >= target || n == 0 || s.Type() != abi.SOCK_STREAM || m.Flags&abi.MSG_PEEK != 0 {
		return n, abi.OK
	}
	end := deadline(limit)
	for n < target {
		more, e := receiveOnce(s, w, v, m, end)
		if e != abi.OK || more == 0 {
			break
		}
		n += more
	}
	return n, abi.OK
}

func receiveOnce(s Socket, w *wait.Waiter, v *usermem.Vec, m *RecvMsg, end int64) (int, abi.Errno) {
	return w.Retry(s, waiter.ReadableEvents|waiter.EventRdHUp, end, func() (int, abi.Errno) {
		n, e := s.Recv(v, m)
		// A datagram socket that was shut down has no end of its data, but a
		// blocking caller is told so (0 bytes) instead of waiting for ever.
		if e == abi.EAGAIN && s.Type() != abi.SOCK_STREAM && s.Readiness(waiter.EventRdHUp)&waiter.EventRdHUp != 0 {
			e = abi.OK
		}
		return n, e
	})
}

// Transmit is sendmsg(2). A blocking stream takes all of v unless an error,
// a signal or the time limit intervenes; then the bytes taken are the answer, if
// any were.
func Transmit(s Socket, w *wait.Waiter, v *usermem.Vec, m *SendMsg, nonblock bool) (int, abi.Errno) {
	n, e := s.Send(v, m)
	if nonblock || m.Flags&abi.MSG_DONTWAIT != 0 {
		return n, e
	}
	if e == abi.OK && (v.Len() == 0 || s.Type() != abi.SOCK_STREAM) || e != abi.OK && e != abi.EAGAIN {
		return n, e
	}
	_, limit, _ := s.Limits()
	end := deadline(limit)
	for {
		more, e := w.Retry(s, waiter.WritableEvents, end, func() (int, abi.Errno) { return s.Send(v, m) })
		n += more
		switch {
		case e != abi.OK && n > 0:
			return n, abi.OK
		case e != abi.OK:
			return 0, interrupted(e, limit)
		case v.Len() == 0 || s.Type() != abi.SOCK_STREAM:
			return n, abi.OK
		}
	}
}

// Accept is accept4(2).
func Accept(s Socket, w *wait.Waiter, peer []byte, nonblock bool) (Socket, int, abi.Errno) {
	c, n, e := s.Accept(peer)
	if e != abi.EAGAIN || nonblock {
		return c, n, e
	}
	limit, _, _ := s.Limits()
	_, e = w.Retry(s, waiter.ReadableEvents, deadline(limit), func() (int, abi.Errno) {
		c, n, e = s.Accept(peer)
		return 0, e
	})
	if e != abi.OK {
		return nil, 0, interrupted(e, limit)
	}
	return c, n, abi.OK
}

// Connect is connect(2). When the time limit of SO_SNDTIMEO passes the answer is
// EINPROGRESS, and the attempt goes on (socket(7)). A call repeated after a
// signal waits on.
func Connect(s Socket, w *wait.Waiter, addr []byte, nonblock bool) abi.Errno {
	e := s.Connect(addr)
	if nonblock || e != abi.EINPROGRESS && e != abi.EALREADY && e != abi.EAGAIN {
		return e
	}
	_, limit, _ := s.Limits()
	end := deadline(limit)
	if e == abi.EAGAIN { // a local listener's queue is full
		_, e = w.Retry(s, waiter.WritableEvents, end, func() (int, abi.Errno) { return 0, s.Connect(addr) })
		if e != abi.EINPROGRESS {
			return interrupted(e, limit)
		}
	}
	begun := e
	for {
		switch e := w.Ready(s, waiter.WritableEvents, end); e {
		case abi.OK:
		case abi.ETIMEDOUT:
			return begun
		default:
			return interrupted(e, limit)
		}
		if e := s.ConnectResult(); e != abi.EINPROGRESS {
			return e
		}
	}
}
