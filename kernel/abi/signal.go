package abi

// Signals of x86-64, uapi/asm/signal.h. SIGRTMIN is the kernel's first real-time
// signal; libraries keep the lowest for themselves.
const (
	SIGHUP    = 1
	SIGINT    = 2
	SIGQUIT   = 3
	SIGILL    = 4
	SIGTRAP   = 5
	SIGABRT   = 6
	SIGIOT    = 6
	SIGBUS    = 7
	SIGFPE    = 8
	SIGKILL   = 9
	SIGUSR1   = 10
	SIGSEGV   = 11
	SIGUSR2   = 12
	SIGPIPE   = 13
	SIGALRM   = 14
	SIGTERM   = 15
	SIGSTKFLT = 16
	SIGCHLD   = 17
	SIGCONT   = 18
	SIGSTOP   = 19
	SIGTSTP   = 20
	SIGTTIN   = 21
	SIGTTOU   = 22
	SIGURG    = 23
	SIGXCPU   = 24
	SIGXFSZ   = 25
	SIGVTALRM = 26
	SIGPROF   = 27
	SIGWINCH  = 28
	SIGIO     = 29
	SIGPOLL   = 29
	SIGPWR    = 30
	SIGSYS    = 31
	SIGRTMIN  = 32
	SIGRTMAX  = 64
)

// Operations of rt_sigprocmask(2), and the handlers that are not addresses.
const (
	SIG_BLOCK   = 0
	SIG_UNBLOCK = 1
	SIG_SETMASK = 2
	SIG_DFL     = 0
	SIG_IGN     = 1
	SIG_ERR     = -1
)

// Flags of rt_sigaction(2), uapi/asm-generic/signal-defs.h and asm/signal.h.
const (
	SA_NOCLDSTOP      = 0x1
	SA_NOCLDWAIT      = 0x2
	SA_SIGINFO        = 0x4
	SA_UNSUPPORTED    = 0x400
	SA_EXPOSE_TAGBITS = 0x800
	SA_RESTORER       = 0x4000000
	SA_ONSTACK        = 0x8000000
	SA_RESTART        = 0x10000000
	SA_NODEFER        = 0x40000000
	SA_RESETHAND      = 0x80000000
)

// Alternative stacks of sigaltstack(2).
const (
	SS_ONSTACK    = 0x1
	SS_DISABLE    = 0x2
	SS_AUTODISARM = 0x80000000
	MINSIGSTKSZ   = 2048
	SIGSTKSZ      = 8192
)

// Origins of a signal in si_code, uapi/asm-generic/siginfo.h; positive ones are
// the kernel's, by signal.
const (
	SI_USER     = 0
	SI_KERNEL   = 128
	SI_QUEUE    = -1
	SI_TIMER    = -2
	SI_MESGQ    = -3
	SI_ASYNCIO  = -4
	SI_SIGIO    = -5
	SI_TKILL    = -6
	SI_DETHREAD = -7
	SI_ASYNCNL  = -60
)

// si_code of SIGILL.
const (
	ILL_ILLOPC = 1
	ILL_ILLOPN = 2
	ILL_ILLADR = 3
	ILL_ILLTRP = 4
	ILL_PRVOPC = 5
	ILL_PRVREG = 6
	ILL_COPROC = 7
	ILL_BADSTK = 8
)

// si_code of SIGFPE.
const (
	FPE_INTDIV   = 1
	FPE_INTOVF   = 2
	FPE_FLTDIV   = 3
	FPE_FLTOVF   = 4
	FPE_FLTUND   = 5
	FPE_FLTRES   = 6
	FPE_FLTINV   = 7
	FPE_FLTSUB   = 8
	FPE_FLTUNK   = 14
	FPE_CONDTRAP = 15
)

// si_code of SIGSEGV. SEGV_CPERR is a control-protection fault.
const (
	SEGV_MAPERR  = 1
	SEGV_ACCERR  = 2
	SEGV_BNDERR  = 3
	SEGV_PKUERR  = 4
	SEGV_ACCADI  = 5
	SEGV_ADIDERR = 6
	SEGV_ADIPERR = 7
	SEGV_MTEAERR = 8
	SEGV_MTESERR = 9
	SEGV_CPERR   = 10
)

// si_code of SIGBUS.
const (
	BUS_ADRALN    = 1
	BUS_ADRERR    = 2
	BUS_OBJERR    = 3
	BUS_MCEERR_AR = 4
	BUS_MCEERR_AO = 5
)

// si_code of SIGTRAP.
const (
	TRAP_BRKPT  = 1
	TRAP_TRACE  = 2
	TRAP_BRANCH = 3
	TRAP_HWBKPT = 4
	TRAP_UNK    = 5
	TRAP_PERF   = 6
)

// si_code of SIGCHLD.
const (
	CLD_EXITED    = 1
	CLD_KILLED    = 2
	CLD_DUMPED    = 3
	CLD_TRAPPED   = 4
	CLD_STOPPED   = 5
	CLD_CONTINUED = 6
)

// si_code of SIGIO.
const (
	POLL_IN  = 1
	POLL_OUT = 2
	POLL_MSG = 3
	POLL_ERR = 4
	POLL_PRI = 5
	POLL_HUP = 6
)

