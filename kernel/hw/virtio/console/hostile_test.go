package console

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/waiter"

	"skerry/kernel/abi"
	"skerry/kernel/ground/frame"
	"skerry/kernel/hw/virtio"
	"skerry/kernel/hw/virtio/virtiotest"
)

// attack runs one script of a hostile device against one console, without the
// driver's goroutine. The positions of each output ring must stay in order,
// only chains that were offered may end, input must be what the device wrote.
func attack(t testing.TB, data []byte) (in, out int) {
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
	features := uint64(0)
	if next()&1 != 0 {
		features = virtio.FeatureEventIdx
	}
	h := newHost(features, 1<<(1+next()%5))
	h.Hostile = true
	defer h.Free()
	hangUps := 0
	o := Options{Ports: ports(2, PortOptions{Output: 4096, HangUp: func() { hangUps++ }, Input: func(b []byte) {
		in += len(b)
		if len(b) == 0 || len(b) > inputBuffer {
			t.Fatal("input of", len(b))
		}
	}})}
	c, err := open(h, o)
	if err != nil {
		t.Fatal(err)
	}
	defer c.dev.Close()
	rings := []uint16{queueControlIn, queueControlOut, inputQueue(0), inputQueue(0) + 1, inputQueue(1), inputQueue(1) + 1}
	posted := map[uint16][]virtiotest.Chain{}
	spoiled := false
	give := func(q uint16, b []byte, n uint32) {
		if len(posted[q]) == 0 {
			return
		}
		ch := posted[q][0]
		posted[q] = posted[q][1:]
		if b != nil {
			n = ch.Fill(b)
		}
		g := h.Ring(q)
		g.PutRaw(g.Shown(), uint32(ch.Head), n)
		g.SetIndex(g.Shown() + 1)
	}
	for pos < len(data) && !c.dev.Failed() {
		for _, q := range rings {
			for !spoiled {
				ch, ok := h.Ring(q).Pop()
				if !ok {
					break
				}
				posted[q] = append(posted[q], ch)
			}
		}
		switch next() % 12 {
		case 0, 1, 2: // a control message
			id, ev, val := uint32(next()%3), uint16(next()%9), uint16(next()%2)
			if next()%16 == 0 {
				id, ev, val = u32(), u16(), u16()
			}
			give(queueControlIn, append(message(id, ev, val, "name"), make([]byte, next()%100)...), 0)
		case 3: // a message of any length
			give(queueControlIn, nil, [...]uint32{0, 1, 7, 8, 9, controlBuffer, controlBuffer, u32()}[next()%8])
		case 4, 5:
			give([...]uint16{inputQueue(0), inputQueue(1)}[next()%2], make([]byte, u16()%1100), 0)
		case 6: // output comes back, in some order
			q := inputQueue(int(next()%2)) + 1
			if n := len(posted[q]); n > 1 {
				i := int(next()) % n
				posted[q][0], posted[q][i] = posted[q][i], posted[q][0]
			}
			give(q, nil, uint32(next()/250))
		case 7:
			give(queueControlOut, nil, 0)
		case 8, 9:
			p := c.Port(int(next() % 2))
			b := make([]byte, u16()%5000)
			n, e := p.Write(b)
			if n < 0 || n > len(b) || n > 0 && e != abi.OK || len(b) <= atomicWrite && n != 0 && n != len(b) {
				t.Fatal("write of", len(b), "took", n, e)
			}
			out += n
			if e == abi.EPIPE && hangUps == 0 && !c.dev.Failed() {
				t.Fatal("EPIPE without a hang-up")
			}
			p.Readiness(waiter.EventOut)
		case 10:
			c.interrupt()
			c.Drained()
		case 11:
			if next()%8 != 0 {
				break
			}
			g := h.Ring(rings[int(next())%len(rings)])
			switch next() % 3 {
			case 0:
				g.PutRaw(u16(), u32()%40, u32())
			case 1:
				g.SetIndex([...]uint16{u16(), g.Shown() + 1, g.Shown() - 1}[next()%3])
			case 2:
				spoiled = true
				for range next() % 8 {
					g.Spoil(u32(), next())
				}
			}
		}
		for i := range 2 {
			p := c.Port(i)
			if p.freed > p.given || p.given > p.end || p.end-p.freed > p.size || p.count > maxChains {
				t.Fatal("positions out of order", p.freed, p.given, p.end)
			}
		}
	}
	c.dev.Fail("ends")
	before := in
	c.interrupt()
	c.down()
	if in != before {
		t.Fatal("a failed device delivers")
	}
	for i := range 2 {
		if _, e := c.Port(i).Write([]byte{1}); e != abi.EIO || c.Port(i).Readiness(waiter.EventHUp) == 0 {
			t.Fatal("port of a failed device:", e)
		}
	}
	if !c.Drained() || hangUps < 2 {
		t.Fatal("a failed device is waited for", hangUps)
	}
	return in, out
}

func FuzzConsole(f *testing.F) {
	f.Add([]byte{1, 3, 0, 0, 1, 1, 1, 0, 10, 0, 0, 6, 1, 1, 0, 10, 8, 0, 40, 0, 6, 0, 0, 0, 10})
	f.Fuzz(func(t *testing.T, data []byte) { attack(t, data) })
}

func TestHostile(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	before := frame.Read().Kernel
	in, out := 0, 0
	for range *runs {
		b := make([]byte, 1+r.IntN(400))
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		i, o := attack(t, b)
		in, out = in+i, out+o
	}
	if after := frame.Read().Kernel; after != before {
		t.Error("frames lost:", after-before)
	}
	t.Log(in, "bytes in,", out, "bytes out")
	if in == 0 || out == 0 {
		t.Error("the campaign moves no data")
	}
}

// TestFlips rewrites control messages from another processor while the driver
// looks at them.
func TestFlips(t *testing.T) {
	messages := uint64(0)
	for end := time.Now().Add(300 * time.Millisecond); time.Now().Before(end); {
		h := newHost(virtio.FeatureEventIdx, 32)
		c, err := open(h, Options{Ports: ports(4, PortOptions{Output: 4096, Input: func([]byte) {}})})
		if err != nil {
			t.Fatal(err)
		}
		g := h.Ring(queueControlIn)
		var stop atomic.Bool
		var rounds atomic.Int64
		var wg sync.WaitGroup
		wg.Add(1)
		go func() {
			defer wg.Done()
			seen := int64(-1)
			r := rand.New(rand.NewPCG(1, 4))
			for !stop.Load() {
				for i := range uint32(controlQueue) {
					m := c.ctlInMem.Part(i * controlBuffer)
					copy(m.Bytes(controlSize), message(r.Uint32()%9, uint16(r.Uint32()%10), uint16(r.Uint32()%2), ""))
					g.PutRaw(uint16(i), i, 8+r.Uint32()%121)
				}
				if now := rounds.Load(); now != seen {
					seen = now
					g.SetIndex(g.Shown() + uint16(r.Uint32()%8))
				}
			}
		}()
		for one := time.Now().Add(20 * time.Millisecond); !c.dev.Failed() && time.Now().Before(one); {
			c.interrupt()
			rounds.Add(1)
		}
		stop.Store(true)
		wg.Wait()
		messages += c.Ignored()
		c.dev.Close()
		h.Free()
	}
	if messages == 0 {
		t.Error("no message was ever looked at")
	}
}
