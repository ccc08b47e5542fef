package vfs

import (
	"gvisor.dev/gvisor/pkg/waiter"

	"skerry/kernel/abi"
	"skerry/kernel/usermem"
	"skerry/kernel/wait"
)

// Tee is tee(2): bytes of one pipe are copied to another and stay where they
// are. It waits for bytes, and for room, unless one of the descriptions or the
// call says not to. EPIPE as for Write.
func (in *Description) Tee(w *wait.Waiter, v *usermem.Vec, out *Description, count int, flags uint32) (int, abi.Errno) {
	if flags&^SPLICE_F_ALL != 0 {
		return 0, abi.EINVAL
	}
	if !in.Readable() || !out.Writable() {
		return 0, abi.EBADF
	}
	from, ok1 := in.file.(*pipeEnd)
	to, ok2 := out.file.(*pipeEnd)
	if !ok1 || !ok2 || from.p == to.p {
		return 0, abi.EINVAL
	}
	count = min(count, maxTransfer)
	block := flags&abi.SPLICE_F_NONBLOCK == 0 && (in.flags.Load()|out.flags.Load())&abi.O_NONBLOCK == 0
	for {
		n, e := from.p.duplicate(v, to.p, count)
		switch {
		case e == errEmpty && block:
			e = w.Ready(from, waiter.ReadableEvents, wait.Forever)
		case e == abi.EAGAIN && block:
			e = w.Ready(to, waiter.WritableEvents, wait.Forever)
		case e == errEmpty:
			return 0, abi.EAGAIN
		default:
			return n, e
		}
		if e != abi.OK {
			return 0, e
		}
	}
}

// duplicate copies up to count bytes to another pipe without taking them out.
// errEmpty if there are none but may be some later, EAGAIN without room.
func (p *Pipe) duplicate(v *usermem.Vec, to *Pipe, count int) (int, abi.Errno) {
	pipePairs.Lock()
	defer pipePairs.Unlock()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.empty() {
		if p.writers == 0 {
			return 0, abi.OK
		}
		return 0, errEmpty
	}
	done := 0
	for i := p.tail; i != p.head && done < count; i++ {
		s := p.slot(i)
		v.InitBytes(s.page.Bytes()[s.off : int(s.off)+min(int(s.n), count-done)])
		want := v.Len()
		n, e := to.write(v, false)
		done += n
		if e != abi.OK && done == 0 {
			return 0, e
		}
		if n < want {
			break
		}
	}
	return done, abi.OK
}

// Vmsplice is vmsplice(2): what v holds goes into a pipe, or comes out of it, as
// d is open for writing or not. Pages are copied, never shared, so SPLICE_F_GIFT
// gives nothing away. Waiting is only for the first byte, and the call's
// SPLICE_F_NONBLOCK alone decides on it; O_NONBLOCK does not count. EPIPE as for
// Write.
func (d *Description) Vmsplice(w *wait.Waiter, v *usermem.Vec, flags uint32) (int, abi.Errno) {
	if v.Len() == 0 {
		return 0, abi.OK
	}
	f, ok := d.file.(*pipeEnd)
	if !ok {
		return 0, abi.EBADF
	}
	mask := waiter.EventMask(waiter.ReadableEvents)
	if d.Writable() {
		mask = waiter.WritableEvents
	}
	for {
		var n int
		var e abi.Errno
		if d.Writable() {
			n, e = f.p.write(v, false)
		} else {
			n, e = f.p.read(v)
		}
		if n > 0 || e != abi.EAGAIN || flags&abi.SPLICE_F_NONBLOCK != 0 {
			return n, e
		}
		if e := w.Ready(f, mask, wait.Forever); e != abi.OK {
			return 0, e
		}
	}
}
