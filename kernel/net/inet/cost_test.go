package inet

import (
	"runtime"
	"testing"

	"skerry/kernel/abi"
	"skerry/kernel/net/socket"
)

// liveHeap is the bytes of heap in use.
func liveHeap() int64 {
	for i := 0; i < 3; i++ {
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestCost: what a socket is charged for as such is what it takes of the heap,
// idle and after use, so that the limit on sockets is one on memory.
func TestCost(t *testing.T) {
	h := newHost(t)
	const n = 500
	var th thread
	var list []socket.Socket
	before := liveHeap()
	for i := 0; i < n; i++ {
		s, _ := h.Socket(abi.AF_INET, abi.SOCK_DGRAM, 0)
		s.Bind(loopback)
		list = append(list, s)
	}
	grams := (liveHeap() - before) / n
	before = liveHeap()
	for i := 0; i < n; i++ {
		c, s := connection(t, h, h, loopback)
		list = append(list, c, s)
	}
	idle := (liveHeap() - before) / (2 * n)
	for i := n; i < len(list); i++ {
		th.write(list[i], make([]byte, 100))
	}
	for i := n; i < len(list); i++ {
		th.read(list[i], make([]byte, 1000), 0)
	}
	used := (liveHeap() - before) / (2 * n)
	t.Logf("bytes of heap: datagram socket %d, connection %d, used %d", grams, idle, used)
	if grams > datagramCost || used > streamCost || idle > streamCost {
		t.Error("a socket takes more than it is charged")
	}
	for _, s := range list {
		s.Release()
	}
}
