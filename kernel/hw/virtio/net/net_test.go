package net

import (
	"bytes"
	"encoding/binary"
	"flag"
	"math/rand/v2"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"skerry/kernel/ground/frame"
	"skerry/kernel/hw/nic"
	"skerry/kernel/hw/virtio"
	"skerry/kernel/hw/virtio/virtiotest"
)

var runs = flag.Int("runs", 3000, "executions of each campaign against a hostile device")

func TestMain(m *testing.M) {
	flag.Parse()
	frame.InitHost(1 << 18) // a driver's goroutine keeps its frames, test after test
	os.Exit(m.Run())
}

const (
	allOffloads = 1<<featureCsum | 1<<featureGuestCsum | guestTSO | hostTSO | 1<<featureMergeRx
	usual       = 1<<featureMAC | 1<<featureStatus
	event       = virtio.FeatureEventIdx
)

// config is the device's configuration space.
func config(mtu uint16) []byte {
	b := []byte{0x52, 0x54, 0, 1, 2, 3, statusLinkUp, 0, 1, 0, 0, 0}
	binary.LittleEndian.PutUint16(b[configMTU:], mtu)
	return b
}

// header is virtio_net_hdr from the device's pen.
func header(flags, gso byte, hdrLen, gsoSize, start, offset, buffers uint16) []byte {
	b := []byte{flags, gso}
	for _, v := range []uint16{hdrLen, gsoSize, start, offset, buffers} {
		b = binary.LittleEndian.AppendUint16(b, v)
	}
	return b
}

// cable is a device whose other end is this test: what the driver sends arrives
// in sent, what is put into deliver is received.
type cable struct {
	*virtiotest.Device
	merge   bool
	sent    func(header, frame []byte)
	deliver chan []byte // header and frame
	pending []byte
}

func newCable(features uint64, conf []byte, rx, tx uint16) *cable {
	return &cable{Device: virtiotest.New(virtio.TypeNet, features, conf, rx, tx), deliver: make(chan []byte, 64)}
}

func (k *cable) step() bool {
	if !k.Running() {
		return false
	}
	worked := false
	if k.Rung(queueTx) {
		tx := k.Ring(queueTx)
		for again := true; again; again = tx.WantBells(true) {
			tx.WantBells(false)
			n := 0
			for {
				c, ok := tx.Pop()
				if !ok {
					break
				}
				b := c.Read()
				if c.Writable() != 0 || len(b) < headerSize {
					panic("bad frame to send")
				}
				if k.sent != nil {
					k.sent(b[:headerSize], b[headerSize:])
				}
				tx.Put(c.Head, 0)
				n++
			}
			if n > 0 && tx.Publish() {
				k.Interrupt()
			}
		}
		worked = true
	}
	rx := k.Ring(queueRx)
	for {
		if k.pending == nil {
			select {
			case k.pending = <-k.deliver:
			default:
				return worked
			}
		}
		if !k.receive(rx, k.pending) {
			rx.WantBells(true)
			return worked
		}
		k.pending, worked = nil, true
	}
}

// receive gives one frame to the driver, over as many buffers as it takes.
func (k *cable) receive(rx *virtiotest.Ring, b []byte) bool {
	size := smallBuffer
	if k.Accepted()&guestTSO != 0 {
		size = largeBuffer
	}
	need := (len(b) + size - 1) / size
	if int(rx.Available()) < need {
		return false
	}
	binary.LittleEndian.PutUint16(b[10:], uint16(need))
	for range need {
		c, _ := rx.Pop()
		n := c.Fill(b)
		b = b[n:]
		rx.Put(c.Head, n)
	}
	if rx.Publish() {
		k.Interrupt()
	}
	return true
}

// stack is a nic.Receiver that copies what it gets.
type stack struct {
	mu      sync.Mutex
	frames  [][]byte
	offs    []nic.Offload
	batches atomic.Int32
	link    []bool
	ready   chan struct{}
	got     atomic.Int64
	onFrame func(b []byte, o nic.Offload)
}

func newStack() *stack { return &stack{ready: make(chan struct{}, 1)} }

func (s *stack) Receive(b []byte, o nic.Offload) {
	if s.onFrame != nil {
		s.onFrame(b, o)
	} else {
		s.mu.Lock()
		s.frames = append(s.frames, bytes.Clone(b))
		s.offs = append(s.offs, o)
		s.mu.Unlock()
	}
	s.got.Add(1)
}

func (s *stack) Batch() { s.batches.Add(1) }

func (s *stack) TxReady() {
	select {
	case s.ready <- struct{}{}:
	default:
	}
}

func (s *stack) Link(up bool) {
	s.mu.Lock()
	s.link = append(s.link, up)
	s.mu.Unlock()
}

func (s *stack) links() []bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]bool(nil), s.link...)
}

