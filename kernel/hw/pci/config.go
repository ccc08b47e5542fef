// Package pci finds functions on the PCI buses and gives drivers what they need
// of them: the configuration space, base address registers, capabilities, and
// MSI-X vectors.
//
// References: PCI Local Bus Specification 3.0, chapter 6 (cited as "PCI 6.2");
// PCI-to-PCI Bridge Architecture 1.2, 3.2.
//
// # Trust
//
// Configuration space and BAR contents come from the hypervisor. Walks are
// bounded, every structure is checked to lie inside its BAR, and nothing is
// mapped but through the Mapper, which must refuse addresses that are RAM.
//
// Locking: a Function belongs to one driver; Ports may be used from several
// goroutines. It imports kernel/ground/arch and kernel/hw/reg.
package pci

import (
	"sync"

	"skerry/kernel/ground/arch"
)

// Addr is a function's place: bus, device and function, as in bits 23 to 8 of
// the configuration address.
type Addr uint16

// MakeAddr builds a place; dev is below 32, fn below 8.
func MakeAddr(bus, dev, fn uint8) Addr {
	return Addr(bus)<<8 | Addr(dev&31)<<3 | Addr(fn&7)
}

// Bus, Dev and Fn are the parts of a place.
func (a Addr) Bus() uint8 { return uint8(a >> 8) }
func (a Addr) Dev() uint8 { return uint8(a>>3) & 31 }
func (a Addr) Fn() uint8  { return uint8(a) & 7 }

// String is the usual form, "00:02.0".
func (a Addr) String() string {
	const hex = "0123456789abcdef"
	b, d := a.Bus(), a.Dev()
	return string([]byte{hex[b>>4], hex[b&15], ':', hex[d>>4], hex[d&15], '.', hex[a.Fn()]})
}

// Config is access to configuration space in aligned words; off is a multiple
// of 4 below 256. A function that is not there reads as ones.
type Config interface {
	Read(a Addr, off uint8) uint32
	Write(a Addr, off uint8, v uint32)
}

// Ports is configuration mechanism #1 (PCI 3.2.2.3.2): an address port and a
// data port, 0xcf8 and 0xcfc.
type Ports struct{ mu sync.Mutex }

const (
	portAddr   = 0xcf8
	portData   = 0xcfc
	portEnable = 1 << 31
)

// Read reads a word.
func (p *Ports) Read(a Addr, off uint8) uint32 {
	p.mu.Lock()
	arch.Out32(portAddr, portEnable|uint32(a)<<8|uint32(off&^3))
	v := arch.In32(portData)
	p.mu.Unlock()
	return v
}

// Write writes a word.
func (p *Ports) Write(a Addr, off uint8, v uint32) {
	p.mu.Lock()
	arch.Out32(portAddr, portEnable|uint32(a)<<8|uint32(off&^3))
	arch.Out32(portData, v)
	p.mu.Unlock()
}
