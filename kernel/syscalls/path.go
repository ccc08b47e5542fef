package syscalls

import (
	"skerry/kernel/abi"
	"skerry/kernel/task"
	"skerry/kernel/usermem"
	"skerry/kernel/vfs"
)

var pathCalls = []entry{
	{abi.SYS_OPEN, sysOpen, ""},
	{abi.SYS_OPENAT, sysOpenat, ""},
	{abi.SYS_OPENAT2, sysOpenat2, ""},
	{abi.SYS_CREAT, sysCreat, ""},
	{abi.SYS_STAT, sysStat, ""},
	{abi.SYS_LSTAT, sysLstat, ""},
	{abi.SYS_NEWFSTATAT, sysNewfstatat, ""},
	{abi.SYS_STATX, sysStatx, ""},
	{abi.SYS_STATFS, sysStatfs, ""},
	{abi.SYS_ACCESS, sysAccess, "existence only; mode bits are not consulted (no users)"},
	{abi.SYS_FACCESSAT, sysFaccessat, "existence only; mode bits are not consulted (no users)"},
	{abi.SYS_FACCESSAT2, sysFaccessat2, "existence only; mode bits are not consulted (no users)"},
	{abi.SYS_READLINK, sysReadlink, ""},
	{abi.SYS_READLINKAT, sysReadlinkat, ""},
	{abi.SYS_GETCWD, sysGetcwd, ""},
	{abi.SYS_CHDIR, sysChdir, ""},
	{abi.SYS_FCHDIR, sysFchdir, ""},
	{abi.SYS_MKDIR, sysMkdir, ""},
	{abi.SYS_MKDIRAT, sysMkdirat, ""},
	{abi.SYS_MKNOD, sysMknod, "no device nodes (EPERM)"},
	{abi.SYS_MKNODAT, sysMknodat, "no device nodes (EPERM)"},
	{abi.SYS_RMDIR, sysRmdir, ""},
	{abi.SYS_UNLINK, sysUnlink, ""},
	{abi.SYS_UNLINKAT, sysUnlinkat, ""},
	{abi.SYS_RENAME, sysRename, ""},
	{abi.SYS_RENAMEAT, sysRenameat, ""},
	{abi.SYS_RENAMEAT2, sysRenameat2, "no whiteouts"},
	{abi.SYS_LINK, sysLink, ""},
	{abi.SYS_LINKAT, sysLinkat, ""},
	{abi.SYS_SYMLINK, sysSymlink, ""},
	{abi.SYS_SYMLINKAT, sysSymlinkat, ""},
	{abi.SYS_TRUNCATE, sysTruncate, ""},
	{abi.SYS_CHMOD, sysChmod, "stored; setuid, setgid and sticky bits are dropped"},
	{abi.SYS_FCHMOD, sysFchmod, "stored; setuid, setgid and sticky bits are dropped"},
	{abi.SYS_FCHMODAT, sysFchmodat, "stored; setuid, setgid and sticky bits are dropped"},
	{abi.SYS_FCHMODAT2, sysFchmodat2, "stored; setuid, setgid and sticky bits are dropped"},
	{abi.SYS_CHOWN, sysChown, "to the one identity only, else EPERM (no users)"},
	{abi.SYS_LCHOWN, sysLchown, "to the one identity only, else EPERM (no users)"},
	{abi.SYS_FCHOWN, sysFchown, "to the one identity only, else EPERM (no users)"},
	{abi.SYS_FCHOWNAT, sysFchownat, "to the one identity only, else EPERM (no users)"},
	{abi.SYS_UTIME, sysUtime, ""},
	{abi.SYS_UTIMES, sysUtimes, ""},
	{abi.SYS_FUTIMESAT, sysFutimesat, ""},
	{abi.SYS_UTIMENSAT, sysUtimensat, ""},
}

// pathMax is PATH_MAX, the terminating NUL included.
const pathMax = 4096

// cwd is AT_FDCWD as an argument.
const cwd = ^uintptr(99)

func pathAt(addr uintptr) (string, abi.Errno) { return usermem.String(addr, pathMax) }

func sysOpen(t *task.Thread, path, flags, mode, _, _, _ uintptr) (uintptr, abi.Errno) {
	return sysOpenat(t, cwd, path, flags, mode, 0, 0)
}

func sysCreat(t *task.Thread, path, mode, _, _, _, _ uintptr) (uintptr, abi.Errno) {
	return sysOpenat(t, cwd, path, abi.O_CREAT|abi.O_WRONLY|abi.O_TRUNC, mode, 0, 0)
}

