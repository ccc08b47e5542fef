package skerrytest

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"skerry/bench/load"
	"skerry/test/harness"
)

// hogs are runs of programs/hog.c: what a program that eats memory comes to. They
// have no reference, since they would eat the host's.
var hogs = []struct {
	args   []string
	memory int // MiB
	status int // 137: the machine says that memory ran out
	short  bool
}{
	{[]string{"touch"}, 64, 137, true},
	{[]string{"touch=200"}, 128, 137, true}, // 200 MB in a machine of 128
	{[]string{"touch=80", "churn=50"}, 128, 0, false},
	{[]string{"sparse"}, 64, 137, false},
	{[]string{"files", "names", "files", "churn=10"}, 64, 0, true},
	// Refused, or all of them: each gives back what it took, and life goes on.
	{[]string{"sockets", "udp", "pipes", "pairs", "events", "epolls", "timers", "mappings", "sockets", "churn=10"}, 64, 0, true},
	{[]string{"pipes", "sockets", "mappings", "pairs", "pipes"}, 128, 0, false},
	// What the kernel remembers is more than the machine has. 137, not a kernel
	// that cannot go on.
	{[]string{"threads"}, 64, 137, true},
	{[]string{"keep", "names", "epolls=32000", "mappings=60000"}, 24, 137, true},
	{[]string{"keep", "names", "timers=60000", "threads"}, 24, 137, false},
	{[]string{"keep", "names", "mappings=30000", "threads"}, 32, 137, false},
	{[]string{"keep", "events=65000", "mappings=30000", "threads"}, 32, 137, false},
}

// TestMemory eats memory in machines.
func TestMemory(t *testing.T) {
	skerry := skerryCommand(t)
	b, err := builder()
	if err != nil {
		t.Fatal(err)
	}
	path, err := b.Build(context.Background(), harness.Musl, "hog")
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range hogs {
		for _, cpus := range []int{1, 2} {
			if testing.Short() && !h.short {
				continue
			}
			t.Run(fmt.Sprintf("%s/%dM/%d", strings.Join(h.args, ","), h.memory, cpus), func(t *testing.T) {
				t.Parallel()
				slot(t)
				o, err := harness.OnSkerry(context.Background(), skerry, &harness.Program{
					Path: path, Args: h.args, CPUs: cpus, Memory: h.memory, Timeout: 3 * time.Minute, Flags: []string{"--quiet=false"}})
				if err != nil {
					t.Fatal(err)
				}
				for _, f := range harness.Fails(o.Stdout) {
					t.Error(f)
				}
				if o.Status != h.status {
					t.Errorf("status %d, expected %d", o.Status, h.status)
				}
				said := strings.Contains(string(o.Stderr), fmt.Sprintf("out of memory: of %d MiB the program has ", h.memory)) &&
					strings.Contains(string(o.Stderr), ": -m ")
				if said != (h.status == 137) {
					t.Errorf("what was said of memory does not fit status %d", h.status)
				}
				if t.Failed() {
					t.Logf("stdout %s\nstderr %s", tail(o.Stdout, 1000), tail(o.Stderr, 2000))
				}
			})
		}
	}
}

// TestSmallMachine serves from as little memory as is promised: the page to 16
// connections, and one answer of 8 MB.
func TestSmallMachine(t *testing.T) {
	skerry := skerryCommand(t)
	b, err := builder()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ memory, cpus int }{{32, 1}, {40, 1}, {40, 2}} {
		t.Run(fmt.Sprintf("%dM/%d", c.memory, c.cpus), func(t *testing.T) {
			slot(t)
			ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
			defer cancel()
			path, err := b.Build(ctx, harness.Go, "../../examples/http")
			if err != nil {
				t.Fatal(err)
			}
			s, err := harness.Serve(ctx, skerry, &harness.Program{Path: path, CPUs: c.cpus, Memory: c.memory, Machine: "microvm", Timeout: time.Minute})
			if err != nil {
				t.Fatal(err)
			}
			r, err := load.Run(ctx, load.Plan{Address: s.Address, Path: "/", Connections: 16, Requests: 100, Duration: time.Minute})
			if err != nil {
				t.Fatal(err)
			}
			if r.Requests != 100 || r.Errors != 0 {
				t.Errorf("%d requests of 100, %d errors, the first %v", r.Requests, r.Errors, r.First)
			}
			bulk(t, s.Address)
			if status, err := s.Stop(30 * time.Second); err != nil || status != 0 {
				t.Errorf("status %d after SIGTERM, %v", status, err)
			}
		})
	}
}
