package qtest

import (
	"sync/atomic"
	"unsafe"

	"skerry/kernel/ground/arch"
)

func addrOf(b []byte) uintptr { return uintptr(unsafe.Pointer(&b[0])) }

func swap(a uintptr, v uint32) uint32 { return atomic.SwapUint32((*uint32)(arch.Ptr(a)), v) }
