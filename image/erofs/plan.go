package erofs

import (
	"errors"
	"sort"
)

const (
	// BlockSize is the size of a block, and of a page of memory.
	BlockSize = 4096
	blockBits = 12

	superOffset  = 1024 // EROFS_SUPER_OFFSET
	superSize    = 128  // struct erofs_super_block
	compactSize  = 32   // struct erofs_inode_compact, and the unit of a nid
	extendedSize = 64   // struct erofs_inode_extended
	direntSize   = 12   // struct erofs_dirent
)

// maxInline is the largest file, in bytes, whose data lies behind its inode, in the
// same block. Larger ones would leave gaps about as large as what they save, and
// their pages cannot be read straight into the page cache.
const maxInline = 1024

// layout is a tree with every inode and block in its place: block 0 with the
// superblock, from right behind it inodes, each with its data behind it if that is
// small, then the other data of directories, symbolic links and files, each from a
// block of its own.
type layout struct {
	nodes  []*node // parents first, in order of names
	dirs   map[*node][]byte
	meta   int64  // bytes of the blocks with inodes
	blocks uint32 // in all
}

// shelf hands out places for inodes in the blocks from the superblock on. It
// keeps the last few blocks open, since what is too large for the rest of one
// leaves room there for smaller ones.
type shelf struct {
	open []int64 // where the free rest of each open block begins, the oldest first
	end  int64   // bytes of all blocks so far
}

// openBlocks is how many blocks shelf keeps open.
const openBlocks = 16

// place returns where size bytes, at most BlockSize, go: aligned for an inode and
// within one block.
func (s *shelf) place(size int64) int64 {
	for i, at := range s.open {
		if at&^(BlockSize-1)+BlockSize-at < size {
			continue
		}
		if s.open[i] = roundSlot(at + size); s.open[i]%BlockSize == 0 { // full
			s.open = append(s.open[:i], s.open[i+1:]...)
		}
		return at
	}
	at := s.end
	s.end += BlockSize
	if roundSlot(size) < BlockSize {
		if len(s.open) == openBlocks {
			s.open = s.open[:copy(s.open, s.open[1:])]
		}
		s.open = append(s.open, roundSlot(at+size))
	}
	return at
}

// roundSlot returns where the next inode can begin.
func roundSlot(off int64) int64 { return (off + compactSize - 1) &^ (compactSize - 1) }

var errTooBig = errors.New("the files are too large for one file system")

// plan assigns inodes and blocks. Data of small files lies with their inodes if
// files says so; that of directories and links does in any case.
func (t *Tree) plan(files bool) (*layout, error) {
	l := &layout{dirs: map[*node][]byte{}}
	t.root.parent = t.root
	l.walk(t.root)

	// A nid is an inode's offset, in units of 32 bytes, from meta_blkaddr, which
	// is 0 here. So no inode has number 0, which some programs take for a hole
	// in a directory.
	s := shelf{open: []int64{superOffset + superSize}, end: BlockSize}
	for i, n := range l.nodes {
		n.ino = uint32(i) + 1
		size := n.inodeSize()
		if n.inline = n.fitsInline(files); n.inline {
			size += n.size
		}
		n.nid = uint64(s.place(size) / compactSize)
	}
	l.meta = s.end

	next := l.meta >> blockBits
	place := func(n *node) {
		if n.size > 0 && !n.inline {
			n.block = uint32(next)
			next += roundUp(n.size) >> blockBits
		}
	}
	// What a directory walk reads lies together; file data comes last.
	for _, n := range l.nodes {
		if n.kind == Dir {
			place(n)
		}
	}
	for _, n := range l.nodes {
		if n.kind == Symlink {
			place(n)
		}
	}
	for _, n := range l.nodes {
		if n.kind == Regular || n.kind == Executable {
			if n.size > 1<<43 || next > 1<<32-1 {
				return nil, errTooBig
			}
			place(n)
		}
	}
	if next > 1<<32-1 {
		return nil, errTooBig
	}
	l.blocks = uint32(next)
	// Directories hold nids, so their data can be made only now.
	for _, n := range l.nodes {
		if n.kind == Dir {
			l.dirs[n] = n.dirData()
		}
	}
	return l, nil
}

// walk collects n and everything below it, parents first, in order of names.
func (l *layout) walk(n *node) {
	l.nodes = append(l.nodes, n)
	switch n.kind {
	case Dir:
		n.sorted = n.sortedChildren()
		n.nlink = 2
		for _, c := range n.sorted {
			c.parent = n
			if c.kind == Dir {
				n.nlink++
			}
		}
		n.size = n.dirSize()
		for _, c := range n.sorted {
			l.walk(c)
		}
	case Symlink:
		n.nlink, n.size = 1, int64(len(n.target))
	default:
		n.nlink, n.size = 1, n.src.Size()
	}
}

// fitsInline says whether n's data lies behind its inode, the layout that the
// format calls "flat inline". An executable file's never does: all of its pages
// are to be blocks of the device.
func (n *node) fitsInline(files bool) bool {
	switch {
	case n.size == 0:
		return false
	case n.kind == Regular:
		return files && n.size <= maxInline
	case n.kind == Executable:
		return false
	}
	return n.inodeSize()+n.size <= BlockSize
}

// modified is n's time of last modification, in seconds since the Unix epoch.
func (n *node) modified() int64 {
	if n.src == nil {
		return Time
	}
	return n.src.Time()
}

// inodeSize is 32 bytes if the compact form can hold n. It has no time of its own.
func (n *node) inodeSize() int64 {
	if n.size < 1<<32 && n.nlink < 1<<16 && n.modified() == Time {
		return compactSize
	}
	return extendedSize
}

// entry is one name in a directory.
type entry struct {
	name string
	n    *node
}

// entries lists a directory as it is stored: all names in byte order, "." and
// ".." among them.
func (n *node) entries() []entry {
	list := make([]entry, 0, len(n.sorted)+2)
	list = append(list, entry{".", n}, entry{"..", n.parent})
	for _, c := range n.sorted {
		list = append(list, entry{c.name, c})
	}
	sort.Slice(list, func(i, j int) bool { return list[i].name < list[j].name })
	return list
}

// fit returns how many of list's entries fit into one block, and their size.
func fit(list []entry) (n, size int) {
	for n < len(list) {
		s := size + direntSize + len(list[n].name)
		if s > BlockSize {
			break
		}
		n, size = n+1, s
	}
	return n, size
}

// dirSize is the size of a directory's data.
func (n *node) dirSize() int64 {
	list := n.entries()
	var total int64
	for {
		k, size := fit(list)
		if list = list[k:]; len(list) == 0 {
			return total + int64(size)
		}
		total += BlockSize
	}
}

func roundUp(n int64) int64 { return (n + BlockSize - 1) &^ (BlockSize - 1) }
