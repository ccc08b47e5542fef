package erofs

import (
	"sync/atomic"

	"skerry/kernel/abi"
	"skerry/kernel/vfs"
)

// Layout of inodes: a compact one has 32 bytes, an extended one 64.
const (
	compactSize  = 32
	extendedSize = 64

	inFormat     = 0 // bit 0: extended; bits 1–3: data layout; the rest 0
	inXattrs     = 2
	inMode       = 4
	inCompNlink  = 6
	inSize       = 8
	inData       = 16 // block address, device number, or chunk format
	inExtMtime   = 32
	inExtMtimeNs = 40
	inExtNlink   = 44

	xattrHead  = 12
	xattrEntry = 4
)

// Data layouts.
const (
	layoutPlain   = 0
	layoutInline  = 2
	layoutChunked = 4
)

// Chunk format of a chunk-based file.
const (
	chunkBitsMask = 0x1f
	chunkIndexes  = 0x20 // entries of 8 bytes with a device number, else of 4
	chunkKnown    = chunkBitsMask | chunkIndexes
	chunkHole     = 0xffffffff
)

// maxSize is the largest file: its page numbers must fit what the cache keeps.
const maxSize = 1 << 44

// node is an inode of any type.
type node interface {
	vfs.Inode
	idle() bool
}

// inode is what all inodes have; constant but for holds.
type inode struct {
	fs     *FS
	nid    uint64
	mode   uint32
	nlink  uint32
	size   int64
	mtime  abi.Timespec
	rdev   uint32
	layout uint8
	addr   uint64 // first block of plain data
	tail   int64  // byte address of what follows the inode: inline data or chunks
	chunk  uint16 // chunk format

	holds atomic.Int64
}

// load reads an inode and makes the object for its type.
func (fs *FS) load(nid uint64) (node, abi.Errno) {
	if nid >= 1<<48 {
		return nil, abi.EUCLEAN
	}
	at := fs.sb.meta + int64(nid)<<slotBits
	var b [extendedSize]byte
	if e := fs.read(at, b[:compactSize]); e != abi.OK {
		return nil, e
	}
	extended := le.Uint16(b[inFormat:])&1 != 0
	if extended {
		if e := fs.read(at, b[:]); e != abi.OK {
			return nil, e
		}
	}
	i := inode{fs: fs, nid: nid}
	if e := i.parse(b[:], at, extended); e != abi.OK {
		return nil, e
	}
	return i.object()
}

// parse fills the inode from its bytes at device address at.
func (i *inode) parse(b []byte, at int64, extended bool) abi.Errno {
	format := le.Uint16(b[inFormat:])
	if format>>4 != 0 {
		return abi.EUCLEAN
	}
	i.layout = uint8(format >> 1 & 7)
	i.mode = uint32(le.Uint16(b[inMode:])) & (abi.S_IFMT | 0o777)
	size := uint64(le.Uint32(b[inSize:]))
	i.nlink = uint32(le.Uint16(b[inCompNlink:]))
	i.mtime = i.fs.sb.buildTime
	head := int64(compactSize)
	if extended {
		size = le.Uint64(b[inSize:])
		i.nlink = le.Uint32(b[inExtNlink:])
		i.mtime = abi.Timespec{Sec: int64(le.Uint64(b[inExtMtime:])), Nsec: int64(le.Uint32(b[inExtMtimeNs:]))}
		head = extendedSize
	}
	if size > maxSize || i.mtime.Nsec >= 1e9 {
		return abi.EUCLEAN
	}
	i.size = int64(size)
	if n := int64(le.Uint16(b[inXattrs:])); n > 0 {
		head += xattrHead + (n-1)*xattrEntry
	}
	i.tail = at + head
	data := le.Uint32(b[inData:])
	switch i.mode & abi.S_IFMT {
	case abi.S_IFREG, abi.S_IFDIR, abi.S_IFLNK:
		return i.checkData(data)
	case abi.S_IFCHR, abi.S_IFBLK:
		i.rdev = data
		return abi.OK
	case abi.S_IFIFO, abi.S_IFSOCK:
		return abi.OK
	}
	return abi.EUCLEAN
}

// checkData checks that the data lies inside the image. EOPNOTSUPP for compressed
// data.
func (i *inode) checkData(data uint32) abi.Errno {
	blocks := uint64(i.size+blockSize-1) >> blockBits
	end := int64(i.fs.sb.blocks) << blockBits
	switch i.layout {
	case layoutPlain:
		i.addr = uint64(data)
	case layoutInline:
		i.addr = uint64(data)
		if blocks > 0 {
			blocks--
			// The tail lies behind the inode, in one block.
			n := i.size - int64(blocks)<<blockBits
			if i.tail&(blockSize-1)+n > blockSize || i.tail+n > end {
				return abi.EUCLEAN
			}
		}
	case layoutChunked:
		i.chunk = uint16(data)
		if data&^chunkKnown != 0 {
			return abi.EUCLEAN
		}
		unit := i.chunkUnit()
		i.tail = (i.tail + unit - 1) &^ (unit - 1)
		per := uint(i.chunk & chunkBitsMask)
		chunks := (blocks + 1<<per - 1) >> per
		if i.tail > end || int64(chunks) > (end-i.tail)/unit {
			return abi.EUCLEAN
		}
		return abi.OK
	default:
		return abi.EOPNOTSUPP
	}
	if blocks > 0 && (i.addr >= i.fs.sb.blocks || blocks > i.fs.sb.blocks-i.addr) {
		return abi.EUCLEAN
	}
	return abi.OK
}

