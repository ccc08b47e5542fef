package relay

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"
)

// TestEnd: the machine ends right after its last write, and nothing is lost even
// if the client is slow, or has sent what nobody read.
func TestEnd(t *testing.T) {
	const size = 8 << 20
	for name, c := range map[string]struct {
		request int // bytes that the machine leaves unread
		slow    bool
	}{
		"plain": {0, false}, "slow": {0, true}, "unread": {5000, false}, "unread and slow": {5000, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wrote := make(chan bool)
			r, at := start(t, 10, qemu(t, func(conn *net.TCPConn) {
				go func() {
					data := bytes.Repeat([]byte("0123456789abcdef"), size/16)
					_, err := conn.Write(data)
					for n := 1; n > 0 && c.request > 0; time.Sleep(time.Millisecond) {
						n, _ = unsent(conn) // its end is a reset, which would overtake
					}
					conn.Close()
					wrote <- err == nil
				}()
			}))
			r.Open()
			conn := dial(t, at)
			conn.Write(make([]byte, c.request))
			got := make(chan int64, 1)
			go func() {
				h := sha256.New()
				var total int64
				b := make([]byte, 64<<10)
				for {
					n, err := conn.Read(b)
					h.Write(b[:n])
					total += int64(n)
					if err != nil {
						break
					}
					if c.slow {
						time.Sleep(5 * time.Millisecond)
					}
				}
				if want := sha256.Sum256(bytes.Repeat([]byte("0123456789abcdef"), size/16)); total == size && !bytes.Equal(h.Sum(nil), want[:]) {
					total = -1
				}
				got <- total
			}()
			if !<-wrote {
				t.Fatal("the machine cannot write")
			}
			done := r.End()
			if n := <-got; n != size {
				t.Errorf("%d bytes of %d", n, size)
			}
			conn.Close()
			select {
			case <-done:
			case <-time.After(2 * time.Second):
				t.Error("does not end")
			}
		})
	}
}

// TestEndIdle: idle connections do not hold up the end, and are closed, not reset.
func TestEndIdle(t *testing.T) {
	var mu sync.Mutex
	var theirs []*net.TCPConn
	r, at := start(t, 100, qemu(t, func(c *net.TCPConn) {
		mu.Lock()
		theirs = append(theirs, c)
		mu.Unlock()
		io.WriteString(c, "x")
	}))
	r.Open()
	var ours []*net.TCPConn
	for range 50 {
		c := dial(t, at)
		io.ReadFull(c, make([]byte, 1))
		ours = append(ours, c)
	}
	mu.Lock()
	for _, c := range theirs { // QEMU ends
		c.Close()
	}
	mu.Unlock()
	ended(t, r, time.Second)
	for _, c := range ours {
		if _, err := c.Read(make([]byte, 1)); err != io.EOF {
			t.Fatal(err)
		}
	}
}

// TestClose: a client that does not read cannot hold up the end.
func TestClose(t *testing.T) {
	r, at := start(t, 10, qemu(t, func(c *net.TCPConn) {
		go func() { c.Write(make([]byte, 64<<20)) }()
	}))
	r.Open()
	c := dial(t, at)
	io.ReadFull(c, make([]byte, 1))
	time.Sleep(50 * time.Millisecond)
	select {
	case <-r.End():
		t.Error("ended though there is data")
	case <-time.After(50 * time.Millisecond):
	}
	begin := time.Now()
	r.Close()
	if d := time.Since(begin); d > time.Second {
		t.Errorf("took %v", d)
	}
	if _, err := io.Copy(io.Discard, c); !isReset(err) {
		t.Error(err)
	}
	r.Close() // again
	l, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	r.Listen(l, func() netip.AddrPort { return netip.AddrPort{} })
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Error("a listener after the end:", err)
	}
}
