package procfs

import (
	"skerry/kernel/abi"
	"skerry/kernel/fs/pseudofs"
	"skerry/kernel/vfs"
)

// fdDir is /proc/N/fd: a link per descriptor, to the open file itself.
func (p *proc) fdDir() vfs.Inode {
	d := p.NewDir(0o500)
	d.SetMore(&pseudofs.Numbered{
		Node: p.NewNode(abi.S_IFDIR | 0o500), Next: p.Context.Files.Next, Type: abi.DT_LNK, InoOf: fdIno,
		Make: func(fd int32) (vfs.Inode, abi.Errno) {
			f, e := p.Context.Files.GetAny(fd)
			if e != abi.OK {
				return nil, abi.ENOENT
			}
			defer f.Unref()
			// The permission bits say what the descriptor is open for.
			mode := uint32(abi.S_IFLNK | 0o100)
			if f.Readable() {
				mode |= 0o400
			}
			if f.Writable() {
				mode |= 0o200
			}
			target := func() (*vfs.Dentry, abi.Errno) {
				f, e := p.Context.Files.GetAny(fd)
				if e != abi.OK {
					return nil, abi.ENOENT
				}
				defer f.Unref()
				return f.Dentry(), abi.OK
			}
			m := p.magic(target)
			m.Size = 64 // tid_fd_revalidate of Linux' /proc
			m.Node = p.NewNumberedNode(mode, fdIno(fd))
			return m, abi.OK
		},
	})
	return d
}

// fdinfoDir is /proc/N/fdinfo, proc_pid_fdinfo(5).
func (p *proc) fdinfoDir() vfs.Inode {
	d := p.NewDir(0o555)
	d.SetMore(&pseudofs.Numbered{
		Node: p.NewNode(abi.S_IFDIR | 0o555), Next: p.Context.Files.Next, Type: abi.DT_REG, InoOf: infoIno,
		Make: func(fd int32) (vfs.Inode, abi.Errno) {
			f := p.NewFile(0o444, func() []byte { return p.fdinfo(fd) })
			return f.WithNode(p.NewNumberedNode(abi.S_IFREG|0o444, infoIno(fd))), abi.OK
		},
	})
	return d
}

func (p *proc) fdinfo(fd int32) []byte {
	f, e := p.Context.Files.GetAny(fd)
	if e != abi.OK {
		return nil
	}
	defer f.Unref()
	flags := uint64(f.Flags())
	if on, _ := p.Context.Files.Cloexec(fd); on {
		flags |= abi.O_CLOEXEC
	}
	var st abi.Stat
	f.Stat(&st)
	var b text
	b.str("pos:\t").num(f.Position()).str("\nflags:\t0").str(octal(flags)).str("\nmnt_id:\t")
	id := uint64(0)
	if s := f.Dentry().Super(); s != nil {
		id = s.ID()
	}
	b.unum(id).str("\nino:\t").unum(st.Ino).str("\n")
	if i, ok := f.File().(vfs.FDInfoer); ok {
		b = i.FDInfo(b)
	}
	return b
}
