package syscalls

import (
	"skerry/kernel/abi"
	"skerry/kernel/task"
	"skerry/kernel/usermem"
)

// sched_setattr(2) and sched_getattr(2): the same state as sched_setscheduler(2)
// and setpriority(2) show, in one extensible struct.

var schedCalls = []entry{
	{abi.SYS_SCHED_SETATTR, sysSchedSetattr, "SCHED_OTHER, BATCH and IDLE, all treated alike; real-time and deadlines are EPERM"},
	{abi.SYS_SCHED_GETATTR, sysSchedGetattr, ""},
}

// schedSlice is the time slice that is shown: ground's tick, in nanoseconds.
const schedSlice = 4_000_000

// attrFlags are those of struct sched_attr that Linux 6.12 knows.
const attrFlags = abi.SCHED_FLAG_RESET_ON_FORK | abi.SCHED_FLAG_RECLAIM | abi.SCHED_FLAG_DL_OVERRUN |
	abi.SCHED_FLAG_KEEP_POLICY | abi.SCHED_FLAG_KEEP_PARAMS | utilFlags

const utilFlags = abi.SCHED_FLAG_UTIL_CLAMP_MIN | abi.SCHED_FLAG_UTIL_CLAMP_MAX

// attrIn reads a struct sched_attr of the size that it says of itself. What is
// too large is E2BIG, with the size that is known in its place.
func attrIn(a *abi.SchedAttr, addr uintptr) abi.Errno {
	size, e := load32(addr)
	if e != abi.OK {
		return e
	}
	if size == 0 {
		size = abi.SCHED_ATTR_SIZE_VER0
	}
	if size >= abi.SCHED_ATTR_SIZE_VER0 && size <= 4096 {
		e = inSized(a, addr, uintptr(size), abi.SCHED_ATTR_SIZE_VER1)
	} else {
		e = abi.E2BIG
	}
	if e == abi.E2BIG {
		store32(addr, abi.SCHED_ATTR_SIZE_VER1)
		return e
	}
	if e == abi.OK && a.Flags&utilFlags != 0 && size < abi.SCHED_ATTR_SIZE_VER1 {
		return abi.EINVAL
	}
	a.Nice = max(abi.PRIO_MIN, min(a.Nice, abi.PRIO_MAX-1))
	return e
}

func sysSchedSetattr(t *task.Thread, tid, addr, flags, _, _, _ uintptr) (uintptr, abi.Errno) {
	if addr == 0 || int32(tid) < 0 || flags != 0 {
		return 0, abi.EINVAL
	}
	var a abi.SchedAttr
	if e := attrIn(&a, addr); e != abi.OK {
		return 0, e
	}
	if int32(a.Policy) < 0 {
		return 0, abi.EINVAL
	}
	o, e := findThread(t, tid)
	if e != abi.OK {
		return 0, e
	}
	if a.Flags&abi.SCHED_FLAG_KEEP_POLICY != 0 {
		a.Policy = uint32(o.Policy.Load())
	}
	if a.Flags&abi.SCHED_FLAG_KEEP_PARAMS != 0 {
		a.Nice, a.Priority = t.Proc.Nice.Load(), 0
	}
	switch a.Policy {
	case abi.SCHED_OTHER, abi.SCHED_BATCH, abi.SCHED_IDLE:
	case abi.SCHED_FIFO, abi.SCHED_RR, abi.SCHED_DEADLINE:
	default:
		return 0, abi.EINVAL
	}
	realtime := a.Policy == abi.SCHED_FIFO || a.Policy == abi.SCHED_RR
	switch {
	case a.Flags&^attrFlags != 0 || a.Priority > 99 || realtime != (a.Priority != 0):
		return 0, abi.EINVAL
	case a.Flags&utilFlags != 0:
		return 0, abi.EOPNOTSUPP // as Linux without CONFIG_UCLAMP_TASK
	case realtime || a.Policy == abi.SCHED_DEADLINE || a.Nice < t.Proc.Nice.Load():
		return 0, abi.EPERM
	}
	o.Policy.Store(int32(a.Policy))
	t.Proc.Nice.Store(a.Nice)
	return 0, abi.OK
}

func sysSchedGetattr(t *task.Thread, tid, addr, size, flags, _, _ uintptr) (uintptr, abi.Errno) {
	size = uintptr(uint32(size))
	if addr == 0 || int32(tid) < 0 || size > 4096 || size < abi.SCHED_ATTR_SIZE_VER0 || uint32(flags) != 0 {
		return 0, abi.EINVAL
	}
	o, e := findThread(t, tid)
	if e != abi.OK {
		return 0, e
	}
	known := min(size, abi.SCHED_ATTR_SIZE_VER1)
	a := abi.SchedAttr{Size: uint32(known), Policy: uint32(o.Policy.Load()), Nice: t.Proc.Nice.Load(), Runtime: schedSlice}
	_, e = usermem.CopyOut(addr, usermem.BytesOf(&a)[:known])
	return 0, e
}
