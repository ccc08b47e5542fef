// Package link joins the machine's network devices to the IP stack: an Ethernet
// endpoint over a nic.Device, and the loopback endpoint.
//
// The Ethernet endpoint is also the machine's ingress filter. Whatever an
// Internet host must never accept (frames for others, source-routed packets,
// martians, router advertisements and redirects, unasked-for neighbour answers,
// ICMP errors about connections that do not exist, tiny and atomic fragments)
// is dropped here, before the IP stack sees it, and counted by reason. ARP
// requests and neighbour solicitations are answered here too, so that no packet
// from the wire can create an entry in the neighbour cache: entries come only
// from answers to questions that the machine asked.
//
// Data path. Receive runs on the driver's goroutine: one copy from the device's
// buffer into a pooled packet buffer, then the IP stack inline; of acknowledgements
// in a row that say nothing else, one burst delivers the last (ackmerge.go). Sending
// runs on whichever goroutine sends; the device copies. Large TCP packets are cut by
// the device or here (segment.go), and the device's bell is rung once for each burst.
// A full transmit ring queues a bounded number of packets until the device has room
// again.
//
// Imports: the hw/nic border, net/budget, kernel/wait and gVisor's buffer,
// header and stack. It knows no socket. Locks: Endpoint.txMu,
// questions.mu and delayedAcks.mu are leaves, held across no call out of this
// package but nic.Device.Send.
package link

import (
	"sync"
	"sync/atomic"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	gstack "gvisor.dev/gvisor/pkg/tcpip/stack"

	"skerry/kernel/hw/nic"
	"skerry/kernel/net/budget"
)

// Sizes of Ethernet II (IEEE 802.3 clause 3).
const (
	ethSize = 14
	macSize = 6

	// gsoMax is the largest packet taken from the stack to be segmented: what an
	// IPv4 total length can say (RFC 791).
	gsoMax = 65535
)

// EtherTypes, IEEE 802 numbers.
const (
	typeIPv4 = 0x0800
	typeARP  = 0x0806
	typeIPv6 = 0x86dd
)

// MAC is an Ethernet address.
type MAC [macSize]byte

var broadcast = MAC{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}

// group reports whether the address is multicast or broadcast.
func (m MAC) group() bool { return m[0]&1 != 0 }

// Config is what the stack tells the endpoint; all hooks may be nil.
type Config struct {
	// IPv6 says whether IPv6 is spoken on this link at all. If not, its frames
	// are dropped in both directions.
	IPv6 bool

	// Budget is asked before a packet with payload goes up.
	Budget *budget.Budget

	// Live reports whether a quoted packet, as ICMP errors carry one, belongs
	// to a connection of this machine.
	Live func(q Quoted) bool

	// SYN reports whether a TCP connection request for a local address (4 or 16
	// bytes) and port may go up now.
	SYN func(local []byte, port uint16) bool

	// SmallUDP reports whether a datagram with little payload may go up: sockets
	// bound the bytes that wait in them, not the datagrams.
	SmallUDP func(q Quoted) bool

	// Changed hears of the link going up or down.
	Changed func(up bool)
}

// Endpoint is an Ethernet link endpoint of the IP stack. Make it with New.
type Endpoint struct {
	dev     nic.Device
	mac     MAC
	addr    tcpip.LinkAddress // mac, in gVisor's form
	mtu     atomic.Uint32
	devCaps nic.Caps
	cfg     Config

	dispatcher atomic.Pointer[gstack.NetworkDispatcher]
	local      atomic.Pointer[Addrs]
	tap        atomic.Pointer[Tap]
	caps       atomic.Uint32 // see Capabilities
	up         atomic.Bool

	held   heldACK // the driver's goroutine's
	merged atomic.Uint64

	questions questions
	frags     fragments
	acks      delayedAcks
	drops     [numDrops]atomic.Uint64

	// burst is set while the driver hands over received frames; what is sent
	// meanwhile is flushed once, by Batch.
	burst           atomic.Bool
	more, moreBytes atomic.Uint64 // see Cut

	// bursts counts the stack's own bursts in progress, see BeginBurst; unkicked
	// is about how many packets wait for the device's bell because of them.
	bursts   atomic.Int32
	unkicked atomic.Int32

	txMu sync.Mutex
	// txQueue holds packets, each with a reference, while the ring is full;
	// guarded by txMu, its length is readable without.
	txQueue  []waiting
	txQueued atomic.Int32
	txBytes  int
}

