package ground

import "skerry/kernel/ground/arch"

// Regs is a full set of general registers, in the one order in which every
// entry of the kernel saves them: pushed by the stub below what the processor
// pushes (SDM vol. 3, figure 6-9).
type Regs struct {
	R15, R14, R13, R12, BP, BX uint64
	R11, R10, R9, R8           uint64
	AX, CX, DX, SI, DI         uint64
	Vec, Err                   uint64
	RIP, CS, RFlags, RSP, SS   uint64
}

// Ctx is a thread of the program as the processor sees it: one page outside the
// Go heap, so that trap code may write it. The kernel's side of the thread may
// read and change Regs, XMM, MXCSR, FS and GS while the thread is not in ring 3;
// whoever changes RIP, CX, R11 or the selectors' meaning sets IRet.
type Ctx struct {
	Regs Regs
	// XMM are the low 128 bits of the vector registers; the rest of the
	// extended state is where XCPU says.
	XMM   [16][2]uint64
	MXCSR uint32
	// IRet is 1 when the next return must use IRETQ: anything but a plain
	// system call came before.
	IRet uint32
	// Work, when not zero, makes Enter return at once with ReasonWork. Set it
	// through Interrupt, clear it in the task loop.
	Work uint32
	// XCPU is the CPU whose registers hold the thread's extended state, plus
	// one; 0 means that XArea holds it.
	XCPU uint32
	FS   uint64
	GS   uint64
	CR2  uint64

	// The goroutine that called Enter, valid while the thread is in ring 3.
	gSP, gBP, g uint64
	_           [2]uint64

	// XArea is the XSAVE area (SDM vol. 1, 13.4), 64-byte aligned in the page;
	// FXSAVE uses its first 512 bytes.
	XArea [xareaSize]byte
}

// xareaSize is room for x87, SSE, AVX and AVX-512 state (2,688 bytes) and what
// a page leaves beside the registers.
const xareaSize = 2816

// Reason is why Enter returned.
type Reason uint64

// Reasons. An exception is ReasonFault plus its vector.
const (
	ReasonSyscall   Reason = 0
	ReasonInterrupt Reason = 1
	ReasonWork      Reason = 2
	ReasonFetch     Reason = 3
	ReasonFault     Reason = 0x100
)

// fakeG stands for a runtime.g in ground context: compiled code looks only at
// stackguard0 (offset 16), assembly wrappers reload it from FS:-8.
type fakeG struct {
	stackLo, stackHi uintptr
	guard0, guard1   uintptr
	_                [12]uintptr
}

// groundStack is one stack of ground with the thread-local block that belongs
// to it: FS points behind slot, so that FS:-8 is the fake g.
type groundStack struct {
	top  uintptr // initial RSP
	slot uintptr // address of g
	tls  uintptr // what FS points to
	_    uintptr
	g    fakeG
}

// percpu is a CPU's own block, outside the Go heap; GS points to it in ring 0.
type percpu struct {
	arch.CPU

	curM     uintptr // *mstate that runs here, or idleM
	curCtx   uintptr // *Ctx that entered ring 3 here last
	xowner   uintptr // *Ctx whose extended state is in the registers
	scratch  uint64
	stackTop uint64 // of the ground stack, for the entry code
	stackTLS uint64
	stackG   uint64
	// slow, when not zero, sends Enter through gEnterSlow first: slowTick,
	// slowIRQ.
	slow   uint32
	apicID uint32

	idleM   uintptr
	idle    uint32 // 1 while halted; whoever clears it sends the IPI
	online  uint32
	flushed uint32 // a shoot-down was skipped because of idle: flush all
	xfetch  uint64 // *Ctx that another CPU wants
	tick    uint32 // tick is armed
	_       uint32
	tickAt  int64
	armed   int64 // when the local timer fires, 0 never
	ticks   uint64
	irqs    uint64

	stacks [1 + ists]groundStack // [0] the ground stack, [n] IST n

	// tables is the sealed page that holds the GDT and, at offTSS, the TSS.
	tables uintptr
}

// Bits of percpu.slow.
const (
	slowTick = 1 // the tick is to be armed
	slowIRQ  = 2 // an interrupt hit ring 0: have the task loop deliver it
)

// mstate is a runtime thread (M) that does not run: its registers and what
// ground knows of it. One page outside the Go heap.
type mstate struct {
	regs Regs
	xmm  [16][2]uint64
	mxc  uint32
	// full: resume by IRETQ with all registers; else the M is in a system call
	// (or returns from Enter), where only callee-saved registers matter.
	full uint32
	fs   uint64

	tid      uint64
	state    uint32
	cpu      uint32 // last ran here
	next     uintptr
	prev     uintptr // hash or queue neighbours
	all      uintptr // list of all Ms
	deadline int64
	timed    uint32
	reason   uint32 // why a wait ended
	waitAddr uintptr
	waitVal  uint64
	tnext    uintptr // deadline list

	sigMask  uint64
	sigPend  uint64
	sigInfo  [2]uint64 // code and address of a synchronous signal
	altBase  uintptr
	altSize  uintptr
	clearTID uintptr
	pollBuf  uintptr
	pollMax  uint64
}

// States of an mstate.
const (
	mFree uint32 = iota
	mRunning
	mReady
	mFutex
	mSleep
	mPoll
)

// Boot-time facts and flags, set before the runtime starts and constant after.
var (
	fsgsbase  uint8 // CR4.FSGSBASE is on
	haveSMAP  uint8 // CR4.SMAP is on: CLAC and STAC exist
	haveXSAVE uint8 // XSAVE may be used (set by gEnableVector)
	havePGE   uint8
	x2apic    uint8
	deadlineT uint8 // the local timer has TSC-deadline mode
	xmask     uint64
	ncpu      uint32
	cpus      [MaxCPU]uintptr
	rootTable uint64 // physical address of the PML4
	ramTop    uint64
)
