// Package stack is the machine's IP stack: gVisor's tcpip, configured once at
// boot for one machine with a loopback link and at most one Ethernet link.
//
// What is decided here: which protocols exist (IPv4, IPv6, TCP, UDP, ICMP; no
// raw and no packet sockets, nothing is ever forwarded), where randomness comes
// from, how large buffers may grow on a machine of this size, addresses and
// routes (static or by DHCP), and the texts of /etc/resolv.conf, /etc/hosts and
// /proc/net. What packets may come in is net/link's business, where the program
// may send net/egress's, what a socket does net/inet's.
//
// Imports: gVisor's tcpip, the net packages below it, kernel/wait. It knows no
// socket of the program. Lock: Stack.mu guards the configuration that a DHCP
// lease changes; it is not held across calls into the IP stack that could come
// back here.
package stack

import (
	"net/netip"
	"sync"
	"sync/atomic"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/network/arp"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
	gstack "gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"

	"skerry/kernel/net/budget"
	"skerry/kernel/net/egress"
	"skerry/kernel/net/link"
	"skerry/kernel/wait"
)

// Interface numbers: the loopback link is 1 and the Ethernet link 2, as on a
// Linux machine with one network card. They are gVisor's NIC numbers too.
const (
	NICLoopback tcpip.NICID = 1
	NICEthernet tcpip.NICID = 2
)

// memoryShare is the part of the machine's memory that sockets may hold: an
// eighth, which is a quarter of the memory with what the collector lets a heap
// grow to between two collections, twice what is live.
const memoryShare = 8

// Stack is the machine's IP stack. Make it with New.
type Stack struct {
	// IP is gVisor's stack.
	IP *gstack.Stack
	// Budget is the memory that sockets may use.
	Budget *budget.Budget
	// Egress says where the program may send.
	Egress *egress.Table

	cfg  Config
	ipv6 bool // spoken on the Ethernet link
	eth  *link.Endpoint
	lo   *link.Loopback
	buf  BufferSizes

	mu     sync.Mutex
	v4, v6 Iface        // in force on the Ethernet link
	dns    []netip.Addr // in force
	search []string
	extra  []tcpip.Route // routes of the DHCP lease

	groups     asked
	gateways   gateways
	configured atomic.Bool
	waiting    atomic.Pointer[wait.Waiter]
	gate       atomic.Pointer[func(gstack.TransportEndpoint) bool]
	synGate    atomic.Pointer[func() bool]
	watch      atomic.Pointer[func(Change)]
}

// New makes the stack with its links and the static part of the configuration.
// Start begins to receive.
func New(cfg Config) *Stack {
	useRandom(cfg.Random)
	useLog(cfg.Events.Log)
	s := &Stack{
		cfg:    cfg,
		ipv6:   cfg.V6.Addr.IsValid(),
		Budget: budget.New(cfg.Memory / memoryShare),
		dns:    cfg.DNS,
		search: cfg.Search,
	}
	var denied func(egress.Proto, netip.AddrPort)
	if f := cfg.Events.Denied; f != nil {
		denied = func(p egress.Proto, to netip.AddrPort) { f(uint8(p), to) }
	}
	s.Egress = egress.New(cfg.Deny, resolvers(cfg.DNS), cfg.SealedPage, denied)
	s.IP = gstack.New(gstack.Options{
		NetworkProtocols: []gstack.NetworkProtocolFactory{
			arp.NewProtocol,
			ipv4.NewProtocol,
			// No SLAAC, no router discovery, no duplicate address detection:
			// addresses are what the configuration says. Router
			// advertisements do not even get past the link.
			ipv6.NewProtocolWithOptions(ipv6.Options{
				NDPConfigs: ipv6.NDPConfigurations{HandleRAs: ipv6.HandlingRAsDisabled},
			}),
		},
		TransportProtocols: []gstack.TransportProtocolFactory{newTCP, udp.NewProtocol},
		// Packets to our own addresses never reach a wire.
		HandleLocal: true,
		NUDDisp:     &s.gateways,
		SecureRNG:   random{},
		Clock:       clock{},
	})
	s.gateways.changed = cfg.Events.Gateway
	s.setBuffers()
	s.addLoopback()
	s.addEthernet()
	return s
}

