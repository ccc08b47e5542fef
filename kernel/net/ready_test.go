package net

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/waiter"

	"skerry/kernel/abi"
	"skerry/kernel/net/socket"
	"skerry/kernel/net/sockettest"
	"skerry/kernel/usermem"
	"skerry/kernel/vfs"
	"skerry/kernel/wait"
)

// The tests of this file hold every kind of socket, in every state, to what the
// callers of Readiness rely on: ready for an operation means that the operation
// does not answer EAGAIN (poll would spin), and not ready for reading means that
// it does (a wake-up would be lost).

// end is one socket of a case, with what the cases need to make its state.
type end struct {
	t testing.TB
	socket.Socket
}

func (x end) addr() []byte {
	b := make([]byte, socket.AddrMax)
	n, e := x.LocalAddr(b)
	if e != abi.OK {
		x.t.Fatal(e)
	}
	return b[:n]
}

func (x end) put(n int) (int, abi.Errno) {
	var v usermem.Vec
	v.InitBytes(make([]byte, n))
	return x.Send(&v, &socket.SendMsg{Flags: abi.MSG_DONTWAIT})
}

// fill sends pieces of n bytes until nothing more goes, for a while. UDP loses what
// there is no room for, so there is a limit.
func (x end) fill(n int) {
	for idle, rounds := 0, 0; idle < 6 && rounds < 300+5000/n; rounds++ {
		if _, e := x.put(n); e != abi.OK {
			idle++
			time.Sleep(time.Millisecond)
		}
	}
}

// until waits for readiness.
func (x end) until(m waiter.EventMask) {
	for i := 0; x.Readiness(m)&m == 0; i++ {
		if i == 2000 {
			x.t.Fatalf("never ready for %#x", m)
		}
		time.Sleep(time.Millisecond)
	}
}

func (n *readyNet) open(domain, typ int) end {
	s, e := n.Socket(domain, typ, 0)
	if e != abi.OK {
		n.t.Fatal(e)
	}
	n.t.Cleanup(s.Release)
	return end{n.t, s}
}

type readyNet struct {
	*Net
	t testing.TB
}

// loop is an unbound loopback address of a family.
func loop(domain int) []byte {
	switch domain {
	case abi.AF_INET6:
		return sockettest.In6("::1", 0)
	case abi.AF_UNIX:
		return []byte{abi.AF_UNIX, 0} // autobind
	}
	return sockettest.In4("127.0.0.1", 0)
}

func (n *readyNet) listener(domain, typ int) end {
	l := n.open(domain, typ)
	if e := l.Bind(loop(domain)); e != abi.OK {
		n.t.Fatal(e)
	}
	if e := l.Listen(1); e != abi.OK {
		n.t.Fatal(e)
	}
	return l
}

// connected makes a connection or, of datagram sockets, two with each other as
// their peers.
func (n *readyNet) connected(domain, typ int) (a, b end) {
	if typ == abi.SOCK_DGRAM {
		a, b = n.open(domain, typ), n.open(domain, typ)
		for _, x := range []end{a, b} {
			if e := x.Bind(loop(domain)); e != abi.OK {
				n.t.Fatal(e)
			}
		}
		a.Connect(b.addr())
		b.Connect(a.addr())
		return a, b
	}
	l := n.listener(domain, typ)
	a = n.open(domain, typ)
	a.Connect(l.addr())
	a.until(waiter.EventOut)
	a.ConnectResult()
	l.until(waiter.EventIn)
	s, _, e := l.Accept(make([]byte, socket.AddrMax))
	if e != abi.OK {
		n.t.Fatal(e)
	}
	n.t.Cleanup(s.Release)
	return a, end{n.t, s}
}

