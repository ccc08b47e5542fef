package vfs

import (
	"sync/atomic"

	"gvisor.dev/gvisor/pkg/waiter"

	"skerry/kernel/abi"
	"skerry/kernel/usermem"
	"skerry/kernel/wait"
)

// pipeEnd is the File of one end of a pipe, or of both for a FIFO opened with
// O_RDWR.
type pipeEnd struct {
	p      *Pipe
	reads  bool
	writes bool
	// seen is Pipe.writeOpens when a FIFO's reader was opened: it sees no hang-up
	// before there was a writer.
	seen uint32
	// alone says that the other end was not open when this one was opened, and reads and
	// writes are the counts of opens at that moment: whoever opens it then is seen, though
	// he may have closed it again by the time that anyone looks.
	alone                 bool
	readsThen, writesThen uint32
	fifo                  Inode // nil for a pipe without a name
	// direct says that what is written here are packets.
	direct atomic.Bool
}

// Read implements File.
func (f *pipeEnd) Read(v *usermem.Vec, _ int64) (int, abi.Errno) { return f.p.read(v) }

// Write implements File.
func (f *pipeEnd) Write(v *usermem.Vec, _ int64) (int, abi.Errno) {
	return f.p.write(v, f.direct.Load())
}

// Stream makes blocking writes complete.
func (f *pipeEnd) Stream() bool { return true }

// SetDirect turns packets on or off for what is written from now on.
func (f *pipeEnd) SetDirect(on bool) { f.direct.Store(on) }

// Seekable is false.
func (f *pipeEnd) Seekable() bool { return false }

// Release closes the end.
func (f *pipeEnd) Release() { f.p.close(f.reads, f.writes) }

// EventRegister implements waiter.Waitable.
func (f *pipeEnd) EventRegister(e *waiter.Entry) error { return f.queue().EventRegister(e) }

// EventUnregister implements waiter.Waitable.
func (f *pipeEnd) EventUnregister(e *waiter.Entry) { f.queue().EventUnregister(e) }

func (f *pipeEnd) queue() *Queue {
	switch {
	case !f.writes:
		return &f.p.readQ
	case !f.reads:
		return &f.p.writeQ
	}
	return &f.p.bothQ
}

// Readiness is what poll(2) says of a pipe: readable with bytes, hang-up without
// writers; writable with a free slot, error without readers.
func (f *pipeEnd) Readiness(mask waiter.EventMask) waiter.EventMask {
	p := f.p
	m := waiter.EventMask(0)
	p.mu.Lock()
	if f.reads {
		if !p.empty() {
			m |= waiter.ReadableEvents
		}
		if p.writers == 0 && f.seen != p.writeOpens {
			m |= waiter.EventHUp
		}
	}
	if f.writes {
		if !p.full() {
			m |= waiter.WritableEvents
		}
		if p.readers == 0 {
			m |= waiter.EventErr
		}
	}
	p.mu.Unlock()
	return m & (mask | waiter.EventErr | waiter.EventHUp)
}

// Stat shows a pipe, or the FIFO's inode.
func (f *pipeEnd) Stat(st *abi.Stat) abi.Errno {
	if f.fifo != nil {
		return f.fifo.Stat(st)
	}
	return PipeStat(st, f.p.ino)
}

// PipeStat is fstat(2) on a pipe with the given inode number, for files outside
// of this package that are pipes to the program.
func PipeStat(st *abi.Stat, ino uint64) abi.Errno {
	*st = abi.Stat{Dev: anonDev, Ino: ino, Nlink: 1, Mode: abi.S_IFIFO | 0o600,
		UID: abi.ID, GID: abi.ID, Blksize: pageSize}
	return abi.OK
}

// Ioctl knows FIONREAD.
func (f *pipeEnd) Ioctl(cmd uint32, arg uintptr) (uintptr, abi.Errno) {
	if cmd != abi.FIONREAD {
		return 0, abi.ENOTTY
	}
	return 0, usermem.Store32(arg, uint32(f.p.queued()))
}

