// Package reg is a window of device registers: memory-mapped I/O in the machine
// (Memory), an emulation in tests. Drivers use it for set-up and for registers
// off the hot path; a doorbell is written through its address (Addr), as one
// store without a call through an interface.
//
// Windows have no lock: whoever owns the device orders the accesses. Offsets
// come from constants and from device-supplied structures alike, so every
// access is checked against the window's size: a read outside gives ones, as a
// bus without a device does, a write outside is dropped. It imports
// kernel/ground/arch.
package reg

import "skerry/kernel/ground/arch"

// Window is a run of registers. Each access is made exactly once, with exactly
// the width of its name. Offsets are in bytes.
type Window interface {
	Size() uint32
	Load8(off uint32) uint8
	Load16(off uint32) uint16
	Load32(off uint32) uint32
	Store8(off uint32, v uint8)
	Store16(off uint32, v uint16)
	Store32(off uint32, v uint32)
	// Addr is the address of the register at off, which the caller has checked
	// against Size.
	Addr(off uint32) uintptr
}

// Memory is a window of mapped, uncached device memory.
type Memory struct {
	Base uintptr
	Len  uint32 // bytes
}

// holds reports whether n bytes at off lie inside a window of size bytes.
func holds(size, off, n uint32) bool { return off <= size && size-off >= n }

// Size is the window's size in bytes.
func (m Memory) Size() uint32 { return m.Len }

// Load8 reads a byte.
func (m Memory) Load8(off uint32) uint8 {
	if !holds(m.Len, off, 1) {
		return 0xff
	}
	return arch.Load8(m.Base + uintptr(off))
}

// Load16 reads two bytes.
func (m Memory) Load16(off uint32) uint16 {
	if !holds(m.Len, off, 2) {
		return 0xffff
	}
	return arch.Load16(m.Base + uintptr(off))
}

// Load32 reads four bytes.
func (m Memory) Load32(off uint32) uint32 {
	if !holds(m.Len, off, 4) {
		return 0xffff_ffff
	}
	return arch.Load32(m.Base + uintptr(off))
}

// Store8 writes a byte.
func (m Memory) Store8(off uint32, v uint8) {
	if holds(m.Len, off, 1) {
		arch.Store8(m.Base+uintptr(off), v)
	}
}

// Store16 writes two bytes.
func (m Memory) Store16(off uint32, v uint16) {
	if holds(m.Len, off, 2) {
		arch.Store16(m.Base+uintptr(off), v)
	}
}

// Store32 writes four bytes.
func (m Memory) Store32(off uint32, v uint32) {
	if holds(m.Len, off, 4) {
		arch.Store32(m.Base+uintptr(off), v)
	}
}

// Addr is the address of the register at off.
func (m Memory) Addr(off uint32) uintptr { return m.Base + uintptr(off) }

// Slice is the part of w from off, n bytes long, as a window of its own; ok is
// false if it does not lie inside w.
func Slice(w Window, off, n uint32) (s Window, ok bool) {
	if !holds(w.Size(), off, n) {
		return nil, false
	}
	if m, isMemory := w.(Memory); isMemory {
		return Memory{Base: m.Base + uintptr(off), Len: n}, true
	}
	return part{w, off, n}, true
}

// part is a slice of a window that is not plain memory.
type part struct {
	w      Window
	off, n uint32
}

func (p part) Size() uint32 { return p.n }

func (p part) Load8(off uint32) uint8 {
	if !holds(p.n, off, 1) {
		return 0xff
	}
	return p.w.Load8(p.off + off)
}

func (p part) Load16(off uint32) uint16 {
	if !holds(p.n, off, 2) {
		return 0xffff
	}
	return p.w.Load16(p.off + off)
}

func (p part) Load32(off uint32) uint32 {
	if !holds(p.n, off, 4) {
		return 0xffff_ffff
	}
	return p.w.Load32(p.off + off)
}

func (p part) Store8(off uint32, v uint8) {
	if holds(p.n, off, 1) {
		p.w.Store8(p.off+off, v)
	}
}

func (p part) Store16(off uint32, v uint16) {
	if holds(p.n, off, 2) {
		p.w.Store16(p.off+off, v)
	}
}

func (p part) Store32(off uint32, v uint32) {
	if holds(p.n, off, 4) {
		p.w.Store32(p.off+off, v)
	}
}

func (p part) Addr(off uint32) uintptr { return p.w.Addr(p.off + off) }
