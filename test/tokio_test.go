package skerrytest

import (
	"bytes"
	"context"
	"fmt"
	"hash/fnv"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"skerry/test/harness"
)

// tokioServer builds programs/tokio with the crates of Debian's packages.
func tokioServer(t *testing.T) string {
	t.Helper()
	packaged(t, "cargo", "cargo")
	for _, crate := range []string{"tokio-1.*", "hyper-0.14.*", "h2-0.3.*"} {
		if l, err := filepath.Glob(filepath.Join(harness.Crates, crate)); err != nil || len(l) == 0 {
			t.Skipf("no crate %s in %s (Debian has it in the packages librust-tokio-dev, librust-hyper-dev)", crate, harness.Crates)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	path := built(ctx, t, harness.Cargo, "tokio")
	return path
}

// fnv64 is the hash of programs/tokio.
func fnv64(b []byte) string {
	h := fnv.New64a()
	h.Write(b)
	return fmt.Sprintf("%016x", h.Sum64())
}

// pattern makes n bytes that do not repeat soon.
func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7) ^ byte(i>>11)
	}
	return b
}

// TestTokio uses a Rust server on tokio and hyper: timers, tasks on several workers,
// files, sockets, bodies in both directions, and a client's request, over HTTP/1.1 and
// HTTP/2.
func TestTokio(t *testing.T) {
	d := &harness.Daemon{
		Path: tokioServer(t), Memory: 128, Flags: append([]string{"--host-access"}, strict...),
		Args: func(p harness.Place) []string {
			return []string{net.JoinHostPort(p.Host, strconv.Itoa(p.Ports[0])), p.Files, p.Tmp}
		},
		Files: func(p harness.Place) map[string][]byte { return map[string][]byte{"served": pattern(300_000)} },
		Ready: greets("GET / HTTP/1.0\r\n\r\n", "HTTP/1.0 200 OK"),
	}
	var want [2]string
	daemon(t, d, 0, func(t *testing.T, r *harness.Running) {
		linux := r.Tmp != ""
		for i, name := range []string{"HTTP/1.1", "HTTP/2.0"} {
			a := newAsks(t, r.Address)
			transport := &http.Transport{Protocols: new(http.Protocols), MaxIdleConnsPerHost: 100}
			transport.Protocols.SetHTTP1(i == 0)
			transport.Protocols.SetUnencryptedHTTP2(i == 1)
			a.client.Transport = transport
			t.Cleanup(transport.CloseIdleConnections)
			useTokio(t, a, name)
			a.compare(linux, &want[i])
			tokioTimers(t, a)
			tokioFetch(t, a, linux)
		}
		keptAlive(t, r.Address)
		a := newAsks(t, r.Address)
		a.load("/", 100, 3000)
		a.load("/tasks?n=20", 20, 300)
		bulk(t, r.Address)
	})
}

// useTokio makes requests whose answers are the same everywhere.
func useTokio(t *testing.T, a *asks, proto string) {
	for _, path := range []string{"/", "/timers?n=300", "/work?n=50", "/together", "/tasks?n=1000", "/files", "/sockets", "/signal", "/panic", "/none", "/ticks?n=20&ms=5"} {
		a.do("GET", path, "", nil)
	}
	for _, text := range []string{"300 timers, 0 early, timeout Err", "12586269025 20365011074", "3 threads, 1 leader", "1000 tasks, 332833500 and 332833500",
		"300000 bytes served", "tcp 1900000", "SIGUSR1 came", "panic Err(true), aborted Err(true)", "tick 19\n"} {
		if !strings.Contains(a.got.String(), text) {
			t.Errorf("%s: nothing answers %q: %s", proto, text, tail([]byte(a.got.String()), 3000))
		}
	}
	for _, n := range []int{0, 1, 65536, 5<<20 + 3} {
		b := pattern(n)
		if got, want := a.do("POST", "/hash", "application/x-test", b), fmt.Sprintf("application/x-test %d %s\n", n, fnv64(b)); got != want {
			t.Errorf("%s: %q, expected %q", proto, got, want)
		}
		// The echo comes while the body is sent.
		r, err := a.client.Post(a.base+"/echo", "text/plain", io.MultiReader(bytes.NewReader(b[:n/2]), bytes.NewReader(b[n/2:])))
		if err != nil {
			t.Errorf("%s: echo of %d: %v", proto, n, err)
			continue
		}
		got, err := io.ReadAll(r.Body)
		r.Body.Close()
		if err != nil || !bytes.Equal(got, b) || r.Proto != proto {
			t.Errorf("%s, answered as %s: echo of %d: %d bytes, %v", proto, r.Proto, n, len(got), err)
		}
		if l, h := r.Trailer.Get("X-Length"), r.Trailer.Get("X-Fnv"); proto == "HTTP/2.0" && (l != strconv.Itoa(n) || h != fnv64(b)) {
			t.Errorf("trailers of %d bytes: length %q, hash %q", n, l, h)
		}
	}
}

// tokioTimers shows that requests which wait do so at the same time, and not less
// than they were told.
func tokioTimers(t *testing.T, a *asks) {
	const ms, n = 500, 40
	var wait sync.WaitGroup
	begin := time.Now()
	for range n {
		wait.Go(func() {
			r, err := a.client.Get(fmt.Sprintf("%s/sleep?ms=%d", a.base, ms))
			if err != nil {
				t.Error(err)
				return
			}
			defer r.Body.Close()
			if b, err := io.ReadAll(r.Body); err != nil || string(b) != fmt.Sprintf("slept %d early false\n", ms) {
				t.Errorf("%q, %v", b, err)
			}
		})
	}
	wait.Wait()
	if d := time.Since(begin); d < ms*time.Millisecond || d > n*ms*time.Millisecond/2 {
		t.Errorf("%d requests that wait for %d ms took %v", n, ms, d)
	}
}

// tokioFetch lets the server ask a server of this host.
func tokioFetch(t *testing.T, a *asks, linux bool) {
	page := pattern(1 << 20)
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write(page) }))
	defer other.Close()
	u := other.URL
	if !linux {
		u = strings.Replace(u, "127.0.0.1", "10.0.2.2", 1)
	}
	if got, want := a.do("GET", "/fetch?u="+url.QueryEscape(u), "", nil), fmt.Sprintf("200 OK %d %s\n", len(page), fnv64(page)); got != want {
		t.Errorf("fetch: %q, expected %q", got, want)
	}
}

// keptAlive sends many requests through few connections and asks the server how many
// there were.
func keptAlive(t *testing.T, address string) {
	count := func(c *http.Client) (connections, requests int) {
		r, err := c.Get("http://" + address + "/count")
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		if _, err := fmt.Fscan(r.Body, &connections, &requests); err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, r.Body)
		return connections, requests
	}
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	c := &http.Client{Transport: transport, Timeout: time.Minute}
	c1, r1 := count(c)
	for i := range 200 {
		b := pattern(i)
		r, err := c.Post("http://"+address+"/hash", "", bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(r.Body)
		r.Body.Close()
		if want := fmt.Sprintf(" %d %s\n", i, fnv64(b)); err != nil || string(got) != want {
			t.Fatalf("%q, %v, expected %q", got, err, want)
		}
	}
	if c2, r2 := count(c); c2 != c1 || r2 != r1+201 {
		t.Errorf("%d connections and %d requests became %d and %d", c1, r1, c2, r2)
	}
}
