package wait

import (
	"sync/atomic"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/waiter"

	"skerry/kernel/abi"
)

// TestNoLostWakeup passes a token between two goroutines through flags and
// Unpark alone; one lost wake-up hangs it.
func TestNoLostWakeup(t *testing.T) {
	var a, b Parker
	var turn atomic.Uint32
	const n = 200000
	done := make(chan struct{})
	go func() {
		for i := uint32(0); i < n; i++ {
			for turn.Load() != 2*i+1 {
				b.Park()
			}
			turn.Add(1)
			a.Unpark()
		}
		close(done)
	}()
	for i := uint32(0); i < n; i++ {
		turn.Add(1)
		b.Unpark()
		for turn.Load() != 2*i+2 {
			a.Park()
		}
	}
	<-done
}

func TestSleep(t *testing.T) {
	var w Waiter
	at := Now()
	if e := w.Sleep(at + int64(20*time.Millisecond)); e != abi.ETIMEDOUT || Now()-at < int64(20*time.Millisecond) {
		t.Fatal(e, Now()-at)
	}
	w.Unpark()
	if e := w.Sleep(Forever); e != abi.OK {
		t.Fatal(e)
	}
	w.Pending.Store(1)
	if e := w.Sleep(Forever); e != abi.ERESTARTSYS {
		t.Fatal(e)
	}
	w.Pending.Store(0)
	go func() { time.Sleep(10 * time.Millisecond); w.Pending.Store(1); w.Unpark() }()
	if e := w.Sleep(Forever); e != abi.ERESTARTSYS {
		t.Fatal(e)
	}
}

type flagged struct {
	waiter.Queue
	ready atomic.Bool
}

func (f *flagged) Readiness(m waiter.EventMask) waiter.EventMask {
	if f.ready.Load() {
		return m & waiter.EventIn
	}
	return 0
}
func (f *flagged) EventRegister(e *waiter.Entry) error { f.Queue.EventRegister(e); return nil }

func TestReadyAndRetry(t *testing.T) {
	var w Waiter
	f := &flagged{}
	if e := w.Ready(f, waiter.EventIn, Now()+1e6); e != abi.ETIMEDOUT {
		t.Fatal(e)
	}
	go func() { time.Sleep(5 * time.Millisecond); f.ready.Store(true); f.Notify(waiter.EventIn) }()
	tries := 0
	n, e := w.Retry(f, waiter.EventIn, Forever, func() (int, abi.Errno) {
		tries++
		if !f.ready.Load() {
			return 0, abi.EAGAIN
		}
		return 7, abi.OK
	})
	if n != 7 || e != abi.OK || tries < 2 || !f.Queue.IsEmpty() {
		t.Fatal(n, e, tries)
	}
}
