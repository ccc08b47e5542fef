package vfs

import (
	"strconv"
	"strings"

	"skerry/kernel/abi"
)

// cloneName makes a name its own string, so that an entry does not keep the
// whole path alive that it was cut from.
func cloneName(name string) string { return strings.Clone(name) }

func itoa(n uint64) string { return strconv.FormatUint(n, 10) }

func inoOf(i Inode) uint64 {
	var st abi.Stat
	i.Stat(&st)
	return st.Ino
}

// Mkdir is mkdirat(2).
func (c *Context) Mkdir(dirfd int32, path string, mode uint32) abi.Errno {
	_, e := c.makeNode(dirfd, path, &NewNode{Mode: abi.S_IFDIR | mode&modeBits&^c.umask.Load()})
	return e
}

// Mknod is mknodat(2): regular files, FIFOs and sockets can be made. Device
// nodes are EPERM: there is no privilege to make one. EINVAL for other types.
func (c *Context) Mknod(dirfd int32, path string, mode uint32) abi.Errno {
	switch mode & abi.S_IFMT {
	case 0:
		mode |= abi.S_IFREG
	case abi.S_IFREG, abi.S_IFIFO, abi.S_IFSOCK:
	case abi.S_IFCHR, abi.S_IFBLK:
		// Linux looks at the path first.
		var w walk
		if e := w.begin(c, dirfd, path, 0); e != abi.OK {
			return e
		}
		if _, _, _, e := w.parent(); e != abi.OK {
			return e
		}
		return abi.EPERM
	case abi.S_IFDIR:
		return abi.EPERM
	default:
		return abi.EINVAL
	}
	_, e := c.makeNode(dirfd, path, &NewNode{Mode: mode&abi.S_IFMT | mode&modeBits&^c.umask.Load()})
	return e
}

// Symlink is symlinkat(2).
func (c *Context) Symlink(target string, dirfd int32, path string) abi.Errno {
	if target == "" {
		return abi.ENOENT
	}
	if len(target) >= abi.PATH_MAX {
		return abi.ENAMETOOLONG
	}
	_, e := c.makeNode(dirfd, path, &NewNode{Mode: abi.S_IFLNK | 0o777, Target: cloneName(target)})
	return e
}

// BindSocket makes the name of a socket, bind(2) on AF_UNIX: EADDRINUSE if the
// path exists. socket is what LookupSocket then finds.
func (c *Context) BindSocket(path string, mode uint32, socket any) (*Dentry, abi.Errno) {
	d, e := c.makeNode(abi.AT_FDCWD, path, &NewNode{Mode: abi.S_IFSOCK | mode&modeBits&^c.umask.Load(), Socket: socket})
	if e == abi.EEXIST {
		e = abi.EADDRINUSE
	}
	return d, e
}

// LookupSocket finds what is bound to a path, connect(2) on AF_UNIX:
// ECONNREFUSED if it is no socket.
func (c *Context) LookupSocket(path string) (any, abi.Errno) {
	d, e := c.lookup(abi.AT_FDCWD, path, followLast)
	if e != abi.OK {
		return nil, e
	}
	if s, ok := d.inode.(SocketNode); ok {
		return s.Socket(), abi.OK
	}
	return nil, abi.ECONNREFUSED
}

// makeNode makes what n says at a path whose last component does not exist.
func (c *Context) makeNode(dirfd int32, path string, n *NewNode) (*Dentry, abi.Errno) {
	var w walk
	if e := w.begin(c, dirfd, path, 0); e != abi.OK {
		return nil, e
	}
	name, kind, slash, e := w.parent()
	if e != abi.OK {
		return nil, e
	}
	if kind != lastName {
		return nil, abi.EEXIST
	}
	if slash && !isDir(n.Mode) {
		// Only a directory's new name may end in a slash.
		if _, e := w.at.child(name); e != abi.OK {
			return nil, e
		}
		return nil, abi.EEXIST
	}
	d, created, e := w.at.create(name, n)
	if e == abi.OK && !created {
		e = abi.EEXIST
	}
	return d, e
}

// Link is linkat(2); flags are AT_SYMLINK_FOLLOW and AT_EMPTY_PATH.
func (c *Context) Link(olddir int32, oldpath string, newdir int32, newpath string, flags uint32) abi.Errno {
	if flags&^(abi.AT_SYMLINK_FOLLOW|abi.AT_EMPTY_PATH) != 0 {
		return abi.EINVAL
	}
	walkFlags := uint32(0)
	if flags&abi.AT_SYMLINK_FOLLOW != 0 {
		walkFlags |= followLast
	}
	if flags&abi.AT_EMPTY_PATH != 0 {
		walkFlags |= emptyPath
	}
	old, e := c.lookup(olddir, oldpath, walkFlags)
	if e != abi.OK {
		return e
	}
	var w walk
	if e := w.begin(c, newdir, newpath, 0); e != abi.OK {
		return e
	}
	name, kind, slash, e := w.parent()
	if e != abi.OK {
		return e
	}
	if kind != lastName {
		return abi.EEXIST
	}
	if slash {
		if _, e := w.at.child(name); e != abi.OK {
			return e
		}
		return abi.EEXIST
	}
	return w.at.link(name, old)
}

func (d *Dentry) link(name string, old *Dentry) abi.Errno {
	if k, e := d.child(name); e != abi.ENOENT {
		if e == abi.OK && k != nil {
			e = abi.EEXIST
		}
		return e
	}
	if d.readOnly() {
		return abi.EROFS
	}
	if old.sb != d.sb {
		return abi.EXDEV
	}
	if d.gone.Load() {
		return abi.ENOENT
	}
	if old.dir != nil {
		return abi.EPERM
	}
	m, ok := d.dir.(MutableDir)
	if !ok {
		return abi.EPERM
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, e := d.childLocked(name); e != abi.ENOENT {
		if e == abi.OK {
			e = abi.EEXIST
		}
		return e
	}
	if d.gone.Load() {
		return abi.ENOENT
	}
	name = cloneName(name)
	if e := m.Link(name, old.inode); e != abi.OK {
		return e
	}
	k := d.adopt(name, old.inode)
	k.tellSelf(abi.IN_ATTRIB)
	d.tellEntry(abi.IN_CREATE, 0, name, false)
	return abi.OK
}

func hex(n uint64) string { return strconv.FormatUint(n, 16) }

// SocketNames are the socket inodes of a Context as AF_UNIX binds and finds them.
type SocketNames struct{ Context *Context }

// Bind makes a socket inode at path that leads to s.
func (n SocketNames) Bind(path string, s any) abi.Errno {
	_, e := n.Context.BindSocket(path, modeBits, s)
	return e
}

// Find returns what the socket inode at path leads to.
func (n SocketNames) Find(path string) (any, abi.Errno) { return n.Context.LookupSocket(path) }
