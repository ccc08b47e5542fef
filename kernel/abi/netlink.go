package abi

// Families of netlink(7), uapi/linux/netlink.h.
const (
	NETLINK_ROUTE          = 0
	NETLINK_USERSOCK       = 2
	NETLINK_FIREWALL       = 3
	NETLINK_SOCK_DIAG      = 4
	NETLINK_NFLOG          = 5
	NETLINK_XFRM           = 6
	NETLINK_SELINUX        = 7
	NETLINK_ISCSI          = 8
	NETLINK_AUDIT          = 9
	NETLINK_FIB_LOOKUP     = 10
	NETLINK_CONNECTOR      = 11
	NETLINK_NETFILTER      = 12
	NETLINK_IP6_FW         = 13
	NETLINK_DNRTMSG        = 14
	NETLINK_KOBJECT_UEVENT = 15
	NETLINK_GENERIC        = 16
	NETLINK_SCSITRANSPORT  = 18
	NETLINK_ECRYPTFS       = 19
	NETLINK_RDMA           = 20
	NETLINK_CRYPTO         = 21
)

// Options of SOL_NETLINK.
const (
	NETLINK_ADD_MEMBERSHIP   = 1
	NETLINK_DROP_MEMBERSHIP  = 2
	NETLINK_PKTINFO          = 3
	NETLINK_BROADCAST_ERROR  = 4
	NETLINK_NO_ENOBUFS       = 5
	NETLINK_LISTEN_ALL_NSID  = 8
	NETLINK_LIST_MEMBERSHIPS = 9
	NETLINK_CAP_ACK          = 10
	NETLINK_EXT_ACK          = 11
	NETLINK_GET_STRICT_CHK   = 12
)

// Types of messages that every family knows, and their flags.
const (
	NLMSG_NOOP          = 1
	NLMSG_ERROR         = 2
	NLMSG_DONE          = 3
	NLMSG_OVERRUN       = 4
	NLMSG_MIN_TYPE      = 16
	NLMSG_ALIGNTO       = 4
	NLM_F_REQUEST       = 1
	NLM_F_MULTI         = 2
	NLM_F_ACK           = 4
	NLM_F_ECHO          = 8
	NLM_F_DUMP_INTR     = 0x10
	NLM_F_DUMP_FILTERED = 0x20
	NLM_F_ROOT          = 0x100
	NLM_F_MATCH         = 0x200
	NLM_F_ATOMIC        = 0x400
	NLM_F_DUMP          = 0x300
	NLM_F_REPLACE       = 0x100
	NLM_F_EXCL          = 0x200
	NLM_F_CREATE        = 0x400
	NLM_F_APPEND        = 0x800
	NLM_F_CAPPED        = 0x100
	NLM_F_ACK_TLVS      = 0x200
	NLA_F_NESTED        = 0x8000
	NLA_F_NET_BYTEORDER = 0x4000
)

// Types of NETLINK_ROUTE messages, uapi/linux/rtnetlink.h.
const (
	RTM_NEWLINK      = 16
	RTM_DELLINK      = 17
	RTM_GETLINK      = 18
	RTM_SETLINK      = 19
	RTM_NEWADDR      = 20
	RTM_DELADDR      = 21
	RTM_GETADDR      = 22
	RTM_NEWROUTE     = 24
	RTM_DELROUTE     = 25
	RTM_GETROUTE     = 26
	RTM_NEWNEIGH     = 28
	RTM_DELNEIGH     = 29
	RTM_GETNEIGH     = 30
	RTM_NEWRULE      = 32
	RTM_DELRULE      = 33
	RTM_GETRULE      = 34
	RTM_NEWQDISC     = 36
	RTM_DELQDISC     = 37
	RTM_GETQDISC     = 38
	RTM_GETMULTICAST = 58
	RTM_GETANYCAST   = 62
	RTM_GETNEIGHTBL  = 66
	RTM_NEWSTATS     = 92
	RTM_GETSTATS     = 94
)

