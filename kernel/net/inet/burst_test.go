package inet

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"time"

	"skerry/kernel/abi"
	"skerry/kernel/hw/nic"
	"skerry/kernel/net/nettest"
	"skerry/kernel/net/socket"
	"skerry/kernel/net/stack"
)

// TestConnectionBurst: peers that never repeat anything open many connections at
// once, and each sends its request right behind the acknowledgement that ends the
// handshake. As long as the listener's queue has room for them all, all are
// answered and no request is lost, whatever the listening program is doing
// meanwhile.
func TestConnectionBurst(t *testing.T) {
	for _, c := range []struct {
		memory         int64
		backlog, peers int
	}{
		{256 << 20, 4096, 500}, {256 << 20, 511, 500}, {64 << 20, 4096, 120}, {1 << 30, 4096, 2000}, {256 << 20, 128, 128},
	} {
		t.Run(fmt.Sprintf("%d of %d in %d MiB", c.peers, c.backlog, c.memory>>20), func(t *testing.T) {
			connectionBurst(t, c.memory, c.backlog, c.peers)
		})
	}
}

func connectionBurst(t *testing.T, memory int64, backlog, peers int) {
	mac, own, peer := [6]byte{2, 0, 0, 0, 0, 9}, [4]byte{10, 0, 0, 2}, [4]byte{10, 0, 0, 9}
	var mu sync.Mutex
	var synAcks [][]byte
	seenPort := map[uint16]bool{} // on a slow host the machine repeats its answers
	dev := nettest.NewWire(nic.Caps{}, 1500, func(f nettest.Frame) {
		mu.Lock()
		defer mu.Unlock()
		if len(f.Data) >= 54 && f.Data[12] == 8 && f.Data[13] == 0 && f.Data[23] == 6 && f.Data[47]&0x12 == 0x12 && !seenPort[binary.BigEndian.Uint16(f.Data[36:])] {
			seenPort[binary.BigEndian.Uint16(f.Data[36:])] = true
			synAcks = append(synAcks, f.Data)
		}
	})
	st := stack.New(stack.Config{Device: dev, Memory: memory, Random: testRandom(), V4: stack.Iface{Addr: netip.MustParsePrefix("10.0.0.2/24")}})
	defer st.Close()
	st.Start()
	h := New(st)
	l, _ := h.Socket(abi.AF_INET, abi.SOCK_STREAM, 0)
	l.Bind(in4("0.0.0.0", 80))
	if e := l.Listen(backlog); e != abi.OK {
		t.Fatal(e)
	}
	defer l.Release()
	frame := func(from uint16, seq, ack uint32, flags byte, data string) []byte {
		return nettest.Ethernet(dev.MAC(), mac, 0x0800, nettest.IPv4(peer, own, 6, nil, nettest.TCP(from, 80, seq, ack, flags, []byte(data))))
	}
	got := func() int { mu.Lock(); defer mu.Unlock(); return len(synAcks) }
	answered := func(n int) bool {
		for end := time.Now().Add(900 * time.Millisecond); got() < n && time.Now().Before(end); {
			time.Sleep(time.Millisecond)
		}
		return got() >= n
	}
	// The machine has to know the peer's hardware address, which it asks for.
	dev.Inject(frame(1999, 1000, 0, 2, ""))
	time.Sleep(20 * time.Millisecond)
	dev.Inject(nettest.Ethernet(dev.MAC(), mac, 0x0806, nettest.ARP(2, mac, peer, dev.MAC(), own)))
	if !answered(1) {
		t.Fatal("no answer to the first request")
	}
	mu.Lock()
	synAcks = nil
	mu.Unlock()
	var frames [][]byte
	for i := range peers {
		frames = append(frames, frame(uint16(2000+i), 1000, 0, 2, ""))
	}
	dev.Inject(frames...)
	if n := peers; !answered(n) {
		n = got()
		t.Fatalf("%d of %d requests were answered\n%s%s", n, peers, st.DropReport(), st.ProcSNMP())
	}
	// Acknowledgements and requests, in one burst.
	frames = nil
	mu.Lock()
	for _, f := range synAcks[:peers] {
		port, ack := binary.BigEndian.Uint16(f[36:]), binary.BigEndian.Uint32(f[38:])+1
		frames = append(frames, frame(port, 1001, ack, 0x10, ""), frame(port, 1001, ack, 0x18, fmt.Sprintf("GET /%d HTTP/1.1\r\nHost: somewhere.example\r\nUser-Agent: test\r\n\r\n", port)))
	}
	mu.Unlock()
	dev.Inject(frames...)
	var th thread
	seen := map[string]bool{}
	for range peers {
		var s socket.Socket
		var e abi.Errno
		for end := time.Now().Add(900 * time.Millisecond); ; time.Sleep(time.Millisecond) {
			if s, _, e = socket.Accept(l, &th.w, make([]byte, socket.AddrMax), true); e != abi.EAGAIN || time.Now().After(end) {
				break
			}
		}
		if e != abi.OK {
			t.Fatalf("%v after %d were accepted\n%s%s", e, len(seen), st.DropReport(), st.ProcSNMP())
		}
		buf := make([]byte, 200)
		n := 0
		for end := time.Now().Add(500 * time.Millisecond); ; time.Sleep(time.Millisecond) {
			if n, e = th.read(s, buf, abi.MSG_DONTWAIT); e != abi.EAGAIN || time.Now().After(end) {
				break
			}
		}
		if e != abi.OK {
			t.Fatalf("request of connection %d: %v\n%s%s", len(seen), e, st.DropReport(), st.ProcSNMP())
		}
		seen[string(buf[:n])] = true
		s.Release()
	}
	if len(seen) != peers {
		t.Errorf("%d different requests of %d", len(seen), peers)
	}
}
