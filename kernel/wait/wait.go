// Package wait is how a thread of the program sleeps inside the kernel: one
// Parker per thread, parked and readied directly on the Go scheduler, and a
// Waiter on top that knows deadlines and signals. Objects announce readiness
// through gvisor.dev/gvisor/pkg/waiter queues; a Waiter registers with them.
//
// Invariants: a Parker is parked by its own goroutine only; Unpark may be called
// from anywhere, any number of times, and never blocks; a wake-up that comes
// before the park is not lost. A wake-up may be spurious: callers look again.
// It imports abi and gVisor's sync and waiter.
package wait

import (
	"sync/atomic"
	"time"

	"gvisor.dev/gvisor/pkg/waiter"

	"skerry/kernel/abi"
)

// States of a Parker.
const (
	idle uintptr = iota
	parked
	notified
)

// Now is the monotonic clock in nanoseconds since the kernel started; deadlines
// are on it. Never 0, which stands for "no deadline".
func Now() int64 { return int64(time.Since(start)) + 1 }

var start = time.Now()

// Forever is the deadline of a sleep without one.
const Forever int64 = 0

// Parker lets one goroutine sleep until someone wakes it.
type Parker struct {
	state atomic.Uintptr
	g     uintptr // the parked goroutine, valid in state parked
}

// Waiter is a thread's place to sleep. The zero value is ready.
type Waiter struct {
	Parker

	// Pending is non-zero while the thread has a signal to take or is being
	// killed; sleeps end with ERESTARTSYS then. The signal code sets it, then
	// calls Unpark.
	Pending atomic.Uint32

	entry waiter.Entry
	timer *time.Timer
	armed bool

	// How long the thread was not running, for its processor time: ended
	// pauses, and the start of one that lasts (0 if none does).
	paused atomic.Int64
	since  atomic.Int64
	sleeps atomic.Int64
}

// Sleeps is how often the thread has slept; callable from anywhere.
func (w *Waiter) Sleeps() int64 { return w.sleeps.Load() }

// Pause marks the time up to Resume as one in which the thread does not run. By
// the thread itself.
func (w *Waiter) Pause() { w.since.Store(Now()) }

// Resume ends a pause.
func (w *Waiter) Resume() {
	w.paused.Store(w.paused.Load() + Now() - w.since.Load())
	w.since.Store(0)
}

// Asleep reports whether the thread does not run at the moment.
func (w *Waiter) Asleep() bool { return w.since.Load() != 0 }

// Paused is how long the thread has not been running, in nanoseconds; callable
// from anywhere.
func (w *Waiter) Paused() int64 {
	n := w.paused.Load()
	if s := w.since.Load(); s != 0 {
		n += Now() - s
	}
	return n
}

// NotifyEvent implements waiter.EventListener: any event wakes the thread.
func (w *Waiter) NotifyEvent(waiter.EventMask) { w.Unpark() }

// Sleep parks until something calls Unpark, the deadline (on the clock of Now)
// passes, or a signal is pending. It answers OK, ETIMEDOUT or ERESTARTSYS. OK
// says only that it is time to look again.
func (w *Waiter) Sleep(deadline int64) abi.Errno {
	if w.Pending.Load() != 0 {
		return abi.ERESTARTSYS
	}
	if deadline != Forever {
		left := deadline - Now()
		if left <= 0 {
			return abi.ETIMEDOUT
		}
		w.arm(time.Duration(left))
	}
	w.sleeps.Store(w.sleeps.Load() + 1)
	w.Pause()
	w.Park()
	w.Resume()
	if w.armed {
		w.timer.Stop()
		w.armed = false
	}
	switch {
	case w.Pending.Load() != 0:
		return abi.ERESTARTSYS
	case deadline != Forever && Now() >= deadline:
		return abi.ETIMEDOUT
	}
	return abi.OK
}

func (w *Waiter) arm(d time.Duration) {
	if w.timer == nil {
		w.timer = time.AfterFunc(d, w.Unpark)
	} else {
		w.timer.Reset(d)
	}
	w.armed = true
}

// Ready waits until obj is ready for one of the events in mask. It answers OK
// when it is, else as Sleep does. Errors and hang-ups always count as ready.
func (w *Waiter) Ready(obj waiter.Waitable, mask waiter.EventMask, deadline int64) abi.Errno {
	mask |= waiter.EventErr | waiter.EventHUp
	w.entry.Init(w, mask)
	if err := obj.EventRegister(&w.entry); err != nil {
		return abi.EPERM
	}
	defer obj.EventUnregister(&w.entry)
	for {
		if obj.Readiness(mask)&mask != 0 {
			return abi.OK
		}
		if e := w.Sleep(deadline); e != abi.OK {
			return e
		}
	}
}

// Retry calls try until it answers something else than EAGAIN, waiting in
// between for one of the events in mask on obj. At the deadline the answer is
// (0, EAGAIN), as for a socket with SO_RCVTIMEO.
func (w *Waiter) Retry(obj waiter.Waitable, mask waiter.EventMask, deadline int64, try func() (int, abi.Errno)) (int, abi.Errno) {
	mask |= waiter.EventErr | waiter.EventHUp
	w.entry.Init(w, mask)
	if err := obj.EventRegister(&w.entry); err != nil {
		return 0, abi.EPERM
	}
	defer obj.EventUnregister(&w.entry)
	for {
		n, e := try()
		if e != abi.EAGAIN {
			return n, e
		}
		switch e := w.Sleep(deadline); e {
		case abi.OK:
		case abi.ETIMEDOUT:
			return 0, abi.EAGAIN
		default:
			return 0, e
		}
	}
}
