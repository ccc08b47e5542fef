package link

import (
	"bytes"
	"encoding/binary"
	"math/rand"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	gstack "gvisor.dev/gvisor/pkg/tcpip/stack"

	"skerry/kernel/hw/nic"
	"skerry/kernel/net/nettest"
)

// large makes an outgoing TCP packet as the stack hands it over: headers pushed, the
// pseudo-header's sum in the checksum field, payload in pieces.
func large(r *rand.Rand, v6 bool, options int, payload []byte, mss int) *gstack.PacketBuffer {
	tcp := nettest.TCP(80, 4000, r.Uint32(), r.Uint32(), 0x10|byte(r.Intn(2))|byte(r.Intn(2))<<3|byte(r.Intn(2))<<7, nil)
	tcp = append(tcp, make([]byte, options)...)
	r.Read(tcp[20:])
	tcp[12] = byte((20+options)/4) << 4
	var ip []byte
	proto := tcpip.NetworkProtocolNumber(header.IPv4ProtocolNumber)
	if v6 {
		proto = header.IPv6ProtocolNumber
		ip = nettest.IPv6([16]byte{1: 2, 15: 1}, [16]byte{1: 2, 15: 2}, 6, 64, nil, nil, 6)
		binary.BigEndian.PutUint16(ip[4:], uint16(len(tcp)+len(payload)))
	} else {
		ip = nettest.IPv4([4]byte{10, 0, 0, 1}, [4]byte{10, 0, 0, 2}, 6, nil, nil)
		binary.BigEndian.PutUint16(ip[2:], uint16(20+len(tcp)+len(payload)))
		binary.BigEndian.PutUint16(ip[4:], uint16(r.Uint32()))
		binary.BigEndian.PutUint16(ip[10:], 0)
		binary.BigEndian.PutUint16(ip[10:], nettest.Sum(ip, 0))
	}
	// The pseudo-header's sum, with the length of the whole.
	addrs := ip[len(ip)-8:]
	if v6 {
		addrs = ip[8:]
	}
	binary.BigEndian.PutUint16(tcp[16:], ^nettest.Sum(nil, uint32(^nettest.Sum(addrs, 0))+6+uint32(len(tcp)+len(payload))))
	var data buffer.Buffer
	for rest := payload; len(rest) > 0; {
		n := 1 + r.Intn(min(len(rest), 5000))
		data.Append(buffer.NewViewWithData(rest[:n]))
		rest = rest[n:]
	}
	p := gstack.NewPacketBuffer(gstack.PacketBufferOptions{ReserveHeaderBytes: ethSize + len(ip) + len(tcp), Payload: data})
	copy(p.TransportHeader().Push(len(tcp)), tcp)
	p.TransportProtocolNumber = header.TCPProtocolNumber
	copy(p.NetworkHeader().Push(len(ip)), ip)
	p.NetworkProtocolNumber = proto
	p.EgressRoute.RemoteLinkAddress = "\x02\x00\x00\x00\x00\x09"
	p.GSOOptions = gstack.GSO{Type: gstack.GSOTCPv4, NeedsCsum: true, CsumOffset: 16, MSS: uint16(mss)}
	if v6 {
		p.GSOOptions.Type = gstack.GSOTCPv6
	}
	return p
}

// verify checks one segment by itself, with the checksums of nettest, and answers
// its TCP header and payload.
func verify(t *testing.T, frame []byte, v6 bool, partial bool) (tcp, payload []byte, id uint16) {
	t.Helper()
	p := frame[ethSize:]
	ihl := 20
	var sum uint32
	if v6 {
		ihl = 40
		if int(binary.BigEndian.Uint16(p[4:])) != len(p)-40 {
			t.Fatalf("payload length %d of %d", binary.BigEndian.Uint16(p[4:]), len(p)-40)
		}
		sum = uint32(^nettest.Sum(p[8:40], 0))
	} else {
		if int(binary.BigEndian.Uint16(p[2:])) != len(p) {
			t.Fatalf("total length %d of %d", binary.BigEndian.Uint16(p[2:]), len(p))
		}
		if nettest.Sum(p[:20], 0) != 0 {
			t.Fatal("IP checksum")
		}
		sum = uint32(^nettest.Sum(p[12:20], 0))
		id = binary.BigEndian.Uint16(p[4:])
	}
	sum += 6 + uint32(len(p)-ihl)
	tcp = p[ihl:]
	if partial {
		if got, want := binary.BigEndian.Uint16(tcp[16:]), ^nettest.Sum(nil, sum); got != want {
			t.Fatalf("partial checksum %#x, want %#x", got, want)
		}
	} else if nettest.Sum(tcp, sum) != 0 {
		t.Fatal("TCP checksum")
	}
	n := int(tcp[12]>>4) * 4
	return tcp[:n], tcp[n:], id
}

