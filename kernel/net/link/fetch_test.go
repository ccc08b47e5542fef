package link

import (
	"bytes"
	"testing"

	"gvisor.dev/gvisor/pkg/sync"
	"gvisor.dev/gvisor/pkg/tcpip"
	gstack "gvisor.dev/gvisor/pkg/tcpip/stack"

	"skerry/kernel/hw/nic"
	"skerry/kernel/net/nettest"
)

// catch is a stack that keeps what it is given.
type catch struct {
	gstack.NetworkDispatcher
	got [][]byte
}

func (c *catch) DeliverNetworkPacket(_ tcpip.NetworkProtocolNumber, pkt *gstack.PacketBuffer) {
	v := pkt.ToView()
	c.got = append(c.got, v.ToSlice())
	v.Release()
}

// TestFetchedOnce: a device that rewrites a frame while the filters look at it
// (here: when they ask about it, at the latest moment) changes nothing of what
// goes up, which is what the filters have passed.
func TestFetchedOnce(t *testing.T) {
	us, them := [4]byte{10, 0, 0, 1}, [4]byte{10, 0, 0, 2}
	dev := nettest.NewWire(nic.Caps{}, 1500, func(nettest.Frame) {})
	var frame []byte
	asked := 0
	spoil := func() {
		asked++
		for i := range frame {
			frame[i] ^= 0xff
		}
	}
	e := New(dev, Config{
		SYN:      func([]byte, uint16) bool { spoil(); return true },
		SmallUDP: func(Quoted) bool { spoil(); return true },
		Live:     func(Quoted) bool { spoil(); return true },
	})
	e.SetAddrs(&Addrs{V4: []V4{{0x0a000001, 0xffffff00}}})
	var c catch
	e.Attach(&c)
	quoted := nettest.IPv4(us, them, 6, nil, nettest.TCP(80, 1234, 7, 0, 2, nil))
	packets := [][]byte{
		nettest.IPv4(them, us, 6, nil, nettest.TCP(1234, 80, 7, 0, 2, []byte("request"))),
		nettest.IPv4(them, us, 17, nil, nettest.UDP(1234, 80, []byte("question"))),
		nettest.IPv4(them, us, 1, nil, append([]byte{3, 3, 0, 0, 0, 0, 0, 0}, quoted...)),
	}
	for i, p := range packets {
		frame = nettest.Ethernet(dev.MAC(), [6]byte{2, 0, 0, 0, 0, 9}, 0x0800, append(bytes.Clone(p), "padding"...))
		e.Receive(frame, nic.Offload{})
		if len(c.got) != i+1 || asked != i+1 {
			t.Fatal(i, len(c.got), asked)
		}
		if !bytes.Equal(c.got[i], p) {
			t.Errorf("%d: % x went up instead of % x", i, c.got[i], p)
		}
	}
}

// TestReceiveMemory: a received frame takes one buffer and no garbage, whether it
// goes up or not.
func TestReceiveMemory(t *testing.T) {
	if sync.RaceEnabled {
		t.Skip("pools forget at random under the race detector")
	}
	dev := nettest.NewWire(nic.Caps{}, 1500, func(nettest.Frame) {})
	e := New(dev, Config{})
	e.SetAddrs(&Addrs{V4: []V4{{0x0a000001, 0xffffff00}}})
	e.Attach(&discard{})
	for name, to := range map[string][4]byte{"ours": {10, 0, 0, 1}, "not ours": {10, 0, 0, 7}} {
		frame := nettest.Ethernet(dev.MAC(), [6]byte{2, 0, 0, 0, 0, 9}, 0x0800,
			nettest.IPv4([4]byte{10, 0, 0, 2}, to, 6, nil, nettest.TCP(1234, 80, 7, 8, 16, make([]byte, 1000))))
		n := testing.AllocsPerRun(1000, func() { e.Receive(frame, nic.Offload{}) })
		if n > 0.5 { // the pools may be emptied by a collection
			t.Errorf("%s: %.1f allocations", name, n)
		}
	}
}

// discard is a stack that takes no notice.
type discard struct{ gstack.NetworkDispatcher }

func (*discard) DeliverNetworkPacket(tcpip.NetworkProtocolNumber, *gstack.PacketBuffer) {}
