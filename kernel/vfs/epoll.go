package vfs

import (
	"encoding/binary"
	"sync"
	"sync/atomic"

	"gvisor.dev/gvisor/pkg/waiter"

	"skerry/kernel/abi"
	"skerry/kernel/usermem"
	"skerry/kernel/wait"
)

// EpollEvent is struct epoll_event, packed to 12 bytes on x86-64.
type EpollEvent struct {
	Events uint32
	Data   uint64
}

const epollEventSize = 12

// epollFlags are the bits of EpollEvent.Events that are not events.
const epollFlags = abi.EPOLLET | abi.EPOLLONESHOT | abi.EPOLLWAKEUP | abi.EPOLLEXCLUSIVE

// alwaysEvents are reported whether asked for or not, epoll_ctl(2).
const alwaysEvents = abi.POLLERR | abi.POLLHUP

// itemEvents is what every item listens for; NotifyEvent picks what it was asked
// for, which may change without registering anew.
const itemEvents waiter.EventMask = 0x2fff

// Epoll is an epoll instance, epoll(7). An item per watched descriptor listens
// on its file and puts itself on the ready list when something happens; a wait
// takes from that list only, so it costs what is ready and not what is watched.
//
// Locks: mu (of the watching instance before that of a watched one; the nesting
// check keeps that free of cycles) → the file's own locks → list. mu is held
// while events are copied to the program, whose page faults never want it.
type Epoll struct {
	ino uint64

	mu    sync.Mutex
	items map[epollKey]*epollItem

	// list guards the ready list, which grows under the locks of files.
	list        sync.Mutex
	first, last *epollItem
	nready      atomic.Int32

	// threads sleep in Wait, one is woken per event; others poll the instance as
	// a file, all are told.
	threads, others Queue

	// parents are the items that watch this instance, under parentsMu; the rest
	// remembers results of the nesting check with the number of that check.
	parents                []*epollItem
	checked                [2]uint64
	checkedUp, checkedDown int
}

// epollKey is what Linux tells items apart by: the same description may be
// watched once per descriptor.
type epollKey struct {
	fd int32
	d  *Description
}

// epollItem is one watched descriptor.
type epollItem struct {
	waiter.Entry
	ep     *Epoll
	key    epollKey
	file   File
	child  *Epoll // file, if it is an epoll instance
	events atomic.Uint32
	data   uint64 // under ep.mu

	queued     atomic.Bool // on the ready list, or on its way into it
	next, prev *epollItem  // in the ready list, under ep.list

	// nextWatch and prevWatch link the items of one description.
	nextWatch, prevWatch *epollItem
}

// NewEpoll is epoll_create1(2); the flag EPOLL_CLOEXEC is the descriptor's.
func NewEpoll() *Description {
	return NewDescription(&Epoll{ino: NewIno(), items: make(map[epollKey]*epollItem)}, abi.O_RDWR)
}

// NotifyEvent implements waiter.EventListener: the file has news.
func (it *epollItem) NotifyEvent(mask waiter.EventMask) {
	if it.events.Load()&uint32(mask) == 0 {
		return // disarmed by EPOLLONESHOT
	}
	ep := it.ep
	if !it.queued.Swap(true) {
		ep.list.Lock()
		ep.append(it)
		ep.list.Unlock()
	}
	ep.threads.NotifyOne(waiter.EventIn)
	ep.others.Notify(waiter.EventIn)
}

// append puts an item at the end of the ready list. The caller holds list and
// has set it.queued.
func (ep *Epoll) append(it *epollItem) {
	it.next, it.prev = nil, ep.last
	if ep.last != nil {
		ep.last.next = it
	} else {
		ep.first = it
	}
	ep.last = it
	ep.nready.Add(1)
}

// unlink takes an item out of the ready list. The caller holds list.
func (ep *Epoll) unlink(it *epollItem) {
	if it.prev != nil {
		it.prev.next = it.next
	} else {
		ep.first = it.next
	}
	if it.next != nil {
		it.next.prev = it.prev
	} else {
		ep.last = it.prev
	}
	it.next, it.prev = nil, nil
	ep.nready.Add(-1)
}

// pop takes the first item; nil if there is none.
func (ep *Epoll) pop() *epollItem {
	ep.list.Lock()
	it := ep.first
	if it != nil {
		ep.unlink(it)
		it.queued.Store(false)
	}
	ep.list.Unlock()
	return it
}

// push puts an item at the front or the end of the ready list; false if it is
// there already.
func (ep *Epoll) push(it *epollItem, front bool) bool {
	if it.queued.Swap(true) {
		return false
	}
	ep.list.Lock()
	if front && ep.first != nil {
		it.prev, it.next = nil, ep.first
		ep.first.prev = it
		ep.first = it
		ep.nready.Add(1)
	} else {
		ep.append(it)
	}
	ep.list.Unlock()
	return true
}

// poll is what the item has to report now, of what it was asked for.
func (it *epollItem) poll() uint32 {
	want := it.events.Load() &^ epollFlags
	return uint32(it.file.Readiness(waiter.EventMask(want|alwaysEvents))) & want
}

