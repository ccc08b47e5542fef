package vfs

import (
	"sync"
	"sync/atomic"

	"gvisor.dev/gvisor/pkg/waiter"
)

// Queue is a list of those who wait for something. It has the methods of
// gVisor's waiter.Queue, and costs one load when nobody waits. The zero value is
// an empty queue.
//
// No wake-up is lost: who waits registers first and looks at the object then;
// who changes the object does so first and calls Notify then.
type Queue struct {
	n          atomic.Int32
	mu         sync.Mutex
	head, tail *waiter.Entry
}

// EventRegister adds an entry, which must be in no queue. The newest is told
// first, as in Linux, where that shows in the order of epoll's events. The error
// is always nil; it is there so that files can embed a Queue.
func (q *Queue) EventRegister(e *waiter.Entry) error {
	q.mu.Lock()
	e.SetPrev(nil)
	e.SetNext(q.head)
	if q.head != nil {
		q.head.SetPrev(e)
	} else {
		q.tail = e
	}
	q.head = e
	q.n.Add(1)
	q.mu.Unlock()
	return nil
}

// registerLast is EventRegister for queues that NotifyOne serves in turn.
func (q *Queue) registerLast(e *waiter.Entry) {
	q.mu.Lock()
	q.push(e)
	q.n.Add(1)
	q.mu.Unlock()
}

// EventUnregister removes an entry. No notification is on its way to it when
// this returns.
func (q *Queue) EventUnregister(e *waiter.Entry) {
	q.mu.Lock()
	q.remove(e)
	q.n.Add(-1)
	q.mu.Unlock()
}

// Notify tells all entries that wait for one of the events. It must not be
// called with a lock held that a listener takes; listeners of this kernel only
// wake threads and mark items of epoll ready.
func (q *Queue) Notify(mask waiter.EventMask) {
	if q.n.Load() != 0 {
		q.notify(mask)
	}
}

func (q *Queue) notify(mask waiter.EventMask) {
	q.mu.Lock()
	for e := q.head; e != nil; e = e.Next() {
		if e.Mask()&mask != 0 {
			e.NotifyEvent(mask)
		}
	}
	q.mu.Unlock()
}

// NotifyOne tells the entry at the front, and moves it to the end, so that the
// next call finds another one as long as there is one.
func (q *Queue) NotifyOne(mask waiter.EventMask) {
	if q.n.Load() == 0 {
		return
	}
	q.mu.Lock()
	for e := q.head; e != nil; e = e.Next() {
		if e.Mask()&mask != 0 {
			if e != q.tail {
				q.remove(e)
				q.push(e)
			}
			e.NotifyEvent(mask)
			break
		}
	}
	q.mu.Unlock()
}

// IsEmpty reports whether nobody waits.
func (q *Queue) IsEmpty() bool { return q.n.Load() == 0 }

func (q *Queue) push(e *waiter.Entry) {
	e.SetNext(nil)
	e.SetPrev(q.tail)
	if q.tail != nil {
		q.tail.SetNext(e)
	} else {
		q.head = e
	}
	q.tail = e
}

func (q *Queue) remove(e *waiter.Entry) {
	prev, next := e.Prev(), e.Next()
	if prev != nil {
		prev.SetNext(next)
	} else {
		q.head = next
	}
	if next != nil {
		next.SetPrev(prev)
	} else {
		q.tail = prev
	}
	e.SetNext(nil)
	e.SetPrev(nil)
}
