package netlink

import (
	"bytes"
	"encoding/binary"
	"math/rand"
	"net/netip"
	"sync"
	"syscall"
	"testing"

	"skerry/kernel/abi"
	"skerry/kernel/hw/nic"
	"skerry/kernel/net/nettest"
	"skerry/kernel/net/socket"
	"skerry/kernel/net/sockettest"
	"skerry/kernel/net/stack"
	"skerry/kernel/usermem"
)

func newStack(t testing.TB) (*stack.Stack, *nettest.Dev) {
	var mu sync.Mutex
	rng := rand.New(rand.NewSource(42))
	d := nettest.NewWire(nic.Caps{}, 1500, func(nettest.Frame) {})
	st := stack.New(stack.Config{
		Device: d, Memory: 256 << 20,
		V4:     stack.Iface{Addr: netip.MustParsePrefix("10.0.2.15/24"), Gateway: netip.MustParseAddr("10.0.2.2")},
		V6:     stack.Iface{Addr: netip.MustParsePrefix("fd00::15/64"), Gateway: netip.MustParseAddr("fd00::2")},
		Random: func(b []byte) { mu.Lock(); rng.Read(b); mu.Unlock() },
	})
	st.Start()
	t.Cleanup(st.Close)
	return st, d
}

func request(typ, flags uint16, body []byte) []byte {
	b := binary.LittleEndian.AppendUint32(nil, uint32(hdrSize+len(body)))
	b = binary.LittleEndian.AppendUint16(b, typ)
	b = binary.LittleEndian.AppendUint16(b, flags)
	b = binary.LittleEndian.AppendUint32(b, 77)
	b = binary.LittleEndian.AppendUint32(b, 0)
	return append(b, body...)
}

func send(s *Socket, b []byte) (int, abi.Errno) {
	var v usermem.Vec
	v.InitBytes(b)
	return s.Send(&v, &socket.SendMsg{Addr: make20()})
}

func make20() []byte { b := make([]byte, 12); socket.PutNetlink(b, 0, 0); return b }

// all receives everything that waits.
func all(s *Socket) []byte {
	var out []byte
	for {
		b := make([]byte, 64<<10)
		var v usermem.Vec
		v.InitBytes(b)
		n, e := s.Recv(&v, &socket.RecvMsg{})
		if e != abi.OK {
			return out
		}
		out = append(out, b[:n]...)
	}
}

// TestDumps reads answers with the parsers of Go's own syscall package, which
// net.Interfaces uses.
func TestDumps(t *testing.T) {
	st, _ := newStack(t)
	f := New(st)
	s, e := f.Socket(abi.SOCK_RAW, 0)
	if e != abi.OK {
		t.Fatal(e)
	}
	dump := func(typ uint16, family byte) []syscall.NetlinkMessage {
		if _, e := send(s, request(typ, abi.NLM_F_REQUEST|abi.NLM_F_DUMP, []byte{family})); e != abi.OK {
			t.Fatal(e)
		}
		msgs, err := syscall.ParseNetlinkMessage(all(s))
		if err != nil {
			t.Fatal(err)
		}
		if len(msgs) == 0 || msgs[len(msgs)-1].Header.Type != abi.NLMSG_DONE {
			t.Fatal("no end of the dump")
		}
		for _, m := range msgs {
			if m.Header.Seq != 77 || m.Header.Pid != 1 || m.Header.Flags&abi.NLM_F_MULTI == 0 {
				t.Fatalf("%+v", m.Header)
			}
		}
		return msgs[:len(msgs)-1]
	}
	attr := func(m *syscall.NetlinkMessage, typ uint16) []byte {
		list, err := syscall.ParseNetlinkRouteAttr(m)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range list {
			if a.Attr.Type == typ {
				return a.Value
			}
		}
		return nil
	}
	links := dump(abi.RTM_GETLINK, 0)
	if len(links) != 2 || string(attr(&links[0], abi.IFLA_IFNAME)) != "lo\x00" || string(attr(&links[1], abi.IFLA_IFNAME)) != "eth0\x00" ||
		!bytes.Equal(attr(&links[1], abi.IFLA_ADDRESS), []byte{2, 0, 0, 0, 0, 1}) || binary.LittleEndian.Uint32(attr(&links[1], abi.IFLA_MTU)) != 1500 {
		t.Fatalf("%+v", links)
	}
	if fl := binary.LittleEndian.Uint32(links[1].Data[8:]); fl != abi.IFF_UP|abi.IFF_BROADCAST|abi.IFF_MULTICAST|abi.IFF_RUNNING|abi.IFF_LOWER_UP {
		t.Errorf("flags %#x", fl)
	}
	var got []string
	for _, m := range dump(abi.RTM_GETADDR, 0) {
		a, _ := netip.AddrFromSlice(attr(&m, abi.IFA_ADDRESS))
		got = append(got, netip.PrefixFrom(a, int(m.Data[1])).String())
	}
	want := map[string]bool{"127.0.0.1/8": true, "::1/128": true, "10.0.2.15/24": true, "fd00::15/64": true, "fe80::ff:fe00:1/64": true}
	for _, g := range got {
		if !want[g] {
			t.Errorf("unexpected address %s", g)
		}
		delete(want, g)
	}
	if len(want) != 0 {
		t.Errorf("missing %v", want)
	}
	if n := len(dump(abi.RTM_GETADDR, abi.AF_INET)); n != 2 {
		t.Error(n, "IPv4 addresses")
	}
	if n := len(dump(abi.RTM_GETADDR, abi.AF_INET6)); n != 3 {
		t.Error(n, "IPv6 addresses")
	}
	defaults := 0
	for _, m := range dump(abi.RTM_GETROUTE, 0) {
		if m.Data[1] == 0 && attr(&m, abi.RTA_GATEWAY) != nil {
			defaults++
		}
	}
	if defaults != 2 {
		t.Error(defaults, "default routes")
	}
	if n := len(dump(abi.RTM_GETNEIGH, 0)); n != 1 { // the IPv4 gateway, being asked for
		t.Error(n, "neighbours")
	}
	s.Release()
	if st.Budget.Used() != 0 {
		t.Error(st.Budget.Used())
	}
}

