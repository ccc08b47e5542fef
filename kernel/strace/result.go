package strace

import "skerry/kernel/abi"

// resultOf is how a kind of results that are not plain numbers is written, nil if there is
// none of that name.
func resultOf(name string) func(c *call) {
	for i := range results {
		if results[i].name == name {
			return results[i].write
		}
	}
	return nil
}

var results = [...]struct {
	name  string
	write func(c *call)
}{
	{"ptr", func(c *call) { c.hex(uint64(c.ret)) }},
	{"mode", func(c *call) { c.octal(uint64(c.ret)) }},
	{"fcntl", fcntlResult},
	{"persona", func(c *call) { c.hex(uint64(c.ret)); c.inBrackets(func() { c.persona(uint64(c.ret)) }) }},
	{"poll", func(c *call) { c.pollResult(0) }},
	{"ppoll", func(c *call) { c.pollResult(c.args[2]) }},
	{"select", func(c *call) { c.selectResult(func() { c.timeval(c.args[4]) }) }},
	{"pselect", func(c *call) { c.selectResult(func() { c.timespec(c.args[4]) }) }},
	{"sigwait", func(c *call) {
		c.dec(c.ret)
		if n := abi.SignalName(int(c.ret)); n != "" {
			c.inBrackets(func() { c.str(n) })
		}
	}},
	{"prctl", prctlResult},
	{"ioprio", func(c *call) {
		c.dec(c.ret)
		c.inBrackets(func() { c.ioprio(uint64(c.ret)) })
	}},
	{"membarrier", func(c *call) {
		if uint32(c.args[0]) != abi.MEMBARRIER_CMD_QUERY || c.ret == 0 {
			c.dec(c.ret)
			return
		}
		c.hex(uint64(c.ret))
		c.inBrackets(func() { c.bits(&setMembarrier, uint64(c.ret)) })
	}},
	{"time", func(c *call) { c.dec(c.ret) }},
	{"schedpolicy", func(c *call) {
		c.dec(c.ret)
		c.inBrackets(func() { c.schedPolicy(uint32(c.ret)) })
	}},
	{"adjtime", func(c *call) {
		c.dec(c.ret)
		if n := setAdjstate.find(c.ret); n != "" {
			c.inBrackets(func() { c.str(n) })
		}
	}},
}
