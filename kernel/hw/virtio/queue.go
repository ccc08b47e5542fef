package virtio

import "strconv"

// Bits of a descriptor's flags, virtio 1.2, 2.7.5.
const (
	descNext  = 1
	descWrite = 2
)

// flagNoInterrupt (available ring) and flagNoNotify (used ring) suppress the
// other side's notifications where event indices were not negotiated, virtio
// 1.2, 2.7.7 and 2.7.10.
const (
	flagNoInterrupt = 1
	flagNoNotify    = 1
)

// Seg is one piece of a buffer.
type Seg struct {
	Phys uint64
	Len  uint32 // bytes, not 0
}

// Queue is a split virtqueue, virtio 1.2, 2.7: three arrays in shared memory,
// of which the descriptors and the available ring are only ever written by us,
// and the used ring only read.
//
// Event indices are used where offered: a batch then costs one notification at
// most whoever is faster, and interrupts are off unless Arm asked for one, at
// no cost. Indirect descriptors are not: they save descriptors when chains are
// long, and ours are short (one buffer for a frame, two or three pieces for a
// small transfer, and long disk transfers are few and merged where memory is
// contiguous), while each costs the device a mapping of one more piece of our
// memory per request and us one more piece that a hostile device can rewrite.
//
// The driver serializes calls. No method allocates.
type Queue struct {
	dev   *Device
	index uint16
	size  uint16
	event bool // VIRTIO_F_EVENT_IDX

	desc, avail, used     uintptr
	usedEvent, availEvent uintptr
	bell                  Doorbell

	next      uint16 // available index behind the last chain that was added
	published uint16 // available index that the device can see
	seen      uint16 // used index up to which chains were taken back
	pass      uint16 // used index as it was read at the start of this pass
	flags     uint16 // of the available ring
	inDevice  uint16 // chains published and not taken back
	freeHead  uint16
	free      uint16 // descriptors that are in no chain

	chains []chain // the private shadow, one for each descriptor
}

// chain is what we remember of a descriptor and, on the first of a chain, of
// the chain.
type chain struct {
	next  uint16 // the following descriptor of the chain or of the free list
	count uint16 // descriptors in the chain that starts here; 0 if none does
	last  uint16 // the last of them
	pos   uint16 // its place in the available ring
	write uint32 // bytes that the device may write to it
}

// Queue makes queue index of the device, with at most limit entries (a power of
// two), before Start.
func (d *Device) Queue(index, limit uint16) (*Queue, error) {
	size := d.t.QueueMax(index)
	if size == 0 {
		return nil, d.Refuse("has no queue " + strconv.Itoa(int(index)))
	}
	// 2.7: the size is a power of two; a device that states another maximum
	// accepts the next smaller one on both transports.
	for size&(size-1) != 0 {
		size &= size - 1
	}
	size = min(size, limit)
	q := &Queue{dev: d, index: index, size: size, event: d.features&FeatureEventIdx != 0, free: size}
	n := uint32(size)
	// The parts of the rings as in 2.7, with two shifts that the specification
	// allows: the available ring lies so that its flags and index are one
	// aligned word, as its event index is (in a ring of one entry the latter is
	// not, but stays in one cache line); and the elements of the used ring (4
	// bytes behind its start) are aligned to their 8 bytes.
	availOff := 16 * n
	usedOff := (availOff+4+2*n+4+7)&^7 + 4
	m, ok := d.Alloc(usedOff+4+8*n+4, 16)
	if !ok {
		return nil, d.Refuse("no memory for queue " + strconv.Itoa(int(index)))
	}
	q.desc, q.avail, q.used = m.Addr, m.Part(availOff).Addr, m.Part(usedOff).Addr
	q.usedEvent = q.avail + 4 + 2*uintptr(n)
	q.availEvent = q.used + 4 + 8*uintptr(n)
	q.chains = make([]chain, size)
	for i := range q.chains {
		q.chains[i].next = uint16(i) + 1
	}
	if !q.event {
		q.flags = flagNoInterrupt
		publish(q.avail, uint32(q.flags))
	}
	bell, err := d.t.EnableQueue(index, Rings{size, m.Phys, m.Part(availOff).Phys, m.Part(usedOff).Phys}, d.line)
	if err != nil {
		d.Close()
		return nil, err
	}
	q.bell = bell
	return q, nil
}

// Size is the number of entries.
func (q *Queue) Size() int { return int(q.size) }

// Free is the number of descriptors that can be added now.
func (q *Queue) Free() int { return int(q.free) }

// InDevice is the number of chains that the device has.
func (q *Queue) InDevice() int { return int(q.inDevice) }

// Add makes a chain of segs; the first out of them are read by the device, the
// rest written (virtio 1.2, 2.7.4.2: in this order). It answers the chain's
// number, which Next gives back and which is unique until then. The device sees
// it at the next Kick. ok is false, and nothing happened, if there are not
// enough descriptors, a piece is empty, the whole exceeds 4 GiB, or the device
// failed.
func (q *Queue) Add(segs []Seg, out int) (head uint16, ok bool) {
	if len(segs) == 0 || len(segs) > int(q.free) || q.dev.Failed() {
		return 0, false
	}
	var all, write uint64
	for i := range segs {
		if segs[i].Len == 0 {
			return 0, false
		}
		all += uint64(segs[i].Len)
		if i >= out {
			write += uint64(segs[i].Len)
		}
	}
	if all > 1<<32-1 {
		return 0, false
	}
	head = q.freeHead
	at, last := head, head
	for i := range segs {
		c := &q.chains[at]
		var flags uint64
		if i >= out {
			flags = descWrite
		}
		if i < len(segs)-1 {
			flags |= descNext
		}
		d := q.desc + uintptr(at)*16
		put64(d, segs[i].Phys)
		put64(d+8, uint64(segs[i].Len)|flags<<32|uint64(c.next)<<48)
		last, at = at, c.next
	}
	q.commit(head, last, uint16(len(segs)), uint32(write), at)
	return head, true
}

