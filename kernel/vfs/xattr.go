package vfs

import (
	"strings"

	"skerry/kernel/abi"
)

// Extended attributes, xattr(7). Programs have those that begin with "user.", on
// regular files and directories. The other namespaces are what Linux shows to a
// process without capabilities: of "trusted." and "security." there are none, and
// none can be made; "system." is for access lists, which no file system here has.

// Attributed is an inode that keeps extended attributes. Names and values are
// checked; the methods lock what they need.
type Attributed interface {
	Inode
	// Xattr is the value of an attribute, which nobody changes any more; ENODATA
	// if there is none.
	Xattr(name string) ([]byte, abi.Errno)
	// SetXattr sets it to a value that the inode keeps: EEXIST or ENODATA as the
	// flags XATTR_CREATE and XATTR_REPLACE ask for, ENOSPC if it does not fit.
	SetXattr(name string, value []byte, flags uint32) abi.Errno
	// RemoveXattr takes it away; ENODATA if there is none.
	RemoveXattr(name string) abi.Errno
	// Xattrs lists the names, each with a 0 behind it.
	Xattrs() []byte
}

// XattrDentry finds the file of a call on a path.
func (c *Context) XattrDentry(path string, follow bool) (*Dentry, abi.Errno) {
	flags := uint32(0)
	if follow {
		flags = followLast
	}
	return c.lookup(abi.AT_FDCWD, path, flags)
}

// attributed checks the name of an attribute against the file, and answers the
// inode if attributes may be looked at or, with change set, changed.
func (d *Dentry) attributed(name string, change bool) (Attributed, abi.Errno) {
	if change && d.readOnly() {
		return nil, abi.EROFS
	}
	refuse := func() (Attributed, abi.Errno) {
		if change {
			return nil, abi.EPERM
		}
		return nil, abi.ENODATA
	}
	user := false
	switch {
	case strings.HasPrefix(name, "user."):
		if m := d.inode.Mode(); !isReg(m) && !isDir(m) {
			return refuse()
		}
		user = true
	case strings.HasPrefix(name, "trusted."):
		return refuse()
	case !strings.HasPrefix(name, "security."):
		return nil, abi.EOPNOTSUPP
	}
	a, ok := d.inode.(Attributed)
	switch {
	case !ok && d.readOnly():
		return nil, abi.ENODATA // an image holds none
	case !ok:
		return nil, abi.EOPNOTSUPP
	case !user:
		return refuse()
	case len(name) == len("user."):
		return nil, abi.EINVAL
	}
	return a, abi.OK
}

// Xattr is getxattr(2) on a file.
func (d *Dentry) Xattr(name string) ([]byte, abi.Errno) {
	a, e := d.attributed(name, false)
	if e != abi.OK {
		return nil, e
	}
	return a.Xattr(name)
}

// Xattrs is listxattr(2) on a file.
func (d *Dentry) Xattrs() []byte {
	if a, ok := d.inode.(Attributed); ok {
		return a.Xattrs()
	}
	return nil
}

// SetXattr is setxattr(2) on a file; the value is the file's from then on.
func (d *Dentry) SetXattr(name string, value []byte, flags uint32) abi.Errno {
	a, e := d.attributed(name, true)
	if e == abi.OK {
		e = a.SetXattr(name, value, flags)
	}
	if e == abi.OK {
		d.tellAttr(&Attr{Set: AttrOwner})
	}
	return e
}

// RemoveXattr is removexattr(2) on a file.
func (d *Dentry) RemoveXattr(name string) abi.Errno {
	a, e := d.attributed(name, true)
	if e == abi.OK {
		e = a.RemoveXattr(name)
	}
	if e == abi.OK {
		d.tellAttr(&Attr{Set: AttrOwner})
	}
	return e
}
