package mm

import (
	"sync"
	"sync/atomic"

	"skerry/kernel/ground/frame"
)

// object is the memory behind a shared anonymous mapping, MAP_SHARED |
// MAP_ANONYMOUS of mmap(2): it outlives MADV_DONTNEED, and mremap can make a
// second view of it. Its pages are the leaves of a radix tree by index, each
// with one reference that the object holds.
type object struct {
	refs int    // vmas; under Space.mu held for writing
	id   uint64 // never 0, never used again
	// size is the number of pages, fixed at birth: beyond lies SIGBUS.
	size uint64
	tree tree
	root frame.PFN
	// mu lets punch, which removes pages, exclude page, which adds them.
	mu sync.RWMutex
	// pages counts the frames, for introspection.
	pages atomic.Int64
}

// objects counts the objects ever made.
var objects atomic.Uint64

// newObject makes an object of n pages, none of them present, or nil without
// memory.
func newObject(n uint64) *object {
	root := newTable()
	if root == 0 {
		return nil
	}
	o := &object{refs: 1, id: objects.Add(1), size: n, root: root}
	o.tree.root = root.Addr()
	return o
}

// page is the frame at an index, zeroed at first, with a reference for the
// caller.
func (o *object) page(index uint64) (frame.PFN, step) {
	if index >= o.size {
		return 0, stepBus
	}
	o.mu.RLock()
	p, r := o.get(uintptr(index) << pageShift)
	o.mu.RUnlock()
	return p, r
}

func (o *object) get(addr uintptr) (frame.PFN, step) {
	pt := o.tree.makePT(addr)
	if pt == 0 {
		return 0, stepFrame
	}
	e := entry(pt, addr, pageShift)
	v := e.Load()
	if v == 0 {
		p := frame.AllocZero(frame.KindUser)
		if p == 0 {
			return 0, stepFrame
		}
		if e.CompareAndSwap(0, p.Phys()|pteP) {
			o.pages.Add(1)
			p.Ref()
			return p, stepDone
		}
		p.Unref()
		v = e.Load() // entries only go away under mu
	}
	p := pfnOf(v)
	p.Ref()
	return p, stepDone
}

// has reports whether the page at an index is there.
func (o *object) has(index uint64) bool {
	if index >= o.size {
		return false
	}
	e := o.tree.pte(uintptr(index) << pageShift)
	return e != nil && e.Load() != 0
}

// punch frees the pages [first, last) of the object; its mappings must not show
// them any more.
func (o *object) punch(first, last uint64) {
	last = min(last, o.size)
	if first >= last {
		return
	}
	o.mu.Lock()
	for a, end := uintptr(first)<<pageShift, uintptr(last)<<pageShift; a < end; {
		d, next := o.tree.pde(a)
		if d == nil {
			a = next
			continue
		}
		e := d.Load()
		next = min(end, nextSpan(a, hugeShift))
		if isTable(e) {
			o.clearTable(tableOf(e), a, next)
		}
		a = next
	}
	o.mu.Unlock()
}

func (o *object) clearTable(table, a, end uintptr) {
	for ; a < end; a += pageSize {
		if v := entry(table, a, pageShift).Swap(0); v != 0 {
			o.pages.Add(-1)
			pfnOf(v).Unref()
		}
	}
}

// free frees the pages, once no vma holds the object any more.
func (o *object) free() {
	o.punch(0, o.size)
	o.freeTables(o.tree.root, pml4Shift)
	o.root.Unref()
}

// freeTables frees the tables below one.
func (o *object) freeTables(table uintptr, shift uint) {
	if shift < hugeShift {
		return
	}
	for a := uintptr(0); a < entries; a++ {
		if e := entry(table, a<<shift, shift).Swap(0); isTable(e) {
			o.freeTables(tableOf(e), shift-9)
			pfnOf(e).Unref()
		}
	}
}
