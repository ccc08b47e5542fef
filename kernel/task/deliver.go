package task

import (
	"skerry/kernel/abi"
)

// deliver takes pending signals until one has a handler, whose frame it builds,
// or none is left; then it settles the call that was interrupted.
func (t *Thread) deliver() {
	p := t.Proc
	for {
		p.mu.Lock()
		info, ok := t.takeSignal(t.deliverable())
		if !ok {
			if t.sig.restore {
				t.sig.restore = false
				t.setMask(t.sig.saved)
			}
			t.recalc()
			again := t.deliverable() != 0
			p.mu.Unlock()
			if again {
				continue
			}
			t.settle(nil)
			return
		}
		sig := Signal(info.Signo)
		a := p.actions[sig]
		if tracing && a.Handler != abi.SIG_IGN && (a.Handler != abi.SIG_DFL || fatal(sig)) {
			t.traceSignal(&info)
		}
		switch {
		case a.Handler == abi.SIG_IGN || a.Handler == abi.SIG_DFL && !fatal(sig):
			p.mu.Unlock()
			continue
		case a.Handler == abi.SIG_DFL:
			p.mu.Unlock()
			p.die(t, &info)
			t.dead.Store(true)
			return
		}
		if a.Flags&abi.SA_RESETHAND != 0 {
			p.actions[sig].Handler = abi.SIG_DFL
		}
		old := t.sig.mask
		if t.sig.restore {
			old, t.sig.restore = t.sig.saved, false
		}
		mask := t.sig.mask | a.Mask
		if a.Flags&abi.SA_NODEFER == 0 {
			mask |= sig.Bit()
		}
		t.setMask(mask)
		t.recalc()
		p.mu.Unlock()
		t.settle(&a)
		if !t.pushFrame(&a, &info, old) {
			// No stack for it: SIGSEGV, and if that was it, the end.
			t.forceSegv(sig)
		}
		// Further signals that are not blocked now nest: the last frame built
		// runs first, as on Linux.
		p.mu.Lock()
		more := t.deliverable() != 0
		p.mu.Unlock()
		if !more || t.dead.Load() {
			return
		}
	}
}

// settle finishes a system call that a signal interrupted: it is repeated, or
// answers EINTR when a handler a ran that does not ask for a restart. nil means
// that no handler runs.
func (t *Thread) settle(a *Action) {
	e := t.restart
	if e == abi.OK {
		return
	}
	t.restart = abi.OK
	r := &t.Ctx.Regs
	again := a == nil || e == abi.ERESTARTNOINTR || e == abi.ERESTARTSYS && a.Flags&abi.SA_RESTART != 0
	if !again {
		t.resume = nil
		return // RAX is -EINTR already
	}
	// Back to the SYSCALL instruction, which is two bytes long.
	r.RIP -= 2
	r.AX = uint64(t.Call())
	if e == abi.ERESTARTBLOCK {
		r.AX = sysRestart
	}
	t.Ctx.IRet = 1
}

// sysRestart is the number of restart_syscall(2).
const sysRestart = 219

// RestartLater makes the call in progress, when it is interrupted, go on with
// f if no handler runs: sleeps with a relative time. Answer its result.
func (t *Thread) RestartLater(f func(*Thread) (uintptr, abi.Errno)) abi.Errno {
	t.resume = f
	return abi.ERESTARTBLOCK
}

// RestartCall is restart_syscall(2).
func (t *Thread) RestartCall() (uintptr, abi.Errno) {
	f := t.resume
	t.resume = nil
	if f == nil {
		return 0, abi.EINTR
	}
	return f(t)
}

// forceSegv is what a signal frame that cannot be built ends in: SIGSEGV, which
// may have a handler on another stack, unless it was the one.
func (t *Thread) forceSegv(sig Signal) {
	info := SigInfo{Signo: int32(SIGSEGV), Code: abi.SI_KERNEL}
	p := t.Proc
	p.mu.Lock()
	if sig == SIGSEGV {
		p.actions[SIGSEGV].Handler = abi.SIG_DFL
	}
	t.sig.mask &^= SIGSEGV.Bit()
	ends := p.actions[SIGSEGV].Handler <= abi.SIG_IGN
	if !ends {
		p.nqueued++
		t.sig.pend.push(&queued{info: info})
	}
	t.recalc()
	p.mu.Unlock()
	if ends {
		p.die(t, &info)
		t.die()
	}
}

func (t *Thread) traceSignal(info *SigInfo) {
	var b [abi.SiginfoSize]byte
	putInfo(b[:], info)
	Trace.Signal(t, &b)
}
