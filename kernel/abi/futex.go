package abi

// Operations of futex(2), uapi/linux/futex.h; the low bits of the op word.
const (
	FUTEX_WAIT            = 0
	FUTEX_WAKE            = 1
	FUTEX_FD              = 2
	FUTEX_REQUEUE         = 3
	FUTEX_CMP_REQUEUE     = 4
	FUTEX_WAKE_OP         = 5
	FUTEX_LOCK_PI         = 6
	FUTEX_UNLOCK_PI       = 7
	FUTEX_TRYLOCK_PI      = 8
	FUTEX_WAIT_BITSET     = 9
	FUTEX_WAKE_BITSET     = 10
	FUTEX_WAIT_REQUEUE_PI = 11
	FUTEX_CMP_REQUEUE_PI  = 12
	FUTEX_LOCK_PI2        = 13
)

// Options in the op word.
const (
	FUTEX_PRIVATE_FLAG     = 0x80
	FUTEX_CLOCK_REALTIME   = 0x100
	FUTEX_CMD_MASK         = -385
	FUTEX_BITSET_MATCH_ANY = 0xffffffff
)

// Operations and comparisons of FUTEX_WAKE_OP; FUTEX_OP_OPARG_SHIFT is or-ed to
// the operation.
const (
	FUTEX_OP_SET         = 0
	FUTEX_OP_ADD         = 1
	FUTEX_OP_OR          = 2
	FUTEX_OP_ANDN        = 3
	FUTEX_OP_XOR         = 4
	FUTEX_OP_OPARG_SHIFT = 8
	FUTEX_OP_CMP_EQ      = 0
	FUTEX_OP_CMP_NE      = 1
	FUTEX_OP_CMP_LT      = 2
	FUTEX_OP_CMP_LE      = 3
	FUTEX_OP_CMP_GT      = 4
	FUTEX_OP_CMP_GE      = 5
)

// The word of a robust or priority-inheriting futex.
const (
	FUTEX_WAITERS    = 0x80000000
	FUTEX_OWNER_DIED = 0x40000000
	FUTEX_TID_MASK   = 0x3fffffff
)

// ROBUST_LIST_LIMIT is how many entries of a robust list are walked.
const (
	ROBUST_LIST_LIMIT = 2048
)

// Sizes and options of futex_waitv(2), futex_wait(2), futex_wake(2) and
// futex_requeue(2); Linux 6.7 for all but FUTEX_32.
const (
	FUTEX_32         = 2
	FUTEX2_SIZE_U8   = 0
	FUTEX2_SIZE_U16  = 1
	FUTEX2_SIZE_U32  = 2
	FUTEX2_SIZE_U64  = 3
	FUTEX2_NUMA      = 0x4
	FUTEX2_PRIVATE   = 0x80
	FUTEX2_SIZE_MASK = 0x3
	FUTEX_WAITV_MAX  = 128
)

// FutexWaitv is struct futex_waitv.
type FutexWaitv struct {
	Val      uint64 // val
	UAddr    uint64 // uaddr
	Flags    uint32 // flags
	Reserved uint32 // __reserved
}

// RobustListHead is struct robust_list_head of set_robust_list(2). List points
// to itself if the list is empty; bit 0 of an entry's pointer marks a
// priority-inheriting futex.
type RobustListHead struct {
	List          uint64 // list.next
	FutexOffset   int64  // futex_offset
	ListOpPending uint64 // list_op_pending
}
