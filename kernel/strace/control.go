package strace

import "skerry/kernel/abi"

// controlKinds are the arguments of fcntl(2), ioctl(2), prctl(2) and seccomp(2),
// whose meaning hangs on the command.
func controlKinds(k kindSet) {
	k["fcntlarg"] = &kind{in: fcntlIn, out: fcntlOut}
	k.value("ioctl", func(c *call, v uint64) { c.ioctl(uint32(v)) })
	k["ioctlarg"] = &kind{in: ioctlIn, out: ioctlOut}
	k["prctlarg"] = &kind{in: prctlIn, out: prctlOut}
	k.value("seccompflags", func(c *call, v uint64) {
		if uint32(c.args[0]) == abi.SECCOMP_SET_MODE_FILTER {
			c.bits(&setSeccompflags, uint64(uint32(v)))
			return
		}
		c.hex(uint64(uint32(v)))
	})
	k.value("seccompargs", func(c *call, v uint64) {
		if uint32(c.args[0]) == abi.SECCOMP_SET_MODE_FILTER {
			c.filter(v)
			return
		}
		c.addr(v)
	})
}

// filter writes a classic BPF program's length and address.
func (c *call) filter(addr uint64) {
	var p abi.SockFprog
	if loadOr(c, addr, &p) {
		c.str("{len=")
		c.udec(uint64(p.Len))
		c.str(", filter=")
		c.addr(p.Filter)
		c.byte('}')
	}
}

func fcntlIn(c *call, i int) bool {
	v := c.args[i]
	switch uint32(c.args[1]) {
	case abi.F_GETFD, abi.F_GETFL, abi.F_GETOWN, abi.F_GETSIG, abi.F_GETLEASE, abi.F_GETPIPE_SZ, abi.F_GET_SEALS, abi.F_CREATED_QUERY:
		return false
	case abi.F_SETFD:
		c.bits(&setFdflags, uint64(uint32(v)))
	case abi.F_SETFL:
		c.openFlags(v)
	case abi.F_SETLK, abi.F_SETLKW, abi.F_OFD_SETLK, abi.F_OFD_SETLKW:
		c.flock(v, false)
	case abi.F_GETLK, abi.F_OFD_GETLK, abi.F_GETOWN_EX:
		// written by the kernel
	case abi.F_SETOWN_EX:
		c.ownerEx(v)
	case abi.F_SETSIG:
		c.signal(int32(v))
	case abi.F_SETLEASE:
		c.enum(&setLocktype, v)
	case abi.F_NOTIFY:
		c.bits(&setNotify, uint64(uint32(v)))
	case abi.F_ADD_SEALS:
		c.bits(&setSeals, uint64(uint32(v)))
	case abi.F_DUPFD, abi.F_DUPFD_CLOEXEC, abi.F_SETOWN, abi.F_SETPIPE_SZ, abi.F_DUPFD_QUERY:
		c.dec(int64(int32(v)))
	default:
		c.hex(v)
	}
	return true
}

func fcntlOut(c *call, i int) {
	switch uint32(c.args[1]) {
	case abi.F_GETLK, abi.F_OFD_GETLK:
		if c.failed {
			c.addr(c.args[i])
			return
		}
		c.flock(c.args[i], true)
	case abi.F_GETOWN_EX:
		if c.failed {
			c.addr(c.args[i])
			return
		}
		c.ownerEx(c.args[i])
	}
}

// flock writes a lock; pid says whether its owner is of interest.
func (c *call) flock(addr uint64, pid bool) {
	var l abi.Flock
	if !loadOr(c, addr, &l) {
		return
	}
	c.str("{l_type=")
	c.enum(&setLocktype, uint64(uint16(l.Type)))
	c.str(", l_whence=")
	c.enum(&setSeek, uint64(uint16(l.Whence)))
	c.str(", l_start=")
	c.dec(l.Start)
	c.str(", l_len=")
	c.dec(l.Len)
	if pid {
		c.str(", l_pid=")
		c.dec(int64(l.PID))
	}
	c.byte('}')
}

