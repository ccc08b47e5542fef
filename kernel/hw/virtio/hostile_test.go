package virtio_test

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"skerry/kernel/ground/frame"
	"skerry/kernel/hw/virtio"
)

// hostile runs one script: the driver's and the device's actions interleaved.
// The expectation is computed apart from the queue's code, from what lies in
// shared memory, so that both what is taken and what is refused is checked.
func hostile(t testing.TB, data []byte) {
	s := &script{data}
	features := uint64(0)
	if s.byte()&1 != 0 {
		features = eventIdx
	}
	size := uint16(1) << (s.byte() % 6)
	dev, d, q := open(t, size, features)
	defer dev.Free()
	defer d.Close()
	ring, mem := dev.Ring(0), buffer(t, d, 4096)
	type held struct {
		write, count uint32
		published    bool
	}
	chains := map[uint16]held{}
	taken, fresh, inDevice := uint16(0), []uint16(nil), 0
	for !s.done() {
		switch s.pick(12) {
		case 0, 1: // add a chain
			n := s.pick(5)
			out := s.pick(6)
			segs := make([]virtio.Seg, n)
			write := uint64(0)
			good := n > 0 && n <= q.Free() && !d.Failed()
			for i := range segs {
				segs[i] = virtio.Seg{Phys: mem.Phys, Len: uint32(s.u16())}
				if segs[i].Len == 0 {
					good = false
				}
				if i >= out {
					write += uint64(segs[i].Len)
				}
			}
			head, ok := q.Add(segs, out)
			if ok != good {
				t.Fatal("Add:", ok, "want", good)
			}
			if ok {
				if _, twice := chains[head]; twice || head >= size {
					t.Fatal("chain number is not free")
				}
				chains[head] = held{uint32(write), uint32(n), false}
				fresh = append(fresh, head)
			}
		case 2: // add one
			n := uint32(s.u16())
			head, ok := q.AddOne(mem.Phys, n, true)
			if ok {
				if _, twice := chains[head]; twice || head >= size {
					t.Fatal("chain number is not free")
				}
				chains[head] = held{n, 1, false}
				fresh = append(fresh, head)
			}
		case 3, 4:
			q.Kick()
			if !d.Failed() {
				for _, h := range fresh {
					c := chains[h]
					c.published = true
					chains[h] = c
				}
				inDevice += len(fresh)
				fresh = nil
			}
		case 5, 6: // a pass of the driver
			shown := ring.Shown()
			delta := shown - taken
			dead := d.Failed()
			var n int
			if s.byte()&1 != 0 {
				n = q.Poll()
			} else {
				n = q.ArmAfter(s.pick(4))
			}
			switch {
			case dead:
				if n != 0 {
					t.Fatal("a failed device has chains")
				}
			case int(delta) > inDevice:
				if n != 0 || !d.Failed() {
					t.Fatal("index jump of", delta, "accepted with", inDevice)
				}
			case n != int(delta) || d.Failed():
				t.Fatal("good index refused:", n, delta, d.Why())
			}
			for i := range n + 1 {
				id, length := ring.Element(taken)
				c, known := chains[uint16(id)]
				good := i < n && id < uint32(size) && known && c.published && length <= c.write && !d.Failed()
				head, got, ok := q.Next()
				if ok != good {
					t.Fatal("Next:", ok, "want", good, "id", id, "len", length)
				}
				if !ok {
					if i < n && !d.Failed() {
						t.Fatal("violation without failure")
					}
					break
				}
				if uint32(head) != id || got != length {
					t.Fatal("wrong chain")
				}
				delete(chains, head)
				taken++
				inDevice--
			}
		case 7:
			q.Disarm()
		case 8: // the device returns something that may be right
			first := s.u16()
			for i := range size {
				h := (first + i) % size
				if c, ok := chains[h]; ok {
					ring.PutRaw(ring.Shown(), uint32(h), c.write-min(c.write, uint32(s.byte()&1)))
					ring.SetIndex(ring.Shown() + 1)
					break
				}
			}
		case 9: // or anything
			ring.PutRaw(s.u16(), [...]uint32{s.u32(), uint32(s.pick(int(size))), 0, 1 << 16}[s.pick(4)],
				[...]uint32{1<<32 - 1, s.u32(), 0, 1}[s.pick(4)])
		case 10:
			ring.SetIndex([...]uint16{s.u16(), taken + 1, taken - 1, taken + size, taken + size + 1}[s.pick(5)])
		case 11: // scribble over the rings
			for range s.pick(16) {
				ring.Spoil(s.u32(), s.byte())
			}
		}
		used := 0
		for _, c := range chains {
			used += int(c.count)
		}
		if q.Free()+used != int(size) {
			t.Fatal("descriptors lost:", q.Free(), used, size)
		}
	}
}

func FuzzQueue(f *testing.F) {
	f.Add([]byte{1, 3, 0, 2, 1, 9, 9, 3, 8, 1, 5, 1})
	f.Add([]byte{0, 4, 2, 7, 7, 3, 10, 0, 0, 200, 5, 1})
	f.Fuzz(func(t *testing.T, data []byte) { hostile(t, data) })
}

func TestQueueHostile(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	before := frame.Read().Kernel
	for range *runs {
		hostile(t, random(r, 300))
	}
	if after := frame.Read().Kernel; after != before {
		t.Error("frames lost:", after-before)
	}
}

// TestFlips lets another processor rewrite the used ring all the time: whatever
// Next answers must hold for the values that it checked.
func TestFlips(t *testing.T) {
	took, fails := 0, 0
	for end := time.Now().Add(500 * time.Millisecond); time.Now().Before(end) && fails < *runs; {
		n := flips(t)
		took += n
		fails++
	}
	t.Log(fails, "devices failed,", took, "chains taken before")
	if took == 0 {
		t.Error("no chain was ever taken")
	}
}

// flips runs one device until it is failed.
func flips(t *testing.T) (took int) {
	dev, d, q := open(t, 8, eventIdx)
	defer dev.Free()
	defer d.Close()
	ring, mem := dev.Ring(0), buffer(t, d, 4096)
	var stop atomic.Bool
	var rounds atomic.Int64
	var wg sync.WaitGroup
	defer wg.Wait()
	defer stop.Store(true)
	wg.Add(1)
	go func() {
		defer wg.Done()
		r := rand.New(rand.NewPCG(3, uint64(time.Now().UnixNano())))
		seen := int64(-1)
		for !stop.Load() {
			for i := range uint16(8) {
				ring.PutRaw(i, uint32(i), [...]uint32{0, 64, 64, 65, 1<<32 - 1}[r.Uint32()%5])
				ring.PutRaw(uint16(r.Uint32()), r.Uint32()%9, 1)
				ring.PutRaw(uint16(r.Uint32()), r.Uint32()%8, 64)
			}
			// One step of the index for each look of the driver's, whoever of
			// the two is scheduled more.
			if now := rounds.Load(); now != seen {
				seen = now
				if i := ring.Shown(); i < 1000 {
					ring.SetIndex(i + uint16(r.Uint32()%3))
				} else {
					ring.SetIndex(uint16(r.Uint32()))
				}
			}
		}
	}()
	held := map[uint16]bool{}
	for !d.Failed() {
		if h, ok := q.AddOne(mem.Phys, 64, true); ok {
			held[h] = true
		}
		q.Kick()
		for n := q.Poll(); n > 0; n-- {
			h, got, ok := q.Next()
			if !ok {
				break
			}
			if got > 64 || !held[h] {
				t.Fatal("took", h, got)
			}
			delete(held, h)
			took++
		}
		rounds.Add(1)
	}
	return took
}
