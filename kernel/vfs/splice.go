package vfs

import (
	"sync"

	"gvisor.dev/gvisor/pkg/waiter"

	"skerry/kernel/abi"
	"skerry/kernel/ground/frame"
	"skerry/kernel/usermem"
	"skerry/kernel/wait"
)

// Flags of splice(2), uapi/linux/splice.h.
const (
	SPLICE_F_ALL = abi.SPLICE_F_MOVE | abi.SPLICE_F_NONBLOCK | abi.SPLICE_F_MORE | abi.SPLICE_F_GIFT
)

// IsPipe reports whether d is an end of a pipe or FIFO.
func IsPipe(d *Description) bool {
	_, ok := d.file.(*pipeEnd)
	return ok
}

// maxTransfer is the most that one call moves, as for read and write.
const maxTransfer = 0x7ffff000

// Transfers inside the kernel copy, page by page, from the page cache's frames or
// through a frame of their own. No page ever changes hands or is shared for
// writing, so nothing that a file holds can be changed through a pipe
// (docs/SECURITY.md, "verified pages stay verified").

// peeker is a Mapper that can be asked for a page that is in memory.
type peeker interface {
	Peek(index uint64) frame.PFN
}

// source reads a file piece by piece for a transfer.
type source struct {
	file   File
	bounce frame.PFN
}

// piece points v to up to n bytes of the file at off, all in one page, and
// answers how many; 0 at the end. The caller unrefs the frame, if it is not 0.
func (s *source) piece(v *usermem.Vec, off int64, n int) (frame.PFN, int, abi.Errno) {
	at := int(off & (pageSize - 1))
	n = min(n, pageSize-at)
	if p, ok := s.file.(peeker); ok {
		var st abi.Stat
		if e := s.file.Stat(&st); e != abi.OK {
			return 0, 0, e
		}
		if off >= st.Size {
			return 0, 0, abi.OK
		}
		n = int(min(int64(n), st.Size-off))
		if f := p.Peek(uint64(off) >> pageBits); f != 0 {
			v.InitBytes(f.Bytes()[at : at+n])
			return f, n, abi.OK
		}
	}
	if s.bounce == 0 {
		if s.bounce = AllocPage(false); s.bounce == 0 {
			return 0, 0, abi.ENOMEM
		}
	}
	b := s.bounce.Bytes()
	v.InitBytes(b[:n])
	n, e := s.file.Read(v, off)
	if e != abi.OK {
		return 0, 0, e
	}
	v.InitBytes(b[:n])
	return 0, n, abi.OK
}

func (s *source) done() {
	if s.bounce != 0 {
		s.bounce.Unref()
	}
}

// copyOut moves up to count bytes of d from off on to out, by put, which takes
// what v holds and answers how much of it went; it stops when that is less. v is
// room for the caller's vector.
func (d *Description) copyOut(v *usermem.Vec, off int64, count int, put func(v *usermem.Vec) (int, abi.Errno)) (int, abi.Errno) {
	s := source{file: d.file}
	defer s.done()
	total := 0
	for total < count {
		f, n, e := s.piece(v, off+int64(total), count-total)
		if e != abi.OK || n == 0 {
			if total > 0 {
				e = abi.OK
			}
			return total, e
		}
		m, e := put(v)
		if f != 0 {
			f.Unref()
		}
		total += m
		if e == abi.EPIPE {
			return total, e // the caller raises SIGPIPE
		}
		if e != abi.OK && total > 0 {
			return total, abi.OK
		}
		if e != abi.OK || m < n {
			return total, e
		}
	}
	return total, abi.OK
}

// Sendfile is sendfile(2): from in, at *off or, if off is nil, at its position,
// which moves. v is room for a vector. EPIPE as for Write.
func (out *Description) Sendfile(w *wait.Waiter, v *usermem.Vec, in *Description, off *int64, count int) (int, abi.Errno) {
	if !in.Readable() || !out.Writable() {
		return 0, abi.EBADF
	}
	if !in.seek {
		if off != nil {
			return 0, abi.ESPIPE
		}
		return 0, abi.EINVAL
	}
	if out.flags.Load()&abi.O_APPEND != 0 || !isReg(in.Inode().Mode()) {
		return 0, abi.EINVAL
	}
	count = min(count, maxTransfer)
	put := func(v *usermem.Vec) (int, abi.Errno) { return out.Write(w, v) }
	if off != nil {
		if *off < 0 || *off+int64(count) < 0 {
			return 0, abi.EINVAL
		}
		n, e := in.copyOut(v, *off, count, put)
		*off += int64(n)
		in.accessed(n)
		return n, e
	}
	// The position stays free meanwhile, as in Linux: out may be slow.
	start := in.Position()
	n, e := in.copyOut(v, start, count, put)
	in.mu.Lock()
	in.pos = start + int64(n)
	in.mu.Unlock()
	in.accessed(n)
	return n, e
}

