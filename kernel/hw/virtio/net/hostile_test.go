package net

import (
	"encoding/binary"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"skerry/kernel/ground/arch"
	"skerry/kernel/ground/frame"
	"skerry/kernel/hw/nic"
	"skerry/kernel/hw/virtio/virtiotest"
)

// judge is a nic.Receiver that holds the driver to its promises.
type judge struct {
	t   testing.TB
	c   *Card
	got int
	up  []bool
}

func (j *judge) Receive(b []byte, o nic.Offload) {
	j.got++
	n := len(b)
	switch {
	case n < etherHeader || n > maxFrame:
		j.t.Fatal("frame of", n, "bytes")
	case o.NeedsCsum && int(o.CsumStart)+int(o.CsumOffset)+2 > n, (o.NeedsCsum || o.CsumValid) && !j.c.caps.RxCsum:
		j.t.Fatalf("checksum: %+v of %d bytes", o, n)
	case o.GSO != nic.GSONone && (o.GSOSize == 0 || int(o.GSOSize) >= n || int(o.HdrLen) > n || !j.c.caps.RxGSO):
		j.t.Fatalf("segments: %+v of %d bytes", o, n)
	case o.GSO > nic.GSOTCPv6:
		j.t.Fatal("kind of segments", o.GSO)
	}
	_, _ = b[0], b[n-1] // it is memory
}

func (j *judge) Batch()       {}
func (j *judge) TxReady()     {}
func (j *judge) Link(up bool) { j.up = append(j.up, up) }

