package blk

import (
	"bytes"
	"encoding/binary"
	"flag"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"skerry/kernel/abi"
	"skerry/kernel/ground/frame"
	"skerry/kernel/hw/block"
	"skerry/kernel/hw/virtio"
	"skerry/kernel/hw/virtio/virtiotest"
)

var runs = flag.Int("runs", 3000, "executions of each campaign against a hostile device")

func TestMain(m *testing.M) {
	flag.Parse()
	frame.InitHost(1 << 18) // a driver's goroutine keeps its frames, test after test
	os.Exit(m.Run())
}

// config is the device's configuration space.
func config(sectors uint64, sizeMax, segMax, blockSize uint32) []byte {
	b := make([]byte, 60)
	binary.LittleEndian.PutUint64(b, sectors)
	binary.LittleEndian.PutUint32(b[8:], sizeMax)
	binary.LittleEndian.PutUint32(b[12:], segMax)
	binary.LittleEndian.PutUint32(b[20:], blockSize)
	return b
}

// disk is an honest device with contents.
type disk struct {
	*virtiotest.Device
	data     []byte
	shuffle  *rand.Rand // answers out of order, if set
	requests atomic.Int32
	pieces   atomic.Int32
	shrunk   atomic.Bool
	serial   string
}

func newDisk(features uint64, conf []byte, queue uint16, size int) *disk {
	k := &disk{Device: virtiotest.New(virtio.TypeBlock, features, conf, queue), data: make([]byte, size)}
	r := rand.New(rand.NewPCG(1, uint64(size)))
	for i := range k.data {
		k.data[i] = byte(r.Uint32())
	}
	return k
}

// step serves the queue as a device does: only when told to.
func (k *disk) step() bool {
	ring := k.Ring(0)
	if ring == nil || !k.Rung(0) {
		return false
	}
	for {
		ring.WantBells(false)
		var held []virtiotest.Chain
		for {
			c, ok := ring.Pop()
			if !ok {
				break
			}
			held = append(held, c)
		}
		if k.shuffle != nil {
			k.shuffle.Shuffle(len(held), func(i, j int) { held[i], held[j] = held[j], held[i] })
		}
		for _, c := range held {
			ring.Put(c.Head, k.serve(c))
		}
		if len(held) > 0 && ring.Publish() {
			k.Interrupt()
		}
		if !ring.WantBells(true) {
			return true
		}
	}
}

// serve does one request and answers the bytes written.
func (k *disk) serve(c virtiotest.Chain) uint32 {
	k.requests.Add(1)
	k.pieces.Add(int32(len(c.Bufs) - 2))
	head := c.Read()
	if len(head) == 16 && binary.LittleEndian.Uint32(head) == typeGetID && k.serial != "" {
		if c.Writable() != idSize+1 {
			panic("bad request for the serial number")
		}
		return c.Fill(append(append([]byte(k.serial), make([]byte, idSize-len(k.serial))...), statusOK))
	}
	if len(head) == 16 && binary.LittleEndian.Uint32(head) != typeIn {
		return c.Fill(append(make([]byte, c.Writable()-1), statusUnsupp))
	}
	if len(head) != 16 || binary.LittleEndian.Uint32(head[4:]) != 0 {
		panic("bad request header")
	}
	n := c.Writable() - 1
	at := binary.LittleEndian.Uint64(head[8:]) * Sector
	status := byte(statusOK)
	answer := make([]byte, n+1)
	if at+uint64(n) > uint64(len(k.data)) || k.shrunk.Load() && at+uint64(n) > 4096 {
		status = statusIOErr
	} else {
		copy(answer, k.data[at:])
	}
	answer[n] = status
	return c.Fill(answer)
}

