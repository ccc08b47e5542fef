package syscalls

import (
	"skerry/kernel/abi"
	"skerry/kernel/ground"
	"skerry/kernel/task"
	"skerry/kernel/usermem"
	"skerry/kernel/wait"
)

var threadCalls = []entry{
	{abi.SYS_CLONE, sysClone, "threads only; everything else is EPERM (single process)"},
	{abi.SYS_CLONE3, sysClone3, "threads only; everything else is EPERM (single process)"},
	{abi.SYS_EXIT, sysExit, ""},
	{abi.SYS_EXIT_GROUP, sysExitGroup, ""},
	{abi.SYS_SET_TID_ADDRESS, sysSetTIDAddress, ""},
	{abi.SYS_GETTID, sysGettid, ""},
	{abi.SYS_SET_ROBUST_LIST, sysSetRobustList, ""},
	{abi.SYS_GET_ROBUST_LIST, sysGetRobustList, ""},
	{abi.SYS_FUTEX, sysFutex, "threads have one priority, so LOCK_PI has none to lend"},
	{abi.SYS_ARCH_PRCTL, sysArchPrctl, ""},
	{abi.SYS_SCHED_YIELD, sysSchedYield, ""},
	{abi.SYS_SCHED_GETAFFINITY, sysSchedGetaffinity, ""},
	{abi.SYS_SCHED_SETAFFINITY, sysSchedSetaffinity, "the full mask only; pinning is EPERM"},
	{abi.SYS_SCHED_GETSCHEDULER, sysSchedGetscheduler, ""},
	{abi.SYS_SCHED_SETSCHEDULER, sysSchedSetscheduler, "SCHED_OTHER, BATCH and IDLE, all treated alike; real-time is EPERM"},
	{abi.SYS_SCHED_GETPARAM, sysSchedGetparam, ""},
	{abi.SYS_SCHED_SETPARAM, sysSchedSetparam, ""},
	{abi.SYS_SCHED_GET_PRIORITY_MAX, sysSchedPriorityMax, ""},
	{abi.SYS_SCHED_GET_PRIORITY_MIN, sysSchedPriorityMin, ""},
	{abi.SYS_SCHED_RR_GET_INTERVAL, sysSchedRRInterval, ""},
	{abi.SYS_GETCPU, sysGetcpu, ""},
	{abi.SYS_MEMBARRIER, sysMembarrier, ""},
	{abi.SYS_RESTART_SYSCALL, sysRestart, ""},
}

// What every new thread must share (clone(2)).
const threadFlags = abi.CLONE_VM | abi.CLONE_THREAD | abi.CLONE_SIGHAND

// Flags that a thread may come with. CLONE_FS and CLONE_FILES have to be there:
// there is one table of each.
const cloneKnown = threadFlags | abi.CLONE_FS | abi.CLONE_FILES | abi.CLONE_SYSVSEM | abi.CLONE_SETTLS |
	abi.CLONE_PARENT_SETTID | abi.CLONE_CHILD_SETTID | abi.CLONE_CHILD_CLEARTID | abi.CLONE_DETACHED |
	abi.CLONE_IO | abi.CLONE_UNTRACED | abi.CLONE_PTRACE

func sysClone(t *task.Thread, flags, stack, ptid, ctid, tls, _ uintptr) (uintptr, abi.Errno) {
	if flags&0xff != 0 && flags&threadFlags == threadFlags {
		flags &^= 0xff // the exit signal of a thread is ignored
	}
	return clone(t, abi.SYS_CLONE, &cloneArgs{flags: uint64(flags), stack: stack, ptid: ptid, ctid: ctid, tls: tls})
}

