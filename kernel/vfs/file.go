// Package vfs is files as the program sees them: paths, mounts, inodes, open
// file descriptions, the descriptor table, and the files that need no file
// system (pipes, eventfd, timerfd, epoll, …).
//
// The rule that keeps it simple: **a File never sleeps for readiness**. Read and
// Write answer EAGAIN when nothing can be done now, and the object notifies its
// waiter queue when that changes; waiting, O_NONBLOCK, timeouts and signals are
// dealt with once, in Description. Only I/O to the root device may block inside
// a File, and that ends by itself.
//
// Three objects carry it: a Description is an open file, counted, with flags and a
// position; a Dentry is a name in the tree and leads to an Inode; an Inode belongs
// to a file system. Context has the system calls on paths, Table those on
// descriptor numbers, Description those on open files.
//
// Locks, first to last: Description.mu (the position), Pipe.mu, Epoll.mu, a file's
// write lock → mm, by page faults inside copies → the page cache. Directories:
// Super.rename, then Dentry.mu from the root downwards; Super.names is a leaf.
// inotify's watches.mu and Inotify.mu come after directories and files. Table.mu,
// the queues' locks and fileLocks.mu are leaves, but that queues call
// their listeners, which take Epoll.list and wake threads. A file's lock is never
// held across a copy from or to user memory that could fault into the same file's
// page cache (see usermem).
//
// It imports abi, usermem, wait, ground/frame and gVisor's waiter; it knows no
// driver and no system-call number.
package vfs

import (
	"gvisor.dev/gvisor/pkg/waiter"

	"skerry/kernel/abi"
	"skerry/kernel/ground/frame"
	"skerry/kernel/usermem"
)

// File is the behaviour behind an open file description. Implementations embed
// BaseFile for the operations that they do not have.
type File interface {
	// Waitable is how poll, epoll and blocking calls wait.
	waiter.Waitable

	// Read copies up to v.Len() bytes to v. Seekable files read at off, others
	// ignore it. (0, OK) is end of file; EAGAIN means nothing now. A fault in v
	// after some bytes answers those bytes.
	Read(v *usermem.Vec, off int64) (int, abi.Errno)

	// Write copies up to v.Len() bytes from v; off as in Read. EAGAIN means no
	// room now. EPIPE is answered as such; the caller raises SIGPIPE.
	Write(v *usermem.Vec, off int64) (int, abi.Errno)

	// Stat fills st, all of it.
	Stat(st *abi.Stat) abi.Errno

	// Ioctl answers ioctl(2); ENOTTY for what the file does not know.
	Ioctl(cmd uint32, arg uintptr) (uintptr, abi.Errno)

	// Seekable reports whether the description has a file position.
	Seekable() bool

	// Release runs once, when the last reference to the description is gone.
	Release()
}

// Mapper is a File whose contents live in page-cache frames, so that mmap,
// sendfile and read share them.
type Mapper interface {
	File

	// Page returns the frame that caches page index (of 4096 bytes) with a
	// reference taken for the caller, reading it in if need be. With write set
	// the frame may be written through a shared mapping. SIGBUS territory, a
	// page wholly beyond the end of the file, answers ENXIO; a device error EIO.
	Page(index uint64, write bool) (frame.PFN, abi.Errno)

	// AddMapping and RemoveMapping tell the file who maps it, so that truncate
	// and reclaim can take pages away.
	AddMapping(m Mapping)
	RemoveMapping(m Mapping)

	// Executable reports whether the file may be mapped executable: it lies in
	// the verified root and the image marks it so (docs/SECURITY.md).
	Executable() bool

	// MayWriteShared reports whether a shared writable mapping is possible.
	MayWriteShared() bool
}

// Mapping is one mapping of a Mapper's pages; mm's vma implements it.
type Mapping interface {
	// Unmap removes the page-table entries for pages [first, last] of the file
	// and flushes them everywhere; private copies stay unless even is set (a
	// truncate takes them too).
	Unmap(first, last uint64, even bool)
}

