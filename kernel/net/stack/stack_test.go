package stack

import (
	"bytes"
	"io"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/waiter"

	"skerry/kernel/hw/nic"
	"skerry/kernel/net/nettest"
)

// TestTCPState holds the field names that tcpstate_unsafe.go and live.go look
// up.
func TestTCPState(t *testing.T) {
	if rcvMemUsed == 0 || sndBufUsed == 0 || sender == 0 || maxPayload == 0 || fieldOffset("h") == 0 || acceptMu == 0 || accepted == 0 || acceptCap == 0 {
		t.Fatal("tcp.Endpoint has changed")
	}
	if fieldOffset("no such field") != 0 || pointeeOffset("snd", "no such field") != 0 || pointeeOffset("sndQueueInfo", "x") != 0 {
		t.Fatal("a field that is not there was found")
	}
}

// pair is two machines back to back.
func pair(t testing.TB, caps nic.Caps, lose func([]byte) bool) (a, b *Stack) {
	da, db := nettest.NewPair(caps, 1500)
	da.Lose = lose
	mk := func(d *nettest.Dev, n string) *Stack {
		s := New(Config{Device: d, V4: Iface{Addr: netip.MustParsePrefix("10.0.0." + n + "/24")},
			V6: Iface{Addr: netip.MustParsePrefix("fd00::" + n + "/64")}, Memory: 1 << 30, Random: testRandom()})
		s.Start()
		t.Cleanup(func() { s.Close(); d.Stop() })
		return s
	}
	return mk(da, "1"), mk(db, "2")
}

type conn struct {
	tcpip.Endpoint
	q *waiter.Queue
}

// wait blocks until the endpoint is ready for mask.
func (c conn) wait(t testing.TB, mask waiter.EventMask) {
	e, ch := waiter.NewChannelEntry(mask | waiter.EventErr | waiter.EventHUp)
	c.q.EventRegister(&e)
	defer c.q.EventUnregister(&e)
	for c.Readiness(mask)&mask == 0 {
		select {
		case <-ch:
		case <-time.After(20 * time.Second):
			t.Fatal("timeout")
		}
	}
}

var dials atomic.Int32

// dial connects a to b over a network protocol.
func dial(t testing.TB, a, b *Stack, proto tcpip.NetworkProtocolNumber, addr tcpip.Address) (client, server conn) {
	port := uint16(80 + dials.Add(1))
	ln := conn{q: &waiter.Queue{}}
	ln.Endpoint, _ = b.IP.NewEndpoint(tcp.ProtocolNumber, proto, ln.q)
	if err := ln.Bind(tcpip.FullAddress{Port: port}); err != nil {
		t.Fatal(err)
	}
	if err := ln.Listen(10); err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	client.q = &waiter.Queue{}
	client.Endpoint, _ = a.IP.NewEndpoint(tcp.ProtocolNumber, proto, client.q)
	if err := client.Connect(tcpip.FullAddress{Addr: addr, Port: port}); err != nil {
		if _, ok := err.(*tcpip.ErrConnectStarted); !ok {
			t.Fatal(err)
		}
	}
	ln.wait(t, waiter.ReadableEvents)
	ep, q, err := ln.Accept(nil)
	if err != nil {
		t.Fatal(err)
	}
	return client, conn{ep, q}
}

// bulk sends n bytes and checks that they arrive.
func bulk(t testing.TB, from, to conn, n int) {
	data := bytes.Repeat([]byte("0123456789abcdef"), n/16)
	go func() {
		for rest := data; len(rest) > 0; {
			from.wait(t, waiter.WritableEvents)
			k, err := from.Write(bytes.NewReader(rest[:min(len(rest), 64<<10)]), tcpip.WriteOptions{})
			if _, block := err.(*tcpip.ErrWouldBlock); err != nil && !block {
				t.Error(err)
				return
			}
			rest = rest[k:]
		}
	}()
	var got bytes.Buffer
	for got.Len() < len(data) {
		to.wait(t, waiter.ReadableEvents)
		if _, err := to.Read(&got, tcpip.ReadOptions{}); err != nil {
			if _, block := err.(*tcpip.ErrWouldBlock); !block {
				t.Fatal(err)
			}
		}
	}
	if !bytes.Equal(got.Bytes(), data) {
		t.Fatal("data differ")
	}
}