func sysClone3(t *task.Thread, addr, size, _, _, _, _ uintptr) (uintptr, abi.Errno) {
	const min, known = abi.CLONE_ARGS_SIZE_VER0, abi.CLONE_ARGS_SIZE_VER2
	if size > 4096 {
		return 0, abi.E2BIG
	}
	if size < min {
		return 0, abi.EINVAL
	}
	var c abi.CloneArgs
	if e := inSized(&c, addr, size, known); e != abi.OK {
		return 0, e
	}
	if c.ExitSignal&^0xff != 0 || c.Flags&0xff != 0 || c.Flags&abi.CLONE_DETACHED != 0 {
		return 0, abi.EINVAL
	}
	if (c.Stack == 0) != (c.StackSize == 0) {
		return 0, abi.EINVAL
	}
	if c.Flags&threadFlags == threadFlags && c.ExitSignal != 0 {
		return 0, abi.EINVAL
	}
	if c.SetTIDSize != 0 {
		return 0, abi.EPERM
	}
	return clone(t, abi.SYS_CLONE3, &cloneArgs{flags: c.Flags, stack: uintptr(c.Stack + c.StackSize),
		ptid: uintptr(c.ParentTID), ctid: uintptr(c.ChildTID), tls: uintptr(c.TLS)})
}

type cloneArgs struct {
	flags                  uint64
	stack, ptid, ctid, tls uintptr
}

func clone(t *task.Thread, nr int, c *cloneArgs) (uintptr, abi.Errno) {
	if c.flags&threadFlags != threadFlags || c.flags&^cloneKnown != 0 {
		args := t.Args()
		Refused(t, uint64(nr), &args, abi.EPERM)
		return 0, abi.EPERM
	}
	if c.flags&(abi.CLONE_FS|abi.CLONE_FILES) != abi.CLONE_FS|abi.CLONE_FILES {
		// A thread with a descriptor table of its own.
		return 0, abi.EINVAL
	}
	if c.flags&abi.CLONE_SETTLS != 0 && c.tls >= usermem.Limit {
		return 0, abi.EPERM
	}
	n, e := t.Proc.NewThread()
	if e != abi.OK {
		return 0, e
	}
	t.Inherit(n)
	r := &n.Ctx.Regs
	r.AX = 0
	if c.stack != 0 {
		r.RSP = uint64(c.stack)
	}
	if c.flags&abi.CLONE_SETTLS != 0 {
		n.Ctx.FS = uint64(c.tls)
	}
	tid := uint32(n.TID)
	if c.flags&abi.CLONE_PARENT_SETTID != 0 {
		store32(c.ptid, tid) // as on Linux, a bad address changes nothing else
	}
	if c.flags&abi.CLONE_CHILD_SETTID != 0 {
		store32(c.ctid, tid)
	}
	if c.flags&abi.CLONE_CHILD_CLEARTID != 0 {
		n.ClearTID = c.ctid
	}
	n.Start()
	return uintptr(tid), abi.OK
}

func sysExit(t *task.Thread, code, _, _, _, _, _ uintptr) (uintptr, abi.Errno) {
	t.Exit(int(code & 0xff))
	return 0, abi.OK
}

func sysExitGroup(t *task.Thread, code, _, _, _, _, _ uintptr) (uintptr, abi.Errno) {
	t.Proc.Exit(int(code & 0xff))
	return 0, abi.OK
}

func sysSetTIDAddress(t *task.Thread, addr, _, _, _, _, _ uintptr) (uintptr, abi.Errno) {
	t.ClearTID = addr
	return uintptr(t.TID), abi.OK
}

func sysGettid(t *task.Thread, _, _, _, _, _, _ uintptr) (uintptr, abi.Errno) {
	return uintptr(t.TID), abi.OK
}

// robustHeadSize is sizeof(struct robust_list_head).
const robustHeadSize = 24

func sysSetRobustList(t *task.Thread, head, n, _, _, _, _ uintptr) (uintptr, abi.Errno) {
	if n != robustHeadSize {
		return 0, abi.EINVAL
	}
	t.RobustList.Store(head)
	return 0, abi.OK
}

func sysGetRobustList(t *task.Thread, tid, head, size, _, _, _ uintptr) (uintptr, abi.Errno) {
	o := t
	if tid != 0 {
		if o = t.Proc.Find(int32(tid)); o == nil {
			return 0, abi.ESRCH
		}
	}
	if e := store64(size, robustHeadSize); e != abi.OK {
		return 0, e
	}
	return 0, store64(head, uint64(o.RobustList.Load()))
}

