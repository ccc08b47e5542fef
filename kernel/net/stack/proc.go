package stack

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	gstack "gvisor.dev/gvisor/pkg/tcpip/stack"
)

// ProcDev is the text of /proc/net/dev (proc(5)).
func (s *Stack) ProcDev() []byte {
	b := []byte("Inter-|   Receive                                                |  Transmit\n" +
		" face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n")
	for _, i := range s.Interfaces() {
		c := &i.Counts
		b = fmt.Appendf(b, "%6s: %7d %7d %4d %4d %4d %5d %10d %9d %8d %7d %4d %4d %4d %5d %7d %10d\n",
			i.Name, c.RxBytes, c.RxPackets, c.RxErrors, c.RxDropped, 0, 0, 0, c.Multicast,
			c.TxBytes, c.TxPackets, 0, c.TxDropped, 0, 0, 0, 0)
	}
	return b
}

// Route flags, linux/route.h.
const (
	rtfUp      = 0x1
	rtfGateway = 0x2
	rtfHost    = 0x4
)

// ProcRoute is the text of /proc/net/route: IPv4 routes, addresses in
// hexadecimal as they lie in memory. Loopback is not shown, as on Linux, where
// it is in another table.
func (s *Stack) ProcRoute() []byte {
	b := fmt.Appendf(nil, "%-127s\n", "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT")
	for _, r := range s.Routes() {
		if !r.To.Addr().Is4() || r.Index == int(NICLoopback) {
			continue
		}
		flags := rtfUp
		var via [4]byte
		if r.Via.IsValid() {
			flags |= rtfGateway
			via = r.Via.As4()
		}
		if r.To.Bits() == 32 {
			flags |= rtfHost
		}
		to := r.To.Addr().As4()
		var mask [4]byte
		binary.BigEndian.PutUint32(mask[:], uint32(^uint64(0)<<(32-r.To.Bits())))
		line := fmt.Sprintf("eth0\t%08X\t%08X\t%04X\t0\t0\t0\t%08X\t0\t0\t0", binary.LittleEndian.Uint32(to[:]),
			binary.LittleEndian.Uint32(via[:]), flags, binary.LittleEndian.Uint32(mask[:]))
		b = fmt.Appendf(b, "%-127s\n", line)
	}
	return b
}

// ProcIPv6Route is the text of /proc/net/ipv6_route.
func (s *Stack) ProcIPv6Route() []byte {
	var b []byte
	for _, r := range s.Routes() {
		if r.To.Addr().Is4() {
			continue
		}
		flags, name := rtfUp, "eth0"
		var via [16]byte
		if r.Via.IsValid() {
			flags |= rtfGateway
			via = r.Via.As16()
		}
		if r.Index == int(NICLoopback) {
			name = "lo"
		}
		b = fmt.Appendf(b, "%x %02x %032x %02x %x %08x %08x %08x %08x %8s\n", r.To.Addr().As16(), r.To.Bits(), 0, 0, via, 1024, 1, 0, flags, name)
	}
	return b
}

// ProcIfInet6 is the text of /proc/net/if_inet6: address, interface number,
// prefix length, scope and flags in hexadecimal, name.
func (s *Stack) ProcIfInet6() []byte {
	var b []byte
	for _, i := range s.Interfaces() {
		for _, p := range i.Addrs {
			if !p.Addr().Is6() {
				continue
			}
			scope := 0 // global
			switch {
			case p.Addr().IsLoopback():
				scope = 0x10
			case p.Addr().IsLinkLocalUnicast():
				scope = 0x20
			}
			b = fmt.Appendf(b, "%x %02x %02x %02x %02x %8s\n", p.Addr().As16(), i.Index, p.Bits(), scope, 0x80, i.Name)
		}
	}
	return b
}

// ProcARP is the text of /proc/net/arp.
func (s *Stack) ProcARP() []byte {
	b := []byte("IP address       HW type     Flags       HW address            Mask     Device\n")
	if s.eth == nil {
		return b
	}
	list, err := s.IP.Neighbors(NICEthernet, header.IPv4ProtocolNumber)
	if err != nil {
		return b
	}
	for _, n := range list {
		flags := 0x2 // complete
		if n.LinkAddr == "" || n.State == gstack.Incomplete || n.State == gstack.Unreachable {
			flags = 0
		}
		mac := tcpip.LinkAddress("\x00\x00\x00\x00\x00\x00")
		if n.LinkAddr != "" {
			mac = n.LinkAddr
		}
		b = fmt.Appendf(b, "%-16s 0x%-10x0x%-10x%s     *        eth0\n", n.Addr, 1, flags, mac)
	}
	return b
}

