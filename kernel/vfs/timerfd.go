package vfs

import (
	"encoding/binary"
	"sync"
	"time"

	"gvisor.dev/gvisor/pkg/waiter"

	"skerry/kernel/abi"
	"skerry/kernel/usermem"
	"skerry/kernel/wait"
)

// timerFD is a timerfd(2). One timer of the Go runtime stands behind it, armed
// only while nobody has been told of an expiration: further ones are counted
// when somebody reads.
type timerFD struct {
	Queue
	clock int
	ino   uint64

	mu       sync.Mutex
	timer    *time.Timer // calls fire, at times too early, which does no harm
	next     int64       // ns on the clock; 0 for disarmed
	interval int64       // ns; 0 for one-shot
	expired  uint64      // expirations that were noticed and not read
}

// TimerSpec is struct itimerspec.
type TimerSpec struct{ Interval, Value abi.Timespec }

// NewTimerFD is timerfd_create(2). The _ALARM clocks are EPERM: they are about
// waking a machine that sleeps.
func NewTimerFD(clock int, flags uint32) (*Description, abi.Errno) {
	if flags&^(abi.O_NONBLOCK|abi.O_CLOEXEC) != 0 {
		return nil, abi.EINVAL
	}
	switch clock {
	case abi.CLOCK_REALTIME, abi.CLOCK_MONOTONIC, abi.CLOCK_BOOTTIME:
	case abi.CLOCK_REALTIME_ALARM, abi.CLOCK_BOOTTIME_ALARM:
		return nil, abi.EPERM
	default:
		return nil, abi.EINVAL
	}
	f := &timerFD{clock: clock, ino: NewIno()}
	return NewDescription(f, abi.O_RDWR|flags&abi.O_NONBLOCK), abi.OK
}

// now is the time on the timer's clock. BOOTTIME is MONOTONIC: the machine does
// not sleep.
func (f *timerFD) now() int64 {
	if f.clock == abi.CLOCK_REALTIME {
		return Realtime()
	}
	return Monotonic()
}

// SetTimerFD is timerfd_settime(2) on a description; old may be nil. EINVAL if
// it is no timerfd. TFD_TIMER_CANCEL_ON_SET is EINVAL.
func SetTimerFD(d *Description, flags uint32, set *TimerSpec, old *TimerSpec) abi.Errno {
	f, ok := d.file.(*timerFD)
	if !ok || flags&^abi.TFD_TIMER_ABSTIME != 0 {
		return abi.EINVAL
	}
	value, ok1 := nanos(set.Value)
	interval, ok2 := nanos(set.Interval)
	if !ok1 || !ok2 {
		return abi.EINVAL
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.now()
	f.forward(now)
	if old != nil {
		*old = f.left(now)
	}
	f.expired, f.interval, f.next = 0, interval, 0
	if f.timer != nil {
		f.timer.Stop()
	}
	if value == 0 {
		return abi.OK
	}
	if flags&abi.TFD_TIMER_ABSTIME == 0 {
		if value += now; value < 0 {
			value = maxOffset
		}
	}
	f.next = value
	f.arm(now)
	return abi.OK
}

// GetTimerFD is timerfd_gettime(2).
func GetTimerFD(d *Description, cur *TimerSpec) abi.Errno {
	f, ok := d.file.(*timerFD)
	if !ok {
		return abi.EINVAL
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.now()
	f.forward(now)
	*cur = f.left(now)
	return abi.OK
}

// nanos is t in nanoseconds, at most the largest; false if t is malformed.
func nanos(t abi.Timespec) (int64, bool) {
	if t.Sec < 0 || t.Nsec < 0 || t.Nsec >= 1e9 {
		return 0, false
	}
	if t.Sec >= maxOffset/1_000_000_000 {
		return maxOffset, true
	}
	return t.Sec*1e9 + t.Nsec, true
}

func timespec(ns int64) abi.Timespec { return abi.Timespec{Sec: ns / 1e9, Nsec: ns % 1e9} }

// left is what the timer shows: the time until it expires next. A one-shot timer
// that has expired shows 0. The caller holds mu and called forward.
func (f *timerFD) left(now int64) TimerSpec {
	s := TimerSpec{Interval: timespec(f.interval)}
	if f.next != 0 {
		s.Value = timespec(max(f.next-now, 1))
	}
	return s
}

// arm sets the runtime's timer for next. The caller holds mu.
func (f *timerFD) arm(now int64) {
	d := time.Duration(max(f.next-now, 0))
	if f.timer == nil {
		f.timer = time.AfterFunc(d, f.fire)
	} else {
		f.timer.Reset(d)
	}
}

// fire runs when the runtime's timer is up, in a goroutine of its own.
func (f *timerFD) fire() {
	f.mu.Lock()
	if f.next == 0 || f.expired != 0 {
		f.mu.Unlock()
		return
	}
	now := f.now()
	if now < f.next { // the clock was set back, or runs slower than the timer
		f.arm(now)
		f.mu.Unlock()
		return
	}
	f.count(now)
	f.mu.Unlock()
	f.Notify(waiter.EventIn)
}

// count moves next over what has passed and counts it. The caller holds mu; now
// is at or after next.
func (f *timerFD) count(now int64) {
	f.expired++
	if f.interval == 0 {
		f.next = 0
		return
	}
	n := (now - f.next) / f.interval
	f.expired += uint64(n)
	if f.next += (n + 1) * f.interval; f.next < 0 {
		f.next = maxOffset
	}
}

// forward counts what has passed since the first expiration that is not read
// yet; the first one is fire's, which tells the waiters. The caller holds mu.
func (f *timerFD) forward(now int64) {
	if f.next != 0 && now >= f.next && f.expired != 0 {
		f.count(now)
	}
}

// Read answers the number of expirations since the last read, 8 bytes.
func (f *timerFD) Read(v *usermem.Vec, _ int64) (int, abi.Errno) {
	if v.Len() < 8 {
		return 0, abi.EINVAL
	}
	f.mu.Lock()
	if f.expired == 0 {
		f.mu.Unlock()
		return 0, abi.EAGAIN
	}
	now := f.now()
	f.forward(now)
	n := f.expired
	f.expired = 0
	if f.next != 0 {
		f.arm(now)
	}
	f.mu.Unlock()
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], n)
	return v.CopyOut(b[:])
}