func sysFutex(t *task.Thread, addr, op, val, a3, addr2, val3 uintptr) (uintptr, abi.Errno) {
	private := op&abi.FUTEX_PRIVATE_FLAG != 0
	cmd := int(op) &^ (abi.FUTEX_PRIVATE_FLAG | abi.FUTEX_CLOCK_REALTIME)
	realtime := op&abi.FUTEX_CLOCK_REALTIME != 0
	if realtime && cmd != abi.FUTEX_LOCK_PI2 && cmd != abi.FUTEX_WAIT_BITSET && cmd != abi.FUTEX_WAIT_REQUEUE_PI {
		return 0, abi.ENOSYS
	}
	switch cmd {
	case abi.FUTEX_WAIT:
		deadline, e := deadlineIn(a3)
		if e != abi.OK {
			return 0, e
		}
		return futexWait(t, addr, private, uint32(val), ^uint32(0), deadline)
	case abi.FUTEX_WAIT_BITSET:
		deadline, e := deadlineAt(a3, realtime)
		if e != abi.OK {
			return 0, e
		}
		return futexWait(t, addr, private, uint32(val), uint32(val3), deadline)
	case abi.FUTEX_WAKE:
		return wake(addr, private, val, ^uint32(0))
	case abi.FUTEX_WAKE_BITSET:
		return wake(addr, private, val, uint32(val3))
	case abi.FUTEX_REQUEUE:
		n, e := task.FutexRequeue(addr, private, addr2, private, int(int32(val)), int(int32(a3)), false, 0)
		return uintptr(n), e
	case abi.FUTEX_CMP_REQUEUE:
		n, e := task.FutexRequeue(addr, private, addr2, private, int(int32(val)), int(int32(a3)), true, uint32(val3))
		return uintptr(n), e
	case abi.FUTEX_LOCK_PI, abi.FUTEX_LOCK_PI2:
		deadline, e := deadlineAt(a3, realtime || cmd == abi.FUTEX_LOCK_PI)
		if e != abi.OK {
			return 0, e
		}
		return 0, t.FutexLockPI(addr, private, false, deadline)
	case abi.FUTEX_TRYLOCK_PI:
		return 0, t.FutexLockPI(addr, private, true, wait.Forever)
	case abi.FUTEX_UNLOCK_PI:
		return 0, t.FutexUnlockPI(addr, private)
	case abi.FUTEX_WAIT_REQUEUE_PI:
		deadline, e := deadlineAt(a3, realtime)
		if e != abi.OK {
			return 0, e
		}
		return 0, t.FutexWaitRequeuePI(addr, private, uint32(val), deadline, addr2)
	case abi.FUTEX_CMP_REQUEUE_PI:
		n, e := t.FutexRequeuePI(addr, private, addr2, int(int32(val)), int(int32(a3)), uint32(val3))
		return uintptr(n), e
	case abi.FUTEX_WAKE_OP:
		n, e := task.FutexWakeOp(addr, addr2, private, max(int(int32(val)), 1), max(int(int32(a3)), 1), uint32(val3))
		return uintptr(n), e
	}
	return 0, abi.ENOSYS
}

// wake wakes at least one, as Linux does for a count of 0.
func wake(addr uintptr, private bool, n uintptr, bits uint32) (uintptr, abi.Errno) {
	woken, e := task.FutexWake(addr, private, max(int(int32(n)), 1), bits)
	return uintptr(woken), e
}

// futexWait: an interrupted wait with a timeout goes on to the same deadline if
// no handler runs, and ends with EINTR whatever the handler's flags if one does;
// one without a timeout obeys SA_RESTART (signal(7)).
func futexWait(t *task.Thread, addr uintptr, private bool, val, bits uint32, deadline int64) (uintptr, abi.Errno) {
	e := t.FutexWait(addr, private, val, bits, deadline)
	if e == abi.ERESTARTSYS && deadline != wait.Forever {
		return 0, t.RestartLater(func(t *task.Thread) (uintptr, abi.Errno) {
			return futexWait(t, addr, private, val, bits, deadline)
		})
	}
	return 0, e
}

