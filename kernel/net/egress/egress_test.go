package egress

import (
	"net/netip"
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
		[]netip.AddrPort{netip.MustParseAddrPort("10.0.2.2:53")},
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
	if n := testing.AllocsPerRun(100, func() { New(nil, nil, nil) }); n > 1 {
		t.Error(n)
	}
	to := netip.MustParseAddrPort("[2001:db8::1]:80")
	if n := testing.AllocsPerRun(100, func() { tab.Check(TCP, to) }); n != 0 {
		t.Error("Check allocates", n)
	}
}
