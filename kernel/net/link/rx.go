package link

import (
	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	gstack "gvisor.dev/gvisor/pkg/tcpip/stack"

	"skerry/kernel/hw/nic"
	"skerry/kernel/net/budget"
)

// smallPacket is the size up to which a packet goes up even when the sockets are
// full: acknowledgements, resets and requests of a few bytes free more memory
// than they take.
const smallPacket = 160

// packetOverhead is what a queued packet takes besides its bytes.
const packetOverhead = 768

// admit asks the budget about a packet of n bytes.
func admit(b *budget.Budget, n int) bool {
	if b == nil {
		return true
	}
	if n <= smallPacket {
		return b.FlowSmall(n + packetOverhead)
	}
	return b.Flow(n + packetOverhead)
}

// frame is what the filters know of the frame in hand. It lives on the
// driver's stack.
type frame struct {
	src     MAC
	group   bool   // addressed to a multicast or broadcast MAC
	vouched bool   // the device vouches for the transport checksum
	packet  []byte // behind the Ethernet header
	local   *Addrs
}

// Receive implements nic.Receiver.
func (e *Endpoint) Receive(data []byte, off nic.Offload) {
	if !e.burst.Load() {
		e.burst.Store(true)
	}
	if len(data) < ethSize {
		e.drop(DropRunt)
		return
	}
	f := frame{packet: data[ethSize:], vouched: off.CsumValid || off.NeedsCsum, local: e.local.Load()}
	to := MAC(data[0:6])
	f.src = MAC(data[6:12])
	f.group = to.group()
	if !f.group && to != e.mac || f.src.group() || f.src == e.mac {
		e.drop(DropNotOurs)
		return
	}
	switch etherType := be16(data[12:14]); etherType {
	case typeIPv4:
		if e.filter4(&f) {
			e.deliver(&f, header.IPv4ProtocolNumber)
		}
	case typeIPv6:
		if !e.cfg.IPv6 {
			e.drop(DropProtocol)
		} else if e.filter6(&f) {
			e.deliver(&f, header.IPv6ProtocolNumber)
		}
	case typeARP:
		if e.filterARP(&f) {
			e.deliver(&f, header.ARPProtocolNumber)
		}
	default:
		e.drop(DropProtocol)
	}
}

// deliver copies the packet into a buffer of the stack's and hands it up.
func (e *Endpoint) deliver(f *frame, proto tcpip.NetworkProtocolNumber) {
	d := e.dispatcher.Load()
	if d == nil {
		return
	}
	if !admit(e.cfg.Budget, len(f.packet)) {
		e.drop(DropMemory)
		return
	}
	caps := uint32(gstack.CapabilityResolutionRequired)
	if f.vouched {
		caps |= uint32(gstack.CapabilityRXChecksumOffload)
	}
	if e.caps.Load() != caps {
		e.caps.Store(caps)
	}
	pkt := gstack.NewPacketBuffer(gstack.PacketBufferOptions{Payload: buffer.MakeWithData(f.packet)})
	if f.group {
		pkt.PktType = tcpip.PacketBroadcast
	} else {
		pkt.PktType = tcpip.PacketHost
	}
	pkt.NetworkProtocolNumber = proto
	(*d).DeliverNetworkPacket(proto, pkt)
	pkt.DecRef()
}

// Batch implements nic.Receiver: the burst is over, and what was sent
// meanwhile goes out.
func (e *Endpoint) Batch() {
	e.burst.Store(false)
	e.dev.Flush()
}

// TxReady implements nic.Receiver.
func (e *Endpoint) TxReady() { e.drain() }

// Link implements nic.Receiver.
func (e *Endpoint) Link(up bool) {
	if e.up.Swap(up) != up && e.cfg.Changed != nil {
		e.cfg.Changed(up)
	}
}
