package syscalls

import (
	"skerry/kernel/abi"
	"skerry/kernel/task"
	"skerry/kernel/usermem"
	"skerry/kernel/vfs"
)

// Transfers from descriptor to descriptor. vfs moves the bytes; here stand the
// arguments, and where the offsets come from and go.

var transferCalls = []entry{
	{abi.SYS_SENDFILE, sysSendfile, ""},
	{abi.SYS_COPY_FILE_RANGE, sysCopyFileRange, ""},
	{abi.SYS_SPLICE, sysSplice, ""},
	{abi.SYS_TEE, sysTee, ""},
	{abi.SYS_VMSPLICE, sysVmsplice, "pages are copied, whatever SPLICE_F_GIFT says"},
}

// getPair finds the two descriptors of a transfer; the caller unrefs both.
func getPair(t *task.Thread, in, out uintptr) (src, dst *vfs.Description, e abi.Errno) {
	if src, e = get(t, in); e != abi.OK {
		return nil, nil, e
	}
	if dst, e = get(t, out); e != abi.OK {
		src.Unref()
		return nil, nil, e
	}
	return src, dst, abi.OK
}

// offset is an offset that a call takes by its address, or not at all.
type offset struct {
	addr  uintptr
	value int64
}

// load reads the offset, if there is one, and answers where it is then.
func (o *offset) load(addr uintptr) (*int64, abi.Errno) {
	if addr == 0 {
		return nil, abi.OK
	}
	v, e := load64(addr)
	o.addr, o.value = addr, int64(v)
	return &o.value, e
}

// store writes it back.
func (o *offset) store() abi.Errno {
	if o.addr == 0 {
		return abi.OK
	}
	return store64(o.addr, uint64(o.value))
}

// moved ends a transfer of n bytes: offsets go back to the program, EPIPE raises
// SIGPIPE, and bytes that went are the answer whatever came after them.
func moved(t *task.Thread, n int, e abi.Errno, offsets ...*offset) (uintptr, abi.Errno) {
	v, e := wrote(t, n, e)
	if n > 0 {
		e = abi.OK
	}
	for _, o := range offsets {
		if e2 := o.store(); e == abi.OK {
			e = e2
		}
	}
	return v, e
}

func sysSendfile(t *task.Thread, out, in, offp, count, _, _ uintptr) (uintptr, abi.Errno) {
	var o offset
	off, e := o.load(offp)
	if e != abi.OK {
		return 0, e
	}
	src, dst, e := getPair(t, in, out)
	if e != abi.OK {
		return 0, e
	}
	n, e := dst.Sendfile(&t.Waiter, &t.Vec, src, off, length(count))
	src.Unref()
	dst.Unref()
	return moved(t, n, e, &o)
}

// length is a count of bytes as an int that no sum passes the limits with.
func length(n uintptr) int { return int(min(n, 0x7ffff000)) }

func sysCopyFileRange(t *task.Thread, in, inOff, out, outOff, count, flags uintptr) (uintptr, abi.Errno) {
	src, dst, e := getPair(t, in, out)
	if e != abi.OK {
		return 0, e
	}
	defer src.Unref()
	defer dst.Unref()
	var a, b offset
	from, e := a.load(inOff)
	if e != abi.OK {
		return 0, e
	}
	to, e := b.load(outOff)
	if e != abi.OK {
		return 0, e
	}
	if flags != 0 {
		return 0, abi.EINVAL
	}
	n, e := src.CopyFileRange(&t.Vec, from, dst, to, length(count))
	if e != abi.OK || n == 0 {
		return 0, e
	}
	return moved(t, n, e, &a, &b)
}

