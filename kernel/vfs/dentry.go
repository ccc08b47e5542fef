package vfs

import (
	"strings"
	"sync"
	"sync/atomic"

	"skerry/kernel/abi"
)

// Dentry is a name in the tree that leads to an inode. A directory has exactly
// one in file systems that can change. A Dentry without parent is a root, or
// stands for a file that has no path.
//
// Locks: mu of a directory guards its entries, in the file system too. Locks are
// taken from the root downwards; two directories neither of which is above the
// other only with Super.rename held.
type Dentry struct {
	sb      *Super
	inode   Inode
	dir     Dir // inode, if it is a directory
	parent  atomic.Pointer[Dentry]
	name    string // under sb.names
	mounted atomic.Pointer[Super]
	gone    atomic.Bool // its entry was removed
	used    atomic.Bool // found since the name cache last looked
	listed  atomic.Bool // in the name cache

	mu   sync.RWMutex
	kids map[string]*Dentry
}

func newDentry(sb *Super, parent *Dentry, name string, ino Inode) *Dentry {
	d := &Dentry{sb: sb, inode: ino, name: name}
	d.dir, _ = ino.(Dir)
	if parent != nil {
		d.parent.Store(parent)
	}
	return d
}

// NewAnonymous returns a Dentry for an inode without a path, shown as name.
func NewAnonymous(name string, ino Inode) *Dentry {
	return newDentry(nil, nil, name, ino)
}

// Inode is what the name leads to.
func (d *Dentry) Inode() Inode { return d.inode }

// Super is the file system that the name lies in, nil for a file without path.
func (d *Dentry) Super() *Super { return d.sb }

func (d *Dentry) readOnly() bool { return d.sb != nil && d.sb.info.ReadOnly }

// child finds an entry of directory d. The result is not crossed into what is
// mounted there.
func (d *Dentry) child(name string) (*Dentry, abi.Errno) {
	if d.sb.info.Names == NoNames {
		if d.gone.Load() {
			return nil, abi.ENOENT
		}
		if len(name) > abi.NAME_MAX {
			return nil, abi.ENAMETOOLONG
		}
		ino, e := d.dir.Lookup(name)
		if e != abi.OK {
			return nil, e
		}
		return newDentry(d.sb, d, strings.Clone(name), ino), abi.OK
	}
	d.mu.RLock()
	k := d.kids[name]
	d.mu.RUnlock()
	if k != nil {
		if !k.used.Load() {
			k.used.Store(true)
		}
		return k, abi.OK
	}
	d.mu.Lock()
	k, e := d.childLocked(name)
	d.mu.Unlock()
	if e == abi.OK && d.sb.info.Names == DropNames {
		d.sb.lru.add(k)
	}
	return k, e
}

// childLocked is child with d.mu held exclusively.
func (d *Dentry) childLocked(name string) (*Dentry, abi.Errno) {
	if k := d.kids[name]; k != nil {
		return k, abi.OK
	}
	if d.gone.Load() {
		return nil, abi.ENOENT
	}
	if len(name) > abi.NAME_MAX {
		return nil, abi.ENAMETOOLONG
	}
	ino, e := d.dir.Lookup(name)
	if e != abi.OK {
		return nil, e
	}
	return d.adopt(strings.Clone(name), ino), abi.OK
}

// adopt makes a Dentry for an entry of d. The caller holds d.mu and owns name.
func (d *Dentry) adopt(name string, ino Inode) *Dentry {
	k := newDentry(d.sb, d, name, ino)
	if d.sb.info.Names != NoNames {
		d.setKid(name, k)
	}
	return k
}

func (d *Dentry) setKid(name string, k *Dentry) {
	if d.kids == nil {
		d.kids = make(map[string]*Dentry)
	}
	d.kids[name] = k
}

// forget takes an entry that was removed out of the tree. The caller holds d.mu.
func (d *Dentry) forget(name string, k *Dentry) {
	delete(d.kids, name)
	k.gone.Store(true)
}

// cross follows mounts: the root of what is mounted on d, or d.
func (d *Dentry) cross() *Dentry {
	for m := d.mounted.Load(); m != nil; m = d.mounted.Load() {
		d = m.root
	}
	return d
}

// up is "..", which stops at root.
func (d *Dentry) up(root *Dentry) *Dentry {
	for d != root {
		if p := d.parent.Load(); p != nil {
			return p.cross()
		}
		if d.sb == nil || d.sb.covers == nil {
			break
		}
		d = d.sb.covers
	}
	return d
}

// isBelow reports whether d is top or lies below it in the same file system. The
// caller holds sb.rename, so that the tree stands still.
func (d *Dentry) isBelow(top *Dentry) bool {
	for ; d != nil; d = d.parent.Load() {
		if d == top {
			return true
		}
	}
	return false
}

// path is the absolute path of d below root; ok is false if root is not above
// it (the path is then as seen from the top). Names that were removed end in
// " (deleted)", as Linux shows them.
func (d *Dentry) path(root *Dentry) (p string, ok bool) {
	if d.sb == nil {
		return d.name, false
	}
	var parts []string
	size := 0
	gone := d.gone.Load()
	at := d
	for at != root {
		parent, name := at.where()
		if parent == nil {
			if at.sb == nil || at.sb.covers == nil {
				break
			}
			at = at.sb.covers
			continue
		}
		parts = append(parts, name)
		size += 1 + len(name)
		at = parent
	}
	var b strings.Builder
	b.Grow(size + 10)
	for i := len(parts) - 1; i >= 0; i-- {
		b.WriteByte('/')
		b.WriteString(parts[i])
	}
	if len(parts) == 0 {
		b.WriteByte('/')
	}
	if gone {
		b.WriteString(" (deleted)")
	}
	return b.String(), at == root
}

// where is the parent and the name, as they are together.
func (d *Dentry) where() (*Dentry, string) {
	if d.sb == nil {
		return nil, d.name
	}
	d.sb.names.RLock()
	p, n := d.parent.Load(), d.name
	d.sb.names.RUnlock()
	return p, n
}
