package inet

import (
	"encoding/binary"
	"testing"
	"time"

	"skerry/kernel/abi"
	"skerry/kernel/net/sockettest"
)

// optionCase is an option with values to set, good and bad ones.
type optionCase struct {
	level, name int
	vals        []int
}

var streamOptions = []optionCase{
	{abi.SOL_SOCKET, abi.SO_REUSEADDR, []int{1, 0, 5}},
	{abi.SOL_SOCKET, abi.SO_REUSEPORT, []int{1, 0}},
	{abi.SOL_SOCKET, abi.SO_KEEPALIVE, []int{1, 0, -1}},
	{abi.SOL_SOCKET, abi.SO_BROADCAST, []int{1}},
	{abi.SOL_SOCKET, abi.SO_TYPE, []int{1}},
	{abi.SOL_SOCKET, abi.SO_DOMAIN, []int{1}},
	{abi.SOL_SOCKET, abi.SO_PROTOCOL, []int{1}},
	{abi.SOL_SOCKET, abi.SO_ACCEPTCONN, []int{1}},
	{abi.SOL_SOCKET, abi.SO_ERROR, []int{1}},
	{abi.SOL_SOCKET, abi.SO_RCVLOWAT, []int{5, 0}},
	{abi.SOL_SOCKET, abi.SO_SNDLOWAT, []int{5}},
	{abi.SOL_SOCKET, abi.SO_OOBINLINE, []int{1, 0}},
	{abi.SOL_SOCKET, abi.SO_PRIORITY, []int{3, 6}},
	{abi.SOL_SOCKET, abi.SO_DONTROUTE, []int{0}},
	{abi.SOL_SOCKET, abi.SO_TIMESTAMP, []int{1, 0}},
	{abi.SOL_SOCKET, abi.SO_TIMESTAMPNS, []int{1}},
	{abi.SOL_SOCKET, 999, []int{1}},
	{abi.SOL_IP, abi.IP_TOS, []int{0x10, 0x48, 0}},
	{abi.SOL_IP, abi.IP_TTL, []int{1, 255, 0, 256, -1, -2}},
	{abi.SOL_IP, abi.IP_MTU_DISCOVER, []int{0, 1, 2, 3, -1, 9}},
	{abi.SOL_IP, abi.IP_RECVERR, []int{1, 0}},
	{abi.SOL_IP, abi.IP_PKTINFO, []int{1, 0}},
	{abi.SOL_IP, abi.IP_RECVTTL, []int{1, 0}},
	{abi.SOL_IP, abi.IP_RECVTOS, []int{1, 0}},
	{abi.SOL_IP, abi.IP_MULTICAST_LOOP, []int{0, 1}},
	{abi.SOL_IP, abi.IP_MULTICAST_TTL, []int{3, 0, 255, 256, -1, -2}},
	{abi.SOL_IP, abi.IP_MULTICAST_ALL, []int{1}},
	{abi.SOL_IP, abi.IP_BIND_ADDRESS_NO_PORT, []int{1, 0}},
	{abi.SOL_IP, abi.IP_MTU, []int{1400}},
	{abi.SOL_IP, 999, []int{1}},
	{abi.SOL_TCP, abi.TCP_NODELAY, []int{1, 0}},
	{abi.SOL_TCP, abi.TCP_CORK, []int{1, 0}},
	{abi.SOL_TCP, abi.TCP_KEEPIDLE, []int{1, 32767, 0, 32768, -1}},
	{abi.SOL_TCP, abi.TCP_KEEPINTVL, []int{1, 32767, 0, 32768}},
	{abi.SOL_TCP, abi.TCP_KEEPCNT, []int{1, 127, 0, 128}},
	{abi.SOL_TCP, abi.TCP_USER_TIMEOUT, []int{0, 1, 30000, -1}},
	{abi.SOL_TCP, abi.TCP_DEFER_ACCEPT, []int{0, 1, 2, 3, 4, 7, 8, 30, 60}},
	{abi.SOL_TCP, abi.TCP_LINGER2, []int{5, 120}},
	{abi.SOL_TCP, abi.TCP_MAXSEG, []int{88, 1000, 32767, 87, 32768, -1}},
	{abi.SOL_TCP, abi.TCP_QUICKACK, []int{1}},
	{abi.SOL_TCP, 999, []int{1}},
	{999, 1, []int{1}},
}

