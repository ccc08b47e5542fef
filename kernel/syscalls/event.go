package syscalls

import (
	"skerry/kernel/abi"
	"skerry/kernel/task"
	"skerry/kernel/usermem"
	"skerry/kernel/vfs"
	"skerry/kernel/wait"
)

var eventCalls = []entry{
	{abi.SYS_PIPE, sysPipe, ""},
	{abi.SYS_PIPE2, sysPipe2, ""},
	{abi.SYS_EVENTFD, sysEventfd, ""},
	{abi.SYS_EVENTFD2, sysEventfd2, ""},
	{abi.SYS_TIMERFD_CREATE, sysTimerfdCreate, ""},
	{abi.SYS_TIMERFD_SETTIME, sysTimerfdSettime, "no TFD_TIMER_CANCEL_ON_SET"},
	{abi.SYS_TIMERFD_GETTIME, sysTimerfdGettime, ""},
	{abi.SYS_SIGNALFD, sysSignalfd, ""},
	{abi.SYS_SIGNALFD4, sysSignalfd4, ""},
	{abi.SYS_INOTIFY_INIT, sysInotifyInit, ""},
	{abi.SYS_INOTIFY_INIT1, sysInotifyInit1, ""},
	{abi.SYS_INOTIFY_ADD_WATCH, sysInotifyAddWatch, ""},
	{abi.SYS_INOTIFY_RM_WATCH, sysInotifyRmWatch, ""},
	{abi.SYS_EPOLL_CREATE, sysEpollCreate, ""},
	{abi.SYS_EPOLL_CREATE1, sysEpollCreate1, ""},
	{abi.SYS_EPOLL_CTL, sysEpollCtl, ""},
	{abi.SYS_EPOLL_WAIT, sysEpollWait, ""},
	{abi.SYS_EPOLL_PWAIT, sysEpollPwait, ""},
	{abi.SYS_EPOLL_PWAIT2, sysEpollPwait2, ""},
	{abi.SYS_POLL, sysPoll, ""},
	{abi.SYS_PPOLL, sysPpoll, ""},
	{abi.SYS_SELECT, sysSelect, ""},
	{abi.SYS_PSELECT6, sysPselect6, ""},
}

func sysPipe(t *task.Thread, addr, _, _, _, _, _ uintptr) (uintptr, abi.Errno) {
	return sysPipe2(t, addr, 0, 0, 0, 0, 0)
}

func sysPipe2(t *task.Thread, addr, flags, _, _, _, _ uintptr) (uintptr, abi.Errno) {
	r, w, e := vfs.NewPipe(uint32(flags) &^ abi.O_CLOEXEC)
	if e != abi.OK {
		return 0, e
	}
	return installPair(t, addr, r, w, flags&abi.O_CLOEXEC != 0)
}

// installPair gives two descriptions descriptors and tells the program which.
func installPair(t *task.Thread, addr uintptr, a, b *vfs.Description, cloexec bool) (uintptr, abi.Errno) {
	fds, e := t.Proc.Files.InstallPair(a, b, cloexec)
	if e != abi.OK {
		return 0, e
	}
	if e := usermem.Out(addr, &fds); e != abi.OK {
		t.Proc.Files.Close(fds[0])
		t.Proc.Files.Close(fds[1])
		return 0, e
	}
	return 0, abi.OK
}

// install gives a new description a descriptor.
func install(t *task.Thread, d *vfs.Description, cloexec bool) (uintptr, abi.Errno) {
	fd, e := t.Proc.Files.Install(d, cloexec)
	return uintptr(fd), e
}

func sysEventfd(t *task.Thread, count, _, _, _, _, _ uintptr) (uintptr, abi.Errno) {
	return sysEventfd2(t, count, 0, 0, 0, 0, 0)
}

func sysEventfd2(t *task.Thread, count, flags, _, _, _, _ uintptr) (uintptr, abi.Errno) {
	d, e := vfs.NewEventFD(uint32(count), uint32(flags)&^abi.O_CLOEXEC)
	if e != abi.OK {
		return 0, e
	}
	return install(t, d, flags&abi.O_CLOEXEC != 0)
}

