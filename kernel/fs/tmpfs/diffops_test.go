package tmpfs

import (
	"bytes"
	"fmt"
	"syscall"

	"skerry/kernel/abi"
)

// step makes one random operation on both sides and describes what came out.
func (d *differ) step() (host, ours string) {
	r := d.rng
	switch r.Intn(34) {
	case 0, 1:
		at, p, mode := d.dirfd(), d.path(), uint32(r.Intn(0o1000))
		op := fmt.Sprintf("mkdirat(%d, %s, %o)", at.ours, short(p), mode)
		_, e := sys(syscall.SYS_MKDIRAT, at.host, p, mode)
		return result(op, errno(e)), result(op, d.c.Mkdir(at.ours, p, mode).Error())
	case 2:
		p := d.path()
		at := d.dirfd()
		op := fmt.Sprintf("rmdir(%d, %s)", at.ours, short(p))
		_, e := sys(syscall.SYS_UNLINKAT, at.host, p, 0x200)
		return result(op, errno(e)), result(op, d.c.Rmdir(at.ours, p).Error())
	case 3, 4:
		at, p := d.dirfd(), d.path()
		op := fmt.Sprintf("unlinkat(%d, %s)", at.ours, short(p))
		_, e := sys(syscall.SYS_UNLINKAT, at.host, p, 0)
		return result(op, errno(e)), result(op, d.c.Unlink(at.ours, p).Error())
	case 5, 6, 7:
		a, b, p, q := d.dirfd(), d.dirfd(), d.path(), d.path()
		flags := uint32(0)
		if r.Intn(2) == 0 {
			flags = uint32(r.Intn(4))
		}
		op := fmt.Sprintf("renameat2(%d, %s, %d, %s, %d)", a.ours, short(p), b.ours, short(q), flags)
		_, e := sys(316, a.host, p, b.host, q, flags)
		return result(op, errno(e)), result(op, d.c.Rename(a.ours, p, b.ours, q, flags).Error())
	case 8, 9:
		if d.beneath {
			return "", "" // an image has no file with two names
		}
		a, b, p, q := d.dirfd(), d.dirfd(), d.path(), d.path()
		flags := uint32(r.Intn(2) * 0x400)
		op := fmt.Sprintf("linkat(%d, %s, %d, %s, %#x)", a.ours, short(p), b.ours, short(q), flags)
		_, e := sys(syscall.SYS_LINKAT, a.host, p, b.host, q, flags)
		return result(op, errno(e)), result(op, d.c.Link(a.ours, p, b.ours, q, flags).Error())
	case 10:
		at, target, p := d.dirfd(), d.path(), d.path()
		op := fmt.Sprintf("symlinkat(%s, %d, %s)", short(target), at.ours, short(p))
		_, e := sys(syscall.SYS_SYMLINKAT, target, at.host, p)
		return result(op, errno(e)), result(op, d.c.Symlink(target, at.ours, p).Error())
	case 11:
		at, p := d.dirfd(), d.path()
		mode := uint32(r.Intn(0o1000)) | []uint32{0, abi.S_IFREG, abi.S_IFIFO, abi.S_IFSOCK}[r.Intn(4)]
		op := fmt.Sprintf("mknodat(%d, %s, %o)", at.ours, short(p), mode)
		_, e := sys(syscall.SYS_MKNODAT, at.host, p, mode, 0)
		return result(op, errno(e)), result(op, d.c.Mknod(at.ours, p, mode).Error())
	case 12, 13, 14, 15:
		return d.open()
	case 16:
		if len(d.fds) < 3 {
			return "", ""
		}
		i := r.Intn(len(d.fds))
		p := d.fds[i]
		d.fds = append(d.fds[:i], d.fds[i+1:]...)
		op := fmt.Sprintf("close(%d)", p.ours)
		_, e := sys(syscall.SYS_CLOSE, p.host)
		return result(op, errno(e)), result(op, d.c.Files.Close(p.ours).Error())
	case 17, 18, 19, 20:
		return d.data()
	case 21:
		p, size := d.path(), d.offset()
		op := fmt.Sprintf("truncate(%s, %d)", short(p), size)
		_, e := sys(syscall.SYS_TRUNCATE, p, size)
		return result(op, errno(e)), result(op, d.c.Truncate(p, size).Error())
	case 22, 23, 24:
		at, p, flags := d.dirfd(), d.path(), []uint32{0, 0x100, 0x1000, 0x1100}[r.Intn(4)]
		op := fmt.Sprintf("newfstatat(%d, %s, %#x)", at.ours, short(p), flags)
		var hs syscall.Stat_t
		_, e := sys(syscall.SYS_NEWFSTATAT, at.host, p, ptr(&hs), flags)
		var os abi.Stat
		e2 := d.c.Stat(at.ours, p, flags, &os)
		return result(op, errno(e), d.hostStat(&hs)), result(op, e2.Error(), d.ourStat(&os))
	case 25:
		f := d.fd()
		op := fmt.Sprintf("fstat(%d)", f.ours)
		var hs syscall.Stat_t
		_, e := sys(syscall.SYS_FSTAT, f.host, ptr(&hs))
		var os abi.Stat
		e2 := d.c.Fstat(f.ours, &os)
		return result(op, errno(e), d.hostStat(&hs)), result(op, e2.Error(), d.ourStat(&os))
	case 26:
		at, p := d.dirfd(), d.path()
		op := fmt.Sprintf("readlinkat(%d, %s)", at.ours, short(p))
		buf := make([]byte, 4096)
		n, e := sys(syscall.SYS_READLINKAT, at.host, p, buf, len(buf))
		got, e2 := d.c.Readlink(at.ours, p)
		if e != 0 {
			n = 0
		}
		return result(op, errno(e), string(buf[:n])), result(op, e2.Error(), got)
	case 27:
		f := d.fd()
		op := fmt.Sprintf("getdents(%d)", f.ours)
		a, e := hostDents(f.host)
		b, e2 := d.ourDents(f.ours)
		return result(op, errno(e), a), result(op, e2.Error(), b)
	case 28:
		at, p, mode := d.dirfd(), d.path(), uint32(r.Intn(0o1000))
		op := fmt.Sprintf("fchmodat(%d, %s, %o)", at.ours, short(p), mode)
		_, e := sys(syscall.SYS_FCHMODAT, at.host, p, mode)
		return result(op, errno(e)), result(op, d.c.Chmod(at.ours, p, mode, 0).Error())
	case 29:
		at, p, mode := d.dirfd(), d.path(), uint32(r.Intn(4)*2)
		op := fmt.Sprintf("faccessat(%d, %s, %o)", at.ours, short(p), mode)
		_, e := sys(syscall.SYS_FACCESSAT, at.host, p, mode)
		return result(op, errno(e)), result(op, d.c.Access(at.ours, p, mode, 0).Error())
	case 30:
		p := d.path()
		op := fmt.Sprintf("chdir(%s)", short(p))
		_, e := sys(syscall.SYS_CHDIR, p)
		return result(op, errno(e)), result(op, d.c.Chdir(p).Error())
	case 31:
		buf := make([]byte, 8192)
		n, e := sys(syscall.SYS_GETCWD, buf, len(buf))
		got, e2 := d.c.Getcwd()
		if e != 0 {
			n = 1
		}
		return result("getcwd", errno(e), string(buf[:n-1])), result("getcwd", e2.Error(), got)
	case 32:
		return d.utimens()
	default:
		f := d.fd()
		op := fmt.Sprintf("fcntl(%d, F_GETFL)", f.ours)
		n, e := sys(syscall.SYS_FCNTL, f.host, 3)
		m, e2 := d.c.Files.Fcntl(f.ours, abi.F_GETFL, 0)
		if e != 0 {
			n, m = 0, 0
		}
		return result(op, errno(e), fmt.Sprintf("%#x", n)), result(op, e2.Error(), fmt.Sprintf("%#x", m))
	}
}

