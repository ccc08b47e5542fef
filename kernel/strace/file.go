package strace

import "skerry/kernel/abi"

// fileKinds are arguments of calls about files.
func fileKinds(k kindSet) {
	k.value("openflags", func(c *call, v uint64) { c.openFlags(v) })
	k["cmode"] = &kind{in: func(c *call, i int) bool {
		if !createsFile(c.at(i)) {
			return false
		}
		c.octal(c.args[i] & 0xffff)
		return true
	}}
	k.value("nodemode", func(c *call, v uint64) { c.fileMode(v) })
	k["dev"] = &kind{in: func(c *call, i int) bool {
		if t := c.at(i) & abi.S_IFMT; t != abi.S_IFCHR && t != abi.S_IFBLK {
			return false
		}
		c.dev(c.args[i])
		return true
	}}
	k.input("openhow", func(c *call, i int) {
		var h abi.OpenHow
		if c.at(i) < abi.OpenHowSizeVer0 {
			c.addr(c.args[i])
			return
		}
		if !loadOr(c, c.args[i], &h) {
			return
		}
		c.str("{flags=")
		c.openFlags(h.Flags)
		if createsFile(h.Flags) || h.Mode != 0 {
			c.str(", mode=")
			c.octal(h.Mode)
		}
		c.str(", resolve=")
		c.bits(&setResolve, h.Resolve)
		c.byte('}')
	})
	k.value("statxflags", func(c *call, v uint64) {
		v = uint64(uint32(v))
		switch v & abi.AT_STATX_SYNC_TYPE {
		case abi.AT_STATX_SYNC_AS_STAT:
			c.str("AT_STATX_SYNC_AS_STAT")
		case abi.AT_STATX_FORCE_SYNC:
			c.str("AT_STATX_FORCE_SYNC")
		case abi.AT_STATX_DONT_SYNC:
			c.str("AT_STATX_DONT_SYNC")
		default:
			c.str("AT_STATX_FORCE_SYNC|AT_STATX_DONT_SYNC")
		}
		if rest, _ := c.bitNames(&setAt, v&^abi.AT_STATX_SYNC_TYPE, true); rest != 0 {
			c.byte('|')
			c.hex(rest)
		}
	})
	k.output("ostat", (*call).stat)
	k.output("ostatx", (*call).statx)
	k.output("ostatfs", (*call).statfs)
	k.output("odents64", func(c *call, v uint64) { c.dents(v) })
	k["odents"] = k["odents64"]
}

// createsFile reports whether flags of open(2) make its mode argument count.
func createsFile(flags uint64) bool {
	return flags&(abi.O_CREAT|abi.O_TMPFILE&^abi.O_DIRECTORY) != 0
}

// openFlags writes the flags of open(2): the access mode is a number, not bits.
func (c *call) openFlags(v uint64) {
	v = uint64(uint32(v))
	c.str(setAccmode.find(int64(v & abi.O_ACCMODE)))
	if rest, _ := c.bitNames(&setOpen, v&^abi.O_ACCMODE, true); rest != 0 {
		c.byte('|')
		c.hex(rest)
	}
}

// fileMode writes st_mode.
func (c *call) fileMode(v uint64) {
	var t string
	switch v & abi.S_IFMT {
	case abi.S_IFREG:
		t = "S_IFREG"
	case abi.S_IFDIR:
		t = "S_IFDIR"
	case abi.S_IFLNK:
		t = "S_IFLNK"
	case abi.S_IFCHR:
		t = "S_IFCHR"
	case abi.S_IFBLK:
		t = "S_IFBLK"
	case abi.S_IFIFO:
		t = "S_IFIFO"
	case abi.S_IFSOCK:
		t = "S_IFSOCK"
	}
	if t != "" {
		c.str(t)
		c.byte('|')
		v &^= abi.S_IFMT
	}
	for _, b := range [...]named{{abi.S_ISUID, "S_ISUID"}, {abi.S_ISGID, "S_ISGID"}, {abi.S_ISVTX, "S_ISVTX"}} {
		if v&uint64(b.v) != 0 {
			c.str(b.name)
			c.byte('|')
			v &^= uint64(b.v)
		}
	}
	c.octal(v & 0xffff)
}

// dev writes a device number, gnu_dev_major(3).
func (c *call) dev(v uint64) {
	major := v>>8&0xfff | v>>32&^0xfff
	minor := v&0xff | v>>12&0xffffff00
	c.makedev(uint32(major), uint32(minor))
}

func (c *call) makedev(major, minor uint32) {
	c.str("makedev(")
	c.hex(uint64(major))
	c.str(", ")
	c.hex(uint64(minor))
	c.byte(')')
}

func (c *call) stat(addr uint64) {
	var s abi.Stat
	if !loadOr(c, addr, &s) {
		return
	}
	c.str("{st_mode=")
	c.fileMode(uint64(s.Mode))
	switch s.Mode & abi.S_IFMT {
	case abi.S_IFCHR, abi.S_IFBLK:
		c.str(", st_rdev=")
		c.dev(s.Rdev)
	default:
		c.str(", st_size=")
		c.dec(s.Size)
	}
	c.str(", ...}")
}

func (c *call) statx(addr uint64) {
	var s abi.Statx
	if !loadOr(c, addr, &s) {
		return
	}
	c.str("{stx_mask=")
	c.bits(&setStatx, uint64(s.Mask))
	c.str(", stx_attributes=")
	c.bits(&setStatxattr, s.Attributes)
	c.str(", stx_mode=")
	c.fileMode(uint64(s.Mode))
	c.str(", stx_size=")
	c.udec(s.Size)
	c.str(", ...}")
}

func (c *call) statfs(addr uint64) {
	var s abi.Statfs
	if !loadOr(c, addr, &s) {
		return
	}
	c.str("{f_type=")
	c.enum(&setFstype, uint64(s.Type))
	c.field("f_bsize", uint64(s.Bsize))
	c.field("f_blocks", s.Blocks)
	c.field("f_bfree", s.Bfree)
	c.field("f_bavail", s.Bavail)
	c.field("f_files", s.Files)
	c.field("f_ffree", s.Ffree)
	c.str(", f_fsid={val=[")
	c.hex(uint64(uint32(s.Fsid[0])))
	c.str(", ")
	c.hex(uint64(uint32(s.Fsid[1])))
	c.str("]}")
	c.field("f_namelen", uint64(s.Namelen))
	c.field("f_frsize", uint64(s.Frsize))
	c.str(", f_flags=")
	c.bits(&setStflags, uint64(s.Flags))
	c.byte('}')
}

// field writes a member of a struct that is not the first.
//
//go:noinline
func (c *call) field(name string, v uint64) {
	c.str(", ")
	c.str(name)
	c.byte('=')
	c.udec(v)
}

// dents writes where directory entries are and how many the call wrote.
func (c *call) dents(addr uint64) {
	c.addr(addr)
	n, left := 0, uint64(c.ret)
	for left >= 18 && n < 1<<16 {
		// d_reclen is at the same place in both forms of an entry.
		var len uint16
		if !load(c, addr+16, &len) || len < 18 || uint64(len) > left {
			return
		}
		addr += uint64(len)
		left -= uint64(len)
		n++
	}
	c.str(" /* ")
	c.udec(uint64(n))
	if n == 1 {
		c.str(" entry */")
		return
	}
	c.str(" entries */")
}
