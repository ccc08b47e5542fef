package virtiotest

import (
	"encoding/binary"

	"skerry/kernel/hw/pci"
	"skerry/kernel/hw/reg"
	"skerry/kernel/hw/virtio"
)

// Places of the structures in the PCI function's one memory BAR (BAR 4).
const (
	pciBAR      = 4
	pciBARSize  = 0x4000
	pciBARBase  = 0x3_8000_0000
	pciCommonAt = 0x0000
	pciDeviceAt = 0x2000
	pciNotifyAt = 0x3000
	pciTableAt  = 0x3800
	pciMult     = 4
)

// PCI shows a device as a PCI function at 00:03.0 behind configuration space
// that a test may change: Space is what is read, BARs which bits of it can be
// written.
type PCI struct {
	D     *Device
	Space [256]byte
	Wires *Wires

	probing       map[uint8]bool
	table         [64]byte
	queue         uint16
	featSel       uint32
	drvSel        uint32
	drv           uint64
	configVector  uint16
	q             map[uint16]*pciQueue
	RefuseVectors bool
	NotifyOff     func(q uint16) uint16
}

type pciQueue struct {
	size, vector, enabled uint16
	addr                  [3]uint64
}

// NewPCI lays the function out as QEMU does.
func NewPCI(d *Device) *PCI {
	p := &PCI{D: d, Wires: &Wires{D: d}, probing: map[uint8]bool{}, configVector: 0xffff}
	le := binary.LittleEndian
	le.PutUint16(p.Space[0:], 0x1af4)
	le.PutUint16(p.Space[2:], uint16(0x1040+d.ID))
	le.PutUint16(p.Space[6:], 1<<4)
	le.PutUint32(p.Space[0x10+4*pciBAR:], pciBARBase&0xffff_ffff|4|8)
	le.PutUint32(p.Space[0x14+4*pciBAR:], pciBARBase>>32)
	p.Space[0x34] = 0x40
	at := uint8(0x40)
	add := func(typ, bar byte, off, n uint32) {
		size := uint8(16)
		if typ == 2 {
			size = 20
		}
		next := at + (size+3)&^3
		copy(p.Space[at:], []byte{9, next, size, typ, bar})
		le.PutUint32(p.Space[at+8:], off)
		le.PutUint32(p.Space[at+12:], n)
		if typ == 2 {
			le.PutUint32(p.Space[at+16:], pciMult)
		}
		at = next
	}
	add(5, 0, 0, 0)
	add(1, pciBAR, pciCommonAt, 0x38)
	add(3, pciBAR, 0x1000, 4)
	add(4, pciBAR, pciDeviceAt, uint32(max(4, len(d.Conf))))
	add(2, pciBAR, pciNotifyAt, 4*64)
	copy(p.Space[at:], []byte{0x11, 0, 3, 0}) // four vectors
	le.PutUint32(p.Space[at+4:], pciTableAt|pciBAR)
	p.reset()
	return p
}

func (p *PCI) reset() {
	p.q = map[uint16]*pciQueue{}
	for i := range p.D.QueueSizes {
		p.q[uint16(i)] = &pciQueue{size: p.D.QueueSizes[i], vector: 0xffff}
	}
}

// Read implements pci.Config.
func (p *PCI) Read(a pci.Addr, off uint8) uint32 {
	if a != pci.MakeAddr(0, 3, 0) {
		return 0xffff_ffff
	}
	if p.probing[off] {
		switch off {
		case 0x10 + 4*pciBAR:
			return ^uint32(pciBARSize-1) | 12
		case 0x14 + 4*pciBAR:
			return 0xffff_ffff
		}
		return 0
	}
	return binary.LittleEndian.Uint32(p.Space[off&^3:])
}

// Write implements pci.Config.
func (p *PCI) Write(a pci.Addr, off uint8, v uint32) {
	switch {
	case a != pci.MakeAddr(0, 3, 0):
	case off >= 0x10 && off < 0x28:
		p.probing[off] = v == 0xffff_ffff
		if v != 0xffff_ffff {
			binary.LittleEndian.PutUint32(p.Space[off:], v)
		}
	case off == 4:
		binary.LittleEndian.PutUint16(p.Space[off:], uint16(v))
	default:
		binary.LittleEndian.PutUint32(p.Space[off&^3:], v)
	}
}

