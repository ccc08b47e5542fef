package pci

import (
	"flag"
	"math/rand/v2"
	"os"
	"testing"

	"skerry/kernel/ground/frame"
	"skerry/kernel/hw/reg"
)

var runs = flag.Int("runs", 3000, "executions of each campaign against hostile configuration space")

func TestMain(m *testing.M) {
	flag.Parse()
	frame.InitHost(64)
	os.Exit(m.Run())
}

// machine is configuration space in words. Bits of a BAR that can be written
// are in mask; everything else that is written is kept.
type machine struct {
	words map[Addr]*[64]uint32
	mask  map[Addr]*[64]uint32
	reads int
	log   []uint32 // command register writes
}

func newMachine() *machine {
	return &machine{words: map[Addr]*[64]uint32{}, mask: map[Addr]*[64]uint32{}}
}

func (m *machine) add(a Addr, words map[uint8]uint32) {
	w, k := new([64]uint32), new([64]uint32)
	for i := range k {
		k[i] = ^uint32(0)
	}
	for off, v := range words {
		w[off/4] = v
	}
	m.words[a], m.mask[a] = w, k
}

func (m *machine) Read(a Addr, off uint8) uint32 {
	m.reads++
	if w := m.words[a]; w != nil {
		return w[off/4]
	}
	return ^uint32(0)
}

func (m *machine) Write(a Addr, off uint8, v uint32) {
	if w := m.words[a]; w != nil {
		k := m.mask[a][off/4]
		w[off/4] = w[off/4]&^k | v&k
		if off == regCommand {
			m.log = append(m.log, v)
		}
	}
}

const id = 0x1041_1af4

func TestScan(t *testing.T) {
	m := newMachine()
	m.add(MakeAddr(0, 0, 0), map[uint8]uint32{0: 0x1237_8086, 8: 0x06000002})
	m.add(MakeAddr(0, 1, 0), map[uint8]uint32{0: id, 0x0c: headerMulti << 16, 8: 0x02000001, 0x2c: 0x0001_1af4})
	m.add(MakeAddr(0, 1, 7), map[uint8]uint32{0: id})
	m.add(MakeAddr(0, 2, 3), map[uint8]uint32{0: id}) // not reached: function 0 is missing
	m.add(MakeAddr(0, 31, 0), map[uint8]uint32{0: id})
	m.add(MakeAddr(0, 31, 1), map[uint8]uint32{0: id}) // not reached: one function
	m.add(MakeAddr(0, 4, 0), map[uint8]uint32{0: 0x1, 0x0c: headerBridge << 16, 0x18: 0x0007_0500})
	m.add(MakeAddr(5, 0, 0), map[uint8]uint32{0: id})
	m.add(MakeAddr(5, 1, 0), map[uint8]uint32{0: 0x1, 0x0c: headerBridge << 16, 0x18: 0x0000_0500}) // to itself
	m.add(MakeAddr(5, 2, 0), map[uint8]uint32{0: 0x1, 0x0c: headerBridge << 16})                    // not numbered
	m.add(MakeAddr(0, 9, 0), map[uint8]uint32{0: 0x1, 0x0c: 2 << 16})                               // CardBus
	var got []string
	for _, f := range Scan(m) {
		got = append(got, f.Addr.String())
	}
	want := []string{"00:00.0", "00:01.0", "00:01.7", "00:1f.0", "05:00.0"}
	if len(got) != len(want) {
		t.Fatal(got)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Fatal(got)
		}
	}
	f := Scan(m)[1]
	if f.Vendor != 0x1af4 || f.Device != 0x1041 || f.SubSys != 1 || f.SubVendor != 0x1af4 || f.Class != 0x020000 {
		t.Errorf("%+v", f)
	}
}

// full answers with a bridge or a function everywhere.
type full struct{ bridge bool }

