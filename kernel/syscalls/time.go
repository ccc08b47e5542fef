package syscalls

import (
	"time"

	"skerry/kernel/abi"
	"skerry/kernel/ground"
	"skerry/kernel/task"
	"skerry/kernel/usermem"
	"skerry/kernel/wait"
)

var timeCalls = []entry{
	{abi.SYS_CLOCK_GETTIME, sysClockGettime, ""},
	{abi.SYS_CLOCK_GETRES, sysClockGetres, ""},
	{abi.SYS_CLOCK_NANOSLEEP, sysClockNanosleep, ""},
	{abi.SYS_NANOSLEEP, sysNanosleep, ""},
	{abi.SYS_GETTIMEOFDAY, sysGettimeofday, ""},
	{abi.SYS_TIME, sysTime, ""},
	{abi.SYS_ALARM, sysAlarm, ""},
	{abi.SYS_PAUSE, sysPause, ""},
	{abi.SYS_SETITIMER, sysSetitimer, ""},
	{abi.SYS_GETITIMER, sysGetitimer, ""},
	{abi.SYS_TIMER_CREATE, sysTimerCreate, ""},
	{abi.SYS_TIMER_SETTIME, sysTimerSettime, ""},
	{abi.SYS_TIMER_GETTIME, sysTimerGettime, ""},
	{abi.SYS_TIMER_GETOVERRUN, sysTimerGetoverrun, ""},
	{abi.SYS_TIMER_DELETE, sysTimerDelete, ""},
	{abi.SYS_TIMES, sysTimes, ""},
}

// nanosOf checks a timespec as the kernel does and turns it into nanoseconds,
// cut at what fits.
func nanosOf(ts *abi.Timespec) (int64, bool) {
	if ts.Sec < 0 || ts.Nsec < 0 || ts.Nsec >= 1e9 {
		return 0, false
	}
	if ts.Sec >= 1<<33 {
		return 1 << 62, true
	}
	return ts.Sec*1e9 + ts.Nsec, true
}

func timespecOf(ns int64) abi.Timespec { return abi.Timespec{Sec: ns / 1e9, Nsec: ns % 1e9} }

// deadlineIn reads a relative timeout; a null pointer waits for ever.
func deadlineIn(addr uintptr) (int64, abi.Errno) {
	if addr == 0 {
		return wait.Forever, abi.OK
	}
	var ts abi.Timespec
	if e := usermem.In(&ts, addr); e != abi.OK {
		return 0, e
	}
	ns, ok := nanosOf(&ts)
	if !ok {
		return 0, abi.EINVAL
	}
	return after(ns), abi.OK
}

// after is the deadline ns nanoseconds from now.
func after(ns int64) int64 {
	now := wait.Now()
	if ns > 1<<62-now {
		return 1 << 62
	}
	return now + ns
}

// deadlineAt reads an absolute timeout on the monotonic or the wall clock.
func deadlineAt(addr uintptr, real bool) (int64, abi.Errno) {
	if addr == 0 {
		return wait.Forever, abi.OK
	}
	var ts abi.Timespec
	if e := usermem.In(&ts, addr); e != abi.OK {
		return 0, e
	}
	ns, ok := nanosOf(&ts)
	if !ok {
		return 0, abi.EINVAL
	}
	now := ground.Nanotime()
	if real {
		now = time.Now().UnixNano()
	}
	if ns <= now {
		return 1, abi.OK // long past
	}
	return after(ns - now), abi.OK
}

// clockNow reads a clock by its ID; ok is false for one that does not exist.
func clockNow(t *task.Thread, id int32) (ns int64, ok bool) {
	switch id {
	case abi.CLOCK_REALTIME, abi.CLOCK_REALTIME_COARSE, abi.CLOCK_TAI, abi.CLOCK_REALTIME_ALARM:
		return time.Now().UnixNano(), true
	case abi.CLOCK_MONOTONIC, abi.CLOCK_MONOTONIC_RAW, abi.CLOCK_MONOTONIC_COARSE, abi.CLOCK_BOOTTIME, abi.CLOCK_BOOTTIME_ALARM:
		return ground.Nanotime(), true
	case abi.CLOCK_PROCESS_CPUTIME_ID:
		u, s := t.Proc.Times()
		return u + s, true
	case abi.CLOCK_THREAD_CPUTIME_ID:
		return t.CPUTime(), true
	}
	if id < 0 {
		return cpuClock(t, id)
	}
	return 0, false
}

