package virtio_test

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"skerry/kernel/ground/frame"
	"skerry/kernel/hw/virtio"
	"skerry/kernel/hw/virtio/virtiotest"
)

const eventIdx = virtio.FeatureEventIdx

// open makes a device with one queue, and a driver that has just that.
func open(t testing.TB, size uint16, features uint64) (*virtiotest.Device, *virtio.Device, *virtio.Queue) {
	dev := virtiotest.New(virtio.TypeEntropy, features, nil, size)
	d, err := virtio.Open(dev, virtio.TypeEntropy, func(uint64) uint64 { return 0 }, nil)
	if err != nil {
		t.Fatal(err)
	}
	q, err := d.Queue(0, 256)
	if err != nil {
		t.Fatal(err)
	}
	d.Start()
	return dev, d, q
}

func buffer(t testing.TB, d *virtio.Device, n uint32) virtio.Memory {
	m, ok := d.Alloc(n, 16)
	if !ok {
		t.Fatal("out of memory")
	}
	return m
}

func TestQueueSizes(t *testing.T) {
	for _, c := range []struct{ offered, limit, want uint16 }{
		{256, 256, 256}, {256, 64, 64}, {1024, 256, 256}, {100, 256, 64}, {1, 256, 1}, {32768, 256, 256}, {3, 256, 2},
	} {
		dev := virtiotest.New(virtio.TypeEntropy, 0, nil, c.offered)
		d, err := virtio.Open(dev, virtio.TypeEntropy, func(uint64) uint64 { return 0 }, nil)
		if err != nil {
			t.Fatal(err)
		}
		q, err := d.Queue(0, c.limit)
		if err != nil || q.Size() != int(c.want) || q.Free() != int(c.want) {
			t.Errorf("offered %d, limit %d: %v, %v", c.offered, c.limit, q, err)
		}
		d.Close()
	}
	dev := virtiotest.New(virtio.TypeEntropy, 0, nil)
	d, _ := virtio.Open(dev, virtio.TypeEntropy, func(uint64) uint64 { return 0 }, nil)
	if _, err := d.Queue(0, 256); err == nil {
		t.Error("a queue that does not exist")
	}
}

// TestChains sends chains of every shape through an honest device, several
// times round the ring, with completions in reverse order.
func TestChains(t *testing.T) {
	for _, features := range []uint64{0, eventIdx} {
		dev, d, q := open(t, 16, features)
		ring := dev.Ring(0)
		mem := buffer(t, d, 4096)
		want := map[uint16]int{}
		for round := range 5000 {
			n := round%5 + 1
			segs := make([]virtio.Seg, n)
			for i := range segs {
				segs[i] = virtio.Seg{Phys: mem.Phys + uint64(i*64), Len: uint32(i + 1)}
			}
			out := round % (n + 1)
			for q.Free() < n {
				var chains []virtiotest.Chain
				for {
					c, ok := ring.Pop()
					if !ok {
						break
					}
					chains = append(chains, c)
				}
				for i := len(chains) - 1; i >= 0; i-- {
					ring.Push(chains[i].Head, chains[i].Writable())
				}
				if q.Poll() != len(chains) {
					t.Fatal("completions not seen")
				}
				for {
					head, got, ok := q.Next()
					if !ok {
						break
					}
					w, held := want[head]
					if !held || int(got) != w {
						t.Fatalf("chain %d: %d bytes, want %d (%v)", head, got, w, held)
					}
					delete(want, head)
				}
			}
			head, ok := q.Add(segs, out)
			if !ok {
				t.Fatal("no room though there is")
			}
			if _, held := want[head]; held {
				t.Fatal("number given twice")
			}
			sum := 0
			for i := out; i < n; i++ {
				sum += i + 1
			}
			want[head] = sum
			q.Kick()
			used := 0
			for range want {
				used++
			}
			if q.InDevice() != used {
				t.Fatal("count of chains is wrong")
			}
		}
		if d.Failed() {
			t.Fatal(d.Why())
		}
		d.Close()
	}
}