func sysOpenat(t *task.Thread, dir, path, flags, mode, _, _ uintptr) (uintptr, abi.Errno) {
	p, e := pathAt(path)
	if e != abi.OK {
		return 0, e
	}
	fd, e := t.Proc.FS.Open(&t.Waiter, int32(dir), p, uint32(flags), uint32(mode))
	return uintptr(fd), missed(t, dir, p, e)
}

func sysOpenat2(t *task.Thread, dir, path, how, size, _, _ uintptr) (uintptr, abi.Errno) {
	if size < 24 {
		return 0, abi.EINVAL
	}
	if size > 4096 {
		return 0, abi.E2BIG
	}
	var h vfs.OpenHow
	if e := inSized(&h, how, size, 24); e != abi.OK {
		return 0, e
	}
	p, e := pathAt(path)
	if e != abi.OK {
		return 0, e
	}
	fd, e := t.Proc.FS.Open2(&t.Waiter, int32(dir), p, &h)
	return uintptr(fd), missed(t, dir, p, e)
}

func sysStat(t *task.Thread, path, addr, _, _, _, _ uintptr) (uintptr, abi.Errno) {
	return sysNewfstatat(t, cwd, path, addr, 0, 0, 0)
}

func sysLstat(t *task.Thread, path, addr, _, _, _, _ uintptr) (uintptr, abi.Errno) {
	return sysNewfstatat(t, cwd, path, addr, abi.AT_SYMLINK_NOFOLLOW, 0, 0)
}

func sysNewfstatat(t *task.Thread, dir, path, addr, flags, _, _ uintptr) (uintptr, abi.Errno) {
	p, e := pathAt(path)
	if e != abi.OK {
		return 0, e
	}
	var st abi.Stat
	if e := t.Proc.FS.Stat(int32(dir), p, uint32(flags), &st); e != abi.OK {
		return 0, missed(t, dir, p, e)
	}
	return 0, usermem.Out(addr, &st)
}

func sysStatx(t *task.Thread, dir, path, flags, mask, addr, _ uintptr) (uintptr, abi.Errno) {
	p, e := pathAt(path)
	if e != abi.OK {
		return 0, e
	}
	var sx vfs.Statx
	if e := t.Proc.FS.Statx(int32(dir), p, uint32(flags), uint32(mask), &sx); e != abi.OK {
		return 0, missed(t, dir, p, e)
	}
	return 0, usermem.Out(addr, &sx)
}

func sysStatfs(t *task.Thread, path, addr, _, _, _, _ uintptr) (uintptr, abi.Errno) {
	p, e := pathAt(path)
	if e != abi.OK {
		return 0, e
	}
	var st vfs.Statfs
	if e := t.Proc.FS.Statfs(p, &st); e != abi.OK {
		return 0, e
	}
	return 0, usermem.Out(addr, &st)
}

func sysAccess(t *task.Thread, path, mode, _, _, _, _ uintptr) (uintptr, abi.Errno) {
	return sysFaccessat2(t, cwd, path, mode, 0, 0, 0)
}

func sysFaccessat(t *task.Thread, dir, path, mode, _, _, _ uintptr) (uintptr, abi.Errno) {
	return sysFaccessat2(t, dir, path, mode, 0, 0, 0)
}

func sysFaccessat2(t *task.Thread, dir, path, mode, flags, _, _ uintptr) (uintptr, abi.Errno) {
	p, e := pathAt(path)
	if e != abi.OK {
		return 0, e
	}
	return 0, missed(t, dir, p, t.Proc.FS.Access(int32(dir), p, uint32(mode), uint32(flags)))
}

func sysReadlink(t *task.Thread, path, buf, n, _, _, _ uintptr) (uintptr, abi.Errno) {
	return sysReadlinkat(t, cwd, path, buf, n, 0, 0)
}

func sysReadlinkat(t *task.Thread, dir, path, buf, n, _, _ uintptr) (uintptr, abi.Errno) {
	if int32(n) <= 0 {
		return 0, abi.EINVAL
	}
	p, e := pathAt(path)
	if e != abi.OK {
		return 0, e
	}
	s, e := t.Proc.FS.Readlink(int32(dir), p)
	if e != abi.OK {
		return 0, missed(t, dir, p, e)
	}
	m, e := usermem.CopyOut(buf, []byte(s)[:min(len(s), int(int32(n)))])
	if e != abi.OK {
		return 0, e
	}
	return uintptr(m), abi.OK
}

func sysGetcwd(t *task.Thread, buf, n, _, _, _, _ uintptr) (uintptr, abi.Errno) {
	s, e := t.Proc.FS.Getcwd()
	if e != abi.OK {
		return 0, e
	}
	b := append([]byte(s), 0)
	if uintptr(len(b)) > n {
		return 0, abi.ERANGE
	}
	m, e := usermem.CopyOut(buf, b)
	return uintptr(m), e
}

