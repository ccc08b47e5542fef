package machine

import (
	"skerry/bootrec"
	"skerry/kernel/abi"
	"skerry/kernel/fs/devfs"
	"skerry/kernel/fs/erofs"
	"skerry/kernel/fs/tmpfs"
	"skerry/kernel/ground"
	"skerry/kernel/ground/frame"
	"skerry/kernel/hw/virtio/blk"
	"skerry/kernel/vfs"
	"skerry/kernel/vfs/pagecache"
)

// Serial numbers by which the launcher names the disks (vmm).
const (
	serialRoot = "skerry-root"
	serialData = "skerry-data"
)

// runs gives the page cache of the root memory that the CPU can only read.
type runs struct{}

func (runs) Take() frame.PFN      { return ground.TakeRun() }
func (runs) Give(first frame.PFN) { ground.GiveRun(first) }

// disk finds a disk by its serial number.
func (m *Machine) disk(serial string) *blk.Disk {
	for _, d := range m.Disks {
		if s, e := d.Serial(); e == abi.OK && s == serial {
			return d
		}
	}
	return nil
}

// noRoot ends a machine whose image cannot be used.
func (m *Machine) noRoot(why string) {
	m.End(&bootrec.Exit{Reason: bootrec.DeviceFailed, Message: "the root file system: " + why})
}

// Files mounts the file systems of the program.
func (m *Machine) Files() *vfs.Context {
	root := m.disk(serialRoot)
	if root == nil && len(m.Disks) == 1 {
		root = m.Disks[0]
	}
	if root == nil {
		m.noRoot("there is no disk with the serial number " + serialRoot)
	}
	pool, e := pagecache.NewPool(runs{})
	if e != abi.OK {
		m.End(&bootrec.Exit{Reason: bootrec.OutOfMemory, Message: m.memoryMessage()})
	}
	fs, e := erofs.Mount(erofs.Options{Device: root, Pool: pool, Source: "root", Exec: true})
	if e != abi.OK {
		m.noRoot("the image is damaged: " + e.Error())
	}
	c := vfs.NewContext(fs)
	vfs.Monotonic = ground.Nanotime
	mount := func(path string, fs vfs.FileSystem) {
		if e := c.Mount(path, fs); e != abi.OK {
			m.noRoot("no directory " + path + " to mount on: " + e.Error())
		}
	}
	mount("/dev", devfs.New(devfs.Options{Random: m.Pool.Read, Mix: func(b []byte) { m.Pool.Mix(b, 0) }}))
	mount("/dev/shm", tmpfs.New(tmpfs.Options{}))
	mount("/tmp", tmpfs.New(tmpfs.Options{}))
	mount("/run", tmpfs.New(tmpfs.Options{Mode: 0o755}))
	return c
}