// cpuClock is a clock that names a process or thread: ~ID << 3, then bit 2 for
// a thread, then the kind (clock_getcpuclockid(3), pthread_getcpuclockid(3)).
func cpuClock(t *task.Thread, id int32) (int64, bool) {
	who := ^(id >> 3)
	if id&3 == 3 {
		return 0, false
	}
	if id&4 == 0 {
		if who != 0 && who != pid {
			return 0, false
		}
		u, s := t.Proc.Times()
		return u + s, true
	}
	o := t
	if who != 0 {
		if o = t.Proc.Find(who); o == nil {
			return 0, false
		}
	}
	return o.CPUTime(), true
}

func sysClockGettime(t *task.Thread, id, addr, _, _, _, _ uintptr) (uintptr, abi.Errno) {
	ns, ok := clockNow(t, int32(id))
	if !ok {
		return 0, abi.EINVAL
	}
	ts := timespecOf(ns)
	return 0, usermem.Out(addr, &ts)
}

func sysClockGetres(t *task.Thread, id, addr, _, _, _, _ uintptr) (uintptr, abi.Errno) {
	if _, ok := clockNow(t, int32(id)); !ok {
		return 0, abi.EINVAL
	}
	if addr == 0 {
		return 0, abi.OK
	}
	res := abi.Timespec{Nsec: 1}
	if id == abi.CLOCK_REALTIME_COARSE || id == abi.CLOCK_MONOTONIC_COARSE {
		res.Nsec = 4_000_000
	}
	return 0, usermem.Out(addr, &res)
}

func sysGettimeofday(_ *task.Thread, tv, tz, _, _, _, _ uintptr) (uintptr, abi.Errno) {
	if tv != 0 {
		ns := time.Now().UnixNano()
		if e := usermem.Out(tv, &abi.Timeval{Sec: ns / 1e9, Usec: ns % 1e9 / 1e3}); e != abi.OK {
			return 0, e
		}
	}
	if tz != 0 {
		var zone [2]int32
		return 0, usermem.Out(tz, &zone)
	}
	return 0, abi.OK
}

func sysTime(_ *task.Thread, addr, _, _, _, _, _ uintptr) (uintptr, abi.Errno) {
	s := time.Now().Unix()
	if addr != 0 {
		if e := store64(addr, uint64(s)); e != abi.OK {
			return 0, e
		}
	}
	return uintptr(s), abi.OK
}

func sysNanosleep(t *task.Thread, req, rem, _, _, _, _ uintptr) (uintptr, abi.Errno) {
	var ts abi.Timespec
	if e := usermem.In(&ts, req); e != abi.OK {
		return 0, e
	}
	ns, ok := nanosOf(&ts)
	if !ok {
		return 0, abi.EINVAL
	}
	return sleepUntil(t, after(ns), rem)
}

// sleepUntil sleeps to a deadline; interrupted, it writes what is left to rem
// and can be taken up again.
func sleepUntil(t *task.Thread, deadline int64, rem uintptr) (uintptr, abi.Errno) {
	for {
		switch t.Sleep(deadline) {
		case abi.ETIMEDOUT:
			return 0, abi.OK
		case abi.OK: // woken for nothing
		default:
			if rem != 0 {
				left := timespecOf(max(deadline-wait.Now(), 0))
				if e := usermem.Out(rem, &left); e != abi.OK {
					return 0, e
				}
			}
			return 0, t.RestartLater(func(t *task.Thread) (uintptr, abi.Errno) { return sleepUntil(t, deadline, rem) })
		}
	}
}

