package ground

import (
	"sync/atomic"

	"skerry/kernel/ground/arch"
	"skerry/kernel/ground/frame"
)

// The address space of the kernel's own Go runtime. Addresses are handed out
// upwards and never reused; memory appears on first touch and goes back when
// the runtime unmaps it or says MADV_DONTNEED. PROT_NONE reservations cost
// nothing and are not enforced: the runtime never touches what it reserved.

// heap is guarded by mem.
var heap struct {
	small, large uintptr // next free address
	faults       uint64
	huge         uint32 // use 2 MiB pages for the large region
}

func mapRuntime() {
	heap.small, heap.large = heapSmall, heapLarge
	// Each boot draws where the heap starts, 16 bits at 64 MiB: nothing relies
	// on it, it only makes kernel addresses unlike from boot to boot.
	heap.large += uintptr(arch.RDTSC()*0x9e3779b97f4a7c15>>48) << 26
}

// inHeap reports whether va was handed out to the runtime.
func inHeap(va uintptr) bool {
	return va >= heapSmall && va < heap.small || va >= heapLarge && va < heap.large
}

// Linux's mmap and madvise constants, asm-generic/mman-common.h.
const (
	mapFixed     = 0x10
	madvDontneed = 4
	madvFree     = 8
)

func gMmap(addr, n, flags uintptr) uintptr {
	if n == 0 {
		return fail(eINVAL)
	}
	n = (n + pageSize - 1) &^ (pageSize - 1)
	if flags&mapFixed != 0 {
		// The runtime maps over its own reservations only; what was there goes.
		if addr&(pageSize-1) != 0 || !inHeap(addr) || !inHeap(addr+n-1) {
			return fail(eINVAL)
		}
		gDrop(addr, n)
		return addr
	}
	fl := mem.Lock()
	va := fail(eNOMEM)
	if n >= 64<<20 {
		// Aligned to 64 MiB, so that the runtime does not have to over-reserve.
		n = (n + 64<<20 - 1) &^ (64<<20 - 1)
		if n <= heapLargeEnd-heap.large {
			va = heap.large
			heap.large += n
		}
	} else if n <= heapSmallEnd-heap.small {
		va = heap.small
		heap.small += n
	}
	mem.Unlock(fl)
	return va
}

// dropBatch is how many frames are freed per TLB flush.
const dropBatch = 128

// gDrop frees the memory behind [addr, addr+n). It holds no lock while it
// flushes, and frees frames only after the flush.
func gDrop(addr, n uintptr) {
	var freed [dropBatch]frame.PFN
	end := addr + n
	for addr < end {
		count := 0
		first := addr
		fl := mem.Lock()
		for addr < end && count < dropBatch {
			e := pte(addr, false)
			if e == nil {
				addr = (addr + hugeSize) &^ (hugeSize - 1)
				continue
			}
			if *e&pteP != 0 {
				freed[count] = frame.FromPhys(*e & pteMem)
				count++
				*e = 0
			}
			addr += pageSize
		}
		mem.Unlock(fl)
		if count > 0 {
			gShoot(first, min(addr, end))
			for i := 0; i < count; i++ {
				freed[i].Unref()
			}
		}
	}
}

// demand maps a zeroed page for the runtime at va, or reports that va is not
// the runtime's. Out of memory ends the machine with a message, not with a
// throw of the runtime somewhere.
func demand(va uintptr) bool {
	va &^= pageSize - 1
	if !inHeap(va) && !(va >= LinearEnd && va < early.sym.end) {
		return false
	}
	f := frame.AllocZero(frame.KindHeap)
	if f == 0 {
		gOutOfMemory()
	}
	if mark := atomic.LoadInt64(&lowMark); mark != 0 && frame.FreeFrames() < mark {
		gLowMemory(mark)
	}
	if atomic.LoadUint32(&lowNow) != 0 {
		me().slow |= slowIRQ
	}
	fl := mem.Lock()
	e := pte(va, true)
	if e == nil {
		mem.Unlock(fl)
		gOutOfMemory()
	}
	if *e&pteP == 0 {
		*e = f.Phys() | pteP | pteW | pteNX | pteG | pteA | pteD
		f = 0
	}
	heap.faults++
	mem.Unlock(fl)
	if f != 0 {
		f.Unref() // another CPU was first
	}
	return true
}

// lowMark and lowLine are what WatchMemory set: raise device line lowLine once
// when fewer than lowMark frames are free. A lowMark of 0 watches nothing. lowNow
// is 1 from then until WatchMemory is called again; a CPU on which the heap grows
// meanwhile leaves ring 3 alone for the task loop to hold its thread up.
var (
	lowMark int64
	lowLine uint32
	lowNow  uint32
)

// WatchMemory has device line raised, as if its device had interrupted, as soon
// as the Go heap's growth leaves fewer than frames free; once, until it is called
// again. Whoever waits for the line gives memory back or ends the program.
func WatchMemory(line int, frames int64) {
	atomic.StoreUint32(&lowLine, uint32(line)&63)
	atomic.StoreUint32(&lowNow, 0)
	atomic.StoreInt64(&lowMark, frames)
}

// MemoryLow reports whether the line was raised since the last WatchMemory.
func MemoryLow() bool { return atomic.LoadUint32(&lowNow) != 0 }

// gLowMemory raises the line. The lock may be held by whoever faulted, or be
// contended; then the next page that the heap needs raises it.
func gLowMemory(mark int64) {
	fl, ok := sched.TryLock()
	if !ok {
		return
	}
	if atomic.CompareAndSwapInt64(&lowMark, mark, 0) {
		atomic.OrUint64(&irqPending, 1<<atomic.LoadUint32(&lowLine))
		atomic.StoreUint32(&lowNow, 1)
		gIRQWake()
	}
	sched.Unlock(fl)
}

// ensure makes [va, va+n) of the runtime's memory present.
func ensure(va, n uintptr) bool {
	for p := va &^ (pageSize - 1); p < va+n; p += pageSize {
		fl := mem.Lock()
		e := pte(p, false)
		there := e != nil && *e&pteP != 0
		mem.Unlock(fl)
		if !there && !demand(p) {
			return false
		}
	}
	return true
}
