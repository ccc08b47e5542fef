package abi

// Resources of getrlimit(2), uapi/asm-generic/resource.h.
const (
	RLIMIT_CPU        = 0
	RLIMIT_FSIZE      = 1
	RLIMIT_DATA       = 2
	RLIMIT_STACK      = 3
	RLIMIT_CORE       = 4
	RLIMIT_RSS        = 5
	RLIMIT_NPROC      = 6
	RLIMIT_NOFILE     = 7
	RLIMIT_MEMLOCK    = 8
	RLIMIT_AS         = 9
	RLIMIT_LOCKS      = 10
	RLIMIT_SIGPENDING = 11
	RLIMIT_MSGQUEUE   = 12
	RLIMIT_NICE       = 13
	RLIMIT_RTPRIO     = 14
	RLIMIT_RTTIME     = 15
	RLIM_NLIMITS      = 16
)

// RLIM_INFINITY stands for no limit.
const (
	RLIM_INFINITY = 0xffffffffffffffff
)

// Whom getrusage(2) means.
const (
	RUSAGE_SELF     = 0
	RUSAGE_CHILDREN = -1
	RUSAGE_THREAD   = 1
)

// SI_LOAD_SHIFT is the number of fraction bits in Sysinfo.Loads.
const (
	SI_LOAD_SHIFT = 16
)

// Magic numbers and commands of reboot(2), uapi/linux/reboot.h.
const (
	LINUX_REBOOT_MAGIC1         = 0xfee1dead
	LINUX_REBOOT_MAGIC2         = 0x28121969
	LINUX_REBOOT_CMD_RESTART    = 0x1234567
	LINUX_REBOOT_CMD_HALT       = 0xcdef0123
	LINUX_REBOOT_CMD_CAD_ON     = 0x89abcdef
	LINUX_REBOOT_CMD_CAD_OFF    = 0x0
	LINUX_REBOOT_CMD_POWER_OFF  = 0x4321fedc
	LINUX_REBOOT_CMD_RESTART2   = 0xa1b2c3d4
	LINUX_REBOOT_CMD_SW_SUSPEND = 0xd000fce2
	LINUX_REBOOT_CMD_KEXEC      = 0x45584543
)

// Execution domains of personality(2), uapi/linux/personality.h.
const (
	PER_LINUX          = 0
	PER_LINUX32        = 8
	PER_MASK           = 0xff
	UNAME26            = 0x20000
	ADDR_NO_RANDOMIZE  = 0x40000
	FDPIC_FUNCPTRS     = 0x80000
	MMAP_PAGE_ZERO     = 0x100000
	ADDR_COMPAT_LAYOUT = 0x200000
	READ_IMPLIES_EXEC  = 0x400000
	ADDR_LIMIT_32BIT   = 0x800000
	SHORT_INODE        = 0x1000000
	WHOLE_SECONDS      = 0x2000000
	STICKY_TIMEOUTS    = 0x4000000
	ADDR_LIMIT_3GB     = 0x8000000
)

// Rlimit is struct rlimit64 of prlimit64(2), the same as struct rlimit.
type Rlimit struct {
	Cur uint64 // rlim_cur
	Max uint64 // rlim_max
}

// Rusage is struct rusage. Maxrss is in KiB.
type Rusage struct {
	Utime    Timeval // ru_utime
	Stime    Timeval // ru_stime
	Maxrss   int64   // ru_maxrss
	Ixrss    int64   // ru_ixrss
	Idrss    int64   // ru_idrss
	Isrss    int64   // ru_isrss
	Minflt   int64   // ru_minflt
	Majflt   int64   // ru_majflt
	Nswap    int64   // ru_nswap
	Inblock  int64   // ru_inblock
	Oublock  int64   // ru_oublock
	Msgsnd   int64   // ru_msgsnd
	Msgrcv   int64   // ru_msgrcv
	Nsignals int64   // ru_nsignals
	Nvcsw    int64   // ru_nvcsw
	Nivcsw   int64   // ru_nivcsw
}

// Sysinfo is struct sysinfo. Loads have SI_LOAD_SHIFT fraction bits; the memory
// fields are in units of MemUnit bytes.
type Sysinfo struct {
	Uptime    int64     // uptime
	Loads     [3]uint64 // loads
	Totalram  uint64    // totalram
	Freeram   uint64    // freeram
	Sharedram uint64    // sharedram
	Bufferram uint64    // bufferram
	Totalswap uint64    // totalswap
	Freeswap  uint64    // freeswap
	Procs     uint16    // procs
	Pad       uint16    // pad
	Pad2      uint32
	Totalhigh uint64 // totalhigh
	Freehigh  uint64 // freehigh
	MemUnit   uint32 // mem_unit
	Pad3      uint32
}

// Utsname is struct new_utsname of uname(2); each string ends with a NUL.
type Utsname struct {
	Sysname    [65]byte // sysname
	Nodename   [65]byte // nodename
	Release    [65]byte // release
	Version    [65]byte // version
	Machine    [65]byte // machine
	Domainname [65]byte // domainname
}
