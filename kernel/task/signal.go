package task

import (
	"math/bits"

	"gvisor.dev/gvisor/pkg/waiter"

	"skerry/kernel/abi"
)

// Signal is a signal number, 1 to 64.
type Signal int32

// Signals, signal(7).
const (
	SIGHUP Signal = 1 + iota
	SIGINT
	SIGQUIT
	SIGILL
	SIGTRAP
	SIGABRT
	SIGBUS
	SIGFPE
	SIGKILL
	SIGUSR1
	SIGSEGV
	SIGUSR2
	SIGPIPE
	SIGALRM
	SIGTERM
	SIGSTKFLT
	SIGCHLD
	SIGCONT
	SIGSTOP
	SIGTSTP
	SIGTTIN
	SIGTTOU
	SIGURG
	SIGXCPU
	SIGXFSZ
	SIGVTALRM
	SIGPROF
	SIGWINCH
	SIGIO
	SIGPWR
	SIGSYS
	rtMin = 32
	nsig  = 64
)

// Flags of sigaction(2), uapi/asm/signal.h.
const (

	// MinSigStack is MINSIGSTKSZ of x86-64.
	MinSigStack = 2048
)

// SigSet is a set of signals, bit n-1 for signal n.
type SigSet uint64

// Bit is the set of one signal.
func (s Signal) Bit() SigSet { return 1 << (s - 1) }

// unblockable are the signals that no mask holds back.
const unblockable = SigSet(1<<(SIGKILL-1) | 1<<(SIGSTOP-1))

// synchronous are taken first, since they belong to the instruction that the
// thread is at.
const synchronous = SigSet(1<<(SIGSEGV-1) | 1<<(SIGBUS-1) | 1<<(SIGILL-1) | 1<<(SIGTRAP-1) | 1<<(SIGFPE-1) | 1<<(SIGSYS-1))

// Signals whose default action is to be ignored: signal(7), and those that
// would stop the program, since there is nobody to continue it (no job control
// without a shell).
const ignoredByDefault = SigSet(1<<(SIGCHLD-1) | 1<<(SIGURG-1) | 1<<(SIGWINCH-1) | 1<<(SIGCONT-1) |
	1<<(SIGSTOP-1) | 1<<(SIGTSTP-1) | 1<<(SIGTTIN-1) | 1<<(SIGTTOU-1))

// SigInfo is siginfo_t as the program sees it, uapi/asm-generic/siginfo.h: three
// words, padding, and a union of 112 bytes.
type SigInfo struct {
	Signo, Errno, Code int32
	Pad                int32
	Union              [14]uint64
}

// Action is struct sigaction as the kernel takes it.
type Action struct {
	Handler, Flags, Restorer uint64
	Mask                     SigSet
}

// StackT is stack_t, sigaltstack(2).
type StackT struct {
	SP    uint64
	Flags int32
	Pad   int32
	Size  uint64
}

// next picks the signal to take from what is not blocked: synchronous ones
// first, then the lowest number.
func (s SigSet) next() Signal {
	if x := s & synchronous; x != 0 {
		s = x
	}
	for i := Signal(1); i <= nsig; i++ {
		if s&i.Bit() != 0 {
			return i
		}
	}
	return 0
}

// threadSignals is a thread's part of the signal state, under Process.mu but
// for what only the thread itself reads and writes with it held.
type threadSignals struct {
	mask    SigSet
	saved   SigSet // mask to return to when a temporary one (sigsuspend) ends
	restore bool
	waitFor SigSet // sigtimedwait: signals that end the sleep though blocked
	pend    pending
	alt     StackT
}

// Mask is the thread's signal mask.
func (t *Thread) Mask() SigSet { return t.sig.mask }

// SetMask changes the mask; signals that it frees are taken before ring 3.
func (t *Thread) SetMask(m SigSet) {
	p := t.Proc
	p.mu.Lock()
	t.setMask(m)
	t.recalc()
	p.mu.Unlock()
}

// setMask changes the mask. p.mu is held.
func (t *Thread) setMask(m SigSet) {
	m &^= unblockable
	blocked := m &^ t.sig.mask
	t.sig.mask = m
	if blocked &= t.Proc.shared.set; blocked != 0 {
		t.Proc.retarget(blocked)
	}
}

// retarget wakes takers of the program's pending signals in set: the thread that
// was woken for them has just blocked them, or ended, before it took them. p.mu
// is held.
func (p *Process) retarget(set SigSet) {
	for ; set != 0; set &= set - 1 {
		if u := p.taker(nil, Signal(1+bits.TrailingZeros64(uint64(set)))); u != nil {
			u.poke()
		}
	}
}