func (c *call) ownerEx(addr uint64) {
	var o abi.FOwnerEx
	if loadOr(c, addr, &o) {
		c.str("{type=")
		c.enum(&setOwner, uint64(uint32(o.Type)))
		c.str(", pid=")
		c.dec(int64(o.PID))
		c.byte('}')
	}
}

// fcntlResult writes flags by their names.
func fcntlResult(c *call) {
	v := uint64(c.ret)
	switch uint32(c.args[1]) {
	case abi.F_GETFD:
		c.flagResult(func() { c.bits(&setFdflags, v) })
	case abi.F_GETFL:
		c.hex(v)
		c.str(" (flags ")
		c.openFlags(v)
		c.byte(')')
	case abi.F_GET_SEALS:
		c.flagResult(func() { c.bits(&setSeals, v) })
	case abi.F_GETSIG:
		c.dec(c.ret)
		if c.ret != 0 {
			c.inBrackets(func() { c.signal(int32(v)) })
		}
	case abi.F_GETLEASE:
		c.dec(c.ret)
		c.inBrackets(func() { c.enum(&setLocktype, v) })
	default:
		c.dec(c.ret)
	}
}

// inBrackets writes what a number stands for behind it.
func (c *call) inBrackets(write func()) {
	c.str(" (")
	write()
	c.byte(')')
}

// flagResult writes a result that is made of bits.
func (c *call) flagResult(names func()) {
	c.hex(uint64(c.ret))
	if c.ret != 0 {
		c.str(" (flags ")
		names()
		c.byte(')')
	}
}

// ioctl writes a request by its name, or the fields of its number.
func (c *call) ioctl(v uint32) {
	if n := setIoctl.find(int64(v)); n != "" {
		c.str(n)
		return
	}
	c.str("_IOC(")
	switch v >> abi.IOC_DIRSHIFT {
	case abi.IOC_NONE:
		c.str("_IOC_NONE")
	case abi.IOC_WRITE:
		c.str("_IOC_WRITE")
	case abi.IOC_READ:
		c.str("_IOC_READ")
	default:
		c.str("_IOC_READ|_IOC_WRITE")
	}
	c.str(", ")
	c.hex(uint64(v >> abi.IOC_TYPESHIFT & 0xff))
	c.str(", ")
	c.hex(uint64(v >> abi.IOC_NRSHIFT & 0xff))
	c.str(", ")
	c.hex(uint64(v >> abi.IOC_SIZESHIFT & 0x3fff))
	c.byte(')')
}

func ioctlIn(c *call, i int) bool {
	switch uint32(c.args[1]) {
	case abi.FIONBIO, abi.FIOASYNC, abi.TIOCSPGRP, abi.FIOSETOWN, abi.SIOCSPGRP:
		var n uint32
		if loadOr(c, c.args[i], &n) {
			c.byte('[')
			c.dec(int64(int32(n)))
			c.byte(']')
		}
	case abi.FIOCLEX, abi.FIONCLEX, abi.TIOCEXCL, abi.TIOCNXCL, abi.TIOCNOTTY, abi.TIOCCONS:
		return false
	case abi.TIOCSWINSZ:
		c.winsize(c.args[i])
	case abi.FIONREAD, abi.TIOCOUTQ, abi.SIOCATMARK, abi.TIOCGPGRP, abi.FIOGETOWN, abi.SIOCGPGRP, abi.TIOCGWINSZ,
		abi.TIOCGSID, abi.TIOCGPTN, abi.SIOCOUTQNSD, abi.FIGETBSZ, abi.RNDGETENTCNT, abi.TCGETS, abi.FIOQSIZE, abi.BLKGETSIZE64:
		// written by the kernel
	case abi.SIOCGIFFLAGS, abi.SIOCGIFADDR, abi.SIOCGIFDSTADDR, abi.SIOCGIFBRDADDR, abi.SIOCGIFNETMASK,
		abi.SIOCGIFMTU, abi.SIOCGIFHWADDR, abi.SIOCGIFINDEX, abi.SIOCGIFMETRIC, abi.SIOCGIFTXQLEN, abi.SIOCGIFMAP:
		var r abi.Ifreq
		if loadOr(c, c.args[i], &r) {
			c.str("{ifr_name=")
			c.quote(untilNUL(r.Name[:]), false)
			c.str(", ...}")
		}
	default:
		c.hex(c.args[i])
	}
	return true
}

