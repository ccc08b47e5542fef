package virtio

import (
	"strconv"

	"skerry/kernel/hw/irq"
	"skerry/kernel/hw/pci"
	"skerry/kernel/hw/reg"
)

// Registers of the memory-mapped transport, virtio 1.2, 4.2.2. All are 32 bits
// wide; R can be read, W written.
const (
	mmioMagic          = 0x000 // R
	mmioVersion        = 0x004 // R
	mmioDeviceID       = 0x008 // R
	mmioFeatures       = 0x010 // R
	mmioFeaturesSel    = 0x014 // W
	mmioDrvFeatures    = 0x020 // W
	mmioDrvFeaturesSel = 0x024 // W
	mmioQueueSel       = 0x030 // W
	mmioQueueNumMax    = 0x034 // R
	mmioQueueNum       = 0x038 // W
	mmioQueueReady     = 0x044 // RW
	mmioQueueNotify    = 0x050 // W
	mmioIntStatus      = 0x060 // R
	mmioIntACK         = 0x064 // W
	mmioStatus         = 0x070 // RW
	mmioQueueDesc      = 0x080 // W, low; high at +4
	mmioQueueDriver    = 0x090 // W, low; high at +4
	mmioQueueDevice    = 0x0a0 // W, low; high at +4
	mmioGeneration     = 0x0fc // R
	mmioConfig         = 0x100 // RW, the device's own

	mmioMagicValue = 0x74726976 // "virt"
	// mmioMinSize leaves room for the registers and no configuration.
	mmioMinSize = mmioConfig
)

// MMIO is a device on the memory-mapped transport. Version 2 of the register
// layout is the only one that modern devices have.
type MMIO struct {
	name string
	w    reg.Window
	gsi  uint32
	irqs Interrupts
	line *irq.Line
	typ  uint32
}

// ProbeMMIO looks at the device that d describes, through the window that its
// registers are mapped at. An empty slot answers nil and no error.
func ProbeMMIO(d MMIODevice, w reg.Window, irqs Interrupts) (*MMIO, error) {
	m := &MMIO{name: mmioName(d), w: w, gsi: d.IRQ, irqs: irqs}
	if w.Size() < mmioMinSize {
		return nil, m.bad("register window is " + strconv.Itoa(int(w.Size())) + " bytes, less than 256")
	}
	if w.Load32(mmioMagic) != mmioMagicValue {
		return nil, m.bad("no virtio device here (wrong magic value)")
	}
	if v := w.Load32(mmioVersion); v != 2 {
		return nil, m.bad("register layout version " + strconv.FormatUint(uint64(v), 10) +
			" is not supported, only 2 (QEMU: -global virtio-mmio.force-legacy=false)")
	}
	m.typ = w.Load32(mmioDeviceID)
	if m.typ == 0 {
		return nil, nil
	}
	return m, nil
}

// FindMMIO probes the devices that a kernel command line names. Empty slots are
// left out; devices that cannot be used are reported beside the good ones.
func FindMMIO(cmdline string, m pci.Mapper, irqs Interrupts) (list []Transport, errs []error) {
	devices, err := ParseMMIODevices(cmdline)
	if err != nil {
		return nil, []error{err}
	}
	for _, d := range devices {
		w, ok := m(d.Base, uint64(d.Size))
		if !ok {
			errs = append(errs, &Error{mmioName(d), "its registers cannot be mapped (not device memory)"})
			continue
		}
		switch t, err := ProbeMMIO(d, w, irqs); {
		case err != nil:
			errs = append(errs, err)
		case t != nil:
			list = append(list, t)
		}
	}
	return list, errs
}

func mmioName(d MMIODevice) string { return "virtio-mmio@0x" + strconv.FormatUint(d.Base, 16) }

func (m *MMIO) bad(cause string) error { return &Error{m.name, cause} }

// Name is "virtio-mmio@" and the physical address.
func (m *MMIO) Name() string { return m.name }

// Type is the device type.
func (m *MMIO) Type() uint32 { return m.typ }

// Features reads the offered feature bits.
func (m *MMIO) Features() uint64 {
	m.w.Store32(mmioFeaturesSel, 1)
	hi := m.w.Load32(mmioFeatures)
	m.w.Store32(mmioFeaturesSel, 0)
	return uint64(hi)<<32 | uint64(m.w.Load32(mmioFeatures))
}

