package inet

import (
	"encoding/binary"
	"strings"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"

	"skerry/kernel/abi"
	"skerry/kernel/net/socket"
	"skerry/kernel/net/stack"
)

// Bounds of tcp(7): MAX_TCP_KEEPIDLE, _KEEPINTVL, _KEEPCNT of Linux.
const (
	maxKeepIdle  = 32767
	maxKeepIntvl = 32767
	maxKeepCnt   = 127
)

// SetOption implements socket.Socket.
func (s *Stream) SetOption(level, name int, val []byte) abi.Errno {
	first := s.ep.Load() // TCP_CORK and TCP_NODELAY may let something go
	first.enter()
	defer first.leave()
	s.mu.Lock()
	defer s.mu.Unlock()
	if level == abi.SOL_SOCKET {
		if done, e := s.common(name, val); done {
			return e
		}
	}
	e := s.apply(s.ep.Load(), level, name, val)
	if e == abi.OK {
		s.remember(level, name, val)
	}
	return e
}

// apply sets an option that lives in the endpoint.
func (s *Stream) apply(ep *endpoint, level, name int, val []byte) abi.Errno {
	switch level {
	case abi.SOL_SOCKET:
		return s.applySocket(ep, name, val)
	case abi.SOL_IP:
		return s.applyIP(ep, name, val)
	case abi.SOL_IPV6:
		return s.applyIPv6(ep, name, val)
	case abi.SOL_TCP:
		return s.applyTCP(ep, name, val)
	}
	return abi.ENOPROTOOPT
}

func (s *Stream) applyTCP(ep *endpoint, name int, val []byte) abi.Errno {
	o := ep.SocketOptions()
	if name == abi.TCP_CONGESTION {
		if len(val) < 1 {
			return abi.EINVAL
		}
		n := string(val[:min(len(val), 15)])
		n, _, _ = strings.Cut(n, "\x00")
		cc := tcpip.CongestionControlOption(n)
		return errnoOf(ep.SetSockOpt(&cc))
	}
	if name == abi.TCP_ULP && len(val) > 0 {
		return abi.ENOENT // no protocol goes on top: programs do TLS themselves then
	}
	v, e := intOf(val)
	if e != abi.OK {
		return e
	}
	switch name {
	case abi.TCP_NODELAY:
		o.SetDelayOption(v == 0)
	case abi.TCP_CORK:
		s.userCork.Store(v != 0)
		o.SetCorkOption(v != 0)
	case abi.TCP_MAXSEG:
		// TCP_MIN_MSS and MAX_TCP_WINDOW of Linux; 0 takes the limit away.
		if v != 0 && (v < 88 || v > 32767) {
			return abi.EINVAL
		}
		return errnoOf(ep.SetSockOptInt(tcpip.MaxSegOption, v))
	case abi.TCP_KEEPIDLE:
		if v < 1 || v > maxKeepIdle {
			return abi.EINVAL
		}
		d := tcpip.KeepaliveIdleOption(time.Duration(v) * time.Second)
		return errnoOf(ep.SetSockOpt(&d))
	case abi.TCP_KEEPINTVL:
		if v < 1 || v > maxKeepIntvl {
			return abi.EINVAL
		}
		d := tcpip.KeepaliveIntervalOption(time.Duration(v) * time.Second)
		return errnoOf(ep.SetSockOpt(&d))
	case abi.TCP_KEEPCNT:
		if v < 1 || v > maxKeepCnt {
			return abi.EINVAL
		}
		return errnoOf(ep.SetSockOptInt(tcpip.KeepaliveCountOption, v))
	case abi.TCP_LINGER2:
		d := tcpip.TCPLingerTimeoutOption(time.Duration(v) * time.Second)
		return errnoOf(ep.SetSockOpt(&d))
	case abi.TCP_USER_TIMEOUT:
		if v < 0 {
			return abi.EINVAL
		}
		d := tcpip.TCPUserTimeoutOption(time.Duration(v) * time.Millisecond)
		return errnoOf(ep.SetSockOpt(&d))
	case abi.TCP_DEFER_ACCEPT:
		s.options.deferAccept = retransmissions(v)
		d := tcpip.TCPDeferAcceptOption(time.Duration(deferSeconds(s.options.deferAccept)) * time.Second)
		return errnoOf(ep.SetSockOpt(&d))
	case abi.TCP_QUICKACK:
		// The IP stack acknowledges at once, always: 1 is so, and 0 only allows to
		// wait.
		o.SetQuickAck(v != 0)
	default:
		return abi.ENOPROTOOPT
	}
	return abi.OK
}

