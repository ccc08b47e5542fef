package ground

import (
	"math/bits"
	"sync/atomic"

	"skerry/kernel/ground/arch"
)

// clockData turns the time-stamp counter into nanoseconds:
//
//	ns = base + (tsc - clk.tsc) * mult >> 32
//
// seq is odd while it is being rewritten. clockGettime reads it too.
type clockData struct {
	seq  uint32
	_    uint32
	tsc  uint64
	mult uint64
	mono uint64
	real uint64
}

var clk clockData

// monoStart is the monotonic time at the first instruction: not 0, which the
// runtime takes for "no time".
const monoStart = 1_000_000

// gNow is the monotonic clock in nanoseconds.
func gNow() int64 {
	for {
		seq := atomic.LoadUint32(&clk.seq)
		if seq&1 != 0 {
			arch.Pause()
			continue
		}
		t := arch.RDTSC()
		d := t - clk.tsc
		if int64(d) < 0 {
			d = 0
		}
		ns := int64(mulShift32(d, clk.mult) + clk.mono)
		if atomic.LoadUint32(&clk.seq) == seq {
			return ns
		}
	}
}

func mulShift32(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi<<32 | lo>>32
}

// nsToTSC is the number of counter ticks in ns nanoseconds.
func nsToTSC(ns uint64) uint64 {
	hi, lo := bits.Mul64(ns, 1<<32)
	if hi >= clk.mult {
		return 1 << 62
	}
	q, _ := bits.Div64(hi, lo, clk.mult)
	return q
}

// gSetClock rewrites the clock: from counter value tsc on, mono and real
// nanoseconds, at mult. ptr is the address of a clockData with those values.
func gSetClock(ptr, _, _ uintptr) uintptr {
	n := clockAt(ptr)
	atomic.StoreUint32(&clk.seq, clk.seq+1)
	clk.tsc, clk.mult, clk.mono, clk.real = n.tsc, n.mult, n.mono, n.real
	atomic.StoreUint32(&clk.seq, clk.seq+1)
	return 0
}

// initClock finds out how fast the counter runs. What it finds here is good
// to about one in a thousand; kernel/clock refines it against the host.
func initClock() {
	tscHz := uint64(0)
	timerHz = 0
	if _, _, c, _ := arch.CPUID(1, 0); c>>31 != 0 { // a hypervisor
		top, b, cx, d := arch.CPUID(0x40000000, 0)
		if top >= 0x40000010 && top < 0x40010000 {
			// Timing leaf of VMware, KVM and others: kHz of the counter and of
			// the APIC bus.
			if k, bus, _, _ := arch.CPUID(0x40000010, 0); k != 0 && bus != 0 {
				tscHz, timerHz = uint64(k)*1000, uint64(bus)*1000
			}
		}
		// QEMU's emulated and KVM's virtual APIC both count nanoseconds.
		if timerHz == 0 && (b == 0x54474354 || b == 0x4b4d564b && cx == 0x564b4d56 && d == 0x4d) { // "TCGT", "KVMKVMKVM"
			timerHz = 1e9
		}
	}
	if tscHz == 0 {
		if top, _, _, _ := arch.CPUID(0, 0); top >= 0x15 {
			if den, num, hz, _ := arch.CPUID(0x15, 0); den != 0 && num != 0 && hz != 0 {
				tscHz = uint64(hz) * uint64(num) / uint64(den)
			}
		}
	}
	gTimerOn()
	if timerHz == 0 {
		timerHz = measureTimer()
	}
	timerMult, _ = bits.Div64(timerHz>>32, timerHz<<32, 1e9)
	if tscHz == 0 {
		tscHz = measureTSC()
	}
	if tscHz < 1e6 {
		fatal("this processor's time-stamp counter does not count")
	}
	clk.tsc = Boot.TSC
	clk.mult, _ = bits.Div64(1e9>>32, 1e9<<32, tscHz)
	clk.mono = monoStart
}

// measureTSC counts the counter against the local timer for a millisecond.
func measureTSC() uint64 {
	apicWrite(apicTimer, lvtMasked|vecTimer)
	apicWrite(apicInitCnt, 0xffffffff)
	t0, a0 := pairTSC()
	t1, a1 := t0, a0
	for a0-a1 < uint32(timerHz/1000) {
		t1, a1 = pairTSC()
	}
	apicWrite(apicInitCnt, 0)
	gTimerOn()
	hi, lo := bits.Mul64(t1-t0, timerHz)
	d := uint64(a0 - a1)
	if hi >= d {
		return 0
	}
	q, _ := bits.Div64(hi, lo, d)
	return q
}

// pairTSC reads both counters as close together as a few tries allow: the
// machine may be descheduled in between.
func pairTSC() (tsc uint64, apic uint32) {
	best := ^uint64(0)
	for i := 0; i < 5; i++ {
		a := arch.RDTSC()
		n := apicRead(apicCurCnt)
		if d := arch.RDTSC() - a; d < best {
			best, tsc, apic = d, a+d/2, n
		}
	}
	return tsc, apic
}

// measureTimer counts the local timer against channel 2 of the 8254, whose
// input is 1,193,182 Hz, for 10 ms (gate and output at port 0x61).
func measureTimer() uint64 {
	const pitHz, ticks = 1193182, 11932
	arch.Out8(0x61, arch.In8(0x61)&^2|1)
	arch.Out8(0x43, 0xb0) // channel 2, both bytes, mode 0
	arch.Out8(0x42, ticks&0xff)
	arch.Out8(0x42, ticks>>8)
	apicWrite(apicTimer, lvtMasked|vecTimer)
	apicWrite(apicInitCnt, 0xffffffff)
	for i := 0; arch.In8(0x61)&0x20 == 0; i++ {
		if i > 1<<24 {
			fatal("no way to find the speed of the timer: unknown hypervisor and no 8254")
		}
	}
	n := uint64(0xffffffff - apicRead(apicCurCnt))
	apicWrite(apicInitCnt, 0)
	gTimerOn()
	return n * pitHz / ticks
}
