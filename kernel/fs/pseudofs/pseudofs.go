// Package pseudofs is the common part of the file systems whose contents the
// kernel makes up: /proc, /sys, /dev. A tree of directories, files and links is
// built once, each directory at the start or when somebody first looks into it
// (Dir.Fill); a file's contents come from a function when it is read from its
// beginning, and a Numbered directory has an entry per number of some set that
// changes.
//
// A directory is filled before anybody sees it and constant then. Content functions may
// be called at any time, by any thread, with no lock held but an open file's own.
// It imports abi, usermem and vfs.
package pseudofs

import (
	"sync"
	"sync/atomic"

	"skerry/kernel/abi"
	"skerry/kernel/vfs"
)

// FS is one such file system.
type FS struct {
	root    *Dir
	info    vfs.Info
	magic   int64
	lastIno atomic.Uint64
}

// New returns an empty file system of the given type, with its magic number of
// statfs(2). Names says whether names stay what they are (vfs.KeepNames) or are
// looked up anew (vfs.NoNames).
func New(typ string, magic int64, names vfs.NameCaching) *FS {
	fs := &FS{magic: magic, info: vfs.Info{Type: typ, Source: typ, NoExec: true, Names: names, Dev: vfs.NewDev()}}
	fs.root = fs.NewDir(0o555)
	return fs
}

// Top is the root directory, to be filled.
func (fs *FS) Top() *Dir { return fs.root }

// Root implements vfs.FileSystem.
func (fs *FS) Root() vfs.Inode { return fs.root }

// Info implements vfs.FileSystem.
func (fs *FS) Info() vfs.Info { return fs.info }

// Statfs implements vfs.FileSystem.
func (fs *FS) Statfs(st *vfs.Statfs) abi.Errno {
	st.Type, st.Bsize, st.Frsize, st.Namelen = fs.magic, 4096, 4096, abi.NAME_MAX
	return abi.OK
}

// Node is what all inodes have; others embed it.
type Node struct {
	vfs.DefaultInode
	fs   *FS
	ino  uint64
	mode uint32
}

// NewNode returns the common part of an inode with its type and permission bits.
func (fs *FS) NewNode(mode uint32) Node {
	return Node{fs: fs, ino: fs.lastIno.Add(1), mode: mode}
}

// NewNumberedNode is NewNode for an inode that is made anew at each lookup, and
// shows the number that its caller gives it, of a range of its own.
func (fs *FS) NewNumberedNode(mode uint32, ino uint64) Node {
	return Node{fs: fs, ino: ino, mode: mode}
}

// Mode implements vfs.Inode.
func (n *Node) Mode() uint32 { return n.mode }

// Ino is the inode's number.
func (n *Node) Ino() uint64 { return n.ino }

// Stat implements vfs.Inode. The times are now, as in Linux for what has none.
func (n *Node) Stat(st *abi.Stat) abi.Errno {
	now := vfs.Now()
	*st = abi.Stat{Dev: n.fs.info.Dev, Ino: n.ino, Nlink: 1, Mode: n.mode, UID: abi.ID, GID: abi.ID,
		Blksize: 4096, Atime: now, Mtime: now, Ctime: now}
	return abi.OK
}

// Dir is a directory whose entries do not change.
type Dir struct {
	Node
	names []string
	nodes map[string]vfs.Inode
	dirs  int
	// more has entries that come and go, after the constant ones; nil for none.
	more  vfs.Dir
	later *later
}

// later fills a directory, once.
type later struct {
	once sync.Once
	fill func()
}

// Fill has f fill the directory when somebody first looks into it, rather than at
// the start: most programs never look into most of them. f does not go through
// vfs.
func (d *Dir) Fill(f func()) { d.later = &later{fill: f} }

// build fills the directory if that was left for later.
func (d *Dir) build() {
	if l := d.later; l != nil {
		l.once.Do(l.fill)
	}
}

// NewDir returns a directory.
func (fs *FS) NewDir(perm uint32) *Dir {
	return &Dir{Node: fs.NewNode(abi.S_IFDIR | perm), nodes: make(map[string]vfs.Inode)}
}

// Add puts an inode into the directory. A name may be given once.
func (d *Dir) Add(name string, n vfs.Inode) {
	if d.nodes[name] != nil {
		panic("pseudofs: two entries " + name)
	}
	d.names = append(d.names, name)
	d.nodes[name] = n
	if n.Mode()&abi.S_IFMT == abi.S_IFDIR {
		d.dirs++
	}
}

// AddDir makes a directory in the directory.
func (d *Dir) AddDir(name string) *Dir {
	k := d.fs.NewDir(0o555)
	d.Add(name, k)
	return k
}

// Sub is the directory at a path of names below d; made as far as it is missing.
func (d *Dir) Sub(names ...string) *Dir {
	for _, name := range names {
		if k, ok := d.nodes[name].(*Dir); ok {
			d = k
		} else {
			d = d.AddDir(name)
		}
	}
	return d
}