func sysTimerfdCreate(t *task.Thread, clock, flags, _, _, _, _ uintptr) (uintptr, abi.Errno) {
	d, e := vfs.NewTimerFD(int(int32(clock)), uint32(flags)&^abi.O_CLOEXEC)
	if e != abi.OK {
		return 0, e
	}
	return install(t, d, flags&abi.O_CLOEXEC != 0)
}

func sysTimerfdSettime(t *task.Thread, fd, flags, new, old, _, _ uintptr) (uintptr, abi.Errno) {
	var set, was vfs.TimerSpec
	if e := usermem.In(&set, new); e != abi.OK {
		return 0, e
	}
	d, e := get(t, fd)
	if e != abi.OK {
		return 0, e
	}
	e = vfs.SetTimerFD(d, uint32(flags), &set, &was)
	d.Unref()
	if e == abi.OK && old != 0 {
		e = usermem.Out(old, &was)
	}
	return 0, e
}

func sysTimerfdGettime(t *task.Thread, fd, addr, _, _, _, _ uintptr) (uintptr, abi.Errno) {
	d, e := get(t, fd)
	if e != abi.OK {
		return 0, e
	}
	var cur vfs.TimerSpec
	e = vfs.GetTimerFD(d, &cur)
	d.Unref()
	if e != abi.OK {
		return 0, e
	}
	return 0, usermem.Out(addr, &cur)
}

func sysSignalfd(t *task.Thread, fd, mask, size, _, _, _ uintptr) (uintptr, abi.Errno) {
	return sysSignalfd4(t, fd, mask, size, 0, 0, 0)
}

func sysSignalfd4(t *task.Thread, fd, mask, size, flags, _, _ uintptr) (uintptr, abi.Errno) {
	if size != 8 {
		return 0, abi.EINVAL
	}
	set, e := loadSet(mask)
	if e != abi.OK {
		return 0, e
	}
	if uint32(flags)&^(abi.SFD_CLOEXEC|abi.SFD_NONBLOCK) != 0 {
		return 0, abi.EINVAL
	}
	if int32(fd) == -1 {
		return install(t, t.Proc.NewSignalFD(set, uint32(flags)), flags&abi.SFD_CLOEXEC != 0)
	}
	d, e := get(t, fd)
	if e != abi.OK {
		return 0, e
	}
	e = task.SetSignalFD(d, set)
	d.Unref()
	return uintptr(uint32(fd)), e
}

func sysInotifyInit(t *task.Thread, _, _, _, _, _, _ uintptr) (uintptr, abi.Errno) {
	return sysInotifyInit1(t, 0, 0, 0, 0, 0, 0)
}

func sysInotifyInit1(t *task.Thread, flags, _, _, _, _, _ uintptr) (uintptr, abi.Errno) {
	if uint32(flags)&^(abi.IN_CLOEXEC|abi.IN_NONBLOCK) != 0 {
		return 0, abi.EINVAL
	}
	return install(t, vfs.NewInotify(uint32(flags)), flags&abi.IN_CLOEXEC != 0)
}

func sysInotifyAddWatch(t *task.Thread, fd, path, mask, _, _, _ uintptr) (uintptr, abi.Errno) {
	d, e := get(t, fd)
	if e != abi.OK {
		return 0, e
	}
	defer d.Unref()
	p, e := pathAt(path)
	if e != abi.OK {
		return 0, e
	}
	wd, e := t.Proc.FS.InotifyAdd(d, p, uint32(mask))
	return uintptr(wd), e
}

func sysInotifyRmWatch(t *task.Thread, fd, wd, _, _, _, _ uintptr) (uintptr, abi.Errno) {
	d, e := get(t, fd)
	if e != abi.OK {
		return 0, e
	}
	e = vfs.InotifyRemove(d, int32(wd))
	d.Unref()
	return 0, e
}

func sysEpollCreate(t *task.Thread, size, _, _, _, _, _ uintptr) (uintptr, abi.Errno) {
	if int32(size) <= 0 {
		return 0, abi.EINVAL
	}
	return install(t, vfs.NewEpoll(), false)
}

