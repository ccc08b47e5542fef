package netlink

import (
	"encoding/binary"

	"skerry/kernel/abi"
	"skerry/kernel/net/netdevice"
	"skerry/kernel/net/socket"
)

// SetOption implements socket.Socket.
func (s *Socket) SetOption(level, name int, val []byte) abi.Errno {
	if level != abi.SOL_SOCKET && level != abi.SOL_NETLINK {
		return abi.ENOPROTOOPT
	}
	if len(val) < 4 {
		return abi.EINVAL
	}
	v := int(int32(binary.LittleEndian.Uint32(val)))
	if level == abi.SOL_NETLINK {
		s.mu.Lock()
		defer s.mu.Unlock()
		switch name {
		case abi.NETLINK_ADD_MEMBERSHIP, abi.NETLINK_DROP_MEMBERSHIP:
			if v < 1 || v > 32 {
				return abi.EINVAL
			}
			if name == abi.NETLINK_ADD_MEMBERSHIP {
				s.groups |= 1 << (v - 1)
			} else {
				s.groups &^= 1 << (v - 1)
			}
		case abi.NETLINK_CAP_ACK:
			s.short = v != 0
		case abi.NETLINK_EXT_ACK:
			// There is never more to say than the errno.
		default:
			return abi.ENOPROTOOPT
		}
		return abi.OK
	}
	if done, e := s.SetTimeout(name, val); done {
		return e
	}
	switch name {
	case abi.SO_SNDBUF, abi.SO_RCVBUF: // doubled, as socket(7) says
		if v < 0 || v > defaultBuf {
			v = defaultBuf
		}
		s.mu.Lock()
		if name == abi.SO_SNDBUF {
			s.sndbuf = max(2*v, minBuf)
		} else {
			s.rcvbuf = max(2*v, minBuf)
		}
		s.mu.Unlock()
	case abi.SO_SNDBUFFORCE, abi.SO_RCVBUFFORCE:
		return abi.EPERM
	default:
		return abi.ENOPROTOOPT
	}
	return abi.OK
}

// GetOption implements socket.Socket.
func (s *Socket) GetOption(level, name int, val []byte) (int, abi.Errno) {
	if level != abi.SOL_SOCKET {
		return 0, abi.ENOPROTOOPT
	}
	if n, done := s.GetTimeout(name, val); done {
		return n, abi.OK
	}
	switch name {
	case abi.SO_TYPE:
		return socket.PutInt(val, s.typ)
	case abi.SO_DOMAIN:
		return socket.PutInt(val, abi.AF_NETLINK)
	case abi.SO_PROTOCOL:
		return socket.PutInt(val, abi.NETLINK_ROUTE)
	case abi.SO_SNDBUF, abi.SO_RCVBUF:
		s.mu.Lock()
		defer s.mu.Unlock()
		if name == abi.SO_SNDBUF {
			return socket.PutInt(val, s.sndbuf)
		}
		return socket.PutInt(val, s.rcvbuf)
	case abi.SO_ACCEPTCONN:
		return socket.PutInt(val, 0)
	case abi.SO_ERROR:
		s.mu.Lock()
		e := s.err
		s.err = abi.OK
		s.mu.Unlock()
		return socket.PutInt(val, int(e))
	}
	return 0, abi.ENOPROTOOPT
}

// Ioctl implements vfs.File: what sockets of every family answer.
func (s *Socket) Ioctl(cmd uint32, arg uintptr) (uintptr, abi.Errno) {
	return 0, netdevice.Ioctl(s.f.st, cmd, arg)
}