// SetTempMask changes the mask until a signal was delivered or the call ends
// without one: ppoll, pselect, epoll_pwait, sigsuspend.
func (t *Thread) SetTempMask(m SigSet) {
	p := t.Proc
	p.mu.Lock()
	if !t.sig.restore {
		t.sig.saved, t.sig.restore = t.sig.mask, true
	}
	t.setMask(m)
	t.recalc()
	p.mu.Unlock()
}

// EndTempMask returns to the mask from before SetTempMask, for a call that ends
// without being interrupted. An interrupted one keeps it until the handler's
// frame has been built.
func (t *Thread) EndTempMask() {
	p := t.Proc
	p.mu.Lock()
	if t.sig.restore {
		t.sig.restore = false
		t.setMask(t.sig.saved)
		t.recalc()
	}
	p.mu.Unlock()
}

// deliverable is what the thread would take now. Process.mu is held.
func (t *Thread) deliverable() SigSet {
	return (t.sig.pend.set | t.Proc.shared.set) &^ t.sig.mask
}

// recalc brings Waiter.Pending in line with what is deliverable. Process.mu is
// held.
func (t *Thread) recalc() {
	if t.deliverable() != 0 || t.Proc.dying.Load() {
		t.Pending.Store(1)
		t.Ctx.Interrupt()
	} else {
		t.Pending.Store(0)
	}
}

// Pendings is sigpending(2): what is pending and blocked.
func (t *Thread) Pendings() SigSet {
	p := t.Proc
	p.mu.Lock()
	s := (t.sig.pend.set | p.shared.set) & t.sig.mask
	p.mu.Unlock()
	return s
}

// ignored reports whether the program's disposition drops the signal. p.mu is
// held.
func (p *Process) ignored(sig Signal) bool {
	h := p.actions[sig].Handler
	return h == abi.SIG_IGN || h == abi.SIG_DFL && sig.Bit()&ignoredByDefault != 0
}

// Kill sends a signal to the program. It fails with EAGAIN when a real-time
// signal finds the queue full.
func (p *Process) Kill(info *SigInfo) abi.Errno { return p.send(nil, info, nil) }

// Kill sends a signal to the thread.
func (t *Thread) Kill(info *SigInfo) abi.Errno { return t.Proc.send(t, info, nil) }

// send queues a signal for the thread, or for the program if t is nil, and
// wakes whoever is to take it.
func (p *Process) send(t *Thread, info *SigInfo, timer *PosixTimer) abi.Errno {
	p.mu.Lock()
	e := p.sendLocked(t, info, timer)
	p.mu.Unlock()
	return e
}

func (p *Process) sendLocked(t *Thread, info *SigInfo, timer *PosixTimer) abi.Errno {
	sig := Signal(info.Signo)
	if p.dying.Load() {
		return abi.OK
	}
	if t != nil && t.dead.Load() {
		return abi.ESRCH
	}
	set := &p.shared
	if t != nil {
		set = &t.sig.pend
	}
	p.sideEffects(sig)
	if p.ignored(sig) && !p.holdsBack(t, sig) {
		if timer != nil {
			timer.dropped()
		}
		return abi.OK
	}
	taker := p.taker(t, sig)
	if sig < rtMin && set.set&sig.Bit() != 0 && timer == nil {
		return abi.OK // one instance of a standard signal
	}
	if sig >= rtMin && timer == nil && p.nqueued >= p.sigPendingLimit() {
		if info.Code != abi.SI_USER {
			return abi.EAGAIN
		}
		set.set |= sig.Bit() // kill(2) always gets through, without its siginfo
	} else {
		if timer == nil {
			p.nqueued++
		}
		set.push(&queued{info: *info, timer: timer})
	}
	if taker != nil {
		taker.poke()
	}
	p.signalFDs.Notify(waiter.EventIn)
	return abi.OK
}

// sideEffects are those of SIGCONT and the stop signals on each other
// (signal(7)): each discards the other's pending instances. p.mu is held.
func (p *Process) sideEffects(sig Signal) {
	const stops = SigSet(1<<(SIGSTOP-1) | 1<<(SIGTSTP-1) | 1<<(SIGTTIN-1) | 1<<(SIGTTOU-1))
	other := SigSet(0)
	switch {
	case sig == SIGCONT:
		other = stops
	case sig.Bit()&stops != 0:
		other = SIGCONT.Bit()
	default:
		return
	}
	p.discard(other)
}

// taker is the thread that will take the signal: the one it is for, or one that
// does not block it; nil if all do. p.mu is held.
func (p *Process) taker(t *Thread, sig Signal) *Thread {
	if t != nil {
		if t.sig.mask&sig.Bit() == 0 || t.sig.waitFor&sig.Bit() != 0 {
			return t
		}
		return nil
	}
	var found *Thread
	for u := p.threads; u != nil; u = u.next {
		if u.dead.Load() {
			continue
		}
		if u.sig.mask&sig.Bit() != 0 && u.sig.waitFor&sig.Bit() == 0 {
			continue
		}
		// The main thread first, as on Linux; else the one made last.
		if found == nil || u.TID == mainTID {
			found = u
		}
	}
	return found
}