func sysRestart(t *task.Thread, _, _, _, _, _, _ uintptr) (uintptr, abi.Errno) {
	return t.RestartCall()
}

func sysArchPrctl(t *task.Thread, code, addr, _, _, _, _ uintptr) (uintptr, abi.Errno) {
	c := t.Ctx
	switch code {
	case abi.ARCH_SET_FS:
		if addr >= usermem.Limit {
			return 0, abi.EPERM
		}
		c.FS = uint64(addr)
	case abi.ARCH_SET_GS:
		if addr >= usermem.Limit {
			return 0, abi.EPERM
		}
		c.Fetch()
		c.GS = uint64(addr)
	case abi.ARCH_GET_FS:
		return 0, store64(addr, c.FS)
	case abi.ARCH_GET_GS:
		c.Fetch()
		return 0, store64(addr, c.GS)
	default:
		return 0, abi.EINVAL
	}
	return 0, abi.OK
}

func sysSchedYield(t *task.Thread, _, _, _, _, _, _ uintptr) (uintptr, abi.Errno) {
	t.Yield()
	return 0, abi.OK
}

// findThread resolves the thread argument of the sched_* calls.
func findThread(t *task.Thread, tid uintptr) (*task.Thread, abi.Errno) {
	if int32(tid) < 0 {
		return nil, abi.EINVAL
	}
	if tid == 0 {
		return t, abi.OK
	}
	if o := t.Proc.Find(int32(tid)); o != nil {
		return o, abi.OK
	}
	return nil, abi.ESRCH
}

func sysSchedGetaffinity(t *task.Thread, tid, n, addr, _, _, _ uintptr) (uintptr, abi.Errno) {
	cpus := ground.CPUs()
	if n*8 < uintptr(cpus) || n&7 != 0 {
		return 0, abi.EINVAL
	}
	if _, e := findThread(t, tid); e != abi.OK {
		return 0, e
	}
	return 8, store64(addr, 1<<cpus-1)
}

func sysSchedSetaffinity(t *task.Thread, tid, n, addr, _, _, _ uintptr) (uintptr, abi.Errno) {
	if _, e := findThread(t, tid); e != abi.OK {
		return 0, e
	}
	var mask [8]byte
	if _, e := usermem.CopyIn(mask[:min(n, 8)], addr); e != abi.OK {
		return 0, e
	}
	all := byte(1<<ground.CPUs() - 1)
	have := mask[0] & all
	switch have {
	case 0:
		return 0, abi.EINVAL
	case all:
		return 0, abi.OK
	}
	return 0, abi.EPERM
}

func sysSchedGetscheduler(t *task.Thread, tid, _, _, _, _, _ uintptr) (uintptr, abi.Errno) {
	o, e := findThread(t, tid)
	if e != abi.OK {
		return 0, e
	}
	return uintptr(o.Policy.Load()), abi.OK
}

func sysSchedSetscheduler(t *task.Thread, tid, policy, param, _, _, _ uintptr) (uintptr, abi.Errno) {
	o, e := findThread(t, tid)
	if e != abi.OK {
		return 0, e
	}
	if param == 0 {
		return 0, abi.EINVAL
	}
	prio, e := usermem.Load32(param)
	if e != abi.OK {
		return 0, e
	}
	switch p := policy &^ abi.SCHED_RESET_ON_FORK; p {
	case abi.SCHED_OTHER, abi.SCHED_BATCH, abi.SCHED_IDLE:
		if prio != 0 {
			return 0, abi.EINVAL
		}
		o.Policy.Store(int32(p))
		return 0, abi.OK
	case abi.SCHED_FIFO, abi.SCHED_RR:
		if prio < 1 || prio > 99 {
			return 0, abi.EINVAL
		}
		return 0, abi.EPERM
	}
	return 0, abi.EINVAL
}

