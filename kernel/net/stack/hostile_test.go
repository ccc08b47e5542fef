package stack

import (
	"bytes"
	"encoding/binary"
	"math/rand"
	"net/netip"
	"runtime"
	"sync"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
	"gvisor.dev/gvisor/pkg/waiter"

	"skerry/kernel/hw/nic"
	"skerry/kernel/net/link"
	"skerry/kernel/net/nettest"
)

var (
	ourMAC  = [6]byte{2, 0, 0, 0, 0, 1}
	peerMAC = [6]byte{2, 0, 0, 0, 0, 2}
	evilMAC = [6]byte{2, 0, 0, 0, 0, 0x66}
	bcast   = [6]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	our4    = [4]byte{10, 0, 2, 15}
	peer4   = [4]byte{10, 0, 2, 2}
	our6    = netip.MustParseAddr("fd00::15").As16()
	peer6   = netip.MustParseAddr("fd00::2").As16()
)

func testRandom() func([]byte) {
	var mu sync.Mutex
	rng := rand.New(rand.NewSource(42))
	return func(b []byte) { mu.Lock(); rng.Read(b); mu.Unlock() }
}

// bench is a machine on a wire whose other end is the test.
type bench struct {
	t    testing.TB
	s    *Stack
	dev  *nettest.Dev
	mu   sync.Mutex
	sent [][]byte // frames that the machine sent
}

func newBench(t testing.TB, change func(*Config)) *bench {
	b := &bench{t: t}
	b.dev = nettest.NewWire(nic.Caps{}, 1500, func(f nettest.Frame) {
		b.mu.Lock()
		b.sent = append(b.sent, f.Data)
		b.mu.Unlock()
	})
	cfg := Config{
		Device:   b.dev,
		V4:       Iface{netip.MustParsePrefix("10.0.2.15/24"), netip.MustParseAddr("10.0.2.2")},
		V6:       Iface{netip.MustParsePrefix("fd00::15/64"), netip.MustParseAddr("fd00::2")},
		Memory:   1 << 30,
		Hostname: "rock",
		Random:   testRandom(),
	}
	if change != nil {
		change(&cfg)
	}
	b.s = New(cfg)
	b.s.Start()
	t.Cleanup(b.s.Close)
	return b
}

