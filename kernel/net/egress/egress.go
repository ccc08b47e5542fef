// Package egress decides where the program may send: one function, Check, that
// the sockets call with the final address of every connect and every addressed
// send, after mapped addresses have become what they really are.
//
// An IPv6 address may carry an IPv4 address that a translator or tunnel on the
// way would send to: Reduce finds it, and both must be allowed. Loopback never
// comes here. Today the table is a list of denied prefixes with exempt
// endpoints; a policy with names, ports and rates takes the same place.
//
// The denied prefixes are fixed once the table is made, on pages that the machine makes
// read-only, and the exempt endpoints, which follow the resolvers that DHCP names, are
// replaced as a whole, so Check takes no lock and allocates nothing. Who is heard from at a
// denied address may be answered (heard.go). It imports only the standard library.
package egress

import (
	"net/netip"
	"sync/atomic"
)

// Proto is a transport protocol, by its IANA number.
type Proto uint8

// The protocols that sockets speak.
const (
	TCP Proto = 6
	UDP Proto = 17
)

// Table is the decision. The nil table and the zero table allow everything.
type Table struct {
	// pages hold the denied prefixes, entrySize bytes each, to the first one of zeroes or the
	// end: the address, as IPv6 has or maps it, the family (4 or 6) and the length in bits.
	pages  [][]byte
	exempt atomic.Pointer[[]netip.AddrPort]
	audit  func(Proto, netip.AddrPort)
	denied atomic.Uint64
	heard  heard
}

const entrySize = 16 + 1 + 1

// New makes a table that denies the prefixes, but for the exempt addresses
// with their ports. page, which may be nil, gives zeroed pages for them, which are written
// here only. audit, which may be nil, hears of every denial with the address that was
// asked for; it must not block.
func New(deny []netip.Prefix, exempt []netip.AddrPort, page func() []byte, audit func(Proto, netip.AddrPort)) *Table {
	t := &Table{audit: audit}
	var free []byte
	for _, p := range deny {
		a, bits, family := p.Addr(), p.Bits(), byte(6)
		if a.Is4() {
			bits += 96
		}
		if a.Is4() || a.Is4In6() && bits >= 96 {
			family = 4
		}
		if len(free) < entrySize {
			if page != nil {
				free = page()
			} else {
				free = make([]byte, 4096)
			}
			t.pages = append(t.pages, free)
		}
		b := a.As16()
		copy(free, b[:])
		free[16], free[17] = family, byte(bits)
		free = free[entrySize:]
	}
	t.SetExempt(exempt)
	return t
}

// SetExempt replaces the exempt addresses with their ports.
func (t *Table) SetExempt(exempt []netip.AddrPort) {
	if len(exempt) == 0 {
		t.exempt.Store(nil)
		return
	}
	list := make([]netip.AddrPort, 0, len(exempt))
	for _, e := range exempt {
		list = append(list, netip.AddrPortFrom(e.Addr().Unmap(), e.Port()))
	}
	t.exempt.Store(&list)
}

// Check reports whether the program may send to an address, and counts and
// audits a denial.
func (t *Table) Check(proto Proto, to netip.AddrPort) bool {
	if t.Allows(to) {
		return true
	}
	t.Deny(proto, to)
	return false
}

// Empty reports whether everything is allowed.
func (t *Table) Empty() bool { return t == nil || len(t.pages) == 0 || t.pages[0][16] == 0 }

// Allows is Check without consequences.
func (t *Table) Allows(to netip.AddrPort) bool {
	if t.Empty() {
		return true
	}
	a := to.Addr().Unmap().WithZone("")
	if !t.allows(a, to.Port()) {
		return false
	}
	inner, ok := Reduce(a)
	return !ok || t.allows(inner, to.Port())
}

// Deny counts and audits a denial.
func (t *Table) Deny(proto Proto, to netip.AddrPort) {
	t.denied.Add(1)
	if t.audit != nil {
		t.audit(proto, to)
	}
}

// Denied is how often Check said no.
func (t *Table) Denied() uint64 {
	if t == nil {
		return 0
	}
	return t.denied.Load()
}

func (t *Table) allows(a netip.Addr, port uint16) bool {
	b, family := a.As16(), byte(6)
	if a.Is4() {
		family = 4
	}
	for _, p := range t.pages {
		for ; len(p) >= entrySize && p[16] != 0; p = p[entrySize:] {
			n := p[17] / 8
			if p[16] != family || n > 16 || string(p[:n]) != string(b[:n]) || n < 16 && (p[n]^b[n])>>(8-p[17]%8) != 0 {
				continue
			}
			list := t.exempt.Load()
			if list == nil {
				return false
			}
			for _, e := range *list {
				if e.Addr() == a && e.Port() == port {
					return true
				}
			}
			return false
		}
	}
	return true
}

// Reduce finds the IPv4 address inside an IPv6 address: IPv4-mapped and
// -compatible (RFC 4291), translated (64:ff9b::/96 and 64:ff9b:1::/48, RFC 6052,
// RFC 8215), 6to4 (2002::/16, RFC 3056) and Teredo (2001::/32, RFC 4380, where
// the client's address is stored inverted).
func Reduce(a netip.Addr) (netip.Addr, bool) {
	if !a.Is6() {
		return netip.Addr{}, false
	}
	b := a.As16()
	last := [4]byte{b[12], b[13], b[14], b[15]}
	switch {
	case a.Is4In6():
		return netip.AddrFrom4(last), true
	case b[0] == 0x00 && b[1] == 0x64 && b[2] == 0xff && b[3] == 0x9b:
		// Of 64:ff9b:1::/48 the network may cut prefixes of its own length;
		// in the usual /96 form the address is the last four bytes.
		return netip.AddrFrom4(last), true
	case b[0] == 0x20 && b[1] == 0x02:
		return netip.AddrFrom4([4]byte{b[2], b[3], b[4], b[5]}), true
	case b[0] == 0x20 && b[1] == 0x01 && b[2] == 0 && b[3] == 0:
		for i := range last {
			last[i] ^= 0xff
		}
		return netip.AddrFrom4(last), true
	}
	for _, x := range b[:12] {
		if x != 0 {
			return netip.Addr{}, false
		}
	}
	if last[0] == 0 {
		return netip.Addr{}, false // ::, ::1
	}
	return netip.AddrFrom4(last), true
}
