package stack

import (
	"fmt"
	"sync"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
)

// maxAsked bounds the groups that are remembered for /proc.
const maxAsked = 1024

// asked are the multicast groups that a socket was ever made a member of. The IP
// stack has no list of its groups; it can only be asked for one.
type asked struct {
	mu   sync.Mutex
	list []tcpip.Address
}

// GroupJoined remembers that a socket has joined a group.
func (s *Stack) GroupJoined(group tcpip.Address) {
	s.groups.mu.Lock()
	defer s.groups.mu.Unlock()
	for _, a := range s.groups.list {
		if a == group {
			return
		}
	}
	if len(s.groups.list) < maxAsked {
		s.groups.list = append(s.groups.list, group)
	}
}

// memberships are the groups of one family that an interface is a member of: those
// of the protocol itself (RFC 1112, section 4; RFC 4291, section 2.8), and the
// sockets'.
func (s *Stack) memberships(i *Interface, six bool) (list []tcpip.Address) {
	candidates := []tcpip.Address{header.IPv4AllSystems, header.IPv6AllNodesMulticastAddress}
	for _, p := range i.Addrs {
		if p.Addr().Is6() && !p.Addr().IsLoopback() {
			candidates = append(candidates, header.SolicitedNodeAddr(Address(p.Addr())))
		}
	}
	s.groups.mu.Lock()
	candidates = append(candidates, s.groups.list...)
	s.groups.mu.Unlock()
next:
	for _, a := range candidates {
		if (a.Len() == 16) != six {
			continue
		}
		for _, have := range list {
			if have == a {
				continue next
			}
		}
		if in, err := s.IP.IsInGroup(tcpip.NICID(i.Index), a); err == nil && in {
			list = append(list, a)
		}
	}
	return list
}

// ProcIGMP is the text of /proc/net/igmp: the IPv4 groups of each interface,
// addresses in hexadecimal as they lie in memory. How many sockets are members is
// not known; there is one user at least.
func (s *Stack) ProcIGMP() []byte {
	b := []byte("Idx\tDevice    : Count Querier\tGroup    Users Timer\tReporter\n")
	for _, i := range s.Interfaces() {
		list := s.memberships(&i, false)
		if len(list) == 0 {
			continue
		}
		b = fmt.Appendf(b, "%d\t%-10s: %5d      V3\n", i.Index, i.Name, len(list))
		for _, a := range list {
			v := a.As4()
			b = fmt.Appendf(b, "\t\t\t\t%02X%02X%02X%02X %5d 0:00000000\t\t0\n", v[3], v[2], v[1], v[0], 1)
		}
	}
	return b
}

// ProcIGMP6 is the text of /proc/net/igmp6, likewise: number and name of the
// interface, group, users, flags and timer.
func (s *Stack) ProcIGMP6() []byte {
	var b []byte
	for _, i := range s.Interfaces() {
		for _, a := range s.memberships(&i, true) {
			b = fmt.Appendf(b, "%-4d %-15s %x %5d %08X 0\n", i.Index, i.Name, a.As16(), 1, 0xc)
		}
	}
	return b
}
