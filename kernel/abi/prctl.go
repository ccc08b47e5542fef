package abi

// Operations of prctl(2), uapi/linux/prctl.h.
const (
	PR_SET_PDEATHSIG             = 1
	PR_GET_PDEATHSIG             = 2
	PR_GET_DUMPABLE              = 3
	PR_SET_DUMPABLE              = 4
	PR_GET_UNALIGN               = 5
	PR_SET_UNALIGN               = 6
	PR_GET_KEEPCAPS              = 7
	PR_SET_KEEPCAPS              = 8
	PR_GET_FPEMU                 = 9
	PR_SET_FPEMU                 = 10
	PR_GET_FPEXC                 = 11
	PR_SET_FPEXC                 = 12
	PR_GET_TIMING                = 13
	PR_SET_TIMING                = 14
	PR_SET_NAME                  = 15
	PR_GET_NAME                  = 16
	PR_GET_ENDIAN                = 19
	PR_SET_ENDIAN                = 20
	PR_GET_SECCOMP               = 21
	PR_SET_SECCOMP               = 22
	PR_CAPBSET_READ              = 23
	PR_CAPBSET_DROP              = 24
	PR_GET_TSC                   = 25
	PR_SET_TSC                   = 26
	PR_GET_SECUREBITS            = 27
	PR_SET_SECUREBITS            = 28
	PR_SET_TIMERSLACK            = 29
	PR_GET_TIMERSLACK            = 30
	PR_TASK_PERF_EVENTS_DISABLE  = 31
	PR_TASK_PERF_EVENTS_ENABLE   = 32
	PR_MCE_KILL                  = 33
	PR_MCE_KILL_GET              = 34
	PR_SET_MM                    = 35
	PR_SET_CHILD_SUBREAPER       = 36
	PR_GET_CHILD_SUBREAPER       = 37
	PR_SET_NO_NEW_PRIVS          = 38
	PR_GET_NO_NEW_PRIVS          = 39
	PR_GET_TID_ADDRESS           = 40
	PR_SET_THP_DISABLE           = 41
	PR_GET_THP_DISABLE           = 42
	PR_MPX_ENABLE_MANAGEMENT     = 43
	PR_MPX_DISABLE_MANAGEMENT    = 44
	PR_SET_FP_MODE               = 45
	PR_GET_FP_MODE               = 46
	PR_CAP_AMBIENT               = 47
	PR_SVE_SET_VL                = 50
	PR_SVE_GET_VL                = 51
	PR_GET_SPECULATION_CTRL      = 52
	PR_SET_SPECULATION_CTRL      = 53
	PR_PAC_RESET_KEYS            = 54
	PR_SET_TAGGED_ADDR_CTRL      = 55
	PR_GET_TAGGED_ADDR_CTRL      = 56
	PR_SET_IO_FLUSHER            = 57
	PR_GET_IO_FLUSHER            = 58
	PR_SET_SYSCALL_USER_DISPATCH = 59
	PR_SCHED_CORE                = 62
	PR_SET_MDWE                  = 65
	PR_GET_MDWE                  = 66
	PR_SET_MEMORY_MERGE          = 67
	PR_GET_MEMORY_MERGE          = 68
	PR_GET_AUXV                  = 0x41555856
	PR_SET_PTRACER               = 0x59616d61
	PR_SET_PTRACER_ANY           = 0xffffffffffffffff
	PR_SET_VMA                   = 0x53564d41
)

// Arguments of prctl(2)'s operations.
const (
	PR_SET_VMA_ANON_NAME     = 0
	PR_TSC_ENABLE            = 1
	PR_TSC_SIGSEGV           = 2
	PR_TIMING_STATISTICAL    = 0
	PR_CAP_AMBIENT_IS_SET    = 1
	PR_CAP_AMBIENT_RAISE     = 2
	PR_CAP_AMBIENT_LOWER     = 3
	PR_CAP_AMBIENT_CLEAR_ALL = 4
	PR_SPEC_STORE_BYPASS     = 0
	PR_SPEC_INDIRECT_BRANCH  = 1
	PR_SPEC_L1D_FLUSH        = 2
	PR_MDWE_REFUSE_EXEC_GAIN = 1
	PR_MDWE_NO_INHERIT       = 2
)

