package virtio

import (
	"sync/atomic"

	"skerry/kernel/ground/arch"
)

// Shared memory, accessed so that each access is one instruction: sync/atomic
// loads and exchanges are intrinsics, while arch.Load32 and its like would be
// calls. Loads are not repeated and not merged by the compiler.

// Load32 reads four aligned bytes of memory that the device may write, once.
func Load32(addr uintptr) uint32 { return atomic.LoadUint32((*uint32)(arch.Ptr(addr))) }

// Load64 reads eight bytes of such memory, once.
func Load64(addr uintptr) uint64 { return atomic.LoadUint64((*uint64)(arch.Ptr(addr))) }

// publish stores four bytes. On amd64 this is XCHG: earlier stores are visible
// before it, and no later load is done before it is visible (SDM vol. 3, 9.2),
// which is the barrier that both suppression protocols need.
func publish(addr uintptr, v uint32) { atomic.StoreUint32((*uint32)(arch.Ptr(addr)), v) }

// put64 and put16 store to memory that the device reads after the next publish;
// the compiler moves no store over that.
func put64(addr uintptr, v uint64) { *(*uint64)(arch.Ptr(addr)) = v }
func put16(addr uintptr, v uint16) { *(*uint16)(arch.Ptr(addr)) = v }
