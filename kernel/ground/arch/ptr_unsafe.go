package arch

import "unsafe"

// Ptr turns an address that lies outside the Go heap (direct map, device
// window, per-CPU block) into a pointer. The indirection keeps the conversion
// out of the compiler's pointer-arithmetic rules, which are about the Go heap.
//
//go:nosplit
func Ptr(addr uintptr) unsafe.Pointer {
	return *(*unsafe.Pointer)(unsafe.Pointer(&addr))
}

// Bytes is the n bytes at addr, which must lie outside the Go heap and stay
// mapped for as long as the slice is used.
//
//go:nosplit
func Bytes(addr, n uintptr) []byte {
	return unsafe.Slice((*byte)(Ptr(addr)), n)
}