func sysClockNanosleep(t *task.Thread, id, flags, req, rem, _, _ uintptr) (uintptr, abi.Errno) {
	var ts abi.Timespec
	switch id {
	case abi.CLOCK_REALTIME, abi.CLOCK_MONOTONIC, abi.CLOCK_BOOTTIME, abi.CLOCK_TAI:
	case abi.CLOCK_PROCESS_CPUTIME_ID:
		return 0, abi.EOPNOTSUPP
	case abi.CLOCK_THREAD_CPUTIME_ID:
		return 0, abi.EINVAL
	default:
		if _, ok := clockNow(t, int32(id)); ok {
			return 0, abi.EOPNOTSUPP
		}
		return 0, abi.EINVAL
	}
	if flags&^abi.TIMER_ABSTIME != 0 {
		return 0, abi.EINVAL
	}
	if e := usermem.In(&ts, req); e != abi.OK {
		return 0, e
	}
	ns, ok := nanosOf(&ts)
	if !ok {
		return 0, abi.EINVAL
	}
	if flags&abi.TIMER_ABSTIME == 0 {
		return sleepUntil(t, after(ns), rem)
	}
	now, _ := clockNow(t, int32(id))
	deadline := int64(1)
	if ns > now {
		deadline = after(ns - now)
	}
	for {
		switch e := t.Sleep(deadline); e {
		case abi.ETIMEDOUT:
			return 0, abi.OK
		case abi.OK:
		default:
			return 0, abi.ERESTARTNOHAND
		}
	}
}

func sysPause(t *task.Thread, _, _, _, _, _, _ uintptr) (uintptr, abi.Errno) {
	for {
		if e := t.Sleep(wait.Forever); e != abi.OK {
			return 0, abi.ERESTARTNOHAND
		}
	}
}

func sysAlarm(t *task.Thread, seconds, _, _, _, _, _ uintptr) (uintptr, abi.Errno) {
	left, _ := t.Proc.SetITimer(abi.ITIMER_REAL, int64(uint32(seconds))*1e9, 0)
	// Rounded, but never down to "none" (alarm(2)).
	s := (left + 5e8) / 1e9
	if left > 0 && s == 0 {
		s = 1
	}
	return uintptr(s), abi.OK
}

func timevalOf(ns int64) abi.Timeval { return abi.Timeval{Sec: ns / 1e9, Usec: ns % 1e9 / 1e3} }

func sysGetitimer(t *task.Thread, which, addr, _, _, _, _ uintptr) (uintptr, abi.Errno) {
	if which > abi.ITIMER_PROF {
		return 0, abi.EINVAL
	}
	left, interval := t.Proc.ITimer(int(which))
	return 0, usermem.Out(addr, &abi.Itimerval{Interval: timevalOf(interval), Value: timevalOf(left)})
}

func sysSetitimer(t *task.Thread, which, new, old, _, _, _ uintptr) (uintptr, abi.Errno) {
	if which > abi.ITIMER_PROF {
		return 0, abi.EINVAL
	}
	var v abi.Itimerval
	if new != 0 {
		if e := usermem.In(&v, new); e != abi.OK {
			return 0, e
		}
	}
	for _, tv := range []*abi.Timeval{&v.Value, &v.Interval} {
		if tv.Sec < 0 || tv.Usec < 0 || tv.Usec >= 1e6 {
			return 0, abi.EINVAL
		}
		tv.Sec = min(tv.Sec, 1<<33)
	}
	left, interval := t.Proc.SetITimer(int(which), v.Value.Sec*1e9+v.Value.Usec*1e3, v.Interval.Sec*1e9+v.Interval.Usec*1e3)
	if old != 0 {
		return 0, usermem.Out(old, &abi.Itimerval{Interval: timevalOf(interval), Value: timevalOf(left)})
	}
	return 0, abi.OK
}

