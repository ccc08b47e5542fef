package syscalls

import (
	"skerry/kernel/abi"
	"skerry/kernel/task"
	"skerry/kernel/usermem"
	"skerry/kernel/wait"
)

var signalCalls = []entry{
	{abi.SYS_RT_SIGACTION, sysSigaction, ""},
	{abi.SYS_RT_SIGPROCMASK, sysSigprocmask, ""},
	{abi.SYS_RT_SIGRETURN, sysSigreturn, ""},
	{abi.SYS_RT_SIGPENDING, sysSigpending, ""},
	{abi.SYS_RT_SIGTIMEDWAIT, sysSigtimedwait, ""},
	{abi.SYS_RT_SIGSUSPEND, sysSigsuspend, ""},
	{abi.SYS_RT_SIGQUEUEINFO, sysSigqueueinfo, ""},
	{abi.SYS_RT_TGSIGQUEUEINFO, sysTgsigqueueinfo, ""},
	{abi.SYS_SIGALTSTACK, sysSigaltstack, ""},
	{abi.SYS_KILL, sysKill, "the program itself only; SIGSTOP and its kin are ignored: there is no job control"},
	{abi.SYS_TKILL, sysTkill, ""},
	{abi.SYS_TGKILL, sysTgkill, ""},
}

// pid is the program's process ID.
const pid = 1

// sigsetSize is sizeof(sigset_t) in the kernel.
const sigsetSize = 8

func loadSet(addr uintptr) (task.SigSet, abi.Errno) {
	v, e := load64(addr)
	return task.SigSet(v), e
}

func sysSigaction(t *task.Thread, sig, new, old, size, _, _ uintptr) (uintptr, abi.Errno) {
	if size != sigsetSize {
		return 0, abi.EINVAL
	}
	var a *task.Action
	if new != 0 {
		a = &task.Action{}
		if e := usermem.In(a, new); e != abi.OK {
			return 0, e
		}
	}
	was, e := t.Proc.SetAction(task.Signal(sig), a)
	if e != abi.OK {
		return 0, e
	}
	if old != 0 {
		return 0, usermem.Out(old, &was)
	}
	return 0, abi.OK
}

func sysSigprocmask(t *task.Thread, how, new, old, size, _, _ uintptr) (uintptr, abi.Errno) {
	if size != sigsetSize {
		return 0, abi.EINVAL
	}
	was := t.Mask()
	if new != 0 {
		s, e := loadSet(new)
		if e != abi.OK {
			return 0, e
		}
		switch how {
		case abi.SIG_BLOCK:
			t.SetMask(was | s)
		case abi.SIG_UNBLOCK:
			t.SetMask(was &^ s)
		case abi.SIG_SETMASK:
			t.SetMask(s)
		default:
			return 0, abi.EINVAL
		}
	}
	if old != 0 {
		return 0, store64(old, uint64(was))
	}
	return 0, abi.OK
}

func sysSigreturn(t *task.Thread, _, _, _, _, _, _ uintptr) (uintptr, abi.Errno) {
	t.SigReturn()
	// The answer of the call is whatever RAX the frame says.
	return uintptr(t.Ctx.Regs.AX), abi.OK
}

func sysSigpending(t *task.Thread, set, size, _, _, _, _ uintptr) (uintptr, abi.Errno) {
	if size > sigsetSize {
		return 0, abi.EINVAL
	}
	v := uint64(t.Pendings())
	var b [8]byte
	for i := range b {
		b[i] = byte(v >> (8 * i))
	}
	_, e := usermem.CopyOut(set, b[:size])
	return 0, e
}

func sysSigtimedwait(t *task.Thread, set, info, timeout, size, _, _ uintptr) (uintptr, abi.Errno) {
	if size != sigsetSize {
		return 0, abi.EINVAL
	}
	s, e := loadSet(set)
	if e != abi.OK {
		return 0, e
	}
	deadline, e := deadlineIn(timeout)
	if e != abi.OK {
		return 0, e
	}
	if deadline != wait.Forever && deadline <= wait.Now() {
		deadline = -1
	}
	got, e := t.SigWait(s, deadline)
	if e != abi.OK {
		return 0, e
	}
	if info != 0 {
		if e := usermem.Out(info, &got); e != abi.OK {
			return 0, e
		}
	}
	return uintptr(got.Signo), abi.OK
}

