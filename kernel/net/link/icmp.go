package link

// Quoted names a flow: what an ICMP error says of the packet that caused it, or
// where a datagram goes.
type Quoted struct {
	IPv6          bool
	Proto         uint8 // TCP or UDP
	Local, Remote [16]byte
	LocalPort     uint16
	RemotePort    uint16
	Seq           uint32 // TCP sequence number
	addrLen       int
}

// LocalAddr is our address, 4 or 16 bytes.
func (q *Quoted) LocalAddr() []byte { return q.Local[:q.addrLen] }

// RemoteAddr is the other side's address, 4 or 16 bytes.
func (q *Quoted) RemoteAddr() []byte { return q.Remote[:q.addrLen] }

// ICMP types and codes, RFC 792 and RFC 4443.
const (
	icmpEchoReply    = 0
	icmpUnreachable  = 3
	icmpFragNeeded   = 4 // code of icmpUnreachable
	icmpRedirect     = 5
	icmpEcho         = 8
	icmp6Unreachable = 1
	icmp6TooBig      = 2
	icmp6ParamProb   = 4
	icmp6Echo        = 128
	icmp6Query       = 130
	icmp6RouterAdv   = 134
	icmp6Solicit     = 135
	icmp6Advert      = 136
	icmp6Redirect    = 137
)

// Least path MTUs that are believed: RFC 1191 section 3 names 576 as what every
// host must accept in one piece; RFC 8200 section 5 guarantees 1280.
const (
	minPMTU4 = 576
	minPMTU6 = 1280
)

// icmp4 passes echo requests to us alone and errors about live connections.
// Redirects, timestamp, mask and information requests have no answer here.
func (e *Endpoint) icmp4(f *frame, b []byte, multi bool) bool {
	if len(b) < 8 {
		return e.drop(DropRunt)
	}
	if multi {
		return e.drop(DropMismatch) // no smurf amplifier
	}
	switch b[0] {
	case icmpEcho:
		return true
	case icmpRedirect:
		return e.drop(DropRouter)
	case icmpUnreachable:
		if b[1] == icmpFragNeeded && be16(b[6:8]) < minPMTU4 {
			return e.drop(DropICMP)
		}
		q := b[8:]
		if len(q) < 28 || q[0]>>4 != 4 {
			return e.drop(DropICMP)
		}
		ihl := int(q[0]&15) * 4
		if ihl < 20 || len(q) < ihl+8 || be16(q[6:8])&0x1fff != 0 {
			return e.drop(DropICMP)
		}
		quoted := Quoted{Proto: q[9], addrLen: 4}
		copy(quoted.Local[:], q[12:16])
		copy(quoted.Remote[:], q[16:20])
		return e.quoted(&quoted, q[ihl:])
	}
	return e.drop(DropProtocol)
}

// quoted passes an error if it is about a connection of ours.
func (e *Endpoint) quoted(q *Quoted, transport []byte) bool {
	if q.Proto != protoTCP && q.Proto != protoUDP || len(transport) < 8 || e.cfg.Live == nil {
		return e.drop(DropICMP)
	}
	q.LocalPort, q.RemotePort, q.Seq = be16(transport), be16(transport[2:]), be32(transport[4:])
	if !e.cfg.Live(*q) {
		return e.drop(DropICMP)
	}
	return true
}

// icmp6 does for ICMPv6 what icmp4 does, and neighbour discovery. Neighbour
// solicitations are answered here.
func (e *Endpoint) icmp6(f *frame, b []byte, multi bool) bool {
	if len(b) < 8 {
		return e.drop(DropRunt)
	}
	hops := f.packet[7]
	switch b[0] {
	case icmp6Echo:
		if multi {
			return e.drop(DropMismatch)
		}
		return true
	case icmp6Query:
		// RFC 3810 5.1.14: from a link-local address, one hop.
		if hops != 1 || f.packet[8] != 0xfe || f.packet[9]&0xc0 != 0x80 {
			return e.drop(DropRouter)
		}
		return true
	case icmp6RouterAdv, icmp6Redirect:
		return e.drop(DropRouter)
	case icmp6Solicit:
		if hops != 255 || !e.answerSolicitation(f, b) {
			return e.drop(DropNeighbor)
		}
		return false
	case icmp6Advert:
		if hops != 255 || !e.advertAsked(f, b) {
			return e.drop(DropNeighbor)
		}
		return true
	case icmp6Unreachable, icmp6TooBig, icmp6ParamProb:
		if multi {
			return e.drop(DropMismatch)
		}
		if b[0] == icmp6TooBig && be32(b[4:8]) < minPMTU6 {
			return e.drop(DropICMP)
		}
		q := b[8:]
		if len(q) < 48 || q[0]>>4 != 6 {
			return e.drop(DropICMP)
		}
		quoted := Quoted{IPv6: true, Proto: q[6], addrLen: 16}
		copy(quoted.Local[:], q[8:24])
		copy(quoted.Remote[:], q[24:40])
		return e.quoted(&quoted, q[40:])
	}
	return e.drop(DropProtocol)
}