// Linux keeps TCP_DEFER_ACCEPT as a number of retransmissions of the SYN-ACK, of
// which the first comes after 1 s and each further one after twice the time, at
// most 120 s.
const lastRTO = 120

// retransmissions is how many it takes until a time in seconds has passed.
func retransmissions(sec int) int {
	n, period, timeout := 0, 1, 1
	if sec > 0 {
		n = 1
		for sec > period && n < 255 {
			n++
			timeout = min(timeout*2, lastRTO)
			period += timeout
		}
	}
	return n
}

// deferSeconds is the time in seconds that a number of retransmissions takes.
func deferSeconds(n int) int {
	if n <= 0 {
		return 0
	}
	period, timeout := 1, 1
	for ; n > 1; n-- {
		timeout = min(timeout*2, lastRTO)
		period += timeout
	}
	return period
}

// GetOption implements socket.Socket.
func (s *Stream) GetOption(level, name int, val []byte) (int, abi.Errno) {
	ep := s.ep.Load()
	if level == abi.SOL_SOCKET && name == abi.SO_ERROR {
		if over(ep.tcp.EndpointState()) {
			s.collect(ep)
		}
		return socket.PutInt(val, int(s.takeErr()))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch level {
	case abi.SOL_SOCKET:
		return s.getSocket(ep, abi.SOCK_STREAM, abi.IPPROTO_TCP, name, val)
	case abi.SOL_IP:
		return s.getIP(ep, name, val)
	case abi.SOL_IPV6:
		return s.getIPv6(ep, name, val)
	case abi.SOL_TCP:
		return s.getTCP(ep, name, val)
	}
	return 0, s.noLevel()
}

func (s *Stream) getTCP(ep *endpoint, name int, val []byte) (int, abi.Errno) {
	o := ep.SocketOptions()
	switch name {
	case abi.TCP_NODELAY:
		return putBool(val, !o.GetDelayOption())
	case abi.TCP_CORK:
		return putBool(val, s.userCork.Load())
	case abi.TCP_QUICKACK:
		return putBool(val, o.GetQuickAck())
	case abi.TCP_MAXSEG:
		return socket.PutInt(val, s.mss(ep))
	case abi.TCP_KEEPIDLE:
		var d tcpip.KeepaliveIdleOption
		ep.GetSockOpt(&d)
		return socket.PutInt(val, int(time.Duration(d)/time.Second))
	case abi.TCP_KEEPINTVL:
		var d tcpip.KeepaliveIntervalOption
		ep.GetSockOpt(&d)
		return socket.PutInt(val, int(time.Duration(d)/time.Second))
	case abi.TCP_KEEPCNT:
		v, err := ep.GetSockOptInt(tcpip.KeepaliveCountOption)
		if err != nil {
			return 0, errnoOf(err)
		}
		return socket.PutInt(val, v)
	case abi.TCP_LINGER2:
		var d tcpip.TCPLingerTimeoutOption
		ep.GetSockOpt(&d)
		if d < 0 {
			return socket.PutInt(val, -1)
		}
		return socket.PutInt(val, int(time.Duration(d)/time.Second))
	case abi.TCP_USER_TIMEOUT:
		var d tcpip.TCPUserTimeoutOption
		ep.GetSockOpt(&d)
		return socket.PutInt(val, int(time.Duration(d)/time.Millisecond))
	case abi.TCP_DEFER_ACCEPT:
		return socket.PutInt(val, deferSeconds(s.options.deferAccept))
	case abi.TCP_CONGESTION:
		var cc tcpip.CongestionControlOption
		ep.GetSockOpt(&cc)
		var b [16]byte // TCP_CA_NAME_MAX
		copy(b[:], cc)
		return copy(val, b[:]), abi.OK
	case abi.TCP_INFO:
		var b [infoSize]byte
		s.info(ep, &b)
		return copy(val, b[:]), abi.OK
	}
	return 0, abi.ENOPROTOOPT
}

// mss is the largest segment that is sent now, or before a connection the one
// that was set or 536.
func (s *Stream) mss(ep *endpoint) int {
	if ep.tcp.EndpointState() < tcp.StateInitial && !over(ep.tcp.EndpointState()) && ep.tcp.EndpointState() != tcp.StateListen {
		ep.tcp.LockUser()
		n := stack.SegmentSize(ep.tcp)
		ep.tcp.UnlockUser()
		if n > 0 {
			return n
		}
	}
	v, err := ep.GetSockOptInt(tcpip.MaxSegOption)
	if err != nil {
		return header.TCPDefaultMSS
	}
	return v
}

// SetOption implements socket.Socket.
func (d *Datagram) SetOption(level, name int, val []byte) abi.Errno {
	d.mu.Lock()
	defer d.mu.Unlock()
	ep := d.ep.Load()
	switch level {
	case abi.SOL_SOCKET:
		if done, e := d.common(name, val); done {
			return e
		}
		return d.applySocket(ep, name, val)
	case abi.SOL_IP:
		return d.applyIP(ep, name, val)
	case abi.SOL_IPV6:
		return d.applyIPv6(ep, name, val)
	case abi.SOL_UDP:
		v, e := intOf(val)
		if e != abi.OK {
			return e
		}
		if name == abi.UDP_SEGMENT {
			if v < 0 || v > 1<<16-1 {
				return abi.EINVAL
			}
			d.segment.Store(int32(v))
			return abi.OK
		}
		if name != abi.UDP_CORK {
			return abi.ENOPROTOOPT
		}
		d.corkOpt.Store(v != 0)
		if v == 0 {
			d.corkMu.Lock()
			d.flushLocked()
			d.corkMu.Unlock()
		}
		return abi.OK
	}
	return abi.ENOPROTOOPT
}

// GetOption implements socket.Socket.
func (d *Datagram) GetOption(level, name int, val []byte) (int, abi.Errno) {
	ep := d.ep.Load()
	if level == abi.SOL_SOCKET && name == abi.SO_ERROR {
		e := d.takeErr()
		if e == abi.OK {
			e = errnoOf(ep.LastError())
		}
		return socket.PutInt(val, int(e))
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	switch level {
	case abi.SOL_SOCKET:
		return d.getSocket(ep, abi.SOCK_DGRAM, abi.IPPROTO_UDP, name, val)
	case abi.SOL_IP:
		return d.getIP(ep, name, val)
	case abi.SOL_IPV6:
		return d.getIPv6(ep, name, val)
	case abi.SOL_UDP:
		if name == abi.UDP_CORK {
			return putBool(val, d.corkOpt.Load())
		}
		if name == abi.UDP_SEGMENT {
			return socket.PutInt(val, int(d.segment.Load()))
		}
		return 0, abi.ENOPROTOOPT
	}
	return 0, d.noLevel()
}

// le stores little-endian numbers at fixed places of a struct.
type le []byte

func (b le) u8(at int, v int) { b[at] = byte(v) }
func (b le) u32(at int, v int64) {
	binary.LittleEndian.PutUint32(b[at:], uint32(max(min(v, 1<<32-1), 0)))
}
func (b le) u64(at int, v uint64) { binary.LittleEndian.PutUint64(b[at:], v) }