// New makes an endpoint over dev. Start begins reception.
func New(dev nic.Device, cfg Config) *Endpoint {
	e := &Endpoint{dev: dev, mac: dev.MAC(), devCaps: dev.Caps(), cfg: cfg}
	e.addr = tcpip.LinkAddress(e.mac[:])
	e.mtu.Store(uint32(dev.MTU()))
	e.local.Store(&Addrs{})
	e.caps.Store(uint32(gstack.CapabilityResolutionRequired))
	e.up.Store(true)
	e.acks.send = func(pkt *gstack.PacketBuffer) { e.transmit(pkt) }
	return e
}

// Start begins reception. Called once, after the endpoint is attached to a
// stack.
func (e *Endpoint) Start() { e.dev.Start(e) }

// SetAddrs tells the endpoint the machine's addresses on this link; frames for
// other addresses are dropped. The caller does not change a afterwards.
func (e *Endpoint) SetAddrs(a *Addrs) { e.local.Store(a) }

// Tap receives whole IPv4 packets for UDP port 68, with the MAC that they came
// from. The packet is valid until the tap returns; it runs on the driver's
// goroutine and must not block.
type Tap func(packet []byte, from MAC)

// SetTap installs the DHCP client's tap, or removes it with nil.
func (e *Endpoint) SetTap(t Tap) {
	if t == nil {
		e.tap.Store(nil)
		return
	}
	e.tap.Store(&t)
}

// Up reports the link's state.
func (e *Endpoint) Up() bool { return e.up.Load() }

// HardwareAddr is the link's own MAC.
func (e *Endpoint) HardwareAddr() MAC { return e.mac }

// Drops returns how many frames were dropped for a reason.
func (e *Endpoint) Drops(d Drop) uint64 { return e.drops[d].Load() }

// MTU implements stack.LinkEndpoint: the largest IP packet in bytes.
func (e *Endpoint) MTU() uint32 { return e.mtu.Load() }

// SetMTU implements stack.LinkEndpoint.
func (e *Endpoint) SetMTU(mtu uint32) { e.mtu.Store(mtu) }

// MaxHeaderLength implements stack.LinkEndpoint.
func (*Endpoint) MaxHeaderLength() uint16 { return ethSize }

// LinkAddress implements stack.LinkEndpoint.
func (e *Endpoint) LinkAddress() tcpip.LinkAddress { return e.addr }

// SetLinkAddress implements stack.LinkEndpoint; the device's address is fixed.
func (*Endpoint) SetLinkAddress(tcpip.LinkAddress) {}

// Capabilities implements stack.LinkEndpoint.
//
// The stack asks this once per received packet, on the goroutine that delivers
// it, to learn whether transport checksums need no verification; devices,
// however, vouch frame by frame. Receive therefore sets the receive bit to what
// holds for the frame in hand. Others who ask look only at the other bits.
func (e *Endpoint) Capabilities() gstack.LinkEndpointCapabilities {
	return gstack.LinkEndpointCapabilities(e.caps.Load())
}

// GSOMaxSize implements stack.GSOEndpoint.
func (*Endpoint) GSOMaxSize() uint32 { return gsoMax }

// SupportedGSO implements stack.GSOEndpoint: large TCP packets are cut by the device
// or by sendCut.
func (*Endpoint) SupportedGSO() gstack.SupportedGSO { return gstack.HostGSOSupported }

// Attach implements stack.LinkEndpoint.
func (e *Endpoint) Attach(d gstack.NetworkDispatcher) {
	if d == nil {
		e.dispatcher.Store(nil)
		return
	}
	e.dispatcher.Store(&d)
}

// IsAttached implements stack.LinkEndpoint.
func (e *Endpoint) IsAttached() bool { return e.dispatcher.Load() != nil }

// Wait implements stack.LinkEndpoint; there is no goroutine to wait for.
func (*Endpoint) Wait() {}

// ARPHardwareType implements stack.LinkEndpoint.
func (*Endpoint) ARPHardwareType() header.ARPHardwareType { return header.ARPHardwareEther }

// ParseHeader implements stack.LinkEndpoint; the stack calls it only for raw
// packets of the program, which do not exist here.
func (*Endpoint) ParseHeader(*gstack.PacketBuffer) bool { return false }

// SetOnCloseAction implements stack.LinkEndpoint.
func (*Endpoint) SetOnCloseAction(func()) {}
