package machine

import (
	"skerry/bootrec"
	"skerry/kernel/abi"
	"skerry/kernel/fs/tmpfs"
	"skerry/kernel/usermem"
	"skerry/kernel/vfs"
	"skerry/kernel/wait"
)

// secrets is the folder of the files of --secret.
const secrets = "/run/secrets"

// memoryMounts mounts the file systems in memory: those that every machine has, and
// those that the boot record names. One that lies in another is mounted after it.
func (m *Machine) memoryMounts(c *vfs.Context, mount func(path string, fs vfs.FileSystem)) {
	sizes := map[string]uint64{}
	for _, t := range m.Record.Tmpfs {
		sizes[t.Path] = t.Size
	}
	for _, own := range []struct {
		path string
		mode uint32
	}{{"/dev/shm", 0}, {"/tmp", 0}, {"/run", 0o755}} {
		mount(own.path, tmpfs.New(tmpfs.Options{Mode: own.mode, Size: int64(sizes[own.path])}))
		delete(sizes, own.path)
	}
	list := m.Record.Tmpfs
	for len(sizes) > 0 {
		// The shortest path first.
		best := -1
		for i := range list {
			if _, ok := sizes[list[i].Path]; ok && (best < 0 || len(list[i].Path) < len(list[best].Path)) {
				best = i
			}
		}
		t := list[best]
		delete(sizes, t.Path)
		if e := makeDirs(c, t.Path); e != abi.OK {
			m.End(&bootrec.Exit{Reason: bootrec.CannotRun, Message: "--tmpfs " + t.Path + ": there is no such directory in the image, and it cannot be made there: " + e.Error() + " (build the image with it)"})
		}
		mount(t.Path, tmpfs.New(tmpfs.Options{Size: int64(t.Size)}))
	}
}

// makeDirs makes a directory and those above it, where they are not there.
func makeDirs(c *vfs.Context, path string) abi.Errno {
	for i := 1; i <= len(path); i++ {
		if i < len(path) && path[i] != '/' {
			continue
		}
		d, e := c.Lookup(path[:i])
		if e == abi.ENOENT {
			e = c.Mkdir(abi.AT_FDCWD, path[:i], 0o777)
		} else if e == abi.OK && d.Inode().Mode()&abi.S_IFMT != abi.S_IFDIR {
			e = abi.ENOTDIR
		}
		if e != abi.OK {
			return e
		}
	}
	return abi.OK
}

// writeSecrets makes the files of --secret, and forgets what was in them.
func (m *Machine) writeSecrets(c *vfs.Context) {
	if len(m.Record.Secrets) == 0 {
		return
	}
	e := c.Mkdir(abi.AT_FDCWD, secrets, 0o700)
	for i := range m.Record.Secrets {
		s := &m.Record.Secrets[i]
		if e == abi.OK {
			e = writeFile(c, secrets+"/"+s.Name, s.Data)
		}
		clear(s.Data)
		s.Data = nil
	}
	if e != abi.OK {
		m.End(&bootrec.Exit{Reason: bootrec.CannotRun, Message: "the files of --secret cannot be made in " + secrets + ": " + e.Error() + " (give the machine more memory: -m, or /run more: --tmpfs /run:SIZE)"})
	}
}

// writeFile makes a file of mode 0400.
func writeFile(c *vfs.Context, path string, data []byte) abi.Errno {
	var w wait.Waiter
	d, e := c.OpenFile(&w, abi.AT_FDCWD, path, abi.O_WRONLY|abi.O_CREAT|abi.O_EXCL, 0o400, 0)
	if e != abi.OK {
		return e
	}
	defer d.Unref()
	for len(data) > 0 {
		var v usermem.Vec
		v.InitBytes(data)
		n, e := d.Write(&w, &v)
		if e != abi.OK {
			return e
		}
		if n == 0 {
			return abi.ENOSPC
		}
		data = data[n:]
	}
	return abi.OK
}
