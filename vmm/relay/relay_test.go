package relay

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// qemu is a listener as QEMU's: with a backlog of one. serve gets its connections.
func qemu(t testing.TB, serve func(c *net.TCPConn)) netip.AddrPort {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := unix.Listen(fd, 1); err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(fd), "listener")
	l, err := net.FileListener(f)
	f.Close()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			serve(c.(*net.TCPConn))
		}
	}()
	return l.Addr().(*net.TCPAddr).AddrPort()
}

// start starts a relay to an address.
func start(t testing.TB, limit int, to netip.AddrPort) (r *Relay, at string) {
	t.Helper()
	l, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	r = New(limit)
	r.Listen(l, func() netip.AddrPort { return to })
	t.Cleanup(r.Close)
	return r, l.Addr().String()
}

func dial(t testing.TB, at string) *net.TCPConn {
	t.Helper()
	c, err := net.DialTimeout("tcp4", at, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(10 * time.Second))
	return c.(*net.TCPConn)
}

func echo(c *net.TCPConn) {
	go func() {
		// Not with splice(2), whose pipes are kept.
		io.Copy(struct{ io.Writer }{c}, struct{ io.Reader }{c})
		c.Close()
	}()
}

func ended(t testing.TB, r *Relay, limit time.Duration) {
	t.Helper()
	begin := time.Now()
	select {
	case <-r.End():
	case <-time.After(10 * time.Second):
		buf := make([]byte, 1<<20)
		t.Fatalf("does not end: %s", buf[:runtime.Stack(buf, true)])
	}
	if d := time.Since(begin); d > limit {
		t.Errorf("the end took %v", d)
	}
}

// TestBurst: many connections at once get through a queue of one, each exactly
// once, and soon.
func TestBurst(t *testing.T) {
	const n = 400
	var served atomic.Int64
	to := qemu(t, func(c *net.TCPConn) {
		served.Add(1)
		time.Sleep(100 * time.Microsecond) // a turn of a main loop
		echo(c)
	})
	r, at := start(t, MaxConnections, to)
	r.Open()
	begin := time.Now()
	var wg sync.WaitGroup
	var worst atomic.Int64
	for i := range n {
		wg.Go(func() {
			c, err := net.Dial("tcp4", at)
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			c.SetDeadline(time.Now().Add(10 * time.Second))
			msg := fmt.Sprintf("hello %d", i)
			b := make([]byte, len(msg))
			if _, err := io.WriteString(c, msg); err != nil {
				t.Error(err)
			} else if _, err := io.ReadFull(c, b); err != nil || string(b) != msg {
				t.Errorf("%q, %v", b, err)
			}
			if d := time.Since(begin).Milliseconds(); d > worst.Load() {
				worst.Store(d)
			}
		})
	}
	wg.Wait()
	t.Logf("all answered after %d ms", worst.Load())
	if worst.Load() > 3000 {
		t.Errorf("the last answer came after %d ms", worst.Load())
	}
	if served.Load() != n {
		t.Errorf("%d connections instead of %d", served.Load(), n)
	}
	ended(t, r, 3*time.Second)
}

func TestHalfClose(t *testing.T) {
	// The client ends first; the machine answers afterwards.
	r, at := start(t, 10, qemu(t, func(c *net.TCPConn) {
		go func() {
			b, _ := io.ReadAll(c)
			fmt.Fprintf(c, "got %d", len(b))
			c.Close()
		}()
	}))
	r.Open()
	c := dial(t, at)
	c.Write(make([]byte, 100000))
	c.CloseWrite()
	if b, err := io.ReadAll(c); string(b) != "got 100000" || err != nil {
		t.Errorf("%q, %v", b, err)
	}
	// The machine ends first and still listens.
	got := make(chan int, 1)
	r, at = start(t, 10, qemu(t, func(c *net.TCPConn) {
		go func() {
			io.WriteString(c, "bye")
			c.CloseWrite()
			b, _ := io.ReadAll(c)
			got <- len(b)
			c.Close()
		}()
	}))
	r.Open()
	c = dial(t, at)
	if b, err := io.ReadAll(c); string(b) != "bye" || err != nil {
		t.Errorf("%q, %v", b, err)
	}
	c.Write(make([]byte, 200000))
	c.Close()
	if n := <-got; n != 200000 {
		t.Errorf("%d bytes", n)
	}
}

