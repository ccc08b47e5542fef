package strace

import "skerry/kernel/abi"

// eventKinds are arguments of poll, select, epoll and their kin.
func eventKinds(k kindSet) {
	k.input("pollfds", func(c *call, i int) {
		c.array(c.args[i], uint64(uint32(c.at(i))), sizeOf(abi.PollFD{}), func(at uint64) bool {
			var p abi.PollFD
			if !load(c, at, &p) {
				return false
			}
			c.str("{fd=")
			c.dec(int64(p.FD))
			if p.FD >= 0 {
				c.str(", events=")
				c.bits(&setPoll, uint64(uint16(p.Events)))
			}
			c.byte('}')
			return true
		})
	})
	k.input("fdset", func(c *call, i int) {
		if !c.fdset(c.args[i], c.at(i)) {
			c.addr(c.args[i])
		}
	})
	k.input("epollctl", func(c *call, i int) {
		if c.at(i) == abi.EPOLL_CTL_DEL {
			c.addr(c.args[i])
			return
		}
		if !c.epollEvent(c.args[i]) {
			c.addr(c.args[i])
		}
	})
	k.output("oepoll", func(c *call, v uint64) {
		c.array(v, uint64(c.ret), sizeOf(abi.EpollEvent{}), c.epollEvent)
	})
}

func (c *call) epollEvent(addr uint64) bool {
	var e abi.EpollEvent
	if !load(c, addr, &e) {
		return false
	}
	c.str("{events=")
	c.bits(&setEpoll, uint64(e.Events))
	c.str(", data={u32=")
	c.udec(uint64(e.Data[0]))
	c.field("u64", uint64(e.Data[0])|uint64(e.Data[1])<<32)
	c.str("}}")
	return true
}

// fdset writes the descriptors in a set of n bits, and reports false if it could
// not be read or is the null pointer.
func (c *call) fdset(addr, n uint64) bool {
	if int32(n) < 0 || addr == 0 {
		return false
	}
	n = min(uint64(int32(n)), 1<<16)
	start := c.line
	c.byte('[')
	shown, first := 0, true
	var w uint64
	for fd := uint64(0); fd < n && !c.cut; fd++ {
		if fd%64 == 0 && !load(c, addr+fd/8, &w) {
			c.line = start
			return false
		}
		if w>>(fd%64)&1 == 0 {
			continue
		}
		if !first {
			c.byte(' ')
		}
		first = false
		if shown == c.strMax {
			c.str("...")
			break
		}
		c.udec(fd)
		shown++
	}
	c.byte(']')
	return true
}

// pollResult writes how many descriptors are ready, and for what. The timeout of
// ppoll(2), which Linux brings up to date, is at left.
func (c *call) pollResult(left uint64) {
	c.dec(c.ret)
	if c.ret == 0 {
		c.str(" (Timeout)")
		return
	}
	c.str(" ([")
	shown := 0
	for i := range min(uint64(uint32(c.args[1])), 1<<16) {
		var p abi.PollFD
		if !load(c, c.args[0]+i*sizeOf(p), &p) {
			break
		}
		if p.Revents == 0 {
			continue
		}
		if shown > 0 {
			c.str(", ")
		}
		if shown == c.strMax || int64(shown) == c.ret || c.cut {
			c.str("...")
			break
		}
		c.str("{fd=")
		c.dec(int64(p.FD))
		c.str(", revents=")
		c.bits(&setPoll, uint64(uint16(p.Revents)))
		c.byte('}')
		shown++
	}
	c.byte(']')
	if left != 0 {
		c.str(", left ")
		c.timespec(left)
	}
	c.byte(')')
}

// selectResult writes which descriptors are left in the sets.
func (c *call) selectResult(left func()) {
	c.dec(c.ret)
	if c.ret == 0 {
		c.str(" (Timeout)")
		return
	}
	sep := " ("
	for i, name := range [...]string{"in ", "out ", "exc "} {
		addr := c.args[1+i]
		if addr == 0 {
			continue
		}
		before := c.line
		c.str(sep)
		c.str(name)
		if !c.fdset(addr, c.args[0]) || c.ended("[]") {
			c.line = before // nothing in it
			continue
		}
		sep = ", "
	}
	if left != nil && c.args[4] != 0 {
		c.str(sep)
		c.str("left ")
		left()
		sep = ", "
	}
	if sep != " (" {
		c.byte(')')
	}
}
