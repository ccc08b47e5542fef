package bootrec

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"strings"
	"testing"
)

func full() *Record {
	r := &Record{
		Program: "/srv/app", Args: []string{"./app", "", "x y", "\xff\n"},
		Env: []string{"PATH=/bin", "EMPTY=", "A==b"}, Cwd: "/var/lib", Hostname: "app-1.example",
		CPUs: 8, Memory: 256 << 20, Wall: 1_700_000_000_123_456_789, StopTimeout: 10e9,
		Trace: true, Verbose: true, Data: true, Audit: true, Policy: []byte{0, 1, 2}, JIT: 64 << 20,
		Tmpfs: []Tmpfs{{"/data", 1 << 20}, {"/tmp", 0}}, Secrets: []Secret{{"token", []byte("s3\x00cret")}, {"empty", nil}},
		Overlay: true, OverlaySize: 3 << 20,
		Net: Net{
			Mode: NetStatic, MTU: 1500,
			V4:     Iface{netip.MustParsePrefix("10.0.2.15/24"), netip.MustParseAddr("10.0.2.2")},
			V6:     Iface{netip.MustParsePrefix("fec0::15/64"), netip.MustParseAddr("fec0::2")},
			DNS:    []netip.Addr{netip.MustParseAddr("10.0.2.3"), netip.MustParseAddr("fec0::3")},
			Search: []string{"example.org", "lan"},
			Hosts:  []Host{{netip.MustParseAddr("10.0.2.2"), []string{"host.skerry.internal", "h"}}},
			Deny:   []netip.Prefix{netip.MustParsePrefix("10.0.2.2/32"), netip.MustParsePrefix("fec0::/64"), netip.MustParsePrefix("0.0.0.0/0")},
		},
	}
	for i := range r.Seed {
		r.Seed[i], r.Early[i] = byte(i+1), byte(i+65)
	}
	return r
}

func small() *Record {
	r := &Record{Program: "/a", Args: []string{"a"}, Cwd: "/", Hostname: "a", CPUs: 1, Memory: 4096}
	r.Seed[31] = 1
	return r
}

