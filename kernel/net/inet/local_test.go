package inet

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/waiter"

	"skerry/kernel/abi"
)

// TestArrived: what a call sends to a socket of the same machine has arrived when it
// returns, as on Linux. The published gVisor hands it to another goroutine
// (cmd/trimgvisor/tcp/local.go.txt).
func TestArrived(t *testing.T) {
	if !edited() {
		t.Skip("this is gVisor as it is published; cmd/trimgvisor's test runs this with the kernel's copy")
	}
	for _, family := range []int{abi.AF_INET, abi.AF_INET6} {
		t.Run(fmt.Sprint("family ", family), func(t *testing.T) {
			addr := in4("127.0.0.1", 0)
			if family == abi.AF_INET6 {
				addr = in6("::1", 0)
			}
			h := newHost(t)
			l := listener(t, h, family, addr)
			// A timer that has the receiver's lock at that moment may leave the work to
			// another goroutine; that is rare.
			var c arrivals
			for range 300 {
				c.connection(t, h, l, family, addr)
				if t.Failed() {
					return
				}
			}
			if c.late*50 > c.all {
				t.Errorf("%d of %d arrived later", c.late, c.all)
			}
			// Nobody listens: the attempt has failed when it returns.
			l.Release()
			s, _ := h.Socket(family, abi.SOCK_STREAM, 0)
			e := s.Connect(addr)
			if m := s.Readiness(waiter.AllEvents); e != abi.EINPROGRESS || m&waiter.EventErr == 0 || m&waiter.EventHUp == 0 {
				t.Errorf("refused: %v, then %#x", e, m)
			}
			if e := s.(*Stream).ConnectResult(); e != abi.ECONNREFUSED {
				t.Errorf("refused: %v", e)
			}
			s.Release()
		})
	}
}

// listener makes a listening socket and puts its port into addr.
func listener(t testing.TB, h *Host, family int, addr []byte) *Stream {
	l, e := h.Socket(family, abi.SOCK_STREAM, 0)
	if e != abi.OK {
		t.Fatal(e)
	}
	if e := l.Bind(addr); e != abi.OK {
		t.Fatal(e)
	}
	if e := l.(*Stream).Listen(16); e != abi.OK {
		t.Fatal(e)
	}
	var name [128]byte
	l.LocalAddr(name[:])
	copy(addr[2:4], name[2:4])
	return l.(*Stream)
}

// arrivals counts what should have arrived when it was looked at.
type arrivals struct{ all, late int }

// connection makes one connection and looks after every step.
func (a *arrivals) connection(t *testing.T, h *Host, l *Stream, family int, addr []byte) {
	check := func(when string, s interface {
		Readiness(waiter.EventMask) waiter.EventMask
	}, want waiter.EventMask) {
		t.Helper()
		a.all++
		for i := 0; s.Readiness(waiter.AllEvents)&want != want; i++ {
			if i == 0 {
				a.late++
			}
			if i == 2000 {
				t.Errorf("%s: %#x, want %#x in it", when, s.Readiness(waiter.AllEvents), want)
				return
			}
			time.Sleep(time.Millisecond)
		}
	}
	var th thread
	c, e := h.Socket(family, abi.SOCK_STREAM, 0)
	if e != abi.OK {
		t.Fatal(e)
	}
	if e := c.Connect(addr); e != abi.EINPROGRESS {
		t.Fatal(e)
	}
	check("connecting side, connected", c, waiter.EventOut)
	check("listener, a connection there", l, waiter.EventIn)
	var peer [128]byte
	s, _, e := l.Accept(peer[:])
	if e != abi.OK {
		t.Fatal("accept:", e)
	}
	check("accepted", s, waiter.EventOut)
	b := make([]byte, 1000)
	for range 5 {
		for _, d := range [][2]interface {
			Readiness(waiter.EventMask) waiter.EventMask
		}{{c, s}, {s, c}} {
			from, to := d[0].(*Stream), d[1].(*Stream)
			if n, e := th.write(from, b[:10]); n != 10 || e != abi.OK {
				t.Fatal(n, e)
			}
			check("written to", to, waiter.EventIn)
			if n, e := th.read(to, b, 0); n != 10 || e != abi.OK {
				t.Fatal(n, e)
			}
		}
	}
	if e := c.Shutdown(abi.SHUT_WR); e != abi.OK {
		t.Fatal(e)
	}
	check("the end sent", s, waiter.EventIn|waiter.EventRdHUp)
	if rand.IntN(2) == 0 {
		s.Release()
		check("closed", c, waiter.EventIn|waiter.EventRdHUp|waiter.EventHUp)
		c.Release()
		return
	}
	// With data that nobody has read, closing resets.
	if n, e := th.write(s, b[:10]); n != 10 || e != abi.OK {
		t.Fatal(n, e)
	}
	c.SetOption(abi.SOL_SOCKET, abi.SO_LINGER, []byte{1, 0, 0, 0, 0, 0, 0, 0})
	c.Release()
	check("reset", s, waiter.EventErr|waiter.EventHUp|waiter.EventIn)
	s.Release()
}

// TestLocalThreads: threads that send to each other in both directions at once lose
// nothing, however their calls hand each other's segments on.
func TestLocalThreads(t *testing.T) {
	h := newHost(t)
	var all sync.WaitGroup
	for i := range 6 {
		c, s := connection(t, h, h, loopback)
		for j, d := range [][2]interface{}{{c, s}, {s, c}} {
			from, to := d[0].(*Stream), d[1].(*Stream)
			const total = 3 << 20
			seed := uint64(i*2 + j)
			all.Go(func() {
				var th thread
				r := rand.New(rand.NewPCG(seed, 1))
				b := make([]byte, 70000)
				at := 0
				for at < total {
					n := min(1+r.IntN(1<<r.IntN(17)), total-at)
					for k := range n {
						b[k] = byte((at + k) * 7 >> 3)
					}
					if got, e := th.write(from, b[:n]); got != n || e != abi.OK {
						t.Error("write:", got, e)
						return
					}
					at += n
				}
				from.Shutdown(abi.SHUT_WR)
			})
			all.Go(func() {
				var th thread
				r := rand.New(rand.NewPCG(seed, 2))
				b, want := make([]byte, 70000), make([]byte, 70000)
				at := 0
				for {
					n, e := th.read(to, b[:1+r.IntN(len(b))], 0)
					if e != abi.OK {
						t.Error("read:", e)
						return
					}
					if n == 0 {
						break
					}
					for k := range n {
						want[k] = byte((at + k) * 7 >> 3)
					}
					if !bytes.Equal(b[:n], want[:n]) {
						t.Errorf("wrong bytes after %d", at)
						return
					}
					at += n
				}
				if at != total {
					t.Errorf("%d of %d bytes", at, total)
				}
			})
		}
	}
	all.Wait()
}
