package inet

import (
	"sync"

	gstack "gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"

	"skerry/kernel/abi"
	"skerry/kernel/net/socket"
	"skerry/kernel/net/stack"
)

// backlogShare is how many bytes of what sockets may have there are for each
// connection that a listener's queue may hold; a connection takes streamCost of them.
const backlogShare = 40 << 10

// Host is the sockets of one IP stack.
type Host struct {
	st  *stack.Stack
	reg registry
	// backlog is the longest queue of connections that a listener may have.
	backlog int
}

// Backlog is the longest queue of connections that a listener may have,
// /proc/sys/net/core/somaxconn.
func (h *Host) Backlog() int { return h.backlog }

// New makes the family over an IP stack.
func New(st *stack.Stack) *Host {
	h := &Host{st: st, backlog: abi.SOMAXCONN}
	// Connections that wait to be accepted are not charged one by one: on a
	// small machine the queue is shorter than SOMAXCONN.
	h.backlog = int(min(int64(h.backlog), max(st.Budget.Limit()/backlogShare, 128)))
	h.reg.init(h)
	st.Budget.SetCensus(h.reg.census)
	st.SetDatagramGate(h.reg.gate)
	st.SetConnectionGate(h.reg.room)
	return h
}

// Stack is the IP stack below.
func (h *Host) Stack() *stack.Stack { return h.st }

// protocols is IPPROTO_MAX, linux/in.h: no protocol has this number or a higher
// one.
const protocols = 263

// Socket makes a socket: EINVAL, EPROTONOSUPPORT, ESOCKTNOSUPPORT and EPERM as
// socket(2) of Linux without privileges answers them, ENOBUFS if sockets have
// used up their memory.
func (h *Host) Socket(domain, typ, proto int) (socket.Socket, abi.Errno) {
	if proto < 0 || proto >= protocols {
		return nil, abi.EINVAL
	}
	switch typ {
	case abi.SOCK_STREAM:
		if proto != 0 && proto != abi.IPPROTO_TCP {
			return nil, abi.EPROTONOSUPPORT
		}
		return h.newStream(domain)
	case abi.SOCK_DGRAM:
		switch proto {
		case 0, abi.IPPROTO_UDP:
			return h.newDatagram(domain)
		case abi.IPPROTO_ICMP, abi.IPPROTO_ICMPV6:
			if (proto == abi.IPPROTO_ICMP) == (domain == abi.AF_INET) {
				return nil, abi.EACCES // ping sockets, as with an empty ping_group_range
			}
		}
		return nil, abi.EPROTONOSUPPORT
	case abi.SOCK_RAW:
		return nil, abi.EPERM
	}
	return nil, abi.ESOCKTNOSUPPORT
}

// registry knows every socket of a Host, for the census of memory, the
// reclaiming of orphans and /proc/net.
type registry struct {
	host *Host

	mu      sync.Mutex
	streams map[*Stream]struct{}
	grams   map[gstack.TransportEndpoint]*Datagram
	// orphans are closed TCP sockets whose connection is not over yet, oldest
	// first.
	orphans  orphanList
	norphans int
	tight    bool // buffers are being held small
}

func (r *registry) init(h *Host) {
	r.host = h
	r.streams = make(map[*Stream]struct{})
	r.grams = make(map[gstack.TransportEndpoint]*Datagram)
}

// orphanShare is the part of the memory of all sockets that orphans may take
// before the oldest are given up.
const orphanShare = 8

// charge takes the memory of a new socket; if there is none, the oldest orphans
// are given up, most of which only wait out TIME_WAIT.
func (r *registry) charge(n int) bool {
	for !r.host.st.Budget.ChargeSocket(n) {
		if !r.reclaim() {
			return false
		}
	}
	return true
}

// room reports whether there is memory for one more connection. Orphans do not
// count, since charge gives them up.
func (r *registry) room() bool {
	r.mu.Lock()
	orphans := int64(r.norphans) * streamCost
	r.mu.Unlock()
	return r.host.st.Budget.SocketRoom(streamCost, orphans)
}

