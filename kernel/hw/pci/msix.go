package pci

import (
	"errors"

	"skerry/kernel/hw/reg"
)

// CapMSIX is the capability of MSI-X, CapVendor the one that a vendor defines.
const (
	CapMSIX   = 0x11
	CapVendor = 0x09
)

// MSI-X capability and table, PCI 6.8.2.
const (
	msixEnable   = 1 << 31 // of the first word: message control is its high half
	msixMaskAll  = 1 << 30
	msixSizeMask = 0x7ff
	msixTable    = 4 // word with table offset and BAR number

	msixEntry   = 16 // bytes of an entry
	msixAddrLo  = 0
	msixAddrHi  = 4
	msixData    = 8
	msixControl = 12
	msixMasked  = 1
	msixBIRMask = 7
)

// MSIX is a function's table of interrupt messages.
type MSIX struct {
	table reg.Window
	n     uint16
}

// Errors of OpenMSIX.
var (
	errNoMSIX    = errors.New("has no MSI-X capability, and pin interrupts are not supported")
	errMSIXTable = errors.New("MSI-X table does not lie inside its BAR")
)

// OpenMSIX finds the function's MSI-X table and masks every entry, leaving
// MSI-X enabled. window answers the mapped BAR of a number.
func (f *Function) OpenMSIX(window func(bar uint8) (reg.Window, error)) (*MSIX, error) {
	for _, c := range f.Caps {
		if c.ID != CapMSIX || c.Off > 0x100-12 {
			continue
		}
		m := &MSIX{}
		control := f.Word(c.Off)
		m.n = uint16(control>>16)&msixSizeMask + 1
		where := f.Word(c.Off + msixTable)
		bar, err := window(uint8(where & msixBIRMask))
		if err != nil {
			return nil, err
		}
		var ok bool
		if m.table, ok = reg.Slice(bar, where&^msixBIRMask, uint32(m.n)*msixEntry); !ok {
			return nil, errMSIXTable
		}
		f.cfg.Write(f.Addr, c.Off, control|msixEnable|msixMaskAll)
		for i := range m.n {
			m.Mask(i, true)
		}
		f.cfg.Write(f.Addr, c.Off, control&^uint32(msixMaskAll)|msixEnable)
		return m, nil
	}
	return nil, errNoMSIX
}

// Vectors is the number of entries.
func (m *MSIX) Vectors() int { return int(m.n) }

// Set programs entry i, which must be below Vectors, with a message and lets it
// through.
func (m *MSIX) Set(i uint16, addr uint64, data uint32) {
	e := uint32(i) * msixEntry
	m.Mask(i, true)
	m.table.Store32(e+msixAddrLo, uint32(addr))
	m.table.Store32(e+msixAddrHi, uint32(addr>>32))
	m.table.Store32(e+msixData, data)
	m.Mask(i, false)
}

// Mask holds entry i back, or lets it through: a message that came meanwhile is
// then sent (PCI 6.8.2.9: the pending bit).
func (m *MSIX) Mask(i uint16, masked bool) {
	v := uint32(0)
	if masked {
		v = msixMasked
	}
	m.table.Store32(uint32(i)*msixEntry+msixControl, v)
}