// Operations of arch_prctl(2), uapi/asm/prctl.h.
const (
	ARCH_SET_GS               = 0x1001
	ARCH_SET_FS               = 0x1002
	ARCH_GET_FS               = 0x1003
	ARCH_GET_GS               = 0x1004
	ARCH_GET_CPUID            = 0x1011
	ARCH_SET_CPUID            = 0x1012
	ARCH_GET_XCOMP_SUPP       = 0x1021
	ARCH_GET_XCOMP_PERM       = 0x1022
	ARCH_REQ_XCOMP_PERM       = 0x1023
	ARCH_GET_XCOMP_GUEST_PERM = 0x1024
	ARCH_REQ_XCOMP_GUEST_PERM = 0x1025
	ARCH_MAP_VDSO_X32         = 0x2001
	ARCH_MAP_VDSO_32          = 0x2002
	ARCH_MAP_VDSO_64          = 0x2003
	ARCH_GET_UNTAG_MASK       = 0x4001
	ARCH_ENABLE_TAGGED_ADDR   = 0x4002
	ARCH_GET_MAX_TAG_BITS     = 0x4003
	ARCH_SHSTK_ENABLE         = 0x5001
	ARCH_SHSTK_DISABLE        = 0x5002
	ARCH_SHSTK_LOCK           = 0x5003
	ARCH_SHSTK_UNLOCK         = 0x5004
	ARCH_SHSTK_STATUS         = 0x5005
)

// ARCH_CET_STATUS is asked for by glibc 2.28 to 2.38 at start; it never was an
// operation of Linux, which answers EINVAL.
const (
	ARCH_CET_STATUS = 0x3001
)

// Modes and operations of seccomp(2), uapi/linux/seccomp.h.
const (
	SECCOMP_MODE_DISABLED                  = 0
	SECCOMP_MODE_STRICT                    = 1
	SECCOMP_MODE_FILTER                    = 2
	SECCOMP_SET_MODE_STRICT                = 0
	SECCOMP_SET_MODE_FILTER                = 1
	SECCOMP_GET_ACTION_AVAIL               = 2
	SECCOMP_GET_NOTIF_SIZES                = 3
	SECCOMP_FILTER_FLAG_TSYNC              = 1
	SECCOMP_FILTER_FLAG_LOG                = 2
	SECCOMP_FILTER_FLAG_SPEC_ALLOW         = 4
	SECCOMP_FILTER_FLAG_NEW_LISTENER       = 8
	SECCOMP_FILTER_FLAG_TSYNC_ESRCH        = 0x10
	SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV = 0x20
)

// What a filter answers.
const (
	SECCOMP_RET_KILL_PROCESS = 0x80000000
	SECCOMP_RET_KILL_THREAD  = 0x0
	SECCOMP_RET_KILL         = 0x0
	SECCOMP_RET_TRAP         = 0x30000
	SECCOMP_RET_ERRNO        = 0x50000
	SECCOMP_RET_USER_NOTIF   = 0x7fc00000
	SECCOMP_RET_TRACE        = 0x7ff00000
	SECCOMP_RET_LOG          = 0x7ffc0000
	SECCOMP_RET_ALLOW        = 0x7fff0000
	SECCOMP_RET_ACTION_FULL  = 0xffff0000
	SECCOMP_RET_ACTION       = 0x7fff0000
	SECCOMP_RET_DATA         = 0xffff
)

// Classes, sizes, modes and operations of classic BPF, uapi/linux/bpf_common.h.
const (
	BPF_LD       = 0
	BPF_LDX      = 1
	BPF_ST       = 2
	BPF_STX      = 3
	BPF_ALU      = 4
	BPF_JMP      = 5
	BPF_RET      = 6
	BPF_MISC     = 7
	BPF_W        = 0
	BPF_H        = 8
	BPF_B        = 0x10
	BPF_IMM      = 0
	BPF_ABS      = 0x20
	BPF_IND      = 0x40
	BPF_MEM      = 0x60
	BPF_LEN      = 0x80
	BPF_MSH      = 0xa0
	BPF_ADD      = 0
	BPF_SUB      = 0x10
	BPF_MUL      = 0x20
	BPF_DIV      = 0x30
	BPF_OR       = 0x40
	BPF_AND      = 0x50
	BPF_LSH      = 0x60
	BPF_RSH      = 0x70
	BPF_NEG      = 0x80
	BPF_MOD      = 0x90
	BPF_XOR      = 0xa0
	BPF_JA       = 0
	BPF_JEQ      = 0x10
	BPF_JGT      = 0x20
	BPF_JGE      = 0x30
	BPF_JSET     = 0x40
	BPF_K        = 0
	BPF_X        = 8
	BPF_A        = 0x10
	BPF_TAX      = 0
	BPF_TXA      = 0x80
	BPF_MAXINSNS = 4096
	BPF_MEMWORDS = 16
)

// AUDIT_ARCH_X86_64 is SeccompData.Arch of a 64-bit call, uapi/linux/audit.h.
const (
	AUDIT_ARCH_X86_64 = 0xc000003e
)

// SeccompData is struct seccomp_data, what a filter looks at.
type SeccompData struct {
	Nr   int32     // nr
	Arch uint32    // arch
	IP   uint64    // instruction_pointer
	Args [6]uint64 // args
}

// SockFilter is struct sock_filter, one instruction of classic BPF.
type SockFilter struct {
	Code uint16 // code
	JT   uint8  // jt
	JF   uint8  // jf
	K    uint32 // k
}

// SockFprog is struct sock_fprog.
type SockFprog struct {
	Len    uint16 // len
	Pad    [3]uint16
	Filter uint64 // filter
}
