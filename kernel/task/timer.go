package task

import (
	"time"

	"skerry/kernel/abi"
)

// POSIX timers (timer_create(2)). Those on a wall or monotonic clock are timers
// of the Go runtime; those on processor time are looked at on ticks.
//
// A timer has one signal, and a periodic one does not run on while that is
// pending: the next period starts, and what was missed is counted, when the
// signal is taken. So a period of a nanosecond costs no more than the program's
// own handling of it.

// TimerClock is what a POSIX timer counts.
type TimerClock int

// Clocks of POSIX timers. Wall time does not jump in a machine, so a timer on
// it is one on the monotonic clock with another origin.
const (
	ClockMono TimerClock = iota
	ClockReal
	ClockProcessCPU
	ClockThreadCPU
)

// Notify is how a POSIX timer tells of an expiration, sigevent(7).
type Notify struct {
	None   bool    // SIGEV_NONE
	Signal Signal  // else this signal
	Value  uint64  // sigev_value
	Thread *Thread // to this thread (SIGEV_THREAD_ID), or to the program
}

// timerState is what a timer with an expiration to come does.
type timerState uint8

const (
	running timerState = iota // or unarmed, if next is 0
	held                      // expired at next; goes on when its signal is taken
)

// PosixTimer is a timer of timer_create(2); its fields are under Process.mu.
type PosixTimer struct {
	p        *Process
	ID       int32
	clock    TimerClock
	owner    *Thread // whose processor time ClockThreadCPU means
	how      Notify
	next     int64 // when it expires, or expired if it is held; 0 if unarmed
	interval int64
	gen      uint64 // of the Go timer that may fire it
	timer    *time.Timer
	state    timerState
	queued   bool  // its signal is pending
	ignored  bool  // its signal would be, but for the program's disposition
	overrun  int64 // expirations since the queued signal, but for the last period
	last     int64 // overrun of the signal that was taken last
	deleted  bool
}

// maxTimers bounds a program's POSIX timers.
const maxTimers = 4096

// CreateTimer makes a timer, unarmed. EAGAIN at the limit.
func (p *Process) CreateTimer(clock TimerClock, owner *Thread, how Notify) (*PosixTimer, abi.Errno) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.timers) >= maxTimers {
		return nil, abi.EAGAIN
	}
	for p.timers[p.timerID] != nil {
		p.timerID = (p.timerID + 1) & 0x7fffffff
	}
	t := &PosixTimer{p: p, ID: p.timerID, clock: clock, owner: owner, how: how}
	p.timers[t.ID] = t
	p.timerID = (p.timerID + 1) & 0x7fffffff
	return t, abi.OK
}

// Timer finds a timer by its ID.
func (p *Process) Timer(id int32) *PosixTimer {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.timers[id]
}

// SetValue changes what the signal carries; for timer_create without a
// sigevent, whose value is the timer's ID. Before the timer is armed.
func (t *PosixTimer) SetValue(v uint64) { t.how.Value = v }

func (t *PosixTimer) onCPU() bool { return t.clock >= ClockProcessCPU }

// now is the timer's clock. p.mu is held.
func (t *PosixTimer) now() int64 {
	switch t.clock {
	case ClockProcessCPU:
		u, s := t.p.times()
		return u + s
	case ClockThreadCPU:
		return t.owner.CPUTime()
	case ClockReal:
		return realtime()
	}
	return clock()
}

// realtime is nanoseconds since the epoch.
func realtime() int64 { return time.Now().UnixNano() }

// Get is timer_gettime(2).
func (t *PosixTimer) Get() (left, interval int64) {
	t.p.mu.Lock()
	defer t.p.mu.Unlock()
	return t.get(t.now())
}

// get is what is left. A timer that is held or tells nobody shows its period go
// on. p.mu is held.
func (t *PosixTimer) get(now int64) (left, interval int64) {
	if t.next == 0 {
		return 0, t.interval
	}
	if t.interval > 0 && t.next <= now && (t.state == held || t.how.None) {
		n := (now - t.next) / t.interval
		t.overrun += n + 1
		t.next = advance(t.next, t.interval, now, nil)
	}
	if t.how.None && t.next <= now {
		return 0, t.interval
	}
	return max(t.next-now, 1), t.interval
}

