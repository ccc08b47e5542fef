package task

import (
	"sync"
	"sync/atomic"

	"skerry/kernel/abi"
	"skerry/kernel/usermem"
)

// Futexes with an owner: the lock operations of futex(2) and
// Documentation/locking/pi-futex.rst. The word holds the owner's thread ID, so
// the kernel knows whom a waiter waits for. Linux lends the owner the waiter's
// priority. Here all threads have one priority, so there is nothing to lend: what
// remains is a lock that goes from owner to waiter in the order in which they
// came, that finds deadlocks, and that survives the death of its owner.
//
// piMu is held over every change of who waits for whom, and comes before a
// bucket's lock.
var piMu sync.Mutex

// piWaiting counts the waiters.
var piWaiting atomic.Int32

// Answers of claim that no system call gives.
const (
	piRetry  abi.Errno = 1001 // the word changed, or cannot be written yet
	piQueued abi.Errno = 1002
)

// FutexLockPI makes the calling thread the owner of a futex, waiting for its turn
// unless try is set. EDEADLK if the thread owns it, or its owner waits for the
// thread; EAGAIN for a try that fails; ESRCH if the owner is no thread; EINVAL if
// the waiters in the kernel do not agree with the word; else as for FutexWait.
func (t *Thread) FutexLockPI(addr uintptr, private, try bool, deadline int64) abi.Errno {
	if e := checkFutex(addr); e != abi.OK {
		return e
	}
	w := &t.fx
	for {
		v, e := usermem.Load32(addr)
		if e != abi.OK {
			return e
		}
		w.key, w.bits, w.at, w.lost = keyOf(addr, private), ^uint32(0), addr, false
		var owner *Thread
		if tid := v & futexTIDMask; tid != 0 {
			owner = t.Proc.Find(int32(tid))
		}
		b := w.key.bucket()
		piMu.Lock()
		b.mu.Lock()
		owner, e = t.claim(b, w.key, v, owner, try)
		if e == piQueued {
			w.await(b, owner)
		}
		b.mu.Unlock()
		piMu.Unlock()
		switch e {
		case piRetry:
			// Have the page made writable.
			if _, e := usermem.Cmpxchg32(addr, v, v); e != abi.OK {
				return e
			}
			continue
		case piQueued:
			return t.awaitPI(deadline)
		}
		return e
	}
}

// first is the waiter of k that has waited longest, or nil.
func (b *futexBucket) first(k futexKey) *futexWaiter {
	for w := b.head; w != nil; w = w.next {
		if w.key == k {
			return w
		}
	}
	return nil
}

// claim takes the futex k for the thread, of whose word at w.at v is what was read, or
// finds that it is to wait: piQueued, and for whom. owner is the thread that v names. The
// caller holds piMu and b's lock.
func (t *Thread) claim(b *futexBucket, k futexKey, v uint32, owner *Thread, try bool) (*Thread, abi.Errno) {
	w := &t.fx
	tid := v & futexTIDMask
	set := func(new uint32) bool {
		got, ok := usermem.PeekCmpxchg32(w.at, v, new)
		return ok && got == v
	}
	// The word was read before the locks were taken: the futex may have gone to
	// another thread since, and v would not agree with those who wait.
	if now, ok := usermem.Peek32(w.at); !ok || now != v {
		return nil, piRetry
	}
	if tid == uint32(t.TID) {
		return nil, abi.EDEADLK
	}
	first := b.first(k)
	switch {
	case first != nil && first.owner == nil:
		return nil, abi.EINVAL
	case first != nil:
		// Whoever waits knows the owner; a dead one's ID may be gone already.
		if tid != uint32(first.owner.TID) && (tid != 0 || v&futexOwnerDied == 0) {
			return nil, abi.EINVAL
		}
		owner = first.owner
	case tid == 0:
		if !set(v&futexOwnerDied | uint32(t.TID)) {
			return nil, piRetry
		}
		return nil, abi.OK
	}
	if !set(v | futexWaiters) {
		return nil, piRetry
	}
	if owner == nil || owner.piGone {
		return nil, abi.ESRCH
	}
	if try {
		return nil, abi.EAGAIN
	}
	for o := owner; o != nil; o = o.fx.owner {
		if o == t {
			return nil, abi.EDEADLK
		}
	}
	return owner, piQueued
}

