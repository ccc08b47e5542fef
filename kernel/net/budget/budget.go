// Package budget bounds the memory that the machine's sockets hold.
//
// Two kinds of memory count against one limit. What the kernel's own code
// queues (AF_UNIX messages, netlink answers) and the sockets themselves are charged
// exactly, by Charge and Release, ChargeSocket and ReleaseSocket. What sits in the IP stack's TCP and UDP queues
// is freed in places that cannot report it, so it is counted by census: every
// byte that enters a queue is noted with Flow, and as soon as the last count
// plus what has flowed since could exceed the limit, the queues are counted
// again. Between two counts the true sum is at most what is known, so the limit
// holds at any time, and a count costs little because a good part of the limit
// has to flow before the next one.
//
// It imports nothing of the kernel but wait (for the clock). All methods are
// safe for concurrent use and allocate nothing.
package budget

import (
	"sync/atomic"

	"skerry/kernel/wait"
)

// minInterval is the least time in nanoseconds between two counts while the
// limit is exceeded, so that a flood cannot buy a count with every packet.
const minInterval = 1_000_000

// Budget is one limit. Make it with New.
type Budget struct {
	limit   int64
	sockets atomic.Int64 // bytes charged for sockets
	exact   atomic.Int64 // bytes charged for queues
	counted atomic.Int64 // bytes found by the last census
	flowed  atomic.Int64 // bytes noted since then
	refused atomic.Uint64

	interval int64 // least time between counts when little is left
	counting atomic.Bool
	last     atomic.Int64 // time of the last census, on wait.Now's clock
	census   atomic.Pointer[func(limit int64) int64]
}

// New makes a budget of limit bytes.
func New(limit int64) *Budget { return &Budget{limit: max(limit, 0), interval: minInterval} }

// SetCensus gives the function that counts the queues in bytes. It is told how
// many bytes they may hold, so that it can shrink buffers when they hold much
// of that. It must not wait for a lock that a caller of Flow may hold.
func (b *Budget) SetCensus(f func(limit int64) int64) { b.census.Store(&f) }

// Limit is the limit in bytes.
func (b *Budget) Limit() int64 { return b.limit }

// Used is an upper bound of the bytes held now.
func (b *Budget) Used() int64 { return b.sockets.Load() + b.queues() }

// queues is an upper bound of the bytes in queues.
func (b *Budget) queues() int64 { return b.exact.Load() + b.counted.Load() + b.flowed.Load() }

// room is how many bytes queues may hold.
func (b *Budget) room() int64 { return max(min(b.limit/2, b.limit-b.sockets.Load()), 0) }

// QueueLimit is how many bytes queues may hold at most.
func (b *Budget) QueueLimit() int64 { return b.limit / 2 }

// SocketLimit is how many bytes sockets as such may take at most.
func (b *Budget) SocketLimit() int64 { return b.limit * 3 / 4 }

// SocketRoom reports whether n bytes more would be there for a socket if so many
// given bytes were given back.
func (b *Budget) SocketRoom(n, given int64) bool {
	s := b.sockets.Load() - given + n
	return s <= b.limit/2 || s <= b.SocketLimit() && s+b.queues() <= b.limit
}

// ChargeSocket takes n bytes for a socket and reports whether they are there.
func (b *Budget) ChargeSocket(n int) bool {
	s := b.sockets.Add(int64(n))
	if s <= b.limit/2 || s <= b.SocketLimit() && (s+b.queues() <= b.limit || b.recount(0, b.limit-s)) {
		return true
	}
	b.sockets.Add(-int64(n))
	b.refused.Add(1)
	return false
}

// ReleaseSocket gives back n bytes that were charged for a socket.
func (b *Budget) ReleaseSocket(n int) {
	if b.sockets.Add(-int64(n)) < 0 {
		panic("budget: more released for sockets than charged")
	}
}

// Refused is how often Charge or Flow said no.
func (b *Budget) Refused() uint64 { return b.refused.Load() }

// Charge takes n bytes and reports whether they are there.
func (b *Budget) Charge(n int) bool {
	if room := b.room(); b.exact.Add(int64(n))+b.counted.Load()+b.flowed.Load() > room && !b.recount(0, room) {
		b.exact.Add(-int64(n))
		b.refused.Add(1)
		return false
	}
	return true
}

// Release gives back n bytes that were charged.
func (b *Budget) Release(n int) {
	if b.exact.Add(-int64(n)) < 0 {
		panic("budget: more released than charged")
	}
}

// Flow notes that n bytes are about to enter a queue of the IP stack. False
// means that they should not: the limit is reached.
func (b *Budget) Flow(n int) bool {
	return b.flow(int64(n), b.room())
}

// FlowSmall is Flow for what frees more than it takes (acknowledgements); it is
// refused only when queues hold twice what they may, which can be, since what the
// program sends is noted and not refused.
func (b *Budget) FlowSmall(n int) bool {
	return b.flow(int64(n), 2*b.room())
}

// Note is Flow for bytes that are in a queue already; at the limit it makes the
// census look, which holds buffers small.
func (b *Budget) Note(n int) {
	if room := b.room(); b.flowed.Add(int64(n))+b.counted.Load()+b.exact.Load() > room {
		b.recount(0, room)
	}
}

func (b *Budget) flow(n, limit int64) bool {
	if b.flowed.Add(n)+b.counted.Load()+b.exact.Load() > limit && !b.recount(n, limit) {
		b.flowed.Add(-n)
		b.refused.Add(1)
		return false
	}
	return true
}

// recount runs the census, unless one runs already or ran just now and left
// little room, and reports whether the queues are inside the limit. The caller has
// noted pending bytes that are in no queue yet.
func (b *Budget) recount(pending, limit int64) bool {
	f := b.census.Load()
	if f == nil {
		return b.queues() <= limit
	}
	last := b.last.Load()
	left := limit - b.counted.Load() - b.exact.Load()
	if last != 0 && left < limit/8 && wait.Now()-last < b.interval {
		return false
	}
	if !b.counting.CompareAndSwap(false, true) {
		return false
	}
	b.count(*f, pending)
	return b.queues() <= limit
}

// count runs the census f; counting is set.
func (b *Budget) count(f func(int64) int64, pending int64) {
	before := b.flowed.Load()
	n := f(max(b.room()-b.exact.Load(), 0))
	// What flowed while the census ran may or may not be in it: it stays noted.
	b.counted.Store(n)
	b.flowed.Add(pending - before)
	b.last.Store(wait.Now())
	b.counting.Store(false)
}

// Recount runs the census now, for those who have time (a periodic task, or
// before Used is shown).
func (b *Budget) Recount() {
	if f := b.census.Load(); f != nil && b.counting.CompareAndSwap(false, true) {
		b.count(*f, 0)
	}
}
