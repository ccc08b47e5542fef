package blk

import (
	"math/rand/v2"
	"testing"
	"time"

	"skerry/kernel/abi"
	"skerry/kernel/ground/frame"
	"skerry/kernel/hw/block"
	"skerry/kernel/hw/virtio"
)

// attack runs one script of a hostile device: requests are made, and what the
// device does with them comes from data. A request that ends well must have had
// a good status and the right length, one that does not must end in EIO.
func attack(t testing.TB, data []byte) (good int) {
	pos := 0
	next := func() byte {
		if pos == len(data) {
			return 0
		}
		pos++
		return data[pos-1]
	}
	u32 := func() uint32 {
		return uint32(next()) | uint32(next())<<8 | uint32(next())<<16 | uint32(next())<<24
	}
	features := uint64(0)
	if next()&1 != 0 {
		features = virtio.FeatureEventIdx
	}
	k := newDisk(features, config(64, 0, 0, 0), 16, 0)
	k.Hostile = true
	defer k.Free()
	d, err := open(k, Options{Timeout: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	defer d.watch.Stop()
	defer d.dev.Close()
	ring := k.Ring(0)
	p := frame.Alloc(frame.KindKernel)
	defer p.Unref()
	var order []*request
	for pos < len(data) {
		switch next() % 8 {
		case 0, 1:
			if len(d.free) == 0 || d.q.Free() < 5 {
				break
			}
			segs := []block.Seg{{Phys: p.Phys(), Len: 512}, {Phys: p.Phys() + 1024, Len: 512}, {Phys: p.Phys() + 2048, Len: 1024}}
			c := cursor{segs: segs[:1+next()%3]}
			r, _, e := d.submit(uint64(next()%32), &c)
			if (e != abi.OK) != d.dev.Failed() {
				t.Fatal(e)
			}
			if e == abi.OK {
				order = append(order, r)
			}
		case 2, 3, 4: // an answer, more or less
			if len(order) == 0 {
				break
			}
			i := int(next()) % len(order)
			r := order[i]
			n := r.want
			if next()%32 == 0 {
				n = [...]uint32{0, 1, r.want - 1, r.want + 1, 1<<32 - 1}[next()%5]
			}
			status := byte(0)
			if next()%16 == 0 {
				status = next() % [...]byte{3, 255}[next()%2]
			}
			r.mem.Bytes(slotSize)[slotStatus] = status
			ring.PutRaw(ring.Shown(), uint32(r.head), n)
			ring.SetIndex(ring.Shown() + 1)
		case 5:
			if next()%8 == 0 {
				ring.PutRaw(uint16(u32()), u32()%17, u32())
			}
		case 6:
			if next()%8 == 0 {
				for range next() % 8 {
					ring.Spoil(u32(), next())
				}
			}
		case 7:
			d.interrupt()
			for i := 0; i < len(order); {
				r := order[i]
				if !r.done.Load() {
					if d.dev.Failed() {
						t.Fatal("a request sleeps on a failed device")
					}
					i++
					continue
				}
				status := r.mem.Bytes(slotSize)[slotStatus]
				if r.err == abi.OK && status != 0 {
					t.Fatal("good end with status", status)
				}
				if r.err != abi.OK && r.err != abi.EIO && r.err != abi.EOPNOTSUPP {
					t.Fatal(r.err)
				}
				if r.err == abi.OK {
					good++
				}
				order = append(order[:i], order[i+1:]...)
				d.release(r)
			}
		}
	}
	d.dev.Fail("ends")
	d.interrupt()
	for _, r := range order {
		if !r.done.Load() {
			t.Fatal("a request sleeps on a failed device")
		}
		d.release(r)
	}
	if len(d.free) != len(d.reqs) {
		t.Fatal("places lost")
	}
	return good
}

func FuzzBlk(f *testing.F) {
	f.Add([]byte{1, 0, 2, 5, 2, 0, 1, 1, 7, 0, 0, 7})
	f.Fuzz(func(t *testing.T, data []byte) { attack(t, data) })
}

func TestHostile(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	before := frame.Read().Kernel
	good := 0
	for range *runs {
		b := make([]byte, 1+r.IntN(200))
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		good += attack(t, b)
	}
	t.Log(good, "reads ended well")
	if good == 0 {
		t.Error("the campaign never reads anything")
	}
	if after := frame.Read().Kernel; after != before {
		t.Error("frames lost:", after-before)
	}
}