// await queues a waiter for a futex that owner owns.
func (w *futexWaiter) await(b *futexBucket, owner *Thread) {
	w.owner = owner
	b.push(w)
	piWaiting.Add(1)
}

// giveUp takes w out of what it waits for, and reports whether it was there still, and
// whether that was a futex with an owner. piMu is held.
func (w *futexWaiter) giveUp() (left, owned bool) {
	left, owned = w.leave(), w.owner != nil
	if left && owned {
		w.owner = nil
		piWaiting.Add(-1)
	}
	return left, owned
}

// awaitPI sleeps until it is the thread's turn.
func (t *Thread) awaitPI(deadline int64) abi.Errno {
	w := &t.fx
	for {
		e := t.Sleep(deadline)
		if w.queued.Load() != nil && e == abi.OK {
			continue
		}
		piMu.Lock()
		left, _ := w.giveUp()
		lost := w.lost
		piMu.Unlock()
		switch {
		case lost:
			return abi.EFAULT
		case !left:
			return abi.OK
		case e == abi.ERESTARTSYS:
			return abi.ERESTARTNOINTR
		}
		return e
	}
}

// handOver makes a waiter the owner: the word says so already. The caller holds
// piMu and the bucket's lock.
func (b *futexBucket) handOver(w *futexWaiter) {
	w.owner = nil
	for o := w.next; o != nil; o = o.next {
		if o.key == w.key {
			o.owner = w.t
		}
	}
	t := w.t
	b.remove(w)
	piWaiting.Add(-1)
	t.Unpark()
}

// FutexUnlockPI gives a futex to the first waiter, or frees it. EPERM if the
// thread does not own it, EINVAL if those who wait do not wait for the thread.
func (t *Thread) FutexUnlockPI(addr uintptr, private bool) abi.Errno {
	if e := checkFutex(addr); e != abi.OK {
		return e
	}
	for {
		v, e := usermem.Load32(addr)
		if e != abi.OK {
			return e
		}
		if v&futexTIDMask != uint32(t.TID) {
			return abi.EPERM
		}
		k := keyOf(addr, private)
		b := k.bucket()
		piMu.Lock()
		b.mu.Lock()
		new, done := uint32(0), false
		first := b.first(k)
		if first != nil && first.owner != t {
			e = abi.EINVAL
		} else {
			if first != nil {
				new = futexWaiters | uint32(first.t.TID)
			}
			got, ok := usermem.PeekCmpxchg32(addr, v, new)
			if done = ok && got == v; done && first != nil {
				b.handOver(first)
			}
		}
		b.mu.Unlock()
		piMu.Unlock()
		if done || e != abi.OK {
			return e
		}
		if _, e := usermem.Cmpxchg32(addr, v, v); e != abi.OK {
			return e
		}
	}
}

// releasePI gives what the ending thread owns to those who wait for it, as
// orphaned. What nobody waits for stays as it is.
func (t *Thread) releasePI() {
	piMu.Lock()
	t.piGone = true
	none := piWaiting.Load() == 0
	piMu.Unlock()
	if none {
		return
	}
	for i := range futexes {
		for t.releaseOne(&futexes[i]) {
		}
	}
}

// releaseOne hands one futex over, and reports whether there may be more.
func (t *Thread) releaseOne(b *futexBucket) bool {
	piMu.Lock()
	b.mu.Lock()
	w := b.head
	for w != nil && w.owner != t {
		w = w.next
	}
	var at uintptr
	done := true
	if w != nil {
		at = w.at
		done = false
		if v, ok := usermem.Peek32(at); ok {
			got, ok := usermem.PeekCmpxchg32(at, v, futexWaiters|futexOwnerDied|uint32(w.t.TID))
			done = ok && got == v
		}
		if done {
			b.handOver(w)
		}
	}
	b.mu.Unlock()
	piMu.Unlock()
	if done {
		return w != nil
	}
	// Have the page made writable; if that cannot be, the waiter hears of it.
	e := abi.OK
	v, e := usermem.Load32(at)
	if e == abi.OK {
		_, e = usermem.Cmpxchg32(at, v, v)
	}
	if e != abi.OK {
		piMu.Lock()
		b.mu.Lock()
		for o := b.head; o != nil; o = o.next {
			if o == w && o.owner == t {
				o.lost = true
				b.handOver(o)
				break
			}
		}
		b.mu.Unlock()
		piMu.Unlock()
	}
	return true
}
