package console

import (
	"testing"
	"time"

	"skerry/kernel/abi"
	"skerry/kernel/hw/virtio"
	"skerry/kernel/hw/virtio/virtiotest"
)

// bench is a console without its goroutine, with port 0 open.
func bench(t *testing.T, features uint64) (*host, *Console, *Port, *virtiotest.Ring) {
	h := newHost(features, 128)
	c, err := open(h, Options{Ports: ports(1, PortOptions{})})
	if err != nil {
		t.Fatal(err)
	}
	c.Port(0).setOpen(true)
	return h, c, c.Port(0), h.Ring(1)
}

func put(t *testing.T, p *Port, n int) {
	t.Helper()
	for range n {
		if k, e := p.Write([]byte("0123456789")); k != 10 || e != abi.OK {
			t.Fatal(k, e)
		}
	}
}

// TestOutOfOrder: a chain number that is used again, while the piece that had
// it first waits for one before it, belongs to the later piece.
func TestOutOfOrder(t *testing.T) {
	_, c, p, ring := bench(t, 0)
	put(t, p, 2)
	a, _ := ring.PopHead()
	b, _ := ring.PopHead()
	ring.Push(b, 0)
	c.interrupt()
	put(t, p, 1)
	again, _ := ring.PopHead()
	if again != b {
		t.Fatal("the queue gives another number: this test does not test")
	}
	ring.Push(again, 0)
	ring.Push(a, 0)
	c.interrupt()
	if p.count != 0 || p.freed != 30 {
		t.Error(p.count, "pieces left,", p.freed, "bytes returned")
	}
}

// TestWakes: whenever somebody waits for the device, it is asked to interrupt.
func TestWakes(t *testing.T) {
	for _, features := range []uint64{0, virtio.FeatureEventIdx} {
		// A drain with two pieces out, which come back one at a time.
		h, c, p, ring := bench(t, features)
		put(t, p, 2)
		done := make(chan abi.Errno, 1)
		go func() { done <- c.Drain(soon()) }()
		eventually(t, "drain waits", func() bool { return !c.drain.IsEmpty() })
		for range 2 {
			eventually(t, "the device is asked", func() bool {
				p.mu.Lock()
				defer p.mu.Unlock()
				return ring.Wanted()
			})
			head, _ := ring.PopHead()
			ring.Push(head, 0)
			c.interrupt()
		}
		at := time.Now()
		if e := <-done; e != abi.OK || time.Since(at) > 5*time.Second {
			t.Error(e)
		}
		// Output that found no place among the pieces.
		put(t, p, maxChains+3)
		c.interrupt() // for nothing
		head, _ := ring.PopHead()
		if !ring.Push(head, 0) {
			t.Fatal("collected output waits for no one")
		}
		c.interrupt()
		if p.given != p.end {
			t.Error("collected output is not sent")
		}
		h.Free()
	}
}

// TestHangUpDrops: what a closed end has not taken is not there for the next.
func TestHangUpDrops(t *testing.T) {
	_, c, p, ring := bench(t, 0)
	put(t, p, maxChains+3)
	p.setOpen(false)
	for range maxChains {
		head, _ := ring.PopHead()
		ring.Push(head, 0)
	}
	c.interrupt()
	p.setOpen(true)
	if n := ring.Available(); n != 0 || p.freed != p.end {
		t.Error("old output goes to the new end:", n, p.end-p.freed)
	}
}

// TestMessages: control messages that are no use.
func TestMessages(t *testing.T) {
	for _, b := range [][]byte{
		message(0, ctlPortOpen, 0, "")[:7], message(0, ctlPortOpen, 0, "")[:4], {},
		message(1, ctlPortOpen, 0, ""), message(MaxPorts, ctlDeviceAdd, 1, ""), message(1<<32-1, ctlDeviceAdd, 1, ""),
		message(0, 99, 1, ""),
	} {
		h, c, p, _ := bench(t, 0)
		ring := h.Ring(queueControlIn)
		ch, _ := ring.Pop()
		// What lay there before is a message that closes the port.
		ch.Fill(message(0, ctlPortOpen, 0, ""))
		ring.Push(ch.Head, ch.Fill(b))
		c.interrupt()
		if c.Ignored() != 1 || !p.Open() || c.dev.Failed() || ring.Available() == 0 {
			t.Errorf("%x: %d ignored, open %v", b, c.Ignored(), p.Open())
		}
	}
}
