package ground

import (
	"sync/atomic"

	"skerry/kernel/ground/arch"
)

// userLimit is the end of user addresses (usermem.Limit).
const userLimit = 0x7ffffffff000

// fixups is the address of the fault table of the user-access primitives
// (kernel/usermem): start, end, landing of each, and a zero. Set once by SetFixups.
var fixups uintptr

// fixup is where a user-access primitive that faulted at rip goes on; 0 if it is none.
func fixup(rip uint64) uint64 {
	if fixups == 0 {
		return 0
	}
	for p := fixups; *word(p) != 0; p += 24 {
		if rip >= *word(p) && rip < *word(p + 8) {
			return *word(p + 16)
		}
	}
	return 0
}

// gTrap serves an exception that hit in ring 0. r is the frame that will be
// returned through, xmm the interrupted vector registers.
func gTrap(rp, xmm, cr2 uintptr) {
	r := regsAt(rp)
	sig, code, addr := uint(0), int32(0), uint64(r.RIP)
	switch r.Vec {
	case 14: // #PF
		addr = uint64(cr2)
		if cr2 < 1<<47 {
			if to := fixup(r.RIP); to != 0 {
				r.RIP = to
				return
			}
		} else if r.Err&1 == 0 && demand(cr2) {
			return
		}
		sig, code = sigSEGV, 1 // SEGV_MAPERR
		if r.Err&1 != 0 {
			code = 2 // SEGV_ACCERR
		}
	case 13: // #GP: a non-canonical user address in a copy, a state that is refused, or a bug
		if rip := uintptr(r.RIP); rip == early.sym.xrstor || rip == early.sym.fxrstor {
			r.RIP = uint64(early.sym.restoreFailed)
			return
		}
		if to := fixup(r.RIP); to != 0 {
			r.RIP = to
			return
		}
		sig, code, addr = sigSEGV, 0x80, 0
	case 0:
		sig, code = sigFPE, 1
	case 3:
		sig, code = sigTRAP, 1
	case 6:
		sig, code = sigILL, 1
	case 12:
		sig, code = sigBUS, 0x80
	case 17:
		sig, code = sigBUS, 1
	default:
		gBug("an exception that the kernel does not expect", r, uint64(cr2))
	}
	c := me()
	if rsp := uintptr(r.RSP); rsp >= stackBase && rsp < stackBase+MaxCPU*(1+ists)*stackStride || c.curM == c.idleM {
		gBug("a fault in ground", r, uint64(cr2))
	}
	pushFrame(mAt(c.curM), r, xmm, sig, code, addr)
}

// gIRQ serves an interrupt. m is the M that it hit (the idle M if the CPU was
// halted), its state saved whole, or made into a return from Enter if it was in
// ring 3. The answer is the M to resume.
func gIRQ(mp, vector uintptr) uintptr {
	c := me()
	m := mAt(mp)
	c.irqs++
	user := m.full == 0
	idle := mp == c.idleM
	if idle {
		gUnidle(c)
	}
	yield := false
	switch {
	case vector >= vecLine && vector < vecLine+64:
		for old := atomic.LoadUint64(&irqPending); !atomic.CompareAndSwapUint64(&irqPending, old, old|1<<(vector-vecLine)); {
			old = atomic.LoadUint64(&irqPending)
		}
		gEOI()
		if !user {
			c.slow |= slowIRQ
			// In ring 3 the task loop takes it at once; elsewhere the poller.
			fl := sched.Lock()
			gIRQWake()
			sched.Unlock(fl)
		}
	case vector == vecTimer:
		gEOI()
		yield = gTimer(c, user)
	case vector == vecPoke:
		gEOI()
		gServe(c)
	}
	if idle {
		fl := sched.Lock()
		return gNext(c, fl)
	}
	if yield {
		fl := sched.Lock()
		if run.length > 0 {
			return gSwap(c, m, fl)
		}
		sched.Unlock(fl)
	}
	return gBack(m)
}

func gEOI() { apicWrite(apicEOI, 0) }

// gEnterSlow is called by Enter when this CPU has something to do before it can
// go to ring 3 with ctx: arm the tick, load the thread's extended state. 0 means
// try again; else it is the reason to return.
func gEnterSlow(p uintptr) uintptr {
	c := me()
	if c.slow != 0 {
		if c.tick == 0 {
			gArmTick(c)
		}
		c.slow = 0
		if atomic.LoadUint64(&irqPending) != 0 || atomic.LoadUint32(&lowNow) != 0 {
			return uintptr(ReasonInterrupt)
		}
	}
	if c.xowner != p {
		ctx := ctxAt(p)
		if x := atomic.LoadUint32(&ctx.XCPU); x != 0 && x != c.ID+1 {
			return uintptr(ReasonFetch)
		}
		gLoadX(c, ctx)
	}
	return 0
}

var _ = arch.Pause
