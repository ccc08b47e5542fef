package syscalls

import (
	"time"

	"skerry/kernel/abi"
	"skerry/kernel/task"
	"skerry/kernel/usermem"
)

// adjtimex(2) and clock_adjtime(2) show a clock that nobody here steers: the
// machine follows its host's, and changing it takes CAP_SYS_TIME.

var timexCalls = []entry{
	{abi.SYS_ADJTIMEX, sysAdjtimex, "reads; changes are EPERM (no users)"},
	{abi.SYS_CLOCK_ADJTIME, sysClockAdjtime, "reads; changes are EPERM (no users)"},
}

// What a clock shows that no NTP program has touched, adjtimex(2): the offsets
// are unknown, so the largest errors and "unsynchronised".
const (
	timexMaxError  = 16_000_000 // microseconds
	timexTolerance = 500 << 16  // scaled ppm
	timexTick      = 10_000     // microseconds
)

// The bits that ADJ_OFFSET_SINGLESHOT and ADJ_OFFSET_SS_READ add to ADJ_OFFSET:
// the call is adjtime(3)'s, and one that only reads.
const (
	adjAdjtime  = 0x8000
	adjReadOnly = 0x2000
)

func sysAdjtimex(t *task.Thread, addr, _, _, _, _, _ uintptr) (uintptr, abi.Errno) {
	var x abi.Timex
	if e := usermem.In(&x, addr); e != abi.OK {
		return 0, e
	}
	switch {
	case x.Modes&adjAdjtime != 0:
		if x.Modes&abi.ADJ_OFFSET == 0 {
			return 0, abi.EINVAL
		}
		if x.Modes&adjReadOnly == 0 {
			return 0, abi.EPERM
		}
	case x.Modes != 0:
		return 0, abi.EPERM
	}
	modes := x.Modes
	x = abi.Timex{Modes: modes, Maxerror: timexMaxError, Esterror: timexMaxError, Status: abi.STA_UNSYNC,
		Constant: 2, Precision: 1, Tolerance: timexTolerance, Time: timevalOf(time.Now().UnixNano()), Tick: timexTick}
	return abi.TIME_ERROR, usermem.Out(addr, &x)
}

func sysClockAdjtime(t *task.Thread, clock, addr, _, _, _, _ uintptr) (uintptr, abi.Errno) {
	if _, ok := clockNow(t, int32(clock)); !ok {
		return 0, abi.EINVAL
	}
	if int32(clock) != abi.CLOCK_REALTIME {
		var x abi.Timex
		if e := usermem.In(&x, addr); e != abi.OK {
			return 0, e
		}
		return 0, abi.EOPNOTSUPP
	}
	return sysAdjtimex(t, addr, 0, 0, 0, 0, 0)
}
