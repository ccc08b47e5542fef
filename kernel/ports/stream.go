package ports

import (
	"sync"

	"gvisor.dev/gvisor/pkg/waiter"

	"skerry/kernel/abi"
	"skerry/kernel/hw/virtio/console"
	"skerry/kernel/usermem"
	"skerry/kernel/vfs"
)

// stream is standard output or standard error: to the program the writing end
// of a pipe.
type stream struct {
	vfs.BaseFile
	port *console.Port
	ino  uint64
	mu   sync.Mutex
	buf  [4096]byte
}

func newStream(p *console.Port, ino uint64) *stream { return &stream{port: p, ino: ino} }

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

// Stat shows a pipe.
func (s *stream) Stat(st *abi.Stat) abi.Errno {
	*st = pipeStat(s.ino)
	return abi.OK
}

func pipeStat(ino uint64) abi.Stat {
	return abi.Stat{Dev: 13, Ino: ino, Nlink: 1, Mode: abi.S_IFIFO | 0o600, UID: abi.ID, GID: abi.ID, Blksize: 4096}
}

// Readiness is the port's.
func (s *stream) Readiness(m waiter.EventMask) waiter.EventMask {
	return s.port.Readiness(m) & (m | waiter.EventErr | waiter.EventHUp) &^ waiter.ReadableEvents
}

// EventRegister and EventUnregister are the port's.
func (s *stream) EventRegister(e *waiter.Entry) error { return s.port.EventRegister(e) }

// EventUnregister undoes EventRegister.
func (s *stream) EventUnregister(e *waiter.Entry) { s.port.EventUnregister(e) }

// Stdin is what descriptor 0 is: a pipe that nobody writes to, at its end.
type Stdin struct{ vfs.BaseFile }

// Read is at end of file.
func (Stdin) Read(*usermem.Vec, int64) (int, abi.Errno) { return 0, abi.OK }

// Write answers EBADF: the descriptor is open for reading only.
func (Stdin) Write(*usermem.Vec, int64) (int, abi.Errno) { return 0, abi.EBADF }

// Stat shows a pipe.
func (Stdin) Stat(st *abi.Stat) abi.Errno {
	*st = pipeStat(0)
	return abi.OK
}

// Readiness shows a pipe whose last writer is gone.
func (Stdin) Readiness(m waiter.EventMask) waiter.EventMask { return m&0 | waiter.EventHUp }