// Attributes of links, uapi/linux/if_link.h.
const (
	IFLA_UNSPEC          = 0
	IFLA_ADDRESS         = 1
	IFLA_BROADCAST       = 2
	IFLA_IFNAME          = 3
	IFLA_MTU             = 4
	IFLA_LINK            = 5
	IFLA_QDISC           = 6
	IFLA_STATS           = 7
	IFLA_MASTER          = 10
	IFLA_TXQLEN          = 13
	IFLA_MAP             = 14
	IFLA_OPERSTATE       = 16
	IFLA_LINKMODE        = 17
	IFLA_LINKINFO        = 18
	IFLA_NET_NS_PID      = 19
	IFLA_IFALIAS         = 20
	IFLA_NUM_VF          = 21
	IFLA_STATS64         = 23
	IFLA_AF_SPEC         = 26
	IFLA_GROUP           = 27
	IFLA_EXT_MASK        = 29
	IFLA_PROMISCUITY     = 30
	IFLA_NUM_TX_QUEUES   = 31
	IFLA_NUM_RX_QUEUES   = 32
	IFLA_CARRIER         = 33
	IFLA_CARRIER_CHANGES = 35
	IFLA_GSO_MAX_SEGS    = 40
	IFLA_GSO_MAX_SIZE    = 41
	IFLA_MIN_MTU         = 50
	IFLA_MAX_MTU         = 51
	IFLA_PERM_ADDRESS    = 54
)

// Attributes and flags of addresses, uapi/linux/if_addr.h.
const (
	IFA_UNSPEC           = 0
	IFA_ADDRESS          = 1
	IFA_LOCAL            = 2
	IFA_LABEL            = 3
	IFA_BROADCAST        = 4
	IFA_ANYCAST          = 5
	IFA_CACHEINFO        = 6
	IFA_MULTICAST        = 7
	IFA_FLAGS            = 8
	IFA_RT_PRIORITY      = 9
	IFA_F_SECONDARY      = 1
	IFA_F_NODAD          = 2
	IFA_F_OPTIMISTIC     = 4
	IFA_F_DADFAILED      = 8
	IFA_F_HOMEADDRESS    = 0x10
	IFA_F_DEPRECATED     = 0x20
	IFA_F_TENTATIVE      = 0x40
	IFA_F_PERMANENT      = 0x80
	IFA_F_MANAGETEMPADDR = 0x100
	IFA_F_NOPREFIXROUTE  = 0x200
	IFA_F_STABLE_PRIVACY = 0x800
)

// Attributes of routes, uapi/linux/rtnetlink.h.
const (
	RTA_UNSPEC    = 0
	RTA_DST       = 1
	RTA_SRC       = 2
	RTA_IIF       = 3
	RTA_OIF       = 4
	RTA_GATEWAY   = 5
	RTA_PRIORITY  = 6
	RTA_PREFSRC   = 7
	RTA_METRICS   = 8
	RTA_MULTIPATH = 9
	RTA_FLOW      = 11
	RTA_CACHEINFO = 12
	RTA_TABLE     = 15
	RTA_MARK      = 16
	RTA_PREF      = 20
	RTA_ALIGNTO   = 4
	RTAX_MTU      = 2
	RTAX_HOPLIMIT = 10
	RTAX_ADVMSS   = 8
)

// Tables, types, protocols, scopes and flags of routes.
const (
	RT_TABLE_UNSPEC    = 0
	RT_TABLE_DEFAULT   = 253
	RT_TABLE_MAIN      = 254
	RT_TABLE_LOCAL     = 255
	RTN_UNSPEC         = 0
	RTN_UNICAST        = 1
	RTN_LOCAL          = 2
	RTN_BROADCAST      = 3
	RTN_ANYCAST        = 4
	RTN_MULTICAST      = 5
	RTN_BLACKHOLE      = 6
	RTN_UNREACHABLE    = 7
	RTPROT_UNSPEC      = 0
	RTPROT_REDIRECT    = 1
	RTPROT_KERNEL      = 2
	RTPROT_BOOT        = 3
	RTPROT_STATIC      = 4
	RTPROT_RA          = 9
	RTPROT_DHCP        = 16
	RT_SCOPE_UNIVERSE  = 0
	RT_SCOPE_SITE      = 200
	RT_SCOPE_LINK      = 253
	RT_SCOPE_HOST      = 254
	RT_SCOPE_NOWHERE   = 255
	RTM_F_NOTIFY       = 0x100
	RTM_F_CLONED       = 0x200
	RTM_F_LOOKUP_TABLE = 0x1000
	RTM_F_FIB_MATCH    = 0x2000
)

