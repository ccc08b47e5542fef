package strace

import "skerry/kernel/abi"

// memoryKinds are arguments of mmap(2) and its family.
func memoryKinds(k kindSet) {
	k.value("mmapflags", func(c *call, v uint64) {
		v = uint64(uint32(v))
		c.enum(&setMaptype, v&abi.MAP_TYPE)
		huge := uint64(0)
		if v&abi.MAP_HUGETLB != 0 {
			huge = v >> abi.MAP_HUGE_SHIFT & abi.MAP_HUGE_MASK
			v &^= abi.MAP_HUGE_MASK << abi.MAP_HUGE_SHIFT
		}
		c.mapBits(&setMap, v&^abi.MAP_TYPE, huge)
	})
	k.value("memfdflags", func(c *call, v uint64) {
		v = uint64(uint32(v))
		huge := v >> abi.MAP_HUGE_SHIFT & abi.MAP_HUGE_MASK
		v &^= abi.MAP_HUGE_MASK << abi.MAP_HUGE_SHIFT
		c.bits(&setMemfd, v)
		c.mapBits(&setMemfd, 0, huge)
	})
	k["mremapaddr"] = &kind{in: func(c *call, i int) bool {
		if c.args[3]&(abi.MREMAP_FIXED|abi.MREMAP_DONTUNMAP) == 0 {
			return false
		}
		c.addr(c.args[i])
		return true
	}}
	k.output("omincore", func(c *call, v uint64) {
		pages := c.args[1] / 4096
		if c.args[1]%4096 != 0 {
			pages++
		}
		b, more, ok := c.read(v, pages)
		if !ok {
			c.addr(v)
			return
		}
		c.byte('[')
		for i, x := range b {
			if i > 0 {
				c.str(", ")
			}
			c.udec(uint64(x & 1))
		}
		if more {
			c.str(", ...")
		}
		c.byte(']')
	})
}

// mapBits writes further flags and the size of huge pages as a power of two.
func (c *call) mapBits(s *set, v, huge uint64) {
	rest, _ := c.bitNames(s, v, true)
	if huge != 0 {
		c.byte('|')
		c.udec(huge)
		c.str("<<MAP_HUGE_SHIFT")
	}
	if rest != 0 {
		c.byte('|')
		c.hex(rest)
	}
}
