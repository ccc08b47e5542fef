package syscalls

import (
	"skerry/kernel/abi"
	"skerry/kernel/task"
	"skerry/kernel/usermem"
	"skerry/kernel/vfs"
)

var fileCalls = []entry{
	{abi.SYS_READ, sysRead, ""},
	{abi.SYS_WRITE, sysWrite, ""},
	{abi.SYS_READV, sysReadv, ""},
	{abi.SYS_WRITEV, sysWritev, ""},
	{abi.SYS_PREAD64, sysPread, ""},
	{abi.SYS_PWRITE64, sysPwrite, ""},
	{abi.SYS_PREADV, sysPreadv, ""},
	{abi.SYS_PWRITEV, sysPwritev, ""},
	{abi.SYS_PREADV2, sysPreadv2, "RWF_NOWAIT: pipes and sockets"},
	{abi.SYS_PWRITEV2, sysPwritev2, "RWF_NOWAIT: pipes and sockets"},
	{abi.SYS_LSEEK, sysLseek, ""},
	{abi.SYS_CLOSE, sysClose, ""},
	{abi.SYS_CLOSE_RANGE, sysCloseRange, "CLOSE_RANGE_UNSHARE only while there is one thread"},
	{abi.SYS_DUP, sysDup, ""},
	{abi.SYS_DUP2, sysDup2, ""},
	{abi.SYS_DUP3, sysDup3, ""},
	{abi.SYS_FCNTL, sysFcntl, "no signal-driven I/O (F_SETOWN, F_SETSIG), no leases"},
	{abi.SYS_FLOCK, sysFlock, ""},
	{abi.SYS_IOCTL, sysIoctl, "of the kind of file; there are no terminals"},
	{abi.SYS_FSTAT, sysFstat, ""},
	{abi.SYS_FSTATFS, sysFstatfs, ""},
	{abi.SYS_GETDENTS64, sysGetdents64, ""},
	{abi.SYS_FTRUNCATE, sysFtruncate, ""},
	{abi.SYS_FALLOCATE, sysFallocate, ""},
	{abi.SYS_FSYNC, sysFsync, ""},
	{abi.SYS_FDATASYNC, sysFdatasync, ""},
	{abi.SYS_SYNC, sysSync, "nothing is written late: there is no writable disk"},
	{abi.SYS_SYNCFS, sysSyncfs, ""},
	{abi.SYS_FADVISE64, sysFadvise64, "checked; advice changes nothing"},
	{abi.SYS_READAHEAD, sysReadahead, ""},
	{abi.SYS_SYNC_FILE_RANGE, sysSyncFileRange, "checked; there is nothing to write"},
	{abi.SYS_GETDENTS, sysGetdents, ""},
}

// get finds a descriptor for reading or writing.
func get(t *task.Thread, fd uintptr) (*vfs.Description, abi.Errno) {
	return t.Proc.Files.Get(int32(fd))
}

// wrote raises SIGPIPE when a write found nobody to read it, and SIGXFSZ when it
// would have made a file larger than RLIMIT_FSIZE.
func wrote(t *task.Thread, n int, e abi.Errno) (uintptr, abi.Errno) {
	if e == abi.EPIPE {
		t.Kill(fromUser(uintptr(task.SIGPIPE), abi.SI_USER))
	}
	return uintptr(n), resized(t, e)
}

// resized raises SIGXFSZ if that is why a file does not get larger.
func resized(t *task.Thread, e abi.Errno) abi.Errno {
	if e == abi.EFBIG && vfs.SizeLimited() {
		t.Kill(fromUser(uintptr(task.SIGXFSZ), abi.SI_USER))
	}
	return e
}

func sysRead(t *task.Thread, fd, addr, n, _, _, _ uintptr) (uintptr, abi.Errno) {
	d, e := get(t, fd)
	if e != abi.OK {
		return 0, e
	}
	m := 0
	if e = t.Vec.InitUser(addr, n); e == abi.OK {
		m, e = d.Read(&t.Waiter, &t.Vec)
	}
	t.IO.Read(m)
	d.Unref()
	return uintptr(m), e
}