// Groups of NETLINK_ROUTE in SockaddrNl.Groups.
const (
	RTMGRP_LINK        = 1
	RTMGRP_NOTIFY      = 2
	RTMGRP_NEIGH       = 4
	RTMGRP_IPV4_IFADDR = 0x10
	RTMGRP_IPV4_ROUTE  = 0x40
	RTMGRP_IPV6_IFADDR = 0x100
	RTMGRP_IPV6_ROUTE  = 0x400
)

// States of neighbours, uapi/linux/neighbour.h.
const (
	NUD_INCOMPLETE = 1
	NUD_REACHABLE  = 2
	NUD_STALE      = 4
	NUD_DELAY      = 8
	NUD_PROBE      = 0x10
	NUD_FAILED     = 0x20
	NUD_NOARP      = 0x40
	NUD_PERMANENT  = 0x80
	NUD_NONE       = 0
	NDA_DST        = 1
	NDA_LLADDR     = 2
	NDA_CACHEINFO  = 3
)

// Nlmsghdr is struct nlmsghdr. Len counts this header; the next message begins
// at the next multiple of NLMSG_ALIGNTO.
type Nlmsghdr struct {
	Len   uint32 // nlmsg_len
	Type  uint16 // nlmsg_type
	Flags uint16 // nlmsg_flags
	Seq   uint32 // nlmsg_seq
	PID   uint32 // nlmsg_pid
}

// Nlmsgerr is struct nlmsgerr, the body of NLMSG_ERROR; Error is a negative errno
// or 0.
type Nlmsgerr struct {
	Error int32    // error
	Msg   Nlmsghdr // msg
}

// Rtattr is struct rtattr (and struct nlattr): Len counts this header.
type Rtattr struct {
	Len  uint16 // rta_len
	Type uint16 // rta_type
}

// Rtgenmsg is struct rtgenmsg, the body of a request for a dump.
type Rtgenmsg struct {
	Family uint8 // rtgen_family
}

// Ifinfomsg is struct ifinfomsg of RTM_NEWLINK.
type Ifinfomsg struct {
	Family uint8  // ifi_family
	Pad    uint8  // __ifi_pad
	Type   uint16 // ifi_type
	Index  int32  // ifi_index
	Flags  uint32 // ifi_flags
	Change uint32 // ifi_change
}

// Ifaddrmsg is struct ifaddrmsg of RTM_NEWADDR.
type Ifaddrmsg struct {
	Family    uint8  // ifa_family
	Prefixlen uint8  // ifa_prefixlen
	Flags     uint8  // ifa_flags
	Scope     uint8  // ifa_scope
	Index     uint32 // ifa_index
}

// IfaCacheinfo is struct ifa_cacheinfo of IFA_CACHEINFO: lifetimes in seconds,
// stamps in hundredths of one.
type IfaCacheinfo struct {
	Prefered uint32 // ifa_prefered
	Valid    uint32 // ifa_valid
	Cstamp   uint32 // cstamp
	Tstamp   uint32 // tstamp
}

// Rtmsg is struct rtmsg of RTM_NEWROUTE.
type Rtmsg struct {
	Family   uint8  // rtm_family
	DstLen   uint8  // rtm_dst_len
	SrcLen   uint8  // rtm_src_len
	TOS      uint8  // rtm_tos
	Table    uint8  // rtm_table
	Protocol uint8  // rtm_protocol
	Scope    uint8  // rtm_scope
	Type     uint8  // rtm_type
	Flags    uint32 // rtm_flags
}

