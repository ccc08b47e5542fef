package task

import (
	"math/rand"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"skerry/kernel/abi"
	"skerry/kernel/usermem"
	"skerry/kernel/wait"
)

const all = ^uint32(0)

func want(t *testing.T, what string, got, want abi.Errno) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

// TestFutexErrors: addresses that are no futex, and arguments that are none.
func TestFutexErrors(t *testing.T) {
	p := newProcess(t)
	x := p.thread()
	for _, c := range []struct {
		addr   uintptr
		shared abi.Errno
		// private: of calls that do not look at the word.
		private abi.Errno
	}{
		{userBase, abi.OK, abi.OK},
		{userBase + 1, abi.EINVAL, abi.EINVAL},
		{userBase + 2, abi.EINVAL, abi.EINVAL},
		{userBase + userSize, abi.EFAULT, abi.OK}, // nothing is mapped there
		{0, abi.EFAULT, abi.OK},
		{usermem.Limit, abi.EFAULT, abi.EFAULT},
		{0xffff800000000000, abi.EFAULT, abi.EFAULT},
		{^uintptr(3), abi.EFAULT, abi.EFAULT},
		{^uintptr(0), abi.EINVAL, abi.EINVAL},
	} {
		waits := c.shared
		if waits == abi.OK {
			waits = abi.EAGAIN
		}
		want(t, "wait", x.FutexWait(c.addr, false, 1, all, wait.Forever), waits)
		want(t, "private wait", x.FutexWait(c.addr, true, 1, all, wait.Forever), waits)
		_, e := FutexWake(c.addr, false, 1, all)
		want(t, "wake", e, c.shared)
		_, e = FutexWake(c.addr, true, 1, all)
		want(t, "private wake", e, c.private)
		for _, to := range []bool{false, true} {
			a, b := c.addr, uintptr(userBase)
			if to {
				a, b = b, a
			}
			_, e = FutexRequeue(a, false, b, false, 1, 1, false, 0)
			want(t, "requeue", e, c.shared)
			_, e = FutexRequeue(a, true, b, true, 1, 1, false, 0)
			want(t, "private requeue", e, c.private)
			_, e = FutexWakeOp(a, b, false, 1, 1, 0)
			want(t, "wake-op", e, c.shared)
		}
		_, e = FutexRequeue(c.addr, true, userBase, true, 1, 1, true, 0)
		want(t, "compare and requeue", e, c.shared)
		_, e = FutexWakeOp(userBase, c.addr, true, 1, 1, 0)
		want(t, "private wake-op", e, c.shared)
		_, e = x.FutexWaitAny([]FutexWaiter{{Addr: userBase, Private: true}, {Addr: c.addr, Val: 1}}, wait.Forever)
		want(t, "wait for several", e, waits)
		if n, _ := FutexWake(userBase, true, 10, all); n != 0 {
			t.Error("a failed wait for several left a waiter behind")
		}
	}
	want(t, "empty set", x.FutexWait(userBase, true, 0, 0, wait.Forever), abi.EINVAL)
	_, e := FutexWake(userBase, true, 1, 0)
	want(t, "empty set", e, abi.EINVAL)
	for _, n := range [][2]int{{-1, 1}, {1, -1}} {
		_, e = FutexRequeue(userBase, true, userBase+4, true, n[0], n[1], false, 0)
		want(t, "negative count", e, abi.EINVAL)
	}
	word(userBase + 4).Store(7)
	_, e = FutexWakeOp(userBase, userBase+4, true, 1, 1, 5<<28|1<<12)
	want(t, "unknown operation", e, abi.ENOSYS)
	if v := word(userBase + 4).Load(); v != 7 {
		t.Error("an unknown operation changed the word to", v)
	}
	_, e = FutexWakeOp(userBase, userBase+4, true, 1, 1, 1<<28|9<<24|1<<12)
	want(t, "unknown comparison", e, abi.ENOSYS)
	// Arguments are signed, 12 bits; a shift is of its lowest 5.
	word(userBase + 4).Store(5)
	FutexWakeOp(userBase, userBase+4, true, 1, 1, 1<<28|0xfff<<12)
	if v := word(userBase + 4).Load(); v != 4 {
		t.Error("5 + -1 is", v)
	}
	FutexWakeOp(userBase, userBase+4, true, 1, 1, 8<<28|33<<12)
	if v := word(userBase + 4).Load(); v != 2 {
		t.Error("1 << 33 is", v)
	}
}