func (d *differ) open() (host, ours string) {
	r := d.rng
	if len(d.fds) >= 12 {
		return "", ""
	}
	flags := uint32([]int{0, 1, 2, 2, 3}[r.Intn(5)]) | abi.O_NONBLOCK
	for _, f := range []uint32{abi.O_CREAT, abi.O_CREAT, abi.O_EXCL, abi.O_TRUNC, abi.O_APPEND, abi.O_DIRECTORY,
		abi.O_NOFOLLOW, abi.O_PATH, abi.O_CLOEXEC, abi.O_TMPFILE, abi.O_NOATIME, abi.O_SYNC} {
		if r.Intn(6) == 0 {
			flags |= f
		}
	}
	if r.Intn(3) == 0 {
		flags = abi.O_CREAT | abi.O_RDWR | abi.O_NONBLOCK
	}
	at, p, mode := d.dirfd(), d.path(), uint32(r.Intn(0o1000))
	op := fmt.Sprintf("openat(%d, %s, %#x, %o)", at.ours, short(p), flags, mode)
	n, e := sys(syscall.SYS_OPENAT, at.host, p, flags, mode)
	m, e2 := d.c.Open(&d.w, at.ours, p, flags, mode)
	if e == 0 && e2 == abi.OK {
		d.fds = append(d.fds, pair{int(n), m})
	}
	return result(op, errno(e)), result(op, e2.Error())
}