func sysTimerCreate(t *task.Thread, clock, event, idp, _, _, _ uintptr) (uintptr, abi.Errno) {
	kind, owner := task.ClockMono, t
	switch id := int32(clock); id {
	case abi.CLOCK_MONOTONIC, abi.CLOCK_BOOTTIME:
	case abi.CLOCK_REALTIME, abi.CLOCK_TAI:
		kind = task.ClockReal
	case abi.CLOCK_PROCESS_CPUTIME_ID:
		kind = task.ClockProcessCPU
	case abi.CLOCK_THREAD_CPUTIME_ID:
		kind = task.ClockThreadCPU
	case abi.CLOCK_REALTIME_ALARM, abi.CLOCK_BOOTTIME_ALARM:
		return 0, abi.EPERM // needs CAP_WAKE_ALARM
	default:
		if id >= 0 || id&3 == 3 {
			return 0, abi.EINVAL
		}
		who := ^(id >> 3)
		if id&4 == 0 {
			if who != 0 && who != pid {
				return 0, abi.EINVAL
			}
			kind = task.ClockProcessCPU
		} else {
			kind = task.ClockThreadCPU
			if who != 0 {
				if owner = t.Proc.Find(who); owner == nil {
					return 0, abi.EINVAL
				}
			}
		}
	}
	how := task.Notify{Signal: task.SIGALRM}
	if event != 0 {
		var ev abi.Sigevent
		if e := usermem.In(&ev, event); e != abi.OK {
			return 0, e
		}
		how.Value, how.Signal = ev.Value, task.Signal(ev.Signo)
		switch ev.Notify {
		case abi.SIGEV_NONE:
			how.None = true
		case abi.SIGEV_THREAD_ID:
			if how.Thread = t.Proc.Find(ev.ThreadID); how.Thread == nil {
				return 0, abi.EINVAL
			}
		case abi.SIGEV_SIGNAL, abi.SIGEV_THREAD:
		default:
			return 0, abi.EINVAL
		}
		if !how.None && (ev.Signo < 1 || ev.Signo > 64) {
			return 0, abi.EINVAL
		}
	}
	timer, e := t.Proc.CreateTimer(kind, owner, how)
	if e != abi.OK {
		return 0, e
	}
	if event == 0 {
		timer.SetValue(uint64(timer.ID))
	}
	if e := usermem.Store32(idp, uint32(timer.ID)); e != abi.OK {
		timer.Delete()
		return 0, e
	}
	return 0, abi.OK
}

func sysTimerSettime(t *task.Thread, id, flags, new, old, _, _ uintptr) (uintptr, abi.Errno) {
	timer := t.Proc.Timer(int32(id))
	if new == 0 {
		return 0, abi.EINVAL
	}
	var v abi.Itimerspec
	if e := usermem.In(&v, new); e != abi.OK {
		return 0, e
	}
	value, ok1 := nanosOf(&v.Value)
	interval, ok2 := nanosOf(&v.Interval)
	if !ok1 || !ok2 || timer == nil {
		return 0, abi.EINVAL
	}
	oldValue, oldInterval := timer.Set(value, interval, flags&abi.TIMER_ABSTIME != 0)
	if old != 0 {
		return 0, usermem.Out(old, &abi.Itimerspec{Interval: timespecOf(oldInterval), Value: timespecOf(oldValue)})
	}
	return 0, abi.OK
}

func sysTimerGettime(t *task.Thread, id, addr, _, _, _, _ uintptr) (uintptr, abi.Errno) {
	timer := t.Proc.Timer(int32(id))
	if timer == nil {
		return 0, abi.EINVAL
	}
	value, interval := timer.Get()
	return 0, usermem.Out(addr, &abi.Itimerspec{Interval: timespecOf(interval), Value: timespecOf(value)})
}

func sysTimerGetoverrun(t *task.Thread, id, _, _, _, _, _ uintptr) (uintptr, abi.Errno) {
	timer := t.Proc.Timer(int32(id))
	if timer == nil {
		return 0, abi.EINVAL
	}
	return uintptr(timer.Overrun()), abi.OK
}

func sysTimerDelete(t *task.Thread, id, _, _, _, _, _ uintptr) (uintptr, abi.Errno) {
	timer := t.Proc.Timer(int32(id))
	if timer == nil {
		return 0, abi.EINVAL
	}
	timer.Delete()
	return 0, abi.OK
}

// clockTicks is USER_HZ, what times(2) counts in.
const clockTicks = 100

func sysTimes(t *task.Thread, addr, _, _, _, _, _ uintptr) (uintptr, abi.Errno) {
	if addr != 0 {
		u, s := t.Proc.Times()
		buf := [4]int64{u / (1e9 / clockTicks), s / (1e9 / clockTicks)}
		if e := usermem.Out(addr, &buf); e != abi.OK {
			return 0, e
		}
	}
	return uintptr(ground.Nanotime() / (1e9 / clockTicks)), abi.OK
}
