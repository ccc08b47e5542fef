// Package net is the machine's sockets: it makes them, for socket(2) and
// socketpair(2), out of the families that exist (net/inet, net/unix,
// net/netlink), and refuses the others.
//
// A machine holds one program that speaks TCP, UDP and to itself. Everything
// by which a program could look at or make packets, or reach the hypervisor or
// the kernel's own services, is refused and reported: packet and raw sockets,
// ping sockets, vsock, the kernel's cryptography, netlink beyond reading routes.
//
// The parts below: net/stack is the IP stack with its configuration, net/link
// the links and what may come in, net/egress where the program may send,
// net/dhcp the DHCP client, net/netdevice the links' ioctl requests, net/budget
// the memory of all sockets, net/socket the border to the system calls.
package net

import (
	"skerry/kernel/abi"
	"skerry/kernel/net/inet"
	"skerry/kernel/net/netdevice"
	"skerry/kernel/net/netlink"
	"skerry/kernel/net/socket"
	"skerry/kernel/net/stack"
	"skerry/kernel/net/unix"
)

// Net is the machine's sockets. Make it with New.
type Net struct {
	Stack   *stack.Stack
	Inet    *inet.Host
	Unix    *unix.Family
	Netlink *netlink.Family
	refused func(domain, typ, proto int, e abi.Errno)
}

// New makes the families over an IP stack. refused, which may be nil, hears of
// sockets that are refused because the machine's model has no place for them, and
// with which error.
func New(st *stack.Stack, refused func(domain, typ, proto int, e abi.Errno)) *Net {
	n := &Net{
		Stack:   st,
		Inet:    inet.New(st),
		Unix:    unix.New(st.Budget, st.Buffers().Other),
		Netlink: netlink.New(st),
		refused: refused,
	}
	n.Unix.SetIoctl(func(cmd uint32, arg uintptr) abi.Errno { return netdevice.Ioctl(st, cmd, arg) })
	return n
}

// Socket makes a socket, for socket(2); typ is without SOCK_NONBLOCK and
// SOCK_CLOEXEC. EAFNOSUPPORT for families that do not exist, EINVAL for types
// that do not, EPERM for packet and raw sockets, and what the families answer.
func (n *Net) Socket(domain, typ, proto int) (socket.Socket, abi.Errno) {
	if domain < 0 || domain >= abi.AF_MAX {
		return nil, abi.EAFNOSUPPORT
	}
	if typ < 0 || typ > abi.SOCK_PACKET {
		return nil, abi.EINVAL
	}
	if domain == abi.AF_INET && typ == abi.SOCK_PACKET {
		domain = abi.AF_PACKET // the old way to ask for it
	}
	switch domain {
	case abi.AF_UNIX:
		return hide(n.Unix.Socket(typ, proto))
	case abi.AF_INET, abi.AF_INET6:
		s, e := n.Inet.Socket(domain, typ, proto)
		if e == abi.EPERM || e == abi.EACCES {
			n.report(domain, typ, proto, e)
		}
		return s, e
	case abi.AF_NETLINK:
		s, e := hide(n.Netlink.Socket(typ, proto))
		if e == abi.EPROTONOSUPPORT {
			n.report(domain, typ, proto, e)
		}
		return s, e
	case abi.AF_PACKET:
		n.report(domain, typ, proto, abi.EPERM)
		return nil, abi.EPERM
	case abi.AF_KEY, abi.AF_CAN, abi.AF_BLUETOOTH, abi.AF_ALG, abi.AF_VSOCK, abi.AF_XDP:
		n.report(domain, typ, proto, abi.EAFNOSUPPORT)
	}
	return nil, abi.EAFNOSUPPORT
}

// Pair makes two connected sockets, for socketpair(2): only AF_UNIX has them.
func (n *Net) Pair(domain, typ, proto int) (a, b socket.Socket, e abi.Errno) {
	if domain == abi.AF_UNIX {
		if typ < 0 || typ > abi.SOCK_PACKET {
			return nil, nil, abi.EINVAL
		}
		a, b, e := n.Unix.Pair(typ, proto)
		if e != abi.OK {
			return nil, nil, e
		}
		return a, b, abi.OK
	}
	s, e := n.Socket(domain, typ, proto)
	if e != abi.OK {
		return nil, nil, e
	}
	s.Release()
	return nil, nil, abi.EOPNOTSUPP
}

func (n *Net) report(domain, typ, proto int, e abi.Errno) {
	if n.refused != nil {
		n.refused(domain, typ, proto, e)
	}
}

// hide turns a family's own type into the interface, without a nil inside.
func hide[S socket.Socket](s S, e abi.Errno) (socket.Socket, abi.Errno) {
	if e != abi.OK {
		return nil, e
	}
	return s, abi.OK
}
