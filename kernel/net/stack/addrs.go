package stack

import (
	"encoding/binary"
	"net/netip"

	"gvisor.dev/gvisor/pkg/tcpip"
	gstack "gvisor.dev/gvisor/pkg/tcpip/stack"

	"skerry/kernel/net/egress"
	"skerry/kernel/net/link"
	"skerry/kernel/wait"
)

// setV4 replaces the Ethernet link's IPv4 address and routes; the zero Iface
// takes them away.
func (s *Stack) setV4(n Iface) {
	s.mu.Lock()
	old := s.v4
	s.v4 = n
	s.mu.Unlock()
	if old.Addr.IsValid() && old.Addr != n.Addr {
		s.IP.RemoveAddress(NICEthernet, Address(old.Addr.Addr()))
	}
	if n.Addr.IsValid() && old.Addr != n.Addr {
		s.addAddress(NICEthernet, n.Addr)
	}
	s.applied()
	if old.Addr != n.Addr {
		s.changed(Change{Gone: old.Addr, Come: n.Addr})
	}
}

// Change is a change of the Ethernet link's configuration: an address that went
// or came (zero if not), or with neither, the link's state.
type Change struct{ Gone, Come netip.Prefix }

// SetWatch gives the function that hears of changes. It must not block.
func (s *Stack) SetWatch(f func(Change)) { s.watch.Store(&f) }

func (s *Stack) changed(c Change) {
	if f := s.watch.Load(); f != nil {
		(*f)(c)
	}
}

// linkChanged hears from the link that it went up or down.
func (s *Stack) linkChanged(up bool) {
	if f := s.cfg.Events.Link; f != nil {
		f(up)
	}
	s.changed(Change{})
}

// setV6 sets the Ethernet link's IPv6 address and routes, and a link-local
// address, which neighbour discovery needs (RFC 4291 section 2.8).
func (s *Stack) setV6(n Iface) {
	s.mu.Lock()
	s.v6 = n
	s.mu.Unlock()
	s.addAddress(NICEthernet, netip.PrefixFrom(linkLocal(s.eth.HardwareAddr()), 64))
	if n.Addr.Addr() != linkLocal(s.eth.HardwareAddr()) {
		s.addAddress(NICEthernet, n.Addr)
	}
	s.applied()
}

// applied brings routes and the link's filter in line with the addresses.
func (s *Stack) applied() {
	s.setRoutes()
	s.mu.Lock()
	defer s.mu.Unlock()
	a := &link.Addrs{}
	if p := s.v4.Addr; p.IsValid() {
		b := p.Addr().As4()
		a.V4 = append(a.V4, link.V4{Addr: binary.BigEndian.Uint32(b[:]), Mask: ^uint32(0) << (32 - p.Bits())})
	}
	if p := s.v6.Addr; p.IsValid() {
		a.V6 = append(a.V6, linkLocal(s.eth.HardwareAddr()).As16())
		if p.Addr() != linkLocal(s.eth.HardwareAddr()) {
			a.V6 = append(a.V6, p.Addr().As16())
		}
	}
	s.eth.SetAddrs(a)
}

// linkLocal is the link-local address made of a MAC, RFC 4291 appendix A.
func linkLocal(m link.MAC) netip.Addr {
	return netip.AddrFrom16([16]byte{0: 0xfe, 1: 0x80,
		8: m[0] ^ 2, 9: m[1], 10: m[2], 11: 0xff, 12: 0xfe, 13: m[3], 14: m[4], 15: m[5]})
}

