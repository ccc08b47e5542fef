package blk

import (
	"encoding/binary"
	"time"

	"skerry/kernel/abi"
	"skerry/kernel/ground/arch"
	"skerry/kernel/hw/block"
	"skerry/kernel/hw/virtio"
	"skerry/kernel/wait"
)

// struct virtio_blk_req, virtio 1.2, 5.2.6: a header of le32 type, le32
// reserved, le64 sector; the data; one status byte. A slot holds header and
// status, and room for the answer to "get ID".
const (
	slotSize   = 64
	slotType   = 0
	slotSector = 8
	slotStatus = 16
	slotID     = 32
	headerSize = 16
	idSize     = 20

	typeIn    = 0 // read
	typeGetID = 8 // read the serial number, 20 bytes

	statusOK      = 0
	statusIOErr   = 1
	statusUnsupp  = 2
	statusPending = 0xff // ours: the device has written none
)

// cursor walks over the pieces of a read.
type cursor struct {
	segs []block.Seg
	i    int
	off  uint32 // bytes of segs[i] that are done
}

// next takes pieces for one request: at most max of them, none longer than
// maxSeg, maxTransfer bytes together, neighbours in memory joined. It answers
// how many pieces into and how many bytes they are.
func (c *cursor) next(into []virtio.Seg, maxSeg uint32) (n int, bytes uint32) {
	for c.i < len(c.segs) && bytes < maxTransfer {
		s := c.segs[c.i]
		phys, left := s.Phys+uint64(c.off), min(s.Len-c.off, maxTransfer-bytes)
		if n > 0 && into[n-1].Phys+uint64(into[n-1].Len) == phys && into[n-1].Len < maxSeg {
			take := min(left, maxSeg-into[n-1].Len)
			into[n-1].Len += take
			left = take
		} else {
			if n == len(into) {
				break
			}
			left = min(left, maxSeg)
			into[n] = virtio.Seg{Phys: phys, Len: left}
			n++
		}
		bytes += left
		if c.off += left; c.off == s.Len {
			c.i, c.off = c.i+1, 0
		}
	}
	return n, bytes
}

// Read implements block.Device. Where BlockSize is more than 512, offset and
// lengths must be multiples of that.
func (d *Disk) Read(off int64, segs []block.Seg) abi.Errno {
	var total uint64
	for i := range segs {
		s := &segs[i]
		if s.Len == 0 || s.Len&(d.unit-1) != 0 || s.Phys&(Sector-1) != 0 || s.Phys+uint64(s.Len) < s.Phys {
			return abi.EINVAL
		}
		total += uint64(s.Len)
	}
	if off < 0 || off&int64(d.unit-1) != 0 || off > d.size || total > uint64(d.size-off) {
		return abi.EINVAL
	}
	c := cursor{segs: segs}
	for sector := uint64(off) / Sector; c.i < len(c.segs); {
		r, bytes, e := d.submit(sector, &c)
		if e != abi.OK {
			return e
		}
		r.wait()
		e = r.err
		d.release(r)
		if e != abi.OK {
			return abi.EIO
		}
		sector += uint64(bytes) / Sector
	}
	return abi.OK
}

// wait sleeps until the request has ended.
func (r *request) wait() {
	for !r.done.Load() {
		r.parker.Park()
	}
}

// Serial asks for the device's serial number, by which the machine's disks are
// told apart: up to 20 bytes, without the zeros behind. EOPNOTSUPP if the device
// has none, EIO if it fails.
func (d *Disk) Serial() (string, abi.Errno) {
	d.mu.Lock()
	if !d.turn(1) {
		d.mu.Unlock()
		return "", abi.EIO
	}
	r := d.take(typeGetID, 0)
	// What the device leaves out reads as zeros, not as an earlier answer.
	for i := range uintptr(idSize) {
		arch.Store8(r.mem.Addr+slotID+i, 0)
	}
	d.segs[1] = virtio.Seg{Phys: r.mem.Phys + slotID, Len: idSize}
	ok := d.add(r, 1, idSize)
	d.mu.Unlock()
	if !ok {
		return "", abi.EIO
	}
	r.wait()
	at := r.mem.Addr + slotID
	id := binary.LittleEndian.AppendUint64(make([]byte, 0, idSize), virtio.Load64(at))
	id = binary.LittleEndian.AppendUint64(id, virtio.Load64(at+8))
	id = binary.LittleEndian.AppendUint32(id, virtio.Load32(at+16))
	e := r.err
	d.release(r)
	if e != abi.OK {
		return "", e
	}
	n := 0
	for n < idSize && id[n] != 0 {
		n++
	}
	return string(id[:n]), abi.OK
}

// submit puts the next part of a read into the device's queue, in turn.
func (d *Disk) submit(sector uint64, c *cursor) (*request, uint32, abi.Errno) {
	d.mu.Lock()
	// The device may take fewer pieces than there are free descriptors later,
	// so the read waits for as many as it may need at most.
	if !d.turn(min(len(c.segs)-c.i, d.maxSegs)) {
		d.mu.Unlock()
		return nil, 0, abi.EIO
	}
	r := d.take(typeIn, sector)
	// With pieces to cut there may be more than that; they take what is free.
	n, bytes := c.next(d.segs[1:1+min(d.maxSegs, d.q.Free()-2)], d.maxSeg)
	ok := d.add(r, n, bytes)
	d.mu.Unlock()
	if !ok {
		return nil, 0, abi.EIO
	}
	return r, bytes, abi.OK
}

// turn waits until there is room for a request of n pieces; false if the device
// failed. Requests are served in the order in which they came, so that a long
// one is not starved by short ones. The caller holds d.mu.
func (d *Disk) turn(n int) bool {
	mine := d.ticket
	d.ticket++
	for !d.dev.Failed() && (mine != d.serve || len(d.free) == 0 || d.q.Free() < n+2) {
		d.room.Wait()
	}
	d.serve++
	if d.ticket != d.serve {
		d.room.Broadcast()
	}
	return !d.dev.Failed()
}

// take gives a request its place and header. The caller holds d.mu and has had
// its turn.
func (d *Disk) take(typ uint32, sector uint64) *request {
	r := &d.reqs[d.free[len(d.free)-1]]
	d.free = d.free[:len(d.free)-1]
	arch.Store64(r.mem.Addr+slotType, uint64(typ))
	arch.Store64(r.mem.Addr+slotSector, sector)
	arch.Store8(r.mem.Addr+slotStatus, statusPending)
	return r
}

// add gives the device a request for bytes in the n pieces at d.segs[1]. It
// refuses, and the request's place is free again, only if the device has just
// failed: there was room. The caller holds d.mu.
func (d *Disk) add(r *request, n int, bytes uint32) bool {
	d.segs[0] = virtio.Seg{Phys: r.mem.Phys, Len: headerSize}
	d.segs[n+1] = virtio.Seg{Phys: r.mem.Phys + slotStatus, Len: 1}
	head, ok := d.q.Add(d.segs[:n+2], 1)
	if !ok {
		d.free = append(d.free, r.index)
		return false
	}
	r.done.Store(false)
	r.err, r.want, r.issued = abi.EIO, bytes+1, wait.Now()
	r.head, r.busy = head, true
	d.byHead[head] = r.index
	d.q.Kick()
	if !d.armed {
		d.armed = true
		d.watch.Reset(time.Duration(d.timeout))
	}
	return true
}