// offset is a size or position: around page borders, large, negative.
func (d *differ) offset() int64 {
	r := d.rng
	switch r.Intn(12) {
	case 0:
		return -1
	case 1:
		return 1<<63 - 1 - int64(r.Intn(3))
	case 2:
		return 1<<40 + int64(r.Intn(100))
	case 3, 4, 5:
		return int64(r.Intn(6))*4096 + int64(r.Intn(3)) - 1
	}
	return int64(r.Intn(30000))
}

// data is an operation on the contents of an open file.
func (d *differ) data() (host, ours string) {
	r := d.rng
	p := d.fd()
	f, e0 := d.c.Files.GetAny(p.ours)
	if e0 != abi.OK {
		return "", ""
	}
	defer f.Unref()
	off, n := d.offset(), r.Intn(10000)
	if r.Intn(3) == 0 {
		n = r.Intn(20)
	}
	a, b := make([]byte, n), make([]byte, n)
	count := func(n uintptr, e syscall.Errno) any {
		if e != 0 {
			return 0
		}
		return int64(n)
	}
	switch r.Intn(8) {
	case 0:
		op := fmt.Sprintf("read(%d, %d)", p.ours, n)
		m, e := sys(syscall.SYS_READ, p.host, a, n)
		m2, e2 := f.Read(&d.w, bytesVec(b))
		return result(op, errno(e), count(m, e), sum(a)), result(op, e2.Error(), m2, sum(b))
	case 1:
		r.Read(a)
		copy(b, a)
		op := fmt.Sprintf("write(%d, %d)", p.ours, n)
		m, e := sys(syscall.SYS_WRITE, p.host, a, n)
		m2, e2 := f.Write(&d.w, bytesVec(b))
		return result(op, errno(e), count(m, e)), result(op, e2.Error(), m2)
	case 2:
		op := fmt.Sprintf("pread(%d, %d, %d)", p.ours, n, off)
		m, e := sys(syscall.SYS_PREAD64, p.host, a, n, off)
		m2, e2 := f.Pread(bytesVec(b), off)
		return result(op, errno(e), count(m, e), sum(a)), result(op, e2.Error(), m2, sum(b))
	case 3:
		r.Read(a)
		copy(b, a)
		op := fmt.Sprintf("pwrite(%d, %d, %d)", p.ours, n, off)
		m, e := sys(syscall.SYS_PWRITE64, p.host, a, n, off)
		m2, e2 := f.Pwrite(bytesVec(b), off)
		return result(op, errno(e), count(m, e)), result(op, e2.Error(), m2)
	case 4:
		whence := r.Intn(6)
		if f.Inode().Mode()&abi.S_IFMT == abi.S_IFDIR {
			return "", "" // positions in directories are each file system's own
		}
		var st abi.Stat
		f.Stat(&st)
		if whence >= abi.SEEK_DATA && (d.reserved || st.Size > 1<<62) {
			// Linux knows pages that were reserved and not written, and finds no
			// data in the very last page of the largest file.
			return "", ""
		}
		op := fmt.Sprintf("lseek(%d, %d, %d)", p.ours, off, whence)
		m, e := sys(syscall.SYS_LSEEK, p.host, off, whence)
		m2, e2 := f.Lseek(off, whence)
		return result(op, errno(e), int64(m)), result(op, e2.Error(), m2)
	case 5:
		op := fmt.Sprintf("ftruncate(%d, %d)", p.ours, off)
		_, e := sys(syscall.SYS_FTRUNCATE, p.host, off)
		return result(op, errno(e)), result(op, d.c.Ftruncate(p.ours, off).Error())
	case 6:
		mode := uint32(r.Intn(4))
		if !d.reserves {
			mode = 3
		}
		if off >= 1<<30 {
			off = 100
		}
		length := int64(n)
		if r.Intn(10) == 0 {
			length = -length
		}
		op := fmt.Sprintf("fallocate(%d, %d, %d, %d)", p.ours, mode, off, length)
		_, e := sys(syscall.SYS_FALLOCATE, p.host, mode, off, length)
		e2 := abi.EBADF
		if f.Flags()&abi.O_PATH == 0 {
			e2 = f.Fallocate(mode, off, length)
		}
		d.reserved = d.reserved || e2 == abi.OK && mode&abi.FALLOC_FL_PUNCH_HOLE == 0
		return result(op, errno(e)), result(op, e2.Error())
	default:
		op := fmt.Sprintf("fsync(%d)", p.ours)
		_, e := sys(syscall.SYS_FSYNC, p.host)
		e2 := abi.EBADF
		if f.Flags()&abi.O_PATH == 0 {
			e2 = f.Sync(false)
		}
		return result(op, errno(e)), result(op, e2.Error())
	}
}