func sysSchedGetparam(t *task.Thread, tid, param, _, _, _, _ uintptr) (uintptr, abi.Errno) {
	if param == 0 {
		return 0, abi.EINVAL
	}
	if _, e := findThread(t, tid); e != abi.OK {
		return 0, e
	}
	return 0, usermem.Store32(param, 0)
}

func sysSchedSetparam(t *task.Thread, tid, param, _, _, _, _ uintptr) (uintptr, abi.Errno) {
	if param == 0 {
		return 0, abi.EINVAL
	}
	if _, e := findThread(t, tid); e != abi.OK {
		return 0, e
	}
	prio, e := usermem.Load32(param)
	if e != abi.OK {
		return 0, e
	}
	if prio != 0 {
		return 0, abi.EINVAL
	}
	return 0, abi.OK
}

func sysSchedPriorityMax(_ *task.Thread, policy, _, _, _, _, _ uintptr) (uintptr, abi.Errno) {
	switch policy {
	case abi.SCHED_FIFO, abi.SCHED_RR:
		return 99, abi.OK
	case abi.SCHED_OTHER, abi.SCHED_BATCH, abi.SCHED_IDLE, abi.SCHED_DEADLINE, abi.SCHED_EXT:
		return 0, abi.OK
	}
	return 0, abi.EINVAL
}

func sysSchedPriorityMin(t *task.Thread, policy, a, b, c, d, e uintptr) (uintptr, abi.Errno) {
	n, err := sysSchedPriorityMax(t, policy, a, b, c, d, e)
	return min(n, 1), err
}

func sysSchedRRInterval(t *task.Thread, tid, addr, _, _, _, _ uintptr) (uintptr, abi.Errno) {
	if _, e := findThread(t, tid); e != abi.OK {
		return 0, e
	}
	return 0, usermem.Out(addr, &abi.Timespec{Nsec: 4_000_000}) // the tick
}

func sysGetcpu(t *task.Thread, cpu, node, _, _, _, _ uintptr) (uintptr, abi.Errno) {
	if cpu != 0 {
		if e := usermem.Store32(cpu, uint32(ground.CurrentCPU())); e != abi.OK {
			return 0, e
		}
	}
	if node != 0 {
		return 0, usermem.Store32(node, 0)
	}
	return 0, abi.OK
}

// sysMembarrier: every command is a barrier on all CPUs, by interrupting them.
func sysMembarrier(t *task.Thread, cmd, flags, _, _, _, _ uintptr) (uintptr, abi.Errno) {
	const supported = abi.MEMBARRIER_CMD_GLOBAL | abi.MEMBARRIER_CMD_GLOBAL_EXPEDITED |
		abi.MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED | abi.MEMBARRIER_CMD_PRIVATE_EXPEDITED |
		abi.MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED | abi.MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE |
		abi.MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE
	if flags != 0 {
		return 0, abi.EINVAL
	}
	switch cmd {
	case abi.MEMBARRIER_CMD_QUERY:
		return supported, abi.OK
	case abi.MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED:
		return 0, abi.OK
	case abi.MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED:
		t.Proc.Barrier.Or(1)
		return 0, abi.OK
	case abi.MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE:
		t.Proc.Barrier.Or(2)
		return 0, abi.OK
	case abi.MEMBARRIER_CMD_PRIVATE_EXPEDITED:
		if t.Proc.Barrier.Load()&1 == 0 {
			return 0, abi.EPERM
		}
	case abi.MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE:
		if t.Proc.Barrier.Load()&2 == 0 {
			return 0, abi.EPERM
		}
	case abi.MEMBARRIER_CMD_GLOBAL, abi.MEMBARRIER_CMD_GLOBAL_EXPEDITED:
	default:
		return 0, abi.EINVAL
	}
	// A flush of nothing waits for every CPU's acknowledgement, which it gives
	// from an interrupt: a serialising event.
	ground.Barrier()
	return 0, abi.OK
}
