package stack

import (
	"net/netip"

	"gvisor.dev/gvisor/pkg/tcpip"

	"skerry/kernel/net/dhcp"
	"skerry/kernel/net/link"
)

// runDHCP is the goroutine that obtains and keeps the IPv4 configuration.
func (s *Stack) runDHCP() {
	c := dhcp.New(dhcp.Config{
		MAC:      s.eth.HardwareAddr(),
		Hostname: s.cfg.Hostname,
		Send:     func(to [6]byte, packet []byte) { s.eth.SendFrame(to, link.EtherTypeIPv4, packet) },
		Random:   s.cfg.Random,
		Bound:    s.bound,
	})
	s.eth.SetTap(func(packet []byte, from link.MAC) { c.Deliver(packet, from) })
	c.Run()
}

// bound applies a lease, or takes the address away with nil.
func (s *Stack) bound(l *dhcp.Lease) {
	if l == nil {
		s.mu.Lock()
		s.extra, s.dns, s.search = nil, s.cfg.DNS, s.cfg.Search
		s.mu.Unlock()
		s.Egress.SetExempt(resolvers(s.cfg.DNS))
		s.setV4(Iface{})
		s.lease(netip.Prefix{})
		return
	}
	n := Iface{Addr: l.Addr}
	var extra []tcpip.Route
	for _, r := range l.Routes {
		switch {
		case r.To.Bits() == 0 && !r.Via.IsUnspecified():
			n.Gateway = r.Via
		case r.Via.IsUnspecified():
			extra = append(extra, route(r.To, netip.Addr{}, NICEthernet))
		default:
			extra = append(extra, route(r.To, r.Via, NICEthernet))
		}
	}
	s.mu.Lock()
	s.extra = extra
	// The configuration's own resolvers and domains go before the server's.
	if len(s.cfg.DNS) == 0 {
		s.dns = l.DNS
	}
	if len(s.cfg.Search) == 0 && l.Domain != "" {
		s.search = []string{l.Domain}
	}
	dns := s.dns
	s.mu.Unlock()
	s.Egress.SetExempt(resolvers(dns))
	if l.MTU != 0 && l.MTU < int(s.eth.MTU()) {
		s.eth.SetMTU(uint32(l.MTU))
	}
	s.setV4(n)
	s.resolveGateways()
	s.lease(l.Addr)
	s.configured.Store(true)
	if w := s.waiting.Load(); w != nil {
		w.Unpark()
	}
}

func (s *Stack) lease(p netip.Prefix) {
	if f := s.cfg.Events.Lease; f != nil {
		f(p)
	}
}
