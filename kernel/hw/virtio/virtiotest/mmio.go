package virtiotest

import (
	"encoding/binary"
	"sync"

	"skerry/kernel/hw/irq"
	"skerry/kernel/hw/virtio"
)

// MMIO shows a device as the registers of virtio 1.2, 4.2.2.
type MMIO struct {
	D       *Device
	Magic   uint32
	Version uint32
	Ready   uint32 // what QueueReady reads for a queue that is not enabled
	Len     uint32

	mu               sync.Mutex
	featSel, drvSel  uint32
	queue, num       uint32
	drv              uint64
	desc, avail, use uint64
	ready            map[uint32]bool
	IntStatus        func() uint32
	Acked            uint32
}

// NewMMIO makes a window of 512 bytes.
func NewMMIO(d *Device) *MMIO {
	return &MMIO{D: d, Magic: 0x74726976, Version: 2, Len: 512, ready: map[uint32]bool{}}
}

// Size implements reg.Window.
func (m *MMIO) Size() uint32 { return m.Len }

// Load8 implements reg.Window; registers below the configuration are 32 bits
// wide and may be accessed no other way.
func (m *MMIO) Load8(off uint32) uint8 { return m.D.Config8(config(off)) }

// Load16 implements reg.Window.
func (m *MMIO) Load16(off uint32) uint16 { return m.D.Config16(config(off)) }

func config(off uint32) uint32 {
	if off < 0x100 {
		panic("virtiotest: a register is read with a wrong width")
	}
	return off - 0x100
}

// Load32 implements reg.Window.
func (m *MMIO) Load32(off uint32) uint32 {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch off {
	case 0x000:
		return m.Magic
	case 0x004:
		return m.Version
	case 0x008:
		return m.D.ID
	case 0x010:
		return half(m.D.Features(), m.featSel)
	case 0x034:
		return uint32(m.D.QueueMax(uint16(m.queue)))
	case 0x044:
		if m.ready[m.queue] {
			return 1
		}
		return m.Ready
	case 0x060:
		if m.IntStatus != nil {
			return m.IntStatus()
		}
		return m.D.isr.Load()
	case 0x070:
		return uint32(m.D.Status())
	case 0x0fc:
		return m.D.Generation()
	}
	return m.D.Config32(config(off))
}

func half(v uint64, sel uint32) uint32 {
	switch sel {
	case 0:
		return uint32(v)
	case 1:
		return uint32(v >> 32)
	}
	return 0
}

// Store8 implements reg.Window: nothing here is written in bytes.
func (m *MMIO) Store8(uint32, uint8) { panic("virtiotest: byte store to a register") }

// Store16 implements reg.Window.
func (m *MMIO) Store16(uint32, uint16) { panic("virtiotest: 16-bit store to a register") }

// Store32 implements reg.Window.
func (m *MMIO) Store32(off uint32, v uint32) {
	m.mu.Lock()
	defer m.mu.Unlock()
	set := func(to *uint64, high bool) {
		var b [8]byte
		binary.LittleEndian.PutUint64(b[:], *to)
		if high {
			binary.LittleEndian.PutUint32(b[4:], v)
		} else {
			binary.LittleEndian.PutUint32(b[:], v)
		}
		*to = binary.LittleEndian.Uint64(b[:])
	}
	switch off {
	case 0x014:
		m.featSel = v
	case 0x024:
		m.drvSel = v
	case 0x020:
		set(&m.drv, m.drvSel == 1)
		m.D.SetFeatures(m.drv)
	case 0x030:
		m.queue = v
	case 0x038:
		m.num = v
	case 0x044:
		m.ready[m.queue] = v == 1
		if v == 1 {
			m.D.enable(uint16(m.queue), virtio.Rings{Size: uint16(m.num), Desc: m.desc, Avail: m.avail, Used: m.use})
		}
	case 0x064:
		m.Acked |= v
		m.D.isr.And(^v)
	case 0x070:
		if v == 0 {
			clear(m.ready)
			m.drv = 0
		}
		m.D.SetStatus(uint8(v))
	case 0x080, 0x084:
		set(&m.desc, off&4 != 0)
	case 0x090, 0x094:
		set(&m.avail, off&4 != 0)
	case 0x0a0, 0x0a4:
		set(&m.use, off&4 != 0)
	default:
		panic("virtiotest: store to a register that is not writable")
	}
}

// Addr implements reg.Window: the one doorbell is the cell of queue 0.
func (m *MMIO) Addr(off uint32) uintptr {
	if off != 0x050 {
		panic("virtiotest: not the doorbell")
	}
	return m.D.bell(0)
}

// Wires is a virtio.Interrupts that connects every line straight to a device.
type Wires struct {
	D      *Device
	GSIs   []uint32
	MSIs   []*irq.Line
	NoMSI  bool
	Masked map[uint32]bool
}

// GSI implements virtio.Interrupts.
func (w *Wires) GSI(line *irq.Line, gsi uint32) {
	w.D.line = line
	w.GSIs = append(w.GSIs, gsi)
}

// MSI implements virtio.Interrupts: the data is the line's place in MSIs.
func (w *Wires) MSI(line *irq.Line) (addr uint64, data uint32) {
	if w.NoMSI {
		return 0, 0
	}
	w.MSIs = append(w.MSIs, line)
	return 0xfee0_0000, uint32(len(w.MSIs) - 1)
}

// MaskGSI implements virtio.Masker.
func (w *Wires) MaskGSI(gsi uint32, masked bool) {
	if w.Masked == nil {
		w.Masked = map[uint32]bool{}
	}
	w.Masked[gsi] = masked
}
