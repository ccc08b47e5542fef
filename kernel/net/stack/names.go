package stack

import (
	"net/netip"
	"strings"
)

// ResolvConf is the text of /etc/resolv.conf (resolv.conf(5)) for the resolvers
// in force.
func (s *Stack) ResolvConf() []byte {
	s.mu.Lock()
	dns, search := s.dns, s.search
	s.mu.Unlock()
	var b []byte
	for _, a := range dns {
		b = append(b, "nameserver "...)
		b = a.AppendTo(b)
		b = append(b, '\n')
	}
	if len(search) > 0 {
		b = append(b, "search "...)
		b = append(b, strings.Join(search, " ")...)
		b = append(b, '\n')
	}
	return b
}

// Hosts is the text of /etc/hosts (hosts(5)): loopback, the machine itself, and
// what the configuration adds.
func (s *Stack) Hosts() []byte {
	s.mu.Lock()
	v4, v6 := s.v4.Addr, s.v6.Addr
	s.mu.Unlock()
	var b []byte
	line := func(a netip.Addr, names ...string) {
		b = a.AppendTo(b)
		for i, n := range names {
			b = append(b, "\t "[min(i, 1)])
			b = append(b, n...)
		}
		b = append(b, '\n')
	}
	line(netip.AddrFrom4([4]byte{127, 0, 0, 1}), "localhost")
	line(netip.IPv6Loopback(), "localhost", "ip6-localhost", "ip6-loopback")
	if h := s.cfg.Hostname; h != "" && h != "localhost" {
		named := false
		for _, p := range []netip.Prefix{v4, v6} {
			if p.IsValid() {
				line(p.Addr(), h)
				named = true
			}
		}
		if !named { // a program may insist on resolving its own name
			line(netip.AddrFrom4([4]byte{127, 0, 1, 1}), h)
		}
	}
	for _, h := range s.cfg.Hosts {
		line(h.Addr, h.Names...)
	}
	return b
}
