package vfs

import "skerry/kernel/abi"

// No file system here has extended attributes, xattr(7); these say what Linux
// says of one that has none, once the file was found.

// CheckXattr finds the file of a call on extended attributes, and answers EROFS
// if a change is asked for where nothing can change.
func (c *Context) CheckXattr(path string, follow, change bool) abi.Errno {
	flags := uint32(0)
	if follow {
		flags = followLast
	}
	d, e := c.lookup(abi.AT_FDCWD, path, flags)
	if e == abi.OK && change && d.readOnly() {
		e = abi.EROFS
	}
	return e
}

// CheckXattr is the same for an open file.
func (d *Description) CheckXattr(change bool) abi.Errno {
	if change && d.Dentry().readOnly() {
		return abi.EROFS
	}
	return abi.OK
}