// RtaCacheinfo is struct rta_cacheinfo of RTA_CACHEINFO.
type RtaCacheinfo struct {
	Clntref uint32 // rta_clntref
	Lastuse uint32 // rta_lastuse
	Expires int32  // rta_expires
	Error   uint32 // rta_error
	Used    uint32 // rta_used
	ID      uint32 // rta_id
	TS      uint32 // rta_ts
	Tsage   uint32 // rta_tsage
}

// Ndmsg is struct ndmsg of RTM_NEWNEIGH.
type Ndmsg struct {
	Family  uint8  // ndm_family
	Pad1    uint8  // ndm_pad1
	Pad2    uint16 // ndm_pad2
	Ifindex int32  // ndm_ifindex
	State   uint16 // ndm_state
	Flags   uint8  // ndm_flags
	Type    uint8  // ndm_type
}

// RtnlLinkStats is struct rtnl_link_stats of IFLA_STATS.
type RtnlLinkStats struct {
	RxPackets         uint32 // rx_packets
	TxPackets         uint32 // tx_packets
	RxBytes           uint32 // rx_bytes
	TxBytes           uint32 // tx_bytes
	RxErrors          uint32 // rx_errors
	TxErrors          uint32 // tx_errors
	RxDropped         uint32 // rx_dropped
	TxDropped         uint32 // tx_dropped
	Multicast         uint32 // multicast
	Collisions        uint32 // collisions
	RxLengthErrors    uint32 // rx_length_errors
	RxOverErrors      uint32 // rx_over_errors
	RxCRCErrors       uint32 // rx_crc_errors
	RxFrameErrors     uint32 // rx_frame_errors
	RxFifoErrors      uint32 // rx_fifo_errors
	RxMissedErrors    uint32 // rx_missed_errors
	TxAbortedErrors   uint32 // tx_aborted_errors
	TxCarrierErrors   uint32 // tx_carrier_errors
	TxFifoErrors      uint32 // tx_fifo_errors
	TxHeartbeatErrors uint32 // tx_heartbeat_errors
	TxWindowErrors    uint32 // tx_window_errors
	RxCompressed      uint32 // rx_compressed
	TxCompressed      uint32 // tx_compressed
	RxNohandler       uint32 // rx_nohandler
}

// RtnlLinkStats64 is struct rtnl_link_stats64 of IFLA_STATS64.
type RtnlLinkStats64 struct {
	RxPackets          uint64 // rx_packets
	TxPackets          uint64 // tx_packets
	RxBytes            uint64 // rx_bytes
	TxBytes            uint64 // tx_bytes
	RxErrors           uint64 // rx_errors
	TxErrors           uint64 // tx_errors
	RxDropped          uint64 // rx_dropped
	TxDropped          uint64 // tx_dropped
	Multicast          uint64 // multicast
	Collisions         uint64 // collisions
	RxLengthErrors     uint64 // rx_length_errors
	RxOverErrors       uint64 // rx_over_errors
	RxCRCErrors        uint64 // rx_crc_errors
	RxFrameErrors      uint64 // rx_frame_errors
	RxFifoErrors       uint64 // rx_fifo_errors
	RxMissedErrors     uint64 // rx_missed_errors
	TxAbortedErrors    uint64 // tx_aborted_errors
	TxCarrierErrors    uint64 // tx_carrier_errors
	TxFifoErrors       uint64 // tx_fifo_errors
	TxHeartbeatErrors  uint64 // tx_heartbeat_errors
	TxWindowErrors     uint64 // tx_window_errors
	RxCompressed       uint64 // rx_compressed
	TxCompressed       uint64 // tx_compressed
	RxNohandler        uint64 // rx_nohandler
	RxOtherhostDropped uint64 // rx_otherhost_dropped
}
