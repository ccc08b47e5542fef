package vfs

import (
	"skerry/kernel/abi"
	"skerry/kernel/wait"
)

// openKnown are the flags that openat2 accepts; open and openat ignore others.
const openKnown = abi.O_ACCMODE | abi.O_CREAT | abi.O_EXCL | abi.O_NOCTTY | abi.O_TRUNC | abi.O_APPEND |
	abi.O_NONBLOCK | abi.O_SYNC | abi.O_DSYNC | abi.O_ASYNC | abi.O_DIRECT | abi.O_LARGEFILE | abi.O_DIRECTORY |
	abi.O_NOFOLLOW | abi.O_NOATIME | abi.O_CLOEXEC | abi.O_PATH | abi.O_TMPFILE

const tmpfileBit = abi.O_TMPFILE &^ abi.O_DIRECTORY

// OpenHow is struct open_how of openat2(2).
type OpenHow struct{ Flags, Mode, Resolve uint64 }

// Open is openat(2), and open(2) with AT_FDCWD. Opening a FIFO may sleep.
func (c *Context) Open(w *wait.Waiter, dirfd int32, path string, flags, mode uint32) (int32, abi.Errno) {
	// Unknown bits are ignored, and O_PATH drops what it has no use for.
	flags &= openKnown
	if flags&abi.O_PATH != 0 {
		flags &= abi.O_PATH | abi.O_DIRECTORY | abi.O_NOFOLLOW | abi.O_CLOEXEC
	}
	if flags&(abi.O_CREAT|tmpfileBit) == 0 {
		mode = 0
	}
	return c.openFD(w, dirfd, path, flags, mode&0o7777, 0)
}

// Open2 is openat2(2), which refuses what it does not know.
func (c *Context) Open2(w *wait.Waiter, dirfd int32, path string, how *OpenHow) (int32, abi.Errno) {
	const resolveKnown = abi.RESOLVE_NO_XDEV | abi.RESOLVE_NO_MAGICLINKS | abi.RESOLVE_NO_SYMLINKS | abi.RESOLVE_BENEATH | abi.RESOLVE_IN_ROOT
	if how.Resolve&abi.RESOLVE_CACHED != 0 {
		return 0, abi.EAGAIN // what it may always answer: "not without blocking"
	}
	if how.Flags&^openKnown != 0 || how.Mode&^0o7777 != 0 || how.Resolve&^resolveKnown != 0 ||
		how.Resolve&(abi.RESOLVE_BENEATH|abi.RESOLVE_IN_ROOT) == abi.RESOLVE_BENEATH|abi.RESOLVE_IN_ROOT ||
		how.Flags&(abi.O_CREAT|tmpfileBit) == 0 && how.Mode != 0 {
		return 0, abi.EINVAL
	}
	if how.Flags&abi.O_PATH != 0 && how.Flags&^(abi.O_PATH|abi.O_DIRECTORY|abi.O_NOFOLLOW|abi.O_CLOEXEC) != 0 {
		return 0, abi.EINVAL
	}
	resolve := uint32(0)
	for _, r := range [...]struct{ bit, flag uint32 }{
		{abi.RESOLVE_NO_XDEV, noXdev}, {abi.RESOLVE_NO_MAGICLINKS, noMagicLinks}, {abi.RESOLVE_NO_SYMLINKS, noSymlinks},
		{abi.RESOLVE_BENEATH, beneath}, {abi.RESOLVE_IN_ROOT, inRoot},
	} {
		if uint32(how.Resolve)&r.bit != 0 {
			resolve |= r.flag
		}
	}
	return c.openFD(w, dirfd, path, uint32(how.Flags), uint32(how.Mode), resolve)
}

func (c *Context) openFD(w *wait.Waiter, dirfd int32, path string, flags, mode, resolve uint32) (int32, abi.Errno) {
	if e := checkOpen(flags); e != abi.OK {
		return 0, e
	}
	// The order of the checks is Linux's: a bad path first, then no descriptor.
	if path == "" {
		return 0, abi.ENOENT
	}
	if len(path) >= abi.PATH_MAX {
		return 0, abi.ENAMETOOLONG
	}
	fd, e := c.Files.Reserve()
	if e != abi.OK {
		return 0, e
	}
	d, e := c.OpenFile(w, dirfd, path, flags, mode, resolve)
	if e != abi.OK {
		c.Files.Cancel(fd)
		return 0, e
	}
	c.Files.Commit(fd, d, flags&abi.O_CLOEXEC != 0)
	return fd, abi.OK
}

