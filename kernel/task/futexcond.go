package task

import (
	"skerry/kernel/abi"
	"skerry/kernel/usermem"
)

// Condition variables over futexes with an owner: FUTEX_WAIT_REQUEUE_PI and
// FUTEX_CMP_REQUEUE_PI of futex(2), Documentation/locking/futex-requeue-pi.rst. The
// two belong together: who waits says which futex it will own when it returns, and
// nothing but a requeue to that one brings it there.

// FutexWaitRequeuePI sleeps while the word at addr is val, and returns as the owner of
// the futex at to. EAGAIN if the word is not val, or if a signal came when the thread
// waited for to already; ETIMEDOUT at the deadline.
func (t *Thread) FutexWaitRequeuePI(addr uintptr, private bool, val uint32, deadline int64, to uintptr) abi.Errno {
	if e := checkFutex(addr); e != abi.OK {
		return e
	}
	if e := checkFutex(to); e != abi.OK {
		return e
	}
	w := &t.fx
	w.key, w.bits, w.at, w.lost = keyOf(addr, private), ^uint32(0), to, false
	w.target = keyOf(to, private)
	if w.key == w.target {
		return abi.EINVAL
	}
	w.cond = true // seen only once it is queued
	e := w.queueIf(addr, val)
	if e != abi.OK {
		w.cond = false
		return e
	}
	for e == abi.OK && w.queued.Load() != nil {
		e = t.Sleep(deadline)
	}
	piMu.Lock()
	left, moved := w.giveUp()
	w.cond = false
	lost := w.lost
	piMu.Unlock()
	switch {
	case lost:
		return abi.EFAULT
	case !left:
		return abi.OK
	case e == abi.ERESTARTSYS && moved:
		return abi.EAGAIN // to begin anew would find another value
	case e == abi.ERESTARTSYS:
		return abi.ERESTARTNOINTR
	}
	return e
}

// FutexRequeuePI makes the first waiter of addr the owner of the futex at to, or has it
// wait for that, and has up to move others wait for it, too; how many there were in all.
// EAGAIN unless the word at addr is val, EINVAL if one of them did not ask for it;
// further as for FutexLockPI, for the waiters.
func (t *Thread) FutexRequeuePI(addr uintptr, private bool, to uintptr, wake, move int, val uint32) (int, abi.Errno) {
	if e := checkFutex(addr); e != abi.OK {
		return 0, e
	}
	if e := checkFutex(to); e != abi.OK {
		return 0, e
	}
	from, dest := keyOf(addr, private), keyOf(to, private)
	if wake != 1 || move < 0 || from == dest {
		return 0, abi.EINVAL
	}
	a, b := from.bucket(), dest.bucket()
	for n := 0; ; {
		v, e := usermem.Load32(to)
		if e != abi.OK {
			return 0, e
		}
		var owner *Thread
		if tid := v & futexTIDMask; tid != 0 {
			owner = t.Proc.Find(int32(tid))
		}
		piMu.Lock()
		lockPair(a, b)
		x, ok := usermem.Peek32(addr)
		switch {
		case n > 0: // some have gone over already
			e = move2(a, b, from, dest, to, v, owner, move, &n)
		case !ok:
			e = piRetry
		case x != val:
			e = abi.EAGAIN
		default:
			e = move2(a, b, from, dest, to, v, owner, move, &n)
		}
		unlockPair(a, b)
		piMu.Unlock()
		if e == abi.OK {
			return n, e
		}
		if e != piRetry {
			return 0, e
		}
		// Have the pages brought in, and the one at to made writable.
		if _, e := usermem.Load32(addr); e != abi.OK {
			return 0, e
		}
		if _, e := usermem.Cmpxchg32(to, v, v); e != abi.OK {
			return 0, e
		}
	}
}

// move2 is FutexRequeuePI under the locks: piMu and both buckets'.
func move2(a, b *futexBucket, from, dest futexKey, to uintptr, v uint32, owner *Thread, move int, n *int) abi.Errno {
	for w := a.head; w != nil && *n <= move; {
		next := w.next
		if w.key != from {
			w = next
			continue
		}
		if !w.cond || w.owner != nil || w.target != dest {
			return abi.EINVAL
		}
		o, e := w.t.claim(b, dest, v, owner, false)
		switch e {
		case abi.OK:
			a.remove(w)
			w.t.Unpark()
			o = w.t
			if move > 0 {
				// More may come to wait: its owner must ask the kernel to let go.
				if x, ok := usermem.Peek32(to); ok {
					usermem.PeekCmpxchg32(to, x, x|futexWaiters)
				}
			}
		case piQueued:
			a.unlink(w)
			w.key = dest
			w.await(b, o)
		default:
			return e
		}
		*n++
		var ok bool
		if v, ok = usermem.Peek32(to); !ok {
			return piRetry
		}
		owner = o
		w = next
	}
	return abi.OK
}
