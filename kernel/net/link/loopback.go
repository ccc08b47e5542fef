package link

import (
	"sync/atomic"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	gstack "gvisor.dev/gvisor/pkg/tcpip/stack"

	"skerry/kernel/net/budget"
)

// loopMTU is the loopback link's MTU in bytes, as on Linux: what an IPv4
// packet can hold, rounded up.
const loopMTU = 65536

// Loopback is the link endpoint of lo: what is sent comes back at once, on the
// sender's goroutine.
type Loopback struct {
	budget     *budget.Budget
	dispatcher atomic.Pointer[gstack.NetworkDispatcher]
	drops      atomic.Uint64
	acks       delayedAcks

	short, shortBytes atomic.Uint64 // see Short
}

// NewLoopback makes the endpoint. b, which may be nil, is asked before a packet
// with payload goes round.
func NewLoopback(b *budget.Budget) *Loopback {
	l := &Loopback{budget: b}
	l.acks.send = l.deliver
	return l
}

// Dropped is how many packets did not go round because sockets had used up
// their memory.
func (l *Loopback) Dropped() uint64 { return l.drops.Load() }

// WritePackets implements stack.LinkWriter.
func (l *Loopback) WritePackets(list gstack.PacketBufferList) (int, tcpip.Error) {
	for _, pkt := range list.AsSlice() {
		l.WritePacket(pkt)
	}
	return list.Len(), nil
}

// WritePacket implements stack.QueueingDiscipline. A packet that there is no
// memory for is lost, as it could be on a wire.
func (l *Loopback) WritePacket(pkt *gstack.PacketBuffer) tcpip.Error {
	if !l.acks.hold(pkt) {
		l.deliver(pkt)
	}
	return nil
}

// BeginBurst is for links with a bell; see Endpoint.BeginBurst.
func (*Loopback) BeginBurst() {}

// EndBurst ends a burst.
func (*Loopback) EndBurst() {}

// HoldACK reports whether an acknowledgement need not be made now; see delayedAcks.
func (l *Loopback) HoldACK(hash, ports, ack uint32, a ACKSender) bool {
	return l.acks.holdLater(hash, ports, ack, a)
}

// deliver takes a packet round.
func (l *Loopback) deliver(pkt *gstack.PacketBuffer) {
	d := l.dispatcher.Load()
	if d == nil {
		return
	}
	if !admit(l.budget, pkt.Size()) {
		l.drops.Add(1)
		return
	}
	// The inbound side parses headers anew, so it gets a packet without any.
	in := gstack.NewPacketBuffer(gstack.PacketBufferOptions{Payload: pkt.ToBuffer()})
	if t, ok := (*d).(gstack.TransportDispatcher); ok && short(pkt, in) {
		l.short.Add(1)
		l.shortBytes.Add(uint64(pkt.Size()))
		t.DeliverTransportPacket(header.TCPProtocolNumber, in)
	} else {
		(*d).DeliverNetworkPacket(pkt.NetworkProtocolNumber, in)
	}
	in.DecRef()
}

// short prepares in, a copy of a packet that goes round, for TCP itself, past the
// network layer, and reports whether it did. What that layer would find out is known
// of a TCP packet between loopback addresses without options or fragments: this
// machine made its headers a moment ago, and both addresses are its own.
func short(pkt, in *gstack.PacketBuffer) bool {
	if pkt.TransportProtocolNumber != protoTCP {
		return false
	}
	h := pkt.NetworkHeader().Slice()
	switch {
	case len(h) == 20 && h[0] == 0x45 && h[9] == protoTCP && h[12] == 127 && h[16] == 127 && be16(h[6:])&0x3fff == 0:
	case len(h) == 40 && h[0]>>4 == 6 && h[6] == protoTCP && [16]byte(h[8:]) == loopback6 && [16]byte(h[24:]) == loopback6:
	default:
		return false
	}
	if _, ok := in.NetworkHeader().Consume(len(h)); !ok {
		return false
	}
	if _, ok := in.TransportHeader().Consume(len(pkt.TransportHeader().Slice())); !ok {
		return false // cannot be
	}
	in.NetworkProtocolNumber, in.TransportProtocolNumber = pkt.NetworkProtocolNumber, protoTCP
	in.NICID, in.RXChecksumValidated = loopNIC, true
	return true
}

// loopNIC is the loopback link's number.
const loopNIC = 1

var loopback6 = [16]byte{15: 1}

// Short is how many packets, and bytes, went past the network layer, which did not
// count them.
func (l *Loopback) Short() (packets, bytes uint64) { return l.short.Load(), l.shortBytes.Load() }

// Capabilities implements stack.LinkEndpoint: checksums are neither made nor
// verified.
func (*Loopback) Capabilities() gstack.LinkEndpointCapabilities {
	return gstack.CapabilityRXChecksumOffload | gstack.CapabilityTXChecksumOffload | gstack.CapabilityLoopback
}

// Attach implements stack.LinkEndpoint.
func (l *Loopback) Attach(d gstack.NetworkDispatcher) {
	if d == nil {
		l.dispatcher.Store(nil)
		return
	}
	l.dispatcher.Store(&d)
}

// IsAttached implements stack.LinkEndpoint.
func (l *Loopback) IsAttached() bool { return l.dispatcher.Load() != nil }

// MTU implements stack.LinkEndpoint.
func (*Loopback) MTU() uint32 { return loopMTU }

// SetMTU implements stack.LinkEndpoint; the MTU is fixed.
func (*Loopback) SetMTU(uint32) {}

// MaxHeaderLength implements stack.LinkEndpoint.
func (*Loopback) MaxHeaderLength() uint16 { return 0 }

// LinkAddress implements stack.LinkEndpoint.
func (*Loopback) LinkAddress() tcpip.LinkAddress { return "" }

// SetLinkAddress implements stack.LinkEndpoint.
func (*Loopback) SetLinkAddress(tcpip.LinkAddress) {}

// Wait implements stack.LinkEndpoint.
func (*Loopback) Wait() {}

// ARPHardwareType implements stack.LinkEndpoint.
func (*Loopback) ARPHardwareType() header.ARPHardwareType { return header.ARPHardwareLoopback }

// AddHeader implements stack.LinkEndpoint.
func (*Loopback) AddHeader(*gstack.PacketBuffer) {}

// ParseHeader implements stack.LinkEndpoint.
func (*Loopback) ParseHeader(*gstack.PacketBuffer) bool { return true }

// Close implements stack.LinkEndpoint and stack.QueueingDiscipline.
func (l *Loopback) Close() { l.acks.close() }

// SetOnCloseAction implements stack.LinkEndpoint.
func (*Loopback) SetOnCloseAction(func()) {}
