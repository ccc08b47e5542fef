package known

import "io"

// maxNamed is how large a program may be to be searched for names, in bytes.
const maxNamed = 1 << 30

// Names is what a program names in its own text, whatever its libraries name.
type Names struct {
	Certificates string // what names the list of CA certificates, "" if nothing does
	Zones        bool   // it looks time zones up by name, and has none of its own
}

var (
	// caName is how the file is called on Debian and its kin, and by whatever looks for it
	// in several places.
	caName = text{"ca-certificates.crt", false}
	// Go's linker keeps the names of functions that a program can reach, with -s too.
	// Whatever can speak TLS can look for the list; only who connects to others does.
	goRoots   = text{"crypto/x509.loadSystemRoots", true}
	goClients = []text{{"net/http.(*Transport).dialConn", true}, {"crypto/tls.dial", true}, {"golang.org/x/net/http2.(*Transport).newClientConn", true},
		{"google.golang.org/grpc/internal/transport.NewHTTP2Client", true}, {"net/smtp.(*Client).StartTLS", true}}
	goZones, goOwnZones = text{"time.LoadLocation", true}, text{"time/tzdata.loadFromEmbeddedTZData", true}
)

// NamesIn searches the ELF file r.
func NamesIn(r io.ReaderAt) (n Names) {
	found := scan(r, maxNamed, append([]text{caName, goRoots, goZones, goOwnZones}, goClients...))
	n.Zones = found[goZones] && !found[goOwnZones]
	if !found[caName] {
		return n
	}
	if !found[goRoots] {
		n.Certificates = "which it names"
	}
	for _, c := range goClients {
		if found[goRoots] && found[c] && n.Certificates == "" {
			n.Certificates = "for " + c.s
		}
	}
	return n
}
