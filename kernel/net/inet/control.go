package inet

import (
	"encoding/binary"
	"net/netip"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"

	"skerry/kernel/abi"
	"skerry/kernel/net/netdevice"
	"skerry/kernel/net/socket"
	"skerry/kernel/net/stack"
	"skerry/kernel/usermem"
)

// control puts the control messages of a received datagram that the program
// asked for.
func (d *Datagram) control(m *socket.RecvMsg, c *tcpip.ReceivableControlMessages) {
	if name := int(d.stamp.Load()); name != 0 && c.HasTimestamp {
		putTimestamp(m, name, c.Timestamp)
	}
	if c.HasIPPacketInfo && d.domain == abi.AF_INET6 && d.ep.Load().SocketOptions().GetIPv6ReceivePacketInfo() {
		putPktInfo6(m, c.PacketInfo.NIC, c.PacketInfo.DestinationAddr)
	}
	if c.HasIPPacketInfo && d.pktInfo4.Load() { // struct in_pktinfo: interface, local and header's destination
		var b [12]byte
		binary.LittleEndian.PutUint32(b[:], uint32(c.PacketInfo.NIC))
		copy(b[4:], c.PacketInfo.LocalAddr.AsSlice())
		copy(b[8:], c.PacketInfo.DestinationAddr.AsSlice())
		m.Put(abi.SOL_IP, abi.IP_PKTINFO, b[:])
	}
	if c.HasTTL {
		m.PutInt(abi.SOL_IP, abi.IP_TTL, int32(c.TTL))
	}
	if c.HasTOS {
		m.Put(abi.SOL_IP, abi.IP_TOS, []byte{c.TOS})
	}
	if c.HasIPv6PacketInfo {
		putPktInfo6(m, c.IPv6PacketInfo.NIC, c.IPv6PacketInfo.Addr)
	}
	if c.HasHopLimit {
		m.PutInt(abi.SOL_IPV6, abi.IPV6_HOPLIMIT, int32(c.HopLimit))
	}
	if c.HasTClass {
		m.PutInt(abi.SOL_IPV6, abi.IPV6_TCLASS, int32(c.TClass))
	}
	if c.HasOriginalDstAddress {
		var b [socket.AddrMax]byte
		a := addrOf(c.OriginalDstAddress.Addr)
		if a.Is4() {
			n := socket.PutInet(b[:], a, c.OriginalDstAddress.Port)
			m.Put(abi.SOL_IP, abi.IP_RECVORIGDSTADDR, b[:n])
		} else {
			n := socket.PutInet6(b[:], a, c.OriginalDstAddress.Port, uint32(c.OriginalDstAddress.NIC))
			m.Put(abi.SOL_IPV6, abi.IPV6_RECVORIGDSTADDR, b[:n])
		}
	}
}

// putPktInfo6 puts a struct in6_pktinfo: address, interface.
func putPktInfo6(m *socket.RecvMsg, nic tcpip.NICID, addr tcpip.Address) {
	var b [20]byte
	a := addrOf(addr).As16()
	copy(b[:], a[:])
	binary.LittleEndian.PutUint32(b[16:], uint32(nic))
	m.Put(abi.SOL_IPV6, abi.IPV6_PKTINFO, b[:])
}

// putTimestamp puts the time of arrival in the form that was asked for.
func putTimestamp(m *socket.RecvMsg, name int, t time.Time) {
	var b [16]byte
	ns := t.UnixNano()
	frac := ns % 1_000_000_000
	if name == abi.SO_TIMESTAMP || name == abi.SO_TIMESTAMP_NEW {
		frac /= 1000
	}
	binary.LittleEndian.PutUint64(b[:], uint64(ns/1_000_000_000))
	binary.LittleEndian.PutUint64(b[8:], uint64(frac))
	m.Put(abi.SOL_SOCKET, name, b[:])
}

