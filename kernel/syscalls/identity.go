package syscalls

import (
	"skerry/kernel/abi"
	"skerry/kernel/task"
	"skerry/kernel/usermem"
)

// There is one identity, abi.ID, and one process. Calls that ask for it answer
// it; calls that would change it succeed only when they change nothing.
var identityCalls = []entry{
	{abi.SYS_GETPID, sysGetpid, ""},
	{abi.SYS_GETPPID, sysGetppid, "always 0: nothing started the program"},
	{abi.SYS_GETPGRP, sysGetpid, ""},
	{abi.SYS_GETPGID, sysGetpgid, ""},
	{abi.SYS_GETSID, sysGetpgid, ""},
	{abi.SYS_SETPGID, sysSetpgid, ""},
	{abi.SYS_SETSID, sysSetsid, "EPERM, as for every process group leader"},
	{abi.SYS_GETUID, sysGetid, ""},
	{abi.SYS_GETEUID, sysGetid, ""},
	{abi.SYS_GETGID, sysGetid, ""},
	{abi.SYS_GETEGID, sysGetid, ""},
	{abi.SYS_GETRESUID, sysGetres, ""},
	{abi.SYS_GETRESGID, sysGetres, ""},
	{abi.SYS_GETGROUPS, sysGetgroups, ""},
	{abi.SYS_SETUID, sysSetuid, "to the one identity only, else EPERM (no users)"},
	{abi.SYS_SETGID, sysSetuid, "to the one identity only, else EPERM (no users)"},
	{abi.SYS_SETREUID, sysSetreuid, "to the one identity only, else EPERM (no users)"},
	{abi.SYS_SETREGID, sysSetreuid, "to the one identity only, else EPERM (no users)"},
	{abi.SYS_SETRESUID, sysSetresuid, "to the one identity only, else EPERM (no users)"},
	{abi.SYS_SETRESGID, sysSetresuid, "to the one identity only, else EPERM (no users)"},
	{abi.SYS_SETFSUID, sysSetfsuid, "answers the one identity and changes nothing"},
	{abi.SYS_SETFSGID, sysSetfsuid, "answers the one identity and changes nothing"},
	{abi.SYS_SETGROUPS, sysSetgroups, "EPERM (no users)"},
	{abi.SYS_CAPGET, sysCapget, "no capabilities"},
	{abi.SYS_CAPSET, sysCapset, "the empty set only"},
	{abi.SYS_UMASK, sysUmask, ""},
	{abi.SYS_WAIT4, sysWait4, "always ECHILD: there are no children (single process)"},
	{abi.SYS_WAITID, sysWaitid, "always ECHILD: there are no children (single process)"},
}

func sysGetpid(*task.Thread, uintptr, uintptr, uintptr, uintptr, uintptr, uintptr) (uintptr, abi.Errno) {
	return pid, abi.OK
}

func sysGetppid(*task.Thread, uintptr, uintptr, uintptr, uintptr, uintptr, uintptr) (uintptr, abi.Errno) {
	return 0, abi.OK
}

func sysGetpgid(_ *task.Thread, who, _, _, _, _, _ uintptr) (uintptr, abi.Errno) {
	if p := int32(who); p != 0 && p != pid {
		return 0, abi.ESRCH
	}
	return pid, abi.OK
}

func sysSetpgid(_ *task.Thread, who, group, _, _, _, _ uintptr) (uintptr, abi.Errno) {
	if int32(group) < 0 {
		return 0, abi.EINVAL
	}
	if p := int32(who); p != 0 && p != pid {
		return 0, abi.ESRCH
	}
	// The program leads its session, whose group cannot change (setpgid(2)).
	return 0, abi.EPERM
}

func sysSetsid(*task.Thread, uintptr, uintptr, uintptr, uintptr, uintptr, uintptr) (uintptr, abi.Errno) {
	return 0, abi.EPERM
}

func sysGetid(*task.Thread, uintptr, uintptr, uintptr, uintptr, uintptr, uintptr) (uintptr, abi.Errno) {
	return abi.ID, abi.OK
}

func sysGetres(_ *task.Thread, r, e, s, _, _, _ uintptr) (uintptr, abi.Errno) {
	for _, p := range [3]uintptr{r, e, s} {
		if err := store32(p, abi.ID); err != abi.OK {
			return 0, err
		}
	}
	return 0, abi.OK
}

func sysGetgroups(_ *task.Thread, n, _, _, _, _, _ uintptr) (uintptr, abi.Errno) {
	if int32(n) < 0 {
		return 0, abi.EINVAL
	}
	return 0, abi.OK
}

// same reports whether an ID argument is the one identity; -1 means "leave it"
// where the call knows that.
func same(id uintptr, keep bool) bool {
	v := uint32(id)
	return v == abi.ID || keep && v == ^uint32(0)
}

// NoID stands for no user or group, where a call is about rights or a file. As an argument it
// would mean "leave it", which is never refused.
const NoID = ^uint32(0)

// Identity is told of an attempt to become someone else, or to have rights (NoID). Set at
// boot.
var Identity = func(t *task.Thread, id uint32) {}

func deny(t *task.Thread, id uintptr) (uintptr, abi.Errno) {
	Identity(t, uint32(id))
	return 0, abi.EPERM
}

// privileged is the answer of a call on a file; EPERM is that it takes a privilege, which is
// told of as becoming someone who has it.
func privileged(t *task.Thread, e abi.Errno) (uintptr, abi.Errno) {
	if e == abi.EPERM {
		return deny(t, uintptr(NoID))
	}
	return 0, e
}

