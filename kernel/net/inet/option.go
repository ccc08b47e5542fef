package inet

import (
	"encoding/binary"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"

	"skerry/kernel/abi"
	"skerry/kernel/net/socket"
	"skerry/kernel/net/stack"
)

// Decoding and encoding of option values.

// intOf reads an int, EINVAL if the value is shorter.
func intOf(val []byte) (int, abi.Errno) {
	if len(val) < 4 {
		return 0, abi.EINVAL
	}
	return int(int32(binary.LittleEndian.Uint32(val))), abi.OK
}

// byteOrInt reads an int, a single byte where the value is shorter, or 0 where
// there is none, as the IP level does.
func byteOrInt(val []byte) (int, abi.Errno) {
	switch {
	case len(val) >= 4:
		return intOf(val)
	case len(val) >= 1:
		return int(val[0]), abi.OK
	}
	return 0, abi.OK
}

func putBool(val []byte, v bool) (int, abi.Errno) {
	if v {
		return socket.PutInt(val, 1)
	}
	return socket.PutInt(val, 0)
}

// putByteOrInt writes an int, or a single byte into a shorter value if the int
// fits (ip_getsockopt of Linux).
func putByteOrInt(val []byte, v int) (int, abi.Errno) {
	if len(val) > 0 && len(val) < 4 && v >= 0 && v <= 255 {
		val[0] = byte(v)
		return 1, abi.OK
	}
	return socket.PutInt(val, v)
}

// common handles the options of SOL_SOCKET that need no endpoint. done is false
// for all others.
func (b *base) common(name int, val []byte) (done bool, e abi.Errno) {
	if name == abi.SO_BINDTODEVICE {
		return true, b.bindToDevice(val)
	}
	v, e := intOf(val)
	if e != abi.OK {
		return true, e
	}
	if done, e := b.SetTimeout(name, val); done {
		return true, e
	}
	switch name {
	case abi.SO_TYPE, abi.SO_ERROR, abi.SO_PROTOCOL, abi.SO_DOMAIN, abi.SO_ACCEPTCONN, abi.SO_COOKIE,
		abi.SO_SNDLOWAT, abi.SO_PEERCRED:
		return true, abi.ENOPROTOOPT // they cannot be set
	case abi.SO_RCVLOWAT:
		b.setLowat(v)
		return true, abi.OK
	case abi.SO_TIMESTAMP, abi.SO_TIMESTAMPNS, abi.SO_TIMESTAMP_NEW, abi.SO_TIMESTAMPNS_NEW:
		if v == 0 {
			name = 0
		}
		b.stamp.Store(uint32(name))
		return true, abi.OK
	case abi.SO_OOBINLINE:
		b.options.oobInline = v != 0
		return true, abi.OK
	case abi.SO_PRIORITY:
		if v < 0 || v > 6 {
			return true, abi.EPERM
		}
		b.options.priority = int32(v)
		return true, abi.OK
	case abi.SO_DEBUG, abi.SO_MARK, abi.SO_SNDBUFFORCE, abi.SO_RCVBUFFORCE:
		if name == abi.SO_DEBUG && v == 0 {
			return true, abi.OK
		}
		if name == abi.SO_DEBUG {
			return true, abi.EACCES
		}
		return true, abi.EPERM
	case abi.SO_BINDTOIFINDEX:
		if v < 0 {
			return true, abi.EINVAL
		}
		return true, b.setDevice(tcpip.NICID(v))
	}
	return false, abi.OK
}

// setLowat is SO_RCVLOWAT. The buffer grows with it, or the mark would never be
// reached; half of the largest buffer is the most (tcp_set_rcvlowat of Linux).
func (b *base) setLowat(v int) {
	if v < 0 {
		v = 1<<31 - 1
	}
	if ep := b.ep.Load(); ep.tcp != nil {
		most := b.host.st.Buffers().TCPRecvMax
		v = min(v, most/2)
		if o := ep.SocketOptions(); int64(4*v) > o.GetReceiveBufferSize() {
			o.SetReceiveBufferSize(int64(min(4*v, most)), false)
		}
	}
	b.lowat.Store(int32(max(v, 1)))
}

