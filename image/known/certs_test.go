package known

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"skerry/image/dynlink"
)

// segment is a PT_LOAD of a made file.
type segment struct {
	flags   elf.ProgFlag
	content string
}

// program is an ELF file with some segments.
func program(segments ...segment) *bytes.Reader {
	var head, body bytes.Buffer
	at := uint64(64 + 56*len(segments))
	h := elf.Header64{Type: uint16(elf.ET_EXEC), Machine: uint16(elf.EM_X86_64), Version: 1, Phoff: 64, Ehsize: 64, Phentsize: 56, Phnum: uint16(len(segments))}
	copy(h.Ident[:], "\x7fELF\x02\x01\x01")
	binary.Write(&head, binary.LittleEndian, &h)
	for _, s := range segments {
		size := uint64(len(s.content))
		binary.Write(&head, binary.LittleEndian, &elf.Prog64{Type: uint32(elf.PT_LOAD), Flags: uint32(s.flags), Off: at, Filesz: size, Memsz: size})
		body.WriteString(s.content)
		at += size
	}
	return bytes.NewReader(append(head.Bytes(), body.Bytes()...))
}

func TestContains(t *testing.T) {
	const text = "/etc/ssl/certs/ca-certificates.crt"
	fill := func(n int) string { return strings.Repeat("x", n) }
	const r, w, x = elf.PF_R, elf.PF_R | elf.PF_W, elf.PF_R | elf.PF_X
	for name, c := range map[string]struct {
		segments []segment
		limit    int64
		want     bool
	}{
		"constants":          {[]segment{{x, fill(100)}, {r, fill(1000) + text + "tail"}}, 1 << 20, true},
		"data":               {[]segment{{w, text}}, 1 << 20, true},
		"one segment":        {[]segment{{x, text}, {w, fill(10)}}, 1 << 20, true},
		"code apart":         {[]segment{{x, text}, {r, fill(10)}}, 1 << 20, false},
		"over a step":        {[]segment{{r, fill(256<<10-5) + text}}, 1 << 20, true},
		"over a later step":  {[]segment{{r, fill(2*(256<<10-len(text)+1)+7-len(text)) + text + fill(9)}}, 1 << 20, true},
		"at the end":         {[]segment{{r, fill(600<<10) + text}}, 1 << 20, true},
		"cut":                {[]segment{{r, fill(600<<10) + text[:len(text)-1]}}, 1 << 20, false},
		"behind the limit":   {[]segment{{r, fill(600<<10) + text}}, 512 << 10, false},
		"in two segments":    {[]segment{{r, text[:10]}, {r, text[10:]}}, 1 << 20, false},
		"nothing":            {nil, 1 << 20, false},
		"an empty segment":   {[]segment{{r, ""}}, 1 << 20, false},
		"in the second data": {[]segment{{r, fill(10)}, {w, fill(10)}, {w, text}}, 1 << 20, true},
	} {
		if got := contains(program(c.segments...), text, c.limit); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
	b := make([]byte, 0, 400)
	p := program(segment{r, text})
	b = b[:p.Len()]
	p.ReadAt(b, 0)
	for n := range b { // cut anywhere, and with a size that is not there
		contains(bytes.NewReader(b[:n]), text, 1<<20)
		broken := bytes.Clone(b)
		broken[n] = 0xff
		contains(bytes.NewReader(broken), text, 1<<20)
	}
}

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
	plain, naming := program(segment{elf.PF_R, "text"}), program(segment{elf.PF_R, "x/etc/ssl/certs/ca-certificates.crt/etc"})
	for _, c := range []struct {
		lib  string
		file *bytes.Reader
		why  string
	}{
		{"libssl.so.3", plain, "libssl.so.3"}, {"libgnutls.so.30", plain, "libgnutls.so.30"}, {"libcurl.so.4", plain, "libcurl.so.4"}, {"libcurl-gnutls.so.4", plain, "libcurl-gnutls.so.4"},
		{"libc.so.6", plain, ""}, {"libsslx.so", plain, ""}, {"libc.so.6", naming, "names"}, {"libcrypto.so.3", plain, ""},
	} {
		got := certificates(c.file, &dynlink.Closure{Libraries: []*dynlink.Library{{Name: "libm.so.6"}, {Name: c.lib}}}, bundles, names)
		switch {
		case c.why == "" && len(got) == 0:
		case len(got) != 2 || got[0].Host != at("bundle") || got[1].Host != at("cert.pem") || !strings.Contains(got[0].Why, c.why) || c.why == "":
			t.Errorf("%s: %+v", c.lib, got)
		}
	}
	if got := certificates(naming, &dynlink.Closure{}, []string{at("none")}, names); len(got) != 0 {
		t.Errorf("without any here: %+v", got)
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
		if timeZones().Skip(rel, false) != want {
			t.Errorf("%s: %v", rel, !want)
		}
	}
	for rel, want := range map[string]bool{"right": true, "posix": true, "Europe": false, "localtime": false} {
		if timeZones().Skip(rel, true) != want {
			t.Errorf("%s: %v", rel, !want)
		}
	}
}
