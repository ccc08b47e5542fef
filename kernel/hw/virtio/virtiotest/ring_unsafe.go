package virtiotest

import (
	"sync/atomic"

	"skerry/kernel/ground/arch"
	"skerry/kernel/ground/frame"
	"skerry/kernel/hw/virtio"
)

func swap32(a uintptr, v uint32) uint32 { return atomic.SwapUint32((*uint32)(arch.Ptr(a)), v) }

// host is where physical memory lies in this process; 0 if it is no memory.
func host(phys, n uint64) uintptr {
	p := frame.FromPhys(phys)
	if p == 0 || phys+n < phys || frame.FromPhys(phys+n-1) == 0 {
		return 0
	}
	return p.Addr() + uintptr(phys&(frame.Size-1))
}

// Bytes is physical memory as a slice, nil if it is not memory.
func Bytes(phys, n uint64) []byte {
	a := host(phys, n)
	if a == 0 || n == 0 {
		return nil
	}
	return arch.Bytes(a, uintptr(n))
}

// Buf is one descriptor's buffer.
type Buf struct {
	Phys  uint64
	Len   uint32
	Write bool // for the device to write
}

// Bytes is the buffer's memory.
func (b Buf) Bytes() []byte { return Bytes(b.Phys, uint64(b.Len)) }

// Chain is what a driver made available.
type Chain struct {
	Head uint16
	Bufs []Buf
}

// Writable is the number of bytes that the device may write.
func (c Chain) Writable() (n uint32) {
	for _, b := range c.Bufs {
		if b.Write {
			n += b.Len
		}
	}
	return n
}

// Read is all that the driver wrote into the chain.
func (c Chain) Read() (all []byte) {
	for _, b := range c.Bufs {
		if !b.Write {
			all = append(all, b.Bytes()...)
		}
	}
	return all
}

// Fill copies p into the writable buffers and answers how much fitted.
func (c Chain) Fill(p []byte) (n uint32) {
	for _, b := range c.Bufs {
		if b.Write {
			k := copy(b.Bytes(), p)
			p, n = p[k:], n+uint32(k)
		}
	}
	return n
}

// Ring is a split virtqueue from the device's side.
type Ring struct {
	Size              uint16
	Event             bool
	desc, avail, used uintptr
	last              uint16 // available entries taken
	idx               uint16 // used entries written
	told              uint16 // used index at the last Publish
	hostile           bool
}

func newRing(r virtio.Rings, event, hostile bool) *Ring {
	n := uint64(r.Size)
	g := &Ring{Size: r.Size, Event: event, hostile: hostile, desc: host(r.Desc, 16*n), avail: host(r.Avail, 6+2*n), used: host(r.Used, 6+8*n)}
	switch {
	case g.desc == 0 || g.avail == 0 || g.used == 0:
		panic("virtiotest: rings are not in memory")
	case r.Desc%16 != 0 || r.Avail%2 != 0 || r.Used%4 != 0:
		panic("virtiotest: rings are misaligned") // virtio 1.2, 2.7
	case n == 0 || n&(n-1) != 0:
		panic("virtiotest: size is not a power of two")
	}
	return g
}

// Available is how many chains the driver offers that were not taken.
func (g *Ring) Available() uint16 { return arch.Load16(g.avail+2) - g.last }

// PopHead takes the next chain without looking at it.
func (g *Ring) PopHead() (head uint16, ok bool) {
	if g.Available() == 0 {
		return 0, false
	}
	head = arch.Load16(g.avail + 4 + uintptr(g.last%g.Size)*2)
	g.last++
	return head, true
}

// broken ends the test for what the driver did, unless the device is hostile:
// then it may have caused that itself.
func (g *Ring) broken(why string) (Chain, bool) {
	if !g.hostile {
		panic("virtiotest: " + why)
	}
	g.last = arch.Load16(g.avail + 2)
	return Chain{}, false
}

