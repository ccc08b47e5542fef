package known

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"skerry/image/dynlink"
)

func TestCertificates(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	for _, name := range []string{"bundle", "other"} {
		if err := os.WriteFile(at(name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for link, target := range map[string]string{"cert.pem": "bundle", "cert2.pem": "other", "loop": "loop"} {
		if err := os.Symlink(target, at(link)); err != nil {
			t.Fatal(err)
		}
	}
	bundles := []string{at("none"), dir, at("loop"), at("bundle"), at("other")}
	names := []string{at("cert.pem"), at("cert2.pem"), at("bundle"), at("none"), at("loop")}
	for _, c := range []struct{ lib, why string }{
		{"libssl.so.3", "libssl.so.3"}, {"libgnutls.so.30", "libgnutls.so.30"}, {"libcurl.so.4", "libcurl.so.4"}, {"libcurl-gnutls.so.4", "libcurl-gnutls.so.4"},
		{"libc.so.6", ""}, {"libsslx.so", ""}, {"libcrypto.so.3", ""},
	} {
		got := certificates(&dynlink.Closure{Libraries: []*dynlink.Library{{Name: "libm.so.6"}, {Name: c.lib}}}, Names{}, bundles, names)
		switch {
		case c.why == "" && len(got) == 0:
		case len(got) != 2 || got[0].Host != at("bundle") || got[1].Host != at("cert.pem") || !strings.Contains(got[0].Why, c.why) || c.why == "":
			t.Errorf("%s: %+v", c.lib, got)
		}
	}
	if got := certificates(&dynlink.Closure{}, Names{Certificates: "which it names"}, bundles, names); len(got) != 2 || got[0].Why != "CA certificates, which it names" {
		t.Errorf("by name: %+v", got)
	}
	if got := certificates(&dynlink.Closure{Libraries: []*dynlink.Library{{Name: "libssl.so.3"}}}, Names{}, []string{at("none")}, names); len(got) != 0 {
		t.Errorf("without any here: %+v", got)
	}
}

func TestNames(t *testing.T) {
	const ca, roots, client = "/etc/ssl/certs/ca-certificates.crt", "\x00crypto/x509.loadSystemRoots\x00", "\x00net/http.(*Transport).dialConn\x00"
	for _, c := range []struct {
		text, certs string
		zones       bool
	}{
		{"", "", false}, {ca, "which it names", false}, {"x/etc/pki/ca-certificates.crt,y", "which it names", false}, {"ca-certificates", "", false},
		{ca + roots, "", false}, {ca + roots + client, "for net/http.(*Transport).dialConn", false}, {roots + client, "", false},
		{client + ca, "which it names", false},
		{"\x00time.LoadLocation\x00", "", true}, {"\x00time.LoadLocationX\x00", "", false}, {"\x00time.LoadLocation\x00time/tzdata.loadFromEmbeddedTZData\x00", "", false},
	} {
		if got := NamesIn(elfWith(c.text)); got != (Names{c.certs, c.zones}) {
			t.Errorf("%q: %+v", c.text, got)
		}
	}
}

// TestOwnCertificates: a folder of the user's in place of the host's list stays as it is.
func TestOwnCertificates(t *testing.T) {
	for _, c := range []struct {
		have []string
		want int
	}{{nil, 2}, {[]string{"/etc/ssl/certs"}, 0}, {[]string{"/etc/ssl/certs", caBundle}, 2}, {[]string{"/etc"}, 2}} {
		p := &Program{Has: func(path string) bool { return slices.Contains(c.have, path) }}
		if got := p.certificates(); len(got) != c.want {
			t.Errorf("%q: %+v", c.have, got)
		}
	}
	home := t.TempDir()
	for _, name := range []string{"perl", "ruby", "php", "caddy"} {
		f := Lookup(&Program{Path: filepath.Join(home, "bin", name), Closure: &dynlink.Closure{}})
		if f == nil || !slices.ContainsFunc(f.Paths, func(p Path) bool { return p.Host == caBundle }) {
			t.Errorf("%s: %+v", name, f)
		}
	}
}

// TestZoneSkip: machines have UTC, so this host's own zone is not among the zones.
func TestZoneSkip(t *testing.T) {
	for rel, want := range map[string]bool{"localtime": true, "UTC": false, "Europe/Berlin": false, "zone.tab": false} {
		if TimeZones().Skip(rel, false) != want {
			t.Errorf("%s: %v", rel, !want)
		}
	}
	for rel, want := range map[string]bool{"right": true, "posix": true, "Europe": false, "localtime": false} {
		if TimeZones().Skip(rel, true) != want {
			t.Errorf("%s: %v", rel, !want)
		}
	}
}