func sysSetuid(t *task.Thread, id, _, _, _, _, _ uintptr) (uintptr, abi.Errno) {
	if uint32(id) == ^uint32(0) {
		return 0, abi.EINVAL
	}
	if !same(id, false) {
		return deny(t, id)
	}
	return 0, abi.OK
}

func sysSetreuid(t *task.Thread, r, e, _, _, _, _ uintptr) (uintptr, abi.Errno) {
	return sysSetresuid(t, r, e, r, 0, 0, 0)
}

func sysSetresuid(t *task.Thread, r, e, s, _, _, _ uintptr) (uintptr, abi.Errno) {
	for _, id := range [3]uintptr{r, e, s} {
		if !same(id, true) {
			return deny(t, id)
		}
	}
	return 0, abi.OK
}

func sysSetfsuid(t *task.Thread, id, _, _, _, _, _ uintptr) (uintptr, abi.Errno) {
	// The call has no error: it answers the former value.
	if !same(id, true) {
		Identity(t, uint32(id))
	}
	return abi.ID, abi.OK
}

func sysSetgroups(t *task.Thread, n, _, _, _, _, _ uintptr) (uintptr, abi.Errno) {
	return deny(t, uintptr(NoID))
}

// capHeader is struct __user_cap_header_struct.
type capHeader struct {
	Version uint32
	PID     int32
}

// capWords is how many __user_cap_data_struct a version has; 0 is unknown.
func capWords(version uint32) int {
	switch version {
	case abi.LINUX_CAPABILITY_VERSION_1:
		return 1
	case abi.LINUX_CAPABILITY_VERSION_2, abi.LINUX_CAPABILITY_VERSION_3:
		return 2
	}
	return 0
}

// capHead reads the header; an unknown version is answered with the preferred
// one (capget(2)).
func capHead(t *task.Thread, head, data uintptr) (words int, e abi.Errno) {
	var h capHeader
	if e := usermem.In(&h, head); e != abi.OK {
		return 0, e
	}
	if words = capWords(h.Version); words == 0 {
		h.Version = abi.LINUX_CAPABILITY_VERSION_3
		if e := usermem.Out(head, &h); e != abi.OK {
			return 0, e
		}
		if data == 0 {
			return 0, abi.OK
		}
		return 0, abi.EINVAL
	}
	if h.PID < 0 {
		return 0, abi.EINVAL
	}
	if h.PID != 0 && t.Proc.Find(h.PID) == nil {
		return 0, abi.ESRCH
	}
	return words, abi.OK
}

func sysCapget(t *task.Thread, head, data, _, _, _, _ uintptr) (uintptr, abi.Errno) {
	words, e := capHead(t, head, data)
	if e != abi.OK || words == 0 || data == 0 {
		return 0, e
	}
	_, e = usermem.Zero(data, uintptr(words)*12)
	return 0, e
}

func sysCapset(t *task.Thread, head, data, _, _, _, _ uintptr) (uintptr, abi.Errno) {
	words, e := capHead(t, head, data)
	if e != abi.OK {
		return 0, e
	}
	var sets [2][3]uint32
	if e := usermem.InSlice(sets[:words], data); e != abi.OK {
		return 0, e
	}
	if sets != [2][3]uint32{} {
		return deny(t, uintptr(NoID))
	}
	return 0, abi.OK
}

func sysUmask(t *task.Thread, mask, _, _, _, _, _ uintptr) (uintptr, abi.Errno) {
	return uintptr(t.Proc.FS.SetUmask(uint32(mask) & 0o777)), abi.OK
}

// Options of wait4(2) and waitid(2), uapi/linux/wait.h.
const (
	waitNohang    = 0x1
	waitUntraced  = 0x2
	waitExited    = 0x4
	waitContinued = 0x8
	waitNowait    = 0x01000000
	waitNothread  = 0x20000000
	waitAll       = 0x40000000
	waitClone     = 0x80000000
)

func sysWait4(_ *task.Thread, who, _, options, _, _, _ uintptr) (uintptr, abi.Errno) {
	if uint32(options)&^(waitNohang|waitUntraced|waitContinued|waitNothread|waitAll|waitClone) != 0 {
		return 0, abi.EINVAL
	}
	if int32(who) == -1<<31 {
		return 0, abi.ESRCH
	}
	return 0, abi.ECHILD
}

func sysWaitid(t *task.Thread, kind, who, _, options, _, _ uintptr) (uintptr, abi.Errno) {
	const states = waitExited | waitUntraced | waitContinued
	o := uint32(options)
	if o&^(states|waitNohang|waitNowait|waitNothread|waitAll|waitClone) != 0 || o&states == 0 {
		return 0, abi.EINVAL
	}
	switch kind {
	case 0: // P_ALL
	case 1: // P_PID
		if int32(who) <= 0 {
			return 0, abi.EINVAL
		}
	case 2: // P_PGID
		if int32(who) < 0 {
			return 0, abi.EINVAL
		}
	case abi.P_PIDFD: // the program's own, which is no child
		if int32(who) < 0 {
			return 0, abi.EINVAL
		}
		_, e := pidFD(t, who)
		if e != abi.OK {
			return 0, e
		}
	default:
		return 0, abi.EINVAL
	}
	return 0, abi.ECHILD
}