// errorOf is the errno of an answer that is an error or acknowledgement.
func errorOf(t *testing.T, b []byte) abi.Errno {
	if len(b) < 20 || binary.LittleEndian.Uint16(b[4:]) != abi.NLMSG_ERROR {
		t.Fatalf("no error: % x", b)
	}
	return abi.Errno(-int32(binary.LittleEndian.Uint32(b[16:])))
}

func TestRequests(t *testing.T) {
	st, _ := newStack(t)
	f := New(st)
	s, _ := f.Socket(abi.SOCK_DGRAM, 0)
	ask := func(typ, flags uint16, body []byte) []byte {
		send(s, request(typ, flags, body))
		return all(s)
	}
	link := make([]byte, 16)
	link[4] = 2
	if b := ask(abi.RTM_GETLINK, abi.NLM_F_REQUEST, link); !bytes.Contains(b, []byte("eth0\x00")) {
		t.Errorf("% x", b)
	}
	link[4] = 9
	if e := errorOf(t, ask(abi.RTM_GETLINK, abi.NLM_F_REQUEST, link)); e != abi.ENODEV {
		t.Error(e)
	}
	link[4] = 0
	if b := ask(abi.RTM_GETLINK, abi.NLM_F_REQUEST, append(link, 7, 0, 3, 0, 'l', 'o', 0, 0)); !bytes.Contains(b, []byte("lo\x00")) {
		t.Errorf("% x", b)
	}
	if e := errorOf(t, ask(abi.RTM_GETLINK, abi.NLM_F_REQUEST, link)); e != abi.EINVAL {
		t.Error(e)
	}
	refused := map[uint16]int{}
	s.f.Refused = func(typ uint16) { refused[typ]++ }
	defer func() {
		for typ := uint16(16); typ < 130; typ++ {
			if want := typ <= rtmMax && typ&3 != 2; refused[typ] != map[bool]int{true: 1}[want] {
				t.Errorf("type %d: told of %d times", typ, refused[typ])
			}
		}
	}()
	for typ := uint16(16); typ < 130; typ++ {
		b := ask(typ, abi.NLM_F_REQUEST|abi.NLM_F_ACK, make([]byte, 16))
		want := abi.EPERM
		switch {
		case typ > rtmMax:
			want = abi.EOPNOTSUPP
		case typ == abi.RTM_GETLINK || typ == abi.RTM_GETROUTE:
			want = abi.EINVAL
		case typ&3 == 2:
			want = abi.EOPNOTSUPP
		}
		if e := errorOf(t, b); e != want {
			t.Errorf("type %d: %v, want %v", typ, e, want)
		}
	}
	way := func(dst string) []byte {
		a := netip.MustParseAddr(dst)
		b := make([]byte, 12)
		b[0] = familyOf(a)
		b = binary.LittleEndian.AppendUint16(b, uint16(4+len(a.AsSlice())))
		b = binary.LittleEndian.AppendUint16(b, abi.RTA_DST)
		return ask(abi.RTM_GETROUTE, abi.NLM_F_REQUEST, append(b, a.AsSlice()...))
	}
	if b := way("8.8.8.8"); !bytes.Contains(b, []byte{8, 0, abi.RTA_GATEWAY, 0, 10, 0, 2, 2}) || !bytes.Contains(b, []byte{8, 0, abi.RTA_PREFSRC, 0, 10, 0, 2, 15}) {
		t.Errorf("% x", b)
	}
	if b := way("10.0.2.7"); bytes.Contains(b, []byte{8, 0, abi.RTA_GATEWAY, 0}) {
		t.Errorf("% x", b)
	}
	if b := way("127.0.0.1"); !bytes.Contains(b, []byte{8, 0, abi.RTA_OIF, 0, 1, 0, 0, 0}) {
		t.Errorf("% x", b)
	}
	// Acknowledgement, two requests in one datagram, and no request at all.
	if e := errorOf(t, ask(abi.NLMSG_DONE, abi.NLM_F_ACK, nil)); e != abi.OK {
		t.Error(e)
	}
	two := append(request(abi.RTM_GETLINK, abi.NLM_F_REQUEST|abi.NLM_F_DUMP, []byte{0, 0, 0, 0}), request(abi.RTM_GETADDR, abi.NLM_F_REQUEST|abi.NLM_F_DUMP, []byte{0})...)
	send(s, two)
	if msgs, _ := syscall.ParseNetlinkMessage(all(s)); len(msgs) != 2+1+5+1 {
		t.Error(len(msgs), "messages")
	}
	if b := ask(abi.RTM_GETLINK, 0, nil); len(b) != 0 {
		t.Errorf("% x", b)
	}
	var v usermem.Vec
	v.InitBytes(two)
	group := make([]byte, 12)
	socket.PutNetlink(group, 0, 1)
	if _, e := s.Send(&v, &socket.SendMsg{Addr: group}); e != abi.EPERM {
		t.Error(e)
	}
	socket.PutNetlink(group, 5, 0)
	if _, e := s.Send(&v, &socket.SendMsg{Addr: group}); e != abi.ECONNREFUSED {
		t.Error(e)
	}
}

