package dhcp

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/checksum"
	"gvisor.dev/gvisor/pkg/tcpip/header"
)

// Message types, RFC 2132 section 9.6.
const (
	discover = 1
	offer    = 2
	request  = 3
	ack      = 5
	nak      = 6
)

// Options, RFC 2132 unless said otherwise.
const (
	optPad        = 0
	optMask       = 1
	optRouter     = 3
	optDNS        = 6
	optHostname   = 12
	optDomain     = 15
	optMTU        = 26
	optRequested  = 50
	optLease      = 51
	optOverload   = 52
	optType       = 53
	optServer     = 54
	optParameters = 55
	optMaxSize    = 57
	optT1         = 58
	optT2         = 59
	optClientID   = 61
	optRoutes     = 121 // RFC 3442
	optEnd        = 255
)

// Layout of a message, RFC 2131 section 2.
const (
	fixedSize  = 236
	cookie     = 0x63825363
	snameAt    = 44
	fileAt     = 108
	minMessage = 300 // what BOOTP relays expect at least (RFC 1542 section 2.1)
	clientPort = 68
	serverPort = 67
)

// Bounds on what a server may say.
const (
	minLease   = time.Minute
	maxLease   = 30 * 24 * time.Hour
	minMTU     = 576 // RFC 791
	maxServers = 3   // resolvers, as glibc uses
	maxRoutes  = 16
)

// reply is what a server's message says, checked.
type reply struct {
	kind   byte
	xid    uint32
	server netip.Addr
	lease  Lease
}

// parse reads an IPv4 packet for port 68 and checks everything that does not
// depend on the client's state. ok is false for whatever is not a good answer
// to a client with this MAC.
func parse(packet []byte, mac [6]byte) (r reply, ok bool) {
	ip := header.IPv4(packet)
	if !ip.IsValid(len(packet)) || ip.TransportProtocol() != header.UDPProtocolNumber || ip.More() || ip.FragmentOffset() != 0 {
		return r, false
	}
	u := header.UDP(packet[ip.HeaderLength():ip.TotalLength()])
	if len(u) < header.UDPMinimumSize || int(u.Length()) < header.UDPMinimumSize || int(u.Length()) > len(u) ||
		u.SourcePort() != serverPort || u.DestinationPort() != clientPort {
		return r, false
	}
	u = u[:u.Length()]
	if u.Checksum() != 0 && !u.IsChecksumValid(ip.SourceAddress(), ip.DestinationAddress(), checksum.Checksum(u.Payload(), 0)) {
		return r, false
	}
	m := u.Payload()
	if len(m) < fixedSize+4 || m[0] != 2 || m[1] != 1 || m[2] != 6 || [6]byte(m[28:34]) != mac ||
		binary.BigEndian.Uint32(m[fixedSize:]) != cookie {
		return r, false
	}
	r.xid = binary.BigEndian.Uint32(m[4:8])
	var o options
	o.scan(m[fixedSize+4:])
	// Options may spill into the file and sname fields (option 52), each read
	// once and only if the options proper say so.
	switch o.overload {
	case 1:
		o.scan(m[fileAt:fixedSize])
	case 2:
		o.scan(m[snameAt:fileAt])
	case 3:
		o.scan(m[fileAt:fixedSize])
		o.scan(m[snameAt:fileAt])
	}
	if o.bad || !unicast(o.server) {
		return r, false
	}
	r.kind, r.server = o.kind, o.server
	switch r.kind {
	case nak:
		return r, true
	case offer, ack:
		r.lease, ok = o.leaseFor(netip.AddrFrom4([4]byte(m[16:20])))
		return r, ok
	}
	return r, false
}

// options is what the option fields said.
type options struct {
	bad      bool
	overload byte
	kind     byte
	server   netip.Addr
	mask     uint32
	hasMask  bool
	router   netip.Addr
	dns      []netip.Addr
	domain   string
	mtu      int
	lease    uint32
	t1, t2   uint32
	routes   []Route
	has121   bool
	seen     [4]uint64 // a bit for each option: the first one counts
}