func ioctlOut(c *call, i int) {
	v := c.args[i]
	switch uint32(c.args[1]) {
	case abi.TIOCGWINSZ:
		if c.failed {
			c.addr(v)
			return
		}
		c.winsize(v)
	case abi.FIONREAD, abi.TIOCOUTQ, abi.SIOCATMARK, abi.TIOCGPGRP, abi.FIOGETOWN, abi.SIOCGPGRP,
		abi.TIOCGSID, abi.TIOCGPTN, abi.SIOCOUTQNSD, abi.FIGETBSZ, abi.RNDGETENTCNT:
		var n uint32
		if c.failed {
			c.addr(v)
		} else if loadOr(c, v, &n) {
			c.byte('[')
			c.dec(int64(int32(n)))
			c.byte(']')
		}
	case abi.FIOQSIZE, abi.BLKGETSIZE64:
		var n uint64
		if c.failed {
			c.addr(v)
		} else if loadOr(c, v, &n) {
			c.byte('[')
			c.udec(n)
			c.byte(']')
		}
	case abi.TCGETS:
		var t abi.Termios
		if c.failed || !load(c, v, &t) {
			c.addr(v)
			return
		}
		c.str("{c_iflag=")
		c.hex(uint64(t.Iflag))
		c.str(", c_oflag=")
		c.hex(uint64(t.Oflag))
		c.str(", c_cflag=")
		c.hex(uint64(t.Cflag))
		c.str(", c_lflag=")
		c.hex(uint64(t.Lflag))
		c.str(", ...}")
	}
}

func (c *call) winsize(addr uint64) {
	var w abi.Winsize
	if loadOr(c, addr, &w) {
		c.str("{ws_row=")
		c.udec(uint64(w.Row))
		c.field("ws_col", uint64(w.Col))
		c.field("ws_xpixel", uint64(w.Xpixel))
		c.field("ws_ypixel", uint64(w.Ypixel))
		c.byte('}')
	}
}

// setDumpable are the values of PR_SET_DUMPABLE, prctl(2).
var setDumpable = set{unknown: "SUID_DUMP_???", names: []named{
	{0, "SUID_DUMP_DISABLE"}, {1, "SUID_DUMP_USER"}, {2, "SUID_DUMP_ROOT"},
}}

// prctlResult names what the operations answer that give their value so.
func prctlResult(c *call) {
	c.dec(c.ret)
	var s *set
	switch uint32(c.args[0]) {
	case abi.PR_GET_DUMPABLE:
		s = &setDumpable
	case abi.PR_GET_SECCOMP:
		s = &setSeccompmode
	default:
		return
	}
	c.inBrackets(func() { c.enum(s, uint64(c.ret)) })
}

// prctlArgs is how many arguments an operation of prctl(2) has beside its number;
// operations that are not listed show all four.
func prctlArgs(op uint32) int {
	switch op {
	case abi.PR_GET_DUMPABLE, abi.PR_GET_KEEPCAPS, abi.PR_GET_SECCOMP, abi.PR_GET_SECUREBITS, abi.PR_GET_TIMERSLACK,
		abi.PR_GET_TIMING, abi.PR_TASK_PERF_EVENTS_DISABLE, abi.PR_TASK_PERF_EVENTS_ENABLE:
		return 0
	case abi.PR_SET_PDEATHSIG, abi.PR_GET_PDEATHSIG, abi.PR_SET_DUMPABLE, abi.PR_SET_KEEPCAPS, abi.PR_SET_NAME,
		abi.PR_GET_NAME, abi.PR_CAPBSET_READ, abi.PR_CAPBSET_DROP, abi.PR_GET_TSC, abi.PR_SET_TSC, abi.PR_SET_SECUREBITS,
		abi.PR_SET_TIMERSLACK, abi.PR_SET_TIMING, abi.PR_SET_CHILD_SUBREAPER, abi.PR_GET_CHILD_SUBREAPER,
		abi.PR_GET_TID_ADDRESS, abi.PR_SET_PTRACER:
		return 1
	case abi.PR_SET_SECCOMP:
		return 2
	}
	return 4
}

