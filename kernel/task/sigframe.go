package task

import (
	"encoding/binary"
	"math/bits"

	"skerry/kernel/abi"
	"skerry/kernel/ground"
	"skerry/kernel/ground/arch"
	"skerry/kernel/usermem"
)

// The signal frame of x86-64, struct rt_sigframe: the return address, ucontext,
// siginfo; above it the extended state as XSAVE writes it. Layouts:
// uapi/asm/ucontext.h, uapi/asm/sigcontext.h; see also signal(7), sigreturn(2).

const (
	frameUC   = 8
	ucFlags   = 0
	ucStack   = 16
	ucRegs    = 40
	ucSegs    = 184
	ucErr     = 192
	ucTrapno  = 200
	ucOldmask = 208
	ucCR2     = 216
	ucFPState = 224
	ucMask    = 296
	ucSize    = 304
	frameInfo = frameUC + ucSize
	frameSize = frameInfo + 128

	ucFPXState        = 1
	ucSegSS           = 2
	ucStrictRestoreSS = 4

	// The software-reserved bytes of the FXSAVE image, struct _fpx_sw_bytes.
	fxSize     = 512
	fxMXCSR    = 24
	fxXMM      = 160
	fxSoftware = 464
	xHeader    = 512
	xHeaderEnd = 576
	fpMagic1   = 0x46505853
	fpMagic2   = 0x46505845

	redZone = 128
)

// flagsMask are the flags that a program may set through a frame.
const flagsMask = arch.FlagCF | arch.FlagPF | arch.FlagAF | arch.FlagZF | arch.FlagSF | arch.FlagTF |
	arch.FlagDF | arch.FlagOF | arch.FlagRF | arch.FlagAC

// mxcsrMask are the bits of MXCSR that exist on every x86-64 processor (SDM
// vol. 1, 10.2.3).
const mxcsrMask = 0xffff

// stateSize is the size of the extended state in a frame, and its mask.
func stateSize() (n int, mask uint64) {
	mask = ground.VectorMask()
	if mask == 0 {
		return fxSize, 0
	}
	_, size, _, _ := arch.CPUID(0xd, 0) // for XCR0 as it is set
	return int(size), mask
}

// MaxFrame is the size of the largest signal frame, for AT_MINSIGSTKSZ.
func MaxFrame() int {
	n, _ := stateSize()
	return redZone + frameSize + 16 + 64 + n + 4
}

// greg lists the registers in the order of struct sigcontext.
func greg(r *ground.Regs) [18]*uint64 {
	return [18]*uint64{&r.R8, &r.R9, &r.R10, &r.R11, &r.R12, &r.R13, &r.R14, &r.R15,
		&r.DI, &r.SI, &r.BP, &r.BX, &r.DX, &r.AX, &r.CX, &r.RSP, &r.RIP, &r.RFlags}
}

// onAltStack reports whether sp lies in the alternative stack.
func (a *StackT) onAltStack(sp uint64) bool {
	return a.Size != 0 && sp > a.SP && sp-a.SP <= a.Size
}

// pushFrame makes the thread enter a handler. It reports false if the frame
// could not be written.
func (t *Thread) pushFrame(a *Action, info *SigInfo, old SigSet) bool {
	c := t.Ctx
	r := &c.Regs
	if a.Flags&abi.SA_RESTORER == 0 {
		return false // x86-64 has no trampoline of its own
	}
	sp := r.RSP
	alt := t.sig.alt
	if a.Flags&abi.SA_ONSTACK != 0 && alt.Size != 0 && !alt.onAltStack(sp) {
		sp = alt.SP + alt.Size
	} else {
		sp -= redZone
	}
	n, mask := stateSize()
	total := n
	if mask != 0 {
		total += 4 // magic2
	}
	fp := (sp - uint64(total)) &^ 63
	f := (fp-frameSize)&^15 - 8
	if f > sp || alt.onAltStack(sp) && f < alt.SP {
		return false // it wrapped, or overflows the alternative stack
	}

	le := binary.LittleEndian
	buf := t.frameBuffer(int(sp - f))
	clear(buf)
	uc := buf[frameUC:]
	flags := uint64(ucSegSS | ucStrictRestoreSS)
	if mask != 0 {
		flags |= ucFPXState
	}
	le.PutUint64(buf, a.Restorer)
	le.PutUint64(uc[ucFlags:], flags)
	le.PutUint64(uc[ucStack:], alt.SP)
	le.PutUint32(uc[ucStack+8:], uint32(t.altFlags(r.RSP)))
	le.PutUint64(uc[ucStack+16:], alt.Size)
	for i, reg := range greg(r) {
		le.PutUint64(uc[ucRegs+i*8:], *reg)
	}
	le.PutUint64(uc[ucSegs:], uint64(0x2b)<<48|0x33) // SS, GS, FS, CS as Linux shows them
	le.PutUint64(uc[ucErr:], r.Err)
	le.PutUint64(uc[ucTrapno:], r.Vec)
	le.PutUint64(uc[ucOldmask:], uint64(old))
	le.PutUint64(uc[ucCR2:], c.CR2)
	le.PutUint64(uc[ucFPState:], fp)
	le.PutUint64(uc[ucMask:], uint64(old))
	putInfo(buf[frameInfo:], info)
	t.saveState(buf[fp-f:], n, mask)

	if _, e := usermem.CopyOut(uintptr(f), buf); e != abi.OK {
		return false
	}
	if alt.Flags&-0x80000000 != 0 { // SS_AUTODISARM
		t.sig.alt = StackT{Flags: abi.SS_DISABLE}
	}
	r.RSP, r.RIP = f, a.Handler
	r.DI, r.SI, r.DX, r.AX = uint64(info.Signo), f+frameInfo, f+frameUC, 0
	r.RFlags &^= arch.FlagDF | arch.FlagRF | arch.FlagTF
	c.IRet = 1
	return true
}

