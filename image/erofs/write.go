package erofs

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
)

const (
	superMagic = 0xE0F5E1E2 // EROFS_SUPER_MAGIC_V1

	// Bits of feature_compat: the superblock has a checksum; times of extended
	// inodes are those of the last modification.
	featureChecksum = 1 << 0
	featureMtime    = 1 << 1

	// Owner is the owner and group of everything, the one identity.
	Owner = 65532

	// Time is the time of last modification of what has none of its own, in seconds:
	// the first of January 1980, which every archive format can hold too.
	Time = 315532800

	modeDir        = 0o040555
	modeRegular    = 0o100444
	modeExecutable = 0o100555
	modeSymlink    = 0o120777

	// File types of a dirent, enum EROFS_FT_*.
	typeRegular = 1
	typeDir     = 2
	typeSymlink = 7
)

var le = binary.LittleEndian

// castagnoli is the polynomial of CRC-32C.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// WriteTo writes the file system, a whole number of blocks. A file that does not
// have the size that it had when it was added is an error.
func (t *Tree) WriteTo(w io.Writer) (int64, error) {
	l, err := t.plan(true)
	if err != nil {
		return 0, err
	}
	out := &counter{w: w}
	meta, err := l.metadata()
	if err != nil {
		return 0, err
	}
	if _, err := out.Write(meta); err != nil {
		return out.n, err
	}
	for _, b := range l.blocksOfNames() {
		if err := out.block(b); err != nil {
			return out.n, err
		}
	}
	buf := make([]byte, 256<<10)
	for _, n := range l.nodes {
		if (n.kind == Regular || n.kind == Executable) && !n.inline {
			if err := out.file(n, buf); err != nil {
				return out.n, err
			}
		}
	}
	if out.n != int64(l.blocks)*BlockSize {
		panic("erofs: the plan and what was written differ")
	}
	return out.n, nil
}

// metadata returns the blocks of the superblock, the inodes and what lies with
// them.
func (l *layout) metadata() ([]byte, error) {
	b := make([]byte, l.meta)
	for _, n := range l.nodes {
		at := b[n.nid*compactSize:]
		n.putInode(at)
		if !n.inline {
			continue
		}
		at = at[n.inodeSize():][:n.size]
		if n.kind == Regular {
			if err := n.readInto(at); err != nil {
				return nil, err
			}
			continue
		}
		copy(at, l.data(n))
	}
	s := b[superOffset:]
	le.PutUint32(s[0:], superMagic)
	le.PutUint32(s[8:], featureChecksum|featureMtime)
	s[12] = blockBits
	le.PutUint16(s[14:], uint16(l.nodes[0].nid)) // root_nid
	le.PutUint64(s[16:], uint64(len(l.nodes)))   // inos
	le.PutUint64(s[24:], Time)                   // build_time, the time of compact inodes
	le.PutUint32(s[36:], l.blocks)
	// meta_blkaddr (40), xattr_blkaddr (44), uuid (48), volume_name (64) and
	// feature_incompat (80) stay 0.

	// The checksum covers the rest of block 0 with the field itself as 0
	// (erofs_superblock_csum_verify). Linux's crc32c() does not invert the
	// result as the usual form does.
	le.PutUint32(s[4:], ^crc32.Checksum(b[superOffset:BlockSize], castagnoli))
	return b, nil
}

// blocksOfNames are the data of the directories, and then of the symbolic links, that
// begin at blocks of their own, in the order of these.
func (l *layout) blocksOfNames() (list [][]byte) {
	for _, kind := range []Kind{Dir, Symlink} {
		for _, n := range l.nodes {
			if n.kind == kind && !n.inline {
				list = append(list, l.data(n))
			}
		}
	}
	return list
}

// data is what a directory or a symbolic link holds.
func (l *layout) data(n *node) []byte {
	if n.kind == Dir {
		return l.dirs[n]
	}
	return []byte(n.target)
}