// sendControl reads the control messages of a send to an IPv4 (v4) or an IPv6
// address, by ip_cmsg_send and ip6_datagram_send_ctl of Linux: a message of a level
// that is not asked is passed over, what cannot be done is refused: EINVAL.
//
// The IP stack has no place for a type of service or a traffic class of one message,
// nor for a source address of IPv4. They go where the other version's values would:
// the type of service as the hop limit, the traffic class as the time to live, the
// address as that of IPv6 (cmd/trimgvisor has the other half).
func (d *Datagram) sendControl(b []byte, v4 bool, c *tcpip.SendableControlMessages, segment *int) abi.Errno {
	for len(b) > 0 {
		m, rest, ok, e := socket.NextCmsg(b)
		if !ok {
			return e
		}
		b = rest
		switch {
		case m.Level == abi.SOL_SOCKET:
			// What __scm_send of Linux would read is not asked for IP sockets.
			if m.Type != abi.SCM_RIGHTS && m.Type != abi.SCM_CREDENTIALS {
				return abi.EINVAL
			}
		case m.Level == abi.SOL_UDP:
			if m.Type != abi.UDP_SEGMENT || len(m.Data) != 2 {
				return abi.EINVAL
			}
			*segment = int(binary.LittleEndian.Uint16(m.Data))
		case v4 && m.Level == abi.SOL_IPV6 && m.Type == abi.IPV6_PKTINFO && d.domain == abi.AF_INET6:
			e = d.pktInfo6(m.Data, true, c)
		case v4 && m.Level == abi.SOL_IP:
			switch m.Type {
			case abi.IP_TTL:
				c.HasTTL, c.TTL, e = true, uint8(number(m.Data)), within(m.Data, 1, 4)
			case abi.IP_TOS:
				c.HasHopLimit, c.HopLimit, e = true, uint8(number(m.Data)), within(m.Data, 0, 1)
			case abi.IP_PKTINFO:
				e = d.pktInfo(m.Data, c)
			default:
				e = abi.EINVAL
			}
		case !v4 && m.Level == abi.SOL_IPV6:
			switch m.Type {
			case abi.IPV6_HOPLIMIT:
				v := number(m.Data)
				c.HasHopLimit, c.HopLimit, e = v >= 0, uint8(v), within(m.Data, -1, 4)
			case abi.IPV6_TCLASS:
				v := number(m.Data)
				c.HasTTL, c.TTL, e = v >= 0, uint8(v), within(m.Data, -1, 4)
			case abi.IPV6_PKTINFO:
				e = d.pktInfo6(m.Data, false, c)
			default:
				e = abi.EINVAL
			}
		}
		if e != abi.OK {
			return e
		}
	}
	return abi.OK
}

// number is a control message's value, an int or a byte.
func number(b []byte) int {
	v, _ := byteOrInt(b)
	return v
}

// within checks that a control message holds an int, or if least is 1 perhaps a byte,
// of at least from and at most 255.
func within(b []byte, from, least int) abi.Errno {
	if v := number(b); len(b) != 4 && len(b) != least || v < from || v > 255 {
		return abi.EINVAL
	}
	return abi.OK
}

// toIPv4 reports whether a datagram to addr, or to the peer if that is nil, is IPv4's.
func (d *Datagram) toIPv4(addr []byte) bool {
	if d.domain == abi.AF_INET {
		return true
	}
	if addr != nil {
		a, e := d.parse(addr, true)
		return e == abi.OK && a.Addr.Unmap().Is4()
	}
	a, err := d.ep.Load().GetRemoteAddress()
	return err == nil && addrOf(a.Addr).Unmap().Is4()
}

// pktInfo is an IP_PKTINFO of a send: an interface and an address to send from.
func (d *Datagram) pktInfo(b []byte, c *tcpip.SendableControlMessages) abi.Errno {
	if len(b) < 12 {
		return abi.EINVAL
	}
	return d.sendFrom(binary.LittleEndian.Uint32(b), tcpip.AddrFrom4Slice(b[4:8]), c)
}

// pktInfo6 is an IPV6_PKTINFO likewise, of which a send to IPv4 takes mapped ones.
func (d *Datagram) pktInfo6(b []byte, v4 bool, c *tcpip.SendableControlMessages) abi.Errno {
	if len(b) < 20 {
		return abi.EINVAL
	}
	a := netip.AddrFrom16([16]byte(b[:16]))
	if v4 {
		if !a.Is4In6() {
			return abi.EINVAL
		}
		a = a.Unmap()
	}
	return d.sendFrom(binary.LittleEndian.Uint32(b[16:]), stack.Address(a), c)
}

func (d *Datagram) sendFrom(index uint32, a tcpip.Address, c *tcpip.SendableControlMessages) abi.Errno {
	nic := tcpip.NICID(index)
	if nic != 0 && !d.host.st.IP.HasNIC(nic) {
		return abi.ENODEV
	}
	if a.Unspecified() {
		a = tcpip.Address{}
	} else if d.host.st.IP.CheckLocalAddress(nic, protoOf(a), a) == 0 {
		return abi.EINVAL
	}
	c.HasIPv6PacketInfo, c.IPv6PacketInfo = true, tcpip.IPv6PacketInfo{NIC: nic, Addr: a}
	return abi.OK
}