func sysWrite(t *task.Thread, fd, addr, n, _, _, _ uintptr) (uintptr, abi.Errno) {
	d, e := get(t, fd)
	if e != abi.OK {
		return 0, e
	}
	m := 0
	if e = t.Vec.InitUser(addr, n); e == abi.OK {
		m, e = d.Write(&t.Waiter, &t.Vec)
	}
	t.IO.Wrote(m)
	d.Unref()
	if e != abi.OK {
		return wrote(t, m, e)
	}
	return uintptr(m), abi.OK
}

func sysReadv(t *task.Thread, fd, iov, count, _, _, _ uintptr) (uintptr, abi.Errno) {
	d, e := get(t, fd)
	if e != abi.OK {
		return 0, e
	}
	m := 0
	if e = t.Vec.InitIovec(iov, int(int32(count))); e == abi.OK {
		m, e = d.Read(&t.Waiter, &t.Vec)
	}
	t.IO.Read(m)
	d.Unref()
	return uintptr(m), e
}

func sysWritev(t *task.Thread, fd, iov, count, _, _, _ uintptr) (uintptr, abi.Errno) {
	d, e := get(t, fd)
	if e != abi.OK {
		return 0, e
	}
	m := 0
	if e = t.Vec.InitIovec(iov, int(int32(count))); e == abi.OK {
		m, e = d.Write(&t.Waiter, &t.Vec)
	}
	t.IO.Wrote(m)
	d.Unref()
	return wrote(t, m, e)
}

func sysPread(t *task.Thread, fd, addr, n, off, _, _ uintptr) (uintptr, abi.Errno) {
	if int64(off) < 0 {
		return 0, abi.EINVAL
	}
	d, e := get(t, fd)
	if e != abi.OK {
		return 0, e
	}
	m := 0
	if e = t.Vec.InitUser(addr, n); e == abi.OK {
		m, e = d.Pread(&t.Vec, int64(off))
	}
	t.IO.Read(m)
	d.Unref()
	return uintptr(m), e
}

func sysPwrite(t *task.Thread, fd, addr, n, off, _, _ uintptr) (uintptr, abi.Errno) {
	if int64(off) < 0 {
		return 0, abi.EINVAL
	}
	d, e := get(t, fd)
	if e != abi.OK {
		return 0, e
	}
	m := 0
	if e = t.Vec.InitUser(addr, n); e == abi.OK {
		m, e = d.Pwrite(&t.Vec, int64(off))
	}
	t.IO.Wrote(m)
	d.Unref()
	return wrote(t, m, e)
}

// The positioned vector calls take the offset in two halves, of which x86-64
// uses the lower one for all 64 bits.

func sysPreadv(t *task.Thread, fd, iov, count, off, _, _ uintptr) (uintptr, abi.Errno) {
	return vectorAt(t, fd, iov, count, int64(off), false)
}

func sysPwritev(t *task.Thread, fd, iov, count, off, _, _ uintptr) (uintptr, abi.Errno) {
	return vectorAt(t, fd, iov, count, int64(off), true)
}

func vectorAt(t *task.Thread, fd, iov, count uintptr, off int64, write bool) (uintptr, abi.Errno) {
	if off < 0 {
		return 0, abi.EINVAL
	}
	return vector2(t, fd, iov, count, off, 0, write)
}

// Flags of preadv2 and pwritev2, uapi/linux/fs.h.
const (
	rwfHipri    = 0x1
	rwfDsync    = 0x2
	rwfSync     = 0x4
	rwfNowait   = 0x8
	rwfAppend   = 0x10
	rwfNoappend = 0x20
)

// onceOf is what flags mean for the description (kiocb_set_rw_flags of Linux). Files that
// can be written live in memory: they are always in sync.
func onceOf(d *vfs.Description, flags uintptr) (o vfs.Once, e abi.Errno) {
	if flags&^(rwfHipri|rwfDsync|rwfSync|rwfNowait|rwfAppend|rwfNoappend) != 0 ||
		flags&rwfNowait != 0 && !d.MayNotWait() {
		return o, abi.EOPNOTSUPP
	}
	if flags&(rwfAppend|rwfNoappend) == rwfAppend|rwfNoappend {
		return o, abi.EINVAL
	}
	if flags&rwfNowait != 0 {
		o.Set |= abi.O_NONBLOCK
	}
	if flags&rwfAppend != 0 {
		o.Set |= abi.O_APPEND
	}
	if flags&rwfNoappend != 0 {
		o.Clear = abi.O_APPEND
	}
	return o, abi.OK
}

