package strace

import "unsafe"

// load reads a struct of the program's memory. T must hold no pointers: any bytes
// are a valid value of it.
func load[T any](c *call, addr uint64, v *T) bool {
	return addr != 0 && c.mem.Read(unsafe.Slice((*byte)(unsafe.Pointer(v)), unsafe.Sizeof(*v)), uintptr(addr))
}

// sizeOf is the size of a struct in the program's memory.
func sizeOf[T any](v T) uint64 { return uint64(unsafe.Sizeof(v)) }
