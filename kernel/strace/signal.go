package strace

import (
	"math/bits"

	"skerry/kernel/abi"
)

// signalKinds are sets, actions and descriptions of signals.
func signalKinds(k kindSet) {
	k.input("sigset", func(c *call, i int) { c.sigset(c.args[i], c.at(i)) })
	k["osigset"] = &kind{out: func(c *call, i int) {
		if c.failed {
			c.addr(c.args[i])
			return
		}
		c.sigset(c.args[i], c.at(i))
	}}
	// The last argument of pselect6(2): a set and its size in a struct.
	k.value("psigmask", func(c *call, v uint64) {
		var p [2]uint64
		if loadOr(c, v, &p) {
			c.str("{sigmask=")
			c.sigset(p[0], p[1])
			c.field("sigsetsize", p[1])
			c.byte('}')
		}
	})
	k.value("sigaction", (*call).sigaction)
	k.output("osigaction", (*call).sigaction)
	k.value("sigstack", (*call).sigaltstack)
	k.output("osigstack", (*call).sigaltstack)
	k.value("siginfo", (*call).siginfo)
	k.output("osiginfo", (*call).siginfo)
	k.value("sigevent", func(c *call, v uint64) {
		var e abi.Sigevent
		if !loadOr(c, v, &e) {
			return
		}
		c.byte('{')
		if e.Value != 0 {
			c.str("sigev_value={sival_int=")
			c.dec(int64(int32(e.Value)))
			c.str(", sival_ptr=")
			c.addr(e.Value)
			c.str("}, ")
		}
		c.str("sigev_signo=")
		if e.Notify == abi.SIGEV_NONE {
			c.dec(int64(e.Signo))
		} else {
			c.signal(e.Signo)
		}
		c.str(", sigev_notify=")
		c.enum(&setSigev, uint64(uint32(e.Notify)))
		if e.Notify == abi.SIGEV_THREAD_ID {
			c.str(", sigev_notify_thread_id=")
			c.dec(int64(e.ThreadID))
		}
		c.byte('}')
	})
}

// sigset writes the set of the given size at addr.
func (c *call) sigset(addr, size uint64) {
	var s abi.Sigset
	if size != abi.SigsetSize {
		c.addr(addr)
		return
	}
	if loadOr(c, addr, &s) {
		c.signals(s)
	}
}

// signals writes a set, or what it lacks if that is shorter.
func (c *call) signals(s abi.Sigset) {
	if bits.OnesCount64(uint64(s)) >= 2*64/3 {
		c.byte('~')
		s = ^s
	}
	c.byte('[')
	first := true
	for n := 1; n <= abi.NumSignals; n++ {
		if s>>(n-1)&1 == 0 {
			continue
		}
		if !first {
			c.byte(' ')
		}
		first = false
		c.str(abi.SignalName(n)[len("SIG"):])
	}
	c.byte(']')
}

func (c *call) sigaction(addr uint64) {
	var a abi.Sigaction
	if !loadOr(c, addr, &a) {
		return
	}
	c.str("{sa_handler=")
	switch a.Handler {
	case abi.SIG_DFL:
		c.str("SIG_DFL")
	case abi.SIG_IGN:
		c.str("SIG_IGN")
	default:
		c.hex(a.Handler)
	}
	c.str(", sa_mask=")
	c.signals(a.Mask)
	c.str(", sa_flags=")
	c.bits(&setSaflags, a.Flags)
	if a.Flags&abi.SA_RESTORER != 0 {
		c.str(", sa_restorer=")
		c.addr(a.Restorer)
	}
	c.byte('}')
}

func (c *call) sigaltstack(addr uint64) {
	var s abi.SigaltStack
	if !loadOr(c, addr, &s) {
		return
	}
	c.str("{ss_sp=")
	c.addr(s.SP)
	c.str(", ss_flags=")
	c.bits(&setSsflags, uint64(uint32(s.Flags)))
	c.field("ss_size", s.Size)
	c.byte('}')
}

