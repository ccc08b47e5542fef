package socket

import (
	"bytes"
	"encoding/binary"
	"math/rand"
	"net/netip"
	"testing"

	"skerry/kernel/abi"
)

func TestInetAddresses(t *testing.T) {
	var b [AddrMax]byte
	for i := range b {
		b[i] = 0xaa
	}
	n := PutInet(b[:], netip.MustParseAddr("192.0.2.7"), 0x1234)
	if want := []byte{2, 0, 0x12, 0x34, 192, 0, 2, 7, 0, 0, 0, 0, 0, 0, 0, 0}; !bytes.Equal(b[:n], want) {
		t.Errorf("sockaddr_in % x", b[:n])
	}
	if n := PutInet(b[:], netip.MustParseAddr("::ffff:192.0.2.7"), 1); !bytes.Equal(b[4:8], []byte{192, 0, 2, 7}) || n != 16 {
		t.Errorf("mapped % x", b[:n])
	}
	if n := PutInet(b[:], netip.MustParseAddr("fd00::1"), 1); !bytes.Equal(b[4:8], []byte{0, 0, 0, 0}) {
		t.Errorf("an IPv6 address in sockaddr_in % x", b[:n])
	}
	PutInet6(b[:], netip.MustParseAddr("192.0.2.7"), 80, 5)
	if a, e := ParseInet6(b[:28]); e != abi.OK || a.Addr != netip.MustParseAddr("::ffff:192.0.2.7") || a.Port != 80 || a.Scope != 0 {
		t.Error(a, e)
	}
	PutInet6(b[:], netip.MustParseAddr("fe80::1"), 80, 5)
	if a, e := ParseInet6(b[:28]); e != abi.OK || a.Addr != netip.MustParseAddr("fe80::1") || a.Scope != 5 {
		t.Error(a, e)
	}
	if a, e := ParseInet6(b[:24]); e != abi.OK || a.Scope != 0 {
		t.Error("without a scope:", a, e)
	}
	PutInet6(b[:], netip.Addr{}, 0, 5)
	if a, e := ParseInet6(b[:28]); e != abi.OK || a.Addr != netip.IPv6Unspecified() {
		t.Error(a, e)
	}
	for n := 0; n < AddrMax; n++ {
		_, e4 := ParseInet(b[:n])
		_, e6 := ParseInet6(b[:n])
		_, eu := ParseUnix(b[:n])
		_, _, en := ParseNetlink(b[:n])
		_, ef := Family(b[:n])
		if (e4 == abi.OK) != (n >= 16) || (e6 == abi.OK) != (n >= 24) || (eu == abi.OK) != (n >= 2 && n <= 110) ||
			(en == abi.OK) != (n >= 12) || (ef == abi.OK) != (n >= 2) {
			t.Error("length", n, e4, e6, eu, en, ef)
		}
	}
}

func TestUnixAddresses(t *testing.T) {
	long := string(bytes.Repeat([]byte{'x'}, 108))
	var b [AddrMax]byte
	for _, c := range []struct {
		in   string // behind the family
		name Unix
		out  int // length written back
	}{
		{"", Unix{}, 2},
		{"/a", Unix{Name: "/a"}, 5},
		{"/a\x00/b", Unix{Name: "/a"}, 5},
		{"\x00", Unix{Abstract: true}, 3},
		{"\x00a\x00b", Unix{Name: "a\x00b", Abstract: true}, 6},
		{long, Unix{Name: long}, 111},
		{"\x00" + long[1:], Unix{Name: long[1:], Abstract: true}, 110},
	} {
		u, e := ParseUnix(append([]byte{1, 0}, c.in...))
		if e != abi.OK || u != c.name || u.None() != (c.in == "") {
			t.Errorf("%q: %+v %v", c.in, u, e)
		}
		if n := PutUnix(b[:], u); n != c.out {
			t.Errorf("%q: written with %d bytes", c.in, n)
		} else if again, e := ParseUnix(b[:min(n, SizeUnix)]); e != abi.OK || again != u {
			t.Errorf("%q: read again %+v %v", c.in, again, e)
		}
	}
}

