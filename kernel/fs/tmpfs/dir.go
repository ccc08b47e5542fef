package tmpfs

import (
	"sort"

	"skerry/kernel/abi"
	"skerry/kernel/vfs"
)

// direntSize is what an entry adds to the size that stat shows, as Linux does.
const direntSize = 20

// dir is a directory. Its entries are guarded by the lock of its vfs.Dentry, but
// for count, which stat shows (under node.mu).
type dir struct {
	plain
	names map[string]*entry
	// order is the entries by cookie, which counts on; removed ones leave a hole
	// until there are many. So a listing that is under way neither skips nor
	// repeats what stays.
	order  []place
	holes  int
	cookie int64
	count  int64
	// subdirs is how many directories came to be here, less those that went; each
	// is a link to this one by its "..". Under node.mu.
	subdirs int64

	low lowerDir
}

// place is an entry's place in a listing; entry is nil once it was removed.
type place struct {
	cookie int64
	entry  *entry
}

type entry struct {
	name   string
	cookie int64 // 0 for one of the lower directory, which is listed there
	child  inode
}

var _ vfs.MutableDir = (*dir)(nil)

// Stat implements vfs.Inode.
func (d *dir) Stat(st *abi.Stat) abi.Errno {
	d.stat(st)
	d.mu.Lock()
	st.Size = (d.count + 2) * direntSize // "." and ".." count
	st.Nlink += uint64(d.subdirs)
	d.mu.Unlock()
	return d.low.stat(st)
}

// Lookup implements vfs.Dir.
func (d *dir) Lookup(name string) (vfs.Inode, abi.Errno) {
	if e := d.names[name]; e != nil {
		return e.child, abi.OK
	}
	return d.lookupLower(name)
}

// ReadDir implements vfs.Dir: position p goes on with cookies above p. What the lower
// directory has comes first.
func (d *dir) ReadDir(pos int64, emit func(*vfs.DirEntry) bool) abi.Errno {
	d.read()
	base := int64(0)
	if d.low.dir != nil {
		if pos < ownPlaces {
			if stopped, e := d.low.list(pos, emit); stopped || e != abi.OK {
				return e
			}
			pos = ownPlaces
		}
		base, pos = ownPlaces, pos-ownPlaces
	}
	i := d.search(pos + 1)
	var out vfs.DirEntry
	for ; i < len(d.order); i++ {
		e := d.order[i].entry
		if e == nil {
			continue
		}
		n := e.child.base()
		out = vfs.DirEntry{Name: e.name, Ino: n.ino, Type: uint8(n.Mode() >> 12), Next: base + e.cookie}
		if !emit(&out) {
			break
		}
	}
	return abi.OK
}

// search is the index in order of the first place whose cookie is at least c.
func (d *dir) search(c int64) int {
	return sort.Search(len(d.order), func(i int) bool { return d.order[i].cookie >= c })
}

// add makes an entry for an inode.
func (d *dir) add(name string, child inode) {
	d.cookie++
	e := &entry{name: name, cookie: d.cookie, child: child}
	if d.names == nil {
		d.names = make(map[string]*entry)
	}
	d.names[name] = e
	d.order = append(d.order, place{e.cookie, e})
	d.resize(1)
}

// remove takes an entry out.
func (d *dir) remove(name string) {
	e := d.names[name]
	delete(d.names, name)
	if e.cookie == 0 {
		d.low.hide(e.name)
		d.modified()
		return
	}
	d.order[d.search(e.cookie)].entry = nil
	d.resize(-1)
	if d.holes++; d.holes > 32 && d.holes > len(d.names) {
		keep := d.order[:0]
		for _, p := range d.order {
			if p.entry != nil {
				keep = append(keep, p)
			}
		}
		clear(d.order[len(keep):])
		d.order, d.holes = keep, 0
	}
}

// resize notes that the number of entries changed.
func (d *dir) resize(by int64) {
	d.mu.Lock()
	d.count += by
	d.mu.Unlock()
	d.modified()
}

// addLinks changes the number of links to the directory itself, which its
// subdirectories' ".." are.
func (d *dir) addLinks(n int) {
	d.mu.Lock()
	d.subdirs += int64(n)
	d.mu.Unlock()
}

