package ground

import (
	"sync/atomic"

	"skerry/kernel/ground/arch"
	"skerry/kernel/ground/frame"
)

// What ordinary kernel Go sees of ground.

// NewCtx makes a thread's register state: all zero, as the psABI asks at
// process entry, ready to be given RIP and RSP. nil without memory.
func NewCtx() *Ctx {
	f := frame.AllocZero(frame.KindKernel)
	if f == 0 {
		return nil
	}
	c := ctxAt(f.Addr())
	c.MXCSR = mxcsr
	c.Regs.RFlags = arch.FlagIF | arch.FlagR1
	c.Regs.CS, c.Regs.SS = selUCode, selUData
	c.IRet = 1
	// The initial state of x87 and SSE for FXRSTOR (SDM vol. 1, 10.5.1.1);
	// XRSTOR takes a zero XSTATE_BV for "initial".
	c.XArea[0], c.XArea[1] = 0x7f, 0x03
	*word32(c.xarea() + 24) = mxcsr
	return c
}

// Free returns the page of a thread that will not run again.
func (c *Ctx) Free() {
	if arch.Hosted == 0 {
		call(funcAddr(&fnDropX), c.addr(), 0, 0)
	}
	frame.FromAddr(c.addr()).Unref()
}

// Enter runs the thread in ring 3 until something brings it back, and says
// what. Interrupts are on when it returns. Call from a loop that calls at least
// one ordinary function a round, so that the Go scheduler can preempt it.
func (c *Ctx) Enter() Reason { return enter(c) }

// Interrupt makes the thread leave ring 3 soon, or not enter it: its task loop
// sees ReasonWork or ReasonInterrupt. Callable from anywhere.
func (c *Ctx) Interrupt() {
	if atomic.SwapUint32(&c.Work, 1) == 0 && arch.Hosted == 0 {
		call(funcAddr(&fnKick), c.addr(), 0, 0)
	}
}

// SetWork makes the thread's next Enter return at once with ReasonWork. It is for the
// thread's own loop.
func (c *Ctx) SetWork() { atomic.StoreUint32(&c.Work, 1) }

// ClearWork is called by the thread's own loop before it looks for what is to
// be done.
func (c *Ctx) ClearWork() { atomic.StoreUint32(&c.Work, 0) }

// Fetch brings the thread's extended state home to XArea from whichever CPU
// holds it. The task loop calls it on ReasonFetch; code that reads or changes
// XArea or GS calls it first. The thread must not be in ring 3.
func (c *Ctx) Fetch() {
	if atomic.LoadUint32(&c.XCPU) != 0 {
		call(funcAddr(&fnFetch), c.addr(), 0, 0)
	}
}

// VectorMask is XCR0 as the program sees it, 0 without XSAVE.
func VectorMask() uint64 {
	if haveXSAVE == 0 {
		return 0
	}
	return xmask | 2
}

// HaveFSGSBASE reports whether the program may use RDFSBASE and its kin.
func HaveFSGSBASE() bool { return fsgsbase != 0 }

// CPUs is the number of CPUs that run.
func CPUs() int { return int(atomic.LoadUint32(&ncpu)) }

// TakeIRQ takes the set of device lines that fired since the last call, one bit
// each. The task loop calls it after every return of Enter.
func TakeIRQ() uint64 { return gTakeIRQ() }

// FlushUser drops the translations of [start, end) on all CPUs; both 0 means
// all. No lock that ground takes may be held.
func FlushUser(start, end uintptr) {
	call(funcAddr(&fnShoot), start, end, 0)
}

// MapDevice maps n bytes of device registers at physical address pa, uncached,
// for good, and returns the address, or 0.
func MapDevice(pa uint64, n uintptr) uintptr {
	return call(funcAddr(&fnMapDevice), uintptr(pa), n, 0)
}

// RouteGSI connects a global system interrupt, edge-triggered, to a device
// line. It reports false if there is no such input.
func RouteGSI(line int, gsi uint32) bool {
	return call(funcAddr(&fnRouteGSI), uintptr(line), uintptr(gsi), 0) != 0
}

// MaskGSI silences an input that RouteGSI connected, or lets it speak again.
func MaskGSI(gsi uint32, masked bool) {
	m := uintptr(0)
	if masked {
		m = 1
	}
	call(funcAddr(&fnMaskGSI), uintptr(gsi), m, 0)
}

