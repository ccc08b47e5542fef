package strace

import "skerry/kernel/abi"

// Limits of what is shown at most, beside StrMax: a path, the strings of an
// argument vector, the elements of a scatter list.
const (
	maxPath = 384
	maxArgs = 32
)

// bufferKinds are strings, buffers and lists of them.
func bufferKinds(k kindSet) {
	k.value("path", func(c *call, v uint64) { c.cstring(v, maxPath) })
	k.value("str", func(c *call, v uint64) { c.cstring(v, c.strMax) })
	k.input("buf", func(c *call, i int) { c.buffer(c.args[i], c.at(i)) })
	k.output("obuf", func(c *call, v uint64) { c.buffer(v, uint64(c.ret)) })
	k.output("orandom", func(c *call, v uint64) { c.hexBuffer(v, uint64(c.ret)) })
	k.output("ostr", func(c *call, v uint64) { c.cstring(v, maxPath) })
	k.value("argv", func(c *call, v uint64) { c.argv(v, maxArgs) })
	k.value("envp", func(c *call, v uint64) { c.envp(v) })
	k.input("iov", func(c *call, i int) { c.iovec(c.args[i], c.at(i), noWord) })
	k["oiov"] = &kind{out: func(c *call, i int) {
		if c.failed {
			c.addr(c.args[i])
			return
		}
		c.iovec(c.args[i], c.at(i), uint64(c.ret))
	}}
}

// cstring writes the NUL-terminated string at addr, at most limit bytes of it.
func (c *call) cstring(addr uint64, limit int) {
	if addr == 0 {
		c.str("NULL")
		return
	}
	s, ok := c.mem.String(uintptr(addr), limit+1)
	if !ok {
		c.addr(addr)
		return
	}
	more := len(s) > limit
	if more {
		s = s[:limit]
	}
	c.quoteString(s, more)
}

// quoteString is quote for a string, in pieces through tmp.
func (c *call) quoteString(s string, more bool) {
	if len(s) <= len(c.tmp) {
		c.quote(c.tmp[:copy(c.tmp[:], s)], more)
		return
	}
	c.quote([]byte(s), more)
}

// read fetches up to StrMax of the n bytes at addr into tmp; more says whether
// that is less than n.
func (c *call) read(addr, n uint64) (b []byte, more, ok bool) {
	m := min(n, uint64(c.strMax))
	b = c.tmp[:m]
	return b, m < n, m == 0 || c.mem.Read(b, uintptr(addr))
}

// buffer writes n bytes at addr as a string.
func (c *call) buffer(addr, n uint64) {
	if addr == 0 || c.noBuffers {
		c.addr(addr)
		return
	}
	b, more, ok := c.read(addr, n)
	if !ok {
		c.addr(addr)
		return
	}
	c.quote(b, more)
}

// hexBuffer is buffer for bytes that are no text.
func (c *call) hexBuffer(addr, n uint64) {
	if c.noBuffers {
		c.addr(addr)
		return
	}
	b, more, ok := c.read(addr, n)
	if !ok {
		c.addr(addr)
		return
	}
	c.byte('"')
	for _, x := range b {
		c.str(`\x`)
		c.hexByte(x)
	}
	c.byte('"')
	if more {
		c.str("...")
	}
}

// argv writes a vector of strings that ends with a null pointer, at most limit of
// them.
func (c *call) argv(addr uint64, limit int) {
	if addr == 0 {
		c.str("NULL")
		return
	}
	var p uint64
	if !load(c, addr, &p) {
		c.addr(addr)
		return
	}
	c.byte('[')
	for n := 0; p != 0; n++ {
		if n > 0 {
			c.str(", ")
		}
		if n == limit || c.cut {
			c.str("...")
			break
		}
		c.cstring(p, c.strMax)
		addr += 8
		if !load(c, addr, &p) {
			c.str(", ")
			c.addr(addr)
			break
		}
	}
	c.byte(']')
}

// envp writes the address of an environment and how many variables it has: their
// values are often secrets.
func (c *call) envp(addr uint64) {
	c.addr(addr)
	if addr == 0 {
		return
	}
	const limit = 4096
	n := 0
	for p := uint64(0); n < limit; n++ {
		if !load(c, addr+uint64(n)*8, &p) {
			return
		}
		if p == 0 {
			break
		}
	}
	c.str(" /* ")
	c.udec(uint64(n))
	c.str(" var")
	if n != 1 {
		c.byte('s')
	}
	c.str(" */")
}

// iovec writes a scatter list of n elements; total is how many bytes of the
// buffers are valid, noWord for all.
func (c *call) iovec(addr, n, total uint64) {
	c.array(addr, n, sizeOf(abi.Iovec{}), func(at uint64) bool {
		var v abi.Iovec
		if !load(c, at, &v) {
			return false
		}
		m := min(v.Len, total)
		c.str("{iov_base=")
		c.buffer(v.Base, m)
		c.str(", iov_len=")
		c.udec(v.Len)
		c.byte('}')
		if total != noWord {
			total -= m
		}
		return true
	})
}

// array writes n elements of the given size at addr, at most StrMax of them;
// element writes one and reports false if it could not be read.
func (c *call) array(addr, n, size uint64, element func(at uint64) bool) {
	if addr == 0 {
		c.str("NULL")
		return
	}
	if n == 0 {
		c.str("[]")
		return
	}
	start := c.line
	c.byte('[')
	for i := range n {
		if i > 0 {
			c.str(", ")
		}
		if i == uint64(c.strMax) || c.cut {
			c.str("...")
			break
		}
		if at := addr + i*size; !element(at) {
			if i == 0 {
				c.line = start
				c.addr(addr)
				return
			}
			c.str("... /* ")
			c.addr(at)
			c.str(" */")
			break
		}
	}
	c.byte(']')
}
