package vfs

import (
	"skerry/kernel/abi"
)

// Statx is struct statx, uapi/linux/stat.h; 256 bytes.
type Statx struct {
	Mask, Blksize              uint32
	Attributes                 uint64
	Nlink, UID, GID            uint32
	Mode                       uint16
	_                          uint16
	Ino, Size, Blocks          uint64
	AttributesMask             uint64
	Atime, Btime, Ctime, Mtime StatxTime
	RdevMajor, RdevMinor       uint32
	DevMajor, DevMinor         uint32
	MntID                      uint64
	DioMemAlign, DioOffAlign   uint32
	_                          [12]uint64
}

// StatxTime is struct statx_timestamp.
type StatxTime struct {
	Sec  int64
	Nsec uint32
	_    int32
}

// Bits of Statx.Mask and Attributes, statx(2).
const (
	statxReserved = 1 << 31

	atStatxSyncType = 0x6000
)

// Stat is newfstatat(2); flags are AT_SYMLINK_NOFOLLOW, AT_NO_AUTOMOUNT and
// AT_EMPTY_PATH.
func (c *Context) Stat(dirfd int32, path string, flags uint32, st *abi.Stat) abi.Errno {
	d, e := c.statTarget(dirfd, path, flags)
	if e != abi.OK {
		return e
	}
	return d.inode.Stat(st)
}

func (c *Context) statTarget(dirfd int32, path string, flags uint32) (*Dentry, abi.Errno) {
	f, e := atFlags(flags, abi.AT_SYMLINK_NOFOLLOW|abi.AT_NO_AUTOMOUNT|abi.AT_EMPTY_PATH|atStatxSyncType)
	if e != abi.OK {
		return nil, e
	}
	return c.lookup(dirfd, path, f)
}

// Fstat is fstat(2).
func (c *Context) Fstat(fd int32, st *abi.Stat) abi.Errno {
	d, e := c.Files.GetAny(fd)
	if e != abi.OK {
		return e
	}
	e = d.file.Stat(st)
	d.Unref()
	return e
}

// Statx is statx(2). Every basic field is always there, whatever mask asks for.
func (c *Context) Statx(dirfd int32, path string, flags, mask uint32, sx *Statx) abi.Errno {
	if mask&statxReserved != 0 || flags&atStatxSyncType == atStatxSyncType {
		return abi.EINVAL
	}
	d, e := c.statTarget(dirfd, path, flags)
	if e != abi.OK {
		return e
	}
	var st abi.Stat
	if e := d.inode.Stat(&st); e != abi.OK {
		return e
	}
	*sx = Statx{
		Mask: abi.STATX_BASIC_STATS, Blksize: uint32(st.Blksize),
		Nlink: uint32(st.Nlink), UID: st.UID, GID: st.GID, Mode: uint16(st.Mode),
		Ino: st.Ino, Size: uint64(st.Size), Blocks: uint64(st.Blocks),
		Atime: statxTime(st.Atime), Ctime: statxTime(st.Ctime), Mtime: statxTime(st.Mtime),
		AttributesMask: abi.STATX_ATTR_MOUNT_ROOT,
	}
	sx.DevMajor, sx.DevMinor = devParts(st.Dev)
	sx.RdevMajor, sx.RdevMinor = devParts(st.Rdev)
	if b, ok := d.inode.(BirthTimer); ok {
		sx.Btime = statxTime(b.Btime())
		sx.Mask |= abi.STATX_BTIME
	}
	if d.sb != nil {
		sx.MntID = d.sb.id
		sx.Mask |= abi.STATX_MNT_ID
		if d == d.sb.root {
			sx.Attributes |= abi.STATX_ATTR_MOUNT_ROOT
		}
	}
	return abi.OK
}

func statxTime(t abi.Timespec) StatxTime { return StatxTime{Sec: t.Sec, Nsec: uint32(t.Nsec)} }

// MakeDev joins major and minor as st_dev and st_rdev hold them, makedev(3).
func MakeDev(major, minor uint32) uint64 {
	return uint64(major&0xfff)<<8 | uint64(minor&0xff) | uint64(minor>>8)<<20 | uint64(major>>12)<<44
}

func devParts(dev uint64) (major, minor uint32) {
	return uint32(dev>>8)&0xfff | uint32(dev>>32)&^0xfff, uint32(dev)&0xff | uint32(dev>>12)&^0xff
}

