// Package union is the root file system as the program sees it: files that the
// kernel makes (resolv.conf, hosts, hostname), over the files that were added at
// run time (an EROFS image, never executable), over the program's own image.
//
// What is added never hides what runs (docs/SECURITY.md): it may add names, and
// replace regular files of the image that are not marked executable, but not
// executable files, symbolic links or directories, and it has no part in the
// paths that the dynamic loader reads. Directories that both have are merged.
// Inodes other than merged directories are those of the layers, so the page cache
// and everything about contents is theirs.
//
// The union is read-only and built at boot; the contents of kernel-made files may
// change later. It imports abi, usermem, ground/frame, vfs and vfs/pagecache.
package union

import (
	"strings"

	"skerry/kernel/abi"
	"skerry/kernel/vfs"
)

// loaderPaths are read by the dynamic loaders of glibc and musl to find
// libraries, ld.so(8): only the image has a say in them.
var loaderPaths = []string{
	"/etc/ld.so.cache", "/etc/ld.so.preload", "/etc/ld.so.conf", "/etc/ld.so.conf.d",
	"/etc/ld-musl-x86_64.path",
}

// Inode numbers of the layers differ in these bits; mount the image with InoBase
// 0 and the added files with DataIno, and both with the Dev of the union.
const (
	DataIno   = 1 << 56
	staticIno = 2 << 56
	mergedIno = 3 << 56
)

// Options are the layers.
type Options struct {
	// Image is the program's image, Data the added files or nil.
	Image, Data vfs.FileSystem
	// Files are the kernel's, by absolute path. They win over everything but
	// executable files of the image.
	Files map[string]*Static
	// Protected are further paths that only the image has a say in.
	Protected []string
}

// FS is the union.
type FS struct {
	info      vfs.Info
	image     vfs.FileSystem
	root      *dir
	protected map[string]bool
	lastIno   uint64
}

// New joins the layers.
func New(opt Options) *FS {
	fs := &FS{info: opt.Image.Info(), image: opt.Image, protected: make(map[string]bool)}
	for _, p := range loaderPaths {
		fs.protected[p] = true
	}
	for _, p := range opt.Protected {
		fs.protected[p] = true
	}
	made := newMade()
	for path, f := range opt.Files {
		fs.lastIno++
		f.dev, f.ino = fs.info.Dev, staticIno+fs.lastIno
		made.put(strings.Split(strings.Trim(path, "/"), "/"), f)
	}
	image, _ := opt.Image.Root().(vfs.Dir)
	var data vfs.Dir
	if opt.Data != nil {
		data, _ = opt.Data.Root().(vfs.Dir)
	}
	fs.root = &dir{fs: fs, path: "", made: made, image: image, data: data}
	return fs
}

// Root implements vfs.FileSystem.
func (fs *FS) Root() vfs.Inode { return fs.root }

// Info implements vfs.FileSystem: the image's.
func (fs *FS) Info() vfs.Info { return fs.info }

// Statfs implements vfs.FileSystem: the image's.
func (fs *FS) Statfs(st *vfs.Statfs) abi.Errno { return fs.image.Statfs(st) }

// made is the tree of the kernel's files.
type made struct {
	files map[string]*Static
	dirs  map[string]*made
	names []string // in order of insertion, sorted by put
}

func newMade() *made { return &made{files: make(map[string]*Static), dirs: make(map[string]*made)} }

// put files f under a path.
func (m *made) put(path []string, f *Static) {
	name := path[0]
	if m.files[name] == nil && m.dirs[name] == nil {
		at := 0
		for at < len(m.names) && m.names[at] < name {
			at++
		}
		m.names = append(m.names[:at], append([]string{name}, m.names[at:]...)...)
	}
	if len(path) == 1 {
		m.files[name] = f
		return
	}
	if m.dirs[name] == nil {
		m.dirs[name] = newMade()
	}
	m.dirs[name].put(path[1:], f)
}

// dir is a directory that more than one layer has a part in. Each of the parts
// may be nil.
type dir struct {
	fs    *FS
	path  string
	made  *made
	image vfs.Dir
	data  vfs.Dir
}

// top is the layer that the directory's attributes come from.
func (d *dir) top() vfs.Dir {
	if d.image != nil {
		return d.image
	}
	return d.data
}

// Mode implements vfs.Inode.
func (d *dir) Mode() uint32 {
	if t := d.top(); t != nil {
		return t.Mode()
	}
	return abi.S_IFDIR | 0o555
}

// Stat implements vfs.Inode.
func (d *dir) Stat(st *abi.Stat) abi.Errno {
	if t := d.top(); t != nil {
		return t.Stat(st)
	}
	*st = abi.Stat{Dev: d.fs.info.Dev, Ino: mergedIno + hash(d.path), Nlink: 2, Mode: d.Mode(), UID: abi.ID, GID: abi.ID, Blksize: 4096}
	return abi.OK
}

// hash makes an inode number of a path (FNV-1a, cut to what lies below the bits
// that tell layers apart).
func hash(s string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * 1099511628211
	}
	return h & (1<<56 - 1)
}

