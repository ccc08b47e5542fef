package frame

import (
	"syscall"
	"unsafe"

	"skerry/kernel/ground/arch"
)

// InitHost sets the pool up in an ordinary process, for tests: n frames of
// anonymous memory stand for the machine's memory, and physical addresses are
// offsets into them. It may be called again; earlier frames are then invalid.
func InitHost(n int) {
	if arch.Hosted == 0 {
		return
	}
	mem := hostMap(n * Size)
	recs := hostMap(n * RecordSize)
	pool.lists = [MaxOrder + 1]uint32{}
	pool.count = [kinds]int64{}
	pool.free, pool.total, pool.reserve = 0, 0, 0
	Init(mem, recs, uint32(n))
	AddRange(0, uint64(n)*Size)
}

func hostMap(n int) uintptr {
	b, err := syscall.Mmap(-1, 0, n, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		panic("frame: host memory: " + err.Error())
	}
	return uintptr(unsafe.Pointer(&b[0]))
}