var v6Options = []optionCase{
	{abi.SOL_IPV6, abi.IPV6_V6ONLY, []int{1, 0}},
	{abi.SOL_IPV6, abi.IPV6_UNICAST_HOPS, []int{1, 255, -1, -2, 256}},
	{abi.SOL_IPV6, abi.IPV6_RECVPKTINFO, []int{1, 0}},
	{abi.SOL_IPV6, abi.IPV6_RECVHOPLIMIT, []int{1, 0}},
	{abi.SOL_IPV6, abi.IPV6_RECVTCLASS, []int{1, 0}},
	{abi.SOL_IPV6, abi.IPV6_RECVERR, []int{1, 0}},
	{abi.SOL_IPV6, abi.IPV6_TCLASS, []int{0x48, 0, -1, -2, 256}},
	{abi.SOL_IPV6, abi.IPV6_MTU_DISCOVER, []int{0, 1, 2, 3, -1, 9}},
	{abi.SOL_IPV6, abi.IPV6_MULTICAST_LOOP, []int{0, 1, 2}},
	{abi.SOL_IPV6, abi.IPV6_MTU, []int{}},
	{abi.SOL_IPV6, 999, []int{1}},
	{abi.SOL_IP, abi.IP_TOS, []int{0x10}},
}

func TestOptions(t *testing.T) {
	check := func(domain, typ int, cases []optionCase) func(*script) {
		return func(x *script) {
			for _, c := range cases {
				s := x.NewSocket("s", domain, typ)
				x.Get(s, c.level, c.name, 4)
				for _, v := range c.vals {
					x.Set(s, c.level, c.name, i32(v))
					x.Get(s, c.level, c.name, 4)
				}
				if c.level != abi.SOL_IPV6 || c.name != 999 { // which error comes first is Linux's secret
					x.Set(s, c.level, c.name, []byte{1, 0, 0})
					x.Set(s, c.level, c.name, nil)
				}
				x.Get(s, c.level, c.name, 2)
				x.Get(s, c.level, c.name, 1)
				x.Get(s, c.level, c.name, 8)
				x.Close(s)
			}
		}
	}
	diff(t, "TCP", check(abi.AF_INET, abi.SOCK_STREAM, streamOptions))
	diff(t, "UDP", check(abi.AF_INET, abi.SOCK_DGRAM, streamOptions[:30]))
	diff(t, "TCP6", check(abi.AF_INET6, abi.SOCK_STREAM, v6Options))
	diff(t, "UDP6", check(abi.AF_INET6, abi.SOCK_DGRAM, v6Options))
	diff(t, "structures", func(x *script) {
		s := x.NewSocket("s", abi.AF_INET, abi.SOCK_STREAM)
		x.Get(s, abi.SOL_SOCKET, abi.SO_LINGER, 8)
		x.Set(s, abi.SOL_SOCKET, abi.SO_LINGER, append(i32(1), i32(7)...))
		x.Get(s, abi.SOL_SOCKET, abi.SO_LINGER, 8)
		x.Set(s, abi.SOL_SOCKET, abi.SO_LINGER, i32(1))
		x.Get(s, abi.SOL_SOCKET, abi.SO_LINGER, 5)
		tv := func(sec, usec int) []byte {
			b := binary.LittleEndian.AppendUint64(nil, uint64(sec))
			return binary.LittleEndian.AppendUint64(b, uint64(usec))
		}
		for _, o := range []int{abi.SO_RCVTIMEO, abi.SO_SNDTIMEO} {
			x.Get(s, abi.SOL_SOCKET, o, 16)
			for _, v := range [][]byte{tv(1, 500000), tv(0, 0), tv(0, 1000000), tv(0, -1), tv(3, 0)[:15], tv(2, 4000)} {
				x.Set(s, abi.SOL_SOCKET, o, v)
				x.Get(s, abi.SOL_SOCKET, o, 16)
			}
		}
		x.Set(s, abi.SOL_TCP, abi.TCP_CONGESTION, []byte("reno"))
		x.Get(s, abi.SOL_TCP, abi.TCP_CONGESTION, 16)
		x.Set(s, abi.SOL_TCP, abi.TCP_CONGESTION, []byte("nonesuch"))
		x.Set(s, abi.SOL_TCP, abi.TCP_CONGESTION, nil)
		x.Set(s, abi.SOL_SOCKET, abi.SO_BINDTODEVICE, []byte("lo\x00"))
		x.Get(s, abi.SOL_SOCKET, abi.SO_BINDTODEVICE, 16)
		x.Set(s, abi.SOL_SOCKET, abi.SO_BINDTODEVICE, []byte("nonesuch\x00"))
		x.Get(s, abi.SOL_IP, abi.IP_OPTIONS, 40)
	})
	diff(t, "buffers", func(x *script) {
		for _, typ := range []int{abi.SOCK_STREAM, abi.SOCK_DGRAM} {
			s := x.NewSocket("s", abi.AF_INET, typ)
			for _, o := range []int{abi.SO_SNDBUF, abi.SO_RCVBUF} {
				x.Get(s, abi.SOL_SOCKET, o, 4)
				for _, v := range []int{0, 1, 4096, 100000, 212992} {
					x.Set(s, abi.SOL_SOCKET, o, i32(v))
					x.Get(s, abi.SOL_SOCKET, o, 4)
				}
			}
		}
	})
	diff(t, "inherited", func(x *script) {
		l, a := x.Listener(abi.AF_INET)
		x.Set(l, abi.SOL_TCP, abi.TCP_NODELAY, i32(1))
		x.Set(l, abi.SOL_SOCKET, abi.SO_KEEPALIVE, i32(1))
		x.Set(l, abi.SOL_TCP, abi.TCP_KEEPIDLE, i32(77))
		x.Set(l, abi.SOL_SOCKET, abi.SO_RCVBUF, i32(30000))
		x.Set(l, abi.SOL_SOCKET, abi.SO_LINGER, append(i32(1), i32(3)...))
		x.Set(l, abi.SOL_IP, abi.IP_TOS, i32(0x10))
		x.Set(l, abi.SOL_SOCKET, abi.SO_RCVTIMEO, append(i32(3), make([]byte, 12)...))
		x.Set(l, abi.SOL_SOCKET, abi.SO_REUSEADDR, i32(1))
		c := x.NewSocket("c", abi.AF_INET, abi.SOCK_STREAM)
		x.Connect(c, a)
		x.Settle(l, 1)
		s := x.Accept(l, "s")
		for _, o := range [][3]int{{abi.SOL_TCP, abi.TCP_NODELAY, 4}, {abi.SOL_SOCKET, abi.SO_KEEPALIVE, 4}, {abi.SOL_TCP, abi.TCP_KEEPIDLE, 4},
			{abi.SOL_SOCKET, abi.SO_RCVBUF, 4}, {abi.SOL_SOCKET, abi.SO_LINGER, 8}, {abi.SOL_IP, abi.IP_TOS, 4},
			{abi.SOL_SOCKET, abi.SO_RCVTIMEO, 16}, {abi.SOL_SOCKET, abi.SO_ACCEPTCONN, 4}, {abi.SOL_IP, abi.IP_MTU, 4}} {
			x.Get(s, o[0], o[1], o[2])
		}
	})
}