// TestChanges subscribes to what happens to the link.
func TestChanges(t *testing.T) {
	st, d := newStack(t)
	f := New(st)
	s, _ := f.Socket(abi.SOCK_RAW, 0)
	addr := make([]byte, 12)
	socket.PutNetlink(addr, 0, abi.RTMGRP_LINK|abi.RTMGRP_IPV4_IFADDR)
	if e := s.Bind(addr); e != abi.OK {
		t.Fatal(e)
	}
	d.Receiver().Link(false)
	msgs, err := syscall.ParseNetlinkMessage(all(s))
	if err != nil || len(msgs) != 1 || msgs[0].Header.Type != abi.RTM_NEWLINK || binary.LittleEndian.Uint32(msgs[0].Data[8:])&abi.IFF_RUNNING != 0 {
		t.Fatalf("%+v %v", msgs, err)
	}
	// Nobody reads: the queue is bounded and says so.
	s.SetOption(abi.SOL_SOCKET, abi.SO_RCVBUF, sockettest.I32(0))
	for i := 0; i < 1000; i++ {
		d.Receiver().Link(i%2 == 0)
	}
	var v usermem.Vec
	v.InitBytes(make([]byte, 10))
	if _, e := s.Recv(&v, &socket.RecvMsg{}); e != abi.ENOBUFS {
		t.Error(e)
	}
	if s.bytes > 10000 {
		t.Error(s.bytes)
	}
	s.Release()
}

