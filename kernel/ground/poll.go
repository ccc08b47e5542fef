package ground

import "sync/atomic"

// The runtime's netpoller: one epoll instance over two descriptors, the event
// descriptor by which the runtime breaks its own wait, and the interrupt
// descriptor, which an idle machine's poller goroutine reads.

const (
	fdEpoll = 4
	fdEvent = 5
	fdIRQ   = 6

	epollIn = 0x1
)

// poll is guarded by sched, but for pending.
var poll struct {
	event     uint64 // the event descriptor's counter
	eventData uint64 // what epoll_ctl gave for it
	irqData   uint64
	haveIRQ   uint32
	irqEdge   uint32 // an interrupt since the last report
	waiter    uintptr
}

// irqPending has a bit for each device line that fired and was not delivered.
var irqPending uint64

// gTakeIRQ takes all pending lines.
func gTakeIRQ() uint64 {
	if atomic.LoadUint64(&irqPending) == 0 {
		return 0
	}
	return atomic.SwapUint64(&irqPending, 0)
}

// gIRQWake tells the poller about a device interrupt. sched is held.
func gIRQWake() {
	poll.irqEdge = 1
	if poll.waiter != 0 && poll.haveIRQ != 0 {
		wakePoll()
	}
}

func wakePoll() {
	m := mAt(poll.waiter)
	poll.waiter = 0
	wake(m, whyPoll)
}

func gEpollCtl(op, fd, ev uintptr) uintptr {
	const add, del, mod = 1, 2, 3
	data := uint64(0)
	if op != del {
		// struct epoll_event is packed: events u32, data u64.
		data = uint64(*word32(ev + 4)) | uint64(*word32(ev + 8))<<32
	}
	fl := sched.Lock()
	ret := uintptr(0)
	switch fd {
	case fdEvent:
		poll.eventData = data
	case fdIRQ:
		poll.irqData = data
		poll.haveIRQ = 0
		if op != del {
			poll.haveIRQ = 1
		}
		if atomic.LoadUint64(&irqPending) != 0 {
			gIRQWake()
		}
	default:
		ret = fail(eBADF)
	}
	sched.Unlock(fl)
	return ret
}

// pollReady reports whether a wait would find something. sched is held.
func pollReady() bool {
	return poll.event != 0 || poll.haveIRQ != 0 && poll.irqEdge != 0
}

func gEpollWait(c *percpu, m *mstate) uintptr {
	r := &m.regs
	ms := int32(r.R10)
	m.pollBuf, m.pollMax = uintptr(r.SI), r.DX
	fl := sched.Lock()
	if pollReady() || ms == 0 {
		sched.Unlock(fl)
		r.AX = uint64(gPollResult(m))
		return gBack(m)
	}
	if poll.waiter != 0 {
		// One M waits at a time (the runtime sees to that); a second one gets
		// nothing rather than a fault.
		sched.Unlock(fl)
		r.AX = 0
		return gBack(m)
	}
	m.state = mPoll
	poll.waiter = m.addr()
	if ms > 0 {
		setTimer(m, gNow()+int64(ms)*1_000_000)
	}
	return gNext(c, fl)
}

// gPollResult writes the events of an epoll_pwait to the M's buffer and returns
// their number. No lock is held, since the buffer may fault.
func gPollResult(m *mstate) uintptr {
	var ev [2]struct {
		events uint32
		data   uint64
	}
	n := uintptr(0)
	fl := sched.Lock()
	if poll.event != 0 {
		ev[n].events, ev[n].data = epollIn, poll.eventData
		n++
	}
	if poll.haveIRQ != 0 && poll.irqEdge != 0 && n < uintptr(m.pollMax) {
		poll.irqEdge = 0
		ev[n].events, ev[n].data = epollIn, poll.irqData
		n++
	}
	sched.Unlock(fl)
	for i := uintptr(0); i < n; i++ {
		p := m.pollBuf + i*12
		*word32(p) = ev[i].events
		*word32(p + 4), *word32(p + 8) = uint32(ev[i].data), uint32(ev[i].data>>32)
	}
	return n
}

// gRead reads the event descriptor's counter or the pending interrupt lines.
func gRead(fd, buf, n uintptr) uintptr {
	var v uint64
	switch {
	case n < 8:
		return fail(eINVAL)
	case fd == fdEvent:
		fl := sched.Lock()
		v, poll.event = poll.event, 0
		sched.Unlock(fl)
	case fd == fdIRQ:
		v = gTakeIRQ()
	case fd <= 2:
		return 0
	default:
		return fail(eBADF)
	}
	if v == 0 {
		return fail(eAGAIN)
	}
	*word(buf) = v
	return 8
}

// gWrite writes the event descriptor, or the runtime's messages to the console.
func gWrite(fd, buf, n uintptr) uintptr {
	switch fd {
	case fdEvent:
		if n < 8 {
			return fail(eINVAL)
		}
		v := *word(buf)
		fl := sched.Lock()
		poll.event += v
		if poll.waiter != 0 {
			wakePoll()
		}
		sched.Unlock(fl)
		return 8
	case 1, 2:
		gConsole(buf, n)
		return n
	}
	return fail(eBADF)
}
