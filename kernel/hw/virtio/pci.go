package virtio

import (
	"slices"
	"strconv"
	"sync/atomic"

	"skerry/kernel/hw/irq"
	"skerry/kernel/hw/pci"
	"skerry/kernel/hw/reg"
)

// Identification, virtio 1.2, 4.1.2: vendor 0x1af4, and a device id of 0x1040
// plus the device type. Transitional devices have 0x1000 to 0x103f and their
// type in the subsystem id; they too have the modern structures.
const (
	pciVendor       = 0x1af4
	pciTransitional = 0x1000
	pciModern       = 0x1040
	pciModernEnd    = 0x107f
)

// Vendor capability, virtio 1.2, 4.1.4: byte offsets in it, and the types of
// the structures that it points to.
const (
	pciCapBAR    = 4 // word: bar, id, padding
	pciCapOffset = 8
	pciCapLength = 12
	pciCapMult   = 16 // notify only

	pciCommon = 1
	pciNotify = 2 // 3 is the interrupt status, which MSI-X makes useless
	pciDevice = 4

	pciCapSize       = 16
	pciNotifyCapSize = 20
)

// Common configuration, virtio 1.2, 4.1.4.3.
const (
	commonFeatureSel    = 0x00 // 32
	commonFeature       = 0x04 // 32
	commonDrvFeatureSel = 0x08 // 32
	commonDrvFeature    = 0x0c // 32
	commonConfigVector  = 0x10 // 16
	commonNumQueues     = 0x12 // 16
	commonStatus        = 0x14 // 8
	commonGeneration    = 0x15 // 8
	commonQueueSel      = 0x16 // 16
	commonQueueSize     = 0x18 // 16
	commonQueueVector   = 0x1a // 16
	commonQueueEnable   = 0x1c // 16
	commonQueueNotify   = 0x1e // 16
	commonQueueDesc     = 0x20 // 64
	commonQueueDriver   = 0x28 // 64
	commonQueueDevice   = 0x30 // 64
	commonSize          = 0x38

	noVector = 0xffff
)

// PCI is a device on the PCI transport.
type PCI struct {
	name   string
	typ    uint32
	f      *pci.Function
	irqs   Interrupts
	common reg.Window
	notify reg.Window
	device reg.Window // nil if there is no configuration
	mult   uint32     // bytes between doorbells
	msix   *pci.MSIX

	lines   []*irq.Line // by MSI-X entry
	line    *irq.Line
	changed atomic.Bool // the configuration, since the last Ack
}

// FindPCI probes every virtio function. Functions that cannot be used are
// reported beside the good ones.
func FindPCI(cfg pci.Config, m pci.Mapper, irqs Interrupts) (list []Transport, errs []error) {
	for _, f := range pci.Scan(cfg) {
		if f.Vendor != pciVendor || f.Device < pciTransitional || f.Device > pciModernEnd {
			continue
		}
		if p, err := ProbePCI(f, m, irqs); err != nil {
			errs = append(errs, err)
		} else {
			list = append(list, p)
		}
	}
	return list, errs
}

// ProbePCI finds the structures of a virtio function (virtio 1.2, 4.1.4) and
// enables it.
func ProbePCI(f *pci.Function, m pci.Mapper, irqs Interrupts) (*PCI, error) {
	p := &PCI{name: "virtio-pci " + f.Addr.String(), f: f, irqs: irqs, typ: uint32(f.SubSys)}
	if f.Device >= pciModern {
		p.typ = uint32(f.Device - pciModern)
	}
	var bars [6]reg.Window
	window := func(n uint8) (reg.Window, error) {
		if int(n) < len(bars) && bars[n] != nil {
			return bars[n], nil
		}
		w, err := f.MapBAR(n, m)
		if err == nil {
			bars[n] = w
		}
		return w, err
	}
	if err := p.structures(window); err != nil {
		return nil, err
	}
	f.Enable()
	var err error
	if p.msix, err = f.OpenMSIX(window); err != nil {
		f.Disable()
		return nil, p.bad(err.Error())
	}
	return p, nil
}