func (f full) Read(a Addr, off uint8) uint32 {
	switch off {
	case regHeader:
		if f.bridge {
			return (headerBridge | headerMulti) << 16
		}
		return headerMulti << 16
	case regBusNumber:
		return uint32(a*31) & 0xff00
	case regCommand:
		return statusCaps
	case regCapPtr:
		return 0x40
	}
	return uint32(off)<<8 | 0x1af4&0xff // a capability that points to itself
}

func (full) Write(Addr, uint8, uint32) {}

func TestScanIsBounded(t *testing.T) {
	list := Scan(full{})
	if len(list) != maxFunctions || len(list[0].Caps) != maxCaps {
		t.Error(len(list), "functions,", len(list[0].Caps), "capabilities")
	}
	if list = Scan(full{bridge: true}); len(list) != 0 {
		t.Error("bridges listed")
	}
}

func TestBAR(t *testing.T) {
	for name, c := range map[string]struct {
		lo, hi         uint32
		maskLo, maskHi uint32
		n              uint8
		want           BAR
		err            error
	}{
		"32 bits":      {0xfebf_1000, 0, 0xffff_f000, ^uint32(0), 1, BAR{0xfebf_1000, 0x1000}, nil},
		"prefetchable": {0xfebf_1008, 0, 0xffff_f000, ^uint32(0), 1, BAR{0xfebf_1000, 0x1000}, nil},
		"64 bits":      {0x0000_4004, 8, 0xffff_c000, ^uint32(0), 2, BAR{0x8_0000_4000, 0x4000}, nil},
		"2 GiB":        {0x8000_0000, 0, 0x8000_0000, ^uint32(0), 0, BAR{0x8000_0000, 1 << 31}, nil},
		"4 GiB":        {0x0000_0004, 4, 0, ^uint32(0), 2, BAR{}, errBARSize},
		"none":         {0, 0, 0, 0, 0, BAR{}, errBARSize},
		"holes":        {0xfebf_1000, 0, 0xf0ff_f000, ^uint32(0), 1, BAR{}, errBARSize},
		"unset":        {0, 0, 0xffff_f000, ^uint32(0), 1, BAR{}, errBARUnset},
		"i/o":          {0xc001, 0, 0xffff_ffe0, 0, 1, BAR{}, errBARIO},
		"below 1 MiB":  {0xfebf_1002, 0, 0xffff_f000, 0, 1, BAR{}, errBARType},
		"last, wide":   {0xfebf_1004, 0, 0xffff_f000, 0, 5, BAR{}, errBARType},
		"number 6":     {0, 0, 0, 0, 6, BAR{}, errBARNumber},
	} {
		m := newMachine()
		a := MakeAddr(0, 1, 0)
		m.add(a, map[uint8]uint32{0: id, 4: cmdMemory | cmdMaster})
		f := Scan(m)[0]
		if c.n < 6 {
			i := 4 + c.n
			m.words[a][i], m.mask[a][i] = c.lo, c.maskLo
			if c.n < 5 {
				m.words[a][i+1], m.mask[a][i+1] = c.hi, c.maskHi
			}
		}
		before := *m.words[a]
		m.log = nil
		b, err := f.BAR(c.n)
		if b != c.want || err != c.err {
			t.Errorf("%s: %x, %v", name, b, err)
		}
		if *m.words[a] != before {
			t.Errorf("%s: registers changed", name)
		}
		if len(m.log) > 0 && (m.log[0]&cmdMemory != 0 || m.log[len(m.log)-1] != cmdMemory|cmdMaster) {
			t.Errorf("%s: memory space was on while sizing: %x", name, m.log)
		}
	}
}

func TestEnable(t *testing.T) {
	m := newMachine()
	a := MakeAddr(0, 1, 0)
	m.add(a, map[uint8]uint32{0: id, 4: 0xf900_0101}) // status bits are write-one-to-clear
	f := Scan(m)[0]
	f.Enable()
	if m.words[a][1] != 0x0507 {
		t.Errorf("%x", m.words[a][1])
	}
	f.Disable()
	if m.words[a][1] != 0x0501 {
		t.Errorf("%x", m.words[a][1])
	}
}

