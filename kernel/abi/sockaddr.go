package abi

// Sizes of addresses: SockaddrStorage is the longest that any call takes,
// UnixPathMax the length of SockaddrUn's path.
const (
	UNIX_PATH_MAX = 108
)

// SockaddrStorage is struct sockaddr_storage, which holds any address.
type SockaddrStorage struct {
	Family uint16 // ss_family
	Data   [126]byte
}

// SockaddrIn is struct sockaddr_in; Port and Addr are in network byte order.
type SockaddrIn struct {
	Family uint16  // sin_family
	Port   [2]byte // sin_port
	Addr   [4]byte // sin_addr
	Zero   [8]byte // sin_zero
}

// SockaddrIn6 is struct sockaddr_in6; Port and Flowinfo are in network byte
// order.
type SockaddrIn6 struct {
	Family   uint16   // sin6_family
	Port     [2]byte  // sin6_port
	Flowinfo [4]byte  // sin6_flowinfo
	Addr     [16]byte // sin6_addr
	ScopeID  uint32   // sin6_scope_id
}

// SockaddrUn is struct sockaddr_un of unix(7). An abstract name begins with NUL
// and is as long as the address says.
type SockaddrUn struct {
	Family uint16              // sun_family
	Path   [UNIX_PATH_MAX]byte // sun_path
}

// SockaddrNl is struct sockaddr_nl of netlink(7).
type SockaddrNl struct {
	Family uint16 // nl_family
	Pad    uint16 // nl_pad
	PID    uint32 // nl_pid
	Groups uint32 // nl_groups
}

// SockaddrLl is struct sockaddr_ll of packet(7).
type SockaddrLl struct {
	Family   uint16  // sll_family
	Protocol [2]byte // sll_protocol
	Ifindex  int32   // sll_ifindex
	Hatype   uint16  // sll_hatype
	Pkttype  uint8   // sll_pkttype
	Halen    uint8   // sll_halen
	Addr     [8]byte // sll_addr
}

// SockaddrVM is struct sockaddr_vm of vsock(7).
type SockaddrVM struct {
	Family    uint16  // svm_family
	Reserved1 uint16  // svm_reserved1
	Port      uint32  // svm_port
	CID       uint32  // svm_cid
	Flags     uint8   // svm_flags
	Zero      [3]byte // svm_zero
}
