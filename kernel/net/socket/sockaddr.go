package socket

import (
	"encoding/binary"
	"net/netip"

	"skerry/kernel/abi"
)

// Sizes of addresses: struct sockaddr_in (linux/in.h), sockaddr_in6 (linux/in6.h;
// the scope was added after RFC 2133, and the short form is still accepted),
// sockaddr_un (linux/un.h), sockaddr_nl (linux/netlink.h).
const (
	SizeInet     = 16
	SizeInet6    = 28
	MinInet6     = 24
	SizeUnix     = 110
	SizeNetlink  = 12
	unixPathSize = 108
)

// Family is the address family, EINVAL if addr is too short to have one.
func Family(addr []byte) (int, abi.Errno) {
	if len(addr) < 2 {
		return 0, abi.EINVAL
	}
	return int(binary.LittleEndian.Uint16(addr)), abi.OK
}

// Inet is an IP address with a port, and for IPv6 a scope (an interface
// number).
type Inet struct {
	Addr  netip.Addr
	Port  uint16
	Scope uint32
}

// ParseInet reads a struct sockaddr_in; the family was looked at. EINVAL if
// short.
func ParseInet(b []byte) (Inet, abi.Errno) {
	if len(b) < SizeInet {
		return Inet{}, abi.EINVAL
	}
	return Inet{Addr: netip.AddrFrom4([4]byte(b[4:8])), Port: binary.BigEndian.Uint16(b[2:])}, abi.OK
}

// ParseInet6 reads a struct sockaddr_in6, with or without its scope. The flow
// label is not used. EINVAL if short.
func ParseInet6(b []byte) (Inet, abi.Errno) {
	if len(b) < MinInet6 {
		return Inet{}, abi.EINVAL
	}
	a := Inet{Addr: netip.AddrFrom16([16]byte(b[8:24])), Port: binary.BigEndian.Uint16(b[2:])}
	if len(b) >= SizeInet6 {
		a.Scope = binary.LittleEndian.Uint32(b[24:])
	}
	return a, abi.OK
}

// PutInet writes a struct sockaddr_in, padding included, and returns its length.
func PutInet(b []byte, a netip.Addr, port uint16) int {
	clear(b[:SizeInet])
	binary.LittleEndian.PutUint16(b, abi.AF_INET)
	binary.BigEndian.PutUint16(b[2:], port)
	if a = a.Unmap(); a.Is4() {
		v := a.As4()
		copy(b[4:], v[:])
	}
	return SizeInet
}

// PutInet6 writes a struct sockaddr_in6 and returns its length. IPv4 addresses
// are mapped.
func PutInet6(b []byte, a netip.Addr, port uint16, scope uint32) int {
	clear(b[:SizeInet6])
	binary.LittleEndian.PutUint16(b, abi.AF_INET6)
	binary.BigEndian.PutUint16(b[2:], port)
	if a.IsValid() {
		v := a.As16()
		copy(b[8:], v[:])
	}
	if a.IsLinkLocalUnicast() || a.IsLinkLocalMulticast() {
		binary.LittleEndian.PutUint32(b[24:], scope)
	}
	return SizeInet6
}

// Unix is the name of an AF_UNIX socket: a path, or with Abstract set any bytes.
// The zero value is no name.
type Unix struct {
	Name     string
	Abstract bool
}

// None reports whether it is no name.
func (u Unix) None() bool { return u.Name == "" && !u.Abstract }

// ParseUnix reads a struct sockaddr_un (unix(7)): no name if only the family is
// there; abstract if the path begins with a zero byte, which is then not part
// of Name; else a path up to its zero byte or the end.
func ParseUnix(b []byte) (Unix, abi.Errno) {
	if len(b) < 2 || len(b) > SizeUnix {
		return Unix{}, abi.EINVAL
	}
	p := b[2:]
	if len(p) == 0 {
		return Unix{}, abi.OK
	}
	if p[0] == 0 {
		return Unix{Name: string(p[1:]), Abstract: true}, abi.OK
	}
	for i, c := range p {
		if c == 0 {
			p = p[:i]
			break
		}
	}
	return Unix{Name: string(p)}, abi.OK
}

// PutUnix writes a struct sockaddr_un and returns its length, which for a path
// counts its zero byte.
func PutUnix(b []byte, u Unix) int {
	binary.LittleEndian.PutUint16(b, abi.AF_UNIX)
	switch {
	case u.Abstract:
		b[2] = 0
		return 3 + copy(b[3:], u.Name)
	case u.Name == "":
		return 2
	}
	n := 2 + copy(b[2:SizeUnix], u.Name)
	b[n] = 0 // 111 bytes at most, as on Linux
	return n + 1
}

// ParseNetlink reads a struct sockaddr_nl: port and groups.
func ParseNetlink(b []byte) (port, groups uint32, e abi.Errno) {
	if len(b) < SizeNetlink {
		return 0, 0, abi.EINVAL
	}
	return binary.LittleEndian.Uint32(b[4:]), binary.LittleEndian.Uint32(b[8:]), abi.OK
}

// PutNetlink writes a struct sockaddr_nl and returns its length.
func PutNetlink(b []byte, port, groups uint32) int {
	clear(b[:SizeNetlink])
	binary.LittleEndian.PutUint16(b, abi.AF_NETLINK)
	binary.LittleEndian.PutUint32(b[4:], port)
	binary.LittleEndian.PutUint32(b[8:], groups)
	return SizeNetlink
}