// Hold implements vfs.Inode.
func (d *dir) Hold() bool { return true }

// Drop implements vfs.Inode.
func (d *dir) Drop() {}

// Open implements vfs.Inode; it never comes.
func (d *dir) Open(*vfs.Dentry, uint32) (vfs.File, abi.Errno) { return nil, abi.EISDIR }

// Lookup implements vfs.Dir.
func (d *dir) Lookup(name string) (vfs.Inode, abi.Errno) {
	path := d.path + "/" + name
	image, e := part(d.image, name)
	if e != abi.OK {
		return nil, e
	}
	var data vfs.Inode
	if !d.fs.protected[path] {
		if data, e = part(d.data, name); e != abi.OK {
			return nil, e
		}
	}
	var below *made
	if d.made != nil {
		if f := d.made.files[name]; f != nil && !executable(image) && !isDir(image) {
			return f, abi.OK
		}
		below = d.made.dirs[name]
	}
	return d.join(path, below, image, data)
}

// part is a layer's entry, nil if it has none.
func part(d vfs.Dir, name string) (vfs.Inode, abi.Errno) {
	if d == nil {
		return nil, abi.OK
	}
	i, e := d.Lookup(name)
	if e == abi.ENOENT {
		return nil, abi.OK
	}
	return i, e
}

// join decides which layer an entry comes from, or joins directories.
func (d *dir) join(path string, below *made, image, data vfs.Inode) (vfs.Inode, abi.Errno) {
	switch {
	case image == nil && data == nil && below == nil:
		return nil, abi.ENOENT
	case image == nil && data != nil && !isDir(data) && below == nil:
		return data, abi.OK
	case image != nil && !isDir(image):
		if data != nil && isReg(data) && isReg(image) && !executable(image) {
			return data, abi.OK
		}
		return image, abi.OK
	}
	imageDir, _ := image.(vfs.Dir)
	dataDir, _ := data.(vfs.Dir)
	if dataDir == nil && below == nil {
		return image, abi.OK
	}
	return &dir{fs: d.fs, path: path, made: below, image: imageDir, data: dataDir}, abi.OK
}

func isDir(i vfs.Inode) bool { return i != nil && i.Mode()&abi.S_IFMT == abi.S_IFDIR }
func isReg(i vfs.Inode) bool { return i != nil && i.Mode()&abi.S_IFMT == abi.S_IFREG }

// executable reports whether the image marks a file executable, by its x bits: a
// file of a layout that cannot be mapped so counts too.
func executable(i vfs.Inode) bool { return isReg(i) && i.Mode()&0o111 != 0 }

// A position in a listing is the number of the layer and the layer's own
// position.
const layerShift = 56

// ReadDir implements vfs.Dir: the kernel's entries, then the image's, then those
// that only the added files have.
func (d *dir) ReadDir(pos int64, emit func(*vfs.DirEntry) bool) abi.Errno {
	layer, at := pos>>layerShift, pos&(1<<layerShift-1)
	stopped := false
	if layer == 0 {
		if stopped = d.listMade(at, emit); stopped {
			return abi.OK
		}
		layer, at = 1, 0
	}
	for ; layer <= 2; layer, at = layer+1, 0 {
		from := d.image
		if layer == 2 {
			from = d.data
		}
		if from == nil {
			continue
		}
		e := from.ReadDir(at, func(x *vfs.DirEntry) bool {
			if !d.lists(layer, x) {
				return true
			}
			x.Next |= layer << layerShift
			stopped = !emit(x)
			return !stopped
		})
		if e != abi.OK || stopped {
			return e
		}
	}
	return abi.OK
}

// listMade lists the kernel's entries; it answers whether emit stopped it.
func (d *dir) listMade(at int64, emit func(*vfs.DirEntry) bool) bool {
	if d.made == nil {
		return false
	}
	for ; at < int64(len(d.made.names)); at++ {
		name := d.made.names[at]
		i, e := d.Lookup(name)
		if e != abi.OK {
			continue
		}
		var st abi.Stat
		i.Stat(&st)
		if !emit(&vfs.DirEntry{Name: name, Ino: st.Ino, Type: uint8(st.Mode >> 12), Next: at + 1}) {
			return true
		}
	}
	return false
}

// lists reports whether a layer's entry shows in the listing, and corrects it
// where another layer's file stands in its place.
func (d *dir) lists(layer int64, x *vfs.DirEntry) bool {
	if d.made != nil && (d.made.files[x.Name] != nil || d.made.dirs[x.Name] != nil) {
		return false // listed among the kernel's
	}
	if layer == 2 {
		if d.fs.protected[d.path+"/"+x.Name] {
			return false
		}
		in, e := part(d.image, x.Name)
		return e == abi.OK && in == nil
	}
	if d.data != nil {
		if i, e := d.Lookup(x.Name); e == abi.OK {
			var st abi.Stat
			i.Stat(&st)
			x.Ino, x.Type = st.Ino, uint8(st.Mode>>12)
		}
	}
	return true
}
