package machine

import (
	"net/netip"
	"strconv"
	"sync"
	"time"

	"skerry/bootrec"
	"skerry/kernel/abi"
	"skerry/kernel/ground"
	"skerry/kernel/hw/nic"
	"skerry/kernel/net"
	"skerry/kernel/net/stack"
	"skerry/kernel/policy"
	"skerry/kernel/strace"
	"skerry/kernel/syscalls"
	"skerry/kernel/task"
	"skerry/kernel/wait"
)

// leaseTime is how long the start waits for an address by DHCP; the program
// starts without one after that, and gets it when it comes.
const leaseTime = 5 * time.Second

// Network makes the IP stack and the socket families. A machine without a
// network device, or told to use none, has loopback only.
func (m *Machine) Network() {
	n := &m.Record.Net
	cfg := stack.Config{
		DHCP:       n.Mode == bootrec.NetDHCP,
		V6:         stack.Iface(n.V6),
		MTU:        n.MTU,
		DNS:        n.DNS,
		Search:     n.Search,
		Hostname:   m.Record.Hostname,
		Deny:       n.Deny,
		SealedPage: ground.SealedPage,
		Memory:     int64(m.Record.Memory),
		Random:     m.Pool.Read,
		Events: stack.Events{
			Log:    m.Ports.Log,
			Denied: func(proto uint8, to netip.AddrPort) { m.denied(to) },
			Link: func(up bool) {
				if !up {
					m.Ports.Log("the network link is down")
				}
			},
			Lease: func(a netip.Prefix) { m.Ports.Log("DHCP: address " + a.String()) },
		},
	}
	if n.Mode == bootrec.NetStatic {
		cfg.V4 = stack.Iface(n.V4)
	}
	for _, h := range n.Hosts {
		cfg.Hosts = append(cfg.Hosts, stack.Host(h))
	}
	if m.Card != nil && n.Mode != bootrec.NetNone {
		cfg.Device = nic.Device(m.Card)
	}
	st := stack.New(cfg)
	m.Net = net.New(st, socketRefused)
	m.Net.Netlink.Refused = requestRefused
	syscalls.Net = m.Net
	st.Start()
	if cfg.DHCP && cfg.Device != nil && !st.Configured(wait.Now()+int64(leaseTime)) {
		m.Ports.Log("no address by DHCP yet; the program starts without one")
	}
}

// Bounds of what is told of denied destinations: how often of each one, and of how
// many different ones. All of them are counted (stack.Egress.Denied).
const (
	deniedTold  = 3
	deniedPeers = 64
)

// denials counts what was told.
type denials struct {
	mu    sync.Mutex
	count map[netip.AddrPort]int
}

// again counts a denial and answers how often the destination was seen before;
// deniedTold if there are too many destinations to remember.
func (d *denials) again(to netip.AddrPort) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	n, known := d.count[to]
	if !known && len(d.count) >= deniedPeers {
		return deniedTold
	}
	if d.count == nil {
		d.count = map[netip.AddrPort]int{}
	}
	if n < deniedTold {
		d.count[to] = n + 1
	}
	return n
}

// told is what denied has told of.
var told denials

// denied tells the user of a destination that the program may not reach.
func (m *Machine) denied(to netip.AddrPort) {
	peer := to.String()
	e := &policy.Event{Rule: policy.RuleEgress, What: "a connection to " + peer, Object: policy.Object{Members: policy.APeer, Text: peer}, Errno: abi.EACCES}
	if policy.Violated(task.The.Current(), bootrec.RuleEgress, e, ", which is the host's own services") {
		return
	}
	n := told.again(to)
	if n >= deniedTold {
		return
	}
	line := "denied a connection to " + peer + " (the host's own services; --host-access allows them)"
	if n == deniedTold-1 {
		line += "; further ones are not shown"
	}
	m.Ports.Notice(line)
}

// socketRefused tells of a socket that the model has no place for: none gives packets, the
// kernel's ciphers or configuration, or a way to the hypervisor.
func socketRefused(domain, typ, proto int, e abi.Errno) {
	t := task.The.Current()
	if t == nil {
		return
	}
	policy.Missing(t, policy.AttackSurface, socketCall(domain, typ, proto),
		policy.Object{Members: policy.ASocket, N: [3]uint64{uint64(uint32(domain)), uint64(uint32(typ)), uint64(uint32(proto))}}, e, true)
}

// requestRefused tells of a request to change links, addresses or routes.
func requestRefused(typ uint16) {
	if t := task.The.Current(); t != nil {
		policy.Missing(t, policy.AttackSurface, callName(t)+"(NETLINK_ROUTE request "+strconv.Itoa(int(typ))+")",
			policy.Object{Members: policy.ARequest, N: [3]uint64{abi.AF_NETLINK, abi.NETLINK_ROUTE, uint64(typ)}}, abi.EPERM, true)
	}
}

// socketCall is the call, whichever way it was made: socketpair, and SOCK_PACKET of the
// Internet family, ask for one, too.
func socketCall(domain, typ, proto int) string {
	return strace.Describe(abi.SYS_SOCKET, [6]uint64{uint64(uint32(domain)), uint64(uint32(typ)), uint64(uint32(proto))}, nil)
}

// lastWords is how long the end of the machine waits for peers to acknowledge
// what the program sent.
const lastWords = time.Second

// closeNetwork closes the program's descriptors, which ends its connections in
// an orderly way, and gives what was sent a moment to arrive.
func (m *Machine) closeNetwork() {
	if m.Net == nil {
		return
	}
	files := task.The.Files
	for fd := int32(0); ; fd++ {
		next, ok := files.Next(fd)
		if !ok {
			break
		}
		if next > 2 {
			files.Close(next)
		}
		fd = next
	}
	for end := wait.Now() + int64(lastWords); m.Net.Inet.Sending() > 0 && wait.Now() < end; {
		time.Sleep(2 * time.Millisecond)
	}
	m.Net.Stack.Close()
}
