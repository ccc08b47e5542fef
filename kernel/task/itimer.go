package task

import (
	"math"
	"sync/atomic"
	"time"

	"skerry/kernel/abi"
	"skerry/kernel/ground"
)

// Interval timers (setitimer(2)). ITIMER_REAL is a timer of the Go runtime; those
// on processor time are looked at on ticks, which is as fine as Linux' own
// accounting.

// intervalTimer is one of the three of setitimer; under Process.mu.
type intervalTimer struct {
	next     int64 // when it fires: monotonic or processor time, 0 if unarmed
	interval int64
	gen      uint64 // of the Go timer that may fire it
	timer    *time.Timer
	// held: ITIMER_REAL fired, and the next period starts when the signal is
	// taken, as on Linux. So a short period costs nothing while the program does
	// not look.
	held int64
}

// clock is the monotonic clock that timers are on; tests on the host, where
// ground's is not set up, have their own.
var clock = ground.Nanotime

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
	if which == abi.ITIMER_REAL {
		return clock()
	}
	user, system := p.Times()
	if which == abi.ITIMER_VIRTUAL {
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
	if which != abi.ITIMER_REAL {
		if t.next != 0 {
			cpuTimers.Add(-1)
		}
		if left > 0 {
			cpuTimers.Add(1)
		}
	}
	t.gen++
	t.next, t.interval, t.held = 0, interval, 0
	if t.timer != nil {
		t.timer.Stop()
		t.timer = nil
	}
	if left > 0 {
		t.next = plus(now, left)
		if which == abi.ITIMER_REAL {
			p.armReal(t)
		}
	}
	return oldLeft, oldInterval
}

// armReal starts the Go timer for t.next. p.mu is held.
func (p *Process) armReal(t *intervalTimer) {
	gen := t.gen
	t.timer = time.AfterFunc(time.Duration(t.next-clock()), func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if t.gen != gen || t.next == 0 {
			return
		}
		if t.interval != 0 {
			t.held = t.next
		}
		t.next = 0
		p.sendLocked(nil, &SigInfo{Signo: int32(SIGALRM), Code: abi.SI_KERNEL}, nil)
	})
}

// alarmTaken starts the next period of ITIMER_REAL: SIGALRM was taken. p.mu is
// held.
func (p *Process) alarmTaken() {
	t := &p.itimers[abi.ITIMER_REAL]
	if t.held == 0 {
		return
	}
	t.next, t.held = advance(t.held, t.interval, clock(), nil), 0
	p.armReal(t)
}

// advance is the first expiration after now, and adds those that were missed.
func advance(next, interval, now int64, missed *int64) int64 {
	next = plus(next, interval)
	if next <= now {
		n := (now-next)/interval + 1
		next += n * interval
		if missed != nil {
			*missed += n
		}
	}
	return next
}

// plus is a sum of times that are not negative, cut at the largest.
func plus(a, b int64) int64 {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}

// LimitCPU is RLIMIT_CPU: from soft seconds of processor time on SIGXCPU comes once a
// second, at hard ones SIGKILL (setrlimit(2)).
func (p *Process) LimitCPU(soft, hard uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := &p.cpuLimit
	if l.hard != 0 {
		cpuTimers.Add(-1)
	}
	l.soft, l.hard = 0, 0
	if soft != math.MaxUint64 {
		l.soft, l.hard = max(soft, 1), max(hard, 1) // 0 is as 1
		cpuTimers.Add(1)
	}
}

// tickLimit looks whether the seconds that were used are over a limit. p.mu is held.
func (p *Process) tickLimit(used uint64) {
	l := &p.cpuLimit
	switch {
	case l.hard == 0 || used < l.soft:
	case used >= l.hard:
		p.sendLocked(nil, &SigInfo{Signo: int32(SIGKILL), Code: abi.SI_KERNEL}, nil)
	default:
		p.sendLocked(nil, &SigInfo{Signo: int32(SIGXCPU), Code: abi.SI_KERNEL}, nil)
		l.soft++
		p.Limits.Set(abi.RLIMIT_CPU, l.soft, l.hard)
	}
}

// tickTimers fires the timers on processor time that are due.
func (p *Process) tickTimers() {
	user, system := p.Times()
	p.mu.Lock()
	defer p.mu.Unlock()
	for which := abi.ITIMER_VIRTUAL; which <= abi.ITIMER_PROF; which++ {
		t := &p.itimers[which]
		now := user
		if which == abi.ITIMER_PROF {
			now += system
		}
		if t.next == 0 || now < t.next {
			continue
		}
		p.sendLocked(nil, &SigInfo{Signo: int32(itimerSignal[which]), Code: abi.SI_KERNEL}, nil)
		if t.interval == 0 {
			t.next = 0
			cpuTimers.Add(-1)
		} else {
			t.next = advance(t.next, t.interval, now, nil)
		}
	}
	p.tickLimit(uint64(user+system) / 1e9)
	for _, t := range p.timers {
		if !t.onCPU() || t.next == 0 || t.state == held || t.how.None {
			continue
		}
		now := user + system
		if t.clock == ClockThreadCPU {
			now = t.owner.CPUTime()
		}
		if now >= t.next {
			t.expire()
		}
	}
}
