package tmpfs

import (
	"sync"
	"sync/atomic"

	"skerry/kernel/abi"
	"skerry/kernel/ground/frame"
	"skerry/kernel/usermem"
	"skerry/kernel/vfs"
	"skerry/kernel/vfs/pagecache"
)

// maxSize is the largest file, as Linux has it for 64-bit machines.
const maxSize = 1<<63 - 1

// file is a regular file. It is inode and vfs.File in one: an open description
// adds nothing to it. Bytes from the end of the file to the end of its last page
// are zero in the cache, except for what a shared mapping wrote there, which goes
// before it could be seen.
type file struct {
	vfs.BaseFile
	node
	pagecache.Cache

	size atomic.Int64

	// wmu orders write, truncate and fallocate; it guards seals and linkable.
	wmu      sync.Mutex
	seals    uint32
	linkable bool
}

var (
	_ vfs.Mapper     = (*file)(nil)
	_ vfs.Appender   = (*file)(nil)
	_ vfs.Allocator  = (*file)(nil)
	_ vfs.HoleSeeker = (*file)(nil)
	_ vfs.Controller = (*file)(nil)
	_ vfs.Mutable    = (*file)(nil)
)

// Open implements vfs.Inode.
func (f *file) Open(*vfs.Dentry, uint32) (vfs.File, abi.Errno) { return f, abi.OK }

// Hold implements vfs.Inode.
func (f *file) Hold() bool { return f.hold() }

// Drop implements vfs.Inode.
func (f *file) Drop() {
	if f.drop() {
		f.end()
	}
}

// end frees the pages of a file that nothing refers to.
func (f *file) end() {
	f.fs.uncharge(int64(f.Remove(0, ^uint64(0))))
}

// Seekable, Unpollable, DirectIO and Sync are a regular file's.
func (f *file) Seekable() bool { return true }

// Unpollable makes epoll refuse the file.
func (f *file) Unpollable() {}

// DirectIO is taken: there is no storage to go to directly, and no cache to go
// around.
func (f *file) DirectIO() bool { return true }

// Sync has nothing to do.
func (f *file) Sync(bool) abi.Errno { return abi.OK }

// Stat implements vfs.Inode and vfs.File.
func (f *file) Stat(st *abi.Stat) abi.Errno {
	f.stat(st)
	st.Size = f.size.Load()
	st.Blocks = int64(f.Count()) * (frame.Size / 512)
	return abi.OK
}

// Read implements vfs.File. Holes read as zeros and stay holes.
func (f *file) Read(v *usermem.Vec, off int64) (int, abi.Errno) {
	size := f.size.Load()
	if off >= size || v.Len() == 0 {
		return 0, abi.OK
	}
	f.read()
	want := int(min(int64(v.Len()), size-off))
	done := 0
	for done < want {
		at := int(off & (frame.Size - 1))
		n := min(frame.Size-at, want-done)
		var e abi.Errno
		if p := f.Cache.Peek(uint64(off) >> frame.Shift); p != 0 {
			n, e = v.CopyOut(p.Bytes()[at : at+n])
			p.Unref()
		} else {
			n, e = v.Zero(n)
		}
		done += n
		off += int64(n)
		if e != abi.OK {
			if done > 0 {
				return done, abi.OK
			}
			return 0, e
		}
	}
	return done, abi.OK
}

// Write implements vfs.File.
func (f *file) Write(v *usermem.Vec, off int64) (int, abi.Errno) {
	f.wmu.Lock()
	n, e := f.write(v, off)
	f.wmu.Unlock()
	return n, e
}

// Append implements vfs.Appender.
func (f *file) Append(v *usermem.Vec) (int, int64, abi.Errno) {
	f.wmu.Lock()
	off := f.size.Load()
	n, e := f.write(v, off)
	f.wmu.Unlock()
	return n, off + int64(n), e
}

// write is Write with wmu held.
func (f *file) write(v *usermem.Vec, off int64) (int, abi.Errno) {
	if v.Len() == 0 {
		return 0, abi.OK
	}
	if off == maxSize {
		return 0, abi.EFBIG
	}
	if int64(v.Len()) > maxSize-off {
		v.Limit(int(maxSize - off))
	}
	size := f.size.Load()
	if f.seals != 0 {
		if f.seals&(abi.F_SEAL_WRITE|abi.F_SEAL_FUTURE_WRITE) != 0 {
			return 0, abi.EPERM
		}
		if f.seals&abi.F_SEAL_GROW != 0 && off+int64(v.Len()) > size {
			if off >= size {
				return 0, abi.EPERM
			}
			v.Limit(int(size - off))
		}
	}
	if off > size {
		f.zeroTail(size)
	}
	done := 0
	e := abi.OK
	for v.Len() > 0 && e == abi.OK {
		at := int(off & (frame.Size - 1))
		n := min(frame.Size-at, v.Len())
		var p frame.PFN
		if p, e = f.page(uint64(off) >> frame.Shift); e != abi.OK {
			break
		}
		n, e = v.CopyIn(p.Bytes()[at : at+n])
		p.Unref()
		done += n
		off += int64(n)
		if n > 0 && off > f.size.Load() {
			f.size.Store(off)
		}
	}
	if done > 0 {
		f.modified()
		e = abi.OK
	}
	return done, e
}

