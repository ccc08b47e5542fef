// Package devfs is /dev: null, zero, full, random and urandom, the links to the
// program's own descriptors, and a directory to mount shared memory on. There is
// no terminal, no console and no disk to be opened (docs/SECURITY.md).
//
// Device numbers are those of Documentation/admin-guide/devices.txt. It imports
// abi, usermem, ground/frame, vfs and fs/pseudofs, and has no locks.
package devfs

import (
	"sync"

	"skerry/kernel/abi"
	"skerry/kernel/fs/pseudofs"
	"skerry/kernel/ground/frame"
	"skerry/kernel/usermem"
	"skerry/kernel/vfs"
)

// magic is TMPFS_MAGIC: what Linux's devtmpfs shows.
const magic = 0x01021994

// Options are what the devices need.
type Options struct {
	// Random fills b with unpredictable bytes.
	Random func(b []byte)
	// Mix stirs what the program wrote to a random device into the generator,
	// without credit; it may be nil.
	Mix func(b []byte)
}

// New returns the file system; nil if there is not even a frame for zeros.
func New(opt Options) *pseudofs.FS {
	zero := frame.AllocZero(frame.KindCache)
	if zero == 0 {
		return nil
	}
	fs := pseudofs.New("devtmpfs", magic, vfs.KeepNames)
	d := fs.Top()
	add := func(name string, minor uint32, f func(dev device) vfs.File) {
		n := &node{Node: fs.NewNode(abi.S_IFCHR | 0o666), rdev: vfs.MakeDev(1, minor)}
		n.file = f(device{node: n})
		d.Add(name, n)
	}
	add("null", 3, func(dev device) vfs.File { return &nullFile{dev} })
	add("zero", 5, func(dev device) vfs.File { return &zeroFile{device: dev, page: zero} })
	add("full", 7, func(dev device) vfs.File { return &fullFile{dev} })
	add("random", 8, func(dev device) vfs.File { return &randomFile{device: dev, opt: opt} })
	add("urandom", 9, func(dev device) vfs.File { return &urandomFile{randomFile{device: dev, opt: opt}} })
	d.AddLink("fd", "/proc/self/fd")
	d.AddLink("stdin", "/proc/self/fd/0")
	d.AddLink("stdout", "/proc/self/fd/1")
	d.AddLink("stderr", "/proc/self/fd/2")
	d.AddDir("shm")
	return fs
}

// node is a device's inode. All opens share one File, which has no state.
type node struct {
	pseudofs.Node
	rdev uint64
	file vfs.File
}

// Open implements vfs.Inode.
func (n *node) Open(*vfs.Dentry, uint32) (vfs.File, abi.Errno) { return n.file, abi.OK }

// Stat implements vfs.Inode.
func (n *node) Stat(st *abi.Stat) abi.Errno {
	n.Node.Stat(st)
	st.Rdev = n.rdev
	return abi.OK
}

// device is the part that the Files share.
type device struct {
	vfs.BaseFile
	node *node
}

// Stat implements vfs.File.
func (d *device) Stat(st *abi.Stat) abi.Errno { return d.node.Stat(st) }

// Seekable is true: pread works and the offset does not matter.
func (d *device) Seekable() bool { return true }

// Positionless makes lseek(2) do nothing.
func (d *device) Positionless() {}

// swallow takes all of v without looking at it, as Linux's null does.
func swallow(v *usermem.Vec) (int, abi.Errno) { return v.Len(), abi.OK }

// readZeros fills v.
func readZeros(v *usermem.Vec) (int, abi.Errno) {
	n, e := v.Zero(v.Len())
	if n > 0 {
		e = abi.OK
	}
	return n, e
}

// nullFile is /dev/null.
type nullFile struct{ device }

// Read is at end of file.
func (*nullFile) Read(*usermem.Vec, int64) (int, abi.Errno) { return 0, abi.OK }

// Write takes everything.
func (*nullFile) Write(v *usermem.Vec, _ int64) (int, abi.Errno) { return swallow(v) }

// Unpollable makes epoll refuse the device, as it does zero and full.
func (*nullFile) Unpollable() {}

// zeroFile is /dev/zero. A private mapping of it is anonymous memory, a shared
// one shared anonymous memory.
type zeroFile struct {
	device
	page frame.PFN
}

