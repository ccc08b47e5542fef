package skerrytest

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"skerry/bench/load"
	"skerry/test/harness"
)

var soakTime = flag.Duration("soak", 20*time.Minute, "how long TestSoak loads its server")

// soakSlack is how much less memory, in KiB, a machine may have free afterwards.
const soakSlack = 8 << 10

// TestSoak loads a server in many ways at once for a long time: no request may be
// lost, and the machine's memory must be free again afterwards.
func TestSoak(t *testing.T) {
	skerry := skerryCommand(t)
	duration := *soakTime
	if testing.Short() {
		t.Skip("takes long")
	}
	slot(t)
	ctx, cancel := context.WithTimeout(context.Background(), duration+15*time.Minute)
	defer cancel()
	path := built(ctx, t, harness.Go, "go/soak")
	s, err := harness.Serve(ctx, skerry, &harness.Program{Path: path, CPUs: 2, Memory: 256, Timeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if t.Failed() {
			t.Logf("output %s", tail([]byte(s.Output()), 3000))
		}
	}()
	soak(ctx, t, s.Address, min(10*time.Second, duration)) // what is kept for good is there then
	before := memoryLeft(t, s.Address)
	requests := soak(ctx, t, s.Address, duration)
	t.Logf("%d requests in %v", requests, duration)

	// The kernel's own garbage is collected in its time.
	deadline := time.Now().Add(6 * time.Minute)
	for {
		after := memoryLeft(t, s.Address)
		// What the program itself still holds is not the kernel's.
		lost := before.free - after.free - max(after.resident-before.resident, 0)
		if lost <= soakSlack && after.fds <= before.fds+2 {
			t.Logf("free %d KiB before, %d after", before.free, after.free)
			break
		}
		if time.Now().After(deadline) {
			t.Errorf("%d KiB are gone: before %+v, after %+v", lost, before, after)
			break
		}
		time.Sleep(5 * time.Second)
	}
	if status, err := s.Stop(30 * time.Second); err != nil || status != 0 {
		t.Errorf("status %d after SIGTERM, %v", status, err)
	}
}

// left is what a machine has left: KiB, and the program's descriptors.
type left struct{ free, resident, fds int }

func memoryLeft(t *testing.T, address string) (l left) {
	t.Helper()
	client := &http.Client{Timeout: time.Minute, Transport: &http.Transport{DisableKeepAlives: true}}
	r, err := client.Get("http://" + address + "/memory")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	b, _ := io.ReadAll(r.Body)
	if _, err := fmt.Sscan(string(b), &l.free, &l.resident, &l.fds); err != nil {
		t.Fatalf("%s: %v", b, err)
	}
	return l
}

// soak sends all kinds of requests for some time and returns how many there were.
func soak(ctx context.Context, t *testing.T, address string, d time.Duration) (requests int64) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	count := func(n int64) {
		mu.Lock()
		requests += n
		mu.Unlock()
	}
	end := time.Now().Add(d)
	// Connections that stay.
	for _, p := range []string{"/", "/file", "/map", "/pipes", "/timers", "/self"} {
		wg.Go(func() {
			for time.Now().Before(end) && ctx.Err() == nil {
				r, err := load.Run(ctx, load.Plan{Address: address, Path: p, Connections: 3, Duration: min(time.Until(end), 5*time.Minute)})
				if err != nil {
					t.Errorf("%s: %v", p, err)
					return
				}
				if r.Errors != 0 {
					t.Errorf("%s: %d errors of %d requests, the first %v", p, r.Errors, r.Requests, r.First)
				}
				count(r.Requests)
			}
		})
	}
	// One connection for each request, with a body both ways.
	wg.Go(func() {
		client := &http.Client{Timeout: time.Minute, Transport: &http.Transport{DisableKeepAlives: true}}
		body := strings.Repeat("0123456789", 50000)
		for time.Now().Before(end) && ctx.Err() == nil {
			r, err := client.Post("http://"+address+"/echo", "text/plain", strings.NewReader(body))
			if err != nil {
				t.Errorf("/echo: %v", err)
				return
			}
			b, err := io.ReadAll(r.Body)
			r.Body.Close()
			if err != nil || string(b) != body {
				t.Errorf("/echo: %d bytes of %d came back, %v", len(b), len(body), err)
			}
			count(1)
		}
	})
	// Clients that go away in the middle of everything.
	wg.Go(func() {
		const text = "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n"
		for i := 0; time.Now().Before(end) && ctx.Err() == nil; i++ {
			c, err := net.Dial("tcp", address)
			if err != nil {
				t.Errorf("connect: %v", err)
				return
			}
			io.WriteString(c, text[:1+i%len(text)])
			if i%2 == 0 {
				c.(*net.TCPConn).SetLinger(0)
			}
			c.Close()
			time.Sleep(50 * time.Millisecond)
		}
	})
	wg.Wait()
	return requests
}
