package task

import (
	"skerry/kernel/abi"
	"skerry/kernel/ground"
	"skerry/kernel/hw/irq"
	"skerry/kernel/mm"
)

// run is the thread: ring 3 until something happens, then that. It calls at
// least one ordinary function a round, where the Go scheduler may preempt it.
func (t *Thread) run() {
	t.begin()
	t.cpu.begin()
	c := t.Ctx
	for {
		r := c.Enter()
		if r == ground.ReasonSyscall { // by far the most frequent
			t.syscall() // if it ends the thread, the next Enter returns at once
			continue
		}
		switch r {
		case ground.ReasonInterrupt:
			if lines := ground.TakeIRQ(); lines != 0 {
				irq.Deliver(lines)
			}
			t.cpu.tick(t.Ctx)
			if cpuTimers.Load() != 0 {
				t.Proc.tickTimers()
			}
			// The device's goroutine, or whoever waits for this CPU. Not goyield:
			// what the runtime preempts goes to its global queue, which local
			// work would keep waiting.
			t.Yield()
			if Hold != nil {
				Hold()
			}
		case ground.ReasonWork:
			t.work()
		case ground.ReasonFetch:
			t.Ctx.Fetch()
		default:
			t.fault(uint64(r - ground.ReasonFault))
		}
		if t.dead.Load() {
			break
		}
	}
	t.finish()
}

// Hold is called after an interrupt, by a thread that holds nothing: it returns
// when the thread may go on. The machine holds the program up with it while it
// gets memory back that the program has made the kernel spend.
var Hold func()

// syscall serves one system call: decode, call, encode. The number is taken as
// 32 bits would be wrong: Linux compares all of RAX.
func (t *Thread) syscall() {
	r := &t.Ctx.Regs
	nr := r.AX
	if uintptr(r.RIP)-near.start > near.size || nr >= MaxCall {
		t.slowSyscall(nr)
		return
	}
	// past.note, which the compiler does not inline.
	p := t.past
	p.turn++
	i := p.turn % History
	a0, a1, a2 := uintptr(r.DI), uintptr(r.SI), uintptr(r.DX)
	p.what[i], p.pc[i] = nr, r.RIP
	p.args[0][i], p.args[1][i], p.args[2][i] = a0, a1, a2
	v, e := Calls[nr](t, a0, a1, a2, uintptr(r.R10), uintptr(r.R8), uintptr(r.R9))
	if e == abi.OK {
		r.AX = uint64(v)
		return
	}
	t.failed(e)
}

// failed ends a call with an error number, or notes that it may be repeated.
func (t *Thread) failed(e abi.Errno) {
	if e == abi.ENOSYS && NotThere != nil {
		NotThere(uint64(t.Call()), e)
	}
	if e >= abi.ERESTARTSYS {
		t.restart = e
		e = abi.EINTR
		t.Ctx.Interrupt() // settle it before ring 3
	}
	t.past.failed(e)
	t.Ctx.Regs.AX = uint64(-int64(e))
}

// NotThere is told when a call answers ENOSYS: it, or what was asked of it, is not
// there.
var NotThere func(number uint64, e abi.Errno)

// tracing is set once at boot when calls are traced.
var tracing bool

// SetTracing makes every call go through Trace.
func SetTracing() {
	tracing = true
	near = origin{nowhere, 0}
}

// slowSyscall serves calls from elsewhere than near, calls that no table has and
// traced calls.
func (t *Thread) slowSyscall(nr uint64) {
	a := t.Args()
	t.past.note(t.Ctx.Regs.RIP, nr, a[0], a[1], a[2])
	if t.foreign() {
		return
	}
	if tracing {
		Trace.Enter(t, nr, &a)
	}
	var v uintptr
	var e abi.Errno
	if nr < MaxCall {
		v, e = Calls[nr](t, a[0], a[1], a[2], a[3], a[4], a[5])
	} else {
		v, e = Unknown(t, nr, &a)
	}
	if tracing {
		Trace.Exit(t, nr, &a, v, e)
	}
	if e == abi.OK {
		t.Ctx.Regs.AX = uint64(v)
		return
	}
	t.failed(e)
}

// work does what others asked of the thread: end, take signals, settle an
// interrupted call.
func (t *Thread) work() {
	if t.dead.Load() {
		return
	}
	t.Ctx.ClearWork()
	if t.Proc.dying.Load() {
		t.dead.Store(true)
		return
	}
	t.deliver()
}

// x86 exception vectors, Intel SDM vol. 3, table 6-1.
const (
	vecDivide    = 0
	vecDebug     = 1
	vecBreak     = 3
	vecOverflow  = 4
	vecBound     = 5
	vecInvalidOp = 6
	vecNoMath    = 7
	vecInvalTSS  = 10
	vecNoSegment = 11
	vecStack     = 12
	vecGP        = 13
	vecPage      = 14
	vecMath      = 16
	vecAlign     = 17
	vecSIMD      = 19
)

// fault serves an exception of ring 3: memory to bring in, or a signal with the
// code and address that Linux gives (arch/x86/kernel/traps.c documents the
// mapping in signal(7) and sigaction(2)).
func (t *Thread) fault(vec uint64) {
	c := t.Ctx
	if vec == vecPage {
		t.pageFault(uintptr(c.CR2), c.Regs.Err)
		return
	}
	rip := c.Regs.RIP
	switch vec {
	case vecDivide:
		t.faultSignal(SIGFPE, abi.FPE_INTDIV, rip)
	case vecDebug:
		t.faultSignal(SIGTRAP, abi.TRAP_TRACE, rip)
	case vecBreak:
		t.faultSignal(SIGTRAP, abi.SI_KERNEL, 0)
	case vecInvalidOp:
		t.faultSignal(SIGILL, abi.ILL_ILLOPN, rip)
	case vecNoSegment, vecStack:
		t.faultSignal(SIGBUS, abi.SI_KERNEL, 0)
	case vecAlign:
		t.faultSignal(SIGBUS, abi.BUS_ADRALN, 0)
	case vecMath, vecSIMD:
		t.faultSignal(SIGFPE, t.mathCode(vec), rip)
	default: // #GP, #OF, #BR and what cannot come from ring 3
		t.faultSignal(SIGSEGV, abi.SI_KERNEL, 0)
	}
}

// pageFault brings the page in or raises SIGSEGV or SIGBUS.
func (t *Thread) pageFault(addr uintptr, code uint64) {
	if code&4 == 0 {
		// A supervisor access on behalf of ring 3: a descriptor table, or an
		// emulator that reads the frame of a far return with the wrong rights.
		// Nothing that could be mapped would help.
		t.faultSignal(SIGSEGV, abi.SI_KERNEL, 0)
		return
	}
	access := mm.Read
	switch {
	case code&16 != 0: // instruction fetch
		access = mm.Exec
	case code&2 != 0:
		access = mm.Write
	}
	switch t.Proc.MM.Fault(addr, access) {
	case mm.FaultOK:
	case mm.FaultMapErr:
		t.faultSignal(SIGSEGV, abi.SEGV_MAPERR, uint64(addr))
	case mm.FaultAccErr:
		t.faultSignal(SIGSEGV, abi.SEGV_ACCERR, uint64(addr))
	case mm.FaultBusErr:
		t.faultSignal(SIGBUS, abi.BUS_ADRERR, uint64(addr))
	case mm.FaultOOM:
		t.Proc.OutOfMemory()
	}
}