func TestBackToBack(t *testing.T) {
	full := nic.Caps{TxCsum: true, TxGSO4: true, TxGSO6: true, RxCsum: true, RxGSO: true}
	for name, caps := range map[string]nic.Caps{"plain": {}, "offload": full} {
		t.Run(name, func(t *testing.T) {
			a, b := pair(t, caps, nil)
			c, s := dial(t, a, b, header.IPv4ProtocolNumber, tcpip.AddrFrom4([4]byte{10, 0, 0, 2}))
			bulk(t, c, s, 4<<20)
			bulk(t, s, c, 1<<20)
			c, s = dial(t, a, b, header.IPv6ProtocolNumber, Address(netip.MustParseAddr("fd00::2")))
			bulk(t, c, s, 4<<20)
			// A busy host delays answers beyond a timeout now and then; a frame that is
			// lost for what is in it would be one of many.
			n, sent := a.IP.Stats().TCP.Retransmits.Value(), a.IP.Stats().TCP.SegmentsSent.Value()
			if n > max(20, sent/10) {
				t.Errorf("%d retransmissions without loss, of %d segments", n, sent)
			}
		})
	}
}

// TestLoss loses every 50th frame: data arrive all the same.
func TestLoss(t *testing.T) {
	n := 0
	a, b := pair(t, nic.Caps{}, func([]byte) bool { n++; return n > 20 && n%50 == 0 })
	c, s := dial(t, a, b, header.IPv4ProtocolNumber, tcpip.AddrFrom4([4]byte{10, 0, 0, 2}))
	bulk(t, c, s, 2<<20)
	if a.IP.Stats().TCP.Retransmits.Value() == 0 {
		t.Error("nothing was lost")
	}
}

// TestOwnAddress connects a machine to itself by its Ethernet address: nothing
// goes out on the wire.
func TestOwnAddress(t *testing.T) {
	b := newBench(t, nil)
	b.resolve()
	before := b.dev.Sent.Load()
	c, s := dial(t, b.s, b.s, header.IPv4ProtocolNumber, tcpip.AddrFrom4(our4))
	bulk(t, c, s, 1<<20)
	if n := b.dev.Sent.Load() - before; n > 4 { // the gateways' IPv6 solicitation repeats
		t.Errorf("%d frames on the wire", n)
	}
}

func TestNames(t *testing.T) {
	b := newBench(t, func(c *Config) {
		c.DNS = []netip.Addr{netip.MustParseAddr("10.0.2.3"), netip.MustParseAddr("fd00::3")}
		c.Search = []string{"example.org", "lan"}
		c.Hosts = []Host{{netip.MustParseAddr("10.0.2.2"), []string{"host.skerry.internal", "host"}}}
	})
	if got := string(b.s.ResolvConf()); got != "nameserver 10.0.2.3\nnameserver fd00::3\nsearch example.org lan\n" {
		t.Errorf("%q", got)
	}
	want := "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n10.0.2.15\trock\nfd00::15\trock\n10.0.2.2\thost.skerry.internal host\n"
	if got := string(b.s.Hosts()); got != strings.ReplaceAll(want, "track", "trock") {
		t.Errorf("%q", got)
	}
}

func TestProc(t *testing.T) {
	b := newBench(t, nil)
	b.inject4(nettest.IPv4(peer4, our4, 1, nil, []byte{8, 0, 0, 0, 0, 1, 0, 1}))
	dev := strings.Split(string(b.s.ProcDev()), "\n")
	if len(dev) != 5 || !strings.HasPrefix(dev[2], "    lo:") || !strings.HasPrefix(dev[3], "  eth0:") || len(strings.Fields(dev[3])) != 17 {
		t.Errorf("%q", dev)
	}
	if got := string(b.s.ProcRoute()); !strings.Contains(got, "eth0\t00000000\t0202000A\t0003\t0\t0\t0\t00000000\t") ||
		!strings.Contains(got, "eth0\t0002000A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t") || strings.Count(got, "\n") != 3 {
		t.Errorf("%s", got)
	}
	if got := string(b.s.ProcIfInet6()); !strings.Contains(got, "fd000000000000000000000000000015 02 40 00 80     eth0\n") ||
		!strings.Contains(got, "00000000000000000000000000000001 01 80 10 80       lo\n") ||
		!strings.Contains(got, "fe80000000000000000000fffe000001 02 40 20 80     eth0\n") {
		t.Errorf("%s", got)
	}
	lines := strings.Split(strings.TrimSpace(string(b.s.ProcSNMP())), "\n")
	for i := 0; i+1 < len(lines); i += 2 {
		if h, v := strings.Fields(lines[i]), strings.Fields(lines[i+1]); len(h) != len(v) || h[0] != v[0] {
			t.Errorf("%q\n%q", h, v)
		}
	}
	if !strings.Contains(string(b.s.ProcSNMP()), "\nIcmp: 1 0 0 0") {
		t.Errorf("%s", b.s.ProcSNMP())
	}
	if got := string(HexAddr(nil, netip.MustParseAddr("127.0.0.1"))); got != "0100007F" {
		t.Error(got)
	}
	if got := string(HexAddr(nil, netip.MustParseAddr("::1"))); got != "00000000000000000000000001000000" {
		t.Error(got)
	}
	io.WriteString(io.Discard, b.s.DropReport())
}

