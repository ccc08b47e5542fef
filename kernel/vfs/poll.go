package vfs

import (
	"math/bits"

	"gvisor.dev/gvisor/pkg/waiter"

	"skerry/kernel/abi"
	"skerry/kernel/wait"
)

// PollFD is struct pollfd, poll(2).
type PollFD struct {
	FD      int32
	Events  int16
	Revents int16
}

// Poller is a thread's room for poll(2) and select(2), kept from call to call so
// that they allocate nothing once it has grown.
type Poller struct {
	watch []pollWatch
	fds   []PollFD // select's list
}

// pollWatch is one descriptor that is being waited for. Its entry is linked into
// the file's queue, so the array must not move meanwhile.
type pollWatch struct {
	entry      waiter.Entry
	d          *Description // nil if there is nothing to look at
	registered bool
}

// keepWatches is how much room a Poller keeps between calls.
const keepWatches = 1024

// Poll is poll(2) and ppoll(2): it fills Revents and answers how many are not 0.
// A negative FD is skipped. It sleeps until there is one, or the deadline passes
// (0 then), or a signal comes (ERESTARTNOHAND). EINVAL for more descriptors than
// RLIMIT_NOFILE.
func (p *Poller) Poll(w *wait.Waiter, t *Table, fds []PollFD, deadline int64) (int, abi.Errno) {
	if len(fds) > t.Limit() {
		return 0, abi.EINVAL
	}
	return p.poll(w, t, fds, alwaysEvents, deadline)
}

// poll looks for the Events of each descriptor and those in always.
func (p *Poller) poll(w *wait.Waiter, t *Table, fds []PollFD, always waiter.EventMask, deadline int64) (int, abi.Errno) {
	p.begin(t, fds)
	defer p.end()
	n := p.look(fds, always)
	if n > 0 || deadline == Immediate {
		return n, abi.OK
	}
	for i := range fds {
		x := &p.watch[i]
		if x.d == nil {
			continue
		}
		x.entry.Init(w, waiter.EventMask(uint16(fds[i].Events))|always)
		x.registered = x.d.file.EventRegister(&x.entry) == nil
	}
	for {
		if n := p.look(fds, always); n > 0 {
			return n, abi.OK
		}
		switch e := w.Sleep(deadline); e {
		case abi.OK:
		case abi.ETIMEDOUT:
			return p.look(fds, always), abi.OK
		default:
			if n := p.look(fds, always); n > 0 {
				return n, abi.OK
			}
			return 0, abi.ERESTARTNOHAND
		}
	}
}

// begin takes a reference to each description. Descriptors that are not open
// have their Revents set for good.
func (p *Poller) begin(t *Table, fds []PollFD) {
	if cap(p.watch) < len(fds) {
		p.watch = make([]pollWatch, len(fds))
	}
	p.watch = p.watch[:len(fds)]
	for i := range fds {
		x := &p.watch[i]
		x.d, x.registered = nil, false
		fds[i].Revents = 0
		if fds[i].FD < 0 {
			continue
		}
		d, e := t.Get(fds[i].FD)
		if e != abi.OK {
			fds[i].Revents = abi.POLLNVAL
			continue
		}
		x.d = d
	}
}

// look fills Revents and counts.
func (p *Poller) look(fds []PollFD, always waiter.EventMask) int {
	n := 0
	for i := range fds {
		f := &fds[i]
		if d := p.watch[i].d; d != nil {
			mask := waiter.EventMask(uint16(f.Events)) | always
			f.Revents = int16(d.file.Readiness(mask) & mask)
		}
		if f.Revents != 0 {
			n++
		}
	}
	return n
}

// end gives back what begin and registration took.
func (p *Poller) end() {
	for i := range p.watch {
		x := &p.watch[i]
		if x.d == nil {
			continue
		}
		if x.registered {
			x.d.file.EventUnregister(&x.entry)
		}
		x.d.Unref()
		x.d = nil
	}
	if cap(p.watch) > keepWatches {
		p.watch = nil
	}
}

// Events that make a descriptor count in select(2)'s three sets, from the table
// "Correspondence between select() and poll() notifications" of its man page.
const (
	selectIn  = abi.POLLRDNORM | abi.POLLRDBAND | abi.POLLIN | abi.POLLHUP | abi.POLLERR
	selectOut = abi.POLLWRBAND | abi.POLLWRNORM | abi.POLLOUT | abi.POLLERR
	selectEx  = abi.POLLPRI
)

// Select is select(2) and pselect6(2) on the first n descriptors. The sets are
// bitmaps of at least n bits, or nil; they come back with what is ready, and the
// answer is the number of bits. EBADF if a descriptor in a set is not open, and
// errors as for Poll; the sets are as they were then.
func (p *Poller) Select(w *wait.Waiter, t *Table, n int, in, out, ex []uint64, deadline int64) (int, abi.Errno) {
	if n < 0 {
		return 0, abi.EINVAL
	}
	n = min(n, len(*t.slots.Load())) // Linux does not look beyond the table's end
	p.fds = p.fds[:0]
	for i := 0; i < (n+63)/64; i++ {
		a, b, c := word(in, i, n), word(out, i, n), word(ex, i, n)
		for all := a | b | c; all != 0; all &= all - 1 {
			bit := bits.TrailingZeros64(all)
			f := PollFD{FD: int32(i*64 + bit)}
			if !t.has(f.FD) {
				return 0, abi.EBADF
			}
			if a>>bit&1 != 0 {
				f.Events |= selectIn
			}
			if b>>bit&1 != 0 {
				f.Events |= selectOut
			}
			if c>>bit&1 != 0 {
				f.Events |= selectEx
			}
			p.fds = append(p.fds, f)
		}
	}
	if _, e := p.poll(w, t, p.fds, 0, deadline); e != abi.OK {
		return 0, e
	}
	for _, set := range [...][]uint64{in, out, ex} {
		clear(set[:min(len(set), (n+63)/64)])
	}
	got := 0
	for _, f := range p.fds {
		if f.Revents&abi.POLLNVAL != 0 {
			continue // closed since has saw it
		}
		got += mark(in, f.FD, f.Events&abi.POLLIN != 0 && f.Revents&selectIn != 0)
		got += mark(out, f.FD, f.Events&abi.POLLOUT != 0 && f.Revents&selectOut != 0)
		got += mark(ex, f.FD, f.Events&abi.POLLPRI != 0 && f.Revents&selectEx != 0)
	}
	if cap(p.fds) > keepWatches {
		p.fds = nil
	}
	return got, abi.OK
}

// word is word i of a set, cut to its first n bits.
func word(set []uint64, i, n int) uint64 {
	if i >= len(set) {
		return 0
	}
	if i == n/64 {
		return set[i] & (1<<(n%64) - 1)
	}
	return set[i]
}

// mark sets a bit if on, and counts it.
func mark(set []uint64, fd int32, on bool) int {
	if !on {
		return 0
	}
	set[fd/64] |= 1 << (fd % 64)
	return 1
}
