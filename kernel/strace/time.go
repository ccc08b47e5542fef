package strace

import "skerry/kernel/abi"

// timeKinds are times and timers.
func timeKinds(k kindSet) {
	k.value("ts", (*call).timespec)
	k.output("ots", (*call).timespec)
	k.value("ts2", func(c *call, v uint64) {
		c.array(v, 2, sizeOf(abi.Timespec{}), func(at uint64) bool {
			var t abi.Timespec
			if !load(c, at, &t) {
				return false
			}
			switch t.Nsec {
			case abi.UTIME_NOW:
				c.str("UTIME_NOW")
			case abi.UTIME_OMIT:
				c.str("UTIME_OMIT")
			default:
				c.tspec(t)
			}
			return true
		})
	})
	k.value("tv", (*call).timeval)
	k.output("otv", (*call).timeval)
	k.value("tv2", func(c *call, v uint64) {
		c.array(v, 2, sizeOf(abi.Timeval{}), func(at uint64) bool {
			var t abi.Timeval
			if !load(c, at, &t) {
				return false
			}
			c.tval(t)
			return true
		})
	})
	k.value("tz", (*call).timezone)
	k.output("otz", (*call).timezone)
	k.value("utimbuf", func(c *call, v uint64) {
		var u abi.Utimbuf
		if loadOr(c, v, &u) {
			c.str("{actime=")
			c.dec(u.Actime)
			c.str(", modtime=")
			c.dec(u.Modtime)
			c.byte('}')
		}
	})
	k.value("itimerspec", (*call).itimerspec)
	k.output("oitimerspec", (*call).itimerspec)
	k.value("itimerval", (*call).itimerval)
	k.output("oitimerval", (*call).itimerval)
	// What is left of a sleep is written only when a signal ends it.
	k["oremain"] = &kind{out: func(c *call, i int) {
		switch abi.Errno(-c.ret) {
		case abi.EINTR, abi.ERESTARTSYS, abi.ERESTARTNOHAND, abi.ERESTARTBLOCK:
			c.timespec(c.args[i])
		default:
			c.addr(c.args[i])
		}
	}}
	k.output("otime", func(c *call, v uint64) {
		var n uint64
		if loadOr(c, v, &n) {
			c.byte('[')
			c.dec(int64(n))
			c.byte(']')
		}
	})
	k.output("otimerid", func(c *call, v uint64) {
		var n uint32
		if loadOr(c, v, &n) {
			c.byte('[')
			c.dec(int64(int32(n)))
			c.byte(']')
		}
	})
	k.output("otms", func(c *call, v uint64) {
		var t abi.Tms
		if loadOr(c, v, &t) {
			c.str("{tms_utime=")
			c.dec(t.Utime)
			c.field("tms_stime", uint64(t.Stime))
			c.field("tms_cutime", uint64(t.Cutime))
			c.field("tms_cstime", uint64(t.Cstime))
			c.byte('}')
		}
	})
	// The struct is a request before the call and an answer after it.
	k["iotimex"] = &kind{out: func(c *call, i int) {
		var t abi.Timex
		if c.failed || !load(c, c.args[i], &t) {
			c.addr(c.args[i])
			return
		}
		c.str("{modes=")
		c.bits(&setAdjmodes, uint64(t.Modes))
		c.str(", offset=")
		c.dec(t.Offset)
		c.str(", freq=")
		c.dec(t.Freq)
		c.field("maxerror", uint64(t.Maxerror))
		c.field("esterror", uint64(t.Esterror))
		c.str(", status=")
		c.bits(&setAdjstatus, uint64(uint32(t.Status)))
		c.field("constant", uint64(t.Constant))
		c.field("precision", uint64(t.Precision))
		c.field("tolerance", uint64(t.Tolerance))
		c.str(", time=")
		c.tval(t.Time)
		c.field("tick", uint64(t.Tick))
		c.str(", ...}")
	}}
}

func (c *call) tspec(t abi.Timespec) {
	c.str("{tv_sec=")
	c.dec(t.Sec)
	c.str(", tv_nsec=")
	c.dec(t.Nsec)
	c.byte('}')
}

func (c *call) tval(t abi.Timeval) {
	c.str("{tv_sec=")
	c.dec(t.Sec)
	c.str(", tv_usec=")
	c.dec(t.Usec)
	c.byte('}')
}

func (c *call) timespec(addr uint64) {
	var t abi.Timespec
	if loadOr(c, addr, &t) {
		c.tspec(t)
	}
}

func (c *call) timeval(addr uint64) {
	var t abi.Timeval
	if loadOr(c, addr, &t) {
		c.tval(t)
	}
}

func (c *call) timezone(addr uint64) {
	var t abi.Timezone
	if loadOr(c, addr, &t) {
		c.str("{tz_minuteswest=")
		c.dec(int64(t.Minuteswest))
		c.str(", tz_dsttime=")
		c.dec(int64(t.Dsttime))
		c.byte('}')
	}
}

func (c *call) itimerspec(addr uint64) {
	var t abi.Itimerspec
	if loadOr(c, addr, &t) {
		c.str("{it_interval=")
		c.tspec(t.Interval)
		c.str(", it_value=")
		c.tspec(t.Value)
		c.byte('}')
	}
}

func (c *call) itimerval(addr uint64) {
	var t abi.Itimerval
	if loadOr(c, addr, &t) {
		c.str("{it_interval=")
		c.tval(t.Interval)
		c.str(", it_value=")
		c.tval(t.Value)
		c.byte('}')
	}
}
