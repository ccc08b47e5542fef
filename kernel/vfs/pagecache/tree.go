package pagecache

import (
	"sync/atomic"

	"skerry/kernel/ground/frame"
)

// A slot of the tree is one word: the frame number and flags. 0 is an empty slot.
type slot = atomic.Uint64

// Flags of a slot.
const (
	accessed = 1 << 32 // used since the clock last passed
	busy     = 1 << 33 // the device is filling the frame
)

func pfnOf(word uint64) frame.PFN { return frame.PFN(uint32(word)) }

const (
	nodeBits = 6
	nodeSize = 1 << nodeBits
	nodeMask = nodeSize - 1
	// maxHeight covers every page index of a file of 2^63 bytes.
	maxHeight = 9
	// maxIndex is the largest page index, exclusive.
	maxIndex = 1 << 51
)

// tree is a radix tree from page index to slot. Its shape changes only with the
// cache's lock held exclusively; flags of a slot may change with it held shared.
type tree struct {
	root   *node
	height int // levels; 0 for an empty tree
	n      int // slots in use
}

// node is one level: slots at the bottom, else kids.
type node struct {
	kids  *[nodeSize]*node
	slots *[nodeSize]slot
	n     int // entries in use
}

func newNode(level int) *node {
	if level == 0 {
		return &node{slots: new([nodeSize]slot)}
	}
	return &node{kids: new([nodeSize]*node)}
}

// covers reports whether index is within reach of the tree's height.
func (t *tree) covers(index uint64) bool {
	return index>>(nodeBits*uint(t.height)) == 0
}

// get is the slot of a page, or nil if there is none or it is empty.
func (t *tree) get(index uint64) *slot {
	if t.height == 0 || !t.covers(index) {
		return nil
	}
	n := t.root
	for level := t.height - 1; level > 0; level-- {
		n = n.kids[index>>(nodeBits*uint(level))&nodeMask]
		if n == nil {
			return nil
		}
	}
	s := &n.slots[index&nodeMask]
	if s.Load() == 0 {
		return nil
	}
	return s
}

// put stores a word that is not 0 in an empty slot. index < maxIndex.
func (t *tree) put(index uint64, word uint64) {
	for t.height == 0 || !t.covers(index) {
		up := newNode(t.height)
		if t.height > 0 {
			up.kids[0] = t.root
			up.n = 1
		}
		t.root = up
		t.height++
	}
	n := t.root
	for level := t.height - 1; level > 0; level-- {
		k := &n.kids[index>>(nodeBits*uint(level))&nodeMask]
		if *k == nil {
			*k = newNode(level - 1)
			n.n++
		}
		n = *k
	}
	n.slots[index&nodeMask].Store(word)
	n.n++
	t.n++
}

// remove empties a slot that is in use, and drops nodes that become empty.
func (t *tree) remove(index uint64) {
	var path [maxHeight]*node
	n := t.root
	for level := t.height - 1; level > 0; level-- {
		path[level] = n
		n = n.kids[index>>(nodeBits*uint(level))&nodeMask]
	}
	n.slots[index&nodeMask].Store(0)
	n.n--
	t.n--
	for level := 1; level < t.height && n.n == 0; level++ {
		n = path[level]
		n.kids[index>>(nodeBits*uint(level))&nodeMask] = nil
		n.n--
	}
	if t.n == 0 {
		t.root, t.height = nil, 0
	}
}

// next is the first slot in use at or after index, or nil.
func (t *tree) next(index uint64) (uint64, *slot) {
	for t.height > 0 && t.covers(index) {
		at, s := t.descend(index)
		if s != nil {
			return at, s
		}
		index = at // greater than before
	}
	return 0, nil
}

// descend looks for the first slot in use at or after index below the nodes that
// lead to index. Without one it answers the index to go on with.
func (t *tree) descend(index uint64) (uint64, *slot) {
	n := t.root
	for level := t.height - 1; ; level-- {
		shift := nodeBits * uint(level)
		i := index >> shift & nodeMask
		if level == 0 {
			for ; i < nodeSize; i++ {
				if s := &n.slots[i]; s.Load() != 0 {
					return index&^nodeMask | i, s
				}
			}
			return (index | nodeMask) + 1, nil
		}
		j := i
		for j < nodeSize && n.kids[j] == nil {
			j++
		}
		base := index >> (shift + nodeBits) << (shift + nodeBits)
		if j == nodeSize {
			return base + 1<<(shift+nodeBits), nil
		}
		if j > i {
			index = base | j<<shift
		}
		n = n.kids[j]
	}
}
