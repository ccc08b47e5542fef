package task

import (
	"math"
	"testing"
	"time"

	"skerry/kernel/abi"
	"skerry/kernel/wait"
)

// These tests set the clock that periods are counted on; that a timer fires at
// all is up to the runtime's clock, which they wait for.

const ms = int64(time.Millisecond)

// at sets the timers' clock.
func at(t *testing.T, now int64) {
	if fakeClock.Swap(now) == 0 {
		t.Cleanup(func() { fakeClock.Store(0) })
	}
}

// due waits until a signal is pending, without taking it.
func due(t *testing.T, p *process, sig Signal) {
	t.Helper()
	until(t, "the timer expires", func() bool { s, _, _, _, _ := p.SignalSets(); return s&sig.Bit() != 0 })
}

func blockedThread(p *process) *Thread {
	x := p.thread()
	x.SetMask(^SigSet(0))
	return x
}

func take(t *testing.T, x *Thread) (sig Signal, overrun int32) {
	t.Helper()
	info, e := x.SigWait(^SigSet(0), -1)
	if e != abi.OK {
		return 0, 0
	}
	return Signal(info.Signo), int32(info.Union[0] >> 32)
}

// TestOverrun: periods that pass while the signal is pending are counted when it
// is taken (timer_getoverrun(2)), and the phase stays.
func TestOverrun(t *testing.T) {
	p := newProcess(t)
	x := blockedThread(p)
	for _, c := range []struct {
		taken, want int64 // when, in ms after the first expiration; how many were missed
	}{{0, 0}, {9, 0}, {10, 1}, {11, 1}, {19, 1}, {20, 2}, {55, 5}, {10_000_000, 1_000_000}} {
		for _, look := range []bool{false, true} {
			at(t, 1000*ms)
			timer, e := p.CreateTimer(ClockMono, x, Notify{Signal: SIGUSR1, Value: 77})
			want(t, "create", e, abi.OK)
			timer.Set(ms, 10*ms, false)
			due(t, p, SIGUSR1)
			at(t, (1001+c.taken/2)*ms)
			if look { // timer_gettime shows the periods go on
				if left, interval := timer.Get(); left != 10*ms-c.taken/2*ms%(10*ms) || interval != 10*ms {
					t.Errorf("%+v: %d left", c, left)
				}
			}
			at(t, (1001+c.taken)*ms)
			if sig, n := take(t, x); sig != SIGUSR1 || int64(n) != c.want || timer.Overrun() != c.want {
				t.Errorf("%+v (%v): signal %d, %d missed, %d", c, look, sig, n, timer.Overrun())
			}
			if left, _ := timer.Get(); left != 10*ms-c.taken%10*ms {
				t.Errorf("%+v: next in %d", c, left)
			}
			timer.Delete()
		}
	}
}

// TestOverrunLimit: a count beyond DELAYTIMER_MAX shows that.
func TestOverrunLimit(t *testing.T) {
	p := newProcess(t)
	x := blockedThread(p)
	at(t, ms)
	timer, _ := p.CreateTimer(ClockMono, x, Notify{Signal: SIGUSR1})
	timer.Set(1, 1, false)
	due(t, p, SIGUSR1)
	at(t, 1e15)
	if _, n := take(t, x); n != math.MaxInt32 {
		t.Error(n)
	}
	timer.Delete()
}

// TestShortPeriod: a timer of a nanosecond whose signal nobody takes costs
// nothing: it fires once.
func TestShortPeriod(t *testing.T) {
	p := newProcess(t)
	x := blockedThread(p)
	timer, _ := p.CreateTimer(ClockMono, x, Notify{Signal: 40})
	timer.Set(1, 1, false)
	p.SetITimer(abi.ITIMER_REAL, 1000, 1000)
	due(t, p, 40)
	due(t, p, SIGALRM)
	p.mu.Lock()
	first, alarm := timer.timer, p.itimers[abi.ITIMER_REAL].timer
	p.mu.Unlock()
	time.Sleep(5 * time.Millisecond)
	p.mu.Lock()
	if timer.timer != first || p.itimers[abi.ITIMER_REAL].timer != alarm {
		t.Error("the timer runs while its signal is pending")
	}
	p.mu.Unlock()
	for range 100 {
		due(t, p, 40)
		due(t, p, SIGALRM)
		for range 2 {
			take(t, x)
		}
	}
	timer.Delete()
	p.SetITimer(abi.ITIMER_REAL, 0, 0)
}

