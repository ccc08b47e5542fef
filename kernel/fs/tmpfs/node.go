package tmpfs

import (
	"sync"
	"sync/atomic"

	"skerry/kernel/abi"
	"skerry/kernel/ground/frame"
	"skerry/kernel/vfs"
)

// node is what all inodes have.
type node struct {
	fs  *FS
	ino uint64

	mu                         sync.Mutex
	mode                       uint32
	nlink                      uint32
	holds                      int // open descriptions and mappings
	dead                       bool
	lowered                    bool // stands for one of the lower file system, and is not counted
	atime, mtime, ctime, btime abi.Timespec
	xattrs                     []xattr

	// unread is set by every change, and makes the next read move atime: the
	// rule of the relatime mount option.
	unread atomic.Bool
}

func (n *node) init(fs *FS, mode uint32) {
	now := vfs.Now()
	n.fs, n.ino, n.mode = fs, fs.lastIno.Add(1), mode
	n.atime, n.mtime, n.ctime, n.btime = now, now, now, now
	n.unread.Store(true)
}

// Mode implements vfs.Inode.
func (n *node) Mode() uint32 {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.mode
}

// Btime implements vfs.BirthTimer.
func (n *node) Btime() abi.Timespec { return n.btime }

// stat fills st except for size and blocks.
func (n *node) stat(st *abi.Stat) {
	n.mu.Lock()
	*st = abi.Stat{Dev: n.fs.dev, Ino: n.ino, Nlink: uint64(n.nlink), Mode: n.mode, UID: abi.ID, GID: abi.ID,
		Blksize: frame.Size, Atime: n.atime, Mtime: n.mtime, Ctime: n.ctime}
	n.mu.Unlock()
}

// hold counts a hold unless the inode is gone.
func (n *node) hold() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.dead {
		return false
	}
	n.holds++
	return true
}

// drop undoes a hold, and reports whether that was the end of the inode.
func (n *node) drop() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.holds--
	return n.ends()
}

// Gone reports whether nothing refers to the inode any more.
func (n *node) Gone() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.dead
}

// ends makes the inode dead if nothing refers to it. The caller holds mu.
func (n *node) ends() bool {
	if n.dead || n.nlink != 0 || n.holds != 0 {
		return false
	}
	n.dead = true
	n.endXattrs()
	if !n.lowered {
		n.fs.unchargeInode()
	}
	return true
}

// link adds a name; ENOENT if the inode has lost its last one, EMLINK if it has
// too many.
func (n *node) link(fresh bool) abi.Errno {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.nlink == 0 && !fresh {
		return abi.ENOENT
	}
	if n.nlink == 1<<31 {
		return abi.EMLINK
	}
	n.nlink++
	n.ctime = vfs.Now()
	return abi.OK
}

// unlink removes a name, by links of nlink (a directory has two), and reports
// whether that was the end of the inode.
func (n *node) unlink(links uint32) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.nlink -= links
	n.ctime = vfs.Now()
	return n.ends()
}

// changed notes a change of attributes, modified one of contents.
func (n *node) changed() {
	n.mu.Lock()
	n.ctime = vfs.Now()
	n.mu.Unlock()
	n.unread.Store(true)
}

func (n *node) modified() {
	n.mu.Lock()
	n.mtime = vfs.Now()
	n.ctime = n.mtime
	n.mu.Unlock()
	n.unread.Store(true)
}

// read notes an access.
func (n *node) read() {
	if !n.unread.Load() {
		return
	}
	n.unread.Store(false)
	n.mu.Lock()
	n.atime = vfs.Now()
	n.mu.Unlock()
}

// setAttr changes all but the size.
func (n *node) setAttr(a *vfs.Attr) {
	n.mu.Lock()
	if a.Set&vfs.AttrMode != 0 {
		n.mode = n.mode&abi.S_IFMT | a.Mode&0o777
	}
	if a.Set&vfs.AttrAtime != 0 {
		n.atime = a.Atime
	}
	if a.Set&vfs.AttrMtime != 0 {
		n.mtime = a.Mtime
	}
	n.ctime = vfs.Now()
	n.mu.Unlock()
	n.unread.Store(true)
}

// inode is what directories store.
type inode interface {
	vfs.Inode
	base() *node
	// end gives back what the inode stores, once it is dead.
	end()
}

func (n *node) base() *node { return n }

// plain is the parts of vfs.Inode for inodes that store nothing that ends.
type plain struct{ node }

// Hold implements vfs.Inode.
func (p *plain) Hold() bool { return p.hold() }

// Drop implements vfs.Inode.
func (p *plain) Drop() { p.drop() }

// Open implements vfs.Inode.
func (p *plain) Open(*vfs.Dentry, uint32) (vfs.File, abi.Errno) { return nil, abi.ENXIO }

// Stat implements vfs.Inode.
func (p *plain) Stat(st *abi.Stat) abi.Errno {
	p.stat(st)
	return abi.OK
}

// SetAttr implements vfs.Mutable; only regular files have a size to set.
func (p *plain) SetAttr(a *vfs.Attr) abi.Errno {
	if a.Set&vfs.AttrSize != 0 {
		return abi.EINVAL
	}
	p.setAttr(a)
	return abi.OK
}

func (p *plain) end() {}

// symlink is a symbolic link.
type symlink struct {
	plain
	target string
}

// longTarget is the length from which a target counts as a page.
const longTarget = 128

// Readlink implements vfs.Symlink.
func (s *symlink) Readlink() (string, abi.Errno) {
	s.read()
	return s.target, abi.OK
}

// Stat shows the length of the target as size.
func (s *symlink) Stat(st *abi.Stat) abi.Errno {
	s.stat(st)
	st.Size = int64(len(s.target))
	return abi.OK
}

// Drop implements vfs.Inode.
func (s *symlink) Drop() {
	if s.drop() {
		s.end()
	}
}

func (s *symlink) end() {
	if len(s.target) >= longTarget && !s.lowered {
		s.fs.uncharge(1)
	}
}

// fifo is a named pipe.
type fifo struct {
	plain
	pipe vfs.FIFO
}

// FIFO implements vfs.FIFONode.
func (f *fifo) FIFO() *vfs.FIFO { return &f.pipe }

// socket is a name in AF_UNIX.
type socket struct {
	plain
	endpoint any
}

// Socket implements vfs.SocketNode.
func (s *socket) Socket() any { return s.endpoint }
