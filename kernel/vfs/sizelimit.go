package vfs

import (
	"sync/atomic"

	"skerry/kernel/abi"
	"skerry/kernel/usermem"
)

// sizeLimit is the soft limit of RLIMIT_FSIZE plus 1, or 0 for none: how far a
// write or truncate may make a regular file grow, setrlimit(2).
var sizeLimit atomic.Int64

// SetSizeLimit sets RLIMIT_FSIZE, in bytes.
func SetSizeLimit(n uint64) {
	if n >= maxOffset {
		sizeLimit.Store(0)
	} else {
		sizeLimit.Store(int64(n) + 1)
	}
}

// SizeLimited reports whether there is such a limit. EFBIG of a write is due to
// it then, and the caller raises SIGXFSZ.
func SizeLimited() bool { return sizeLimit.Load() != 0 }

// clip shortens a write at off to what the limit lets through. EFBIG if that is
// nothing.
func (d *Description) clip(v *usermem.Vec, off int64) abi.Errno {
	l := sizeLimit.Load()
	if l == 0 || v.Len() == 0 || !isReg(d.Inode().Mode()) {
		return abi.OK
	}
	if off >= l-1 {
		return abi.EFBIG
	}
	v.Limit(int(l - 1 - off))
	return abi.OK
}

// clipAppend is clip for a write at the end.
func (d *Description) clipAppend(v *usermem.Vec) abi.Errno {
	if sizeLimit.Load() == 0 {
		return abi.OK
	}
	var st abi.Stat
	if e := d.file.Stat(&st); e != abi.OK {
		return e
	}
	return d.clip(v, st.Size)
}

// checkSize is the limit's say on a file that is to have a new size.
func checkSize(i Inode, size int64) abi.Errno {
	l := sizeLimit.Load()
	if l == 0 || size < l {
		return abi.OK
	}
	var st abi.Stat
	if e := i.Stat(&st); e != abi.OK || size <= st.Size {
		return e
	}
	return abi.EFBIG
}
