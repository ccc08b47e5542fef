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
	(*d).DeliverNetworkPacket(pkt.NetworkProtocolNumber, in)
	in.DecRef()
}

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
