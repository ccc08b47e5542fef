package net

import (
	"encoding/binary"
	"math/rand"
	"net/netip"
	"sync"
	"testing"

	"gvisor.dev/gvisor/pkg/waiter"

	"skerry/kernel/abi"
	"skerry/kernel/hw/nic"
	"skerry/kernel/net/nettest"
	"skerry/kernel/net/socket"
	"skerry/kernel/net/sockettest"
	"skerry/kernel/net/stack"
	"skerry/kernel/usermem"
)

func newNet(t testing.TB) *Net { return newNetOf(t, 64<<20) }

// newNetOf is the sockets of a machine with so much memory.
func newNetOf(t testing.TB, memory int64) *Net {
	var mu sync.Mutex
	rng := rand.New(rand.NewSource(7))
	dev := nettest.NewWire(nic.Caps{}, 1500, func(nettest.Frame) {})
	st := stack.New(stack.Config{
		Device: dev, Memory: memory,
		V4:     stack.Iface{Addr: netip.MustParsePrefix("10.0.2.15/24"), Gateway: netip.MustParseAddr("10.0.2.2")},
		V6:     stack.Iface{Addr: netip.MustParsePrefix("fd00::15/64"), Gateway: netip.MustParseAddr("fd00::2")},
		Deny:   []netip.Prefix{netip.MustParsePrefix("10.0.2.3/32")},
		Random: func(b []byte) { mu.Lock(); rng.Read(b); mu.Unlock() },
	})
	st.Start()
	t.Cleanup(st.Close)
	return New(st, nil)
}

// caller makes random calls on sockets that it shares with others.
type caller struct {
	n   *Net
	rng *rand.Rand
	mu  *sync.Mutex
	all *[]*shared
	buf []byte
}

// shared is a socket with a count of users, like a description.
type shared struct {
	socket.Socket
	mu   sync.Mutex
	refs int
}

func (s *shared) take() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refs == 0 {
		return false
	}
	s.refs++
	return true
}

func (s *shared) put() {
	s.mu.Lock()
	s.refs--
	last := s.refs == 0
	s.mu.Unlock()
	if last {
		s.Release()
	}
}

func (c *caller) add(s socket.Socket, e abi.Errno) {
	if e != abi.OK {
		return
	}
	c.mu.Lock()
	if len(*c.all) < 60 {
		*c.all = append(*c.all, &shared{Socket: s, refs: 1})
		c.mu.Unlock()
		return
	}
	i := c.rng.Intn(len(*c.all))
	old := (*c.all)[i]
	(*c.all)[i] = &shared{Socket: s, refs: 1}
	c.mu.Unlock()
	old.put()
}

func (c *caller) pick() *shared {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(*c.all) == 0 {
		return nil
	}
	s := (*c.all)[c.rng.Intn(len(*c.all))]
	if !s.take() {
		return nil
	}
	return s
}

// addr is an address: of another socket, a fixed one, or garbage.
func (c *caller) addr() []byte {
	b := make([]byte, 128)
	switch c.rng.Intn(8) {
	case 0, 1, 2:
		if s := c.pick(); s != nil {
			defer s.put()
			if n, e := s.LocalAddr(b); e == abi.OK {
				return b[:n]
			}
		}
	case 3:
		return b[:socket.PutInet(b, netip.AddrFrom4([4]byte{127, 0, 0, byte(c.rng.Intn(3))}), uint16(c.rng.Intn(5)*1000))]
	case 4:
		return b[:socket.PutInet6(b, netip.MustParseAddr([]string{"::1", "::", "::ffff:127.0.0.1", "fd00::15", "ff02::1", "fe80::1"}[c.rng.Intn(6)]), uint16(c.rng.Intn(3)*1000), uint32(c.rng.Intn(4)))]
	case 5:
		return b[:socket.PutUnix(b, socket.Unix{Name: string(rune('a' + c.rng.Intn(4))), Abstract: true})]
	case 6:
		return b[:socket.PutInet(b, netip.AddrFrom4([4]byte{10, 0, 2, byte(c.rng.Intn(20))}), uint16(c.rng.Intn(3)*1000))]
	}
	c.rng.Read(b)
	b[1] = 0
	b[0] = []byte{0, 1, 2, 10, 16}[c.rng.Intn(5)]
	return b[:c.rng.Intn(len(b))]
}

