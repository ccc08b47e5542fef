package syscalls

import (
	"skerry/kernel/abi"
	"skerry/kernel/ground"
	"skerry/kernel/ground/frame"
	"skerry/kernel/mm"
	"skerry/kernel/task"
	"skerry/kernel/usermem"
	"skerry/kernel/vfs"
)

var systemCalls = []entry{
	{abi.SYS_UNAME, sysUname, ""},
	{abi.SYS_SYSINFO, sysSysinfo, ""},
	{abi.SYS_GETRANDOM, sysGetrandom, ""},
	{abi.SYS_GETRUSAGE, sysGetrusage, "RUSAGE_THREAD: times and sleeps are the thread's, memory and faults the process's"},
	{abi.SYS_GETRLIMIT, sysGetrlimit, ""},
	{abi.SYS_SETRLIMIT, sysSetrlimit, ""},
	{abi.SYS_PRLIMIT64, sysPrlimit, ""},
	{abi.SYS_PRCTL, sysPrctl, "PR_GET_MDWE answers PR_MDWE_REFUSE_EXEC_GAIN without `--jit`"},
	{abi.SYS_GETPRIORITY, sysGetpriority, ""},
	{abi.SYS_SETPRIORITY, sysSetpriority, "kept and answered; it changes no scheduling"},
	{abi.SYS_SECCOMP, sysSeccomp, "no filter is accepted (EINVAL), so none is believed to work; no action is available"},
	{abi.SYS_PERSONALITY, sysPersonality, "PER_LINUX only"},
}

// Release is what uname answers: the Linux whose interface this is.
const (
	Release = "6.12.0-skerry"
	Version = "#1 SMP Skerry"
)

// Hostname and Random are set at boot.
var (
	Hostname string
	Random   func(b []byte)
)

func sysUname(_ *task.Thread, addr, _, _, _, _, _ uintptr) (uintptr, abi.Errno) {
	var u [6][65]byte
	for i, s := range [6]string{"Linux", Hostname, Release, Version, "x86_64", "(none)"} {
		copy(u[i][:64], s)
	}
	return 0, usermem.Out(addr, &u)
}

func sysSysinfo(t *task.Thread, addr, _, _, _, _, _ uintptr) (uintptr, abi.Errno) {
	s := frame.Read()
	return 0, usermem.Out(addr, &abi.Sysinfo{
		Uptime:   (ground.Nanotime() + 1e9 - 1) / 1e9,
		Totalram: uint64(s.Total) * frame.Size,
		Freeram:  uint64(s.Free) * frame.Size,
		Procs:    uint16(t.Proc.Threads()),
		MemUnit:  1,
	})
}

func sysGetrandom(t *task.Thread, addr, n, flags, _, _, _ uintptr) (uintptr, abi.Errno) {
	if flags&^(abi.GRND_NONBLOCK|abi.GRND_RANDOM|abi.GRND_INSECURE) != 0 ||
		flags&(abi.GRND_RANDOM|abi.GRND_INSECURE) == abi.GRND_RANDOM|abi.GRND_INSECURE {
		return 0, abi.EINVAL
	}
	n = min(n, 0x7ffff000)
	var buf [1024]byte
	done := uintptr(0)
	for done < n {
		b := buf[:min(n-done, uintptr(len(buf)))]
		Random(b)
		m, e := usermem.CopyOut(addr+done, b)
		done += uintptr(m)
		if e != abi.OK {
			if done > 0 {
				break
			}
			return 0, e
		}
		if done >= 256 && t.Pending.Load() != 0 {
			break // a long draw can be interrupted (getrandom(2))
		}
	}
	clear(buf[:])
	return done, abi.OK
}

func timevals(user, system int64) (u, s abi.Timeval) { return timevalOf(user), timevalOf(system) }

func sysGetrusage(t *task.Thread, who, addr, _, _, _, _ uintptr) (uintptr, abi.Errno) {
	var r abi.Rusage
	switch int32(who) {
	case abi.RUSAGE_SELF:
		r.Utime, r.Stime = timevals(t.Proc.Times())
		r.Nvcsw = t.Proc.Sleeps()
	case abi.RUSAGE_THREAD:
		r.Utime, r.Stime = timevals(t.Times())
		r.Nvcsw = t.Sleeps()
	case abi.RUSAGE_CHILDREN:
		return 0, usermem.Out(addr, &r)
	default:
		return 0, abi.EINVAL
	}
	s := t.Proc.MM.Stats()
	u := t.Proc.MM.Usage(0, mm.Highest)
	r.Maxrss = int64(t.Proc.MM.MaxRSS(&u)) / 1024
	minor, major := s.Faults()
	r.Minflt, r.Majflt = int64(minor), int64(major)
	return 0, usermem.Out(addr, &r)
}

