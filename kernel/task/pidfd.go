package task

import (
	"strconv"

	"gvisor.dev/gvisor/pkg/waiter"

	"skerry/kernel/abi"
	"skerry/kernel/vfs"
)

// pidFD is a pidfd, pidfd_open(2), of the program or, with PIDFD_THREAD, of one of
// its threads. The program's is never ready: nobody is there to see its end.
type pidFD struct {
	vfs.BaseFile
	p      *Process
	thread *Thread // nil for the program
	ino    uint64
}

// NewPidFD returns a pidfd of a thread, of the program if t is nil, with flags
// O_NONBLOCK and PIDFD_THREAD.
func (p *Process) NewPidFD(t *Thread, flags uint32) *vfs.Description {
	return vfs.NewDescription(&pidFD{p: p, thread: t, ino: vfs.NewIno()}, abi.O_RDWR|flags&abi.O_NONBLOCK)
}

// PidFD tells whose pidfd d is: a thread's, or the program's if t is nil. ok is
// false if d is none.
func PidFD(d *vfs.Description) (t *Thread, ok bool) {
	f, ok := d.File().(*pidFD)
	if !ok {
		return nil, false
	}
	return f.thread, true
}

// Ended reports whether the thread has ended.
func (t *Thread) Ended() bool { return t.dead.Load() }

// Readiness: readable, and hung up, once a thread has ended.
func (f *pidFD) Readiness(mask waiter.EventMask) waiter.EventMask {
	if f.thread == nil || !f.thread.dead.Load() {
		return 0
	}
	return (waiter.EventIn|waiter.EventRdNorm)&mask | waiter.EventHUp
}

// EventRegister implements waiter.Waitable.
func (f *pidFD) EventRegister(e *waiter.Entry) error { return f.p.ends.EventRegister(e) }

// EventUnregister undoes EventRegister.
func (f *pidFD) EventUnregister(e *waiter.Entry) { f.p.ends.EventUnregister(e) }

// Stat shows an anonymous inode.
func (f *pidFD) Stat(st *abi.Stat) abi.Errno { return vfs.AnonymousStat(st, f.ino) }

// Name is what /proc/self/fd shows.
func (f *pidFD) Name() string { return "anon_inode:[pidfd]" }

// FDInfo shows the ID, -1 once a thread has ended, pidfd_open(2).
func (f *pidFD) FDInfo(b []byte) []byte {
	id := int64(mainTID)
	if t := f.thread; t != nil {
		if id = int64(t.TID); t.dead.Load() {
			id = -1
		}
	}
	b = strconv.AppendInt(append(b, "Pid:\t"...), id, 10)
	b = strconv.AppendInt(append(b, "\nNSpid:\t"...), id, 10)
	return append(b, '\n')
}
