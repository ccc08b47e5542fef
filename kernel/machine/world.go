package machine

import (
	"skerry/bootrec"
	"skerry/kernel/abi"
	"skerry/kernel/fs/devfs"
	"skerry/kernel/fs/erofs"
	"skerry/kernel/fs/procfs"
	"skerry/kernel/fs/sysfs"
	"skerry/kernel/fs/tmpfs"
	"skerry/kernel/fs/union"
	"skerry/kernel/ground"
	"skerry/kernel/ground/arch"
	"skerry/kernel/ground/frame"
	"skerry/kernel/hw/virtio/blk"
	"skerry/kernel/syscalls"
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
	c := vfs.NewContext(m.layers(pool, fs))
	vfs.Monotonic = ground.Nanotime
	m.Net.Unix.SetNames(vfs.SocketNames{Context: c})
	mount := func(path string, fs vfs.FileSystem) {
		if e := c.Mount(path, fs); e != abi.OK {
			m.noRoot("no directory " + path + " to mount on: " + e.Error())
		}
	}
	mount("/dev", devfs.New(devfs.Options{Random: m.Pool.Read, Mix: func(b []byte) { m.Pool.Mix(b, 0) }}))
	m.memoryMounts(c, mount)
	m.writeSecrets(c)
	syscalls.Memfd = tmpfs.New(tmpfs.Options{}).Memfd
	m.source = &source{m: m, read: func() uint64 { return pool.Stats().ReadPages * frame.Size }}
	m.Pool.Read(m.source.bootID[:])
	mount("/proc", procfs.New(procfs.Options{
		Source: m.source, Context: c,
		Types: []string{"erofs", "overlay", "tmpfs", "devtmpfs", "proc", "sysfs"},
		Net:   m.networkFiles,
		Sysctl: map[string]func() map[string]func() []byte{
			"net/core": m.coreSettings, "net/ipv4": m.ipv4Settings, "net/ipv6": m.ipv6Settings,
			"net/ipv6/conf/all": m.ipv6AllSettings, "net/ipv6/conf/default": m.ipv6AllSettings},
	}))
	mount("/sys", sysfs.New(sysfs.Options{
		CPUs: ground.CPUs(),
		Memory: func() (total, free uint64) {
			s := frame.Read()
			return uint64(s.Total) * frame.Size, uint64(s.Free) * frame.Size
		},
		HugePages: m.huge(), CPUID: arch.CPUID, Vulnerabilities: vulnerabilities, Net: m.links,
	}))
	return c
}

// layers is the root as the program sees it: the image, over it what was added
// at run time, over that what the kernel makes from its configuration, and over all of
// it the layer in memory that --overlay asks for.
func (m *Machine) layers(pool *pagecache.Pool, image *erofs.FS) vfs.FileSystem {
	o := union.Options{Image: image, Files: map[string]*union.Static{}, Protected: []string{m.Record.Program}}
	if m.Record.Data {
		d := m.disk(serialData)
		if d == nil {
			m.noRoot("there is no disk with the serial number " + serialData + ", which the boot record speaks of")
		}
		data, e := erofs.Mount(erofs.Options{Device: d, Pool: pool, Source: "data", Dev: image.Info().Dev, InoBase: union.DataIno})
		if e != abi.OK {
			m.noRoot("the files that were added are damaged: " + e.Error())
		}
		o.Data = data
	}
	for path, text := range map[string][]byte{
		"/etc/resolv.conf": m.Net.Stack.ResolvConf(),
		"/etc/hosts":       m.Net.Stack.Hosts(),
		"/etc/hostname":    []byte(m.Record.Hostname + "\n"),
	} {
		f, e := union.NewStatic(text)
		if e != abi.OK {
			m.End(&bootrec.Exit{Reason: bootrec.OutOfMemory, Message: m.memoryMessage()})
		}
		o.Files[path] = f
	}
	root := union.New(o)
	if m.Record.Overlay {
		return tmpfs.New(tmpfs.Options{Lower: root, Size: int64(m.Record.OverlaySize)})
	}
	return root
}
