package erofs

import (
	"skerry/kernel/abi"
	"skerry/kernel/ground/frame"
	"skerry/kernel/vfs"
)

// A directory is blocks of entries, sorted by name throughout: first an array of
// 12-byte heads, then the names in the same order. The first head's name offset
// says how many there are.
const (
	headSize    = 12
	headNID     = 0
	headNameOff = 8
	headType    = 10
)

// dir is a directory.
type dir struct{ inode }

// Hold implements vfs.Inode.
func (d *dir) Hold() bool {
	if d.holds.Add(1) == 1 {
		d.fs.restore(d.nid, d)
	}
	return true
}

// Open implements vfs.Inode; it never comes.
func (d *dir) Open(*vfs.Dentry, uint32) (vfs.File, abi.Errno) { return nil, abi.EISDIR }

func (d *dir) blocks() uint64 { return uint64(d.size+blockSize-1) >> blockBits }

// dirBlock is a block of a directory, checked as far as its array goes. Names are
// checked when they are used.
type dirBlock struct {
	page  frame.PFN
	b     []byte
	count int
}

// block reads block number index; the caller calls done.
func (d *dir) block(index uint64) (dirBlock, abi.Errno) {
	var k dirBlock
	off, _, e := d.extent(index)
	if e != abi.OK {
		return k, e
	}
	n := min(d.size-int64(index)<<blockBits, blockSize)
	switch off {
	case hole:
		return k, abi.EUCLEAN
	case inline:
		off = d.tail
	}
	k.page, e = d.fs.block(uint64(off) >> blockBits)
	if e != abi.OK {
		return k, e
	}
	from := off & (blockSize - 1)
	k.b = k.page.Bytes()[from : from+n] // checkData saw that a tail stays in its block
	if n < headSize {
		k.done()
		return k, abi.EUCLEAN
	}
	first := int(le.Uint16(k.b[headNameOff:]))
	if first < headSize || first%headSize != 0 || first >= len(k.b) {
		k.done()
		return k, abi.EUCLEAN
	}
	k.count = first / headSize
	return k, abi.OK
}

func (k *dirBlock) done() { k.page.Unref() }

// name is the name of entry i < count; EUCLEAN if it is none.
func (k *dirBlock) name(i int) ([]byte, abi.Errno) {
	from := int(le.Uint16(k.b[i*headSize+headNameOff:]))
	to := len(k.b)
	if i+1 < k.count {
		to = int(le.Uint16(k.b[(i+1)*headSize+headNameOff:]))
	}
	if from < k.count*headSize || to > len(k.b) || from >= to {
		return nil, abi.EUCLEAN
	}
	name := k.b[from:to]
	for j, c := range name {
		if c == 0 {
			if i+1 < k.count {
				return nil, abi.EUCLEAN
			}
			name = name[:j] // the last name ends before the padding
			break
		}
		if c == '/' {
			return nil, abi.EUCLEAN
		}
	}
	if len(name) == 0 || len(name) > abi.NAME_MAX {
		return nil, abi.EUCLEAN
	}
	return name, abi.OK
}

func (k *dirBlock) nid(i int) uint64 { return le.Uint64(k.b[i*headSize+headNID:]) }

// kind is d_type of entry i. The values on disk are those of FT_ (1 regular, 2
// directory, 3 character device, 4 block device, 5 FIFO, 6 socket, 7 link).
func (k *dirBlock) kind(i int) uint8 {
	kinds := [8]uint8{0, abi.DT_REG, abi.DT_DIR, abi.DT_CHR, abi.DT_BLK, abi.DT_FIFO, abi.DT_SOCK, abi.DT_LNK}
	return kinds[k.b[i*headSize+headType]&7]
}

// Lookup implements vfs.Dir by binary search, over the blocks and in one.
func (d *dir) Lookup(name string) (vfs.Inode, abi.Errno) {
	lo, hi := uint64(0), d.blocks() // the first block that begins after name is in (lo, hi]
	for hi-lo > 1 && hi > 0 {
		mid := lo + (hi-lo)/2
		k, e := d.block(mid)
		if e != abi.OK {
			return nil, e
		}
		first, e := k.name(0)
		after := e == abi.OK && string(first) > name
		k.done()
		if e != abi.OK {
			return nil, e
		}
		if after {
			hi = mid
		} else {
			lo = mid
		}
	}
	if hi == 0 {
		return nil, abi.ENOENT
	}
	k, e := d.block(lo)
	if e != abi.OK {
		return nil, e
	}
	nid, e := k.find(name)
	k.done()
	if e != abi.OK {
		return nil, e
	}
	return d.fs.inode(nid)
}

// find looks for a name in a block.
func (k *dirBlock) find(name string) (uint64, abi.Errno) {
	lo, hi := 0, k.count
	for lo < hi {
		mid := (lo + hi) / 2
		n, e := k.name(mid)
		if e != abi.OK {
			return 0, e
		}
		switch {
		case string(n) == name:
			return k.nid(mid), abi.OK
		case string(n) < name:
			lo = mid + 1
		default:
			hi = mid
		}
	}
	return 0, abi.ENOENT
}

// posBits is how many bits of a position count the entry in its block; a block has
// at most 340.
const posBits = 9

// ReadDir implements vfs.Dir. A position is the number of the block and of the
// entry in it.
func (d *dir) ReadDir(pos int64, emit func(*vfs.DirEntry) bool) abi.Errno {
	var out vfs.DirEntry
	i := int(pos & (1<<posBits - 1))
	for index := uint64(pos) >> posBits; index < d.blocks(); index++ {
		k, e := d.block(index)
		if e != abi.OK {
			return e
		}
		for ; i < k.count; i++ {
			name, e := k.name(i)
			if e != abi.OK {
				k.done()
				return e
			}
			if string(name) == "." || string(name) == ".." {
				continue
			}
			out = vfs.DirEntry{Name: string(name), Ino: d.fs.opt.InoBase + k.nid(i), Type: k.kind(i),
				Next: int64(index<<posBits) + int64(i) + 1}
			if !emit(&out) {
				k.done()
				return abi.OK
			}
		}
		k.done()
		i = 0
	}
	return abi.OK
}