// TestFutexTimeout: not before the deadline, soon after it, and gone then.
func TestFutexTimeout(t *testing.T) {
	p := newProcess(t)
	x := p.thread()
	for _, d := range []time.Duration{-time.Second, 0, time.Millisecond, 20 * time.Millisecond} {
		deadline := wait.Now() + int64(d)
		want(t, "wait", x.FutexWait(userBase, true, 0, all, deadline), abi.ETIMEDOUT)
		if now := wait.Now(); now < deadline {
			t.Error("ended early by", deadline-now)
		}
		list := []FutexWaiter{{Addr: userBase}, {Addr: userBase + 4, Private: true}}
		_, e := x.FutexWaitAny(list, deadline)
		want(t, "wait for several", e, abi.ETIMEDOUT)
	}
	for _, private := range []bool{false, true} {
		for a := uintptr(userBase); a < userBase+8; a += 4 {
			if n, _ := FutexWake(a, private, 10, all); n != 0 {
				t.Error(n, "waiters are left")
			}
		}
	}
}

// mutex is the lock of three states over a futex: 0 free, 1 held, 2 held and
// waited for. (U. Drepper, "Futexes are tricky", mutex 2.)
type mutex struct {
	addr    uintptr
	private bool
}

func (m mutex) lock(t *Thread) {
	w := word(m.addr)
	if w.CompareAndSwap(0, 1) {
		return
	}
	for w.Swap(2) != 0 {
		if t.FutexWait(m.addr, m.private, 2, all, wait.Forever) == abi.ERESTARTSYS {
			t.drain()
		}
	}
}

func (m mutex) unlock() {
	if word(m.addr).Swap(0) == 2 {
		FutexWake(m.addr, m.private, 1, all)
	}
}

// TestFutexLock: 16 threads, 10⁵ turns with a lock, through both mappings of its
// page, while signals interrupt them. Each must get its turns: a lost wake-up
// hangs, a lock that two hold miscounts.
func TestFutexLock(t *testing.T) {
	p := newProcess(t)
	p.SetAction(SIGUSR1, &Action{Handler: 0x1000})
	const threads, turns = 16, 100_000 / 16
	count, caught := 0, atomic.Int64{}
	var wg sync.WaitGroup
	var list []*Thread
	gate := make(chan struct{}) // the process ends with its last thread: none may end before all are there
	for i := range threads {
		wg.Add(1)
		m := mutex{userBase, false}
		if i%2 != 0 {
			m.addr = aliasBase
		}
		list = append(list, p.start(func(t *Thread) {
			defer wg.Done()
			<-gate
			for range turns {
				m.lock(t)
				count++
				m.unlock()
				caught.Add(int64(t.drain()))
			}
		}))
	}
	close(gate)
	stop := make(chan bool)
	go func() {
		r := rand.New(rand.NewSource(2))
		for {
			select {
			case <-stop:
				close(stop)
				return
			default:
			}
			x := list[r.Intn(threads)]
			x.Kill(&SigInfo{Signo: int32(SIGUSR1)})
			time.Sleep(100 * time.Microsecond)
		}
	}()
	wg.Wait()
	stop <- true
	<-stop
	if count != threads*turns {
		t.Errorf("%d turns, want %d", count, threads*turns)
	}
	<-p.ended
}

