package erofs

import (
	"skerry/kernel/abi"
	"skerry/kernel/ground/frame"
	"skerry/kernel/usermem"
	"skerry/kernel/vfs"
	"skerry/kernel/vfs/pagecache"
)

// file is a regular file: inode, vfs.File and source of its page cache in one.
type file struct {
	vfs.BaseFile
	inode
	pagecache.Backed
}

var (
	_ vfs.Mapper       = (*file)(nil)
	_ pagecache.Source = (*file)(nil)
)

// Open implements vfs.Inode.
func (f *file) Open(*vfs.Dentry, uint32) (vfs.File, abi.Errno) { return f, abi.OK }

// Hold implements vfs.Inode.
func (f *file) Hold() bool {
	if f.holds.Add(1) == 1 {
		f.fs.restore(f.nid, f)
	}
	return true
}

func (f *file) idle() bool { return f.inode.idle() && f.Count() == 0 }

// Stat implements vfs.Inode and vfs.File.
func (f *file) Stat(st *abi.Stat) abi.Errno { return f.inode.Stat(st) }

// Seekable implements vfs.File.
func (f *file) Seekable() bool { return true }

// Unpollable makes epoll refuse the file.
func (f *file) Unpollable() {}

// Sync has nothing to do.
func (f *file) Sync(bool) abi.Errno { return abi.OK }

// Write answers EROFS; the file was never opened for writing.
func (f *file) Write(*usermem.Vec, int64) (int, abi.Errno) { return 0, abi.EROFS }

// Read implements vfs.File.
func (f *file) Read(v *usermem.Vec, off int64) (int, abi.Errno) {
	if off >= f.size {
		return 0, abi.OK
	}
	want := int(min(int64(v.Len()), f.size-off))
	done := 0
	for done < want {
		p, e := f.Backed.Page(uint64(off) >> blockBits)
		if e == abi.OK {
			at := int(off & (blockSize - 1))
			var n int
			n, e = v.CopyOut(p.Bytes()[at : at+min(blockSize-at, want-done)])
			p.Unref()
			done += n
			off += int64(n)
		}
		if e != abi.OK {
			if done > 0 {
				return done, abi.OK
			}
			return 0, e
		}
	}
	return done, abi.OK
}

// Page implements vfs.Mapper.
func (f *file) Page(index uint64, write bool) (frame.PFN, abi.Errno) {
	if write {
		return 0, abi.EACCES
	}
	return f.Backed.Page(index)
}

// OnDevice says that a page that is not in memory is read from the disk.
func (f *file) OnDevice() bool { return true }

// AddMapping implements vfs.Mapper; a mapping holds the inode.
func (f *file) AddMapping(m vfs.Mapping) {
	f.Hold()
	f.Backed.AddMapping(m)
}

// RemoveMapping implements vfs.Mapper.
func (f *file) RemoveMapping(m vfs.Mapping) {
	f.Backed.RemoveMapping(m)
	f.Drop()
}

// Executable implements vfs.Mapper: the image is the verified root, the builder
// marked the file, and all its pages lie in protected runs: there is no tail that
// the CPU puts together, and no hole.
func (f *file) Executable() bool {
	return f.fs.opt.Exec && f.mode&0o111 != 0 && f.layout == layoutPlain
}

// MayWriteShared implements vfs.Mapper.
func (f *file) MayWriteShared() bool { return false }

// Extent implements pagecache.Source.
func (f *file) Extent(index uint64) (int64, uint64, abi.Errno) { return f.extent(index) }

// Build implements pagecache.Source: the inline tail.
func (f *file) Build(index uint64, b []byte) abi.Errno {
	return f.fs.read(f.tail, b[:f.size-int64(index)<<blockBits])
}

// Check implements pagecache.Source. What lies behind the end of the file in its
// last block must be zero, since it can be seen through a mapping and cannot be
// cleared here.
func (f *file) Check(index uint64, off int64, b []byte) abi.Errno {
	if e := f.fs.verify(off, b); e != abi.OK {
		return e
	}
	if end := f.size - int64(index)<<blockBits; end < blockSize {
		for _, c := range b[end:] {
			if c != 0 {
				return abi.EUCLEAN
			}
		}
	}
	return abi.OK
}

// SeekHole implements vfs.HoleSeeker.
func (f *file) SeekHole(off int64, data bool) (int64, abi.Errno) {
	if off < 0 || off >= f.size {
		return 0, abi.ENXIO
	}
	blocks := uint64(f.size+blockSize-1) >> blockBits
	for index := uint64(off) >> blockBits; index < blocks; {
		at, n, e := f.extent(index)
		if e != abi.OK {
			return 0, e
		}
		if (at == hole) != data {
			return max(off, int64(index<<blockBits)), abi.OK
		}
		index += n
	}
	if data {
		return 0, abi.ENXIO
	}
	return f.size, abi.OK
}