// TestSegments cuts random packets and puts them together again; the ring is full
// now and then.
func TestSegments(t *testing.T) {
	r := rand.New(rand.NewSource(7))
	for round := range 2000 {
		caps := nic.Caps{TxCsum: round%3 == 0}
		d := &small{Dev: nettest.NewWire(caps, 1500, nil), room: r.Intn(4)}
		e := New(d, Config{IPv6: true})
		v6, options, mss := round%2 == 1, 4*r.Intn(11), 1+r.Intn(1460)
		payload := make([]byte, r.Intn([]int{1, 100, 3000, 65000}[r.Intn(4)]+1))
		if len(payload) > 200*mss {
			payload = payload[:200*mss]
		}
		r.Read(payload)
		p := large(r, v6, options, payload, mss)
		before := append([]byte(nil), p.TransportHeader().Slice()...)
		e.AddHeader(p)
		if err := e.WritePacket(p); err != nil {
			t.Fatal(err)
		}
		for e.txQueued.Load() > 0 {
			d.room = 1 + r.Intn(5)
			e.TxReady()
		}
		if !bytes.Equal(before, p.TransportHeader().Slice()) {
			t.Fatal("the packet itself was changed")
		}
		want := max(1, (len(payload)+mss-1)/mss)
		if len(d.sent) != want {
			t.Fatalf("%d frames for %d bytes in segments of %d", len(d.sent), len(payload), mss)
		}
		if more, _ := e.Cut(); more != uint64(want-1) {
			t.Fatalf("counted %d more, want %d", more, want-1)
		}
		var got []byte
		_, _, first := verify(t, d.sent[0], v6, caps.TxCsum)
		for i, f := range d.sent {
			tcp, data, id := verify(t, f, v6, caps.TxCsum)
			if !v6 && id != first+uint16(i) {
				t.Fatalf("identification %d of segment %d, first %d", id, i, first)
			}
			if seq := binary.BigEndian.Uint32(before[4:]) + uint32(len(got)); binary.BigEndian.Uint32(tcp[4:]) != seq {
				t.Fatal("sequence number")
			}
			flags := before[13]
			if i > 0 {
				flags &^= 0x80
			}
			if i < want-1 {
				flags &^= 0x09
				if len(data) != mss {
					t.Fatalf("segment %d of %d has %d bytes, not %d", i, want, len(data), mss)
				}
			}
			if tcp[13] != flags || !bytes.Equal(tcp[8:13], before[8:13]) || !bytes.Equal(tcp[18:], before[18:]) {
				t.Fatalf("header %x of %x", tcp, before)
			}
			got = append(got, data...)
		}
		if !bytes.Equal(got, payload) {
			t.Fatal("payload differs")
		}
		p.DecRef()
		e.Close()
	}
}

