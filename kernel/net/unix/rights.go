package unix

import (
	"sync"

	"skerry/kernel/abi"
	"skerry/kernel/net/socket"
)

// maxInFlight is how many descriptors may be in flight in all; one more answers
// ETOOMANYREFS. Linux takes RLIMIT_NOFILE for it.
const maxInFlight = 4096

// rights is the descriptors in flight.
//
// A socket may be in flight itself, in the queue of another, and its own queue
// may hold descriptors. If all references to such a socket are in queues of
// sockets of which the same is true, nobody will ever receive any of them:
// collect finds those sets, the way unix_gc of Linux does, by comparing counts.
type rights struct {
	mu       sync.Mutex
	total    int
	released int                  // sockets released since the last collection
	sockets  map[*Socket]struct{} // those in flight
	falling  []socket.Passed      // to be dropped by whoever drops already
	dropping bool
}

// put moves the rights of a send into its message.
func (r *rights) put(m *message, sm *socket.SendMsg) abi.Errno {
	if len(sm.Rights) == 0 {
		return abi.OK
	}
	r.mu.Lock()
	if r.total+len(sm.Rights) > maxInFlight {
		r.mu.Unlock()
		r.collect(true)
		r.mu.Lock()
	}
	defer r.mu.Unlock()
	if r.total+len(sm.Rights) > maxInFlight {
		return abi.ETOOMANYREFS
	}
	m.rights, sm.Rights = sm.Rights, nil
	r.total += len(m.rights)
	for _, p := range m.rights {
		if s, ok := p.File().(*Socket); ok {
			s.desc = p
			s.inflight++
			if r.sockets == nil {
				r.sockets = make(map[*Socket]struct{})
			}
			r.sockets[s] = struct{}{}
		}
	}
	return abi.OK
}

// take takes the rights out of a message; their references are the caller's.
func (r *rights) take(m *message) []socket.Passed {
	if len(m.rights) == 0 {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.takeLocked(m)
}

func (r *rights) takeLocked(m *message) []socket.Passed {
	list := m.rights
	m.rights = nil
	r.total -= len(list)
	for _, p := range list {
		if s, ok := p.File().(*Socket); ok {
			if s.inflight--; s.inflight == 0 {
				delete(r.sockets, s)
				s.desc = nil
			}
		}
	}
	return list
}

// copy takes further references for a reader that only peeks.
func (r *rights) copy(m *message) []socket.Passed {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := append([]socket.Passed(nil), m.rights...)
	for _, p := range list {
		p.Ref()
	}
	return list
}

// drop gives references back. The last one of a socket releases it, which may
// drop what its queue holds, and so on: the depth of that is the program's, so
// it is a list and not a recursion.
func (r *rights) drop(list []socket.Passed) {
	if len(list) == 0 {
		return
	}
	r.mu.Lock()
	r.falling = append(r.falling, list...)
	if r.dropping {
		r.mu.Unlock()
		return
	}
	r.dropping = true
	for len(r.falling) > 0 {
		p := r.falling[len(r.falling)-1]
		r.falling = r.falling[:len(r.falling)-1]
		r.mu.Unlock()
		p.Unref()
		r.mu.Lock()
	}
	r.dropping = false
	r.mu.Unlock()
}

// each calls f for every message that can be received through s: its own, and
// those of connections that nobody has accepted.
func (s *Socket) each(f func(*message)) {
	s.mu.Lock()
	for m := s.in.first; m != nil; m = m.next {
		f(m)
	}
	pending := s.pending
	for _, c := range pending {
		c.mu.Lock()
		for m := c.in.first; m != nil; m = m.next {
			f(m)
		}
		c.mu.Unlock()
	}
	s.mu.Unlock()
}

// collect drops the descriptors that nobody can receive any more. It is called
// when a socket is released, and with now set when too much is in flight; a knot
// that has just been let go is found the next time. The more sockets are in
// flight, the more releases it takes until they are looked through again, so
// that releasing many stays cheap.
func (r *rights) collect(now bool) {
	r.mu.Lock()
	r.released++
	if !now && r.released*8 < len(r.sockets) {
		r.mu.Unlock()
		return
	}
	r.released = 0
	// Candidates: sockets all of whose references are in flight. While the lock
	// is held none of them can get another, since that takes receiving it.
	inside := make(map[*Socket]int, len(r.sockets))
	for s := range r.sockets {
		if s.desc != nil && s.desc.Refs() == s.inflight {
			inside[s] = 0
		}
	}
	if len(inside) == 0 {
		r.mu.Unlock()
		return
	}
	// How many of the references are in candidates' own queues.
	for s := range inside {
		s.each(func(m *message) {
			for _, p := range m.rights {
				if c, ok := p.File().(*Socket); ok {
					if _, ok := inside[c]; ok {
						inside[c]++
					}
				}
			}
		})
	}
	// One that is also elsewhere can be received, and so can all that it holds.
	var alive []*Socket
	for s, n := range inside {
		if s.inflight > n {
			alive = append(alive, s)
		}
	}
	for len(alive) > 0 {
		s := alive[len(alive)-1]
		alive = alive[:len(alive)-1]
		if _, ok := inside[s]; !ok {
			continue
		}
		delete(inside, s)
		s.each(func(m *message) {
			for _, p := range m.rights {
				if c, ok := p.File().(*Socket); ok {
					if _, ok := inside[c]; ok {
						alive = append(alive, c)
					}
				}
			}
		})
	}
	var gone []socket.Passed
	for s := range inside {
		s.each(func(m *message) { gone = append(gone, r.takeLocked(m)...) })
	}
	r.mu.Unlock()
	r.drop(gone)
}
