package task

import (
	"sync"
	"sync/atomic"

	"skerry/kernel/abi"
	"skerry/kernel/usermem"
)

// Futexes, futex(2). A futex is known by the address of its word: there is one
// address space, so a private futex and one in shared memory differ only if the
// same page is mapped twice, for which mm gives a common key.

// futexWaiter is a thread's place in a bucket; it waits for one futex at a time.
type futexWaiter struct {
	t    *Thread
	key  futexKey
	bits uint32
	// queued is the bucket that the waiter is in, nil once it was woken. It
	// changes under that bucket's lock only.
	queued     atomic.Pointer[futexBucket]
	next, prev *futexWaiter

	// owner is set while the waiter waits to own a futex (futexpi.go): the thread
	// that does. It changes under piMu and the bucket's lock. at is the word.
	owner *Thread
	at    uintptr
	// lost says that the word could not be written when it was the waiter's turn.
	lost bool
	// cond says that it waits to be moved to the futex target and own that; at is the
	// word of that one then (futexcond.go).
	cond   bool
	target futexKey
}

// futexKey names a futex: the address of the mapped object and the offset in
// it, or 0 and the address of the word.
type futexKey struct{ obj, off uintptr }

type futexBucket struct {
	mu         sync.Mutex
	head, tail *futexWaiter
	_          [40]byte
}

const futexBuckets = 256

var futexes [futexBuckets]futexBucket

// SharedKey gives the key of a word in shared memory: the mapped object and the
// offset in it, or ok false if the address is private. Set at boot.
var SharedKey = func(addr uintptr) (obj, off uintptr, ok bool) { return 0, 0, false }

func keyOf(addr uintptr, private bool) futexKey {
	if !private {
		if obj, off, ok := SharedKey(addr); ok {
			return futexKey{obj, off}
		}
	}
	return futexKey{0, addr}
}

func (k futexKey) bucket() *futexBucket {
	return &futexes[uint64(k.off>>2+k.obj)*0x9e3779b97f4a7c15>>56]
}

func (b *futexBucket) push(w *futexWaiter) {
	w.next, w.prev = nil, b.tail
	if b.tail == nil {
		b.head = w
	} else {
		b.tail.next = w
	}
	b.tail = w
	w.queued.Store(b)
}

// remove takes a waiter out for good.
func (b *futexBucket) remove(w *futexWaiter) {
	b.unlink(w)
	w.queued.Store(nil)
}

// unlink takes a waiter out of the list; queued stays, for its thread reads that
// without the lock and would take nil for a wake-up.
func (b *futexBucket) unlink(w *futexWaiter) {
	if w.prev == nil {
		b.head = w.next
	} else {
		w.prev.next = w.next
	}
	if w.next == nil {
		b.tail = w.prev
	} else {
		w.next.prev = w.prev
	}
	w.next, w.prev = nil, nil
}

// lockWord takes b's lock and reads the word at addr under it, where a fault
// cannot be served: the page is brought in first, and again if it went away.
func lockWord(b *futexBucket, addr uintptr) (uint32, abi.Errno) {
	for {
		b.mu.Lock()
		if v, ok := usermem.Peek32(addr); ok {
			return v, abi.OK
		}
		b.mu.Unlock()
		if _, e := usermem.Load32(addr); e != abi.OK {
			return 0, e
		}
	}
}

// FutexWait sleeps while the word at addr is val: EAGAIN if it is not,
// ETIMEDOUT at the deadline, ERESTARTSYS for a signal. bits is the set for
// FUTEX_WAKE_BITSET; 0 is EINVAL.
func (t *Thread) FutexWait(addr uintptr, private bool, val, bits uint32, deadline int64) abi.Errno {
	if bits == 0 {
		return abi.EINVAL
	}
	if e := checkFutex(addr); e != abi.OK {
		return e
	}
	w := &t.fx
	w.key, w.bits = keyOf(addr, private), bits
	e := w.queueIf(addr, val)
	if e != abi.OK {
		return e
	}
	for {
		e = t.Sleep(deadline)
		if w.queued.Load() == nil {
			return abi.OK
		}
		if e != abi.OK {
			break
		}
	}
	// Interrupted or timed out, unless a wake-up came first after all.
	if !w.leave() {
		return abi.OK
	}
	return e
}

// queueIf queues w while the word at addr is val: EAGAIN if it is not.
func (w *futexWaiter) queueIf(addr uintptr, val uint32) abi.Errno {
	b := w.key.bucket()
	v, e := lockWord(b, addr)
	if e != abi.OK {
		return e
	}
	if v == val {
		b.push(w)
	} else {
		e = abi.EAGAIN
	}
	b.mu.Unlock()
	return e
}

