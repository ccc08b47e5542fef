// Package net drives a virtio network device (virtio 1.2, 5.1) and shows it as
// a nic.Device: checksum and segmentation offload in both directions where the
// device has them, one queue each way.
//
// Reception is one goroutine's: it takes frames out of the ring, hands them to
// the nic.Receiver where they lie (a frame that the device spread over several
// buffers is joined in private memory first), and gives the buffers back.
// Interrupts are off while a burst lasts. Sending copies the frame into buffers
// of the driver's and is done by the caller; buffers that the device is through
// with are taken back by later sends, without interrupts, unless the ring was
// full.
//
// Trust: a frame and its header are the device's word. The header is read once
// and each of its fields checked against the frame's length and against what
// was negotiated; a frame that fails is dropped and counted, a device that
// breaks the rules of the queue is failed and the link is down from then on. A
// frame that lies in one buffer is still in memory that the device can write:
// the receiver must copy it before it looks at it.
//
// Locking: Card.txMu guards everything about sending; the receive side and the
// configuration belong to the driver's goroutine. Receiver methods are called
// without a lock. It imports kernel/ground/frame and kernel/hw/{nic,virtio}.
package net

import (
	"strconv"
	"sync"
	"sync/atomic"

	"skerry/kernel/ground/frame"
	"skerry/kernel/hw/nic"
	"skerry/kernel/hw/virtio"
)

// Feature bits, virtio 1.2, 5.1.3.
const (
	featureCsum      = 0
	featureGuestCsum = 1
	featureMTU       = 3
	featureMAC       = 5
	featureGuestTSO4 = 7
	featureGuestTSO6 = 8
	featureHostTSO4  = 11
	featureHostTSO6  = 12
	featureMergeRx   = 15
	featureStatus    = 16

	guestTSO = 1<<featureGuestTSO4 | 1<<featureGuestTSO6
	hostTSO  = 1<<featureHostTSO4 | 1<<featureHostTSO6

	known = 1<<featureCsum | 1<<featureGuestCsum | 1<<featureMTU | 1<<featureMAC |
		guestTSO | hostTSO | 1<<featureMergeRx | 1<<featureStatus
)

// Offsets in the configuration, virtio 1.2, 5.1.4.
const (
	configMAC    = 0 // six bytes
	configStatus = 6
	configMTU    = 10

	statusLinkUp = 1
)

// Queues, virtio 1.2, 5.1.2.
const (
	queueRx = 0
	queueTx = 1
)

const (
	etherHeader = 14
	vlanTag     = 4
	defaultMTU  = 1500
	minMTU      = 68 // 5.1.4.1
	maxFrame    = etherHeader + vlanTag + 65536

	smallBuffer = 2048 // holds a frame of the usual MTU
	largeBuffer = 4096

	maxQueue = 256
	// minGSOBuffers is how many buffers each way make frames of 64 KiB worth
	// it: 17 large ones hold one such frame.
	minGSOBuffers = 64
	// smallMachine is the memory, in frames, below which half the buffers do.
	smallMachine = 128 << 20 / frame.Size
)

// Options of New. The zero value is good.
type Options struct {
	// Random makes an address for a device that has none.
	Random func(b []byte)
	// OnFail is called once, from a goroutine of its own, if the device fails.
	OnFail func(why string)
	// Buffers is how many buffers there are in each direction, at most; 0 is
	// a number that suits the machine's memory.
	Buffers int
}

// Stats counts frames that were lost; frames that got through are the stack's
// to count.
type Stats struct {
	RxBad  uint64 // refused for their header or length
	RxLong uint64 // joined frames longer than any frame may be
	TxBad  uint64 // refused as too short, too long, or with an offload not negotiated
	TxDown uint64 // sent to a failed device
}

// Card is one device.
type Card struct {
	dev     *virtio.Device
	mac     [6]byte
	mtu     int
	caps    nic.Caps
	merge   bool
	tso     [3]bool // by nic.GSO: joined frames of this kind may arrive
	recv    nic.Receiver
	linkUp  bool
	bufSize uint32

	// The receive side.
	rx     *virtio.Queue
	rxBufs []virtio.Memory
	rxOf   []uint16 // by chain number, which buffer
	join   []byte   // where spread frames are put together; made when needed

	// The send side.
	txMu    sync.Mutex
	tx      *virtio.Queue
	txBufs  []virtio.Memory
	txFree  []uint16 // buffers that nobody uses, a stack
	txNext  []uint16 // by buffer, the next one of the same frame
	txOf    []uint16 // by chain number, the first buffer
	txCount []uint16 // by chain number, how many
	blocked bool     // Send has answered false since the last TxReady
	segs    []virtio.Seg

	rxBad, rxLong, txBad, txDown atomic.Uint64
}

var _ nic.Device = (*Card)(nil)

// New takes a network device into use. Nothing is received or sent before
// Start.
func New(t virtio.Transport, o Options) (*Card, error) {
	c, err := open(t, o, known)
	if err == nil && (c.caps.RxGSO || c.caps.TxGSO4 || c.caps.TxGSO6) && min(len(c.rxBufs), len(c.txBufs)) < minGSOBuffers {
		c.dev.Close()
		c, err = open(t, o, known&^(guestTSO|hostTSO))
	}
	return c, err
}

// features chooses from what is offered, by the dependencies in 5.1.3.1: what
// segments must checksum. Joined frames need mergeable buffers here, since
// without them every buffer would have to hold 64 KiB (5.1.6.3.1).
func features(offered, wanted uint64) uint64 {
	f := offered & wanted
	if f&(1<<featureCsum) == 0 {
		f &^= hostTSO
	}
	if f&(1<<featureGuestCsum) == 0 || f&(1<<featureMergeRx) == 0 {
		f &^= guestTSO
	}
	return f
}

