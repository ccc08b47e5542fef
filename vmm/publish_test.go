package vmm

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// running is a session with a published port that has not ended yet.
type running struct {
	*session
	at   string // where the port is on the host
	done chan *Result
}

// launch runs a script behind `-p 0:80` and waits for the line that tells the port.
func launch(t *testing.T, script ...string) *running {
	t.Helper()
	s := newSession(t, script...)
	s.Forwards = []Forward{{"tcp", addrPort("127.0.0.1:0"), 80}}
	r := &running{s, "", make(chan *Result, 1)}
	go func() {
		res, err := Run(&s.Config)
		if err != nil {
			res = &Result{Message: err.Error(), Status: -1}
		}
		r.done <- res
	}()
	for begin := time.Now(); r.at == ""; time.Sleep(time.Millisecond) {
		if time.Since(begin) > 10*time.Second {
			t.Fatal("no port")
		}
		s.mu.Lock()
		for _, l := range s.said {
			if rest, ok := strings.CutPrefix(l, "-p "); ok {
				r.at, _, _ = strings.Cut(rest, " ")
			}
		}
		s.mu.Unlock()
	}
	return r
}

func (r *running) dial(t *testing.T) *net.TCPConn {
	t.Helper()
	c, err := net.DialTimeout("tcp4", r.at, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(15 * time.Second))
	return c.(*net.TCPConn)
}

// end waits for the end, at most for limit.
func (r *running) end(t *testing.T, status int, limit time.Duration) {
	t.Helper()
	begin := time.Now()
	select {
	case res := <-r.done:
		if res.Status != status {
			t.Errorf("%+v", res)
		}
		if d := time.Since(begin); d > limit {
			t.Errorf("the end took %v", d)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("the machine does not end")
	}
	if c, err := net.Dial("tcp4", r.at); err == nil {
		c.Close()
		t.Error("somebody still listens on the published port")
	}
}

func TestPublished(t *testing.T) {
	t.Parallel()
	// Connections that come while the machine boots wait for it.
	r := launch(t, "sleep:200", "listen", "hello", "echo:20", "exit:3")
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			c, err := net.Dial("tcp4", r.at)
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			msg := fmt.Sprintf("client %d", i)
			io.WriteString(c, msg)
			c.(*net.TCPConn).CloseWrite()
			if b, err := io.ReadAll(c); string(b) != msg || err != nil {
				t.Errorf("%q, %v", b, err)
			}
		})
	}
	wg.Wait()
	r.end(t, 3, 5*time.Second)
}

// TestPortTaken: who listens on the port of the loopback that was meant for QEMU gets it,
// and the machine another one.
func TestPortTaken(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ taken, starts, status int }{{1, 2, 3}, {3, 4, 3}, {9, 4, StatusFailed}} {
		file := filepath.Join(t.TempDir(), "starts")
		r := launch(t, fmt.Sprintf("taken:%d:%s", c.taken, file), "listen", "hello", "echo:1", "exit:3")
		if c.status == 3 {
			conn := r.dial(t)
			io.WriteString(conn, "hi")
			conn.CloseWrite()
			if b, err := io.ReadAll(conn); string(b) != "hi" || err != nil {
				t.Errorf("%q, %v", b, err)
			}
		}
		r.end(t, c.status, 10*time.Second)
		b, err := os.ReadFile(file)
		ports := slices.Compact(slices.Sorted(strings.Lines(string(b))))
		if err != nil || len(ports) != c.starts {
			t.Errorf("taken %d times: started with %q, %v", c.taken, ports, err)
		}
	}
}

// TestLastWords: the program ends right behind its last write, and its client
// takes its time.
func TestLastWords(t *testing.T) {
	t.Parallel()
	const size = 6 << 20
	r := launch(t, "listen", "hello", fmt.Sprintf("send:%d", size), "exit:0")
	c := r.dial(t)
	c.Write([]byte("GET / HTTP/1.0\r\n\r\n"))
	total, b := 0, make([]byte, 64<<10)
	for {
		n, err := c.Read(b)
		if total += n; err != nil {
			break
		}
		time.Sleep(2 * time.Millisecond)
	}
	if total != size {
		t.Errorf("%d bytes of %d", total, size)
	}
	r.end(t, 0, 5*time.Second)
}

// TestStuckClient: a client that does not read holds up the end for a while only,
// and not at all if the user wants the end.
func TestStuckClient(t *testing.T) {
	t.Parallel()
	for name, interrupt := range map[string]bool{"patience": false, "interrupt": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := launch(t, "listen", "hello", "send:3000000", "exit:0")
			c := r.dial(t)
			c.SetReadBuffer(4096)
			io.ReadFull(c, make([]byte, 1))
			time.Sleep(300 * time.Millisecond)
			limit := connGrace + 3*time.Second
			if interrupt {
				r.sig <- os.Interrupt
				limit = 4 * time.Second
			}
			select {
			case res := <-r.done:
				r.done <- res
				if !interrupt && res.Status == 0 {
					t.Log("the sockets took everything")
				}
			case <-time.After(limit):
				t.Error("does not end")
			}
			r.end(t, 0, limit)
		})
	}
}

// TestNeverUp: connections to a machine that does not come up are reset.
func TestNeverUp(t *testing.T) {
	t.Parallel()
	r := launch(t, "sleep:300", "status:1")
	c := r.dial(t)
	c.Write([]byte("x"))
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Error(err)
	}
	r.end(t, StatusFailed, 5*time.Second)
}

// TestKilledConnections: when the machine is ended from outside, its connections
// end soon.
func TestKilledConnections(t *testing.T) {
	t.Parallel()
	r := launch(t, "listen", "hello", "echo:1", "hang")
	c := r.dial(t)
	if _, err := c.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	r.sig <- os.Interrupt
	r.sig <- os.Interrupt
	if b, err := io.ReadAll(c); len(b) != 0 {
		t.Errorf("%q, %v", b, err)
	}
	r.end(t, StatusKilled, 5*time.Second)
}

// TestPublishedAfterFallback: a QEMU that must be started a second time keeps the
// port, and it is told once.
func TestPublishedAfterFallback(t *testing.T) {
	t.Parallel()
	for option, say := range map[string]string{"-sandbox": "-sandbox support is not enabled in this QEMU binary", "kvm": "failed to initialize kvm: No such device"} {
		q := put(t, "qemu", "#!/bin/sh\nfor a; do if [ \"$a\" = "+option+" ]; then echo 'qemu: "+say+"' >&2; exit 1; fi; done\nexec '"+asName(t, "fake-qemu")+"' \"$@\"\n")
		if err := os.Chmod(q, 0o700); err != nil {
			t.Fatal(err)
		}
		s := newSession(t, "listen", "hello", "argv", "exit:5")
		s.QEMU = q
		s.Forwards = []Forward{{"tcp", addrPort("127.0.0.1:0"), 80}, {"udp", addrPort("127.0.0.1:0"), 81}}
		if option == "kvm" {
			old := ChooseAccel
			ChooseAccel = func(string) Accel { return Accel{KVM, "a test"} }
			defer func() { ChooseAccel = old }()
			s.Accel = Accel{}
		}
		r := s.run(t)
		ports := 0
		for _, l := range s.said {
			if strings.HasPrefix(l, "-p ") {
				ports++
			}
		}
		if r.Status != 5 || ports != 2 || len(s.said) != 3 || option == "kvm" && !bytes.Contains(s.out.Bytes(), []byte("tcg,")) {
			t.Errorf("%s: %+v, %q", option, r, s.said)
		}
	}
}
