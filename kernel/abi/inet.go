package abi

// Protocols, uapi/linux/in.h and in6.h.
const (
	IPPROTO_IP       = 0
	IPPROTO_ICMP     = 1
	IPPROTO_IGMP     = 2
	IPPROTO_IPIP     = 4
	IPPROTO_TCP      = 6
	IPPROTO_UDP      = 17
	IPPROTO_DCCP     = 33
	IPPROTO_IPV6     = 41
	IPPROTO_ROUTING  = 43
	IPPROTO_FRAGMENT = 44
	IPPROTO_GRE      = 47
	IPPROTO_ESP      = 50
	IPPROTO_AH       = 51
	IPPROTO_ICMPV6   = 58
	IPPROTO_NONE     = 59
	IPPROTO_DSTOPTS  = 60
	IPPROTO_SCTP     = 132
	IPPROTO_UDPLITE  = 136
	IPPROTO_RAW      = 255
	IPPROTO_MPTCP    = 262
)

// Options of IPPROTO_IP, ip(7); uapi/linux/in.h.
const (
	IP_TOS                    = 1
	IP_TTL                    = 2
	IP_HDRINCL                = 3
	IP_OPTIONS                = 4
	IP_ROUTER_ALERT           = 5
	IP_RECVOPTS               = 6
	IP_RETOPTS                = 7
	IP_PKTINFO                = 8
	IP_PKTOPTIONS             = 9
	IP_MTU_DISCOVER           = 10
	IP_RECVERR                = 11
	IP_RECVTTL                = 12
	IP_RECVTOS                = 13
	IP_MTU                    = 14
	IP_FREEBIND               = 15
	IP_PASSSEC                = 18
	IP_TRANSPARENT            = 19
	IP_ORIGDSTADDR            = 20
	IP_RECVORIGDSTADDR        = 20
	IP_MINTTL                 = 21
	IP_NODEFRAG               = 22
	IP_CHECKSUM               = 23
	IP_BIND_ADDRESS_NO_PORT   = 24
	IP_RECVFRAGSIZE           = 25
	IP_RECVERR_RFC4884        = 26
	IP_MULTICAST_IF           = 32
	IP_MULTICAST_TTL          = 33
	IP_MULTICAST_LOOP         = 34
	IP_ADD_MEMBERSHIP         = 35
	IP_DROP_MEMBERSHIP        = 36
	IP_UNBLOCK_SOURCE         = 37
	IP_BLOCK_SOURCE           = 38
	IP_ADD_SOURCE_MEMBERSHIP  = 39
	IP_DROP_SOURCE_MEMBERSHIP = 40
	IP_MSFILTER               = 41
	IP_MULTICAST_ALL          = 49
	IP_UNICAST_IF             = 50
	IP_LOCAL_PORT_RANGE       = 51
	IP_PROTOCOL               = 52
)

// Values of IP_MTU_DISCOVER and IPV6_MTU_DISCOVER.
const (
	IP_PMTUDISC_DONT      = 0
	IP_PMTUDISC_WANT      = 1
	IP_PMTUDISC_DO        = 2
	IP_PMTUDISC_PROBE     = 3
	IP_PMTUDISC_INTERFACE = 4
	IP_PMTUDISC_OMIT      = 5
)

