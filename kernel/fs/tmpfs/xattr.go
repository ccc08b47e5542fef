package tmpfs

import (
	"sort"

	"skerry/kernel/abi"
	"skerry/kernel/vfs"
)

// Extended attributes, xattr(7): a list in the order of the names, in the
// kernel's heap. Each counts against the limit on inodes by its size, so that
// they cannot take more memory than files' names may.

type xattr struct {
	name  string
	value []byte
}

// xattrUnit is how many bytes of attributes count as one inode, Linux'
// BOGO_INODE_SIZE; xattrOverhead is what an attribute takes besides its name and
// value.
const (
	xattrUnit     = 1024
	xattrOverhead = 64
)

func (x *xattr) units() int64 {
	return int64(len(x.name)+len(x.value)+xattrOverhead+xattrUnit-1) / xattrUnit
}

var (
	_ vfs.Attributed = (*file)(nil)
	_ vfs.Attributed = (*dir)(nil)
)

// find is the place of an attribute, and whether it is there. The caller holds mu.
func (n *node) find(name string) (int, bool) {
	i := sort.Search(len(n.xattrs), func(i int) bool { return n.xattrs[i].name >= name })
	return i, i < len(n.xattrs) && n.xattrs[i].name == name
}

// Xattr implements vfs.Attributed.
func (n *node) Xattr(name string) ([]byte, abi.Errno) {
	n.mu.Lock()
	defer n.mu.Unlock()
	i, ok := n.find(name)
	if !ok {
		return nil, abi.ENODATA
	}
	return n.xattrs[i].value, abi.OK
}

// Xattrs implements vfs.Attributed.
func (n *node) Xattrs() []byte {
	n.mu.Lock()
	defer n.mu.Unlock()
	var b []byte
	for i := range n.xattrs {
		b = append(append(b, n.xattrs[i].name...), 0)
	}
	return b
}

// SetXattr implements vfs.Attributed.
func (n *node) SetXattr(name string, value []byte, flags uint32) abi.Errno {
	n.mu.Lock()
	defer n.mu.Unlock()
	i, there := n.find(name)
	switch {
	case n.dead:
		return abi.ENOENT // removed since its name was looked up
	case there && flags&abi.XATTR_CREATE != 0:
		return abi.EEXIST
	case !there && flags&abi.XATTR_REPLACE != 0:
		return abi.ENODATA
	}
	x := xattr{name, value}
	more := x.units()
	if there {
		more -= n.xattrs[i].units()
	}
	if !n.fs.chargeInodes(more) {
		return abi.ENOSPC
	}
	if !there {
		n.xattrs = append(n.xattrs, xattr{})
		copy(n.xattrs[i+1:], n.xattrs[i:])
	}
	n.xattrs[i] = x
	n.ctime = vfs.Now()
	return abi.OK
}

// RemoveXattr implements vfs.Attributed.
func (n *node) RemoveXattr(name string) abi.Errno {
	n.mu.Lock()
	defer n.mu.Unlock()
	i, ok := n.find(name)
	if !ok {
		return abi.ENODATA
	}
	n.fs.usedInodes.Add(-n.xattrs[i].units())
	last := len(n.xattrs) - 1
	copy(n.xattrs[i:], n.xattrs[i+1:])
	n.xattrs[last] = xattr{}
	n.xattrs = n.xattrs[:last]
	n.ctime = vfs.Now()
	return abi.OK
}

// endXattrs gives back what the attributes of a dead inode counted. The caller
// holds mu.
func (n *node) endXattrs() {
	for i := range n.xattrs {
		n.fs.usedInodes.Add(-n.xattrs[i].units())
	}
	n.xattrs = nil
}