// putInode writes n's inode to b.
func (n *node) putInode(b []byte) {
	mode := uint16(modeRegular)
	switch n.kind {
	case Dir:
		mode = modeDir
	case Executable:
		mode = modeExecutable
	case Symlink:
		mode = modeSymlink
	}
	// i_format: bit 0 extended, bits 1-3 layout, 0 for "flat plain", 2 for "flat
	// inline". i_u.raw_blkaddr is that of the data in blocks, of which an inline
	// node has none here.
	format := uint16(0)
	if n.inline {
		format = 2 << 1
	}
	if n.inodeSize() == compactSize {
		le.PutUint16(b[0:], format)
		le.PutUint16(b[4:], mode)
		le.PutUint16(b[6:], uint16(n.nlink))
		le.PutUint32(b[8:], uint32(n.size))
		le.PutUint32(b[16:], n.block) // i_u.raw_blkaddr
		le.PutUint32(b[20:], n.ino)
		le.PutUint16(b[24:], Owner)
		le.PutUint16(b[26:], Owner)
		return
	}
	le.PutUint16(b[0:], format|1)
	le.PutUint16(b[4:], mode)
	le.PutUint64(b[8:], uint64(n.size))
	le.PutUint32(b[16:], n.block)
	le.PutUint32(b[20:], n.ino)
	le.PutUint32(b[24:], Owner)
	le.PutUint32(b[28:], Owner)
	le.PutUint64(b[32:], uint64(n.modified()))
	le.PutUint32(b[44:], uint32(n.nlink))
}

// dirData returns a directory's data: in each block first the dirents, then
// their names (erofs.rst, "Directories").
func (n *node) dirData() []byte {
	b := make([]byte, 0, n.size)
	for list := n.entries(); len(list) > 0; {
		k, _ := fit(list)
		start := len(b)
		name := k * direntSize
		for _, e := range list[:k] {
			b = le.AppendUint64(b, e.n.nid)
			b = le.AppendUint16(b, uint16(name))
			b = append(b, e.n.fileType(), 0)
			name += len(e.name)
		}
		for _, e := range list[:k] {
			b = append(b, e.name...)
		}
		if list = list[k:]; len(list) > 0 {
			b = append(b, make([]byte, start+BlockSize-len(b))...)
		}
	}
	return b
}

func (n *node) fileType() byte {
	switch n.kind {
	case Dir:
		return typeDir
	case Symlink:
		return typeSymlink
	}
	return typeRegular
}

// counter writes and counts.
type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

var zeros [BlockSize]byte

// pad fills up the block.
func (c *counter) pad() error {
	_, err := c.Write(zeros[:roundUp(c.n)-c.n])
	return err
}

func (c *counter) block(b []byte) error {
	if _, err := c.Write(b); err != nil {
		return err
	}
	return c.pad()
}

// onlyWriter hides everything but Write, so that io.CopyBuffer uses the buffer.
type onlyWriter struct{ io.Writer }

// file copies a file's data.
func (c *counter) file(n *node, buf []byte) error {
	if n.size == 0 {
		return nil
	}
	r, err := n.src.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	copied, err := io.CopyBuffer(onlyWriter{c}, io.LimitReader(r, n.size), buf)
	if err != nil {
		return err
	}
	if more, _ := r.Read(buf[:1]); copied != n.size || more != 0 {
		return fmt.Errorf("%s changed while it was read", n.describe())
	}
	return c.pad()
}

// readInto reads all of a file to b, which has its size.
func (n *node) readInto(b []byte) error {
	r, err := n.src.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	var more [1]byte
	switch _, err := io.ReadFull(r, b); err {
	case nil:
		if k, _ := r.Read(more[:]); k == 0 {
			return nil
		}
	case io.EOF, io.ErrUnexpectedEOF:
	default:
		return err
	}
	return fmt.Errorf("%s changed while it was read", n.describe())
}

// describe names the file for a message.
func (n *node) describe() string {
	if h, ok := n.src.(HostFile); ok {
		return h.Path
	}
	path := ""
	for ; n.parent != n; n = n.parent {
		path = "/" + n.name + path
	}
	return path
}