// attack runs one script of a hostile device against one card, without the
// driver's goroutine, so that a failure is the same each time.
func attack(t testing.TB, data []byte) (got int) {
	pos := 0
	next := func() byte {
		if pos == len(data) {
			return 0
		}
		pos++
		return data[pos-1]
	}
	u16 := func() uint16 { return uint16(next()) | uint16(next())<<8 }
	u32 := func() uint32 { return uint32(u16()) | uint32(u16())<<16 }
	kind := next()
	features := uint64(usual)
	if kind&1 != 0 {
		features |= event
	}
	rings := uint16(8)
	if kind&2 != 0 {
		features |= allOffloads
		rings = 64
	}
	if kind&4 != 0 {
		features |= 1 << featureMergeRx
	}
	k := newCable(features, config(0), rings, rings)
	k.Hostile = true
	defer k.Free()
	c, err := New(k, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.dev.Close()
	j := &judge{t: t, c: c}
	c.begin(j)
	rx, tx := k.Ring(queueRx), k.Ring(queueTx)
	var posted, sent []virtiotest.Chain
	spoiled := false // the device has torn its own view of the rings
	take := func() {
		for !spoiled {
			ch, ok := rx.Pop()
			if !ok {
				break
			}
			posted = append(posted, ch)
		}
		for !spoiled {
			ch, ok := tx.Pop()
			if !ok {
				break
			}
			sent = append(sent, ch)
		}
	}
	for pos < len(data) {
		take()
		switch next() % 12 {
		case 0, 1, 2, 3: // a frame, more or less
			if len(posted) == 0 {
				break
			}
			parts := 1
			if kind&6 != 0 && next()%2 == 0 {
				parts = 1 + int(next())%min(18, len(posted))
			}
			claim := uint16(parts)
			if next()%16 == 0 {
				claim = [...]uint16{0, claim + 1, u16(), 1, 65535}[next()%5]
			}
			h := header([...]byte{0, 1, 2, next()}[next()%4], [...]byte{0, 0, 0, 0, 0, 1, 4, next()}[next()%8], u16()%100, u16()%2000, u16()%100, u16()%32, claim)
			if next()%8 == 0 {
				binary.LittleEndian.PutUint16(h[2*(1+next()%4):], u16())
			}
			for i := range parts {
				ch := posted[0]
				posted = posted[1:]
				b := ch.Bufs[0].Bytes()
				n := uint32(len(b))
				if i == 0 {
					copy(b, h)
				}
				if i == parts-1 || next()%32 == 0 {
					n = [...]uint32{26, 12, uint32(u16()) % (n + 1), n, n, 60, 1400, 1400}[next()%8]
					if next()%64 == 0 {
						n = [...]uint32{u32(), 11, 0, 1<<32 - 1}[next()%4]
					}
				}
				rx.PutRaw(rx.Shown()+uint16(i), uint32(ch.Head), n)
			}
			rx.SetIndex(rx.Shown() + uint16(parts))
		case 4, 5:
			if len(sent) > 0 {
				i := int(next()) % len(sent)
				tx.PutRaw(tx.Shown(), uint32(sent[i].Head), uint32(next()/250))
				tx.SetIndex(tx.Shown() + 1)
				if next()%32 != 0 {
					sent = append(sent[:i], sent[i+1:]...)
				}
			}
		case 6, 7:
			var o nic.Offload
			n := 14 + int(u16())%1500
			if next()%4 == 0 {
				o = nic.Offload{NeedsCsum: true, CsumStart: 34, CsumOffset: u16() % 64, GSO: nic.GSO(next() % 3), HdrLen: 54, GSOSize: u16()}
				n = 14 + int(u16())
			}
			b := make([]byte, n)
			c.Send([][]byte{b[:n/2], b[n/2:]}, o)
		case 8:
			c.Flush()
		case 9:
			c.interrupt(next()%4 == 0)
			if got := c.rx.Free(); !c.dev.Failed() && got != c.rx.Size()-len(c.rxBufs) {
				t.Fatal("receive buffers lost:", got)
			}
		case 10:
			if next()%8 != 0 {
				break
			}
			ring := [...]*virtiotest.Ring{rx, tx}[next()%2]
			switch next() % 3 {
			case 0:
				ring.PutRaw(u16(), u32()%70, u32())
			case 1:
				ring.SetIndex([...]uint16{u16(), ring.Shown() + 1, ring.Shown() - 1}[next()%3])
			case 2:
				spoiled = true
				for range next() % 8 {
					ring.Spoil(u32(), next())
				}
			}
		case 11:
			k.ConfigChange(func(b []byte) { b[configStatus] = next() })
		}
		if c.dev.Failed() {
			break
		}
		free := map[uint16]bool{}
		for _, b := range c.txFree {
			if free[b] || int(b) >= len(c.txBufs) {
				t.Fatal("send buffer free twice")
			}
			free[b] = true
		}
	}
	c.dev.Fail("ends")
	before := j.got
	c.interrupt(true)
	if j.got != before {
		t.Fatal("a failed device delivers")
	}
	c.down()
	if !c.Send([][]byte{make([]byte, 60)}, nic.Offload{}) {
		t.Fatal("a sender waits for a failed device")
	}
	return j.got
}

func FuzzNet(f *testing.F) {
	f.Add([]byte{7, 0, 1, 2, 3, 4, 9, 0})
	f.Add([]byte{3, 0, 0, 5, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 9, 9})
	f.Fuzz(func(t *testing.T, data []byte) { attack(t, data) })
}

func TestHostile(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	before := frame.Read().Kernel
	got := 0
	for range *runs {
		b := make([]byte, 1+r.IntN(400))
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		got += attack(t, b)
	}
	if after := frame.Read().Kernel; after != before {
		t.Error("frames lost:", after-before)
	}
	t.Log(got, "frames accepted")
	if got == 0 {
		t.Error("the campaign never delivers a frame")
	}
}

// TestFlips rewrites headers and used elements from another processor while the
// driver looks at them.
func TestFlips(t *testing.T) {
	got, failed := 0, 0
	for end := time.Now().Add(500 * time.Millisecond); time.Now().Before(end); failed++ {
		k := newCable(usual|event|allOffloads, config(0), 64, 64)
		c, err := New(k, Options{})
		if err != nil {
			t.Fatal(err)
		}
		j := &judge{t: t, c: c}
		c.begin(j)
		ring := k.Ring(queueRx)
		var stop atomic.Bool
		var rounds atomic.Int64
		var wg sync.WaitGroup
		wg.Add(1)
		go func() {
			defer wg.Done()
			r := rand.New(rand.NewPCG(uint64(failed), 4))
			seen := int64(0)
			for !stop.Load() {
				for i, m := range c.rxBufs {
					lo := r.Uint64()
					for i := range 8 {
						arch.Store8(m.Addr+uintptr(i), byte(lo>>(8*i))&3)
					}
					arch.Store16(m.Addr+10, uint16(1+r.Uint32()%200/199))
					ring.PutRaw(uint16(i), uint32(i), 26+r.Uint32()%4000)
				}
				if now := rounds.Load(); now != seen || r.Uint32()%1000 == 0 {
					seen = now
					ring.SetIndex(ring.Shown() + uint16(r.Uint32()%12))
				}
			}
		}()
		for one := time.Now().Add(20 * time.Millisecond); !c.dev.Failed() && time.Now().Before(one); {
			c.interrupt(false)
			rounds.Add(1)
		}
		stop.Store(true)
		wg.Wait()
		got += j.got
		c.dev.Close()
		k.Free()
	}
	t.Log(failed, "devices,", got, "frames accepted")
	if got == 0 {
		t.Error("no frame was ever accepted")
	}
}

func TestAllocatesNothing(t *testing.T) {
	k := newCable(usual|event|allOffloads, config(0), 256, 256)
	c := mustNew(t, k, Options{})
	j := &judge{t: t, c: c}
	c.begin(j)
	rx, tx := k.Ring(queueRx), k.Ring(queueTx)
	small, large := [][]byte{make([]byte, 54), make([]byte, 100)}, [][]byte{make([]byte, 54), make([]byte, 60000)}
	o := nic.Offload{NeedsCsum: true, CsumStart: 34, CsumOffset: 16, GSO: nic.GSOTCPv4, HdrLen: 54, GSOSize: 1448}
	n := testing.AllocsPerRun(2000, func() {
		if !c.Send(small, nic.Offload{}) || !c.Send(large, o) {
			t.Fatal("ring is full")
		}
		c.Flush()
		for range 2 {
			head, _ := tx.PopHead()
			tx.Push(head, 0)
		}
		head, _ := rx.PopHead()
		m := c.rxBufs[c.rxOf[head]]
		arch.Store64(m.Addr, 0)
		arch.Store32(m.Addr+8, 1<<16)
		rx.Push(head, 1000)
		c.interrupt(false)
	})
	if n != 0 || c.dev.Failed() || c.Stats() != (Stats{}) || j.got < 2000 {
		t.Error(n, "allocations;", j.got, "frames;", c.dev.Why(), c.Stats())
	}
}

// BenchmarkReceive is one frame of 1,000 bytes, and an interrupt for it.
func BenchmarkReceive(b *testing.B) {
	k := newCable(usual|event, config(0), 256, 256)
	c := mustNew(b, k, Options{})
	c.begin(&judge{t: b, c: c})
	rx := k.Ring(queueRx)
	for range b.N {
		head, _ := rx.PopHead()
		m := c.rxBufs[c.rxOf[head]]
		arch.Store64(m.Addr, 0)
		rx.Push(head, 1000)
		c.interrupt(false)
	}
}

// BenchmarkSend is one frame of 154 bytes, flushed.
func BenchmarkSend(b *testing.B) {
	k := newCable(usual|event, config(0), 256, 256)
	c := mustNew(b, k, Options{})
	c.begin(&judge{t: b, c: c})
	tx := k.Ring(queueTx)
	small := [][]byte{make([]byte, 54), make([]byte, 100)}
	for range b.N {
		c.Send(small, nic.Offload{})
		c.Flush()
		head, _ := tx.PopHead()
		tx.Push(head, 0)
	}
}
