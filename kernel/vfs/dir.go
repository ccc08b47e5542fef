package vfs

import (
	"encoding/binary"

	"skerry/kernel/abi"
	"skerry/kernel/usermem"
)

// dirFile is an open directory. Positions 0 and 1 are "." and "..", the others
// are the file system's own plus 2.
type dirFile struct {
	BaseFile
	d *Dentry
}

// Read answers EISDIR.
func (f *dirFile) Read(*usermem.Vec, int64) (int, abi.Errno) { return 0, abi.EISDIR }

// Write never comes, since directories are not opened for writing.
func (f *dirFile) Write(*usermem.Vec, int64) (int, abi.Errno) { return 0, abi.EBADF }

// Stat is the inode's.
func (f *dirFile) Stat(st *abi.Stat) abi.Errno { return f.d.inode.Stat(st) }

// Seekable is true: lseek(2) to 0 starts again.
func (f *dirFile) Seekable() bool { return true }

// Unpollable makes epoll refuse directories.
func (f *dirFile) Unpollable() {}

// Sync has nothing to do: directories are in memory, or cannot change.
func (f *dirFile) Sync(bool) abi.Errno { return abi.OK }

// direntHead is the size of struct linux_dirent64 before the name, getdents(2),
// and oldHead that of struct linux_dirent, which has the type in its last byte.
const (
	direntHead = 19
	oldHead    = 18
)

// direntChunk is how much is put together before it is copied to the program,
// since that must not happen with the directory's lock held. One entry of the
// longest name fits.
const direntChunk = 2048

// Getdents is getdents64(2). EINVAL if not even one entry fits into v.
func (d *Description) Getdents(v *usermem.Vec) (int, abi.Errno) { return d.getdents(v, false) }

// OldGetdents is getdents(2), with the older struct.
func (d *Description) OldGetdents(v *usermem.Vec) (int, abi.Errno) { return d.getdents(v, true) }

func (d *Description) getdents(v *usermem.Vec, old bool) (n int, e abi.Errno) {
	f, ok := d.file.(*dirFile)
	if !ok {
		return 0, abi.ENOTDIR
	}
	defer func() {
		if e == abi.OK {
			d.accessed(1)
		}
	}()
	d.mu.Lock()
	defer d.mu.Unlock()
	b := direntBuf{old: old}
	done := 0
	for v.Len() > 0 {
		b.n, b.pos, b.cut = 0, d.pos, false
		b.max = min(v.Len(), len(b.buf))
		e := f.fill(&b)
		if b.n == 0 {
			switch {
			case done > 0:
				return done, abi.OK
			case e != abi.OK:
				return 0, e
			case b.cut:
				return 0, abi.EINVAL
			}
			return 0, abi.OK
		}
		n, e2 := v.CopyOut(b.buf[:b.n])
		if e2 != abi.OK {
			if done > 0 {
				return done, abi.OK
			}
			return 0, e2
		}
		d.pos = b.pos
		done += n
		if e != abi.OK {
			return done, abi.OK // what is there; the error comes next time
		}
	}
	return done, abi.OK
}

// direntBuf collects entries as the program is to see them.
type direntBuf struct {
	buf [direntChunk]byte
	n   int
	max int
	pos int64 // the position after what is in buf
	cut bool  // an entry did not fit
	old bool  // entries are struct linux_dirent
}

// add appends an entry; false if it does not fit.
func (b *direntBuf) add(name string, ino uint64, typ uint8, next int64) bool {
	head, tail := direntHead, 1
	if b.old {
		head, tail = oldHead, 2
	}
	size := (head + len(name) + tail + 7) &^ 7
	if b.n+size > b.max {
		b.cut = true
		return false
	}
	p := b.buf[b.n : b.n+size]
	binary.LittleEndian.PutUint64(p, ino)
	binary.LittleEndian.PutUint64(p[8:], uint64(next))
	binary.LittleEndian.PutUint16(p[16:], uint16(size))
	clear(p[head+copy(p[head:], name):])
	if b.old {
		p[size-1] = typ
	} else {
		p[18] = typ
	}
	b.n += size
	b.pos = next
	return true
}

// fill collects entries from b.pos on.
func (f *dirFile) fill(b *direntBuf) abi.Errno {
	d := f.d
	if d.gone.Load() {
		return abi.ENOENT
	}
	if b.pos == 0 && !b.add(".", inoOf(d.inode), abi.DT_DIR, 1) {
		return abi.OK
	}
	if b.pos == 1 && !b.add("..", inoOf(d.parentForList().inode), abi.DT_DIR, 2) {
		return abi.OK
	}
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.dir.ReadDir(b.pos-2, func(e *DirEntry) bool {
		return b.add(e.Name, e.Ino, e.Type, e.Next+2)
	})
}

// parentForList is the directory that ".." of a listing names: the one above,
// across mounts too.
func (d *Dentry) parentForList() *Dentry {
	if p := d.parent.Load(); p != nil {
		return p
	}
	if d.sb.covers != nil {
		return d.sb.covers.parentForList()
	}
	return d
}
