package task

import "skerry/kernel/abi"

// History is how many of its last system calls a thread keeps: for the report about a
// program that a policy ended.
const History = 128

// past are the last calls of a thread, in a ring. The thread writes it at every call, so
// it is laid out for that: words, at an index that needs no multiplication. Others read
// it when the program has ended; of a thread that still runs then, the oldest entry may be
// half a new one. It holds no pointers, and goes from a thread that ends to a new one.
type past struct {
	turn uint64              // calls so far; the last is at turn modulo History
	what [History]uint64     // errno << 9 | number
	pc   [History]uint64     // behind the call
	args [3][History]uintptr // as the registers held them
}

// maxSpare is how many rings are kept for new threads.
const maxSpare = 64

// takePast is a ring for a new thread. p.mu is held.
func (p *Process) takePast() *past {
	n := len(p.spare) - 1
	if n < 0 {
		return new(past)
	}
	r := p.spare[n]
	p.spare = p.spare[:n]
	r.turn = 0
	return r
}

// givePast takes the ring of a thread that makes no more calls. p.mu is held.
func (p *Process) givePast(t *Thread) {
	if len(p.spare) < maxSpare && !p.dying.Load() { // when it ends, the report reads it
		p.spare = append(p.spare, t.past)
		t.past = nil
	}
}

// pastErrno is where the errno is in past.what: numbers of calls have 9 bits (MaxCall).
const pastErrno = 9

// PastCall is a call that a thread made.
type PastCall struct {
	Number int       // MaxCall-1 for all that no table has
	Errno  abi.Errno // with which it ended, OK if it did not fail, or not yet
	PC     uint64    // behind the call
	Args   [3]uintptr
}

// note keeps a call.
func (p *past) note(pc, number uint64, a0, a1, a2 uintptr) {
	p.turn++
	i := p.turn % History
	p.what[i], p.pc[i] = min(number, MaxCall-1), pc
	p.args[0][i], p.args[1][i], p.args[2][i] = a0, a1, a2
}

// failed says that the last call failed.
func (p *past) failed(e abi.Errno) {
	p.what[p.turn%History] |= uint64(e) << pastErrno
}

// Call is the number of the call in progress, or of the last one: MaxCall-1 for all that
// no table has.
func (t *Thread) Call() int { return int(t.past.what[t.past.turn%History] % MaxCall) }

// Past are the thread's last calls, at most n, the oldest first. The thread should have
// ended its last one, or wait in it.
func (t *Thread) Past(n int) (l []PastCall) {
	turn := t.past.turn
	for k := min(uint64(n), History, turn); k > 0; k-- {
		i := (turn - k + 1) % History
		w := t.past.what[i]
		c := PastCall{Number: int(w % MaxCall), Errno: abi.Errno(w >> pastErrno), PC: t.past.pc[i]}
		for j := range c.Args {
			c.Args[j] = t.past.args[j][i]
		}
		l = append(l, c)
	}
	return l
}
