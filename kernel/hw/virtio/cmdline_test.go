package virtio_test

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"skerry/kernel/hw/virtio"
	"skerry/kernel/hw/virtio/virtiotest"
)

func TestParseMMIODevices(t *testing.T) {
	type dev = virtio.MMIODevice
	for _, c := range []struct {
		in   string
		want []dev
	}{
		{"", nil},
		{"root=/dev/vda quiet virtio_mmio=1", nil},
		{" virtio_mmio.device=512@0xfeb00e00:12  virtio_mmio.device=512@0xfeb00c00:11 ",
			[]dev{{0xfeb00e00, 512, 12}, {0xfeb00c00, 512, 11}}},
		{"virtio_mmio.device=4K@0xd0000000:5:3", []dev{{0xd0000000, 4096, 5}}},
		{"virtio_mmio.device=0x200@4096:0", []dev{{4096, 512, 0}}},
	} {
		if got, err := virtio.ParseMMIODevices(c.in); err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%q: %v, %v", c.in, got, err)
		}
	}
	for in, want := range map[string]string{
		"":                               "@",
		"512":                            "@",
		"512@0x1000":                     ":",
		"@0x1000:1":                      "size",
		"0@0x1000:1":                     "size",
		"1M@0x1000:1":                    "size",
		"99999999999999999999@0x1000:1":  "size",
		"18446744073709551615K@0x1000:1": "size",
		"18014398509481985K@0x1000:1":    "size", // 2^54+1: K overflows
		"-1@0x1000:1":                    "size",
		"512@0:1":                        "address",
		"512@0x1001:1":                   "address",
		"512@0xfffffffffffffffc:1":       "address",
		"512@+4096:1":                    "address",
		"512@0x1000:":                    "interrupt",
		"512@0x1000:1024":                "interrupt",
		"512@0x1000:1:x":                 "device number",
		"512@0x1000:1 virtio_mmio.device=512@0x1100:2": "overlaps",
	} {
		got, err := virtio.ParseMMIODevices("virtio_mmio.device=" + in)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, %v", in, got, err)
		}
	}
	if _, err := virtio.ParseMMIODevices(strings.Repeat("virtio_mmio.device=4@0x1000:1 ", 2)); err == nil {
		t.Error("the same device twice")
	}
}

func FuzzMMIODevices(f *testing.F) {
	f.Add("virtio_mmio.device=512@0xfeb00e00:12 virtio_mmio.device=1K@4096:1:2")
	f.Fuzz(func(t *testing.T, s string) { parse(t, s) })
}

func parse(t testing.TB, s string) {
	list, err := virtio.ParseMMIODevices(s)
	if err != nil && list != nil {
		t.Fatal("both a list and an error")
	}
	for i, d := range list {
		if d.Size == 0 || d.Size > 1<<16 || d.Base == 0 || d.Base%4 != 0 || d.Base >= 1<<52 || d.IRQ > 1023 {
			t.Fatal("accepted", d)
		}
		for _, o := range list[:i] {
			if d.Base < o.Base+uint64(o.Size) && o.Base < d.Base+uint64(d.Size) {
				t.Fatal("overlap", d, o)
			}
		}
	}
}

func TestHostileProbes(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	_, p := newPCI(0)
	found := 0
	for range *runs {
		b := append(p.Space[:], random(r, 64)...)
		for range r.IntN(6) {
			b[r.IntN(128)] = byte(r.Uint32())
		}
		found += probe(t, b)
		found += probe(t, random(r, 512))
		good := []byte("virtio_mmio.device=512@0xfeb00e00:12 virtio_mmio.device=1K@4096:1:2")
		for range r.IntN(8) {
			good[r.IntN(len(good))] = "0123456789abcdefx@:KM= -+_"[r.IntN(26)]
		}
		parse(t, string(good))
	}
	t.Log(found, "functions accepted")

	// Registers that answer anything.
	w := virtiotest.NewMMIO(virtiotest.New(virtio.TypeEntropy, 0, nil))
	wires := &virtiotest.Wires{D: w.D}
	m, err := virtio.ProbeMMIO(virtio.MMIODevice{Base: 4096}, w, wires)
	if err != nil {
		t.Fatal(err)
	}
	opened := 0
	for range *runs / 10 {
		dev := virtiotest.New(virtio.TypeEntropy, r.Uint64(), random(r, 64), uint16(r.Uint32()), uint16(r.Uint32()))
		dev.OnGeneration = r.Uint32
		if r.IntN(2) > 0 {
			dev.OnGeneration = nil
		}
		reads := 0
		dev.OnStatus = func(s uint8) uint8 {
			if reads++; s == 0 || reads > 2 || r.IntN(4) > 0 {
				return s
			}
			return byte(r.Uint32())
		}
		w.D, wires.D = dev, dev
		d, err := virtio.Open(m, virtio.TypeEntropy, all, nil)
		if err == nil {
			_, err = d.Queue(uint16(r.IntN(3)), 64)
		}
		if err == nil {
			opened++
			still := d.ReadConfig(func(tr virtio.Transport) { tr.Config32(uint32(r.IntN(100))) })
			if still == d.Failed() {
				t.Fatal("a configuration that moves is accepted, or one that stands still is not")
			}
			d.Close()
		}
		dev.Free()
	}
	t.Log(opened, "devices opened")
	if opened == 0 {
		t.Error("the campaign never gets past negotiation")
	}
}