// TestAddRefuses covers what cannot be added; nothing may change then.
func TestAddRefuses(t *testing.T) {
	dev, _, q := open(t, 4, 0)
	for name, segs := range map[string][]virtio.Seg{
		"nothing":  {},
		"empty":    {{Phys: 4096, Len: 1}, {Phys: 4096}},
		"too many": {{Phys: 1, Len: 1}, {Phys: 1, Len: 1}, {Phys: 1, Len: 1}, {Phys: 1, Len: 1}, {Phys: 1, Len: 1}},
		"4 GiB":    {{Phys: 1, Len: 1 << 31}, {Phys: 1, Len: 1 << 31}},
	} {
		if _, ok := q.Add(segs, 1); ok || q.Free() != 4 {
			t.Errorf("%s: added", name)
		}
	}
	if _, ok := q.AddOne(1, 0, true); ok {
		t.Error("empty piece added")
	}
	q.Kick()
	if dev.Rung(0) || dev.Ring(0).Available() != 0 {
		t.Error("notified for nothing")
	}
	for range 4 {
		if _, ok := q.AddOne(4096, 1, true); !ok {
			t.Fatal("no room")
		}
	}
	if _, ok := q.AddOne(4096, 1, true); ok {
		t.Error("more chains than descriptors")
	}
}

// TestSuppression: no bell while the device has said that it is looking, no
// interrupt while we have; with and without event indices, over the wrap of
// the 16-bit indices.
func TestSuppression(t *testing.T) {
	for _, features := range []uint64{0, eventIdx} {
		dev, d, q := open(t, 8, features)
		ring, mem := dev.Ring(0), buffer(t, d, 64)
		add := func(n int) {
			for range n {
				if _, ok := q.AddOne(mem.Phys, 8, true); !ok {
					t.Fatal("full")
				}
			}
			q.Kick()
		}
		back := func(n int) (wanted bool) {
			for range n {
				c, ok := ring.Pop()
				if !ok {
					t.Fatal("nothing offered")
				}
				wanted = ring.Push(c.Head, 0) || wanted
			}
			return wanted
		}
		drain := func(begun bool) (n int) {
			if !begun {
				q.Poll()
			}
			for _, _, ok := q.Next(); ok; _, _, ok = q.Next() {
				n++
			}
			return n
		}
		for round := range 20000 { // more than 65536 chains
			ring.WantBells(true)
			add(1)
			if !dev.Rung(0) {
				t.Fatal("no bell though asked")
			}
			ring.WantBells(false)
			add(4)
			if dev.Rung(0) {
				t.Fatal("bell though not asked")
			}
			q.Disarm()
			if back(2) && round > 0 && features == 0 {
				t.Fatal("interrupt though disarmed")
			}
			if n := drain(false); n != 2 {
				t.Fatal(n)
			}
			if q.ArmAfter(round%2) != 0 { // 0 counts as 1
				t.Fatal("Arm sees what is not there")
			}
			if !back(1) {
				t.Fatal("no interrupt though armed")
			}
			if q.Arm() != 1 || drain(true) != 1 {
				t.Fatal("Arm misses a chain")
			}
			if features != 0 {
				// There are two; more than that cannot be waited for.
				if q.ArmAfter(2+round%2*1000) != 0 || back(1) || !back(1) {
					t.Fatal("ArmAfter(2) is not after two")
				}
			} else {
				back(2)
			}
			if drain(false) != 2 || q.InDevice() != 0 {
				t.Fatal("chains lost")
			}
		}
		d.Close()
	}
}