// scan reads one field of options. Unknown ones are skipped by their length.
func (o *options) scan(b []byte) {
	for len(b) > 0 {
		code := b[0]
		if code == optPad {
			b = b[1:]
			continue
		}
		if code == optEnd {
			return
		}
		if len(b) < 2 || len(b) < 2+int(b[1]) {
			o.bad = true
			return
		}
		v := b[2 : 2+int(b[1])]
		b = b[2+len(v):]
		if o.seen[code>>6]&(1<<(code&63)) != 0 {
			continue
		}
		o.seen[code>>6] |= 1 << (code & 63)
		o.set(code, v)
	}
}

func (o *options) set(code byte, v []byte) {
	switch code {
	case optOverload:
		o.bad = o.bad || len(v) != 1
		if len(v) == 1 {
			o.overload = v[0]
		}
	case optType:
		o.bad = o.bad || len(v) != 1
		if len(v) == 1 {
			o.kind = v[0]
		}
	case optServer:
		o.server = addr4(v)
	case optMask:
		if len(v) == 4 {
			o.mask, o.hasMask = binary.BigEndian.Uint32(v), true
		}
	case optRouter:
		if len(v) >= 4 {
			o.router = addr4(v[:4])
		}
	case optDNS:
		for ; len(v) >= 4 && len(o.dns) < maxServers; v = v[4:] {
			// A resolver may be link-local: some clouds' is.
			if a := addr4(v[:4]); unicast(a) || a.IsLinkLocalUnicast() {
				o.dns = append(o.dns, a)
			}
		}
	case optDomain:
		if d := string(v); domainName(d) {
			o.domain = d
		}
	case optMTU:
		if len(v) == 2 {
			o.mtu = int(binary.BigEndian.Uint16(v))
		}
	case optLease, optT1, optT2:
		if len(v) == 4 {
			n := binary.BigEndian.Uint32(v)
			switch code {
			case optLease:
				o.lease = n
			case optT1:
				o.t1 = n
			default:
				o.t2 = n
			}
		}
	case optRoutes:
		o.has121 = true
		o.scanRoutes(v)
	}
}

// scanRoutes reads classless static routes: width, significant octets of the
// destination, router. Those that would lead loopback, link-local (the clouds'
// metadata among it) or multicast elsewhere are left out.
func (o *options) scanRoutes(v []byte) {
	for len(v) > 0 {
		width := int(v[0])
		n := (width + 7) / 8
		if width > 32 || len(v) < 1+n+4 {
			o.bad = true
			return
		}
		var to [4]byte
		copy(to[:], v[1:1+n])
		via := addr4(v[1+n : 1+n+4])
		v = v[1+n+4:]
		p := netip.PrefixFrom(netip.AddrFrom4(to), width).Masked()
		if len(o.routes) < maxRoutes && harmless(p) && (unicast(via) || via.IsUnspecified()) {
			o.routes = append(o.routes, Route{To: p, Via: via})
		}
	}
}

// guarded are the prefixes that no server may lead anywhere.
var guarded = []netip.Prefix{
	netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("169.254.0.0/16"), netip.MustParsePrefix("224.0.0.0/3"),
}

// harmless reports whether a route may be followed: the default route may
// contain the guarded prefixes, since it does not claim them.
func harmless(p netip.Prefix) bool {
	if p.Bits() == 0 {
		return true
	}
	for _, g := range guarded {
		if g.Overlaps(p) {
			return false
		}
	}
	return p.Addr().As4()[0] != 0
}

// unicast reports whether a can be a host's address on an ordinary network.
func unicast(a netip.Addr) bool {
	if !a.Is4() {
		return false
	}
	b := a.As4()
	return b[0] != 0 && b[0] != 127 && b[0] < 224 && !(b[0] == 169 && b[1] == 254)
}

func addr4(v []byte) netip.Addr {
	if len(v) != 4 {
		return netip.Addr{}
	}
	return netip.AddrFrom4([4]byte(v))
}

// domainName accepts letters, digits, hyphens and dots: what may stand in
// /etc/resolv.conf without a way out of its line.
func domainName(s string) bool {
	if s == "" || len(s) > 253 {
		return false
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c|0x20 < 'a' || c|0x20 > 'z' {
			if (c < '0' || c > '9') && c != '-' && c != '.' {
				return false
			}
		}
	}
	return true
}