func sysPreadv2(t *task.Thread, fd, iov, count, off, _, flags uintptr) (uintptr, abi.Errno) {
	return vector2(t, fd, iov, count, int64(off), flags, false)
}

func sysPwritev2(t *task.Thread, fd, iov, count, off, _, flags uintptr) (uintptr, abi.Errno) {
	return vector2(t, fd, iov, count, int64(off), flags, true)
}

// vector2 is the positioned vector calls, at the file's own position if off is -1.
func vector2(t *task.Thread, fd, iov, count uintptr, off int64, flags uintptr, write bool) (uintptr, abi.Errno) {
	if off < -1 {
		return 0, abi.EINVAL
	}
	d, e := get(t, fd)
	if e != abi.OK {
		return 0, e
	}
	defer d.Unref()
	if e := t.Vec.InitIovec(iov, int(int32(count))); e != abi.OK {
		return 0, e
	}
	// Whether it is open for that, and can have an offset, is looked at before the flags,
	// and those only where there is something to move.
	var o vfs.Once
	open := d.Readable()
	if write {
		open = d.Writable()
	}
	if open && (off == -1 || d.Seekable()) && t.Vec.Len() > 0 {
		if o, e = onceOf(d, flags); e != abi.OK {
			return 0, e
		}
	}
	n := 0
	switch {
	case write && off == -1:
		n, e = d.WriteOnce(&t.Waiter, &t.Vec, o)
	case write:
		n, e = d.PwriteOnce(&t.Vec, off, o)
	case off == -1:
		n, e = d.ReadOnce(&t.Waiter, &t.Vec, o)
	default:
		n, e = d.Pread(&t.Vec, off)
	}
	if !write {
		t.IO.Read(n)
		return uintptr(n), e
	}
	t.IO.Wrote(n)
	return wrote(t, n, e)
}

func sysLseek(t *task.Thread, fd, off, whence, _, _, _ uintptr) (uintptr, abi.Errno) {
	d, e := get(t, fd)
	if e != abi.OK {
		return 0, e
	}
	n, e := d.Lseek(int64(off), int(uint32(whence)))
	d.Unref()
	return uintptr(n), e
}

func sysClose(t *task.Thread, fd, _, _, _, _, _ uintptr) (uintptr, abi.Errno) {
	return 0, t.Proc.Files.Close(int32(fd))
}

func sysCloseRange(t *task.Thread, first, last, flags, _, _, _ uintptr) (uintptr, abi.Errno) {
	return 0, t.Proc.Files.CloseRange(uint32(first), uint32(last), uint32(flags), t.Proc.Threads() == 1)
}

func sysDup(t *task.Thread, fd, _, _, _, _, _ uintptr) (uintptr, abi.Errno) {
	n, e := t.Proc.Files.Dup(int32(fd), 0, false)
	return uintptr(n), e
}

func sysDup2(t *task.Thread, old, new, _, _, _, _ uintptr) (uintptr, abi.Errno) {
	n, e := t.Proc.Files.Dup3(int32(old), int32(new), false, true)
	return uintptr(n), e
}

func sysDup3(t *task.Thread, old, new, flags, _, _, _ uintptr) (uintptr, abi.Errno) {
	if flags&^abi.O_CLOEXEC != 0 {
		return 0, abi.EINVAL
	}
	n, e := t.Proc.Files.Dup3(int32(old), int32(new), flags != 0, false)
	return uintptr(n), e
}

// Record lock commands, uapi/asm-generic/fcntl.h.
const (
	fGetlk    = 5
	fSetlk    = 6
	fSetlkw   = 7
	fGetown   = 9
	fGetownEx = 16
	fOFDGetlk = 36
	fOFDSetlk = 37
	fOFDSetlw = 38

	fRdlck = 0
	fWrlck = 1
	fUnlck = 2
)

// flockArg is struct flock.
type flockArg struct {
	Type, Whence int16
	Pad          int32
	Start, Len   int64
	PID          int32
	Pad2         int32
}

