package abi

// Protections of mmap(2) and mprotect(2), uapi/asm-generic/mman-common.h.
const (
	PROT_NONE      = 0
	PROT_READ      = 1
	PROT_WRITE     = 2
	PROT_EXEC      = 4
	PROT_SEM       = 8
	PROT_GROWSDOWN = 0x1000000
	PROT_GROWSUP   = 0x2000000
)

// Mapping types and flags of mmap(2), uapi/linux/mman.h, asm-generic/mman.h and
// arch/x86/include/uapi/asm/mman.h.
const (
	MAP_SHARED          = 1
	MAP_PRIVATE         = 2
	MAP_SHARED_VALIDATE = 3
	MAP_DROPPABLE       = 0x08
	MAP_TYPE            = 0xf
	MAP_FIXED           = 0x10
	MAP_ANONYMOUS       = 0x20
	MAP_32BIT           = 0x40
	MAP_ABOVE4G         = 0x80
	MAP_GROWSDOWN       = 0x100
	MAP_DENYWRITE       = 0x800
	MAP_EXECUTABLE      = 0x1000
	MAP_LOCKED          = 0x2000
	MAP_NORESERVE       = 0x4000
	MAP_POPULATE        = 0x8000
	MAP_NONBLOCK        = 0x10000
	MAP_STACK           = 0x20000
	MAP_HUGETLB         = 0x40000
	MAP_SYNC            = 0x80000
	MAP_FIXED_NOREPLACE = 0x100000
	MAP_UNINITIALIZED   = 0x4000000
	MAP_FILE            = 0
)

// Sizes of huge pages in the flags of mmap(2) and memfd_create(2).
const (
	MAP_HUGE_SHIFT = 0x1a
	MAP_HUGE_MASK  = 0x3f
	MAP_HUGE_2MB   = 0x54000000
	MAP_HUGE_1GB   = 0x78000000
)

// Flags of mremap(2).
const (
	MREMAP_MAYMOVE   = 1
	MREMAP_FIXED     = 2
	MREMAP_DONTUNMAP = 4
)

// Advice of madvise(2) and process_madvise(2), uapi/asm-generic/mman-common.h.
const (
	MADV_NORMAL          = 0
	MADV_RANDOM          = 1
	MADV_SEQUENTIAL      = 2
	MADV_WILLNEED        = 3
	MADV_DONTNEED        = 4
	MADV_FREE            = 8
	MADV_REMOVE          = 9
	MADV_DONTFORK        = 10
	MADV_DOFORK          = 11
	MADV_MERGEABLE       = 12
	MADV_UNMERGEABLE     = 13
	MADV_HUGEPAGE        = 14
	MADV_NOHUGEPAGE      = 15
	MADV_DONTDUMP        = 16
	MADV_DODUMP          = 17
	MADV_WIPEONFORK      = 18
	MADV_KEEPONFORK      = 19
	MADV_COLD            = 20
	MADV_PAGEOUT         = 21
	MADV_POPULATE_READ   = 22
	MADV_POPULATE_WRITE  = 23
	MADV_DONTNEED_LOCKED = 24
	MADV_COLLAPSE        = 25
	MADV_HWPOISON        = 100
	MADV_SOFT_OFFLINE    = 101
)

// Flags of msync(2), mlockall(2) and mlock2(2).
const (
	MS_ASYNC      = 1
	MS_INVALIDATE = 2
	MS_SYNC       = 4
	MCL_CURRENT   = 1
	MCL_FUTURE    = 2
	MCL_ONFAULT   = 4
	MLOCK_ONFAULT = 1
)

// Access rights of pkey_alloc(2).
const (
	PKEY_DISABLE_ACCESS = 1
	PKEY_DISABLE_WRITE  = 2
)

// Flags of map_shadow_stack(2), uapi/asm/mman.h.
const (
	SHADOW_STACK_SET_TOKEN = 0x1
)

// Flags of memfd_create(2), uapi/linux/memfd.h. The huge-page sizes are MAP_HUGE_*.
const (
	MFD_CLOEXEC       = 1
	MFD_ALLOW_SEALING = 2
	MFD_HUGETLB       = 4
	MFD_NOEXEC_SEAL   = 0x8
	MFD_EXEC          = 0x10
)

// Policies and flags of mbind(2), set_mempolicy(2) and get_mempolicy(2),
// uapi/linux/mempolicy.h.
const (
	MPOL_DEFAULT             = 0
	MPOL_PREFERRED           = 1
	MPOL_BIND                = 2
	MPOL_INTERLEAVE          = 3
	MPOL_LOCAL               = 4
	MPOL_PREFERRED_MANY      = 5
	MPOL_WEIGHTED_INTERLEAVE = 6
	MPOL_F_STATIC_NODES      = 0x8000
	MPOL_F_RELATIVE_NODES    = 0x4000
	MPOL_F_NUMA_BALANCING    = 0x2000
	MPOL_F_NODE              = 1
	MPOL_F_ADDR              = 2
	MPOL_F_MEMS_ALLOWED      = 4
	MPOL_MF_STRICT           = 1
	MPOL_MF_MOVE             = 2
	MPOL_MF_MOVE_ALL         = 4
)

// Flags of userfaultfd(2), uapi/linux/userfaultfd.h.
const (
	UFFD_USER_MODE_ONLY = 1
)

// CachestatRange is struct cachestat_range of cachestat(2), uapi/linux/mman.h
// (Linux 6.5).
type CachestatRange struct {
	Off uint64 // off
	Len uint64 // len
}

// Cachestat is struct cachestat, in pages.
type Cachestat struct {
	Cache           uint64 // nr_cache
	Dirty           uint64 // nr_dirty
	Writeback       uint64 // nr_writeback
	Evicted         uint64 // nr_evicted
	RecentlyEvicted uint64 // nr_recently_evicted
}
