package abi

// Flags of rseq(2) and the state of its area, uapi/linux/rseq.h.
const (
	RSEQ_FLAG_UNREGISTER               = 1
	RSEQ_CPU_ID_UNINITIALIZED          = -1
	RSEQ_CPU_ID_REGISTRATION_FAILED    = -2
	RSEQ_CS_FLAG_NO_RESTART_ON_PREEMPT = 1
	RSEQ_CS_FLAG_NO_RESTART_ON_SIGNAL  = 2
	RSEQ_CS_FLAG_NO_RESTART_ON_MIGRATE = 4
)

// Commands of membarrier(2), uapi/linux/membarrier.h.
const (
	MEMBARRIER_CMD_QUERY                                = 0
	MEMBARRIER_CMD_GLOBAL                               = 1
	MEMBARRIER_CMD_GLOBAL_EXPEDITED                     = 2
	MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED            = 4
	MEMBARRIER_CMD_PRIVATE_EXPEDITED                    = 8
	MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED           = 16
	MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE          = 32
	MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE = 64
	MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ               = 128
	MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ      = 256
	MEMBARRIER_CMD_GET_REGISTRATIONS                    = 512
	MEMBARRIER_CMD_SHARED                               = 1
	MEMBARRIER_CMD_FLAG_CPU                             = 1
)

// Rseq is struct rseq of Linux 6.3; earlier ones end after Flags, padded to 32
// bytes.
type Rseq struct {
	CPUIDStart uint32 // cpu_id_start
	CPUID      uint32 // cpu_id
	RseqCS     uint64 // rseq_cs
	Flags      uint32 // flags
	NodeID     uint32 // node_id
	MmCID      uint32 // mm_cid
	Pad        uint32
}

// RseqCS is struct rseq_cs, one critical section.
type RseqCS struct {
	Version          uint32 // version
	Flags            uint32 // flags
	StartIP          uint64 // start_ip
	PostCommitOffset uint64 // post_commit_offset
	AbortIP          uint64 // abort_ip
}
