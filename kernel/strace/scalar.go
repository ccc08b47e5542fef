package strace

import "skerry/kernel/abi"

// value adds a kind of a function that writes an argument, which is no address.
func (k kindSet) value(name string, f func(c *call, v uint64)) {
	k[name] = &kind{in: func(c *call, i int) bool { f(c, c.args[i]); return true }}
}

// input adds a kind of a function that writes an argument that the kernel reads.
func (k kindSet) input(name string, f func(c *call, i int)) {
	k[name] = &kind{in: func(c *call, i int) bool { f(c, i); return true }}
}

// output adds a kind of a function that writes what the kernel wrote to the
// address v. After a failed call the address is shown.
func (k kindSet) output(name string, f func(c *call, v uint64)) {
	k[name] = &kind{out: func(c *call, i int) {
		if v := c.args[i]; c.failed || v == 0 {
			c.addr(v)
		} else {
			f(c, v)
		}
	}}
}

// scalarKinds are values that need no memory.
func scalarKinds(k kindSet) {
	k["skip"] = &kind{in: func(*call, int) bool { return false }}
	k.value("int", func(c *call, v uint64) { c.dec(int64(int32(v))) })
	k.value("uint", func(c *call, v uint64) { c.udec(uint64(uint32(v))) })
	k.value("long", func(c *call, v uint64) { c.dec(int64(v)) })
	k.value("ulong", func(c *call, v uint64) { c.udec(v) })
	k.value("hex", func(c *call, v uint64) { c.hex(v) })
	k["off"] = k["hex"]
	k.value("ptr", func(c *call, v uint64) { c.addr(v) })
	k["fd"] = k["int"]
	k.value("atfd", func(c *call, v uint64) {
		if int32(v) == abi.AT_FDCWD {
			c.str("AT_FDCWD")
			return
		}
		c.dec(int64(int32(v)))
	})
	k.value("mode", func(c *call, v uint64) { c.octal(v & 0xffff) })
	k.value("uid", func(c *call, v uint64) { c.id(uint32(v)) })
	k.value("signal", func(c *call, v uint64) { c.signal(int32(v)) })
	k.input("set", func(c *call, i int) { c.bits(c.sig.args[i].set, uint64(uint32(c.args[i]))) })
	k.input("enum", func(c *call, i int) { c.enum(c.sig.args[i].set, c.args[i]) })
	k.value("ipckey", func(c *call, v uint64) {
		if uint32(v) == abi.IPC_PRIVATE {
			c.str("IPC_PRIVATE")
			return
		}
		c.hex(uint64(uint32(v)))
	})
	k.value("ipcflags", func(c *call, v uint64) {
		if rest, any := c.bitNames(&setIpcflags, uint64(uint32(v)), false); rest != 0 || !any {
			if any {
				c.byte('|')
			}
			c.octal(rest)
		}
	})

	// Results through a pointer.
	k.output("ouint", func(c *call, v uint64) {
		var n uint32
		if loadOr(c, v, &n) {
			c.byte('[')
			c.udec(uint64(n))
			c.byte(']')
		}
	})
	k.output("oulong", func(c *call, v uint64) {
		var n uint64
		if loadOr(c, v, &n) {
			c.byte('[')
			c.udec(n)
			c.byte(']')
		}
	})
	k.output("optr", func(c *call, v uint64) {
		var n uint64
		if loadOr(c, v, &n) {
			c.byte('[')
			c.addr(n)
			c.byte(']')
		}
	})
	k.output("ofds", func(c *call, v uint64) {
		var n [2]int32
		if loadOr(c, v, &n) {
			c.byte('[')
			c.dec(int64(n[0]))
			c.str(", ")
			c.dec(int64(n[1]))
			c.byte(']')
		}
	})
	// A length or an offset that the kernel reads, then writes.
	k["iolen"] = &kind{in: inWord32, out: outWord32}
	k["iolong"] = &kind{in: inWord64, out: outWord64}
	// An offset of which only the value before the call is shown.
	k.value("ilong", func(c *call, v uint64) {
		var n uint64
		if loadOr(c, v, &n) {
			c.byte('[')
			c.dec(int64(n))
			c.byte(']')
		}
	})
}

// id writes a user or group; -1 stands for none.
//
//go:noinline
func (c *call) id(v uint32) {
	if v == ^uint32(0) {
		c.str("-1")
		return
	}
	c.udec(uint64(v))
}

// signal writes a signal number by its name.
//
//go:noinline
func (c *call) signal(n int32) {
	if s := abi.SignalName(int(n)); s != "" {
		c.str(s)
		return
	}
	c.dec(int64(n))
}

// loadOr reads a value of the program's memory and reports true, or writes its
// address instead.
func loadOr[T any](c *call, addr uint64, v *T) bool {
	if load(c, addr, v) {
		return true
	}
	c.addr(addr)
	return false
}

// noWord is what keep holds where a word could not be read before the call.
const noWord = ^uint64(0)

func inWord32(c *call, i int) bool {
	var n uint32
	c.keep = noWord
	if loadOr(c, c.args[i], &n) {
		c.byte('[')
		c.dec(int64(int32(n)))
		c.keep = uint64(n)
	}
	return true
}

func outWord32(c *call, i int) {
	if c.keep == noWord {
		return
	}
	var n uint32
	if !c.failed && load(c, c.args[i], &n) && uint64(n) != c.keep {
		c.str(" => ")
		c.dec(int64(int32(n)))
	}
	c.byte(']')
}

func inWord64(c *call, i int) bool {
	var n uint64
	c.keep = noWord
	if loadOr(c, c.args[i], &n) {
		c.byte('[')
		c.dec(int64(n))
		c.byte(']')
		c.keep = n
	}
	return true
}

func outWord64(c *call, i int) {
	if c.keep == noWord {
		return
	}
	var n uint64
	if !c.failed && load(c, c.args[i], &n) && n != c.keep {
		c.str(" => [")
		c.dec(int64(n))
		c.byte(']')
	}
}
