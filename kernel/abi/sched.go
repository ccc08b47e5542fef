package abi

// Flags of clone(2) and clone3(2), uapi/linux/sched.h. CSIGNAL is the exit signal
// in the low byte of clone's flags.
const (
	CSIGNAL              = 0xff
	CLONE_VM             = 0x100
	CLONE_FS             = 0x200
	CLONE_FILES          = 0x400
	CLONE_SIGHAND        = 0x800
	CLONE_PIDFD          = 0x1000
	CLONE_PTRACE         = 0x2000
	CLONE_VFORK          = 0x4000
	CLONE_PARENT         = 0x8000
	CLONE_THREAD         = 0x10000
	CLONE_NEWNS          = 0x20000
	CLONE_SYSVSEM        = 0x40000
	CLONE_SETTLS         = 0x80000
	CLONE_PARENT_SETTID  = 0x100000
	CLONE_CHILD_CLEARTID = 0x200000
	CLONE_DETACHED       = 0x400000
	CLONE_UNTRACED       = 0x800000
	CLONE_CHILD_SETTID   = 0x1000000
	CLONE_NEWCGROUP      = 0x2000000
	CLONE_NEWUTS         = 0x4000000
	CLONE_NEWIPC         = 0x8000000
	CLONE_NEWUSER        = 0x10000000
	CLONE_NEWPID         = 0x20000000
	CLONE_NEWNET         = 0x40000000
	CLONE_IO             = 0x80000000
)

// Flags of clone3(2) only. CLONE_NEWTIME, of unshare(2), shares a bit of CSIGNAL.
const (
	CLONE_CLEAR_SIGHAND = 0x100000000
	CLONE_INTO_CGROUP   = 0x200000000
	CLONE_NEWTIME       = 0x80
)

// Sizes of struct clone_args that have existed.
const (
	CLONE_ARGS_SIZE_VER0 = 64
	CLONE_ARGS_SIZE_VER1 = 80
	CLONE_ARGS_SIZE_VER2 = 88
)

// Scheduling policies of sched_setscheduler(2).
const (
	SCHED_OTHER         = 0
	SCHED_FIFO          = 1
	SCHED_RR            = 2
	SCHED_BATCH         = 3
	SCHED_IDLE          = 5
	SCHED_DEADLINE      = 6
	SCHED_EXT           = 7
	SCHED_RESET_ON_FORK = 0x40000000
)

// Flags in struct sched_attr.
const (
	SCHED_FLAG_RESET_ON_FORK  = 1
	SCHED_FLAG_RECLAIM        = 2
	SCHED_FLAG_DL_OVERRUN     = 4
	SCHED_FLAG_KEEP_POLICY    = 8
	SCHED_FLAG_KEEP_PARAMS    = 0x10
	SCHED_FLAG_UTIL_CLAMP_MIN = 0x20
	SCHED_FLAG_UTIL_CLAMP_MAX = 0x40
)

// Sizes of struct sched_attr that have existed, uapi/linux/sched/types.h.
const (
	SCHED_ATTR_SIZE_VER0 = 48
	SCHED_ATTR_SIZE_VER1 = 56
)

// Whom getpriority(2) and setpriority(2) mean, uapi/linux/resource.h.
const (
	PRIO_MIN     = -20
	PRIO_MAX     = 20
	PRIO_PROCESS = 0
	PRIO_PGRP    = 1
	PRIO_USER    = 2
)

// Classes and targets of ioprio_set(2), uapi/linux/ioprio.h.
const (
	IOPRIO_CLASS_SHIFT = 13
	IOPRIO_CLASS_NONE  = 0
	IOPRIO_CLASS_RT    = 1
	IOPRIO_CLASS_BE    = 2
	IOPRIO_CLASS_IDLE  = 3
	IOPRIO_WHO_PROCESS = 1
	IOPRIO_WHO_PGRP    = 2
	IOPRIO_WHO_USER    = 3
)

// CloneArgs is struct clone_args of clone3(2).
type CloneArgs struct {
	Flags      uint64 // flags
	PidFD      uint64 // pidfd
	ChildTID   uint64 // child_tid
	ParentTID  uint64 // parent_tid
	ExitSignal uint64 // exit_signal
	Stack      uint64 // stack
	StackSize  uint64 // stack_size
	TLS        uint64 // tls
	SetTID     uint64 // set_tid
	SetTIDSize uint64 // set_tid_size
	Cgroup     uint64 // cgroup
}

// SchedParam is struct sched_param of sched_setparam(2), sched.h.
type SchedParam struct {
	Priority int32 // sched_priority
}

// SchedAttr is struct sched_attr of sched_setattr(2), uapi/linux/sched/types.h.
type SchedAttr struct {
	Size     uint32 // size
	Policy   uint32 // sched_policy
	Flags    uint64 // sched_flags
	Nice     int32  // sched_nice
	Priority uint32 // sched_priority
	Runtime  uint64 // sched_runtime
	Deadline uint64 // sched_deadline
	Period   uint64 // sched_period
	UtilMin  uint32 // sched_util_min
	UtilMax  uint32 // sched_util_max
}
