// Package tmpfs is the file system in memory: /tmp, /run, /dev/shm, and memfds.
// File contents are page-cache frames, which read, write and mmap share; there is
// nowhere else for them to go, so they count against a size limit.
//
// With a lower file system it is an overlay (lower.go): it starts with what is there,
// and keeps what changes. What it keeps is data like all else here; a file of the lower
// one may be mapped executable until, and through what was opened or mapped before, it
// is written to.
//
// Everything belongs to the one identity, and mode bits are stored and shown but
// never consulted. No file here can be mapped executable (docs/SECURITY.md).
//
// Locks: a directory's entries are under the lock of its vfs.Dentry. A file's
// write lock (file.wmu) orders writers and changes of size; it is held over the
// copy from the program, whose page faults take the page cache's lock only, so it
// comes before mm in the order. node.mu guards attributes and is a leaf.
//
// It imports abi, usermem, ground/frame, vfs and vfs/pagecache.
package tmpfs

import (
	"strconv"
	"sync/atomic"

	"skerry/kernel/abi"
	"skerry/kernel/ground/frame"
	"skerry/kernel/vfs"
)

// File system magics, uapi/linux/magic.h: TMPFS_MAGIC, OVERLAYFS_SUPER_MAGIC.
const (
	magic        = 0x01021994
	overlayMagic = 0x794c7630
)

// Options bound a file system.
type Options struct {
	// Source is shown in /proc/mounts; "tmpfs" if empty.
	Source string
	// Size is the most bytes that files may take; 0 for half of memory.
	Size int64
	// Inodes is the most names and files; 0 for one per 16 KiB of memory.
	Inodes int64
	// Mode is the permission bits of the root directory; 0 for 0777, or with Lower
	// those of its root.
	Mode uint32
	// Lower is a file system that never changes but for the contents of its files, and
	// what this one starts with; nil for nothing. Its inode numbers lie below OwnIno.
	Lower vfs.FileSystem
}

// FS is one tmpfs.
type FS struct {
	opt   Options
	dev   uint64
	pages int64 // limit
	root  *dir

	usedPages  atomic.Int64
	usedInodes atomic.Int64
	lastIno    atomic.Uint64
}

// New returns an empty file system.
func New(opt Options) *FS {
	if opt.Source == "" {
		opt.Source = "tmpfs"
		if opt.Lower != nil {
			opt.Source = "overlay"
		}
	}
	fs := &FS{opt: opt, pages: (opt.Size + frame.Size - 1) / frame.Size}
	if opt.Size == 0 {
		fs.pages = frame.Total() / 2
	}
	if opt.Inodes == 0 {
		fs.opt.Inodes = max(frame.Total()/4, 1024)
	}
	if opt.Mode == 0 {
		fs.opt.Mode = 0o777
	}
	fs.usedInodes.Store(1)
	fs.root = &dir{}
	if opt.Lower == nil {
		fs.dev = vfs.NewDev()
		fs.root.init(fs, abi.S_IFDIR|fs.opt.Mode)
		fs.root.nlink = 2
		return fs
	}
	fs.dev = opt.Lower.Info().Dev
	fs.lastIno.Store(OwnIno)
	fs.root.low.dir = opt.Lower.Root().(vfs.Dir)
	fs.root.initLowered(fs, fs.root.low.dir)
	return fs
}

// Root implements vfs.FileSystem.
func (fs *FS) Root() vfs.Inode { return fs.root }

// Info implements vfs.FileSystem.
func (fs *FS) Info() vfs.Info {
	typ := "tmpfs"
	if fs.opt.Lower != nil {
		typ = "overlay"
	}
	return vfs.Info{
		Type: typ, Source: fs.opt.Source, Dev: fs.dev, NoExec: fs.opt.Lower == nil, Names: vfs.KeepNames,
		Options: "size=" + strconv.FormatInt(fs.pages*frame.Size/1024, 10) + "k,nr_inodes=" +
			strconv.FormatInt(fs.opt.Inodes, 10),
	}
}

// Statfs implements vfs.FileSystem.
func (fs *FS) Statfs(st *vfs.Statfs) abi.Errno {
	st.Type = magic
	if fs.opt.Lower != nil {
		st.Type = overlayMagic
	}
	st.Bsize, st.Frsize, st.Namelen = frame.Size, frame.Size, abi.NAME_MAX
	st.Blocks = uint64(fs.pages)
	st.Bfree = uint64(max(fs.pages-fs.usedPages.Load(), 0))
	st.Bavail = st.Bfree
	st.Files = uint64(fs.opt.Inodes)
	st.Ffree = uint64(max(fs.opt.Inodes-fs.usedInodes.Load(), 0))
	return abi.OK
}

// charge counts n pages; false if they do not fit.
func (fs *FS) charge(n int64) bool {
	if fs.usedPages.Add(n) > fs.pages {
		fs.usedPages.Add(-n)
		return false
	}
	return true
}

func (fs *FS) uncharge(n int64) { fs.usedPages.Add(-n) }

// chargeInode counts an inode or a further name; false if it does not fit.
func (fs *FS) chargeInode() bool { return fs.chargeInodes(1) }

// chargeInodes counts n inodes, or gives back if n is negative.
func (fs *FS) chargeInodes(n int64) bool {
	if fs.usedInodes.Add(n) > fs.opt.Inodes && n > 0 {
		fs.usedInodes.Add(-n)
		return false
	}
	return true
}

func (fs *FS) unchargeInode() { fs.usedInodes.Add(-1) }

// Flags of memfd_create(2), uapi/linux/memfd.h.
const (
	mfdCloexec      = 1
	mfdAllowSealing = 2
	mfdNoexecSeal   = 8
	mfdExec         = 16

	memfdNameMax = 249
)

// Memfd is memfd_create(2). Huge pages are EINVAL, as on a kernel without
// hugetlbfs.
func (fs *FS) Memfd(name string, flags uint32) (*vfs.Description, abi.Errno) {
	if flags&^(mfdCloexec|mfdAllowSealing|mfdNoexecSeal|mfdExec) != 0 ||
		flags&mfdNoexecSeal != 0 && flags&mfdExec != 0 || len(name) > memfdNameMax {
		return nil, abi.EINVAL
	}
	if !fs.chargeInode() {
		return nil, abi.ENOSPC
	}
	f := &file{}
	f.init(fs, abi.S_IFREG|0o777)
	if flags&mfdNoexecSeal != 0 {
		f.mode &^= 0o111
		f.seals = abi.F_SEAL_EXEC
	} else if flags&mfdAllowSealing == 0 {
		f.seals = abi.F_SEAL_SEAL
	}
	f.holds = 1
	return vfs.OpenInode(vfs.NewAnonymous("/memfd:"+name+" (deleted)", f), abi.O_RDWR|abi.O_LARGEFILE)
}