// TestAckMerge: of acknowledgements in a row the last goes up, at the latest when
// the burst ends, and whatever says more than that stays by itself and in order.
func TestAckMerge(t *testing.T) {
	peer, own := [4]byte{10, 0, 0, 2}, [4]byte{10, 0, 0, 1}
	mac := [6]byte{2, 0, 0, 0, 0, 1}
	type seg struct {
		port     uint16
		seq, ack uint32
		flags    byte
		data     string
		opt      []byte
		tos      byte
	}
	ts := []byte{1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2}
	sack := []byte{1, 1, 5, 10, 0, 0, 0, 1, 0, 0, 0, 2}
	ack := func(n uint32) seg { return seg{port: 80, seq: 5, ack: n, flags: 0x10} }
	with := func(n uint32, f func(*seg)) seg { s := ack(n); f(&s); return s }
	for i, c := range []struct {
		in []seg
		up []int
	}{
		{[]seg{ack(100)}, []int{0}},
		{[]seg{ack(100), ack(200), ack(300)}, []int{2}},
		{[]seg{ack(0xfffffff0), ack(50)}, []int{1}},
		{[]seg{ack(100), ack(100), ack(100), ack(200)}, []int{0, 1, 3}},                                            // duplicates
		{[]seg{ack(200), ack(100)}, []int{0, 1}},                                                                   // reordered
		{[]seg{ack(100), ack(200), ack(100 + maxMerged), ack(101 + maxMerged), ack(300 + maxMerged)}, []int{2, 4}}, // enough
		{[]seg{ack(100), with(200, func(s *seg) { s.data = "x" }), ack(300)}, []int{0, 1, 2}},
		{[]seg{ack(100), with(200, func(s *seg) { s.flags = 0x18 }), ack(300)}, []int{0, 1, 2}},
		{[]seg{ack(100), with(200, func(s *seg) { s.flags = 0x11 }), ack(300)}, []int{0, 1, 2}},
		{[]seg{ack(100), with(200, func(s *seg) { s.flags = 0x50 }), ack(300)}, []int{0, 1, 2}}, // ECN-Echo
		{[]seg{ack(100), with(200, func(s *seg) { s.flags = 0x14 })}, []int{0, 1}},
		{[]seg{ack(100), with(200, func(s *seg) { s.port = 81 }), ack(300)}, []int{0, 1, 2}},
		{[]seg{ack(100), with(200, func(s *seg) { s.seq = 6 }), ack(300)}, []int{0, 1, 2}},
		{[]seg{ack(100), with(200, func(s *seg) { s.tos = 3 }), ack(300)}, []int{0, 1, 2}}, // congestion experienced
		{[]seg{with(100, func(s *seg) { s.opt = ts }), with(200, func(s *seg) { s.opt = ts })}, []int{1}},
		{[]seg{with(100, func(s *seg) { s.opt = ts }), ack(200)}, []int{0, 1}},
		{[]seg{with(100, func(s *seg) { s.opt = sack }), with(200, func(s *seg) { s.opt = sack })}, []int{0, 1}},
	} {
		d := nettest.NewWire(nic.Caps{}, 1500, nil)
		e := New(d, Config{})
		e.SetAddrs(&Addrs{V4: []V4{{0x0a000001, 0xffffff00}}})
		u := &upper{}
		e.Attach(u)
		e.Start()
		var frames, want [][]byte
		for _, s := range c.in {
			tcp := nettest.TCP(4000, s.port, s.seq, s.ack, s.flags, nil)
			tcp = append(append(tcp, s.opt...), s.data...)
			tcp[12] = byte((20+len(s.opt))/4) << 4
			p := nettest.IPv4(peer, own, 6, nil, tcp)
			p[1] = s.tos
			binary.BigEndian.PutUint16(p[10:], 0)
			binary.BigEndian.PutUint16(p[10:], nettest.Sum(p[:20], 0))
			frames = append(frames, nettest.Ethernet(mac, [6]byte{2, 0, 0, 0, 0, 9}, typeIPv4, p))
		}
		for _, k := range c.up {
			want = append(want, frames[k][ethSize:])
		}
		d.Inject(frames...)
		if len(u.got) != len(want) || e.Merged() != uint64(len(c.in)-len(want)) {
			t.Errorf("case %d: %d of %d went up, want %d; merged %d", i, len(u.got), len(c.in), len(want), e.Merged())
			continue
		}
		for k := range want {
			if !bytes.Equal(u.got[k], want[k]) {
				t.Errorf("case %d: packet %d is another one", i, k)
			}
		}
	}
}

// upper is what the link delivers to.
type upper struct {
	gstack.NetworkDispatcher
	got [][]byte
}

