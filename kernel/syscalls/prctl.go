package syscalls

import (
	"skerry/kernel/abi"
	"skerry/kernel/task"
	"skerry/kernel/usermem"
)

// sysPrctl answers as for a program without capabilities, children and a parent.
func sysPrctl(t *task.Thread, op, a2, a3, a4, a5, _ uintptr) (uintptr, abi.Errno) {
	zero := a3|a4|a5 == 0
	switch op {
	case abi.PR_SET_NAME:
		s, _, e := usermem.Prefix(a2, 15)
		if e != abi.OK {
			return 0, e
		}
		t.Name.Store(&s)
		return 0, abi.OK
	case abi.PR_GET_NAME:
		var b [16]byte
		copy(b[:15], t.Comm())
		return 0, usermem.Out(a2, &b)
	case abi.PR_GET_DUMPABLE:
		return uintptr(t.Proc.Dumpable.Load()), abi.OK
	case abi.PR_SET_DUMPABLE:
		if a2 > 1 {
			return 0, abi.EINVAL
		}
		t.Proc.Dumpable.Store(uint32(a2))
		return 0, abi.OK
	case abi.PR_GET_NO_NEW_PRIVS:
		if a2|a3|a4|a5 != 0 {
			return 0, abi.EINVAL
		}
		return 1, abi.OK
	case abi.PR_SET_NO_NEW_PRIVS:
		if a2 != 1 || !zero {
			return 0, abi.EINVAL
		}
		return 0, abi.OK
	case abi.PR_GET_KEEPCAPS:
		return boolean(t.KeepCaps.Load()), abi.OK
	case abi.PR_SET_KEEPCAPS:
		if a2 > 1 {
			return 0, abi.EINVAL
		}
		t.KeepCaps.Store(a2 == 1) // there are none to keep
		return 0, abi.OK
	case abi.PR_GET_SECUREBITS:
		if t.KeepCaps.Load() {
			return 1 << 4, abi.OK // SECBIT_KEEP_CAPS, uapi/linux/securebits.h
		}
		return 0, abi.OK
	case abi.PR_SET_SECUREBITS:
		return 0, abi.EPERM // takes CAP_SETPCAP
	case abi.PR_GET_CHILD_SUBREAPER:
		return 0, store32(a2, 0)
	case abi.PR_SET_PDEATHSIG:
		if a2 > 64 {
			return 0, abi.EINVAL
		}
		t.Proc.DeathSignal.Store(uint32(a2)) // there is no parent that could die
		return 0, abi.OK
	case abi.PR_GET_PDEATHSIG:
		return 0, store32(a2, t.Proc.DeathSignal.Load())
	case abi.PR_GET_SECCOMP:
		return 0, abi.OK
	case abi.PR_CAPBSET_READ:
		if a2 > capLast {
			return 0, abi.EINVAL
		}
		return 0, abi.OK // not in the bounding set
	case abi.PR_CAP_AMBIENT:
		return 0, ambient(a2, a3, a4|a5)
	case abi.PR_GET_TIMERSLACK:
		return t.TimerSlack(), abi.OK
	case abi.PR_SET_TIMERSLACK:
		t.SetTimerSlack(a2)
		return 0, abi.OK
	case abi.PR_GET_TIMING:
		return 0, abi.OK
	case abi.PR_SET_TIMING:
		if a2 != 0 {
			return 0, abi.EINVAL
		}
		return 0, abi.OK
	case abi.PR_GET_TSC:
		return 0, store32(a2, 1) // PR_TSC_ENABLE
	case abi.PR_GET_THP_DISABLE:
		if a2|a3|a4|a5 != 0 {
			return 0, abi.EINVAL
		}
		return boolean(t.Proc.MM.HugeDisabled()), abi.OK
	case abi.PR_SET_THP_DISABLE:
		if !zero {
			return 0, abi.EINVAL
		}
		t.Proc.MM.DisableHuge(a2 != 0)
		return 0, abi.OK
	case abi.PR_GET_SPECULATION_CTRL:
		switch {
		case a3|a4|a5 != 0:
			return 0, abi.EINVAL
		case a2 > abi.PR_SPEC_L1D_FLUSH:
			return 0, abi.ENODEV
		}
		return specEnable, abi.OK // nothing holds it back (docs/SECURITY.md)
	case abi.PR_SET_SPECULATION_CTRL:
		if a2 > abi.PR_SPEC_L1D_FLUSH {
			return 0, abi.ENODEV
		}
		return 0, abi.ENXIO
	case abi.PR_GET_MDWE:
		if a2|a3|a4|a5 != 0 {
			return 0, abi.EINVAL
		}
		return uintptr(t.Proc.MDWE.Load() | ruledMDWE(t)), abi.OK
	case abi.PR_SET_MDWE:
		return 0, setMDWE(t, a2, a3|a4|a5)
	case abi.PR_SET_VMA:
		// Naming anonymous memory: refused as by a kernel built without it.
		return 0, abi.EINVAL
	case abi.PR_SET_PTRACER:
		return 0, abi.EINVAL // no Yama, nobody to trace
	}
	return 0, abi.EINVAL
}

