// Package virtiotest is the device's side of virtio for tests: a device that
// keeps the rules unless a test makes it break them, on memory of the host's
// frame pool. It shows itself to a driver directly (Device is a
// virtio.Transport), as a memory-mapped device (MMIO), or as a PCI function
// (PCI). The kernel does not link it.
package virtiotest

import (
	"encoding/binary"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"skerry/kernel/ground/frame"
	"skerry/kernel/hw/irq"
	"skerry/kernel/hw/virtio"
)

// Device is a virtio device. The exported fields are set before a driver opens
// it; the hooks, where set, answer in place of the honest device.
type Device struct {
	ID         uint32
	Offered    uint64 // Version1 is added unless Legacy
	Legacy     bool
	Conf       []byte
	QueueSizes []uint16
	Hostile    bool // the device may confuse itself about the rings

	OnGeneration func() uint32
	OnStatus     func(s uint8) uint8 // what reading the status gives
	OnAck        func() uint8
	OnEnable     func(q uint16, r virtio.Rings) error
	OnReset      func()
	NoMask       bool

	mu       sync.Mutex
	status   uint8
	accepted uint64
	rings    map[uint16]*Ring
	line     *irq.Line
	bells    frame.PFN
	isr      atomic.Uint32
	gen      atomic.Uint32
	masked   atomic.Bool
	Acks     atomic.Int64
}

const silent = 0xffff_ffff

// New makes a device of a type, with queues of the given sizes. Free returns
// what it holds.
func New(id uint32, offered uint64, conf []byte, queues ...uint16) *Device {
	d := &Device{ID: id, Offered: offered, Conf: conf, QueueSizes: queues, line: new(irq.Line)}
	d.bells = frame.Alloc(frame.KindKernel)
	if d.bells == 0 {
		panic("virtiotest: out of frames")
	}
	d.rings = map[uint16]*Ring{}
	for q := range queues {
		d.Rung(uint16(q))
	}
	return d
}

// Free returns the device's own memory.
func (d *Device) Free() { d.bells.Unref() }

func (d *Device) bell(q uint16) uintptr { return d.bells.Addr() + uintptr(q)*4 }

// Rung reports whether the doorbell of queue q was rung since the last call.
func (d *Device) Rung(q uint16) bool { return swap32(d.bell(q), silent) != silent }

// Ring is the device's view of queue q, nil until the driver enabled it.
func (d *Device) Ring(q uint16) *Ring {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.rings[q]
}

// Interrupt raises the device's interrupt for a used buffer.
func (d *Device) Interrupt() {
	d.isr.Or(virtio.InterruptQueue)
	if !d.masked.Load() {
		d.line.Fire()
	}
}

// ConfigChange raises it for a changed configuration, made by change.
func (d *Device) ConfigChange(change func(conf []byte)) {
	d.mu.Lock()
	change(d.Conf)
	d.gen.Add(1)
	d.mu.Unlock()
	d.isr.Or(virtio.InterruptConfig)
	d.line.Fire()
}

// IRQ is the line, for tests that fire it by hand.
func (d *Device) IRQ() *irq.Line { return d.line }

// Masked reports whether the driver has masked the device.
func (d *Device) Masked() bool { return d.masked.Load() }

// Running reports whether the driver has set DRIVER_OK and not reset since.
func (d *Device) Running() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.status&virtio.StatusDriverOK != 0
}

// Accepted is what the driver negotiated.
func (d *Device) Accepted() uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.accepted
}

// Name implements virtio.Transport.
func (d *Device) Name() string { return "virtio-test" }

// Type implements virtio.Transport.
func (d *Device) Type() uint32 { return d.ID }

// Features implements virtio.Transport.
func (d *Device) Features() uint64 {
	if d.Legacy {
		return d.Offered
	}
	return d.Offered | virtio.FeatureVersion1
}

// SetFeatures implements virtio.Transport.
func (d *Device) SetFeatures(f uint64) {
	d.mu.Lock()
	d.accepted = f
	d.mu.Unlock()
}

// Status implements virtio.Transport. FEATURES_OK holds only for a subset of
// what was offered.
func (d *Device) Status() uint8 {
	d.mu.Lock()
	s := d.status
	if d.accepted&^d.Features() != 0 {
		s &^= virtio.StatusFeaturesOK
	}
	d.mu.Unlock()
	if d.OnStatus != nil {
		return d.OnStatus(s)
	}
	return s
}

// SetStatus implements virtio.Transport.
func (d *Device) SetStatus(s uint8) {
	d.mu.Lock()
	d.status = s
	if s == 0 {
		d.accepted = 0
		clear(d.rings)
		d.isr.Store(0)
	}
	d.mu.Unlock()
	if s == 0 && d.OnReset != nil {
		d.OnReset()
	}
}

// Generation implements virtio.Transport.
func (d *Device) Generation() uint32 {
	if d.OnGeneration != nil {
		return d.OnGeneration()
	}
	return d.gen.Load()
}

func (d *Device) conf(off, n uint32) uint32 {
	d.mu.Lock()
	defer d.mu.Unlock()
	b := [4]byte{0xff, 0xff, 0xff, 0xff}
	if int(off)+int(n) <= len(d.Conf) {
		copy(b[:n], d.Conf[off:])
	}
	return binary.LittleEndian.Uint32(b[:])
}

// Config8 implements virtio.Transport.
func (d *Device) Config8(off uint32) uint8 { return uint8(d.conf(off, 1)) }

// Config16 implements virtio.Transport.
func (d *Device) Config16(off uint32) uint16 { return uint16(d.conf(off, 2)) }

// Config32 implements virtio.Transport.
func (d *Device) Config32(off uint32) uint32 { return d.conf(off, 4) }

// QueueMax implements virtio.Transport.
func (d *Device) QueueMax(q uint16) uint16 {
	if int(q) < len(d.QueueSizes) {
		return d.QueueSizes[q]
	}
	return 0
}

// EnableQueue implements virtio.Transport.
func (d *Device) EnableQueue(q uint16, r virtio.Rings, line *irq.Line) (virtio.Doorbell, error) {
	if d.OnEnable != nil {
		if err := d.OnEnable(q, r); err != nil {
			return virtio.Doorbell{}, err
		}
	}
	d.enable(q, r)
	return virtio.Doorbell{Addr: d.bell(q), Value: uint32(q), Wide: true}, nil
}

func (d *Device) enable(q uint16, r virtio.Rings) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.rings[q] = newRing(r, d.accepted&virtio.FeatureEventIdx != 0, d.Hostile)
}

// Line implements virtio.Transport.
func (d *Device) Line() (*irq.Line, error) { return d.line, nil }

// WatchConfig implements virtio.Transport.
func (d *Device) WatchConfig() error { return nil }

// Ack implements virtio.Transport.
func (d *Device) Ack() uint8 {
	d.Acks.Add(1)
	if d.OnAck != nil {
		return d.OnAck()
	}
	return uint8(d.isr.Swap(0))
}

// Mask implements virtio.Transport.
func (d *Device) Mask(masked bool) bool {
	d.masked.Store(masked && !d.NoMask)
	return !d.NoMask
}

// Run calls step from a goroutine until the test ends, giving way to others
// whenever step says that there was nothing to do. step looks at Rung and the
// rings.
func (d *Device) Run(t testing.TB, step func() (worked bool)) {
	var stop atomic.Bool
	done := make(chan struct{})
	go func() {
		defer close(done)
		for !stop.Load() {
			if !step() {
				runtime.Gosched()
			}
		}
	}()
	t.Cleanup(func() {
		stop.Store(true)
		<-done
	})
}
