package syscalls

import (
	"skerry/kernel/abi"
	"skerry/kernel/task"
	"skerry/kernel/usermem"
)

// Extended attributes, xattr(7). The file systems have none: lists are empty,
// and attributes of any name are EOPNOTSUPP, as on a Linux file system that does
// not have them. Arguments are checked all the same.

const noXattr = "no file system here has any: EOPNOTSUPP"

var xattrCalls = []entry{
	{abi.SYS_GETXATTR, pathXattr(true, false, oneXattr), noXattr},
	{abi.SYS_LGETXATTR, pathXattr(false, false, oneXattr), noXattr},
	{abi.SYS_FGETXATTR, fdXattr(false, oneXattr), noXattr},
	{abi.SYS_LISTXATTR, pathXattr(true, false, listXattr), "the list is empty"},
	{abi.SYS_LLISTXATTR, pathXattr(false, false, listXattr), "the list is empty"},
	{abi.SYS_FLISTXATTR, fdXattr(false, listXattr), "the list is empty"},
	{abi.SYS_SETXATTR, pathXattr(true, true, setXattr), noXattr},
	{abi.SYS_LSETXATTR, pathXattr(false, true, setXattr), noXattr},
	{abi.SYS_FSETXATTR, fdXattr(true, setXattr), noXattr},
	{abi.SYS_REMOVEXATTR, pathXattr(true, true, oneXattr), noXattr},
	{abi.SYS_LREMOVEXATTR, pathXattr(false, true, oneXattr), noXattr},
	{abi.SYS_FREMOVEXATTR, fdXattr(true, oneXattr), noXattr},
}

// xattrCall is the part of a call that comes after its file was found.
type xattrCall func(name, value, size, flags uintptr) abi.Errno

// pathXattr is a call on a path.
func pathXattr(follow, change bool, rest xattrCall) task.Handler {
	return func(t *task.Thread, path, name, value, size, flags, _ uintptr) (uintptr, abi.Errno) {
		p, e := pathAt(path)
		if e == abi.OK {
			e = t.Proc.FS.CheckXattr(p, follow, change)
		}
		if e == abi.OK {
			e = rest(name, value, size, flags)
		}
		return 0, e
	}
}

// fdXattr is a call on a descriptor.
func fdXattr(change bool, rest xattrCall) task.Handler {
	return func(t *task.Thread, fd, name, value, size, flags, _ uintptr) (uintptr, abi.Errno) {
		d, e := get(t, fd)
		if e != abi.OK {
			return 0, e
		}
		e = d.CheckXattr(change)
		d.Unref()
		if e == abi.OK {
			e = rest(name, value, size, flags)
		}
		return 0, e
	}
}

func oneXattr(name, _, _, _ uintptr) abi.Errno {
	s, e := usermem.String(name, abi.XATTR_NAME_MAX+1)
	switch {
	case e == abi.ENAMETOOLONG || e == abi.OK && s == "":
		return abi.ERANGE
	case e != abi.OK:
		return e
	}
	return abi.EOPNOTSUPP
}

func listXattr(_, _, _, _ uintptr) abi.Errno { return abi.OK }

func setXattr(name, _, size, flags uintptr) abi.Errno {
	if uint32(flags)&^(abi.XATTR_CREATE|abi.XATTR_REPLACE) != 0 {
		return abi.EINVAL
	}
	e := oneXattr(name, 0, 0, 0)
	if e == abi.EOPNOTSUPP && size > abi.XATTR_SIZE_MAX {
		e = abi.E2BIG
	}
	return e
}