// CopyFileRange is copy_file_range(2) between regular files; offsets as for
// Sendfile.
func (in *Description) CopyFileRange(v *usermem.Vec, inOff *int64, out *Description, outOff *int64, count int) (int, abi.Errno) {
	if !in.Readable() || !out.Writable() || out.flags.Load()&abi.O_APPEND != 0 {
		return 0, abi.EBADF
	}
	a, b := in.Inode(), out.Inode()
	if isDir(a.Mode()) || isDir(b.Mode()) {
		return 0, abi.EISDIR
	}
	if !isReg(a.Mode()) || !isReg(b.Mode()) {
		return 0, abi.EINVAL
	}
	count = min(count, maxTransfer)
	from, to := in.Position(), out.Position()
	if inOff != nil {
		from = *inOff
	}
	if outOff != nil {
		to = *outOff
	}
	if wraps(from, count) || wraps(to, count) {
		return 0, abi.EOVERFLOW
	}
	if from < 0 || to < 0 {
		return 0, abi.EINVAL
	}
	if a == b && from < to+int64(count) && to < from+int64(count) {
		return 0, abi.EINVAL
	}
	at := to
	n, e := in.copyOut(v, from, count, func(v *usermem.Vec) (int, abi.Errno) {
		if e := out.clip(v, at); e != abi.OK {
			return 0, e
		}
		m, e := out.file.Write(v, at)
		at += int64(m)
		return m, e
	})
	in.moveBy(inOff, from, n)
	out.moveBy(outOff, to, n)
	in.accessed(n)
	out.modified(n)
	return n, e
}

// wraps reports whether n bytes from off on reach beyond the largest offset, or
// beyond 0 from below, which Linux reports alike.
func wraps(off int64, n int) bool {
	end := off + int64(n)
	return off >= 0 && end < 0 || off < 0 && end >= 0
}

// moveBy moves an offset that a call was given, or the position in its place.
func (d *Description) moveBy(off *int64, from int64, n int) {
	if off != nil {
		*off = from + int64(n)
		return
	}
	d.mu.Lock()
	d.pos = from + int64(n)
	d.mu.Unlock()
}

// pipePairs is held over a transfer from a pipe to a pipe, so that the two locks
// that it takes are never taken the other way round.
var pipePairs sync.Mutex

// Splice is splice(2): one side at least is a pipe, and has no offset.
func (in *Description) Splice(w *wait.Waiter, v *usermem.Vec, inOff *int64, out *Description, outOff *int64, count int, flags uint32) (int, abi.Errno) {
	if flags&^SPLICE_F_ALL != 0 {
		return 0, abi.EINVAL
	}
	if !in.Readable() || !out.Writable() {
		return 0, abi.EBADF
	}
	from, fromPipe := in.file.(*pipeEnd)
	to, toPipe := out.file.(*pipeEnd)
	switch {
	case fromPipe && inOff != nil || toPipe && outOff != nil:
		return 0, abi.ESPIPE
	case !fromPipe && !toPipe, fromPipe && toPipe && from.p == to.p:
		return 0, abi.EINVAL
	case inOff != nil && !in.seek || outOff != nil && !out.seek:
		return 0, abi.EINVAL
	case out.flags.Load()&abi.O_APPEND != 0:
		return 0, abi.EINVAL
	case inOff != nil && *inOff < 0 || outOff != nil && *outOff < 0:
		return 0, abi.EINVAL
	}
	count = min(count, maxTransfer)
	if count <= 0 {
		return 0, abi.OK
	}
	block := flags&abi.SPLICE_F_NONBLOCK == 0
	var n int
	var e abi.Errno
	if fromPipe {
		n, e = from.spliceOut(w, v, out, outOff, count, block && in.flags.Load()&abi.O_NONBLOCK == 0, block)
	} else {
		n, e = in.spliceIn(w, v, inOff, to, count, block)
	}
	in.accessed(n)
	out.modified(n)
	return n, e
}

// spliceOut moves bytes from a pipe to out. It waits until there are some, if it
// may; then it moves what is there.
func (f *pipeEnd) spliceOut(w *wait.Waiter, v *usermem.Vec, out *Description, off *int64, count int, blockIn, blockOut bool) (int, abi.Errno) {
	if _, ok := out.file.(*pipeEnd); ok {
		blockOut = blockOut && out.flags.Load()&abi.O_NONBLOCK == 0
	} else {
		blockOut = out.flags.Load()&abi.O_NONBLOCK == 0
	}
	total := 0
	for total < count {
		n, e := f.feed(v, out, off, count-total)
		total += n
		switch {
		case e == errEmpty && total == 0 && blockIn:
			e = w.Ready(f, waiter.ReadableEvents, wait.Forever)
		case e == abi.EAGAIN && total == 0 && blockOut:
			e = w.Ready(out.file, waiter.WritableEvents, wait.Forever)
		case e == errEmpty && total == 0:
			e = abi.EAGAIN
		case e == abi.OK && n == 0:
			return total, abi.OK // no writers, or out takes no more
		}
		if e != abi.OK {
			if total > 0 && e != abi.EPIPE {
				e = abi.OK
			}
			return total, e
		}
	}
	return total, abi.OK
}

