package usermem

import (
	"sync/atomic"
	"unsafe"

	"skerry/kernel/abi"
	"skerry/kernel/ground/arch"
)

// The primitives. rawCopy returns the number of bytes not copied; the word
// forms report whether the access went through. Ranges were checked before.

//go:noescape
func rawCopy(dst, src, n uintptr) (left uintptr)
func rawLoad32(addr uintptr) (v uint32, ok bool)
func rawLoad64(addr uintptr) (v uint64, ok bool)
func rawStore32(addr uintptr, v uint32) (ok bool)
func rawCmpxchg32(addr uintptr, old, new uint32) (prev uint32, ok bool)

//go:noescape
func fixups(table *[7][3]uintptr)

func copyFrom(dst []byte, src uintptr) int {
	if len(dst) == 0 {
		return 0
	}
	if arch.Hosted != 0 {
		return hostCopy(dst, src, false)
	}
	return int(rawCopy(uintptr(unsafe.Pointer(&dst[0])), src, uintptr(len(dst))))
}

func copyTo(dst uintptr, src []byte) int {
	if len(src) == 0 {
		return 0
	}
	if arch.Hosted != 0 {
		return hostCopy(src, dst, true)
	}
	return int(rawCopy(dst, uintptr(unsafe.Pointer(&src[0])), uintptr(len(src))))
}

func load32(addr uintptr) (uint32, bool) {
	if arch.Hosted == 0 {
		return rawLoad32(addr)
	}
	if p, ok := HostTranslate(addr, false); ok {
		return atomic.LoadUint32((*uint32)(arch.Ptr(p))), true
	}
	return 0, false
}

func load64(addr uintptr) (uint64, bool) {
	if arch.Hosted == 0 {
		return rawLoad64(addr)
	}
	if p, ok := HostTranslate(addr, false); ok {
		return atomic.LoadUint64((*uint64)(arch.Ptr(p))), true
	}
	return 0, false
}

func store32(addr uintptr, v uint32) bool {
	if arch.Hosted == 0 {
		return rawStore32(addr, v)
	}
	p, ok := HostTranslate(addr, true)
	if ok {
		atomic.StoreUint32((*uint32)(arch.Ptr(p)), v)
	}
	return ok
}

func cmpxchg32(addr uintptr, old, new uint32) (uint32, bool) {
	if arch.Hosted == 0 {
		return rawCmpxchg32(addr, old, new)
	}
	p, ok := HostTranslate(addr, true)
	if !ok {
		return 0, false
	}
	w := (*uint32)(arch.Ptr(p))
	for {
		v := atomic.LoadUint32(w)
		if v != old || atomic.CompareAndSwapUint32(w, old, new) {
			return v, true
		}
	}
}

// hostCopy is rawCopy over HostTranslate, page by page.
func hostCopy(kernel []byte, user uintptr, toUser bool) int {
	for len(kernel) > 0 {
		p, ok := HostTranslate(user, toUser)
		if !ok {
			break
		}
		n := min(len(kernel), int(4096-user&4095))
		mem := arch.Bytes(p, uintptr(n))
		if toUser {
			copy(mem, kernel[:n])
		} else {
			copy(kernel[:n], mem)
		}
		kernel, user = kernel[n:], user+uintptr(n)
	}
	return len(kernel)
}

// In copies a struct without pointers from user address src.
func In[T any](dst *T, src uintptr) abi.Errno {
	_, e := CopyIn(unsafe.Slice((*byte)(unsafe.Pointer(dst)), unsafe.Sizeof(*dst)), src)
	return e
}

// Out copies a struct without pointers to user address dst. The type must have
// no implicit padding (spell it as named fields), so that no stale kernel byte
// leaves.
func Out[T any](dst uintptr, src *T) abi.Errno {
	_, e := CopyOut(dst, unsafe.Slice((*byte)(unsafe.Pointer(src)), unsafe.Sizeof(*src)))
	return e
}

// InSlice copies len(dst) structs without pointers from user address src.
func InSlice[T any](dst []T, src uintptr) abi.Errno {
	_, e := CopyIn(bytesOf(dst), src)
	return e
}

// OutSlice copies len(src) structs without pointers to user address dst.
func OutSlice[T any](dst uintptr, src []T) abi.Errno {
	_, e := CopyOut(dst, bytesOf(src))
	return e
}

func bytesOf[T any](s []T) []byte {
	if len(s) == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(&s[0])), uintptr(len(s))*unsafe.Sizeof(s[0]))
}

// BytesOf is the memory of a struct without pointers.
func BytesOf[T any](p *T) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(p)), unsafe.Sizeof(*p))
}