// bindToDevice is SO_BINDTODEVICE: an interface's name, or nothing.
func (b *base) bindToDevice(val []byte) abi.Errno {
	name := string(val[:min(len(val), 15)])
	for i := range name {
		if name[i] == 0 {
			name = name[:i]
			break
		}
	}
	if name == "" {
		return b.setDevice(0)
	}
	for _, i := range b.host.st.Interfaces() {
		if i.Name == name {
			return b.setDevice(tcpip.NICID(i.Index))
		}
	}
	return abi.ENODEV
}

func (b *base) setDevice(id tcpip.NICID) abi.Errno {
	if err := b.ep.Load().SocketOptions().SetBindToDevice(int32(id)); err != nil {
		return errnoOf(err)
	}
	b.options.device = id
	var val [4]byte
	binary.LittleEndian.PutUint32(val[:], uint32(id))
	b.remember(abi.SOL_SOCKET, abi.SO_BINDTOIFINDEX, val[:])
	return abi.OK
}

// deviceName is the name of an interface, "" for none.
func (h *Host) deviceName(id tcpip.NICID) string {
	switch id {
	case stack.NICLoopback:
		return "lo"
	case stack.NICEthernet:
		return "eth0"
	}
	return ""
}

// applySocket sets an option of SOL_SOCKET on an endpoint.
func (b *base) applySocket(ep *endpoint, name int, val []byte) abi.Errno {
	v, e := intOf(val)
	if e != abi.OK {
		return e
	}
	o := ep.SocketOptions()
	switch name {
	case abi.SO_REUSEADDR:
		o.SetReuseAddress(v != 0)
	case abi.SO_REUSEPORT:
		o.SetReusePort(v != 0)
	case abi.SO_BROADCAST:
		o.SetBroadcast(v != 0)
	case abi.SO_KEEPALIVE:
		o.SetKeepAlive(v != 0)
	case abi.SO_SNDBUF:
		n := b.bufferSize(v, true)
		b.sndSized.Store(true)
		o.SetSendBufferSize(int64(n), true)
	case abi.SO_RCVBUF:
		n := b.bufferSize(v, false)
		o.SetReceiveBufferSize(int64(n), true)
	case abi.SO_LINGER:
		if len(val) < 8 {
			return abi.EINVAL
		}
		sec := int64(int32(binary.LittleEndian.Uint32(val[4:])))
		if sec < 0 {
			sec = 1 << 31
		}
		o.SetLinger(tcpip.LingerOption{Enabled: v != 0, Timeout: time.Duration(sec) * time.Second})
	case abi.SO_BINDTOIFINDEX:
		return errnoOf(o.SetBindToDevice(int32(v)))
	case abi.SO_DONTROUTE:
		if v != 0 {
			return abi.ENOPROTOOPT
		}
	default:
		return abi.ENOPROTOOPT
	}
	return abi.OK
}

// Least buffers, SOCK_MIN_SNDBUF and SOCK_MIN_RCVBUF of Linux.
const (
	minSndBuf = 4608
	minRcvBuf = 2304
)

// bufferSize is the size that SO_SNDBUF or SO_RCVBUF really sets: twice what was
// asked for, since bookkeeping counts too (socket(7)), within bounds.
func (b *base) bufferSize(v int, send bool) int {
	most := b.host.st.Buffers().Other // rmem_max and wmem_max
	if v < 0 || v > most {
		v = most
	}
	if send {
		return max(2*v, minSndBuf)
	}
	return max(2*v, minRcvBuf)
}

