package vfs

import (
	"skerry/kernel/abi"
	"skerry/kernel/usermem"
)

// Dup is dup(2), and fcntl(2) with F_DUPFD: the lowest free descriptor from
// start on. EINVAL if start is out of range.
func (t *Table) Dup(fd int32, start uint64, cloexec bool) (int32, abi.Errno) {
	d, e := t.GetAny(fd)
	if e != abi.OK {
		return 0, e
	}
	t.mu.Lock()
	n, e := 0, abi.EINVAL
	if start < uint64(min(t.limit, MaxFiles)) {
		n, e = t.free(int(start))
	}
	if e == abi.OK {
		t.setCloexec(n, cloexec)
		(*t.slots.Load())[n].Store(d)
	}
	t.mu.Unlock()
	if e != abi.OK {
		d.Unref()
	}
	return int32(n), e
}

// Dup3 is dup3(2), and dup2(2) with same set: then equal descriptors are fine.
// What was at newfd is closed.
func (t *Table) Dup3(oldfd, newfd int32, cloexec, same bool) (int32, abi.Errno) {
	if oldfd == newfd && !same {
		return 0, abi.EINVAL
	}
	if oldfd == newfd {
		d, e := t.GetAny(oldfd)
		if e != abi.OK {
			return 0, e
		}
		d.Unref()
		return newfd, abi.OK
	}
	t.mu.Lock()
	if newfd < 0 || int(newfd) >= min(t.limit, MaxFiles) {
		t.mu.Unlock()
		return 0, abi.EBADF
	}
	d, e := t.GetAny(oldfd)
	if e != abi.OK {
		t.mu.Unlock()
		return 0, e
	}
	if int(newfd) >= len(*t.slots.Load()) {
		t.grow(int(newfd) + 1)
	}
	slot := &(*t.slots.Load())[newfd]
	old := slot.Load()
	if old == nil && t.used[newfd/64]&(1<<(newfd%64)) != 0 {
		t.mu.Unlock()
		d.Unref()
		return 0, abi.EBUSY // an open is under way for it, dup(2)
	}
	t.take(int(newfd))
	t.setCloexec(int(newfd), cloexec)
	slot.Store(d)
	t.mu.Unlock()
	if old != nil {
		old.closed()
	}
	return newfd, abi.OK
}

// CloseRange is close_range(2). CLOSE_RANGE_UNSHARE has nothing to do when the
// table has one user, which is the case: threads cannot leave it; with more
// than one thread it answers EINVAL rather than close files of the others.
func (t *Table) CloseRange(first, last uint32, flags uint32, alone bool) abi.Errno {
	if flags&^(abi.CLOSE_RANGE_UNSHARE|abi.CLOSE_RANGE_CLOEXEC) != 0 || first > last {
		return abi.EINVAL
	}
	if flags&abi.CLOSE_RANGE_UNSHARE != 0 && !alone {
		return abi.EINVAL
	}
	for fd := uint64(first); fd <= uint64(last); fd++ {
		next, ok := t.Next(int32(min(fd, MaxFiles)))
		if !ok || uint64(next) > uint64(last) {
			break
		}
		fd = uint64(next)
		if flags&abi.CLOSE_RANGE_CLOEXEC == 0 {
			t.Close(next)
			continue
		}
		t.mu.Lock()
		if s := *t.slots.Load(); s[next].Load() != nil {
			t.setCloexec(int(next), true)
		}
		t.mu.Unlock()
	}
	return abi.OK
}

// Cloexec is F_GETFD's bit.
func (t *Table) Cloexec(fd int32) (bool, abi.Errno) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.has(fd) {
		return false, abi.EBADF
	}
	return t.cloexec[fd/64]>>(fd%64)&1 != 0, abi.OK
}

// SetCloexec is F_SETFD, FIOCLEX and FIONCLEX. Nothing is ever executed, so the
// bit is kept for whoever reads it back.
func (t *Table) SetCloexec(fd int32, on bool) abi.Errno {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.has(fd) {
		return abi.EBADF
	}
	t.setCloexec(int(fd), on)
	return abi.OK
}

