package ground

import (
	"sync/atomic"

	"skerry/kernel/ground/arch"
)

// The scheduler of runtime threads (Ms): one queue for all CPUs. An M runs until
// it blocks, or until a tick finds another one waiting. The program's threads
// are not scheduled here: they are goroutines.

// tickNS is the length of a time slice, and what short sleeps of the runtime's
// monitor round up to.
const tickNS = 4_000_000

// run is guarded by sched.
var (
	sched arch.Spin
	run   struct {
		head, tail uintptr // ready Ms
		length     int
		timed      uintptr // Ms with a deadline, earliest first
		all        uintptr // every M
		nextTID    uint64
		live       int
	}
	// cover is the earliest deadline that some CPU's timer is set for.
	cover    int64
	coverCPU uint32
)

// push appends m to the ready queue. sched is held.
func push(m *mstate) {
	m.state = mReady
	m.next = 0
	if run.tail == 0 {
		run.head = m.addr()
	} else {
		mAt(run.tail).next = m.addr()
	}
	run.tail = m.addr()
	run.length++
}

// pop takes the first ready M, or, when there are several, the first one that
// last ran on this CPU. sched is held.
func pop(cpu uint32) *mstate {
	prev := uintptr(0)
	p := run.head
	if p == 0 {
		return nil
	}
	for i := 0; i < 4; i++ {
		m := mAt(p)
		if m.cpu == cpu {
			break
		}
		if m.next == 0 || i == 3 {
			prev, p = 0, run.head
			break
		}
		prev, p = p, m.next
	}
	m := mAt(p)
	if prev == 0 {
		run.head = m.next
	} else {
		mAt(prev).next = m.next
	}
	if run.tail == p {
		run.tail = prev
	}
	m.next = 0
	run.length--
	return m
}

// wake makes a blocked M ready and finds a CPU for it. sched is held.
func wake(m *mstate, why uint32) {
	if m.state == mReady || m.state == mRunning {
		gBug("an M was woken twice", &m.regs, uint64(m.tid))
	}
	untime(m)
	m.reason = why
	push(m)
	self := me()
	if atomic.LoadUint32(&self.idle) != 0 {
		return // its interrupt handler schedules when it is done
	}
	if last := m.cpu; last < ncpu && claim(last, self) {
		return
	}
	for i := uint32(0); i < ncpu; i++ {
		if claim(i, self) {
			return
		}
	}
	// Nobody is free: let the tick on this CPU see to it.
	if self.tick == 0 {
		gArmTick(self)
	}
}

// claim wakes CPU i if it is idle.
func claim(i uint32, self *percpu) bool {
	c := cpuAt(cpus[i])
	if c == self || atomic.LoadUint32(&c.idle) == 0 {
		return false
	}
	if atomic.SwapUint32(&c.idle, 0) == 0 {
		return false
	}
	gIPI(c.apicID, vecPoke)
	return true
}

// gSchedule picks what this CPU runs next; with nothing ready it idles and does
// not return. sched is held and released.
func gSchedule(c *percpu, fl uint64) *mstate {
	m := pop(c.ID)
	if m != nil {
		gRun(c, m)
		if run.length > 0 && c.tick == 0 {
			gArmTick(c)
		}
		sched.Unlock(fl)
		return m
	}
	c.curM = c.idleM
	atomic.StoreUint32(&c.idle, 1)
	gCover(c)
	sched.Unlock(fl)
	gIdle(c)
	return nil
}

// gRun marks m as running on c.
func gRun(c *percpu, m *mstate) {
	m.state = mRunning
	m.cpu = c.ID
	c.curM = m.addr()
}

// gIdle halts until an interrupt, which does not come back here: its handler
// schedules afresh on an empty stack.
func gIdle(c *percpu) {
	c.curM = c.idleM
	atomic.StoreUint32(&c.idle, 1)
	for {
		arch.StiHlt()
	}
}

// gUnidle ends the idle state: what the CPU was spared while halted is made up.
func gUnidle(c *percpu) {
	atomic.StoreUint32(&c.idle, 0)
	if atomic.SwapUint32(&c.flushed, 0) != 0 {
		arch.FlushAll()
	}
}

// setTimer puts m on the deadline list. sched is held.
func setTimer(m *mstate, at int64) {
	m.deadline, m.timed = at, 1
	prev := uintptr(0)
	p := run.timed
	for p != 0 && mAt(p).deadline <= at {
		prev, p = p, mAt(p).tnext
	}
	m.tnext = p
	if prev == 0 {
		run.timed = m.addr()
	} else {
		mAt(prev).tnext = m.addr()
	}
	gCover(me())
}

// untime takes m off the deadline list if it is on it. sched is held.
func untime(m *mstate) {
	if m.timed == 0 {
		return
	}
	m.timed = 0
	prev := uintptr(0)
	for p := run.timed; p != 0; p = mAt(p).tnext {
		if p == m.addr() {
			if prev == 0 {
				run.timed = m.tnext
			} else {
				mAt(prev).tnext = m.tnext
			}
			return
		}
		prev = p
	}
}

// gCover sees to it that some CPU's timer fires at the earliest deadline.
// sched is held.
func gCover(c *percpu) {
	if run.timed == 0 {
		return
	}
	at := mAt(run.timed).deadline
	if cover != 0 && cover <= at && coverCPU != c.ID {
		return
	}
	cover, coverCPU = at, c.ID
	if c.armed == 0 || at < c.armed {
		gArm(c, at)
	}
}

// gArmTick starts the time slice on this CPU.
func gArmTick(c *percpu) {
	c.tick = 1
	c.slow &^= slowTick
	c.tickAt = gNow() + tickNS
	if c.armed == 0 || c.tickAt < c.armed {
		gArm(c, c.tickAt)
	}
}

// gTimer is the local timer's interrupt: wake what is due, keep the tick going
// while there is reason to. user says that it interrupted ring 3. It reports
// whether the running M should make room for another.
func gTimer(c *percpu, user bool) (yield bool) {
	c.armed = 0
	c.ticks++
	now := gNow()
	fl := sched.Lock()
	if coverCPU == c.ID {
		cover = 0
	}
	woke := false
	for run.timed != 0 {
		m := mAt(run.timed)
		if m.deadline > now {
			break
		}
		gTimeout(m)
		woke = true
	}
	if c.tick != 0 && now >= c.tickAt-tickNS/8 {
		c.tick = 0
		yield = run.length > 0
		if user || yield {
			gArmTick(c)
		} else {
			c.slow |= slowTick // the next Enter arms it
		}
	} else if c.tick != 0 {
		gArm(c, c.tickAt)
	}
	if woke && run.length > 0 {
		yield = true // the monitor must not wait behind a busy CPU
	}
	gCover(c)
	sched.Unlock(fl)
	return yield
}