// AddOne is Add for a buffer of one piece, which the device writes if write is
// true and reads otherwise.
func (q *Queue) AddOne(phys uint64, n uint32, write bool) (head uint16, ok bool) {
	if q.free == 0 || n == 0 || q.dev.Failed() {
		return 0, false
	}
	head = q.freeHead
	var flags uint64
	var writable uint32
	if write {
		flags, writable = descWrite, n
	}
	d := q.desc + uintptr(head)*16
	put64(d, phys)
	put64(d+8, uint64(n)|flags<<32)
	q.commit(head, head, 1, writable, q.chains[head].next)
	return head, true
}

// commit notes a chain and puts it into the available ring.
func (q *Queue) commit(head, last, count uint16, write uint32, rest uint16) {
	c := &q.chains[head]
	c.count, c.last, c.pos, c.write = count, last, q.next, write
	q.freeHead = rest
	q.free -= count
	put16(q.avail+4+uintptr(q.next&(q.size-1))*2, head)
	q.next++
}

// Kick shows the device what was added since the last Kick, and notifies it if
// it asked for that.
func (q *Queue) Kick() {
	old := q.published
	n := q.next - old
	if n == 0 || q.dev.Failed() {
		return
	}
	q.published = q.next
	q.inDevice += n
	publish(q.avail, uint32(q.flags)|uint32(q.next)<<16)
	if q.event {
		// 2.7.10: notify if the index that the device named was passed.
		if ev := uint16(Load32(q.availEvent)); q.next-ev-1 >= n {
			return
		}
	} else if Load32(q.used)&flagNoNotify != 0 {
		return
	}
	q.bell.Ring()
}

// Poll begins a pass: it reads the used index, once, and answers how many
// chains the device has returned; Next gives them.
func (q *Queue) Poll() int {
	if q.dev.Failed() {
		return 0
	}
	q.pass = uint16(Load32(q.used) >> 16)
	n := q.pass - q.seen
	if n > q.inDevice {
		q.violated("more buffers than it has")
		return 0
	}
	return int(n)
}

// Next takes back the next chain of this pass: its number and how many bytes
// the device says it wrote to it, at most as many as it was offered. ok is
// false at the end of the pass, or if the device broke the rules and is failed
// now.
func (q *Queue) Next() (head uint16, n uint32, ok bool) {
	if q.seen == q.pass || q.dev.Failed() {
		return 0, 0, false
	}
	// One load for both halves of the element (2.7.8): le32 id, le32 len.
	e := Load64(q.used + 4 + uintptr(q.seen&(q.size-1))*8)
	id := uint32(e)
	n = uint32(e >> 32)
	if id >= uint32(len(q.chains)) {
		return q.violated("a buffer that does not exist")
	}
	c := &q.chains[id]
	// A chain is the device's from the Kick that published its place.
	if c.count == 0 || int16(q.published-c.pos) <= 0 {
		return q.violated("a buffer that it does not have")
	}
	if n > c.write {
		return q.violated("more bytes than its buffer has")
	}
	q.seen++
	q.inDevice--
	q.chains[c.last].next = q.freeHead
	q.freeHead = uint16(id)
	q.free += c.count
	c.count = 0
	return uint16(id), n, true
}

// violated fails the device and ends the pass.
//
//go:noinline
func (q *Queue) violated(what string) (uint16, uint32, bool) {
	q.pass = q.seen
	q.dev.Fail("returned " + what + " in queue " + strconv.Itoa(int(q.index)))
	return 0, 0, false
}

// Arm asks for an interrupt at the next returned chain and then begins a pass,
// since the device may have returned one before it saw the wish: only if the
// answer is 0 may the driver sleep.
func (q *Queue) Arm() int { return q.ArmAfter(1) }

// ArmAfter is Arm for the n-th chain from now, as far as the device can count:
// with fewer chains in the device, or without event indices, it is an earlier
// one. The pass has at least n chains, or the interrupt is still to come.
func (q *Queue) ArmAfter(n int) int {
	if q.event {
		n = max(1, min(n, int(q.inDevice)))
		publish(q.usedEvent, uint32(q.seen+uint16(n)-1))
	} else if q.flags != 0 {
		q.flags = 0
		publish(q.avail, uint32(q.published)<<16)
	}
	return q.Poll()
}

// Disarm asks for no interrupts: while a burst is worked on, and for queues
// that are looked at anyway. With event indices nothing has to be said: the
// index that Arm named lies behind, and comes round once in 65,536 chains.
func (q *Queue) Disarm() {
	if !q.event && q.flags == 0 {
		q.flags = flagNoInterrupt
		publish(q.avail, flagNoInterrupt|uint32(q.published)<<16)
	}
}
