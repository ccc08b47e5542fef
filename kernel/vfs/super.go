package vfs

import (
	"sync"
	"sync/atomic"

	"skerry/kernel/abi"
)

// FileSystem is what can be mounted.
type FileSystem interface {
	// Root is the root directory; the same one each time.
	Root() Inode
	// Statfs fills st except for the identifier and the flags.
	Statfs(st *Statfs) abi.Errno
	// Info describes the file system; constant.
	Info() Info
}

// Info is what does not change about a file system.
type Info struct {
	Type     string // "tmpfs", as in /proc/filesystems
	Source   string // first field of /proc/mounts
	Options  string // further mount options, "size=65536k"
	ReadOnly bool
	NoExec   bool
	// Names says how long a name's Dentry is good for.
	Names NameCaching
	// Dev is st_dev of its inodes.
	Dev uint64
}

// NameCaching is how the names of a file system are cached.
type NameCaching uint8

const (
	// KeepNames keeps a Dentry for as long as its entry exists: file systems in
	// memory, where it is part of the truth.
	KeepNames NameCaching = iota
	// DropNames may forget a Dentry at any time: read-only file systems.
	DropNames
	// NoNames looks each name up anew: generated file systems.
	NoNames
)

// Statfs is struct statfs of x86-64, uapi/asm-generic/statfs.h; 120 bytes.
type Statfs struct {
	Type, Bsize           int64
	Blocks, Bfree, Bavail uint64
	Files, Ffree          uint64
	FSID                  [2]int32
	Namelen, Frsize       int64
	Flags                 int64
	_                     [4]int64
}

// Super is a mounted file system. There are no bind mounts: each file system is
// mounted once, so a Dentry says which mount it is in.
type Super struct {
	fs     FileSystem
	info   Info
	id     uint64
	root   *Dentry
	covers *Dentry // what it is mounted on; nil for the root

	// rename lets one move between directories at a time; taken before any
	// directory's lock.
	rename sync.Mutex
	// names guards Dentry.name, and Dentry.parent when both are to agree. It is
	// a leaf lock.
	names sync.RWMutex

	lru lru
}

// Info describes the mounted file system.
func (s *Super) Info() Info { return s.info }

// ID is the mount's number in /proc/self/mountinfo.
func (s *Super) ID() uint64 { return s.id }

// Root is the root of the mounted file system.
func (s *Super) Root() *Dentry { return s.root }

// MountPoint is the Dentry that the file system covers, nil for the root.
func (s *Super) MountPoint() *Dentry { return s.covers }

// superIDs counts mounts, and gives file systems without a device their st_dev.
var superIDs atomic.Uint64

func newSuper(fs FileSystem, on *Dentry) *Super {
	s := &Super{fs: fs, info: fs.Info(), id: superIDs.Add(1), covers: on}
	s.root = newDentry(s, nil, "", fs.Root())
	return s
}

// deviceNumbers counts the anonymous devices that file systems without one show.
var deviceNumbers atomic.Uint64

// NewDev returns a device number that no other file system has: major 0, as
// Linux gives to file systems without a disk.
func NewDev() uint64 { return 15 + deviceNumbers.Add(1) }

// anonDev is st_dev of pipes, eventfds and the like.
const anonDev = 13

// inodeNumbers counts what has no file system.
var inodeNumbers atomic.Uint64

// NewIno returns an inode number for a file without a file system.
func NewIno() uint64 { return 1024 + inodeNumbers.Add(1) }

// Mount mounts a file system on a directory. It is for the kernel at boot: the
// program cannot mount.
func (c *Context) Mount(path string, fs FileSystem) abi.Errno {
	on, e := c.lookup(abi.AT_FDCWD, path, followLast)
	if e != abi.OK {
		return e
	}
	if on.dir == nil {
		return abi.ENOTDIR
	}
	s := newSuper(fs, on)
	c.mounts.mu.Lock()
	defer c.mounts.mu.Unlock()
	if on.sb.info.Names == NoNames || !on.mounted.CompareAndSwap(nil, s) {
		return abi.EBUSY
	}
	c.mounts.list = append(c.mounts.list, s)
	return abi.OK
}

// Mounts is the list of what is mounted, in order.
func (c *Context) Mounts() []*Super {
	c.mounts.mu.Lock()
	defer c.mounts.mu.Unlock()
	return append([]*Super(nil), c.mounts.list...)
}

// statfs fills st wholly.
func (s *Super) statfs(st *Statfs) abi.Errno {
	*st = Statfs{}
	if e := s.fs.Statfs(st); e != abi.OK {
		return e
	}
	st.FSID = [2]int32{int32(s.info.Dev), int32(s.info.Dev >> 32)}
	st.Flags = abi.ST_VALID | abi.ST_NOSUID | abi.ST_NODEV | abi.ST_RELATIME
	if s.info.ReadOnly {
		st.Flags |= abi.ST_RDONLY
	}
	if s.info.NoExec {
		st.Flags |= abi.ST_NOEXEC
	}
	return abi.OK
}