// resolvers are the endpoints that are exempt from the denied prefixes: the
// resolvers in force, for questions.
func resolvers(dns []netip.Addr) []netip.AddrPort {
	list := make([]netip.AddrPort, 0, len(dns))
	for _, a := range dns {
		list = append(list, netip.AddrPortFrom(a, 53))
	}
	return list
}

// newTCP is TCP with CUBIC as its default, like Linux.
func newTCP(s *gstack.Stack) gstack.TransportProtocol { return tcp.NewProtocolCUBIC(s) }

// must is for calls that fail only if this package is wrong.
func must(what string, err tcpip.Error) {
	if err != nil {
		panic("net/stack: " + what + ": " + err.String())
	}
}

func (s *Stack) addLoopback() {
	s.lo = link.NewLoopback(s.Budget)
	must("loopback", s.IP.CreateNICWithOptions(NICLoopback, s.lo, gstack.NICOptions{Name: "lo", QDisc: s.lo}))
	s.addAddress(NICLoopback, netip.MustParsePrefix("127.0.0.1/8"))
	s.addAddress(NICLoopback, netip.MustParsePrefix("::1/128"))
	s.setRoutes()
}

func (s *Stack) addEthernet() {
	if s.cfg.Device == nil {
		s.configured.Store(true)
		return
	}
	s.eth = link.New(s.cfg.Device, link.Config{
		IPv6:     s.ipv6,
		Budget:   s.Budget,
		Live:     s.live,
		SYN:      s.admitSYN,
		SmallUDP: s.admitUDP,
		Changed:  s.linkChanged,
	})
	if s.cfg.MTU != 0 && s.cfg.MTU < s.cfg.Device.MTU() {
		s.eth.SetMTU(uint32(s.cfg.MTU))
	}
	must("ethernet", s.IP.CreateNICWithOptions(NICEthernet, s.eth, gstack.NICOptions{Name: "eth0", QDisc: s.eth}))
	if s.ipv6 {
		s.setV6(s.cfg.V6)
	}
	if !s.cfg.DHCP {
		s.setV4(s.cfg.V4)
		s.configured.Store(true)
	}
}

// Start begins to receive from the network device and, if so configured, to ask
// for an address by DHCP.
func (s *Stack) Start() {
	if s.eth == nil {
		return
	}
	s.eth.Start()
	s.resolveGateways()
	if s.cfg.DHCP {
		go s.runDHCP()
	}
}

// Configured waits until the machine has its addresses or the deadline (on
// wait.Now's clock) passes, and reports whether it has. One goroutine may wait.
func (s *Stack) Configured(deadline int64) bool {
	var w wait.Waiter
	s.waiting.Store(&w)
	for !s.configured.Load() {
		if deadline != wait.Forever && wait.Now() >= deadline {
			break
		}
		w.Sleep(deadline)
	}
	s.waiting.Store(nil)
	return s.configured.Load()
}

// Ethernet is the Ethernet link, or nil.
func (s *Stack) Ethernet() *link.Endpoint { return s.eth }

// HasIPv6 reports whether the machine has an IPv6 address besides loopback.
func (s *Stack) HasIPv6() bool { return s.ipv6 }

// Close ends all connections at once, for the end of the machine: established
// ones are reset, so that peers learn of it.
func (s *Stack) Close() { s.IP.Close() }

func networkOf(a netip.Addr) tcpip.NetworkProtocolNumber {
	if a.Is4() {
		return header.IPv4ProtocolNumber
	}
	return header.IPv6ProtocolNumber
}

func (s *Stack) addAddress(id tcpip.NICID, p netip.Prefix) {
	must("address", s.IP.AddProtocolAddress(id, tcpip.ProtocolAddress{
		Protocol:          networkOf(p.Addr()),
		AddressWithPrefix: tcpip.AddressWithPrefix{Address: Address(p.Addr()), PrefixLen: p.Bits()},
	}, gstack.AddressProperties{}))
}

// Address is a netip address in gVisor's form.
func Address(a netip.Addr) tcpip.Address {
	switch {
	case a.Is4():
		return tcpip.AddrFrom4(a.As4())
	case a.Is6():
		return tcpip.AddrFrom16(a.As16())
	}
	return tcpip.Address{}
}
