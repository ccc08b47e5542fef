package inet

import (
	"math/rand"
	"net/netip"
	"sync"
	"testing"

	"skerry/kernel/hw/nic"
	"skerry/kernel/net/nettest"
	"skerry/kernel/net/sockettest"
	"skerry/kernel/net/stack"
)

type script = sockettest.Script

var (
	in4 = sockettest.In4
	in6 = sockettest.In6
	i32 = sockettest.I32
)

func testRandom() func([]byte) {
	var mu sync.Mutex
	rng := rand.New(rand.NewSource(42))
	return func(b []byte) { mu.Lock(); rng.Read(b); mu.Unlock() }
}

func newHost(t testing.TB) *Host {
	// The host that the tests compare with has a way out too; nothing answers there.
	st := stack.New(stack.Config{Memory: 4 << 30, Random: testRandom(),
		Device: nettest.NewWire(nic.Caps{}, 1500, func(nettest.Frame) {}),
		V4:     stack.Iface{Addr: netip.MustParsePrefix("10.0.2.15/24"), Gateway: netip.MustParseAddr("10.0.2.2")}})
	t.Cleanup(st.Close)
	return New(st)
}

// diff compares a script's answers with the host's kernel.
func diff(t *testing.T, name string, f func(*script)) {
	t.Run(name, func(t *testing.T) { sockettest.Diff(t, f, newHost(t).Socket) })
}
