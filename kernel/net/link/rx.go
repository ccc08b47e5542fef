package link

import (
	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
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
	packet  []byte // behind the Ethernet header, in memory of the kernel's own
	local   *Addrs
}

// Receive implements nic.Receiver. The device can write to data until Receive
// returns, so the Ethernet header is fetched once, the packet is copied once,
// into the buffer that goes up, and all else is read from the copy.
func (e *Endpoint) Receive(data []byte, off nic.Offload) {
	if !e.burst.Load() {
		e.burst.Store(true)
	}
	if len(data) < ethSize {
		e.drop(DropRunt)
		return
	}
	eth := [ethSize]byte(data)
	f := frame{vouched: off.CsumValid || off.NeedsCsum, local: e.local.Load()}
	to := MAC(eth[0:6])
	f.src = MAC(eth[6:12])
	f.group = to.group()
	if !f.group && to != e.mac || f.src.group() || f.src == e.mac {
		e.drop(DropNotOurs)
		return
	}
	etherType := be16(eth[12:14])
	switch {
	case etherType == typeIPv4 || etherType == typeARP || etherType == typeIPv6 && e.cfg.IPv6:
	default:
		e.drop(DropProtocol)
		return
	}
	view := buffer.NewViewWithData(data[ethSize:])
	f.packet = view.AsSlice()
	if e.admitted(&f, etherType) {
		// Where the packet ends the filters know.
		view.CapLength(len(f.packet))
		e.pass(&f, view, tcpip.NetworkProtocolNumber(etherType))
	} else {
		view.Release()
	}
}

// admitted asks the filters, and the budget, whether the packet goes up. The
// frame is not kept.
func (e *Endpoint) admitted(f *frame, etherType uint16) bool {
	ok := false
	switch etherType {
	case typeIPv4:
		ok = e.filter4(f)
	case typeIPv6:
		ok = e.filter6(f)
	case typeARP:
		ok = e.filterARP(f)
	}
	return ok && (admit(e.cfg.Budget, len(f.packet)) || e.drop(DropMemory))
}

// deliver hands a packet up; the view passes to it.
func (e *Endpoint) deliver(f *frame, view *buffer.View, proto tcpip.NetworkProtocolNumber) {
	d := e.dispatcher.Load()
	if d == nil {
		view.Release()
		return
	}
	caps := uint32(gstack.CapabilityResolutionRequired)
	if f.vouched {
		caps |= uint32(gstack.CapabilityRXChecksumOffload)
	}
	if e.caps.Load() != caps {
		e.caps.Store(caps)
	}
	pkt := gstack.NewPacketBuffer(gstack.PacketBufferOptions{Payload: buffer.MakeWithView(view)})
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
	e.passHeld()
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
