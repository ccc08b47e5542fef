package blk

import (
	"time"

	"skerry/kernel/abi"
	"skerry/kernel/ground/arch"
	"skerry/kernel/wait"
)

// run is the driver's goroutine.
func (d *Disk) run() {
	for {
		d.dev.Wait()
		d.dev.Spurious(!d.interrupt())
		if d.dev.Failed() {
			d.interrupt() // whatever failed it, everyone is answered
			return
		}
	}
}

// interrupt takes back what the device has answered, and reports whether there
// was anything. Once the device has failed, every request is answered.
func (d *Disk) interrupt() (any bool) {
	d.mu.Lock()
	for d.q.Poll() > 0 || d.q.Arm() > 0 {
		for {
			head, n, ok := d.q.Next()
			if !ok {
				break
			}
			any = true
			d.answer(&d.reqs[d.byHead[head]], n)
		}
	}
	if d.dev.Failed() {
		d.abort()
	}
	d.mu.Unlock()
	return any
}

// answer ends the request that the device has returned with n bytes written.
// A good status counts only if the device wrote everything (5.2.6.2: the status
// is the last byte, so a whole transfer is all the data and one).
func (d *Disk) answer(r *request, n uint32) {
	if !r.busy {
		// Next gives back only what was added, each once.
		panic("blk: an answer to no request")
	}
	switch status := arch.Load8(r.mem.Addr + slotStatus); {
	case status == statusOK && n == r.want:
		r.err = abi.OK
	case status == statusOK:
		d.dev.Fail("says that a read succeeded, but not that it wrote all of it")
	case status == statusIOErr:
		r.err = abi.EIO
	case status == statusUnsupp:
		r.err = abi.EOPNOTSUPP
	default:
		d.dev.Fail("answers a read without a valid status")
	}
	r.busy = false
	r.done.Store(true)
	r.parker.Unpark()
}

// abort answers every request of a failed device. The device was reset first,
// so that it writes to no memory whose owner was told of the end. The caller
// holds d.mu.
func (d *Disk) abort() {
	for i := range d.reqs {
		if r := &d.reqs[i]; r.busy {
			r.busy = false
			r.err = abi.EIO
			r.done.Store(true)
			r.parker.Unpark()
		}
	}
	d.room.Broadcast()
}

// release returns a request's place after its answer was read.
func (d *Disk) release(r *request) {
	d.mu.Lock()
	d.free = append(d.free, r.index)
	if d.ticket != d.serve {
		d.room.Broadcast()
	}
	d.mu.Unlock()
}

// check runs on a timer while requests are in the device: it fails a device
// that has kept one for too long. It looks at the ring first: an interrupt that
// was lost, or could not be delivered for long, is no failure.
func (d *Disk) check() {
	d.interrupt()
	d.mu.Lock()
	oldest := int64(0)
	for i := range d.reqs {
		if r := &d.reqs[i]; r.busy && (oldest == 0 || r.issued < oldest) {
			oldest = r.issued
		}
	}
	switch left := oldest + d.timeout - wait.Now(); {
	case oldest == 0:
		d.armed = false
	case left <= 0:
		d.dev.Fail("has not answered a read in " + time.Duration(d.timeout).String())
		d.abort()
	default:
		d.watch.Reset(time.Duration(left))
	}
	d.mu.Unlock()
}
