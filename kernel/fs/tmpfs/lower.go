package tmpfs

import (
	"strings"
	"sync/atomic"

	"skerry/kernel/abi"
	"skerry/kernel/ground/frame"
	"skerry/kernel/usermem"
	"skerry/kernel/vfs"
)

// An overlay: every directory of the lower file system that a path leads through gets
// a dir of its own here, which looks up in the lower one what it does not have and
// notes which of the lower one's names are gone. A regular file of the lower one is a
// lowered, which takes the contents over when it is opened for writing. Attributes are
// kept here from the first moment on.
//
// As with Linux' overlayfs, a mapping made before a file was written to goes on to show
// what the lower one has. An open description reads what was written.

// OwnIno is where the inode numbers begin of what is made in an overlay.
const OwnIno = 1 << 55

// ownPlaces is where the positions in a directory begin of what is not the lower
// directory's, if there is one.
const ownPlaces = 1 << 61

// lowerDir is the part of a directory that a lower one has; dir is nil without.
type lowerDir struct {
	dir vfs.Dir
	// hidden are its names that were removed, or moved away.
	hidden map[string]struct{}
	// subdirs is the number of its directories plus 1, or 0 for not yet counted.
	subdirs atomic.Int64
}

// initLowered makes n stand for an inode of the lower file system.
func (n *node) initLowered(fs *FS, of vfs.Inode) abi.Errno {
	var st abi.Stat
	e := of.Stat(&st)
	n.fs, n.ino, n.mode, n.lowered = fs, st.Ino, of.Mode(), true
	n.atime, n.mtime, n.ctime, n.btime = st.Atime, st.Mtime, st.Ctime, st.Mtime
	n.nlink = 1
	if n.mode&abi.S_IFMT == abi.S_IFDIR {
		n.nlink = 2
	}
	if fs.opt.Lower.Info().ReadOnly && n.mode&abi.S_IFMT != abi.S_IFLNK {
		n.mode |= 0o200 // here it can be written to
	}
	return e
}

// adopt makes the inode that stands for one of the lower file system.
func (fs *FS) adopt(of vfs.Inode) (inode, abi.Errno) {
	var n inode
	switch of := of.(type) {
	case vfs.Dir:
		d := &dir{}
		d.low.dir = of
		n = d
	case vfs.Symlink:
		target, e := of.Readlink()
		if e != abi.OK {
			return nil, e
		}
		n = &symlink{target: target}
	default:
		switch of.Mode() & abi.S_IFMT {
		case abi.S_IFREG:
			f := &lowered{of: of}
			f.seals = abi.F_SEAL_SEAL
			n = f
		case abi.S_IFIFO:
			n = &fifo{}
		default:
			n = &plain{} // a device or a socket without anything behind it
		}
	}
	if e := n.base().initLowered(fs, of); e != abi.OK {
		return nil, e
	}
	return n, abi.OK
}

// lookupLower finds an entry of the lower directory, which is then one of d.
func (d *dir) lookupLower(name string) (vfs.Inode, abi.Errno) {
	if d.low.dir == nil {
		return nil, abi.ENOENT
	}
	if _, gone := d.low.hidden[name]; gone {
		return nil, abi.ENOENT
	}
	of, e := d.low.dir.Lookup(name)
	if e != abi.OK {
		return nil, e
	}
	child, e := d.fs.adopt(of)
	if e != abi.OK {
		return nil, e
	}
	if d.names == nil {
		d.names = make(map[string]*entry)
	}
	name = strings.Clone(name)
	d.names[name] = &entry{name: name, child: child}
	return child, abi.OK
}

// hide notes that a name is gone.
func (l *lowerDir) hide(name string) {
	if l.hidden == nil {
		l.hidden = make(map[string]struct{})
	}
	l.hidden[name] = struct{}{}
}

// list is ReadDir for what is left of the lower directory; stopped says that emit
// wants no more.
func (l *lowerDir) list(pos int64, emit func(*vfs.DirEntry) bool) (stopped bool, e abi.Errno) {
	e = l.dir.ReadDir(pos, func(x *vfs.DirEntry) bool {
		if _, gone := l.hidden[x.Name]; gone {
			return true
		}
		stopped = !emit(x)
		return !stopped
	})
	return stopped, e
}

// empty reports whether nothing is left of the lower directory.
func (l *lowerDir) empty() bool {
	if l.dir == nil {
		return true
	}
	stopped, e := l.list(0, func(*vfs.DirEntry) bool { return false })
	return !stopped && e == abi.OK
}

// stat adds to st, which is of the directory above, what the lower one is: its size,
// and its directories as links.
func (l *lowerDir) stat(st *abi.Stat) abi.Errno {
	if l.dir == nil {
		return abi.OK
	}
	var low abi.Stat
	if e := l.dir.Stat(&low); e != abi.OK {
		return e
	}
	st.Size, st.Blocks = low.Size, low.Blocks
	n := l.subdirs.Load()
	if n == 0 {
		n = 1
		e := l.dir.ReadDir(0, func(x *vfs.DirEntry) bool {
			if x.Type == abi.DT_DIR {
				n++
			}
			return true
		})
		if e != abi.OK {
			return e
		}
		l.subdirs.Store(n)
	}
	st.Nlink += uint64(n - 1)
	return abi.OK
}

// lowered is a regular file of the lower file system. Its file holds the contents once
// own is set, which copyUp does.
type lowered struct {
	file
	of    vfs.Inode
	own   atomic.Bool
	timed atomic.Bool // mtime was set; else it is the lower file's until own
}

var (
	_ vfs.Mutable  = (*lowered)(nil)
	_ vfs.Executor = (*lowered)(nil)
)