// Further abilities of a File. Each is an interface of its own, so that a file
// has the methods that it needs and no others.
type (
	// Appender writes at the end of the file (O_APPEND) and returns the file
	// position after that, in one step as seen by other writers.
	Appender interface {
		Append(v *usermem.Vec) (n int, end int64, e abi.Errno)
	}

	// Stream marks a file whose blocking write goes on until everything is
	// written: pipes and stream sockets.
	Stream interface {
		Stream() bool
	}

	// Unpollable marks a file that epoll refuses with EPERM, as Linux does for
	// regular files, directories and /dev/null. To poll and select it is always
	// ready.
	Unpollable interface {
		Unpollable()
	}

	// Positionless is a file without a position for which lseek(2) does nothing
	// and answers 0, as in Linux for eventfd, timerfd, signalfd, epoll and the
	// devices that are in memory.
	Positionless interface {
		Positionless()
	}

	// ZeroMapper is a Mapper whose shared mappings are each shared memory of
	// their own, as /dev/zero's are (null(4)).
	ZeroMapper interface {
		MapsZero()
	}

	// DirectIO is a file that may be opened with O_DIRECT; without it that
	// answers EINVAL.
	DirectIO interface {
		DirectIO() bool
	}

	// Reopener is a file without a path that may be opened again through
	// /proc/self/fd/N. Without it that answers ENXIO, as for sockets.
	Reopener interface {
		Reopen(flags uint32) (File, abi.Errno)
	}

	// Namer is a file without a path: what readlink on /proc/self/fd/N shows,
	// "pipe:[17]" for example.
	Namer interface {
		Name() string
	}

	// Timeouts is a file with timeouts of its own (SO_RCVTIMEO, SO_SNDTIMEO),
	// in nanoseconds; 0 stands for none.
	Timeouts interface {
		Timeouts() (read, write int64)
	}

	// Syncer is a file that fsync(2) is possible on.
	Syncer interface {
		Sync(dataOnly bool) abi.Errno
	}

	// Controller answers commands of fcntl(2) that belong to its kind of file:
	// F_SETPIPE_SZ, F_GETPIPE_SZ, F_ADD_SEALS, F_GET_SEALS. EINVAL for others.
	Controller interface {
		Fcntl(cmd int, arg uint64) (int, abi.Errno)
	}

	// HoleSeeker finds the next data or hole at or after off, lseek(2). ENXIO
	// if off is at or beyond the end.
	HoleSeeker interface {
		SeekHole(off int64, data bool) (int64, abi.Errno)
	}

	// Allocator is a file for fallocate(2); off and length are checked.
	Allocator interface {
		Fallocate(mode uint32, off, length int64) abi.Errno
	}

	// FDInfoer adds lines to /proc/self/fdinfo/N, proc(5).
	FDInfoer interface {
		FDInfo(b []byte) []byte
	}
)

// BaseFile answers everything with the error for "not possible on this file".
// It is always ready, like a regular file.
type BaseFile struct{}

// Readiness reports the file ready for reading and writing.
func (BaseFile) Readiness(mask waiter.EventMask) waiter.EventMask {
	return mask & (waiter.ReadableEvents | waiter.WritableEvents)
}

// EventRegister has nothing to register with.
func (BaseFile) EventRegister(*waiter.Entry) error { return nil }

// EventUnregister undoes nothing.
func (BaseFile) EventUnregister(*waiter.Entry) {}

// Read answers EINVAL.
func (BaseFile) Read(*usermem.Vec, int64) (int, abi.Errno) { return 0, abi.EINVAL }

// Write answers EINVAL.
func (BaseFile) Write(*usermem.Vec, int64) (int, abi.Errno) { return 0, abi.EINVAL }

// Ioctl answers ENOTTY.
func (BaseFile) Ioctl(uint32, uintptr) (uintptr, abi.Errno) { return 0, abi.ENOTTY }

// Seekable reports false.
func (BaseFile) Seekable() bool { return false }

// Release does nothing.
func (BaseFile) Release() {}