func sysFcntl(t *task.Thread, fd, cmd, arg, _, _, _ uintptr) (uintptr, abi.Errno) {
	switch cmd {
	case fGetlk, fSetlk, fSetlkw, fOFDGetlk, fOFDSetlk, fOFDSetlw:
		return recordLock(t, fd, cmd, arg)
	case fGetown:
		d, e := get(t, fd)
		if e == abi.OK {
			d.Unref()
		}
		return 0, e // nobody is signalled
	case fGetownEx:
		d, e := get(t, fd)
		if e == abi.OK {
			d.Unref()
			e = usermem.Out(arg, &[2]int32{}) // struct f_owner_ex: thread 0
		}
		return 0, e
	}
	n, e := t.Proc.Files.Fcntl(int32(fd), int(uint32(cmd)), uint64(arg))
	return uintptr(n), e
}

func recordLock(t *task.Thread, fd, cmd, arg uintptr) (uintptr, abi.Errno) {
	d, e := get(t, fd)
	if e != abi.OK {
		return 0, e
	}
	defer d.Unref()
	var f flockArg
	if e := usermem.In(&f, arg); e != abi.OK {
		return 0, e
	}
	r := vfs.RecordLock{OFD: cmd >= fOFDGetlk}
	if r.OFD && f.PID != 0 {
		return 0, abi.EINVAL
	}
	switch f.Type {
	case fRdlck:
	case fWrlck:
		r.Exclusive = true
	case fUnlck:
		r.Unlock = true
	default:
		return 0, abi.EINVAL
	}
	if e := lockRange(d, &f, &r); e != abi.OK {
		return 0, e
	}
	if cmd == fGetlk || cmd == fOFDGetlk {
		if r.Unlock {
			return 0, abi.EINVAL
		}
		found, process, ok := d.GetLock(&r)
		if !ok {
			f.Type = fUnlck
			return 0, usermem.Out(arg, &f)
		}
		f.Type = fRdlck
		if found.Exclusive {
			f.Type = fWrlck
		}
		f.Whence, f.Start, f.Len = abi.SEEK_SET, found.Start, 0
		if found.End != 1<<63-1 {
			f.Len = found.End - found.Start + 1
		}
		f.PID = -1
		if process {
			f.PID = pid
		}
		return 0, usermem.Out(arg, &f)
	}
	if !r.Unlock && (r.Exclusive && !d.Writable() || !r.Exclusive && !d.Readable()) {
		return 0, abi.EBADF
	}
	return 0, d.SetLock(&t.Waiter, &r, cmd == fSetlkw || cmd == fOFDSetlw)
}

// lockRange turns whence, start and length into first and last byte.
func lockRange(d *vfs.Description, f *flockArg, r *vfs.RecordLock) abi.Errno {
	base := int64(0)
	switch f.Whence {
	case abi.SEEK_SET:
	case abi.SEEK_CUR:
		base = d.Position()
	case abi.SEEK_END:
		var st abi.Stat
		if e := d.Stat(&st); e != abi.OK {
			return e
		}
		base = st.Size
	default:
		return abi.EINVAL
	}
	start := base + f.Start
	if (f.Start > 0) != (start > base) && f.Start != 0 {
		return abi.EOVERFLOW
	}
	if start < 0 {
		return abi.EINVAL
	}
	r.Start, r.End = start, 1<<63-1
	switch {
	case f.Len > 0:
		if f.Len-1 > 1<<63-1-start {
			return abi.EOVERFLOW
		}
		r.End = start + f.Len - 1
	case f.Len < 0:
		if start+f.Len < 0 {
			return abi.EINVAL
		}
		r.Start, r.End = start+f.Len, start-1
	}
	return abi.OK
}

func sysFlock(t *task.Thread, fd, op, _, _, _, _ uintptr) (uintptr, abi.Errno) {
	d, e := get(t, fd)
	if e != abi.OK {
		return 0, e
	}
	e = d.Flock(&t.Waiter, int(uint32(op)))
	d.Unref()
	return 0, e
}

func sysIoctl(t *task.Thread, fd, cmd, arg, _, _, _ uintptr) (uintptr, abi.Errno) {
	n, e := t.Proc.FS.Ioctl(int32(fd), uint32(cmd), arg)
	if e == abi.EPERM && uint32(cmd)>>8 == 0x89 { // a network device would change
		return privileged(t, e)
	}
	return n, e
}

func sysFstat(t *task.Thread, fd, addr, _, _, _, _ uintptr) (uintptr, abi.Errno) {
	var st abi.Stat
	if e := t.Proc.FS.Fstat(int32(fd), &st); e != abi.OK {
		return 0, e
	}
	return 0, usermem.Out(addr, &st)
}