// empty reports whether the directory has no entries.
func (d *dir) empty() bool { return len(d.order) == d.holes && d.low.empty() }

// Create implements vfs.MutableDir.
func (d *dir) Create(name string, n *vfs.NewNode) (vfs.Inode, abi.Errno) {
	if !d.fs.chargeInode() {
		return nil, abi.ENOSPC
	}
	var child inode
	switch n.Mode & abi.S_IFMT {
	case abi.S_IFREG:
		child = &file{}
	case abi.S_IFDIR:
		child = &dir{}
	case abi.S_IFLNK:
		if len(n.Target) >= longTarget && !d.fs.charge(1) {
			d.fs.unchargeInode()
			return nil, abi.ENOSPC
		}
		child = &symlink{target: n.Target}
	case abi.S_IFIFO:
		child = &fifo{}
	case abi.S_IFSOCK:
		child = &socket{endpoint: n.Socket}
	default:
		d.fs.unchargeInode()
		return nil, abi.EPERM
	}
	b := child.base()
	b.init(d.fs, n.Mode)
	b.nlink = 1
	switch c := child.(type) {
	case *dir:
		b.nlink = 2
		d.addLinks(1)
	case *file:
		c.seals = abi.F_SEAL_SEAL
	}
	d.add(name, child)
	return child, abi.OK
}

// Tmpfile implements vfs.MutableDir.
func (d *dir) Tmpfile(mode uint32, linkable bool) (vfs.Inode, abi.Errno) {
	if !d.fs.chargeInode() {
		return nil, abi.ENOSPC
	}
	f := &file{linkable: linkable, seals: abi.F_SEAL_SEAL}
	f.init(d.fs, mode)
	f.holds = 1
	return f, abi.OK
}

// Link implements vfs.MutableDir. A further name counts as an inode, since it
// takes memory as one does.
func (d *dir) Link(name string, target vfs.Inode) abi.Errno {
	child, ok := target.(inode)
	if !ok {
		return abi.EXDEV
	}
	fresh := false
	if f, ok := child.(*file); ok {
		fresh = f.takeLinkable()
	}
	if !fresh && !d.fs.chargeInode() {
		return abi.ENOSPC
	}
	if e := child.base().link(fresh); e != abi.OK {
		if !fresh {
			d.fs.unchargeInode()
		}
		return e
	}
	d.add(name, child)
	return abi.OK
}

// Unlink implements vfs.MutableDir.
func (d *dir) Unlink(name string, target vfs.Inode) abi.Errno {
	d.remove(name)
	d.lose(target.(inode))
	return abi.OK
}

// lose takes a name from an inode that is no directory.
func (d *dir) lose(child inode) {
	n := child.base()
	n.mu.Lock()
	further := n.nlink > 1
	n.mu.Unlock()
	if n.unlink(1) {
		child.end()
	}
	if further {
		d.fs.unchargeInode() // the name; the inode counts on
	}
}

// Rmdir implements vfs.MutableDir.
func (d *dir) Rmdir(name string, target vfs.Inode) abi.Errno {
	t := target.(*dir)
	if !t.empty() {
		return abi.ENOTEMPTY
	}
	d.remove(name)
	d.addLinks(-1)
	t.unlink(2)
	return abi.OK
}

// Rename implements vfs.MutableDir.
func (d *dir) Rename(name string, moved vfs.Inode, to vfs.MutableDir, newName string, victim vfs.Inode, exchange bool) abi.Errno {
	dst := to.(*dir)
	_, movedDir := moved.(*dir)
	v, victimDir := victim.(*dir)
	if victimDir && !exchange && !v.empty() {
		return abi.ENOTEMPTY
	}
	d.remove(name)
	if victim != nil {
		dst.remove(newName)
	}
	dst.add(newName, moved.(inode))
	if movedDir {
		d.addLinks(-1)
		dst.addLinks(1)
	}
	moved.(inode).base().changed()
	switch {
	case exchange:
		d.add(name, victim.(inode))
		if victimDir {
			dst.addLinks(-1)
			d.addLinks(1)
		}
		victim.(inode).base().changed()
	case victimDir:
		dst.addLinks(-1)
		v.unlink(2)
	case victim != nil:
		dst.lose(victim.(inode))
	}
	return abi.OK
}