func sysSplice(t *task.Thread, in, inOff, out, outOff, count, flags uintptr) (uintptr, abi.Errno) {
	if count == 0 {
		return 0, abi.OK
	}
	if uint32(flags)&^vfs.SPLICE_F_ALL != 0 {
		return 0, abi.EINVAL
	}
	src, dst, e := getPair(t, in, out)
	if e != abi.OK {
		return 0, e
	}
	defer src.Unref()
	defer dst.Unref()
	if inOff != 0 && vfs.IsPipe(src) || outOff != 0 && vfs.IsPipe(dst) {
		return 0, abi.ESPIPE
	}
	var a, b offset
	to, e := b.load(outOff)
	if e != abi.OK {
		return 0, e
	}
	from, e := a.load(inOff)
	if e != abi.OK {
		return 0, e
	}
	n, e := src.Splice(&t.Waiter, &t.Vec, from, dst, to, length(count), uint32(flags))
	if e != abi.OK && n == 0 {
		return wrote(t, 0, e)
	}
	return moved(t, n, e, &a, &b)
}

func sysTee(t *task.Thread, in, out, count, flags, _, _ uintptr) (uintptr, abi.Errno) {
	if uint32(flags)&^vfs.SPLICE_F_ALL != 0 {
		return 0, abi.EINVAL
	}
	if count == 0 {
		return 0, abi.OK
	}
	src, dst, e := getPair(t, in, out)
	if e != abi.OK {
		return 0, e
	}
	n, e := src.Tee(&t.Waiter, &t.Vec, dst, length(count), uint32(flags))
	src.Unref()
	dst.Unref()
	return wrote(t, n, e)
}

func sysVmsplice(t *task.Thread, fd, iov, count, flags, _, _ uintptr) (uintptr, abi.Errno) {
	if uint32(flags)&^vfs.SPLICE_F_ALL != 0 {
		return 0, abi.EINVAL
	}
	d, e := get(t, fd)
	if e != abi.OK {
		return 0, e
	}
	n := 0
	if !d.Readable() && !d.Writable() {
		e = abi.EBADF
	} else if e = t.Vec.InitIovec(iov, int(int32(min(count, 1<<31-1)))); e == abi.OK {
		n, e = d.Vmsplice(&t.Waiter, &t.Vec, uint32(flags))
	}
	d.Unref()
	return wrote(t, n, e)
}

// sysSyncFileRange checks its arguments; what can be written lives in memory and
// is always in sync.
func sysSyncFileRange(t *task.Thread, fd, off, n, flags, _, _ uintptr) (uintptr, abi.Errno) {
	d, e := get(t, fd)
	if e != abi.OK {
		return 0, e
	}
	defer d.Unref()
	const known = abi.SYNC_FILE_RANGE_WAIT_BEFORE | abi.SYNC_FILE_RANGE_WRITE | abi.SYNC_FILE_RANGE_WAIT_AFTER
	if uint32(flags)&^known != 0 || int64(off) < 0 || int64(n) < 0 || int64(off+n) < 0 {
		return 0, abi.EINVAL
	}
	switch d.Inode().Mode() & abi.S_IFMT {
	case abi.S_IFREG, abi.S_IFDIR, abi.S_IFLNK, abi.S_IFBLK:
		return 0, abi.OK
	}
	return 0, abi.ESPIPE
}

// Memfd makes the file of memfd_create(2), in a tmpfs of its own. Set at boot.
var Memfd = func(name string, flags uint32) (*vfs.Description, abi.Errno) { return nil, abi.ENOSYS }

// sysMemfdCreate: the name counts for nothing but what /proc/self/fd shows.
func sysMemfdCreate(t *task.Thread, name, flags, _, _, _, _ uintptr) (uintptr, abi.Errno) {
	const known = abi.MFD_CLOEXEC | abi.MFD_ALLOW_SEALING | abi.MFD_NOEXEC_SEAL | abi.MFD_EXEC
	if uint32(flags)&^known != 0 || flags&abi.MFD_EXEC != 0 && flags&abi.MFD_NOEXEC_SEAL != 0 {
		return 0, abi.EINVAL
	}
	s, e := usermem.String(name, 250)
	if e == abi.ENAMETOOLONG {
		e = abi.EINVAL
	}
	if e != abi.OK {
		return 0, e
	}
	d, e := Memfd(s, uint32(flags))
	if e != abi.OK {
		return 0, e
	}
	return install(t, d, flags&abi.MFD_CLOEXEC != 0)
}