// si_code of SIGSYS: SYS_SECCOMP and SYS_USER_DISPATCH in C, where system-call
// numbers are in lower case.
const (
	SIGSYS_SECCOMP       = 1
	SIGSYS_USER_DISPATCH = 2
)

// What sigevent asks for, timer_create(2).
const (
	SIGEV_SIGNAL    = 0
	SIGEV_NONE      = 1
	SIGEV_THREAD    = 2
	SIGEV_THREAD_ID = 4
)

// Sigset is sigset_t as the kernel sees it; signal n is bit n-1. Calls with a
// set carry its size, which must be SigsetSize.
type Sigset uint64

// NumSignals is the highest signal number; numbers begin at 1.
const NumSignals = 64

// SigsetSize is the only size of a signal set that calls accept.
const SigsetSize = 8

// Sigaction is struct sigaction of rt_sigaction(2) as the kernel sees it; the
// library's has another order.
type Sigaction struct {
	Handler  uint64 // sa_handler
	Flags    uint64 // sa_flags
	Restorer uint64 // sa_restorer
	Mask     Sigset // sa_mask
}

// SigaltStack is stack_t of sigaltstack(2).
type SigaltStack struct {
	SP    uint64 // ss_sp
	Flags int32  // ss_flags
	Pad   int32
	Size  uint64 // ss_size
}

// SiginfoSize is the size of siginfo_t. Its first fields are SiginfoHeader; what
// follows depends on si_code and si_signo, one type for each case.
const SiginfoSize = 128

// SiginfoHeader begins every siginfo_t.
type SiginfoHeader struct {
	Signo int32 // si_signo
	Errno int32 // si_errno
	Code  int32 // si_code
	Pad   int32
}

// Siginfo is siginfo_t with its union as bytes.
type Siginfo struct {
	SiginfoHeader           // si_signo
	Fields        [112]byte // _sifields and what pads it
}

// SiginfoKill is siginfo_t of kill(2) and tgkill(2): SI_USER, SI_TKILL.
type SiginfoKill struct {
	SiginfoHeader        // si_signo
	PID           int32  // _sifields._kill._pid
	UID           uint32 // _sifields._kill._uid
	Rest          [104]byte
}

// SiginfoTimer is siginfo_t of timer_create(2): SI_TIMER.
type SiginfoTimer struct {
	SiginfoHeader        // si_signo
	TimerID       int32  // _sifields._timer._tid
	Overrun       int32  // _sifields._timer._overrun
	Value         uint64 // _sifields._timer._sigval
	SysPrivate    int32  // _sifields._timer._sys_private
	Pad2          int32
	Rest          [88]byte
}

// SiginfoRT is siginfo_t of rt_sigqueueinfo(2): SI_QUEUE, SI_MESGQ.
type SiginfoRT struct {
	SiginfoHeader        // si_signo
	PID           int32  // _sifields._rt._pid
	UID           uint32 // _sifields._rt._uid
	Value         uint64 // _sifields._rt._sigval
	Rest          [96]byte
}

// SiginfoChild is siginfo_t of SIGCHLD and of waitid(2). Times are in clock ticks.
type SiginfoChild struct {
	SiginfoHeader        // si_signo
	PID           int32  // _sifields._sigchld._pid
	UID           uint32 // _sifields._sigchld._uid
	Status        int32  // _sifields._sigchld._status
	Pad2          int32
	Utime         int64 // _sifields._sigchld._utime
	Stime         int64 // _sifields._sigchld._stime
	Rest          [80]byte
}

// SiginfoFault is siginfo_t of SIGILL, SIGFPE, SIGSEGV, SIGBUS and SIGTRAP from
// the processor. The fields after Addr depend on the code: AddrLsb is of
// BUS_MCEERR_*, Lower and Upper of SEGV_BNDERR.
type SiginfoFault struct {
	SiginfoHeader        // si_signo
	Addr          uint64 // _sifields._sigfault._addr
	AddrLsb       int16  // _sifields._sigfault._addr_lsb
	Pad2          [3]int16
	Lower         uint64 // _sifields._sigfault._addr_bnd._lower
	Upper         uint64 // _sifields._sigfault._addr_bnd._upper
	Rest          [80]byte
}

// SiginfoPoll is siginfo_t of SIGIO from a descriptor.
type SiginfoPoll struct {
	SiginfoHeader       // si_signo
	Band          int64 // _sifields._sigpoll._band
	FD            int32 // _sifields._sigpoll._fd
	Pad2          int32
	Rest          [96]byte
}

// SiginfoSys is siginfo_t of SIGSYS: SYS_SECCOMP.
type SiginfoSys struct {
	SiginfoHeader        // si_signo
	CallAddr      uint64 // _sifields._sigsys._call_addr
	Syscall       int32  // _sifields._sigsys._syscall
	Arch          uint32 // _sifields._sigsys._arch
	Rest          [96]byte
}

// Sigevent is struct sigevent of timer_create(2) and mq_notify(2).
type Sigevent struct {
	Value    uint64 // sigev_value
	Signo    int32  // sigev_signo
	Notify   int32  // sigev_notify
	ThreadID int32  // _sigev_un._tid
	Pad      [11]int32
}
