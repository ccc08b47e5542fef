package stack

import (
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
)

// Default and largest socket buffers in bytes, of tcp(7) and socket(7):
// net.ipv4.tcp_rmem, tcp_wmem, net.core.rmem_default and rmem_max.
const (
	tcpMin        = 4096
	tcpRecvBuf    = 131072
	tcpRecvMax    = 6 << 20
	tcpSendBuf    = 16384
	tcpSendMax    = 4 << 20
	otherBuf      = 212992
	otherMin      = 4096
	largestShare  = 8   // one socket's buffer may grow to 1/8 of what all queues may hold
	minShareOfAll = 256 // ... and starts with no more than 1/256
)

// BufferSizes are the sizes in force on this machine, in bytes.
type BufferSizes struct {
	TCPRecv, TCPRecvMax int
	TCPSend, TCPSendMax int
	Other               int // UDP and AF_UNIX, default and largest
}

// Buffers returns the sizes.
func (s *Stack) Buffers() BufferSizes { return s.buf }

// setBuffers sizes socket buffers: Linux's numbers, cut down where a few
// sockets at their largest would take all that sockets may have together.
func (s *Stack) setBuffers() {
	share := int(s.Budget.QueueLimit()) / largestShare
	begin := max(int(s.Budget.Limit())/minShareOfAll, 16<<10)
	b := BufferSizes{
		TCPRecv: min(tcpRecvBuf, begin), TCPRecvMax: clamp(share, tcpMin*4, tcpRecvMax),
		TCPSend: min(tcpSendBuf, begin), TCPSendMax: clamp(share, tcpMin*4, tcpSendMax),
		Other: clamp(begin*2, otherMin, otherBuf),
	}
	b.TCPRecv, b.TCPSend = min(b.TCPRecv, b.TCPRecvMax), min(b.TCPSend, b.TCPSendMax)
	s.buf = b
	s.LimitTCP(b.TCPRecvMax, b.TCPSendMax)
	must("send buffer", s.IP.SetOption(tcpip.SendBufferSizeOption{Min: otherMin, Default: b.Other, Max: b.Other}))
	must("receive buffer", s.IP.SetOption(tcpip.ReceiveBufferSizeOption{Min: otherMin, Default: b.Other, Max: b.Other}))
	nagle := tcpip.TCPDelayEnabled(true)
	must("nagle", s.IP.SetTransportProtocolOption(tcp.ProtocolNumber, &nagle))
}

// LimitTCP sets how far TCP buffers may grow by themselves, in bytes: less when
// sockets hold much of their memory.
func (s *Stack) LimitTCP(recv, send int) {
	r := tcpip.TCPReceiveBufferSizeRangeOption{Min: tcpMin, Default: clamp(s.buf.TCPRecv, tcpMin, max(recv, tcpMin)), Max: max(recv, tcpMin)}
	must("tcp receive buffer", s.IP.SetTransportProtocolOption(tcp.ProtocolNumber, &r))
	w := tcpip.TCPSendBufferSizeRangeOption{Min: tcpMin, Default: clamp(s.buf.TCPSend, tcpMin, max(send, tcpMin)), Max: max(send, tcpMin)}
	must("tcp send buffer", s.IP.SetTransportProtocolOption(tcp.ProtocolNumber, &w))
}

func clamp(v, lo, hi int) int { return min(max(v, lo), hi) }
