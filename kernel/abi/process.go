package abi

// Options of wait4(2) and waitid(2), uapi/linux/wait.h; C has WNOTHREAD, WALL and
// WCLONE with two underscores before them.
const (
	WNOHANG    = 0x1
	WUNTRACED  = 0x2
	WSTOPPED   = 0x2
	WEXITED    = 0x4
	WCONTINUED = 0x8
	WNOWAIT    = 0x1000000
	WNOTHREAD  = 0x20000000
	WALL       = 0x40000000
	WCLONE     = 0x80000000
)

// Whom waitid(2) means.
const (
	P_ALL   = 0
	P_PID   = 1
	P_PGID  = 2
	P_PIDFD = 3
)

// Flags of pidfd_open(2) and pidfd_send_signal(2), uapi/linux/pidfd.h.
const (
	PIDFD_NONBLOCK             = 0o4000
	PIDFD_THREAD               = 0o200
	PIDFD_SIGNAL_THREAD        = 1
	PIDFD_SIGNAL_THREAD_GROUP  = 2
	PIDFD_SIGNAL_PROCESS_GROUP = 4
)

// Requests of ptrace(2), uapi/linux/ptrace.h; they are refused, and named in what
// is told of it.
const (
	PTRACE_TRACEME          = 0
	PTRACE_PEEKTEXT         = 1
	PTRACE_PEEKDATA         = 2
	PTRACE_PEEKUSR          = 3
	PTRACE_POKETEXT         = 4
	PTRACE_POKEDATA         = 5
	PTRACE_POKEUSR          = 6
	PTRACE_CONT             = 7
	PTRACE_KILL             = 8
	PTRACE_SINGLESTEP       = 9
	PTRACE_GETREGS          = 0xc
	PTRACE_SETREGS          = 0xd
	PTRACE_GETFPREGS        = 0xe
	PTRACE_SETFPREGS        = 0xf
	PTRACE_ATTACH           = 0x10
	PTRACE_DETACH           = 0x11
	PTRACE_SYSCALL          = 0x18
	PTRACE_SETOPTIONS       = 0x4200
	PTRACE_GETEVENTMSG      = 0x4201
	PTRACE_GETSIGINFO       = 0x4202
	PTRACE_SETSIGINFO       = 0x4203
	PTRACE_GETREGSET        = 0x4204
	PTRACE_SETREGSET        = 0x4205
	PTRACE_SEIZE            = 0x4206
	PTRACE_INTERRUPT        = 0x4207
	PTRACE_LISTEN           = 0x4208
	PTRACE_GET_SYSCALL_INFO = 0x420e
)

// Keys, commands and flags of System V IPC, uapi/linux/ipc.h, sem.h and shm.h.
const (
	IPC_PRIVATE   = 0
	IPC_RMID      = 0
	IPC_SET       = 1
	IPC_STAT      = 2
	IPC_INFO      = 3
	IPC_CREAT     = 0o1000
	IPC_EXCL      = 0o2000
	IPC_NOWAIT    = 0o4000
	SHM_RDONLY    = 0o10000
	SHM_RND       = 0o20000
	SHM_REMAP     = 0o40000
	SHM_EXEC      = 0o100000
	SHM_HUGETLB   = 0o4000
	SHM_NORESERVE = 0o10000
	SEM_UNDO      = 0o10000
)
