package ground

import (
	"sync/atomic"

	"skerry/kernel/ground/arch"
)

// Extended state of the program's threads: what the kernel's own code never
// touches (upper halves of the vector registers, x87, the user's GS base) stays
// in the CPU until another thread needs it there, or somebody needs to see it.

// gSaveX writes the registers' extended state to its owner's area and lets go
// of it.
func gSaveX(c *percpu) {
	if c.xowner == 0 {
		return
	}
	o := ctxAt(c.xowner)
	if haveXSAVE != 0 {
		xsave(o.xarea(), xmask)
	} else {
		fxsave(o.xarea())
	}
	o.GS = arch.ReadMSR(arch.MSRKernelGSBase)
	c.xowner = 0
	atomic.StoreUint32(&o.XCPU, 0)
}

// gLoadX makes ctx the owner of this CPU's extended state.
func gLoadX(c *percpu, ctx *Ctx) {
	if c.xowner == ctx.addr() {
		return
	}
	gSaveX(c)
	if !gRestore(ctx) {
		// The kernel checks what a program hands in, so this is its own mistake; but
		// the program pays: it starts over with a clean state at an address that is
		// none, where it gets SIGSEGV.
		arch.ZeroPage(ctx.xarea(), xareaSize)
		if haveXSAVE == 0 {
			*word32(ctx.xarea()), *word32(ctx.xarea() + 24) = 0x37f, mxcsr
		}
		gRestore(ctx)
		ctx.Regs.RIP, ctx.IRet = 1<<47, 1
	}
	arch.WriteMSR(arch.MSRKernelGSBase, ctx.GS)
	c.xowner = ctx.addr()
	atomic.StoreUint32(&ctx.XCPU, c.ID+1)
}

// gRestore loads ctx's extended state into the registers; false if the processor
// refuses it.
func gRestore(ctx *Ctx) bool {
	if haveXSAVE != 0 {
		return xrstor(ctx.xarea(), xmask)
	}
	return fxrstor(ctx.xarea())
}

// gFetch gets ctx's extended state into its area, from whichever CPU has it.
// The thread is not in ring 3.
func gFetch(p, _, _ uintptr) uintptr {
	c := me()
	ctx := ctxAt(p)
	for {
		x := atomic.LoadUint32(&ctx.XCPU)
		if x == 0 {
			return 0
		}
		if x == c.ID+1 {
			gSaveX(c)
			return 0
		}
		o := cpuAt(cpus[x-1])
		if atomic.CompareAndSwapUint64(&o.xfetch, 0, uint64(p)) {
			gIPI(o.apicID, vecPoke)
		}
		for atomic.LoadUint32(&ctx.XCPU) == x && atomic.LoadUint64(&o.xfetch) == uint64(p) {
			gServe(c)
			arch.Pause()
		}
		gServe(c)
	}
}

// gServeFetch gives up the extended state that another CPU asked for.
func gServeFetch(c *percpu) {
	p := uintptr(atomic.LoadUint64(&c.xfetch))
	if p != 0 && c.xowner == p {
		gSaveX(c)
	}
	atomic.StoreUint64(&c.xfetch, 0)
}

// gDropX forgets ctx's extended state: its thread is gone.
func gDropX(p, _, _ uintptr) uintptr {
	gFetch(p, 0, 0)
	return 0
}

// gEnableVector turns the extended state that this CPU offers on: x87, SSE, AVX
// and AVX-512, nothing else (PKU, AMX and the rest stay off). It runs before the
// runtime does (runtimeDebug).
func gEnableVector() {
	if _, _, c, _ := arch.CPUID(1, 0); c&(1<<26) == 0 {
		return // no XSAVE: FXSAVE it is
	}
	arch.WriteCR4(arch.ReadCR4() | arch.CR4OSXSAVE)
	lo, _, _, hi := arch.CPUID(0xd, 0)
	const x87, sse, avx, avx512 = 1, 2, 4, 0xe0
	offered := uint64(lo) | uint64(hi)<<32
	want := uint64(x87 | sse)
	if offered&avx != 0 {
		want |= avx
		if offered&avx512 == avx512 {
			want |= avx512
		}
	}
	arch.WriteXCR0(want)
	if _, size, _, _ := arch.CPUID(0xd, 0); size > xareaSize {
		want &^= avx512
		arch.WriteXCR0(want)
	}
	// A hypervisor has to notice XSETBV. One that does not, such as KVM on an
	// emulated processor that lacks the intercept (QEMU 7.2), puts the old value
	// back when it next runs this CPU, which CPUID makes it do. Then there is no
	// XSAVE, for the program neither.
	arch.CPUID(0xd, 0)
	if arch.ReadXCR0() != want {
		arch.WriteXCR0(x87)
		arch.WriteCR4(arch.ReadCR4() &^ arch.CR4OSXSAVE)
		return
	}
	if xmask == 0 {
		xmask = want &^ sse // the XMM registers are saved on every entry
		haveXSAVE = 1
	}
}
