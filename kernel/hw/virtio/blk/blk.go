// Package blk drives a virtio block device (virtio 1.2, 5.2) and shows it as a
// block.Device. It only reads: the kernel's root is read-only.
//
// Any number of goroutines may read at the same time; each becomes one request
// in the device's queue and sleeps on the request's own parker until the
// driver's goroutine, woken by the interrupt, has taken the answer back. A
// device that does not answer in time is failed: it is reset, so that it writes
// to no one's memory later, and every request ends in EIO.
//
// What the device says is trusted as far as it was checked: the capacity is
// read once at start (a device that shrinks later answers with an error and
// that is EIO; one that grows is not noticed), a status byte is good only with
// a length that covers the whole transfer.
//
// Locking: Disk.mu guards the queue, the requests and the tickets; it is never
// held while a goroutine sleeps. It imports kernel/abi, kernel/ground/arch,
// kernel/hw/{block,virtio} and kernel/wait.
package blk

import (
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"skerry/kernel/abi"
	"skerry/kernel/hw/block"
	"skerry/kernel/hw/virtio"
	"skerry/kernel/wait"
)

// Feature bits, virtio 1.2, 5.2.3.
const (
	featureSizeMax   = 1
	featureSegMax    = 2
	featureReadOnly  = 5
	featureBlockSize = 6

	known = 1<<featureSizeMax | 1<<featureSegMax | 1<<featureReadOnly | 1<<featureBlockSize
)

// Offsets in the configuration, virtio 1.2, 5.2.4.
const (
	configCapacity  = 0 // le64, in sectors of 512 bytes
	configSizeMax   = 8
	configSegMax    = 12
	configBlockSize = 20
)

// Sector is the unit of addresses and lengths in bytes, whatever block size the
// device prefers (virtio 1.2, 5.2.6).
const Sector = 512

const (
	maxQueue = 256
	// maxRequests is how many reads are in the device at once; more wait.
	maxRequests = 64
	// maxTransfer bounds one request in bytes; longer reads are several.
	maxTransfer = 8 << 20
	// defaultTimeout is how long a request may take: a busy host is slow, but
	// not this slow.
	defaultTimeout = 30 * time.Second
)

// Options of New. The zero value is good.
type Options struct {
	// Timeout is how long a request may take before the device is failed.
	Timeout time.Duration
	// OnFail is called once, from a goroutine of its own, if the device fails.
	OnFail func(why string)
}

// Disk is one device.
type Disk struct {
	dev      *virtio.Device
	size     int64
	readOnly bool
	unit     uint32 // bytes: what offsets and lengths must be multiples of
	maxSegs  int    // pieces of one request
	maxSeg   uint32 // bytes of one piece
	timeout  int64

	mu     sync.Mutex
	q      *virtio.Queue
	room   sync.Cond // a request ended, or the next ticket may try
	ticket uint64    // given to the next read that comes
	serve  uint64    // the ticket whose turn it is
	reqs   []request
	free   []uint8 // indices of reqs that nobody uses
	byHead [maxQueue]uint8
	watch  *time.Timer // runs while requests are in the device
	armed  bool
	segs   [maxQueue]virtio.Seg // scratch
}

// request is one request's place. What the device reads and writes (header,
// status) lies in shared memory.
type request struct {
	parker wait.Parker
	done   atomic.Bool
	index  uint8     // in Disk.reqs
	head   uint16    // the chain's number in the queue
	busy   bool      // in the device
	err    abi.Errno // the answer, once done
	want   uint32    // bytes that the device has to write, with the status
	issued int64     // wait.Now when it was added
	mem    virtio.Memory
}

var _ block.Device = (*Disk)(nil)

// New takes a block device into use.
func New(t virtio.Transport, o Options) (*Disk, error) {
	d, err := open(t, o)
	if err != nil {
		return nil, err
	}
	go d.run()
	return d, nil
}

