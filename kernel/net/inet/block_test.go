package inet

import (
	"bytes"
	"net/netip"
	"runtime"
	"sync"
	"testing"
	"time"

	"skerry/kernel/abi"
	"skerry/kernel/hw/nic"
	"skerry/kernel/net/nettest"
	"skerry/kernel/net/socket"
	"skerry/kernel/net/stack"
	"skerry/kernel/usermem"
	"skerry/kernel/wait"
)

// thread is a thread of the program: its place to sleep and its vector.
type thread struct {
	w wait.Waiter
	v usermem.Vec
}

func (th *thread) read(s socket.Socket, b []byte, flags int) (int, abi.Errno) {
	th.v.InitBytes(b)
	m := socket.RecvMsg{Flags: flags}
	return socket.Receive(s, &th.w, &th.v, &m, false)
}

func (th *thread) write(s socket.Socket, b []byte) (int, abi.Errno) {
	th.v.InitBytes(b)
	return socket.Transmit(s, &th.w, &th.v, &socket.SendMsg{}, false)
}

// connection makes a blocking connection from a to b.
func connection(t testing.TB, a, b *Host, addr []byte) (client, server socket.Socket) {
	l, e := b.Socket(abi.AF_INET, abi.SOCK_STREAM, 0)
	if e != abi.OK {
		t.Fatal(e)
	}
	addr = append([]byte(nil), addr...)
	if e := l.Bind(addr); e != abi.OK {
		t.Fatal(e)
	}
	l.Listen(5)
	var name [128]byte
	l.LocalAddr(name[:])
	copy(addr[2:4], name[2:4])
	defer l.Release()
	done := make(chan struct{})
	go func() {
		defer close(done)
		var th thread
		client, _ = a.Socket(abi.AF_INET, abi.SOCK_STREAM, 0)
		if e := socket.Connect(client, &th.w, addr, false); e != abi.OK {
			t.Error("connect:", e)
		}
	}()
	var th thread
	var peer [128]byte
	server, _, e = socket.Accept(l, &th.w, peer[:], false)
	if e != abi.OK {
		t.Fatal("accept:", e)
	}
	<-done
	return client, server
}

var loopback = in4("127.0.0.1", 0)

func TestBlocking(t *testing.T) {
	h := newHost(t)
	c, s := connection(t, h, h, loopback)
	data := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	go func() {
		var th thread
		if n, e := th.write(c, data); n != len(data) || e != abi.OK {
			t.Error("write:", n, e)
		}
		c.Shutdown(abi.SHUT_WR)
	}()
	var th thread
	var got []byte
	buf := make([]byte, 100000)
	for {
		n, e := th.read(s, buf, 0)
		if e != abi.OK {
			t.Fatal(e)
		}
		if n == 0 {
			break
		}
		got = append(got, buf[:n]...)
	}
	if !bytes.Equal(got, data) {
		t.Fatal(len(got))
	}
	c.Release()
	s.Release()
}

// TestEcho passes messages to and fro between two blocking threads.
func TestEcho(t *testing.T) {
	h := newHost(t)
	c, s := connection(t, h, h, loopback)
	const rounds = 2000
	go func() {
		var th thread
		b := make([]byte, 64)
		for i := 0; i < rounds; i++ {
			n, e := th.read(s, b, 0)
			if e != abi.OK {
				t.Error(e)
				return
			}
			th.write(s, b[:n])
		}
	}()
	var th thread
	b := make([]byte, 64)
	for i := 0; i < rounds; i++ {
		th.write(c, []byte("ping"))
		if n, e := th.read(c, b, 0); n != 4 || e != abi.OK {
			t.Fatal(i, n, e)
		}
	}
}

