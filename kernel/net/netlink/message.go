package netlink

import (
	"encoding/binary"
	"net/netip"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	gstack "gvisor.dev/gvisor/pkg/tcpip/stack"

	"skerry/kernel/abi"
	"skerry/kernel/net/stack"
)

const (
	hdrSize = 16 // struct nlmsghdr
	maxData = 8 << 10
	rtmMax  = 123 // the last type of Linux 6.12, linux/rtnetlink.h
)

// align rounds up to the 4 bytes of NLMSG_ALIGN and RTA_ALIGN.
func align(n int) int { return (n + 3) &^ 3 }

// reply collects messages of an answer into datagrams.
type reply struct {
	seq, port uint32
	out       [][]byte
	buf       []byte
	at        int // where the message under way begins
}

// begin starts a message with a fixed part.
func (r *reply) begin(typ, flags uint16, fixed []byte) {
	if len(r.buf) > maxData {
		r.flush()
	}
	r.at = len(r.buf)
	var h [hdrSize]byte
	binary.LittleEndian.PutUint16(h[4:], typ)
	binary.LittleEndian.PutUint16(h[6:], flags)
	binary.LittleEndian.PutUint32(h[8:], r.seq)
	binary.LittleEndian.PutUint32(h[12:], r.port)
	r.buf = append(append(r.buf, h[:]...), fixed...)
	r.pad()
}

func (r *reply) pad() {
	for len(r.buf)%4 != 0 {
		r.buf = append(r.buf, 0)
	}
}

// attr adds an attribute to the message.
func (r *reply) attr(typ uint16, data []byte) {
	r.buf = binary.LittleEndian.AppendUint16(r.buf, uint16(4+len(data)))
	r.buf = binary.LittleEndian.AppendUint16(r.buf, typ)
	r.buf = append(r.buf, data...)
	r.pad()
}

func (r *reply) attrString(typ uint16, s string) { r.attr(typ, append([]byte(s), 0)) }
func (r *reply) attr32(typ uint16, v uint32) {
	r.attr(typ, binary.LittleEndian.AppendUint32(nil, v))
}

// end finishes the message.
func (r *reply) end() {
	binary.LittleEndian.PutUint32(r.buf[r.at:], uint32(len(r.buf)-r.at))
}

// flush ends the datagram.
func (r *reply) flush() {
	if len(r.buf) > 0 {
		r.out = append(r.out, r.buf)
		r.buf = nil
	}
}

// done ends a dump.
func (r *reply) done() {
	r.begin(abi.NLMSG_DONE, abi.NLM_F_MULTI, make([]byte, 4))
	r.end()
}

// fail answers a request with an error, or with OK an acknowledgement: the errno
// negated, then the request (its header alone if short).
func (r *reply) fail(e abi.Errno, request []byte, short bool) {
	if short || e == abi.OK {
		request = request[:hdrSize]
	}
	b := binary.LittleEndian.AppendUint32(nil, uint32(-int32(e)))
	r.begin(abi.NLMSG_ERROR, 0, append(b, request...))
	r.end()
}

// link is RTM_NEWLINK.
func (r *reply) link(i *stack.Interface, flags uint16) {
	var f [16]byte // struct ifinfomsg
	kind := uint16(abi.ARPHRD_ETHER)
	if i.Flags&abi.IFF_LOOPBACK != 0 {
		kind = abi.ARPHRD_LOOPBACK
	}
	binary.LittleEndian.PutUint16(f[2:], kind)
	binary.LittleEndian.PutUint32(f[4:], uint32(i.Index))
	binary.LittleEndian.PutUint32(f[8:], i.Flags)
	r.begin(abi.RTM_NEWLINK, flags, f[:])
	r.attrString(abi.IFLA_IFNAME, i.Name)
	r.attr32(abi.IFLA_TXQLEN, 1000)
	state := byte(abi.IF_OPER_UP)
	switch {
	case i.Flags&abi.IFF_LOOPBACK != 0:
		state = abi.IF_OPER_UNKNOWN // as Linux says of lo
	case i.Flags&abi.IFF_RUNNING == 0:
		state = abi.IF_OPER_DOWN
	}
	r.attr(abi.IFLA_OPERSTATE, []byte{state})
	r.attr(abi.IFLA_LINKMODE, []byte{0})
	r.attr32(abi.IFLA_MTU, uint32(i.MTU))
	r.attr32(abi.IFLA_GROUP, 0)
	r.attrString(abi.IFLA_QDISC, "noqueue")
	r.attr(abi.IFLA_ADDRESS, i.MAC[:])
	bcast := []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	if i.Flags&abi.IFF_LOOPBACK != 0 {
		bcast = make([]byte, 6)
	}
	r.attr(abi.IFLA_BROADCAST, bcast)
	var st [24 * 8]byte   // struct rtnl_link_stats64
	var st32 [24 * 4]byte // struct rtnl_link_stats, which is what getifaddrs gives
	c := &i.Counts
	for k, v := range [...]uint64{c.RxPackets, c.TxPackets, c.RxBytes, c.TxBytes, c.RxErrors, 0, c.RxDropped, c.TxDropped, c.Multicast} {
		binary.LittleEndian.PutUint64(st[k*8:], v)
		binary.LittleEndian.PutUint32(st32[k*4:], uint32(v))
	}
	r.attr(abi.IFLA_STATS64, st[:])
	r.attr(abi.IFLA_STATS, st32[:])
	r.end()
}

