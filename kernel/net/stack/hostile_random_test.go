package stack

import (
	"encoding/binary"
	"math/rand"
	"testing"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/waiter"

	"skerry/kernel/net/nettest"
)

// FuzzFrame feeds arbitrary frames to a machine with sockets; the oracle is
// that it does not panic.
func FuzzFrame(f *testing.F) {
	b := newBench(f, nil)
	b.udpSocket(header.IPv4ProtocolNumber, 9)
	b.udpSocket(header.IPv6ProtocolNumber, 10)
	for _, s := range fuzzSeeds() {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		b.dev.Inject(data)
		b.mu.Lock()
		b.sent = nil
		b.mu.Unlock()
	})
}

func fuzzSeeds() [][]byte {
	msg := nettest.UDP(99, 9, []byte("payload"))
	return [][]byte{
		nettest.Ethernet(ourMAC, peerMAC, 0x0800, nettest.IPv4(peer4, our4, 17, nil, msg)),
		nettest.Ethernet(ourMAC, peerMAC, 0x0800, nettest.IPv4(peer4, our4, 17, []byte{148, 4, 0, 0}, msg)),
		nettest.Ethernet(ourMAC, peerMAC, 0x0800, nettest.IPv4(peer4, our4, 6, nil, nettest.TCP(5, 80, 1, 1, 2, nil))),
		nettest.Ethernet(ourMAC, peerMAC, 0x0800, nettest.IPv4(peer4, our4, 1, nil, []byte{8, 0, 0, 0, 0, 1, 0, 1, 9, 9})),
		nettest.Ethernet(ourMAC, peerMAC, 0x86dd, nettest.IPv6(peer6, our6, 17, 64, nil, msg, 17)),
		nettest.Ethernet(ourMAC, peerMAC, 0x86dd, nettest.IPv6(peer6, our6, 17, 64, []byte{17, 0, 0, 1, 0, 0, 0, 1}, msg, 44)),
		nettest.Ethernet(ourMAC, peerMAC, 0x86dd, nettest.IPv6(peer6, our6, 58, 255, nil, append([]byte{135, 0, 0, 0, 0, 0, 0, 0}, our6[:]...), 58)),
		nettest.Ethernet(ourMAC, peerMAC, 0x0806, nettest.ARP(1, peerMAC, peer4, ourMAC, our4)),
	}
}

// TestRandomFrames mutates frames, repairing the IPv4 header checksum half of
// the time so that mutations get past it.
func TestRandomFrames(t *testing.T) {
	b := newBench(t, nil)
	b.udpSocket(header.IPv4ProtocolNumber, 9)
	ln, _ := b.s.IP.NewEndpoint(tcp.ProtocolNumber, header.IPv4ProtocolNumber, &waiter.Queue{})
	ln.Bind(tcpip.FullAddress{Port: 80})
	ln.Listen(10)
	defer ln.Close()
	rng := rand.New(rand.NewSource(3))
	seeds := fuzzSeeds()
	for i := 0; i < 60000; i++ {
		f := append([]byte(nil), seeds[rng.Intn(len(seeds))]...)
		for n := rng.Intn(5); n >= 0; n-- {
			f[12+rng.Intn(len(f)-12)] = byte(rng.Intn(256))
		}
		if rng.Intn(5) == 0 {
			f = f[:rng.Intn(len(f))]
		} else if rng.Intn(5) == 0 {
			f = append(f, make([]byte, rng.Intn(200))...)
		}
		if ihl := 0; len(f) >= 34 && rng.Intn(2) == 0 {
			if ihl = int(f[14]&15) * 4; ihl >= 20 && len(f) >= 14+ihl {
				f[24], f[25] = 0, 0
				binary.BigEndian.PutUint16(f[24:], nettest.Sum(f[14:14+ihl], 0))
			}
		}
		b.dev.Inject(f)
		if i%256 == 0 {
			b.mu.Lock()
			b.sent = nil
			b.mu.Unlock()
		}
	}
}
