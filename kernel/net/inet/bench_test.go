package inet

import (
	"net/netip"
	"testing"

	"skerry/kernel/abi"
	"skerry/kernel/hw/nic"
	"skerry/kernel/net/nettest"
	"skerry/kernel/net/socket"
	"skerry/kernel/net/stack"
)

// BenchmarkEcho is a round trip of 64 bytes between two blocking threads over
// loopback.
func BenchmarkEcho(b *testing.B) {
	h := newHost(b)
	c, s := connection(b, h, h, loopback)
	echo(b, c, s, 64, 64)
}

func echo(b *testing.B, c, s socket.Socket, ask, answer int) {
	for _, x := range []socket.Socket{c, s} {
		x.SetOption(abi.SOL_TCP, abi.TCP_NODELAY, i32(1))
	}
	go func() {
		var th thread
		buf, reply := make([]byte, 4096), make([]byte, answer)
		for {
			if n, e := th.read(s, buf, 0); n <= 0 || e != abi.OK {
				return
			}
			th.write(s, reply)
		}
	}()
	var th thread
	buf, q := make([]byte, answer), make([]byte, ask)
	b.ReportAllocs()
	b.ResetTimer()
	for i := 0; i < b.N; i++ {
		th.write(c, q)
		if n, e := th.read(c, buf, abi.MSG_WAITALL); n != answer || e != abi.OK {
			b.Fatal(n, e)
		}
	}
	b.StopTimer()
	c.Release()
}

// BenchmarkBulk sends 64 KiB writes over loopback.
func BenchmarkBulk(b *testing.B) {
	h := newHost(b)
	c, s := connection(b, h, h, loopback)
	bulk(b, c, s)
}

func bulk(b *testing.B, c, s socket.Socket) {
	const size = 64 << 10
	done := make(chan struct{})
	go func() {
		defer close(done)
		var th thread
		buf := make([]byte, size)
		for {
			if n, e := th.read(s, buf, 0); n <= 0 || e != abi.OK {
				return
			}
		}
	}()
	var th thread
	data := make([]byte, size)
	b.SetBytes(size)
	b.ReportAllocs()
	b.ResetTimer()
	for i := 0; i < b.N; i++ {
		if n, e := th.write(c, data); n != size || e != abi.OK {
			b.Fatal(n, e)
		}
	}
	c.Shutdown(abi.SHUT_WR)
	<-done
}

// wirePair is a connection between two machines back to back.
func wirePair(b *testing.B, caps nic.Caps) (c, s socket.Socket) {
	da, db := nettest.NewPair(caps, 1500)
	mk := func(d *nettest.Dev, addr string) *Host {
		st := stack.New(stack.Config{Device: d, V4: stack.Iface{Addr: netip.MustParsePrefix(addr)}, Memory: 4 << 30, Random: testRandom()})
		st.Start()
		b.Cleanup(func() { st.Close(); d.Stop() })
		return New(st)
	}
	return connection(b, mk(da, "10.0.0.1/24"), mk(db, "10.0.0.2/24"), in4("10.0.0.2", 0))
}

var offload = nic.Caps{TxCsum: true, TxGSO4: true, TxGSO6: true, RxCsum: true, RxGSO: true}

// BenchmarkWireHTTP is a request of 100 bytes and an answer of 500 over a wire.
func BenchmarkWireHTTP(b *testing.B) {
	c, s := wirePair(b, offload)
	echo(b, c, s, 100, 500)
}

// BenchmarkWireBulk is bulk transfer with and without the device's help.
func BenchmarkWireBulk(b *testing.B) {
	for name, caps := range map[string]nic.Caps{"offload": offload, "plain": {}} {
		b.Run(name, func(b *testing.B) {
			c, s := wirePair(b, caps)
			bulk(b, c, s)
		})
	}
}

// BenchmarkUDP sends and receives 100 bytes over loopback on one thread.
func BenchmarkUDP(b *testing.B) {
	h := newHost(b)
	a, _ := h.Socket(abi.AF_INET, abi.SOCK_DGRAM, 0)
	c, _ := h.Socket(abi.AF_INET, abi.SOCK_DGRAM, 0)
	a.Bind(loopback)
	var name [128]byte
	n, _ := a.LocalAddr(name[:])
	c.Connect(name[:n])
	var th thread
	buf := make([]byte, 100)
	b.ReportAllocs()
	for i := 0; i < b.N; i++ {
		th.v.InitBytes(buf)
		if _, e := c.Write(&th.v, 0); e != abi.OK {
			b.Fatal(e)
		}
		th.v.InitBytes(buf)
		if _, e := a.Read(&th.v, 0); e != abi.OK {
			b.Fatal(e)
		}
	}
}

// BenchmarkReadiness is what poll and epoll ask.
func BenchmarkReadiness(b *testing.B) {
	h := newHost(b)
	c, _ := connection(b, h, h, loopback)
	for i := 0; i < b.N; i++ {
		c.Readiness(0xffff)
	}
}
