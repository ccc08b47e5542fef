package virtio

import (
	"skerry/kernel/ground/arch"
	"skerry/kernel/hw/irq"
)

// Device types, virtio 1.2, section 5.
const (
	TypeNet     = 1
	TypeBlock   = 2
	TypeConsole = 3
	TypeEntropy = 4
)

// Bits of the device status field, virtio 1.2, 2.1.
const (
	StatusAcknowledge = 1
	StatusDriver      = 2
	StatusDriverOK    = 4
	StatusFeaturesOK  = 8
	StatusNeedsReset  = 64
	StatusFailed      = 128
)

// Bits of the interrupt status, virtio 1.2, 4.1.4.5 and 4.2.2.
const (
	InterruptQueue  = 1
	InterruptConfig = 2
)

// Feature bits that are not of one device type, virtio 1.2, section 6.
const (
	FeatureEventIdx = 1 << 29
	FeatureVersion1 = 1 << 32
)

// Error is why a device cannot be used. It is made at probe time only.
type Error struct {
	Device string // as Transport.Name
	Cause  string
}

// Error names the device, the cause and, where there is one, the mend.
func (e *Error) Error() string { return e.Device + ": " + e.Cause }

// Interrupts is how the machine's interrupt controllers are reached. Both
// methods make every later interrupt of the source set the line's bit.
type Interrupts interface {
	// GSI routes a global system interrupt (an IOAPIC input), edge-triggered,
	// active high.
	GSI(line *irq.Line, gsi uint32)
	// MSI is the message that a device sends for the line; addr 0 means that
	// there are no vectors left.
	MSI(line *irq.Line) (addr uint64, data uint32)
}

// Masker is what an Interrupts may offer beside: silence for an input of the
// IOAPIC. Without it a memory-mapped device that storms is failed.
type Masker interface {
	MaskGSI(gsi uint32, masked bool)
}

// Rings is where a queue lies, in physical addresses.
type Rings struct {
	Size              uint16 // entries, a power of two
	Desc, Avail, Used uint64
}

// Doorbell is the register that tells the device of new buffers in one queue:
// one store of Value to Addr, of 32 bits if Wide, else of 16 (virtio 1.2,
// 4.1.4.4 and 4.2.2).
type Doorbell struct {
	Addr  uintptr
	Value uint32
	Wide  bool
}

// Ring writes the doorbell.
func (b *Doorbell) Ring() {
	if b.Wide {
		arch.Store32(b.Addr, b.Value)
	} else {
		arch.Store16(b.Addr, uint16(b.Value))
	}
}

// Transport is one device as its bus shows it. Calls are serialized by the
// driver; only SetStatus may come from anywhere.
type Transport interface {
	// Name says where the device is, for messages: "virtio-mmio@0xfeb00e00".
	Name() string
	// Type is the device type, 0 if the slot is empty.
	Type() uint32

	Features() uint64
	SetFeatures(uint64)
	Status() uint8
	SetStatus(uint8)

	// Generation changes when the configuration does; reads of several fields
	// belong between two equal values of it (virtio 1.2, 2.5.1).
	Generation() uint32
	// Config8 to Config32 read the device's configuration, each field with its
	// own width and alignment. Outside of it they give ones.
	Config8(off uint32) uint8
	Config16(off uint32) uint16
	Config32(off uint32) uint32

	// QueueMax is the largest size of queue q in entries, 0 if there is none.
	QueueMax(q uint16) uint16
	// EnableQueue gives queue q its rings and its interrupt line (the one of
	// Line, or, where the bus has a vector per queue, another), and returns the
	// queue's doorbell.
	EnableQueue(q uint16, r Rings, line *irq.Line) (Doorbell, error)

	// Line is the interrupt line of the device, made and wired at the first
	// call.
	Line() (*irq.Line, error)
	// WatchConfig makes changes of the configuration interrupt on Line too.
	WatchConfig() error
	// Ack acknowledges an interrupt and says what it was for, in the bits
	// InterruptQueue and InterruptConfig. It is called before the rings are
	// looked at, so that an interrupt for anything later is a new edge.
	Ack() uint8
	// Mask silences the device's interrupts, or lets them through again; false
	// if it cannot.
	Mask(masked bool) bool
}
