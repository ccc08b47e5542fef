package link

import (
	"encoding/binary"
	"math/rand"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	gstack "gvisor.dev/gvisor/pkg/tcpip/stack"

	"skerry/kernel/hw/nic"
	"skerry/kernel/net/budget"
	"skerry/kernel/net/nettest"
)

func TestBroadcast(t *testing.T) {
	a := &Addrs{V4: []V4{{0x0a00020f, 0xffffff00}, {0xc0a80101, 0xfffffffe}, {0xc0a80201, 0xffffffff}}}
	for addr, want := range map[uint32]bool{
		0x0a0002ff: true, 0x0a00020f: false, 0x0a0003ff: false, 0xffffffff: true,
		0xc0a80101: false, 0xc0a80100: false, 0xc0a80201: false, 0xc0a802ff: false,
	} {
		if a.broadcast4(addr) != want {
			t.Errorf("%#x: %v", addr, !want)
		}
	}
}

func TestQuestions(t *testing.T) {
	var q questions
	a, b := [16]byte{15: 1}, [16]byte{15: 2}
	m1, m2 := MAC{2, 0, 0, 0, 0, 1}, MAC{2, 0, 0, 0, 0, 2}
	if q.answered(&a, m1) {
		t.Error("answer without a question")
	}
	q.ask(&a, broadcast)
	if q.answered(&b, m1) || !q.answered(&a, m1) || !q.answered(&a, m1) || q.answered(&a, m2) {
		t.Error("the first answer must settle it")
	}
	q.ask(&b, m1) // a probe
	if q.answered(&b, m2) || !q.answered(&b, m1) {
		t.Error("a probe is answered by the one who was asked")
	}
	for i := range q.ring {
		q.ring[i].until = 1
	}
	if q.answered(&a, m1) || q.answered(&b, m1) {
		t.Error("answer after the time")
	}
	for i := 0; i < 3*maxQuestions; i++ { // the oldest give way
		q.ask(&[16]byte{14: byte(i >> 8), 15: byte(i)}, broadcast)
	}
	if !q.answered(&[16]byte{14: 1, 15: 0x7f}, m1) || q.answered(&[16]byte{15: 0x10}, m1) {
		t.Error("wrong questions are open")
	}
}

func TestFragmentShares(t *testing.T) {
	var f fragments
	src := [16]byte{1}
	for id := uint32(0); id < maxPerSource; id++ {
		if !f.admit(&src, id, 0, 8, true) {
			t.Fatal(id)
		}
	}
	if f.admit(&src, 99, 0, 8, true) {
		t.Error("more than a source's share")
	}
	if !f.admit(&src, 3, 8, 8, false) { // completes number 3
		t.Error("a later fragment of a known datagram was refused")
	}
	if !f.admit(&src, 99, 0, 8, true) {
		t.Error("no room after one was completed")
	}
	for s := byte(2); int(s) < 2+maxFragmented/maxPerSource; s++ {
		for id := uint32(0); id < maxPerSource; id++ {
			f.admit(&[16]byte{s}, id, 0, 8, true)
		}
	}
	if f.admit(&[16]byte{200}, 1, 0, 8, true) {
		t.Error("the table has no end")
	}
	for i := range f.table {
		f.table[i].began = -2 * fragLifetime
	}
	if !f.admit(&[16]byte{200}, 1, 0, 8, true) {
		t.Error("unfinished ones count for ever")
	}
}

// small is a device whose ring takes a few frames until it is emptied.
type small struct {
	*nettest.Dev
	room int
	sent [][]byte
}

func (s *small) Send(pieces [][]byte, off nic.Offload) bool {
	if s.room == 0 {
		return false
	}
	s.room--
	var b []byte
	for _, p := range pieces {
		b = append(b, p...)
	}
	s.sent = append(s.sent, b)
	return true
}

func packet(b []byte, proto tcpip.NetworkProtocolNumber) *gstack.PacketBuffer {
	p := gstack.NewPacketBuffer(gstack.PacketBufferOptions{ReserveHeaderBytes: ethSize, Payload: buffer.MakeWithData(b)})
	p.NetworkProtocolNumber = proto
	p.EgressRoute.RemoteLinkAddress = "\x02\x00\x00\x00\x00\x09"
	return p
}

