// Package frame hands out the machine's physical memory in frames of 4096
// bytes: per-CPU caches over a buddy allocator, with one 16-byte record per
// frame outside the Go heap.
//
// It is part of ground: no function here allocates Go memory, grows a stack or
// needs a g, so all of it may run in trap context as well as in ordinary kernel
// Go, and, after InitHost, in tests on the developer's host. It imports only
// kernel/ground/arch.
//
// Ownership. A frame that was handed out has a reference count of one and
// belongs to whoever called Alloc; each further holder (a page-table entry, a
// cache slot, an I/O in flight) takes its own reference with Ref, and the last
// Unref returns the frame. The contents of a fresh frame are undefined unless
// AllocZero was called; a frame goes to user memory only zeroed or wholly
// overwritten.
//
// Locking. The buddy lists are under one arch.Spin; a CPU's cache is touched
// only by its own CPU with interrupts off; counts are atomic.
package frame

import "sync/atomic"

// PFN is a page frame number: physical address divided by Size. Zero is never
// handed out and means "none".
type PFN uint32

const (
	// Shift is log2 of Size.
	Shift = 12
	// Size is the size of a frame in bytes.
	Size = 1 << Shift
	// MaxOrder is the largest block: 1<<MaxOrder frames, 4 MiB.
	MaxOrder = 10
	// HugeOrder is the order of a 2 MiB page.
	HugeOrder = 9
)

// Kind says what a frame is used for; it is what the memory report counts by.
type Kind uint8

// The kinds. Free frames are KindFree, memory that was never ours KindReserved.
const (
	KindReserved Kind = iota
	KindFree
	KindKernel // page tables, ground's own pages, device buffers
	KindHeap   // memory of the kernel's Go runtime
	KindUser   // anonymous memory of the program
	KindCache  // page cache: tmpfs and other files, pipes
	KindRoot   // page cache of the verified root, in read-only runs
	kinds
)

// capped reports whether allocations of this kind stop at the reserve, which
// only the Go heap and the kernel's own tables may use.
func (k Kind) capped() bool { return k >= KindUser }

// record is what is known of one frame; 16 bytes.
type record struct {
	// refs counts holders; 0 for a free frame and for all but the first frame
	// of a block larger than one.
	refs int32
	kind Kind
	// order of the block that this frame heads, while free or handed out whole.
	order uint8
	// head is 1 on the first frame of a free block.
	head uint8
	_    uint8
	// a and b are the neighbours in a free list, or the owner's word.
	a, b uint32
}

// Alloc takes one frame of undefined contents, or 0 when there is none left
// for this kind.
//
//go:nosplit
func Alloc(k Kind) PFN {
	if k.capped() && atomic.LoadInt64(&pool.free) <= pool.reserve {
		return 0
	}
	p := takeCached()
	if p == 0 {
		p = refill()
		if p == 0 {
			return 0
		}
	}
	r := rec(p)
	r.kind, r.order, r.a, r.b = k, 0, 0, 0
	atomic.StoreInt32(&r.refs, 1)
	atomic.AddInt64(&pool.count[k], 1)
	return p
}

// AllocOrder takes 1<<order frames, physically contiguous and aligned to their
// size, of undefined contents, or 0. The block is one object with one count,
// kept in its first frame.
//
//go:nosplit
func AllocOrder(k Kind, order uint8) PFN {
	if order == 0 {
		return Alloc(k)
	}
	if order > MaxOrder {
		return 0
	}
	if k.capped() && atomic.LoadInt64(&pool.free)-int64(1)<<order <= pool.reserve {
		return 0
	}
	flags := pool.lock.Lock()
	p := takeBlock(order)
	pool.lock.Unlock(flags)
	if p == 0 {
		return 0
	}
	r := rec(p)
	r.kind, r.order, r.a, r.b = k, order, 0, 0
	atomic.StoreInt32(&r.refs, 1)
	atomic.AddInt64(&pool.count[k], int64(1)<<order)
	return p
}

// AllocZero is Alloc with the frame cleared.
//
//go:nosplit
func AllocZero(k Kind) PFN {
	p := Alloc(k)
	if p != 0 {
		zero(p, Size)
	}
	return p
}

// AllocOrderZero is AllocOrder with the block cleared.
//
//go:nosplit
func AllocOrderZero(k Kind, order uint8) PFN {
	p := AllocOrder(k, order)
	if p != 0 {
		zero(p, Size<<order)
	}
	return p
}

