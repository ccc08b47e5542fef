package inet

import (
	"net/netip"
	"testing"
	"time"

	"skerry/kernel/abi"
	"skerry/kernel/net/nettest"
	"skerry/kernel/net/socket"
	"skerry/kernel/net/sockettest"
	"skerry/kernel/net/stack"
)

// TestDelayedAck counts frames: in a dialogue answers carry acknowledgements,
// what is not answered is acknowledged all the same, and bulk data are
// acknowledged as they come.
func TestDelayedAck(t *testing.T) {
	da, db := nettest.NewPair(offload, 1500)
	mk := func(d *nettest.Dev, addr string) *Host {
		st := stack.New(stack.Config{Device: d, V4: stack.Iface{Addr: netip.MustParsePrefix(addr)}, Memory: 1 << 30, Random: testRandom()})
		st.Start()
		t.Cleanup(func() { st.Close(); d.Stop() })
		return New(st)
	}
	c, s := connection(t, mk(da, "10.0.0.1/24"), mk(db, "10.0.0.2/24"), in4("10.0.0.2", 0))
	c.SetOption(abi.SOL_TCP, abi.TCP_NODELAY, i32(1))
	s.SetOption(abi.SOL_TCP, abi.TCP_NODELAY, i32(1))
	var a, b thread
	buf := make([]byte, 1000)
	read500 := func(th *thread, s socket.Socket) {
		if n, e := th.read(s, buf[:500], abi.MSG_WAITALL); n != 500 || e != abi.OK {
			t.Fatal(n, e)
		}
	}
	round := func() {
		a.write(c, buf[:100])
		if n, e := b.read(s, buf[:100], abi.MSG_WAITALL); n != 100 || e != abi.OK {
			t.Fatal(n, e)
		}
		b.write(s, buf[:500])
		read500(&a, c)
	}
	for i := 0; i < 10; i++ {
		round()
	}
	beforeA, beforeB := da.Sent.Load(), db.Sent.Load()
	const rounds = 200
	for i := 0; i < rounds; i++ {
		round()
	}
	if n := da.Sent.Load() - beforeA + db.Sent.Load() - beforeB; n > rounds*5/2 {
		t.Errorf("%d frames for %d rounds", n, rounds)
	}
	// Without an answer.
	a.write(c, buf[:100])
	at := time.Now()
	outq := func() int {
		var v [4]byte
		c.Ioctl(abi.TIOCOUTQ, sockettest.Address(v[:]))
		return int(v[0]) | int(v[1])<<8
	}
	for outq() != 0 {
		if time.Since(at) > 2*time.Second {
			t.Fatal("not acknowledged")
		}
		time.Sleep(time.Millisecond)
	}
	if d := time.Since(at); d > 150*time.Millisecond {
		t.Errorf("acknowledged after %v", d)
	}
	if st := c.(*Stream).host.Stack().IP.Stats().TCP.Retransmits.Value(); st > 2 {
		t.Errorf("%d retransmissions", st)
	}
}
