package ground

// Signals of the kernel's own runtime: SIGSEGV, SIGBUS and SIGFPE for faults of
// kernel Go, which the runtime turns into panics, and SIGURG, by which it
// preempts. The frame is Linux's rt_sigframe of x86-64 (arch/x86/include/uapi/
// asm/sigcontext.h, ucontext.h).

const (
	sigILL  = 4
	sigTRAP = 5
	sigBUS  = 7
	sigFPE  = 8
	sigSEGV = 11
)

// actions is what rt_sigaction set, as struct kernel_sigaction.
var actions [65]struct{ handler, flags, restorer, mask uint64 }

func gSigaction(sig, new, old uintptr) uintptr {
	if sig == 0 || sig > 64 {
		return fail(eINVAL)
	}
	a := &actions[sig]
	if old != 0 {
		*word(old), *word(old + 8), *word(old + 16), *word(old + 24) = a.handler, a.flags, a.restorer, a.mask
	}
	if new != 0 {
		a.handler, a.flags, a.restorer, a.mask = *word(new), *word(new + 8), *word(new + 16), *word(new + 24)
	}
	return 0
}

// gTgkill sends sig to the M with the given id.
func gTgkill(tid uint64, sig uint) uintptr {
	if sig == 0 || sig > 64 {
		return fail(eINVAL)
	}
	fl := sched.Lock()
	for p := run.all; p != 0; p = mAt(p).all {
		m := mAt(p)
		if m.tid != tid {
			continue
		}
		m.sigPend |= 1 << (sig - 1)
		if m.state == mRunning {
			if c := cpuAt(cpus[m.cpu]); c != me() {
				gIPI(c.apicID, vecPoke)
			}
		}
		break
	}
	sched.Unlock(fl)
	return 0
}

// gDeliver makes m continue in the handler of its lowest pending signal.
func gDeliver(m *mstate) {
	sig := uint(1)
	pend := m.sigPend &^ m.sigMask
	for pend&1 == 0 {
		pend >>= 1
		sig++
	}
	m.sigPend &^= 1 << (sig - 1)
	if m.full == 0 {
		// A system call returns, or Enter: flags and vector registers are dead.
		m.regs.RFlags = 0x202
		m.regs.CS, m.regs.SS = selKCode, selKData
		for i := range m.xmm {
			m.xmm[i] = [2]uint64{}
		}
	}
	const siTkill = -6
	if pushFrame(m, &m.regs, xmmAddr(&m.xmm), sig, siTkill, 0) {
		m.full = 1
	}
}

// Offsets in the frame; the ucontext begins at 8.
const (
	frameUC   = 8
	frameInfo = frameUC + 304
	frameSize = frameInfo + 128
	ucRegs    = 40
	ucMask    = 296
	fxXMM     = 160
)

// mcontext lists the registers in the order of struct sigcontext.
func mcontext(r *Regs) [18]*uint64 {
	return [18]*uint64{&r.R8, &r.R9, &r.R10, &r.R11, &r.R12, &r.R13, &r.R14, &r.R15,
		&r.DI, &r.SI, &r.BP, &r.BX, &r.DX, &r.AX, &r.CX, &r.RSP, &r.RIP, &r.RFlags}
}

// pushFrame writes a signal frame for the state (r, xmm) of m and changes r to
// enter the handler. Without a handler it reports false after ending the
// machine is not an option: an unhandled fault is a kernel bug.
func pushFrame(m *mstate, r *Regs, xmm uintptr, sig uint, code int32, addr uint64) bool {
	a := &actions[sig]
	if a.handler <= 1 {
		if a.handler == 1 || sig == 23 || sig == 17 || sig == 28 || sig == 18 { // ignored
			return false
		}
		gBug("a fault of kernel Go before its runtime could handle it", r, addr)
	}
	sp := uintptr(r.RSP)
	if onAlt := sp > m.altBase && sp <= m.altBase+m.altSize; a.flags&0x08000000 != 0 && m.altSize != 0 && !onAlt {
		sp = m.altBase + m.altSize
	} else {
		sp -= 128
	}
	fp := (sp - 512) &^ 63
	f := (fp-frameSize)&^15 - 8 // as if called: 16-byte aligned before the return address
	if !ensure(f, sp-f) {
		gBug("no stack for a signal of the kernel's runtime", r, addr)
	}
	uc, info := f+frameUC, f+frameInfo
	*word(f) = a.restorer
	for p := uc; p < info+128; p += 8 {
		*word(p) = 0
	}
	*word(uc + 16), *word(uc + 32) = uint64(m.altBase), uint64(m.altSize)
	for i, reg := range mcontext(r) {
		*word(uc + ucRegs + uintptr(i)*8) = *reg
	}
	*word(uc + 184) = r.CS
	*word(uc + 192), *word(uc + 200), *word(uc + 216) = r.Err, r.Vec, addr
	*word(uc + 224) = uint64(fp)
	*word(uc + ucMask) = m.sigMask
	for p := fp; p < fp+512; p += 8 {
		*word(p) = 0
	}
	for i := uintptr(0); i < 256; i += 8 {
		*word(fp + fxXMM + i) = *word(xmm + i)
	}
	*word32(info), *word32(info + 8), *word(info + 16) = uint32(sig), uint32(code), addr
	m.sigMask |= a.mask | 1<<(sig-1)
	r.RIP, r.RSP = a.handler, uint64(f)
	r.DI, r.SI, r.DX, r.AX = uint64(sig), uint64(info), uint64(uc), 0
	r.RFlags = 0x202
	r.CS, r.SS = selKCode, selKData
	return true
}

// gSigreturn undoes pushFrame with what the handler left in the frame.
func gSigreturn(m *mstate) {
	uc := uintptr(m.regs.RSP)
	for i, reg := range mcontext(&m.regs) {
		*reg = *word(uc + ucRegs + uintptr(i)*8)
	}
	m.regs.CS, m.regs.SS = selKCode, selKData
	m.regs.RFlags = m.regs.RFlags&0xcd5 | 0x202
	m.sigMask = *word(uc + ucMask)
	if fp := uintptr(*word(uc + 224)); fp != 0 {
		x := xmmAddr(&m.xmm)
		for i := uintptr(0); i < 256; i += 8 {
			*word(x + i) = *word(fp + fxXMM + i)
		}
	}
	m.full = 1
}