// TestTCPInfo checks what a real connection says of itself.
func TestTCPInfo(t *testing.T) {
	h := newHost(t)
	x := sockettest.Alone(t, h.Socket)
	c, s, _ := x.Pair()
	data := make([]byte, 100000)
	sent := 0
	got := 0
	for got < len(data) {
		if n, e := x.SendMsg(c, data[sent:], 0, nil, nil); e == 0 {
			sent += n
		}
		b := make([]byte, 1<<16)
		if n, _, _, _, e := x.RecvMsg(s, b, 0, nil, nil); e == 0 {
			got += n
		}
		time.Sleep(time.Millisecond)
	}
	time.Sleep(50 * time.Millisecond)
	var i [infoSize]byte
	if n, e := x.GetOption(c, abi.SOL_TCP, abi.TCP_INFO, i[:]); n != infoSize || e != 0 {
		t.Fatal(n, e)
	}
	u32 := func(at int) int { return int(binary.LittleEndian.Uint32(i[at:])) }
	u64 := func(at int) int { return int(binary.LittleEndian.Uint64(i[at:])) }
	if i[0] != 1 || i[5] != abi.TCPI_OPT_TIMESTAMPS|abi.TCPI_OPT_SACK|abi.TCPI_OPT_WSCALE || i[6] == 0 {
		t.Errorf("state %d, options %d, scales %#x", i[0], i[5], i[6])
	}
	if rto, mss, cwnd := u32(8), u32(16), u32(80); rto < 100000 || mss < 30000 || cwnd < 10 {
		t.Errorf("rto %d µs, mss %d, cwnd %d", rto, mss, cwnd)
	}
	if u64(120) != len(data) || u64(200) != len(data) || u32(144) != 0 || u32(24) != 0 {
		t.Errorf("acked %d, sent %d, unsent %d, unacked %d", u64(120), u64(200), u32(144), u32(24))
	}
	if u32(136) < 3 || u32(140) < 3 || u32(60) != 65536 || u32(84) < 30000 {
		t.Errorf("segments out %d, in %d, pmtu %d, advmss %d", u32(136), u32(140), u32(60), u32(84))
	}
	if n, _ := x.GetOption(s, abi.SOL_TCP, abi.TCP_INFO, i[:]); n != infoSize || u64(128) != len(data) {
		t.Errorf("received %d", u64(128))
	}
	if n, _ := x.GetOption(s, abi.SOL_TCP, abi.TCP_INFO, i[:10]); n != 10 {
		t.Error("short buffer", n)
	}
	for _, f := range []string{"SndWndScale", "MaxPayloadSize", "SndUna", "SndNxt", "Outstanding", "SackedOut", "SndWnd"} {
		if senderField(h.someStream().ep.Load().tcp, f) == 0 && f != "Outstanding" && f != "SackedOut" {
			t.Errorf("field %s of the sender is gone", f)
		}
	}
}

// someStream is a connected stream of the host.
func (h *Host) someStream() *Stream {
	h.reg.mu.Lock()
	defer h.reg.mu.Unlock()
	for s := range h.reg.streams {
		if s.state == connected {
			return s
		}
	}
	return nil
}