var levels = []int{abi.SOL_SOCKET, abi.SOL_IP, abi.SOL_TCP, abi.SOL_IPV6, abi.SOL_UDP, abi.SOL_NETLINK, 99}

func (c *caller) step() {
	r := c.rng
	if r.Intn(8) == 0 {
		d := []int{1, 2, 10, 16}[r.Intn(4)]
		if d == 1 && r.Intn(2) == 0 {
			a, b, e := c.n.Pair(d, 1+r.Intn(6), 0)
			c.add(a, e)
			c.add(b, e)
			return
		}
		c.add(c.n.Socket(d, 1+r.Intn(5), 0))
		return
	}
	s := c.pick()
	if s == nil {
		return
	}
	defer s.put()
	var v usermem.Vec
	data := make([]byte, []int{0, 1, 100, 3000, 70000}[r.Intn(5)])
	v.InitBytes(data)
	flags := 0
	if r.Intn(3) == 0 {
		flags = r.Int() & (abi.MSG_PEEK | abi.MSG_TRUNC | abi.MSG_MORE | abi.MSG_ERRQUEUE | abi.MSG_OOB | abi.MSG_WAITALL | abi.MSG_EOR)
	}
	switch r.Intn(16) {
	case 0:
		s.Bind(c.addr())
	case 1:
		s.Listen(r.Intn(10) - 1)
	case 2:
		var peer [128]byte
		n, _, e := s.Accept(peer[:])
		c.add(n, e)
	case 3, 4:
		s.Connect(c.addr())
	case 5:
		s.ConnectResult()
	case 6:
		s.Shutdown(r.Intn(4))
	case 7, 8:
		m := socket.SendMsg{Flags: flags}
		if r.Intn(2) == 0 {
			m.Addr = c.addr()
		}
		if r.Intn(4) == 0 {
			m.Control = c.control()
		}
		s.Send(&v, &m)
	case 9, 10:
		m := socket.RecvMsg{Flags: flags, Control: make([]byte, r.Intn(100))}
		s.Recv(&v, &m)
	case 11, 12:
		val := make([]byte, []int{0, 1, 3, 4, 8, 12, 16, 20, 140}[r.Intn(9)])
		if r.Intn(2) == 0 {
			r.Read(val)
		} else if len(val) >= 4 {
			binary.LittleEndian.PutUint32(val, uint32(r.Intn(4)-1))
		}
		s.SetOption(levels[r.Intn(len(levels))], r.Intn(80), val)
	case 13:
		s.GetOption(levels[r.Intn(len(levels))], r.Intn(80), make([]byte, r.Intn(300)))
	case 14:
		arg := make([]byte, 64)
		binary.LittleEndian.PutUint32(arg[16:], uint32(r.Intn(4)))
		copy(arg, []string{"lo", "eth0", "x"}[r.Intn(3)])
		s.Ioctl([]uint32{abi.FIONREAD, abi.TIOCOUTQ, abi.SIOCATMARK, 0x8910 + uint32(r.Intn(64))}[r.Intn(4)], sockettest.Address(arg))
	case 15:
		var b [128]byte
		s.LocalAddr(b[:])
		s.PeerAddr(b[:])
		s.Readiness(waiter.AllEvents)
		var st abi.Stat
		s.Stat(&st)
		s.Limits()
	}
}

