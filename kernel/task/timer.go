package task

import (
	"sync/atomic"
	"time"

	"skerry/kernel/abi"
	"skerry/kernel/ground"
)

// Interval timers (setitimer(2)) and POSIX timers (timer_create(2)). Those on a
// wall or monotonic clock are timers of the Go runtime; those on processor time
// are looked at on ticks, which is as fine as Linux' own accounting.

// intervalTimer is one of the three of setitimer; under Process.mu.
type intervalTimer struct {
	next     int64 // when it fires: monotonic or processor time, 0 if unarmed
	interval int64
	gen      uint64 // of the Go timer that may fire it
	timer    *time.Timer
}

// Kinds of interval timers.
const (
	ITIMER_REAL = iota
	ITIMER_VIRTUAL
	ITIMER_PROF
)

var itimerSignal = [3]Signal{SIGALRM, SIGVTALRM, SIGPROF}

// cpuTimers counts armed timers on processor time, so that ticks need not look.
var cpuTimers atomic.Int32

// ITimer returns what is left and the interval of a timer, in nanoseconds.
func (p *Process) ITimer(which int) (left, interval int64) {
	now := p.itimerClock(which)
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.itimers[which].get(now)
}

func (t *intervalTimer) get(now int64) (left, interval int64) {
	if t.next != 0 {
		left = max(t.next-now, 1000) // an armed timer never shows 0
	}
	return left, t.interval
}

func (p *Process) itimerClock(which int) int64 {
	if which == ITIMER_REAL {
		return ground.Nanotime()
	}
	user, system := p.Times()
	if which == ITIMER_VIRTUAL {
		return user
	}
	return user + system
}

// SetITimer arms (left > 0) or disarms a timer and returns what it was.
func (p *Process) SetITimer(which int, left, interval int64) (oldLeft, oldInterval int64) {
	now := p.itimerClock(which)
	p.mu.Lock()
	defer p.mu.Unlock()
	t := &p.itimers[which]
	oldLeft, oldInterval = t.get(now)
	if which != ITIMER_REAL {
		if t.next != 0 {
			cpuTimers.Add(-1)
		}
		if left > 0 {
			cpuTimers.Add(1)
		}
	}
	t.gen++
	t.next, t.interval = 0, interval
	if t.timer != nil {
		t.timer.Stop()
		t.timer = nil
	}
	if left > 0 {
		t.next = now + left
		if which == ITIMER_REAL {
			p.armReal(t)
		}
	}
	return oldLeft, oldInterval
}

// armReal starts the Go timer for t.next. p.mu is held.
func (p *Process) armReal(t *intervalTimer) {
	gen := t.gen
	t.timer = time.AfterFunc(time.Duration(t.next-ground.Nanotime()), func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if t.gen != gen || t.next == 0 {
			return
		}
		p.sendLocked(nil, &SigInfo{Signo: int32(SIGALRM), Code: SI_KERNEL}, nil)
		if t.interval == 0 {
			t.next = 0
			return
		}
		t.next = advance(t.next, t.interval, ground.Nanotime(), nil)
		p.armReal(t)
	})
}

// advance is the first expiration after now, and adds those that were missed.
func advance(next, interval, now int64, missed *int64) int64 {
	next += interval
	if next <= now {
		n := (now-next)/interval + 1
		next += n * interval
		if missed != nil {
			*missed += n
		}
	}
	return next
}

// tickTimers fires the timers on processor time that are due.
func (p *Process) tickTimers() {
	user, system := p.Times()
	p.mu.Lock()
	defer p.mu.Unlock()
	for which := ITIMER_VIRTUAL; which <= ITIMER_PROF; which++ {
		t := &p.itimers[which]
		now := user
		if which == ITIMER_PROF {
			now += system
		}
		if t.next == 0 || now < t.next {
			continue
		}
		p.sendLocked(nil, &SigInfo{Signo: int32(itimerSignal[which]), Code: SI_KERNEL}, nil)
		if t.interval == 0 {
			t.next = 0
			cpuTimers.Add(-1)
		} else {
			t.next = advance(t.next, t.interval, now, nil)
		}
	}
	for _, t := range p.timers {
		if !t.onCPU() || t.next == 0 {
			continue
		}
		now := user + system
		if t.clock == ClockThreadCPU {
			now = t.owner.CPUTime()
		}
		if now >= t.next {
			t.expire(now)
		}
	}
}

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

