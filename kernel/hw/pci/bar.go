package pci

import (
	"errors"

	"skerry/kernel/hw/reg"
)

// Mapper maps device memory, uncached, and answers a window onto it. It must
// refuse (ok false) what is not device memory, RAM above all: the addresses
// come from the hypervisor.
type Mapper func(phys, size uint64) (w reg.Window, ok bool)

// BAR is a base address register that was read and found good.
type BAR struct {
	Phys uint64
	Size uint64 // bytes, a power of two
}

// Bits of a base address register, PCI 6.2.5.1.
const (
	barIO     = 1
	barType   = 3 << 1
	barType64 = 2 << 1
	barMask   = ^uint64(15)
	highOnes  = 0xffff_ffff_0000_0000
)

// Errors of BAR and MapBAR.
var (
	errBARNumber = errors.New("BAR number is above 5")
	errBARIO     = errors.New("BAR is in I/O space")
	errBARType   = errors.New("BAR has a reserved type")
	errBARSize   = errors.New("BAR size is not a power of two from 16 to 2^31")
	errBARUnset  = errors.New("BAR has no address (firmware did not assign one)")
	errBARAlign  = errors.New("BAR address is not aligned to its size")
	errBARMap    = errors.New("BAR cannot be mapped (not device memory)")
)

// maxBAR bounds what is mapped; virtio devices need a few KiB.
const maxBAR = 1 << 31

// BAR reads and sizes memory BAR n (PCI 6.2.5.1: write ones, read back, put the
// address back). Memory space is off meanwhile, so that the function does not
// answer at the address of ones.
func (f *Function) BAR(n uint8) (BAR, error) {
	if n > 5 {
		return BAR{}, errBARNumber
	}
	off := regBAR0 + 4*n
	lo := f.Word(off)
	if lo&barIO != 0 {
		return BAR{}, errBARIO
	}
	wide := lo&barType == barType64
	if lo&barType != 0 && !wide || wide && n == 5 {
		return BAR{}, errBARType
	}
	cmd := f.Word(regCommand) & 0xffff
	f.cfg.Write(f.Addr, regCommand, cmd&^cmdMemory)
	phys, mask := uint64(lo), uint64(f.probe(off, lo))|highOnes
	if wide {
		hi := f.Word(off + 4)
		phys |= uint64(hi) << 32
		mask = mask&^highOnes | uint64(f.probe(off+4, hi))<<32
	}
	f.cfg.Write(f.Addr, regCommand, cmd)
	phys &= barMask
	size := -(mask & barMask)
	switch {
	case size == 0 || size&(size-1) != 0 || size > maxBAR:
		return BAR{}, errBARSize
	case phys == 0:
		return BAR{}, errBARUnset
	case phys&(size-1) != 0 || phys+size < phys:
		return BAR{}, errBARAlign
	}
	return BAR{phys, size}, nil
}

// probe finds which bits of a register can be set, and puts old back.
func (f *Function) probe(off uint8, old uint32) uint32 {
	f.cfg.Write(f.Addr, off, ^uint32(0))
	v := f.Word(off)
	f.cfg.Write(f.Addr, off, old)
	return v
}

// MapBAR maps BAR n whole.
func (f *Function) MapBAR(n uint8, m Mapper) (reg.Window, error) {
	b, err := f.BAR(n)
	if err != nil {
		return nil, err
	}
	w, ok := m(b.Phys, b.Size)
	if !ok || uint64(w.Size()) < b.Size {
		return nil, errBARMap
	}
	return w, nil
}