// setRoutes writes the routing table: loopback, what is on the link, a way to
// the gateway even if it lies outside the prefix (clouds give /32 addresses),
// and the rest through the gateway.
func (s *Stack) setRoutes() {
	s.mu.Lock()
	v4, v6, extra := s.v4, s.v6, s.extra
	s.mu.Unlock()
	table := []tcpip.Route{
		route(netip.MustParsePrefix("127.0.0.0/8"), netip.Addr{}, NICLoopback),
		route(netip.MustParsePrefix("::1/128"), netip.Addr{}, NICLoopback),
	}
	for _, n := range []Iface{v4, v6} {
		if !n.Addr.IsValid() {
			continue
		}
		zero := netip.IPv4Unspecified()
		if !n.Addr.Addr().Is4() {
			zero = netip.IPv6Unspecified()
			table = append(table, route(netip.MustParsePrefix("fe80::/64"), netip.Addr{}, NICEthernet),
				route(netip.MustParsePrefix("ff00::/8"), netip.Addr{}, NICEthernet))
		}
		table = append(table, route(n.Addr.Masked(), netip.Addr{}, NICEthernet))
		if !n.Gateway.IsValid() {
			continue
		}
		if !n.Addr.Contains(n.Gateway) {
			table = append(table, route(netip.PrefixFrom(n.Gateway, n.Gateway.BitLen()), netip.Addr{}, NICEthernet))
		}
		table = append(table, route(netip.PrefixFrom(zero, 0), n.Gateway, NICEthernet))
	}
	table = append(table, extra...)
	s.gateways.set(v4.Gateway, v6.Gateway)
	s.IP.SetRouteTable(table)
}

func route(to netip.Prefix, via netip.Addr, id tcpip.NICID) tcpip.Route {
	return tcpip.Route{
		Destination: tcpip.AddressWithPrefix{Address: Address(to.Addr()), PrefixLen: to.Bits()}.Subnet(),
		Gateway:     Address(via),
		NIC:         id,
	}
}

// resolveGateways asks for the IPv4 gateway's MAC ahead of the first packet, which
// then need not wait for the answer. That of the IPv6 gateway is asked for by the
// first packet that needs it: fewer programs do, and the exchange would be a part
// of every start.
func (s *Stack) resolveGateways() {
	s.mu.Lock()
	v4 := s.v4
	s.mu.Unlock()
	if v4.Gateway.IsValid() {
		s.IP.GetLinkAddress(NICEthernet, Address(v4.Gateway), Address(v4.Addr.Addr()), networkOf(v4.Gateway),
			func(gstack.LinkResolutionResult) {})
	}
}

// Bound is a socket's endpoint, which knows its local port.
type Bound interface {
	GetLocalAddress() (tcpip.FullAddress, tcpip.Error)
}

// port is the local port of an endpoint, 0 if it has none yet.
func port(b Bound) uint16 {
	if a, err := b.GetLocalAddress(); err == nil {
		return a.Port
	}
	return 0
}

// MaySend reports whether the program may send to an address, which is final:
// what a socket will really send to. The machine's own addresses are always
// allowed; other verdicts are the egress table's. from is the endpoint of a UDP socket,
// which may answer whom it heard from; nil for TCP.
func (s *Stack) MaySend(proto egress.Proto, from Bound, to tcpip.FullAddress) bool {
	if s.Egress.Empty() {
		return true
	}
	a, ok := netip.AddrFromSlice(to.Addr.AsSlice())
	if !ok {
		return true // no address: loopback
	}
	a = a.Unmap()
	peer := netip.AddrPortFrom(a, to.Port)
	if a.IsLoopback() || a.IsUnspecified() || s.Egress.Allows(peer) {
		return true
	}
	if s.IP.CheckLocalAddress(0, networkOf(a), Address(a)) != 0 {
		return true
	}
	if from != nil && s.Egress.Answers(port(from), peer, wait.Now()) {
		return true
	}
	s.Egress.Deny(proto, peer)
	return false
}

// Heard notes that a datagram for an endpoint came from an address, which may be answered
// from that endpoint's port then.
func (s *Stack) Heard(to Bound, from tcpip.FullAddress) {
	if s.Egress.Empty() {
		return
	}
	if a, ok := netip.AddrFromSlice(from.Addr.AsSlice()); ok {
		if peer := netip.AddrPortFrom(a.Unmap(), from.Port); !s.Egress.Allows(peer) {
			s.Egress.Heard(port(to), peer, wait.Now())
		}
	}
}
