package vfs

import "skerry/kernel/abi"

// Unlink is unlinkat(2) without AT_REMOVEDIR.
func (c *Context) Unlink(dirfd int32, path string) abi.Errno {
	var w walk
	if e := w.begin(c, dirfd, path, 0); e != abi.OK {
		return e
	}
	name, kind, slash, e := w.parent()
	if e != abi.OK {
		return e
	}
	if kind != lastName {
		return abi.EISDIR
	}
	d := w.at
	if d.readOnly() {
		return abi.EROFS
	}
	m, ok := d.dir.(MutableDir)
	if !ok {
		return removeHere(d, name)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	k, e := d.childLocked(name)
	if e != abi.OK {
		return e
	}
	if k.dir != nil {
		return abi.EISDIR
	}
	if slash {
		return abi.ENOTDIR
	}
	if k.mounted.Load() != nil {
		return abi.EBUSY
	}
	if e := m.Unlink(name, k.inode); e != abi.OK {
		return e
	}
	d.forget(name, k)
	d.tellRemoved(name, k)
	return abi.OK
}

// removeHere is the answer of a generated file system to a removal.
func removeHere(d *Dentry, name string) abi.Errno {
	if _, e := d.child(name); e != abi.OK {
		return e
	}
	return abi.EPERM
}

// Rmdir is rmdir(2), and unlinkat(2) with AT_REMOVEDIR.
func (c *Context) Rmdir(dirfd int32, path string) abi.Errno {
	var w walk
	if e := w.begin(c, dirfd, path, 0); e != abi.OK {
		return e
	}
	name, kind, _, e := w.parent()
	if e != abi.OK {
		return e
	}
	switch kind {
	case lastDotDot:
		return abi.ENOTEMPTY
	case lastDot:
		return abi.EINVAL
	case lastRoot:
		return abi.EBUSY
	}
	d := w.at
	if d.readOnly() {
		return abi.EROFS
	}
	m, ok := d.dir.(MutableDir)
	if !ok {
		return removeHere(d, name)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	k, e := d.childLocked(name)
	if e != abi.OK {
		return e
	}
	if k.dir == nil {
		return abi.ENOTDIR
	}
	if k.mounted.Load() != nil {
		return abi.EBUSY
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if e := m.Rmdir(name, k.inode); e != abi.OK {
		return e
	}
	d.forget(name, k)
	d.tellRemoved(name, k)
	return abi.OK
}