// checkOpen refuses combinations of flags as open(2) does.
func checkOpen(flags uint32) abi.Errno {
	if flags&tmpfileBit != 0 {
		// O_TMPFILE contains O_DIRECTORY, so that kernels without it refuse.
		if flags&abi.O_TMPFILE != abi.O_TMPFILE || flags&abi.O_CREAT != 0 ||
			flags&abi.O_ACCMODE == abi.O_RDONLY {
			return abi.EINVAL
		}
	} else if flags&(abi.O_CREAT|abi.O_DIRECTORY) == abi.O_CREAT|abi.O_DIRECTORY {
		return abi.EINVAL
	}
	return abi.OK
}

// OpenFile opens a file without giving it a descriptor. resolve is 0 or flags of
// a walk.
func (c *Context) OpenFile(w *wait.Waiter, dirfd int32, path string, flags, mode, resolve uint32) (*Description, abi.Errno) {
	if flags&abi.O_PATH != 0 {
		return c.openPath(dirfd, path, flags, resolve)
	}
	var n walk
	if flags&abi.O_NOFOLLOW == 0 {
		resolve |= followLast
	}
	if e := n.begin(c, dirfd, path, resolve); e != abi.OK {
		return nil, e
	}
	mode &= modeBits &^ c.umask.Load()
	if flags&tmpfileBit != 0 {
		return openTmpfile(&n, flags, mode)
	}
	var e *Dentry
	var errno abi.Errno
	created := false
	if flags&abi.O_CREAT != 0 {
		e, created, errno = n.openCreate(flags, mode)
	} else {
		e, errno = n.finish()
	}
	if errno != abi.OK {
		return nil, errno
	}
	return open(w, e, flags, created)
}

// openPath makes an O_PATH description, which may stand for a symbolic link.
func (c *Context) openPath(dirfd int32, path string, flags, resolve uint32) (*Description, abi.Errno) {
	if flags&abi.O_NOFOLLOW == 0 {
		resolve |= followLast
	}
	if flags&abi.O_DIRECTORY != 0 {
		resolve |= wantDir
	}
	e, errno := c.lookup(dirfd, path, resolve)
	if errno != abi.OK {
		return nil, errno
	}
	if !e.inode.Hold() {
		return nil, abi.ENOENT
	}
	return newHeld(&pathFile{inode: e.inode}, e, flags), abi.OK
}

// openCreate finds the file or makes it, for O_CREAT. Symbolic links in the last
// place lead on to what is made, as open(2) has it, but for O_EXCL.
func (w *walk) openCreate(flags, mode uint32) (e *Dentry, created bool, errno abi.Errno) {
	for {
		name, kind, slash, e := w.parent()
		if e != abi.OK {
			return nil, false, e
		}
		if kind != lastName {
			if flags&abi.O_EXCL != 0 {
				return nil, false, abi.EEXIST
			}
			return nil, false, abi.EISDIR
		}
		if slash {
			return nil, false, abi.EISDIR
		}
		k, created, e := w.at.create(name, &NewNode{Mode: abi.S_IFREG | mode})
		if e == abi.EPERM {
			e = abi.EACCES // what Linux answers where files cannot be made
		}
		if e != abi.OK {
			return nil, false, e
		}
		if created {
			return k, true, abi.OK
		}
		if flags&abi.O_EXCL != 0 {
			return nil, false, abi.EEXIST
		}
		if k, e = w.step(name); e != abi.OK {
			if e == abi.ENOENT {
				continue // removed meanwhile: try to make it again
			}
			return nil, false, e
		}
		if isLink(k.inode.Mode()) {
			if flags&abi.O_NOFOLLOW != 0 {
				return nil, false, abi.ELOOP
			}
			if e := w.follow(k, false); e != abi.OK {
				return nil, false, e
			}
			if w.rest != "" {
				continue
			}
			k = w.at // a magic link
		}
		if k.dir != nil {
			return nil, false, abi.EISDIR
		}
		return k, false, abi.OK
	}
}