// Map is the pci.Mapper of the function.
func (p *PCI) Map(phys, size uint64) (reg.Window, bool) {
	return &bar{p}, phys == pciBARBase && size == pciBARSize
}

// Fire sends the message of the given queue, or of the configuration for -1,
// as the vector table says.
func (p *PCI) Fire(q int) bool {
	v := p.configVector
	if q >= 0 {
		v = p.q[uint16(q)].vector
	}
	if v >= 4 || binary.LittleEndian.Uint32(p.table[16*v+12:])&1 != 0 {
		return false
	}
	p.Wires.MSIs[binary.LittleEndian.Uint32(p.table[16*v+8:])].Fire()
	return true
}

// bar is the function's memory space.
type bar struct{ p *PCI }

func (b *bar) Size() uint32 { return pciBARSize }

func (b *bar) Addr(off uint32) uintptr {
	if off < pciNotifyAt || off >= pciNotifyAt+4*64 || off%4 != 0 {
		panic("virtiotest: not a doorbell")
	}
	return b.p.D.bell(uint16((off - pciNotifyAt) / pciMult))
}

func (b *bar) Load8(off uint32) uint8 {
	switch off {
	case 0x14:
		return b.p.D.Status()
	case 0x15:
		return uint8(b.p.D.Generation())
	}
	return b.p.D.Config8(off - pciDeviceAt)
}

func (b *bar) Load16(off uint32) uint16 {
	p := b.p
	q := p.q[p.queue]
	if q == nil {
		q = &pciQueue{}
	}
	switch off {
	case 0x10:
		return p.configVector
	case 0x12:
		return uint16(len(p.D.QueueSizes))
	case 0x18:
		return q.size
	case 0x1a:
		return q.vector
	case 0x1c:
		return q.enabled
	case 0x1e:
		if p.NotifyOff != nil {
			return p.NotifyOff(p.queue)
		}
		return p.queue
	}
	return p.D.Config16(off - pciDeviceAt)
}

func (b *bar) Load32(off uint32) uint32 {
	switch {
	case off == 0x04:
		return half(b.p.D.Features(), b.p.featSel)
	case off >= pciTableAt && off < pciTableAt+64:
		return binary.LittleEndian.Uint32(b.p.table[off-pciTableAt:])
	}
	return b.p.D.Config32(off - pciDeviceAt)
}

func (b *bar) Store8(off uint32, v uint8) {
	if off != 0x14 {
		panic("virtiotest: byte store to a register")
	}
	if v == 0 {
		b.p.reset()
		b.p.configVector = 0xffff
		b.p.drv = 0
	}
	b.p.D.SetStatus(v)
}

func (b *bar) Store16(off uint32, v uint16) {
	p := b.p
	q := p.q[p.queue]
	if q == nil {
		q = &pciQueue{}
	}
	switch off {
	case 0x10:
		p.configVector = v
	case 0x16:
		p.queue = v
	case 0x18:
		q.size = v
	case 0x1a:
		if !p.RefuseVectors {
			q.vector = v
		}
	case 0x1c:
		q.enabled = v
		p.D.enable(p.queue, virtio.Rings{Size: q.size, Desc: q.addr[0], Avail: q.addr[1], Used: q.addr[2]})
	default:
		panic("virtiotest: 16-bit store to a register")
	}
}

func (b *bar) Store32(off uint32, v uint32) {
	p := b.p
	switch {
	case off == 0x00:
		p.featSel = v
	case off == 0x08:
		p.drvSel = v
	case off == 0x0c:
		if p.drvSel == 1 {
			p.drv = p.drv&0xffff_ffff | uint64(v)<<32
		} else {
			p.drv = p.drv&^0xffff_ffff | uint64(v)
		}
		p.D.SetFeatures(p.drv)
	case off >= 0x20 && off < 0x38:
		a := &p.q[p.queue].addr[(off-0x20)/8]
		if off&4 != 0 {
			*a = *a&0xffff_ffff | uint64(v)<<32
		} else {
			*a = *a&^0xffff_ffff | uint64(v)
		}
	case off >= pciTableAt && off < pciTableAt+64:
		binary.LittleEndian.PutUint32(p.table[off-pciTableAt:], v)
	default:
		panic("virtiotest: 32-bit store to a register")
	}
}
