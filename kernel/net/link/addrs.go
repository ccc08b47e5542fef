package link

import "encoding/binary"

// Addrs is the machine's addresses on one link.
type Addrs struct {
	V4 []V4
	V6 [][16]byte
}

// V4 is an IPv4 address with the mask of its subnet, both in host order.
type V4 struct{ Addr, Mask uint32 }

func (a *Addrs) has4(addr uint32) bool {
	for i := range a.V4 {
		if a.V4[i].Addr == addr {
			return true
		}
	}
	return false
}

// broadcast4 reports whether addr is the limited broadcast address or that of a
// subnet that is ours. /31 and /32 have none (RFC 3021).
func (a *Addrs) broadcast4(addr uint32) bool {
	if addr == 0xffffffff {
		return true
	}
	for i := range a.V4 {
		v := &a.V4[i]
		if host := ^v.Mask; host > 1 && addr == v.Addr|host {
			return true
		}
	}
	return false
}

func (a *Addrs) has6(addr *[16]byte) bool {
	for i := range a.V6 {
		if a.V6[i] == *addr {
			return true
		}
	}
	return false
}

// be16 and be32 read network byte order; the caller checked the length.
func be16(b []byte) uint16 { return binary.BigEndian.Uint16(b) }
func be32(b []byte) uint32 { return binary.BigEndian.Uint32(b) }

func put16(b []byte, v uint16) { binary.BigEndian.PutUint16(b, v) }
func put32(b []byte, v uint32) { binary.BigEndian.PutUint32(b, v) }

// sum is the Internet checksum's ones' complement sum (RFC 1071) of b added to
// s, not yet folded.
func sum(b []byte, s uint32) uint32 {
	for len(b) >= 2 {
		s += uint32(b[0])<<8 | uint32(b[1])
		b = b[2:]
	}
	if len(b) == 1 {
		s += uint32(b[0]) << 8
	}
	return s
}

func fold(s uint32) uint16 {
	for s > 0xffff {
		s = s>>16 + s&0xffff
	}
	return uint16(s)
}
