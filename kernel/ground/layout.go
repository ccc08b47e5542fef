package ground

// The kernel's half of the address space. The lower half belongs to the program
// (kernel/mm); page 0 is never mapped, so that a nil dereference faults.
const (
	// DirectMap is where all physical memory is mapped, PML4 entry 256. Room
	// for 16 TiB.
	DirectMap = 0xffff800000000000

	// heapSmall and heapLarge are where mmap of the kernel's own runtime hands
	// out addresses: below and from 64 MiB, so that heap arenas are aligned to
	// their size. They are never reused; 8 TiB each outlast any machine. The
	// runtime's arena index covers the upper half (arenaBaseOffset).
	heapSmall    = 0xffffc00000000000
	heapSmallEnd = 0xffffc80000000000
	heapLarge    = 0xffffd00000000000
	heapLargeEnd = 0xffffd80000000000

	// stackBase is where ground's own stacks are mapped, each stackStride
	// apart, the pages below each unmapped.
	stackBase   = 0xffffe00000000000
	stackStride = 64 << 10
	stackSize   = 32 << 10

	// bareStack is the size of the stacks on which nothing is called, endStack of
	// those on which the machine's end is reported.
	bareStack = 4 << 10
	endStack  = 16 << 10

	// deviceBase is the window for device registers, uncached.
	deviceBase = 0xffffe80000000000
	deviceEnd  = 0xffffe80100000000

	// imageOffset is the difference between a kernel address and its physical
	// address: the linker puts text at 0xffffffff80201000 (-T -0x7fdff000), the
	// post-link step loads it at 2 MiB.
	imageOffset = 0xffffffff80000000

	// trampolinePhys is the page below 1 MiB where application processors start
	// (SDM vol. 3, 9.4.4: the start-up vector is the page number).
	trampolinePhys = 0x8000

	// m0Stack is the size of the first runtime thread's stack: rt0 assumes
	// 64 KiB below SP.
	m0Stack = 256 << 10

	pageSize = 4096
	hugeSize = 2 << 20
)

// Segment selectors. SYSCALL and SYSRET fix the order (SDM vol. 2, SYSCALL,
// SYSRET; MSR STAR): kernel code, kernel data; 32-bit user code (absent), user
// data, user code.
const (
	selKCode = 0x08
	selKData = 0x10
	selUData = 0x20 | 3
	selUCode = 0x28 | 3
	selTSS   = 0x30
	starBase = 0x18 | 3
)

// Interrupt vectors above the exceptions.
const (
	vecLine     = 0x30 // device line 0; 64 lines
	vecTimer    = 0xef
	vecPoke     = 0xf0 // "look at your work": preemption, shoot-down, fetch
	vecSpurious = 0xff
)

// Interrupt stack table slots (SDM vol. 3, 6.14.5), 1-based.
const (
	istFault  = 1 // all exceptions but those below
	istIRQ    = 2
	istNMI    = 3
	istDebug  = 4
	istDouble = 5 // #DF
	istCheck  = 6 // #MC
	istPage   = 7 // #PF
	ists      = 7
)

// Page-table entry bits, SDM vol. 3, table 4-20.
const (
	pteP   = 1 << 0
	pteW   = 1 << 1
	pteU   = 1 << 2
	ptePWT = 1 << 3
	ptePCD = 1 << 4
	pteA   = 1 << 5
	pteD   = 1 << 6
	ptePS  = 1 << 7
	pteG   = 1 << 8
	pteNX  = 1 << 63
	pteMem = 0x000ffffffffff000
)

// MaxCPU is the largest number of CPUs that the kernel uses.
const MaxCPU = 32