// states make a socket of one state each; nil where a kind has no such state.
var states = []struct {
	name string
	make func(n *readyNet, domain, typ int) (end, bool)
}{
	{"new", func(n *readyNet, d, typ int) (end, bool) { return n.open(d, typ), true }},
	{"bound", func(n *readyNet, d, typ int) (end, bool) {
		x := n.open(d, typ)
		x.Bind(loop(d))
		return x, true
	}},
	{"new and shut", func(n *readyNet, d, typ int) (end, bool) {
		x := n.open(d, typ)
		x.Shutdown(abi.SHUT_RDWR)
		return x, true
	}},
	{"listening", func(n *readyNet, d, typ int) (end, bool) {
		if typ == abi.SOCK_DGRAM {
			return end{}, false
		}
		return n.listener(d, typ), true
	}},
	{"listening, one waits", func(n *readyNet, d, typ int) (end, bool) {
		if typ == abi.SOCK_DGRAM {
			return end{}, false
		}
		l, c := n.listener(d, typ), n.open(d, typ)
		c.Connect(l.addr())
		l.until(waiter.EventIn)
		return l, true
	}},
	{"listening and shut", func(n *readyNet, d, typ int) (end, bool) {
		if typ == abi.SOCK_DGRAM {
			return end{}, false
		}
		l := n.listener(d, typ)
		l.Shutdown(abi.SHUT_RD)
		return l, true
	}},
	{"refused", func(n *readyNet, d, typ int) (end, bool) {
		t := n.open(d, typ)
		t.Bind(loop(d))
		c := n.open(d, typ)
		if typ == abi.SOCK_DGRAM {
			gone, _ := n.Socket(d, typ, 0)
			gone.Bind(loop(d))
			c.Connect(end{n.t, gone}.addr())
			gone.Release()
			c.put(1)
			if d != abi.AF_UNIX {
				c.until(waiter.EventErr)
			}
			return c, true
		}
		c.Connect(t.addr())
		c.until(waiter.EventHUp)
		return c, true
	}},
	{"connected", func(n *readyNet, d, typ int) (end, bool) { a, _ := n.connected(d, typ); return a, true }},
	{"data waits", func(n *readyNet, d, typ int) (end, bool) {
		a, b := n.connected(d, typ)
		b.put(3)
		a.until(waiter.EventIn)
		return a, true
	}},
	{"empty datagram waits", func(n *readyNet, d, typ int) (end, bool) {
		if typ == abi.SOCK_STREAM {
			return end{}, false
		}
		a, b := n.connected(d, typ)
		b.put(0)
		a.until(waiter.EventIn)
		return a, true
	}},
	{"full", func(n *readyNet, d, typ int) (end, bool) {
		a, _ := n.connected(d, typ)
		a.fill(60000)
		return a, true
	}},
	{"full of small ones", func(n *readyNet, d, typ int) (end, bool) {
		a, _ := n.connected(d, typ)
		a.fill(1)
		return a, true
	}},
	{"full, then drained", func(n *readyNet, d, typ int) (end, bool) {
		a, b := n.connected(d, typ)
		a.fill(30000)
		var v usermem.Vec
		for {
			v.InitBytes(make([]byte, 1<<16))
			if _, e := b.Recv(&v, &socket.RecvMsg{Flags: abi.MSG_DONTWAIT}); e != abi.OK {
				break
			}
		}
		return a, true
	}},
	{"peer closed", func(n *readyNet, d, typ int) (end, bool) {
		a, b := n.connected(d, typ)
		b.put(3)
		b.Shutdown(abi.SHUT_RDWR)
		time.Sleep(5 * time.Millisecond)
		return a, true
	}},
	{"reset", func(n *readyNet, d, typ int) (end, bool) {
		if typ != abi.SOCK_STREAM || d == abi.AF_UNIX {
			return end{}, false
		}
		l := n.listener(d, typ)
		c := n.open(d, typ)
		c.Connect(l.addr())
		l.until(waiter.EventIn)
		s, _, _ := l.Accept(make([]byte, socket.AddrMax))
		s.SetOption(abi.SOL_SOCKET, abi.SO_LINGER, []byte{1, 0, 0, 0, 0, 0, 0, 0})
		s.Release()
		c.until(waiter.EventErr)
		return c, true
	}},
}

var kinds = []struct {
	name        string
	domain, typ int
}{
	{"TCP", abi.AF_INET, abi.SOCK_STREAM}, {"TCP6", abi.AF_INET6, abi.SOCK_STREAM},
	{"UDP", abi.AF_INET, abi.SOCK_DGRAM}, {"UDP6", abi.AF_INET6, abi.SOCK_DGRAM},
	{"unix stream", abi.AF_UNIX, abi.SOCK_STREAM}, {"unix packets", abi.AF_UNIX, abi.SOCK_SEQPACKET}, {"unix datagrams", abi.AF_UNIX, abi.SOCK_DGRAM},
	{"netlink", abi.AF_NETLINK, abi.SOCK_RAW},
}