// TestFutexCondition: a queue of bounded length between producers and consumers,
// with condition variables whose broadcast moves the waiters to the lock, as
// pthread_cond_broadcast(3) used to; some waits have a short timeout.
func TestFutexCondition(t *testing.T) {
	p := newProcess(t)
	const producers, consumers, items, room = 5, 7, 30_000, 8
	lock := mutex{userBase, true}
	const notEmpty, notFull = userBase + 64, userBase + 128
	await := func(t *Thread, cond uintptr, r *rand.Rand) {
		seq := word(cond).Load()
		lock.unlock()
		deadline := wait.Forever
		if r.Intn(10) == 0 {
			deadline = wait.Now() + int64(r.Intn(100_000))
		}
		t.FutexWait(cond, true, seq, all, deadline)
		// Whoever was moved to the lock must leave it marked as waited for.
		for word(lock.addr).Swap(2) != 0 {
			t.FutexWait(lock.addr, true, 2, all, wait.Forever)
		}
	}
	tell := func(cond uintptr, r *rand.Rand) {
		for {
			v := word(cond).Add(1)
			wake := r.Intn(2)
			// Somebody has to be woken if the lock is free of waiters; the caller
			// holds it, and marks it, so its unlock wakes the first of them.
			word(lock.addr).Store(2)
			if _, e := FutexRequeue(cond, true, lock.addr, true, wake, 1000, true, v); e != abi.EAGAIN {
				return
			}
		}
	}
	var queue []int
	seen := make([]bool, items)
	made, taken := 0, 0
	var wg sync.WaitGroup
	for i := range producers + consumers {
		wg.Add(1)
		r := rand.New(rand.NewSource(int64(i)))
		p.start(func(t *Thread) {
			defer wg.Done()
			for {
				lock.lock(t)
				if i < producers {
					for len(queue) == room && made < items {
						await(t, notFull, r)
					}
					if made < items {
						queue = append(queue, made)
						made++
					}
				} else {
					for len(queue) == 0 && taken < items {
						await(t, notEmpty, r)
					}
					if taken < items {
						if seen[queue[0]] {
							p.t.Error("twice", queue[0])
						}
						seen[queue[0]] = true
						queue = queue[1:]
						taken++
					}
				}
				end := i < producers && made == items || i >= producers && taken == items
				if i < producers {
					tell(notEmpty, r)
				} else {
					tell(notFull, r)
				}
				if end {
					tell(notEmpty, r)
					tell(notFull, r)
				}
				lock.unlock()
				if end {
					return
				}
			}
		})
	}
	wg.Wait()
	if made != items || taken != items || len(queue) != 0 {
		t.Error(made, taken, len(queue))
	}
	<-p.ended
}

// TestFutexAnyRace: wake-ups of two futexes race with a thread that waits for
// both: as many returns as wake-ups that found it.
func TestFutexAnyRace(t *testing.T) {
	p := newProcess(t)
	const rounds = 8_000
	var found, returned, timeouts atomic.Int64
	x := p.start(func(t *Thread) {
		for returned.Load()+timeouts.Load() < rounds {
			list := []FutexWaiter{{Addr: userBase, Private: true}, {Addr: userBase + 4, Private: true}, {Addr: aliasBase + 8}}
			_, e := t.FutexWaitAny(list, wait.Now()+50_000)
			for i := range list {
				if list[i].w.queued.Load() != nil {
					p.t.Error("still queued")
				}
			}
			if e == abi.OK {
				returned.Add(1)
			} else {
				timeouts.Add(1)
			}
		}
	})
	var wg sync.WaitGroup
	for i := range 3 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for !x.dead.Load() {
				n, _ := FutexWake(userBase+uintptr(i)*4, i < 2, 1, all)
				found.Add(int64(n))
				FutexRequeue(userBase, true, userBase+4, true, 0, 1, false, 0)
				time.Sleep(time.Duration(i) * 10 * time.Microsecond)
			}
		}()
	}
	wg.Wait()
	<-p.ended
	// One return may stand for several wake-ups, never for none.
	if r, f := returned.Load(), found.Load(); r > f || r == 0 {
		t.Errorf("%d returns of %d wake-ups", r, f)
	}
}

