package dhcp

import (
	"encoding/binary"
	"math/rand"
	"net/netip"
	"sync"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/checksum"
	"gvisor.dev/gvisor/pkg/tcpip/header"
)

var (
	testMAC   = [6]byte{2, 0, 0, 0, 0, 1}
	serverMAC = [6]byte{2, 0, 0, 0, 0, 9}
	server    = netip.MustParseAddr("10.0.2.2")
)

// packet makes a server's IPv4 packet around a message with the given options.
func packet(kind byte, xid uint32, yiaddr string, opts ...[]byte) []byte {
	m := make([]byte, fixedSize+4)
	m[0], m[1], m[2] = 2, 1, 6
	binary.BigEndian.PutUint32(m[4:], xid)
	copy(m[16:20], netip.MustParseAddr(yiaddr).AsSlice())
	copy(m[28:], testMAC[:])
	binary.BigEndian.PutUint32(m[fixedSize:], cookie)
	m = append(m, optType, 1, kind)
	for _, o := range opts {
		m = append(m, o...)
	}
	return wrap(append(m, optEnd))
}

// wrap puts a message into UDP and IPv4.
func wrap(m []byte) []byte {
	b := make([]byte, 28+len(m))
	src, dst := tcpip.AddrFrom4(server.As4()), tcpip.AddrFrom4([4]byte{255, 255, 255, 255})
	ip := header.IPv4(b)
	ip.Encode(&header.IPv4Fields{TotalLength: uint16(len(b)), TTL: 64, Protocol: 17, SrcAddr: src, DstAddr: dst})
	ip.SetChecksum(^ip.CalculateChecksum())
	u := header.UDP(b[20:])
	copy(b[28:], m)
	u.Encode(&header.UDPFields{SrcPort: 67, DstPort: 68, Length: uint16(8 + len(m))})
	u.SetChecksum(^u.CalculateChecksum(checksum.Checksum(m, header.PseudoHeaderChecksum(17, src, dst, uint16(8+len(m))))))
	return b
}

func opt(code byte, v ...byte) []byte { return append([]byte{code, byte(len(v))}, v...) }