// TestIgnoredTimer: a signal that is ignored is sent when it no longer is.
func TestIgnoredTimer(t *testing.T) {
	p := newProcess(t)
	x := p.thread()
	p.SetAction(SIGUSR1, &Action{Handler: abi.SIG_IGN})
	at(t, 1000*ms)
	timer, _ := p.CreateTimer(ClockMono, x, Notify{Signal: SIGUSR1})
	timer.Set(ms, 10*ms, false)
	until(t, "it expires", func() bool { p.mu.Lock(); defer p.mu.Unlock(); return timer.ignored })
	at(t, 1035*ms)
	x.SetMask(^SigSet(0))
	p.SetAction(SIGUSR1, &Action{Handler: handler})
	if sig, n := take(t, x); sig != SIGUSR1 || n != 3 {
		t.Error(sig, n)
	}
	// Ignored while it is pending, and not any more.
	due(t, p, SIGUSR1)
	p.SetAction(SIGUSR1, &Action{Handler: abi.SIG_IGN})
	if s, _, _, _, _ := p.SignalSets(); s != 0 {
		t.Error("pending although ignored")
	}
	p.SetAction(SIGUSR1, &Action{Handler: handler})
	if sig, _ := take(t, x); sig != SIGUSR1 {
		t.Error("lost")
	}
	timer.Delete()
}

// TestTimerReset: setting or deleting a timer drops the signal that is pending,
// of the thread's or the program's queue.
func TestTimerReset(t *testing.T) {
	p := newProcess(t)
	x := blockedThread(p)
	for _, to := range []*Thread{nil, x} {
		for n := range 100 {
			timer, _ := p.CreateTimer(ClockMono, x, Notify{Signal: SIGUSR1, Thread: to})
			other, _ := p.CreateTimer(ClockMono, x, Notify{Signal: SIGUSR1, Thread: to, Value: 5})
			timer.Set(1, 0, false)
			other.Set(1, 0, false)
			until(t, "both expire", func() bool { p.mu.Lock(); defer p.mu.Unlock(); return timer.queued && other.queued })
			if n%2 == 0 {
				timer.Delete()
			} else {
				timer.Set(1<<62, 0, false)
			}
			info, e := x.SigWait(^SigSet(0), -1)
			if e != abi.OK || info.Union[1] != 5 {
				t.Fatal(info, e)
			}
			if _, e := x.SigWait(^SigSet(0), -1); e != abi.EAGAIN {
				t.Fatal("a signal of a timer that is gone")
			}
			timer.Delete()
			other.Delete()
			if x.Pendings() != 0 || p.shared.head != nil || x.sig.pend.head != nil {
				t.Fatal("something is left")
			}
		}
	}
}

// TestFarTimer: times beyond what a clock can hold are never, not now.
func TestFarTimer(t *testing.T) {
	p := newProcess(t)
	x := blockedThread(p)
	far := int64(1)<<33*1e9 - 1
	for _, c := range []TimerClock{ClockMono, ClockReal} {
		timer, _ := p.CreateTimer(c, x, Notify{Signal: SIGUSR1})
		timer.Set(far, far, false)
		time.Sleep(5 * time.Millisecond)
		if sig, _ := take(t, x); sig != 0 {
			t.Error(c, "expired at once")
		}
		if left, _ := timer.Get(); left < 1<<61 {
			t.Error(c, left)
		}
		timer.Delete()
	}
	p.SetITimer(abi.ITIMER_REAL, far, far)
	time.Sleep(5 * time.Millisecond)
	if sig, _ := take(t, x); sig != 0 {
		t.Error("the interval timer expired at once")
	}
	p.SetITimer(abi.ITIMER_REAL, 0, 0)
}

// TestSilentTimer: SIGEV_NONE counts down and sends nothing.
func TestSilentTimer(t *testing.T) {
	p := newProcess(t)
	x := blockedThread(p)
	at(t, 1000*ms)
	timer, _ := p.CreateTimer(ClockMono, x, Notify{None: true})
	timer.Set(5*ms, 10*ms, false)
	for now, left := range map[int64]int64{1000: 5, 1004: 1, 1005: 10, 1006: 9, 1100: 5} {
		at(t, 1000*ms)
		timer.Set(5*ms, 10*ms, false)
		at(t, now*ms)
		if got, _ := timer.Get(); got != left*ms {
			t.Error(now, got, left*ms)
		}
	}
	at(t, 2000*ms)
	timer.Set(5*ms, 0, false)
	at(t, 2010*ms)
	if left, _ := timer.Get(); left != 0 {
		t.Error("one shot:", left)
	}
	if sig, _ := take(t, x); sig != 0 {
		t.Error("signal", sig)
	}
	timer.Delete()
}

