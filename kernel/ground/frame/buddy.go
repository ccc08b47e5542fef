package frame

import (
	"sync/atomic"

	"skerry/kernel/ground/arch"
)

// maxCPU bounds the per-CPU caches; ground refuses more CPUs than this.
const maxCPU = 64

// cacheSize is how many frames a CPU keeps; half of it moves at a time.
const cacheSize = 32

// pool is the allocator's state. It holds no Go pointer, so ground may write
// it without a write barrier.
var pool struct {
	base    uintptr // direct-map address of physical 0
	recs    uintptr // address of the record array
	frames  uint32  // number of records
	lock    arch.Spin
	lists   [MaxOrder + 1]uint32 // first free block of each order
	free    int64                // frames in lists and caches
	reserve int64
	total   int64
	count   [kinds]int64
	cpu     [maxCPU]cache
}

type cache struct {
	n    uint32
	pfns [cacheSize]PFN
	_    [60]byte // own cache lines
}

// Init sets the pool up over a direct map: base is the address of physical 0,
// recs the address of frames*16 zeroed bytes for the records. All frames start
// out reserved; AddRange gives them to the pool.
func Init(base, recs uintptr, frames uint32) {
	pool.base, pool.recs, pool.frames = base, recs, frames
}

// RecordSize is the size of one frame's record in bytes.
const RecordSize = 16

// AddRange gives the frames that lie wholly inside [start, end) physical bytes
// to the pool. Frame 0 is never given.
func AddRange(start, end uint64) {
	p := PFN((start + Size - 1) >> Shift)
	e := end >> Shift
	if e > uint64(pool.frames) {
		e = uint64(pool.frames)
	}
	if p == 0 {
		p = 1
	}
	flags := pool.lock.Lock()
	for uint64(p) < e {
		order := uint8(MaxOrder)
		for order > 0 && (uint32(p)&(1<<order-1) != 0 || uint64(p)+1<<order > e) {
			order--
		}
		giveBlock(p, order)
		n := int64(1) << order
		atomic.AddInt64(&pool.total, n)
		p += PFN(n)
	}
	pool.lock.Unlock(flags)
}

// SetReserve sets how many frames only KindKernel and KindHeap may take.
func SetReserve(frames int64) { pool.reserve = frames }

// takeBlock removes a block of the given order, splitting a larger one. The
// caller holds the lock.
//
//go:nosplit
func takeBlock(order uint8) PFN {
	o := order
	for o <= MaxOrder && pool.lists[o] == 0 {
		o++
	}
	if o > MaxOrder {
		return 0
	}
	p := PFN(pool.lists[o])
	unlink(p, o)
	for o > order {
		o--
		link(p+PFN(1)<<o, o)
	}
	atomic.AddInt64(&pool.free, -(int64(1) << order))
	return p
}

// giveBlock returns a block and merges it with its free buddies. The caller
// holds the lock.
//
//go:nosplit
func giveBlock(p PFN, order uint8) {
	atomic.AddInt64(&pool.free, int64(1)<<order)
	for order < MaxOrder {
		b := p ^ PFN(1)<<order
		if uint32(b) >= pool.frames {
			break
		}
		r := rec(b)
		if r.kind != KindFree || r.head == 0 || r.order != order {
			break
		}
		unlink(b, order)
		p &^= PFN(1) << order
		order++
	}
	link(p, order)
}

//go:nosplit
func link(p PFN, order uint8) {
	r := rec(p)
	next := pool.lists[order]
	r.refs, r.kind, r.order, r.head = 0, KindFree, order, 1
	r.a, r.b = 0, next
	if next != 0 {
		rec(PFN(next)).a = uint32(p)
	}
	pool.lists[order] = uint32(p)
}

//go:nosplit
func unlink(p PFN, order uint8) {
	r := rec(p)
	if r.a != 0 {
		rec(PFN(r.a)).b = r.b
	} else {
		pool.lists[order] = r.b
	}
	if r.b != 0 {
		rec(PFN(r.b)).a = r.a
	}
	r.a, r.b, r.head = 0, 0, 0
}

// takeCached pops a frame from this CPU's cache, or returns 0.
//
//go:nosplit
func takeCached() PFN {
	if arch.Hosted != 0 {
		return 0
	}
	var p PFN
	flags := arch.IRQSave()
	c := &pool.cpu[thisCPU()%maxCPU]
	if n := c.n; n > 0 && n <= cacheSize {
		p = c.pfns[n-1]
		c.n = n - 1
		atomic.AddInt64(&pool.free, -1)
	}
	arch.IRQRestore(flags)
	return p
}

// refill takes one frame from the buddy lists and fills this CPU's cache half
// on the way.
//
//go:nosplit
func refill() PFN {
	flags := pool.lock.Lock()
	p := takeBlock(0)
	if p != 0 && arch.Hosted == 0 {
		c := &pool.cpu[thisCPU()%maxCPU]
		for c.n < cacheSize/2 {
			q := takeBlock(0)
			if q == 0 {
				break
			}
			c.pfns[c.n] = q
			c.n++
			atomic.AddInt64(&pool.free, 1) // cached frames are still free
		}
	}
	pool.lock.Unlock(flags)
	return p
}

// putCached returns a single frame through this CPU's cache.
//
//go:nosplit
func putCached(p PFN) {
	if arch.Hosted == 0 {
		flags := arch.IRQSave()
		c := &pool.cpu[thisCPU()%maxCPU]
		if n := c.n; n < cacheSize {
			c.pfns[n] = p
			c.n = n + 1
			atomic.AddInt64(&pool.free, 1)
			arch.IRQRestore(flags)
			return
		}
		arch.IRQRestore(flags)
	}
	flags := pool.lock.Lock()
	giveBlock(p, 0)
	if arch.Hosted == 0 {
		c := &pool.cpu[thisCPU()%maxCPU]
		for c.n > cacheSize/2 {
			c.n--
			atomic.AddInt64(&pool.free, -1)
			giveBlock(c.pfns[c.n], 0)
		}
	}
	pool.lock.Unlock(flags)
}

// Drain returns what this CPU's cache holds to the buddy lists, so that larger
// blocks can form.
//
//go:nosplit
func Drain() {
	if arch.Hosted != 0 {
		return
	}
	flags := pool.lock.Lock()
	c := &pool.cpu[thisCPU()%maxCPU]
	for c.n > 0 {
		c.n--
		atomic.AddInt64(&pool.free, -1)
		giveBlock(c.pfns[c.n], 0)
	}
	pool.lock.Unlock(flags)
}