var _ vfs.Mapper = (*zeroFile)(nil)

// Read gives zeros.
func (*zeroFile) Read(v *usermem.Vec, _ int64) (int, abi.Errno) { return readZeros(v) }

// Write takes everything.
func (*zeroFile) Write(v *usermem.Vec, _ int64) (int, abi.Errno) { return swallow(v) }

// Unpollable implements vfs.Unpollable.
func (*zeroFile) Unpollable() {}

// MapsZero implements vfs.ZeroMapper.
func (*zeroFile) MapsZero() {}

// Page implements vfs.Mapper with one frame for all.
func (f *zeroFile) Page(_ uint64, write bool) (frame.PFN, abi.Errno) {
	if write {
		return 0, abi.EACCES
	}
	f.page.Ref()
	return f.page, abi.OK
}

// AddMapping implements vfs.Mapper; nothing is ever taken away.
func (*zeroFile) AddMapping(vfs.Mapping) {}

// RemoveMapping implements vfs.Mapper.
func (*zeroFile) RemoveMapping(vfs.Mapping) {}

// Executable implements vfs.Mapper.
func (*zeroFile) Executable() bool { return false }

// MayWriteShared implements vfs.Mapper.
func (*zeroFile) MayWriteShared() bool { return false }

// fullFile is /dev/full.
type fullFile struct{ device }

// Read gives zeros.
func (*fullFile) Read(v *usermem.Vec, _ int64) (int, abi.Errno) { return readZeros(v) }

// Write answers ENOSPC.
func (*fullFile) Write(*usermem.Vec, int64) (int, abi.Errno) { return 0, abi.ENOSPC }

// Unpollable implements vfs.Unpollable.
func (*fullFile) Unpollable() {}

// randomFile is /dev/random and /dev/urandom, which are the same.
type randomFile struct {
	device
	opt Options
}

// urandomFile is /dev/urandom, which epoll refuses, unlike /dev/random.
type urandomFile struct{ randomFile }

// Unpollable implements vfs.Unpollable.
func (*urandomFile) Unpollable() {}

// chunk is how many random bytes are made at a time.
const chunk = 512

var chunks = sync.Pool{New: func() any { return new([chunk]byte) }}

// Read gives random bytes, all that were asked for.
func (f *randomFile) Read(v *usermem.Vec, _ int64) (int, abi.Errno) {
	b := chunks.Get().(*[chunk]byte)
	done := 0
	e := abi.OK
	for v.Len() > 0 && e == abi.OK {
		part := b[:min(v.Len(), chunk)]
		f.opt.Random(part)
		var n int
		n, e = v.CopyOut(part)
		done += n
	}
	clear(b[:]) // what one reader got is nobody else's business
	chunks.Put(b)
	if done > 0 {
		e = abi.OK
	}
	return done, e
}

// Write mixes what it gets in, without credit.
func (f *randomFile) Write(v *usermem.Vec, _ int64) (int, abi.Errno) {
	b := chunks.Get().(*[chunk]byte)
	done := 0
	e := abi.OK
	for v.Len() > 0 && e == abi.OK {
		var n int
		n, e = v.CopyIn(b[:min(v.Len(), chunk)])
		if f.opt.Mix != nil && n > 0 {
			f.opt.Mix(b[:n])
		}
		done += n
	}
	clear(b[:])
	chunks.Put(b)
	if done > 0 {
		e = abi.OK
	}
	return done, e
}

// Requests of random(4), uapi/linux/random.h.
const (
	rndGetEntCnt   = 0x80045200
	rndAddToEntCnt = 0x40045201
	rndAddEntropy  = 0x40085203
	rndZapEntCnt   = 0x5204
	rndClearPool   = 0x5206
	rndReseedCRNG  = 0x5207

	// entropyBits is what the pool shows: it is full from the start.
	entropyBits = 256
)

// Ioctl implements vfs.File. What would credit or take away entropy is EPERM.
func (f *randomFile) Ioctl(cmd uint32, arg uintptr) (uintptr, abi.Errno) {
	switch cmd {
	case rndGetEntCnt:
		return 0, usermem.Store32(arg, entropyBits)
	case rndAddToEntCnt, rndAddEntropy, rndZapEntCnt, rndClearPool, rndReseedCRNG:
		return 0, abi.EPERM
	}
	return 0, abi.EINVAL
}
