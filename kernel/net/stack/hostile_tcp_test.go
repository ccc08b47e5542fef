package stack

import (
	"bytes"
	"encoding/binary"
	"io"
	"math/rand"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/waiter"

	"skerry/kernel/net/nettest"
)

// segment makes a TCP segment with options.
func segment(from, to uint16, seq, ack uint32, flags byte, window uint16, options, payload []byte) []byte {
	for len(options)%4 != 0 {
		options = append(options, 1)
	}
	b := nettest.TCP(from, to, seq, ack, flags, nil)
	b[12] = byte(5+len(options)/4) << 4
	binary.BigEndian.PutUint16(b[14:], window)
	return append(append(b, options...), payload...)
}

// handshake connects a peer that the test plays and returns the endpoint with
// the peer's next sequence number and the one that it expects.
func (b *bench) handshake(t testing.TB, ln tcpip.Endpoint, port uint16, options []byte) (ep tcpip.Endpoint, seq, ack uint32) {
	seq = uint32(port) << 16
	isReply := func(f []byte) bool {
		return isType(0x0800)(f) && f[23] == 6 && binary.BigEndian.Uint16(f[36:]) == port && f[47]&0x12 == 0x12
	}
	for try := 0; try < 10 && ack == 0; try++ { // a listener that is behind drops some
		b.inject4(nettest.IPv4(peer4, our4, 6, nil, segment(port, 80, seq, 0, 2, 65535, options, nil)))
		for _, f := range b.frames(isReply) {
			if isReply(f) {
				ack = binary.BigEndian.Uint32(f[38:]) + 1
			}
		}
	}
	seq++
	b.inject4(nettest.IPv4(peer4, our4, 6, nil, segment(port, 80, seq, ack, 0x10, 65535, nil, nil)))
	for i := 0; i < 1000; i++ {
		if ep, _, err := ln.Accept(nil); err == nil {
			return ep, seq, ack
		}
		time.Sleep(time.Millisecond)
	}
	t.Fatalf("port %d not accepted, ack %d\n%s%s", port, ack, b.s.DropReport(), b.s.ProcSNMP())
	return nil, 0, 0
}

// TestHostileSegments plays a peer that is connected and then sends anything:
// numbers around the right ones and far off, every flag, SACK blocks that make
// no sense, tiny and zero windows, overlapping and reordered data. The oracle is
// no panic and bounded memory.
func TestHostileSegments(t *testing.T) {
	b := newBench(t, nil)
	b.resolve()
	ln, _ := b.s.IP.NewEndpoint(tcp.ProtocolNumber, header.IPv4ProtocolNumber, &waiter.Queue{})
	ln.Bind(tcpip.FullAddress{Port: 80})
	ln.Listen(50)
	defer ln.Close()
	rng := rand.New(rand.NewSource(11))
	syn := []byte{2, 4, 5, 0xb4, 4, 2, 3, 3, 7} // MSS, SACK permitted, window scale
	heap := heapNow()
	conns := 40
	if testing.Short() {
		conns = 8
	}
	for c := 0; c < conns; c++ {
		options := syn
		if c%3 == 1 {
			options = []byte{2, 4, 0, 1} // an MSS of one byte
		} else if c%3 == 2 {
			options = nil
		}
		port := uint16(2000 + c)
		ep, seq, ack := b.handshake(t, ln, port, options)
		for i := 0; i < 1500; i++ {
			if i%10 == 0 {
				ep.Write(bytes.NewReader(make([]byte, rng.Intn(5000))), tcpip.WriteOptions{})
			}
			if i%7 == 0 {
				ep.Read(io.Discard, tcpip.ReadOptions{})
				ep.ModerateRecvBuf(rng.Intn(100))
			}
			near := func(v uint32) uint32 {
				switch rng.Intn(6) {
				case 0:
					return v
				case 1:
					return v + uint32(rng.Intn(3000))
				case 2:
					return v - uint32(rng.Intn(3000))
				case 3:
					return v + uint32(rng.Intn(1<<20))
				case 4:
					return rng.Uint32()
				}
				return v + uint32(rng.Intn(3))
			}
			flags := byte(0x10)
			switch rng.Intn(30) {
			case 0:
				flags = byte(rng.Intn(256))
			case 1, 2:
				flags = 0x18
			case 3:
				flags = 0x12
			}
			if i < 1200 {
				flags &^= 0x05 // let it live a while: no RST, no FIN
			}
			var opts []byte
			if rng.Intn(3) == 0 {
				n := 1 + rng.Intn(4)
				opts = append(opts, 1, 1, 5, byte(2+8*n))
				for k := 0; k < n; k++ {
					opts = binary.BigEndian.AppendUint32(opts, near(ack))
					opts = binary.BigEndian.AppendUint32(opts, near(ack))
				}
			} else if rng.Intn(10) == 0 {
				opts = make([]byte, rng.Intn(40))
				rng.Read(opts)
			}
			payload := make([]byte, []int{0, 0, 1, 10, 536, 1400}[rng.Intn(6)])
			s := near(seq)
			b.inject4(nettest.IPv4(peer4, our4, 6, nil, segment(port, 80, s, near(ack), flags, []uint16{0, 1, 100, 65535}[rng.Intn(4)], opts[:min(len(opts), 40)], payload)))
			if i%50 == 0 {
				// Learn where the machine is, as a real peer does.
				b.mu.Lock()
				for _, f := range b.sent {
					if isType(0x0800)(f) && len(f) >= 54 && f[23] == 6 && binary.BigEndian.Uint16(f[36:]) == port {
						ack = binary.BigEndian.Uint32(f[38:])
						seq = binary.BigEndian.Uint32(f[42:])
					}
				}
				b.sent = nil
				b.mu.Unlock()
			}
		}
		if c%2 == 0 {
			ep.Close()
		} else {
			ep.Abort()
		}
	}
	if grown := int64(heapNow()) - int64(heap); grown > 16<<20 {
		t.Errorf("heap grew by %d bytes", grown)
	}
}

