package linuxvm

import (
	"bytes"
	"fmt"
)

// File types and modes of cpio entries, as in stat(2).
const (
	modeDir     = 0o040755
	modeFile    = 0o100644
	modeProgram = 0o100755
	modeChar    = 0o020600
)

// archive writes a cpio archive in the "newc" format, which the kernel unpacks
// into its first root file system (Linux: driver-api/early-userspace/buffer-format).
type archive struct {
	b     bytes.Buffer
	inode int
}

// add appends an entry; major and minor are a device's number.
func (a *archive) add(name string, mode int, data []byte, major, minor int) {
	a.inode++
	// Magic, inode, mode, uid, gid, links, mtime, size, device of the file (two),
	// device number (two), length of the name with its NUL, checksum.
	fmt.Fprintf(&a.b, "070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X",
		a.inode, mode, 0, 0, 1, 0, len(data), 0, 0, major, minor, len(name)+1, 0)
	a.b.WriteString(name)
	a.b.WriteByte(0)
	a.align()
	a.b.Write(data)
	a.align()
}

func (a *archive) align() {
	for a.b.Len()%4 != 0 {
		a.b.WriteByte(0)
	}
}

// bytes ends the archive.
func (a *archive) bytes() []byte {
	a.add("TRAILER!!!", 0, nil, 0, 0)
	for a.b.Len()%512 != 0 {
		a.b.WriteByte(0)
	}
	return a.b.Bytes()
}
