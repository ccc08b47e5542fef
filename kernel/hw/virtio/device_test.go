package virtio_test

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"skerry/kernel/ground/frame"
	"skerry/kernel/hw/irq"
	"skerry/kernel/hw/reg"
	"skerry/kernel/hw/virtio"
	"skerry/kernel/hw/virtio/virtiotest"
)

func all(offered uint64) uint64 { return ^uint64(0) }

func TestOpenNegotiates(t *testing.T) {
	dev := virtiotest.New(virtio.TypeNet, 1<<5|1<<3|1<<28, nil, 16)
	d, err := virtio.Open(dev, virtio.TypeNet, func(offered uint64) uint64 {
		if offered != 1<<5|1<<3|1<<28|virtio.FeatureVersion1 {
			t.Errorf("offered %x", offered)
		}
		return 1<<5 | 1<<7
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if dev.Accepted() != 1<<5|virtio.FeatureVersion1 || !d.Has(5) || d.Has(7) || d.Has(3) || d.Has(28) || d.Has(29) {
		t.Errorf("accepted %x", dev.Accepted())
	}
	if dev.Running() {
		t.Error("running before Start")
	}
	d.Start()
	if !dev.Running() {
		t.Error("not running after Start")
	}
}

func TestOpenRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		change func(d *virtiotest.Device)
		want   string
	}{
		"type":     {func(d *virtiotest.Device) { d.ID = 7 }, "type is 7, not 1"},
		"legacy":   {func(d *virtiotest.Device) { d.Legacy = true }, "legacy"},
		"features": {func(d *virtiotest.Device) { d.OnStatus = func(s uint8) uint8 { return s &^ 8 } }, "refuses our features"},
		"reset": {func(d *virtiotest.Device) {
			d.OnStatus = func(s uint8) uint8 { return s | 4 }
		}, "does not reset"},
	} {
		dev := virtiotest.New(virtio.TypeNet, 0, nil, 16)
		c.change(dev)
		if _, err := virtio.Open(dev, virtio.TypeNet, all, nil); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestConfigGeneration(t *testing.T) {
	dev := virtiotest.New(virtio.TypeNet, 0, []byte{1, 2, 3, 4}, 16)
	d, _ := virtio.Open(dev, virtio.TypeNet, all, nil)
	gen, reads := uint32(0), 0
	dev.OnGeneration = func() uint32 { // three changes, then still
		if gen < 5 {
			gen++
		}
		return gen
	}
	if !d.ReadConfig(func(virtio.Transport) { reads++ }) || reads < 2 || d.Failed() {
		t.Fatal("a few changes:", reads)
	}
	reads = 0
	dev.OnGeneration = func() uint32 { gen++; return gen }
	if d.ReadConfig(func(virtio.Transport) { reads++ }) || reads != 8 || !d.Failed() {
		t.Fatal("a storm of changes:", reads)
	}
}

func TestFail(t *testing.T) {
	told := make(chan string, 2)
	dev := virtiotest.New(virtio.TypeNet, 0, nil, 16)
	d, _ := virtio.Open(dev, virtio.TypeNet, all, func(why string) { told <- why })
	q, err := d.Queue(0, 16)
	if err != nil {
		t.Fatal(err)
	}
	d.Start()
	m := buffer(t, d, 64)
	q.AddOne(m.Phys, 8, true)
	q.Kick()
	ring := dev.Ring(0)
	var resets atomic.Int32
	dev.OnReset = func() { resets.Add(1) }
	d.Fail("is a test")
	d.Fail("is another")
	if why := <-told; why != "virtio-test is a test" || d.Why() != "is a test" || len(told) != 0 {
		t.Error(why)
	}
	ring.Push(0, 1)
	if _, ok := q.AddOne(m.Phys, 8, true); ok || q.Poll() != 0 || q.Arm() != 0 || dev.Running() || resets.Load() != 1 {
		t.Error("a failed device is used")
	}
	if _, _, ok := q.Next(); ok {
		t.Error("a failed device returns buffers")
	}
	if d.Wait() { // returns at once
		t.Error("configuration of a failed device")
	}
}

// TestCloseKeepsMemory: memory of a device that does not confirm its reset is
// never given to anyone else.
func TestCloseKeepsMemory(t *testing.T) {
	before := frame.Read().Kernel
	dev, d, _ := open(t, 16, 0)
	dev.OnStatus = func(s uint8) uint8 { return 4 }
	at := time.Now()
	d.Close()
	if time.Since(at) < time.Second/2 {
		t.Error("did not wait for the reset")
	}
	dev.Free()
	if frame.Read().Kernel == before {
		t.Error("memory returned though the device may write to it")
	}
	dev, d, _ = open(t, 16, 0)
	before = frame.Read().Kernel
	d.Close()
	d.Close()
	if frame.Read().Kernel != before-1 {
		t.Error("memory not returned once")
	}
	dev.Free()
}

// TestStorm: interrupts without a cause are masked, polled, let through again.
func TestStorm(t *testing.T) {
	dev, d, q := open(t, 16, eventIdx)
	m := buffer(t, d, 64)
	q.AddOne(m.Phys, 8, true)
	q.Kick()
	for i := 0; !d.Storms(); i++ {
		if i > 5000 {
			t.Fatal("no storm seen")
		}
		dev.Interrupt()
		d.Wait()
		d.Spurious(q.Poll() == 0)
	}
	if !dev.Masked() {
		t.Fatal("not masked")
	}
	// What comes while it is masked is found by polling.
	ring := dev.Ring(0)
	c, _ := ring.Pop()
	ring.Push(c.Head, 1)
	dev.Interrupt()
	d.Wait()
	if q.Poll() != 1 {
		t.Fatal("not polled")
	}
	q.Next()
	rounds := 0
	for ; d.Storms() && rounds < 1000; rounds++ {
		d.Wait()
		d.Spurious(true)
	}
	if dev.Masked() || d.Storms() || rounds < 10 {
		t.Fatal("not let through again after", rounds)
	}
	// A wake-up now and then for nothing is no storm.
	for range 900 {
		dev.Interrupt()
		d.Wait()
		d.Spurious(true)
	}
	d.Spurious(false)
	for range 900 {
		dev.Interrupt()
		d.Wait()
		d.Spurious(true)
	}
	if d.Storms() || d.Failed() {
		t.Fatal("storm seen where there is none")
	}
	dev.NoMask = true
	for i := 0; !d.Failed(); i++ {
		if i > 5000 {
			t.Fatal("a device that cannot be masked is not failed")
		}
		dev.Interrupt()
		d.Wait()
		d.Spurious(true)
	}
}

// echo drives one buffer through a transport and back.
func echo(t *testing.T, tr virtio.Transport, dev *virtiotest.Device, fire func()) {
	t.Helper()
	d, err := virtio.Open(tr, virtio.TypeEntropy, func(uint64) uint64 { return 1 << 40 }, nil)
	if err != nil {
		t.Fatal(err)
	}
	q, err := d.Queue(1, 8)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.WatchConfig(); err != nil {
		t.Fatal(err)
	}
	d.Start()
	if !dev.Running() || dev.Accepted() != 1<<40|virtio.FeatureVersion1|virtio.FeatureEventIdx {
		t.Fatalf("negotiation: %x", dev.Accepted())
	}
	m := buffer(t, d, 64)
	head, ok := q.AddOne(m.Phys, 64, true)
	if !ok {
		t.Fatal("not added")
	}
	q.Kick()
	if !dev.Rung(1) && !dev.Rung(0) {
		t.Fatal("bell not rung")
	}
	ring := dev.Ring(1)
	c, ok := ring.Pop()
	if !ok || c.Head != head || len(c.Bufs) != 1 || c.Bufs[0].Len != 64 {
		t.Fatal("the device sees", c)
	}
	ring.Push(c.Head, c.Fill([]byte("hello")))
	fire()
	if d.Wait() {
		t.Error("configuration changed")
	}
	if got, n, ok := q.Next(); q.Poll() != 1 || ok {
		t.Fatal(got, n, ok)
	}
	if got, n, ok := q.Next(); !ok || got != head || n != 5 {
		t.Fatal(got, n, ok)
	}
	var c8, c16, c32 uint32
	if !d.ReadConfig(func(t virtio.Transport) {
		c8, c16, c32 = uint32(t.Config8(1)), uint32(t.Config16(2)), t.Config32(4)
	}) || c8 != 2 || c16 != 0x0403 || c32 != 0x08070605 {
		t.Error("configuration:", c8, c16, c32)
	}
	d.Close()
}

func TestMMIO(t *testing.T) {
	dev := virtiotest.New(virtio.TypeEntropy, eventIdx|1<<40|1<<41, []byte{1, 2, 3, 4, 5, 6, 7, 8}, 0, 64)
	w := virtiotest.NewMMIO(dev)
	wires := &virtiotest.Wires{D: dev}
	m, err := virtio.ProbeMMIO(virtio.MMIODevice{Base: 0xfeb00e00, Size: 512, IRQ: 12}, w, wires)
	if err != nil || m.Type() != virtio.TypeEntropy || m.Name() != "virtio-mmio@0xfeb00e00" {
		t.Fatal(m, err)
	}
	echo(t, m, dev, dev.Interrupt)
	if w.Acked != virtio.InterruptQueue || len(wires.GSIs) != 1 || wires.GSIs[0] != 12 {
		t.Error("interrupts:", w.Acked, wires.GSIs)
	}
	if m.QueueMax(0) != 0 || m.QueueMax(7) != 0 || m.QueueMax(1) != 64 {
		t.Error("queue sizes")
	}
	if _, err := m.EnableQueue(1, virtio.Rings{}, new(irq.Line)); err == nil {
		t.Error("a second line accepted")
	}
	// A status with unknown bits is masked, and an empty one not acknowledged.
	w.Acked = 0
	w.IntStatus = func() uint32 { return 0xffff_fff0 }
	if m.Ack() != 0 || w.Acked != 0 {
		t.Error("acknowledged what is not defined")
	}
	if !m.Mask(true) || !wires.Masked[12] {
		t.Error("not masked")
	}
}

func TestProbeMMIO(t *testing.T) {
	for name, c := range map[string]struct {
		change func(w *virtiotest.MMIO)
		want   string
	}{
		"magic":   {func(w *virtiotest.MMIO) { w.Magic = 0 }, "magic"},
		"legacy":  {func(w *virtiotest.MMIO) { w.Version = 1 }, "force-legacy=false"},
		"version": {func(w *virtiotest.MMIO) { w.Version = 3 }, "version 3"},
		"short":   {func(w *virtiotest.MMIO) { w.Len = 0x80 }, "128 bytes"},
		"empty":   {func(w *virtiotest.MMIO) { w.D.ID = 0 }, ""},
	} {
		w := virtiotest.NewMMIO(virtiotest.New(virtio.TypeEntropy, 0, nil, 8))
		c.change(w)
		m, err := virtio.ProbeMMIO(virtio.MMIODevice{Base: 0x1000}, w, &virtiotest.Wires{})
		if m != nil || (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, %v", name, m, err)
		}
	}
	w := virtiotest.NewMMIO(virtiotest.New(virtio.TypeEntropy, 0, nil, 8))
	w.Ready = 1
	m, _ := virtio.ProbeMMIO(virtio.MMIODevice{Base: 0x1000}, w, &virtiotest.Wires{D: w.D})
	d, err := virtio.Open(m, virtio.TypeEntropy, all, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Queue(0, 8); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Error("queue that is ready after reset:", err)
	}
}

func TestFindMMIO(t *testing.T) {
	windows := map[uint64]*virtiotest.MMIO{}
	for i := range uint64(4) {
		windows[0x1000+i*512] = virtiotest.NewMMIO(virtiotest.New(virtio.TypeEntropy, 0, nil, 8))
	}
	windows[0x1200].D.ID = 0     // an empty slot
	windows[0x1400].Version = 1  // one that cannot be used
	windows[0x1600].D.ID = 9_999 // one that nobody knows: for the drivers to refuse
	list, errs := virtio.FindMMIO("virtio_mmio.device=512@0x1000:5 virtio_mmio.device=512@0x1200:6 virtio_mmio.device=512@0x1400:7 "+
		"virtio_mmio.device=512@0x1600:8 virtio_mmio.device=512@0x9000:9", func(phys, size uint64) (reg.Window, bool) {
		w, ok := windows[phys]
		return w, ok && size == 512
	}, &virtiotest.Wires{})
	if len(list) != 2 || list[0].Type() != virtio.TypeEntropy || list[1].Type() != 9_999 {
		t.Error(list)
	}
	if len(errs) != 2 || !strings.Contains(errs[0].Error(), "@0x1400: register layout") || !strings.Contains(errs[1].Error(), "@0x9000: its registers") {
		t.Error(errs)
	}
	if list, errs := virtio.FindMMIO("virtio_mmio.device=512", nil, nil); len(list) != 0 || len(errs) != 1 {
		t.Error(list, errs)
	}
}

func newPCI(offered uint64) (*virtiotest.Device, *virtiotest.PCI) {
	dev := virtiotest.New(virtio.TypeEntropy, offered, []byte{1, 2, 3, 4, 5, 6, 7, 8}, 16, 64)
	return dev, virtiotest.NewPCI(dev)
}

func TestPCI(t *testing.T) {
	dev, p := newPCI(eventIdx | 1<<40)
	list, errs := virtio.FindPCI(p, p.Map, p.Wires)
	if len(list) != 1 || len(errs) != 0 || list[0].Name() != "virtio-pci 00:03.0" || list[0].Type() != virtio.TypeEntropy {
		t.Fatal(list, errs)
	}
	tr := list[0]
	echo(t, tr, dev, func() {
		if !p.Fire(1) {
			t.Error("message is masked or not set")
		}
	})
	// A change of the configuration has a message of its own.
	d, err := virtio.Open(tr, virtio.TypeEntropy, all, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.WatchConfig(); err != nil {
		t.Fatal(err)
	}
	if !p.Fire(-1) {
		t.Fatal("no message for the configuration")
	}
	if !d.Wait() {
		t.Error("change not seen")
	}
	if !tr.Mask(true) || p.Fire(-1) {
		t.Error("masked message sent")
	}
	if p.Space[4]&7 != 6 || p.Space[5]&4 == 0 {
		t.Errorf("command register is %x%02x", p.Space[5], p.Space[4])
	}
}

func TestPCITransitional(t *testing.T) {
	_, p := newPCI(0)
	p.Space[2], p.Space[3] = 0x05, 0x10
	p.Space[0x2e] = virtio.TypeEntropy
	list, errs := virtio.FindPCI(p, p.Map, p.Wires)
	if len(list) != 1 || list[0].Type() != virtio.TypeEntropy {
		t.Fatal(list, errs)
	}
	p.Space[6] = 0 // no capabilities
	if list, errs = virtio.FindPCI(p, p.Map, p.Wires); len(list) != 0 || len(errs) != 1 || !strings.Contains(errs[0].Error(), "legacy") {
		t.Fatal(list, errs)
	}
	p.Space[0] = 0x86
	if list, errs = virtio.FindPCI(p, p.Map, p.Wires); len(list)+len(errs) != 0 {
		t.Fatal("another vendor's function probed", list, errs)
	}
}

// TestPCIRefuses changes one byte at a time of a good function.
func TestPCIRefuses(t *testing.T) {
	find := func(s []byte, typ byte) int { // the capability of a structure type
		for at := s[0x34]; at != 0; at = s[at+1] {
			if s[at] == 9 && s[at+3] == typ || s[at] == typ && typ == 0x11 {
				return int(at)
			}
		}
		panic("not found")
	}
	for name, c := range map[string]struct {
		change func(p *virtiotest.PCI, s []byte)
		want   string
	}{
		"loop":           {func(p *virtiotest.PCI, s []byte) { s[0x41] = 0x40 }, "legacy"},
		"short cap":      {func(p *virtiotest.PCI, s []byte) { s[find(s, 1)+2] = 8 }, "short capability"},
		"short notify":   {func(p *virtiotest.PCI, s []byte) { s[find(s, 2)+2] = 16 }, "short capability"},
		"short common":   {func(p *virtiotest.PCI, s []byte) { s[find(s, 1)+12] = 0x37 }, "too short"},
		"misaligned":     {func(p *virtiotest.PCI, s []byte) { s[find(s, 1)+8] = 2 }, "misaligned"},
		"offset outside": {func(p *virtiotest.PCI, s []byte) { s[find(s, 1)+9] = 0x40 }, "inside its BAR"},
		"offset huge":    {func(p *virtiotest.PCI, s []byte) { s[find(s, 4)+11] = 0xff }, "inside its BAR"},
		"length huge":    {func(p *virtiotest.PCI, s []byte) { s[find(s, 2)+15] = 0xff }, "inside its BAR"},
		"other bar":      {func(p *virtiotest.PCI, s []byte) { s[find(s, 1)+4] = 2 }, "size"},
		"reserved bar":   {func(p *virtiotest.PCI, s []byte) { s[find(s, 1)+4] = 6 }, "legacy"},
		"bar io":         {func(p *virtiotest.PCI, s []byte) { s[0x20] = 1 }, "I/O"},
		"bar unset":      {func(p *virtiotest.PCI, s []byte) { s[0x20] = 4; s[0x23] = 0; s[0x24] = 0 }, "no address"},
		"bar type":       {func(p *virtiotest.PCI, s []byte) { s[0x20] = 2 }, "reserved type"},
		"bar moved":      {func(p *virtiotest.PCI, s []byte) { s[0x22] = 0x10 }, "not device memory"},
		"bar misaligned": {func(p *virtiotest.PCI, s []byte) { s[0x21] = 0x10 }, "not aligned"},
		"no msi-x":       {func(p *virtiotest.PCI, s []byte) { s[find(s, 0x11)] = 5 }, "MSI-X"},
		"table outside":  {func(p *virtiotest.PCI, s []byte) { s[find(s, 0x11)+5] = 0x40 }, "MSI-X table"},
		"table size":     {func(p *virtiotest.PCI, s []byte) { s[find(s, 0x11)+3] = 7 }, "MSI-X table"},
		"table bar":      {func(p *virtiotest.PCI, s []byte) { s[find(s, 0x11)+4] |= 7 }, "BAR number"},
	} {
		_, p := newPCI(0)
		c.change(p, p.Space[:])
		list, errs := virtio.FindPCI(p, p.Map, p.Wires)
		if len(list) != 0 || len(errs) != 1 || !strings.Contains(errs[0].Error(), c.want) {
			t.Errorf("%s: %v, %v", name, list, errs)
		}
	}
	for name, c := range map[string]struct {
		change func(p *virtiotest.PCI)
		want   string
	}{
		"vectors":       {func(p *virtiotest.PCI) { p.RefuseVectors = true }, "does not take an interrupt vector"},
		"messages":      {func(p *virtiotest.PCI) { p.Wires.NoMSI = true }, "no interrupt vector left"},
		"doorbell":      {func(p *virtiotest.PCI) { p.NotifyOff = func(uint16) uint16 { return 64 } }, "doorbell"},
		"doorbell huge": {func(p *virtiotest.PCI) { p.NotifyOff = func(uint16) uint16 { return 0xffff } }, "doorbell"},
	} {
		_, p := newPCI(0)
		c.change(p)
		list, errs := virtio.FindPCI(p, p.Map, p.Wires)
		if len(errs) != 0 {
			t.Fatal(errs)
		}
		d, err := virtio.Open(onLine{list[0]}, virtio.TypeEntropy, all, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err = d.Queue(0, 16); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// onLine gives a transport a line that does not count against the 64 of the
// process.
type onLine struct{ virtio.Transport }

func (o onLine) Line() (*irq.Line, error) { return new(irq.Line), nil }

func FuzzPCI(f *testing.F) {
	_, p := newPCI(0)
	f.Add(p.Space[:])
	f.Fuzz(func(t *testing.T, data []byte) { probe(t, data) })
}

// probe looks at one arbitrary configuration space with BARs of arbitrary
// memory: it must end, with no panic and no access outside the windows (which
// the windows themselves refuse).
func probe(t testing.TB, data []byte) (found int) {
	dev := virtiotest.New(virtio.TypeEntropy, 0, nil, 16)
	defer dev.Free()
	p := virtiotest.NewPCI(dev)
	copy(p.Space[:], data)
	mem := frame.AllocOrderZero(frame.KindKernel, 2)
	defer mem.Unref()
	if len(data) > 256 {
		copy(mem.Bytes(), data[256:])
	}
	m := func(phys, size uint64) (reg.Window, bool) {
		n := min(size, 4*frame.Size)
		return reg.Memory{Base: mem.Addr(), Len: uint32(n)}, true
	}
	list, errs := virtio.FindPCI(p, m, p.Wires)
	if len(list)+len(errs) > 1 {
		t.Fatal("one function found more than once")
	}
	for _, tr := range list {
		tr.QueueMax(0)
		tr.Features()
		tr.Config32(1 << 20)
		if bell, err := tr.EnableQueue(0, virtio.Rings{Size: 8}, new(irq.Line)); err == nil {
			if bell.Addr < mem.Addr() || bell.Addr+2 > mem.Addr()+4*frame.Size {
				t.Fatal("doorbell outside the BAR")
			}
		}
	}
	return len(list)
}