// protoOf is the version of IP that an address belongs to.
func protoOf(a tcpip.Address) tcpip.NetworkProtocolNumber {
	if a.Len() == header.IPv4AddressSize {
		return protoIPv4
	}
	return header.IPv6ProtocolNumber
}

// recvError is a receive with MSG_ERRQUEUE: the oldest error that IP_RECVERR
// kept, with the packet that caused it. EAGAIN if there is none.
func (b *base) recvError(v *usermem.Vec, m *socket.RecvMsg) (int, abi.Errno) {
	err := b.ep.Load().SocketOptions().DequeueErr()
	if err == nil {
		return 0, abi.EAGAIN
	}
	m.OutFlags |= abi.MSG_ERRQUEUE
	m.AddrLen = b.put(m.Addr[:], err.Dst)
	// struct sock_extended_err, then the address of who reported it.
	var x [16 + socket.SizeInet6]byte
	binary.LittleEndian.PutUint32(x[:], uint32(errnoOf(err.Err)))
	level, name, n := abi.SOL_IP, abi.IP_RECVERR, 16
	offender := addrOf(err.Offender.Addr)
	if err.NetProto != protoIPv4 {
		level, name = abi.SOL_IPV6, abi.IPV6_RECVERR
	}
	if c := err.Cause; c != nil {
		switch c.Origin() {
		case tcpip.SockExtErrorOriginLocal:
			x[4] = abi.SO_EE_ORIGIN_LOCAL
		case tcpip.SockExtErrorOriginICMP:
			x[4] = abi.SO_EE_ORIGIN_ICMP
		case tcpip.SockExtErrorOriginICMP6:
			x[4] = abi.SO_EE_ORIGIN_ICMP6
		}
		x[5], x[6] = c.Type(), c.Code()
		binary.LittleEndian.PutUint32(x[8:], c.Info())
	}
	if level == abi.SOL_IP {
		if !offender.Is4() {
			offender = netip.IPv4Unspecified()
		}
		n += socket.PutInet(x[16:], offender, 0)
	} else {
		n += socket.PutInet6(x[16:], offender, 0, uint32(err.Offender.NIC))
	}
	m.Put(level, name, x[:n])
	if err.Payload == nil {
		return 0, abi.OK
	}
	payload := err.Payload.AsSlice()
	n, e := v.CopyOut(payload)
	if n < len(payload) {
		m.OutFlags |= abi.MSG_TRUNC
	}
	err.Payload.Release()
	return n, e
}

// ioctl answers what TCP and UDP have in common.
func (b *base) ioctl(cmd uint32, arg uintptr) (uintptr, abi.Errno) {
	if b.domain == abi.AF_INET {
		return 0, netdevice.IoctlInet(b.host.st, cmd, arg)
	}
	return 0, netdevice.Ioctl(b.host.st, cmd, arg)
}

// putUser32 stores an int at a user address.
func putUser32(arg uintptr, v int) abi.Errno {
	var b [4]byte
	binary.LittleEndian.PutUint32(b[:], uint32(v))
	_, e := usermem.CopyOut(arg, b[:])
	return e
}

// Ioctl implements vfs.File.
func (s *Stream) Ioctl(cmd uint32, arg uintptr) (uintptr, abi.Errno) {
	ep := s.ep.Load()
	switch cmd {
	case abi.FIONREAD:
		n, err := ep.GetSockOptInt(tcpip.ReceiveQueueSizeOption)
		if err != nil {
			return 0, errnoOf(err) // a listener: EINVAL
		}
		return 0, putUser32(arg, n)
	case abi.TIOCOUTQ:
		ep.tcp.LockUser()
		n := stack.SendQueue(ep.tcp)
		ep.tcp.UnlockUser()
		return 0, putUser32(arg, n)
	case abi.SIOCATMARK:
		return 0, putUser32(arg, 0) // there is no urgent data
	}
	return s.ioctl(cmd, arg)
}

// Ioctl implements vfs.File.
func (d *Datagram) Ioctl(cmd uint32, arg uintptr) (uintptr, abi.Errno) {
	switch cmd {
	case abi.FIONREAD:
		n, err := d.ep.Load().GetSockOptInt(tcpip.ReceiveQueueSizeOption)
		if err != nil {
			return 0, errnoOf(err)
		}
		return 0, putUser32(arg, n)
	case abi.TIOCOUTQ:
		return 0, putUser32(arg, 0) // the endpoint keeps nothing that the device does not
	}
	return d.ioctl(cmd, arg)
}