// each calls f with a fresh socket of every kind, in every state, shut in every
// way after that.
func each(t *testing.T, f func(t *testing.T, x end)) {
	n := newNetOf(t, 1<<30) // those that run at the same time do not fill it
	for _, k := range kinds {
		for _, st := range states {
			for shut := -1; shut <= abi.SHUT_RDWR; shut++ {
				if k.domain == abi.AF_NETLINK && (st.name != "new" || shut >= 0) {
					continue
				}
				name := fmt.Sprintf("%s/%s", k.name, st.name)
				if shut >= 0 {
					name += []string{", SHUT_RD", ", SHUT_WR", ", SHUT_RDWR"}[shut]
				}
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					x, ok := st.make(&readyNet{n, t}, k.domain, k.typ)
					if !ok {
						return
					}
					x.t = t
					if shut >= 0 {
						x.Shutdown(shut)
						time.Sleep(2 * time.Millisecond)
					}
					f(t, x)
				})
			}
		}
	}
}

// accepts reports whether what reading readiness promises of x is accept(2).
func accepts(x end) bool {
	var b [4]byte
	n, e := x.GetOption(abi.SOL_SOCKET, abi.SO_ACCEPTCONN, b[:])
	return e == abi.OK && n == 4 && b[0] != 0
}

func TestReadyIsTrue(t *testing.T) {
	each(t, func(t *testing.T, x end) {
		peek := func(flags int) abi.Errno {
			var v usermem.Vec
			v.InitBytes(make([]byte, 10))
			_, e := x.Recv(&v, &socket.RecvMsg{Flags: flags | abi.MSG_DONTWAIT})
			return e
		}
		r := x.Readiness(waiter.AllEvents)
		in := r&waiter.EventIn != 0
		if got := r&waiter.ReadableEvents == waiter.ReadableEvents; got != in {
			t.Errorf("IN without RDNORM or the other way round: %#x", r)
		}
		if got := r&waiter.WritableEvents == waiter.WritableEvents; got != (r&waiter.EventOut != 0) {
			t.Errorf("OUT without WRNORM or the other way round: %#x", r)
		}
		if accepts(x) {
			s, _, e := x.Accept(make([]byte, socket.AddrMax))
			if in != (e != abi.EAGAIN) && e != abi.EINVAL {
				t.Errorf("readiness %#x, accept %v", r, e)
			}
			if s != nil {
				s.Release()
			}
			return
		}
		// Linux: a datagram socket that was shut is readable, but a receiver that
		// does not wait hears EAGAIN. The file's Read hears of the end.
		shutDatagram := x.Type() == abi.SOCK_DGRAM && r&waiter.EventRdHUp != 0
		e := peek(abi.MSG_PEEK)
		if in && e == abi.EAGAIN && !shutDatagram {
			t.Errorf("readiness %#x, recv %v", r, e)
		}
		// What has just come makes it ready from now on.
		r |= x.Readiness(waiter.AllEvents)
		if r&(waiter.EventIn|waiter.EventErr|waiter.EventHUp) == 0 && e != abi.EAGAIN && e != abi.ENOTCONN && e != abi.EINVAL {
			t.Errorf("readiness %#x, recv %v", r, e)
		}
		var v usermem.Vec
		for i := 0; i < 3 && r&waiter.EventIn != 0; i++ {
			v.InitBytes(make([]byte, 10))
			if _, e := x.Read(&v, 0); e == abi.EAGAIN {
				t.Errorf("readiness %#x, read %v", r, e)
			}
			r = x.Readiness(waiter.AllEvents)
		}
		if r&waiter.EventOut != 0 {
			for _, n := range []int{1, 60000} {
				if x.Readiness(waiter.EventOut)&waiter.EventOut == 0 {
					break
				}
				v.InitBytes(make([]byte, n))
				if _, e := x.Write(&v, 0); e == abi.EAGAIN {
					t.Errorf("readiness %#x, write of %d bytes %v", r, n, e)
				}
			}
		}
	})
}

// tries counts the attempts that a waiting call makes.
type tries struct {
	socket.Socket
	n int
}

func (s *tries) Recv(v *usermem.Vec, m *socket.RecvMsg) (int, abi.Errno) {
	s.n++
	return s.Socket.Recv(v, m)
}
func (s *tries) Send(v *usermem.Vec, m *socket.SendMsg) (int, abi.Errno) {
	s.n++
	return s.Socket.Send(v, m)
}
func (s *tries) Read(v *usermem.Vec, off int64) (int, abi.Errno) {
	s.n++
	return s.Socket.Read(v, off)
}
func (s *tries) Write(v *usermem.Vec, off int64) (int, abi.Errno) {
	s.n++
	return s.Socket.Write(v, off)
}
func (s *tries) Stream() bool { return s.Type() == abi.SOCK_STREAM }
func (s *tries) Timeouts() (read, write int64) {
	return s.Socket.(vfs.Timeouts).Timeouts()
}