func sysSigsuspend(t *task.Thread, set, size, _, _, _, _ uintptr) (uintptr, abi.Errno) {
	if size != sigsetSize {
		return 0, abi.EINVAL
	}
	s, e := loadSet(set)
	if e != abi.OK {
		return 0, e
	}
	t.SetTempMask(s)
	for t.Sleep(wait.Forever) == abi.OK {
	}
	return 0, abi.ERESTARTNOHAND
}

// queueInfo reads the siginfo of sigqueue(3): the program may not pass for the
// kernel towards another process, and there is none but itself.
func queueInfo(sig, addr uintptr) (*task.SigInfo, abi.Errno) {
	info := &task.SigInfo{}
	if e := usermem.In(info, addr); e != abi.OK {
		return nil, e
	}
	info.Signo = int32(sig)
	return info, abi.OK
}

func validSignal(sig uintptr) bool { return sig >= 1 && sig <= 64 }

func sysSigqueueinfo(t *task.Thread, who, sig, addr, _, _, _ uintptr) (uintptr, abi.Errno) {
	info, e := queueInfo(sig, addr)
	if e != abi.OK {
		return 0, e
	}
	if int32(who) != pid && t.Proc.Find(int32(who)) == nil {
		return 0, abi.ESRCH
	}
	if sig == 0 {
		return 0, abi.OK
	}
	if !validSignal(sig) {
		return 0, abi.EINVAL
	}
	return 0, t.Proc.Kill(info)
}

func sysTgsigqueueinfo(t *task.Thread, group, tid, sig, addr, _, _ uintptr) (uintptr, abi.Errno) {
	info, e := queueInfo(sig, addr)
	if e != abi.OK {
		return 0, e
	}
	if int32(group) <= 0 || int32(tid) <= 0 {
		return 0, abi.EINVAL
	}
	return toThread(t, group, tid, sig, info)
}

func toThread(t *task.Thread, group, tid, sig uintptr, info *task.SigInfo) (uintptr, abi.Errno) {
	o := t.Proc.Find(int32(tid))
	if o == nil || int32(group) != pid {
		return 0, abi.ESRCH
	}
	if sig == 0 {
		return 0, abi.OK
	}
	if !validSignal(sig) {
		return 0, abi.EINVAL
	}
	return 0, o.Kill(info)
}

// fromUser is the siginfo of kill(2) and tgkill(2).
func fromUser(sig uintptr, code int32) *task.SigInfo {
	i := &task.SigInfo{Signo: int32(sig), Code: code}
	i.Union[0] = pid | abi.ID<<32
	return i
}

func sysKill(t *task.Thread, who, sig, _, _, _, _ uintptr) (uintptr, abi.Errno) {
	if sig != 0 && !validSignal(sig) {
		return 0, abi.EINVAL
	}
	switch p := int32(who); {
	case p == pid || p == 0 || p == -pid:
		// The program, or its process group.
	case p == -1:
		return 0, abi.ESRCH // everyone but the caller and init: nobody
	default:
		if p < 0 || t.Proc.Find(p) == nil {
			return 0, abi.ESRCH
		}
	}
	if sig == 0 {
		return 0, abi.OK
	}
	return 0, t.Proc.Kill(fromUser(sig, abi.SI_USER))
}

func sysTkill(t *task.Thread, tid, sig, _, _, _, _ uintptr) (uintptr, abi.Errno) {
	if int32(tid) <= 0 {
		return 0, abi.EINVAL
	}
	return toThread(t, pid, tid, sig, fromUser(sig, abi.SI_TKILL))
}

func sysTgkill(t *task.Thread, group, tid, sig, _, _, _ uintptr) (uintptr, abi.Errno) {
	if int32(group) <= 0 || int32(tid) <= 0 {
		return 0, abi.EINVAL
	}
	return toThread(t, group, tid, sig, fromUser(sig, abi.SI_TKILL))
}

func sysSigaltstack(t *task.Thread, new, old, _, _, _, _ uintptr) (uintptr, abi.Errno) {
	was := t.AltStack()
	if new != 0 {
		var s task.StackT
		if e := usermem.In(&s, new); e != abi.OK {
			return 0, e
		}
		if e := t.SetAltStack(&s, false); e != abi.OK {
			return 0, e
		}
	}
	if old != 0 {
		return 0, usermem.Out(old, &was)
	}
	return 0, abi.OK
}
