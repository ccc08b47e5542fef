package frame

import (
	"unsafe"

	"skerry/kernel/ground/arch"
)

// rec is the record of frame p. A number outside the pool is a kernel bug.
//
//go:nosplit
func rec(p PFN) *record {
	if uint32(p) >= pool.frames {
		corrupt(p)
	}
	return (*record)(arch.Ptr(pool.recs + uintptr(p)*unsafe.Sizeof(record{})))
}

// Bytes is the frame's memory through the direct map.
func (p PFN) Bytes() []byte { return arch.Bytes(p.Addr(), Size<<rec(p).order) }

//go:nosplit
func thisCPU() uint32 { return (*arch.CPU)(arch.Ptr(arch.This())).ID }

//go:nosplit
func zero(p PFN, n uintptr) { arch.ZeroPage(p.Addr(), n) }

// corrupt stops on a broken invariant: it stores to an address that is never
// mapped, which ground reports with the registers (p is in one of them).
//
//go:nosplit
func corrupt(p PFN) {
	arch.Store64(^uintptr(0xfff)+uintptr(p)&0xfff, uint64(p))
}
