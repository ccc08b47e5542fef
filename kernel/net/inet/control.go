package inet

import (
	"encoding/binary"
	"net/netip"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"

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
	if c.HasIPPacketInfo { // struct in_pktinfo: interface, local and header's destination
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
	if c.HasIPv6PacketInfo { // struct in6_pktinfo: address, interface
		var b [20]byte
		a := addrOf(c.IPv6PacketInfo.Addr).As16()
		copy(b[:], a[:])
		binary.LittleEndian.PutUint32(b[16:], uint32(c.IPv6PacketInfo.NIC))
		m.Put(abi.SOL_IPV6, abi.IPV6_PKTINFO, b[:])
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

// sendControl reads the control messages of a send. What cannot be done is
// refused: EINVAL.
func (d *Datagram) sendControl(b []byte, c *tcpip.SendableControlMessages) abi.Errno {
	for len(b) > 0 {
		m, rest, ok, e := socket.NextCmsg(b)
		if !ok {
			return e
		}
		b = rest
		switch {
		case m.Level == abi.SOL_IP && m.Type == abi.IP_TTL:
			v, e := intOf(m.Data)
			if e != abi.OK || v < 1 || v > 255 {
				return abi.EINVAL
			}
			c.HasTTL, c.TTL = true, uint8(v)
		case m.Level == abi.SOL_IP && m.Type == abi.IP_PKTINFO:
			if e := d.pktInfo(m.Data); e != abi.OK {
				return e
			}
		case m.Level == abi.SOL_IPV6 && m.Type == abi.IPV6_HOPLIMIT:
			v, e := intOf(m.Data)
			if e != abi.OK || v < -1 || v > 255 {
				return abi.EINVAL
			}
			c.HasHopLimit, c.HopLimit = v >= 0, uint8(max(v, 0))
		case m.Level == abi.SOL_IPV6 && m.Type == abi.IPV6_PKTINFO:
			if len(m.Data) < 20 {
				return abi.EINVAL
			}
			c.HasIPv6PacketInfo = true
			c.IPv6PacketInfo.NIC = tcpip.NICID(binary.LittleEndian.Uint32(m.Data[16:]))
			if a := tcpip.AddrFrom16Slice(m.Data[:16]); !a.Unspecified() {
				c.IPv6PacketInfo.Addr = a
			}
		case m.Level == abi.SOL_SOCKET && (m.Type == abi.SCM_RIGHTS || m.Type == abi.SCM_CREDENTIALS):
			// __scm_send of Linux is not called for IP sockets: ignored there.
		default:
			return abi.EINVAL
		}
	}
	return abi.OK
}

// pktInfo checks an IP_PKTINFO of a send: the IP stack chooses the source itself,
// which on a machine with one address per link comes to the same, so what is
// asked for must be this machine's.
func (d *Datagram) pktInfo(b []byte) abi.Errno {
	if len(b) < 12 {
		return abi.EINVAL
	}
	if i := binary.LittleEndian.Uint32(b); i != 0 && !d.host.st.IP.HasNIC(tcpip.NICID(i)) {
		return abi.ENODEV
	}
	if a := tcpip.AddrFrom4Slice(b[4:8]); !a.Unspecified() && d.host.st.IP.CheckLocalAddress(0, protoIPv4, a) == 0 {
		return abi.EINVAL
	}
	return abi.OK
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
