package erofs

import (
	"sync"

	"skerry/kernel/abi"
	"skerry/kernel/ground/frame"
	"skerry/kernel/hw/block"
	"skerry/kernel/vfs"
	"skerry/kernel/vfs/pagecache"
)

// magic is EROFS_SUPER_MAGIC_V1, uapi/linux/magic.h.
const magic = 0xe0f5e1e2

// maxInodes bounds the table of inodes in memory; those in use stay beyond it.
const maxInodes = 4096

// Options say what to mount.
type Options struct {
	Device block.Device
	Pool   *pagecache.Pool
	// Source is shown in /proc/mounts.
	Source string
	// Exec says that files with an x bit may be mapped executable: the verified
	// root only.
	Exec bool
	// Verify, if set, judges each block that the device delivered, by its byte
	// offset; false keeps it out of the cache (EIO).
	Verify func(off int64, b []byte) bool
	// Dev is st_dev, and InoBase is added to inode numbers, so that the layers of
	// a union can show one device.
	Dev     uint64
	InoBase uint64
}

// FS is one image.
type FS struct {
	opt  Options
	sb   super
	meta pagecache.Backed // the device, by block
	root *dir

	mu     sync.Mutex
	inodes map[uint64]node
}

// Mount reads the superblock and the root directory.
func Mount(opt Options) (*FS, abi.Errno) {
	if opt.Dev == 0 {
		opt.Dev = vfs.NewDev()
	}
	sb, e := readSuper(opt.Device)
	if e != abi.OK {
		return nil, e
	}
	fs := &FS{opt: opt, sb: sb, inodes: make(map[uint64]node)}
	if e := fs.meta.Init(opt.Pool, opt.Device, device{fs}, sb.blocks); e != abi.OK {
		return nil, e
	}
	root, e := fs.inode(sb.root)
	if e != abi.OK {
		return nil, e
	}
	d, ok := root.(*dir)
	if !ok {
		return nil, abi.EUCLEAN
	}
	d.Hold()
	fs.root = d
	return fs, abi.OK
}

// Root implements vfs.FileSystem.
func (fs *FS) Root() vfs.Inode { return fs.root }

// Info implements vfs.FileSystem.
func (fs *FS) Info() vfs.Info {
	return vfs.Info{Type: "erofs", Source: fs.opt.Source, ReadOnly: true, NoExec: !fs.opt.Exec,
		Names: vfs.DropNames, Dev: fs.opt.Dev}
}

// Statfs implements vfs.FileSystem.
func (fs *FS) Statfs(st *vfs.Statfs) abi.Errno {
	st.Type, st.Bsize, st.Frsize, st.Namelen = magic, blockSize, blockSize, abi.NAME_MAX
	st.Blocks, st.Files = fs.sb.blocks, fs.sb.inodes
	return abi.OK
}

// device is the image as the source of its metadata cache.
type device struct{ fs *FS }

// Extent implements pagecache.Source.
func (d device) Extent(index uint64) (int64, uint64, abi.Errno) {
	return int64(index) << blockBits, d.fs.sb.blocks - index, abi.OK
}

// Build implements pagecache.Source; there is nothing to build.
func (device) Build(uint64, []byte) abi.Errno { return abi.EIO }

// Check implements pagecache.Source.
func (d device) Check(_ uint64, off int64, b []byte) abi.Errno { return d.fs.verify(off, b) }

func (fs *FS) verify(off int64, b []byte) abi.Errno {
	if fs.opt.Verify != nil && !fs.opt.Verify(off, b) {
		return abi.EIO
	}
	return abi.OK
}

// read copies metadata from byte off of the device. EUCLEAN outside it.
func (fs *FS) read(off int64, b []byte) abi.Errno {
	end := int64(fs.sb.blocks) << blockBits
	if off < 0 || off > end || int64(len(b)) > end-off {
		return abi.EUCLEAN
	}
	for len(b) > 0 {
		p, e := fs.meta.Page(uint64(off) >> blockBits)
		if e != abi.OK {
			return e
		}
		n := copy(b, p.Bytes()[off&(blockSize-1):])
		p.Unref()
		b = b[n:]
		off += int64(n)
	}
	return abi.OK
}

// block is a whole block of metadata; the caller unrefs the frame.
func (fs *FS) block(addr uint64) (frame.PFN, abi.Errno) {
	if addr >= fs.sb.blocks {
		return 0, abi.EUCLEAN
	}
	return fs.meta.Page(addr)
}

// inode returns the inode with a number, from the table or from the device.
func (fs *FS) inode(nid uint64) (node, abi.Errno) {
	fs.mu.Lock()
	n := fs.inodes[nid]
	fs.mu.Unlock()
	if n != nil {
		return n, abi.OK
	}
	n, e := fs.load(nid)
	if e != abi.OK {
		return nil, e
	}
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if m := fs.inodes[nid]; m != nil {
		return m, abi.OK // somebody was faster
	}
	if len(fs.inodes) >= maxInodes {
		fs.trim()
	}
	fs.inodes[nid] = n
	return n, abi.OK
}

// trim drops inodes that nobody has open or mapped and that have no pages. A name
// may still lead to one of them: it then lives beside the table, and is put back
// when it is opened, unless another one is there by then; what the two show is
// the same. The caller holds mu.
func (fs *FS) trim() {
	for nid, n := range fs.inodes {
		if n.idle() {
			delete(fs.inodes, nid)
		}
		if len(fs.inodes) < maxInodes*3/4 {
			return
		}
	}
}

// restore puts an inode back into the table when it is opened.
func (fs *FS) restore(nid uint64, n node) {
	fs.mu.Lock()
	if fs.inodes[nid] == nil {
		fs.inodes[nid] = n
	}
	fs.mu.Unlock()
}