// TestSlowReaders fills a machine whose program does not read: windows close,
// memory is bounded, and an established flow still gets through.
func TestSlowReaders(t *testing.T) {
	b := newBench(t, func(c *Config) { c.Memory = 256 << 20 })
	b.resolve()
	ln, _ := b.s.IP.NewEndpoint(tcp.ProtocolNumber, header.IPv4ProtocolNumber, &waiter.Queue{})
	ln.Bind(tcpip.FullAddress{Port: 80})
	ln.Listen(200)
	defer ln.Close()
	var eps []*tcp.Endpoint
	b.s.Budget.SetCensus(func(int64) int64 {
		n := int64(0)
		for _, e := range eps {
			n += int64(ReceiveMemory(e))
		}
		return n
	})
	good, gseq, gack := b.handshake(t, ln, 999, nil)
	type flow struct {
		port     uint16
		seq, ack uint32
	}
	var flows []flow
	for i := 0; i < 150; i++ {
		ep, seq, ack := b.handshake(t, ln, uint16(3000+i), []byte{2, 4, 5, 0xb4, 3, 3, 7})
		eps = append(eps, ep.(*tcp.Endpoint))
		flows = append(flows, flow{uint16(3000 + i), seq, ack})
	}
	heap := heapNow()
	data := make([]byte, 1400)
	for r := 0; r < 200; r++ {
		for i := range flows {
			f := &flows[i]
			// Whatever the window: the peer does not care.
			b.inject4(nettest.IPv4(peer4, our4, 6, nil, segment(f.port, 80, f.seq, f.ack, 0x10, 65535, nil, data)))
			f.seq += uint32(len(data))
		}
		b.mu.Lock()
		b.sent = nil
		b.mu.Unlock()
	}
	if grown := int64(heapNow()) - int64(heap); grown > 24<<20 { // limit 16 MiB
		t.Errorf("heap grew by %d bytes", grown)
	}
	b.inject4(nettest.IPv4(peer4, our4, 6, nil, segment(999, 80, gseq, gack, 0x18, 65535, nil, []byte("hello"))))
	for i := 0; ; i++ {
		var w bytes.Buffer
		if _, err := good.Read(&w, tcpip.ReadOptions{}); err == nil && w.String() == "hello" {
			break
		}
		if i == 500 {
			t.Fatal("the good flow is starved")
		}
		time.Sleep(2 * time.Millisecond)
	}
	for _, e := range eps {
		e.Abort()
	}
	good.Close()
}