func isReset(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

func TestReset(t *testing.T) {
	// By the client.
	seen := make(chan error, 1)
	r, at := start(t, 10, qemu(t, func(c *net.TCPConn) {
		go func() {
			_, err := io.Copy(io.Discard, c)
			seen <- err
		}()
	}))
	r.Open()
	c := dial(t, at)
	c.Write([]byte("x"))
	time.Sleep(20 * time.Millisecond)
	c.SetLinger(0)
	c.Close()
	if err := <-seen; !isReset(err) {
		t.Errorf("the machine sees %v", err)
	}
	// By the machine: what it sent before arrives.
	const size = 1 << 20
	r, at = start(t, 10, qemu(t, func(c *net.TCPConn) {
		go func() {
			c.Write(make([]byte, size))
			for n := 1; n > 0; time.Sleep(time.Millisecond) { // until all of it was taken
				n, _ = unsent(c)
			}
			c.SetLinger(0)
			c.Close()
		}()
	}))
	r.Open()
	c = dial(t, at)
	if n, err := io.Copy(io.Discard, c); n != size || !isReset(err) {
		t.Errorf("%d bytes, %v", n, err)
	}
	// By a machine that closes and has not read what was sent.
	r, at = start(t, 10, qemu(t, func(c *net.TCPConn) {
		go func() {
			io.WriteString(c, "no")
			time.Sleep(50 * time.Millisecond)
			c.Close()
		}()
	}))
	r.Open()
	c = dial(t, at)
	c.Write(make([]byte, 1000))
	if b, err := io.ReadAll(c); string(b) != "no" || !isReset(err) {
		t.Errorf("%q, %v", b, err)
	}
	// A machine that reads no more: the client learns it when it sends.
	r, at = start(t, 10, qemu(t, func(c *net.TCPConn) { c.Close() }))
	r.Open()
	c = dial(t, at)
	if b, err := io.ReadAll(c); len(b) != 0 || err != nil {
		t.Errorf("%q, %v", b, err)
	}
	var err error
	for range 1000 {
		if _, err = c.Write([]byte("x")); err != nil {
			break
		}
		time.Sleep(time.Millisecond)
	}
	if !isReset(err) {
		t.Errorf("writing gives %v", err)
	}
}

// TestWaits: connections wait until the machine is up, and are reset if it never
// is, or if nobody listens.
func TestWaits(t *testing.T) {
	to := qemu(t, echo)
	r, at := start(t, 10, to)
	c := dial(t, at)
	io.WriteString(c, "early")
	b := make([]byte, 5)
	c.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	if _, err := c.Read(b); !os.IsTimeout(err) {
		t.Errorf("got %q, %v before the machine is up", b, err)
	}
	c.SetReadDeadline(time.Now().Add(5 * time.Second))
	r.Open()
	r.Open() // a confused kernel says hello twice
	if _, err := io.ReadFull(c, b); err != nil || string(b) != "early" {
		t.Errorf("%q, %v", b, err)
	}

	r, at = start(t, 10, to)
	c = dial(t, at)
	for begin := time.Now(); len(r.slots) < 2 && time.Since(begin) < time.Second; {
		time.Sleep(time.Millisecond) // until it was accepted
	}
	ended(t, r, time.Second)
	if _, err := c.Read(b); !isReset(err) {
		t.Errorf("a machine that was never up: %v", err)
	}
	r.Open() // too late, and harmless
	if c, err := net.Dial("tcp4", at); err == nil {
		c.Close()
		t.Error("something still listens")
	}

	at2, release, err := Hold()
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	r, at = start(t, 10, at2)
	r.Open()
	if c, err := net.Dial("tcp4", at); err == nil { // or it was reset already
		defer c.Close()
		c.SetDeadline(time.Now().Add(5 * time.Second))
		_, err = c.Read(b)
		if !isReset(err) {
			t.Errorf("nobody listens: %v", err)
		}
	}
}

// TestLimit: the connection beyond the limit waits, and is not refused.
func TestLimit(t *testing.T) {
	r, at := start(t, 2, qemu(t, echo))
	r.Open()
	ask := func(c *net.TCPConn, wait time.Duration) error {
		c.SetDeadline(time.Now().Add(wait))
		io.WriteString(c, "x")
		_, err := io.ReadFull(c, make([]byte, 1))
		return err
	}
	a, b, c := dial(t, at), dial(t, at), dial(t, at)
	for _, x := range []*net.TCPConn{a, b} {
		if err := ask(x, 5*time.Second); err != nil {
			t.Fatal(err)
		}
	}
	if err := ask(c, 100*time.Millisecond); !os.IsTimeout(err) {
		t.Errorf("the third of two: %v", err)
	}
	a.Close()
	if err := ask(c, 5*time.Second); err != nil {
		t.Error(err)
	}
}

// TestPace: a machine that does not answer is not given all connections at once,
// and one that answers is.
func TestPace(t *testing.T) {
	const n = maxYoung + 30
	for _, answers := range []bool{false, true} {
		var served atomic.Int64
		hangUp := make(chan struct{})
		r, at := start(t, 1000, qemu(t, func(c *net.TCPConn) {
			served.Add(1)
			if answers {
				io.WriteString(c, "x")
			}
			go func() {
				<-hangUp
				c.Close()
			}()
		}))
		begin := time.Now()
		for range n {
			dial(t, at)
		}
		r.Open()
		wait := func(want int64) time.Duration {
			for served.Load() < want && time.Since(begin) < 5*time.Second {
				time.Sleep(time.Millisecond)
			}
			return time.Since(begin)
		}
		wait(maxYoung)
		late := wait(maxYoung + 1)
		all := wait(n)
		t.Logf("answers %v: number %d after %v, all after %v", answers, maxYoung+1, late, all)
		if served.Load() != n || !answers && late < youngTime {
			t.Errorf("answers %v: %d connections, number %d after %v", answers, served.Load(), maxYoung+1, late)
		}
		if answers && all > youngTime {
			t.Logf("slow host: all after %v", all) // the age lets them pass then, too
		}
		close(hangUp)
		ended(t, r, 3*time.Second)
	}
}

// TestRandom sends random amounts both ways over many connections at once, with
// random ends, and compares what arrives.
func TestRandom(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	// Each side sends a stream that starts with its length; the other one checks.
	send := func(rnd *rand.Rand, c *net.TCPConn, n int, tag byte) {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(i) ^ byte(i>>8) ^ tag
		}
		for len(b) > 0 {
			k := min(len(b), 1+rnd.IntN(100000))
			if _, err := c.Write(b[:k]); err != nil {
				return
			}
			b = b[k:]
			if rnd.IntN(4) == 0 {
				time.Sleep(time.Duration(rnd.IntN(500)) * time.Microsecond)
			}
		}
		c.CloseWrite()
	}
	receive := func(c *net.TCPConn, tag byte) (int, bool) {
		b, err := io.ReadAll(c)
		for i := range b {
			if b[i] != byte(i)^byte(i>>8)^tag {
				return len(b), false
			}
		}
		return len(b), err == nil
	}
	type report struct {
		n  int
		ok bool
	}
	var mu sync.Mutex
	var machine []report
	var served sync.WaitGroup
	const conns = 60
	served.Add(conns)
	r, at := start(t, 20, qemu(t, func(c *net.TCPConn) {
		go func() {
			defer served.Done()
			rnd := rand.New(rand.NewPCG(seed, 1))
			received := make(chan report)
			go func() {
				n, ok := receive(c, 0x55)
				received <- report{n, ok}
			}()
			send(rnd, c, 300_001, 0xaa)
			got := <-received
			mu.Lock()
			machine = append(machine, got)
			mu.Unlock()
			c.Close()
		}()
	}))
	r.Open()
	total := 0
	var wg sync.WaitGroup
	for i := range conns {
		rnd := rand.New(rand.NewPCG(seed, uint64(i+2)))
		n := rnd.IntN(400_000)
		total += n
		wg.Go(func() {
			c, err := net.Dial("tcp4", at)
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			c.SetDeadline(time.Now().Add(20 * time.Second))
			sent := make(chan bool)
			go func() {
				send(rnd, c.(*net.TCPConn), n, 0x55)
				close(sent)
			}()
			if n, ok := receive(c.(*net.TCPConn), 0xaa); n != 300_001 || !ok {
				t.Errorf("the client got %d bytes, right: %v", n, ok)
			}
			<-sent
		})
	}
	wg.Wait()
	served.Wait()
	ended(t, r, 3*time.Second)
	mu.Lock()
	defer mu.Unlock()
	sum := 0
	for _, m := range machine {
		sum += m.n
		if !m.ok {
			t.Errorf("the machine got %d bytes that are wrong", m.n)
		}
	}
	if sum != total || len(machine) != conns {
		t.Errorf("the machine got %d bytes of %d over %d connections", sum, total, len(machine))
	}
}

