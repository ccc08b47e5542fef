package abi

// Address families, socket(2); include/linux/socket.h.
const (
	AF_UNSPEC    = 0
	AF_UNIX      = 1
	AF_LOCAL     = 1
	AF_INET      = 2
	AF_AX25      = 3
	AF_IPX       = 4
	AF_APPLETALK = 5
	AF_X25       = 9
	AF_INET6     = 10
	AF_DECnet    = 12
	AF_KEY       = 15
	AF_NETLINK   = 16
	AF_ROUTE     = 16
	AF_PACKET    = 17
	AF_RDS       = 21
	AF_PPPOX     = 24
	AF_LLC       = 26
	AF_IB        = 27
	AF_CAN       = 29
	AF_TIPC      = 30
	AF_BLUETOOTH = 31
	AF_ALG       = 38
	AF_NFC       = 39
	AF_VSOCK     = 40
	AF_KCM       = 41
	AF_QIPCRTR   = 42
	AF_SMC       = 43
	AF_XDP       = 44
	AF_MCTP      = 45
	AF_MAX       = 46
)

// Types of sockets, and the flags that socket(2) and accept4(2) take beside them.
const (
	SOCK_STREAM    = 1
	SOCK_DGRAM     = 2
	SOCK_RAW       = 3
	SOCK_RDM       = 4
	SOCK_SEQPACKET = 5
	SOCK_DCCP      = 6
	SOCK_PACKET    = 10
	SOCK_CLOEXEC   = 0o2000000
	SOCK_NONBLOCK  = 0o4000
)

// Ways of shutdown(2).
const (
	SHUT_RD   = 0
	SHUT_WR   = 1
	SHUT_RDWR = 2
)

// SOMAXCONN is the default limit of listen(2)'s backlog.
const (
	SOMAXCONN = 4096
)

// Levels of socket options; those of the protocols are IPPROTO_*.
const (
	SOL_IP      = 0
	SOL_SOCKET  = 1
	SOL_TCP     = 6
	SOL_UDP     = 17
	SOL_IPV6    = 41
	SOL_ICMPV6  = 58
	SOL_RAW     = 255
	SOL_PACKET  = 263
	SOL_NETLINK = 270
	SOL_ALG     = 279
	SOL_VSOCK   = 287
	SOL_XDP     = 283
	SOL_TLS     = 282
)

// Options of SOL_SOCKET, socket(7); uapi/asm-generic/socket.h.
const (
	SO_DEBUG                 = 1
	SO_REUSEADDR             = 2
	SO_TYPE                  = 3
	SO_ERROR                 = 4
	SO_DONTROUTE             = 5
	SO_BROADCAST             = 6
	SO_SNDBUF                = 7
	SO_RCVBUF                = 8
	SO_KEEPALIVE             = 9
	SO_OOBINLINE             = 10
	SO_NO_CHECK              = 11
	SO_PRIORITY              = 12
	SO_LINGER                = 13
	SO_BSDCOMPAT             = 14
	SO_REUSEPORT             = 15
	SO_PASSCRED              = 16
	SO_PEERCRED              = 17
	SO_RCVLOWAT              = 18
	SO_SNDLOWAT              = 19
	SO_RCVTIMEO              = 20
	SO_SNDTIMEO              = 21
	SO_BINDTODEVICE          = 25
	SO_ATTACH_FILTER         = 26
	SO_DETACH_FILTER         = 27
	SO_PEERNAME              = 28
	SO_TIMESTAMP             = 29
	SO_ACCEPTCONN            = 30
	SO_PEERSEC               = 31
	SO_SNDBUFFORCE           = 32
	SO_RCVBUFFORCE           = 33
	SO_PASSSEC               = 34
	SO_TIMESTAMPNS           = 35
	SO_MARK                  = 36
	SO_TIMESTAMPING          = 37
	SO_PROTOCOL              = 38
	SO_DOMAIN                = 39
	SO_RXQ_OVFL              = 40
	SO_WIFI_STATUS           = 41
	SO_PEEK_OFF              = 42
	SO_NOFCS                 = 43
	SO_LOCK_FILTER           = 44
	SO_SELECT_ERR_QUEUE      = 45
	SO_BUSY_POLL             = 46
	SO_MAX_PACING_RATE       = 47
	SO_BPF_EXTENSIONS        = 48
	SO_INCOMING_CPU          = 49
	SO_ATTACH_BPF            = 50
	SO_ATTACH_REUSEPORT_CBPF = 51
	SO_ATTACH_REUSEPORT_EBPF = 52
	SO_CNX_ADVICE            = 53
	SO_MEMINFO               = 55
	SO_INCOMING_NAPI_ID      = 56
	SO_COOKIE                = 57
	SO_PEERGROUPS            = 59
	SO_ZEROCOPY              = 60
	SO_TXTIME                = 61
	SO_BINDTOIFINDEX         = 62
	SO_TIMESTAMP_NEW         = 63
	SO_TIMESTAMPNS_NEW       = 64
	SO_TIMESTAMPING_NEW      = 65
	SO_RCVTIMEO_NEW          = 66
	SO_SNDTIMEO_NEW          = 67
	SO_DETACH_REUSEPORT_BPF  = 68
	SO_PREFER_BUSY_POLL      = 69
	SO_BUSY_POLL_BUDGET      = 70
	SO_NETNS_COOKIE          = 71
	SO_BUF_LOCK              = 72
	SO_RESERVE_MEM           = 73
	SO_TXREHASH              = 74
	SO_RCVMARK               = 75
	SO_PASSPIDFD             = 76
	SO_PEERPIDFD             = 77
	SO_DEVMEM_LINEAR         = 78
	SO_DEVMEM_DMABUF         = 79
	SO_DEVMEM_DONTNEED       = 80
)

