package vfs

import (
	"sync"
	"sync/atomic"

	"skerry/kernel/abi"
)

// Context is the program's view of the file tree: root, working directory,
// umask, descriptors. The program's threads share one (clone(2) with CLONE_FS
// and CLONE_FILES). Its methods are the system calls on paths and descriptors;
// they take what the program passed, checked for nothing but being readable, and
// answer Linux's error numbers.
type Context struct {
	Files *Table

	root   *Dentry
	cwd    atomic.Pointer[Dentry]
	umask  atomic.Uint32
	mounts mounts
}

// mounts is the list of mounted file systems.
type mounts struct {
	mu   sync.Mutex
	list []*Super
}

// NewContext returns a Context whose root, and working directory, is the root
// of fs, with an empty descriptor table.
func NewContext(fs FileSystem) *Context {
	s := newSuper(fs, nil)
	c := &Context{Files: NewTable(), root: s.root}
	s.root.inode.Hold()
	c.cwd.Store(s.root)
	c.umask.Store(0o022)
	c.mounts.list = []*Super{s}
	return c
}

// Root is the root directory.
func (c *Context) Root() *Dentry { return c.root }

// Cwd is the working directory.
func (c *Context) Cwd() *Dentry { return c.cwd.Load() }

// Umask is the current umask.
func (c *Context) Umask() uint32 { return c.umask.Load() }

// SetUmask sets the umask, of which the permission bits count, and returns the
// one before.
func (c *Context) SetUmask(mask uint32) uint32 { return c.umask.Swap(mask & modeBits) }

// PathOf is d's absolute path as the program sees it, for /proc.
func (c *Context) PathOf(d *Dentry) string {
	p, _ := d.path(c.root)
	return p
}

// Getcwd is the working directory's path; ENOENT if it was removed.
func (c *Context) Getcwd() (string, abi.Errno) {
	d := c.cwd.Load()
	if d.gone.Load() {
		return "", abi.ENOENT
	}
	p, ok := d.path(c.root)
	if !ok {
		// Only a descriptor passed in from outside the root could lead here, and
		// there is no outside; Linux says so too.
		p = "(unreachable)" + p
	}
	return p, abi.OK
}

// Chdir is chdir(2).
func (c *Context) Chdir(path string) abi.Errno {
	d, e := c.lookup(abi.AT_FDCWD, path, followLast|wantDir)
	if e != abi.OK {
		return e
	}
	return c.setCwd(d)
}

// setCwd moves the working directory, which holds its inode as an open
// description does.
func (c *Context) setCwd(d *Dentry) abi.Errno {
	if !d.inode.Hold() {
		return abi.ENOENT
	}
	c.cwd.Swap(d).inode.Drop()
	return abi.OK
}

// Fchdir is fchdir(2).
func (c *Context) Fchdir(fd int32) abi.Errno {
	d, e := c.Files.GetAny(fd)
	if e != abi.OK {
		return e
	}
	defer d.Unref()
	at := d.Dentry()
	if at.dir == nil {
		return abi.ENOTDIR
	}
	return c.setCwd(at)
}

// Lookup is the name at an absolute path, links followed, for the kernel itself.
func (c *Context) Lookup(path string) (*Dentry, abi.Errno) {
	return c.lookup(abi.AT_FDCWD, path, followLast)
}