// ProcSNMP is the text of /proc/net/snmp: a line of names and a line of values
// for each protocol of MIB-II (RFC 1213). What the IP stack does not count is
// 0.
func (s *Stack) ProcSNMP() []byte {
	st := s.IP.Stats()
	v := func(c *tcpip.StatCounter) uint64 { return c.Value() }
	var b []byte
	table := func(name, names string, values ...uint64) {
		b = append(append(append(b, name...), ": "...), names...)
		b = append(append(append(b, '\n'), name...), ':')
		for _, n := range values {
			b = fmt.Appendf(b, " %d", n)
		}
		b = append(b, '\n')
	}
	ip := &st.IP
	past, _ := s.lo.Short() // received and delivered without the IP layer
	table("Ip", "Forwarding DefaultTTL InReceives InHdrErrors InAddrErrors ForwDatagrams InUnknownProtos InDiscards InDelivers OutRequests OutDiscards OutNoRoutes ReasmTimeout ReasmReqds ReasmOKs ReasmFails FragOKs FragFails FragCreates",
		2, 64, v(ip.PacketsReceived)+past, v(ip.MalformedPacketsReceived), v(ip.InvalidDestinationAddressesReceived)+v(ip.InvalidSourceAddressesReceived),
		0, 0, v(st.DroppedPackets), v(ip.PacketsDelivered)+past, v(ip.PacketsSent), v(ip.OutgoingPacketErrors), 0, 0, 0, 0, v(ip.MalformedFragmentsReceived), 0, 0, 0)
	in, out := &st.ICMP.V4.PacketsReceived, &st.ICMP.V4.PacketsSent
	sum := func(p *tcpip.ICMPv4PacketStats) uint64 {
		return v(p.EchoRequest) + v(p.EchoReply) + v(p.DstUnreachable) + v(p.TimeExceeded) + v(p.ParamProblem)
	}
	table("Icmp", "InMsgs InErrors InCsumErrors InDestUnreachs InTimeExcds InParmProbs InSrcQuenchs InRedirects InEchos InEchoReps InTimestamps InTimestampReps InAddrMasks InAddrMaskReps OutMsgs OutErrors OutRateLimitGlobal OutRateLimitHost OutDestUnreachs OutTimeExcds OutParmProbs OutSrcQuenchs OutRedirects OutEchos OutEchoReps OutTimestamps OutTimestampReps OutAddrMasks OutAddrMaskReps",
		sum(&in.ICMPv4PacketStats), v(in.Invalid), 0, v(in.DstUnreachable), v(in.TimeExceeded), v(in.ParamProblem), v(in.SrcQuench), v(in.Redirect), v(in.EchoRequest), v(in.EchoReply), v(in.Timestamp), v(in.TimestampReply), 0, 0,
		sum(&out.ICMPv4PacketStats), v(out.Dropped), v(out.RateLimited), 0, v(out.DstUnreachable), v(out.TimeExceeded), v(out.ParamProblem), 0, 0, v(out.EchoRequest), v(out.EchoReply), 0, 0, 0, 0)
	t := &st.TCP
	// RtoAlgorithm 1 (other), RtoMin and RtoMax in ms, no limit of connections.
	b = append(b, "Tcp: RtoAlgorithm RtoMin RtoMax MaxConn ActiveOpens PassiveOpens AttemptFails EstabResets CurrEstab InSegs OutSegs RetransSegs InErrs OutRsts InCsumErrors\n"...)
	b = fmt.Appendf(b, "Tcp: 1 200 120000 -1 %d %d %d %d %d %d %d %d %d %d %d\n", v(t.ActiveConnectionOpenings), v(t.PassiveConnectionOpenings),
		v(t.FailedConnectionAttempts), v(t.EstablishedResets), v(t.CurrentEstablished), v(t.ValidSegmentsReceived)+v(t.InvalidSegmentsReceived),
		v(t.SegmentsSent), v(t.Retransmits), v(t.InvalidSegmentsReceived)+v(t.ChecksumErrors), v(t.ResetsSent), v(t.ChecksumErrors))
	u := &st.UDP
	table("Udp", "InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors InCsumErrors IgnoredMulti MemErrors",
		v(u.PacketsReceived)-min(v(u.ReceiveBufferErrors), v(u.PacketsReceived)), v(u.UnknownPortErrors), v(u.MalformedPacketsReceived)+v(u.ChecksumErrors)+v(u.ReceiveBufferErrors),
		v(u.PacketsSent), v(u.ReceiveBufferErrors), v(u.PacketSendErrors), v(u.ChecksumErrors), 0, 0)
	table("UdpLite", "InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors InCsumErrors IgnoredMulti MemErrors", 0, 0, 0, 0, 0, 0, 0, 0, 0)
	return b
}

// HexAddr writes an address as /proc/net/tcp and its kin show it: the bytes of
// each 32-bit word in reverse, in capital hexadecimal.
func HexAddr(b []byte, a netip.Addr) []byte {
	const digits = "0123456789ABCDEF"
	raw := a.AsSlice()
	for w := 0; w+4 <= len(raw); w += 4 {
		for k := 3; k >= 0; k-- {
			b = append(b, digits[raw[w+k]>>4], digits[raw[w+k]&15])
		}
	}
	return b
}

// DropReport lists the ingress filter's counters, one a line, for the kernel's
// own report.
func (s *Stack) DropReport() string {
	if s.eth == nil {
		return ""
	}
	var b strings.Builder
	for d := range dropReasons() {
		if n := s.eth.Drops(d); n > 0 {
			fmt.Fprintf(&b, "%s %d\n", d, n)
		}
	}
	return b.String()
}