// PosixTimer is a timer of timer_create(2); its fields are under Process.mu.
type PosixTimer struct {
	p        *Process
	ID       int32
	clock    TimerClock
	owner    *Thread // whose processor time ClockThreadCPU means
	how      Notify
	next     int64
	interval int64
	gen      uint64
	timer    *time.Timer
	queued   bool
	overrun  int64 // expirations since the queued signal
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
// sigevent, whose value is the timer's ID.
func (t *PosixTimer) SetValue(v uint64) { t.how.Value = v }

func (t *PosixTimer) onCPU() bool { return t.clock >= ClockProcessCPU }

// now is the timer's clock. p.mu is not held, for processor time takes it.
func (t *PosixTimer) now() int64 {
	switch t.clock {
	case ClockProcessCPU:
		u, s := t.p.Times()
		return u + s
	case ClockThreadCPU:
		return t.owner.CPUTime()
	case ClockReal:
		return realtime()
	}
	return ground.Nanotime()
}

// realtime is nanoseconds since the epoch.
func realtime() int64 { return time.Now().UnixNano() }

// Get is timer_gettime(2).
func (t *PosixTimer) Get() (left, interval int64) {
	now := t.now()
	t.p.mu.Lock()
	defer t.p.mu.Unlock()
	return t.get(now)
}

func (t *PosixTimer) get(now int64) (left, interval int64) {
	if t.next != 0 {
		left = max(t.next-now, 1)
	}
	return left, t.interval
}

// Set is timer_settime(2): value 0 disarms; abs says that value is a time of
// the clock rather than a distance.
func (t *PosixTimer) Set(value, interval int64, abs bool) (oldLeft, oldInterval int64) {
	now := t.now()
	p := t.p
	p.mu.Lock()
	defer p.mu.Unlock()
	oldLeft, oldInterval = t.get(now)
	t.disarm()
	t.interval, t.overrun = interval, 0
	if value == 0 || t.deleted {
		return oldLeft, oldInterval
	}
	t.next = value
	if !abs {
		t.next += now
	}
	if t.onCPU() {
		cpuTimers.Add(1)
	} else {
		t.arm(now)
	}
	return oldLeft, oldInterval
}

// disarm stops the timer; a signal that is queued stays. p.mu is held.
func (t *PosixTimer) disarm() {
	if t.next != 0 && t.onCPU() {
		cpuTimers.Add(-1)
	}
	t.next = 0
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
		at := t.now()
		t.p.mu.Lock()
		defer t.p.mu.Unlock()
		if t.gen == gen && t.next != 0 {
			t.expire(at)
		}
	})
}

// expire tells of an expiration and arms the next. p.mu is held.
func (t *PosixTimer) expire(now int64) {
	missed := int64(0)
	if t.interval > 0 {
		t.next = advance(t.next, t.interval, now, &missed)
		if !t.onCPU() {
			t.arm(now)
		}
	} else {
		if t.onCPU() {
			cpuTimers.Add(-1)
		}
		t.next = 0
	}
	if t.how.None {
		return
	}
	if t.queued {
		t.overrun += 1 + missed
		return
	}
	t.queued, t.overrun = true, missed
	info := SigInfo{Signo: int32(t.how.Signal), Code: SI_TIMER}
	info.Union[0] = uint64(uint32(t.ID))
	info.Union[1] = t.how.Value
	t.p.sendLocked(t.how.Thread, &info, t)
}

// taken completes the siginfo of a signal that is being taken. p.mu is held.
func (t *PosixTimer) taken(info *SigInfo) bool {
	t.queued = false
	t.last = min(t.overrun, 0x7fffffff) // DELAYTIMER_MAX
	t.overrun = 0
	info.Union[0] = info.Union[0]&0xffffffff | uint64(t.last)<<32
	return !t.deleted
}

// dropped notes that the queued signal was discarded. p.mu is held.
func (t *PosixTimer) dropped() { t.queued = false }

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