// Write answers EINVAL.
func (f *timerFD) Write(*usermem.Vec, int64) (int, abi.Errno) { return 0, abi.EINVAL }

// Readiness: readable once it has expired.
func (f *timerFD) Readiness(mask waiter.EventMask) waiter.EventMask {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.expired != 0 {
		return waiter.EventIn & mask
	}
	return 0
}

// Stat shows an anonymous inode.
func (f *timerFD) Stat(st *abi.Stat) abi.Errno { return anonStat(st, f.ino) }

// Ioctl knows nothing.
func (f *timerFD) Ioctl(uint32, uintptr) (uintptr, abi.Errno) { return 0, abi.ENOTTY }

// Positionless makes lseek(2) do nothing.
func (f *timerFD) Positionless() {}

// Seekable is false.
func (f *timerFD) Seekable() bool { return false }

// Release stops the timer.
func (f *timerFD) Release() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.next = 0
	if f.timer != nil {
		f.timer.Stop()
	}
}

// Name is what /proc/self/fd shows.
func (f *timerFD) Name() string { return "anon_inode:[timerfd]" }

// FDInfo shows the settings, proc(5).
func (f *timerFD) FDInfo(b []byte) []byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.left(f.now())
	b = append(b, "clockid: "...)
	b = append(b, itoa(uint64(f.clock))...)
	b = append(b, "\nticks: "...)
	b = append(b, itoa(f.expired)...)
	b = append(b, "\nsettime flags: 00\nit_value: "...)
	b = appendPair(b, s.Value)
	b = append(b, "it_interval: "...)
	return appendPair(b, s.Interval)
}

func appendPair(b []byte, t abi.Timespec) []byte {
	b = append(b, '(')
	b = append(b, itoa(uint64(t.Sec))...)
	b = append(b, ", "...)
	b = append(b, itoa(uint64(t.Nsec))...)
	return append(b, ")\n"...)
}

// Monotonic is CLOCK_MONOTONIC in nanoseconds; the kernel's clock sets it at
// boot, so that absolute times that the program computed from its own clock
// mean the same here.
var Monotonic = func() int64 { return wait.Now() }
