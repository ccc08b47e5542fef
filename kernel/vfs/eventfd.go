package vfs

import (
	"encoding/binary"
	"sync/atomic"

	"gvisor.dev/gvisor/pkg/waiter"

	"skerry/kernel/abi"
	"skerry/kernel/usermem"
)

// eventFD is an eventfd(2): a counter. It needs no lock.
type eventFD struct {
	Queue
	n         atomic.Uint64
	semaphore bool
	ino       uint64
}

// eventMax is the largest count that a write may lead to.
const eventMax = 1<<64 - 2

// NewEventFD is eventfd2(2), flags EFD_SEMAPHORE and O_NONBLOCK (EFD_CLOEXEC is
// the descriptor's).
func NewEventFD(initial uint32, flags uint32) (*Description, abi.Errno) {
	if flags&^(abi.EFD_SEMAPHORE|abi.O_NONBLOCK|abi.O_CLOEXEC) != 0 {
		return nil, abi.EINVAL
	}
	f := &eventFD{semaphore: flags&abi.EFD_SEMAPHORE != 0, ino: NewIno()}
	f.n.Store(uint64(initial))
	return NewDescription(f, abi.O_RDWR|flags&abi.O_NONBLOCK), abi.OK
}

// Read takes the count, or one of it, as 8 bytes. EAGAIN while it is 0.
func (f *eventFD) Read(v *usermem.Vec, _ int64) (int, abi.Errno) {
	if v.Len() < 8 {
		return 0, abi.EINVAL
	}
	for {
		n := f.n.Load()
		if n == 0 {
			return 0, abi.EAGAIN
		}
		take := n
		if f.semaphore {
			take = 1
		}
		if !f.n.CompareAndSwap(n, n-take) {
			continue
		}
		f.Notify(waiter.EventOut)
		var b [8]byte
		binary.LittleEndian.PutUint64(b[:], take)
		return v.CopyOut(b[:])
	}
}

// Write adds to the count, 8 bytes and no more. EAGAIN if it would pass the
// largest one.
func (f *eventFD) Write(v *usermem.Vec, _ int64) (int, abi.Errno) {
	if v.Len() != 8 {
		return 0, abi.EINVAL
	}
	w := *v // the vector stays as it is if the call has to wait
	var b [8]byte
	if _, e := w.CopyIn(b[:]); e != abi.OK {
		return 0, e
	}
	add := binary.LittleEndian.Uint64(b[:])
	if add > eventMax {
		return 0, abi.EINVAL
	}
	for {
		n := f.n.Load()
		if n > eventMax-add {
			return 0, abi.EAGAIN
		}
		if f.n.CompareAndSwap(n, n+add) {
			break
		}
	}
	f.Notify(waiter.EventIn)
	return 8, abi.OK
}

// Readiness: readable above 0, writable if 1 can be added.
func (f *eventFD) Readiness(mask waiter.EventMask) waiter.EventMask {
	n := f.n.Load()
	m := waiter.EventMask(0)
	if n > 0 {
		m |= waiter.EventIn
	}
	if n < eventMax {
		m |= waiter.EventOut
	}
	return m & mask
}

// Stat shows an anonymous inode.
func (f *eventFD) Stat(st *abi.Stat) abi.Errno { return anonStat(st, f.ino) }

// Ioctl knows nothing.
func (f *eventFD) Ioctl(uint32, uintptr) (uintptr, abi.Errno) { return 0, abi.ENOTTY }

// Positionless makes lseek(2) do nothing.
func (f *eventFD) Positionless() {}

// Seekable is false.
func (f *eventFD) Seekable() bool { return false }

// Release has nothing to give back.
func (f *eventFD) Release() {}

// Name is what /proc/self/fd shows.
func (f *eventFD) Name() string { return "anon_inode:[eventfd]" }

// FDInfo shows the count, proc(5).
func (f *eventFD) FDInfo(b []byte) []byte {
	b = append(b, "eventfd-count: "...)
	s := hex(f.n.Load())
	for i := len(s); i < 16; i++ {
		b = append(b, ' ')
	}
	return append(append(b, s...), '\n')
}

// AnonymousStat is fstat(2) on a file of another package that has only a number.
func AnonymousStat(st *abi.Stat, ino uint64) abi.Errno { return anonStat(st, ino) }

// anonStat is fstat(2) on a file that has only a number.
func anonStat(st *abi.Stat, ino uint64) abi.Errno {
	*st = abi.Stat{Dev: anonDev, Ino: ino, Nlink: 1, Mode: 0o600, UID: abi.ID, GID: abi.ID, Blksize: pageSize}
	return abi.OK
}
