package console

import (
	"strconv"
	"sync"
	"sync/atomic"

	"gvisor.dev/gvisor/pkg/waiter"

	"skerry/kernel/abi"
	"skerry/kernel/hw/virtio"
	"skerry/kernel/wait"
)

const (
	// maxChains is how many pieces of output are in the device at once. What
	// is written beyond is collected and goes out as one piece when the device
	// returns one, so that many small writes become few large transfers.
	maxChains = 16
	// atomicWrite is the size up to which a write is taken whole or not at
	// all, as PIPE_BUF is for a pipe (pipe(7)).
	atomicWrite = 4096
	minOutput   = atomicWrite
	maxOutput   = 1 << 20
)

// Port is one channel. It is a waiter.Waitable: EventOut is room for a write of
// 4096 bytes, EventHUp the host's end closed (after it was open) or the device
// failed.
type Port struct {
	c      *Console
	id     uint32
	q      waiter.Queue
	hangUp func()
	onData func(b []byte)
	name   atomic.Pointer[string]
	added  atomic.Bool // the device says that it exists

	// Output: a ring of bytes. Positions count bytes since the start: what is
	// below freed the device has returned, up to given it has been given, up
	// to end is written.
	mu     sync.Mutex
	out    *virtio.Queue
	mem    virtio.Memory
	size   uint64
	freed  uint64
	given  uint64
	end    uint64
	chains [maxChains]piece // a ring too, in the order in which they were given
	first  uint8
	count  uint8
	open   bool // the host's end
	hung   bool // it was, or the device failed
	wanted bool // someone was told that there is no room

	owed uint8 // control messages; the driver's goroutine's

	// Input, the driver's goroutine's.
	in    *virtio.Queue
	inMem virtio.Memory
	inOf  [inputQueueLen]uint8
	taken bool // buffers are posted
}

// piece is output that the device has.
type piece struct {
	head uint16
	done bool
	n    uint32
}

var _ waiter.Waitable = (*Port)(nil)

func (c *Console) makePort(i int, o *PortOptions) (err error) {
	dev := c.dev
	size := o.Output
	if size == 0 {
		size = defaultOutput
	}
	if size < minOutput || size > maxOutput || size&(size-1) != 0 {
		return dev.Refuse("cannot have an output ring of " + strconv.FormatUint(uint64(size), 10) + " bytes")
	}
	p := &Port{c: c, id: uint32(i), size: uint64(size), hangUp: o.HangUp, onData: o.Input}
	var ok bool
	if p.mem, ok = dev.Alloc(size, 8); !ok {
		return dev.Refuse("no memory for output")
	}
	// A piece has two descriptors where it goes over the end of the ring.
	if p.out, err = dev.Queue(inputQueue(i)+1, 2*maxChains); err != nil {
		return err
	}
	if p.out.Size() < 2 {
		return dev.Refuse("has too small a queue for port " + strconv.Itoa(i))
	}
	p.out.Disarm()
	if p.onData != nil {
		if p.in, err = dev.Queue(inputQueue(i), inputQueueLen); err != nil {
			return err
		}
		if p.inMem, ok = dev.Alloc(inputBuffer*inputQueueLen, 8); !ok {
			return dev.Refuse("no memory for input")
		}
	}
	c.ports[i] = p
	return nil
}

// Name is the port's name as the host gave it, "" before that.
func (p *Port) Name() string {
	if s := p.name.Load(); s != nil {
		return *s
	}
	return ""
}

// Open reports whether the host's end is open.
func (p *Port) Open() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.open
}

// AwaitOpen waits until the host's end has opened, or has closed again, or for the deadline
// on the clock of wait.Now. Not to be called from a port's callbacks.
func (p *Port) AwaitOpen(deadline int64) {
	var w wait.Waiter
	var e waiter.Entry
	e.Init(&w, waiter.EventOut|waiter.EventHUp)
	p.EventRegister(&e)
	defer p.EventUnregister(&e)
	for {
		p.mu.Lock()
		done := p.open || p.hung || p.c.dev.Failed()
		p.mu.Unlock()
		if done || w.Sleep(deadline) != abi.OK {
			return
		}
	}
}

// Readiness implements waiter.Waitable. Whoever is told that there is no room
// hears of it when there is.
func (p *Port) Readiness(mask waiter.EventMask) (r waiter.EventMask) {
	p.mu.Lock()
	switch {
	case p.hung:
		r = waiter.EventHUp | waiter.EventErr | waiter.EventOut // a write answers at once
	case p.hasRoom(atomicWrite):
		r = waiter.EventOut
	}
	p.mu.Unlock()
	return r & mask
}

// EventRegister implements waiter.Waitable.
func (p *Port) EventRegister(e *waiter.Entry) error {
	p.q.EventRegister(e)
	return nil
}

// EventUnregister implements waiter.Waitable.
func (p *Port) EventUnregister(e *waiter.Entry) { p.q.EventUnregister(e) }

// setOpen notes that the host's end was opened or closed. Output that a closed
// end has not taken is dropped, as it is for a pipe whose reader is gone.
func (p *Port) setOpen(open bool) {
	p.mu.Lock()
	was := p.open
	p.open = open
	failed := p.c.dev.Failed()
	closed := !open && (was || failed && !p.hung)
	if open {
		p.hung = false
		p.submit()
	} else if closed {
		p.hung = true
		p.end = p.given
	}
	p.mu.Unlock()
	switch {
	case open && !was:
		p.q.Notify(waiter.EventOut)
	case closed:
		p.q.Notify(waiter.EventHUp | waiter.EventErr | waiter.EventOut)
		p.c.drain.Notify(waiter.EventOut)
		if p.hangUp != nil {
			p.hangUp()
		}
	}
}

// Write takes as much of b as there is room for and answers how much that is,
// without waiting: EAGAIN if it is nothing, EPIPE if the host has closed its
// end, EIO if the device failed. Up to 4096 bytes are taken whole or not at
// all. Safe for concurrent use.
func (p *Port) Write(b []byte) (n int, e abi.Errno) {
	if len(b) == 0 {
		return 0, abi.OK
	}
	p.mu.Lock()
	switch {
	case p.c.dev.Failed():
		e = abi.EIO
	case p.hung:
		e = abi.EPIPE
	default:
		want := uint64(len(b))
		if want > atomicWrite {
			want = 1
		}
		if !p.hasRoom(want) {
			e = abi.EAGAIN
			break
		}
		n = int(min(uint64(len(b)), p.size-(p.end-p.freed)))
		p.copyIn(b[:n])
		p.submit()
	}
	p.mu.Unlock()
	return n, e
}

// copyIn copies b behind the end. The caller has checked that it fits.
func (p *Port) copyIn(b []byte) {
	ring := p.mem.Bytes(uint32(p.size))
	at := p.end & (p.size - 1)
	k := copy(ring[at:], b)
	copy(ring, b[k:])
	p.end += uint64(len(b))
}
