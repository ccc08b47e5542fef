package egress

import (
	"math/rand/v2"
	"net/netip"
	"syscall"
	"testing"
)

func TestReduce(t *testing.T) {
	for in, want := range map[string]string{
		"::ffff:169.254.169.254":               "169.254.169.254",
		"::169.254.169.254":                    "169.254.169.254",
		"64:ff9b::a9fe:a9fe":                   "169.254.169.254",
		"64:ff9b:1::a9fe:a9fe":                 "169.254.169.254",
		"2002:a9fe:a9fe::1":                    "169.254.169.254",
		"2001:0:4136:e378:8000:63bf:5601:5601": "169.254.169.254",
		"2001:db8::1":                          "",
		"::1":                                  "",
		"::":                                   "",
		"fe80::1":                              "",
		"10.0.0.1":                             "",
	} {
		got, ok := Reduce(netip.MustParseAddr(in))
		if ok != (want != "") || ok && got.String() != want {
			t.Errorf("%s: %v %v, want %q", in, got, ok, want)
		}
	}
}

// TestMatrix asks for a denied and an allowed address in every form it has.
func TestMatrix(t *testing.T) {
	var audited []netip.AddrPort
	tab := New(
		[]netip.Prefix{netip.MustParsePrefix("169.254.0.0/16"), netip.MustParsePrefix("10.0.2.2/32"),
			netip.MustParsePrefix("fec0::2/128"), netip.MustParsePrefix("::ffff:192.0.2.0/120")},
		[]netip.AddrPort{netip.MustParseAddrPort("10.0.2.2:53")}, nil,
		func(_ Proto, a netip.AddrPort) { audited = append(audited, a) })
	denied := []string{
		"169.254.169.254:80", "[::ffff:169.254.169.254]:80", "[::169.254.169.254]:80", "[64:ff9b::a9fe:a9fe]:80",
		"[2002:a9fe:a9fe::]:80", "[2001:0:4136:e378:8000:63bf:5601:5601]:80", "10.0.2.2:80", "[::ffff:10.0.2.2]:80",
		"[fec0::2]:53", "[fec0::2%eth0]:1", "192.0.2.77:1", "10.0.2.2:0",
	}
	for _, s := range denied {
		if tab.Check(TCP, netip.MustParseAddrPort(s)) {
			t.Errorf("%s allowed", s)
		}
	}
	for _, s := range []string{"8.8.8.8:80", "[2001:db8::1]:80", "10.0.2.2:53", "[::ffff:10.0.2.2]:53", "10.0.2.3:80",
		"[fec0::3]:80", "192.0.3.1:1", "[64:ff9b::808:808]:53"} {
		if !tab.Check(UDP, netip.MustParseAddrPort(s)) {
			t.Errorf("%s denied", s)
		}
	}
	if len(audited) != len(denied) || tab.Denied() != uint64(len(denied)) {
		t.Error(audited)
	}
	// Exempt endpoints may change, but not what is denied.
	tab.SetExempt([]netip.AddrPort{netip.MustParseAddrPort("[::ffff:169.254.169.254]:53")})
	for s, want := range map[string]bool{"10.0.2.2:53": false, "169.254.169.254:53": true, "169.254.169.254:80": false} {
		if tab.Allows(netip.MustParseAddrPort(s)) != want {
			t.Errorf("%s with other exempt endpoints: %v", s, !want)
		}
	}
	if tab.SetExempt(nil); tab.Allows(netip.MustParseAddrPort("169.254.169.254:53")) {
		t.Error("still exempt")
	}
	var none *Table
	if !none.Check(TCP, netip.MustParseAddrPort("169.254.169.254:80")) || none.Denied() != 0 {
		t.Error("nil table")
	}
	if n := testing.AllocsPerRun(100, func() { New(nil, nil, nil, nil) }); n > 1 {
		t.Error(n)
	}
	to := netip.MustParseAddrPort("[2001:db8::1]:80")
	if n := testing.AllocsPerRun(100, func() { tab.Check(TCP, to) }); n != 0 {
		t.Error("Check allocates", n)
	}
}

// TestSealed: whatever is denied stands on the pages that the table was given, and nothing
// is written to them once it is made: here they are read-only then, as in a machine, and
// a store would end the test.
func TestSealed(t *testing.T) {
	var pages [][]byte
	sealed := func() []byte {
		b, err := syscall.Mmap(-1, 0, 4096, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_PRIVATE|syscall.MAP_ANON)
		if err != nil {
			t.Fatal(err)
		}
		pages = append(pages, b)
		return b
	}
	protect := func(prot int) {
		for _, p := range pages {
			if err := syscall.Mprotect(p, prot); err != nil {
				t.Fatal(err)
			}
		}
	}
	var deny []netip.Prefix
	for i := range 256 { // the most that a machine is given
		deny = append(deny, netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 1, byte(i), 7}), 32))
	}
	at := func(i int) netip.AddrPort { return netip.AddrPortFrom(deny[i].Addr(), 80) }
	tab := New(deny, []netip.AddrPort{at(9)}, sealed, func(Proto, netip.AddrPort) {})
	protect(syscall.PROT_READ)
	if len(pages) != 2 || tab.Empty() {
		t.Errorf("%d pages", len(pages))
	}
	for i := range deny {
		if tab.Check(TCP, at(i)) != (i == 9) || !tab.Allows(netip.AddrPortFrom(at(i).Addr().Next(), 80)) {
			t.Errorf("%v", at(i))
		}
	}
	tab.SetExempt([]netip.AddrPort{at(200)})
	if tab.Check(UDP, at(9)) || !tab.Check(UDP, at(200)) || tab.Denied() != 256 {
		t.Error("other exempt addresses; denied", tab.Denied())
	}
	// Nothing else is asked: what the pages say is so.
	protect(syscall.PROT_READ | syscall.PROT_WRITE)
	const perPage = 4096 / entrySize
	for i := range deny {
		e := pages[i/perPage][i%perPage*entrySize:]
		e[15] ^= 0x80
		if !tab.Allows(at(i)) {
			t.Errorf("%v is denied from elsewhere", at(i))
		}
		e[15] ^= 0x80
	}
	for _, p := range pages {
		clear(p)
	}
	if !tab.Empty() || !tab.Allows(at(0)) {
		t.Error("denied by no page")
	}
}

// TestPrefixes: prefixes are as netip has them, of every length and family.
func TestPrefixes(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	draw := func() netip.Addr {
		var b [16]byte
		for i := range b {
			b[i] = byte(rnd.Uint32()) & byte(rnd.Uint32()) & 0x81
		}
		switch rnd.IntN(3) {
		case 0:
			return netip.AddrFrom4([4]byte(b[:4]))
		case 1:
			copy(b[:12], "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff")
		}
		return netip.AddrFrom16(b)
	}
	denied := 0
	for range 20000 {
		var deny []netip.Prefix
		for range rnd.IntN(4) {
			a := draw()
			deny = append(deny, netip.PrefixFrom(a, rnd.IntN(a.BitLen()+1)))
		}
		tab := New(deny, nil, nil, nil)
		if tab.Empty() != (len(deny) == 0) {
			t.Fatal(deny)
		}
		for range 10 {
			a, want := draw().Unmap(), true
			for _, p := range deny {
				if p.Addr().Is4In6() && p.Bits() >= 96 {
					p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
				}
				want = want && !p.Masked().Contains(a)
			}
			if !want {
				denied++
			}
			if got := tab.allows(a, 1); got != want {
				t.Fatalf("%v of %v: %v", a, deny, got)
			}
		}
	}
	if denied < 1000 {
		t.Error(denied, "denied")
	}
}
