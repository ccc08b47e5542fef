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
	const plain, links = "int main(void){return 0;}", "int tls(void);int main(void){return tls();}"
	linked := []string{"-L" + filepath.Dir(lib), "-l:libssl.so.99", "-Wl,-rpath," + filepath.Dir(lib)}
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
		{"names", `#include <stdio.h>
			int main(void){return !fopen("/etc/ssl/certs/ca-certificates.crt","r");}`, []string{"-static"}, nil, "which it names"},
		{"links", links, linked, nil, "for libssl.so.99"},
		{"exact", links, linked, func(s *BuildSpec) { s.Exact = true }, ""},
		{"own-folder", links, linked, func(s *BuildSpec) { s.Copies = []Copy{{own, dir, true}} }, ""},
		{"own-file", links, linked, func(s *BuildSpec) { s.Copies = []Copy{{mine, bundle, false}} }, "--file"},
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
	// Any program in Go with a server can check certificates; a client has to.
	for name, c := range map[string]struct {
		text  string
		zones bool
		why   string
	}{
		"server": {`package main; import "net/http"; func main() { http.ListenAndServe(":1", nil) }`, false, ""},
		"client": {`package main; import ("net/http"; "time"); func main() { http.Get("https://a/"); time.LoadLocation("Asia/Tokyo") }`, true, "for net/http.(*Transport).dialConn"},
	} {
		src := put(t, work, name+"/main.go", []byte(c.text), 0o644)
		path := filepath.Join(work, name, "app")
		cmd := exec.Command("go", "build", "-ldflags=-s -w", "-o", path, src)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=", "GO111MODULE=off")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		check := specOf(path, nil).Check()
		why := ""
		if f := check.file(bundle); f != nil {
			why = strings.TrimPrefix(f.Why, "CA certificates, ")
		}
		if _, err := os.Stat(zoneDir); err == nil && (check.file(zoneDir) != nil) != c.zones || why != c.why || check.Err != nil {
			t.Errorf("%s: %q, zones %v, %v", name, why, check.file(zoneDir), check.Err)
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