// getSocket reads an option of SOL_SOCKET.
func (b *base) getSocket(ep *endpoint, typ, proto, name int, val []byte) (int, abi.Errno) {
	if n, done := b.GetTimeout(name, val); done {
		return n, abi.OK
	}
	o := ep.SocketOptions()
	switch name {
	case abi.SO_TYPE:
		return socket.PutInt(val, typ)
	case abi.SO_DOMAIN:
		return socket.PutInt(val, b.domain)
	case abi.SO_PROTOCOL:
		return socket.PutInt(val, proto)
	case abi.SO_REUSEADDR:
		return putBool(val, o.GetReuseAddress())
	case abi.SO_REUSEPORT:
		return putBool(val, o.GetReusePort())
	case abi.SO_BROADCAST:
		return putBool(val, o.GetBroadcast())
	case abi.SO_KEEPALIVE:
		return putBool(val, o.GetKeepAlive())
	case abi.SO_SNDBUF:
		return socket.PutInt(val, int(o.GetSendBufferSize()))
	case abi.SO_RCVBUF:
		return socket.PutInt(val, int(o.GetReceiveBufferSize()))
	case abi.SO_LINGER:
		var v [8]byte
		if l := o.GetLinger(); l.Enabled || l.Timeout != 0 {
			if l.Enabled {
				v[0] = 1
			}
			binary.LittleEndian.PutUint32(v[4:], uint32(min(l.Timeout/time.Second, 1<<31-1)))
		}
		return copy(val, v[:]), abi.OK
	case abi.SO_RCVLOWAT:
		return socket.PutInt(val, int(b.lowat.Load()))
	case abi.SO_SNDLOWAT:
		return socket.PutInt(val, 1)
	case abi.SO_ACCEPTCONN: // shut for reading, it is no listener any more
		return putBool(val, o.GetAcceptConn() && b.shut.Load()&shutRD == 0)
	case abi.SO_TIMESTAMP, abi.SO_TIMESTAMPNS, abi.SO_TIMESTAMP_NEW, abi.SO_TIMESTAMPNS_NEW:
		return putBool(val, b.stamp.Load() == uint32(name))
	case abi.SO_OOBINLINE:
		return putBool(val, b.options.oobInline)
	case abi.SO_PRIORITY:
		return socket.PutInt(val, int(b.options.priority))
	case abi.SO_DEBUG, abi.SO_DONTROUTE, abi.SO_MARK:
		return socket.PutInt(val, 0)
	case abi.SO_BINDTOIFINDEX:
		return socket.PutInt(val, int(b.options.device))
	case abi.SO_BINDTODEVICE:
		n := b.host.deviceName(b.options.device)
		if n == "" {
			return 0, abi.OK
		}
		if len(val) < 16 {
			return 0, abi.EINVAL
		}
		return copy(val, n+"\x00"), abi.OK
	case abi.SO_COOKIE:
		if len(val) < 8 {
			return 0, abi.EINVAL
		}
		binary.LittleEndian.PutUint64(val, b.id)
		return 8, abi.OK
	case abi.SO_PEERCRED:
		// An IP peer has none: pid 0, uid and gid -1.
		var v [12]byte
		copy(v[4:], "\xff\xff\xff\xff\xff\xff\xff\xff")
		return copy(val, v[:]), abi.OK
	}
	return 0, abi.ENOPROTOOPT
}

// noLevel is the answer to getsockopt of a level that the socket does not have
// (ip_getsockopt and ipv6_getsockopt of Linux).
func (b *base) noLevel() abi.Errno {
	if b.domain == abi.AF_INET6 {
		return abi.ENOPROTOOPT
	}
	return abi.EOPNOTSUPP
}

// inherited reports whether an accepted connection takes an option over from
// its listener, as Linux does by copying the whole socket.
func inherited(level, name int) bool {
	switch {
	case level == abi.SOL_SOCKET:
		return name == abi.SO_KEEPALIVE || name == abi.SO_LINGER || name == abi.SO_SNDBUF || name == abi.SO_RCVBUF ||
			name == abi.SO_BROADCAST || name == abi.SO_REUSEADDR || name == abi.SO_REUSEPORT
	case level == abi.SOL_TCP:
		return name != abi.TCP_DEFER_ACCEPT && name != abi.TCP_MAXSEG
	case level == abi.SOL_IP:
		return name == abi.IP_TOS || name == abi.IP_TTL || name == abi.IP_MTU_DISCOVER || name == abi.IP_RECVERR ||
			name == abi.IP_PKTINFO || name == abi.IP_RECVTTL || name == abi.IP_RECVTOS
	case level == abi.SOL_IPV6:
		return name == abi.IPV6_TCLASS || name == abi.IPV6_UNICAST_HOPS || name == abi.IPV6_MTU_DISCOVER || name == abi.IPV6_RECVERR ||
			name == abi.IPV6_RECVPKTINFO || name == abi.IPV6_RECVHOPLIMIT || name == abi.IPV6_RECVTCLASS
	}
	return false
}