// Types of control messages of SOL_SOCKET.
const (
	SCM_RIGHTS       = 1
	SCM_CREDENTIALS  = 2
	SCM_SECURITY     = 3
	SCM_PIDFD        = 4
	SCM_TIMESTAMP    = 29
	SCM_TIMESTAMPNS  = 35
	SCM_TIMESTAMPING = 37
)

// Flags of send(2) and recv(2), include/linux/socket.h.
const (
	MSG_OOB          = 1
	MSG_PEEK         = 2
	MSG_DONTROUTE    = 4
	MSG_CTRUNC       = 8
	MSG_PROBE        = 0x10
	MSG_TRUNC        = 0x20
	MSG_DONTWAIT     = 0x40
	MSG_EOR          = 0x80
	MSG_WAITALL      = 0x100
	MSG_FIN          = 0x200
	MSG_SYN          = 0x400
	MSG_CONFIRM      = 0x800
	MSG_RST          = 0x1000
	MSG_ERRQUEUE     = 0x2000
	MSG_NOSIGNAL     = 0x4000
	MSG_MORE         = 0x8000
	MSG_WAITFORONE   = 0x10000
	MSG_BATCH        = 0x40000
	MSG_SOCK_DEVMEM  = 0x2000000
	MSG_ZEROCOPY     = 0x4000000
	MSG_FASTOPEN     = 0x20000000
	MSG_CMSG_CLOEXEC = 0x40000000
)

// Origins in SockExtendedErr, uapi/linux/errqueue.h.
const (
	SO_EE_ORIGIN_NONE     = 0
	SO_EE_ORIGIN_LOCAL    = 1
	SO_EE_ORIGIN_ICMP     = 2
	SO_EE_ORIGIN_ICMP6    = 3
	SO_EE_ORIGIN_TXSTATUS = 4
	SO_EE_ORIGIN_ZEROCOPY = 5
	SO_EE_ORIGIN_TXTIME   = 6
)

// Addresses of vsock(7), uapi/linux/vm_sockets.h.
const (
	VMADDR_CID_ANY        = 0xffffffff
	VMADDR_CID_HYPERVISOR = 0x0
	VMADDR_CID_LOCAL      = 0x1
	VMADDR_CID_HOST       = 0x2
	VMADDR_PORT_ANY       = 0xffffffff
)

// Linger is struct linger of SO_LINGER; Linger is in seconds.
type Linger struct {
	Onoff  int32 // l_onoff
	Linger int32 // l_linger
}

// Ucred is struct ucred of SO_PEERCRED and SCM_CREDENTIALS.
type Ucred struct {
	PID int32  // pid
	UID uint32 // uid
	GID uint32 // gid
}

// Msghdr is struct msghdr of sendmsg(2) as the kernel sees it (struct
// user_msghdr).
type Msghdr struct {
	Name       uint64 // msg_name
	Namelen    int32  // msg_namelen
	Pad0       int32
	Iov        uint64 // msg_iov
	Iovlen     uint64 // msg_iovlen
	Control    uint64 // msg_control
	Controllen uint64 // msg_controllen
	Flags      uint32 // msg_flags
	Pad1       int32
}

// Mmsghdr is struct mmsghdr of sendmmsg(2).
type Mmsghdr struct {
	Hdr  Msghdr // msg_hdr
	Len  uint32 // msg_len
	Pad0 int32
}

// Cmsghdr is struct cmsghdr. Len counts this header and the data behind it; the
// next message begins at the next multiple of 8.
type Cmsghdr struct {
	Len   uint64 // cmsg_len
	Level int32  // cmsg_level
	Type  int32  // cmsg_type
}

// SockExtendedErr is struct sock_extended_err of IP_RECVERR.
type SockExtendedErr struct {
	Errno  uint32 // ee_errno
	Origin uint8  // ee_origin
	Type   uint8  // ee_type
	Code   uint8  // ee_code
	Pad    uint8  // ee_pad
	Info   uint32 // ee_info
	Data   uint32 // ee_data
}
