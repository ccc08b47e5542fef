package image

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"skerry/image/erofs"
)

// TestCertificates: who checks servers' certificates gets the list, and check says why.
func TestCertificates(t *testing.T) {
	const bundle, dir = "/etc/ssl/certs/ca-certificates.crt", "/etc/ssl/certs"
	if _, err := os.Stat(bundle); err != nil {
		t.Skip("no CA certificates of Debian's here")
	}
	work := visibleDir(t)
	lib := cc(t, work, "lib/libssl.so.99", "int tls(void){return 0;}", "-shared", "-fPIC", "-Wl,-soname,libssl.so.99")
	const plain, names = "int main(void){return 0;}", `#include <stdio.h>
int main(void){puts("/etc/ssl/certs/ca-certificates.crt");}`
	own := filepath.Dir(put(t, work, "own/mine.pem", []byte("mine"), 0o644))
	mine := put(t, work, "my.crt", []byte("mine"), 0o644)
	for _, c := range []struct {
		name, text string
		args       []string
		change     func(s *BuildSpec)
		why        string
	}{
		{"plain", plain, nil, nil, ""},
		{"static", plain, []string{"-static"}, nil, ""},
		{"names", names, nil, nil, "whose file it names"},
		{"static-names", names, []string{"-static"}, nil, "whose file it names"},
		{"links", "int tls(void);int main(void){return tls();}", []string{"-L" + filepath.Dir(lib), "-l:libssl.so.99", "-Wl,-rpath," + filepath.Dir(lib)}, nil, "for libssl.so.99"},
		{"exact", names, nil, func(s *BuildSpec) { s.Exact = true }, ""},
		{"own-folder", names, nil, func(s *BuildSpec) { s.Copies = []Copy{{own, dir, true}} }, ""},
		{"own-file", names, nil, func(s *BuildSpec) { s.Copies = []Copy{{mine, bundle, false}} }, "--file"},
	} {
		check := specOf(cc(t, work, c.name, c.text, c.args...), c.change).Check()
		if check.Err != nil {
			t.Fatal(c.name, check.Err)
		}
		f := check.file(bundle)
		switch {
		case f == nil && c.why == "":
		case f == nil || c.why == "" || !strings.Contains(f.Why, c.why):
			t.Errorf("%s: %+v", c.name, f)
		}
	}
	// Where OpenSSL looks for it.
	p, err := specOf(filepath.Join(work, "links"), nil).Parts()
	if err != nil {
		t.Fatal(err)
	}
	const name = "/usr/lib/ssl/cert.pem"
	if to, err := filepath.EvalSymlinks(name); err == nil && to == bundle && (p.Root.Lookup(name) != erofs.Symlink || p.Root.Lookup(bundle) != erofs.Regular) {
		t.Errorf("%s: %v, %s: %v", name, p.Root.Lookup(name), bundle, p.Root.Lookup(bundle))
	}
}

// TestCertificatesOfGo: what is linked with crypto/x509 has the file's name in it; a
// client needs the file.
func TestCertificatesOfGo(t *testing.T) {
	const bundle = "/etc/ssl/certs/ca-certificates.crt"
	if _, err := os.Stat(bundle); err != nil {
		t.Skip("no CA certificates of Debian's here")
	}
	dir := visibleDir(t)
	for name, c := range map[string]struct {
		text string
		want bool
	}{
		"client": {"package main\n\nimport \"crypto/x509\"\n\nfunc main() { x509.SystemCertPool() }\n", true},
		"plain":  {"package main\n\nfunc main() {}\n", false},
		"get":    {"package main\n\nimport \"net/http\"\n\nfunc main() { http.Get(\"https://example.com/\") }\n", true},
		"dial":   {"package main\n\nimport \"crypto/tls\"\n\nfunc main() { tls.Dial(\"tcp\", \"example.com:443\", nil) }\n", true},
		"server": {"package main\n\nimport \"net/http\"\n\nfunc main() { http.ListenAndServeTLS(\":443\", \"c\", \"k\", nil) }\n", false},
	} {
		src := put(t, dir, name+".go", []byte(c.text), 0o644)
		out := filepath.Join(dir, name)
		cmd := exec.Command("go", "build", "-ldflags=-s -w", "-o", out, src)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if b, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, b)
		}
		p, err := specOf(out, nil).Parts()
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Root.Lookup(bundle) == erofs.Regular; got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
