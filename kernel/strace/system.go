package strace

import "skerry/kernel/abi"

// systemKinds are limits, usage, identity and names of the machine.
func systemKinds(k kindSet) {
	k.value("rlimit", (*call).rlimit)
	k.output("orlimit", (*call).rlimit)
	k["orusage"] = &kind{out: func(c *call, i int) {
		var u abi.Rusage
		// wait4(2) fills it in only when it has something to tell.
		if c.failed || c.ret == 0 && c.nr == abi.SYS_WAIT4 || !load(c, c.args[i], &u) {
			c.addr(c.args[i])
			return
		}
		c.str("{ru_utime=")
		c.tval(u.Utime)
		c.str(", ru_stime=")
		c.tval(u.Stime)
		c.str(", ...}")
	}}
	k.output("osysinfo", func(c *call, v uint64) {
		var s abi.Sysinfo
		if !loadOr(c, v, &s) {
			return
		}
		c.str("{uptime=")
		c.dec(s.Uptime)
		c.str(", loads=[")
		for i, l := range s.Loads {
			if i > 0 {
				c.str(", ")
			}
			c.udec(l)
		}
		c.byte(']')
		c.field("totalram", s.Totalram)
		c.field("freeram", s.Freeram)
		c.field("sharedram", s.Sharedram)
		c.field("bufferram", s.Bufferram)
		c.field("totalswap", s.Totalswap)
		c.field("freeswap", s.Freeswap)
		c.field("procs", uint64(s.Procs))
		c.field("totalhigh", s.Totalhigh)
		c.field("freehigh", s.Freehigh)
		c.field("mem_unit", uint64(s.MemUnit))
		c.byte('}')
	})
	k.output("outsname", func(c *call, v uint64) {
		var u abi.Utsname
		if !loadOr(c, v, &u) {
			return
		}
		c.str("{sysname=")
		c.quote(untilNUL(u.Sysname[:]), false)
		c.str(", nodename=")
		c.quote(untilNUL(u.Nodename[:]), false)
		c.str(", ...}")
	})
	k.input("groups", func(c *call, i int) { c.groups(c.args[i], uint64(uint32(c.at(i)))) })
	k.output("ogroups", func(c *call, v uint64) {
		if uint32(c.args[0]) == 0 && c.ret != 0 {
			c.addr(v) // Only the number was asked for.
			return
		}
		c.groups(v, uint64(c.ret))
	})
	k.value("caphdr", func(c *call, v uint64) {
		var h abi.CapUserHeader
		if !loadOr(c, v, &h) {
			return
		}
		c.str("{version=")
		c.enum(&setCapversion, uint64(h.Version))
		c.str(", pid=")
		c.dec(int64(h.PID))
		c.byte('}')
	})
	k.value("capdata", (*call).capabilities)
	k.output("ocapdata", (*call).capabilities)
}

func (c *call) rlimit(addr uint64) {
	var r abi.Rlimit
	if !loadOr(c, addr, &r) {
		return
	}
	c.str("{rlim_cur=")
	c.limitValue(r.Cur)
	c.str(", rlim_max=")
	c.limitValue(r.Max)
	c.byte('}')
}

// limitValue writes a resource limit; multiples of 1024 as such.
func (c *call) limitValue(v uint64) {
	switch {
	case v == abi.RLIM_INFINITY:
		c.str("RLIM64_INFINITY")
	case v > 1024 && v%1024 == 0:
		c.udec(v / 1024)
		c.str("*1024")
	default:
		c.udec(v)
	}
}

func (c *call) groups(addr, n uint64) {
	c.array(addr, n, 4, func(at uint64) bool {
		var id uint32
		if !load(c, at, &id) {
			return false
		}
		c.id(id)
		return true
	})
}

// capabilities writes the sets of capget(2) and capset(2). The header's version
// says how many words each has.
func (c *call) capabilities(addr uint64) {
	var h abi.CapUserHeader
	if !load(c, c.args[0], &h) {
		c.addr(addr)
		return
	}
	var d [2]abi.CapUserData
	ok := false
	if h.Version == abi.LINUX_CAPABILITY_VERSION_1 {
		ok = load(c, addr, &d[0])
	} else {
		ok = load(c, addr, &d)
	}
	if !ok {
		c.addr(addr)
		return
	}
	c.str("{effective=")
	c.capSet(d[0].Effective, d[1].Effective)
	c.str(", permitted=")
	c.capSet(d[0].Permitted, d[1].Permitted)
	c.str(", inheritable=")
	c.capSet(d[0].Inheritable, d[1].Inheritable)
	c.byte('}')
}

func (c *call) capSet(low, high uint32) {
	v := uint64(low) | uint64(high)<<32
	if v == 0 {
		c.byte('0')
		return
	}
	first := true
	for b := range 64 {
		if v>>b&1 == 0 {
			continue
		}
		if !first {
			c.byte('|')
		}
		first = false
		if n := setCap.find(int64(b)); n != "" {
			c.str("1<<")
			c.str(n)
		} else {
			c.hex(1 << b)
		}
	}
}