// leaseFor makes the lease of address a, ok if it is acceptable.
func (o *options) leaseFor(a netip.Addr) (Lease, bool) {
	l := Lease{Server: o.server, DNS: o.dns, Domain: o.domain, Duration: time.Duration(o.lease) * time.Second}
	if !unicast(a) || l.Duration < minLease {
		return l, false
	}
	l.Duration = min(l.Duration, maxLease)
	width := 24
	switch b := a.As4()[0]; {
	case o.hasMask:
		width = bits.LeadingZeros32(^o.mask)
		if o.mask<<width != 0 || width < 8 {
			return l, false
		}
	case b < 128: // no mask: the class says it (RFC 950)
		width = 8
	case b < 192:
		width = 16
	}
	l.Addr = netip.PrefixFrom(a, width)
	if host := ^uint32(0) >> width; width < 31 {
		if n := binary.BigEndian.Uint32(a.AsSlice()) & host; n == 0 || n == host {
			return l, false // the subnet's own or broadcast address
		}
	}
	l.Routes = o.routes
	if !o.has121 && unicast(o.router) && o.router != a { // RFC 3442: option 121 replaces option 3
		l.Routes = []Route{{To: netip.PrefixFrom(netip.IPv4Unspecified(), 0), Via: o.router}}
	}
	if o.mtu >= minMTU {
		l.MTU = o.mtu
	}
	// RFC 2131 section 4.4.5: T1 at one half, T2 at seven eighths.
	l.T1, l.T2 = l.Duration/2, l.Duration*7/8
	t1, t2 := time.Duration(o.t1)*time.Second, time.Duration(o.t2)*time.Second
	if t1 >= minLease/2 && t1 < l.T2 && (t2 == 0 || t1 < t2) {
		l.T1 = t1
	}
	if t2 > l.T1 && t2 < l.Duration {
		l.T2 = t2
	}
	return l, true
}

// message is what the client sends.
type message struct {
	kind      byte
	xid       uint32
	secs      uint16
	mac       [6]byte
	ciaddr    netip.Addr // the address that is held already
	requested netip.Addr
	server    netip.Addr
	hostname  string
	src, dst  netip.Addr
}

// build makes the IPv4 packet.
func (m *message) build() []byte {
	o := make([]byte, 0, 64+len(m.hostname))
	o = append(o, optType, 1, m.kind, optClientID, 7, 1)
	o = append(o, m.mac[:]...)
	o = append(o, optMaxSize, 2, 1472>>8, 1472&0xff)
	if m.requested.IsValid() {
		o = append(append(o, optRequested, 4), m.requested.AsSlice()...)
	}
	if m.server.IsValid() {
		o = append(append(o, optServer, 4), m.server.AsSlice()...)
	}
	if h := m.hostname; domainName(h) && len(h) <= 63 {
		o = append(append(o, optHostname, byte(len(h))), h...)
	}
	o = append(o, optParameters, 9, optMask, optRouter, optDNS, optDomain, optMTU, optLease, optT1, optT2, optRoutes, optEnd)
	size := max(fixedSize+4+len(o), minMessage)
	total := header.IPv4MinimumSize + header.UDPMinimumSize + size
	b := make([]byte, total)
	src, dst := tcpip.AddrFrom4(m.src.As4()), tcpip.AddrFrom4(m.dst.As4())
	ip := header.IPv4(b)
	ip.Encode(&header.IPv4Fields{TotalLength: uint16(total), TTL: 64, Protocol: uint8(header.UDPProtocolNumber), SrcAddr: src, DstAddr: dst})
	ip.SetChecksum(^ip.CalculateChecksum())
	p := b[header.IPv4MinimumSize+header.UDPMinimumSize:]
	p[0], p[1], p[2] = 1, 1, 6
	binary.BigEndian.PutUint32(p[4:], m.xid)
	binary.BigEndian.PutUint16(p[8:], m.secs)
	if m.ciaddr.IsValid() {
		copy(p[12:16], m.ciaddr.AsSlice())
	}
	copy(p[28:34], m.mac[:])
	binary.BigEndian.PutUint32(p[fixedSize:], cookie)
	copy(p[fixedSize+4:], o)
	u := header.UDP(b[header.IPv4MinimumSize:])
	u.Encode(&header.UDPFields{SrcPort: clientPort, DstPort: serverPort, Length: uint16(len(u))})
	sum := header.PseudoHeaderChecksum(header.UDPProtocolNumber, src, dst, uint16(len(u)))
	u.SetChecksum(^u.CalculateChecksum(checksum.Checksum(p, sum)))
	return b
}
