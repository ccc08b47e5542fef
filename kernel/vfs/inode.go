package vfs

import "skerry/kernel/abi"

// Inode is an object of a file system: what a name leads to. Its type (the
// S_IFMT bits of Mode) never changes.
//
// Calls on a directory, as far as they are listed under Dir and MutableDir, come
// with the lock of its Dentry held (shared for ReadDir, else exclusive), so a
// file system in memory needs none of its own for them.
type Inode interface {
	// Mode is st_mode: the type and the permission bits, which are data.
	Mode() uint32
	// Stat fills st, all of it.
	Stat(st *abi.Stat) abi.Errno
	// Open makes the File for a new open file description. The file may be the
	// inode itself. Directories and symbolic links never see this call, FIFOs
	// only if they are not FIFONodes.
	Open(d *Dentry, flags uint32) (File, abi.Errno)
	// Hold counts an open file description; false says that the inode is gone
	// already. Drop undoes it. An inode without names and holds gives back what
	// it stores.
	Hold() bool
	Drop()
}

// Dir is a directory.
type Dir interface {
	Inode
	// Lookup finds an entry; ENOENT if there is none. "." and ".." never come.
	Lookup(name string) (Inode, abi.Errno)
	// ReadDir calls emit for each entry from position pos on until emit answers
	// false. Position 0 is the first entry; others come from DirEntry.Next. "."
	// and ".." are not among them.
	ReadDir(pos int64, emit func(*DirEntry) bool) abi.Errno
}

// DirEntry is one entry of a directory as ReadDir shows it.
type DirEntry struct {
	Name string
	Ino  uint64
	Type uint8 // DT_REG and so on
	Next int64 // the position after it, at least 1
}

// NewNode says what to create.
type NewNode struct {
	// Mode is the type and the permission bits, umask applied.
	Mode uint32
	// Target is the text of a symbolic link.
	Target string
	// Socket is the endpoint that a socket's name leads to.
	Socket any
}

// MutableDir is a directory that may change. The names given exist or do not as
// the operation wants it, and inodes given are what the names lead to now.
type MutableDir interface {
	Dir
	// Create makes an inode and an entry for it.
	Create(name string, n *NewNode) (Inode, abi.Errno)
	// Tmpfile makes a regular file without a name, with one hold for the caller;
	// linkable says whether Link may give it a name later.
	Tmpfile(mode uint32, linkable bool) (Inode, abi.Errno)
	// Link makes another entry for a file of the same file system; ENOENT if it
	// has lost its last name meanwhile.
	Link(name string, target Inode) abi.Errno
	// Unlink removes the entry of something else than a directory.
	Unlink(name string, target Inode) abi.Errno
	// Rmdir removes the entry of a directory; ENOTEMPTY if it is not empty. The
	// lock of target is held too.
	Rmdir(name string, target Inode) abi.Errno
	// Rename moves an entry to another directory of the same file system, or to
	// this one, in place of victim if there is one. With exchange set the two
	// entries change places. A victim that is a directory is empty, else the
	// answer is ENOTEMPTY.
	Rename(name string, moved Inode, to MutableDir, newName string, victim Inode, exchange bool) abi.Errno
}

// Symlink is a symbolic link.
type Symlink interface {
	Inode
	Readlink() (string, abi.Errno)
}

// MagicLink is a symbolic link of /proc that leads to an object rather than to
// the path that it shows.
type MagicLink interface {
	Symlink
	Follow() (*Dentry, abi.Errno)
}

// FIFONode is an inode of type S_IFIFO with a pipe behind it.
type FIFONode interface {
	Inode
	FIFO() *FIFO
}

// SocketNode is an inode of type S_IFSOCK; Socket is what NewNode carried.
type SocketNode interface {
	Inode
	Socket() any
}

// Attr is a change of attributes; Set says which fields count.
type Attr struct {
	Set          uint32
	Mode         uint32 // permission bits
	Size         int64
	Atime, Mtime abi.Timespec
}

// Bits of Attr.Set.
const (
	AttrMode = 1 << iota
	AttrSize
	AttrAtime
	AttrMtime
	// AttrOwner says that chown(2) to the one identity was called, which changes
	// the time of the last status change only.
	AttrOwner
)

// Mutable is an inode whose attributes may change. Others answer EPERM, or
// EROFS if their file system is read-only.
type Mutable interface {
	Inode
	SetAttr(a *Attr) abi.Errno
}

// Executor is an inode that may be mapped executable (Mapper.Executable).
type Executor interface {
	Executable() bool
}

// BirthTimer is an inode that knows when it was created, for statx(2).
type BirthTimer interface {
	Btime() abi.Timespec
}

// DefaultInode has the parts of Inode that most inodes of generated file systems
// share: nothing to hold, nothing to open.
type DefaultInode struct{}

// Hold always succeeds.
func (DefaultInode) Hold() bool { return true }

// Drop does nothing.
func (DefaultInode) Drop() {}

// Open answers ENXIO, as for a device that is not there.
func (DefaultInode) Open(*Dentry, uint32) (File, abi.Errno) { return nil, abi.ENXIO }

func isDir(mode uint32) bool  { return mode&abi.S_IFMT == abi.S_IFDIR }
func isLink(mode uint32) bool { return mode&abi.S_IFMT == abi.S_IFLNK }
func isReg(mode uint32) bool  { return mode&abi.S_IFMT == abi.S_IFREG }