func open(t virtio.Transport, o Options, wanted uint64) (*Card, error) {
	dev, err := virtio.Open(t, virtio.TypeNet, func(offered uint64) uint64 { return features(offered, wanted) }, o.OnFail)
	if err != nil {
		return nil, err
	}
	c := &Card{
		dev: dev, merge: dev.Has(featureMergeRx),
		caps: nic.Caps{
			TxCsum: dev.Has(featureCsum), TxGSO4: dev.Has(featureHostTSO4), TxGSO6: dev.Has(featureHostTSO6),
			RxCsum: dev.Has(featureGuestCsum), RxGSO: dev.Has(featureGuestTSO4) || dev.Has(featureGuestTSO6),
		},
		tso: [3]bool{nic.GSONone: true, nic.GSOTCPv4: dev.Has(featureGuestTSO4), nic.GSOTCPv6: dev.Has(featureGuestTSO6)},
	}
	if err := c.configure(o); err != nil {
		return nil, err
	}
	if err := dev.WatchConfig(); err != nil {
		dev.Close()
		return nil, err
	}
	if err := c.buffers(o); err != nil {
		return nil, err
	}
	return c, nil
}

// configure reads the configuration.
func (c *Card) configure(o Options) error {
	var mtu uint16
	still := c.dev.ReadConfig(func(t virtio.Transport) {
		for i := range c.mac {
			c.mac[i] = t.Config8(configMAC + uint32(i))
		}
		mtu = t.Config16(configMTU)
		c.linkUp = t.Config16(configStatus)&statusLinkUp != 0
	})
	switch {
	case !still:
		return c.dev.Refuse(c.dev.Why())
	case !c.dev.Has(featureMAC) && o.Random == nil:
		return c.dev.Refuse("has no hardware address")
	case !c.dev.Has(featureMAC):
		o.Random(c.mac[:])
		c.mac[0] = c.mac[0]&^1 | 2 // one station, locally administered
	case c.mac[0]&1 != 0 || c.mac == [6]byte{}:
		return c.dev.Refuse("has a hardware address that is not one station's")
	}
	if !c.dev.Has(featureStatus) {
		c.linkUp = true // 5.1.4.2
	}
	c.mtu = defaultMTU
	if c.dev.Has(featureMTU) {
		if mtu < minMTU {
			return c.dev.Refuse("states an MTU of " + strconv.Itoa(int(mtu)) + ", less than 68")
		}
		c.mtu = int(mtu)
	}
	return nil
}

// buffers makes the queues and the memory for frames. A buffer holds a whole
// frame of the usual MTU in half a page; where frames are larger, it is a page.
func (c *Card) buffers(o Options) (err error) {
	c.bufSize = smallBuffer
	if c.caps.RxGSO || c.caps.TxGSO4 || c.caps.TxGSO6 || c.mtu > smallBuffer-headerSize-etherHeader-vlanTag {
		c.bufSize = largeBuffer
	}
	if room := largeBuffer - headerSize - etherHeader - vlanTag; !c.merge && c.mtu > room {
		c.mtu = room // what one buffer holds is what we can receive
	}
	limit := maxQueue
	if frame.Total() < smallMachine {
		limit = maxQueue / 2
	}
	if o.Buffers > 0 {
		limit = min(limit, o.Buffers)
	}
	if c.rx, err = c.dev.Queue(queueRx, maxQueue); err != nil {
		return err
	}
	if c.tx, err = c.dev.Queue(queueTx, maxQueue); err != nil {
		return err
	}
	rx, tx := min(c.rx.Size(), limit), min(c.tx.Size(), limit)
	// The largest frame without segmentation must fit, or nothing could be
	// sent at all.
	if need := c.pieces(c.mtu + etherHeader + vlanTag); tx < need || rx < need {
		return c.dev.Refuse("has rings too small for one frame of its MTU")
	}
	if c.rxBufs, err = c.memory(rx); err != nil {
		return err
	}
	if c.txBufs, err = c.memory(tx); err != nil {
		return err
	}
	c.rxOf = make([]uint16, c.rx.Size())
	c.txOf = make([]uint16, c.tx.Size())
	c.txCount = make([]uint16, c.tx.Size())
	c.txNext = make([]uint16, tx)
	c.txFree = make([]uint16, tx)
	for i := range c.txFree {
		c.txFree[i] = uint16(i)
	}
	c.segs = make([]virtio.Seg, c.pieces(maxFrame))
	return nil
}

// pieces is how many buffers a frame of n bytes takes, with its header.
func (c *Card) pieces(n int) int {
	return (n + headerSize + int(c.bufSize) - 1) / int(c.bufSize)
}

func (c *Card) memory(n int) ([]virtio.Memory, error) {
	list := make([]virtio.Memory, n)
	for i := range list {
		var ok bool
		if list[i], ok = c.dev.Alloc(c.bufSize, c.bufSize); !ok {
			return nil, c.dev.Refuse("no memory for frames")
		}
	}
	return list, nil
}

// MAC implements nic.Device.
func (c *Card) MAC() [6]byte { return c.mac }

// MTU implements nic.Device.
func (c *Card) MTU() int { return c.mtu }

// Caps implements nic.Device.
func (c *Card) Caps() nic.Caps { return c.caps }

// Name says where the device is.
func (c *Card) Name() string { return c.dev.Name() }

// Stats counts losses so far.
func (c *Card) Stats() Stats {
	return Stats{c.rxBad.Load(), c.rxLong.Load(), c.txBad.Load(), c.txDown.Load()}
}