// errEmpty is feed's answer for a pipe that has nothing yet: a number that no
// system call answers.
const errEmpty abi.Errno = 1000

// feed moves bytes of one slot to out, with the pipe locked.
func (f *pipeEnd) feed(v *usermem.Vec, out *Description, off *int64, count int) (int, abi.Errno) {
	p := f.p
	if _, ok := out.file.(*pipeEnd); ok {
		pipePairs.Lock()
		defer pipePairs.Unlock()
	}
	p.mu.Lock()
	if p.empty() {
		e := errEmpty
		if p.writers == 0 {
			e = abi.OK
		}
		p.mu.Unlock()
		return 0, e
	}
	wasFull := p.full()
	s := p.slot(p.tail)
	v.InitBytes(s.page.Bytes()[s.off : int(s.off)+min(int(s.n), count)])
	n, e := out.put(v, off)
	s.off += uint16(n)
	s.n -= uint16(n)
	if s.n == 0 {
		p.givePage(s.page)
		s.page = 0
		p.tail++
	}
	freed := wasFull && !p.full()
	p.mu.Unlock()
	if freed {
		p.tellWriters(waiter.WritableEvents)
	}
	if n > 0 {
		e = abi.OK
	}
	return n, e
}

// put writes v once, at *off or at the position.
func (d *Description) put(v *usermem.Vec, off *int64) (int, abi.Errno) {
	if off != nil {
		if e := d.clip(v, *off); e != abi.OK {
			return 0, e
		}
		n, e := d.file.Write(v, *off)
		*off += int64(n)
		return n, e
	}
	if !d.seek {
		return d.file.Write(v, 0)
	}
	return d.writeAtPos(v, d.flags.Load())
}

// spliceIn moves bytes of a file, or of a socket, into a pipe. It waits for room,
// and for bytes, once; then it moves what is there and fits.
func (in *Description) spliceIn(w *wait.Waiter, v *usermem.Vec, off *int64, to *pipeEnd, count int, block bool) (int, abi.Errno) {
	start := in.Position()
	if off != nil {
		start = *off
	}
	for {
		var n int
		var e abi.Errno
		wantIn := false
		if in.seek {
			n, e = in.copyOut(v, start, min(count, max(to.p.room(), 1)), func(v *usermem.Vec) (int, abi.Errno) {
				return to.p.write(v, false)
			})
			in.moveBy(off, start, n)
		} else {
			n, wantIn, e = to.p.pull(v, in.file, count)
		}
		if n > 0 || e != abi.EAGAIN || !block {
			return n, e
		}
		if wantIn {
			if in.flags.Load()&abi.O_NONBLOCK != 0 {
				return 0, e
			}
			e = w.Ready(in.file, waiter.ReadableEvents, wait.Forever)
		} else {
			e = w.Ready(to, waiter.WritableEvents, wait.Forever)
		}
		if e != abi.OK {
			return 0, e
		}
	}
}

// pull reads once from a file without positions into a new slot. EAGAIN comes
// with wantIn if it was the file that had nothing. The pipe stays locked over the
// read, which never sleeps, so that what was read has its place.
func (p *Pipe) pull(v *usermem.Vec, f File, count int) (n int, wantIn bool, e abi.Errno) {
	p.mu.Lock()
	switch {
	case p.readers == 0:
		e = abi.EPIPE
	case p.full():
		e = abi.EAGAIN
	default:
		page := p.takePage()
		if page == 0 {
			e = abi.ENOMEM
			break
		}
		v.InitBytes(page.Bytes()[:min(count, pageSize)])
		n, e = f.Read(v, 0)
		wantIn = e == abi.EAGAIN
		if n == 0 {
			p.givePage(page)
			break
		}
		*p.slot(p.head) = pipeSlot{page: page, n: uint16(n)}
		p.head++
	}
	p.mu.Unlock()
	if n > 0 {
		p.tellReaders(waiter.ReadableEvents)
	}
	return n, wantIn, e
}

// room is how many bytes fit into whole free slots.
func (p *Pipe) room() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return (len(p.slots) - int(p.head-p.tail)) * pageSize
}