// TestIntervalTimer: setitimer(2) on the wall.
func TestIntervalTimer(t *testing.T) {
	p := newProcess(t)
	x := blockedThread(p)
	at(t, 1000*ms)
	if left, interval := p.SetITimer(abi.ITIMER_REAL, 3*ms, 10*ms); left != 0 || interval != 0 {
		t.Error(left, interval)
	}
	if left, _ := p.ITimer(abi.ITIMER_REAL); left != 3*ms {
		t.Error(left)
	}
	due(t, p, SIGALRM)
	if left, interval := p.ITimer(abi.ITIMER_REAL); left != 0 || interval != 10*ms {
		t.Error("pending:", left, interval)
	}
	at(t, 1056*ms)
	if sig, _ := take(t, x); sig != SIGALRM {
		t.Error(sig)
	}
	if left, _ := p.ITimer(abi.ITIMER_REAL); left != 7*ms {
		t.Error("in phase:", left)
	}
	if left, interval := p.SetITimer(abi.ITIMER_REAL, 0, 0); left != 7*ms || interval != 10*ms {
		t.Error(left, interval)
	}
	if n := cpuTimers.Load(); n != 0 {
		t.Error("armed timers on processor time:", n)
	}
}

// TestProcessorTimers: those that ticks look at.
func TestProcessorTimers(t *testing.T) {
	p := newProcess(t)
	p.start(func(x *Thread) {
		x.SetMask(^SigSet(0))
		p.SetITimer(abi.ITIMER_PROF, ms, ms)
		p.SetITimer(abi.ITIMER_VIRTUAL, ms, 0)
		timer, _ := p.CreateTimer(ClockThreadCPU, x, Notify{Signal: 40})
		whole, _ := p.CreateTimer(ClockProcessCPU, x, Notify{Signal: 41})
		timer.Set(2*ms, 3*ms, false)
		whole.Set(ms, 0, false)
		if n := cpuTimers.Load(); n != 4 {
			p.t.Error("armed:", n)
		}
		seen := SigSet(0)
		wanted := SIGPROF.Bit() | SIGVTALRM.Bit() | Signal(40).Bit() | Signal(41).Bit()
		for end := time.Now().Add(10 * time.Second); seen != wanted && time.Now().Before(end); {
			p.tickTimers()
			if info, e := x.SigWait(^SigSet(0), -1); e == abi.OK {
				seen |= Signal(info.Signo).Bit()
			}
		}
		if seen != wanted {
			p.t.Errorf("came %x, want %x", seen, wanted)
		}
		timer.Delete()
		whole.Delete()
		p.SetITimer(abi.ITIMER_PROF, 0, 0)
		if n := cpuTimers.Load(); n != 0 {
			p.t.Error("left armed:", n)
		}
	})
	<-p.ended
}

// TestTimerLimit: EAGAIN beyond the limit, and IDs that are given again.
func TestTimerLimit(t *testing.T) {
	p := newProcess(t)
	x := blockedThread(p)
	for range maxTimers {
		_, e := p.CreateTimer(ClockMono, x, Notify{Signal: SIGUSR1})
		want(t, "create", e, abi.OK)
	}
	_, e := p.CreateTimer(ClockMono, x, Notify{Signal: SIGUSR1})
	want(t, "one more", e, abi.EAGAIN)
	p.Timer(7).Delete()
	if p.Timer(7) != nil {
		t.Error("deleted, but there")
	}
	timer, e := p.CreateTimer(ClockMono, x, Notify{Signal: SIGUSR1})
	want(t, "again", e, abi.OK)
	if p.Timer(timer.ID) != timer {
		t.Error("not found")
	}
}

// TestSleepInterrupted: a thread that sleeps is woken by what it does not block,
// and by the end of the program.
func TestSleepInterrupted(t *testing.T) {
	p := newProcess(t)
	p.SetAction(SIGUSR1, &Action{Handler: handler})
	p.thread() // so that the program does not end with the first
	asleep := make(chan *Thread, 2)
	out := make(chan abi.Errno, 2)
	sleep := func(x *Thread) {
		asleep <- x
		out <- x.FutexWait(userBase, true, 0, all, wait.Forever)
	}
	x := p.start(sleep)
	<-asleep
	until(t, "it sleeps", func() bool { return x.fx.queued.Load() != nil })
	x.Kill(queue(SIGUSR1, 0))
	want(t, "signal", <-out, abi.ERESTARTSYS)
	y := p.start(sleep)
	<-asleep
	until(t, "it sleeps", func() bool { return y.fx.queued.Load() != nil })
	p.Exit(300)
	want(t, "end", <-out, abi.ERESTARTSYS)
	if s := <-p.ended; s.Code != 300&0xff {
		t.Error(s)
	}
}