// discard removes pending instances everywhere. p.mu is held.
func (p *Process) discard(set SigSet) {
	p.nqueued -= p.shared.drop(set)
	for t := p.threads; t != nil; t = t.next {
		p.nqueued -= t.sig.pend.drop(set)
	}
}

// holdsBack reports whether the target blocks the signal: then even an ignored
// one stays pending, since the disposition may change first, or sigtimedwait
// may want it. For the program, its main thread decides, as on Linux.
func (p *Process) holdsBack(t *Thread, sig Signal) bool {
	if t == nil {
		for t = p.threads; t != nil && t.next != nil && t.TID != mainTID; t = t.next {
		}
	}
	return t != nil && (t.sig.mask|t.sig.waitFor)&sig.Bit() != 0
}

// SetAction is sigaction(2): it returns the former action and, if new is given,
// installs it. A signal that is then ignored is no longer pending.
func (p *Process) SetAction(sig Signal, new *Action) (old Action, e abi.Errno) {
	if sig < 1 || sig > nsig {
		return old, abi.EINVAL
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	old = p.actions[sig]
	if new == nil {
		return old, abi.OK
	}
	if sig == SIGKILL || sig == SIGSTOP {
		return old, abi.EINVAL
	}
	a := *new
	a.Mask &^= unblockable
	a.Flags &= abi.SA_NOCLDSTOP | abi.SA_NOCLDWAIT | abi.SA_SIGINFO | abi.SA_RESTORER | abi.SA_ONSTACK | abi.SA_RESTART | abi.SA_NODEFER | abi.SA_RESETHAND
	p.actions[sig] = a
	if p.ignored(sig) {
		p.discard(sig.Bit())
	} else {
		p.unignored(sig)
	}
	return old, abi.OK
}

// takeSignal removes the next signal that the thread may take. p.mu is held.
func (t *Thread) takeSignal(set SigSet) (SigInfo, bool) {
	p := t.Proc
	// The thread's own first, then the program's, as Linux does it.
	from := &t.sig.pend
	sig := (set & from.set).next()
	if sig == 0 {
		from = &p.shared
		sig = (set & from.set).next()
	}
	if sig == 0 {
		return SigInfo{}, false
	}
	if sig == SIGALRM && from == &p.shared {
		p.alarmTaken()
	}
	q := from.take(sig)
	if q == nil {
		// Sent without room for its siginfo.
		return SigInfo{Signo: int32(sig), Code: abi.SI_USER}, true
	}
	if q.timer != nil {
		q.timer.taken(&q.info)
	} else {
		p.nqueued--
	}
	return q.info, true
}

// SigWait is sigtimedwait(2): it takes a signal of the set, waiting for one
// until the deadline (0 for ever, negative not at all). EAGAIN when none came,
// EINTR for another signal's handler.
func (t *Thread) SigWait(set SigSet, deadline int64) (SigInfo, abi.Errno) {
	set &^= unblockable
	p := t.Proc
	end := abi.OK
	if deadline < 0 {
		end = abi.EAGAIN
	}
	for {
		p.mu.Lock()
		info, ok := t.takeSignal(set)
		if ok || end != abi.OK {
			if ok {
				end = abi.OK
			}
			t.recalc()
			p.mu.Unlock()
			return info, end
		}
		// A signal of the set must end the sleep although it is blocked.
		t.sig.waitFor = set
		t.recalc()
		p.mu.Unlock()
		e := t.Sleep(deadline)
		p.mu.Lock()
		t.sig.waitFor = 0
		other := t.deliverable() &^ set
		t.recalc()
		p.mu.Unlock()
		// One last look in any case: what was waited for comes before a handler.
		switch {
		case e == abi.ETIMEDOUT:
			end = abi.EAGAIN
		case e != abi.OK && (other != 0 || p.dying.Load()):
			end = abi.EINTR
		}
	}
}

// faultSignal raises the signal of an exception in ring 3. Blocked or ignored,
// it ends the program: the instruction cannot go on.
func (t *Thread) faultSignal(sig Signal, code int32, addr uint64) {
	p := t.Proc
	p.mu.Lock()
	a := &p.actions[sig]
	if t.sig.mask&sig.Bit() != 0 || a.Handler == abi.SIG_IGN {
		a.Handler = abi.SIG_DFL
		t.sig.mask &^= sig.Bit()
	}
	t.sig.pend.take(sig)
	q := &queued{info: SigInfo{Signo: int32(sig), Code: code}}
	q.info.Union[0] = addr
	p.nqueued++
	t.sig.pend.push(q)
	t.recalc()
	p.mu.Unlock()
}