// eventually waits for a condition, bounded.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); runtime.Gosched() {
		if time.Now().After(end) {
			t.Fatal("never: " + what)
		}
	}
}

func mustNew(t testing.TB, k *cable, o Options) *Card {
	t.Helper()
	c, err := New(k, o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// pattern is a frame of n bytes that depends on seed.
func pattern(seed uint64, n int) []byte {
	r := rand.New(rand.NewPCG(seed, 1))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	binary.LittleEndian.PutUint64(b, seed)
	return b
}

func TestNegotiation(t *testing.T) {
	all := nic.Caps{TxCsum: true, TxGSO4: true, TxGSO6: true, RxCsum: true, RxGSO: true}
	for name, c := range map[string]struct {
		features uint64
		rings    uint16
		caps     nic.Caps
		mtu      int
		buffer   uint32
	}{
		"nothing":        {usual, 256, nic.Caps{}, 1500, 2048},
		"everything":     {usual | allOffloads, 256, all, 1500, 4096},
		"small rings":    {usual | allOffloads, 32, nic.Caps{TxCsum: true, RxCsum: true}, 1500, 2048},
		"tso alone":      {usual | hostTSO | guestTSO | 1<<featureMergeRx, 256, nic.Caps{}, 1500, 2048},
		"tso, no merge":  {usual | allOffloads&^(1<<featureMergeRx), 256, nic.Caps{TxCsum: true, TxGSO4: true, TxGSO6: true, RxCsum: true}, 1500, 4096},
		"jumbo":          {usual | 1<<featureMTU | 1<<featureMergeRx, 256, nic.Caps{}, 9000, 4096},
		"jumbo no merge": {usual | 1<<featureMTU, 256, nic.Caps{}, 4066, 4096},
	} {
		d := mustNew(t, newCable(c.features, config(9000), c.rings, c.rings), Options{})
		if d.Caps() != c.caps || d.MTU() != c.mtu || d.bufSize != c.buffer || d.MAC() != [6]byte{0x52, 0x54, 0, 1, 2, 3} {
			t.Errorf("%s: %+v, MTU %d, buffers of %d, %x", name, d.Caps(), d.MTU(), d.bufSize, d.MAC())
		}
		d.dev.Close()
	}
}

func TestNewRefuses(t *testing.T) {
	conf := func(change func(b []byte)) []byte {
		b := config(1500)
		change(b)
		return b
	}
	for want, c := range map[string]struct {
		features uint64
		conf     []byte
		rings    uint16
	}{
		"no hardware address": {1 << featureStatus, config(0), 256},
		"not one station's":   {usual, conf(func(b []byte) { b[0] = 1 }), 256},
		"one station's":       {usual, conf(func(b []byte) { clear(b[:6]) }), 256},
		"MTU of 67":           {usual | 1<<featureMTU, config(67), 256},
		"too small for one":   {usual | 1<<featureMTU | 1<<featureMergeRx, config(65535), 16},
	} {
		if _, err := New(newCable(c.features, c.conf, c.rings, c.rings), Options{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	c := mustNew(t, newCable(1<<featureStatus, config(0), 16, 16), Options{Random: func(b []byte) {
		for i := range b {
			b[i] = 0xff
		}
	}})
	if c.MAC() != [6]byte{0xfe, 0xff, 0xff, 0xff, 0xff, 0xff} {
		t.Error(c.MAC())
	}
}

// TestBothWays moves frames of all sizes in both directions at once, several
// senders at a time, and compares every byte; for each set of features.
func TestBothWays(t *testing.T) {
	for name, f := range map[string]struct {
		features uint64
		rings    uint16
		largest  int
	}{
		"plain":       {usual, 256, 1514},
		"event":       {usual | event, 64, 1514},
		"tiny rings":  {usual | event, 4, 1514},
		"tso":         {usual | event | allOffloads, 256, 65550},
		"tso, flags":  {usual | allOffloads, 256, 65550},
		"spread only": {usual | event | 1<<featureMergeRx | 1<<featureMTU, 64, 9014},
	} {
		k := newCable(f.features, config(9000), f.rings, f.rings)
		var mu sync.Mutex
		out := map[uint64]int{}
		k.sent = func(h, b []byte) {
			seed := binary.LittleEndian.Uint64(b)
			if !bytes.Equal(b, pattern(seed, len(b))) {
				t.Error(name, "frame damaged on its way out")
			}
			if gso := h[1] == gsoTCPv4; gso != (len(b) > 1518 && f.largest > 60000) {
				t.Error(name, "wrong header", h, len(b))
			}
			mu.Lock()
			out[seed]++
			mu.Unlock()
		}
		k.Run(t, k.step)
		c := mustNew(t, k, Options{})
		s := newStack()
		in := map[uint64]int{}
		s.onFrame = func(b []byte, o nic.Offload) {
			seed := binary.LittleEndian.Uint64(b)
			if !bytes.Equal(b, pattern(seed, len(b))) {
				t.Error(name, "frame damaged on its way in")
			}
			in[seed]++
		}
		c.Start(s)
		const frames, senders = 300, 4
		var wg sync.WaitGroup
		wg.Add(1)
		go func() {
			defer wg.Done()
			r := rand.New(rand.NewPCG(2, 2))
			for i := range uint64(frames) {
				n := 14 + r.IntN(f.largest-13)
				h := header(0, 0, 0, 0, 0, 0, 1)
				if n > 1518 && f.largest > 60000 {
					h = header(flagNeedsCsum, gsoTCPv4, 54, 1448, 34, 16, 1)
				}
				k.deliver <- append(h, pattern(i, n)...)
			}
		}()
		sends := sync.Mutex{} // TxReady wakes one waiter, so one at a time waits
		for g := range senders {
			wg.Add(1)
			go func() {
				defer wg.Done()
				r := rand.New(rand.NewPCG(3, uint64(g)))
				for i := range frames / senders {
					n := 14 + r.IntN(f.largest-13)
					b := pattern(uint64(g*1000+i), n)
					var o nic.Offload
					if n > 1518 && f.largest > 60000 {
						o = nic.Offload{NeedsCsum: true, CsumStart: 34, CsumOffset: 16, GSO: nic.GSOTCPv4, HdrLen: 54, GSOSize: 1448}
					}
					cut := r.IntN(n)
					sends.Lock()
					for !c.Send([][]byte{b[:cut], nil, b[cut:]}, o) {
						<-s.ready
					}
					sends.Unlock()
					if i%3 == 0 {
						c.Flush()
					}
				}
				c.Flush()
			}()
		}
		wg.Wait()
		eventually(t, name+": all frames arrive", func() bool {
			mu.Lock()
			defer mu.Unlock()
			return len(out) == frames && s.got.Load() == frames
		})
		for seed, n := range in {
			if n != 1 || out[seed] > 1 {
				t.Error(name, "frame", seed, "came", n, "times")
			}
		}
		if st := c.Stats(); st != (Stats{}) || c.dev.Failed() {
			t.Errorf("%s: %+v %s", name, st, c.dev.Why())
		}
		if s.batches.Load() == 0 || len(s.links()) != 1 || !s.links()[0] {
			t.Error(name, s.batches.Load(), s.links())
		}
	}
}

func TestLink(t *testing.T) {
	k := newCable(usual, config(0), 16, 16)
	k.Run(t, k.step)
	c := mustNew(t, k, Options{})
	s := newStack()
	c.Start(s)
	for i, up := range []byte{0, 1, 1, 0} {
		k.ConfigChange(func(b []byte) { b[configStatus] = up })
		want := []int{2, 3, 3, 4}[i]
		eventually(t, "link is reported", func() bool { return len(s.links()) >= want })
	}
	if l := s.links(); len(l) != 4 || l[0] != true || l[1] != false || l[2] != true || l[3] != false {
		t.Error(l)
	}
}

// TestFailed: a device that is failed counts as unplugged; senders do not hang.
func TestFailed(t *testing.T) {
	k := newCable(usual|event, config(0), 16, 16)
	told := make(chan string, 1)
	c := mustNew(t, k, Options{OnFail: func(why string) { told <- why }})
	s := newStack()
	c.Start(s)
	eventually(t, "running", k.Running)
	frame := [][]byte{make([]byte, 60)}
	for c.Send(frame, nic.Offload{}) { // until the ring is full
	}
	k.Ring(queueRx).PutRaw(0, 77, 0)
	k.Ring(queueRx).SetIndex(1)
	k.Interrupt()
	<-s.ready
	if why := <-told; !strings.Contains(why, "does not exist") {
		t.Error(why)
	}
	if !c.Send(frame, nic.Offload{}) || c.Stats().TxDown != 1 || k.Running() {
		t.Errorf("%+v", c.Stats())
	}
	if l := s.links(); len(l) != 2 || l[1] {
		t.Error(l)
	}
	// A failed device's link does not come up again.
	k.ConfigChange(func([]byte) {})
	c.linkUp = false
	c.interrupt(true)
	if l := s.links(); len(l) != 2 {
		t.Error(l)
	}
	k = newCable(usual|event, config(0), 16, 16)
	c = mustNew(t, k, Options{})
	s = newStack()
	c.Start(s)
	k.OnStatus = func(b uint8) uint8 {
		if b != 0 {
			b |= virtio.StatusNeedsReset
		}
		return b
	}
	k.ConfigChange(func([]byte) {})
	eventually(t, "needs reset is seen", func() bool { return len(s.links()) == 2 })
}