func TestMSIX(t *testing.T) {
	m := newMachine()
	a := MakeAddr(0, 1, 0)
	// Five vectors, table at 0x20 of BAR 3.
	m.add(a, map[uint8]uint32{0: id, 4: statusCaps, 0x34: 0x40, 0x40: 0x0004_0011, 0x44: 0x23})
	p := frame.AllocZero(frame.KindKernel)
	defer p.Unref()
	asked := uint8(9)
	x, err := Scan(m)[0].OpenMSIX(func(n uint8) (reg.Window, error) {
		asked = n
		return reg.Memory{Base: p.Addr(), Len: 0x20 + 5*16}, nil
	})
	if err != nil || x.Vectors() != 5 || asked != 3 {
		t.Fatal(x, err, asked)
	}
	if m.words[a][0x10]>>30 != 2 {
		t.Errorf("control %x", m.words[a][0x10])
	}
	for i := range 5 {
		if p.Bytes()[0x20+16*i+12] != 1 {
			t.Error("entry", i, "is not masked")
		}
	}
	x.Set(4, 0x1_fee0_1000, 0x4031)
	want := []byte{0, 0x10, 0xe0, 0xfe, 1, 0, 0, 0, 0x31, 0x40, 0, 0, 0, 0, 0, 0}
	if got := p.Bytes()[0x20+64 : 0x20+80]; string(got) != string(want) {
		t.Errorf("%x", got)
	}
	x.Mask(4, true)
	if p.Bytes()[0x20+64+12] != 1 {
		t.Error("not masked")
	}
	if _, err := Scan(m)[0].OpenMSIX(func(uint8) (reg.Window, error) {
		return reg.Memory{Base: p.Addr(), Len: 0x20 + 5*16 - 1}, nil
	}); err != errMSIXTable {
		t.Error(err)
	}
}

// FuzzConfig scans arbitrary configuration space that changes while it is read.
func FuzzConfig(f *testing.F) {
	f.Add([]byte{0xf4, 0x1a, 0x41, 0x10})
	f.Fuzz(func(t *testing.T, data []byte) { scan(t, data) })
}

type noise struct {
	b []byte
	i int
}

func (n *noise) Read(a Addr, off uint8) uint32 {
	if len(n.b) == 0 || a.Dev() > 3 {
		return ^uint32(0)
	}
	v := uint32(0)
	for range 4 {
		v = v<<8 | uint32(n.b[n.i%len(n.b)])
		n.i++
	}
	return v
}

func (n *noise) Write(Addr, uint8, uint32) { n.i += 3 }

func scan(t testing.TB, data []byte) {
	n := &noise{b: data}
	p := frame.Alloc(frame.KindKernel)
	defer p.Unref()
	for _, f := range Scan(n) {
		if len(f.Caps) > maxCaps {
			t.Fatal("too many capabilities")
		}
		for _, c := range f.Caps {
			if c.Off < 0x40 || c.Off&3 != 0 {
				t.Fatal("capability at", c.Off)
			}
		}
		for i := range uint8(8) {
			if b, err := f.BAR(i); err == nil && (b.Size < 16 || b.Size&(b.Size-1) != 0 || b.Phys&(b.Size-1) != 0 || b.Phys+b.Size < b.Phys) {
				t.Fatalf("accepted %x", b)
			}
		}
		x, err := f.OpenMSIX(func(bar uint8) (reg.Window, error) {
			return f.MapBAR(bar, func(phys, size uint64) (reg.Window, bool) {
				return reg.Memory{Base: p.Addr(), Len: uint32(min(size, frame.Size))}, true
			})
		})
		if err == nil {
			x.Set(uint16(x.Vectors()-1), 1, 2)
		}
	}
}

func TestHostile(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range *runs {
		b := make([]byte, 1+r.IntN(100))
		for i := range b {
			b[i] = byte(r.Uint32())
			if r.IntN(3) == 0 {
				b[i] = [...]byte{0x11, 0, 1, 0x40, 0x10, 0xff}[r.IntN(6)]
			}
		}
		scan(t, b)
	}
}
