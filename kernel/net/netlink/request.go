package netlink

import (
	"encoding/binary"
	"net/netip"

	"gvisor.dev/gvisor/pkg/tcpip"
	gstack "gvisor.dev/gvisor/pkg/tcpip/stack"

	"skerry/kernel/abi"
	"skerry/kernel/net/stack"
)

// answer answers one request.
func (f *Family) answer(r *reply, req []byte, short bool) {
	typ := binary.LittleEndian.Uint16(req[4:])
	flags := binary.LittleEndian.Uint16(req[6:])
	if flags&abi.NLM_F_REQUEST == 0 || typ < abi.NLMSG_MIN_TYPE {
		if flags&abi.NLM_F_ACK != 0 {
			r.fail(abi.OK, req, short)
		}
		return
	}
	e := abi.OK
	body := req[hdrSize:]
	switch {
	case typ > rtmMax:
		e = abi.EOPNOTSUPP
	case typ&3 != 2: // RTM_NEW*, RTM_DEL*, RTM_SET*
		e = abi.EPERM
		if f.Refused != nil {
			f.Refused(typ)
		}
	case len(body) < 1: // struct rtgenmsg at least
		e = abi.EINVAL
	case flags&abi.NLM_F_DUMP == abi.NLM_F_DUMP || flags&abi.NLM_F_DUMP != 0 && typ != abi.RTM_GETLINK:
		if e = f.dump(r, typ, body[0]); e == abi.OK {
			r.done()
			return
		}
	case typ == abi.RTM_GETLINK:
		e = f.getLink(r, body)
	case typ == abi.RTM_GETROUTE:
		e = f.getRoute(r, body)
	default:
		e = abi.EOPNOTSUPP
	}
	if e != abi.OK || flags&abi.NLM_F_ACK != 0 {
		r.fail(e, req, short)
	}
}

// dump lists everything of a kind, of one address family or (0) of all.
func (f *Family) dump(r *reply, typ uint16, family byte) abi.Errno {
	if family != abi.AF_INET && family != abi.AF_INET6 {
		family = abi.AF_UNSPEC // who has no dump of its own has that (rtnetlink_rcv_msg of Linux)
	}
	wanted := func(a netip.Addr) bool { return family == 0 || family == familyOf(a) }
	switch typ {
	case abi.RTM_GETLINK:
		for _, i := range f.st.Interfaces() {
			r.link(&i, abi.NLM_F_MULTI)
		}
	case abi.RTM_GETADDR:
		for _, i := range f.st.Interfaces() {
			for _, p := range i.Addrs {
				if wanted(p.Addr()) {
					r.addr(abi.RTM_NEWADDR, &i, p, abi.NLM_F_MULTI)
				}
			}
		}
	case abi.RTM_GETROUTE:
		for _, e := range f.st.Routes() {
			if wanted(e.To.Addr()) {
				r.route(e, e.To, netip.Addr{}, abi.NLM_F_MULTI)
			}
		}
	case abi.RTM_GETNEIGH:
		if f.st.Ethernet() == nil {
			return abi.OK
		}
		for _, p := range neighborProtocols {
			list, err := f.st.IP.Neighbors(stack.NICEthernet, p)
			if err != nil {
				continue
			}
			for _, n := range list {
				if a, ok := netip.AddrFromSlice(n.Addr.AsSlice()); ok && wanted(a) {
					r.neighbor(n)
				}
			}
		}
	default:
		return abi.EOPNOTSUPP
	}
	return abi.OK
}

// attrs calls f for each attribute behind a fixed part.
func attrs(b []byte, fixed int, f func(typ uint16, data []byte)) {
	if len(b) < align(fixed) {
		return
	}
	for b = b[align(fixed):]; len(b) >= 4; {
		n := int(binary.LittleEndian.Uint16(b))
		if n < 4 || n > len(b) {
			return
		}
		f(binary.LittleEndian.Uint16(b[2:])&^(3<<14), b[4:n])
		b = b[min(align(n), len(b)):]
	}
}

// getLink answers for one link, by number or name: ENODEV if there is none.
func (f *Family) getLink(r *reply, body []byte) abi.Errno {
	if len(body) < 16 {
		return abi.EINVAL
	}
	index := int(int32(binary.LittleEndian.Uint32(body[4:])))
	name := ""
	attrs(body, 16, func(typ uint16, data []byte) {
		if typ == abi.IFLA_IFNAME {
			for i, c := range data {
				if c == 0 {
					data = data[:i]
					break
				}
			}
			name = string(data)
		}
	})
	if index == 0 && name == "" {
		return abi.EINVAL
	}
	for _, i := range f.st.Interfaces() {
		if i.Index == index || index == 0 && i.Name == name {
			r.link(&i, 0)
			return abi.OK
		}
	}
	return abi.ENODEV
}

// getRoute answers which way a destination is reached: ENETUNREACH if none.
func (f *Family) getRoute(r *reply, body []byte) abi.Errno {
	if len(body) < 12 {
		return abi.EINVAL
	}
	var dst netip.Addr
	attrs(body, 12, func(typ uint16, data []byte) {
		if typ == abi.RTA_DST {
			dst, _ = netip.AddrFromSlice(data)
		}
	})
	if !dst.IsValid() || familyOf(dst) != body[0] {
		return abi.EINVAL
	}
	proto := tcpip.NetworkProtocolNumber(neighborProtocols[0])
	if dst.Is6() {
		proto = neighborProtocols[1]
	}
	way, err := f.st.IP.FindRoute(0, tcpip.Address{}, stack.Address(dst), proto, false)
	if err != nil {
		return abi.ENETUNREACH
	}
	defer way.Release()
	e := stack.RouteEntry{Index: int(way.NICID())}
	from, hop := way.LocalAddress(), way.NextHop()
	src, _ := netip.AddrFromSlice(from.AsSlice())
	if way.Loop()&gstack.PacketLoop != 0 || src == dst {
		e.Index = int(stack.NICLoopback)
	}
	if via, ok := netip.AddrFromSlice(hop.AsSlice()); ok && via != dst {
		e.Via = via
	}
	r.route(e, netip.PrefixFrom(dst, dst.BitLen()), src, 0)
	return abi.OK
}

// changed tells subscribers of a change of the Ethernet link.
func (f *Family) changed(c stack.Change) {
	list := f.st.Interfaces()
	i := &list[len(list)-1]
	send := func(group uint32, fill func(*reply)) {
		f.mu.Lock()
		var to []*Socket
		for _, s := range f.ports {
			s.mu.Lock()
			if s.groups&group != 0 {
				to = append(to, s)
			}
			s.mu.Unlock()
		}
		f.mu.Unlock()
		for _, s := range to {
			r := &reply{}
			fill(r)
			r.flush()
			for _, d := range r.out {
				s.queueUp(d)
			}
		}
	}
	group := func(p netip.Prefix) uint32 {
		if p.Addr().Is4() {
			return abi.RTMGRP_IPV4_IFADDR
		}
		return abi.RTMGRP_IPV6_IFADDR
	}
	if !c.Gone.IsValid() && !c.Come.IsValid() {
		send(abi.RTMGRP_LINK, func(r *reply) { r.link(i, 0) })
	}
	if c.Gone.IsValid() {
		send(group(c.Gone), func(r *reply) { r.addr(abi.RTM_DELADDR, i, c.Gone, 0) })
	}
	if c.Come.IsValid() {
		send(group(c.Come), func(r *reply) { r.addr(abi.RTM_NEWADDR, i, c.Come, 0) })
	}
}
