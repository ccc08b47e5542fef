package virtio

import (
	"skerry/kernel/ground/arch"
	"skerry/kernel/ground/frame"
)

// Memory is memory that is shared with a device: outside the Go heap,
// physically contiguous, cleared when it is handed out.
type Memory struct {
	Addr uintptr // how we reach it
	Phys uint64  // what the device is told
}

// Part is the memory from byte off on.
func (m Memory) Part(off uint32) Memory {
	return Memory{m.Addr + uintptr(off), m.Phys + uint64(off)}
}

// Bytes is the first n bytes of the memory. While the device has it, its
// contents may change between two looks.
func (m Memory) Bytes(n uint32) []byte { return arch.Bytes(m.Addr, uintptr(n)) }

// arena hands out a device's memory: small pieces share frames.
type arena struct {
	blocks []frame.PFN
	cur    Memory
	left   uint32
}

// maxAlloc is the largest piece, in bytes.
const maxAlloc = frame.Size << frame.MaxOrder

// Alloc takes size bytes aligned to align, a power of two of at most 4096, for
// the life of the device. ok is false when memory ran out.
func (d *Device) Alloc(size, align uint32) (m Memory, ok bool) {
	a := &d.mem
	if skip := uint32(-a.cur.Phys) & (align - 1); a.left >= skip && a.left-skip >= size {
		m = a.cur.Part(skip)
		a.cur, a.left = m.Part(size), a.left-skip-size
		return m, true
	}
	if size > maxAlloc {
		return m, false
	}
	order := uint8(0)
	for frame.Size<<order < size {
		order++
	}
	p := frame.AllocOrderZero(frame.KindKernel, order)
	if p == 0 {
		return m, false
	}
	a.blocks = append(a.blocks, p)
	m = Memory{p.Addr(), p.Phys()}
	if rest := frame.Size<<order - size; rest > a.left {
		a.cur, a.left = m.Part(size), rest
	}
	return m, true
}

// release returns everything.
func (a *arena) release() {
	for _, p := range a.blocks {
		p.Unref()
	}
	*a = arena{}
}
