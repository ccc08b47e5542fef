package vfs

import (
	"gvisor.dev/gvisor/pkg/waiter"

	"skerry/kernel/abi"
	"skerry/kernel/usermem"
	"skerry/kernel/wait"
)

// Immediate is the deadline of a wait that looks once and does not sleep.
const Immediate int64 = -1

// Once changes the flags of a description for one call, as RWF_APPEND, RWF_NOAPPEND and
// RWF_NOWAIT of preadv2(2) do.
type Once struct{ Set, Clear uint32 }

func (d *Description) once(o Once) uint32 { return d.flags.Load()&^o.Clear | o.Set }

// MayNotWait reports whether RWF_NOWAIT can be asked for: of pipes that have no name and
// of sockets.
func (d *Description) MayNotWait() bool {
	kind := d.Inode().Mode() & abi.S_IFMT
	return !d.seek && (kind == abi.S_IFSOCK || kind == abi.S_IFIFO && !d.held)
}

// Read is read(2) and readv(2). It sleeps as long as nothing can be read, unless
// the description is non-blocking: EAGAIN. ERESTARTSYS if a signal came first.
func (d *Description) Read(w *wait.Waiter, v *usermem.Vec) (int, abi.Errno) {
	return d.ReadOnce(w, v, Once{})
}

// ReadOnce is Read with other flags.
func (d *Description) ReadOnce(w *wait.Waiter, v *usermem.Vec, o Once) (int, abi.Errno) {
	flags := d.once(o)
	if !mayRead(flags) {
		return 0, abi.EBADF
	}
	if d.seek {
		d.mu.Lock()
		n, e := 0, abi.EINVAL
		if inRange(v, d.pos) {
			n, e = d.file.Read(v, d.pos)
			d.pos += int64(n)
		}
		d.mu.Unlock()
		d.accessed(n)
		return n, e
	}
	n, e := d.file.Read(v, 0)
	if e != abi.EAGAIN || flags&abi.O_NONBLOCK != 0 {
		return n, e
	}
	deadline := wait.Forever
	if t, ok := d.file.(Timeouts); ok {
		if ns, _ := t.Timeouts(); ns != 0 {
			deadline = wait.Now() + ns
		}
	}
	return w.Retry(d.file, waiter.ReadableEvents, deadline, func() (int, abi.Errno) {
		return d.file.Read(v, 0)
	})
}

// inRange reports whether the largest offset lies beyond the bytes that v could
// move at off.
func inRange(v *usermem.Vec, off int64) bool { return off+int64(v.Len()) >= 0 }

// sleep waits for events on the file; a deadline that passes answers EAGAIN.
func (d *Description) sleep(w *wait.Waiter, mask waiter.EventMask, deadline int64) abi.Errno {
	e := w.Ready(d.file, mask, deadline)
	if e == abi.ETIMEDOUT {
		e = abi.EAGAIN
	}
	return e
}

// Write is write(2) and writev(2). On a stream (pipe, stream socket) that may
// block it goes on until all is written; what was written before a signal or an
// error is the answer then. EPIPE may come with a count above 0: the caller
// raises SIGPIPE in any case, and answers the count.
func (d *Description) Write(w *wait.Waiter, v *usermem.Vec) (int, abi.Errno) {
	return d.WriteOnce(w, v, Once{})
}

// WriteOnce is Write with other flags.
func (d *Description) WriteOnce(w *wait.Waiter, v *usermem.Vec, o Once) (int, abi.Errno) {
	flags := d.once(o)
	if !mayWrite(flags) {
		return 0, abi.EBADF
	}
	if d.seek {
		n, e := d.writeAtPos(v, flags)
		d.modified(n)
		return n, e
	}
	want := v.Len()
	n, e := d.file.Write(v, 0)
	if n == want && e == abi.OK || flags&abi.O_NONBLOCK != 0 || e != abi.OK && e != abi.EAGAIN {
		return n, e
	}
	return d.writeRest(w, v, n, e)
}

// writeRest is the part of Write that may sleep, after a first try that wrote n
// bytes.
func (d *Description) writeRest(w *wait.Waiter, v *usermem.Vec, n int, e abi.Errno) (int, abi.Errno) {
	s, ok := d.file.(Stream)
	stream := ok && s.Stream()
	deadline := wait.Forever
	if t, ok := d.file.(Timeouts); ok {
		if _, ns := t.Timeouts(); ns != 0 {
			deadline = wait.Now() + ns
		}
	}
	for e == abi.EAGAIN || e == abi.OK && stream && v.Len() > 0 {
		if e == abi.EAGAIN || n > 0 {
			if e := d.sleep(w, waiter.WritableEvents, deadline); e != abi.OK {
				if n > 0 {
					return n, abi.OK
				}
				return 0, e
			}
		}
		var m int
		m, e = d.file.Write(v, 0)
		n += m
		if m == 0 && e == abi.OK {
			break
		}
	}
	if n > 0 && e != abi.EPIPE {
		e = abi.OK
	}
	return n, e
}

func (d *Description) writeAtPos(v *usermem.Vec, flags uint32) (int, abi.Errno) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !inRange(v, d.pos) {
		return 0, abi.EINVAL
	}
	if flags&abi.O_APPEND != 0 {
		if a, ok := d.file.(Appender); ok {
			if e := d.clipAppend(v); e != abi.OK {
				return 0, e
			}
			n, end, e := a.Append(v)
			if n > 0 {
				d.pos = end
			}
			return n, e
		}
	}
	if e := d.clip(v, d.pos); e != abi.OK {
		return 0, e
	}
	n, e := d.file.Write(v, d.pos)
	d.pos += int64(n)
	return n, e
}