// TestWaitingEnds: a blocking call on a socket in any state ends, within its time
// limit, without trying again and again meanwhile.
func TestWaitingEnds(t *testing.T) {
	limit := append(append(make([]byte, 8), 0xd0, 0x07), make([]byte, 6)...) // 2 ms
	each(t, func(t *testing.T, x end) {
		x.SetOption(abi.SOL_SOCKET, abi.SO_RCVTIMEO, limit)
		x.SetOption(abi.SOL_SOCKET, abi.SO_SNDTIMEO, limit)
		s := &tries{Socket: x.Socket}
		d := vfs.NewDescription(s, abi.O_RDWR)
		var w wait.Waiter
		var v usermem.Vec
		for name, call := range map[string]func(){
			"recvmsg": func() { socket.Receive(s, &w, &v, &socket.RecvMsg{}, false) },
			"read":    func() { d.Read(&w, &v) },
			"sendmsg": func() { socket.Transmit(s, &w, &v, &socket.SendMsg{}, false) },
			"write":   func() { d.Write(&w, &v) },
		} {
			for _, size := range []int{1, 60000} {
				v.InitBytes(make([]byte, size))
				s.n = 0
				at := time.Now()
				call()
				if took := time.Since(at); took > 2*time.Second {
					t.Errorf("%s of %d bytes took %v", name, size, took)
				}
				if s.n > 40 {
					t.Errorf("%s of %d bytes tried %d times", name, size, s.n)
				}
			}
		}
		runtime.KeepAlive(d)
	})
}

// TestAbilities: what kernel/vfs looks for in a file is there on every kind of
// socket.
func TestAbilities(t *testing.T) {
	n := newNet(t)
	for _, k := range kinds {
		x := (&readyNet{n, t}).open(k.domain, k.typ)
		s, ok := x.Socket.(vfs.Stream)
		if stream := k.typ == abi.SOCK_STREAM; stream && (!ok || !s.Stream()) || !stream && ok && s.Stream() {
			t.Error(k.name, "Stream")
		}
		var st abi.Stat
		x.Stat(&st)
		if nm, ok := x.Socket.(vfs.Namer); !ok || nm.Name() != fmt.Sprintf("socket:[%d]", st.Ino) {
			t.Error(k.name, "Name")
		}
		x.SetOption(abi.SOL_SOCKET, abi.SO_RCVTIMEO, append([]byte{1}, make([]byte, 15)...))
		x.SetOption(abi.SOL_SOCKET, abi.SO_SNDTIMEO, append([]byte{2}, make([]byte, 15)...))
		tm, ok := x.Socket.(vfs.Timeouts)
		if !ok {
			t.Fatal(k.name, "Timeouts")
		}
		if r, w := tm.Timeouts(); r != 1e9 || w != 2e9 {
			t.Error(k.name, r, w)
		}
		if st.Mode&abi.S_IFMT != abi.S_IFSOCK || x.Seekable() {
			t.Error(k.name, "not a socket to stat(2)")
		}
	}
}

// TestWriteCompletes: a blocking write(2) on a stream takes all of a buffer that is
// far larger than the socket's, while the peer reads.
func TestWriteCompletes(t *testing.T) {
	n := newNetOf(t, 1<<30)
	for _, k := range kinds {
		if k.typ != abi.SOCK_STREAM {
			continue
		}
		t.Run(k.name, func(t *testing.T) {
			a, b := (&readyNet{n, t}).connected(k.domain, k.typ)
			const size = 8 << 20
			got := make(chan int)
			go func() {
				d := vfs.NewDescription(b.Socket, abi.O_RDWR)
				var w wait.Waiter
				var v usermem.Vec
				total := 0
				for buf := make([]byte, 100000); ; {
					v.InitBytes(buf)
					n, e := d.Read(&w, &v)
					if n == 0 || e != abi.OK {
						got <- total
						return
					}
					total += n
				}
			}()
			d := vfs.NewDescription(a.Socket, abi.O_RDWR)
			var w wait.Waiter
			var v usermem.Vec
			v.InitBytes(make([]byte, size))
			if n, e := d.Write(&w, &v); n != size || e != abi.OK {
				t.Error("write:", n, e)
			}
			a.Shutdown(abi.SHUT_WR)
			if n := <-got; n != size {
				t.Error(n, "bytes arrived")
			}
		})
	}
}
