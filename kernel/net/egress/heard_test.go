package egress

import (
	"net/netip"
	"testing"
)

// TestHeard: who was heard from may be answered, from that port and for a while, and no
// number of senders makes the table grow without bound.
func TestHeard(t *testing.T) {
	tab := New([]netip.Prefix{netip.MustParsePrefix("10.0.2.2/32"), netip.MustParsePrefix("fec0::/64")}, nil, nil, nil)
	peer := func(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }
	const now = 1000
	for _, s := range []string{"10.0.2.2:4000", "[fec0::2%7]:4000"} {
		tab.Heard(53, peer(s), now)
	}
	for _, c := range []struct {
		local uint16
		to    string
		at    int64
		want  bool
	}{
		{53, "10.0.2.2:4000", now, true},
		{53, "[::ffff:10.0.2.2]:4000", now, true},
		{53, "[fec0::2]:4000", now, true},
		{53, "10.0.2.2:4000", now + int64(AnswerTime), true},
		{54, "10.0.2.2:4000", now, false},
		{53, "10.0.2.2:4001", now, false},
		{53, "10.0.2.3:4000", now, false},
		{0, "10.0.2.2:4000", now, false},
		{53, "10.0.2.2:4000", now + int64(AnswerTime) + 1, false},
		{53, "10.0.2.2:4000", now, false}, // it is forgotten
	} {
		if got := tab.Answers(c.local, peer(c.to), c.at); got != c.want {
			t.Errorf("from %d to %s at %d: %v", c.local, c.to, c.at, got)
		}
	}
	for i := range 3 * maxHeard {
		from := netip.AddrPortFrom(netip.MustParseAddr("10.0.2.2"), uint16(1+i))
		tab.Heard(53, from, int64(2000+i))
		if !tab.Answers(53, from, int64(2000+i)) {
			t.Fatalf("the last of %d is not known", i+1)
		}
	}
	if n := len(tab.heard.last); n != maxHeard {
		t.Errorf("%d senders are known", n)
	}
	// The latest ones are.
	if !tab.Answers(53, peer("10.0.2.2:2050"), 9000) || tab.Answers(53, peer("10.0.2.2:2000"), 9000) {
		t.Error("not the one that was silent for longest went")
	}
	if n := testing.AllocsPerRun(100, func() {
		tab.Heard(53, peer("10.0.2.2:3000"), 9000)
		tab.Answers(53, peer("10.0.2.2:3000"), 9000)
	}); n > 2 { // the two parses
		t.Errorf("%v allocations", n)
	}
	var none *Table
	if !none.Allows(peer("10.0.2.2:1")) {
		t.Error("no table denies")
	}
}