func sysFstatfs(t *task.Thread, fd, addr, _, _, _, _ uintptr) (uintptr, abi.Errno) {
	var st vfs.Statfs
	if e := t.Proc.FS.Fstatfs(int32(fd), &st); e != abi.OK {
		return 0, e
	}
	return 0, usermem.Out(addr, &st)
}

func sysGetdents64(t *task.Thread, fd, addr, n, _, _, _ uintptr) (uintptr, abi.Errno) {
	d, e := get(t, fd)
	if e != abi.OK {
		return 0, e
	}
	defer d.Unref()
	if e := t.Vec.InitUser(addr, uintptr(uint32(n))); e != abi.OK {
		return 0, e
	}
	m, e := d.Getdents(&t.Vec)
	return uintptr(m), e
}

func sysGetdents(t *task.Thread, fd, addr, n, _, _, _ uintptr) (uintptr, abi.Errno) {
	d, e := get(t, fd)
	if e != abi.OK {
		return 0, e
	}
	defer d.Unref()
	if e := t.Vec.InitUser(addr, uintptr(uint32(n))); e != abi.OK {
		return 0, e
	}
	m, e := d.OldGetdents(&t.Vec)
	return uintptr(m), e
}

func sysFtruncate(t *task.Thread, fd, size, _, _, _, _ uintptr) (uintptr, abi.Errno) {
	return 0, resized(t, t.Proc.FS.Ftruncate(int32(fd), int64(size)))
}

func sysFallocate(t *task.Thread, fd, mode, off, n, _, _ uintptr) (uintptr, abi.Errno) {
	d, e := get(t, fd)
	if e != abi.OK {
		return 0, e
	}
	e = d.Fallocate(uint32(mode), int64(off), int64(n))
	d.Unref()
	return 0, resized(t, e)
}

func syncFile(t *task.Thread, fd uintptr, dataOnly bool) (uintptr, abi.Errno) {
	d, e := get(t, fd)
	if e != abi.OK {
		return 0, e
	}
	e = d.Sync(dataOnly)
	d.Unref()
	return 0, e
}

func sysFsync(t *task.Thread, fd, _, _, _, _, _ uintptr) (uintptr, abi.Errno) {
	return syncFile(t, fd, false)
}

func sysFdatasync(t *task.Thread, fd, _, _, _, _, _ uintptr) (uintptr, abi.Errno) {
	return syncFile(t, fd, true)
}

// sysSync has nothing to do: no file system here writes late.
func sysSync(*task.Thread, uintptr, uintptr, uintptr, uintptr, uintptr, uintptr) (uintptr, abi.Errno) {
	return 0, abi.OK
}

func sysSyncfs(t *task.Thread, fd, _, _, _, _, _ uintptr) (uintptr, abi.Errno) {
	d, e := get(t, fd)
	if e == abi.OK {
		d.Unref()
	}
	return 0, e
}

func sysFadvise64(t *task.Thread, fd, off, n, advice, _, _ uintptr) (uintptr, abi.Errno) {
	d, e := get(t, fd)
	if e != abi.OK {
		return 0, e
	}
	defer d.Unref()
	var st abi.Stat
	if e := d.Stat(&st); e != abi.OK {
		return 0, e
	}
	if st.Mode&abi.S_IFMT == abi.S_IFIFO {
		return 0, abi.ESPIPE
	}
	if advice > 5 || int64(n) < 0 {
		return 0, abi.EINVAL
	}
	return 0, abi.OK
}

// sysReadahead reads the pages into the cache, which is what it is for.
func sysReadahead(t *task.Thread, fd, off, n, _, _, _ uintptr) (uintptr, abi.Errno) {
	d, e := get(t, fd)
	if e != abi.OK {
		return 0, e
	}
	defer d.Unref()
	if !d.Readable() {
		return 0, abi.EBADF
	}
	m, ok := d.File().(vfs.Mapper)
	if !ok || int64(off) < 0 {
		return 0, abi.EINVAL
	}
	last := (uint64(off) + uint64(n) + 4095) / 4096
	for i := uint64(off) / 4096; i < last && t.Pending.Load() == 0; i++ {
		p, e := m.Page(i, false)
		if e != abi.OK {
			break
		}
		p.Unref()
	}
	return 0, abi.OK
}