// AddLink makes a symbolic link in the directory.
func (d *Dir) AddLink(name, target string) { d.Add(name, d.fs.NewLink(target)) }

// AddText makes a file with constant contents in the directory.
func (d *Dir) AddText(name, text string) {
	d.Add(name, d.fs.NewFile(0o444, func() []byte { return []byte(text) }))
}

// AddFile makes a read-only file in the directory.
func (d *Dir) AddFile(name string, content func() []byte) {
	d.Add(name, d.fs.NewFile(0o444, content))
}

// SetMore adds entries that come and go; they never have the name of a constant
// one.
func (d *Dir) SetMore(more vfs.Dir) { d.more = more }

// Stat implements vfs.Inode.
func (d *Dir) Stat(st *abi.Stat) abi.Errno {
	d.build()
	d.Node.Stat(st)
	st.Nlink = uint64(2 + d.dirs)
	return abi.OK
}

// Lookup implements vfs.Dir.
func (d *Dir) Lookup(name string) (vfs.Inode, abi.Errno) {
	d.build()
	if n := d.nodes[name]; n != nil {
		return n, abi.OK
	}
	if d.more != nil {
		return d.more.Lookup(name)
	}
	return nil, abi.ENOENT
}

// ReadDir implements vfs.Dir.
func (d *Dir) ReadDir(pos int64, emit func(*vfs.DirEntry) bool) abi.Errno {
	d.build()
	var e vfs.DirEntry
	n := int64(len(d.names))
	for ; pos < n; pos++ {
		name := d.names[pos]
		k := d.nodes[name]
		e = vfs.DirEntry{Name: name, Type: uint8(k.Mode() >> 12), Next: pos + 1}
		if x, ok := k.(interface{ Ino() uint64 }); ok {
			e.Ino = x.Ino()
		}
		if !emit(&e) {
			return abi.OK
		}
	}
	if d.more == nil {
		return abi.OK
	}
	return d.more.ReadDir(pos-n, func(e *vfs.DirEntry) bool {
		e.Next += n
		return emit(e)
	})
}

// Link is a symbolic link with a constant text.
type Link struct {
	Node
	target string
}

// NewLink returns a symbolic link.
func (fs *FS) NewLink(target string) *Link {
	return &Link{Node: fs.NewNode(abi.S_IFLNK | 0o777), target: target}
}

// Readlink implements vfs.Symlink.
func (l *Link) Readlink() (string, abi.Errno) { return l.target, abi.OK }

// Magic is a link to an object, as /proc has them.
type Magic struct {
	Node
	// Target is where the link leads; ENOENT if there is nothing.
	Target func() (*vfs.Dentry, abi.Errno)
	// Text is what readlink shows.
	Text func() (string, abi.Errno)
	// Size is what stat shows, which need not be the text's.
	Size int64
}

// Stat implements vfs.Inode.
func (m *Magic) Stat(st *abi.Stat) abi.Errno {
	m.Node.Stat(st)
	st.Size = m.Size
	return abi.OK
}

// Follow implements vfs.MagicLink.
func (m *Magic) Follow() (*vfs.Dentry, abi.Errno) { return m.Target() }

// Readlink implements vfs.Symlink.
func (m *Magic) Readlink() (string, abi.Errno) { return m.Text() }

// Numbered is the part of a directory whose entries are numbers.
type Numbered struct {
	Node
	// Next is the lowest number of the set at or above n; ok is false if there is
	// none.
	Next func(n int32) (next int32, ok bool)
	// Make makes the inode of a number; ENOENT if it is not in the set.
	Make func(n int32) (vfs.Inode, abi.Errno)
	// Type is what d_type shows for all of them.
	Type uint8
	// Ino is the inode number that Make gives to number n.
	InoOf func(n int32) uint64
}

// Lookup implements vfs.Dir. A number has one spelling.
func (d *Numbered) Lookup(name string) (vfs.Inode, abi.Errno) {
	n, ok := parse(name)
	if !ok {
		return nil, abi.ENOENT
	}
	if next, ok := d.Next(n); !ok || next != n {
		return nil, abi.ENOENT
	}
	return d.Make(n)
}

// ReadDir implements vfs.Dir: position p goes on with number p.
func (d *Numbered) ReadDir(pos int64, emit func(*vfs.DirEntry) bool) abi.Errno {
	var e vfs.DirEntry
	for pos <= 1<<31-1 {
		n, ok := d.Next(int32(pos))
		if !ok {
			break
		}
		pos = int64(n) + 1
		e = vfs.DirEntry{Name: string(Append(nil, int64(n))), Ino: d.InoOf(n), Type: d.Type, Next: pos}
		if !emit(&e) {
			break
		}
	}
	return abi.OK
}

// parse reads a decimal number without sign or leading zeros.
func parse(s string) (int32, bool) {
	if s == "" || len(s) > 10 || s[0] == '0' && s != "0" {
		return 0, false
	}
	n := int64(0)
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n = n*10 + int64(s[i]-'0')
	}
	return int32(n), n <= 1<<31-1
}