// frameBuffer is the thread's scratch space for frames.
func (t *Thread) frameBuffer(n int) []byte {
	if cap(t.scratch) < n {
		t.scratch = make([]byte, n+256)
	}
	return t.scratch[:n]
}

func putInfo(b []byte, info *SigInfo) {
	le := binary.LittleEndian
	le.PutUint32(b, uint32(info.Signo))
	le.PutUint32(b[4:], uint32(info.Errno))
	le.PutUint32(b[8:], uint32(info.Code))
	for i, v := range info.Union {
		le.PutUint64(b[16+i*8:], v)
	}
}

// saveState writes the extended state to b in the form of XSAVE: what ground
// keeps in XArea, with the XMM registers and MXCSR from where entry put them.
func (t *Thread) saveState(b []byte, n int, mask uint64) {
	c := t.Ctx
	c.Fetch()
	le := binary.LittleEndian
	copy(b[:n], c.XArea[:n])
	if mask != 0 {
		// A component that is in its initial state was not written.
		if bv := le.Uint64(b[xHeader:]); bv&1 == 0 {
			clear(b[:fxSize])
			le.PutUint16(b, 0x37f)
		}
		clear(b[fxSoftware:fxSize])
		le.PutUint64(b[xHeader:], le.Uint64(b[xHeader:])|2)
		le.PutUint32(b[fxSoftware:], fpMagic1)
		le.PutUint32(b[fxSoftware+4:], uint32(n+4))
		le.PutUint64(b[fxSoftware+8:], mask)
		le.PutUint32(b[fxSoftware+16:], uint32(n))
		le.PutUint32(b[n:], fpMagic2)
	}
	le.PutUint32(b[fxMXCSR:], c.MXCSR)
	le.PutUint32(b[fxMXCSR+4:], mxcsrMask)
	for i := range c.XMM {
		le.PutUint64(b[fxXMM+i*16:], c.XMM[i][0])
		le.PutUint64(b[fxXMM+i*16+8:], c.XMM[i][1])
	}
}

// SigReturn is rt_sigreturn(2): it takes the registers back from the frame that
// the stack pointer is at. Nothing in the frame is trusted; a frame that cannot
// be read or restored raises SIGSEGV.
func (t *Thread) SigReturn() {
	c := t.Ctx
	r := &c.Regs
	c.IRet = 1
	t.restart = abi.OK
	le := binary.LittleEndian
	var uc [ucSize]byte
	if _, e := usermem.CopyIn(uc[:], uintptr(r.RSP)); e != abi.OK {
		t.forceSegv(0)
		return
	}
	// Flags that no frame sets stay as the handler had them, as on Linux (FIX_EFLAGS).
	own := r.RFlags & (arch.FlagNT | arch.FlagID)
	for i, reg := range greg(r) {
		*reg = le.Uint64(uc[ucRegs+i*8:])
	}
	r.RFlags = r.RFlags&flagsMask | own | arch.FlagIF | arch.FlagR1
	alt := StackT{SP: le.Uint64(uc[ucStack:]), Flags: int32(le.Uint32(uc[ucStack+8:])), Size: le.Uint64(uc[ucStack+16:])}
	t.SetAltStack(&alt, true)
	t.SetMask(SigSet(le.Uint64(uc[ucMask:])))
	if !t.loadState(uintptr(le.Uint64(uc[ucFPState:]))) {
		t.forceSegv(0)
	}
}