// Wait is epoll_wait(2) and the like: up to max events go to v. It sleeps until
// there is one, the deadline (Immediate: not at all) passes, or a signal comes:
// EINTR, whatever the handler's flags (signal(7)). EINVAL if max is out of range.
func (ep *Epoll) Wait(w *wait.Waiter, v *usermem.Vec, max int, deadline int64) (int, abi.Errno) {
	if max <= 0 || max > 1<<31/epollEventSize {
		return 0, abi.EINVAL
	}
	for {
		if ep.nready.Load() != 0 {
			if n, e := ep.collect(v, max); n > 0 || e != abi.OK {
				return n, e
			}
		}
		if deadline == Immediate {
			return 0, abi.OK
		}
		slept := w.Ready((*epollThreads)(ep), waiter.EventIn, deadline)
		if slept == abi.OK {
			continue
		}
		// Events that came with the signal or at the deadline go first; one of
		// them may have woken this thread rather than another.
		if ep.nready.Load() != 0 {
			if n, e := ep.collect(v, max); n > 0 || e != abi.OK {
				return n, e
			}
		}
		if slept == abi.ETIMEDOUT {
			return 0, abi.OK
		}
		return 0, abi.EINTR
	}
}

// collect reports what the ready list holds at this moment, at most max.
func (ep *Epoll) collect(v *usermem.Vec, max int) (int, abi.Errno) {
	ep.mu.Lock()
	n := 0
	errno := abi.OK
	// Items that stay ready go back to the end; the count keeps them from being
	// reported twice.
	for left := ep.nready.Load(); left > 0 && n < max; left-- {
		it := ep.pop()
		if it == nil {
			break
		}
		got := it.poll()
		if got == 0 {
			continue
		}
		var b [epollEventSize]byte
		binary.LittleEndian.PutUint32(b[:], got)
		binary.LittleEndian.PutUint64(b[4:], it.data)
		if m, e := v.CopyOut(b[:]); e != abi.OK || m < epollEventSize {
			ep.push(it, true)
			if n == 0 {
				errno = abi.EFAULT
			}
			break
		}
		n++
		switch e := it.events.Load(); {
		case e&abi.EPOLLONESHOT != 0:
			it.events.Store(e & epollFlags)
		case e&abi.EPOLLET == 0:
			ep.push(it, false)
		}
	}
	ep.mu.Unlock()
	if ep.nready.Load() != 0 {
		ep.threads.NotifyOne(waiter.EventIn)
	}
	return n, errno
}

// epollThreads is the instance as threads in Wait sleep on it.
type epollThreads Epoll

// Readiness is a look at the ready list; Wait looks at the items.
func (t *epollThreads) Readiness(waiter.EventMask) waiter.EventMask {
	if t.nready.Load() != 0 {
		return waiter.EventIn
	}
	return 0
}

// EventRegister implements waiter.Waitable.
func (t *epollThreads) EventRegister(e *waiter.Entry) error {
	t.threads.registerLast(e)
	return nil
}

// EventUnregister implements waiter.Waitable.
func (t *epollThreads) EventUnregister(e *waiter.Entry) { t.threads.EventUnregister(e) }

// Readiness of the instance as a file: readable if some item has something to
// report. Items on the ready list that have not are dropped from it.
func (ep *Epoll) Readiness(mask waiter.EventMask) waiter.EventMask {
	if ep.nready.Load() == 0 {
		return 0
	}
	ep.mu.Lock()
	defer ep.mu.Unlock()
	for left := ep.nready.Load(); left > 0; left-- {
		it := ep.pop()
		if it == nil {
			break
		}
		if it.poll() != 0 {
			ep.push(it, true)
			return waiter.ReadableEvents & mask
		}
	}
	return 0
}

// EventRegister implements waiter.Waitable.
func (ep *Epoll) EventRegister(e *waiter.Entry) error { return ep.others.EventRegister(e) }

// EventUnregister implements waiter.Waitable.
func (ep *Epoll) EventUnregister(e *waiter.Entry) { ep.others.EventUnregister(e) }

// Read answers EINVAL, as Write and Ioctl do.
func (ep *Epoll) Read(*usermem.Vec, int64) (int, abi.Errno) { return 0, abi.EINVAL }

// Write answers EINVAL.
func (ep *Epoll) Write(*usermem.Vec, int64) (int, abi.Errno) { return 0, abi.EINVAL }

// Ioctl answers EINVAL, as since Linux 6.9, where an epoll instance has commands
// for busy polling; they are not there.
func (ep *Epoll) Ioctl(uint32, uintptr) (uintptr, abi.Errno) { return 0, abi.EINVAL }

// Positionless makes lseek(2) do nothing.
func (ep *Epoll) Positionless() {}

// Seekable is false.
func (ep *Epoll) Seekable() bool { return false }

// Stat shows an anonymous inode.
func (ep *Epoll) Stat(st *abi.Stat) abi.Errno { return anonStat(st, ep.ino) }

// Name is what /proc/self/fd shows.
func (ep *Epoll) Name() string { return "anon_inode:[eventpoll]" }

// FDInfo lists the items, proc(5).
func (ep *Epoll) FDInfo(b []byte) []byte {
	ep.mu.Lock()
	defer ep.mu.Unlock()
	for k, it := range ep.items {
		b = append(b, "tfd: "...)
		b = padLeft(b, itoa(uint64(k.fd)), 8)
		b = append(b, " events: "...)
		b = padLeft(b, hex(uint64(it.events.Load())), 8)
		b = append(b, " data: "...)
		b = padLeft(b, hex(it.data), 16)
		b = append(b, '\n')
	}
	return b
}

func padLeft(b []byte, s string, width int) []byte {
	for i := len(s); i < width; i++ {
		b = append(b, ' ')
	}
	return append(b, s...)
}
