package vfs

import (
	"sync"
	"sync/atomic"

	"gvisor.dev/gvisor/pkg/waiter"

	"skerry/kernel/abi"
	"skerry/kernel/ground/frame"
	"skerry/kernel/usermem"
)

// Sizes of pipes, pipe(7), in pages.
const (
	pipePages    = 16       // 64 KiB
	pipeMaxPages = 256      // 1 MiB, /proc/sys/fs/pipe-max-size
	pipeSoftMax  = 16384    // pages of all pipes, after which new ones are small
	pipeSmall    = 2        // pages of a new pipe then
	pipeAtomic   = pageSize // PIPE_BUF
)

// pipePagesAll is the capacity of all pipes in pages.
var pipePagesAll atomic.Int64

// Pipe is the buffer behind a pipe or FIFO: a ring of slots, one frame each. A
// write goes to new slots, but for a part that fits behind the last one's bytes,
// so a write of at most PIPE_BUF bytes needs one free slot and is atomic.
//
// mu is held over the copies from and to the program: page faults inside never
// want it.
type Pipe struct {
	// Who waits at the reading end, at the writing end, at a FIFO's end that is
	// both, and to open a FIFO. Each end hears only of what is its business.
	readQ, writeQ, bothQ, openQ Queue

	ino uint64

	mu      sync.Mutex
	slots   []pipeSlot // length a power of two
	head    uint32     // next to be written; counts on for ever
	tail    uint32     // next to be read
	spare   [2]frame.PFN
	nspare  int
	readers int
	writers int

	// opened counts opens for reading and writing, which opens of a FIFO wait
	// for (fifo(7)).
	readOpens, writeOpens uint32
}

// pipeSlot is a part of one frame that holds bytes. One that is a packet is read
// by one read, which loses what it has no room for (O_DIRECT, pipe(2)).
type pipeSlot struct {
	page   frame.PFN
	off, n uint16 // off+n ≤ pageSize
	packet bool
}

func newPipe() *Pipe {
	p := &Pipe{ino: NewIno()}
	n := int64(pipePages)
	if pipePagesAll.Add(n) > pipeSoftMax {
		pipePagesAll.Add(pipeSmall - n)
		n = pipeSmall
	}
	p.slots = make([]pipeSlot, n)
	return p
}

// NewPipe is pipe2(2) with flags O_NONBLOCK and O_DIRECT (O_CLOEXEC is the
// descriptor's); others are EINVAL. Both references are the caller's.
func NewPipe(flags uint32) (r, w *Description, e abi.Errno) {
	if flags&^(abi.O_NONBLOCK|abi.O_CLOEXEC|abi.O_DIRECT) != 0 {
		return nil, nil, abi.EINVAL
	}
	p := newPipe()
	p.readers, p.writers = 1, 1
	p.readOpens, p.writeOpens = 1, 1
	r = NewDescription(&pipeEnd{p: p, reads: true}, abi.O_RDONLY|flags&abi.O_NONBLOCK)
	in := &pipeEnd{p: p, writes: true}
	in.SetDirect(flags&abi.O_DIRECT != 0)
	w = NewDescription(in, abi.O_WRONLY|flags)
	return r, w, abi.OK
}

func (p *Pipe) empty() bool { return p.head == p.tail }

func (p *Pipe) full() bool { return p.head-p.tail >= uint32(len(p.slots)) }

func (p *Pipe) slot(i uint32) *pipeSlot { return &p.slots[i&uint32(len(p.slots)-1)] }

// takePage is a frame for a new slot, or 0.
func (p *Pipe) takePage() frame.PFN {
	if p.nspare > 0 {
		p.nspare--
		return p.spare[p.nspare]
	}
	return AllocPage(false)
}

// givePage keeps a frame for later, or frees it.
func (p *Pipe) givePage(f frame.PFN) {
	if p.nspare < len(p.spare) {
		p.spare[p.nspare] = f
		p.nspare++
		return
	}
	f.Unref()
}

// read moves bytes to v. EAGAIN if there are none but may be some later.
func (p *Pipe) read(v *usermem.Vec) (int, abi.Errno) {
	if v.Len() == 0 {
		return 0, abi.OK
	}
	p.mu.Lock()
	if p.empty() {
		e := abi.EAGAIN
		if p.writers == 0 {
			e = abi.OK
		}
		p.mu.Unlock()
		return 0, e
	}
	wasFull := p.full()
	done := 0
	e := abi.OK
	for v.Len() > 0 && !p.empty() {
		s := p.slot(p.tail)
		n, errno := v.CopyOut(s.page.Bytes()[s.off : s.off+s.n])
		s.off += uint16(n)
		s.n -= uint16(n)
		done += n
		packet := s.packet && errno == abi.OK
		if s.n == 0 || packet {
			p.givePage(s.page)
			s.page = 0
			p.tail++
		}
		if packet {
			break
		}
		if errno != abi.OK {
			e = errno
			break
		}
	}
	freed := wasFull && !p.full()
	p.mu.Unlock()
	if freed {
		p.tellWriters(waiter.WritableEvents)
	}
	if done > 0 {
		e = abi.OK
	}
	return done, e
}