func TestWaiting(t *testing.T) {
	h := newHost(t)
	c, s := connection(t, h, h, loopback)
	var th, peer thread
	b := make([]byte, 10)

	// A time limit.
	s.SetOption(abi.SOL_SOCKET, abi.SO_RCVTIMEO, append(make([]byte, 8), 0x30, 0x75, 0, 0, 0, 0, 0, 0)) // 30 ms
	at := time.Now()
	if n, e := th.read(s, b, 0); e != abi.EAGAIN || time.Since(at) < 30*time.Millisecond {
		t.Fatal(n, e, time.Since(at))
	}
	// A signal, with and without a limit.
	signal := func() {
		go func() {
			time.Sleep(5 * time.Millisecond)
			th.w.Pending.Store(1)
			th.w.Unpark()
		}()
	}
	s.SetOption(abi.SOL_SOCKET, abi.SO_RCVTIMEO, append([]byte{60}, make([]byte, 15)...)) // no race with the signal
	signal()
	if _, e := th.read(s, b, 0); e != abi.EINTR {
		t.Fatal(e)
	}
	th.w.Pending.Store(0)
	s.SetOption(abi.SOL_SOCKET, abi.SO_RCVTIMEO, make([]byte, 16))
	signal()
	if _, e := th.read(s, b, 0); e != abi.ERESTARTSYS {
		t.Fatal(e)
	}
	th.w.Pending.Store(0)
	// MSG_WAITALL waits for all; a signal ends it with what there is.
	go func() {
		var other thread
		for i := 0; i < 5; i++ {
			other.write(c, []byte("ab"))
			time.Sleep(2 * time.Millisecond)
		}
	}()
	if n, e := th.read(s, b, abi.MSG_WAITALL); n != 10 || e != abi.OK || string(b) != "ababababab" {
		t.Fatal(n, e, string(b))
	}
	peer.write(c, []byte("xyz"))
	for s.Readiness(1) == 0 {
		time.Sleep(time.Millisecond)
	}
	signal()
	if n, e := th.read(s, b, abi.MSG_WAITALL); n != 3 || e != abi.OK {
		t.Fatal(n, e)
	}
	th.w.Pending.Store(0)
	// The low-water mark holds back readiness and a blocking read.
	s.SetOption(abi.SOL_SOCKET, abi.SO_RCVLOWAT, i32(4))
	peer.write(c, []byte("12"))
	time.Sleep(10 * time.Millisecond)
	if s.Readiness(1) != 0 {
		t.Fatal("readable below the low-water mark")
	}
	go func() { var other thread; time.Sleep(5 * time.Millisecond); other.write(c, []byte("345")) }()
	if n, e := th.read(s, b, 0); n != 5 || e != abi.OK {
		t.Fatal(n, e)
	}
	s.SetOption(abi.SOL_SOCKET, abi.SO_RCVLOWAT, i32(1))
	// A reader hears of the peer's end, a writer of the reset.
	go func() { time.Sleep(5 * time.Millisecond); c.Release() }()
	if n, e := th.read(s, b, 0); n != 0 || e != abi.OK {
		t.Fatal(n, e)
	}
	th.write(s, []byte("x"))
	for i := 0; s.Readiness(0)&8 == 0 && i < 2000; i++ { // the reset
		time.Sleep(time.Millisecond)
	}
	if _, e := th.write(s, []byte("x")); e != abi.EPIPE {
		t.Fatal(e)
	}
}

// TestLingerWaits closes with SO_LINGER while the peer does not read.
func TestLingerWaits(t *testing.T) {
	h := newHost(t)
	c, s := connection(t, h, h, loopback)
	var th thread
	c.SetOption(abi.SOL_SOCKET, abi.SO_LINGER, append(i32(1), i32(10)...))
	data := make([]byte, 1<<20)
	for idle := 0; idle < 10; { // until nothing more is taken
		th.v.InitBytes(data)
		if _, e := socket.Transmit(c, &th.w, &th.v, &socket.SendMsg{Flags: abi.MSG_DONTWAIT}, false); e == abi.EAGAIN {
			idle++
			time.Sleep(time.Millisecond)
		}
	}
	go func() {
		var r thread
		time.Sleep(100 * time.Millisecond)
		b := make([]byte, 1<<20)
		for {
			if n, e := r.read(s, b, 0); n == 0 || e != abi.OK {
				return
			}
		}
	}()
	at := time.Now()
	c.(*Stream).Linger(&th.w)
	if d := time.Since(at); d < 15*time.Millisecond || d > 5*time.Second {
		t.Fatal(d)
	}
	c.Release()
}