// mmLimits says which resource limits the address space itself checks.
var mmLimits = map[int]mm.Limit{
	abi.RLIMIT_AS: mm.LimitAS, abi.RLIMIT_DATA: mm.LimitData,
	abi.RLIMIT_STACK: mm.LimitStack, abi.RLIMIT_MEMLOCK: mm.LimitMemlock,
}

func sysGetrlimit(t *task.Thread, which, addr, _, _, _, _ uintptr) (uintptr, abi.Errno) {
	if which > abi.RLIMIT_RTTIME {
		return 0, abi.EINVAL
	}
	cur, max := t.Proc.Limits.Get(int(which))
	return 0, usermem.Out(addr, &abi.Rlimit{Cur: cur, Max: max})
}

func sysSetrlimit(t *task.Thread, which, addr, _, _, _, _ uintptr) (uintptr, abi.Errno) {
	return sysPrlimit(t, 0, which, addr, 0, 0, 0)
}

func sysPrlimit(t *task.Thread, who, which, new, old, _, _ uintptr) (uintptr, abi.Errno) {
	if which > abi.RLIMIT_RTTIME {
		return 0, abi.EINVAL
	}
	if p := int32(who); p != 0 && t.Proc.Find(p) == nil {
		return 0, abi.ESRCH
	}
	i := int(which)
	cur, hard := t.Proc.Limits.Get(i)
	if new != 0 {
		var l abi.Rlimit
		if e := usermem.In(&l, new); e != abi.OK {
			return 0, e
		}
		if l.Cur > l.Max {
			return 0, abi.EINVAL
		}
		if l.Max > hard {
			return 0, abi.EPERM
		}
		t.Proc.Limits.Set(i, l.Cur, l.Max)
		if m, ok := mmLimits[i]; ok {
			t.Proc.MM.SetLimit(m, l.Cur)
		}
		switch i {
		case abi.RLIMIT_NOFILE:
			t.Proc.Files.SetLimit(int(l.Cur))
		case abi.RLIMIT_FSIZE:
			vfs.SetSizeLimit(l.Cur)
		case abi.RLIMIT_CPU:
			t.Proc.LimitCPU(l.Cur, l.Max)
		}
	}
	if old != 0 {
		return 0, usermem.Out(old, &abi.Rlimit{Cur: cur, Max: hard})
	}
	return 0, abi.OK
}

func sysGetpriority(t *task.Thread, which, who, _, _, _, _ uintptr) (uintptr, abi.Errno) {
	if e := priorityTarget(t, which, who); e != abi.OK {
		return 0, e
	}
	return uintptr(20 - t.Proc.Nice.Load()), abi.OK
}

func priorityTarget(t *task.Thread, which, who uintptr) abi.Errno {
	p := int32(who)
	switch which {
	case abi.PRIO_PROCESS:
		if p != 0 && t.Proc.Find(p) == nil {
			return abi.ESRCH
		}
	case abi.PRIO_PGRP:
		if p != 0 && p != pid {
			return abi.ESRCH
		}
	case abi.PRIO_USER:
		if p != 0 && p != abi.ID {
			return abi.ESRCH
		}
	default:
		return abi.EINVAL
	}
	return abi.OK
}

func sysSetpriority(t *task.Thread, which, who, nice, _, _, _ uintptr) (uintptr, abi.Errno) {
	if e := priorityTarget(t, which, who); e != abi.OK {
		return 0, e
	}
	n := max(-20, min(int32(nice), 19))
	if n < t.Proc.Nice.Load() {
		return 0, abi.EACCES // RLIMIT_NICE is 0
	}
	t.Proc.Nice.Store(n)
	return 0, abi.OK
}

func sysPersonality(t *task.Thread, p, _, _, _, _, _ uintptr) (uintptr, abi.Errno) {
	if v := uint32(p); v != 0xffffffff && v != 0 {
		// Another system's calls and layout, readable memory that is executable, page 0:
		// none is here, and to ask for it is told.
		args := t.Args()
		Refused(t, abi.SYS_PERSONALITY, &args, abi.EINVAL)
		return 0, abi.EINVAL
	}
	return 0, abi.OK
}