// SetFeatures writes the accepted feature bits.
func (m *MMIO) SetFeatures(f uint64) {
	m.w.Store32(mmioDrvFeaturesSel, 1)
	m.w.Store32(mmioDrvFeatures, uint32(f>>32))
	m.w.Store32(mmioDrvFeaturesSel, 0)
	m.w.Store32(mmioDrvFeatures, uint32(f))
}

// Status reads the device status.
func (m *MMIO) Status() uint8 { return uint8(m.w.Load32(mmioStatus)) }

// SetStatus writes it; 0 resets the device.
func (m *MMIO) SetStatus(s uint8) { m.w.Store32(mmioStatus, uint32(s)) }

// Generation reads the configuration's generation.
func (m *MMIO) Generation() uint32 { return m.w.Load32(mmioGeneration) }

// Config8 reads one byte of the configuration.
func (m *MMIO) Config8(off uint32) uint8 { return m.w.Load8(mmioConfig + off) }

// Config16 reads two aligned bytes of it.
func (m *MMIO) Config16(off uint32) uint16 { return m.w.Load16(mmioConfig + off) }

// Config32 reads four aligned bytes of it.
func (m *MMIO) Config32(off uint32) uint32 { return m.w.Load32(mmioConfig + off) }

// QueueMax reads the largest size of a queue.
func (m *MMIO) QueueMax(q uint16) uint16 {
	m.w.Store32(mmioQueueSel, uint32(q))
	return uint16(min(m.w.Load32(mmioQueueNumMax), 1<<15)) // 2.7: at most 32768
}

// EnableQueue follows virtio 1.2, 4.2.3.2.
func (m *MMIO) EnableQueue(q uint16, r Rings, line *irq.Line) (Doorbell, error) {
	if line != m.line {
		return Doorbell{}, m.bad("a memory-mapped device has one interrupt for all queues")
	}
	m.w.Store32(mmioQueueSel, uint32(q))
	if m.w.Load32(mmioQueueReady) != 0 {
		return Doorbell{}, m.bad("queue " + strconv.Itoa(int(q)) + " is in use after a reset")
	}
	m.w.Store32(mmioQueueNum, uint32(r.Size))
	m.store64(mmioQueueDesc, r.Desc)
	m.store64(mmioQueueDriver, r.Avail)
	m.store64(mmioQueueDevice, r.Used)
	m.w.Store32(mmioQueueReady, 1)
	return Doorbell{m.w.Addr(mmioQueueNotify), uint32(q), true}, nil
}

func (m *MMIO) store64(off uint32, v uint64) {
	m.w.Store32(off, uint32(v))
	m.w.Store32(off+4, uint32(v>>32))
}

// Line makes the device's one line and routes its interrupt.
func (m *MMIO) Line() (*irq.Line, error) {
	if m.line == nil {
		l := irq.New(m.name)
		if l == nil {
			return nil, m.bad("no interrupt line left")
		}
		m.line = l
		m.irqs.GSI(l, m.gsi)
	}
	return m.line, nil
}

// WatchConfig has nothing to do: the one interrupt is for both causes.
func (m *MMIO) WatchConfig() error { return nil }

// Ack reads why the device interrupted and lets go of the interrupt line.
//
// The IOAPIC entry is edge-triggered, and the device holds its line high while
// any bit of the status is set. So the order is: acknowledge first, which lets
// the line fall, then look at the rings. Whatever the device does after the
// acknowledgement raises the line again, a new edge and another round; whatever
// it did before is found by the look. The other order would lose what comes
// between the look and the acknowledgement, for good, since the line would
// never have fallen.
func (m *MMIO) Ack() uint8 {
	s := m.w.Load32(mmioIntStatus) & (InterruptQueue | InterruptConfig)
	if s != 0 {
		m.w.Store32(mmioIntACK, s)
	}
	return uint8(s)
}

// Mask silences the device's input of the IOAPIC.
func (m *MMIO) Mask(masked bool) bool {
	k, ok := m.irqs.(Masker)
	if ok {
		k.MaskGSI(m.gsi, masked)
	}
	return ok
}
