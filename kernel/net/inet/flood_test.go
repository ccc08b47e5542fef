package inet

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"skerry/kernel/abi"
	"skerry/kernel/hw/nic"
	"skerry/kernel/net/nettest"
	"skerry/kernel/net/socket"
	"skerry/kernel/net/stack"
)

// TestIdleConnections: on a machine of 64 MiB a peer opens connections and holds
// them until no more are taken. The listener does not fail for that, those who
// ask for one too many get no answer, and when some are closed others get in.
func TestIdleConnections(t *testing.T) {
	caps := nic.Caps{TxCsum: true, RxCsum: true}
	da, db := nettest.NewPair(caps, 1500)
	mk := func(d *nettest.Dev, addr string, memory int64) *Host {
		st := stack.New(stack.Config{Device: d, V4: stack.Iface{Addr: netip.MustParsePrefix(addr)}, Memory: memory, Random: testRandom()})
		st.Start()
		t.Cleanup(func() { st.Close(); d.Stop() })
		return New(st)
	}
	peer, m := mk(da, "10.0.0.1/24", 4<<30), mk(db, "10.0.0.2/24", 64<<20)
	l, _ := m.Socket(abi.AF_INET, abi.SOCK_STREAM, 0)
	l.Bind(in4("0.0.0.0", 80))
	l.Listen(128)
	accepted := make(chan socket.Socket, 5000)
	failed := make(chan abi.Errno, 1)
	go func() {
		var th thread
		for {
			s, _, e := socket.Accept(l, &th.w, make([]byte, socket.AddrMax), false)
			switch e {
			case abi.OK:
				accepted <- s
			case abi.ENFILE:
				time.Sleep(5 * time.Millisecond) // as servers do
			default:
				failed <- e
				return
			}
		}
	}()
	limit := int(m.st.Budget.SocketLimit()) / streamCost
	var held []socket.Socket
	for i := 0; i < limit+400; i++ {
		c, e := peer.Socket(abi.AF_INET, abi.SOCK_STREAM, 0)
		if e != abi.OK {
			t.Fatal(e)
		}
		c.Connect(in4("10.0.0.2", 80))
		held = append(held, c)
		for k := 0; k < 20 && c.Readiness(4) == 0 && i < limit-10; k++ {
			time.Sleep(time.Millisecond)
		}
	}
	time.Sleep(50 * time.Millisecond)
	if n := len(accepted); n > limit || n < limit*9/10 {
		t.Errorf("%d accepted, there is memory for %d", n, limit)
	}
	select {
	case e := <-failed:
		t.Fatal("the listener failed:", e)
	default:
	}
	if used := m.st.Budget.Used(); used > m.st.Budget.Limit() {
		t.Error(used, "bytes used")
	}
	// Those that got in are alive.
	s := <-accepted
	var th thread
	th.write(s, []byte("alive"))
	// Some leave, others get in: their requests are repeated after a second.
	for i := 0; i < 200; i++ {
		(<-accepted).Release()
		held[i].Release()
	}
	before := len(accepted)
	for i := 0; len(accepted) < before+50; i++ {
		if i == 5000 { // requests are repeated after 1, 3, 7, 15 and 31 s
			t.Fatal(len(accepted)-before, "more were let in")
		}
		time.Sleep(10 * time.Millisecond)
	}
	for _, c := range held[200:] {
		c.Release()
	}
	l.Shutdown(abi.SHUT_RD)
}

// TestRequestFlood: connection requests from everywhere, whose handshakes never
// end, reach a bounded memory, and nobody pays for them but the listener's queue.
func TestRequestFlood(t *testing.T) {
	dev := nettest.NewWire(nic.Caps{}, 1500, func(nettest.Frame) {})
	st := stack.New(stack.Config{Device: dev, Memory: 64 << 20, Random: testRandom(),
		V4: stack.Iface{Addr: netip.MustParsePrefix("10.0.0.2/8"), Gateway: netip.MustParseAddr("10.0.0.1")}})
	defer st.Close()
	st.Start()
	h := New(st)
	l, _ := h.Socket(abi.AF_INET, abi.SOCK_STREAM, 0)
	l.Bind(in4("0.0.0.0", 80))
	l.Listen(1 << 20)
	defer l.Release()
	before := liveHeap()
	for i := 0; i < 50000; i++ {
		var src [4]byte
		binary.BigEndian.PutUint32(src[:], 0x0a010000+uint32(i)*7)
		dev.Inject(nettest.Ethernet(dev.MAC(), [6]byte{2, 0, 0, 0, 0, 9}, 0x0800,
			nettest.IPv4(src, [4]byte{10, 0, 0, 2}, 6, nil, nettest.TCP(uint16(1024+i), 80, uint32(i)*77777, 0, 2, nil))))
	}
	grown := liveHeap() - before
	t.Logf("%d KiB", grown>>10)
	// Kept, they would be over 100 MiB; what waits for its turn at this moment counts.
	if grown > 16<<20 {
		t.Errorf("heap grew by %d bytes", grown)
	}
}
