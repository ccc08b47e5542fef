package vfs

import (
	"sync"
	"sync/atomic"

	"gvisor.dev/gvisor/pkg/waiter"

	"skerry/kernel/abi"
	"skerry/kernel/usermem"
)

// Description is an open file description, open(2): a File with access mode,
// status flags and position, shared by the descriptors that name it.
//
// It is counted: one reference per descriptor, one per system call in progress
// on it. The last Unref closes the file. A Description is never used again after
// that, so a stale pointer to one is harmless: its count stays 0.
type Description struct {
	refs atomic.Int32
	// flags holds the access mode, the status flags and O_PATH as fcntl(2)
	// F_GETFL shows them.
	flags atomic.Uint32
	file  File
	seek  bool
	// dentry is the name that it was opened by, and held says that it counts as
	// a hold of the inode. Without a path one is made when somebody asks.
	dentry atomic.Pointer[Dentry]
	held   bool

	// mu guards pos, and is held over a read or write at it, as POSIX asks; the
	// copy to the program inside may take page faults, whose locks come later in
	// the order.
	mu  sync.Mutex
	pos int64

	watch watchers
}

// Status flags that F_SETFL changes, fcntl(2), and those that open keeps.
const (
	setflFlags = abi.O_APPEND | abi.O_NONBLOCK | abi.O_DIRECT | abi.O_NOATIME | abi.O_ASYNC
	keptFlags  = abi.O_ACCMODE | setflFlags | abi.O_SYNC | abi.O_LARGEFILE | abi.O_PATH | abi.O_DIRECTORY |
		abi.O_NOFOLLOW | tmpfileBit
)

// NewDescription returns a Description of f with one reference, which belongs to
// the caller. Of flags the access mode and the status flags count.
func NewDescription(f File, flags uint32) *Description {
	d := &Description{file: f, seek: f.Seekable()}
	d.refs.Store(1)
	d.flags.Store(flags & keptFlags)
	return d
}

// newHeld returns a Description of an inode that the caller holds, for which it
// takes the hold over.
func newHeld(f File, e *Dentry, flags uint32) *Description {
	d := NewDescription(f, flags)
	d.dentry.Store(e)
	d.held = true
	return d
}

// OpenInode opens an inode that has no path, such as a memfd's: e comes from
// NewAnonymous, and a hold on its inode is the caller's, which passes on to the
// Description or is dropped.
func OpenInode(e *Dentry, flags uint32) (*Description, abi.Errno) {
	f, errno := e.inode.Open(e, flags)
	if errno != abi.OK {
		e.inode.Drop()
		return nil, errno
	}
	return newHeld(f, e, flags), abi.OK
}

// File is the behaviour behind the description.
func (d *Description) File() File { return d.file }

// Flags is the access mode and the status flags.
func (d *Description) Flags() uint32 { return d.flags.Load() }

// Readable reports whether the description is open for reading.
func (d *Description) Readable() bool {
	return mayRead(d.flags.Load())
}

// Writable reports whether the description is open for writing.
func (d *Description) Writable() bool {
	return mayWrite(d.flags.Load())
}

// mayRead and mayWrite are about flags. Access mode 3 opens a file for ioctl(2)
// only, open(2).
func mayRead(flags uint32) bool {
	m := flags & (abi.O_ACCMODE | abi.O_PATH)
	return m == abi.O_RDONLY || m == abi.O_RDWR
}

func mayWrite(flags uint32) bool {
	m := flags & (abi.O_ACCMODE | abi.O_PATH)
	return m == abi.O_WRONLY || m == abi.O_RDWR
}

// Ref takes another reference; the caller has one.
func (d *Description) Ref() { d.refs.Add(1) }

// Refs is the number of references now; a hint unless the caller excludes others.
func (d *Description) Refs() int { return int(d.refs.Load()) }

// tryRef takes a reference unless the description is being closed.
func (d *Description) tryRef() bool {
	for {
		n := d.refs.Load()
		if n <= 0 {
			return false
		}
		if d.refs.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// Unref gives a reference back. The last one closes the file.
func (d *Description) Unref() {
	if d.refs.Add(-1) == 0 {
		d.release()
	}
}

func (d *Description) release() {
	d.watch.removeAll()
	fileLocks.dropOwner(d)
	d.file.Release()
	if !d.held {
		return
	}
	e := d.dentry.Load()
	if watched() && d.flags.Load()&abi.O_PATH == 0 {
		if d.Writable() {
			e.tell(abi.IN_CLOSE_WRITE)
		} else {
			e.tell(abi.IN_CLOSE_NOWRITE)
		}
	}
	e.inode.Drop()
	e.tellGone()
}

// Dentry is the name that the description was opened by, or one that stands for
// a file without a path.
func (d *Description) Dentry() *Dentry {
	e := d.dentry.Load()
	if e != nil {
		return e
	}
	name := "anon_inode:[file]"
	if n, ok := d.file.(Namer); ok {
		name = n.Name()
	}
	d.dentry.CompareAndSwap(nil, NewAnonymous(name, &fileInode{file: d.file}))
	return d.dentry.Load()
}

// Inode is the inode that the description is open on.
func (d *Description) Inode() Inode { return d.Dentry().inode }

// Seekable reports whether the description has a position.
func (d *Description) Seekable() bool { return d.seek }

// Path is what /proc/self/fd and /proc/self/maps show: an absolute path, or the
// kind and number of a file without one.
func (d *Description) Path() string {
	p, _ := d.Dentry().path(nil)
	return p
}

// Stat fills st for the file.
func (d *Description) Stat(st *abi.Stat) abi.Errno { return d.file.Stat(st) }

// Readiness implements waiter.Waitable, as do the next two.
func (d *Description) Readiness(m waiter.EventMask) waiter.EventMask { return d.file.Readiness(m) }

// EventRegister implements waiter.Waitable.
func (d *Description) EventRegister(e *waiter.Entry) error { return d.file.EventRegister(e) }

// EventUnregister implements waiter.Waitable.
func (d *Description) EventUnregister(e *waiter.Entry) { d.file.EventUnregister(e) }

// fileInode stands for a file without a path where an inode is asked for.
type fileInode struct {
	DefaultInode
	file File
}

// Mode is the file's.
func (i *fileInode) Mode() uint32 {
	var st abi.Stat
	if i.file.Stat(&st) != abi.OK {
		return 0
	}
	return st.Mode
}

// Stat is the file's.
func (i *fileInode) Stat(st *abi.Stat) abi.Errno { return i.file.Stat(st) }

// Open opens the file again if it can be.
func (i *fileInode) Open(_ *Dentry, flags uint32) (File, abi.Errno) {
	if r, ok := i.file.(Reopener); ok {
		return r.Reopen(flags)
	}
	return nil, abi.ENXIO
}

// pathFile is the File of a description opened with O_PATH.
type pathFile struct {
	BaseFile
	inode Inode
}

// Read answers EBADF, as everything on O_PATH.
func (f *pathFile) Read(*usermem.Vec, int64) (int, abi.Errno) { return 0, abi.EBADF }

// Write answers EBADF.
func (f *pathFile) Write(*usermem.Vec, int64) (int, abi.Errno) { return 0, abi.EBADF }

// Ioctl answers EBADF.
func (f *pathFile) Ioctl(uint32, uintptr) (uintptr, abi.Errno) { return 0, abi.EBADF }

// Stat is the inode's.
func (f *pathFile) Stat(st *abi.Stat) abi.Errno { return f.inode.Stat(st) }
