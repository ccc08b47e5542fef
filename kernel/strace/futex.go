package strace

import "skerry/kernel/abi"

// futexKinds are the arguments of futex(2), whose meaning hangs on the operation,
// and of the newer futex calls.
func futexKinds(k kindSet) {
	k.value("futexop", func(c *call, v uint64) { c.futexOp(uint32(v)) })
	k.value("futexval", func(c *call, v uint64) {
		switch c.futexCmd() {
		case abi.FUTEX_LOCK_PI, abi.FUTEX_UNLOCK_PI, abi.FUTEX_TRYLOCK_PI, abi.FUTEX_LOCK_PI2:
		case abi.FUTEX_FD:
			c.signal(int32(v))
			return
		}
		c.udec(uint64(uint32(v)))
	})
	// The kinds below are shown in the order of the arguments, and only where the
	// operation looks at them.
	k["futexval"].in = only(k["futexval"].in, abi.FUTEX_WAIT, abi.FUTEX_WAKE, abi.FUTEX_FD, abi.FUTEX_REQUEUE,
		abi.FUTEX_CMP_REQUEUE, abi.FUTEX_WAKE_OP, abi.FUTEX_WAIT_BITSET, abi.FUTEX_WAKE_BITSET,
		abi.FUTEX_WAIT_REQUEUE_PI, abi.FUTEX_CMP_REQUEUE_PI)
	k["futextime"] = &kind{in: func(c *call, i int) bool {
		switch c.futexCmd() {
		case abi.FUTEX_WAIT, abi.FUTEX_WAIT_BITSET, abi.FUTEX_LOCK_PI, abi.FUTEX_LOCK_PI2, abi.FUTEX_WAIT_REQUEUE_PI:
			c.timespec(c.args[i])
		case abi.FUTEX_REQUEUE, abi.FUTEX_CMP_REQUEUE, abi.FUTEX_CMP_REQUEUE_PI, abi.FUTEX_WAKE_OP:
			// How many to requeue or to wake.
			c.udec(uint64(uint32(c.args[i])))
		default:
			return c.futexUnknown(i)
		}
		return true
	}}
	k["futexptr"] = &kind{in: func(c *call, i int) bool {
		switch c.futexCmd() {
		case abi.FUTEX_REQUEUE, abi.FUTEX_CMP_REQUEUE, abi.FUTEX_CMP_REQUEUE_PI, abi.FUTEX_WAKE_OP, abi.FUTEX_WAIT_REQUEUE_PI:
			c.addr(c.args[i])
		default:
			return c.futexUnknown(i)
		}
		return true
	}}
	k["futexval3"] = &kind{in: func(c *call, i int) bool {
		v := uint32(c.args[i])
		switch c.futexCmd() {
		case abi.FUTEX_WAIT_BITSET, abi.FUTEX_WAKE_BITSET:
			if v == abi.FUTEX_BITSET_MATCH_ANY {
				c.str("FUTEX_BITSET_MATCH_ANY")
			} else {
				c.hex(uint64(v))
			}
		case abi.FUTEX_CMP_REQUEUE, abi.FUTEX_CMP_REQUEUE_PI:
			c.udec(uint64(v))
		case abi.FUTEX_WAKE_OP:
			c.wakeOp(v)
		default:
			return c.futexUnknown(i)
		}
		return true
	}}
	k.input("futexwaitv", func(c *call, i int) {
		c.array(c.args[i], uint64(uint32(c.at(i))), sizeOf(abi.FutexWaitv{}), func(at uint64) bool {
			var w abi.FutexWaitv
			if !load(c, at, &w) {
				return false
			}
			c.str("{val=")
			c.hex(w.Val)
			c.str(", uaddr=")
			c.addr(w.UAddr)
			c.str(", flags=")
			c.futex2(w.Flags)
			c.byte('}')
			return true
		})
	})
	k.value("futex2", func(c *call, v uint64) { c.futex2(uint32(v)) })
}

const futexOptions = abi.FUTEX_PRIVATE_FLAG | abi.FUTEX_CLOCK_REALTIME

func (c *call) futexCmd() uint32 { return uint32(c.args[1]) &^ futexOptions }

// futexUnknown shows an argument if the operation is not known.
func (c *call) futexUnknown(i int) bool {
	if c.futexKnown() {
		return false
	}
	c.hex(c.args[i])
	return true
}

func (c *call) futexKnown() bool { return c.futexCmd() <= abi.FUTEX_LOCK_PI2 }

// only makes a kind's function show the argument for some operations of futex(2),
// and for unknown ones.
func only(f func(c *call, i int) bool, cmds ...uint32) func(c *call, i int) bool {
	return func(c *call, i int) bool {
		for _, cmd := range cmds {
			if cmd == c.futexCmd() {
				return f(c, i)
			}
		}
		if !c.futexKnown() {
			c.udec(uint64(uint32(c.args[i])))
			return true
		}
		return false
	}
}

func (c *call) futexOp(v uint32) {
	name := setFutex.find(int64(v &^ futexOptions))
	if name == "" {
		c.hex(uint64(v))
		c.comment(&setFutex)
		return
	}
	c.str(name)
	if v&abi.FUTEX_PRIVATE_FLAG != 0 {
		c.str("_PRIVATE")
	}
	if v&abi.FUTEX_CLOCK_REALTIME != 0 {
		c.str("|FUTEX_CLOCK_REALTIME")
	}
}

// wakeOp writes the encoded operation of FUTEX_WAKE_OP, uapi/linux/futex.h
// (FUTEX_OP).
func (c *call) wakeOp(v uint32) {
	op := v >> 28
	if op&abi.FUTEX_OP_OPARG_SHIFT != 0 {
		c.str("FUTEX_OP_OPARG_SHIFT<<28|")
		op &^= abi.FUTEX_OP_OPARG_SHIFT
	}
	c.enum(&setFutexwakeop, uint64(op))
	c.str("<<28|")
	c.hex(uint64(v >> 12 & 0xfff))
	c.str("<<12|")
	c.enum(&setFutexwakecmp, uint64(v>>24&0xf))
	c.str("<<24|")
	c.hex(uint64(v & 0xfff))
}

// futex2 writes the flags of the newer futex calls: a size, then bits.
func (c *call) futex2(v uint32) {
	c.enum(&setFutex2size, uint64(v&abi.FUTEX2_SIZE_MASK))
	if rest, _ := c.bitNames(&setFutex2, uint64(v&^abi.FUTEX2_SIZE_MASK), true); rest != 0 {
		c.byte('|')
		c.hex(rest)
	}
}