// specEnable is PR_SPEC_ENABLE, uapi/linux/prctl.h.
const specEnable = 2

// ambient is PR_CAP_AMBIENT: no capability is there to be raised.
func ambient(op, capability, rest uintptr) abi.Errno {
	switch {
	case op == abi.PR_CAP_AMBIENT_CLEAR_ALL && capability|rest == 0:
		return abi.OK
	case op == abi.PR_CAP_AMBIENT_CLEAR_ALL || capability > capLast || rest != 0:
		return abi.EINVAL
	}
	switch op {
	case abi.PR_CAP_AMBIENT_IS_SET, abi.PR_CAP_AMBIENT_LOWER:
		return abi.OK
	case abi.PR_CAP_AMBIENT_RAISE:
		return abi.EPERM
	}
	return abi.EINVAL
}

func boolean(b bool) uintptr {
	if b {
		return 1
	}
	return 0
}

// ruledMDWE is what PR_GET_MDWE answers of the machine's own rule: without a JIT
// budget nothing that was written becomes executable.
func ruledMDWE(t *task.Thread) uint32 {
	if budget, _ := t.Proc.MM.JITBudget(); budget != 0 {
		return 0
	}
	return abi.PR_MDWE_REFUSE_EXEC_GAIN
}

// setMDWE is PR_SET_MDWE: once set it stays as it is. What the machine rules out
// anyway does not count as set.
func setMDWE(t *task.Thread, bits, rest uintptr) abi.Errno {
	if rest != 0 || bits&^(abi.PR_MDWE_REFUSE_EXEC_GAIN|abi.PR_MDWE_NO_INHERIT) != 0 || bits == abi.PR_MDWE_NO_INHERIT {
		return abi.EINVAL
	}
	if !t.Proc.MDWE.CompareAndSwap(0, uint32(bits)) && t.Proc.MDWE.Load() != uint32(bits) {
		return abi.EPERM
	}
	if bits != 0 {
		t.Proc.MM.RefuseExecGain()
	}
	return abi.OK
}

// capLast is the highest capability number, CAP_CHECKPOINT_RESTORE.
const capLast = 40

// sysSeccomp is seccomp(2) of a kernel that runs no filters: what a program may
// do is the image's policy. A program that asks first learns so, one that insists
// gets EINVAL.
func sysSeccomp(_ *task.Thread, op, flags, args, _, _, _ uintptr) (uintptr, abi.Errno) {
	if uint32(op) != abi.SECCOMP_GET_ACTION_AVAIL || uint32(flags) != 0 {
		return 0, abi.EINVAL
	}
	if _, e := load32(args); e != abi.OK {
		return 0, e
	}
	return 0, abi.EOPNOTSUPP
}
