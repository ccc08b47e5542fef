package inet

import (
	"encoding/binary"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/transport"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"

	"skerry/kernel/abi"
	"skerry/kernel/net/socket"
	"skerry/kernel/net/stack"
)

// applyIP sets an option of SOL_IP on an endpoint.
func (b *base) applyIP(ep *endpoint, name int, val []byte) abi.Errno {
	o := ep.SocketOptions()
	switch name {
	case abi.IP_ADD_MEMBERSHIP, abi.IP_DROP_MEMBERSHIP, abi.MCAST_JOIN_GROUP, abi.MCAST_LEAVE_GROUP, abi.IP_MULTICAST_IF:
		return b.multicast4(ep, name, val)
	case abi.IP_TRANSPARENT:
		return abi.EPERM
	case abi.IP_OPTIONS:
		if len(val) == 0 {
			return abi.OK // no options, which is so
		}
		return abi.EPERM
	}
	v, e := byteOrInt(val)
	if e != abi.OK {
		return e
	}
	if len(val) == 0 && (name == abi.IP_MULTICAST_TTL || name == abi.IP_MULTICAST_LOOP || name == abi.IP_MULTICAST_ALL) {
		return abi.EINVAL
	}
	switch name {
	case abi.IP_TOS:
		return errnoOf(ep.SetSockOptInt(tcpip.IPv4TOSOption, v&0xff))
	case abi.IP_TTL:
		if v == -1 {
			v = tcpip.UseDefaultIPv4TTL
		} else if v < 1 || v > 255 {
			return abi.EINVAL
		}
		return errnoOf(ep.SetSockOptInt(tcpip.IPv4TTLOption, v))
	case abi.IP_PKTINFO:
		b.pktInfo4.Store(v != 0)
		o.SetReceivePacketInfo(v != 0 || o.GetIPv6ReceivePacketInfo())
	case abi.IP_RECVTTL:
		o.SetReceiveTTL(v != 0)
	case abi.IP_RECVTOS:
		o.SetReceiveTOS(v != 0)
	case abi.IP_RECVERR:
		o.SetIPv4RecvError(v != 0)
	case abi.IP_RECVORIGDSTADDR:
		o.SetReceiveOriginalDstAddress(v != 0)
	case abi.IP_MTU_DISCOVER:
		if v < 0 || v > 3 { // DONT, WANT, DO, PROBE; the two others ignore the path
			return abi.EINVAL
		}
		return errnoOf(ep.SetSockOptInt(tcpip.MTUDiscoverOption, discoverTo[v]))
	case abi.IP_MULTICAST_TTL:
		if v == -1 {
			v = 1
		}
		if ep.tcp != nil || v < 0 || v > 255 {
			return abi.EINVAL
		}
		return errnoOf(ep.SetSockOptInt(tcpip.MulticastTTLOption, v))
	case abi.IP_MULTICAST_LOOP:
		o.SetMulticastLoop(v != 0)
	case abi.IP_MULTICAST_ALL:
		// The IP stack delivers multicast to every socket bound to the port,
		// which is what 1 (the default) means.
		if v != 1 {
			return abi.EINVAL
		}
	case abi.IP_BIND_ADDRESS_NO_PORT:
		b.noPort = v != 0
	default:
		return abi.ENOPROTOOPT
	}
	return abi.OK
}

// Path MTU discovery of Linux (IP_PMTUDISC_DONT, WANT, DO, PROBE) in the IP
// stack's numbers.
var discoverTo = [4]int{int(tcpip.PMTUDiscoveryDont), int(tcpip.PMTUDiscoveryWant), int(tcpip.PMTUDiscoveryDo), int(tcpip.PMTUDiscoveryProbe)}

func discoverFrom(v int) int {
	for i, d := range discoverTo {
		if d == v {
			return i
		}
	}
	return 1
}

// number reads one of the stack's options as Linux shows it.
func (ep *endpoint) number(opt tcpip.SockOptInt) (int, abi.Errno) {
	v, err := ep.GetSockOptInt(opt)
	if err != nil {
		return 0, errnoOf(err)
	}
	switch {
	case opt == tcpip.MTUDiscoverOption:
		v = discoverFrom(v)
	case opt == tcpip.IPv4TTLOption && v == tcpip.UseDefaultIPv4TTL,
		opt == tcpip.IPv6HopLimitOption && v == tcpip.UseDefaultIPv6HopLimit:
		v = 64
	}
	return v, abi.OK
}