func mustNew(t testing.TB, k *disk, o Options) *Disk {
	t.Helper()
	d, err := New(k, o)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// segsOf cuts a block of frames into pieces of random lengths.
func segsOf(r *rand.Rand, p frame.PFN, total int) (segs []block.Seg) {
	for off := 0; off < total; {
		n := min((1+r.IntN(8))*Sector, total-off)
		segs = append(segs, block.Seg{Phys: p.Phys() + uint64(off), Len: uint32(n)})
		off += n
	}
	return segs
}

func TestReads(t *testing.T) {
	for name, c := range map[string]struct {
		features uint64
		conf     []byte
		queue    uint16
	}{
		"plain":      {0, config(2048, 0, 0, 0), 128},
		"event":      {virtio.FeatureEventIdx, config(2048, 0, 0, 0), 128},
		"small ring": {virtio.FeatureEventIdx, config(2048, 0, 0, 0), 4},
		"limits":     {1<<1 | 1<<2 | 1<<5 | 1<<6, config(2048, 1536, 5, 512), 256},
		"one piece":  {1 << 2, config(2048, 0, 1, 0), 8},
	} {
		k := newDisk(c.features, c.conf, c.queue, 1<<20)
		k.shuffle = rand.New(rand.NewPCG(8, 9))
		k.Run(t, k.step)
		d := mustNew(t, k, Options{})
		if d.Size() != 1<<20 || d.ReadOnly() != (c.features&(1<<5) != 0) {
			t.Error(name, d.Size(), d.ReadOnly())
		}
		var wg sync.WaitGroup
		for g := range 8 {
			wg.Add(1)
			go func() {
				defer wg.Done()
				r := rand.New(rand.NewPCG(uint64(g), 7))
				p := frame.AllocOrder(frame.KindKernel, 5)
				defer p.Unref()
				for range 60 {
					n := (1 + r.IntN(256)) * Sector
					off := r.IntN(1<<20/Sector-n/Sector+1) * Sector
					clear(p.Bytes())
					if e := d.Read(int64(off), segsOf(r, p, n)); e != abi.OK {
						t.Errorf("%s: read %d at %d: %v", name, n, off, e)
						return
					}
					if !bytes.Equal(p.Bytes()[:n], k.data[off:off+n]) {
						t.Errorf("%s: read %d at %d: wrong data", name, n, off)
						return
					}
				}
			}()
		}
		wg.Wait()
		if len(d.free) != len(d.reqs) || d.q.Free() != d.q.Size() {
			t.Error(name, "places lost", len(d.free), d.q.Free())
		}
	}
}

// TestLarge: one long contiguous read is few requests of few pieces.
func TestLarge(t *testing.T) {
	k := newDisk(virtio.FeatureEventIdx, config(40960, 0, 0, 0), 128, 20<<20)
	k.Run(t, k.step)
	d := mustNew(t, k, Options{})
	var segs []block.Seg
	var blocks []frame.PFN
	for range 4 {
		p := frame.AllocOrder(frame.KindKernel, 10)
		blocks = append(blocks, p)
		for i := range uint64(1024) {
			segs = append(segs, block.Seg{Phys: p.Phys() + i*4096, Len: 4096})
		}
	}
	if e := d.Read(4<<20, segs); e != abi.OK {
		t.Fatal(e)
	}
	for i, p := range blocks {
		if !bytes.Equal(p.Bytes(), k.data[(4+i*4)<<20:(8+i*4)<<20]) {
			t.Error("wrong data in block", i)
		}
		p.Unref()
	}
	if k.requests.Load() != 2 || k.pieces.Load() > 4 {
		t.Error(k.requests.Load(), "requests of", k.pieces.Load(), "pieces")
	}
}

func TestSerial(t *testing.T) {
	for _, c := range []struct {
		serial string
		err    abi.Errno
	}{{"skerry-root", abi.OK}, {"exactly twenty bytes", abi.OK}, {"", abi.EOPNOTSUPP}} {
		k := newDisk(virtio.FeatureEventIdx, config(16, 0, 0, 0), 8, 8192)
		k.serial = c.serial
		k.Run(t, k.step)
		d := mustNew(t, k, Options{})
		for range 3 {
			if s, e := d.Serial(); s != c.serial || e != c.err {
				t.Errorf("%q, %v", s, e)
			}
		}
		p := frame.Alloc(frame.KindKernel)
		if e := d.Read(0, []block.Seg{{Phys: p.Phys(), Len: 512}}); e != abi.OK {
			t.Error(e)
		}
		d.dev.Fail("is a test")
		if s, e := d.Serial(); s != "" || e != abi.EIO {
			t.Errorf("%q, %v", s, e)
		}
	}
}

func TestReadRefuses(t *testing.T) {
	k := newDisk(1<<6, config(16, 0, 0, 1024), 128, 8192)
	k.Run(t, k.step)
	d := mustNew(t, k, Options{})
	p := frame.AllocOrder(frame.KindKernel, 2)
	defer p.Unref()
	one := func(phys uint64, n uint32) []block.Seg { return []block.Seg{{Phys: phys, Len: n}} }
	for name, c := range map[string]struct {
		off  int64
		segs []block.Seg
	}{
		"behind the end":      {8192, one(p.Phys(), 1024)},
		"over the end":        {7168, one(p.Phys(), 2048)},
		"negative":            {-1024, one(p.Phys(), 1024)},
		"far":                 {1<<63 - 1024, one(p.Phys(), 1024)},
		"offset no block":     {512, one(p.Phys(), 1024)},
		"length no block":     {0, one(p.Phys(), 512)},
		"misaligned memory":   {0, one(p.Phys()+8, 1024)},
		"empty piece":         {0, one(p.Phys(), 0)},
		"end of memory space": {0, one(1<<64-1024, 2048)},
	} {
		if e := d.Read(c.off, c.segs); e != abi.EINVAL {
			t.Errorf("%s: %v", name, e)
		}
	}
	if e := d.Read(8192, nil); e != abi.OK {
		t.Error("nothing at the end:", e)
	}
	if e := d.Read(7168, one(p.Phys(), 1024)); e != abi.OK || d.BlockSize() != 1024 {
		t.Error("last block:", e)
	}
	// The device shrank behind our back: an error of that read alone.
	k.shrunk.Store(true)
	if e := d.Read(4096, one(p.Phys(), 1024)); e != abi.EIO {
		t.Error("shrunk device:", e)
	}
	if e := d.Read(0, one(p.Phys(), 1024)); e != abi.OK {
		t.Error("after an error:", e)
	}
}

func TestNewRefuses(t *testing.T) {
	for want, c := range map[string]struct {
		features uint64
		conf     []byte
		queue    uint16
	}{
		"capacity":        {0, config(1<<55, 0, 0, 0), 128},
		"block size":      {1 << 6, config(1, 0, 0, 1000), 128},
		"block size of 0": {1 << 6, config(1, 0, 0, 0), 128},
		"block size of 8": {1 << 6, config(1, 0, 0, 8192), 128},
		"largest segment": {1 << 1, config(1, 511, 0, 0), 128},
		"no segments":     {1 << 2, config(1, 0, 0, 0), 128},
		"2 entries":       {0, config(1, 0, 0, 0), 2},
	} {
		_, err := New(newDisk(c.features, c.conf, c.queue, 512), Options{})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

// TestTimeout: a device that keeps a request is failed, all sleepers get EIO,
// and so does everyone after.
func TestTimeout(t *testing.T) {
	told := make(chan string, 1)
	k := newDisk(virtio.FeatureEventIdx, config(16, 0, 0, 0), 8, 8192)
	d := mustNew(t, k, Options{Timeout: 50 * time.Millisecond, OnFail: func(why string) { told <- why }})
	p := frame.Alloc(frame.KindKernel)
	seg := []block.Seg{{Phys: p.Phys(), Len: 512}}
	var wg sync.WaitGroup
	for range 10 { // more than fit in the ring
		wg.Add(1)
		go func() {
			defer wg.Done()
			if e := d.Read(0, seg); e != abi.EIO {
				t.Error(e)
			}
		}()
	}
	wg.Wait()
	if why := <-told; !strings.Contains(why, "50ms") {
		t.Error(why)
	}
	if e := d.Read(0, seg); e != abi.EIO || k.Running() {
		t.Error("after the failure:", e)
	}
}

// TestStormFails: a device that is failed for its interrupts, in the driver's
// own goroutine, leaves nobody asleep.
func TestStormFails(t *testing.T) {
	k := newDisk(virtio.FeatureEventIdx, config(16, 0, 0, 0), 8, 8192)
	k.NoMask = true
	k.Run(t, func() bool {
		if ring := k.Ring(0); ring != nil && ring.Available() > 0 {
			k.Interrupt()
		}
		return false
	})
	d := mustNew(t, k, Options{})
	p := frame.Alloc(frame.KindKernel)
	at := time.Now()
	if e := d.Read(0, []block.Seg{{Phys: p.Phys(), Len: 512}}); e != abi.EIO || !strings.Contains(d.dev.Why(), "without end") {
		t.Fatal(e, d.dev.Why())
	}
	if time.Since(at) > defaultTimeout/2 {
		t.Error("answered by the timer only")
	}
}

// TestLostInterrupt: an answer whose interrupt never came is found by the timer.
func TestLostInterrupt(t *testing.T) {
	k := newDisk(virtio.FeatureEventIdx, config(16, 0, 0, 0), 8, 8192)
	k.Run(t, func() bool {
		if ring := k.Ring(0); ring != nil && k.Rung(0) {
			c, _ := ring.Pop()
			ring.Push(c.Head, k.serve(c))
		}
		return false
	})
	d := mustNew(t, k, Options{Timeout: 50 * time.Millisecond})
	p := frame.Alloc(frame.KindKernel)
	if e := d.Read(0, []block.Seg{{Phys: p.Phys(), Len: 512}}); e != abi.OK || d.dev.Failed() {
		t.Fatal(e, d.dev.Why())
	}
	// And the timer is quiet when nothing is asked.
	time.Sleep(150 * time.Millisecond)
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.armed || d.dev.Failed() {
		t.Error("timer runs while idle")
	}
}

func TestReadAllocatesNothing(t *testing.T) {
	k := newDisk(virtio.FeatureEventIdx, config(16, 0, 0, 0), 8, 8192)
	d, err := open(k, Options{})
	if err != nil {
		t.Fatal(err)
	}
	ring := k.Ring(0)
	p := frame.Alloc(frame.KindKernel)
	seg := []block.Seg{{Phys: p.Phys(), Len: 512}}
	i := uint16(0)
	n := testing.AllocsPerRun(500, func() {
		c := cursor{segs: seg}
		r, _, _ := d.submit(0, &c)
		r.mem.Bytes(slotSize)[slotStatus] = 0
		ring.PutRaw(i, uint32(r.head), 513)
		i++
		ring.SetIndex(i)
		d.interrupt()
		if !r.done.Load() || r.err != abi.OK {
			t.Fatal(r.err, d.dev.Why())
		}
		d.release(r)
	})
	if n != 0 {
		t.Error(n, "allocations")
	}
}

// TestAnswers: what an answer must be to count.
func TestAnswers(t *testing.T) {
	for _, c := range []struct {
		status byte
		n      uint32
		want   abi.Errno
		failed string
	}{
		{0, 513, abi.OK, ""},
		{0, 512, abi.EIO, "wrote all of it"},
		{0, 1, abi.EIO, "wrote all of it"},
		{0, 0, abi.EIO, "wrote all of it"},
		{0, 514, abi.EIO, "more bytes"},
		{1, 513, abi.EIO, ""},
		{1, 1, abi.EIO, ""},
		{2, 513, abi.EOPNOTSUPP, ""},
		{3, 513, abi.EIO, "valid status"},
		{255, 513, abi.EIO, "valid status"},
	} {
		k := newDisk(0, config(16, 0, 0, 0), 8, 0)
		d, err := open(k, Options{})
		if err != nil {
			t.Fatal(err)
		}
		cur := cursor{segs: []block.Seg{{Phys: 4096, Len: 512}}}
		r, _, _ := d.submit(0, &cur)
		r.mem.Bytes(slotSize)[slotStatus] = c.status
		k.Ring(0).Push(r.head, c.n)
		d.interrupt()
		if !r.done.Load() || r.err != c.want || d.dev.Failed() != (c.failed != "") || !strings.Contains(d.dev.Why(), c.failed) {
			t.Errorf("status %d, %d bytes: %v, %q", c.status, c.n, r.err, d.dev.Why())
		}
		d.watch.Stop()
		d.dev.Close()
	}
}

// TestStaleStatus: the status of an earlier request in the same place is not an
// answer to a later one.
func TestStaleStatus(t *testing.T) {
	k := newDisk(0, config(16, 0, 0, 0), 4, 0)
	d, err := open(k, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 2 {
		cur := cursor{segs: []block.Seg{{Phys: 4096, Len: 512}}}
		r, _, _ := d.submit(0, &cur)
		if i == 0 {
			r.mem.Bytes(slotSize)[slotStatus] = statusOK
		}
		k.Ring(0).Push(r.head, 513)
		d.interrupt()
		if want := [2]abi.Errno{abi.OK, abi.EIO}[i]; !r.done.Load() || r.err != want {
			t.Error(i, r.err)
		}
		d.release(r)
	}
	d.watch.Stop()
	d.dev.Close()
}