func TestTimeval(t *testing.T) {
	tv := func(sec, usec int64) []byte {
		return binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(nil, uint64(sec)), uint64(usec))
	}
	for _, c := range []struct {
		sec, usec int64
		ns        int64
		e         abi.Errno
	}{
		{0, 0, 0, abi.OK},
		{1, 500000, 1_500_000_000, abi.OK},
		{0, 1, 1000, abi.OK},
		{0, 1_000_000, 0, abi.EDOM},
		{0, -1, 0, abi.EDOM},
		{-1, 0, 1, abi.OK},
		{-1 << 63, 999_999, 1, abi.OK},
		{1<<33 - 1, 999_999, (1<<33-1)*1_000_000_000 + 999_999_000, abi.OK},
		{1 << 33, 0, 0, abi.OK},
		{1<<63 - 1, 999_999, 0, abi.OK},
	} {
		if ns, e := Timeval(tv(c.sec, c.usec)); ns != c.ns || e != c.e || ns < 0 {
			t.Error(c, ns, e)
		}
		if c.e == abi.OK && c.ns > 1 {
			b := make([]byte, 20)
			if n := PutTimeval(b, c.ns); n != 16 || !bytes.Equal(b[:16], tv(c.sec, c.usec)) {
				t.Error(c, n, b)
			}
		}
	}
	if _, e := Timeval(make([]byte, 15)); e != abi.EINVAL {
		t.Error(e)
	}
	if n := PutTimeval(make([]byte, 5), 7_000_000_000); n != 5 {
		t.Error(n)
	}
}

// TestPut compares what Put leaves in a buffer of every size with the rules of
// put_cmsg of Linux, and reads it back.
func TestPut(t *testing.T) {
	for room := 0; room < 80; room++ {
		for size := 0; size < 30; size++ {
			buf := bytes.Repeat([]byte{0xee}, room)
			m := RecvMsg{Control: buf}
			data := bytes.Repeat([]byte{7}, size)
			m.Put(1, 2, data)
			cut := room < 16+size
			if got := m.OutFlags&abi.MSG_CTRUNC != 0; got != cut {
				t.Fatal(room, size, "MSG_CTRUNC", got)
			}
			if room < 16 {
				if m.Used != 0 {
					t.Fatal(room, size, m.Used)
				}
				continue
			}
			if want := min((16+size+7)&^7, room); m.Used != want {
				t.Fatal(room, size, m.Used, want)
			}
			if m.Used < room && buf[m.Used] != 0xee {
				t.Fatal(room, size, "wrote beyond what it says")
			}
			c, rest, ok, e := NextCmsg(buf[:m.Used])
			if !ok || e != abi.OK || c.Level != 1 || c.Type != 2 || !bytes.Equal(c.Data, data[:min(size, room-16)]) || len(rest) != 0 {
				t.Fatal(room, size, c, rest, ok, e)
			}
		}
	}
}

// TestWhole: messages count whose last byte, padding aside, was written.
func TestWhole(t *testing.T) {
	m := RecvMsg{Control: make([]byte, 64)}
	m.PutInt(1, 2, 3)             // 0 to 20, padded to 24
	m.Put(1, 3, make([]byte, 8))  // 24 to 48
	m.Put(1, 4, make([]byte, 40)) // 48 to 64, cut
	for n := 0; n <= 64; n++ {
		want := 0
		switch {
		case n >= 64:
			want = 64
		case n >= 48:
			want = 48
		case n >= 20:
			want = 24
		}
		if got := m.Whole(n); got != want || m.Used != 64 {
			t.Errorf("%d: %d, want %d", n, got, want)
		}
	}
}