// page is the frame of a page with a reference for the caller; made if missing.
// ENOSPC if the file system is full, ENOMEM if memory is.
func (f *file) page(index uint64) (frame.PFN, abi.Errno) {
	if p := f.Cache.Peek(index); p != 0 {
		return p, abi.OK
	}
	if !f.fs.charge(1) {
		return 0, abi.ENOSPC
	}
	p := vfs.AllocPage(true)
	if p == 0 {
		f.fs.uncharge(1)
		return 0, abi.ENOMEM
	}
	q := f.Add(index, p)
	if q != p {
		f.fs.uncharge(1)
	}
	return q, abi.OK
}

// zeroTail clears the last page from byte size on, before the file grows over it.
func (f *file) zeroTail(size int64) {
	at := size & (frame.Size - 1)
	if at == 0 {
		return
	}
	if p := f.Cache.Peek(uint64(size) >> frame.Shift); p != 0 {
		clear(p.Bytes()[at:])
		p.Unref()
	}
}

// SetAttr implements vfs.Mutable.
func (f *file) SetAttr(a *vfs.Attr) abi.Errno {
	if a.Set&vfs.AttrSize != 0 {
		if e := f.truncate(a.Size); e != abi.OK {
			return e
		}
	}
	if a.Set&vfs.AttrMode != 0 {
		f.wmu.Lock()
		sealed := f.seals&abi.F_SEAL_EXEC != 0 && (f.Mode()^a.Mode)&0o111 != 0
		f.wmu.Unlock()
		if sealed {
			return abi.EPERM
		}
	}
	if a.Set&^uint32(vfs.AttrSize) != 0 {
		f.setAttr(a)
	}
	return abi.OK
}

// truncate sets the size. Pages beyond it leave the mappings, private copies
// included, and then the cache.
func (f *file) truncate(size int64) abi.Errno {
	f.wmu.Lock()
	defer f.wmu.Unlock()
	old := f.size.Load()
	if size < old && f.seals&abi.F_SEAL_SHRINK != 0 || size > old && f.seals&abi.F_SEAL_GROW != 0 {
		return abi.EPERM
	}
	switch {
	case size > old:
		f.zeroTail(old)
		f.size.Store(size)
	case size < old:
		f.size.Store(size)
		first := uint64(size+frame.Size-1) >> frame.Shift
		f.Unmap(first, ^uint64(0), true)
		f.fs.uncharge(int64(f.Remove(first, ^uint64(0))))
		f.zeroTail(size)
	default:
		// Pages that were allocated beyond the end go too.
		first := uint64(size+frame.Size-1) >> frame.Shift
		f.fs.uncharge(int64(f.Remove(first, ^uint64(0))))
	}
	f.modified()
	return abi.OK
}

// Page implements vfs.Mapper. A hole becomes a page, since two mappings of it must
// see each other's writes.
func (f *file) Page(index uint64, write bool) (frame.PFN, abi.Errno) {
	if !f.covers(index) {
		return 0, abi.ENXIO
	}
	if write {
		f.modified()
	} else {
		f.read()
	}
	return f.page(index)
}

// covers reports whether a page lies in the file.
func (f *file) covers(index uint64) bool {
	return index < uint64(f.size.Load()+frame.Size-1)>>frame.Shift
}

// Peek is the page if it is there and lies in the file, with a reference; mm calls
// it with the address space locked.
func (f *file) Peek(index uint64) frame.PFN {
	if !f.covers(index) {
		return 0
	}
	return f.Cache.Peek(index)
}

// AddMapping implements vfs.Mapper: a mapping keeps the file as an open
// description does.
func (f *file) AddMapping(m vfs.Mapping) {
	f.hold()
	f.Cache.AddMapping(m)
}

// RemoveMapping implements vfs.Mapper.
func (f *file) RemoveMapping(m vfs.Mapping) {
	f.Cache.RemoveMapping(m)
	f.Drop()
}

// Executable implements vfs.Mapper: what can be written is never executed.
func (f *file) Executable() bool { return false }

// MayWriteShared implements vfs.Mapper.
func (f *file) MayWriteShared() bool {
	f.wmu.Lock()
	defer f.wmu.Unlock()
	return f.seals&(abi.F_SEAL_WRITE|abi.F_SEAL_FUTURE_WRITE) == 0
}

// takeLinkable reports whether the file waits for its first name (O_TMPFILE), and
// takes that away.
func (f *file) takeLinkable() bool {
	f.wmu.Lock()
	defer f.wmu.Unlock()
	was := f.linkable
	f.linkable = false
	return was
}
