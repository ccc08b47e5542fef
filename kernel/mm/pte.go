package mm

import (
	"runtime"
	"sync/atomic"

	"skerry/kernel/ground/frame"
)

// Page-table entries, Intel SDM vol. 3, 4.5.4 (tables 4-15 to 4-20). Bits 9 to
// 11 are ignored by the processor and ours.
const (
	pteP  = 1 << 0
	pteW  = 1 << 1
	pteU  = 1 << 2
	pteA  = 1 << 5
	pteD  = 1 << 6
	ptePS = 1 << 7
	pteNX = 1 << 63

	// ptePriv marks a frame that only this entry owns: anonymous memory or a
	// private copy, writable in place.
	ptePriv = 1 << 9
	// pteNone marks a page of a PROT_NONE mapping: not present to the
	// processor, but the frame is kept.
	pteNone = 1 << 10
	// pteBusy, alone, marks an entry that a fault is replacing.
	pteBusy = 1 << 11

	pteMem = 0x000ffffffffff000

	// tableBits go into entries that point to tables; the leaf decides.
	tableBits = pteP | pteW | pteU | pteA
)

// Sizes and the bounds of user space.
const (
	pageShift = frame.Shift
	pageSize  = frame.Size
	pageMask  = pageSize - 1

	hugeShift = 21
	hugeSize  = 1 << hugeShift
	hugeMask  = hugeSize - 1

	pdptShift = 30
	pml4Shift = 39

	// entries is how many entries a table has.
	entries = 512
)

// slot is one page-table entry.
type slot = atomic.Uint64

// mapped reports whether an entry holds a frame (or a table).
func mapped(e uint64) bool { return e&(pteP|pteNone) != 0 }

// isTable reports whether an entry above the last level points to a table.
func isTable(e uint64) bool { return e&(pteP|ptePS) == pteP }

// isHuge reports whether a page-directory entry maps a 2 MiB page.
func isHuge(e uint64) bool { return e&ptePS != 0 }

// pfnOf is the frame that an entry holds.
func pfnOf(e uint64) frame.PFN { return frame.PFN(e & pteMem >> pageShift) }

// tableOf is the direct-map address of the table that an entry points to.
func tableOf(e uint64) uintptr { return pfnOf(e).Addr() }

// tree is a radix tree in the processor's format: the page table itself, or the
// pages of a shared object by index. Entries are installed by compare-and-swap;
// tables are removed only where no one can be walking (see freeTables).
type tree struct {
	root   uintptr      // direct-map address of the top table
	tables atomic.Int64 // frames used for tables, without the root
}

// newTable makes an empty table, or 0 when only the reserve is left: what the
// program makes the kernel spend on tables counts as its memory.
func newTable() frame.PFN {
	if atReserve(1) {
		return 0
	}
	return frame.AllocZero(frame.KindKernel)
}

// atReserve reports whether taking n frames would leave less than the reserve.
func atReserve(n int64) bool { return frame.FreeFrames()-n < frame.Read().Reserve }

// addTable puts a table behind an empty entry, unless someone else fills it
// first; false means no frame.
func (t *tree) addTable(e *slot) bool {
	p := newTable()
	if p == 0 {
		return false
	}
	if e.CompareAndSwap(0, p.Phys()|tableBits) {
		t.tables.Add(1)
	} else {
		p.Unref()
	}
	return true
}

// child is the table below entry e, made if it is missing; 0 means no frame.
// The entry must be one that never maps a large page.
func (t *tree) child(e *slot) uintptr {
	v := e.Load()
	if v == 0 {
		if !t.addTable(e) {
			return 0
		}
		v = e.Load()
	}
	return tableOf(v)
}

// makePDE is the page-directory entry for addr, with the tables above it; nil
// means no frame.
func (t *tree) makePDE(addr uintptr) *slot {
	pdpt := t.child(entry(t.root, addr, pml4Shift))
	if pdpt == 0 {
		return nil
	}
	pd := t.child(entry(pdpt, addr, pdptShift))
	if pd == 0 {
		return nil
	}
	return entry(pd, addr, hugeShift)
}

// pde is the page-directory entry for addr, or nil and the first address that
// may have one.
func (t *tree) pde(addr uintptr) (*slot, uintptr) {
	e := entry(t.root, addr, pml4Shift).Load()
	if !isTable(e) {
		return nil, nextSpan(addr, pml4Shift)
	}
	e = entry(tableOf(e), addr, pdptShift).Load()
	if !isTable(e) {
		return nil, nextSpan(addr, pdptShift)
	}
	return entry(tableOf(e), addr, hugeShift), 0
}

// makePT is the last-level table for addr, with all tables above it; 0 means
// no frame. The region must be one that never holds a large page.
func (t *tree) makePT(addr uintptr) uintptr {
	d := t.makePDE(addr)
	if d == nil {
		return 0
	}
	return t.child(d)
}

// pte is the last-level entry for addr, or nil if there is no table for it
// (a large page counts as none).
func (t *tree) pte(addr uintptr) *slot {
	d, _ := t.pde(addr)
	if d == nil {
		return nil
	}
	e := d.Load()
	if !isTable(e) {
		return nil
	}
	return entry(tableOf(e), addr, pageShift)
}

// nextSpan is the first address beyond the entry of that level that covers addr.
func nextSpan(addr uintptr, shift uint) uintptr { return (addr>>shift + 1) << shift }

// settled loads an entry, waiting until no one is replacing it.
func settled(e *slot) uint64 {
	for {
		v := e.Load()
		if v != pteBusy {
			return v
		}
		runtime.Gosched()
	}
}

// take empties an entry and returns what it held, waiting until no one is
// replacing it.
func take(e *slot) uint64 {
	for {
		v := settled(e)
		if v == 0 || e.CompareAndSwap(v, 0) {
			return v
		}
	}
}