func mustEncode(t testing.TB, r *Record) []byte {
	t.Helper()
	b, err := Encode(r)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestRoundTrip(t *testing.T) {
	dhcp := small()
	dhcp.Net = Net{Mode: NetDHCP, V6: Iface{Addr: netip.MustParsePrefix("2001:db8::1/128")}}
	longest := small()
	longest.Args = []string{strings.Repeat("x", MaxString)}
	for len(longest.Env) < MaxEnv {
		longest.Env = append(longest.Env, "K=")
	}
	unseeded := small()
	unseeded.Seed = [32]byte{} // its kernel finds randomness elsewhere, or does not start
	for name, r := range map[string]*Record{"full": full(), "small": small(), "dhcp": dhcp, "longest": longest, "unseeded": unseeded} {
		b := mustEncode(t, r)
		got, err := Decode(b)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if !reflect.DeepEqual(got, r) {
			t.Errorf("%s: got %+v, want %+v", name, got, r)
		}
		// A loader may round up to a page with zeros.
		if _, err := Decode(append(bytes.Clone(b), make([]byte, 4095)...)); err != nil {
			t.Errorf("%s: with zeros behind: %v", name, err)
		}
		// What was decoded does not change when the source is erased.
		clear(b)
		if !reflect.DeepEqual(got, r) {
			t.Errorf("%s: the record changed when its source was erased", name)
		}
	}
}

// TestEarly: the early seed is the first value, however long the arguments are, since the
// kernel takes in the beginning of the record before it decodes any; and to a kernel that
// does not know it it is a value to be skipped.
func TestEarly(t *testing.T) {
	r := full()
	r.Args = []string{"a", strings.Repeat("x", MaxString)}
	b := mustEncode(t, r)
	if at := bytes.Index(b, r.Early[:]); at != headerSize+tlvSize {
		t.Errorf("the early seed stands at %d", at)
	}
	if TagProgram != 1 || TagOverlay != 21 { // part of the format
		t.Error(TagProgram, TagOverlay)
	}
	if tag, flags := le.Uint16(b[headerSize:]), le.Uint16(b[headerSize+2:]); tag != 0 || flags != flagIgnorable {
		t.Errorf("tag %d, flags %d", tag, flags)
	}
	r.Early = [32]byte{}
	if b := mustEncode(t, r); Tag(le.Uint16(b[headerSize:])) != TagProgram {
		t.Error("no early seed has a value")
	}
}

func TestEncodeRefuses(t *testing.T) {
	addr, pfx := netip.MustParseAddr, netip.MustParsePrefix
	long := strings.Repeat("a", 64)
	for _, c := range []struct {
		tag    Tag
		change func(*Record)
	}{
		{TagProgram, func(r *Record) { r.Program = "" }},
		{TagProgram, func(r *Record) { r.Program = "app" }},
		{TagProgram, func(r *Record) { r.Program = "/" }},
		{TagProgram, func(r *Record) { r.Program = "/a/../b" }},
		{TagProgram, func(r *Record) { r.Program = "/a//b" }},
		{TagProgram, func(r *Record) { r.Program = "/a/" }},
		{TagProgram, func(r *Record) { r.Program = "/a/." }},
		{TagProgram, func(r *Record) { r.Program = "/a\x00b" }},
		{TagProgram, func(r *Record) { r.Program = strings.Repeat("/a", 2048) }},
		{TagProgram, func(r *Record) { r.Program = "/" + strings.Repeat("a", 256) }},
		{TagArgs, func(r *Record) { r.Args = nil }},
		{TagArgs, func(r *Record) { r.Args = make([]string, MaxArgs+1) }},
		{TagArgs, func(r *Record) { r.Args = []string{"a", "b\x00"} }},
		{TagArgs, func(r *Record) { r.Args = []string{strings.Repeat("x", MaxString+1)} }},
		{TagEnv, func(r *Record) { r.Env = []string{"A"} }},
		{TagEnv, func(r *Record) { r.Env = []string{"=A"} }},
		{TagEnv, func(r *Record) { r.Env = []string{"A=\x00"} }},
		{TagEnv, func(r *Record) { r.Env = make([]string, MaxEnv+1) }},
		{TagCwd, func(r *Record) { r.Cwd = "" }},
		{TagCwd, func(r *Record) { r.Cwd = "tmp" }},
		{TagHostname, func(r *Record) { r.Hostname = "" }},
		{TagHostname, func(r *Record) { r.Hostname = "a b" }},
		{TagHostname, func(r *Record) { r.Hostname = "a\nb" }},
		{TagHostname, func(r *Record) { r.Hostname = "a..b" }},
		{TagHostname, func(r *Record) { r.Hostname = ".a" }},
		{TagHostname, func(r *Record) { r.Hostname = "a." }},
		{TagHostname, func(r *Record) { r.Hostname = "-a" }},
		{TagHostname, func(r *Record) { r.Hostname = long }},
		{TagHostname, func(r *Record) { r.Hostname = long[:40] + "." + long[:40] }},
		{TagMachine, func(r *Record) { r.CPUs = 0 }},
		{TagMachine, func(r *Record) { r.CPUs = MaxCPUs + 1 }},
		{TagMachine, func(r *Record) { r.Memory = 0 }},
		{TagMachine, func(r *Record) { r.Memory = 4097 }},
		{TagMachine, func(r *Record) { r.Memory = 1 << 60 }},
		{TagClock, func(r *Record) { r.Wall = -1 }},
		{TagClock, func(r *Record) { r.StopTimeout = -1 }},
		{TagPolicy, func(r *Record) { r.Policy = make([]byte, MaxPolicy+1) }},
		{TagJIT, func(r *Record) { r.JIT = 4095 }},
		{TagTmpfs, func(r *Record) { r.Tmpfs = []Tmpfs{{"data", 0}} }},
		{TagTmpfs, func(r *Record) { r.Tmpfs = []Tmpfs{{"/", 0}} }},
		{TagTmpfs, func(r *Record) { r.Tmpfs = []Tmpfs{{"/a/../b", 0}} }},
		{TagTmpfs, func(r *Record) { r.Tmpfs = []Tmpfs{{"/a", 4095}} }},
		{TagTmpfs, func(r *Record) { r.Tmpfs = []Tmpfs{{"/a", 0}, {"/a", 4096}} }},
		{TagTmpfs, func(r *Record) { r.Tmpfs = make([]Tmpfs, MaxTmpfs+1) }},
		{TagOverlay, func(r *Record) { r.OverlaySize = 4095 }},
		{TagOverlay, func(r *Record) { r.OverlaySize = 1<<52 + 4096 }},
		{TagSecrets, func(r *Record) { r.Secrets = []Secret{{"", nil}} }},
		{TagSecrets, func(r *Record) { r.Secrets = []Secret{{"..", nil}} }},
		{TagSecrets, func(r *Record) { r.Secrets = []Secret{{"a/b", nil}} }},
		{TagSecrets, func(r *Record) { r.Secrets = []Secret{{"a", nil}, {"a", nil}} }},
		{TagSecrets, func(r *Record) { r.Secrets = []Secret{{"a", make([]byte, MaxSecret)}, {"b", []byte{1}}} }},
		{TagJIT, func(r *Record) { r.JIT = 1 << 47 }},
		{TagNet, func(r *Record) { r.Net.Mode = 3 }},
		{TagNet, func(r *Record) { r.Net.Mode = NetNone }},
		{TagNet, func(r *Record) { r.Net.Mode = NetDHCP }},
		{TagNet, func(r *Record) { r.Net.V4, r.Net.V6 = Iface{}, Iface{} }},
		{TagNet, func(r *Record) { r.Net.MTU = 1279 }},
		{TagNet, func(r *Record) { r.Net.MTU = -1 }},
		{TagNet, func(r *Record) { r.Net.MTU = MaxMTU + 1 }},
		{TagV4, func(r *Record) { r.Net.V4.Addr = pfx("fec0::1/64") }},
		{TagV4, func(r *Record) { r.Net.V4.Addr = pfx("0.0.0.0/24") }},
		{TagV4, func(r *Record) { r.Net.V4.Addr = pfx("10.0.0.1/0") }},
		{TagV4, func(r *Record) { r.Net.V4.Addr = pfx("127.0.0.1/8") }},
		{TagV4, func(r *Record) { r.Net.V4.Gateway = addr("fec0::2") }},
		{TagV4, func(r *Record) { r.Net.V4.Gateway = addr("0.0.0.0") }},
		{TagV4, func(r *Record) { r.Net.V4.Addr = netip.Prefix{} }},
		{TagV6, func(r *Record) { r.Net.V6.Addr = pfx("10.0.0.1/8") }},
		{TagV6, func(r *Record) { r.Net.V6.Addr = netip.PrefixFrom(addr("::ffff:1.2.3.4"), 96) }},
		{TagV6, func(r *Record) { r.Net.V6.Addr = pfx("ff02::1/64") }},
		{TagV6, func(r *Record) { r.Net.V6.Gateway = addr("fe80::1%eth0") }},
		{TagDNS, func(r *Record) { r.Net.DNS = []netip.Addr{{}} }},
		{TagDNS, func(r *Record) { r.Net.DNS = []netip.Addr{addr("::")} }},
		{TagDNS, func(r *Record) { r.Net.DNS = []netip.Addr{addr("::ffff:1.2.3.4")} }},
		{TagDNS, func(r *Record) { r.Net.DNS = make([]netip.Addr, MaxDNS+1) }},
		{TagSearch, func(r *Record) { r.Net.Search = []string{"a\nnameserver 1.2.3.4"} }},
		{TagSearch, func(r *Record) { r.Net.Search = make([]string, MaxSearch+1) }},
		{TagHosts, func(r *Record) { r.Net.Hosts[0].Addr = netip.Addr{} }},
		{TagHosts, func(r *Record) { r.Net.Hosts[0].Names = nil }},
		{TagHosts, func(r *Record) { r.Net.Hosts[0].Names = []string{"a b"} }},
		{TagHosts, func(r *Record) { r.Net.Hosts[0].Names = make([]string, MaxNames+1) }},
		{TagHosts, func(r *Record) { r.Net.Hosts = make([]Host, MaxHosts+1) }},
		{TagDeny, func(r *Record) { r.Net.Deny = []netip.Prefix{{}} }},
		{TagDeny, func(r *Record) { r.Net.Deny = []netip.Prefix{pfx("10.0.2.2/24")} }},
		{TagDeny, func(r *Record) { r.Net.Deny = make([]netip.Prefix, MaxDeny+1) }},
		{0, func(r *Record) { r.Args = slicesOf(strings.Repeat("x", 1000), 1100) }},
	} {
		r := full()
		c.change(r)
		_, err := Encode(r)
		var e *Error
		if !errors.As(err, &e) || e.Tag != c.tag {
			t.Errorf("%v: got %v for %+v", c.tag, err, r)
		}
	}
}

func slicesOf(s string, n int) []string {
	l := make([]string, n)
	for i := range l {
		l[i] = s
	}
	return l
}

// tlv builds one value by hand.
func tlv(tag, flags uint16, data string) []byte {
	b := le.AppendUint16(nil, tag)
	b = le.AppendUint16(b, flags)
	b = le.AppendUint32(b, uint32(len(data)))
	b = append(b, data...)
	for len(b)%8 != 0 {
		b = append(b, 0)
	}
	return b
}

// split returns the values of a record, whole.
func split(b []byte) (list [][]byte) {
	for p := b[headerSize:]; len(p) > 0; {
		n := tlvSize + (int(le.Uint32(p[4:]))+7)&^7
		list = append(list, p[:n])
		p = p[n:]
	}
	return list
}

func join(list ...[]byte) []byte {
	b := append([]byte(Magic), make([]byte, 8)...)
	for _, v := range list {
		b = append(b, v...)
	}
	le.PutUint32(b[8:], uint32(len(b)))
	le.PutUint32(b[12:], RecordVersion)
	return b
}

func TestDecodeRefuses(t *testing.T) {
	good := mustEncode(t, full())
	values := split(good)
	if !bytes.Equal(join(values...), good) {
		t.Fatal("split and join do not fit the encoding")
	}
	without := func(i int) [][]byte { return append(append([][]byte{}, values[:i]...), values[i+1:]...) }
	replace := func(i int, v []byte) []byte {
		l := append([][]byte{}, values...)
		l[i] = v
		return join(l...)
	}
	at := func(tag Tag) int {
		for i, v := range values {
			if Tag(le.Uint16(v)) == tag {
				return i
			}
		}
		t.Fatal(tag)
		return 0
	}
	edit := func(off int, v byte) []byte {
		b := bytes.Clone(good)
		b[off] ^= v
		return b
	}
	cases := map[string][]byte{
		"empty":             nil,
		"magic":             edit(0, 1),
		"magic only":        []byte(Magic),
		"version":           edit(12, 2),
		"length short":      edit(8, 8),
		"length long":       edit(10, 8),
		"length odd":        edit(8, 1),
		"bytes behind":      append(bytes.Clone(good), 1),
		"page behind":       append(bytes.Clone(good), make([]byte, 4096)...),
		"duplicate":         join(append([][]byte{values[0]}, values...)...),
		"order":             join(append(append([][]byte{}, values[1:]...), values[0])...),
		"unknown mandatory": join(append(append([][]byte{}, values...), tlv(99, 0, "x"))...),
		"unknown flags":     join(append(append([][]byte{}, values...), tlv(99, 2, "x"))...),
		"tag zero":          join(append([][]byte{tlv(0, 0, "x")}, values...)...),
		"value too long":    replace(at(TagPolicy), []byte{byte(TagPolicy), 0, 0, 0, 9, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8}),
		"value huge":        replace(at(TagPolicy), []byte{byte(TagPolicy), 0, 0, 0, 255, 255, 255, 255, 1, 2, 3, 4, 5, 6, 7, 8}),
		"padding":           replace(at(TagProgram), append(tlv(1, 0, "/aaaaaa")[:15], 1)),
		"seed short":        replace(at(TagSeed), tlv(uint16(TagSeed), 0, strings.Repeat("x", 31))),
		"seed zero":         replace(at(TagSeed), tlv(uint16(TagSeed), 0, strings.Repeat("\x00", 32))),
		"early short":       replace(at(TagEarly), tlv(uint16(TagEarly), 1, strings.Repeat("x", 31))),
		"early long":        replace(at(TagEarly), tlv(uint16(TagEarly), 1, strings.Repeat("x", 40))),
		"early zero":        replace(at(TagEarly), tlv(uint16(TagEarly), 1, strings.Repeat("\x00", 32))),
		"early unmarked":    replace(at(TagEarly), tlv(uint16(TagEarly), 0, strings.Repeat("x", 32))),
		"seed long":         replace(at(TagSeed), tlv(uint16(TagSeed), 0, strings.Repeat("x", 33))),
		"unknown option":    replace(at(TagOptions), tlv(uint16(TagOptions), 0, "\x10\x00\x00\x00")),
		"machine reserved":  replace(at(TagMachine), tlv(uint16(TagMachine), 0, "\x01\x00\x00\x00\x01\x00\x00\x00\x00\x10\x00\x00\x00\x00\x00\x00")),
		"args count huge":   replace(at(TagArgs), tlv(uint16(TagArgs), 0, "\xff\xff\xff\x7f")),
		"args count more":   replace(at(TagArgs), tlv(uint16(TagArgs), 0, "\x02\x00\x00\x00\x01\x00\x00\x00aaaa")),
		"args entry long":   replace(at(TagArgs), tlv(uint16(TagArgs), 0, "\x01\x00\x00\x00\xff\xff\xff\xffaaaa")),
		"args rest":         replace(at(TagArgs), tlv(uint16(TagArgs), 0, "\x01\x00\x00\x00\x01\x00\x00\x00aa")),
		"env empty list":    replace(at(TagEnv), tlv(uint16(TagEnv), 0, "\x00\x00\x00\x00")),
		"policy empty":      replace(at(TagPolicy), tlv(uint16(TagPolicy), 0, "")),
		"jit zero":          replace(at(TagJIT), tlv(uint16(TagJIT), 0, strings.Repeat("\x00", 8))),
		"jit short":         replace(at(TagJIT), tlv(uint16(TagJIT), 0, "\x00\x00\x10\x00")),
		"jit not pages":     replace(at(TagJIT), tlv(uint16(TagJIT), 0, "\x01\x10\x00\x00\x00\x00\x00\x00")),
		"addr family":       replace(at(TagDNS), tlv(uint16(TagDNS), 0, "\x01\x00\x00\x00\x05"+strings.Repeat("\x00", 19))),
		"addr reserved":     replace(at(TagDNS), tlv(uint16(TagDNS), 0, "\x01\x00\x00\x00\x04\x00\x01\x00\x0a\x00\x00\x01"+strings.Repeat("\x00", 12))),
		"addr v4 rest":      replace(at(TagDNS), tlv(uint16(TagDNS), 0, "\x01\x00\x00\x00\x04\x00\x00\x00\x0a\x00\x00\x01"+strings.Repeat("\x01", 12))),
		"addr with bits":    replace(at(TagDNS), tlv(uint16(TagDNS), 0, "\x01\x00\x00\x00\x04\x08\x00\x00\x0a\x00\x00\x01"+strings.Repeat("\x00", 12))),
		"prefix bits":       replace(at(TagDeny), tlv(uint16(TagDeny), 0, "\x01\x00\x00\x00\x04\x21\x00\x00\x0a\x00\x00\x01"+strings.Repeat("\x00", 12))),
		"addr none in list": replace(at(TagDNS), tlv(uint16(TagDNS), 0, "\x01\x00\x00\x00"+strings.Repeat("\x00", 20))),
	}
	for i, v := range values {
		if tag := Tag(le.Uint16(v)); mandatory&(1<<tag) != 0 {
			cases["missing "+tag.String()] = join(without(i)...)
		}
	}
	for n := 0; n < len(good); n++ {
		if _, err := Decode(good[:n]); err == nil {
			t.Fatalf("accepted the first %d of %d bytes", n, len(good))
		}
	}
	for name, b := range cases {
		var e *Error
		if r, err := Decode(b); !errors.As(err, &e) {
			t.Errorf("%s: got %+v, %v", name, r, err)
		}
	}
	// What may be ignored is ignored.
	if _, err := Decode(join(append(append([][]byte{}, values...), tlv(99, 1, "new"))...)); err != nil {
		t.Errorf("ignorable value: %v", err)
	}
}

// check holds Decode to its promises for any input.
func check(t testing.TB, b []byte) bool {
	src := bytes.Clone(b)
	r, err := Decode(b)
	if !bytes.Equal(src, b) {
		t.Fatal("Decode changed its input")
	}
	if err != nil {
		var e *Error
		if r != nil || !errors.As(err, &e) || err.Error() == "" {
			t.Fatalf("got %v and %v", r, err)
		}
		return false
	}
	again, err := Encode(r)
	if err != nil {
		t.Fatalf("cannot encode what was decoded: %v", err)
	}
	r2, err := Decode(again)
	if err != nil || !reflect.DeepEqual(r, r2) {
		t.Fatalf("not stable: %+v, %+v, %v", r, r2, err)
	}
	return true
}

func FuzzDecode(f *testing.F) {
	f.Add(mustEncode(f, full()))
	f.Add(mustEncode(f, small()))
	f.Fuzz(func(t *testing.T, b []byte) { check(t, b) })
}

// TestDecodeRandom damages good records in seeded random ways.
func TestDecodeRandom(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	good := mustEncode(t, full())
	accepted := 0
	const rounds = 60000
	for range rounds {
		b := bytes.Clone(good)
		for n := 1 + rnd.IntN(3); n > 0; n-- {
			i := rnd.IntN(len(b))
			switch rnd.IntN(5) {
			case 0:
				b[i] ^= 1 << rnd.IntN(8)
			case 1:
				b[i] = byte(rnd.Uint32())
			case 2:
				b[i] = []byte{0, 1, 0x7f, 0x80, 0xff}[rnd.IntN(5)]
			case 3:
				j := min(len(b), i+8*(1+rnd.IntN(4)))
				b = append(b[:i:i], b[j:]...)
			case 4:
				j := min(len(b), i+8*(1+rnd.IntN(4)))
				b = append(b[:j:j], b[i:]...)
			}
			if len(b) < headerSize {
				b = bytes.Clone(good)
			}
		}
		le.PutUint32(b[8:], uint32(len(b)))
		if check(t, b) {
			accepted++
		}
	}
	if accepted == 0 || accepted == rounds {
		t.Errorf("%d of %d damaged records accepted: the damage tests nothing", accepted, rounds)
	}
}

func TestTagNames(t *testing.T) {
	for tag := Tag(1); tag < tagEnd; tag++ {
		if strings.HasPrefix(tag.String(), "tag ") {
			t.Errorf("tag %d has no name", tag)
		}
	}
	if Tag(99).String() != "tag 99" || Tag(0).String() != "tag 0" {
		t.Error(Tag(99), Tag(0))
	}
}
