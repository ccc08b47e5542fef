package link

// IPv6 extension headers, RFC 8200 section 4.
const (
	extHopByHop = 0
	extRouting  = 43
	extFragment = 44
	extDest     = 60

	// maxExtensions is how many extension headers a packet may carry; real
	// ones carry one.
	maxExtensions = 4
)

// filter6 decides whether an IPv6 packet goes up.
func (e *Endpoint) filter6(f *frame) bool {
	p := f.packet
	if len(p) < 40 || p[0]>>4 != 6 {
		return e.drop(DropRunt)
	}
	length := 40 + int(be16(p[4:6])) // a jumbogram says 0 and is refused below
	if length > len(p) {
		return e.drop(DropRunt)
	}
	p = p[:length]
	f.packet = p
	src, dst := [16]byte(p[8:24]), [16]byte(p[24:40])
	multi := dst[0] == 0xff
	if martian6(&src) || f.local.has6(&src) || martianDst6(&dst) {
		return e.drop(DropMartian)
	}
	if !multi {
		if !f.local.has6(&dst) {
			return e.drop(DropNotOurs)
		}
		if f.group {
			return e.drop(DropMismatch)
		}
	}
	next, body := p[6], p[40:]
	for n := 0; ; n++ {
		switch next {
		case extHopByHop, extDest:
			if next == extHopByHop && n > 0 || n >= maxExtensions {
				return e.drop(DropRouting)
			}
			if len(body) < 8 || len(body) < 8+int(body[1])*8 {
				return e.drop(DropRunt)
			}
			next, body = body[0], body[8+int(body[1])*8:]
			continue
		case extRouting:
			return e.drop(DropRouting)
		case extFragment:
			if !e.fragment6(f, &src, body) {
				return e.drop(DropFragment)
			}
			return true
		}
		break
	}
	unspecified := src == [16]byte{}
	switch next {
	case protoTCP:
		if multi || unspecified {
			return e.drop(DropMismatch)
		}
		if !e.admitSYN(body, p[24:40]) {
			return e.drop(DropBacklog)
		}
	case protoUDP:
		if unspecified {
			return e.drop(DropMartian)
		}
		if len(body) < smallUDP && !e.admitUDP(p[24:40], p[8:24], body) {
			return e.drop(DropBacklog)
		}
	case protoICMPv6:
		f.vouched = false
		if unspecified && (len(body) == 0 || body[0] != icmp6Solicit) {
			return e.drop(DropMartian)
		}
		return e.icmp6(f, body, multi)
	default:
		return e.drop(DropProtocol)
	}
	return true
}

// martian6 reports whether addr cannot be the source of a packet from a wire:
// multicast, loopback, IPv4 in IPv6 clothes (RFC 4291, RFC 6890). The
// unspecified address is left to the caller: duplicate address detection uses
// it.
func martian6(addr *[16]byte) bool {
	if addr[0] == 0xff {
		return true
	}
	for i := 0; i < 10; i++ {
		if addr[i] != 0 {
			return false
		}
	}
	// ::/80: all but the unspecified address is loopback, IPv4-compatible or
	// IPv4-mapped.
	return *addr != [16]byte{}
}

// martianDst6 reports whether addr cannot be the destination of one: anything
// that cannot be a source but multicast, and multicast of interface scope.
func martianDst6(addr *[16]byte) bool {
	if addr[0] == 0xff {
		return addr[1]&15 <= 1
	}
	return martian6(addr) || *addr == [16]byte{}
}

// fragment6 admits a fragment. Atomic fragments, which no sender has a reason
// to make (RFC 8021), are refused.
func (e *Endpoint) fragment6(f *frame, src *[16]byte, b []byte) bool {
	if len(b) < 8 {
		return false
	}
	word := be16(b[2:4])
	offset, more := int(word&^7), word&1 != 0
	body := b[8:]
	if offset == 0 && !more || len(body) == 0 || more && len(body)%8 != 0 || offset+len(body) > 65535 {
		return false
	}
	// RFC 7112: the first fragment holds everything up to the transport header.
	if offset == 0 && !holdsHeader(b[0], body) {
		return false
	}
	f.vouched = false
	return e.frags.admit(src, be32(b[4:8]), uint32(offset), uint32(len(body)), more)
}
