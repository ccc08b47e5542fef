package unix

import (
	"encoding/binary"

	"skerry/kernel/abi"
	"skerry/kernel/net/socket"
	"skerry/kernel/usermem"
)

// Least buffers, SOCK_MIN_SNDBUF and SOCK_MIN_RCVBUF of Linux.
const (
	minSndBuf = 4608
	minRcvBuf = 2304
)

// SetOption implements socket.Socket.
func (s *Socket) SetOption(level, name int, val []byte) abi.Errno {
	if level != abi.SOL_SOCKET {
		return abi.EOPNOTSUPP
	}
	if len(val) < 4 {
		return abi.EINVAL
	}
	if done, e := s.SetTimeout(name, val); done {
		return e
	}
	v := int(int32(binary.LittleEndian.Uint32(val)))
	switch name {
	case abi.SO_PASSCRED:
		s.passCred.Store(v != 0)
	case abi.SO_SNDBUF:
		if v < 0 || v > s.f.bufs {
			v = s.f.bufs
		}
		s.sndbuf.Store(int64(max(2*v, minSndBuf)))
	case abi.SO_RCVBUF:
		if v < 0 || v > s.f.bufs {
			v = s.f.bufs
		}
		s.rcvbuf.Store(int64(max(2*v, minRcvBuf)))
	case abi.SO_RCVLOWAT:
		if v < 0 {
			v = 1<<31 - 1
		}
		s.lowat.Store(int32(max(v, 1)))
	case abi.SO_REUSEADDR, abi.SO_BROADCAST, abi.SO_KEEPALIVE, abi.SO_DONTROUTE, abi.SO_OOBINLINE:
		// They speak of things that a local socket does not have; Linux keeps them
		// for any.
		bit := uint32(1) << name
		if v != 0 {
			s.flags.Or(bit)
		} else {
			s.flags.And(^bit)
		}
	case abi.SO_REUSEPORT:
		if v != 0 {
			return abi.EOPNOTSUPP
		}
	case abi.SO_DEBUG:
		if v != 0 {
			return abi.EACCES
		}
	case abi.SO_SNDBUFFORCE, abi.SO_RCVBUFFORCE, abi.SO_MARK:
		return abi.EPERM
	case abi.SO_LINGER:
		if len(val) < 8 {
			return abi.EINVAL
		}
	default:
		return abi.ENOPROTOOPT
	}
	return abi.OK
}

// GetOption implements socket.Socket.
func (s *Socket) GetOption(level, name int, val []byte) (int, abi.Errno) {
	if level != abi.SOL_SOCKET {
		return 0, abi.EOPNOTSUPP
	}
	if n, done := s.GetTimeout(name, val); done {
		return n, abi.OK
	}
	switch name {
	case abi.SO_TYPE:
		return socket.PutInt(val, s.typ)
	case abi.SO_DOMAIN:
		return socket.PutInt(val, abi.AF_UNIX)
	case abi.SO_REUSEADDR, abi.SO_BROADCAST, abi.SO_KEEPALIVE, abi.SO_DONTROUTE, abi.SO_OOBINLINE:
		return socket.PutInt(val, int(s.flags.Load()>>name&1))
	case abi.SO_PROTOCOL, abi.SO_MARK, abi.SO_DEBUG, abi.SO_REUSEPORT:
		return socket.PutInt(val, 0)
	case abi.SO_LINGER:
		return copy(val, make([]byte, 8)), abi.OK
	case abi.SO_ERROR:
		s.mu.Lock()
		e := s.err
		s.err = abi.OK
		s.mu.Unlock()
		return socket.PutInt(val, int(e))
	case abi.SO_SNDBUF:
		return socket.PutInt(val, int(s.sndbuf.Load()))
	case abi.SO_RCVBUF:
		return socket.PutInt(val, int(s.rcvbuf.Load()))
	case abi.SO_RCVLOWAT:
		return socket.PutInt(val, int(s.lowat.Load()))
	case abi.SO_SNDLOWAT:
		return socket.PutInt(val, 1)
	case abi.SO_PASSCRED:
		if s.passCred.Load() {
			return socket.PutInt(val, 1)
		}
		return socket.PutInt(val, 0)
	case abi.SO_ACCEPTCONN:
		s.mu.Lock()
		listens := s.state == listening
		s.mu.Unlock()
		if listens {
			return socket.PutInt(val, 1)
		}
		return socket.PutInt(val, 0)
	case abi.SO_PEERCRED:
		s.mu.Lock()
		known := s.cred
		s.mu.Unlock()
		c := ucred()
		if !known { // pid 0, uid and gid -1
			c = [12]byte{4: 0xff, 5: 0xff, 6: 0xff, 7: 0xff, 8: 0xff, 9: 0xff, 10: 0xff, 11: 0xff}
		}
		return copy(val, c[:]), abi.OK
	case abi.SO_COOKIE:
		if len(val) < 8 {
			return 0, abi.EINVAL
		}
		binary.LittleEndian.PutUint64(val, s.id)
		return 8, abi.OK
	}
	return 0, abi.ENOPROTOOPT
}

// Ioctl implements vfs.File: the bytes that wait here (of datagrams the first
// one's), and those of ours that wait elsewhere.
func (s *Socket) Ioctl(cmd uint32, arg uintptr) (uintptr, abi.Errno) {
	n := 0
	switch cmd {
	case abi.FIONREAD:
		s.mu.Lock()
		listens := s.state == listening
		n = s.in.bytes
		if s.typ == abi.SOCK_DGRAM {
			n = 0
			if s.in.first != nil {
				n = len(s.in.first.data)
			}
		}
		s.mu.Unlock()
		if listens {
			return 0, abi.EINVAL
		}
	case abi.TIOCOUTQ:
		n = int(s.sent.Load())
	default:
		if s.f.ioctl != nil {
			return 0, s.f.ioctl(cmd, arg)
		}
		return 0, abi.ENOTTY
	}
	var b [4]byte
	binary.LittleEndian.PutUint32(b[:], uint32(n))
	_, e := usermem.CopyOut(arg, b[:])
	return 0, e
}