func checkFutex(addr uintptr) abi.Errno {
	if addr&3 != 0 {
		return abi.EINVAL
	}
	if !usermem.InRange(addr, 4) {
		return abi.EFAULT
	}
	return abi.OK
}

// FutexWake wakes up to n waiters whose set meets bits and returns how many.
func FutexWake(addr uintptr, private bool, n int, bits uint32) (int, abi.Errno) {
	if bits == 0 {
		return 0, abi.EINVAL
	}
	if e := checkFutex(addr); e != abi.OK {
		return 0, e
	}
	if e := present(addr, private); e != abi.OK {
		return 0, e
	}
	k := keyOf(addr, private)
	b := k.bucket()
	b.mu.Lock()
	woken, e := b.wake(k, n, bits)
	b.mu.Unlock()
	return woken, e
}

// present answers EFAULT for a shared futex whose page is not there: it is its
// key. A private one is known by its address.
func present(addr uintptr, private bool) abi.Errno {
	if private {
		return abi.OK
	}
	_, e := usermem.Load32(addr)
	return e
}

// wake wakes up to n waiters of k. EINVAL if one waits to own the futex. The
// bucket is locked.
func (b *futexBucket) wake(k futexKey, n int, bits uint32) (int, abi.Errno) {
	woken := 0
	for w := b.head; w != nil && woken < n; {
		next := w.next
		if w.key == k && (w.owner != nil || w.cond) {
			return 0, abi.EINVAL
		}
		if w.key == k && w.bits&bits != 0 {
			t := w.t
			b.remove(w)
			t.Unpark()
			woken++
		}
		w = next
	}
	return woken, abi.OK
}

// lockPair locks two buckets in the order of their addresses in the table.
func lockPair(a, b *futexBucket) {
	switch {
	case a == b:
		a.mu.Lock()
	case indexOf(a) < indexOf(b):
		a.mu.Lock()
		b.mu.Lock()
	default:
		b.mu.Lock()
		a.mu.Lock()
	}
}

func unlockPair(a, b *futexBucket) {
	a.mu.Unlock()
	if a != b {
		b.mu.Unlock()
	}
}

// FutexRequeue wakes up to wake waiters of addr and moves up to move others to
// to; each of the two words is private or not. With check set it answers EAGAIN
// unless the word at addr is val (FUTEX_CMP_REQUEUE). The result counts both.
func FutexRequeue(addr uintptr, private bool, to uintptr, toPrivate bool, wake, move int, check bool, val uint32) (int, abi.Errno) {
	if e := checkFutex(addr); e != abi.OK {
		return 0, e
	}
	if e := checkFutex(to); e != abi.OK {
		return 0, e
	}
	if wake < 0 || move < 0 {
		return 0, abi.EINVAL
	}
	if e := present(addr, private); e != abi.OK {
		return 0, e
	}
	if e := present(to, toPrivate); e != abi.OK {
		return 0, e
	}
	from, dest := keyOf(addr, private), keyOf(to, toPrivate)
	a, b := from.bucket(), dest.bucket()
	for {
		lockPair(a, b)
		if !check {
			break
		}
		v, ok := usermem.Peek32(addr)
		if ok && v == val {
			break
		}
		unlockPair(a, b)
		if ok {
			return 0, abi.EAGAIN
		}
		if _, e := usermem.Load32(addr); e != abi.OK {
			return 0, e
		}
	}
	n, e := a.wake(from, wake, ^uint32(0))
	for w := a.head; w != nil && move > 0 && e == abi.OK; {
		next := w.next
		if w.key == from {
			if w.owner != nil || w.cond {
				e = abi.EINVAL
				break
			}
			if from != dest {
				a.unlink(w)
				w.key = dest
				b.push(w)
			}
			n++
			move--
		}
		w = next
	}
	unlockPair(a, b)
	if e != abi.OK {
		n = 0
	}
	return n, e
}

// Operations and comparisons of FUTEX_WAKE_OP, uapi/linux/futex.h.
const (
	futexOpSet = iota
	futexOpAdd
	futexOpOr
	futexOpAndn
	futexOpXor
	futexOpArgShift = 8
)

