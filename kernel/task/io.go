package task

import "sync/atomic"

// IO counts what a thread reads and writes by read(2), write(2) and their kin,
// proc_pid_io(5). Only the thread itself changes it.
type IO struct {
	readChars, writtenChars, reads, writes atomic.Uint64
}

// Read notes a call that read n bytes, or failed.
func (c *IO) Read(n int) {
	c.reads.Store(c.reads.Load() + 1)
	if n > 0 {
		c.readChars.Store(c.readChars.Load() + uint64(n))
	}
}

// Wrote notes a call that wrote n bytes, or failed.
func (c *IO) Wrote(n int) {
	c.writes.Store(c.writes.Load() + 1)
	if n > 0 {
		c.writtenChars.Store(c.writtenChars.Load() + uint64(n))
	}
}

// Counts are the sums: bytes read and written, and calls.
func (c *IO) Counts() (readChars, writtenChars, reads, writes uint64) {
	return c.readChars.Load(), c.writtenChars.Load(), c.reads.Load(), c.writes.Load()
}

// add folds in another's.
func (c *IO) add(o *IO) {
	c.readChars.Add(o.readChars.Load())
	c.writtenChars.Add(o.writtenChars.Load())
	c.reads.Add(o.reads.Load())
	c.writes.Add(o.writes.Load())
}

// IO is what all threads read and wrote, ended ones included.
func (p *Process) IO() (readChars, writtenChars, reads, writes uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var sum IO
	sum.add(&p.exitedIO)
	for t := p.threads; t != nil; t = t.next {
		sum.add(&t.IO)
	}
	return sum.Counts()
}
