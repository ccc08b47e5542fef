package known

import (
	"os"
	"path/filepath"
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

// certificates are the files of CA certificates for a language whose library reads them,
// nothing if the user gives a folder of others in their place.
func (p *Program) certificates() []Path {
	if p.Has != nil && p.Has(filepath.Dir(caBundle)) && !p.Has(caBundle) {
		return nil
	}
	const why = "CA certificates"
	return []Path{{Host: caBundle, Why: why}, {Host: opensslCA, Why: why}}
}

// Certificates are the files of CA certificates that a program needs: one with a library
// that checks servers by them, or one that names them itself. The first path is the file
// itself; the others lead to it.
func Certificates(c *dynlink.Closure, n Names) []Path {
	return certificates(c, n, caBundles, caNames)
}

func certificates(c *dynlink.Closure, n Names, bundles, names []string) (list []Path) {
	why := ""
	if n.Certificates != "" {
		why = "CA certificates, " + n.Certificates
	}
	for _, l := range c.Libraries {
		for _, name := range caLibraries {
			if why == "" && strings.HasPrefix(l.Name, name) {
				why = "CA certificates, for " + l.Name
			}
		}
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

// regular reports whether a path leads to a file.
func regular(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}
