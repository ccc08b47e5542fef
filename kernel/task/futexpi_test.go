package task

import (
	"runtime"
	"sync"
	"testing"

	"skerry/kernel/abi"
	"skerry/kernel/wait"
)

// TestFutexPIContended: threads that lock as C libraries do never get an error,
// exclude each other, and leave the word free. The word may pass from owner to
// owner between a thread's reading it and the kernel's locks.
func TestFutexPIContended(t *testing.T) {
	const threads, rounds = 8, 5000
	p := newProcess(t)
	w := word(userBase)
	var counter int
	var all sync.WaitGroup
	p.thread() // so that the last of the others does not end the program
	for range threads {
		all.Add(1)
		p.start(func(x *Thread) {
			defer all.Done()
			me := uint32(x.TID)
			for i := range rounds {
				if !w.CompareAndSwap(0, me) {
					if e := x.FutexLockPI(userBase, true, false, wait.Forever); e != abi.OK {
						t.Errorf("lock: %v", e)
						return
					}
				}
				if v := w.Load(); v&futexTIDMask != me {
					t.Errorf("owner %d has a word %#x", me, v)
				}
				counter++
				if i%4 != 0 {
					runtime.Gosched() // while it is owned, so that others queue
				}
				if !w.CompareAndSwap(me, 0) {
					if e := x.FutexUnlockPI(userBase, true); e != abi.OK {
						t.Errorf("unlock: %v", e)
						return
					}
				}
			}
		})
	}
	all.Wait()
	if counter != threads*rounds || w.Load() != 0 || piWaiting.Load() != 0 {
		t.Errorf("counted %d of %d, word %#x, %d wait", counter, threads*rounds, w.Load(), piWaiting.Load())
	}
}

// TestFutexPIDeath: an owner that ends leaves its futex to the one who has waited
// longest, as orphaned, and so on to the last.
func TestFutexPIDeath(t *testing.T) {
	p := newProcess(t)
	w := word(userBase)
	p.thread()
	first := make(chan struct{})
	p.start(func(x *Thread) {
		want(t, "first", x.FutexLockPI(userBase, true, false, wait.Forever), abi.OK)
		want(t, "again", x.FutexLockPI(userBase, true, false, wait.Forever), abi.EDEADLK)
		<-first
	})
	until(t, "owned", func() bool { return w.Load() != 0 })
	order := make(chan int32, 3)
	for n := int32(1); n <= 3; n++ {
		p.start(func(x *Thread) {
			want(t, "waiter", x.FutexLockPI(userBase, true, false, wait.Forever), abi.OK)
			order <- x.TID
			if v := w.Load(); v&futexOwnerDied == 0 || v&futexTIDMask != uint32(x.TID) {
				t.Errorf("word %#x of thread %d", v, x.TID)
			}
		})
		until(t, "waiting", func() bool { return piWaiting.Load() == n })
	}
	close(first)
	last := int32(0)
	for range 3 {
		tid := <-order
		if tid <= last {
			t.Errorf("thread %d after %d", tid, last)
		}
		last = tid
	}
	until(t, "nobody waits", func() bool { return piWaiting.Load() == 0 })
	x := p.thread()
	want(t, "a dead owner", x.FutexLockPI(userBase, true, false, wait.Forever), abi.ESRCH)
}
