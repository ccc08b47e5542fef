package task

import (
	"runtime"
	"sync/atomic"

	"gvisor.dev/gvisor/pkg/waiter"

	"skerry/kernel/abi"
	"skerry/kernel/ground"
	"skerry/kernel/net/socket"
	"skerry/kernel/usermem"
	"skerry/kernel/vfs"
	"skerry/kernel/wait"
)

// Thread is one thread of the program.
type Thread struct {
	wait.Waiter
	Ctx  *ground.Ctx
	Proc *Process
	TID  int32

	// Vec is the scatter list of the call in progress.
	Vec usermem.Vec
	// Poller and PollFDs are the thread's room for poll(2) and select(2).
	Poller  vfs.Poller
	PollFDs []vfs.PollFD
	// RecvMsg is what a receiving call fills in besides the data.
	RecvMsg socket.RecvMsg

	// ClearTID is where exit stores 0 and wakes a futex (set_tid_address(2)).
	ClearTID uintptr
	// RobustList is the head of the thread's robust futexes
	// (set_robust_list(2)); others read it.
	RobustList atomic.Uintptr
	// IO counts what the thread reads and writes.
	IO IO
	// TraceLine and TraceStart belong to the traced call in progress.
	TraceLine  []byte
	TraceStart int64
	// Traced is the line of that call as it was entered, nil once it has been
	// completed; who takes it out prints it.
	Traced atomic.Pointer[[]byte]

	// Name is the thread's name, PR_SET_NAME; read by others, so swapped whole.
	Name atomic.Pointer[string]

	// Policy is the scheduling policy that the program asked for.
	Policy atomic.Int32

	// KeepCaps is PR_SET_KEEPCAPS.
	KeepCaps atomic.Bool

	// slack is PR_SET_TIMERSLACK in nanoseconds, 0 for the usual.
	slack atomic.Uintptr

	// restart is the restart code with which the last call ended, or OK.
	restart abi.Errno
	// resume is what restart_syscall(2) does when restart is ERESTARTBLOCK.
	resume func(*Thread) (uintptr, abi.Errno)

	sig     threadSignals
	scratch []byte // for signal frames
	fx      futexWaiter
	// piGone says that the thread has ended as an owner of futexes. Under piMu.
	piGone bool
	cpu    cpuTime

	g          uintptr // the goroutine, once it runs; under Process.mu
	next, prev *Thread // list of Process.mu
	dead       atomic.Bool

	past *past // its last calls; nil when it has ended
}

// Handler serves a system call: up to six arguments as the registers hold them,
// the answer and an error number.
type Handler func(t *Thread, a0, a1, a2, a3, a4, a5 uintptr) (uintptr, abi.Errno)

// MaxCall bounds the system-call table.
const MaxCall = 512

// Calls is the system-call table, filled at boot by package syscalls and
// constant after. Where it has nothing, absent is.
var Calls [MaxCall]Handler

func init() {
	for i := range Calls {
		Calls[i] = absent
	}
}

// absent has Unknown serve a call that has no handler.
func absent(t *Thread, a0, a1, a2, a3, a4, a5 uintptr) (uintptr, abi.Errno) {
	a := [6]uintptr{a0, a1, a2, a3, a4, a5}
	return Unknown(t, uint64(t.Call()), &a)
}

// Unknown serves what Calls has no handler for; number is the call's.
var Unknown = func(t *Thread, number uint64, a *[6]uintptr) (uintptr, abi.Errno) { return 0, abi.ENOSYS }

// Trace, when set, sees every call before and after it is served.
var Trace struct {
	Enter func(t *Thread, number uint64, a *[6]uintptr)
	Exit  func(t *Thread, number uint64, a *[6]uintptr, v uintptr, e abi.Errno)
	// Signal sees a signal as its handler's frame is built, or as it ends the
	// program.
	Signal func(t *Thread, info *[abi.SiginfoSize]byte)
}

// NewThread makes a thread of the process, not yet running. EAGAIN at MaxThreads or
// RLIMIT_NPROC (the program never is its exception: it is not user 0, and has no
// capabilities), or without memory.
func (p *Process) NewThread() (*Thread, abi.Errno) {
	c := ground.NewCtx()
	if c == nil {
		return nil, abi.EAGAIN
	}
	t := &Thread{Ctx: c, Proc: p}
	t.fx.t = t
	limit, _ := p.Limits.Get(abi.RLIMIT_NPROC)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.live >= MaxThreads || p.live > 0 && uint64(p.live) >= limit || p.dying.Load() {
		c.Free()
		return nil, abi.EAGAIN
	}
	t.past = p.takePast()
	p.nextTID++
	t.TID = p.nextTID
	t.next = p.threads
	if t.next != nil {
		t.next.prev = t
	}
	p.threads = t
	p.live++
	return t, abi.OK
}