// Fcntl knows the size.
func (f *pipeEnd) Fcntl(cmd int, arg uint64) (int, abi.Errno) {
	switch cmd {
	case abi.F_GETPIPE_SZ:
		f.p.mu.Lock()
		defer f.p.mu.Unlock()
		return len(f.p.slots) * pageSize, abi.OK
	case abi.F_SETPIPE_SZ:
		return f.p.setSize(uint64(uint32(arg)))
	}
	return 0, abi.EINVAL
}

// Name is what /proc/self/fd shows.
func (f *pipeEnd) Name() string { return "pipe:[" + itoa(f.p.ino) + "]" }

// Reopen opens an end of the same pipe.
func (f *pipeEnd) Reopen(flags uint32) (File, abi.Errno) {
	n, e := f.p.open(flags, f.fifo)
	if e != abi.OK {
		return nil, e
	}
	return n, abi.OK
}

// open adds an end by an access mode. EINVAL for an access mode that is none.
func (p *Pipe) open(flags uint32, fifo Inode) (*pipeEnd, abi.Errno) {
	f := &pipeEnd{p: p, fifo: fifo}
	switch flags & abi.O_ACCMODE {
	case abi.O_RDONLY:
		f.reads = true
	case abi.O_WRONLY:
		f.writes = true
	case abi.O_RDWR:
		f.reads, f.writes = true, true
	default:
		return nil, abi.EINVAL
	}
	p.mu.Lock()
	if p.slots == nil {
		p.slots = make([]pipeSlot, pipePages)
		pipePagesAll.Add(pipePages)
	}
	if f.reads {
		p.readers++
		p.readOpens++
	}
	if f.writes {
		p.writers++
		p.writeOpens++
	} else if p.writers == 0 {
		f.seen = p.writeOpens
	} else {
		f.seen = p.writeOpens - 1
	}
	f.alone = f.reads && p.writers == 0 || f.writes && p.readers == 0
	f.readsThen, f.writesThen = p.readOpens, p.writeOpens
	p.mu.Unlock()
	p.openQ.Notify(waiter.EventInternal)
	return f, abi.OK
}

// FIFO is the pipe behind a name; file systems embed it in the inode. The zero
// value is ready.
type FIFO struct{ p Pipe }

// open is what open(2) on a FIFO does, fifo(7): the two ends wait for each other,
// unless O_NONBLOCK says that the reader need not and the writer cannot.
func (f *FIFO) open(w *wait.Waiter, ino Inode, flags uint32) (File, abi.Errno) {
	p := &f.p
	if flags&abi.O_DIRECT != 0 {
		return nil, abi.EINVAL
	}
	if flags&(abi.O_ACCMODE|abi.O_NONBLOCK) == abi.O_WRONLY|abi.O_NONBLOCK {
		p.mu.Lock()
		alone := p.readers == 0
		p.mu.Unlock()
		if alone {
			return nil, abi.ENXIO
		}
	}
	end, e := p.open(flags, ino)
	if e != abi.OK {
		return nil, e
	}
	if flags&abi.O_NONBLOCK == 0 && end.reads != end.writes {
		if e := p.awaitPeer(w, end); e != abi.OK {
			end.Release()
			return nil, e
		}
	}
	return end, abi.OK
}

// awaitPeer sleeps until the other end is, or has been, opened.
func (p *Pipe) awaitPeer(w *wait.Waiter, end *pipeEnd) abi.Errno {
	if !end.alone {
		return abi.OK
	}
	_, e := w.Retry((*pipeOpeners)(p), waiter.EventInternal, wait.Forever, func() (int, abi.Errno) {
		p.mu.Lock()
		defer p.mu.Unlock()
		if end.reads && p.writeOpens != end.writesThen || end.writes && p.readOpens != end.readsThen {
			return 0, abi.OK
		}
		return 0, abi.EAGAIN
	})
	return e
}

// pipeOpeners is a Pipe as those wait for it who open it.
type pipeOpeners Pipe

// Readiness is nothing by itself: who waits looks at the counts.
func (p *pipeOpeners) Readiness(waiter.EventMask) waiter.EventMask { return 0 }

// EventRegister implements waiter.Waitable.
func (p *pipeOpeners) EventRegister(e *waiter.Entry) error { return p.openQ.EventRegister(e) }

// EventUnregister implements waiter.Waitable.
func (p *pipeOpeners) EventUnregister(e *waiter.Entry) { p.openQ.EventUnregister(e) }
