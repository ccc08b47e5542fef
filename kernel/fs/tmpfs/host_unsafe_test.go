package tmpfs

import (
	"runtime"
	"syscall"
	"unsafe"
)

func ptr[T any](p *T) uintptr { return uintptr(unsafe.Pointer(p)) }

// sys makes a host system call with a path kept alive.
func sys(nr uintptr, args ...any) (uintptr, syscall.Errno) {
	var a [6]uintptr
	var keep [][]byte
	for i, x := range args {
		switch v := x.(type) {
		case string:
			b := append([]byte(v), 0)
			keep = append(keep, b)
			a[i] = uintptr(unsafe.Pointer(&b[0]))
		case []byte:
			if len(v) > 0 {
				a[i] = uintptr(unsafe.Pointer(&v[0]))
			}
			keep = append(keep, v)
		case int:
			a[i] = uintptr(v)
		case int64:
			a[i] = uintptr(v)
		case uint32:
			a[i] = uintptr(v)
		case uintptr:
			a[i] = v
		}
	}
	r, _, e := syscall.Syscall6(nr, a[0], a[1], a[2], a[3], a[4], a[5])
	runtime.KeepAlive(keep)
	return r, e
}
