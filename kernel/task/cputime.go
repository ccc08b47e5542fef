package task

import (
	"math/bits"
	"sync/atomic"

	"skerry/kernel/ground"
	"skerry/kernel/wait"
)

// cpuTime is what a thread used: the time since it started without what it
// spent parked or waiting for its turn (wait.Waiter counts that), so there is no
// clock read per system call. How it divides into user and system time is
// estimated from where the ticks found the thread, as on a kernel with
// tick-based accounting.
type cpuTime struct {
	born  atomic.Int64 // when the thread started, 0 before
	total atomic.Int64 // the sum, once it has ended
	user  atomic.Int64 // ticks that hit ring 3
	kern  atomic.Int64 // ticks that did not

	sleeps int64 // of threads that ended; under Process.mu
}

// begin starts the thread's clock.
func (c *cpuTime) begin() { c.born.Store(wait.Now()) }

// tick notes an interrupt: it found the thread in ring 3, or waiting in the
// kernel for its next entry.
func (c *cpuTime) tick(ctx *ground.Ctx) {
	if ctx.IRet != 0 {
		c.user.Store(c.user.Load() + 1)
	} else {
		c.kern.Store(c.kern.Load() + 1)
	}
}

// add folds in the time of a thread that ended.
func (c *cpuTime) add(t *Thread) {
	c.total.Add(t.CPUTime())
	c.user.Add(t.cpu.user.Load())
	c.kern.Add(t.cpu.kern.Load())
	c.sleeps += t.Sleeps()
}

// CPUTime is the processor time of the thread in nanoseconds.
func (t *Thread) CPUTime() int64 {
	b := t.cpu.born.Load()
	if b == 0 {
		return 0
	}
	return max(wait.Now()-b-t.Paused(), 0)
}

// Times divides the thread's processor time.
func (t *Thread) Times() (user, system int64) { return t.cpu.split(t.CPUTime()) }

// split divides n nanoseconds by where the ticks fell.
func (c *cpuTime) split(n int64) (user, system int64) {
	u, k := uint64(c.user.Load()), uint64(c.kern.Load())
	if u+k == 0 {
		return n, 0
	}
	hi, lo := bits.Mul64(uint64(n), u)
	q, _ := bits.Div64(hi, lo, u+k)
	return int64(q), n - int64(q)
}