// chunkUnit is the size of an entry of the chunk table.
func (i *inode) chunkUnit() int64 {
	if i.chunk&chunkIndexes != 0 {
		return 8
	}
	return 4
}

// object makes the object for the inode's type.
func (i *inode) object() (node, abi.Errno) {
	switch i.mode & abi.S_IFMT {
	case abi.S_IFREG:
		f := &file{}
		f.inode.set(i)
		if e := f.Init(i.fs.opt.Pool, i.fs.opt.Device, f, uint64(i.size+blockSize-1)>>blockBits); e != abi.OK {
			return nil, abi.EUCLEAN
		}
		return f, abi.OK
	case abi.S_IFDIR:
		d := &dir{}
		d.set(i)
		return d, abi.OK
	case abi.S_IFLNK:
		l := &symlink{}
		l.set(i)
		return l, abi.OK
	}
	s := &special{}
	s.set(i)
	return s, abi.OK
}

// set copies all but the counter.
func (i *inode) set(from *inode) {
	i.fs, i.nid, i.mode, i.nlink, i.size, i.mtime, i.rdev = from.fs, from.nid, from.mode, from.nlink, from.size, from.mtime, from.rdev
	i.layout, i.addr, i.tail, i.chunk = from.layout, from.addr, from.tail, from.chunk
}

// extent says where block number index of the data lies: at byte off of the
// device, with n-1 more behind it; off is hole for a hole and inline for an
// inline tail. index lies in the data.
func (i *inode) extent(index uint64) (off int64, n uint64, e abi.Errno) {
	blocks := uint64(i.size+blockSize-1) >> blockBits
	switch i.layout {
	case layoutInline:
		if blocks--; index == blocks {
			return inline, 1, abi.OK
		}
	case layoutChunked:
		return i.chunkExtent(index, blocks)
	}
	return int64(i.addr+index) << blockBits, blocks - index, abi.OK
}

// Values of extent that are no addresses; pagecache's.
const (
	hole   = -1
	inline = -2
)

// chunkExtent reads the entry of the chunk table.
func (i *inode) chunkExtent(index, blocks uint64) (int64, uint64, abi.Errno) {
	per := uint(i.chunk & chunkBitsMask)
	chunk, within := index>>per, index&(1<<per-1)
	n := min(1<<per-within, blocks-index)
	unit := i.chunkUnit()
	var b [8]byte
	if e := i.fs.read(i.tail+int64(chunk)*unit, b[:unit]); e != abi.OK {
		return 0, 0, e
	}
	addr := uint64(le.Uint32(b[unit-4:]))
	if addr == chunkHole {
		return hole, n, abi.OK
	}
	if unit == 8 && le.Uint16(b[2:]) != 0 {
		return 0, 0, abi.EUCLEAN // another device; there is none
	}
	addr += within
	if addr >= i.fs.sb.blocks || n > i.fs.sb.blocks-addr {
		return 0, 0, abi.EUCLEAN
	}
	return int64(addr) << blockBits, n, abi.OK
}

// Mode implements vfs.Inode.
func (i *inode) Mode() uint32 { return i.mode }

// Stat implements vfs.Inode.
func (i *inode) Stat(st *abi.Stat) abi.Errno {
	*st = abi.Stat{Dev: i.fs.opt.Dev, Ino: i.ino(), Nlink: uint64(i.nlink), Mode: i.mode, UID: abi.ID, GID: abi.ID,
		Rdev: uint64(i.rdev), Size: i.size, Blksize: blockSize, Blocks: (i.size + 511) / 512,
		Atime: i.mtime, Mtime: i.mtime, Ctime: i.mtime}
	return abi.OK
}

func (i *inode) ino() uint64 { return i.fs.opt.InoBase + i.nid }

// Drop implements vfs.Inode.
func (i *inode) Drop() { i.holds.Add(-1) }

func (i *inode) idle() bool { return i.holds.Load() == 0 }

// special is a device node, FIFO or socket: there to be seen, not to be opened.
type special struct{ inode }

// Hold implements vfs.Inode.
func (s *special) Hold() bool {
	s.holds.Add(1)
	return true
}

// Open implements vfs.Inode.
func (s *special) Open(*vfs.Dentry, uint32) (vfs.File, abi.Errno) { return nil, abi.ENXIO }

// symlink is a symbolic link.
type symlink struct{ inode }

// Hold implements vfs.Inode.
func (l *symlink) Hold() bool {
	l.holds.Add(1)
	return true
}

// Open implements vfs.Inode; it never comes.
func (l *symlink) Open(*vfs.Dentry, uint32) (vfs.File, abi.Errno) { return nil, abi.ELOOP }

// Readlink implements vfs.Symlink. EUCLEAN for a text that no link can have.
func (l *symlink) Readlink() (string, abi.Errno) {
	if l.size == 0 || l.size >= abi.PATH_MAX {
		return "", abi.EUCLEAN
	}
	off, _, e := l.extent(0)
	if e != abi.OK {
		return "", e
	}
	switch off {
	case hole:
		return "", abi.EUCLEAN
	case inline:
		off = l.tail
	}
	b := make([]byte, l.size)
	if e := l.fs.read(off, b); e != abi.OK {
		return "", e
	}
	for _, c := range b {
		if c == 0 {
			return "", abi.EUCLEAN
		}
	}
	return string(b), abi.OK
}