// getIP reads an option of SOL_IP.
func (b *base) getIP(ep *endpoint, name int, val []byte) (int, abi.Errno) {
	o := ep.SocketOptions()
	flag := func(v bool) (int, abi.Errno) {
		if v {
			return putByteOrInt(val, 1)
		}
		return putByteOrInt(val, 0)
	}
	number := func(opt tcpip.SockOptInt) (int, abi.Errno) {
		v, e := ep.number(opt)
		if e != abi.OK {
			return 0, e
		}
		return putByteOrInt(val, v)
	}
	switch name {
	case abi.IP_TOS:
		return number(tcpip.IPv4TOSOption)
	case abi.IP_TTL:
		return number(tcpip.IPv4TTLOption)
	case abi.IP_MTU_DISCOVER:
		return number(tcpip.MTUDiscoverOption)
	case abi.IP_MULTICAST_TTL:
		return number(tcpip.MulticastTTLOption)
	case abi.IP_PKTINFO:
		return flag(b.pktInfo4.Load())
	case abi.IP_RECVTTL:
		return flag(o.GetReceiveTTL())
	case abi.IP_RECVTOS:
		return flag(o.GetReceiveTOS())
	case abi.IP_RECVERR:
		return flag(o.GetIPv4RecvError())
	case abi.IP_RECVORIGDSTADDR:
		return flag(o.GetReceiveOriginalDstAddress())
	case abi.IP_MULTICAST_LOOP:
		return flag(o.GetMulticastLoop())
	case abi.IP_MULTICAST_ALL:
		return flag(true)
	case abi.IP_BIND_ADDRESS_NO_PORT:
		return flag(b.noPort)
	case abi.IP_TRANSPARENT, abi.IP_FREEBIND:
		return flag(false)
	case abi.IP_OPTIONS:
		return 0, abi.OK
	case abi.IP_MTU:
		if mtu, ok := b.pathMTU(ep); ok {
			return socket.PutInt(val, min(mtu, 65535))
		}
		return 0, abi.ENOTCONN
	case abi.IP_MULTICAST_IF:
		var m tcpip.MulticastInterfaceOption
		if err := ep.GetSockOpt(&m); err != nil {
			return 0, errnoOf(err)
		}
		var v [4]byte
		copy(v[:], m.InterfaceAddr.AsSlice())
		return copy(val, v[:]), abi.OK
	}
	return 0, abi.ENOPROTOOPT
}

// pathMTU is the MTU of the link to the socket's peer.
func (b *base) pathMTU(ep *endpoint) (int, bool) {
	to, err := ep.GetRemoteAddress()
	if err != nil {
		return 0, false
	}
	link := stack.NICEthernet
	a := addrOf(to.Addr).Unmap()
	if a.IsLoopback() {
		link = stack.NICLoopback
	}
	for _, i := range b.host.st.Interfaces() {
		if i.Index == int(link) {
			return i.MTU, true
		}
	}
	return 0, false
}

// multicast4 is the multicast options of SOL_IP that carry structures: struct
// ip_mreq (group, interface address), ip_mreqn (and an interface number), and
// group_req (interface number, address at offset 8).
func (b *base) multicast4(ep *endpoint, name int, val []byte) abi.Errno {
	if ep.tcp != nil {
		return abi.EINVAL
	}
	if name == abi.MCAST_JOIN_GROUP || name == abi.MCAST_LEAVE_GROUP {
		return b.multicastGroup(ep, name == abi.MCAST_JOIN_GROUP, val)
	}
	if name == abi.IP_MULTICAST_IF && len(val) >= 4 && len(val) < 8 {
		return multicastErrno(ep.SetSockOpt(&tcpip.MulticastInterfaceOption{InterfaceAddr: any4(val[:4])}))
	}
	if len(val) < 8 {
		return abi.EINVAL
	}
	m := tcpip.MembershipOption{MulticastAddr: tcpip.AddrFrom4Slice(val[:4]), InterfaceAddr: any4(val[4:8])}
	if len(val) >= 12 {
		m.NIC = tcpip.NICID(binary.LittleEndian.Uint32(val[8:]))
		if m.NIC != 0 {
			m.InterfaceAddr = tcpip.Address{}
		}
	}
	switch name {
	case abi.IP_MULTICAST_IF:
		return multicastErrno(ep.SetSockOpt(&tcpip.MulticastInterfaceOption{NIC: m.NIC, InterfaceAddr: m.InterfaceAddr}))
	case abi.IP_ADD_MEMBERSHIP:
		return b.join(ep, m)
	}
	return b.leave(ep, m)
}