func TestTransmitQueue(t *testing.T) {
	d := &small{Dev: nettest.NewWire(nic.Caps{}, 1500, nil), room: 3}
	e := New(d, Config{})
	put := func(i int) tcpip.Error {
		p := packet([]byte{byte(i), byte(i >> 8)}, header.IPv4ProtocolNumber)
		defer p.DecRef()
		e.AddHeader(p)
		return e.WritePacket(p)
	}
	n := 0
	for ; ; n++ {
		if err := put(n); err != nil {
			break
		}
	}
	if n != 3+maxQueuedPackets || e.Drops(DropTxFull) != 1 {
		t.Fatal(n, e.Drops(DropTxFull))
	}
	for len(d.sent) < n {
		d.room = 7
		before := len(d.sent)
		e.TxReady()
		if len(d.sent) == before {
			t.Fatal("stuck at", before)
		}
	}
	for i, f := range d.sent {
		if len(f) != ethSize+2 || int(f[14])|int(f[15])<<8 != i || f[0] != 2 || f[5] != 9 || be16(f[12:]) != typeIPv4 {
			t.Fatalf("frame %d: % x", i, f)
		}
	}
	d.room = 0
	put(1)
	e.Close()
	d.room = 10
	e.TxReady()
	if len(d.sent) != n {
		t.Error("sent after the close")
	}
}

func TestOffloadRequest(t *testing.T) {
	p := gstack.NewPacketBuffer(gstack.PacketBufferOptions{ReserveHeaderBytes: 100, Payload: buffer.MakeWithData(make([]byte, 5000))})
	p.TransportHeader().Push(32)
	p.NetworkHeader().Push(20)
	p.GSOOptions = gstack.GSO{Type: gstack.GSOTCPv4, NeedsCsum: true, CsumOffset: 16, MSS: 1448}
	if o := offloadOf(p); o != (nic.Offload{NeedsCsum: true, CsumStart: 34, CsumOffset: 16, GSO: nic.GSOTCPv4, HdrLen: 66, GSOSize: 1448}) {
		t.Errorf("%+v", o)
	}
	p.GSOOptions.MSS = 5000
	if o := offloadOf(p); o.GSO != nic.GSONone || !o.NeedsCsum {
		t.Errorf("%+v", o)
	}
	p.GSOOptions = gstack.GSO{Type: gstack.GSOGvisor, MSS: 1448}
	if o := offloadOf(p); o != (nic.Offload{}) {
		t.Errorf("%+v", o)
	}
}

// TestVouched checks that the stack is told to verify what the device does not
// vouch for, frame by frame.
func TestVouched(t *testing.T) {
	d := nettest.NewWire(nic.Caps{RxCsum: true}, 1500, func(nettest.Frame) {})
	e := New(d, Config{})
	e.SetAddrs(&Addrs{V4: []V4{{0x0a00020f, 0xffffff00}}})
	sink := &sink{e: e}
	e.Attach(sink)
	frame := nettest.Ethernet([6]byte{2, 0, 0, 0, 0, 1}, [6]byte{2, 0, 0, 0, 0, 2}, typeIPv4,
		nettest.IPv4([4]byte{10, 0, 2, 2}, [4]byte{10, 0, 2, 15}, 17, nil, nettest.UDP(1, 2, make([]byte, 600))))
	for i, off := range []nic.Offload{{}, {CsumValid: true}, {NeedsCsum: true}, {}} {
		sink.vouched = false
		e.Receive(frame, off)
		if sink.n != i+1 || sink.vouched != (i == 1 || i == 2) {
			t.Errorf("frame %d: %+v", i, sink)
		}
	}
}

// sink is a dispatcher that looks at what is delivered.
type sink struct {
	e       *Endpoint
	n       int
	vouched bool
}

func (s *sink) DeliverNetworkPacket(tcpip.NetworkProtocolNumber, *gstack.PacketBuffer) {
	s.n++
	s.vouched = s.e.Capabilities()&gstack.CapabilityRXChecksumOffload != 0
}
func (*sink) DeliverLinkPacket(tcpip.NetworkProtocolNumber, *gstack.PacketBuffer) {}