// Start lets the thread run.
func (t *Thread) Start() { go t.run() }

// poke makes the thread look at its state soon, wherever it is.
func (t *Thread) poke() {
	t.Pending.Store(1)
	t.Unpark()
	t.Ctx.Interrupt()
}

// finish takes a thread that has ended its loop out of the process, and ends
// the program when it was the last one.
func (t *Thread) finish() {
	p := t.Proc
	p.mu.Lock()
	if t.prev != nil {
		t.prev.next = t.next
	} else {
		p.threads = t.next
	}
	if t.next != nil {
		t.next.prev = t.prev
	}
	p.live--
	p.exited.add(t)
	p.exitedIO.add(&t.IO)
	p.givePast(t)
	last := p.live == 0
	t.dead.Store(true)
	p.nqueued -= t.sig.pend.drop(^SigSet(0))
	if free := p.shared.set &^ t.sig.mask; free != 0 {
		p.retarget(free)
	}
	p.mu.Unlock()
	p.ends.Notify(waiter.EventIn | waiter.EventHUp)
	if !p.dying.Load() {
		// While the machine ends, registers stay as they are for the report.
		t.Ctx.Free()
	}
	if last {
		p.Exit(p.lastCode)
	}
}

// Exit ends the calling thread with the given status, which counts if it is
// the last one (exit(2)). It must be the last thing the handler does.
func (t *Thread) Exit(code int) {
	t.Proc.mu.Lock()
	t.Proc.lastCode = code
	t.Proc.mu.Unlock()
	t.releaseRobust()
	t.releasePI()
	if t.ClearTID != 0 && t.Proc.threadCount() > 1 {
		if usermem.Store32(t.ClearTID, 0) == abi.OK {
			FutexWake(t.ClearTID, false, 1, ^uint32(0))
		}
	}
	t.die()
}

// die ends the thread, by its own loop. It must be its own goroutine.
func (t *Thread) die() {
	t.dead.Store(true)
	t.Ctx.SetWork()
}

// Args are the argument registers of the call in progress.
func (t *Thread) Args() [6]uintptr {
	r := &t.Ctx.Regs
	return [6]uintptr{uintptr(r.DI), uintptr(r.SI), uintptr(r.DX), uintptr(r.R10), uintptr(r.R8), uintptr(r.R9)}
}

// Inherit gives a new thread, not yet started, the caller's registers, vector
// state and signal mask, as clone(2) does.
func (t *Thread) Inherit(n *Thread) {
	t.Ctx.Fetch()
	c, d := t.Ctx, n.Ctx
	d.Regs, d.XMM, d.MXCSR = c.Regs, c.XMM, c.MXCSR
	d.FS, d.GS = c.FS, c.GS
	d.XArea = c.XArea
	d.IRet = 1
	n.sig.mask = t.sig.mask
	n.Policy.Store(t.Policy.Load())
	n.slack.Store(t.slack.Load())
	n.KeepCaps.Store(t.KeepCaps.Load())
	if name := t.Name.Load(); name != nil {
		n.Name.Store(name)
	}
}

// defaultSlack is how late a timer may be unless a thread asks for another
// value, prctl(2), in nanoseconds.
const defaultSlack = 50_000

// TimerSlack is how late the thread's timers may be. None is late on purpose
// here, so the value is kept and answered.
func (t *Thread) TimerSlack() uintptr {
	if n := t.slack.Load(); n != 0 {
		return n
	}
	return defaultSlack
}

// SetTimerSlack sets it; 0 asks for the usual one.
func (t *Thread) SetTimerSlack(ns uintptr) { t.slack.Store(ns) }

// Comm is the thread's name, at most 15 bytes.
func (t *Thread) Comm() string {
	if s := t.Name.Load(); s != nil {
		return *s
	}
	return t.Proc.Comm
}

// Yield lets other goroutines run first (sched_yield(2)).
func (t *Thread) Yield() {
	t.Pause()
	runtime.Gosched()
	t.Resume()
}