// TestNothingLeft counts descriptors.
func TestNothingLeft(t *testing.T) {
	count := func() int {
		list, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Skip(err)
		}
		return len(list)
	}
	to := qemu(t, echo)
	once := func() {
		l, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			t.Fatal(err)
		}
		r := New(10)
		r.Listen(l, func() netip.AddrPort { return to })
		r.Open()
		for i := range 4 {
			c, err := net.Dial("tcp4", l.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			c.Write([]byte("x"))
			io.ReadFull(c, make([]byte, 1))
			if i%2 == 0 {
				c.(*net.TCPConn).SetLinger(0)
			}
			c.Close()
		}
		r.Close()
	}
	once()
	time.Sleep(50 * time.Millisecond)
	before := count()
	for range 5 {
		once()
	}
	for begin := time.Now(); count() > before && time.Since(begin) < 2*time.Second; {
		time.Sleep(10 * time.Millisecond) // the echo's ends
	}
	if after := count(); after > before {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
}

// TestHold: the port is nobody else's, but QEMU's.
func TestHold(t *testing.T) {
	at, release, err := Hold()
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	// QEMU sets SO_REUSEADDR, as Go does.
	l, err := net.Listen("tcp4", at.String())
	if err != nil {
		t.Fatal("QEMU cannot listen:", err)
	}
	l.Close()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := unix.Bind(fd, &unix.SockaddrInet4{Port: int(at.Port()), Addr: at.Addr().As4()}); !errors.Is(err, unix.EADDRINUSE) {
		t.Error("somebody else gets the port:", err)
	}
	release()
}

func TestLimitOfDescriptors(t *testing.T) {
	n := Limit()
	var l unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &l); err != nil {
		t.Fatal(err)
	}
	if n < 1 || n > MaxConnections || uint64(2*n) > l.Cur && l.Cur > 400 {
		t.Errorf("%d connections with %d descriptors", n, l.Cur)
	}
	if l.Cur < l.Max && l.Cur < 2*MaxConnections {
		t.Errorf("the limit is %d, and could be %d", l.Cur, l.Max)
	}
}