// TestDHCP configures a machine from a server that the test plays.
func TestDHCP(t *testing.T) {
	var dev *nettest.Dev
	reply := make(chan []byte, 4)
	dev = nettest.NewWire(nic.Caps{}, 1500, func(f nettest.Frame) {
		if !isType(0x0800)(f.Data) || f.Data[23] != 17 {
			return
		}
		m := f.Data[42:]
		kind := map[byte]byte{1: 2, 3: 5}[m[242]]
		r := append([]byte(nil), m[:240]...)
		r[0] = 2
		copy(r[16:20], our4[:])
		r = append(r, 53, 1, kind, 54, 4, 10, 0, 2, 2, 51, 4, 0, 0, 14, 16, 1, 4, 255, 255, 255, 0, 3, 4, 10, 0, 2, 2, 6, 4, 10, 0, 2, 3, 15, 3, 'l', 'a', 'n', 255)
		reply <- nettest.Ethernet(ourMAC, peerMAC, 0x0800, nettest.IPv4(peer4, our4, 17, nil, nettest.UDP(67, 68, r)))
	})
	leased := make(chan netip.Prefix, 1)
	s := New(Config{Device: dev, DHCP: true, Memory: 1 << 28, Random: testRandom(), Events: Events{Lease: func(p netip.Prefix) { leased <- p }},
		Deny: []netip.Prefix{netip.MustParsePrefix("10.0.2.0/24")}})
	defer s.Close()
	resolver := netip.MustParseAddrPort("10.0.2.3:53")
	if s.Egress.Allows(resolver) {
		t.Error("a denied address is a resolver before the lease says so")
	}
	if s.Configured(1) {
		t.Fatal("configured before the start")
	}
	s.Start()
	go func() {
		for f := range reply {
			dev.Inject(f)
		}
	}()
	if !s.Configured(0) || <-leased != netip.MustParsePrefix("10.0.2.15/24") {
		t.Fatal("no lease")
	}
	if got := string(s.ResolvConf()); got != "nameserver 10.0.2.3\nsearch lan\n" {
		t.Errorf("%q", got)
	}
	if got := string(s.ProcRoute()); strings.Count(got, "eth0") != 2 {
		t.Errorf("%s", got)
	}
	// The lease's resolver may be asked, and nothing else there.
	if !s.Egress.Allows(resolver) || s.Egress.Allows(netip.MustParseAddrPort("10.0.2.3:80")) || s.Egress.Allows(netip.MustParseAddrPort("10.0.2.2:53")) {
		t.Error("exempt is not the lease's resolver alone")
	}
	s.bound(nil)
	if s.Egress.Allows(resolver) {
		t.Error("the resolver is exempt after the lease's end")
	}
}

// TestProcGroups: the protocols' own groups are listed, and those that a socket has
// joined for as long as the stack is a member.
func TestProcGroups(t *testing.T) {
	s := New(Config{Memory: 1 << 28, Random: testRandom()})
	group := tcpip.AddrFrom4([4]byte{239, 1, 2, 3})
	s.GroupJoined(group)
	if text := string(s.ProcIGMP()); strings.Contains(text, "030201EF") || !strings.Contains(text, "010000E0") {
		t.Errorf("before:\n%s", text)
	}
	if err := s.IP.JoinGroup(header.IPv4ProtocolNumber, NICLoopback, group); err != nil {
		t.Fatal(err)
	}
	if text := string(s.ProcIGMP()); !strings.Contains(text, "030201EF") {
		t.Errorf("after:\n%s", text)
	}
	if text := string(s.ProcIGMP6()); !strings.Contains(text, "lo              ff020000000000000000000000000001") {
		t.Errorf("IPv6:\n%s", text)
	}
	for range 3 * maxAsked {
		s.GroupJoined(group)
	}
	if len(s.groups.list) != 1 {
		t.Errorf("%d groups are remembered", len(s.groups.list))
	}
}