func (u *upper) DeliverNetworkPacket(_ tcpip.NetworkProtocolNumber, p *gstack.PacketBuffer) {
	v := p.ToView()
	u.got = append(u.got, append([]byte(nil), v.AsSlice()...))
	v.Release()
}

// TestFreshViews: the bytes that a view of a given size begins with are zero, however
// its memory was used before. The kernel's copy of the IP stack clears them itself
// (cmd/trimgvisor, edits.go).
func TestFreshViews(t *testing.T) {
	dirty := bytes.Repeat([]byte{0xee}, 70000)
	for round := range 50 {
		for size := 1; size < len(dirty); size = size*3/2 + 1 {
			v := buffer.NewViewWithData(dirty[:size])
			v.Release()
			v = buffer.NewViewSize(size)
			if len(bytes.Trim(v.AsSlice(), "\x00")) != 0 {
				t.Fatalf("round %d: a fresh view of %d bytes is not zero", round, size)
			}
			v.Write(dirty[:100])
			v.TrimFront(size)
			before := v.Size()
			v.Grow(size)
			if got := v.AsSlice(); !bytes.Equal(got[:before], dirty[:before]) || len(bytes.Trim(got[before:], "\x00")) != 0 {
				t.Fatalf("round %d: a view grown by %d bytes is not zero there", round, size)
			}
			v.Release()
		}
	}
}

// waits is a connection that has an acknowledgement held.
type waits chan struct{}

func (w waits) SendHeldACK() { w <- struct{}{} }

// TestHoldLater: before an acknowledgement is made the link is asked, and what it held
// is sent in the end unless something else carried it.
func TestHoldLater(t *testing.T) {
	var sent int
	d := &delayedAcks{send: func(*gstack.PacketBuffer) { sent++ }}
	defer d.close()
	r := rand.New(rand.NewSource(1))
	out := func(ack uint32, data string) bool {
		p := large(r, false, 0, []byte(data), 1460)
		defer p.DecRef()
		h := p.TransportHeader().Slice()
		put32(h[8:], ack)
		h[13], p.Hash = 0x10, 7
		return d.hold(p)
	}
	w := make(waits, 10)
	ports := uint32(80)<<16 | 4000
	if d.holdLater(7, ports, 100, w) {
		t.Fatal("held for a connection that nothing is known of")
	}
	ack := uint32(100)
	for range 4 { // a dialogue
		out(ack, "")
		out(ack, "answer")
		ack += 10
	}
	if d.holdLater(8, ports, ack, w) || d.holdLater(7, ports+1, ack, w) || d.holdLater(7, ports, ack+bulkAck, w) || d.holdLater(7, ports, ack-10, w) {
		t.Error("held what is not one's own, too much, or nothing new")
	}
	if !d.holdLater(7, ports, ack, w) || !d.holdLater(7, ports, ack, w) {
		t.Fatal("not held in a dialogue")
	}
	if d.holdLater(7, ports, ack+10, w) {
		t.Error("the second in a row was held")
	}
	if out(ack, "answer") {
		t.Error("data was held")
	}
	time.Sleep(3 * ackDelay)
	if len(w) != 0 || sent != 0 {
		t.Error("an acknowledgement that data carried was sent again")
	}
	if out(ack+10, "answer"); !d.holdLater(7, ports, ack+20, w) {
		t.Fatal("not held after an answer")
	}
	select {
	case <-w:
	case <-time.After(time.Second):
		t.Fatal("what was held was not sent")
	}
	if d.holdLater(7, ports, ack+30, w) {
		t.Error("held although no answer came before")
	}
	// Another connection takes the place of one that is held.
	for range 4 {
		out(ack, "")
		out(ack, "answer")
		ack += 10
	}
	if !d.holdLater(7, ports, ack, w) {
		t.Fatal("not held")
	}
	p := large(r, false, 0, nil, 1460)
	put16(p.TransportHeader().Slice(), 81)
	p.Hash = 7 + ackSlots
	d.hold(p)
	p.DecRef()
	select {
	case <-w:
	case <-time.After(ackDelay / 2):
		t.Error("what was held for another connection was not sent at once")
	}
}