// open is New without the driver's goroutine.
func open(t virtio.Transport, o Options) (*Disk, error) {
	dev, err := virtio.Open(t, virtio.TypeBlock, func(uint64) uint64 { return known }, o.OnFail)
	if err != nil {
		return nil, err
	}
	if o.Timeout == 0 {
		o.Timeout = defaultTimeout
	}
	d := &Disk{dev: dev, readOnly: dev.Has(featureReadOnly), timeout: int64(o.Timeout)}
	d.room.L = &d.mu
	if err := d.configure(); err != nil {
		return nil, err
	}
	if d.q, err = dev.Queue(0, maxQueue); err != nil {
		return nil, err
	}
	// A request is header, data and status: two descriptors more than pieces.
	if d.q.Size() < 3 {
		return nil, dev.Refuse("its queue has " + strconv.Itoa(d.q.Size()) + " entries, a request needs 3")
	}
	d.maxSegs = min(d.maxSegs, d.q.Size()-2)
	n := min(maxRequests, d.q.Size()/3)
	mem, ok := dev.Alloc(uint32(n)*slotSize, 16)
	if !ok {
		return nil, dev.Refuse("no memory for requests")
	}
	d.reqs = make([]request, n)
	d.free = make([]uint8, n)
	for i := range d.reqs {
		d.reqs[i].mem = mem.Part(uint32(i) * slotSize)
		d.reqs[i].index, d.free[i] = uint8(i), uint8(i)
	}
	d.watch = time.AfterFunc(time.Hour, d.check)
	d.watch.Stop()
	dev.Start()
	d.q.Arm()
	return d, nil
}

// configure reads the configuration.
func (d *Disk) configure() error {
	var sectors uint64
	var sizeMax, segMax, unit uint32
	still := d.dev.ReadConfig(func(t virtio.Transport) {
		sectors = uint64(t.Config32(configCapacity)) | uint64(t.Config32(configCapacity+4))<<32
		sizeMax, segMax, unit = t.Config32(configSizeMax), t.Config32(configSegMax), t.Config32(configBlockSize)
	})
	if !still {
		return d.dev.Refuse(d.dev.Why())
	}
	if sectors > 1<<63/Sector-1 {
		return d.dev.Refuse("states a capacity of more than 2^63 bytes")
	}
	d.size = int64(sectors) * Sector
	d.unit = Sector
	if d.dev.Has(featureBlockSize) {
		// 5.2.5.1: a power of two; sectors below 512 bytes do not exist, and a
		// page of the cache must be a whole number of blocks.
		if unit < Sector || unit > 4096 || unit&(unit-1) != 0 {
			return d.dev.Refuse("states a block size of " + strconv.FormatUint(uint64(unit), 10) + " bytes, not 512 to 4096")
		}
		d.unit = unit
	}
	d.maxSeg = maxTransfer
	if d.dev.Has(featureSizeMax) {
		// A piece may be cut, but only into whole blocks.
		if d.maxSeg = min(sizeMax&^(d.unit-1), maxTransfer); d.maxSeg == 0 {
			return d.dev.Refuse("states a largest segment of " + strconv.FormatUint(uint64(sizeMax), 10) + " bytes, less than a block")
		}
	}
	d.maxSegs = maxQueue
	if d.dev.Has(featureSegMax) {
		if segMax == 0 {
			return d.dev.Refuse("takes no segments")
		}
		d.maxSegs = int(min(segMax, maxQueue))
	}
	return nil
}

// Size is the capacity in bytes as it was at start.
func (d *Disk) Size() int64 { return d.size }

// ReadOnly reports whether the device refuses writes. (This driver has none.)
func (d *Disk) ReadOnly() bool { return d.readOnly }

// BlockSize is what offsets and lengths must be multiples of, in bytes: 512
// unless the device states more.
func (d *Disk) BlockSize() int { return int(d.unit) }

// Name says where the device is.
func (d *Disk) Name() string { return d.dev.Name() }