// FutexWakeOp changes the word at to as op says, wakes up to n waiters of addr,
// and up to m of to if the word's former value meets op's comparison.
func FutexWakeOp(addr, to uintptr, private bool, n, m int, op uint32) (int, abi.Errno) {
	if e := checkFutex(addr); e != abi.OK {
		return 0, e
	}
	if e := checkFutex(to); e != abi.OK {
		return 0, e
	}
	if e := present(addr, private); e != abi.OK {
		return 0, e
	}
	if e := present(to, private); e != abi.OK {
		return 0, e
	}
	k, l := keyOf(addr, private), keyOf(to, private)
	a, b := k.bucket(), l.bucket()
	oparg := uint32(int32(op<<8) >> 20)
	cmparg := int32(op<<20) >> 20
	if op>>28&futexOpArgShift != 0 {
		oparg = 1 << (oparg & 31)
	}
	var old uint32
	for {
		// The change is one compare-and-swap under the locks; the page is
		// brought in before.
		v, e := usermem.Load32(to)
		if e != abi.OK {
			return 0, e
		}
		new := v
		switch op >> 28 & 7 {
		case futexOpSet:
			new = oparg
		case futexOpAdd:
			new = v + oparg
		case futexOpOr:
			new = v | oparg
		case futexOpAndn:
			new = v &^ oparg
		case futexOpXor:
			new = v ^ oparg
		default:
			return 0, abi.ENOSYS
		}
		lockPair(a, b)
		got, ok := usermem.PeekCmpxchg32(to, v, new)
		if ok && got == v {
			old = v
			break
		}
		unlockPair(a, b)
		if !ok {
			// Not writable yet: have the page made so.
			if _, e := usermem.Cmpxchg32(to, v, v); e != abi.OK {
				return 0, e
			}
		}
	}
	hit := false
	switch o := int32(old); op >> 24 & 15 {
	case 0:
		hit = o == cmparg
	case 1:
		hit = o != cmparg
	case 2:
		hit = o < cmparg
	case 3:
		hit = o <= cmparg
	case 4:
		hit = o > cmparg
	case 5:
		hit = o >= cmparg
	default:
		unlockPair(a, b)
		return 0, abi.ENOSYS
	}
	woken, e := a.wake(k, n, ^uint32(0))
	if hit && e == abi.OK {
		further := 0
		further, e = b.wake(l, m, ^uint32(0))
		woken += further
	}
	unlockPair(a, b)
	return woken, e
}

// Bits of a robust futex's word, and limits, uapi/linux/futex.h.
const (
	futexWaiters   = 0x80000000
	futexOwnerDied = 0x40000000
	futexTIDMask   = 0x3fffffff
	robustLimit    = 2048
)

// releaseRobust walks the exiting thread's list of robust futexes
// (get_robust_list(2), Documentation/locking/robust-futex-ABI.rst) and marks
// those that it holds as orphaned. The list is the program's: a broken one ends
// the walk.
func (t *Thread) releaseRobust() {
	head := t.RobustList.Load()
	if head == 0 {
		return
	}
	next, e := usermem.Load64(head)
	if e != abi.OK {
		return
	}
	off, e := usermem.Load64(head + 8)
	if e != abi.OK {
		return
	}
	pending, e := usermem.Load64(head + 16)
	if e != abi.OK {
		return
	}
	for n := 0; n < robustLimit && next&^1 != uint64(head); n++ {
		entry := next
		after, e := usermem.Load64(uintptr(entry &^ 1))
		if entry&^1 != pending&^1 {
			if !t.orphan(uintptr(entry&^1+off), entry&1 != 0, false) {
				return
			}
		}
		if e != abi.OK {
			return
		}
		next = after
	}
	if pending&^1 != 0 {
		t.orphan(uintptr(pending&^1+off), pending&1 != 0, true)
	}
}

// orphan sets FUTEX_OWNER_DIED on a word that the thread owns and wakes one
// waiter. pending says that the thread may have died while unlocking it.
func (t *Thread) orphan(addr uintptr, pi, pending bool) bool {
	for {
		v, e := usermem.Load32(addr)
		if e != abi.OK {
			return false
		}
		if pending && !pi && v&futexTIDMask == 0 {
			FutexWake(addr, false, 1, ^uint32(0))
			return true
		}
		if v&futexTIDMask != uint32(t.TID) {
			return true
		}
		got, e := usermem.Cmpxchg32(addr, v, v&futexWaiters|futexOwnerDied)
		if e != abi.OK {
			return false
		}
		if got == v {
			if !pi && v&futexWaiters != 0 {
				FutexWake(addr, false, 1, ^uint32(0))
			}
			return true
		}
	}
}
