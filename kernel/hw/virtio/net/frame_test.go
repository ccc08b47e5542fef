package net

import (
	"encoding/binary"
	"strings"
	"testing"

	"skerry/kernel/hw/nic"
)

// TestHeaders: which headers of received frames pass, and as what.
func TestHeaders(t *testing.T) {
	k := newCable(usual|allOffloads, config(0), 256, 256)
	c := mustNew(t, k, Options{})
	plain := mustNew(t, newCable(usual, config(0), 256, 256), Options{})
	for _, x := range []struct {
		h    []byte
		n    int
		want nic.Offload
		ok   bool
	}{
		{header(0, 0, 0, 0, 0, 0, 1), 14, nic.Offload{}, true},
		{header(0, 0, 0, 0, 0, 0, 1), 13, nic.Offload{}, false},
		{header(0, 0, 0, 0, 0, 0, 1), 0, nic.Offload{}, false},
		{header(2, 0, 9, 9, 9, 9, 1), 60, nic.Offload{CsumValid: true}, true},
		{header(1, 0, 0, 0, 34, 16, 1), 52, nic.Offload{NeedsCsum: true, CsumStart: 34, CsumOffset: 16}, true},
		{header(1, 0, 0, 0, 34, 16, 1), 51, nic.Offload{}, false},
		{header(1, 0, 0, 0, 13, 16, 1), 60, nic.Offload{}, false},
		{header(1, 0, 0, 0, 0xffff, 0xffff, 1), 60, nic.Offload{}, false},
		{header(1, 0, 0, 0, 34, 0xffff, 1), 60, nic.Offload{}, false},
		{header(1, 1, 54, 1448, 34, 16, 1), 3000, nic.Offload{NeedsCsum: true, CsumStart: 34, CsumOffset: 16, GSO: nic.GSOTCPv4, HdrLen: 54, GSOSize: 1448}, true},
		{header(1, 4, 74, 1428, 54, 16, 1), 3000, nic.Offload{NeedsCsum: true, CsumStart: 54, CsumOffset: 16, GSO: nic.GSOTCPv6, HdrLen: 74, GSOSize: 1428}, true},
		{header(0, 1, 54, 0, 0, 0, 1), 3000, nic.Offload{}, false},
		{header(0, 1, 3001, 1448, 0, 0, 1), 3000, nic.Offload{}, false},
		{header(0, 1, 54, 0xffff, 0, 0, 1), 3000, nic.Offload{}, true},
		{header(0, 3, 54, 1448, 0, 0, 1), 3000, nic.Offload{}, false},
		{header(0, 5, 54, 1448, 0, 0, 1), 3000, nic.Offload{}, false},
		{header(0, 0x81, 54, 1448, 0, 0, 1), 3000, nic.Offload{}, false},
		{header(0, 0xff, 0, 0, 0, 0, 1), 3000, nic.Offload{}, false},
	} {
		lo, hi := binary.LittleEndian.Uint64(x.h), binary.LittleEndian.Uint32(x.h[8:])
		if o, ok := c.offload(lo, hi, x.n); ok != x.ok || ok && o != x.want {
			t.Errorf("%x, %d bytes: %+v, %v", x.h, x.n, o, ok)
		}
		if o, ok := plain.offload(lo, hi, x.n); ok && (o != nic.Offload{} || x.h[0]&1 != 0 || x.h[1] != 0) {
			t.Errorf("%x, %d bytes, nothing negotiated: %+v", x.h, x.n, o)
		}
	}
}

// TestSendRefuses: frames that cannot go out are counted, not sent, and nobody
// waits for them.
func TestSendRefuses(t *testing.T) {
	k := newCable(usual|1<<featureCsum|1<<featureHostTSO4, config(0), 256, 256)
	c := mustNew(t, k, Options{})
	c.begin(newStack())
	csum := nic.Offload{NeedsCsum: true, CsumStart: 34, CsumOffset: 16}
	gso := csum
	gso.GSO, gso.HdrLen, gso.GSOSize = nic.GSOTCPv4, 54, 1448
	bad := 0
	for name, x := range map[string]struct {
		n    int
		off  nic.Offload
		want bool
	}{
		"smallest":         {14, nic.Offload{}, true},
		"short":            {13, nic.Offload{}, false},
		"nothing":          {0, nic.Offload{}, false},
		"with vlan":        {1518, nic.Offload{}, true},
		"over the MTU":     {1519, nic.Offload{}, false},
		"huge":             {70000, gso, false},
		"largest":          {maxFrame, gso, true},
		"csum":             {52, csum, true},
		"csum outside":     {51, csum, false},
		"gso":              {5000, gso, true},
		"gso without csum": {5000, nic.Offload{GSO: nic.GSOTCPv4, HdrLen: 54, GSOSize: 1448}, false},
		"gso of 0":         {5000, nic.Offload{NeedsCsum: true, CsumStart: 34, CsumOffset: 16, GSO: nic.GSOTCPv4, HdrLen: 54}, false},
		"gso v6":           {5000, nic.Offload{NeedsCsum: true, CsumStart: 34, CsumOffset: 16, GSO: nic.GSOTCPv6, HdrLen: 54, GSOSize: 1448}, false},
		"gso kind 9":       {5000, nic.Offload{NeedsCsum: true, CsumStart: 34, CsumOffset: 16, GSO: 9, HdrLen: 54, GSOSize: 1448}, false},
	} {
		if !c.Send([][]byte{make([]byte, x.n)}, x.off) {
			t.Fatal(name, "waits")
		}
		c.Flush()
		_, sent := k.Ring(queueTx).Pop()
		if sent != x.want {
			t.Error(name, "sent:", sent)
		}
		if !x.want {
			bad++
		}
	}
	if c.Stats().TxBad != uint64(bad) {
		t.Errorf("%+v, want %d", c.Stats(), bad)
	}
	// Nothing negotiated, and a ring that could never hold the frame.
	k = newCable(usual, config(0), 16, 16)
	c = mustNew(t, k, Options{})
	c.begin(newStack())
	if !c.Send([][]byte{make([]byte, 60)}, csum) || !c.Send([][]byte{make([]byte, 60000)}, nic.Offload{}) || c.Stats().TxBad != 2 {
		t.Errorf("%+v", c.Stats())
	}
}