// TestBudget drops what sockets have no memory for, but not the small packets
// that free it.
func TestBudget(t *testing.T) {
	b := budget.New(20000)
	b.SetCensus(func(int64) int64 { return 10000 })
	d := nettest.NewWire(nic.Caps{}, 1500, func(nettest.Frame) {})
	e := New(d, Config{Budget: b})
	e.SetAddrs(&Addrs{V4: []V4{{0x0a00020f, 0xffffff00}}})
	s := &sink{e: e}
	e.Attach(s)
	frame := func(n int) []byte {
		return nettest.Ethernet([6]byte{2, 0, 0, 0, 0, 1}, [6]byte{2, 0, 0, 0, 0, 2}, typeIPv4,
			nettest.IPv4([4]byte{10, 0, 2, 2}, [4]byte{10, 0, 2, 15}, 17, nil, nettest.UDP(1, 2, make([]byte, n))))
	}
	for i := 0; i < 50; i++ {
		e.Receive(frame(1000), nic.Offload{})
	}
	big := s.n
	e.Receive(frame(10), nic.Offload{})
	if big > 6 || s.n != big+1 || e.Drops(DropMemory) < 44 {
		t.Error(big, s.n, e.Drops(DropMemory))
	}
}

// TestDelayedAcks drives the table directly.
func TestDelayedAcks(t *testing.T) {
	var sent []uint32
	d := delayedAcks{send: func(p *gstack.PacketBuffer) { sent = append(sent, be32(p.TransportHeader().Slice()[8:])) }}
	seg := func(hash, ack uint32, flags byte, payload int, options ...byte) bool {
		p := gstack.NewPacketBuffer(gstack.PacketBufferOptions{ReserveHeaderBytes: 60, Payload: buffer.MakeWithData(make([]byte, payload))})
		defer p.DecRef()
		h := p.TransportHeader().Push(20 + len(options))
		p.TransportProtocolNumber, p.Hash = protoTCP, hash
		binary.BigEndian.PutUint32(h, hash)
		binary.BigEndian.PutUint32(h[8:], ack)
		h[12], h[13] = byte(5+len(options)/4)<<4, flags
		copy(h[20:], options)
		return d.hold(p)
	}
	const ackFlag, pshAck = 0x10, 0x18
	talk := func(hash, from uint32) uint32 {
		for i := 0; i < 4; i++ {
			from += 100
			seg(hash, from, ackFlag, 0)
			seg(hash, from, pshAck, 50)
		}
		return from
	}
	if seg(1, 100, ackFlag, 0) || seg(1, 200, ackFlag, 0) || seg(1, 300, ackFlag, 0) {
		t.Error("held without a dialogue")
	}
	a := talk(1, 300)
	if !seg(1, a+100, ackFlag, 0) || seg(1, a+100, pshAck, 10) || len(sent) != 0 {
		t.Error("the answer must carry it", sent)
	}
	if !seg(1, a+200, ackFlag, 0) || seg(1, a+300, ackFlag, 0) || len(sent) != 0 {
		t.Error("the second in a row speaks for both", sent)
	}
	a = talk(1, a+300)
	seg(1, a+100, ackFlag, 0)
	if seg(1, a+100, ackFlag, 0) || len(sent) != 1 || sent[0] != a+100 {
		t.Error("a duplicate goes at once, and what was held before it", sent)
	}
	a, sent = talk(1, a+100), nil
	if seg(1, a+5000, ackFlag, 0) {
		t.Error("much progress was held")
	}
	a = talk(1, a+5000)
	if seg(1, a+10, ackFlag, 0, 1, 1, 5, 10, 0, 0, 0, 1, 0, 0, 0, 2) {
		t.Error("a selective acknowledgement was held")
	}
	a = talk(1, a+10)
	if seg(1, a+1, 0x11, 0) || seg(1, a+1, 0x14, 0) {
		t.Error("FIN or RST was held")
	}
	a = talk(1, a+1)
	seg(1, a+100, ackFlag, 0)
	sent = nil
	if seg(1+ackSlots, 1, ackFlag, 0) || len(sent) != 1 {
		t.Error("another connection in the same slot lets it go", sent)
	}
	// Alone, it goes when the time is over.
	a = talk(2, 1000)
	sent = nil
	done := make(chan uint32, 1)
	d.send = func(p *gstack.PacketBuffer) { done <- be32(p.TransportHeader().Slice()[8:]) }
	at := time.Now()
	if !seg(2, a+100, ackFlag, 0) {
		t.Fatal("not held")
	}
	select {
	case got := <-done:
		if got != a+100 || time.Since(at) < ackDelay/2 {
			t.Error(got, time.Since(at))
		}
	case <-time.After(time.Second):
		t.Error("never sent")
	}
	talk(3, 1)
	seg(3, 1000, ackFlag, 0)
	d.close()
}

