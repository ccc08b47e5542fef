package egress

import (
	"net/netip"
	"sync"
	"time"
)

// AnswerTime is how long after a datagram its sender may be answered: what the user
// network's NAT, which is QEMU's libslirp, keeps a silent UDP port for (SO_EXPIRE).
const AnswerTime = 4 * time.Minute

// maxHeard bounds the senders that are remembered; the one that has been silent for
// longest goes first.
const maxHeard = 1024

// heard are the senders at denied addresses that may be answered. Clients of a published
// UDP port that are on the host come from where its loopback is denied: who spoke first
// may be answered, from the port that it spoke to and for a while, and nobody else there.
type heard struct {
	mu   sync.Mutex
	last map[flow]int64 // nanoseconds of the caller's clock
}

// flow is one sender and the port of this machine that it sent to.
type flow struct {
	local uint16
	from  netip.AddrPort
}

func flowOf(local uint16, a netip.AddrPort) flow {
	return flow{local, netip.AddrPortFrom(a.Addr().Unmap().WithZone(""), a.Port())}
}

// Heard notes that a datagram came to a local port from a denied address at now, in
// nanoseconds of any clock that does not go back.
func (t *Table) Heard(local uint16, from netip.AddrPort, now int64) {
	f := flowOf(local, from)
	h := &t.heard
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, ok := h.last[f]; !ok && len(h.last) >= maxHeard {
		var oldest flow
		at := now
		for k, v := range h.last {
			if v <= at {
				oldest, at = k, v
			}
		}
		delete(h.last, oldest)
	}
	if h.last == nil {
		h.last = make(map[flow]int64)
	}
	h.last[f] = now
}

// Answers reports whether what goes from a local port to a denied address is an answer to
// what was heard from there.
func (t *Table) Answers(local uint16, to netip.AddrPort, now int64) bool {
	f := flowOf(local, to)
	h := &t.heard
	h.mu.Lock()
	defer h.mu.Unlock()
	at, ok := h.last[f]
	if ok && now-at > int64(AnswerTime) {
		delete(h.last, f)
		return false
	}
	return ok
}
