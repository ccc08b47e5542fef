package task

import (
	"skerry/kernel/abi"
)

// FutexWaiter is one futex of a wait for several, futex_waitv(2).
type FutexWaiter struct {
	Addr    uintptr
	Val     uint32
	Private bool
	w       futexWaiter
}

// FutexWaitAny sleeps until one of the futexes is woken and answers its index.
// EAGAIN if the word of one is not its Val, ETIMEDOUT at the deadline,
// ERESTARTSYS for a signal.
func (t *Thread) FutexWaitAny(list []FutexWaiter, deadline int64) (int, abi.Errno) {
	for i := range list {
		if e := checkFutex(list[i].Addr); e != abi.OK {
			return 0, e
		}
	}
	for i := range list {
		x := &list[i]
		w := &x.w
		w.t, w.bits, w.key = t, ^uint32(0), keyOf(x.Addr, x.Private)
		b := w.key.bucket()
		v, e := lockWord(b, x.Addr)
		if e == abi.OK && v != x.Val {
			b.mu.Unlock()
			e = abi.EAGAIN
		}
		if e != abi.OK {
			if n, ok := leaveAll(list[:i]); ok {
				return n, abi.OK // woken before the others were looked at
			}
			return 0, e
		}
		b.push(w)
		b.mu.Unlock()
	}
	for {
		e := t.Sleep(deadline)
		if e == abi.OK && !anyWoken(list) {
			continue
		}
		if n, ok := leaveAll(list); ok {
			return n, abi.OK
		}
		return 0, e
	}
}

func anyWoken(list []FutexWaiter) bool {
	for i := range list {
		if list[i].w.queued.Load() == nil {
			return true
		}
	}
	return false
}

// leaveAll takes the waiters out of their buckets. It answers the index of one
// that was woken, the last if there are several, as Linux does.
func leaveAll(list []FutexWaiter) (woken int, ok bool) {
	for i := range list {
		if !list[i].w.leave() {
			woken, ok = i, true
		}
	}
	return woken, ok
}

// leave takes a waiter out of its bucket; false if it was woken before. A
// requeue may move it in between.
func (w *futexWaiter) leave() bool {
	for {
		b := w.queued.Load()
		if b == nil {
			return false
		}
		b.mu.Lock()
		if w.queued.Load() == b {
			b.remove(w)
			b.mu.Unlock()
			return true
		}
		b.mu.Unlock()
	}
}
