package vmm

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"unicode/utf8"

	"skerry/bootrec"
)

func addrPort(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

func TestParseForward(t *testing.T) {
	for in, want := range map[string]Forward{
		"8080":              {"tcp", addrPort("127.0.0.1:8080"), 8080},
		"8080:80":           {"tcp", addrPort("127.0.0.1:8080"), 80},
		"0:80":              {"tcp", addrPort("127.0.0.1:0"), 80},
		"0.0.0.0:8080:80":   {"tcp", addrPort("0.0.0.0:8080"), 80},
		"192.0.2.1:1:65535": {"tcp", addrPort("192.0.2.1:1"), 65535},
		"53:53/udp":         {"udp", addrPort("127.0.0.1:53"), 53},
		"53/udp":            {"udp", addrPort("127.0.0.1:53"), 53},
		"80/tcp":            {"tcp", addrPort("127.0.0.1:80"), 80},
		"[::1]:8080:80":     {"tcp", addrPort("[::1]:8080"), 80},
		"[::]:0:80":         {"tcp", addrPort("[::]:0"), 80},
		"[fe80::1%lo]:1:80": {"tcp", addrPort("[fe80::1%lo]:1"), 80},
	} {
		if got, err := ParseForward(in); err != nil || got != want {
			t.Errorf("%q: %v, %v", in, got, err)
		}
	}
	for _, in := range []string{"", ":", "0", "x", "80:", ":80", "80:0", "80:x", "65536", "-1", "+80", "80:80:80", "1.2.3.4", "1.2.3.4:80", "1.2.3:80:80",
		"localhost:80:80", "[::1]:80", "[::1]", "[::1]80:80", "[::1]:80:80:80", "[::1]:80:80/udp", "[1.2.3.4]:80:80", "[::ffff:1.2.3.4]:80:80", "[::1:80:80", "[]:80:80", "::1:80:80", "80/sctp", "80/", "80:80/udp/x", "80-90:80-90", "1.2.3.4:80:80:80", "080x", "1e3"} {
		f, err := ParseForward(in)
		if err == nil || !strings.HasPrefix(err.Error(), "-p "+in+": ") || !strings.Contains(err.Error(), "such as 8080:80") {
			t.Errorf("%q: %v, %v", in, f, err)
		}
	}
}

func TestPublish(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	u, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer u.Close()
	taken := []Forward{{"tcp", addrPort(l.Addr().String()), 80}, {"udp", addrPort(u.LocalAddr().String()), 80}}
	if l6, err := net.Listen("tcp6", "[::1]:0"); err == nil {
		defer l6.Close()
		taken = append(taken, Forward{"tcp", addrPort(l6.Addr().String()), 80})
	}
	for _, f := range taken {
		_, err := publish([]Forward{{"tcp", addrPort("127.0.0.1:0"), 1}, f})
		comm, _ := os.ReadFile("/proc/self/comm")
		if err == nil || !strings.Contains(err.Error(), "is in use by "+strings.TrimSpace(string(comm))) || !strings.Contains(err.Error(), "-p 0:80") {
			t.Errorf("%v: %v", f, err)
		}
	}
	if _, err := publish([]Forward{{"tcp", addrPort("192.0.2.1:80"), 80}}); err == nil || !strings.Contains(err.Error(), "does not have that address") {
		t.Error(err)
	}
	p, err := publish([]Forward{{"tcp", addrPort("127.0.0.1:0"), 80}, {"udp", addrPort("127.0.0.1:0"), 81}})
	if err != nil {
		t.Fatal(err)
	}
	for i, f := range p.forwards {
		if f.Host.Port() == 0 || f.Host.Addr() != addrPort("127.0.0.1:0").Addr() || p.qemu[i].Guest != f.Guest || (p.qemu[i].Host == f.Host) != (f.Proto == "udp") {
			t.Error(f, p.qemu[i])
		}
	}
	// Nobody else gets a port that is published, until the end.
	if _, err := publish(p.forwards[:1]); err == nil {
		t.Error("a port is published twice")
	}
	p.close()
	again, err := publish(p.forwards)
	if err != nil {
		t.Error("a port stays taken:", err)
	} else {
		again.close()
	}
	if got := portError(Forward{"tcp", addrPort("127.0.0.1:80"), 80}, syscall.EACCES).Error(); !strings.Contains(got, "only root") {
		t.Error(got)
	}
	if got := portError(Forward{"tcp", addrPort("127.0.0.1:80"), 80}, errors.New("odd")).Error(); !strings.Contains(got, "odd") {
		t.Error(got)
	}
}

func TestParseSocket(t *testing.T) {
	for in, want := range map[string]string{
		"0100007F:1F90":                         "127.0.0.1:8080",
		"00000000:0050":                         "0.0.0.0:80",
		"00000000000000000000000001000000:0016": "[::1]:22",
		"0000000000000000FFFF00000100007F:0016": "127.0.0.1:22",
	} {
		a, p, ok := parseSocket(in)
		if !ok || netip.AddrPortFrom(a, p).String() != want {
			t.Errorf("%s: %v %d %v", in, a, p, ok)
		}
	}
	for _, in := range []string{"", ":", "0100007F", "0100007F:", "0100007F:12345", "01007F:1", "zz00007F:1", strings.Repeat("0", 40) + ":1"} {
		if a, p, ok := parseSocket(in); ok {
			t.Errorf("%q: %v %d", in, a, p)
		}
	}
}

func TestNetwork(t *testing.T) {
	valid := bootrec.Record{Program: "/p", Args: []string{"p"}, Cwd: "/", Hostname: "h", CPUs: 1, Memory: 4096, Seed: [32]byte{1}}
	for text, first := range map[string]string{
		"":                                     resolverV4,
		"nameserver 127.0.0.53\n":              resolverV4,
		"nameserver 2001:db8::1\n":             resolverV6,
		"nameserver ::1\nnameserver 1.1.1.1\n": resolverV4,
		"#nameserver ::1\nsearch x\n":          resolverV4,
		"nameserver fe80::1%eth0\n":            resolverV6,
	} {
		for _, access := range []bool{false, true} {
			valid.Net = network(access, put(t, "resolv.conf", text))
			if _, err := bootrec.Encode(&valid); err != nil {
				t.Error(err)
			}
			if got := valid.Net.DNS[0].String(); got != first || len(valid.Net.DNS) != 2 {
				t.Errorf("%q: %v", text, valid.Net.DNS)
			}
			if (len(valid.Net.Deny) == 0) != access {
				t.Error(valid.Net.Deny)
			}
		}
	}
}

func TestPrintable(t *testing.T) {
	for in, want := range map[string]string{
		"plain\ttext é 漢": "plain\ttext é 漢", "\x1b[31m": `\x1b[31m`, "a\rb": `a\x0db`, "\xff": `\xff`, "\u009b2J": `\xc2\x9b2J`, "\x7f": `\x7f`, "": "",
		"\ufffd": "\ufffd",
	} {
		if got := printable(in); got != want {
			t.Errorf("%q: %q", in, got)
		}
	}
	if got := printable(strings.Repeat("\x01", 1<<20)); len(got) > maxLine+10 {
		t.Errorf("%d bytes", len(got))
	}
}

func FuzzPrintable(f *testing.F) {
	f.Add("a\x1b\xff\u009b")
	f.Fuzz(func(t *testing.T, s string) {
		got := printable(s)
		if !utf8.ValidString(got) || strings.ContainsAny(got, "\x1b\r\n\x7f\x00\u0085\u009b") || len(got) > maxLine+10 {
			t.Errorf("%q gives %q", s, got)
		}
	})
}

func TestTail(t *testing.T) {
	var x tail
	if x.lines() != nil {
		t.Error("an empty tail has lines")
	}
	for range 10000 {
		x.Write([]byte(strings.Repeat("x", 60) + "\n"))
	}
	x.Write([]byte("the end\r\n\n"))
	l := x.lines()
	if len(x.b) > 2*tailSize || l[len(l)-1] != "the end" || len(l[0]) != 60 {
		t.Errorf("%d bytes, first %q, last %q", len(x.b), l[0], l[len(l)-1])
	}
	if got := last(l, 1); len(got) != 1 || got[0] != "the end" {
		t.Error(got)
	}
	if got := last(l[:1], 5); len(got) != 1 {
		t.Error(got)
	}
}

// FuzzParseForward: what is accepted says the same when it is written out.
func FuzzParseForward(f *testing.F) {
	for _, s := range []string{"8080", "0:80/udp", "127.0.0.1:80:80", "[::1]:80:80", "[fe80::1%x]:1:2", "[::]:", "1::2"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := ParseForward(s)
		if err != nil {
			return
		}
		again := a.Host.String() + ":" + strconv.Itoa(int(a.Guest)) + "/" + a.Proto
		b, err := ParseForward(again)
		// A zone may hold a slash.
		if a.Host.Addr().Zone() == "" && (err != nil || a != b) {
			t.Errorf("%q is %v; %q is %v, %v", s, a, again, b, err)
		}
		if a.Guest == 0 || !a.Host.Addr().IsValid() || a.Proto == "udp" && !a.Host.Addr().Is4() {
			t.Errorf("%q is %+v", s, a)
		}
	})
}
