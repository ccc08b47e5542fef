package pseudofs

import (
	"strconv"
	"sync"

	"skerry/kernel/abi"
	"skerry/kernel/usermem"
	"skerry/kernel/vfs"
)

// File is a file with contents that a function makes.
type File struct {
	Node
	content func() []byte
	write   func(b []byte) abi.Errno
	size    int64
}

// NewFile returns a read-only file.
func (fs *FS) NewFile(perm uint32, content func() []byte) *File {
	return &File{Node: fs.NewNode(abi.S_IFREG | perm), content: content}
}

// NewWritable returns a file that can be written too: write gets what one call
// wrote, which must be at the beginning and less than a page.
func (fs *FS) NewWritable(perm uint32, content func() []byte, write func(b []byte) abi.Errno) *File {
	return &File{Node: fs.NewNode(abi.S_IFREG | perm), content: content, write: write}
}

// WithNode replaces the inode's common part, for files made at each lookup.
func (f *File) WithNode(n Node) *File {
	f.Node = n
	return f
}

// WithSize sets the size that stat shows; 0 is usual.
func (f *File) WithSize(n int64) *File {
	f.size = n
	return f
}

// Stat implements vfs.Inode.
func (f *File) Stat(st *abi.Stat) abi.Errno {
	f.Node.Stat(st)
	st.Size = f.size
	return abi.OK
}

// Open implements vfs.Inode. EACCES for writing what cannot be written.
func (f *File) Open(_ *vfs.Dentry, flags uint32) (vfs.File, abi.Errno) {
	if flags&abi.O_ACCMODE != abi.O_RDONLY && f.write == nil {
		return nil, abi.EACCES
	}
	return &open{f: f}, abi.OK
}

// SetAttr implements vfs.Mutable: a truncating open of a file that can be written
// is fine and changes nothing; all else is EPERM.
func (f *File) SetAttr(a *vfs.Attr) abi.Errno {
	if a.Set == vfs.AttrSize && a.Size == 0 && f.write != nil {
		return abi.OK
	}
	return abi.EPERM
}

// open is an open file: the contents as they were when it was last read from the
// beginning, so that a reader in pieces sees one state, and one that goes back
// sees a new one.
type open struct {
	vfs.BaseFile
	f    *File
	mu   sync.Mutex
	data []byte
	made bool
}

// Seekable implements vfs.File.
func (o *open) Seekable() bool { return true }

// Unpollable makes epoll refuse the file.
func (o *open) Unpollable() {}

// Stat implements vfs.File.
func (o *open) Stat(st *abi.Stat) abi.Errno { return o.f.Stat(st) }

// Read implements vfs.File.
func (o *open) Read(v *usermem.Vec, off int64) (int, abi.Errno) {
	o.mu.Lock()
	if off == 0 || !o.made {
		o.data, o.made = o.f.content(), true
	}
	data := o.data
	o.mu.Unlock()
	if off >= int64(len(data)) {
		return 0, abi.OK
	}
	n, e := v.CopyOut(data[off:])
	if n > 0 {
		e = abi.OK
	}
	return n, e
}

// Write implements vfs.File.
func (o *open) Write(v *usermem.Vec, off int64) (int, abi.Errno) {
	if o.f.write == nil {
		return 0, abi.EBADF
	}
	n := v.Len()
	if off != 0 || n >= 4096 {
		return 0, abi.EINVAL
	}
	b := make([]byte, n)
	if _, e := v.CopyIn(b); e != abi.OK {
		return 0, e
	}
	if e := o.f.write(b); e != abi.OK {
		return 0, e
	}
	return n, abi.OK
}

// Append appends a decimal number to b, as content functions need it often.
func Append(b []byte, n int64) []byte { return strconv.AppendInt(b, n, 10) }