// Pop takes the next chain.
func (g *Ring) Pop() (c Chain, ok bool) {
	n := g.Available()
	if n == 0 {
		return c, false
	}
	if n > g.Size {
		return g.broken("the driver offers more chains than the ring has")
	}
	c.Head = arch.Load16(g.avail + 4 + uintptr(g.last%g.Size)*2)
	g.last++
	for at, hops := c.Head, 0; ; hops++ {
		if at >= g.Size || hops == int(g.Size) {
			return g.broken("the driver made a bad chain")
		}
		d := g.desc + uintptr(at)*16
		flags := arch.Load16(d + 12)
		b := Buf{arch.Load64(d), arch.Load32(d + 8), flags&2 != 0}
		if b.Bytes() == nil {
			return g.broken("a descriptor does not point to memory")
		}
		if k := len(c.Bufs); k > 0 && c.Bufs[k-1].Write && !b.Write {
			return g.broken("a readable descriptor behind a writable one") // 2.7.4.2
		}
		c.Bufs = append(c.Bufs, b)
		if flags&1 == 0 {
			return c, true
		}
		at = arch.Load16(d + 14)
	}
}

// WantBells asks the driver to ring for the next chain (true) or not, and
// answers whether there is one already.
func (g *Ring) WantBells(on bool) bool {
	switch {
	case g.Event && on:
		swap32(g.used+4+8*uintptr(g.Size), uint32(g.last))
	case !g.Event && on:
		swap32(g.used, uint32(g.idx)<<16)
	case !g.Event:
		swap32(g.used, uint32(g.idx)<<16|1)
	}
	return g.Available() > 0
}

// Put writes a used element without showing it.
func (g *Ring) Put(head uint16, n uint32) {
	g.PutRaw(g.idx, uint32(head), n)
	g.idx++
}

// Publish shows what was Put and answers whether the driver wants an interrupt.
func (g *Ring) Publish() bool {
	old := g.told
	g.told = g.idx
	flags := arch.Load16(g.used)
	swap32(g.used, uint32(flags)|uint32(g.idx)<<16)
	if g.Event {
		ev := arch.Load16(g.avail + 4 + 2*uintptr(g.Size))
		return g.idx-ev-1 < g.idx-old
	}
	return arch.Load16(g.avail)&1 == 0
}

// Wanted reports whether the next used buffer is to be interrupted for.
func (g *Ring) Wanted() bool {
	if g.Event {
		return arch.Load16(g.avail+4+2*uintptr(g.Size)) == g.idx
	}
	return arch.Load16(g.avail)&1 == 0
}

// Push is Put and Publish.
func (g *Ring) Push(head uint16, n uint32) bool {
	g.Put(head, n)
	return g.Publish()
}

// Index is the used index as the device counts it.
func (g *Ring) Index() uint16 { return g.idx }

// PutRaw writes any used element at any place: a hostile device's pen.
func (g *Ring) PutRaw(slot uint16, id, n uint32) {
	arch.Store64(g.used+4+uintptr(slot%g.Size)*8, uint64(id)|uint64(n)<<32)
}

// SetIndex shows any used index and goes on from there.
func (g *Ring) SetIndex(i uint16) {
	arch.Store16(g.used+2, i)
	g.idx, g.told = i, i
}

// Element is the used element at a place, as the driver will read it.
func (g *Ring) Element(slot uint16) (id, n uint32) {
	v := arch.Load64(g.used + 4 + uintptr(slot%g.Size)*8)
	return uint32(v), uint32(v >> 32)
}

// Shown is the used index that the driver will read.
func (g *Ring) Shown() uint16 { return arch.Load16(g.used + 2) }

// Spoil writes a byte anywhere in the three arrays of the queue, off being
// taken modulo their size.
func (g *Ring) Spoil(off uint32, v byte) {
	n := uint32(g.Size)
	off %= 16*n + 6 + 2*n + 6 + 8*n
	switch {
	case off < 16*n:
		arch.Store8(g.desc+uintptr(off), v)
	case off < 16*n+6+2*n:
		arch.Store8(g.avail+uintptr(off-16*n), v)
	default:
		arch.Store8(g.used+uintptr(off-16*n-6-2*n), v)
	}
}