func sum(b []byte) string {
	if len(b) == 0 || bytes.Count(b, []byte{0}) == len(b) {
		return "zeros"
	}
	h := uint32(0)
	for _, c := range b {
		h = h*31 + uint32(c)
	}
	return fmt.Sprintf("%08x", h)
}

// utimens sets times and reads them back.
func (d *differ) utimens() (host, ours string) {
	r := d.rng
	at, p := d.dirfd(), d.path()
	flags := uint32(r.Intn(2) * 0x100)
	times := [2]abi.Timespec{{Sec: int64(r.Intn(1 << 30)), Nsec: int64(r.Intn(1e9))}, {Sec: int64(r.Intn(1 << 30)), Nsec: int64(r.Intn(1e9))}}
	switch r.Intn(10) {
	case 0:
		times[0].Nsec = 1e9
	case 1:
		times[r.Intn(2)].Nsec = abi.UTIME_OMIT
	case 2:
		times[0].Nsec, times[1].Nsec = abi.UTIME_OMIT, abi.UTIME_OMIT
	}
	op := fmt.Sprintf("utimensat(%d, %s, %v, %#x)", at.ours, short(p), times, flags)
	ht := times
	_, e := sys(syscall.SYS_UTIMENSAT, at.host, p, ptr(&ht), flags)
	e2 := d.c.Utimens(at.ours, p, false, &times, flags)
	var hs syscall.Stat_t
	var os abi.Stat
	sys(syscall.SYS_NEWFSTATAT, at.host, p, ptr(&hs), flags)
	d.c.Stat(at.ours, p, flags, &os)
	// What was not set is the time of some earlier operation.
	if times[0].Nsec == abi.UTIME_OMIT {
		hs.Atim, os.Atime = syscall.Timespec{}, abi.Timespec{}
	}
	if times[1].Nsec == abi.UTIME_OMIT {
		hs.Mtim, os.Mtime = syscall.Timespec{}, abi.Timespec{}
	}
	// So is the access time of a symbolic link that the walk then read.
	if hs.Atim.Sec > 1<<30 && os.Atime.Sec > 1<<30 {
		hs.Atim, os.Atime = syscall.Timespec{}, abi.Timespec{}
	}
	return result(op, errno(e), hs.Atim, hs.Mtim), result(op, e2.Error(), os.Atime, os.Mtime)
}