// Statfs is statfs(2).
func (c *Context) Statfs(path string, st *Statfs) abi.Errno {
	d, e := c.lookup(abi.AT_FDCWD, path, followLast)
	if e != abi.OK {
		return e
	}
	return d.statfs(st)
}

// Fstatfs is fstatfs(2).
func (c *Context) Fstatfs(fd int32, st *Statfs) abi.Errno {
	d, e := c.Files.GetAny(fd)
	if e != abi.OK {
		return e
	}
	defer d.Unref()
	return d.Dentry().statfs(st)
}

// Magic numbers of file systems without storage, uapi/linux/magic.h.
const (
	magicPipe = 0x50495045
	magicAnon = 0x09041934
	magicSock = 0x534f434b
)

func (d *Dentry) statfs(st *Statfs) abi.Errno {
	if d.sb != nil {
		return d.sb.statfs(st)
	}
	*st = Statfs{Type: magicAnon, Bsize: pageSize, Frsize: pageSize, Namelen: abi.NAME_MAX, Flags: abi.ST_VALID}
	switch d.inode.Mode() & abi.S_IFMT {
	case abi.S_IFIFO:
		st.Type = magicPipe
	case abi.S_IFSOCK:
		st.Type = magicSock
	}
	return abi.OK
}

// Access is faccessat2(2). Mode bits decide nothing here: what exists may be read
// and, unless its file system is read-only, written. X_OK is about execution of
// a regular file, and holds for those that may be mapped executable.
func (c *Context) Access(dirfd int32, path string, mode, flags uint32) abi.Errno {
	if mode&^(abi.R_OK|abi.W_OK|abi.X_OK) != 0 {
		return abi.EINVAL
	}
	f, e := atFlags(flags, abi.AT_SYMLINK_NOFOLLOW|abi.AT_EACCESS|abi.AT_EMPTY_PATH)
	if e != abi.OK {
		return e
	}
	d, e := c.lookup(dirfd, path, f)
	if e != abi.OK {
		return e
	}
	m := d.inode.Mode()
	if mode&abi.X_OK != 0 && isReg(m) {
		if x, ok := d.inode.(Executor); !ok || !x.Executable() {
			return abi.EACCES
		}
	}
	if mode&abi.W_OK != 0 && d.readOnly() && (isReg(m) || isDir(m) || isLink(m)) {
		return abi.EROFS
	}
	return abi.OK
}

// Readlink is readlinkat(2): the text of a symbolic link, whole. An empty path
// stands for the link that dirfd was opened on with O_PATH.
func (c *Context) Readlink(dirfd int32, path string) (string, abi.Errno) {
	d, e := c.lookup(dirfd, path, emptyPath)
	if e != abi.OK {
		return "", e
	}
	if path == "" && dirfd == abi.AT_FDCWD {
		return "", abi.ENOENT
	}
	l, ok := d.inode.(Symlink)
	if !ok {
		if path == "" {
			return "", abi.ENOENT
		}
		return "", abi.EINVAL
	}
	return l.Readlink()
}

// setAttr changes attributes; EROFS where nothing may change.
func setAttr(d *Dentry, a *Attr) abi.Errno {
	if d.readOnly() {
		return abi.EROFS
	}
	m, ok := d.inode.(Mutable)
	if !ok {
		return abi.EPERM
	}
	e := m.SetAttr(a)
	if e == abi.OK {
		d.tellAttr(a)
	}
	return e
}

// Chmod is fchmodat2(2); flags are AT_SYMLINK_NOFOLLOW and AT_EMPTY_PATH. Set-ID
// and sticky bits are dropped (docs/SECURITY.md, "no users").
func (c *Context) Chmod(dirfd int32, path string, mode, flags uint32) abi.Errno {
	f, e := atFlags(flags, abi.AT_SYMLINK_NOFOLLOW|abi.AT_EMPTY_PATH)
	if e != abi.OK {
		return e
	}
	d, e := c.lookup(dirfd, path, f)
	if e != abi.OK {
		return e
	}
	return d.chmod(mode)
}

func (d *Dentry) chmod(mode uint32) abi.Errno {
	if d.readOnly() {
		return abi.EROFS
	}
	if isLink(d.inode.Mode()) {
		return abi.EOPNOTSUPP
	}
	return setAttr(d, &Attr{Set: AttrMode, Mode: mode & modeBits})
}

// Fchmod is fchmod(2).
func (c *Context) Fchmod(fd int32, mode uint32) abi.Errno {
	d, e := c.Files.Get(fd)
	if e != abi.OK {
		return e
	}
	defer d.Unref()
	return d.Dentry().chmod(mode)
}