// write takes bytes from v. EAGAIN if there is no room for any, or not for all
// of at most PIPE_BUF bytes. With packet set each page of it, or what there is,
// is a packet.
func (p *Pipe) write(v *usermem.Vec, packet bool) (int, abi.Errno) {
	if v.Len() == 0 {
		return 0, abi.OK
	}
	p.mu.Lock()
	done, e := 0, abi.EPIPE
	if p.readers != 0 {
		done, e = p.fill(v, packet)
	}
	p.mu.Unlock()
	// Readers hear of each write, even one that found no room: edge-triggered
	// epoll reports as many events as on Linux.
	p.tellReaders(waiter.ReadableEvents)
	if done > 0 {
		e = abi.OK
	}
	return done, e
}

// fill is write's loop. The caller holds mu.
func (p *Pipe) fill(v *usermem.Vec, packet bool) (int, abi.Errno) {
	done := 0
	if odd := v.Len() & (pageSize - 1); odd != 0 && !p.empty() {
		s := p.slot(p.head - 1)
		if at := int(s.off + s.n); at+odd <= pageSize && !s.packet {
			n, e := v.CopyIn(s.page.Bytes()[at : at+odd])
			s.n += uint16(n)
			done = n
			if e != abi.OK {
				return done, e
			}
		}
	}
	for v.Len() > 0 {
		if p.full() {
			return done, abi.EAGAIN
		}
		page := p.takePage()
		if page == 0 {
			return done, abi.ENOMEM
		}
		n, e := v.CopyIn(page.Bytes())
		if n == 0 {
			p.givePage(page)
			return done, e
		}
		*p.slot(p.head) = pipeSlot{page: page, n: uint16(n), packet: packet}
		p.head++
		done += n
		if e != abi.OK {
			return done, e
		}
	}
	return done, abi.OK
}

// queued is the number of bytes in the pipe, FIONREAD.
func (p *Pipe) queued() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for i := p.tail; i != p.head; i++ {
		n += int(p.slot(i).n)
	}
	return n
}

// setSize is F_SETPIPE_SZ, fcntl(2): a power of two of pages, not less than what
// is in use (EBUSY), not more than 1 MiB (EPERM).
func (p *Pipe) setSize(bytes uint64) (int, abi.Errno) {
	if bytes > 1<<31 {
		return 0, abi.EINVAL
	}
	n := uint32(1)
	for uint64(n)*pageSize < bytes {
		n *= 2
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if n > uint32(len(p.slots)) {
		if n > pipeMaxPages || pipePagesAll.Load()+int64(n) > 4*pipeSoftMax {
			return 0, abi.EPERM
		}
	}
	used := p.head - p.tail
	if n < used {
		return 0, abi.EBUSY
	}
	wasFull := p.full()
	slots := make([]pipeSlot, n)
	for i := uint32(0); i < used; i++ {
		slots[i] = *p.slot(p.tail + i)
	}
	pipePagesAll.Add(int64(n) - int64(len(p.slots)))
	p.slots, p.tail, p.head = slots, 0, used
	if wasFull && !p.full() {
		p.tellWriters(waiter.WritableEvents)
	}
	return int(n) * pageSize, abi.OK
}

// close takes ends away. When both are gone the frames are freed; a FIFO starts
// anew at its next open.
func (p *Pipe) close(reads, writes bool) {
	p.mu.Lock()
	if reads {
		p.readers--
	}
	if writes {
		p.writers--
	}
	if p.readers == 0 && p.writers == 0 {
		for ; p.tail != p.head; p.tail++ {
			p.slot(p.tail).page.Unref()
		}
		for ; p.nspare > 0; p.nspare-- {
			p.spare[p.nspare-1].Unref()
		}
		pipePagesAll.Add(-int64(len(p.slots)))
		p.slots = nil
		p.head, p.tail = 0, 0
	}
	gone := (p.readers == 0) != (p.writers == 0)
	p.mu.Unlock()
	if gone {
		p.tellReaders(waiter.ReadableEvents | waiter.EventErr | waiter.EventHUp)
		p.tellWriters(waiter.WritableEvents | waiter.EventErr | waiter.EventHUp)
	}
}

func (p *Pipe) tellReaders(m waiter.EventMask) {
	p.readQ.Notify(m)
	p.bothQ.Notify(m)
}

func (p *Pipe) tellWriters(m waiter.EventMask) {
	p.writeQ.Notify(m)
	p.bothQ.Notify(m)
}

// MaxPipeSize is the largest capacity of a pipe in bytes.
const MaxPipeSize = pipeMaxPages * pageSize