// frames takes what the machine sent since the last call, once something that
// satisfies ok is there or a while has passed.
func (b *bench) frames(ok func([]byte) bool) [][]byte {
	for i := 0; i < 200; i++ {
		b.mu.Lock()
		for _, f := range b.sent {
			if ok(f) {
				out := b.sent
				b.sent = nil
				b.mu.Unlock()
				return out
			}
		}
		b.mu.Unlock()
		time.Sleep(time.Millisecond)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	out := b.sent
	b.sent = nil
	return out
}

func isType(t uint16) func([]byte) bool {
	return func(f []byte) bool { return binary.BigEndian.Uint16(f[12:]) == t }
}

func (b *bench) inject4(p []byte) { b.dev.Inject(nettest.Ethernet(ourMAC, peerMAC, 0x0800, p)) }
func (b *bench) inject6(p []byte) { b.dev.Inject(nettest.Ethernet(ourMAC, peerMAC, 0x86dd, p)) }

// udpSocket is a UDP endpoint bound to a port.
func (b *bench) udpSocket(net tcpip.NetworkProtocolNumber, port uint16) tcpip.Endpoint {
	ep, err := b.s.IP.NewEndpoint(udp.ProtocolNumber, net, &waiter.Queue{})
	if err == nil {
		err = ep.Bind(tcpip.FullAddress{Port: port})
	}
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(ep.Close)
	return ep
}

func received(ep tcpip.Endpoint) []string {
	var all []string
	for {
		var w bytes.Buffer
		if _, err := ep.Read(&w, tcpip.ReadOptions{}); err != nil {
			return all
		}
		all = append(all, w.String())
	}
}

func TestIngress4(t *testing.T) {
	b := newBench(t, nil)
	ep := b.udpSocket(header.IPv4ProtocolNumber, 9)
	msg := func(s string) []byte { return nettest.UDP(99, 9, []byte(s)) }
	b.inject4(nettest.IPv4(peer4, our4, 17, nil, msg("hello")))
	b.inject4(nettest.IPv4(peer4, our4, 17, []byte{148, 4, 0, 0}, msg("router alert")))
	b.dev.Inject(nettest.Ethernet(bcast, peerMAC, 0x0800, nettest.IPv4(peer4, [4]byte{10, 0, 2, 255}, 17, nil, msg("broadcast"))))
	if got := received(ep); len(got) != 3 {
		t.Fatalf("good packets: %q", got)
	}
	mutate := func(p []byte, f func([]byte)) []byte { f(p); return p }
	cases := []struct {
		name  string
		drop  link.Drop
		frame []byte
	}{
		{"loose source route", link.DropOption, nettest.IPv4(peer4, our4, 17, []byte{131, 7, 4, 10, 0, 2, 99}, msg("x"))},
		{"strict source route", link.DropOption, nettest.IPv4(peer4, our4, 17, []byte{137, 7, 8, 10, 0, 2, 99}, msg("x"))},
		{"record route", link.DropOption, nettest.IPv4(peer4, our4, 17, []byte{7, 7, 4, 0, 0, 0, 0}, msg("x"))},
		{"timestamp", link.DropOption, nettest.IPv4(peer4, our4, 17, []byte{68, 8, 5, 0, 0, 0, 0, 0}, msg("x"))},
		{"source route behind NOPs", link.DropOption, nettest.IPv4(peer4, our4, 17, []byte{1, 1, 131, 3, 4}, msg("x"))},
		{"option overrun", link.DropOption, nettest.IPv4(peer4, our4, 17, []byte{130, 11, 0, 0}, msg("x"))},
		{"option without length", link.DropOption, nettest.IPv4(peer4, our4, 17, []byte{1, 1, 1, 130}, msg("x"))},
		{"option of length 1", link.DropOption, nettest.IPv4(peer4, our4, 17, []byte{130, 1, 0, 0}, msg("x"))},
		{"source loopback", link.DropMartian, nettest.IPv4([4]byte{127, 0, 0, 1}, our4, 17, nil, msg("x"))},
		{"source ours", link.DropMartian, nettest.IPv4(our4, our4, 17, nil, msg("x"))},
		{"source multicast", link.DropMartian, nettest.IPv4([4]byte{224, 0, 0, 1}, our4, 17, nil, msg("x"))},
		{"source 0/8", link.DropMartian, nettest.IPv4([4]byte{0, 0, 0, 0}, our4, 17, nil, msg("x"))},
		{"source 240/4", link.DropMartian, nettest.IPv4([4]byte{250, 1, 1, 1}, our4, 17, nil, msg("x"))},
		{"source broadcast", link.DropMartian, nettest.IPv4([4]byte{10, 0, 2, 255}, our4, 17, nil, msg("x"))},
		{"destination loopback", link.DropMartian, nettest.IPv4(peer4, [4]byte{127, 0, 0, 1}, 17, nil, msg("x"))},
		{"destination 240/4", link.DropMartian, nettest.IPv4(peer4, [4]byte{240, 0, 0, 1}, 17, nil, msg("x"))},
		{"destination other", link.DropNotOurs, nettest.IPv4(peer4, [4]byte{10, 0, 2, 16}, 17, nil, msg("x"))},
		{"bad checksum", link.DropChecksum, mutate(nettest.IPv4(peer4, our4, 17, nil, msg("x")), func(p []byte) { p[10] ^= 1 })},
		{"version 5", link.DropRunt, mutate(nettest.IPv4(peer4, our4, 17, nil, msg("x")), func(p []byte) { p[0] = 0x55 })},
		{"total length", link.DropRunt, mutate(nettest.IPv4(peer4, our4, 17, nil, msg("x")), func(p []byte) { p[2] = 9 })},
		{"header length", link.DropRunt, mutate(nettest.IPv4(peer4, our4, 17, nil, msg("x")), func(p []byte) { p[0] = 0x44 })},
		{"runt", link.DropRunt, []byte{0x45}},
		{"GRE", link.DropProtocol, nettest.IPv4(peer4, our4, 47, nil, msg("x"))},
		{"IGMP unicast", link.DropMismatch, nettest.IPv4(peer4, our4, 2, nil, msg("x"))},
		{"timestamp request", link.DropProtocol, nettest.IPv4(peer4, our4, 1, nil, make([]byte, 20))[:20]},
		{"redirect", link.DropRouter, nettest.IPv4(peer4, our4, 1, nil, append([]byte{5, 1, 0, 0, 10, 0, 2, 66}, make([]byte, 28)...))},
		{"echo to broadcast", link.DropMismatch, nettest.IPv4(peer4, [4]byte{10, 0, 2, 255}, 1, nil, []byte{8, 0, 0, 0, 0, 0, 0, 0})},
		{"TCP to broadcast", link.DropMismatch, nettest.IPv4(peer4, [4]byte{255, 255, 255, 255}, 6, nil, nettest.TCP(1, 2, 3, 4, 2, nil))},
	}
	cases[24].frame = nettest.IPv4(peer4, our4, 1, nil, append([]byte{13, 0, 0, 0}, make([]byte, 16)...))
	for _, c := range cases {
		before := b.s.eth.Drops(c.drop)
		b.inject4(c.frame)
		if b.s.eth.Drops(c.drop) != before+1 {
			t.Errorf("%s: counter %v did not rise", c.name, c.drop)
		}
		if got := received(ep); len(got) != 0 {
			t.Errorf("%s: delivered %q", c.name, got)
		}
	}
	good := nettest.IPv4(peer4, our4, 17, nil, msg("x"))
	for name, f := range map[string][]byte{
		"unicast IP in broadcast frame": nettest.Ethernet(bcast, peerMAC, 0x0800, good),
		"frame for another station":     nettest.Ethernet(peerMAC, evilMAC, 0x0800, good),
		"frame from ourselves":          nettest.Ethernet(ourMAC, ourMAC, 0x0800, good),
		"frame from a group":            nettest.Ethernet(ourMAC, bcast, 0x0800, good),
		"VLAN tag":                      nettest.Ethernet(ourMAC, peerMAC, 0x8100, good),
		"empty":                         {},
		"13 bytes":                      make([]byte, 13),
	} {
		b.dev.Inject(f)
		if got := received(ep); len(got) != 0 {
			t.Errorf("%s: delivered", name)
		}
	}
}

func TestFragments(t *testing.T) {
	b := newBench(t, nil)
	ep := b.udpSocket(header.IPv4ProtocolNumber, 9)
	frag := func(id, word uint16, part []byte) []byte {
		p := nettest.IPv4(peer4, our4, 0, nil, part) // no transport checksum per fragment
		p[9] = 17
		binary.BigEndian.PutUint16(p[4:], id)
		binary.BigEndian.PutUint16(p[6:], word)
		p[10], p[11] = 0, 0
		binary.BigEndian.PutUint16(p[10:], nettest.Sum(p[:20], 0))
		return p
	}
	whole := nettest.IPv4(peer4, our4, 17, nil, nettest.UDP(99, 9, bytes.Repeat([]byte("f"), 40)))[20:]
	b.inject4(frag(1, 0x2000, whole[:24]))
	b.inject4(frag(1, 3, whole[24:]))
	if got := received(ep); len(got) != 1 || len(got[0]) != 40 {
		t.Fatalf("reassembly: %q", got)
	}
	bad := append([]byte(nil), whole...)
	bad[30] ^= 1
	b.inject4(frag(2, 0x2000, bad[:24]))
	b.inject4(frag(2, 3, bad[24:]))
	b.inject4(frag(3, 0x2000, whole[:24])) // overlap
	b.inject4(frag(3, 2, whole[16:]))
	b.inject4(frag(3, 3, whole[24:]))
	b.inject4(frag(4, 0x2000, nil))        // empty
	b.inject4(frag(5, 0x2000, whole[:20])) // not a multiple of 8
	b.inject4(frag(6, 0x1fff, whole[:24])) // past 64 KiB
	if got := received(ep); len(got) != 0 {
		t.Fatalf("bad fragments made a datagram: %q", got)
	}
	before := b.s.eth.Drops(link.DropFragment)
	tiny := frag(7, 0x2000, make([]byte, 8))
	tiny[9] = 6
	tiny[10], tiny[11] = 0, 0
	binary.BigEndian.PutUint16(tiny[10:], nettest.Sum(tiny[:20], 0))
	b.inject4(tiny)
	if b.s.eth.Drops(link.DropFragment) != before+1 {
		t.Error("a first fragment without TCP's ports passed")
	}
	// A flood of first fragments: memory stays flat, another source still works.
	heap := heapNow()
	for id := 0; id < 100000; id++ {
		p := frag(uint16(id), 0x2000, make([]byte, 1400))
		b.inject4(p)
	}
	if grown := int64(heapNow()) - int64(heap); grown > 6<<20 {
		t.Errorf("heap grew by %d bytes under a fragment flood", grown)
	}
	other := [4]byte{10, 0, 2, 77}
	whole = nettest.IPv4(other, our4, 17, nil, nettest.UDP(99, 9, bytes.Repeat([]byte("g"), 40)))[20:]
	for _, p := range [][]byte{frag(9, 0x2000, whole[:24]), frag(9, 3, whole[24:])} {
		copy(p[12:16], other[:])
		p[10], p[11] = 0, 0
		binary.BigEndian.PutUint16(p[10:], nettest.Sum(p[:20], 0))
		b.inject4(p)
	}
	if got := received(ep); len(got) != 1 {
		t.Errorf("another source's datagram was lost in the flood: %q", got)
	}
}

func heapNow() uint64 {
	runtime.GC()
	runtime.GC() // pools give up their contents in two steps
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func TestARP(t *testing.T) {
	b := newBench(t, nil)
	arp := func(to [6]byte, from [6]byte, p []byte) { b.dev.Inject(nettest.Ethernet(to, from, 0x0806, p)) }
	question := func(target [4]byte) func([]byte) bool {
		return func(f []byte) bool {
			return isType(0x0806)(f) && f[21] == 1 && bytes.Equal(f[38:42], target[:])
		}
	}
	// The gateway is asked for at start. A false answer in a broadcast frame and
	// one with someone else's MAC are ignored.
	if fs := b.frames(question(peer4)); len(fs) == 0 {
		t.Fatal("the gateway was not asked for")
	}
	arp(bcast, evilMAC, nettest.ARP(2, evilMAC, peer4, ourMAC, our4))
	arp(ourMAC, evilMAC, nettest.ARP(2, peerMAC, peer4, ourMAC, our4))
	arp(ourMAC, peerMAC, nettest.ARP(2, peerMAC, peer4, ourMAC, our4))
	gateway := func() string {
		for _, n := range must2(b.s.IP.Neighbors(NICEthernet, header.IPv4ProtocolNumber)) {
			if n.Addr == tcpip.AddrFrom4(peer4) {
				return string(n.LinkAddr)
			}
		}
		return ""
	}
	if gateway() != string(peerMAC[:]) {
		t.Fatalf("gateway is % x", gateway())
	}
	// Spoofing: replies, requests and gratuitous announcements.
	arp(ourMAC, evilMAC, nettest.ARP(2, evilMAC, peer4, ourMAC, our4))
	arp(ourMAC, evilMAC, nettest.ARP(1, evilMAC, peer4, [6]byte{}, our4))
	arp(bcast, evilMAC, nettest.ARP(1, evilMAC, peer4, [6]byte{}, peer4))
	if gateway() != string(peerMAC[:]) {
		t.Fatal("the gateway's MAC was changed by spoofing")
	}
	// We answer questions for our address, and learn nothing from them.
	b.frames(func([]byte) bool { return false })
	arp(bcast, evilMAC, nettest.ARP(1, evilMAC, [4]byte{10, 0, 2, 66}, [6]byte{}, our4))
	// The IPv6 gateway may be asked for meanwhile.
	arps := func() (list [][]byte) {
		for _, f := range b.frames(isType(0x0806)) {
			if isType(0x0806)(f) {
				list = append(list, f)
			}
		}
		return list
	}
	fs := arps()
	if len(fs) != 1 || !bytes.Equal(fs[0][0:6], evilMAC[:]) || !bytes.Equal(fs[0][14:], nettest.ARP(2, ourMAC, our4, evilMAC, [4]byte{10, 0, 2, 66})) {
		t.Fatalf("answer % x", fs)
	}
	arp(bcast, evilMAC, nettest.ARP(1, evilMAC, [4]byte{10, 0, 2, 66}, [6]byte{}, [4]byte{10, 0, 2, 16}))
	arp(bcast, evilMAC, nettest.ARP(1, evilMAC, our4, [6]byte{}, our4))
	if fs := arps(); len(fs) != 0 || b.s.eth.Drops(link.DropConflict) != 1 {
		t.Fatalf("% x, conflicts %d", fs, b.s.eth.Drops(link.DropConflict))
	}
	// A flood of senders leaves the cache as it is.
	entries := len(must2(b.s.IP.Neighbors(NICEthernet, header.IPv4ProtocolNumber)))
	for i := 0; i < 100000; i++ {
		ip := [4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}
		mac := [6]byte{2, 1, 0, byte(i >> 16), byte(i >> 8), byte(i)}
		arp(bcast, mac, nettest.ARP(uint16(1+i%2), mac, ip, ourMAC, our4))
	}
	if n := len(must2(b.s.IP.Neighbors(NICEthernet, header.IPv4ProtocolNumber))); n != entries || gateway() != string(peerMAC[:]) {
		t.Fatalf("%d neighbours before the flood, %d after", entries, n)
	}
}

func must2[T any](v T, err tcpip.Error) T {
	if err != nil {
		panic(err.String())
	}
	return v
}

func TestIngress6(t *testing.T) {
	b := newBench(t, nil)
	ep := b.udpSocket(header.IPv6ProtocolNumber, 9)
	msg := func(s string) []byte { return nettest.UDP(99, 9, []byte(s)) }
	icmp := func(kind, code byte, rest []byte) []byte { return append([]byte{kind, code, 0, 0}, rest...) }
	a := func(s string) [16]byte { return netip.MustParseAddr(s).As16() }
	ll, other6 := a("fe80::2"), a("fd00::66")
	b.inject6(nettest.IPv6(peer6, our6, 17, 64, nil, msg("hello"), 17))
	b.inject6(nettest.IPv6(peer6, our6, 17, 64, []byte{17, 0, 1, 4, 0, 0, 0, 0}, msg("options"), 60))
	if got := received(ep); len(got) != 2 {
		t.Fatalf("good packets: %q", got)
	}
	pio := append([]byte{64, 0, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0, 3, 4, 64, 0xc0, 0, 0, 0x0e, 0x10, 0, 0, 0x0e, 0x10, 0, 0, 0, 0}, make([]byte, 16)...)
	copy(pio[28:], []byte{0xfd, 0x66})
	cases := []struct {
		name  string
		drop  link.Drop
		frame []byte
	}{
		{"source loopback", link.DropMartian, nettest.IPv6(a("::1"), our6, 17, 64, nil, msg("x"), 17)},
		{"source ours", link.DropMartian, nettest.IPv6(our6, our6, 17, 64, nil, msg("x"), 17)},
		{"source multicast", link.DropMartian, nettest.IPv6(a("ff02::1"), our6, 17, 64, nil, msg("x"), 17)},
		{"source mapped", link.DropMartian, nettest.IPv6(a("::ffff:10.0.2.2"), our6, 17, 64, nil, msg("x"), 17)},
		{"source unspecified", link.DropMartian, nettest.IPv6(a("::"), our6, 17, 64, nil, msg("x"), 17)},
		{"destination loopback", link.DropMartian, nettest.IPv6(peer6, a("::1"), 17, 64, nil, msg("x"), 17)},
		{"destination node-local", link.DropMartian, nettest.IPv6(peer6, a("ff01::1"), 17, 64, nil, msg("x"), 17)},
		{"destination other", link.DropNotOurs, nettest.IPv6(peer6, a("fd00::16"), 17, 64, nil, msg("x"), 17)},
		{"routing header", link.DropRouting, nettest.IPv6(peer6, our6, 17, 64, append([]byte{17, 2, 0, 1, 0, 0, 0, 0}, peer6[:]...), msg("x"), 43)},
		{"five extension headers", link.DropRouting, nettest.IPv6(peer6, our6, 17, 64, bytes.Join([][]byte{
			{60, 0, 1, 4, 0, 0, 0, 0}, {60, 0, 1, 4, 0, 0, 0, 0}, {60, 0, 1, 4, 0, 0, 0, 0}, {60, 0, 1, 4, 0, 0, 0, 0}, {17, 0, 1, 4, 0, 0, 0, 0}}, nil), msg("x"), 60)},
		{"late hop-by-hop", link.DropRouting, nettest.IPv6(peer6, our6, 17, 64, []byte{0, 0, 1, 4, 0, 0, 0, 0, 17, 0, 1, 4, 0, 0, 0, 0}, msg("x"), 60)},
		{"extension overrun", link.DropRunt, nettest.IPv6(peer6, our6, 0, 64, []byte{17, 9, 1, 4, 0, 0, 0, 0}, nil, 60)},
		{"atomic fragment", link.DropFragment, nettest.IPv6(peer6, our6, 17, 64, []byte{17, 0, 0, 0, 0, 0, 0, 1}, msg("x"), 44)},
		{"no next header", link.DropProtocol, nettest.IPv6(peer6, our6, 0, 64, nil, msg("x"), 59)},
		{"router advertisement", link.DropRouter, nettest.IPv6(ll, a("ff02::1"), 58, 255, nil, icmp(134, 0, pio), 58)},
		{"redirect", link.DropRouter, nettest.IPv6(ll, our6, 58, 255, nil, icmp(137, 0, make([]byte, 36)), 58)},
		{"unasked advertisement", link.DropNeighbor, nettest.IPv6(peer6, our6, 58, 255, nil, icmp(136, 0, append(append([]byte{0x60, 0, 0, 0}, other6[:]...), 2, 1, 2, 0, 0, 0, 0, 2)), 58)},
		{"solicitation from afar", link.DropNeighbor, nettest.IPv6(peer6, our6, 58, 64, nil, icmp(135, 0, append([]byte{0, 0, 0, 0}, our6[:]...)), 58)},
		{"solicitation for another", link.DropNeighbor, nettest.IPv6(peer6, a("ff02::1:ff00:15"), 58, 255, nil, icmp(135, 0, append([]byte{0, 0, 0, 0}, peer6[:]...)), 58)},
		{"echo to all nodes", link.DropMismatch, nettest.IPv6(peer6, a("ff02::1"), 58, 64, nil, icmp(128, 0, []byte{0, 1, 0, 1}), 58)},
		{"too big under 1280", link.DropICMP, nettest.IPv6(peer6, our6, 58, 64, nil, icmp(2, 0, append([]byte{0, 0, 4, 0}, make([]byte, 60)...)), 58)},
		{"node information", link.DropProtocol, nettest.IPv6(peer6, our6, 58, 64, nil, icmp(139, 0, make([]byte, 20)), 58)},
		{"runt", link.DropRunt, []byte{0x60}},
	}
	for _, c := range cases {
		before := b.s.eth.Drops(c.drop)
		b.inject6(c.frame)
		if b.s.eth.Drops(c.drop) != before+1 {
			t.Errorf("%s: counter %v did not rise\n%s", c.name, c.drop, b.s.DropReport())
		}
		if got := received(ep); len(got) != 0 {
			t.Errorf("%s: delivered %q", c.name, got)
		}
	}
	// Ten thousand router advertisements change nothing.
	addrs, routes := len(b.s.Interfaces()[1].Addrs), len(b.s.Routes())
	for i := 0; i < 10000; i++ {
		binary.BigEndian.PutUint32(pio[32:], uint32(i))
		b.inject6(nettest.IPv6(ll, a("ff02::1"), 58, 255, nil, icmp(134, 0, pio), 58))
	}
	if len(b.s.Interfaces()[1].Addrs) != addrs || len(b.s.Routes()) != routes {
		t.Error("router advertisements changed the configuration")
	}
	// Solicitations for our address are answered, also in duplicate detection.
	b.frames(func([]byte) bool { return false })
	advert := func(f []byte) bool { return isType(0x86dd)(f) && f[14+40] == 136 }
	b.inject6(nettest.IPv6(peer6, a("ff02::1:ff00:15"), 58, 255, nil, icmp(135, 0, append(append([]byte{0, 0, 0, 0}, our6[:]...), 1, 1, 2, 0, 0, 0, 0, 2)), 58))
	fs := b.frames(advert)
	if len(fs) != 1 || fs[0][14+44] != 0x60 || !bytes.Equal(fs[0][0:6], peerMAC[:]) || nettest.Sum(fs[0][54:], 58+32+sum32(fs[0][22:54])) != 0 {
		t.Fatalf("answer % x", fs)
	}
	b.inject6(nettest.IPv6(a("::"), a("ff02::1:ff00:15"), 58, 255, nil, icmp(135, 0, append([]byte{0, 0, 0, 0}, our6[:]...)), 58))
	if fs := b.frames(advert); len(fs) != 1 || fs[0][14+44] != 0x20 || fs[0][0] != 0x33 {
		t.Fatalf("answer to duplicate detection % x", fs)
	}
}

func sum32(b []byte) uint32 { return uint32(^nettest.Sum(b, 0)) }

func TestIPv6Off(t *testing.T) {
	b := newBench(t, func(c *Config) { c.V6 = Iface{} })
	b.inject6(nettest.IPv6(peer6, netip.MustParseAddr("ff02::1").As16(), 58, 255, nil, []byte{128, 0, 0, 0, 0, 1, 0, 1}, 58))
	ep := b.udpSocket(header.IPv6ProtocolNumber, 10)
	ep.Write(bytes.NewReader([]byte("x")), tcpip.WriteOptions{To: &tcpip.FullAddress{NIC: NICEthernet, Addr: tcpip.AddrFrom16(netip.MustParseAddr("ff02::5").As16()), Port: 1}})
	for _, f := range b.frames(isType(0x86dd)) {
		if isType(0x86dd)(f) {
			t.Fatalf("an IPv6 frame went out with IPv6 off: % x", f)
		}
	}
	if b.s.eth.Drops(link.DropProtocol) == 0 {
		t.Error("IPv6 frame not dropped")
	}
}

// resolve answers the machine's ARP question for the peer.
func (b *bench) resolve() {
	b.frames(isType(0x0806))
	b.dev.Inject(nettest.Ethernet(ourMAC, peerMAC, 0x0806, nettest.ARP(2, peerMAC, peer4, ourMAC, our4)))
}

// TestICMPErrors forges errors about a connection attempt and an established
// connection: only those that quote what is really in flight have an effect.
func TestICMPErrors(t *testing.T) {
	b := newBench(t, nil)
	b.resolve()
	var q waiter.Queue
	ep, _ := b.s.IP.NewEndpoint(tcp.ProtocolNumber, header.IPv4ProtocolNumber, &q)
	ep.Connect(tcpip.FullAddress{Addr: tcpip.AddrFrom4(peer4), Port: 80})
	isTCP := func(f []byte) bool { return isType(0x0800)(f) && f[23] == 6 }
	var syn []byte
	for _, f := range b.frames(isTCP) {
		if isTCP(f) {
			syn = f[14:]
		}
	}
	if syn == nil {
		t.Fatal("no SYN")
	}
	unreachable := func(code byte, mtu uint16, quote []byte) []byte {
		return nettest.IPv4(peer4, our4, 1, nil, append([]byte{3, code, 0, 0, 0, 0, byte(mtu >> 8), byte(mtu)}, quote...))
	}
	bad := append([]byte(nil), syn[:28]...)
	for _, at := range []int{12, 16, 20, 22, 24} { // addresses, ports, sequence
		forged := append([]byte(nil), bad...)
		forged[at] ^= 1
		before := b.s.eth.Drops(link.DropICMP)
		b.inject4(unreachable(1, 0, forged))
		if b.s.eth.Drops(link.DropICMP) != before+1 {
			t.Errorf("error with byte %d forged passed", at)
		}
	}
	b.inject4(unreachable(4, 575, syn[:28]))
	b.inject4(unreachable(4, 68, syn[:28]))
	if st := tcp.EndpointState(ep.State()); st != tcp.StateSynSent {
		t.Fatalf("state %v after forged errors", st)
	}
	b.inject4(unreachable(1, 0, syn[:28]))
	if st := tcp.EndpointState(ep.State()); st != tcp.StateError {
		t.Fatalf("state %v after a true error", st)
	}
	ep.Close()
}

// TestSYNFlood sends SYNs from everywhere: memory stays bounded, and a
// legitimate client gets through by a cookie.
func TestSYNFlood(t *testing.T) {
	b := newBench(t, nil)
	b.resolve()
	var q waiter.Queue
	ln, _ := b.s.IP.NewEndpoint(tcp.ProtocolNumber, header.IPv4ProtocolNumber, &q)
	if err := ln.Bind(tcpip.FullAddress{Port: 80}); err != nil {
		t.Fatal(err)
	}
	if err := ln.Listen(129); err != nil {
		t.Fatal(err)
	}
	heap := heapNow()
	n := 100000
	if testing.Short() {
		n = 20000
	}
	for i := 0; i < n; i++ {
		src := [4]byte{10, byte(100 + i>>16), byte(i >> 8), byte(i)}
		b.inject4(nettest.IPv4(src, our4, 6, nil, nettest.TCP(uint16(1024+i%60000), 80, uint32(i), 0, 2, nil)))
		if i%1000 == 0 {
			b.mu.Lock()
			b.sent = nil
			b.mu.Unlock()
		}
	}
	time.Sleep(100 * time.Millisecond)
	b.mu.Lock()
	b.sent = nil
	b.mu.Unlock()
	if grown := int64(heapNow()) - int64(heap); grown > 16<<20 {
		t.Errorf("heap grew by %d bytes", grown)
	}
	if b.s.IP.Stats().TCP.ListenOverflowSynCookieSent.Value() == 0 {
		t.Error("no cookies were sent")
	}
	// The client.
	b.inject4(nettest.IPv4(peer4, our4, 6, nil, nettest.TCP(5555, 80, 1000, 0, 2, nil)))
	isReply := func(f []byte) bool { return isType(0x0800)(f) && f[23] == 6 && binary.BigEndian.Uint16(f[36:]) == 5555 }
	var synack []byte
	for _, f := range b.frames(isReply) {
		if isReply(f) {
			synack = f[34:]
		}
	}
	if synack == nil || synack[13] != 0x12 {
		t.Fatalf("no SYN-ACK for the client: % x", synack)
	}
	b.inject4(nettest.IPv4(peer4, our4, 6, nil, nettest.TCP(5555, 80, 1001, binary.BigEndian.Uint32(synack[4:])+1, 0x10, nil)))
	for i := 0; i < 1000; i++ {
		if c, _, err := ln.Accept(nil); err == nil {
			c.Close()
			ln.Close()
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Fatal("the client was not accepted")
}