func sysEpollCreate1(t *task.Thread, flags, _, _, _, _, _ uintptr) (uintptr, abi.Errno) {
	if flags&^abi.O_CLOEXEC != 0 {
		return 0, abi.EINVAL
	}
	return install(t, vfs.NewEpoll(), flags != 0)
}

func sysEpollCtl(t *task.Thread, epfd, op, fd, event, _, _ uintptr) (uintptr, abi.Errno) {
	var ev vfs.EpollEvent
	if op != abi.EPOLL_CTL_DEL {
		var raw [3]uint32 // packed
		if e := usermem.In(&raw, event); e != abi.OK {
			return 0, e
		}
		ev.Events, ev.Data = raw[0], uint64(raw[1])|uint64(raw[2])<<32
	}
	return 0, t.Proc.Files.EpollControl(int32(epfd), int(int32(op)), int32(fd), &ev)
}

// milliseconds turns a timeout of poll and epoll_wait into a deadline.
func milliseconds(ms int32) int64 {
	switch {
	case ms < 0:
		return wait.Forever
	case ms == 0:
		return vfs.Immediate
	}
	return after(int64(ms) * 1e6)
}

func epollWait(t *task.Thread, epfd, events, max uintptr, deadline int64) (uintptr, abi.Errno) {
	d, e := get(t, epfd)
	if e != abi.OK {
		return 0, e
	}
	defer d.Unref()
	ep, e := vfs.EpollOf(d)
	if e != abi.OK {
		return 0, e
	}
	n := int(int32(max))
	if n <= 0 || n > 1<<31/12 {
		return 0, abi.EINVAL
	}
	if e := t.Vec.InitUser(events, uintptr(n)*12); e != abi.OK {
		return 0, e
	}
	m, e := ep.Wait(&t.Waiter, &t.Vec, n, deadline)
	return uintptr(m), e
}

func sysEpollWait(t *task.Thread, epfd, events, max, timeout, _, _ uintptr) (uintptr, abi.Errno) {
	return epollWait(t, epfd, events, max, milliseconds(int32(timeout)))
}

// withMask runs f with a signal mask of its own if there is one.
func withMask(t *task.Thread, mask, size uintptr, f func() (uintptr, abi.Errno)) (uintptr, abi.Errno) {
	if mask == 0 {
		return f()
	}
	if size != sigsetSize {
		return 0, abi.EINVAL
	}
	s, e := loadSet(mask)
	if e != abi.OK {
		return 0, e
	}
	t.SetTempMask(s)
	v, e := f()
	if e != abi.EINTR && e < abi.ERESTARTSYS {
		t.EndTempMask()
	}
	return v, e
}

func sysEpollPwait(t *task.Thread, epfd, events, max, timeout, mask, size uintptr) (uintptr, abi.Errno) {
	deadline := milliseconds(int32(timeout))
	return withMask(t, mask, size, func() (uintptr, abi.Errno) { return epollWait(t, epfd, events, max, deadline) })
}

func sysEpollPwait2(t *task.Thread, epfd, events, max, timeout, mask, size uintptr) (uintptr, abi.Errno) {
	deadline, e := deadlineIn(timeout)
	if e != abi.OK {
		return 0, e
	}
	return withMask(t, mask, size, func() (uintptr, abi.Errno) { return epollWait(t, epfd, events, max, deadline) })
}

func poll(t *task.Thread, addr, n uintptr, deadline int64) (uintptr, abi.Errno) {
	if n > uintptr(t.Proc.Files.Limit()) {
		return 0, abi.EINVAL
	}
	if cap(t.PollFDs) < int(n) {
		t.PollFDs = make([]vfs.PollFD, n)
	}
	fds := t.PollFDs[:n]
	if e := usermem.InSlice(fds, addr); e != abi.OK {
		return 0, e
	}
	m, e := t.Poller.Poll(&t.Waiter, t.Proc.Files, fds, deadline)
	if e != abi.OK {
		return 0, e
	}
	// Only revents goes back (poll(2)).
	for i := range fds {
		if e := usermem.Out(addr+uintptr(i)*8+6, &fds[i].Revents); e != abi.OK {
			return 0, e
		}
	}
	return uintptr(m), abi.OK
}