// robust lays out a robust list: entries at which words, the word 16 bytes
// behind each.
func robust(entries []uintptr, pending uintptr) uintptr {
	const head = userBase + 4096
	at := uintptr(head)
	for _, e := range entries {
		put64(at, uint64(e))
		at = e &^ 1
	}
	put64(at, head)
	put64(head+8, 16)
	put64(head+16, uint64(pending))
	return head
}

// TestRobust: what a thread holds when it ends is marked, and one waiter woken.
func TestRobust(t *testing.T) {
	const a, b, c, d = userBase + 0x100, userBase + 0x200, userBase + 0x300, userBase + 0x400
	p := newProcess(t)
	end := func(prepare func(x *Thread)) {
		x := p.thread()
		prepare(x)
		done := make(chan bool)
		p.begin(x, func(*Thread) { close(done) })
		<-done
		until(t, "the thread is gone", func() bool { return p.Threads() == 1 })
	}
	keep := make(chan bool)
	p.start(func(*Thread) { <-keep })
	check := func(what string, addr uintptr, want uint32) {
		t.Helper()
		if v := word(addr + 16).Load(); v != want {
			t.Errorf("%s: %#x, want %#x", what, v, want)
		}
	}
	var woken atomic.Int64
	waiter := func(addr uintptr) *Thread {
		w := p.start(func(x *Thread) {
			if x.FutexWait(addr+16, false, word(addr+16).Load(), all, wait.Forever) == abi.OK {
				woken.Add(1)
			}
		})
		until(t, "the waiter sleeps", func() bool { return w.fx.queued.Load() != nil })
		return w
	}
	// Held with and without waiters, held by another, free.
	x := p.thread()
	me := uint32(x.TID)
	word(a + 16).Store(me)
	word(b + 16).Store(me | futexWaiters)
	word(c + 16).Store(me + 1000)
	word(d + 16).Store(0)
	waiter(b)
	waiter(b)
	x.RobustList.Store(robust([]uintptr{a, b, c, d}, 0))
	p.begin(x, func(*Thread) {})
	until(t, "a waiter wakes", func() bool { return woken.Load() == 1 })
	check("held", a, futexOwnerDied)
	check("held and waited for", b, futexOwnerDied|futexWaiters)
	check("of another", c, me+1000)
	check("free", d, 0)
	if n, _ := FutexWake(b+16, false, 10, all); n != 1 {
		t.Error("waiters left:", n)
	}
	until(t, "all are gone", func() bool { return p.Threads() == 1 })
	// The lock that was being released: free already, so its waiter must be told.
	woken.Store(0)
	word(a + 16).Store(0)
	waiter(a)
	x = p.thread()
	x.RobustList.Store(robust(nil, a))
	p.begin(x, func(*Thread) {})
	until(t, "the waiter wakes", func() bool { return woken.Load() == 1 && p.Threads() == 1 })
	check("being released", a, 0)
	// In the list and pending: handled once, with the bit for priority
	// inheritance or without.
	end(func(x *Thread) {
		word(a + 16).Store(uint32(x.TID))
		x.RobustList.Store(robust([]uintptr{a | 1}, a))
	})
	check("pending", a, futexOwnerDied)
	// Lists that lead nowhere: what comes before is done, the thread still ends.
	for _, bad := range []uintptr{8, 0xffff800000000000, userBase + userSize, userBase + 0x203, ^uintptr(0)} {
		end(func(x *Thread) {
			word(a + 16).Store(uint32(x.TID))
			x.RobustList.Store(robust([]uintptr{a}, 0))
			put64(a, uint64(bad))
		})
		check("before the broken entry", a, futexOwnerDied)
		end(func(x *Thread) { x.RobustList.Store(bad) })
	}
	// A list without an end.
	end(func(x *Thread) {
		word(a + 16).Store(uint32(x.TID))
		x.RobustList.Store(robust([]uintptr{a, b}, 0))
		put64(b, a)
	})
	check("in the circle", a, futexOwnerDied)
	// An offset that wraps around.
	end(func(x *Thread) {
		x.RobustList.Store(robust([]uintptr{a}, 0))
		put64(userBase+4096+8, ^uint64(0)-a+1)
	})
	close(keep)
	<-p.ended
}