// loadState restores the extended state from user address fp; 0 asks for the
// initial state.
func (t *Thread) loadState(fp uintptr) bool {
	c := t.Ctx
	c.Fetch()
	le := binary.LittleEndian
	n, mask := stateSize()
	b := t.frameBuffer(n + 4)
	clear(b)
	if fp == 0 {
		clear(c.XArea[:])
		le.PutUint16(c.XArea[:], 0x37f)
		le.PutUint32(c.XArea[fxMXCSR:], 0x1f80)
		c.XMM = [16][2]uint64{}
		c.MXCSR = 0x1f80
		return true
	}
	if _, e := usermem.CopyIn(b[:fxSize], fp); e != abi.OK {
		return false
	}
	full := mask != 0 && le.Uint32(b[fxSoftware:]) == fpMagic1
	if full {
		ext, size := le.Uint32(b[fxSoftware+4:]), le.Uint32(b[fxSoftware+16:])
		full = size >= xHeaderEnd && int(size) <= n && ext > size
		if full {
			if m, e := usermem.Load32(fp + uintptr(size)); e != abi.OK || m != fpMagic2 {
				full = false // a frame that was moved without its tail
			} else if _, e := usermem.CopyIn(b[fxSize:size], fp+fxSize); e != abi.OK {
				return false
			}
			clear(b[size:])
		}
	}
	if full {
		// XRSTOR faults on any of these (SDM vol. 1, 13.8.1).
		if le.Uint64(b[xHeader:])&^mask != 0 {
			return false
		}
		for _, v := range b[xHeader+8 : xHeaderEnd] {
			if v != 0 {
				return false
			}
		}
		// What the program says it did not change it may still have restricted.
		le.PutUint64(b[xHeader:], le.Uint64(b[xHeader:])&le.Uint64(b[fxSoftware+8:]))
	} else if mask != 0 { // without XSAVE there is no header
		clear(b[xHeader:])
		le.PutUint64(b[xHeader:], 3)
	}
	mxcsr := le.Uint32(b[fxMXCSR:])
	if mxcsr&^mxcsrMask != 0 {
		return false
	}
	sse := !full || le.Uint64(b[xHeader:])&2 != 0
	if sse {
		for i := range c.XMM {
			c.XMM[i] = [2]uint64{le.Uint64(b[fxXMM+i*16:]), le.Uint64(b[fxXMM+i*16+8:])}
		}
		c.MXCSR = mxcsr
	} else {
		c.XMM = [16][2]uint64{}
		c.MXCSR = mxcsr
	}
	clear(b[fxSoftware:fxSize])
	copy(c.XArea[:], b[:n])
	// The area's own MXCSR is what XRSTOR checks.
	le.PutUint32(c.XArea[fxMXCSR:], 0x1f80)
	return true
}

// altFlags are the flags that sigaltstack(2) shows.
func (t *Thread) altFlags(sp uint64) int32 {
	a := &t.sig.alt
	switch {
	case a.Size == 0:
		return abi.SS_DISABLE
	case a.onAltStack(sp):
		return a.Flags&-0x80000000 | abi.SS_ONSTACK
	}
	return a.Flags & -0x80000000
}

// AltStack is what sigaltstack(2) reports.
func (t *Thread) AltStack() StackT {
	a := t.sig.alt
	a.Flags = t.altFlags(t.Ctx.Regs.RSP)
	return a
}

// SetAltStack installs an alternative stack: EPERM while on it, EINVAL for
// unknown flags, ENOMEM if it is too small. quiet is for sigreturn, which
// ignores errors.
func (t *Thread) SetAltStack(s *StackT, quiet bool) abi.Errno {
	if t.sig.alt.onAltStack(t.Ctx.Regs.RSP) && t.sig.alt.Flags&-0x80000000 == 0 {
		return abi.EPERM
	}
	mode := s.Flags &^ -0x80000000
	if mode != 0 && mode != abi.SS_ONSTACK && mode != abi.SS_DISABLE {
		return abi.EINVAL
	}
	if mode == abi.SS_DISABLE {
		t.sig.alt = StackT{}
		return abi.OK
	}
	if s.Size < MinSigStack {
		return abi.ENOMEM
	}
	if s.SP+s.Size < s.SP {
		return abi.EFAULT
	}
	t.sig.alt = StackT{SP: s.SP, Size: s.Size, Flags: s.Flags & -0x80000000}
	return abi.OK
}

// mathCode is the si_code of a floating-point exception: the lowest exception
// that is raised and not masked (SDM vol. 1, 8.1.3, 10.2.3).
func (t *Thread) mathCode(vec uint64) int32 {
	c := t.Ctx
	var raised uint32
	if vec == vecSIMD {
		raised = c.MXCSR & 0x3f &^ (c.MXCSR >> 7)
	} else {
		c.Fetch()
		le := binary.LittleEndian
		raised = uint32(le.Uint16(c.XArea[2:])) & 0x3f &^ uint32(le.Uint16(c.XArea[0:]))
	}
	if raised == 0 {
		return 0
	}
	switch bits.TrailingZeros32(raised) {
	case 0:
		return abi.FPE_FLTINV
	case 1, 4: // denormal operand counts as underflow
		return abi.FPE_FLTUND
	case 2:
		return abi.FPE_FLTDIV
	case 3:
		return abi.FPE_FLTOVF
	}
	return abi.FPE_FLTRES
}
