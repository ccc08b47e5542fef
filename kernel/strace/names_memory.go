package strace

import "skerry/kernel/abi"

// Names of constants about memory, in the order in which they are printed.
var (
	setProt = set{unknown: "PROT_???", zero: "PROT_NONE", names: []named{
		{abi.PROT_READ, "PROT_READ"}, {abi.PROT_WRITE, "PROT_WRITE"}, {abi.PROT_EXEC, "PROT_EXEC"},
		{abi.PROT_SEM, "PROT_SEM"}, {abi.PROT_GROWSDOWN, "PROT_GROWSDOWN"}, {abi.PROT_GROWSUP, "PROT_GROWSUP"},
	}}
	setMaptype = set{unknown: "MAP_???", names: []named{
		{abi.MAP_SHARED, "MAP_SHARED"}, {abi.MAP_PRIVATE, "MAP_PRIVATE"}, {abi.MAP_SHARED_VALIDATE, "MAP_SHARED_VALIDATE"},
		{abi.MAP_DROPPABLE, "MAP_DROPPABLE"},
	}}
	setMap = set{unknown: "MAP_???", names: []named{
		{abi.MAP_FIXED, "MAP_FIXED"}, {abi.MAP_ANONYMOUS, "MAP_ANONYMOUS"}, {abi.MAP_32BIT, "MAP_32BIT"},
		{abi.MAP_ABOVE4G, "MAP_ABOVE4G"}, {abi.MAP_NORESERVE, "MAP_NORESERVE"}, {abi.MAP_POPULATE, "MAP_POPULATE"},
		{abi.MAP_NONBLOCK, "MAP_NONBLOCK"}, {abi.MAP_GROWSDOWN, "MAP_GROWSDOWN"}, {abi.MAP_DENYWRITE, "MAP_DENYWRITE"},
		{abi.MAP_EXECUTABLE, "MAP_EXECUTABLE"}, {abi.MAP_LOCKED, "MAP_LOCKED"}, {abi.MAP_STACK, "MAP_STACK"},
		{abi.MAP_HUGETLB, "MAP_HUGETLB"}, {abi.MAP_SYNC, "MAP_SYNC"}, {abi.MAP_FIXED_NOREPLACE, "MAP_FIXED_NOREPLACE"},
	}}
	setMremap = set{unknown: "MREMAP_???", names: []named{
		{abi.MREMAP_MAYMOVE, "MREMAP_MAYMOVE"}, {abi.MREMAP_FIXED, "MREMAP_FIXED"},
		{abi.MREMAP_DONTUNMAP, "MREMAP_DONTUNMAP"},
	}}
	setMadvise = set{unknown: "MADV_???", names: []named{
		{abi.MADV_NORMAL, "MADV_NORMAL"}, {abi.MADV_RANDOM, "MADV_RANDOM"}, {abi.MADV_SEQUENTIAL, "MADV_SEQUENTIAL"},
		{abi.MADV_WILLNEED, "MADV_WILLNEED"}, {abi.MADV_DONTNEED, "MADV_DONTNEED"}, {abi.MADV_FREE, "MADV_FREE"},
		{abi.MADV_REMOVE, "MADV_REMOVE"}, {abi.MADV_DONTFORK, "MADV_DONTFORK"}, {abi.MADV_DOFORK, "MADV_DOFORK"},
		{abi.MADV_MERGEABLE, "MADV_MERGEABLE"}, {abi.MADV_UNMERGEABLE, "MADV_UNMERGEABLE"},
		{abi.MADV_HUGEPAGE, "MADV_HUGEPAGE"}, {abi.MADV_NOHUGEPAGE, "MADV_NOHUGEPAGE"},
		{abi.MADV_DONTDUMP, "MADV_DONTDUMP"}, {abi.MADV_DODUMP, "MADV_DODUMP"}, {abi.MADV_WIPEONFORK, "MADV_WIPEONFORK"},
		{abi.MADV_KEEPONFORK, "MADV_KEEPONFORK"}, {abi.MADV_COLD, "MADV_COLD"}, {abi.MADV_PAGEOUT, "MADV_PAGEOUT"},
		{abi.MADV_POPULATE_READ, "MADV_POPULATE_READ"}, {abi.MADV_POPULATE_WRITE, "MADV_POPULATE_WRITE"},
		{abi.MADV_DONTNEED_LOCKED, "MADV_DONTNEED_LOCKED"}, {abi.MADV_COLLAPSE, "MADV_COLLAPSE"},
		{abi.MADV_HWPOISON, "MADV_HWPOISON"}, {abi.MADV_SOFT_OFFLINE, "MADV_SOFT_OFFLINE"},
	}}
	setMsync = set{unknown: "MS_???", names: []named{
		{abi.MS_ASYNC, "MS_ASYNC"}, {abi.MS_SYNC, "MS_SYNC"}, {abi.MS_INVALIDATE, "MS_INVALIDATE"},
	}}
	setMlock = set{unknown: "MLOCK_???", names: []named{
		{abi.MLOCK_ONFAULT, "MLOCK_ONFAULT"},
	}}
	setMcl = set{unknown: "MCL_???", names: []named{
		{abi.MCL_CURRENT, "MCL_CURRENT"}, {abi.MCL_FUTURE, "MCL_FUTURE"}, {abi.MCL_ONFAULT, "MCL_ONFAULT"},
	}}
	setPkey = set{unknown: "PKEY_???", names: []named{
		{abi.PKEY_DISABLE_ACCESS, "PKEY_DISABLE_ACCESS"}, {abi.PKEY_DISABLE_WRITE, "PKEY_DISABLE_WRITE"},
	}}
	setMemfd = set{unknown: "MFD_???", names: []named{
		{abi.MFD_CLOEXEC, "MFD_CLOEXEC"}, {abi.MFD_ALLOW_SEALING, "MFD_ALLOW_SEALING"}, {abi.MFD_HUGETLB, "MFD_HUGETLB"},
		{abi.MFD_NOEXEC_SEAL, "MFD_NOEXEC_SEAL"}, {abi.MFD_EXEC, "MFD_EXEC"},
	}}
	setUserfaultfd = set{unknown: "UFFD_???", names: []named{
		{abi.O_CLOEXEC, "O_CLOEXEC"}, {abi.O_NONBLOCK, "O_NONBLOCK"}, {abi.UFFD_USER_MODE_ONLY, "UFFD_USER_MODE_ONLY"},
	}}
	setMpol = set{unknown: "MPOL_???", names: []named{
		{abi.MPOL_DEFAULT, "MPOL_DEFAULT"}, {abi.MPOL_PREFERRED, "MPOL_PREFERRED"}, {abi.MPOL_BIND, "MPOL_BIND"},
		{abi.MPOL_INTERLEAVE, "MPOL_INTERLEAVE"}, {abi.MPOL_LOCAL, "MPOL_LOCAL"},
		{abi.MPOL_PREFERRED_MANY, "MPOL_PREFERRED_MANY"}, {abi.MPOL_WEIGHTED_INTERLEAVE, "MPOL_WEIGHTED_INTERLEAVE"},
	}}
	setMpolget = set{unknown: "MPOL_F_???", names: []named{
		{abi.MPOL_F_NODE, "MPOL_F_NODE"}, {abi.MPOL_F_ADDR, "MPOL_F_ADDR"},
		{abi.MPOL_F_MEMS_ALLOWED, "MPOL_F_MEMS_ALLOWED"},
	}}
	setMpolmove = set{unknown: "MPOL_MF_???", names: []named{
		{abi.MPOL_MF_STRICT, "MPOL_MF_STRICT"}, {abi.MPOL_MF_MOVE, "MPOL_MF_MOVE"},
		{abi.MPOL_MF_MOVE_ALL, "MPOL_MF_MOVE_ALL"},
	}}
	setIpcflags = set{unknown: "IPC_???", names: []named{
		{abi.IPC_CREAT, "IPC_CREAT"}, {abi.IPC_EXCL, "IPC_EXCL"}, {abi.IPC_NOWAIT, "IPC_NOWAIT"},
	}}
	setIpccmd = set{unknown: "IPC_???", names: []named{
		{abi.IPC_RMID, "IPC_RMID"}, {abi.IPC_SET, "IPC_SET"}, {abi.IPC_STAT, "IPC_STAT"}, {abi.IPC_INFO, "IPC_INFO"},
	}}
)