func sysChdir(t *task.Thread, path, _, _, _, _, _ uintptr) (uintptr, abi.Errno) {
	p, e := pathAt(path)
	if e != abi.OK {
		return 0, e
	}
	return 0, missed(t, cwd, p, t.Proc.FS.Chdir(p))
}

func sysFchdir(t *task.Thread, fd, _, _, _, _, _ uintptr) (uintptr, abi.Errno) {
	return 0, t.Proc.FS.Fchdir(int32(fd))
}

func sysMkdir(t *task.Thread, path, mode, _, _, _, _ uintptr) (uintptr, abi.Errno) {
	return sysMkdirat(t, cwd, path, mode, 0, 0, 0)
}

func sysMkdirat(t *task.Thread, dir, path, mode, _, _, _ uintptr) (uintptr, abi.Errno) {
	p, e := pathAt(path)
	if e != abi.OK {
		return 0, e
	}
	return 0, t.Proc.FS.Mkdir(int32(dir), p, uint32(mode))
}

func sysMknod(t *task.Thread, path, mode, dev, _, _, _ uintptr) (uintptr, abi.Errno) {
	return sysMknodat(t, cwd, path, mode, dev, 0, 0)
}

func sysMknodat(t *task.Thread, dir, path, mode, _, _, _ uintptr) (uintptr, abi.Errno) {
	p, e := pathAt(path)
	if e != abi.OK {
		return 0, e
	}
	e = t.Proc.FS.Mknod(int32(dir), p, uint32(mode))
	if kind := mode & abi.S_IFMT; kind == abi.S_IFCHR || kind == abi.S_IFBLK {
		return privileged(t, e)
	}
	return 0, e
}

func sysRmdir(t *task.Thread, path, _, _, _, _, _ uintptr) (uintptr, abi.Errno) {
	return sysUnlinkat(t, cwd, path, abi.AT_REMOVEDIR, 0, 0, 0)
}

func sysUnlink(t *task.Thread, path, _, _, _, _, _ uintptr) (uintptr, abi.Errno) {
	return sysUnlinkat(t, cwd, path, 0, 0, 0, 0)
}

func sysUnlinkat(t *task.Thread, dir, path, flags, _, _, _ uintptr) (uintptr, abi.Errno) {
	if flags&^abi.AT_REMOVEDIR != 0 {
		return 0, abi.EINVAL
	}
	p, e := pathAt(path)
	if e != abi.OK {
		return 0, e
	}
	if flags != 0 {
		return 0, t.Proc.FS.Rmdir(int32(dir), p)
	}
	return 0, t.Proc.FS.Unlink(int32(dir), p)
}

func sysRename(t *task.Thread, old, new, _, _, _, _ uintptr) (uintptr, abi.Errno) {
	return sysRenameat2(t, cwd, old, cwd, new, 0, 0)
}

func sysRenameat(t *task.Thread, odir, old, ndir, new, _, _ uintptr) (uintptr, abi.Errno) {
	return sysRenameat2(t, odir, old, ndir, new, 0, 0)
}

func sysRenameat2(t *task.Thread, odir, old, ndir, new, flags, _ uintptr) (uintptr, abi.Errno) {
	o, e := pathAt(old)
	if e != abi.OK {
		return 0, e
	}
	n, e := pathAt(new)
	if e != abi.OK {
		return 0, e
	}
	return 0, t.Proc.FS.Rename(int32(odir), o, int32(ndir), n, uint32(flags))
}

func sysLink(t *task.Thread, old, new, _, _, _, _ uintptr) (uintptr, abi.Errno) {
	return sysLinkat(t, cwd, old, cwd, new, 0, 0)
}

func sysLinkat(t *task.Thread, odir, old, ndir, new, flags, _ uintptr) (uintptr, abi.Errno) {
	o, e := pathAt(old)
	if e != abi.OK {
		return 0, e
	}
	n, e := pathAt(new)
	if e != abi.OK {
		return 0, e
	}
	return 0, t.Proc.FS.Link(int32(odir), o, int32(ndir), n, uint32(flags))
}

func sysSymlink(t *task.Thread, target, path, _, _, _, _ uintptr) (uintptr, abi.Errno) {
	return sysSymlinkat(t, target, cwd, path, 0, 0, 0)
}

func sysSymlinkat(t *task.Thread, target, dir, path, _, _, _ uintptr) (uintptr, abi.Errno) {
	s, e := pathAt(target)
	if e != abi.OK {
		return 0, e
	}
	p, e := pathAt(path)
	if e != abi.OK {
		return 0, e
	}
	return 0, t.Proc.FS.Symlink(s, int32(dir), p)
}