// structures finds the first usable instance of each structure (4.1.4.2: the
// first that the driver can use; unknown types are skipped).
func (p *PCI) structures(window func(n uint8) (reg.Window, error)) error {
	for _, c := range p.f.Caps {
		if c.ID != pci.CapVendor || c.Off > 0x100-pciCapSize {
			continue
		}
		head := p.f.Word(c.Off)
		size, typ := uint8(head>>16), uint8(head>>24)
		var into *reg.Window
		need := uint32(1)
		switch typ {
		case pciCommon:
			into, need = &p.common, commonSize
		case pciNotify:
			into, need = &p.notify, 2
		case pciDevice:
			into = &p.device
		default:
			continue
		}
		if *into != nil {
			continue
		}
		bar := uint8(p.f.Word(c.Off + pciCapBAR))
		off, n := p.f.Word(c.Off+pciCapOffset), p.f.Word(c.Off+pciCapLength)
		what := "structure " + strconv.Itoa(int(typ))
		if size < pciCapSize || typ == pciNotify && (size < pciNotifyCapSize || c.Off > 0x100-pciNotifyCapSize) {
			return p.bad(what + " has a short capability")
		}
		if bar > 5 {
			continue // 4.1.4.1: reserved values are ignored
		}
		if n < need || off&3 != 0 {
			return p.bad(what + " is too short or misaligned")
		}
		w, err := window(bar)
		if err != nil {
			return p.bad(what + ": " + err.Error())
		}
		s, ok := reg.Slice(w, off, n)
		if !ok {
			return p.bad(what + " does not lie inside its BAR")
		}
		*into = s
		if typ == pciNotify {
			p.mult = p.f.Word(c.Off + pciCapMult)
		}
	}
	if p.common == nil || p.notify == nil {
		return p.bad("is a legacy device (no modern structures; QEMU: disable-legacy=on,disable-modern=off)")
	}
	return nil
}

func (p *PCI) bad(cause string) error { return &Error{p.name, cause} }

// Name is "virtio-pci " and the place on the bus.
func (p *PCI) Name() string { return p.name }

// Type is the device type.
func (p *PCI) Type() uint32 { return p.typ }

// Features reads the offered feature bits.
func (p *PCI) Features() uint64 {
	p.common.Store32(commonFeatureSel, 1)
	hi := p.common.Load32(commonFeature)
	p.common.Store32(commonFeatureSel, 0)
	return uint64(hi)<<32 | uint64(p.common.Load32(commonFeature))
}

// SetFeatures writes the accepted feature bits.
func (p *PCI) SetFeatures(f uint64) {
	p.common.Store32(commonDrvFeatureSel, 1)
	p.common.Store32(commonDrvFeature, uint32(f>>32))
	p.common.Store32(commonDrvFeatureSel, 0)
	p.common.Store32(commonDrvFeature, uint32(f))
}

// Status reads the device status.
func (p *PCI) Status() uint8 { return p.common.Load8(commonStatus) }

// SetStatus writes it; 0 resets the device.
func (p *PCI) SetStatus(s uint8) { p.common.Store8(commonStatus, s) }

// Generation reads the configuration's generation.
func (p *PCI) Generation() uint32 { return uint32(p.common.Load8(commonGeneration)) }

// Config8 reads one byte of the configuration.
func (p *PCI) Config8(off uint32) uint8 {
	if p.device == nil {
		return 0xff
	}
	return p.device.Load8(off)
}

// Config16 reads two aligned bytes of it.
func (p *PCI) Config16(off uint32) uint16 {
	if p.device == nil {
		return 0xffff
	}
	return p.device.Load16(off)
}

// Config32 reads four aligned bytes of it.
func (p *PCI) Config32(off uint32) uint32 {
	if p.device == nil {
		return 0xffff_ffff
	}
	return p.device.Load32(off)
}

// QueueMax reads the largest size of a queue.
func (p *PCI) QueueMax(q uint16) uint16 {
	if q >= p.common.Load16(commonNumQueues) {
		return 0
	}
	p.common.Store16(commonQueueSel, q)
	return min(p.common.Load16(commonQueueSize), 1<<15)
}

