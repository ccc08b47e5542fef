package union

import (
	"sync"
	"sync/atomic"

	"skerry/kernel/abi"
	"skerry/kernel/ground/frame"
	"skerry/kernel/usermem"
	"skerry/kernel/vfs"
	"skerry/kernel/vfs/pagecache"
)

// Static is a file that the kernel makes. Its contents are in page-cache frames,
// so that it can be mapped, and may be replaced as a whole.
type Static struct {
	vfs.BaseFile
	pagecache.Cache
	dev, ino uint64

	mu    sync.Mutex // one Set at a time
	size  atomic.Int64
	mtime atomic.Int64 // nanoseconds since 1970
}

var _ vfs.Mapper = (*Static)(nil)

// NewStatic returns a file with some contents. ENOMEM if there is no memory.
func NewStatic(content []byte) (*Static, abi.Errno) {
	f := new(Static)
	return f, f.Set(content)
}

// Set replaces the contents: who reads from now on, or through a mapping, sees
// the new ones. On ENOMEM the old ones stay.
func (f *Static) Set(content []byte) abi.Errno {
	f.mu.Lock()
	defer f.mu.Unlock()
	pages := make([]frame.PFN, (len(content)+frame.Size-1)/frame.Size)
	for i := range pages {
		pages[i] = vfs.AllocPage(true)
		if pages[i] == 0 {
			for _, p := range pages[:i] {
				p.Unref()
			}
			return abi.ENOMEM
		}
		copy(pages[i].Bytes(), content[i*frame.Size:])
	}
	f.size.Store(0)
	f.Unmap(0, ^uint64(0), true)
	f.Remove(0, ^uint64(0))
	for i, p := range pages {
		f.Add(uint64(i), p).Unref()
	}
	f.mtime.Store(vfs.Realtime())
	f.size.Store(int64(len(content)))
	return abi.OK
}

// Mode implements vfs.Inode.
func (f *Static) Mode() uint32 { return abi.S_IFREG | 0o444 }

// Stat implements vfs.Inode and vfs.File.
func (f *Static) Stat(st *abi.Stat) abi.Errno {
	ns := f.mtime.Load()
	t := abi.Timespec{Sec: ns / 1e9, Nsec: ns % 1e9}
	size := f.size.Load()
	*st = abi.Stat{Dev: f.dev, Ino: f.ino, Nlink: 1, Mode: f.Mode(), UID: abi.ID, GID: abi.ID, Size: size,
		Blksize: frame.Size, Blocks: (size + 511) / 512, Atime: t, Mtime: t, Ctime: t}
	return abi.OK
}

// Open implements vfs.Inode.
func (f *Static) Open(*vfs.Dentry, uint32) (vfs.File, abi.Errno) { return f, abi.OK }

// Hold implements vfs.Inode: the file never goes.
func (f *Static) Hold() bool { return true }

// Drop implements vfs.Inode.
func (f *Static) Drop() {}

// Seekable implements vfs.File.
func (f *Static) Seekable() bool { return true }

// Unpollable makes epoll refuse the file.
func (f *Static) Unpollable() {}

// Sync has nothing to do.
func (f *Static) Sync(bool) abi.Errno { return abi.OK }

// Write answers EROFS; the file was never opened for writing.
func (f *Static) Write(*usermem.Vec, int64) (int, abi.Errno) { return 0, abi.EROFS }

// Read implements vfs.File.
func (f *Static) Read(v *usermem.Vec, off int64) (int, abi.Errno) {
	done := 0
	for v.Len() > 0 {
		left := f.size.Load() - off
		if left <= 0 {
			break
		}
		p := f.Cache.Peek(uint64(off) >> frame.Shift)
		if p == 0 {
			break // being replaced by something shorter
		}
		at := int(off & (frame.Size - 1))
		n, e := v.CopyOut(p.Bytes()[at : at+int(min(left, int64(frame.Size-at)))])
		p.Unref()
		done += n
		off += int64(n)
		if e != abi.OK {
			if done > 0 {
				break
			}
			return 0, e
		}
	}
	return done, abi.OK
}

// Page implements vfs.Mapper.
func (f *Static) Page(index uint64, write bool) (frame.PFN, abi.Errno) {
	if write {
		return 0, abi.EACCES
	}
	if int64(index) >= (f.size.Load()+frame.Size-1)>>frame.Shift {
		return 0, abi.ENXIO
	}
	if p := f.Cache.Peek(index); p != 0 {
		return p, abi.OK
	}
	return 0, abi.ENXIO
}

// Executable implements vfs.Mapper.
func (f *Static) Executable() bool { return false }

// MayWriteShared implements vfs.Mapper.
func (f *Static) MayWriteShared() bool { return false }