func prctlIn(c *call, i int) bool {
	op, v := uint32(c.args[0]), c.args[i]
	if i > prctlArgs(op) {
		return false
	}
	switch {
	case i == 1 && op == abi.PR_SET_NAME:
		c.cstring(v, 15)
	case i == 1 && (op == abi.PR_GET_NAME || op == abi.PR_GET_PDEATHSIG || op == abi.PR_GET_CHILD_SUBREAPER ||
		op == abi.PR_GET_TSC || op == abi.PR_GET_TID_ADDRESS):
		// written by the kernel
	case i == 1 && op == abi.PR_SET_PDEATHSIG:
		c.signal(int32(v))
	case i == 1 && (op == abi.PR_CAPBSET_READ || op == abi.PR_CAPBSET_DROP):
		c.enum(&setCap, v)
	case i == 1 && op == abi.PR_CAP_AMBIENT:
		c.enum(&setPrctlambient, v)
	case i == 2 && op == abi.PR_CAP_AMBIENT && c.args[1] != abi.PR_CAP_AMBIENT_CLEAR_ALL:
		c.enum(&setCap, v)
	case i == 1 && op == abi.PR_SET_SECCOMP:
		c.enum(&setSeccompmode, v)
	case i == 2 && op == abi.PR_SET_SECCOMP:
		if c.args[1] != abi.SECCOMP_MODE_FILTER {
			return false
		}
		c.filter(v)
	case i == 1 && op == abi.PR_SET_VMA:
		c.enum(&setPrctlvma, v)
	case i == 2 && op == abi.PR_SET_VMA:
		c.addr(v)
	case i == 3 && op == abi.PR_SET_VMA:
		c.udec(v)
	case i == 1 && op == abi.PR_SET_DUMPABLE:
		c.enum(&setDumpable, v)
	case i == 4 && op == abi.PR_SET_VMA && c.args[1] == abi.PR_SET_VMA_ANON_NAME:
		c.cstring(v, c.strMax)
	case i == 1 && op == abi.PR_SET_MDWE:
		c.bits(&setPrctlmdwe, v)
	case i == 1 && op == abi.PR_SET_PTRACER && v == abi.PR_SET_PTRACER_ANY:
		c.str("PR_SET_PTRACER_ANY")
	case i == 1 && (op == abi.PR_SET_KEEPCAPS || op == abi.PR_SET_TIMERSLACK ||
		op == abi.PR_SET_NO_NEW_PRIVS || op == abi.PR_SET_CHILD_SUBREAPER || op == abi.PR_SET_THP_DISABLE || op == abi.PR_SET_PTRACER):
		c.udec(v)
	default:
		c.hex(v)
	}
	return true
}

func prctlOut(c *call, i int) {
	if i != 1 {
		return
	}
	v := c.args[i]
	switch uint32(c.args[0]) {
	case abi.PR_GET_NAME:
		if c.failed {
			c.addr(v)
			return
		}
		c.cstring(v, 15)
	case abi.PR_GET_PDEATHSIG, abi.PR_GET_CHILD_SUBREAPER, abi.PR_GET_TSC:
		var n uint32
		if c.failed {
			c.addr(v)
		} else if loadOr(c, v, &n) {
			c.byte('[')
			if uint32(c.args[0]) == abi.PR_GET_PDEATHSIG && n != 0 {
				c.signal(int32(n))
			} else {
				c.udec(uint64(n))
			}
			c.byte(']')
		}
	case abi.PR_GET_TID_ADDRESS:
		var n uint64
		if c.failed {
			c.addr(v)
		} else if loadOr(c, v, &n) {
			c.byte('[')
			c.addr(n)
			c.byte(']')
		}
	}
}