// Chown is fchownat(2). The one identity owns everything: giving a file to it,
// or to nobody new (-1), succeeds; anything else is EPERM.
func (c *Context) Chown(dirfd int32, path string, uid, gid, flags uint32) abi.Errno {
	f, e := atFlags(flags, abi.AT_SYMLINK_NOFOLLOW|abi.AT_EMPTY_PATH)
	if e != abi.OK {
		return e
	}
	d, e := c.lookup(dirfd, path, f)
	if e != abi.OK {
		return e
	}
	return d.chown(uid, gid)
}

func (d *Dentry) chown(uid, gid uint32) abi.Errno {
	const keep = ^uint32(0)
	if d.readOnly() {
		return abi.EROFS
	}
	if uid != keep && uid != abi.ID || gid != keep && gid != abi.ID {
		return abi.EPERM
	}
	if e := setAttr(d, &Attr{Set: AttrOwner}); e != abi.OK && e != abi.EPERM {
		return e
	}
	return abi.OK
}

// Fchown is fchown(2).
func (c *Context) Fchown(fd int32, uid, gid uint32) abi.Errno {
	d, e := c.Files.Get(fd)
	if e != abi.OK {
		return e
	}
	defer d.Unref()
	return d.Dentry().chown(uid, gid)
}

// Utimens is utimensat(2); times are access and modification, nil for now. null
// says that the path pointer was NULL: dirfd itself is meant.
func (c *Context) Utimens(dirfd int32, path string, null bool, times *[2]abi.Timespec, flags uint32) abi.Errno {
	if times != nil && times[0].Nsec == abi.UTIME_OMIT && times[1].Nsec == abi.UTIME_OMIT {
		return abi.OK // not even the path is looked at
	}
	var d *Dentry
	if null && dirfd != abi.AT_FDCWD {
		if flags != 0 {
			return abi.EINVAL
		}
		fd, e := c.Files.Get(dirfd)
		if e != abi.OK {
			return e
		}
		defer fd.Unref()
		d = fd.Dentry()
	} else {
		f, e := atFlags(flags, abi.AT_SYMLINK_NOFOLLOW|abi.AT_EMPTY_PATH)
		if e != abi.OK {
			return e
		}
		if null {
			return abi.EFAULT
		}
		if d, e = c.lookup(dirfd, path, f); e != abi.OK {
			return e
		}
	}
	if times != nil {
		for i := range times {
			n := times[i].Nsec
			if n != abi.UTIME_NOW && n != abi.UTIME_OMIT && (n < 0 || n >= 1e9) {
				return abi.EINVAL
			}
		}
	}
	now := Now()
	a := Attr{Set: AttrAtime | AttrMtime, Atime: now, Mtime: now}
	if times != nil {
		if times[0].Nsec == abi.UTIME_OMIT {
			a.Set &^= AttrAtime
		} else if times[0].Nsec != abi.UTIME_NOW {
			a.Atime = times[0]
		}
		if times[1].Nsec == abi.UTIME_OMIT {
			a.Set &^= AttrMtime
		} else if times[1].Nsec != abi.UTIME_NOW {
			a.Mtime = times[1]
		}
	}
	return setAttr(d, &a)
}

// Truncate is truncate(2).
func (c *Context) Truncate(path string, size int64) abi.Errno {
	if size < 0 {
		return abi.EINVAL
	}
	d, e := c.lookup(abi.AT_FDCWD, path, followLast)
	if e != abi.OK {
		return e
	}
	switch m := d.inode.Mode(); {
	case isDir(m):
		return abi.EISDIR
	case !isReg(m):
		return abi.EINVAL
	}
	if !d.inode.Hold() {
		return abi.ENOENT
	}
	defer d.inode.Drop()
	if e := checkSize(d.inode, size); e != abi.OK {
		return e
	}
	return setAttr(d, &Attr{Set: AttrSize, Size: size})
}

// Ftruncate is ftruncate(2).
func (c *Context) Ftruncate(fd int32, size int64) abi.Errno {
	if size < 0 {
		return abi.EINVAL
	}
	d, e := c.Files.Get(fd)
	if e != abi.OK {
		return e
	}
	defer d.Unref()
	at := d.Dentry()
	if !isReg(at.inode.Mode()) || !d.Writable() {
		return abi.EINVAL
	}
	if e := checkSize(at.inode, size); e != abi.OK {
		return e
	}
	return setAttr(at, &Attr{Set: AttrSize, Size: size})
}
