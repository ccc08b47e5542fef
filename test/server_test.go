package skerrytest

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"skerry/bench/load"
	"skerry/test/harness"
)

// servers are the example servers with the status that SIGTERM ends them with.
var servers = []struct {
	name, toolchain, program string
	status                   int
	short                    bool
}{
	{"go", harness.Go, "../../examples/http", 0, true},
	{"c-musl", harness.Musl, "../../examples/http-c/http", 0, true},
	{"c-glibc", harness.Glibc, "../../examples/http-c/http", 0, false},
	{"rust", harness.Rust, "../../examples/http-rust/http", 143, true},
}

// TestServersOnLinux shows that the load and the servers are sound.
func TestServersOnLinux(t *testing.T) {
	for _, s := range servers {
		t.Run(s.name, func(t *testing.T) { serve(t, "", s.toolchain, s.program, "", 1, s.status) })
	}
}

// TestServers puts servers into machines and sends 10,000 requests over 50
// connections, without an error.
func TestServers(t *testing.T) {
	skerry := skerryCommand(t)
	for _, s := range servers {
		for _, m := range anyType {
			for _, cpus := range []int{1, 2} {
				if testing.Short() && (!s.short || m != "microvm" || cpus == 1) {
					continue
				}
				t.Run(fmt.Sprintf("%s/%s/%d", s.name, m, cpus), func(t *testing.T) {
					slot(t)
					serve(t, skerry, s.toolchain, s.program, m, cpus, s.status)
				})
			}
		}
	}
}

func serve(t *testing.T, skerry, toolchain, program, machineType string, cpus, status int) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	path := built(ctx, t, toolchain, program)
	s, err := harness.Serve(ctx, skerry, &harness.Program{Path: path, CPUs: cpus, Memory: 128, Machine: machineType, Timeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if t.Failed() {
			t.Logf("output %s", tail([]byte(s.Output()), 3000))
		}
	}()
	r, err := load.Run(ctx, load.Plan{Address: s.Address, Path: "/", Connections: 50, Requests: 10000, Duration: 3 * time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	if r.Requests != 10000 || r.Errors != 0 {
		t.Errorf("%d requests of 10000, %d errors, the first %v", r.Requests, r.Errors, r.First)
	}
	t.Logf("%.0f requests per second, p50 %v, p99 %v", float64(r.Requests)/r.Elapsed.Seconds(), r.P50, r.P99)
	bulk(t, s.Address)
	got, err := s.Stop(30 * time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if got != status {
		t.Errorf("status %d after SIGTERM, expected %d", got, status)
	}
}

// bulk fetches some megabytes and checks every byte.
func bulk(t *testing.T, address string) {
	const size = 8<<20 + 12345
	block := make([]byte, 65536) // which the servers repeat from its start
	for i := range block {
		block[i] = 'a' + byte(i%26)
	}
	want := sha256.New()
	for n := size; n > 0; n -= len(block) {
		want.Write(block[:min(n, len(block))])
	}
	client := &http.Client{Timeout: 2 * time.Minute}
	r, err := client.Get(fmt.Sprintf("http://%s/bulk?n=%d", address, size))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	got := sha256.New()
	n, err := io.Copy(got, r.Body)
	if err != nil || n != size || string(got.Sum(nil)) != string(want.Sum(nil)) {
		t.Errorf("bulk: %d bytes of %d, %v; content right: %v", n, size, err, string(got.Sum(nil)) == string(want.Sum(nil)))
	}
}