func sysPoll(t *task.Thread, addr, n, timeout, _, _, _ uintptr) (uintptr, abi.Errno) {
	return pollUntil(t, addr, uintptr(uint32(n)), milliseconds(int32(timeout)))
}

// pollUntil makes an interrupted poll go on to the same deadline.
func pollUntil(t *task.Thread, addr, n uintptr, deadline int64) (uintptr, abi.Errno) {
	m, e := poll(t, addr, n, deadline)
	if e == abi.ERESTARTNOHAND {
		return 0, t.RestartLater(func(t *task.Thread) (uintptr, abi.Errno) { return pollUntil(t, addr, n, deadline) })
	}
	return m, e
}

func sysPpoll(t *task.Thread, addr, n, timeout, mask, size, _ uintptr) (uintptr, abi.Errno) {
	deadline, e := deadlineIn(timeout)
	if e != abi.OK {
		return 0, e
	}
	v, e := withMask(t, mask, size, func() (uintptr, abi.Errno) { return poll(t, addr, uintptr(uint32(n)), deadline) })
	leftover(timeout, deadline)
	return v, e
}

// leftover writes back what is left of a timeout, as Linux does for ppoll and
// pselect6; a read-only timespec is left as it is.
func leftover(addr uintptr, deadline int64) {
	if addr == 0 || deadline == wait.Forever {
		return
	}
	left := timespecOf(max(deadline-wait.Now(), 0))
	usermem.Out(addr, &left)
}

func sysSelect(t *task.Thread, n, in, out, ex, timeout, _ uintptr) (uintptr, abi.Errno) {
	deadline := wait.Forever
	if timeout != 0 {
		var tv abi.Timeval
		if e := usermem.In(&tv, timeout); e != abi.OK {
			return 0, e
		}
		if tv.Sec < 0 || tv.Usec < 0 {
			return 0, abi.EINVAL
		}
		deadline = after(min(tv.Sec, 1<<33)*1e9 + min(tv.Usec, 1<<50)*1e3)
	}
	v, e := selectFDs(t, n, in, out, ex, deadline)
	if timeout != 0 {
		left := timevalOf(max(deadline-wait.Now(), 0))
		usermem.Out(timeout, &left)
	}
	return v, e
}

func selectFDs(t *task.Thread, n, in, out, ex uintptr, deadline int64) (uintptr, abi.Errno) {
	if int32(n) < 0 {
		return 0, abi.EINVAL
	}
	count := min(int(int32(n)), 65536)
	words := (count + 63) / 64
	var sets [3][]uint64
	for i, p := range [3]uintptr{in, out, ex} {
		if p == 0 {
			continue
		}
		sets[i] = make([]uint64, words)
		if e := usermem.InSlice(sets[i], p); e != abi.OK {
			return 0, e
		}
	}
	m, e := t.Poller.Select(&t.Waiter, t.Proc.Files, count, sets[0], sets[1], sets[2], deadline)
	if e != abi.OK {
		return 0, e
	}
	for i, p := range [3]uintptr{in, out, ex} {
		if p != 0 {
			if e := usermem.OutSlice(p, sets[i]); e != abi.OK {
				return 0, e
			}
		}
	}
	return uintptr(m), abi.OK
}

func sysPselect6(t *task.Thread, n, in, out, ex, timeout, sig uintptr) (uintptr, abi.Errno) {
	deadline, e := deadlineIn(timeout)
	if e != abi.OK {
		return 0, e
	}
	var mask [2]uint64 // address and size
	if sig != 0 {
		if e := usermem.In(&mask, sig); e != abi.OK {
			return 0, e
		}
	}
	v, e := withMask(t, uintptr(mask[0]), uintptr(mask[1]), func() (uintptr, abi.Errno) {
		return selectFDs(t, n, in, out, ex, deadline)
	})
	leftover(timeout, deadline)
	return v, e
}