// Ref adds a reference to a frame (or block head) that is held already.
//
//go:nosplit
func (p PFN) Ref() { atomic.AddInt32(&rec(p).refs, 1) }

// Unref drops one reference; the last one returns the frame or the block.
// Frames that were mapped must have been flushed from every TLB before.
//
//go:nosplit
func (p PFN) Unref() {
	r := rec(p)
	n := atomic.AddInt32(&r.refs, -1)
	if n > 0 {
		return
	}
	if n < 0 || r.kind <= KindFree {
		corrupt(p)
	}
	atomic.AddInt64(&pool.count[r.kind], -(int64(1) << r.order))
	r.kind = KindFree
	if r.order == 0 {
		putCached(p)
		return
	}
	flags := pool.lock.Lock()
	giveBlock(p, r.order)
	pool.lock.Unlock(flags)
}

// Refs is the number of references now; a hint unless the caller excludes
// others.
//
//go:nosplit
func (p PFN) Refs() int { return int(atomic.LoadInt32(&rec(p).refs)) }

// Split turns a block handed out whole into single frames, each with the
// references that the block had. The caller holds the only path to the block.
//
//go:nosplit
func (p PFN) Split() {
	r := rec(p)
	n := PFN(1) << r.order
	refs, kind := r.refs, r.kind
	for i := PFN(0); i < n; i++ {
		q := rec(p + i)
		q.kind, q.order, q.a, q.b = kind, 0, 0, 0
		atomic.StoreInt32(&q.refs, refs)
	}
}

// Kind is what the frame was allocated for. Frames inside a block other than
// its first have no kind of their own.
//
//go:nosplit
func (p PFN) Kind() Kind { return rec(p).kind }

// Order is the order of the block that p heads.
//
//go:nosplit
func (p PFN) Order() uint8 { return rec(p).order }

// Owner is the 64-bit word that the frame's holder keeps with it, for reverse
// mapping: 0 on a fresh frame.
//
//go:nosplit
func (p PFN) Owner() uint64 {
	r := rec(p)
	return uint64(r.a) | uint64(r.b)<<32
}

// SetOwner stores the holder's word.
//
//go:nosplit
func (p PFN) SetOwner(w uint64) {
	r := rec(p)
	r.a, r.b = uint32(w), uint32(w>>32)
}

// Phys is the frame's physical address in bytes.
//
//go:nosplit
func (p PFN) Phys() uint64 { return uint64(p) << Shift }

// Addr is the frame's address in the direct map.
//
//go:nosplit
func (p PFN) Addr() uintptr { return pool.base + uintptr(p)<<Shift }

// FromPhys is the frame that holds a physical address, or 0 if that address is
// not memory of the pool.
//
//go:nosplit
func FromPhys(pa uint64) PFN {
	if pa>>Shift >= uint64(pool.frames) {
		return 0
	}
	return PFN(pa >> Shift)
}

// FromAddr is the frame behind a direct-map address, or 0.
//
//go:nosplit
func FromAddr(va uintptr) PFN {
	if va < pool.base {
		return 0
	}
	return FromPhys(uint64(va - pool.base))
}

// Stats is a snapshot of the pool, in frames.
type Stats struct {
	Total, Free, Reserve              int64
	Kernel, Heap, User, Cache, RootFS int64
}

// Read returns the counts; they are exact one by one, not as a set.
func Read() Stats {
	return Stats{
		Total:   atomic.LoadInt64(&pool.total),
		Free:    atomic.LoadInt64(&pool.free),
		Reserve: pool.reserve,
		Kernel:  atomic.LoadInt64(&pool.count[KindKernel]),
		Heap:    atomic.LoadInt64(&pool.count[KindHeap]),
		User:    atomic.LoadInt64(&pool.count[KindUser]),
		Cache:   atomic.LoadInt64(&pool.count[KindCache]),
		RootFS:  atomic.LoadInt64(&pool.count[KindRoot]),
	}
}

// FreeFrames is the number of frames that no one holds.
//
//go:nosplit
func FreeFrames() int64 { return atomic.LoadInt64(&pool.free) }

// UserFrames is the number of frames of the program's anonymous memory.
//
//go:nosplit
func UserFrames() int64 { return atomic.LoadInt64(&pool.count[KindUser]) }

// Total is the number of frames that the pool was given.
//
//go:nosplit
func Total() int64 { return atomic.LoadInt64(&pool.total) }
