package link

import "encoding/binary"

// IP protocol numbers, IANA.
const (
	protoICMP   = 1
	protoIGMP   = 2
	protoTCP    = 6
	protoUDP    = 17
	protoICMPv6 = 58
)

// IPv4 options that steer or record a packet's way (RFC 791 section 3.1). No
// Internet host has a use for them; routers drop them too (RFC 7126).
const (
	optEnd         = 0
	optNop         = 1
	optRecordRoute = 7
	optTimestamp   = 68
	optLSRR        = 131
	optSSRR        = 137
)

// filter4 decides whether an IPv4 packet goes up.
func (e *Endpoint) filter4(f *frame) bool {
	p := f.packet
	if len(p) < 20 {
		return e.drop(DropRunt)
	}
	ihl := int(p[0]&15) * 4
	total := int(be16(p[2:4]))
	if p[0]>>4 != 4 || ihl < 20 || total < ihl || total > len(p) {
		return e.drop(DropRunt)
	}
	if fold(sum(p[:ihl], 0)) != 0xffff { // the stack skips this if the device vouches
		return e.drop(DropChecksum)
	}
	p = p[:total] // Ethernet pads short frames
	f.packet = p
	if ihl > 20 && !plainOptions(p[20:ihl]) {
		return e.drop(DropOption)
	}
	src, dst := be32(p[12:16]), be32(p[16:20])
	proto, body := p[9], p[ihl:]
	fragment := be16(p[6:8]) & 0x3fff // MF and the offset in units of 8 bytes

	if proto == protoUDP && fragment == 0 && len(body) >= 8 && be16(body[2:4]) == 68 {
		if tap := e.tap.Load(); tap != nil {
			(*tap)(p, f.src)
			return false
		}
	}
	if martian4(src) || f.local.has4(src) || f.local.broadcast4(src) || martianDst4(dst) {
		return e.drop(DropMartian)
	}
	multi := dst>>28 == 14 || f.local.broadcast4(dst)
	if !multi {
		if !f.local.has4(dst) {
			return e.drop(DropNotOurs)
		}
		// RFC 1122 3.3.6: a unicast packet in a link-layer broadcast is dropped.
		if f.group {
			return e.drop(DropMismatch)
		}
	}
	if fragment != 0 && !e.fragment4(f, src, proto, fragment, ihl) {
		return e.drop(DropFragment)
	}
	switch proto {
	case protoTCP:
		if multi {
			return e.drop(DropMismatch)
		}
		if fragment == 0 && !e.admitSYN(body, p[16:20]) {
			return e.drop(DropBacklog)
		}
	case protoUDP:
		if fragment == 0 && len(body) < smallUDP && !e.admitUDP(p[16:20], p[12:16], body) {
			return e.drop(DropBacklog)
		}
	case protoIGMP:
		if !multi {
			return e.drop(DropMismatch)
		}
	case protoICMP:
		f.vouched = false
		if fragment == 0 {
			return e.icmp4(f, body, multi)
		}
	default:
		return e.drop(DropProtocol)
	}
	return true
}

// admitSYN asks about a TCP segment that begins a connection; any other passes.
func (e *Endpoint) admitSYN(tcp, local []byte) bool {
	const syn, ack = 0x02, 0x10
	return len(tcp) < 20 || tcp[13]&(syn|ack) != syn || e.cfg.SYN == nil || e.cfg.SYN(local, be16(tcp[2:4]))
}

// smallUDP is the size in bytes, header included, below which datagrams are
// counted and not only weighed.
const smallUDP = 520

// admitUDP asks about a small datagram.
func (e *Endpoint) admitUDP(local, remote, udp []byte) bool {
	if len(udp) < 8 || e.cfg.SmallUDP == nil {
		return true
	}
	q := Quoted{IPv6: len(local) == 16, Proto: protoUDP, LocalPort: be16(udp[2:]), RemotePort: be16(udp), addrLen: len(local)}
	copy(q.Local[:], local)
	copy(q.Remote[:], remote)
	return e.cfg.SmallUDP(q)
}

// martian4 reports whether addr cannot be the source of a packet from a wire:
// this-network, loopback, multicast, reserved (RFC 6890).
func martian4(addr uint32) bool {
	top := addr >> 24
	return top == 0 || top == 127 || top >= 224
}

// martianDst4 reports whether addr cannot be the destination of one.
func martianDst4(addr uint32) bool {
	top := addr >> 24
	return top == 0 || top == 127 || top >= 240 && addr != 0xffffffff
}

// plainOptions walks the options and reports whether they are well formed and
// harmless.
func plainOptions(o []byte) bool {
	for len(o) > 0 {
		switch o[0] {
		case optEnd:
			return true
		case optNop:
			o = o[1:]
			continue
		case optRecordRoute, optTimestamp, optLSRR, optSSRR:
			return false
		}
		if len(o) < 2 || int(o[1]) < 2 || int(o[1]) > len(o) {
			return false
		}
		o = o[o[1]:]
	}
	return true
}

// fragment4 admits a fragment. The first one must hold the whole transport
// header, and a second one that would overwrite TCP's flags is refused (RFC
// 1858, RFC 3128). Overlaps are the reassembly's business: it drops the
// datagram.
func (e *Endpoint) fragment4(f *frame, src uint32, proto byte, word uint16, ihl int) bool {
	more, offset := word&0x2000 != 0, int(word&0x1fff)
	body := len(f.packet) - ihl
	if body == 0 || more && body%8 != 0 || offset*8+body > 65535-ihl {
		return false
	}
	if offset == 0 && !holdsHeader(proto, f.packet[ihl:]) || offset == 1 && proto == protoTCP {
		return false
	}
	f.vouched = false // the checksum covers the whole datagram
	var from [16]byte
	binary.BigEndian.PutUint32(from[12:], src)
	return e.frags.admit(&from, uint32(be16(f.packet[4:6])), uint32(offset*8), uint32(body), more)
}

// holdsHeader reports whether b holds a whole transport header.
func holdsHeader(proto byte, b []byte) bool {
	switch proto {
	case protoTCP:
		return len(b) >= 20 && len(b) >= int(b[12]>>4)*4
	case protoUDP, protoICMP, protoICMPv6:
		return len(b) >= 8
	}
	return false
}
