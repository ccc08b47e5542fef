package task

import (
	"strconv"
	"sync/atomic"

	"gvisor.dev/gvisor/pkg/waiter"

	"skerry/kernel/abi"
	"skerry/kernel/usermem"
	"skerry/kernel/vfs"
)

// signalFD is a signalfd(2): signals of a set are read instead of delivered,
// those of the reading thread and of the program. All of them share the
// process's queue, whose listeners look again when any signal is sent.
type signalFD struct {
	vfs.BaseFile
	p   *Process
	set atomic.Uint64
	ino uint64
}

// NewSignalFD returns a signalfd for the signals of set, with O_NONBLOCK of
// flags.
func (p *Process) NewSignalFD(set SigSet, flags uint32) *vfs.Description {
	f := &signalFD{p: p, ino: vfs.NewIno()}
	f.set.Store(uint64(set &^ unblockable))
	return vfs.NewDescription(f, abi.O_RDWR|flags&abi.O_NONBLOCK)
}

// SetSignalFD changes the set of a signalfd. EINVAL if d is none.
func SetSignalFD(d *vfs.Description, set SigSet) abi.Errno {
	f, ok := d.File().(*signalFD)
	if !ok {
		return abi.EINVAL
	}
	f.set.Store(uint64(set &^ unblockable))
	f.p.signalFDs.Notify(waiter.EventIn)
	return abi.OK
}

// Read takes signals as many as fit, each as a struct signalfd_siginfo. EINVAL
// if not even one fits, EAGAIN if there is none. What does not reach the program
// because of a fault is lost, as in Linux.
func (f *signalFD) Read(v *usermem.Vec, _ int64) (int, abi.Errno) {
	const size = 128
	if v.Len() < size {
		return 0, abi.EINVAL
	}
	done := 0
	for v.Len() >= size {
		info, ok := f.take()
		if !ok {
			break
		}
		s := signalfdInfo(&info)
		if n, e := v.CopyOut(usermem.BytesOf(&s)); n < size {
			if done == 0 {
				return 0, e
			}
			break
		}
		done += size
	}
	if done == 0 {
		return 0, abi.EAGAIN
	}
	return done, abi.OK
}

// take removes the next signal of the set.
func (f *signalFD) take() (SigInfo, bool) {
	p := f.p
	p.mu.Lock()
	defer p.mu.Unlock()
	t := p.current()
	if t == nil {
		return SigInfo{}, false
	}
	info, ok := t.takeSignal((t.sig.pend.set | p.shared.set) & SigSet(f.set.Load()))
	if ok {
		t.recalc()
	}
	return info, ok
}

// Readiness: readable with a signal of the set, for the thread that asks.
func (f *signalFD) Readiness(mask waiter.EventMask) waiter.EventMask {
	p := f.p
	p.mu.Lock()
	set := p.shared.set
	if t := p.current(); t != nil {
		set |= t.sig.pend.set
	}
	p.mu.Unlock()
	if set&SigSet(f.set.Load()) == 0 {
		return 0
	}
	return waiter.EventIn & mask
}

// EventRegister implements waiter.Waitable.
func (f *signalFD) EventRegister(e *waiter.Entry) error { return f.p.signalFDs.EventRegister(e) }

// EventUnregister undoes EventRegister.
func (f *signalFD) EventUnregister(e *waiter.Entry) { f.p.signalFDs.EventUnregister(e) }

// Stat shows an anonymous inode.
func (f *signalFD) Stat(st *abi.Stat) abi.Errno { return vfs.AnonymousStat(st, f.ino) }

// Positionless makes lseek(2) do nothing.
func (f *signalFD) Positionless() {}

// Name is what /proc/self/fd shows.
func (f *signalFD) Name() string { return "anon_inode:[signalfd]" }

// FDInfo shows the set, proc(5).
func (f *signalFD) FDInfo(b []byte) []byte {
	s := strconv.FormatUint(f.set.Load(), 16)
	b = append(b, "sigmask:\t"...)
	for i := len(s); i < 16; i++ {
		b = append(b, '0')
	}
	return append(append(b, s...), '\n')
}

// signalfdInfo is a siginfo_t in signalfd's form, by the layout that the signal
// and its code have (signalfd(2), sigaction(2)).
func signalfdInfo(i *SigInfo) (s abi.SignalfdSiginfo) {
	low, high := uint32(i.Union[0]), uint32(i.Union[0]>>32)
	s.Signo, s.Errno, s.Code = uint32(i.Signo), i.Errno, i.Code
	value := func() { s.Ptr, s.Int = i.Union[1], int32(uint32(i.Union[1])) }
	switch {
	case i.Code == abi.SI_TIMER:
		s.TID, s.Overrun = low, high
		value()
	case i.Code < 0:
		s.PID, s.UID = low, high
		value()
	case i.Code == abi.SI_USER || i.Code == abi.SI_KERNEL:
		s.PID, s.UID = low, high
	default:
		switch Signal(i.Signo) {
		case SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP:
			s.Addr = i.Union[0]
		case SIGCHLD:
			s.PID, s.UID, s.Status = low, high, int32(uint32(i.Union[1]))
		case SIGIO:
			s.Band, s.FD = low, int32(uint32(i.Union[1]))
		case SIGSYS:
			s.CallAddr, s.Syscall, s.Arch = i.Union[0], int32(uint32(i.Union[1])), uint32(i.Union[1]>>32)
		default:
			s.PID, s.UID = low, high
		}
	}
	return s
}