// positioned checks a transfer at off; open says that the description is open for it.
func (d *Description) positioned(v *usermem.Vec, off int64, open bool) abi.Errno {
	switch {
	case off < 0:
		return abi.EINVAL
	case !d.seek && d.flags.Load()&abi.O_PATH == 0:
		return abi.ESPIPE
	case !d.seek, !open:
		return abi.EBADF
	case !inRange(v, off):
		return abi.EINVAL
	}
	return abi.OK
}

// Pread is pread64(2) and preadv(2): at off, without moving the position.
func (d *Description) Pread(v *usermem.Vec, off int64) (int, abi.Errno) {
	if e := d.positioned(v, off, d.Readable()); e != abi.OK {
		return 0, e
	}
	n, e := d.file.Read(v, off)
	d.accessed(n)
	return n, e
}

// Pwrite is pwrite64(2) and pwritev(2). With O_APPEND it writes at the end
// whatever off is, as Linux does (pwrite(2), BUGS).
func (d *Description) Pwrite(v *usermem.Vec, off int64) (int, abi.Errno) {
	return d.PwriteOnce(v, off, Once{})
}

// PwriteOnce is Pwrite with other flags.
func (d *Description) PwriteOnce(v *usermem.Vec, off int64, o Once) (int, abi.Errno) {
	if e := d.positioned(v, off, d.Writable()); e != abi.OK {
		return 0, e
	}
	if d.once(o)&abi.O_APPEND != 0 {
		if a, ok := d.file.(Appender); ok {
			if e := d.clipAppend(v); e != abi.OK {
				return 0, e
			}
			n, _, e := a.Append(v)
			d.modified(n)
			return n, e
		}
	}
	if e := d.clip(v, off); e != abi.OK {
		return 0, e
	}
	n, e := d.file.Write(v, off)
	d.modified(n)
	return n, e
}

// Lseek is lseek(2).
func (d *Description) Lseek(off int64, whence int) (int64, abi.Errno) {
	if d.flags.Load()&abi.O_PATH != 0 {
		return 0, abi.EBADF
	}
	if uint(whence) > abi.SEEK_HOLE {
		return 0, abi.EINVAL
	}
	if _, ok := d.file.(Positionless); ok {
		return 0, abi.OK
	}
	if !d.seek {
		return 0, abi.ESPIPE
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	base := int64(0)
	switch whence {
	case abi.SEEK_SET:
	case abi.SEEK_CUR:
		base = d.pos
	case abi.SEEK_END:
		var st abi.Stat
		if e := d.file.Stat(&st); e != abi.OK {
			return 0, e
		}
		base = st.Size
	default:
		n, e := d.seekHole(off, whence == abi.SEEK_DATA)
		if e == abi.OK {
			d.pos = n
		}
		return n, e
	}
	n := base + off
	if n < 0 { // also if the sum passed the largest offset
		return 0, abi.EINVAL
	}
	d.pos = n
	return n, abi.OK
}

// seekHole finds data or a hole. A file that knows of none is all data.
func (d *Description) seekHole(off int64, data bool) (int64, abi.Errno) {
	if h, ok := d.file.(HoleSeeker); ok {
		return h.SeekHole(off, data)
	}
	var st abi.Stat
	if e := d.file.Stat(&st); e != abi.OK {
		return 0, e
	}
	if !isReg(st.Mode) {
		return 0, abi.EINVAL
	}
	if off < 0 || off >= st.Size {
		return 0, abi.ENXIO
	}
	if data {
		return off, abi.OK
	}
	return st.Size, abi.OK
}

// Position is the file position, for /proc/self/fdinfo.
func (d *Description) Position() int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.pos
}

// Sync is fsync(2), and fdatasync(2) with dataOnly. EINVAL for files that have
// no storage to bring up to date (pipes, sockets).
func (d *Description) Sync(dataOnly bool) abi.Errno {
	if s, ok := d.file.(Syncer); ok {
		return s.Sync(dataOnly)
	}
	return abi.EINVAL
}

// Fallocate is fallocate(2).
func (d *Description) Fallocate(mode uint32, off, length int64) abi.Errno {
	if off < 0 || length <= 0 {
		return abi.EINVAL
	}
	if mode&^(abi.FALLOC_FL_KEEP_SIZE|abi.FALLOC_FL_PUNCH_HOLE|abi.FALLOC_FL_ZERO_RANGE) != 0 {
		return abi.EOPNOTSUPP
	}
	punch := mode&abi.FALLOC_FL_PUNCH_HOLE != 0
	if punch && (mode&abi.FALLOC_FL_ZERO_RANGE != 0 || mode&abi.FALLOC_FL_KEEP_SIZE == 0) {
		return abi.EOPNOTSUPP
	}
	if !d.Writable() {
		return abi.EBADF
	}
	if a, ok := d.file.(Allocator); ok {
		if off+length < 0 {
			return abi.EFBIG
		}
		if e := checkSize(d.Inode(), off+length); e != abi.OK {
			return e
		}
		e := a.Fallocate(mode, off, length)
		if e == abi.OK {
			d.modified(1)
		}
		return e
	}
	switch mode := d.Inode().Mode(); mode & abi.S_IFMT {
	case abi.S_IFIFO:
		return abi.ESPIPE
	case abi.S_IFDIR:
		return abi.EISDIR
	case abi.S_IFREG:
		return abi.EOPNOTSUPP
	}
	return abi.ENODEV
}