// Set is timer_settime(2): value 0 disarms; abs says that value is a time of
// the clock rather than a distance. A signal of the former setting that is
// still pending is dropped.
func (t *PosixTimer) Set(value, interval int64, abs bool) (oldLeft, oldInterval int64) {
	p := t.p
	p.mu.Lock()
	defer p.mu.Unlock()
	now := t.now()
	oldLeft, oldInterval = t.get(now)
	t.disarm()
	t.interval = interval
	if value == 0 || t.deleted {
		return oldLeft, oldInterval
	}
	t.next = value
	if !abs {
		t.next = plus(now, value)
	}
	switch {
	case t.onCPU():
		cpuTimers.Add(1)
	case !t.how.None:
		t.arm(now)
	}
	return oldLeft, oldInterval
}

// disarm stops the timer and drops its signal. p.mu is held.
func (t *PosixTimer) disarm() {
	if t.next != 0 && t.onCPU() {
		cpuTimers.Add(-1)
	}
	if t.queued {
		set := &t.p.shared
		if t.how.Thread != nil {
			set = &t.how.Thread.sig.pend
		}
		set.forget(t)
	}
	t.next, t.state, t.overrun = 0, running, 0
	t.queued, t.ignored = false, false
	t.gen++
	if t.timer != nil {
		t.timer.Stop()
		t.timer = nil
	}
}

// arm starts the Go timer. p.mu is held.
func (t *PosixTimer) arm(now int64) {
	gen := t.gen
	t.timer = time.AfterFunc(time.Duration(t.next-now), func() {
		t.p.mu.Lock()
		defer t.p.mu.Unlock()
		if t.gen == gen && t.next != 0 && t.state == running {
			t.expire()
		}
	})
}

// expire sends the timer's signal. p.mu is held.
func (t *PosixTimer) expire() {
	if t.interval > 0 {
		t.state = held
	} else {
		if t.onCPU() {
			cpuTimers.Add(-1)
		}
		t.next = 0
	}
	t.send()
}

// send queues the timer's signal; if the thread that it is for has ended, the
// timer is held for good. p.mu is held.
func (t *PosixTimer) send() {
	info := SigInfo{Signo: int32(t.how.Signal), Code: abi.SI_TIMER}
	info.Union[0] = uint64(uint32(t.ID))
	info.Union[1] = t.how.Value
	t.queued, t.ignored = true, false
	if t.p.sendLocked(t.how.Thread, &info, t) != abi.OK {
		t.queued = false
	}
}

// taken completes the siginfo of a signal that is being taken, and lets the
// timer go on. p.mu is held.
func (t *PosixTimer) taken(info *SigInfo) {
	t.queued = false
	if t.state == held {
		now := t.now()
		t.state = running
		if t.next <= now {
			t.next = advance(t.next, t.interval, now, &t.overrun)
		} else {
			t.overrun-- // Get counted the period that has just begun
		}
		if !t.onCPU() {
			t.arm(now)
		}
	}
	t.last = max(min(t.overrun, 0x7fffffff), 0) // DELAYTIMER_MAX
	t.overrun = 0
	info.Union[0] = info.Union[0]&0xffffffff | uint64(t.last)<<32
}

// dropped notes that the signal was discarded because the program ignores it.
// A periodic timer sends it again when that changes. p.mu is held.
func (t *PosixTimer) dropped() { t.queued, t.ignored = false, t.state == held }

// unignored sends the signals of timers that found sig ignored. p.mu is held.
func (p *Process) unignored(sig Signal) {
	for _, t := range p.timers {
		if t.ignored && t.how.Signal == sig {
			t.send()
		}
	}
}

// Overrun is timer_getoverrun(2).
func (t *PosixTimer) Overrun() int64 {
	t.p.mu.Lock()
	defer t.p.mu.Unlock()
	return t.last
}

// Delete is timer_delete(2).
func (t *PosixTimer) Delete() {
	t.p.mu.Lock()
	defer t.p.mu.Unlock()
	t.disarm()
	t.deleted = true
	delete(t.p.timers, t.ID)
}