// MSI is the message that raises a device line (SDM vol. 3, 11.11).
func MSI(line int) (addr uint64, data uint32) {
	return lapicPhys | uint64(cpuAt(cpus[0]).apicID)<<12, uint32(vecLine + line)
}

// IRQDescriptor is the descriptor that os.NewFile turns into something a
// goroutine can wait on: its reads answer pending lines as one 8-byte word.
const IRQDescriptor = fdIRQ

// SetFixups gives ground the fault table of the user-access primitives, before Seal.
func SetFixups(table [][3]uintptr) {
	p := call(funcAddr(&fnSealedPage), 0, 0, 0)
	for i, f := range table {
		for j, v := range f {
			*word(p + uintptr(i*3+j)*8) = uint64(v)
		}
	}
	fixups = p
}

// Cmdline is the boot loader's command line.
func Cmdline() []byte { return arch.Bytes(Boot.Cmdline, Boot.CmdlineLen) }

// Record is the boot record as the loader left it, nil if there is none. It is
// the caller's to erase what is secret in it.
func Record() []byte {
	if Boot.Record == 0 {
		return nil
	}
	return arch.Bytes(Boot.Record, Boot.RecordLen)
}

// Interrupts is how many interrupts all CPUs took.
func Interrupts() (n uint64) {
	for i := 0; i < CPUs(); i++ {
		n += atomic.LoadUint64(&cpuAt(cpus[i]).irqs)
	}
	return n
}

// TSCkHz is how fast the time-stamp counter counts, as far as is known.
func TSCkHz() int64 {
	if clk.mult == 0 {
		return 0
	}
	return int64((1_000_000 << 32) / clk.mult)
}

// IsRAM reports whether a physical range touches what the loader called memory.
func IsRAM(pa, n uint64) bool {
	for i := 0; i < early.nram; i++ {
		if r := early.ram[i]; pa < r.end && pa+n > r.start {
			return true
		}
	}
	return false
}

// RootTable is the frame of the top page table, whose lower half is mm's.
func RootTable() frame.PFN { return frame.FromPhys(rootTable) }

// Reset ends the machine at once.
func Reset() { gReset() }

// ClockParams are the numbers that turn the time-stamp counter into time; the
// formula is clockData's.
type ClockParams struct {
	TSC, Mult, Mono, Real uint64
}

// Clock reads the clock's parameters.
func Clock() ClockParams {
	for {
		seq := atomic.LoadUint32(&clk.seq)
		p := ClockParams{clk.tsc, clk.mult, clk.mono, clk.real}
		if seq&1 == 0 && atomic.LoadUint32(&clk.seq) == seq {
			return p
		}
	}
}

// SetClock changes them. One caller at a time (kernel/clock), who sees to it
// that time does not jump back.
func SetClock(p ClockParams) {
	// Not on this goroutine's stack, which may move before ground reads it.
	nextClock = clockData{tsc: p.TSC, mult: p.Mult, mono: p.Mono, real: p.Real}
	call(funcAddr(&fnSetClock), clockAddr(&nextClock), 0, 0)
}

var nextClock clockData

// Nanotime is the monotonic clock in nanoseconds.
func Nanotime() int64 { return gNow() }

// Ground functions for call.
var (
	fnKick      = gKick
	fnFetch     = gFetch
	fnDropX     = gDropX
	fnShoot     = gShootCall
	fnMapDevice = gMapDevice
	fnRouteGSI  = gRouteGSI
	fnMaskGSI   = gMaskGSI
	fnSetClock  = gSetClock
)

func gShootCall(start, end, _ uintptr) uintptr {
	gShoot(start, end)
	return 0
}

// gKick interrupts whichever CPU runs ctx in ring 3. Which one that is cannot
// be known without a fence on every entry, so all that might are asked.
func gKick(p, _, _ uintptr) uintptr {
	self := me()
	n := atomic.LoadUint32(&ncpu)
	for i := uint32(0); i < n; i++ {
		c := cpuAt(cpus[i])
		if c != self && atomic.LoadUint32(&c.idle) == 0 {
			gIPI(c.apicID, vecPoke)
		}
	}
	return 0
}