// TestSpread: frames of several buffers, and devices that lie about them.
func TestSpread(t *testing.T) {
	for name, c := range map[string]struct {
		buffers uint16   // that the header claims
		lens    []uint32 // that the device returns
		got     int      // length of the frame received, 0 for none
		stats   Stats
		failed  string
	}{
		"one":      {1, []uint32{112}, 100, Stats{}, ""},
		"two":      {2, []uint32{4096, 100}, 4184, Stats{}, ""},
		"not full": {3, []uint32{13, 1, 100}, 102, Stats{}, ""},
		"empty":    {2, []uint32{4096, 0}, 4084, Stats{}, ""},
		"none":     {0, []uint32{112}, 0, Stats{}, "no buffers"},
		"missing":  {3, []uint32{4096, 4096}, 0, Stats{}, "more buffers than"},
		"all":      {65535, []uint32{4096, 4096}, 0, Stats{}, "more buffers than"},
		"largest":  {17, append(bytes16(), 30), 65554, Stats{}, ""},
		"too long": {17, append(bytes16(), 31), 0, Stats{RxLong: 1}, ""},
		"header":   {1, []uint32{12}, 0, Stats{RxBad: 1}, ""},
		"short":    {1, []uint32{11}, 0, Stats{}, "without a header"},
		"nothing":  {1, []uint32{0}, 0, Stats{}, "without a header"},
	} {
		k := newCable(usual|allOffloads, config(0), 64, 64)
		d := mustNew(t, k, Options{})
		s := newStack()
		d.begin(s)
		rx := k.Ring(queueRx)
		for i, n := range c.lens {
			ch, _ := rx.Pop()
			if i == 0 {
				ch.Fill(header(0, 0, 0, 0, 0, 0, c.buffers))
			}
			rx.Put(ch.Head, n)
		}
		rx.Publish()
		d.interrupt(false)
		got := 0
		for _, f := range s.frames {
			got += len(f)
		}
		if got != c.got || d.Stats() != c.stats || d.dev.Failed() != (c.failed != "") || !strings.Contains(d.dev.Why(), c.failed) {
			t.Errorf("%s: %d bytes, %+v, %q", name, got, d.Stats(), d.dev.Why())
		}
		d.dev.Close()
	}
}

func bytes16() (lens []uint32) {
	for range 16 {
		lens = append(lens, largeBuffer)
	}
	return lens
}

// TestRoomIsTold: a sender that was refused hears of room even if others took
// what the first wish for an interrupt was for.
func TestRoomIsTold(t *testing.T) {
	for _, features := range []uint64{usual, usual | event} {
		k := newCable(features, config(0), 16, 16)
		c := mustNew(t, k, Options{})
		s := newStack()
		c.begin(s)
		tx := k.Ring(queueTx)
		frame := [][]byte{make([]byte, 60)}
		sent := 0
		for c.Send(frame, nic.Offload{}) {
			sent++
		}
		back := func(n int) (wanted bool) {
			for range n {
				head, _ := tx.PopHead()
				wanted = tx.Push(head, 0) || wanted
			}
			return wanted
		}
		if sent != 16 || !back(8) {
			t.Fatal("no interrupt for a full ring of", sent)
		}
		for range 8 { // others fill it again, before the driver's goroutine runs
			if !c.Send(frame, nic.Offload{}) {
				t.Fatal("no room")
			}
		}
		c.Flush()
		c.interrupt(false)
		if len(s.ready) != 0 {
			t.Fatal("told of room where there is none")
		}
		if !back(16) {
			t.Fatal("the device is not asked for an interrupt")
		}
		c.interrupt(false)
		if len(s.ready) != 1 {
			t.Fatal("not told of room")
		}
	}
}