// siginfo writes the description of a signal. Which fields it has depends on the
// origin, and for those of the kernel on the signal.
func (c *call) siginfo(addr uint64) {
	var b [abi.SiginfoSize]byte
	if addr == 0 || !c.mem.Read(b[:], uintptr(addr)) {
		c.addr(addr)
		return
	}
	c.siginfoBytes(&b)
}

// Signal appends the line of a signal that is delivered, from its siginfo_t:
//
//	--- SIGSEGV {si_signo=SIGSEGV, si_code=SEGV_MAPERR, si_addr=NULL} ---
func (d *Decoder) Signal(buf []byte, info *[abi.SiginfoSize]byte) []byte {
	c := d.newCall(buf, -1, [6]uint64{}, nil)
	c.str("--- ")
	c.signal(int32(le32(info[:])))
	c.byte(' ')
	c.siginfoBytes(info)
	c.str(" ---")
	c.ellipsis()
	return c.buf
}

func (c *call) siginfoBytes(b *[abi.SiginfoSize]byte) {
	signo, code := int32(le32(b[0:])), int32(le32(b[8:]))
	if signo == 0 {
		c.str("{}")
		return
	}
	c.str("{si_signo=")
	c.signal(signo)
	c.str(", si_code=")
	c.siCode(signo, code)
	if e := int32(le32(b[4:])); e != 0 {
		c.str(", si_errno=")
		c.dec(int64(e))
	}
	fields := b[16:]
	switch {
	case code == abi.SI_TIMER:
		c.str(", si_timerid=")
		c.hex(uint64(le32(fields)))
		c.str(", si_overrun=")
		c.dec(int64(int32(le32(fields[4:]))))
		c.sigval(le64(fields[8:]))
	case code <= 0: // sent by a program
		c.sender(fields)
		if code == abi.SI_QUEUE || code == abi.SI_MESGQ {
			c.sigval(le64(fields[8:]))
		}
	case code == abi.SI_KERNEL:
	case signo == abi.SIGCHLD:
		c.sender(fields)
		c.str(", si_status=")
		if code == abi.CLD_EXITED {
			c.dec(int64(int32(le32(fields[8:]))))
		} else {
			c.signal(int32(le32(fields[8:])))
		}
		c.field("si_utime", le64(fields[16:]))
		c.field("si_stime", le64(fields[24:]))
	case signo == abi.SIGILL, signo == abi.SIGFPE, signo == abi.SIGSEGV, signo == abi.SIGBUS, signo == abi.SIGTRAP:
		c.str(", si_addr=")
		c.addr(le64(fields))
	case signo == abi.SIGIO:
		c.str(", si_band=")
		c.dec(int64(le64(fields)))
		c.str(", si_fd=")
		c.dec(int64(int32(le32(fields[8:]))))
	case signo == abi.SIGSYS:
		c.str(", si_call_addr=")
		c.addr(le64(fields))
		c.str(", si_syscall=")
		c.dec(int64(int32(le32(fields[8:]))))
		c.str(", si_arch=")
		c.hex(uint64(le32(fields[12:])))
	}
	c.byte('}')
}

func (c *call) sender(fields []byte) {
	c.str(", si_pid=")
	c.dec(int64(int32(le32(fields))))
	c.field("si_uid", uint64(le32(fields[4:])))
}

func (c *call) sigval(v uint64) {
	c.str(", si_int=")
	c.dec(int64(int32(v)))
	c.str(", si_ptr=")
	c.addr(v)
}

func (c *call) siCode(signo, code int32) {
	s := &setSicode
	if code > 0 && code < abi.SI_KERNEL {
		switch signo {
		case abi.SIGILL:
			s = &setCodeILL
		case abi.SIGFPE:
			s = &setCodeFPE
		case abi.SIGSEGV:
			s = &setCodeSEGV
		case abi.SIGBUS:
			s = &setCodeBUS
		case abi.SIGTRAP:
			s = &setCodeTRAP
		case abi.SIGCHLD:
			s = &setCodeCLD
		case abi.SIGIO:
			s = &setCodePOLL
		}
	}
	if n := s.find(int64(code)); n != "" {
		c.str(n)
		return
	}
	c.dec(int64(code))
}
