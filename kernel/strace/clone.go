package strace

import "skerry/kernel/abi"

// cloneKinds are the arguments of clone(2) and clone3(2), which are not in the
// order in which they are shown.
func cloneKinds(k kindSet) {
	k["clone"] = &kind{
		in: func(c *call, i int) bool {
			c.str("child_stack=")
			c.addr(c.args[1])
			c.str(", flags=")
			c.cloneFlags(c.args[0])
			return true
		},
		out: func(c *call, i int) {
			flags := c.args[0]
			if flags&(abi.CLONE_PARENT_SETTID|abi.CLONE_PIDFD) != 0 {
				c.str(", parent_tid=")
				var n uint32
				if c.failed {
					c.addr(c.args[2])
				} else if loadOr(c, c.args[2], &n) {
					c.byte('[')
					c.dec(int64(int32(n)))
					c.byte(']')
				}
			}
			if flags&abi.CLONE_SETTLS != 0 {
				c.str(", tls=")
				c.hex(c.args[4])
			}
			if flags&(abi.CLONE_CHILD_SETTID|abi.CLONE_CHILD_CLEARTID) != 0 {
				c.str(", child_tidptr=")
				c.addr(c.args[3])
			}
		},
	}
	k["clone3"] = &kind{
		in: func(c *call, i int) bool {
			var a abi.CloneArgs
			c.keep = 0
			if c.args[1] < abi.CLONE_ARGS_SIZE_VER0 || !c.cloneArgs(c.args[i], &a) {
				c.addr(c.args[i])
				return true
			}
			c.str("{flags=")
			c.bits(&setClone, a.Flags)
			if a.Flags&abi.CLONE_PIDFD != 0 {
				c.str(", pidfd=")
				c.addr(a.PidFD)
			}
			if a.Flags&(abi.CLONE_CHILD_SETTID|abi.CLONE_CHILD_CLEARTID) != 0 {
				c.str(", child_tid=")
				c.addr(a.ChildTID)
			}
			if a.Flags&abi.CLONE_PARENT_SETTID != 0 {
				c.str(", parent_tid=")
				c.addr(a.ParentTID)
				c.keep = a.ParentTID
			}
			c.str(", exit_signal=")
			if a.ExitSignal == 0 {
				c.byte('0')
			} else {
				c.signal(int32(a.ExitSignal))
			}
			c.str(", stack=")
			c.addr(a.Stack)
			c.str(", stack_size=")
			c.hex(a.StackSize)
			if a.Flags&abi.CLONE_SETTLS != 0 {
				c.str(", tls=")
				c.hex(a.TLS)
			}
			if a.SetTID != 0 || a.SetTIDSize != 0 {
				c.str(", set_tid=")
				c.addr(a.SetTID)
				c.field("set_tid_size", a.SetTIDSize)
			}
			if a.Flags&abi.CLONE_INTO_CGROUP != 0 {
				c.field("cgroup", a.Cgroup)
			}
			c.byte('}')
			return true
		},
		out: func(c *call, i int) {
			var n uint32
			if !c.failed && load(c, c.keep, &n) {
				c.str(" => {parent_tid=[")
				c.dec(int64(int32(n)))
				c.str("]}")
			}
		},
	}
}

// cloneArgs reads struct clone_args of the size in the second argument.
func (c *call) cloneArgs(addr uint64, a *abi.CloneArgs) bool {
	if c.args[1] >= abi.CLONE_ARGS_SIZE_VER2 {
		return load(c, addr, a)
	}
	// The first version: eight words.
	var v [8]uint64
	if !load(c, addr, &v) {
		return false
	}
	*a = abi.CloneArgs{Flags: v[0], PidFD: v[1], ChildTID: v[2], ParentTID: v[3],
		ExitSignal: v[4], Stack: v[5], StackSize: v[6], TLS: v[7]}
	return true
}

// cloneFlags writes clone's flags with the exit signal in their low byte.
func (c *call) cloneFlags(v uint64) {
	rest, any := c.bitNames(&setClone, v&^abi.CSIGNAL, false)
	if rest != 0 {
		if any {
			c.byte('|')
		}
		c.hex(rest)
		any = true
	}
	if sig := v & abi.CSIGNAL; sig != 0 || !any {
		if any {
			c.byte('|')
		}
		if sig == 0 {
			c.byte('0')
			return
		}
		c.signal(int32(sig))
	}
}
