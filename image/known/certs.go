package known

import (
	"bytes"
	"debug/elf"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"skerry/image/dynlink"
)

// caBundle is the file of all CA certificates as Debian and its kin have it, and opensslCA
// where their OpenSSL looks for it.
const (
	caBundle  = "/etc/ssl/certs/ca-certificates.crt"
	opensslCA = "/usr/lib/ssl/cert.pem"
)

// caBundles are where distributions have that file, and caNames other names of it by which
// libraries ask.
var (
	caBundles = []string{caBundle, "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"}
	caNames   = []string{opensslCA, "/etc/pki/tls/cert.pem", "/etc/ssl/cert.pem"}
)

// caLibraries are libraries that check servers' certificates by the system's list.
var caLibraries = []string{"libssl.so", "libgnutls.so", "libcurl.so", "libcurl-gnutls.so"}

// maxNamed bounds what is searched of a program for the file's name.
const maxNamed = 256 << 20

// certificates are the files of CA certificates for a language whose library reads them,
// nothing if the user gives a folder of others in their place.
func (p *Program) certificates() []Path {
	if p.Has != nil && p.Has(filepath.Dir(caBundle)) && !p.Has(caBundle) {
		return nil
	}
	const why = "CA certificates"
	return []Path{{Host: caBundle, Why: why}, {Host: opensslCA, Why: why}}
}

// Certificates are the files of CA certificates that a program needs, nothing if it does
// not look for any: one with a library that does, or that has the name of Debian's file
// in it, as Rust's openssl-probe and clients in Go do. The first path is the file itself;
// the others lead to it.
func Certificates(program io.ReaderAt, c *dynlink.Closure) []Path {
	return certificates(program, c, caBundles, caNames)
}

func certificates(program io.ReaderAt, c *dynlink.Closure, bundles, names []string) (list []Path) {
	why := ""
	for _, l := range c.Libraries {
		for _, name := range caLibraries {
			if why == "" && strings.HasPrefix(l.Name, name) {
				why = "CA certificates, for " + l.Name
			}
		}
	}
	if why == "" && contains(program, caBundle, maxNamed) && !goServer(program) {
		why = "CA certificates, whose file it names"
	}
	if why == "" {
		return nil
	}
	var real string
	for _, b := range bundles {
		if at, err := filepath.EvalSymlinks(b); real == "" && err == nil && regular(at) {
			real, list = at, []Path{{Host: b, Why: why}}
		}
	}
	for _, n := range names {
		if at, err := filepath.EvalSymlinks(n); err == nil && at == real && n != list[0].Host {
			list = append(list, Path{Host: n, Why: why})
		}
	}
	return list
}

// goClient are functions of which a Go program has one linked if it checks the
// certificates of others, as its table of functions names them.
var goClient = []string{"net/http.(*Client).do", "net/http.(*Transport).dialConn", "crypto/tls.dial", "crypto/tls.(*Dialer).DialContext",
	"crypto/tls.QUICClient", "crypto/x509.SystemCertPool", "google.golang.org/grpc/credentials.(*tlsCreds).ClientHandshake"}

// goServer reports whether a program is in Go and connects to nobody by TLS, as far as can
// be told. It has the name of the list all the same, if it can serve by TLS. net/http has
// tls.Client linked for a server, too.
func goServer(program io.ReaderAt) bool {
	has := func(function string) bool { return contains(program, "\x00"+function+"\x00", maxNamed) }
	switch {
	case !contains(program, "\xff Go buildinf:", maxNamed): // debug/buildinfo
		return false
	case slices.ContainsFunc(goClient, has):
		return false
	}
	return has("net/http.(*Server).Serve") || !has("crypto/tls.Client")
}

func regular(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// contains reports whether an ELF file has text in what is loaded of it, in its first
// limit bytes. Code is passed over where constants stand apart from it.
func contains(r io.ReaderAt, text string, limit int64) bool {
	f, err := elf.NewFile(dynlink.NoSections(r))
	if err != nil {
		return false
	}
	apart := false
	for _, p := range f.Progs {
		apart = apart || p.Type == elf.PT_LOAD && p.Flags&(elf.PF_W|elf.PF_X) == 0
	}
	const step = 256 << 10
	b := make([]byte, step)
	for _, p := range f.Progs {
		if p.Type != elf.PT_LOAD || apart && p.Flags&elf.PF_X != 0 {
			continue
		}
		for off := int64(0); off < int64(p.Filesz) && limit > 0; off += step - int64(len(text)) + 1 {
			n, err := p.ReadAt(b, off)
			if bytes.Contains(b[:n], []byte(text)) {
				return true
			}
			if limit -= int64(n); err != nil {
				break
			}
		}
	}
	return false
}