// control is control messages, good and bad.
func (c *caller) control() []byte {
	m := socket.RecvMsg{Control: make([]byte, 120)}
	data := make([]byte, c.rng.Intn(30))
	c.rng.Read(data)
	m.Put(levels[c.rng.Intn(len(levels))], c.rng.Intn(70), data)
	b := m.Control[:m.Used]
	if c.rng.Intn(3) == 0 && len(b) > 0 {
		b[c.rng.Intn(len(b))] = byte(c.rng.Intn(256))
	}
	return b
}

// TestRandomCalls makes random calls from several threads on shared sockets of
// all families. The oracle is that nothing panics, deadlocks or races, and that
// all memory comes back.
func TestRandomCalls(t *testing.T) {
	n := newNet(t)
	var mu sync.Mutex
	var all []*shared
	var wg sync.WaitGroup
	steps := 40000
	if testing.Short() {
		steps = 5000
	}
	for g := 0; g < 3; g++ {
		wg.Add(1)
		go func() {
			defer wg.Done()
			c := &caller{n: n, rng: rand.New(rand.NewSource(int64(g))), mu: &mu, all: &all}
			for i := 0; i < steps; i++ {
				c.step()
			}
		}()
	}
	wg.Wait()
	n.Inet.ProcTCP(false)
	n.Inet.ProcTCP(true)
	n.Inet.ProcUDP(false)
	n.Inet.ProcUDP(true)
	n.Unix.ProcUnix()
	n.Inet.ProcSockstat(n.Unix.Count())
	for _, s := range all {
		s.put()
	}
	if c := n.Unix.Count(); c != 0 {
		t.Error(c, "AF_UNIX sockets left")
	}
	if s, d, _ := n.Inet.Counts(); s+d != 0 {
		t.Error(s, d, "AF_INET sockets left")
	}
}

// TestReadyMeansNow checks what blocking calls rest on: a socket that says it is
// ready answers something other than EAGAIN, else a blocking call would spin.
func TestReadyMeansNow(t *testing.T) {
	n := newNet(t)
	var mu sync.Mutex
	var all []*shared
	c := &caller{n: n, rng: rand.New(rand.NewSource(11)), mu: &mu, all: &all}
	checked := map[string]int{}
	for i := 0; i < 40000; i++ {
		c.step()
		s := c.pick()
		if s == nil {
			continue
		}
		for _, d := range []struct {
			name string
			mask waiter.EventMask
			do   func(*usermem.Vec, int64) (int, abi.Errno)
		}{{"read", waiter.ReadableEvents, s.Read}, {"write", waiter.WritableEvents, s.Write}} {
			// Of the answers only EAGAIN is wrong, and only if it stays:
			// what made the socket ready may have just been taken away.
			for try := 0; s.Readiness(d.mask)&d.mask != 0; try++ {
				var v usermem.Vec
				v.InitBytes(make([]byte, 1))
				_, e := d.do(&v, 0)
				if e != abi.EAGAIN {
					checked[d.name]++
					break
				}
				if try == 100 {
					t.Fatalf("step %d: %s on a %T of type %d answers EAGAIN though it is ready (%#x)",
						i, d.name, s.Socket, s.Type(), s.Readiness(waiter.AllEvents))
				}
			}
		}
		s.put()
	}
	if checked["read"] < 1000 || checked["write"] < 1000 {
		t.Error("too little was checked:", checked)
	}
	for _, s := range all {
		s.put()
	}
}

// FuzzCalls drives the same calls from fuzzer input, used as the random source.
func FuzzCalls(f *testing.F) {
	n := newNet(f)
	f.Add(int64(1))
	f.Fuzz(func(t *testing.T, seed int64) {
		var mu sync.Mutex
		var all []*shared
		c := &caller{n: n, rng: rand.New(rand.NewSource(seed)), mu: &mu, all: &all}
		for i := 0; i < 200; i++ {
			c.step()
		}
		for _, s := range all {
			s.put()
		}
	})
}
