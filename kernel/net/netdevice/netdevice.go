// Package netdevice answers the ioctl requests of netdevice(7): names, numbers,
// flags, addresses of the links. Sockets of every family answer them, since
// if_nametoindex(3) of C libraries asks on an AF_UNIX one; what is about IPv4
// addresses only AF_INET sockets know.
//
// Requests that change a link answer EPERM. Nothing is kept here. It imports
// abi, usermem, and the net packages socket and stack.
package netdevice

import (
	"bytes"
	"encoding/binary"
	"net/netip"

	"skerry/kernel/abi"
	"skerry/kernel/net/socket"
	"skerry/kernel/net/stack"
	"skerry/kernel/usermem"
)

// struct ifreq is a name and a union (uapi/linux/if.h); a list has at most
// maxList of them.
const (
	nameSize = abi.IFNAMSIZ
	reqSize  = 40
	maxList  = 16
)

// Requests that change a link and that abi does not list, uapi/linux/sockios.h.
const (
	siocSIFDSTADDR = 0x8918
	siocSIFBRDADDR = 0x891a
	siocSIFNETMASK = 0x891c
	siocSIFMETRIC  = 0x891e
	siocSIFNAME    = 0x8923
	siocSIFHWADDR  = 0x8924
	siocSIFTXQLEN  = 0x8943
)

// request is a struct ifreq.
type request [reqSize]byte

func (r *request) union() []byte { return r[nameSize:] }

// name is the link's name. Like Linux it cuts after 15 bytes.
func (r *request) name() string {
	n := r[:nameSize-1]
	if i := bytes.IndexByte(n, 0); i >= 0 {
		n = n[:i]
	}
	return string(n)
}

// Ioctl answers a request on a socket of any family: ENOTTY for what is none,
// EFAULT if arg is no address.
func Ioctl(st *stack.Stack, cmd uint32, arg uintptr) abi.Errno { return answer(st, cmd, arg, false) }

// IoctlInet answers a request on a socket of AF_INET.
func IoctlInet(st *stack.Stack, cmd uint32, arg uintptr) abi.Errno {
	return answer(st, cmd, arg, true)
}

func answer(st *stack.Stack, cmd uint32, arg uintptr, inet bool) abi.Errno {
	if cmd>>8 != 0x89 { // the type of requests to sockets
		return abi.ENOTTY
	}
	if cmd == abi.SIOCGIFCONF {
		return list(st, arg)
	}
	var r request
	if _, e := usermem.CopyIn(r[:], arg); e != abi.OK {
		return e
	}
	var e abi.Errno
	switch cmd {
	case abi.SIOCSIFFLAGS, siocSIFMETRIC, abi.SIOCSIFMTU, siocSIFNAME, siocSIFHWADDR, siocSIFTXQLEN:
		return abi.EPERM
	case abi.SIOCSIFADDR, siocSIFDSTADDR, siocSIFBRDADDR, siocSIFNETMASK, abi.SIOCADDRT, abi.SIOCDELRT:
		if inet {
			return abi.EPERM
		}
		return abi.ENOTTY
	case abi.SIOCGIFADDR, abi.SIOCGIFDSTADDR, abi.SIOCGIFBRDADDR, abi.SIOCGIFNETMASK:
		if !inet {
			return abi.ENOTTY
		}
		e = address(st, cmd, &r)
	case abi.SIOCGIFNAME:
		e = nameOf(st, &r)
	default:
		e = link(st, cmd, &r)
	}
	if e != abi.OK {
		return e
	}
	_, e = usermem.CopyOut(arg, r[:])
	return e
}

// find looks a link up by name.
func find(st *stack.Stack, name string) (*stack.Interface, abi.Errno) {
	list := st.Interfaces()
	for k := range list {
		if list[k].Name == name {
			return &list[k], abi.OK
		}
	}
	return nil, abi.ENODEV
}

// nameOf is SIOCGIFNAME: the name by number.
func nameOf(st *stack.Stack, r *request) abi.Errno {
	index := int(int32(binary.LittleEndian.Uint32(r.union())))
	for _, i := range st.Interfaces() {
		if i.Index == index {
			copy(r[:nameSize], i.Name+"\x00")
			return abi.OK
		}
	}
	return abi.ENODEV
}