// TestNoLostNotification runs driver and device as they run in life: each
// sleeps unless told, and one lost bell or interrupt hangs the test.
func TestNoLostNotification(t *testing.T) {
	total := 60000
	if testing.Short() {
		total = 10000
	}
	for _, features := range []uint64{0, eventIdx} {
		dev, d, q := open(t, 32, features)
		mem := buffer(t, d, 4096)
		var wg sync.WaitGroup
		wg.Add(1)
		dev.Run(t, func() bool {
			ring := dev.Ring(0)
			if ring == nil || !dev.Rung(0) {
				return false
			}
			for {
				ring.WantBells(false)
				for {
					c, ok := ring.Pop()
					if !ok {
						break
					}
					if ring.Push(c.Head, c.Writable()) {
						dev.Interrupt()
					}
				}
				if !ring.WantBells(true) {
					return true
				}
			}
		})
		var sum atomic.Uint64
		go func() {
			defer wg.Done()
			sent, got := 0, 0
			for got < total {
				for sent < total && q.Free() > 0 {
					if _, ok := q.AddOne(mem.Phys, uint32(sent%100+1), true); !ok {
						t.Error("no room")
						return
					}
					sent++
					if sent%7 == 0 {
						q.Kick()
					}
				}
				q.Kick()
				if q.Arm() == 0 {
					d.Wait()
					q.Poll()
				}
				q.Disarm()
				for {
					_, n, ok := q.Next()
					if !ok {
						break
					}
					got++
					sum.Add(uint64(n))
				}
				if d.Failed() {
					t.Error(d.Why())
					return
				}
			}
		}()
		wg.Wait()
		want := uint64(0)
		for i := range total {
			want += uint64(i%100 + 1)
		}
		if sum.Load() != want {
			t.Fatal("bytes lost:", sum.Load(), want)
		}
	}
}

func TestQueueAllocatesNothing(t *testing.T) {
	dev, d, q := open(t, 64, eventIdx)
	ring, mem := dev.Ring(0), buffer(t, d, 4096)
	segs := []virtio.Seg{{Phys: mem.Phys, Len: 16}, {Phys: mem.Phys + 16, Len: 512}, {Phys: mem.Phys + 600, Len: 1}}
	i := uint16(0)
	n := testing.AllocsPerRun(1000, func() {
		a, _ := q.Add(segs, 1)
		b, _ := q.AddOne(mem.Phys, 60, false)
		q.Kick()
		ring.PutRaw(i, uint32(a), 513)
		ring.PutRaw(i+1, uint32(b), 0)
		i += 2
		ring.SetIndex(i)
		for q.Arm() > 0 {
			for _, _, ok := q.Next(); ok; _, _, ok = q.Next() {
			}
		}
	})
	if n != 0 || d.Failed() {
		t.Fatal(n, "allocations;", d.Why())
	}
}

func BenchmarkRoundTrip(b *testing.B) {
	dev, d, q := open(b, 64, eventIdx)
	ring, mem := dev.Ring(0), buffer(b, d, 4096)
	for i := range b.N {
		h, _ := q.AddOne(mem.Phys, 60, true)
		q.Kick()
		ring.PutRaw(uint16(i), uint32(h), 13)
		ring.SetIndex(uint16(i) + 1)
		q.Poll()
		q.Next()
	}
	if d.Failed() {
		b.Fatal(d.Why())
	}
}

// TestAlloc: pieces of a device's memory are aligned, clear and apart.
func TestAlloc(t *testing.T) {
	before := frame.Read().Kernel
	dev, d, _ := open(t, 2, 0)
	r := rand.New(rand.NewPCG(9, 9))
	for i := range 300 {
		n, align := 1+uint32(r.IntN(700)), uint32(1)<<r.IntN(13)
		if i%20 == 0 {
			n = uint32(r.IntN(40000))
		}
		m, ok := d.Alloc(n, align)
		if !ok || m.Phys%uint64(align) != 0 || uint64(m.Addr)-m.Phys != uint64(d0(m)) {
			t.Fatal(m, ok, n, align)
		}
		for k, b := range m.Bytes(n) {
			if b != 0 {
				t.Fatal("not clear, or given twice")
			}
			m.Bytes(n)[k] = 1
		}
	}
	if _, ok := d.Alloc(8<<20, 8); ok {
		t.Error("more than a block")
	}
	d.Close()
	dev.Free()
	if frame.Read().Kernel != before {
		t.Error("frames lost")
	}
}

// d0 is where physical memory begins in this process, by the frame of m.
func d0(m virtio.Memory) uintptr {
	p := frame.FromPhys(m.Phys)
	return p.Addr() - uintptr(p.Phys())
}
