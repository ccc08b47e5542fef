package syscalls

import (
	"strings"

	"skerry/kernel/abi"
	"skerry/kernel/task"
	"skerry/kernel/usermem"
	"skerry/kernel/vfs"
)

// Extended attributes, xattr(7).

const xattrNote = "user.* on files and directories of a tmpfs; no access lists"

var xattrCalls = []entry{
	{abi.SYS_GETXATTR, pathXattr(true, getXattr), xattrNote},
	{abi.SYS_LGETXATTR, pathXattr(false, getXattr), xattrNote},
	{abi.SYS_FGETXATTR, fdXattr(getXattr), xattrNote},
	{abi.SYS_LISTXATTR, pathXattr(true, listXattr), ""},
	{abi.SYS_LLISTXATTR, pathXattr(false, listXattr), ""},
	{abi.SYS_FLISTXATTR, fdXattr(listXattr), ""},
	{abi.SYS_SETXATTR, changing(pathXattr(true, setXattr)), xattrNote},
	{abi.SYS_LSETXATTR, changing(pathXattr(false, setXattr)), xattrNote},
	{abi.SYS_FSETXATTR, changing(fdXattr(setXattr)), xattrNote},
	{abi.SYS_REMOVEXATTR, changing(pathXattr(true, removeXattr)), xattrNote},
	{abi.SYS_LREMOVEXATTR, changing(pathXattr(false, removeXattr)), xattrNote},
	{abi.SYS_FREMOVEXATTR, changing(fdXattr(removeXattr)), xattrNote},
}

// xattrCall is the part of a call that comes after its file was found: the
// arguments from the second on.
type xattrCall func(d *vfs.Dentry, a1, a2, a3, a4 uintptr) (uintptr, abi.Errno)

// pathXattr is a call on a path.
func pathXattr(follow bool, rest xattrCall) task.Handler {
	return func(t *task.Thread, path, a1, a2, a3, a4, _ uintptr) (uintptr, abi.Errno) {
		p, e := pathAt(path)
		if e != abi.OK {
			return 0, e
		}
		d, e := t.Proc.FS.XattrDentry(p, follow)
		if e != abi.OK {
			return 0, e
		}
		return rest(d, a1, a2, a3, a4)
	}
}

// fdXattr is a call on a descriptor.
func fdXattr(rest xattrCall) task.Handler {
	return func(t *task.Thread, fd, a1, a2, a3, a4, _ uintptr) (uintptr, abi.Errno) {
		d, e := get(t, fd)
		if e != abi.OK {
			return 0, e
		}
		defer d.Unref()
		return rest(d.Dentry(), a1, a2, a3, a4)
	}
}

// changing is a call that changes an attribute: those of security.* and trusted.* take a
// privilege (xattr(7)).
func changing(h task.Handler) task.Handler {
	return func(t *task.Thread, file, name, a2, a3, a4, a5 uintptr) (uintptr, abi.Errno) {
		n, e := h(t, file, name, a2, a3, a4, a5)
		if e == abi.EPERM {
			if s, _ := xattrName(name); !strings.HasPrefix(s, "user.") {
				return privileged(t, e)
			}
		}
		return n, e
	}
}

// xattrName reads the name of an attribute: ERANGE if it is empty or too long.
func xattrName(addr uintptr) (string, abi.Errno) {
	s, e := usermem.String(addr, abi.XATTR_NAME_MAX+1)
	if e == abi.ENAMETOOLONG || e == abi.OK && s == "" {
		e = abi.ERANGE
	}
	return s, e
}

// xattrOut gives the program b, or with size 0 its length: ERANGE if it does not
// fit.
func xattrOut(b []byte, addr, size uintptr) (uintptr, abi.Errno) {
	if size == 0 {
		return uintptr(len(b)), abi.OK
	}
	if uintptr(len(b)) > size {
		return 0, abi.ERANGE
	}
	n, e := usermem.CopyOut(addr, b)
	return uintptr(n), e
}

func getXattr(d *vfs.Dentry, name, addr, size, _ uintptr) (uintptr, abi.Errno) {
	s, e := xattrName(name)
	if e != abi.OK {
		return 0, e
	}
	b, e := d.Xattr(s)
	if e != abi.OK {
		return 0, e
	}
	return xattrOut(b, addr, size)
}

func listXattr(d *vfs.Dentry, addr, size, _, _ uintptr) (uintptr, abi.Errno) {
	b := d.Xattrs()
	if len(b) > abi.XATTR_LIST_MAX {
		return 0, abi.E2BIG
	}
	return xattrOut(b, addr, size)
}

func setXattr(d *vfs.Dentry, name, addr, size, flags uintptr) (uintptr, abi.Errno) {
	if uint32(flags)&^(abi.XATTR_CREATE|abi.XATTR_REPLACE) != 0 {
		return 0, abi.EINVAL
	}
	s, e := xattrName(name)
	if e != abi.OK {
		return 0, e
	}
	if size > abi.XATTR_SIZE_MAX {
		return 0, abi.E2BIG
	}
	b := make([]byte, size)
	if _, e := usermem.CopyIn(b, addr); e != abi.OK {
		return 0, e
	}
	return 0, d.SetXattr(s, b, uint32(flags))
}

func removeXattr(d *vfs.Dentry, name, _, _, _ uintptr) (uintptr, abi.Errno) {
	s, e := xattrName(name)
	if e != abi.OK {
		return 0, e
	}
	return 0, d.RemoveXattr(s)
}