func TestSocketCalls(t *testing.T) {
	st, _ := newStack(t)
	f := New(st)
	mk := func(_, typ, proto int) (socket.Socket, abi.Errno) {
		s, e := f.Socket(typ, proto)
		if e != abi.OK {
			return nil, e
		}
		return s, e
	}
	sockettest.Diff(t, func(x *sockettest.Script) {
		s := x.NewSocket("s", abi.AF_NETLINK, abi.SOCK_RAW)
		x.Poll(s)
		x.Recv(s, 10, 0)
		x.Accept(s, "a")
		x.Listen(s, 1)
		x.Shutdown(s, 2)
		x.Bind(s, make([]byte, 2))
		x.Bind(s, append([]byte{2, 0}, make([]byte, 10)...))
		x.Get(s, abi.SOL_SOCKET, abi.SO_TYPE, 4)
		x.Get(s, abi.SOL_SOCKET, abi.SO_DOMAIN, 4)
		x.Get(s, abi.SOL_SOCKET, abi.SO_PROTOCOL, 4)
		x.Peer(s)
		x.Error(s)
		for _, c := range [][2]int{{1, 0}, {2, 0}, {3, 0}, {5, 0}} {
			x.Note("%v: %v", c, x.TrySocket(abi.AF_NETLINK, c[0], c[1]))
		}
	}, mk)
	for _, p := range []int{1, 4, 6, 12, 15, 16, 31} {
		if _, e := f.Socket(abi.SOCK_RAW, p); e != abi.EPROTONOSUPPORT {
			t.Error(p, e)
		}
	}
	// The first socket's port is the process, others' are their own.
	a, _ := f.Socket(abi.SOCK_RAW, 0)
	b, _ := f.Socket(abi.SOCK_RAW, 0)
	a.Bind(make20())
	b.Bind(make20())
	if a.port != 1 || b.port == 1 || b.port == 0 {
		t.Error(a.port, b.port)
	}
	c, _ := f.Socket(abi.SOCK_RAW, 0)
	taken := make([]byte, 12)
	socket.PutNetlink(taken, 1, 0)
	if e := c.Bind(taken); e != abi.EADDRINUSE {
		t.Error(e)
	}
}

// FuzzRequest feeds arbitrary requests; the oracle is no panic, and answers that
// parse.
func FuzzRequest(f *testing.F) {
	st, _ := newStack(f)
	fam := New(st)
	f.Add(request(abi.RTM_GETLINK, abi.NLM_F_REQUEST|abi.NLM_F_DUMP, []byte{0}))
	f.Add(request(abi.RTM_GETROUTE, abi.NLM_F_REQUEST, append([]byte{2, 32, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0, 1, 0, 8, 8, 8, 8}, 0)))
	f.Fuzz(func(t *testing.T, b []byte) { try(t, fam, b) })
}

func try(t *testing.T, fam *Family, b []byte) {
	s, e := fam.Socket(abi.SOCK_RAW, 0)
	if e != abi.OK {
		t.Fatal(e)
	}
	send(s, b)
	if _, err := syscall.ParseNetlinkMessage(all(s)); err != nil {
		t.Fatalf("answer to % x: %v", b, err)
	}
	s.Release()
}

func TestRandomRequests(t *testing.T) {
	st, _ := newStack(t)
	fam := New(st)
	rng := rand.New(rand.NewSource(5))
	seeds := [][]byte{
		request(abi.RTM_GETLINK, abi.NLM_F_REQUEST|abi.NLM_F_DUMP, []byte{0, 0, 0, 0}),
		request(abi.RTM_GETLINK, abi.NLM_F_REQUEST, append(make([]byte, 16), 7, 0, 3, 0, 'l', 'o', 0, 0)),
		request(abi.RTM_GETROUTE, abi.NLM_F_REQUEST, []byte{2, 32, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0, 1, 0, 8, 8, 8, 8}),
		append(request(abi.RTM_GETADDR, abi.NLM_F_REQUEST|abi.NLM_F_DUMP, []byte{2, 0, 0, 0}), request(abi.RTM_NEWLINK, abi.NLM_F_REQUEST|abi.NLM_F_ACK, make([]byte, 16))...),
	}
	for i := 0; i < 20000; i++ {
		b := append([]byte(nil), seeds[rng.Intn(len(seeds))]...)
		for n := rng.Intn(4); n >= 0; n-- {
			b[rng.Intn(len(b))] = byte(rng.Intn(256))
		}
		try(t, fam, b[:len(b)-rng.Intn(3)*rng.Intn(len(b)/3)])
	}
	if st.Budget.Used() != 0 {
		t.Error(st.Budget.Used())
	}
}
