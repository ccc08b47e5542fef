package stack

import (
	"net/netip"

	"gvisor.dev/gvisor/pkg/tcpip"

	"skerry/kernel/abi"
)

// Interface is what is known of one link.
type Interface struct {
	Index  int
	Name   string
	Flags  uint32 // abi.IFF_*
	MTU    int
	MAC    [6]byte // zero on loopback
	Addrs  []netip.Prefix
	Counts Counts
}

// Counts are a link's counters.
type Counts struct {
	RxBytes, RxPackets, RxDropped, RxErrors uint64
	TxBytes, TxPackets, TxDropped           uint64
	Multicast                               uint64
}

// Interfaces lists the machine's links, loopback first.
func (s *Stack) Interfaces() []Interface {
	info := s.IP.NICInfo()
	list := []Interface{{Index: int(NICLoopback), Name: "lo", MTU: int(s.lo.MTU()), Flags: abi.IFF_UP | abi.IFF_LOOPBACK | abi.IFF_RUNNING | abi.IFF_LOWER_UP}}
	if s.eth != nil {
		i := Interface{Index: int(NICEthernet), Name: "eth0", MTU: int(s.eth.MTU()), MAC: s.eth.HardwareAddr(), Flags: abi.IFF_UP | abi.IFF_BROADCAST | abi.IFF_MULTICAST}
		if s.eth.Up() {
			i.Flags |= abi.IFF_RUNNING | abi.IFF_LOWER_UP
		}
		list = append(list, i)
	}
	for k := range list {
		i := &list[k]
		n, ok := info[tcpip.NICID(i.Index)]
		if !ok {
			continue
		}
		for _, a := range n.ProtocolAddresses {
			if addr, ok := netip.AddrFromSlice(a.AddressWithPrefix.Address.AsSlice()); ok {
				i.Addrs = append(i.Addrs, netip.PrefixFrom(addr, a.AddressWithPrefix.PrefixLen))
			}
		}
		i.Counts = Counts{
			RxBytes: n.Stats.Rx.Bytes.Value(), RxPackets: n.Stats.Rx.Packets.Value(),
			TxBytes: n.Stats.Tx.Bytes.Value(), TxPackets: n.Stats.Tx.Packets.Value(),
		}
		if i.Index == int(NICEthernet) {
			frames, bytes := s.eth.Cut()
			i.Counts.RxPackets += s.eth.Merged()
			i.Counts.TxPackets += frames
			i.Counts.TxBytes += bytes
			s.eth.Account(&i.Counts.RxDropped, &i.Counts.RxErrors, &i.Counts.TxDropped)
		} else {
			packets, bytes := s.lo.Short()
			i.Counts.RxPackets += packets
			i.Counts.RxBytes += bytes
			i.Counts.RxDropped = s.lo.Dropped()
		}
	}
	return list
}

// RouteEntry is a line of the routing table. An invalid Via means on the link.
type RouteEntry struct {
	To    netip.Prefix
	Via   netip.Addr
	Index int
}

// Routes lists the routing table, most specific first.
func (s *Stack) Routes() []RouteEntry {
	var list []RouteEntry
	for _, r := range s.IP.GetRouteTable() {
		id := r.Destination.ID()
		to, ok := netip.AddrFromSlice(id.AsSlice())
		if !ok {
			continue
		}
		via, _ := netip.AddrFromSlice(r.Gateway.AsSlice())
		list = append(list, RouteEntry{To: netip.PrefixFrom(to, r.Destination.Prefix()), Via: via, Index: int(r.NIC)})
	}
	return list
}
