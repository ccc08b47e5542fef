package ground

import (
	"sync/atomic"

	"skerry/kernel/ground/arch"
	"skerry/kernel/ground/frame"
)

// Errors that ground answers, negated; asm-generic/errno-base.h.
const (
	eINTR     = 4
	eNOENT    = 2
	eBADF     = 9
	eAGAIN    = 11
	eNOMEM    = 12
	eINVAL    = 22
	eNOSYS    = 38
	eTIMEDOUT = 110
)

func fail(e uintptr) uintptr { return -e }

// System calls of the kernel's own runtime, by their Linux numbers. What is not
// here the runtime does not need; it gets ENOSYS and copes (go1.26).
const (
	sysRead          = 0
	sysWrite         = 1
	sysClose         = 3
	sysMmap          = 9
	sysMprotect      = 10
	sysMunmap        = 11
	sysRtSigaction   = 13
	sysRtSigprocmask = 14
	sysRtSigreturn   = 15
	sysSchedYield    = 24
	sysMadvise       = 28
	sysNanosleep     = 35
	sysGetpid        = 39
	sysClone         = 56
	sysExit          = 60
	sysFcntl         = 72
	sysSigaltstack   = 131
	sysPrctl         = 157
	sysArchPrctl     = 158
	sysGettid        = 186
	sysFutex         = 202
	sysSchedAffinity = 204
	sysTimerCreate   = 222
	sysExitGroup     = 231
	sysEpollCtl      = 233
	sysTgkill        = 234
	sysOpenat        = 257
	sysClockGettime  = 228
	sysEpollPwait    = 281
	sysEventfd2      = 290
	sysEpollCreate1  = 291
	sysPrlimit64     = 302
	sysGetrandom     = 318
)

// gSyscall serves a system call from ring 0. m is the calling M, its registers
// saved; the answer is the M to resume.
func gSyscall(p uintptr) uintptr {
	m := mAt(p)
	r := &m.regs
	c := me()
	switch r.AX {
	case sysFutex:
		return gFutex(c, m)
	case sysNanosleep:
		return gNanosleep(c, m)
	case sysEpollPwait:
		return gEpollWait(c, m)
	case sysSchedYield:
		return gYield(c, m, 0)
	case sysExit:
		return gExit(c, m)
	case sysRtSigreturn:
		gSigreturn(m)
		return gBack(m)
	}
	r.AX = uint64(simple(m, r))
	return gBack(m)
}

// gBack is the way out for an M that goes on: a pending signal first.
func gBack(m *mstate) uintptr {
	if m.sigPend&^m.sigMask != 0 {
		gDeliver(m)
	}
	return m.addr()
}

// simple serves the calls that neither block nor switch.
func simple(m *mstate, r *Regs) uintptr {
	a0, a1, a2 := uintptr(r.DI), uintptr(r.SI), uintptr(r.DX)
	switch r.AX {
	case sysMmap:
		return gMmap(a0, a1, uintptr(r.R10))
	case sysMunmap:
		if !inHeap(a0) || a1 == 0 || !inHeap(a0+a1-1) {
			return fail(eINVAL)
		}
		gDrop(a0&^(pageSize-1), (a1+pageSize-1)&^(pageSize-1))
		return 0
	case sysMadvise:
		if a2 == madvDontneed || a2 == madvFree {
			if !inHeap(a0) || a1 == 0 || !inHeap(a0+a1-1) {
				return fail(eINVAL)
			}
			gDrop(a0&^(pageSize-1), (a1+pageSize-1)&^(pageSize-1))
		}
		return 0 // the rest is about huge pages, which are ground's business
	case sysMprotect:
		return 0 // only the runtime's debugging modes ask for it
	case sysArchPrctl:
		if a0 != 0x1002 { // ARCH_SET_FS
			return fail(eINVAL)
		}
		m.fs = uint64(a1)
		return 0
	case sysRtSigaction:
		return gSigaction(a0, a1, a2)
	case sysRtSigprocmask:
		if a2 != 0 {
			*word(a2) = m.sigMask
		}
		if a1 != 0 {
			set := *word(a1)
			switch a0 {
			case 0:
				m.sigMask |= set
			case 1:
				m.sigMask &^= set
			case 2:
				m.sigMask = set
			}
		}
		return 0
	case sysSigaltstack:
		if a1 != 0 {
			*word(a1), *word(a1 + 8), *word(a1 + 16) = uint64(m.altBase), 0, uint64(m.altSize)
			if m.altSize == 0 {
				*word32(a1 + 8) = 2 // SS_DISABLE
			}
		}
		if a0 != 0 {
			if *word32(a0 + 8)&2 != 0 {
				m.altBase, m.altSize = 0, 0
			} else {
				m.altBase, m.altSize = uintptr(*word(a0)), uintptr(*word(a0 + 16))
			}
		}
		return 0
	case sysClone:
		return gClone(m)
	case sysGettid:
		return uintptr(m.tid)
	case sysGetpid:
		return 1
	case sysTgkill:
		return gTgkill(uint64(a1), uint(a2))
	case sysSchedAffinity:
		n := uintptr(atomic.LoadUint32(&ncpu))
		for i := uintptr(0); i < 8; i++ {
			*byteAt(a2 + i) = byte((uint64(1)<<n - 1) >> (8 * i))
		}
		return 8
	case sysClockGettime:
		ns := uint64(gNow())
		if a0 == 0 {
			ns += clk.real - clk.mono
		}
		*word(a1), *word(a1 + 8) = ns/1e9, ns%1e9
		return 0
	case sysFcntl:
		return gFcntl(a0, a1)
	case sysRead:
		return gRead(a0, a1, a2)
	case sysWrite:
		return gWrite(a0, a1, a2)
	case sysEpollCreate1:
		return fdEpoll
	case sysEventfd2:
		return fdEvent
	case sysEpollCtl:
		return gEpollCtl(a1, a2, uintptr(r.R10))
	case sysClose:
		return 0
	case sysOpenat:
		return fail(eNOENT)
	case sysGetrandom:
		return gGetrandom(a0, a1)
	case sysExitGroup:
		gExitGroup(int(r.DI))
	}
	return fail(eNOSYS)
}