func sysTruncate(t *task.Thread, path, size, _, _, _, _ uintptr) (uintptr, abi.Errno) {
	p, e := pathAt(path)
	if e != abi.OK {
		return 0, e
	}
	return 0, resized(t, t.Proc.FS.Truncate(p, int64(size)))
}

func sysChmod(t *task.Thread, path, mode, _, _, _, _ uintptr) (uintptr, abi.Errno) {
	return sysFchmodat2(t, cwd, path, mode, 0, 0, 0)
}

func sysFchmod(t *task.Thread, fd, mode, _, _, _, _ uintptr) (uintptr, abi.Errno) {
	return 0, t.Proc.FS.Fchmod(int32(fd), uint32(mode))
}

func sysFchmodat(t *task.Thread, dir, path, mode, _, _, _ uintptr) (uintptr, abi.Errno) {
	return sysFchmodat2(t, dir, path, mode, 0, 0, 0)
}

func sysFchmodat2(t *task.Thread, dir, path, mode, flags, _, _ uintptr) (uintptr, abi.Errno) {
	p, e := pathAt(path)
	if e != abi.OK {
		return 0, e
	}
	return 0, t.Proc.FS.Chmod(int32(dir), p, uint32(mode), uint32(flags))
}

func sysChown(t *task.Thread, path, uid, gid, _, _, _ uintptr) (uintptr, abi.Errno) {
	return sysFchownat(t, cwd, path, uid, gid, 0, 0)
}

func sysLchown(t *task.Thread, path, uid, gid, _, _, _ uintptr) (uintptr, abi.Errno) {
	return sysFchownat(t, cwd, path, uid, gid, abi.AT_SYMLINK_NOFOLLOW, 0)
}

func sysFchown(t *task.Thread, fd, uid, gid, _, _, _ uintptr) (uintptr, abi.Errno) {
	return privileged(t, t.Proc.FS.Fchown(int32(fd), uint32(uid), uint32(gid)))
}

func sysFchownat(t *task.Thread, dir, path, uid, gid, flags, _ uintptr) (uintptr, abi.Errno) {
	p, e := pathAt(path)
	if e != abi.OK {
		return 0, e
	}
	return privileged(t, t.Proc.FS.Chown(int32(dir), p, uint32(uid), uint32(gid), uint32(flags)))
}

func sysUtime(t *task.Thread, path, times, _, _, _, _ uintptr) (uintptr, abi.Errno) {
	var ts *[2]abi.Timespec
	if times != 0 {
		var sec [2]int64
		if e := usermem.In(&sec, times); e != abi.OK {
			return 0, e
		}
		ts = &[2]abi.Timespec{{Sec: sec[0]}, {Sec: sec[1]}}
	}
	return utimens(t, cwd, path, ts, 0)
}

func sysUtimes(t *task.Thread, path, times, _, _, _, _ uintptr) (uintptr, abi.Errno) {
	return sysFutimesat(t, cwd, path, times, 0, 0, 0)
}

func sysFutimesat(t *task.Thread, dir, path, times, _, _, _ uintptr) (uintptr, abi.Errno) {
	var ts *[2]abi.Timespec
	if times != 0 {
		var tv [2]abi.Timeval
		if e := usermem.In(&tv, times); e != abi.OK {
			return 0, e
		}
		ts = &[2]abi.Timespec{}
		for i, v := range tv {
			if v.Usec < 0 || v.Usec >= 1e6 {
				return 0, abi.EINVAL
			}
			ts[i] = abi.Timespec{Sec: v.Sec, Nsec: v.Usec * 1000}
		}
	}
	return utimens(t, dir, path, ts, 0)
}

func sysUtimensat(t *task.Thread, dir, path, times, flags, _, _ uintptr) (uintptr, abi.Errno) {
	var ts *[2]abi.Timespec
	if times != 0 {
		ts = &[2]abi.Timespec{}
		if e := usermem.In(ts, times); e != abi.OK {
			return 0, e
		}
	}
	return utimens(t, dir, path, ts, uint32(flags))
}

func utimens(t *task.Thread, dir, path uintptr, ts *[2]abi.Timespec, flags uint32) (uintptr, abi.Errno) {
	if path == 0 {
		return 0, t.Proc.FS.Utimens(int32(dir), "", true, ts, flags)
	}
	p, e := pathAt(path)
	if e != abi.OK {
		return 0, e
	}
	return 0, t.Proc.FS.Utimens(int32(dir), p, false, ts, flags)
}