// release gives back the memory of a socket.
func (r *registry) release(n int) { r.host.st.Budget.ReleaseSocket(n) }

// reclaim aborts the oldest orphans, a few at a time, and reports whether
// there were any.
func (r *registry) reclaim() bool {
	var few [16]*Stream
	n := 0
	r.mu.Lock()
	for s := r.orphans.first; s != nil && n < len(few); s = s.next {
		few[n] = s
		n++
	}
	for _, s := range few[:n] {
		r.removeOrphan(s)
	}
	r.mu.Unlock()
	for _, s := range few[:n] {
		s.ep.Load().Abort()
	}
	return n > 0
}

// orphanList is the doubly linked list of orphans, through Stream's own fields.
type orphanList struct{ first, last *Stream }

// addOrphan takes over a socket that the program closed, unless its connection
// is over already.
func (r *registry) addOrphan(s *Stream) {
	r.mu.Lock()
	delete(r.streams, s)
	s.orphan, s.prev, s.next = true, r.orphans.last, nil
	if s.prev != nil {
		s.prev.next = s
	} else {
		r.orphans.first = s
	}
	r.orphans.last = s
	r.norphans++
	many := int64(r.norphans)*streamCost > r.host.st.Budget.Limit()/orphanShare
	r.mu.Unlock()
	r.over(s)
	if many {
		r.reclaim()
	}
}

// removeOrphan drops a socket from the list and gives its memory back; the lock
// is held.
func (r *registry) removeOrphan(s *Stream) {
	if !s.orphan {
		return
	}
	s.orphan = false
	if s.prev != nil {
		s.prev.next = s.next
	} else {
		r.orphans.first = s.next
	}
	if s.next != nil {
		s.next.prev = s.prev
	} else {
		r.orphans.last = s.prev
	}
	s.prev, s.next = nil, nil
	r.norphans--
	r.release(streamCost)
}

// over is called when an orphan may have ended.
func (r *registry) over(s *Stream) {
	switch s.ep.Load().tcp.EndpointState() {
	case tcp.StateClose, tcp.StateError:
		r.mu.Lock()
		r.removeOrphan(s)
		r.mu.Unlock()
	}
}

// gate is the stack's question whether a UDP endpoint may take one more.
func (r *registry) gate(ep gstack.TransportEndpoint) bool {
	r.mu.Lock()
	d := r.grams[ep]
	r.mu.Unlock()
	return d == nil || d.gate()
}

// Thresholds of memory pressure, in parts of what queues may hold: above 3/4
// buffers are held small, below 1/2 they may grow again.
const (
	leastBuffer = 4096
	dataFactor  = 4 // payload bytes in a send queue take 5/4 of their number
)

// census counts what the queues of the IP stack hold, in bytes, and holds
// buffers small while that is much. It runs on whoever noticed that it was time,
// also on a driver's goroutine, so it waits for no endpoint: what cannot be
// locked is taken as last seen.
func (r *registry) census(limit int64) int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	total := int64(0)
	n := len(r.streams) + len(r.grams) + r.norphans
	for s := range r.streams {
		total += s.count()
	}
	for s := r.orphans.first; s != nil; s = s.next {
		total += s.count()
	}
	for _, g := range r.grams {
		total += g.count()
	}
	switch {
	case total > limit*3/4:
		r.tight = true
		share := int(max(limit/2/int64(2*max(n, 1)), leastBuffer))
		r.host.st.LimitTCP(share, share)
		for s := range r.streams {
			s.shrink(share)
		}
		for s := r.orphans.first; s != nil; s = s.next {
			s.shrink(share)
		}
	case r.tight && total < limit/2:
		r.tight = false
		b := r.host.st.Buffers()
		r.host.st.LimitTCP(b.TCPRecvMax, b.TCPSendMax)
	}
	return total
}

// Counts are the numbers of sockets: in use, and closed but not over.
func (h *Host) Counts() (streams, datagrams, orphans int) {
	h.reg.mu.Lock()
	defer h.reg.mu.Unlock()
	return len(h.reg.streams), len(h.reg.grams), h.reg.norphans
}