// create makes an entry in directory d unless there is one: created is false
// then, and the result the one that is there.
func (d *Dentry) create(name string, n *NewNode) (k *Dentry, created bool, e abi.Errno) {
	if d.sb.info.Names != KeepNames || d.readOnly() {
		// Nothing can be made here; the entry may exist all the same. In /proc the
		// lookup's ENOENT is what Linux answers.
		if k, e = d.child(name); e == abi.ENOENT && !d.gone.Load() && d.readOnly() {
			e = abi.EROFS
		}
		return k, false, e
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if k, e = d.childLocked(name); e != abi.ENOENT {
		return k, false, e
	}
	if d.gone.Load() {
		return nil, false, abi.ENOENT
	}
	m, ok := d.dir.(MutableDir)
	if !ok {
		return nil, false, abi.EPERM
	}
	name = cloneName(name)
	ino, e := m.Create(name, n)
	if e != abi.OK {
		return nil, false, e
	}
	k = d.adopt(name, ino)
	d.tellEntry(abi.IN_CREATE, 0, name, k.dir != nil)
	return k, true, abi.OK
}

// openTmpfile makes a file without a name in the directory that the path leads
// to.
func openTmpfile(w *walk, flags, mode uint32) (*Description, abi.Errno) {
	w.flags |= wantDir
	e, errno := w.finish()
	if errno != abi.OK {
		return nil, errno
	}
	if e.readOnly() {
		return nil, abi.EROFS
	}
	m, ok := e.dir.(MutableDir)
	if !ok {
		return nil, abi.EOPNOTSUPP
	}
	ino, errno := m.Tmpfile(abi.S_IFREG|mode, flags&abi.O_EXCL == 0)
	if errno != abi.OK {
		return nil, errno
	}
	// It has no entry, yet a parent, so that its path can be shown as Linux does.
	k := newDentry(e.sb, e, "#"+itoa(inoOf(ino)), ino)
	k.gone.Store(true)
	f, errno := ino.Open(k, flags)
	if errno != abi.OK {
		ino.Drop()
		return nil, errno
	}
	return newHeld(f, k, flags|abi.O_LARGEFILE), abi.OK
}

// open opens what a path led to.
func open(w *wait.Waiter, e *Dentry, flags uint32, created bool) (*Description, abi.Errno) {
	ino := e.inode
	mode := ino.Mode()
	writes := flags&abi.O_ACCMODE != abi.O_RDONLY || flags&abi.O_TRUNC != 0
	if flags&abi.O_DIRECTORY != 0 && e.dir == nil {
		return nil, abi.ENOTDIR
	}
	switch mode & abi.S_IFMT {
	case abi.S_IFLNK:
		return nil, abi.ELOOP
	case abi.S_IFDIR:
		if writes {
			return nil, abi.EISDIR
		}
	case abi.S_IFREG:
		if writes && e.readOnly() && !created {
			return nil, abi.EROFS
		}
	case abi.S_IFSOCK:
		return nil, abi.ENXIO
	}
	if !ino.Hold() {
		return nil, abi.ENOENT
	}
	f, errno := openFile(w, e, flags)
	if errno == abi.OK && flags&abi.O_DIRECT != 0 {
		if dio, ok := f.(DirectIO); !ok || !dio.DirectIO() {
			f.Release()
			errno = abi.EINVAL
		}
	}
	if errno == abi.OK {
		e.tell(abi.IN_OPEN)
	}
	if errno == abi.OK && flags&abi.O_TRUNC != 0 && isReg(mode) && !created {
		errno = setAttr(e, &Attr{Set: AttrSize})
		if errno != abi.OK {
			f.Release()
		}
	}
	if errno != abi.OK {
		ino.Drop()
		return nil, errno
	}
	flags &^= abi.O_CREAT | abi.O_EXCL | abi.O_NOCTTY | abi.O_TRUNC | abi.O_CLOEXEC
	return newHeld(f, e, flags|abi.O_LARGEFILE), abi.OK
}

// openFile makes the File; the caller holds the inode.
func openFile(w *wait.Waiter, e *Dentry, flags uint32) (File, abi.Errno) {
	if e.dir != nil {
		return &dirFile{d: e}, abi.OK
	}
	if n, ok := e.inode.(FIFONode); ok {
		return n.FIFO().open(w, e.inode, flags)
	}
	return e.inode.Open(e, flags)
}
