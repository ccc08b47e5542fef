package syscalls

import (
	"skerry/kernel/abi"
	"skerry/kernel/task"
	"skerry/kernel/usermem"
	"skerry/kernel/wait"
)

// The calls that took futex(2) apart: futex_waitv (Linux 5.16), futex_wake,
// futex_wait and futex_requeue (6.7). Only words of 32 bits exist so far, in
// Linux too.

var futex2Calls = []entry{
	{abi.SYS_FUTEX_WAITV, sysFutexWaitv, ""},
	{abi.SYS_FUTEX_WAKE, sysFutexWake, ""},
	{abi.SYS_FUTEX_WAIT, sysFutexWait, ""},
	{abi.SYS_FUTEX_REQUEUE, sysFutexRequeue, ""},
}

// futex2Flags checks the flags of one futex and says whether it is private.
func futex2Flags(flags uint32) (private bool, e abi.Errno) {
	if flags&^(abi.FUTEX2_SIZE_MASK|abi.FUTEX2_PRIVATE) != 0 || flags&abi.FUTEX2_SIZE_MASK != abi.FUTEX2_SIZE_U32 {
		return false, abi.EINVAL
	}
	return flags&abi.FUTEX2_PRIVATE != 0, abi.OK
}

// futex2Deadline reads an absolute timeout on one of the two clocks there are.
func futex2Deadline(timeout, clock uintptr) (int64, abi.Errno) {
	if timeout == 0 {
		return wait.Forever, abi.OK
	}
	switch int32(clock) {
	case abi.CLOCK_MONOTONIC, abi.CLOCK_REALTIME:
		return deadlineAt(timeout, int32(clock) == abi.CLOCK_REALTIME)
	}
	return 0, abi.EINVAL
}

// waiters reads a list of struct futex_waitv.
func waiters(addr uintptr, n int) ([]task.FutexWaiter, abi.Errno) {
	list := make([]task.FutexWaiter, n)
	for i := range list {
		var v abi.FutexWaitv
		if e := usermem.In(&v, addr+uintptr(i)*24); e != abi.OK {
			return nil, e
		}
		private, e := futex2Flags(v.Flags)
		if e != abi.OK || v.Reserved != 0 || v.Val>>32 != 0 {
			return nil, abi.EINVAL
		}
		list[i].Addr, list[i].Val, list[i].Private = uintptr(v.UAddr), uint32(v.Val), private
	}
	return list, abi.OK
}

func sysFutexWaitv(t *task.Thread, addr, n, flags, timeout, clock, _ uintptr) (uintptr, abi.Errno) {
	if uint32(flags) != 0 || uint32(n) == 0 || uint32(n) > abi.FUTEX_WAITV_MAX || addr == 0 {
		return 0, abi.EINVAL
	}
	deadline, e := futex2Deadline(timeout, clock)
	if e != abi.OK {
		return 0, e
	}
	list, e := waiters(addr, int(uint32(n)))
	if e != abi.OK {
		return 0, e
	}
	i, e := t.FutexWaitAny(list, deadline)
	return uintptr(i), e
}

func sysFutexWake(_ *task.Thread, addr, mask, n, flags, _, _ uintptr) (uintptr, abi.Errno) {
	private, e := futex2Flags(uint32(flags))
	if e != abi.OK || mask>>32 != 0 {
		return 0, abi.EINVAL
	}
	if mask == 0 {
		return 0, abi.EINVAL
	}
	// Unlike FUTEX_WAKE this one wakes nobody if asked to. Even then the address
	// is looked at.
	woken, e := task.FutexWake(addr, private, max(int(int32(n)), 0), uint32(mask))
	return uintptr(woken), e
}

func sysFutexWait(t *task.Thread, addr, val, mask, flags, timeout, clock uintptr) (uintptr, abi.Errno) {
	private, e := futex2Flags(uint32(flags))
	if e != abi.OK || val>>32 != 0 || mask>>32 != 0 {
		return 0, abi.EINVAL
	}
	deadline, e := futex2Deadline(timeout, clock)
	if e != abi.OK {
		return 0, e
	}
	// The timeout is absolute, so an interrupted wait is simply made again.
	return 0, t.FutexWait(addr, private, uint32(val), uint32(mask), deadline)
}

func sysFutexRequeue(_ *task.Thread, addr, flags, wake, move, _, _ uintptr) (uintptr, abi.Errno) {
	if uint32(flags) != 0 || addr == 0 {
		return 0, abi.EINVAL
	}
	w, e := waiters(addr, 2)
	if e != abi.OK {
		return 0, e
	}
	n, e := task.FutexRequeue(w[0].Addr, w[0].Private, w[1].Addr, w[1].Private, int(int32(wake)), int(int32(move)), true, w[0].Val)
	return uintptr(n), e
}