// TestWire runs a connection over two machines back to back.
func TestWire(t *testing.T) {
	caps := nic.Caps{TxCsum: true, TxGSO4: true, TxGSO6: true, RxCsum: true, RxGSO: true}
	da, db := nettest.NewPair(caps, 1500)
	mk := func(d *nettest.Dev, addr string, deny ...netip.Prefix) *Host {
		st := stack.New(stack.Config{Device: d, V4: stack.Iface{Addr: netip.MustParsePrefix(addr)}, Memory: 256 << 20, Random: testRandom(), Deny: deny})
		st.Start()
		t.Cleanup(func() { st.Close(); d.Stop() })
		return New(st)
	}
	a, b := mk(da, "10.0.0.1/24", netip.MustParsePrefix("10.0.0.3/32")), mk(db, "10.0.0.2/24")
	c, s := connection(t, a, b, in4("10.0.0.2", 0))
	data := bytes.Repeat([]byte("wire"), 1<<20)
	go func() {
		var th thread
		if n, e := th.write(c, data); n != len(data) || e != abi.OK {
			t.Error(n, e)
		}
		c.Release()
	}()
	var th thread
	got := 0
	buf := make([]byte, 64<<10)
	for {
		n, e := th.read(s, buf, 0)
		if e != abi.OK {
			t.Fatal(e)
		}
		if n == 0 {
			break
		}
		got += n
	}
	if got != len(data) {
		t.Fatal(got)
	}
	// The egress table, in every form of the address and for every kind of send.
	st, _ := a.Socket(abi.AF_INET, abi.SOCK_STREAM, 0)
	six, _ := a.Socket(abi.AF_INET6, abi.SOCK_STREAM, 0)
	dg, _ := a.Socket(abi.AF_INET, abi.SOCK_DGRAM, 0)
	dg6, _ := a.Socket(abi.AF_INET6, abi.SOCK_DGRAM, 0)
	v := func() *usermem.Vec { th.v.InitBytes([]byte("x")); return &th.v }
	for name, e := range map[string]abi.Errno{
		"connect":        st.Connect(in4("10.0.0.3", 80)),
		"mapped connect": six.Connect(in6("::ffff:10.0.0.3", 80)),
		"NAT64 connect":  six.Connect(in6("64:ff9b::a00:3", 80)),
		"UDP connect":    dg.Connect(in4("10.0.0.3", 80)),
		"UDP6 connect":   dg6.Connect(in6("::ffff:10.0.0.3", 80)),
		"UDP6 AF_INET":   dg6.Connect(in4("10.0.0.3", 80)),
		"sendto":         second(dg.Send(v(), &socket.SendMsg{Addr: in4("10.0.0.3", 80)})),
		"sendto mapped":  second(dg6.Send(v(), &socket.SendMsg{Addr: in6("::ffff:10.0.0.3", 80)})),
		"MSG_MORE":       second(dg.Send(v(), &socket.SendMsg{Addr: in4("10.0.0.3", 80), Flags: abi.MSG_MORE})),
	} {
		if e != abi.EACCES {
			t.Errorf("%s: %v", name, e)
		}
	}
	if e := dg.Connect(in4("10.0.0.2", 80)); e != abi.OK {
		t.Error(e)
	}
	if e := dg.Connect(in4("10.0.0.3", 80)); e != abi.EACCES {
		t.Error("re-aimed:", e)
	}
	if a.Stack().Egress.Denied() != 10 {
		t.Error(a.Stack().Egress.Denied())
	}
}

func second(_ int, e abi.Errno) abi.Errno { return e }