func scopeOf(a netip.Addr) byte {
	switch {
	case a.IsLoopback():
		return abi.RT_SCOPE_HOST
	case a.IsLinkLocalUnicast():
		return abi.RT_SCOPE_LINK
	}
	return abi.RT_SCOPE_UNIVERSE
}

func familyOf(a netip.Addr) byte {
	if a.Is4() {
		return abi.AF_INET
	}
	return abi.AF_INET6
}

// addr is RTM_NEWADDR or RTM_DELADDR.
func (r *reply) addr(typ uint16, i *stack.Interface, p netip.Prefix, flags uint16) {
	const permanent = abi.IFA_F_PERMANENT
	a := p.Addr()
	f := []byte{familyOf(a), byte(p.Bits()), permanent, scopeOf(a)} // struct ifaddrmsg
	r.begin(typ, flags, binary.LittleEndian.AppendUint32(f, uint32(i.Index)))
	r.attr(abi.IFA_ADDRESS, a.AsSlice())
	if a.Is4() {
		r.attr(abi.IFA_LOCAL, a.AsSlice())
		if i.Flags&abi.IFF_BROADCAST != 0 && p.Bits() < 31 {
			b := a.As4()
			v := binary.BigEndian.Uint32(b[:]) | uint32(^uint64(0)>>(32+p.Bits()))
			r.attr(abi.IFA_BROADCAST, binary.BigEndian.AppendUint32(nil, v))
		}
		r.attrString(abi.IFA_LABEL, i.Name)
	}
	r.attr32(abi.IFA_FLAGS, permanent)
	var c [16]byte // struct ifa_cacheinfo: valid for ever
	copy(c[:8], "\xff\xff\xff\xff\xff\xff\xff\xff")
	r.attr(abi.IFA_CACHEINFO, c[:])
	r.end()
}

// route is RTM_NEWROUTE. dst is the destination that was asked for, or the
// route's own.
func (r *reply) route(e stack.RouteEntry, dst netip.Prefix, src netip.Addr, flags uint16) {
	table, kind, scope := byte(abi.RT_TABLE_MAIN), byte(abi.RTN_UNICAST), byte(abi.RT_SCOPE_UNIVERSE)
	if e.Index == int(stack.NICLoopback) {
		table, kind, scope = abi.RT_TABLE_LOCAL, abi.RTN_LOCAL, abi.RT_SCOPE_HOST
	} else if !e.Via.IsValid() {
		scope = abi.RT_SCOPE_LINK
	}
	f := [12]byte{familyOf(dst.Addr()), byte(dst.Bits()), 0, 0, table, abi.RTPROT_BOOT, scope, kind} // struct rtmsg
	r.begin(abi.RTM_NEWROUTE, flags, f[:])
	r.attr32(abi.RTA_TABLE, uint32(table))
	if dst.Bits() > 0 {
		r.attr(abi.RTA_DST, dst.Addr().AsSlice())
	}
	if e.Via.IsValid() {
		r.attr(abi.RTA_GATEWAY, e.Via.AsSlice())
	}
	if src.IsValid() {
		r.attr(abi.RTA_PREFSRC, src.AsSlice())
	}
	r.attr32(abi.RTA_OIF, uint32(e.Index))
	r.end()
}

// neighbor is RTM_NEWNEIGH.
func (r *reply) neighbor(n gstack.NeighborEntry) {
	a, ok := netip.AddrFromSlice(n.Addr.AsSlice())
	if !ok {
		return
	}
	state := map[gstack.NeighborState]uint16{ // NUD_* of linux/neighbour.h
		gstack.Incomplete: 0x01, gstack.Reachable: 0x02, gstack.Stale: 0x04, gstack.Delay: 0x08, gstack.Probe: 0x10,
		gstack.Unreachable: 0x20, gstack.Static: 0x80,
	}[n.State]
	var f [12]byte // struct ndmsg
	f[0] = familyOf(a)
	binary.LittleEndian.PutUint32(f[4:], uint32(stack.NICEthernet))
	binary.LittleEndian.PutUint16(f[8:], state)
	f[11] = abi.RTN_UNICAST
	r.begin(abi.RTM_NEWNEIGH, abi.NLM_F_MULTI, f[:])
	r.attr(abi.NDA_DST, a.AsSlice())
	if n.LinkAddr != "" {
		r.attr(abi.NDA_LLADDR, []byte(n.LinkAddr))
	}
	r.end()
}

// neighborProtocols are the tables of neighbours.
var neighborProtocols = [...]tcpip.NetworkProtocolNumber{header.IPv4ProtocolNumber, header.IPv6ProtocolNumber}