// gYield puts m behind the other ready Ms, if there are any, with result ret.
func gYield(c *percpu, m *mstate, ret uint64) uintptr {
	m.regs.AX = ret
	fl := sched.Lock()
	if run.length == 0 {
		sched.Unlock(fl)
		return gBack(m)
	}
	return gSwap(c, m, fl)
}

// gSwap lets the first ready M run and puts m behind the others. sched is held
// and the queue is not empty. m is pushed last, or it might be picked again for
// having run here last.
func gSwap(c *percpu, m *mstate, fl uint64) uintptr {
	n := pop(c.ID)
	push(m)
	gRun(c, n)
	if c.tick == 0 {
		gArmTick(c)
	}
	sched.Unlock(fl)
	gFinish(n)
	return gBack(n)
}

// gNext schedules after the running M gave up the CPU. sched is held.
func gNext(c *percpu, fl uint64) uintptr {
	m := gSchedule(c, fl) // does not return when nothing is ready
	gFinish(m)
	return gBack(m)
}

// gFinish completes a wait with what only the M's own context may touch.
func gFinish(m *mstate) {
	switch m.reason {
	case whyPoll:
		m.regs.AX = uint64(gPollResult(m))
	}
	m.reason = whyNone
}

// Reasons for the end of a wait.
const (
	whyNone uint32 = iota
	whyWoken
	whyPoll
)

// gTimeout ends the wait of an M whose deadline passed. sched is held.
func gTimeout(m *mstate) {
	switch m.state {
	case mFutex:
		futexRemove(m)
		m.regs.AX = uint64(fail(eTIMEDOUT))
		wake(m, whyWoken)
	case mSleep:
		m.regs.AX = 0
		wake(m, whyWoken)
	case mPoll:
		// Before it runs: an event that comes now must not wake it once more.
		poll.waiter = 0
		wake(m, whyPoll)
	default:
		untime(m)
	}
}

// gNanosleep: the runtime's monitor sleeps from 20 µs on and rounds up to the
// tick, since nothing it does is worth an interrupt of its own; the few
// microseconds that the scheduler waits for a neighbour are a yield.
func gNanosleep(c *percpu, m *mstate) uintptr {
	ts := uintptr(m.regs.DI)
	ns := int64(*word(ts)*1e9 + *word(ts + 8))
	if ns < 20_000 {
		gServe(c)
		fl := sched.Lock()
		if run.length > 0 {
			m.regs.AX = 0
			return gSwap(c, m, fl)
		}
		sched.Unlock(fl)
		for i := 0; i < 50; i++ {
			arch.Pause()
		}
		m.regs.AX = 0
		return gBack(m)
	}
	if ns < tickNS {
		ns = tickNS
	}
	fl := sched.Lock()
	m.state = mSleep
	setTimer(m, gNow()+ns)
	return gNext(c, fl)
}

// gClone makes a new M: CLONE_VM|FS|FILES|SIGHAND|SYSVSEM|THREAD|SETTLS with
// the stack in RSI and the thread pointer in R8, as newosproc asks.
func gClone(m *mstate) uintptr {
	const want = 0x100 | 0x200 | 0x400 | 0x800 | 0x40000 | 0x10000 | 0x80000
	if m.regs.DI != want {
		return fail(eINVAL)
	}
	f := frame.AllocZero(frame.KindKernel)
	if f == 0 {
		return fail(eAGAIN)
	}
	n := mAt(f.Addr())
	n.regs = m.regs
	n.regs.AX = 0
	n.regs.RSP = m.regs.SI
	n.fs = m.regs.R8
	n.sigMask = m.sigMask
	n.cpu = m.cpu
	fl := sched.Lock()
	run.nextTID++
	n.tid = run.nextTID
	n.all = run.all
	run.all = n.addr()
	run.live++
	tid := n.tid
	wake(n, whyNone)
	sched.Unlock(fl)
	return uintptr(tid)
}

// gExit ends the calling M.
func gExit(c *percpu, m *mstate) uintptr {
	fl := sched.Lock()
	if run.all == m.addr() {
		run.all = m.all
	} else {
		for p := run.all; p != 0; p = mAt(p).all {
			if mAt(p).all == m.addr() {
				mAt(p).all = m.all
				break
			}
		}
	}
	run.live--
	m.state = mFree
	c.curM = c.idleM
	frame.FromAddr(m.addr()).Unref()
	return gNext(c, fl)
}

// fcntl on the runtime's descriptors: 0 to 2 are open, the interrupt and event
// descriptors are non-blocking (os.NewFile polls only those).
func gFcntl(fd, cmd uintptr) uintptr {
	const getFD, getFL, nonblock = 1, 3, 0x800
	switch cmd {
	case getFD:
		return 0
	case getFL:
		if fd == fdIRQ {
			return nonblock
		}
		return 1
	case 2, 4: // F_SETFD, F_SETFL: nothing depends on them
		return 0
	}
	return fail(eINVAL)
}