// TestMemory opens sockets until refused, fills queues until nothing goes, and
// checks that the limit holds and that everything comes back.
func TestMemory(t *testing.T) {
	st := stack.New(stack.Config{Memory: 64 << 20, Random: testRandom()}) // 8 MiB for sockets
	defer st.Close()
	h := New(st)
	var list []socket.Socket
	for {
		s, e := h.Socket(abi.AF_INET, abi.SOCK_DGRAM, 0)
		if e == abi.ENOBUFS {
			break
		}
		if e != abi.OK {
			t.Fatal(e)
		}
		list = append(list, s)
	}
	if len(list) != int(st.Budget.SocketLimit())/datagramCost {
		t.Fatal(len(list), "sockets")
	}
	for _, s := range list {
		s.Release()
	}
	if st.Budget.Used() != 0 {
		t.Fatal(st.Budget.Used())
	}
	heap := func() int64 {
		for i := 0; i < 3; i++ {
			runtime.GC()
		}
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := heap()
	var conns []socket.Socket
	var th thread
	data := make([]byte, 1<<20)
	for i := 0; i < 60; i++ {
		probe, e := h.Socket(abi.AF_INET, abi.SOCK_STREAM, 0)
		if e == abi.ENOBUFS {
			break
		}
		probe.Release()
		c, s := connection(t, h, h, loopback)
		conns = append(conns, c, s)
		for k := 0; k < 4; k++ {
			th.v.InitBytes(data)
			c.Send(&th.v, &socket.SendMsg{})
			time.Sleep(time.Millisecond)
		}
	}
	st.Budget.Recount()
	// One write may overshoot, by what a send buffer takes.
	if used := st.Budget.Used(); used > st.Budget.Limit()*5/4+int64(st.Buffers().TCPSendMax)*5/4 {
		t.Errorf("%d bytes used, limit %d", used, st.Budget.Limit())
	}
	if grown := heap() - before; grown > 3*st.Budget.Limit() {
		t.Errorf("heap grew by %d bytes, limit %d", grown, st.Budget.Limit())
	}
	// It still works: the first connection can be drained and used.
	b := make([]byte, 1<<20)
	total := 0
	for {
		th.v.InitBytes(b)
		n, e := conns[1].Recv(&th.v, &socket.RecvMsg{})
		if e != abi.OK {
			if total > 0 {
				break
			}
			time.Sleep(time.Millisecond)
			continue
		}
		total += n
	}
	for _, c := range conns {
		c.Release()
	}
	for i := 0; i < 200; i++ {
		if s, d, o := h.Counts(); s+d == 0 && o <= 120 {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	for h.reg.reclaim() {
	}
	if st.Budget.Recount(); st.Budget.Used() != 0 {
		s, d, o := h.Counts()
		t.Fatal(st.Budget.Used(), s, d, o)
	}
}

// TestDatagramGate floods a socket with empty datagrams from the wire.
func TestDatagramGate(t *testing.T) {
	dev := nettest.NewWire(nic.Caps{}, 1500, func(nettest.Frame) {})
	st := stack.New(stack.Config{Device: dev, V4: stack.Iface{Addr: netip.MustParsePrefix("10.0.0.1/24")}, Memory: 256 << 20, Random: testRandom()})
	defer st.Close()
	st.Start()
	h := New(st)
	s, _ := h.Socket(abi.AF_INET, abi.SOCK_DGRAM, 0)
	s.Bind(in4("0.0.0.0", 7))
	frame := nettest.Ethernet([6]byte{2, 0, 0, 0, 0, 1}, [6]byte{2, 0, 0, 0, 0, 2}, 0x0800,
		nettest.IPv4([4]byte{10, 0, 0, 2}, [4]byte{10, 0, 0, 1}, 17, nil, nettest.UDP(9, 7, nil)))
	for i := 0; i < 20000; i++ {
		dev.Inject(frame)
	}
	q := s.(*Datagram).queued()
	if q < 16 || q > 300 {
		t.Fatal(q, "datagrams wait")
	}
	var th thread
	for i := int64(0); i < q; i++ {
		th.v.InitBytes(make([]byte, 1))
		if _, e := s.Recv(&th.v, &socket.RecvMsg{}); e != abi.OK {
			t.Fatal(i, e)
		}
	}
	if n := s.(*Datagram).queued(); n != 0 {
		t.Fatal(n)
	}
	dev.Inject(frame)
	if s.Readiness(1) == 0 {
		t.Fatal("no datagram after the flood")
	}
}

// TestConcurrent opens, uses and closes connections from many threads.
func TestConcurrent(t *testing.T) {
	h := newHost(t)
	l, _ := h.Socket(abi.AF_INET, abi.SOCK_STREAM, 0)
	l.Bind(loopback)
	l.Listen(128)
	var name [128]byte
	n, _ := l.LocalAddr(name[:])
	var wg sync.WaitGroup
	const clients, rounds = 8, 25
	for i := 0; i < 3; i++ {
		go func() {
			var th thread
			var peer [128]byte
			for {
				s, _, e := socket.Accept(l, &th.w, peer[:], false)
				if e != abi.OK {
					return
				}
				go func() {
					var th thread
					b := make([]byte, 1000)
					for {
						n, e := th.read(s, b, 0)
						if n <= 0 || e != abi.OK {
							s.Release()
							return
						}
						th.write(s, b[:n])
					}
				}()
			}
		}()
	}
	for i := 0; i < clients; i++ {
		wg.Add(1)
		go func() {
			defer wg.Done()
			var th thread
			for r := 0; r < rounds; r++ {
				c, e := h.Socket(abi.AF_INET, abi.SOCK_STREAM, 0)
				if e != abi.OK {
					t.Error(e)
					return
				}
				if e := socket.Connect(c, &th.w, name[:n], false); e != abi.OK {
					t.Error("connect:", e)
					return
				}
				msg := bytes.Repeat([]byte{byte(i)}, 1+r*37)
				th.write(c, msg)
				got := make([]byte, len(msg))
				if n, e := th.read(c, got, abi.MSG_WAITALL); n != len(msg) || e != abi.OK || !bytes.Equal(got, msg) {
					t.Error(n, e)
				}
				h.ProcTCP(false)
				h.Stack().Budget.Recount()
				c.Release()
			}
		}()
	}
	wg.Wait()
	l.Release()
}

// TestManyShortConnections opens and closes more connections than there is
// memory for in TIME_WAIT: all succeed, and the memory is bounded.
func TestManyShortConnections(t *testing.T) {
	st := stack.New(stack.Config{Memory: 32 << 20, Random: testRandom()}) // 4 MiB for sockets
	defer st.Close()
	h := New(st)
	l, _ := h.Socket(abi.AF_INET, abi.SOCK_STREAM, 0)
	l.Bind(loopback)
	l.Listen(128)
	var name [128]byte
	n, _ := l.LocalAddr(name[:])
	go func() {
		var th thread
		var peer [128]byte
		for {
			s, _, e := socket.Accept(l, &th.w, peer[:], false)
			if e != abi.OK {
				return
			}
			th.write(s, []byte("bye"))
			s.Release() // closed here first: TIME_WAIT is ours
		}
	}()
	var th thread
	buf := make([]byte, 10)
	for i := 0; i < 2000; i++ {
		c, e := h.Socket(abi.AF_INET, abi.SOCK_STREAM, 0)
		if e != abi.OK {
			t.Fatal(i, e)
		}
		if e := socket.Connect(c, &th.w, name[:n], false); e != abi.OK {
			t.Fatal(i, e)
		}
		if n, e := th.read(c, buf, abi.MSG_WAITALL); n != 3 || e != abi.OK {
			t.Fatal(i, n, e)
		}
		th.read(c, buf, 0)
		c.Release()
		if _, _, o := h.Counts(); o > 4<<20/orphanShare/streamCost+20 {
			t.Fatal(i, o, "orphans")
		}
	}
	l.Release()
}
