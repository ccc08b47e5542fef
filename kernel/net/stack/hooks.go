package stack

import (
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"gvisor.dev/gvisor/pkg/log"
	"gvisor.dev/gvisor/pkg/rand"
	"gvisor.dev/gvisor/pkg/tcpip"
	gstack "gvisor.dev/gvisor/pkg/tcpip/stack"

	"skerry/kernel/net/link"
)

// random reads from the hook that the machine's first stack was given.
type random struct{}

var randomHook atomic.Pointer[func([]byte)]

// Read implements io.Reader.
func (random) Read(b []byte) (int, error) {
	(*randomHook.Load())(b)
	return len(b), nil
}

// useRandom makes f the source of everything random in the IP stack: the
// secrets of sequence numbers, ports, cookies and timestamps come from the
// stack's SecureRNG, and what reads gVisor's package-level reader (the first
// fragment identifier) gets f too, so that getrandom is never called.
func useRandom(f func([]byte)) {
	if f == nil {
		panic("net/stack: no source of randomness")
	}
	randomHook.Store(&f)
	rand.Reader = random{}
}

// emitter sends the IP stack's warnings to the kernel's log.
type emitter struct{ log func(string) }

// Emit implements log.Emitter.
func (e emitter) Emit(_ int, _ log.Level, _ time.Time, format string, args ...any) {
	if e.log != nil {
		e.log(fmt.Sprintf(format, args...))
	}
}

// useLog keeps the IP stack from printing.
func useLog(f func(string)) {
	log.SetTarget(emitter{f})
	log.SetLevel(log.Warning)
}

// gateways watches the neighbour cache for gateways that move to another MAC.
type gateways struct {
	changed func(netip.Addr, link.MAC, link.MAC)

	mu    sync.Mutex
	addrs [2]tcpip.Address
	macs  [2]link.MAC
}

func (g *gateways) set(v4, v6 netip.Addr) {
	g.mu.Lock()
	for i, a := range [2]tcpip.Address{Address(v4), Address(v6)} {
		if g.addrs[i] != a {
			g.addrs[i], g.macs[i] = a, link.MAC{}
		}
	}
	g.mu.Unlock()
}

// OnNeighborAdded implements stack.NUDDispatcher.
func (g *gateways) OnNeighborAdded(_ tcpip.NICID, n gstack.NeighborEntry) { g.look(n) }

// OnNeighborChanged implements stack.NUDDispatcher.
func (g *gateways) OnNeighborChanged(_ tcpip.NICID, n gstack.NeighborEntry) { g.look(n) }

// OnNeighborRemoved implements stack.NUDDispatcher.
func (*gateways) OnNeighborRemoved(tcpip.NICID, gstack.NeighborEntry) {}

func (g *gateways) look(n gstack.NeighborEntry) {
	if n.State != gstack.Reachable || len(n.LinkAddr) != len(link.MAC{}) {
		return
	}
	now := link.MAC([]byte(n.LinkAddr))
	g.mu.Lock()
	var before link.MAC
	moved := false
	for i := range g.addrs {
		if g.addrs[i] == n.Addr && g.macs[i] != now {
			before, moved = g.macs[i], g.macs[i] != link.MAC{}
			g.macs[i] = now
		}
	}
	g.mu.Unlock()
	if moved && g.changed != nil {
		a, _ := netip.AddrFromSlice(n.Addr.AsSlice())
		g.changed(a, before, now)
	}
}

// dropReasons goes through the ingress filter's reasons.
func dropReasons() func(func(link.Drop) bool) {
	return func(yield func(link.Drop) bool) {
		for d := 0; d < link.NumDrops; d++ {
			if !yield(link.Drop(d)) {
				return
			}
		}
	}
}
