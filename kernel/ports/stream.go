package ports

import (
	"strconv"
	"sync"

	"gvisor.dev/gvisor/pkg/waiter"

	"skerry/kernel/abi"
	"skerry/kernel/hw/virtio/console"
	"skerry/kernel/usermem"
	"skerry/kernel/vfs"
)

// stream is standard output or standard error: to the program the writing end
// of a pipe whose reader is outside of the machine.
type stream struct {
	vfs.BaseFile
	port *console.Port
	ino  uint64
	mu   sync.Mutex
	buf  [4096]byte
}

func newStream(p *console.Port) *stream { return &stream{port: p, ino: vfs.NewIno()} }

// Stdout and Stderr are the files behind descriptors 1 and 2.
func (p *Ports) Stdout() vfs.File { return p.out }

// Stderr is standard error.
func (p *Ports) Stderr() vfs.File { return p.err }

// Write sends what fits now, in pieces that the port takes whole.
func (s *stream) Write(v *usermem.Vec, _ int64) (int, abi.Errno) {
	s.mu.Lock()
	defer s.mu.Unlock()
	done := 0
	for v.Len() > 0 {
		// Room first, since what was taken from the program must go out. Only
		// this method fills the port.
		if s.port.Readiness(waiter.EventOut)&waiter.EventOut == 0 {
			if done > 0 {
				return done, abi.OK
			}
			return 0, abi.EAGAIN
		}
		n, e := v.CopyIn(s.buf[:min(v.Len(), len(s.buf))])
		if n > 0 {
			if _, e := s.port.Write(s.buf[:n]); e != abi.OK {
				if done > 0 {
					return done, abi.OK
				}
				if e == abi.EIO {
					e = abi.EPIPE
				}
				return 0, e
			}
			done += n
		}
		if e != abi.OK {
			if done > 0 {
				return done, abi.OK
			}
			return 0, e
		}
	}
	return done, abi.OK
}

// Read answers EBADF: the descriptor is open for writing only.
func (s *stream) Read(*usermem.Vec, int64) (int, abi.Errno) { return 0, abi.EBADF }

// Stream makes blocking writes complete, as on a pipe.
func (s *stream) Stream() bool { return true }

// Name is what /proc/self/fd shows.
func (s *stream) Name() string { return pipeName(s.ino) }

// Reopen is open(2) of /dev/stdout and its like: for writing only, since what is
// in this pipe is the launcher's to read.
func (s *stream) Reopen(flags uint32) (vfs.File, abi.Errno) {
	return reopen(s, flags, abi.O_WRONLY)
}

// reopen opens f again if that asks for the one access mode that it has.
func reopen(f vfs.File, flags, mode uint32) (vfs.File, abi.Errno) {
	switch m := flags & abi.O_ACCMODE; {
	case m == abi.O_ACCMODE:
		return nil, abi.EINVAL
	case m != mode:
		return nil, abi.EACCES
	}
	return f, abi.OK
}

// Stat shows a pipe.
func (s *stream) Stat(st *abi.Stat) abi.Errno { return vfs.PipeStat(st, s.ino) }

func pipeName(ino uint64) string { return "pipe:[" + strconv.FormatUint(ino, 10) + "]" }

// Readiness is the port's. Without a reader the writing end of a pipe shows an
// error, poll(2), and no hang-up.
func (s *stream) Readiness(m waiter.EventMask) waiter.EventMask {
	return s.port.Readiness((m | waiter.EventErr) &^ (waiter.ReadableEvents | waiter.EventHUp))
}

// EventRegister and EventUnregister are the port's.
func (s *stream) EventRegister(e *waiter.Entry) error { return s.port.EventRegister(e) }

// EventUnregister undoes EventRegister.
func (s *stream) EventUnregister(e *waiter.Entry) { s.port.EventUnregister(e) }

// stdin is what descriptor 0 is: a pipe that nobody writes to, at its end.
type stdin struct {
	vfs.BaseFile
	ino uint64
}

// NewStdin makes the file behind descriptor 0.
func NewStdin() vfs.File { return &stdin{ino: vfs.NewIno()} }

// Read is at end of file.
func (s *stdin) Read(*usermem.Vec, int64) (int, abi.Errno) { return 0, abi.OK }

// Write answers EBADF: the descriptor is open for reading only.
func (s *stdin) Write(*usermem.Vec, int64) (int, abi.Errno) { return 0, abi.EBADF }

// Stat shows a pipe.
func (s *stdin) Stat(st *abi.Stat) abi.Errno { return vfs.PipeStat(st, s.ino) }

// Name is what /proc/self/fd shows.
func (s *stdin) Name() string { return pipeName(s.ino) }

// Reopen is open(2) of /dev/stdin: for reading only.
func (s *stdin) Reopen(flags uint32) (vfs.File, abi.Errno) { return reopen(s, flags, abi.O_RDONLY) }

// Ioctl knows FIONREAD: nothing is there to read.
func (s *stdin) Ioctl(cmd uint32, arg uintptr) (uintptr, abi.Errno) {
	if cmd != abi.FIONREAD {
		return 0, abi.ENOTTY
	}
	return 0, usermem.Store32(arg, 0)
}

// Readiness shows a pipe whose last writer is gone.
func (s *stdin) Readiness(m waiter.EventMask) waiter.EventMask { return m&0 | waiter.EventHUp }
