package rng

import (
	"bytes"
	"flag"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"skerry/kernel/ground/frame"
	"skerry/kernel/hw/virtio"
	"skerry/kernel/hw/virtio/virtiotest"
	"skerry/kernel/wait"
)

var runs = flag.Int("runs", 3000, "executions of each campaign against a hostile device")

func TestMain(m *testing.M) {
	flag.Parse()
	frame.InitHost(1 << 16)
	os.Exit(m.Run())
}

// device answers each request with what give says: bytes to write and the
// length to claim; ok false for no answer at all.
func device(t testing.TB, give func(want uint32) (b []byte, n uint32, ok bool)) *virtiotest.Device {
	d := virtiotest.New(virtio.TypeEntropy, virtio.FeatureEventIdx, nil, 8)
	d.Run(t, func() bool {
		ring := d.Ring(0)
		if ring == nil || !d.Rung(0) {
			return false
		}
		ring.WantBells(true)
		c, ok := ring.Pop()
		if !ok {
			return false
		}
		ring.WantBells(true)
		if len(c.Bufs) != 1 || !c.Bufs[0].Write {
			panic("not one writable buffer")
		}
		b, n, ok := give(c.Writable())
		c.Fill(b)
		if ok && ring.Push(c.Head, n) {
			d.Interrupt()
		}
		return true
	})
	return d
}

func stream(n uint32) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rand.Uint32())
	}
	return b
}

func soon() int64 { return wait.Now() + int64(5*time.Second) }

func TestRead(t *testing.T) {
	var sent []byte
	for name, c := range map[string]struct {
		give   func(want uint32) ([]byte, uint32, bool)
		ask    int
		credit int
		failed string
	}{
		"honest": {func(n uint32) ([]byte, uint32, bool) { b := stream(n); sent = append(sent, b...); return b, n, true }, 1000, 1000, ""},
		"short": {func(n uint32) ([]byte, uint32, bool) {
			n = min(n, 7)
			b := stream(n)
			sent = append(sent, b...)
			return b, n, true
		}, 100, 100, ""},
		"nothing":   {func(n uint32) ([]byte, uint32, bool) { return nil, 0, true }, 100, 0, ""},
		"zeros":     {func(n uint32) ([]byte, uint32, bool) { return nil, n, true }, 100, 0, ""},
		"ones":      {func(n uint32) ([]byte, uint32, bool) { return bytes.Repeat([]byte{255}, int(n)), n, true }, 100, 0, ""},
		"oversized": {func(n uint32) ([]byte, uint32, bool) { return stream(n), n + 1, true }, 100, 0, "more bytes"},
		"huge":      {func(n uint32) ([]byte, uint32, bool) { return stream(n), 1<<32 - 1, true }, 100, 0, "more bytes"},
		"stale": {func(n uint32) ([]byte, uint32, bool) {
			if sent != nil {
				return nil, n, true // claims what it wrote the first time
			}
			sent = stream(n)
			return sent, n, true
		}, 2 * bufferSize, bufferSize, ""},
		"nothing wanted": {func(n uint32) ([]byte, uint32, bool) { return stream(n), n, true }, 0, 0, ""},
	} {
		sent = nil
		s, err := New(device(t, c.give))
		if err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, c.ask)
		at := time.Now()
		n := s.Read(buf, soon())
		if time.Since(at) > 4*time.Second {
			t.Error(name, "asks until the deadline")
		}
		if n != c.credit || !strings.Contains(s.Failed(), c.failed) || (s.Failed() == "") != (c.failed == "") {
			t.Errorf("%s: %d bytes, %q", name, n, s.Failed())
		}
		if sent != nil && !bytes.Equal(sent, buf[:n]) {
			t.Errorf("%s: other bytes", name)
		}
		s.Close()
	}
}

// TestDeadline: silence ends at the deadline, with what came before it.
func TestDeadline(t *testing.T) {
	for _, first := range []int{0, 1} {
		left := first
		s, err := New(device(t, func(n uint32) ([]byte, uint32, bool) {
			left--
			return stream(n), n, left >= 0
		}))
		if err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 2*bufferSize)
		at := time.Now()
		n := s.Read(buf, wait.Now()+int64(50*time.Millisecond))
		if took := time.Since(at); n != first*bufferSize || took < 50*time.Millisecond || took > 3*time.Second {
			t.Error(n, took)
		}
		if s.Failed() == "" || s.Read(buf, soon()) != 0 {
			t.Error("a silent device is asked again")
		}
		s.Close()
	}
}

// attack makes reads of a device whose answers come from data, with a deadline
// that has passed once the answers are used up.
func attack(t testing.TB, data []byte) {
	before := frame.Read().Kernel
	d := virtiotest.New(virtio.TypeEntropy, 0, nil, 1) // its one chain is 0
	s, err := New(d)
	if err != nil {
		t.Fatal(err)
	}
	ring := d.Ring(0)
	pos := 0
	next := func() uint32 {
		if pos == len(data) {
			return 0
		}
		pos++
		return uint32(data[pos-1])
	}
	buf := make([]byte, 600)
	// The device works inside Ack, which the driver calls after each interrupt,
	// so that one goroutine plays both.
	d.OnAck = func() uint8 {
		d.Interrupt()
		switch next() % 6 {
		case 0:
			ring.PutRaw(ring.Shown(), next()%3/2, [...]uint32{next(), 256, 257, 1<<32 - 1}[next()%4])
			ring.SetIndex(ring.Shown() + 1)
		case 1, 2, 3:
			n := copy(s.mem.Bytes(bufferSize), stream(next()))
			ring.PutRaw(ring.Shown(), 0, uint32(n))
			ring.SetIndex(ring.Shown() + 1)
		case 4:
			ring.SetIndex(uint16(next()) << 8)
		case 5:
			d.Interrupt()
		}
		if pos == len(data) {
			s.dev.Fail("ends")
		}
		return 1
	}
	d.Interrupt()
	if n := s.Read(buf, soon()); n < 0 || n > len(buf) {
		t.Fatal(n)
	}
	s.Close()
	d.Free()
	if frame.Read().Kernel != before {
		t.Fatal("frames lost")
	}
}

func FuzzRNG(f *testing.F) {
	f.Add([]byte{1, 200, 0, 0, 3, 0})
	f.Fuzz(func(t *testing.T, data []byte) { attack(t, data) })
}

func TestHostile(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range *runs {
		b := make([]byte, 1+r.IntN(60))
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		attack(t, b)
	}
}