// any4 is an IPv4 address, or none if it is unspecified.
func any4(b []byte) tcpip.Address {
	a := tcpip.AddrFrom4Slice(b)
	if a.Unspecified() {
		return tcpip.Address{}
	}
	return a
}

// How many groups a socket may be in: net.ipv4.igmp_max_memberships, and about
// what Linux's memory for options (net.core.optmem_max) holds of IPv6's.
const (
	maxGroups4 = 20
	maxGroups6 = 256
)

// join makes the socket a member of a group; the lock is held. An error of the
// request itself goes before that of one too many.
func (b *base) join(ep *endpoint, m tcpip.MembershipOption) abi.Errno {
	o := tcpip.AddMembershipOption(m)
	if err := ep.SetSockOpt(&o); err != nil {
		return multicastErrno(err)
	}
	joined, most, e := &b.options.groups4, maxGroups4, abi.ENOBUFS
	if m.MulticastAddr.Len() == 16 {
		joined, most, e = &b.options.groups6, maxGroups6, abi.ENOMEM
	}
	if *joined++; *joined > most {
		b.leave(ep, m)
		return e
	}
	b.host.st.GroupJoined(m.MulticastAddr)
	return abi.OK
}

// leave ends a membership; the lock is held.
func (b *base) leave(ep *endpoint, m tcpip.MembershipOption) abi.Errno {
	o := tcpip.RemoveMembershipOption(m)
	if err := ep.SetSockOpt(&o); err != nil {
		return multicastErrno(err)
	}
	if m.MulticastAddr.Len() == 16 {
		b.options.groups6--
	} else {
		b.options.groups4--
	}
	return abi.OK
}

// multicastErrno is errnoOf; without a route there is no such device.
func multicastErrno(err tcpip.Error) abi.Errno {
	if _, ok := err.(*tcpip.ErrInvalidOptionValue); ok {
		return abi.EINVAL
	}
	return errnoOf(err)
}

// multicastGroup is MCAST_JOIN_GROUP and MCAST_LEAVE_GROUP of both levels.
func (b *base) multicastGroup(ep *endpoint, join bool, val []byte) abi.Errno {
	const addrAt = 8
	if len(val) < addrAt+socket.AddrMax {
		return abi.EINVAL
	}
	a, e := b.parse(val[addrAt:], true)
	if e != abi.OK {
		return e
	}
	m := tcpip.MembershipOption{NIC: tcpip.NICID(binary.LittleEndian.Uint32(val)), MulticastAddr: stack.Address(a.Addr.Unmap())}
	if !a.Addr.Unmap().IsMulticast() {
		return abi.EINVAL
	}
	if join {
		return b.join(ep, m)
	}
	return b.leave(ep, m)
}