// FuzzReceive feeds frames to an endpoint with all filters on; the oracle is no
// panic and that what passes is addressed to us.
func FuzzReceive(f *testing.F) {
	e := fuzzEndpoint()
	f.Add([]byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45})
	f.Fuzz(func(t *testing.T, b []byte) { e.Receive(b, nic.Offload{}) })
}

func fuzzEndpoint() *Endpoint {
	e := New(nettest.NewWire(nic.Caps{}, 1500, func(nettest.Frame) {}), Config{IPv6: true,
		Live: func(Quoted) bool { return true }, SYN: func([]byte, uint16) bool { return true }, SmallUDP: func(Quoted) bool { return true }})
	e.SetAddrs(&Addrs{V4: []V4{{0x0a00020f, 0xffffff00}}, V6: [][16]byte{{0: 0xfd, 15: 0x15}}})
	e.Attach(&sink{e: e})
	return e
}

// TestRandomReceive makes packets of random parts with the right checksums, so
// that they get to the inner filters.
func TestRandomReceive(t *testing.T) {
	e := fuzzEndpoint()
	s := &sink{e: e}
	e.Attach(s)
	rng := rand.New(rand.NewSource(9))
	us, peer := [6]byte{2, 0, 0, 0, 0, 1}, [6]byte{2, 0, 0, 0, 0, 2}
	protos := []byte{1, 2, 6, 17, 58, 0, 43, 44, 60, 99}
	for i := 0; i < 200000; i++ {
		body := make([]byte, rng.Intn(120))
		rng.Read(body)
		if len(body) > 0 && rng.Intn(2) == 0 {
			body[0] = []byte{0, 3, 5, 8, 1, 2, 128, 130, 134, 135, 136, 137}[rng.Intn(12)]
		}
		if len(body) > 1 && rng.Intn(2) == 0 {
			body[1] = byte(rng.Intn(5))
		}
		proto := protos[rng.Intn(len(protos))]
		var p []byte
		etherType := uint16(typeIPv4)
		if rng.Intn(2) == 0 {
			o := make([]byte, rng.Intn(3)*4)
			rng.Read(o)
			p = nettest.IPv4([4]byte{10, 0, 2, byte(rng.Intn(20))}, [4]byte{10, 0, 2, 15}, proto, o, body)
			if rng.Intn(4) == 0 {
				binary.BigEndian.PutUint16(p[6:], uint16(rng.Intn(1<<14)))
				p[10], p[11] = 0, 0
				binary.BigEndian.PutUint16(p[10:], nettest.Sum(p[:int(p[0]&15)*4], 0))
			}
		} else {
			etherType = typeIPv6
			hops := []byte{1, 64, 255}[rng.Intn(3)]
			p = nettest.IPv6([16]byte{0: []byte{0xfd, 0xfe, 0xff, 0}[rng.Intn(4)], 1: 0x80, 15: byte(rng.Intn(3))}, [16]byte{0: 0xfd, 15: 0x15}, proto, hops, nil, body, proto)
		}
		e.Receive(nettest.Ethernet(us, peer, etherType, p), nic.Offload{CsumValid: rng.Intn(2) == 0})
	}
	if s.n < 5000 || s.n > 150000 {
		t.Error(s.n, "of 200000 passed: the test reaches nothing")
	}
}