// address answers about a link's IPv4 address. A name with a colon is the label
// of a further address, of which there are none.
func address(st *stack.Stack, cmd uint32, r *request) abi.Errno {
	name, label := r.name(), false
	if i := bytes.IndexByte([]byte(name), ':'); i >= 0 {
		name, label = name[:i], true
	}
	i, e := find(st, name)
	if e != abi.OK {
		return e
	}
	p := first4(i)
	if !p.IsValid() || label {
		return abi.EADDRNOTAVAIL
	}
	a := p.Addr()
	mask := uint32(^uint64(0) << (32 - p.Bits()))
	switch cmd {
	case abi.SIOCGIFNETMASK:
		a = addr4(mask)
	case abi.SIOCGIFBRDADDR:
		if i.Flags&abi.IFF_BROADCAST == 0 {
			a = netip.IPv4Unspecified()
		} else {
			b := a.As4()
			a = addr4(binary.BigEndian.Uint32(b[:]) | ^mask)
		}
	}
	socket.PutInet(r.union(), a, 0)
	return abi.OK
}

// first4 is a link's IPv4 address.
func first4(i *stack.Interface) netip.Prefix {
	for _, p := range i.Addrs {
		if p.Addr().Is4() {
			return p
		}
	}
	return netip.Prefix{}
}

func addr4(v uint32) netip.Addr {
	return netip.AddrFrom4([4]byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)})
}

// link answers about the link itself. The rest of the union stays as it was.
func link(st *stack.Stack, cmd uint32, r *request) abi.Errno {
	switch cmd {
	case abi.SIOCGIFFLAGS, abi.SIOCGIFMETRIC, abi.SIOCGIFMTU, abi.SIOCGIFINDEX, abi.SIOCGIFTXQLEN, abi.SIOCGIFHWADDR,
		abi.SIOCGIFMAP, abi.SIOCETHTOOL:
	default:
		return abi.ENOTTY
	}
	name := r.name()
	if i := bytes.IndexByte([]byte(name), ':'); i >= 0 {
		name = name[:i] // a label of the link is the link
	}
	i, e := find(st, name)
	if e != abi.OK {
		return e
	}
	out := r.union()
	switch cmd {
	case abi.SIOCGIFFLAGS: // a short: the flags of before 2.2
		binary.LittleEndian.PutUint16(out, uint16(i.Flags))
	case abi.SIOCGIFMETRIC:
		binary.LittleEndian.PutUint32(out, 0)
	case abi.SIOCGIFMTU:
		binary.LittleEndian.PutUint32(out, uint32(i.MTU))
	case abi.SIOCGIFINDEX:
		binary.LittleEndian.PutUint32(out, uint32(i.Index))
	case abi.SIOCGIFTXQLEN:
		binary.LittleEndian.PutUint32(out, 1000)
	case abi.SIOCGIFHWADDR: // a struct sockaddr whose family is the link's type
		kind := uint16(abi.ARPHRD_ETHER)
		if i.Flags&abi.IFF_LOOPBACK != 0 {
			kind = abi.ARPHRD_LOOPBACK
		}
		binary.LittleEndian.PutUint16(out, kind)
		copy(out[2:], i.MAC[:])
	case abi.SIOCGIFMAP: // no link has a place on a bus that a program could use
		clear(out[:21])
	case abi.SIOCETHTOOL:
		return abi.EOPNOTSUPP
	}
	return abi.OK
}

// list is SIOCGIFCONF: the links that have an IPv4 address, with it.
func list(st *stack.Stack, arg uintptr) abi.Errno {
	var c [16]byte // struct ifconf: length in bytes, place
	if _, e := usermem.CopyIn(c[:], arg); e != abi.OK {
		return e
	}
	room := int(int32(binary.LittleEndian.Uint32(c[:])))
	to := uintptr(binary.LittleEndian.Uint64(c[8:]))
	var all []byte
	for _, i := range st.Interfaces() {
		for _, p := range i.Addrs {
			if p.Addr().Is4() && len(all) < maxList*reqSize {
				var r request
				copy(r[:nameSize-1], i.Name)
				socket.PutInet(r.union(), p.Addr(), 0)
				all = append(all, r[:]...)
			}
		}
	}
	n := len(all)
	if to != 0 { // without a place the answer is how large it must be
		n = min(n, max(room, 0)/reqSize*reqSize)
		if _, e := usermem.CopyOut(to, all[:n]); e != abi.OK {
			return e
		}
	}
	binary.LittleEndian.PutUint32(c[:], uint32(n))
	_, e := usermem.CopyOut(arg, c[:4])
	return e
}
