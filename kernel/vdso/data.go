package vdso

import (
	"math/bits"
	"sync/atomic"

	"skerry/kernel/ground/arch"
)

// Data is the vvar page: the clock as ring 3 reads it. The time of a clock in
// nanoseconds is
//
//	base[clock] + (tsc - Data.tsc) * mult >> 32
//
// with a 128-bit product, and base[clock] itself while the counter reads less
// than Data.tsc (another CPU's counter may lag a little).
//
// A zeroed page is not valid: Init first.
type Data struct {
	// seq is odd while the rest is being rewritten; it wraps.
	seq uint32
	// flags is written once, before the program runs.
	flags uint32
	tsc   uint64
	mult  uint64
	// base is indexed by clock id. askKernel stands for a clock that the counter
	// does not answer, and in all entries for a counter that is no use.
	base [clocks]uint64
}

const (
	// askKernel is negative as a signed number, which is how the code tests it.
	askKernel = 1 << 63
	// flagTSCAux says that RDTSCP answers the CPU in bits 0 to 11 and its node
	// above, as Linux keeps them in MSR IA32_TSC_AUX (Intel SDM vol. 2, RDTSCP).
	flagTSCAux = 1
)

// Base is one point on the clocks and how fast they run from there on.
type Base struct {
	// TSC is the counter at the point.
	TSC uint64
	// Mult is nanoseconds per tick of the counter, times 2^32.
	Mult uint64
	// Mono, Real and Boot are CLOCK_MONOTONIC, CLOCK_REALTIME (since 1970) and
	// CLOCK_BOOTTIME at the point, in nanoseconds, below 2^62.
	Mono, Real, Boot uint64
}

// At is the Data page at address p, which is mapped, writable and page-aligned.
func At(p uintptr) *Data { return (*Data)(arch.Ptr(p)) }

// Init makes the page valid: every clock is the kernel's until Update.
func (d *Data) Init() {
	for i := range d.base {
		d.base[i] = askKernel
	}
	d.tsc, d.mult, d.flags, d.seq = 0, 0, 0, 0
}

// SetTSCAux tells getcpu(2) that RDTSCP knows the CPU: the processor has the
// instruction (CPUID 80000001H:EDX bit 27) and IA32_TSC_AUX holds CPU | node<<12
// on every CPU. Before the program runs.
func (d *Data) SetTSCAux() { atomic.StoreUint32(&d.flags, d.flags|flagTSCAux) }

// Update rewrites the clocks. Monotonic time does not step back: where b is
// behind what a reader may have seen under the last Update, time goes on from
// there at b's speed. (Real time follows b; whoever may step the wall clock is
// for the caller to say.) It answers the point that holds now, which in that
// case is not b.
//
// Callers serialise. Interrupts are off while the page is in between, since a
// reader on this CPU would wait for it.
func (d *Data) Update(b Base) Base {
	irq := arch.IRQSave()
	seq := atomic.LoadUint32(&d.seq)
	atomic.StoreUint32(&d.seq, seq+1)
	// From here on no reader finishes with the old numbers (a locked store, then
	// a fenced read of the counter), so the clock has not been seen later than now.
	if old := atomic.LoadUint64(&d.base[Monotonic]); old&askKernel == 0 {
		now := arch.RDTSC()
		tsc, mult := atomic.LoadUint64(&d.tsc), atomic.LoadUint64(&d.mult)
		gone, fresh := elapsed(now, tsc, mult), elapsed(now, b.TSC, b.Mult)
		mono := old + gone
		boot := atomic.LoadUint64(&d.base[Boottime]) + gone
		if b.Mono+fresh < mono || b.Boot+fresh < boot {
			b = Base{TSC: now, Mult: b.Mult, Real: b.Real + fresh,
				Mono: max(b.Mono+fresh, mono), Boot: max(b.Boot+fresh, boot)}
		}
	}
	atomic.StoreUint64(&d.tsc, b.TSC)
	atomic.StoreUint64(&d.mult, b.Mult)
	d.set(b.Mono, b.Real, b.Boot)
	atomic.StoreUint32(&d.seq, seq+2)
	arch.IRQRestore(irq)
	return b
}

// Disable sends every clock to the kernel, for a counter that turned out to be
// no use.
func (d *Data) Disable() {
	irq := arch.IRQSave()
	seq := atomic.LoadUint32(&d.seq)
	atomic.StoreUint32(&d.seq, seq+1)
	d.set(askKernel, askKernel, askKernel)
	atomic.StoreUint32(&d.seq, seq+2)
	arch.IRQRestore(irq)
}

// set fills in what each clock starts from. The counter is not slewed apart from
// the monotonic clock, so MonotonicRaw is the same; TAI is without leap seconds
// until someone sets the offset, and nobody here may (adjtimex(2)).
//
//go:nosplit
func (d *Data) set(mono, real, boot uint64) {
	atomic.StoreUint64(&d.base[Realtime], real)
	atomic.StoreUint64(&d.base[RealtimeCoarse], real)
	atomic.StoreUint64(&d.base[TAI], real)
	atomic.StoreUint64(&d.base[Monotonic], mono)
	atomic.StoreUint64(&d.base[MonotonicCoarse], mono)
	atomic.StoreUint64(&d.base[MonotonicRaw], mono)
	atomic.StoreUint64(&d.base[Boottime], boot)
}

// Now is the time of a clock in nanoseconds, the same that the program would
// read; false for a clock that the page does not answer.
func (d *Data) Now(clock int) (int64, bool) {
	if uint(clock) >= clocks {
		return 0, false
	}
	for {
		seq := atomic.LoadUint32(&d.seq)
		if seq&1 != 0 {
			arch.Pause()
			continue
		}
		base := atomic.LoadUint64(&d.base[clock])
		tsc, mult := atomic.LoadUint64(&d.tsc), atomic.LoadUint64(&d.mult)
		now := arch.RDTSC()
		if atomic.LoadUint32(&d.seq) != seq {
			continue
		}
		if base&askKernel != 0 {
			return 0, false
		}
		return int64(base + elapsed(now, tsc, mult)), true
	}
}

// elapsed is the nanoseconds from counter value from to now, 0 if now is before.
//
//go:nosplit
func elapsed(now, from, mult uint64) uint64 {
	if now < from {
		return 0
	}
	hi, lo := bits.Mul64(now-from, mult)
	return hi<<32 | lo>>32
}