func TestRightsIn(t *testing.T) {
	var m RecvMsg
	m.Control = make([]byte, 4096)
	m.PutRights([]int32{3, -1, 1 << 30})
	m.PutInt(abi.SOL_IP, abi.IP_TTL, 9)
	m.PutRights([]int32{5})
	fds, e := RightsIn(m.Control[:m.Used])
	if e != abi.OK || len(fds) != 4 || fds[0] != 3 || fds[1] != -1 || fds[2] != 1<<30 || fds[3] != 5 {
		t.Error(fds, e)
	}
	for n, want := range map[int]abi.Errno{253: abi.OK, 254: abi.EINVAL} {
		m := RecvMsg{Control: make([]byte, 4096)}
		m.PutRights(make([]int32, n))
		if fds, e := RightsIn(m.Control[:m.Used]); e != want || e == abi.OK && len(fds) != n {
			t.Error(n, len(fds), e)
		}
	}
	m = RecvMsg{Control: make([]byte, 16+11)}
	if r := m.RightsRoom(); r != 2 {
		t.Error("room for", r)
	}
	if r := (&RecvMsg{Control: make([]byte, 15)}).RightsRoom(); r != 0 {
		t.Error("room for", r)
	}
}

// checkControl walks control messages and compares each step with the bytes.
func checkControl(t *testing.T, b []byte) {
	fds, e := RightsIn(b)
	if e == abi.OK && 4*len(fds) > len(b) {
		t.Fatalf("% x: %d descriptors", b, len(fds))
	}
	for rest := b; ; {
		before := rest
		var c Cmsg
		var ok bool
		c, rest, ok, e = NextCmsg(before)
		if !ok {
			short := len(before) < 16
			if short != (e == abi.OK) {
				t.Fatalf("% x: %v with %d bytes left", b, e, len(before))
			}
			return
		}
		n := int(binary.LittleEndian.Uint64(before))
		if len(c.Data) != n-16 || len(before)-len(rest) < n || len(before)-len(rest) > n+7 {
			t.Fatalf("% x: a message of %d bytes with %d of data, %d taken", b, n, len(c.Data), len(before)-len(rest))
		}
	}
}

// FuzzControl reads arbitrary control messages.
func FuzzControl(f *testing.F) {
	m := RecvMsg{Control: make([]byte, 200)}
	m.PutRights([]int32{1, 2, 3})
	m.PutInt(abi.SOL_IP, abi.IP_TTL, 9)
	f.Add(m.Control[:m.Used])
	f.Add([]byte{})
	f.Add(bytes.Repeat([]byte{0xff}, 40))
	f.Fuzz(checkControl)
}

// FuzzAddr reads arbitrary addresses, and writes what it understood.
func FuzzAddr(f *testing.F) {
	f.Add([]byte{2, 0, 0, 80, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0})
	f.Add([]byte{1, 0, 0, 'a', 0, 'b'})
	f.Add(make([]byte, 28))
	f.Fuzz(checkAddr)
}

func checkAddr(t *testing.T, b []byte) {
	var out [AddrMax]byte
	if a, e := ParseInet(b); e == abi.OK {
		PutInet(out[:], a.Addr, a.Port)
		if !bytes.Equal(out[2:8], b[2:8]) {
			t.Fatalf("% x became % x", b, out[:16])
		}
	}
	if a, e := ParseInet6(b); e == abi.OK {
		PutInet6(out[:], a.Addr, a.Port, a.Scope)
		if !bytes.Equal(out[8:24], b[8:24]) || !bytes.Equal(out[2:4], b[2:4]) {
			t.Fatalf("% x became % x", b, out[:28])
		}
	}
	if u, e := ParseUnix(b); e == abi.OK {
		n := PutUnix(out[:], u)
		if again, e := ParseUnix(out[:min(n, SizeUnix)]); e != abi.OK || again != u {
			t.Fatalf("% x became %+v", b, again)
		}
	}
}

// TestRandom is both fuzz targets with a seed.
func TestRandom(t *testing.T) {
	r := rand.New(rand.NewSource(3))
	for i := 0; i < 100000; i++ {
		b := make([]byte, r.Intn(130))
		r.Read(b)
		checkAddr(t, b)
		for at := 0; at+16 <= len(b); at += 16 + 8*r.Intn(3) {
			binary.LittleEndian.PutUint64(b[at:], uint64(r.Intn(40)))
			if r.Intn(20) == 0 {
				binary.LittleEndian.PutUint64(b[at:], r.Uint64()>>r.Intn(64))
			}
		}
		checkControl(t, b)
	}
}
