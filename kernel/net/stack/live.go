package stack

import (
	"reflect"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	gstack "gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"

	"skerry/kernel/net/link"
)

// live decides whether an ICMP error quotes a packet of a connection of this
// machine, which someone off the path cannot know (RFC 5927 section 4): the
// four numbers must match, and for TCP the sequence number must be one that is
// in flight. If the connection is busy this very moment the error is let go;
// the network repeats it with the next packet.
func (s *Stack) live(q link.Quoted) bool {
	proto := tcpip.NetworkProtocolNumber(header.IPv4ProtocolNumber)
	if q.IPv6 {
		proto = header.IPv6ProtocolNumber
	}
	id := flow(&q)
	if tcpip.TransportProtocolNumber(q.Proto) == udp.ProtocolNumber {
		ep := s.IP.FindTransportEndpoint(proto, udp.ProtocolNumber, id, NICEthernet)
		return ep != nil // the endpoint itself ignores errors unless it is connected
	}
	ep, ok := s.IP.FindTransportEndpoint(proto, tcp.ProtocolNumber, id, NICEthernet).(*tcp.Endpoint)
	if !ok || !ep.TryLock() {
		return false
	}
	defer ep.ResumeWork() // which unlocks
	got := ep.TransportEndpointInfo.ID
	if got.LocalPort != id.LocalPort || got.RemotePort != id.RemotePort || got.RemoteAddress != id.RemoteAddress {
		return false // a listener
	}
	v := reflect.ValueOf(ep).Elem()
	if snd := v.FieldByName("snd"); !snd.IsNil() {
		una, nxt := uint32(snd.Elem().FieldByName("SndUna").Uint()), uint32(snd.Elem().FieldByName("SndNxt").Uint())
		return q.Seq-una < nxt-una
	}
	if h := v.FieldByName("h"); !h.IsNil() {
		return q.Seq == uint32(h.Elem().FieldByName("iss").Uint())
	}
	return false
}

// Bounds of the memory in bytes of the segments that wait in a listening endpoint for
// its handshakes; the endpoint itself does not bound those without payload. The most
// is some eight thousand requests, the share of a machine of 64 MiB a thousand, which
// is how many packets Linux lets wait at a device (net.core.netdev_max_backlog).
const (
	minQueuedSYNs   = 256 << 10
	maxQueuedSYNs   = 4 << 20
	queuedSYNsShare = 16 // of what all sockets may have
)

// SetConnectionGate gives the function that decides whether there is memory for
// one more connection. It is called on the driver's goroutine.
func (s *Stack) SetConnectionGate(f func() bool) { s.synGate.Store(&f) }

// admitSYN decides whether a connection request goes up: not if the listener
// that it is for is too far behind, nor if sockets have used up their memory:
// better the peer asks again than that the program is handed an error for a
// connection that it cannot have.
func (s *Stack) admitSYN(local []byte, port uint16) bool {
	if gate := s.synGate.Load(); gate != nil && !(*gate)() {
		return false
	}
	proto := tcpip.NetworkProtocolNumber(header.IPv4ProtocolNumber)
	if len(local) == 16 {
		proto = header.IPv6ProtocolNumber
	}
	id := gstack.TransportEndpointID{LocalPort: port, LocalAddress: tcpip.AddrFromSlice(local)}
	ep, ok := s.IP.FindTransportEndpoint(proto, tcp.ProtocolNumber, id, NICEthernet).(*tcp.Endpoint)
	return !ok || ReceiveMemory(ep) < clamp(int(s.Budget.Limit()/queuedSYNsShare), minQueuedSYNs, maxQueuedSYNs)
}

func flow(q *link.Quoted) gstack.TransportEndpointID {
	return gstack.TransportEndpointID{
		LocalPort:     q.LocalPort,
		LocalAddress:  tcpip.AddrFromSlice(q.LocalAddr()),
		RemotePort:    q.RemotePort,
		RemoteAddress: tcpip.AddrFromSlice(q.RemoteAddr()),
	}
}

// SetDatagramGate gives the function that decides whether a UDP endpoint may
// take another small datagram. It is called on the driver's goroutine.
func (s *Stack) SetDatagramGate(f func(gstack.TransportEndpoint) bool) { s.gate.Store(&f) }

// admitUDP asks the gate about the endpoint that a small datagram is for.
func (s *Stack) admitUDP(q link.Quoted) bool {
	gate := s.gate.Load()
	if gate == nil {
		return true
	}
	proto := tcpip.NetworkProtocolNumber(header.IPv4ProtocolNumber)
	if q.IPv6 {
		proto = header.IPv6ProtocolNumber
	}
	ep := s.IP.FindTransportEndpoint(proto, udp.ProtocolNumber, flow(&q), NICEthernet)
	return ep == nil || (*gate)(ep)
}