// Options of IPPROTO_IPV6, ipv6(7); uapi/linux/in6.h.
const (
	IPV6_ADDRFORM             = 1
	IPV6_2292PKTINFO          = 2
	IPV6_2292HOPOPTS          = 3
	IPV6_2292DSTOPTS          = 4
	IPV6_2292RTHDR            = 5
	IPV6_2292PKTOPTIONS       = 6
	IPV6_CHECKSUM             = 7
	IPV6_2292HOPLIMIT         = 8
	IPV6_NEXTHOP              = 9
	IPV6_AUTHHDR              = 10
	IPV6_UNICAST_HOPS         = 16
	IPV6_MULTICAST_IF         = 17
	IPV6_MULTICAST_HOPS       = 18
	IPV6_MULTICAST_LOOP       = 19
	IPV6_ADD_MEMBERSHIP       = 20
	IPV6_DROP_MEMBERSHIP      = 21
	IPV6_JOIN_GROUP           = 20
	IPV6_LEAVE_GROUP          = 21
	IPV6_ROUTER_ALERT         = 22
	IPV6_MTU_DISCOVER         = 23
	IPV6_MTU                  = 24
	IPV6_RECVERR              = 25
	IPV6_V6ONLY               = 26
	IPV6_JOIN_ANYCAST         = 27
	IPV6_LEAVE_ANYCAST        = 28
	IPV6_MULTICAST_ALL        = 29
	IPV6_ROUTER_ALERT_ISOLATE = 30
	IPV6_RECVERR_RFC4884      = 31
	IPV6_FLOWLABEL_MGR        = 32
	IPV6_FLOWINFO_SEND        = 33
	IPV6_IPSEC_POLICY         = 34
	IPV6_XFRM_POLICY          = 35
	IPV6_HDRINCL              = 36
	IPV6_RECVPKTINFO          = 49
	IPV6_PKTINFO              = 50
	IPV6_RECVHOPLIMIT         = 51
	IPV6_HOPLIMIT             = 52
	IPV6_RECVHOPOPTS          = 53
	IPV6_HOPOPTS              = 54
	IPV6_RTHDRDSTOPTS         = 55
	IPV6_RECVRTHDR            = 56
	IPV6_RTHDR                = 57
	IPV6_RECVDSTOPTS          = 58
	IPV6_DSTOPTS              = 59
	IPV6_RECVPATHMTU          = 60
	IPV6_PATHMTU              = 61
	IPV6_DONTFRAG             = 62
	IPV6_RECVTCLASS           = 66
	IPV6_TCLASS               = 67
	IPV6_AUTOFLOWLABEL        = 70
	IPV6_ADDR_PREFERENCES     = 72
	IPV6_MINHOPCOUNT          = 73
	IPV6_ORIGDSTADDR          = 74
	IPV6_RECVORIGDSTADDR      = 74
	IPV6_TRANSPARENT          = 75
	IPV6_UNICAST_IF           = 76
	IPV6_RECVFRAGSIZE         = 77
	IPV6_FREEBIND             = 78
)

// Protocol-independent multicast options, uapi/linux/in.h.
const (
	MCAST_JOIN_GROUP         = 42
	MCAST_BLOCK_SOURCE       = 43
	MCAST_UNBLOCK_SOURCE     = 44
	MCAST_LEAVE_GROUP        = 45
	MCAST_JOIN_SOURCE_GROUP  = 46
	MCAST_LEAVE_SOURCE_GROUP = 47
	MCAST_MSFILTER           = 48
	MCAST_EXCLUDE            = 0
	MCAST_INCLUDE            = 1
)

// Options of IPPROTO_UDP, udp(7); uapi/linux/udp.h.
const (
	UDP_CORK         = 1
	UDP_ENCAP        = 100
	UDP_NO_CHECK6_TX = 101
	UDP_NO_CHECK6_RX = 102
	UDP_SEGMENT      = 103
	UDP_GRO          = 104
)

// InPktinfo is struct in_pktinfo of IP_PKTINFO.
type InPktinfo struct {
	Ifindex int32   // ipi_ifindex
	SpecDst [4]byte // ipi_spec_dst
	Addr    [4]byte // ipi_addr
}

// In6Pktinfo is struct in6_pktinfo of IPV6_PKTINFO.
type In6Pktinfo struct {
	Addr    [16]byte // ipi6_addr
	Ifindex uint32   // ipi6_ifindex
}

// IPMreq is struct ip_mreq of IP_ADD_MEMBERSHIP.
type IPMreq struct {
	Multiaddr [4]byte // imr_multiaddr
	Interface [4]byte // imr_interface
}

// IPMreqn is struct ip_mreqn, the longer form of IPMreq.
type IPMreqn struct {
	Multiaddr [4]byte // imr_multiaddr
	Address   [4]byte // imr_address
	Ifindex   int32   // imr_ifindex
}

// IPMreqSource is struct ip_mreq_source of IP_ADD_SOURCE_MEMBERSHIP.
type IPMreqSource struct {
	Multiaddr  [4]byte // imr_multiaddr
	Interface  [4]byte // imr_interface
	Sourceaddr [4]byte // imr_sourceaddr
}

// IPv6Mreq is struct ipv6_mreq of IPV6_ADD_MEMBERSHIP.
type IPv6Mreq struct {
	Multiaddr [16]byte // ipv6mr_multiaddr
	Interface uint32   // ipv6mr_interface
}

// IPv6Mtuinfo is struct ip6_mtuinfo of IPV6_PATHMTU.
type IPv6Mtuinfo struct {
	Addr SockaddrIn6 // ip6m_addr
	MTU  uint32      // ip6m_mtu
}

// GroupReq is struct group_req of MCAST_JOIN_GROUP.
type GroupReq struct {
	Interface uint32 // gr_interface
	Pad0      uint32
	Group     SockaddrStorage // gr_group
}

// GroupSourceReq is struct group_source_req of MCAST_JOIN_SOURCE_GROUP.
type GroupSourceReq struct {
	Interface uint32 // gsr_interface
	Pad0      uint32
	Group     SockaddrStorage // gsr_group
	Source    SockaddrStorage // gsr_source
}
