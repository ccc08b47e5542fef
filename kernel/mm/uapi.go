package mm

// Constants of mmap(2), mremap(2), madvise(2), msync(2), mlock(2): Linux 6.12,
// include/uapi/asm-generic/mman-common.h, asm-generic/mman.h, linux/mman.h and
// arch/x86/include/uapi/asm/mman.h.
const (
	protNone      = 0
	protRead      = 0x1
	protWrite     = 0x2
	protExec      = 0x4
	protSem       = 0x8
	protGrowsDown = 0x01000000
	protGrowsUp   = 0x02000000

	mapShared         = 0x01
	mapPrivate        = 0x02
	mapSharedValidate = 0x03
	mapType           = 0x0f
	mapFixed          = 0x10
	mapAnonymous      = 0x20
	map32Bit          = 0x40
	mapGrowsDown      = 0x0100
	mapDenyWrite      = 0x0800
	mapExecutable     = 0x1000
	mapLocked         = 0x2000
	mapNoReserve      = 0x4000
	mapPopulate       = 0x8000
	mapNonblock       = 0x10000
	mapStack          = 0x20000
	mapHugeTLB        = 0x40000
	mapSync           = 0x80000
	mapFixedNoReplace = 0x100000
	mapUninitialized  = 0x4000000

	// mapLegacy are the flags that MAP_SHARED_VALIDATE accepts on any file,
	// LEGACY_MAP_MASK of linux/mman.h: all others must be known to the file.
	mapLegacy = mapShared | mapPrivate | mapFixed | mapAnonymous | mapDenyWrite |
		mapExecutable | mapUninitialized | mapGrowsDown | mapLocked | mapNoReserve |
		mapPopulate | mapNonblock | mapStack | mapHugeTLB | map32Bit | mapHugeShift2M | mapHugeShift1G

	mapHugeShift   = 26
	mapHugeMask    = 0x3f
	mapHugeShift2M = 21 << mapHugeShift
	mapHugeShift1G = 30 << mapHugeShift

	mremapMayMove   = 1
	mremapFixed     = 2
	mremapDontUnmap = 4

	madvNormal         = 0
	madvRandom         = 1
	madvSequential     = 2
	madvWillNeed       = 3
	madvDontNeed       = 4
	madvFree           = 8
	madvRemove         = 9
	madvDontFork       = 10
	madvDoFork         = 11
	madvHugePage       = 14
	madvNoHugePage     = 15
	madvDontDump       = 16
	madvDoDump         = 17
	madvWipeOnFork     = 18
	madvKeepOnFork     = 19
	madvCold           = 20
	madvPageOut        = 21
	madvPopulateRead   = 22
	madvPopulateWrite  = 23
	madvDontNeedLocked = 24
	madvHWPoison       = 100
	madvSoftOffline    = 101

	msAsync      = 1
	msInvalidate = 2
	msSync       = 4

	mlockOnFault = 1

	mclCurrent = 1
	mclFuture  = 2
	mclOnFault = 4
)
