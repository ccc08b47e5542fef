package abi

// Flags of an interface, netdevice(7); uapi/linux/if.h.
const (
	IFF_UP          = 1
	IFF_BROADCAST   = 2
	IFF_DEBUG       = 4
	IFF_LOOPBACK    = 8
	IFF_POINTOPOINT = 0x10
	IFF_NOTRAILERS  = 0x20
	IFF_RUNNING     = 0x40
	IFF_NOARP       = 0x80
	IFF_PROMISC     = 0x100
	IFF_ALLMULTI    = 0x200
	IFF_MASTER      = 0x400
	IFF_SLAVE       = 0x800
	IFF_MULTICAST   = 0x1000
	IFF_PORTSEL     = 0x2000
	IFF_AUTOMEDIA   = 0x4000
	IFF_DYNAMIC     = 0x8000
	IFF_LOWER_UP    = 0x10000
	IFF_DORMANT     = 0x20000
	IFF_ECHO        = 0x40000
)

// Operational states of an interface (RFC 2863).
const (
	IF_OPER_UNKNOWN        = 0
	IF_OPER_NOTPRESENT     = 1
	IF_OPER_DOWN           = 2
	IF_OPER_LOWERLAYERDOWN = 3
	IF_OPER_TESTING        = 4
	IF_OPER_DORMANT        = 5
	IF_OPER_UP             = 6
)

// Sizes and link types, uapi/linux/if.h, if_arp.h and if_ether.h.
const (
	IFNAMSIZ        = 16
	ARPHRD_ETHER    = 1
	ARPHRD_LOOPBACK = 772
	ARPHRD_NONE     = 65534
	ETH_ALEN        = 6
	ETH_P_ALL       = 3
	ETH_P_IP        = 0x800
	ETH_P_ARP       = 0x806
	ETH_P_IPV6      = 0x86dd
)

// Flags of a route in /proc/net/route, uapi/linux/route.h.
const (
	RTF_UP      = 1
	RTF_GATEWAY = 2
	RTF_HOST    = 4
)

// Ifreq is struct ifreq of the SIOCGIF* calls with its union as bytes; an address
// in it is a SockaddrIn.
type Ifreq struct {
	Name [IFNAMSIZ]byte // ifr_ifrn.ifrn_name
	Data [24]byte       // ifr_ifru
}

// Ifconf is struct ifconf of SIOCGIFCONF; Len is in bytes, in and out.
type Ifconf struct {
	Len  int32 // ifc_len
	Pad0 int32
	Buf  uint64 // ifc_ifcu
}

// Ifmap is struct ifmap of SIOCGIFMAP and IFLA_MAP's older form.
type Ifmap struct {
	MemStart uint64 // mem_start
	MemEnd   uint64 // mem_end
	BaseAddr uint16 // base_addr
	IRQ      uint8  // irq
	DMA      uint8  // dma
	Port     uint8  // port
	Pad      [3]uint8
}
