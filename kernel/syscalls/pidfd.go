package syscalls

import (
	"strconv"

	"skerry/kernel/abi"
	"skerry/kernel/task"
)

// Descriptors for processes, pidfd_open(2): of the program itself and of its
// threads, since there is nobody else.

var pidfdCalls = []entry{
	{abi.SYS_PIDFD_OPEN, sysPidfdOpen, "of the program and its threads: there is no other process"},
	{abi.SYS_PIDFD_SEND_SIGNAL, sysPidfdSendSignal, ""},
	{abi.SYS_PIDFD_GETFD, sysPidfdGetfd, ""},
}

func sysPidfdOpen(t *task.Thread, id, flags, _, _, _, _ uintptr) (uintptr, abi.Errno) {
	f := uint32(flags)
	if f&^(abi.PIDFD_NONBLOCK|abi.PIDFD_THREAD) != 0 || int32(id) <= 0 {
		return 0, abi.EINVAL
	}
	o := t.Proc.Find(int32(id))
	switch {
	case o == nil && int32(id) != pid:
		return 0, abi.ESRCH
	case f&abi.PIDFD_THREAD == 0 && int32(id) != pid:
		return 0, abi.EINVAL // a thread that is not the first
	case f&abi.PIDFD_THREAD == 0:
		o = nil
	case o == nil:
		return 0, abi.ESRCH
	}
	return install(t, t.Proc.NewPidFD(o, f&^abi.PIDFD_THREAD), true)
}

// pidFD tells whose pidfd a descriptor is, nil for the program's; EBADF if it is
// none.
func pidFD(t *task.Thread, fd uintptr) (*task.Thread, abi.Errno) {
	d, e := get(t, fd)
	if e != abi.OK {
		return nil, e
	}
	defer d.Unref()
	o, ok := task.PidFD(d)
	if !ok {
		return nil, abi.EBADF
	}
	return o, abi.OK
}

// signalFD is pidFD, and takes the program's directory of /proc for one, as the first
// kernels with pidfd_send_signal(2) did for want of pidfds.
func signalFD(t *task.Thread, fd uintptr) (*task.Thread, abi.Errno) {
	o, e := pidFD(t, fd)
	if e != abi.EBADF {
		return o, e
	}
	d, e := get(t, fd)
	if e != abi.OK {
		return nil, e
	}
	defer d.Unref()
	own, e := t.Proc.FS.Lookup("/proc/" + strconv.Itoa(pid))
	if e != abi.OK || own.Inode() != d.Inode() {
		return nil, abi.EBADF
	}
	return nil, abi.OK
}

func sysPidfdSendSignal(t *task.Thread, fd, sig, addr, flags, _, _ uintptr) (uintptr, abi.Errno) {
	f := uint32(flags)
	if f&^(abi.PIDFD_SIGNAL_THREAD|abi.PIDFD_SIGNAL_THREAD_GROUP|abi.PIDFD_SIGNAL_PROCESS_GROUP) != 0 || f&(f-1) != 0 {
		return 0, abi.EINVAL
	}
	o, e := signalFD(t, fd)
	if e != abi.OK {
		return 0, e
	}
	switch f {
	case abi.PIDFD_SIGNAL_THREAD:
		if o == nil {
			o = t.Proc.Find(pid)
		}
	case abi.PIDFD_SIGNAL_THREAD_GROUP, abi.PIDFD_SIGNAL_PROCESS_GROUP:
		o = nil
	}
	code := int32(abi.SI_USER)
	if o != nil {
		code = abi.SI_TKILL
	}
	info := fromUser(sig, code)
	if addr != 0 {
		i, e := queueInfo(sig, addr)
		if e != abi.OK {
			return 0, e
		}
		first, e := load32(addr)
		if e != abi.OK {
			return 0, e
		}
		if first != uint32(sig) {
			return 0, abi.EINVAL
		}
		info = i
	}
	if o != nil && o.Ended() {
		return 0, abi.ESRCH
	}
	if sig == 0 {
		return 0, abi.OK
	}
	if !validSignal(sig) {
		return 0, abi.EINVAL
	}
	if o != nil {
		return 0, o.Kill(info)
	}
	return 0, t.Proc.Kill(info)
}

func sysPidfdGetfd(t *task.Thread, fd, target, flags, _, _, _ uintptr) (uintptr, abi.Errno) {
	if uint32(flags) != 0 {
		return 0, abi.EINVAL
	}
	o, e := pidFD(t, fd)
	if e != abi.OK {
		return 0, e
	}
	if o != nil && o.Ended() {
		return 0, abi.ESRCH
	}
	n, e := t.Proc.Files.Dup(int32(target), 0, true)
	return uintptr(n), e
}