func (t *Table) has(fd int32) bool {
	s := *t.slots.Load()
	return uint(fd) < uint(len(s)) && s[fd].Load() != nil
}

// Fcntl is fcntl(2) but for the locks, which Flock, SetLock and GetLock do. It
// answers EINVAL for commands that it does not know, signal-driven I/O among
// them.
func (t *Table) Fcntl(fd int32, cmd int, arg uint64) (int, abi.Errno) {
	switch cmd {
	case abi.F_DUPFD, abi.F_DUPFD_CLOEXEC:
		n, e := t.Dup(fd, uint64(uint32(arg)), cmd == abi.F_DUPFD_CLOEXEC)
		return int(n), e
	case abi.F_GETFD:
		on, e := t.Cloexec(fd)
		if on {
			return abi.FD_CLOEXEC, e
		}
		return 0, e
	case abi.F_SETFD:
		return 0, t.SetCloexec(fd, arg&abi.FD_CLOEXEC != 0)
	}
	d, e := t.GetAny(fd)
	if e != abi.OK {
		return 0, e
	}
	defer d.Unref()
	if cmd == abi.F_GETFL {
		return int(d.flags.Load()), abi.OK
	}
	if d.flags.Load()&abi.O_PATH != 0 {
		return 0, abi.EBADF
	}
	if cmd == abi.F_SETFL {
		return 0, d.SetFlags(uint32(arg))
	}
	if cmd == abi.F_ADD_SEALS && !d.Writable() {
		return 0, abi.EPERM
	}
	if c, ok := d.file.(Controller); ok {
		return c.Fcntl(cmd, arg)
	}
	if cmd == abi.F_GETPIPE_SZ || cmd == abi.F_SETPIPE_SZ {
		return 0, abi.EBADF
	}
	return 0, abi.EINVAL
}

// SetFlags is F_SETFL: O_APPEND, O_NONBLOCK, O_NOATIME and O_DIRECT change,
// other bits are ignored, fcntl(2). O_ASYNC is not offered, O_DIRECT only where
// open would take it, and on pipes, where it stands for packets.
func (d *Description) SetFlags(flags uint32) abi.Errno {
	if flags&abi.O_ASYNC != 0 {
		return abi.EINVAL
	}
	if p, ok := d.file.(*pipeEnd); ok {
		p.SetDirect(flags&abi.O_DIRECT != 0)
	} else if flags&abi.O_DIRECT != 0 {
		if f, ok := d.file.(DirectIO); !ok || !f.DirectIO() {
			return abi.EINVAL
		}
	}
	for {
		old := d.flags.Load()
		if d.flags.CompareAndSwap(old, old&^setflFlags|flags&setflFlags) {
			return abi.OK
		}
	}
}

// Ioctl is ioctl(2): what every file knows, then what the file knows.
func (c *Context) Ioctl(fd int32, cmd uint32, arg uintptr) (uintptr, abi.Errno) {
	d, e := c.Files.Get(fd)
	if e != abi.OK {
		return 0, e
	}
	defer d.Unref()
	switch cmd {
	case abi.FIOCLEX, abi.FIONCLEX:
		return 0, c.Files.SetCloexec(fd, cmd == abi.FIOCLEX)
	case abi.FIONBIO, abi.FIOASYNC:
		on, e := usermem.Load32(arg)
		if e != abi.OK {
			return 0, e
		}
		if cmd == abi.FIOASYNC {
			if on != 0 {
				return 0, abi.ENOTTY // no file here sends SIGIO
			}
			return 0, abi.OK
		}
		if on != 0 {
			d.flags.Or(abi.O_NONBLOCK)
		} else {
			d.flags.And(^uint32(abi.O_NONBLOCK))
		}
		return 0, abi.OK
	case abi.FIONREAD:
		var st abi.Stat
		if e := d.file.Stat(&st); e == abi.OK && isReg(st.Mode) {
			d.mu.Lock()
			left := st.Size - d.pos
			d.mu.Unlock()
			return 0, usermem.Store32(arg, uint32(left))
		}
	}
	return d.file.Ioctl(cmd, arg)
}
