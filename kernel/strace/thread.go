package strace

import "skerry/kernel/abi"

// threadKinds are arguments of calls about threads, scheduling and processes.
func threadKinds(k kindSet) {
	k.input("cpuset", func(c *call, i int) { c.cpuset(c.args[i], uint64(uint32(c.at(i)))) })
	k.output("ocpuset", func(c *call, v uint64) { c.cpuset(v, uint64(c.ret)) })
	k.value("schedpolicy", func(c *call, v uint64) { c.schedPolicy(uint32(v)) })
	k.value("schedparam", (*call).schedParam)
	k.output("oschedparam", (*call).schedParam)
	k.value("schedattr", (*call).schedAttr)
	k.output("oschedattr", (*call).schedAttr)
	k.value("ioprio", (*call).ioprio)
	k["ptracearg"] = &kind{in: func(c *call, i int) bool {
		switch op := uint32(c.args[0]); {
		case op == abi.PTRACE_TRACEME:
			return false
		case i == 1:
			c.dec(int64(int32(c.args[i])))
		case op == abi.PTRACE_ATTACH, op == abi.PTRACE_INTERRUPT, op == abi.PTRACE_KILL, op == abi.PTRACE_LISTEN:
			return false
		default:
			c.addr(c.args[i])
		}
		return true
	}}
	k["archarg"] = &kind{
		in: func(c *call, i int) bool {
			switch uint32(c.args[0]) {
			case abi.ARCH_GET_FS, abi.ARCH_GET_GS:
			case abi.ARCH_GET_CPUID:
				return false
			default:
				c.hex(c.args[i])
			}
			return true
		},
		out: func(c *call, i int) {
			var n uint64
			switch uint32(c.args[0]) {
			case abi.ARCH_GET_FS, abi.ARCH_GET_GS:
				if c.failed {
					c.addr(c.args[i])
				} else if loadOr(c, c.args[i], &n) {
					c.byte('[')
					c.addr(n)
					c.byte(']')
				}
			}
		},
	}
	k.value("persona", func(c *call, v uint64) { c.persona(v) })
	k.output("owstatus", func(c *call, v uint64) {
		var n uint32
		if c.ret == 0 {
			c.addr(v) // WNOHANG and nothing to tell
			return
		}
		if loadOr(c, v, &n) {
			c.byte('[')
			c.waitStatus(n)
			c.byte(']')
		}
	})
}

// cpuset writes the processors in a set of n bytes.
func (c *call) cpuset(addr, n uint64) {
	n = min(n, 1024) &^ 7
	if addr == 0 || n == 0 {
		c.addr(addr)
		return
	}
	start := c.line
	c.byte('[')
	shown := 0
	for cpu := uint64(0); cpu < n*8; cpu += 64 {
		var w uint64
		if !load(c, addr+cpu/8, &w) {
			c.line = start
			c.addr(addr)
			return
		}
		for b := range uint64(64) {
			if w>>b&1 == 0 || shown > c.strMax {
				continue
			}
			if shown > 0 {
				c.byte(' ')
			}
			if shown == c.strMax {
				c.str("...")
			} else {
				c.udec(cpu + b)
			}
			shown++
		}
	}
	c.byte(']')
}

func (c *call) ioprio(v uint64) {
	v = uint64(uint32(v))
	c.str("IOPRIO_PRIO_VALUE(")
	c.enum(&setIoprioclass, v>>abi.IOPRIO_CLASS_SHIFT)
	c.str(", ")
	c.udec(v & (1<<abi.IOPRIO_CLASS_SHIFT - 1))
	c.byte(')')
}

func (c *call) schedPolicy(v uint32) {
	c.enum(&setSched, uint64(v&^abi.SCHED_RESET_ON_FORK))
	if v&abi.SCHED_RESET_ON_FORK != 0 {
		c.str("|SCHED_RESET_ON_FORK")
	}
}

func (c *call) schedParam(addr uint64) {
	var n uint32
	if loadOr(c, addr, &n) {
		c.byte('[')
		c.dec(int64(int32(n)))
		c.byte(']')
	}
}

func (c *call) schedAttr(addr uint64) {
	// The size that the struct itself gives says how much of it there is.
	var v [abi.SCHED_ATTR_SIZE_VER1 / 8]uint64
	var size uint32
	if !loadOr(c, addr, &size) {
		return
	}
	long := size >= abi.SCHED_ATTR_SIZE_VER1 && load(c, addr, &v)
	if !long {
		var short [abi.SCHED_ATTR_SIZE_VER0 / 8]uint64
		if !loadOr(c, addr, &short) {
			return
		}
		copy(v[:], short[:])
	}
	c.str("{size=")
	c.udec(uint64(size))
	c.str(", sched_policy=")
	c.enum(&setSched, v[0]>>32)
	c.str(", sched_flags=")
	c.bits(&setSchedflags, v[1])
	c.str(", sched_nice=")
	c.dec(int64(int32(v[2])))
	c.field("sched_priority", v[2]>>32)
	c.field("sched_runtime", v[3])
	c.field("sched_deadline", v[4])
	c.field("sched_period", v[5])
	if long {
		c.field("sched_util_min", v[6]&0xffffffff)
		c.field("sched_util_max", v[6]>>32)
	}
	if size > abi.SCHED_ATTR_SIZE_VER1 {
		c.str(", ...")
	}
	c.byte('}')
}

// persona writes a personality(2): a domain, then bits.
func (c *call) persona(v uint64) {
	v = uint64(uint32(v))
	if v == 0xffffffff {
		c.hex(v)
		return
	}
	c.enum(&setPersona, v&abi.PER_MASK)
	if rest, _ := c.bitNames(&setPersonaflags, v&^abi.PER_MASK, true); rest != 0 {
		c.byte('|')
		c.hex(rest)
	}
}

// waitStatus writes the status of wait4(2) with the macros of wait.h.
func (c *call) waitStatus(v uint32) {
	sig := v & 0x7f
	switch {
	case sig == 0:
		c.str("{WIFEXITED(s) && WEXITSTATUS(s) == ")
		c.udec(uint64(v >> 8 & 0xff))
		v &^= 0xff00
	case v == 0xffff:
		c.str("{WIFCONTINUED(s)")
		v = 0
	case sig == 0x7f:
		c.str("{WIFSTOPPED(s) && WSTOPSIG(s) == ")
		c.signal(int32(v >> 8 & 0xff))
		v &^= 0xffff
	default:
		c.str("{WIFSIGNALED(s) && WTERMSIG(s) == ")
		c.signal(int32(sig))
		if v&0x80 != 0 {
			c.str(" && WCOREDUMP(s)")
		}
		v &^= 0xff
	}
	c.byte('}')
	if v != 0 {
		c.str(" | ")
		c.hex(uint64(v))
	}
}