// applyIPv6 sets an option of SOL_IPV6 on an endpoint.
func (b *base) applyIPv6(ep *endpoint, name int, val []byte) abi.Errno {
	if b.domain != abi.AF_INET6 {
		return abi.ENOPROTOOPT
	}
	o := ep.SocketOptions()
	switch name {
	case abi.IPV6_ADD_MEMBERSHIP, abi.IPV6_DROP_MEMBERSHIP: // struct ipv6_mreq: address, interface number
		if len(val) < 20 {
			return abi.EINVAL
		}
		if ep.tcp != nil {
			return abi.EPROTO
		}
		m := tcpip.MembershipOption{NIC: tcpip.NICID(binary.LittleEndian.Uint32(val[16:])), MulticastAddr: tcpip.AddrFrom16Slice(val[:16])}
		if val[0] != 0xff {
			return abi.EINVAL
		}
		if name == abi.IPV6_ADD_MEMBERSHIP {
			return b.join(ep, m)
		}
		return b.leave(ep, m)
	case abi.MCAST_JOIN_GROUP, abi.MCAST_LEAVE_GROUP:
		if ep.tcp != nil {
			return abi.EINVAL
		}
		return b.multicastGroup(ep, name == abi.MCAST_JOIN_GROUP, val)
	case abi.IPV6_TRANSPARENT:
		return abi.EPERM
	}
	v, e := intOf(val)
	if e != abi.OK {
		return e
	}
	switch name {
	case abi.IPV6_V6ONLY:
		if ep.tcp != nil && ep.tcp.EndpointState() != tcp.StateInitial || ep.tcp == nil && ep.State() != uint32(transport.DatagramEndpointStateInitial) {
			return abi.EINVAL
		}
		o.SetV6Only(v != 0)
	case abi.IPV6_UNICAST_HOPS:
		if v < -1 || v > 255 {
			return abi.EINVAL
		}
		return errnoOf(ep.SetSockOptInt(tcpip.IPv6HopLimitOption, v))
	case abi.IPV6_MULTICAST_HOPS:
		if ep.tcp != nil {
			return abi.ENOPROTOOPT
		}
		if v < -1 || v > 255 {
			return abi.EINVAL
		}
		if v == -1 {
			v = 1
		}
		return errnoOf(ep.SetSockOptInt(tcpip.MulticastTTLOption, v))
	case abi.IPV6_MULTICAST_IF:
		if ep.tcp != nil {
			return abi.ENOPROTOOPT
		}
		return multicastErrno(ep.SetSockOptInt(tcpip.IPv6MulticastInterfaceOption, v))
	case abi.IPV6_MULTICAST_LOOP:
		if v != 0 && v != 1 {
			return abi.EINVAL
		}
		o.SetMulticastLoop(v != 0)
	case abi.IPV6_MULTICAST_ALL:
		if v != 1 {
			return abi.EINVAL
		}
	case abi.IPV6_RECVPKTINFO:
		o.SetIPv6ReceivePacketInfo(v != 0)
		o.SetReceivePacketInfo(v != 0 || b.pktInfo4.Load()) // of IPv4, too, with mapped addresses
	case abi.IPV6_RECVHOPLIMIT:
		o.SetReceiveHopLimit(v != 0)
	case abi.IPV6_RECVTCLASS:
		o.SetReceiveTClass(v != 0)
	case abi.IPV6_RECVERR:
		o.SetIPv6RecvError(v != 0)
	case abi.IPV6_RECVORIGDSTADDR:
		o.SetReceiveOriginalDstAddress(v != 0)
	case abi.IPV6_TCLASS:
		if v < -1 || v > 255 {
			return abi.EINVAL
		}
		return errnoOf(ep.SetSockOptInt(tcpip.IPv6TrafficClassOption, max(v, 0)))
	case abi.IPV6_MTU_DISCOVER:
		if v < 0 || v > 3 {
			return abi.EINVAL
		}
		return errnoOf(ep.SetSockOptInt(tcpip.MTUDiscoverOption, discoverTo[v]))
	default:
		return abi.ENOPROTOOPT
	}
	return abi.OK
}

// getIPv6 reads an option of SOL_IPV6.
func (b *base) getIPv6(ep *endpoint, name int, val []byte) (int, abi.Errno) {
	if b.domain != abi.AF_INET6 {
		return 0, b.noLevel()
	}
	o := ep.SocketOptions()
	number := func(opt tcpip.SockOptInt) (int, abi.Errno) {
		v, e := ep.number(opt)
		if e != abi.OK {
			return 0, e
		}
		return socket.PutInt(val, v)
	}
	switch name {
	case abi.IPV6_V6ONLY:
		return putBool(val, o.GetV6Only())
	case abi.IPV6_UNICAST_HOPS:
		return number(tcpip.IPv6HopLimitOption)
	case abi.IPV6_MULTICAST_HOPS:
		return number(tcpip.MulticastTTLOption)
	case abi.IPV6_MULTICAST_IF:
		return number(tcpip.IPv6MulticastInterfaceOption)
	case abi.IPV6_MULTICAST_LOOP:
		return putBool(val, o.GetMulticastLoop())
	case abi.IPV6_MULTICAST_ALL:
		return putBool(val, true)
	case abi.IPV6_RECVPKTINFO:
		return putBool(val, o.GetIPv6ReceivePacketInfo())
	case abi.IPV6_RECVHOPLIMIT:
		return putBool(val, o.GetReceiveHopLimit())
	case abi.IPV6_RECVTCLASS:
		return putBool(val, o.GetReceiveTClass())
	case abi.IPV6_RECVERR:
		return putBool(val, o.GetIPv6RecvError())
	case abi.IPV6_RECVORIGDSTADDR:
		return putBool(val, o.GetReceiveOriginalDstAddress())
	case abi.IPV6_TCLASS:
		return number(tcpip.IPv6TrafficClassOption)
	case abi.IPV6_MTU_DISCOVER:
		return number(tcpip.MTUDiscoverOption)
	case abi.IPV6_TRANSPARENT, abi.IPV6_FREEBIND, abi.IPV6_DONTFRAG:
		return socket.PutInt(val, 0)
	case abi.IPV6_MTU:
		if mtu, ok := b.pathMTU(ep); ok {
			return socket.PutInt(val, mtu)
		}
		return 0, abi.ENOTCONN
	}
	return 0, abi.ENOPROTOOPT
}