// EnableQueue follows virtio 1.2, 4.1.5.1.3.
func (p *PCI) EnableQueue(q uint16, r Rings, line *irq.Line) (Doorbell, error) {
	what := "queue " + strconv.Itoa(int(q))
	vector, err := p.vector(line)
	if err != nil {
		return Doorbell{}, err
	}
	c := p.common
	c.Store16(commonQueueSel, q)
	if c.Load16(commonQueueEnable) != 0 {
		return Doorbell{}, p.bad(what + " is in use after a reset")
	}
	// 4.1.4.4: the doorbell lies at notify_off times the multiplier, and those
	// two bytes inside the structure. The product of 16 and 32 bits fits in 64.
	at := uint64(c.Load16(commonQueueNotify)) * uint64(p.mult)
	if at+2 > uint64(p.notify.Size()) || at&1 != 0 {
		return Doorbell{}, p.bad("the doorbell of " + what + " does not lie inside its structure")
	}
	c.Store16(commonQueueSize, r.Size)
	c.Store16(commonQueueVector, vector)
	// 4.1.5.1.2.1: a device without resources for the vector says so here.
	if c.Load16(commonQueueVector) != vector {
		return Doorbell{}, p.bad("does not take an interrupt vector for " + what)
	}
	store64(c, commonQueueDesc, r.Desc)
	store64(c, commonQueueDriver, r.Avail)
	store64(c, commonQueueDevice, r.Used)
	c.Store16(commonQueueEnable, 1)
	return Doorbell{p.notify.Addr(uint32(at)), uint32(q), false}, nil
}

func store64(w reg.Window, off uint32, v uint64) {
	w.Store32(off, uint32(v))
	w.Store32(off+4, uint32(v>>32))
}

// vector is the MSI-X entry that signals line.
func (p *PCI) vector(line *irq.Line) (uint16, error) {
	if i := slices.Index(p.lines, line); i >= 0 {
		return uint16(i), nil
	}
	if len(p.lines) >= p.msix.Vectors() {
		return 0, p.bad("has only " + strconv.Itoa(p.msix.Vectors()) + " MSI-X vectors")
	}
	addr, data := p.irqs.MSI(line)
	if addr == 0 {
		return 0, p.bad("no interrupt vector left")
	}
	i := uint16(len(p.lines))
	p.lines = append(p.lines, line)
	p.msix.Set(i, addr, data)
	return i, nil
}

// Line makes the device's line; its queues' messages get wired to it as they
// are enabled.
func (p *PCI) Line() (*irq.Line, error) {
	if p.line == nil {
		if p.line = irq.New(p.name); p.line == nil {
			return nil, p.bad("no interrupt line left")
		}
	}
	return p.line, nil
}

// WatchConfig gives changes of the configuration a message of their own, since
// messages carry no cause and there is no register that does (4.1.4.5 is not
// for MSI-X). A goroutine turns it into a flag and an interrupt on Line.
func (p *PCI) WatchConfig() error {
	main, err := p.Line()
	if err != nil {
		return err
	}
	l := irq.New(p.name + " configuration")
	if l == nil {
		return p.bad("no interrupt line left")
	}
	vector, err := p.vector(l)
	if err != nil {
		return err
	}
	p.common.Store16(commonConfigVector, vector)
	if p.common.Load16(commonConfigVector) != vector {
		return p.bad("does not take an interrupt vector for its configuration")
	}
	go func() {
		for {
			l.Wait()
			p.changed.Store(true)
			main.Fire()
		}
	}()
	return nil
}

// Ack needs no register: a message is an edge by nature. One that is sent after
// this point fires the line again.
func (p *PCI) Ack() uint8 {
	if p.changed.Load() && p.changed.Swap(false) {
		return InterruptQueue | InterruptConfig
	}
	return InterruptQueue
}

// Mask holds back or lets through all of the device's messages.
func (p *PCI) Mask(masked bool) bool {
	for i := range p.lines {
		p.msix.Mask(uint16(i), masked)
	}
	return true
}

var (
	_ Transport = (*MMIO)(nil)
	_ Transport = (*PCI)(nil)
)