func seconds(code byte, n uint32) []byte {
	return opt(code, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
}

var (
	serverOpt = opt(optServer, 10, 0, 2, 2)
	leaseOpt  = seconds(optLease, 3600)
	maskOpt   = opt(optMask, 255, 255, 255, 0)
)

func TestParse(t *testing.T) {
	good := [][]byte{serverOpt, leaseOpt, maskOpt, opt(optRouter, 10, 0, 2, 2), opt(optDNS, 10, 0, 2, 3, 127, 0, 0, 1, 169, 254, 169, 254),
		opt(optDomain, []byte("example.org")...), opt(optMTU, 5, 0xb4), opt(200, 1, 2, 3)}
	r, ok := parse(packet(ack, 7, "10.0.2.15", good...), testMAC)
	if !ok || r.kind != ack || r.xid != 7 || r.server != server {
		t.Fatal(r, ok)
	}
	l := r.lease
	if l.Addr.String() != "10.0.2.15/24" || len(l.Routes) != 1 || l.Routes[0].Via != server || len(l.DNS) != 2 ||
		l.DNS[1].String() != "169.254.169.254" || l.Domain != "example.org" || l.MTU != 1460 ||
		l.Duration != time.Hour || l.T1 != 30*time.Minute || l.T2 != 52*time.Minute+30*time.Second {
		t.Fatalf("%+v", l)
	}

	// What must not be accepted.
	bad := map[string][]byte{
		"no server id":         packet(ack, 7, "10.0.2.15", leaseOpt, maskOpt),
		"server id loopback":   packet(ack, 7, "10.0.2.15", leaseOpt, opt(optServer, 127, 0, 0, 1)),
		"no lease time":        packet(ack, 7, "10.0.2.15", serverOpt),
		"lease too short":      packet(ack, 7, "10.0.2.15", serverOpt, seconds(optLease, 59)),
		"loopback address":     packet(ack, 7, "127.0.0.2", serverOpt, leaseOpt),
		"metadata address":     packet(ack, 7, "169.254.169.254", serverOpt, leaseOpt),
		"multicast address":    packet(ack, 7, "224.0.0.5", serverOpt, leaseOpt),
		"no address":           packet(ack, 7, "0.0.0.0", serverOpt, leaseOpt),
		"network address":      packet(ack, 7, "10.0.2.0", serverOpt, leaseOpt, maskOpt),
		"broadcast address":    packet(ack, 7, "10.0.2.255", serverOpt, leaseOpt, maskOpt),
		"mask with a hole":     packet(ack, 7, "10.0.2.15", serverOpt, leaseOpt, opt(optMask, 255, 0, 255, 0)),
		"mask of nothing":      packet(ack, 7, "10.0.2.15", serverOpt, leaseOpt, opt(optMask, 0, 0, 0, 0)),
		"option overrun":       packet(ack, 7, "10.0.2.15", serverOpt, leaseOpt, []byte{optDNS, 200, 1}),
		"request from someone": packet(request, 7, "10.0.2.15", serverOpt, leaseOpt),
		"route overrun":        packet(ack, 7, "10.0.2.15", serverOpt, leaseOpt, opt(optRoutes, 32, 1, 2, 3)),
		"route width 33":       packet(ack, 7, "10.0.2.15", serverOpt, leaseOpt, opt(optRoutes, 33, 1, 2, 3, 4, 5, 6, 7, 8, 9)),
	}
	for name, p := range bad {
		if r, ok := parse(p, testMAC); ok {
			t.Errorf("%s: accepted as %+v", name, r)
		}
	}
	p := packet(ack, 7, "10.0.2.15", good...)
	for name, change := range map[string]func([]byte){
		"other MAC":         func(b []byte) { b[28+33] ^= 1 },
		"BOOTREQUEST":       func(b []byte) { b[28] = 1 },
		"bad cookie":        func(b []byte) { b[28+fixedSize] ^= 1 },
		"source port":       func(b []byte) { b[21] ^= 1 },
		"UDP length":        func(b []byte) { b[24] = 0xff },
		"UDP checksum":      func(b []byte) { b[len(b)-2] ^= 1 },
		"fragment":          func(b []byte) { b[6] |= 0x20 },
		"header length":     func(b []byte) { b[0] = 0x4f },
		"IP version":        func(b []byte) { b[0] = 0x65 },
		"transport protcol": func(b []byte) { b[9] = 6 },
	} {
		b := append([]byte(nil), p...)
		change(b)
		if _, ok := parse(b, testMAC); ok {
			t.Errorf("%s: accepted", name)
		}
	}
	for n := range p {
		parse(p[:n], testMAC) // must not panic
	}
}

func TestRoutes(t *testing.T) {
	routes := opt(optRoutes,
		32, 10, 0, 2, 2, 0, 0, 0, 0, // the gateway, on the link
		0, 10, 0, 2, 2, // default
		8, 127, 10, 0, 2, 2, // loopback
		32, 169, 254, 169, 254, 10, 0, 2, 2, // metadata
		0, 127, 0, 0, 1, // through ourselves
		3, 224, 10, 0, 2, 2, // multicast and beyond
		1, 128, 10, 0, 2, 2, // contains link-local
		16, 192, 168, 10, 0, 2, 2)
	r, ok := parse(packet(ack, 1, "10.0.2.15", serverOpt, leaseOpt, opt(optMask, 255, 255, 255, 255), opt(optRouter, 9, 9, 9, 9), routes), testMAC)
	if !ok {
		t.Fatal("refused")
	}
	var got []string
	for _, r := range r.lease.Routes {
		got = append(got, r.To.String()+" "+r.Via.String())
	}
	want := []string{"10.0.2.2/32 0.0.0.0", "0.0.0.0/0 10.0.2.2", "192.168.0.0/16 10.0.2.2"}
	if len(got) != len(want) || got[0] != want[0] || got[1] != want[1] || got[2] != want[2] {
		t.Fatalf("%q", got)
	}
}

// TestOverload puts options into file and sname, and an overload option in
// there, which must not send the reader round in circles.
func TestOverload(t *testing.T) {
	b := packet(ack, 3, "10.0.2.15", serverOpt, opt(optOverload, 3))
	m := b[28:]
	copy(m[fileAt:], append(append(leaseOpt, opt(optOverload, 1)...), optEnd))
	copy(m[snameAt:], append(append(maskOpt, opt(optServer, 6, 6, 6, 6)...), optEnd))
	r, ok := parse(wrap(m), testMAC)
	if !ok || r.server != server || r.lease.Addr.String() != "10.0.2.15/24" || r.lease.Duration != time.Hour {
		t.Fatal(r, ok)
	}
	m[snameAt+1] = 70 // an option longer than its field
	if _, ok := parse(wrap(m), testMAC); ok {
		t.Fatal("overrun of sname accepted")
	}
}

func TestBounds(t *testing.T) {
	r, _ := parse(packet(ack, 1, "10.0.2.15", serverOpt, seconds(optLease, 0xffffffff), seconds(optT1, 5), seconds(optT2, 0xfffffff0),
		opt(optDomain, []byte("x\nnameserver 6.6.6.6")...), opt(optMTU, 0, 100)), testMAC)
	l := r.lease
	if l.Duration != maxLease || l.T1 != maxLease/2 || l.T2 != maxLease*7/8 || l.Domain != "" || l.MTU != 0 || l.Addr.Bits() != 8 {
		t.Fatalf("%+v", l)
	}
}

// fakeServer answers a client by a script.
type fakeServer struct {
	t      *testing.T
	mu     sync.Mutex
	c      *Client
	seen   []byte // message types
	to     [][6]byte
	answer func(kind byte, xid uint32, m []byte) [][]byte
}

func (s *fakeServer) send(to [6]byte, b []byte) {
	ip := header.IPv4(b)
	u := header.UDP(ip.Payload())
	if !ip.IsValid(len(b)) || !ip.IsChecksumValid() || int(u.Length()) != len(u) ||
		!u.IsChecksumValid(ip.SourceAddress(), ip.DestinationAddress(), checksum.Checksum(u.Payload(), 0)) {
		s.t.Error("client sent a bad packet")
	}
	m := u.Payload()
	kind := m[fixedSize+4+2]
	s.mu.Lock()
	s.seen = append(s.seen, kind)
	s.to = append(s.to, to)
	s.mu.Unlock()
	answers := s.answer(kind, binary.BigEndian.Uint32(m[4:]), m)
	go func() {
		for _, a := range answers {
			s.c.Deliver(a, serverMAC)
		}
	}()
}

func start(t *testing.T, fast int64, answer func(byte, uint32, []byte) [][]byte) (*fakeServer, chan *Lease, func()) {
	s := &fakeServer{t: t, answer: answer}
	leases := make(chan *Lease, 10)
	var mu sync.Mutex
	rng := rand.New(rand.NewSource(1))
	s.c = New(Config{MAC: testMAC, Hostname: "skerry", Send: s.send, Bound: func(l *Lease) { leases <- l },
		Random: func(b []byte) { mu.Lock(); rng.Read(b); mu.Unlock() }})
	s.c.fast = fast
	done := make(chan struct{})
	go func() { s.c.Run(); close(done) }()
	return s, leases, func() {
		s.c.Stop()
		select {
		case <-done:
		case <-time.After(5 * time.Second):
			t.Error("client does not stop")
		}
	}
}

func TestBound(t *testing.T) {
	s, leases, stop := start(t, 1, func(kind byte, xid uint32, m []byte) [][]byte {
		if kind == discover {
			return [][]byte{
				packet(offer, xid+1, "10.0.2.66", serverOpt, leaseOpt),                           // another's
				packet(ack, xid, "10.0.2.66", serverOpt, leaseOpt),                               // out of turn
				packet(offer, xid, "10.0.2.15", serverOpt, leaseOpt, maskOpt),                    // good
				packet(offer, xid, "10.0.2.77", opt(optServer, 10, 0, 2, 99), leaseOpt, maskOpt), // too late
			}
		}
		return [][]byte{
			packet(nak, xid, "0.0.0.0", opt(optServer, 10, 0, 2, 99)),                      // a rogue
			packet(ack, xid, "10.0.2.88", opt(optServer, 10, 0, 2, 99), leaseOpt, maskOpt), // a rogue
			packet(ack, xid, "10.0.2.15", serverOpt, leaseOpt, maskOpt),
		}
	})
	defer stop()
	select {
	case l := <-leases:
		if l == nil || l.Addr.String() != "10.0.2.15/24" || l.Server != server {
			t.Fatalf("%+v", l)
		}
	case <-time.After(5 * time.Second):
		t.Fatal("no lease")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if string(s.seen) != string([]byte{discover, request}) || s.to[0] != broadcast || s.to[1] != broadcast {
		t.Fatal(s.seen, s.to)
	}
}

func TestRefusedThenBound(t *testing.T) {
	n := 0
	_, leases, stop := start(t, 1, func(kind byte, xid uint32, m []byte) [][]byte {
		if kind == discover {
			return [][]byte{packet(offer, xid, "10.0.2.15", serverOpt, leaseOpt, maskOpt)}
		}
		if n++; n == 1 {
			return [][]byte{packet(nak, xid, "0.0.0.0", serverOpt)}
		}
		return [][]byte{packet(ack, xid, "10.0.2.16", serverOpt, leaseOpt, maskOpt)}
	})
	defer stop()
	select {
	case l := <-leases:
		if l == nil || l.Addr.Addr().String() != "10.0.2.16" {
			t.Fatalf("%+v", l)
		}
	case <-time.After(8 * time.Second):
		t.Fatal("no lease")
	}
}

// TestRenewal runs a lease's life 1000 times as fast: renewed by unicast to the
// server, then by broadcast when it is silent, then refused, and lost.
func TestRenewal(t *testing.T) {
	var mu sync.Mutex
	requests := 0
	s, leases, stop := start(t, 1000, func(kind byte, xid uint32, m []byte) [][]byte {
		mu.Lock()
		defer mu.Unlock()
		if kind == discover {
			if requests > 0 {
				return nil
			}
			return [][]byte{packet(offer, xid, "10.0.2.15", serverOpt, seconds(optLease, 600), maskOpt)}
		}
		requests++
		good := packet(ack, xid, "10.0.2.15", serverOpt, seconds(optLease, 600), maskOpt)
		switch {
		case requests <= 2:
			return [][]byte{good}
		case [4]byte(m[12:16]) != [4]byte{10, 0, 2, 15}:
			t.Error("no ciaddr in a renewal")
		case requests == 3, requests == 4: // RENEWING: silent
			return nil
		}
		return [][]byte{packet(ack, xid, "10.0.2.15", opt(optServer, 6, 6, 6, 6), leaseOpt), packet(nak, xid, "0.0.0.0", serverOpt)}
	})
	defer stop()
	for i, want := range []bool{true, true, false} {
		select {
		case l := <-leases:
			if (l != nil) != want {
				t.Fatalf("event %d: %+v", i, l)
			}
		case <-time.After(5 * time.Second):
			t.Fatal("no event", i)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.to[2] != serverMAC || s.to[len(s.to)-1] == serverMAC && len(s.to) < 6 {
		t.Fatal(s.to)
	}
}

// FuzzParse feeds arbitrary packets. The oracle: no panic, and what is
// accepted keeps the rules.
func FuzzParse(f *testing.F) {
	f.Add(packet(ack, 7, "10.0.2.15", serverOpt, leaseOpt, maskOpt))
	f.Add(packet(offer, 7, "10.0.2.15", serverOpt, leaseOpt, opt(optRoutes, 0, 10, 0, 2, 2), opt(optOverload, 3)))
	f.Fuzz(func(t *testing.T, b []byte) { check(t, b) })
}

func check(t *testing.T, b []byte) bool {
	r, ok := parse(b, testMAC)
	if !ok {
		return false
	}
	if !unicast(r.server) {
		t.Fatalf("server %v", r.server)
	}
	if r.kind == nak {
		return true
	}
	l := r.lease
	if !unicast(l.Addr.Addr()) || l.Duration < minLease || l.Duration > maxLease || l.T1 >= l.T2 || l.T2 >= l.Duration ||
		l.T1 < minLease/2 || len(l.Routes) > maxRoutes || len(l.DNS) > maxServers || l.MTU != 0 && l.MTU < minMTU {
		t.Fatalf("%+v", l)
	}
	for _, r := range l.Routes {
		for _, g := range guarded {
			if r.To.Bits() != 0 && r.To.Overlaps(g) {
				t.Fatalf("route %v", r)
			}
		}
	}
	if l.Domain != "" && !domainName(l.Domain) {
		t.Fatal(l.Domain)
	}
	return true
}

// TestRandomMessages mutates good messages; the checksum is repaired so that
// the mutation reaches the parser.
func TestRandomMessages(t *testing.T) {
	rng := rand.New(rand.NewSource(7))
	seed := packet(ack, 7, "10.0.2.15", serverOpt, leaseOpt, maskOpt, opt(optRouter, 10, 0, 2, 2), opt(optDNS, 8, 8, 8, 8),
		opt(optRoutes, 24, 10, 1, 2, 10, 0, 2, 2, 0, 10, 0, 2, 2), seconds(optT1, 100), seconds(optT2, 200), opt(optOverload, 1))[28:]
	accepted := 0
	for i := 0; i < 100000; i++ {
		m := append([]byte(nil), seed...)
		for n := rng.Intn(6); n >= 0; n-- {
			at := fixedSize + 4 + rng.Intn(len(m)-fixedSize-4)
			if rng.Intn(3) == 0 {
				at = rng.Intn(len(m))
			}
			m[at] = byte(rng.Intn(256))
		}
		if rng.Intn(4) == 0 {
			m = m[:rng.Intn(len(m))]
		}
		if check(t, wrap(m)) {
			accepted++
		}
	}
	if accepted < 1000 || accepted > 90000 {
		t.Fatalf("%d accepted: the mutations test nothing", accepted)
	}
}