// Open implements vfs.Inode. Who may write, or empties the file, gets the one here,
// which is never executable; who reads gets the lower one's pages.
func (l *lowered) Open(d *vfs.Dentry, flags uint32) (vfs.File, abi.Errno) {
	if flags&(abi.O_ACCMODE|abi.O_TRUNC) != abi.O_RDONLY {
		if e := l.copyUp(flags&abi.O_TRUNC != 0); e != abi.OK {
			return nil, e
		}
	}
	if l.own.Load() {
		return &l.file, abi.OK
	}
	return l.openLower()
}

// pages is what a file of a lower file system has to be.
type pages interface {
	vfs.Mapper
	vfs.Syncer
	vfs.Unpollable
	Peek(index uint64) frame.PFN
}

func (l *lowered) openLower() (*lowerFile, abi.Errno) {
	if !l.of.Hold() {
		return nil, abi.ENOENT
	}
	f, e := l.of.Open(nil, abi.O_RDONLY)
	if e == abi.OK {
		if p, ok := f.(pages); ok {
			return &lowerFile{pages: p, of: l}, abi.OK
		}
		f.Release()
		e = abi.EOPNOTSUPP
	}
	l.of.Drop()
	return nil, e
}

// Executable implements vfs.Executor, what access(2) with X_OK asks.
func (l *lowered) Executable() bool {
	x, ok := l.of.(vfs.Executor)
	return ok && !l.own.Load() && x.Executable()
}

// Stat implements vfs.Inode.
func (l *lowered) Stat(st *abi.Stat) abi.Errno {
	if l.own.Load() {
		return l.file.Stat(st)
	}
	l.stat(st)
	var low abi.Stat
	if e := l.of.Stat(&low); e != abi.OK {
		return e
	}
	st.Size, st.Blocks = low.Size, low.Blocks
	if !l.timed.Load() {
		st.Mtime = low.Mtime
	}
	return abi.OK
}

// SetAttr implements vfs.Mutable.
func (l *lowered) SetAttr(a *vfs.Attr) abi.Errno {
	if a.Set&vfs.AttrSize != 0 {
		if e := l.copyUp(a.Size == 0); e != abi.OK {
			return e
		}
	}
	if a.Set&vfs.AttrMtime != 0 {
		l.timed.Store(true)
	}
	return l.file.SetAttr(a)
}

// copyUp takes the contents over, none of them if empty is set. ENOSPC if they do not
// fit; nothing has changed then.
func (l *lowered) copyUp(empty bool) abi.Errno {
	l.wmu.Lock()
	defer l.wmu.Unlock()
	if l.own.Load() {
		return abi.OK
	}
	low, e := l.openLower()
	if e != abi.OK {
		return e
	}
	defer low.Release()
	if !empty {
		if e := l.copy(low); e != abi.OK {
			l.size.Store(0)
			l.fs.uncharge(int64(l.Remove(0, ^uint64(0))))
			return e
		}
	}
	var st abi.Stat
	l.of.Stat(&st)
	l.mu.Lock()
	if !l.timed.Load() {
		l.mtime = st.Mtime
	}
	l.mu.Unlock()
	l.own.Store(true)
	return abi.OK
}

// copy copies the pages that hold data. The caller holds wmu.
func (l *lowered) copy(low *lowerFile) abi.Errno {
	var st abi.Stat
	if e := l.of.Stat(&st); e != abi.OK {
		return e
	}
	var v usermem.Vec
	for off := int64(0); off < st.Size; off += frame.Size {
		data, e := low.SeekHole(off, true)
		if e == abi.ENXIO {
			break // nothing but a hole, to the end
		}
		if e != abi.OK {
			return e
		}
		off = data &^ (frame.Size - 1)
		p, e := l.page(uint64(off) >> frame.Shift)
		if e != abi.OK {
			return e
		}
		v.InitBytes(p.Bytes()[:min(frame.Size, st.Size-off)])
		_, e = low.pages.Read(&v, off)
		p.Unref()
		if e != abi.OK {
			return e
		}
	}
	l.size.Store(st.Size)
	return abi.OK
}

// lowerFile is an open file of the lower file system: its pages, its mappings and
// whether it may be executed are the lower one's, whatever becomes of the name.
type lowerFile struct {
	pages
	of *lowered
}

var (
	_ vfs.HoleSeeker = (*lowerFile)(nil)
	_ vfs.DirectIO   = (*lowerFile)(nil)
)

// Read implements vfs.File: what was written since is seen.
func (f *lowerFile) Read(v *usermem.Vec, off int64) (int, abi.Errno) {
	if f.of.own.Load() {
		return f.of.file.Read(v, off)
	}
	return f.pages.Read(v, off)
}

// Stat implements vfs.File.
func (f *lowerFile) Stat(st *abi.Stat) abi.Errno { return f.of.Stat(st) }

// Release implements vfs.File.
func (f *lowerFile) Release() {
	f.pages.Release()
	f.of.of.Drop()
}

// DirectIO is taken, as for all files here.
func (f *lowerFile) DirectIO() bool { return true }

// SeekHole implements vfs.HoleSeeker. A file that does not know its holes has none.
func (f *lowerFile) SeekHole(off int64, data bool) (int64, abi.Errno) {
	if f.of.own.Load() {
		return f.of.file.SeekHole(off, data)
	}
	if h, ok := f.pages.(vfs.HoleSeeker); ok {
		return h.SeekHole(off, data)
	}
	var st abi.Stat
	if e := f.pages.Stat(&st); e != abi.OK {
		return 0, e
	}
	if off < 0 || off >= st.Size {
		return 0, abi.ENXIO
	}
	if data {
		return off, abi.OK
	}
	return st.Size, abi.OK
}
