package skerrytest

import (
	"context"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"skerry/bench/linuxvm"
	"skerry/test/harness"
)

var (
	command = flag.String("skerry", "../bin/skerry", "the skerry command")
	against = flag.String("linux", "host", "which Linux is the reference: host, or machine for one under the emulator throughout")
)

var builder = sync.OnceValues(func() (*harness.Builder, error) { return harness.NewBuilder("programs") })

var linuxKernel = sync.OnceValues(func() (*linuxvm.Kernel, error) { return linuxvm.Fetch(context.Background()) })

// slots bounds the machines that run at a time, whatever -parallel says: a machine
// with several CPUs counts as one, since the emulator's threads share the host's.
var slots = make(chan struct{}, 2)

func slot(t *testing.T) {
	slots <- struct{}{}
	t.Cleanup(func() { <-slots })
}

// built is a program of the tests, built with a toolchain.
func built(ctx context.Context, t *testing.T, toolchain, program string) string {
	t.Helper()
	b, err := builder()
	if err != nil {
		t.Fatal(err)
	}
	path, err := b.Build(ctx, toolchain, program)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// TestMain keeps reports about machines that end by policy out of the user's folder.
func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "skerry-state-")
		if err == nil {
			defer os.RemoveAll(dir)
			err = os.Setenv("XDG_STATE_HOME", dir)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return m.Run()
	}())
}

// skerryCommand is the launcher's absolute path.
func skerryCommand(t *testing.T) string {
	t.Helper()
	path, err := filepath.Abs(*command)
	if err == nil {
		_, err = os.Stat(path)
	}
	if err != nil {
		t.Fatalf("%s: not there: build it first (make build), or name it with -skerry", *command)
	}
	return path
}

// skerryIn runs the command in a folder and gives back what it printed and its status.
func skerryIn(ctx context.Context, skerry, dir string) func(args ...string) (stdout, stderr string, status int) {
	return func(args ...string) (string, string, int) {
		cmd := exec.CommandContext(ctx, skerry, args...)
		cmd.Dir = dir
		var out, errs strings.Builder
		cmd.Stdout, cmd.Stderr = &out, &errs
		_ = cmd.Run() // the status says it
		return out.String(), errs.String(), cmd.ProcessState.ExitCode()
	}
}

func allTests() []test {
	l := append(append([]test{}, tests...), endings()...)
	for i := range l {
		t := &l[i]
		if t.toolchain == nil {
			t.toolchain = musl
		}
		if t.cpus == nil {
			t.cpus = []int{1, 2}
		}
		if t.memory == 0 {
			t.memory = 128
		}
		if t.machines == nil {
			t.machines = []string{linuxvm.MicroVM}
		}
		if t.timeout == 0 {
			t.timeout = 2 * time.Minute
		}
	}
	return l
}

// selected drops what -short leaves out: tests without that mark, and all but one
// machine type and the larger number of CPUs of the others.
func selected(t *testing.T) []test {
	var l []test
	for _, c := range allTests() {
		if testing.Short() {
			if !c.short {
				continue
			}
			if c.name != "hello" {
				c.cpus = c.cpus[len(c.cpus)-1:]
				c.machines = c.machines[:1]
			}
		}
		l = append(l, c)
	}
	return l
}

// references are the outcomes on Linux, found once for each program and arguments.
var references sync.Map

// reference runs a test on Linux.
func reference(t *testing.T, c *test, toolchain, path, machineType string) *harness.Outcome {
	t.Helper()
	where := c.reference
	if where == host && *against == "machine" {
		where = machine
	}
	key := fmt.Sprint(where, toolchain, path, c.args, machineType)
	if where != machine {
		key = fmt.Sprint(where, toolchain, path, c.args)
	}
	f, _ := references.LoadOrStore(key, sync.OnceValues(func() (*harness.Outcome, error) {
		p := &harness.Program{Path: path, Args: c.args, Env: c.env, CPUs: c.cpus[len(c.cpus)-1], Memory: c.memory, Machine: machineType, Network: c.fetch, Timeout: c.timeout}
		p.Args = withServer(t, c, p.Args, "127.0.0.1")
		p.Env = withTime(p.Env)
		if where == points {
			p.Env = nil
		}
		if where == machine {
			k, err := linuxKernel()
			if err != nil {
				return nil, err
			}
			p.Args = withServer(t, c, c.args, "10.0.2.2")
			return harness.OnLinuxMachine(context.Background(), k, p)
		}
		return onLinux(c, p)
	}))
	o, err := f.(func() (*harness.Outcome, error))()
	if err != nil {
		if o != nil {
			t.Logf("stdout %.2000q\nstderr %.2000q", o.Stdout, o.Stderr)
		}
		t.Fatalf("on Linux: %v", err)
	}
	return o
}

// checkAlone checks what needs no comparison.
func checkAlone(t *testing.T, c *test, o *harness.Outcome) {
	t.Helper()
	fails := harness.Fails(o.Stdout)
	for i, f := range fails {
		if i == 10 {
			t.Errorf("and %d lines more", len(fails)-i)
			break
		}
		t.Error(f)
	}
	if o.Status != c.status {
		t.Errorf("status %d, expected %d; stderr %.1000q, end of stdout %q", o.Status, c.status, o.Stderr, tail(o.Stdout, 500))
	}
}

func tail(b []byte, n int) []byte {
	return b[max(0, len(b)-n):]
}

// hostUser is held by what runs on this host's Linux, and held alone by what is greedy.
var hostUser sync.RWMutex

func onLinux(c *test, p *harness.Program) (*harness.Outcome, error) {
	if c.greedy {
		hostUser.Lock()
		defer hostUser.Unlock()
	} else {
		hostUser.RLock()
		defer hostUser.RUnlock()
	}
	return harness.OnHost(context.Background(), p)
}

// TestLinux runs every program on this host's Linux: a program that is wrong there
// proves nothing.
func TestLinux(t *testing.T) {
	b, err := builder()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range selected(t) {
		if c.machineOnly {
			continue
		}
		for _, tc := range c.toolchain {
			t.Run(c.name+"/"+tc, func(t *testing.T) {
				t.Parallel()
				path, err := b.Build(context.Background(), tc, c.program)
				if err != nil {
					t.Fatal(err)
				}
				slot(t)
				if c.reference != nothing {
					checkAlone(t, &c, reference(t, &c, tc, path, c.machines[0]))
					return
				}
				o, err := onLinux(&c, &harness.Program{Path: path, Args: c.args, Env: c.env, Timeout: c.timeout})
				if err != nil {
					t.Fatal(err)
				}
				checkAlone(t, &c, o)
			})
		}
	}
}

// TestMachines runs every program in machines of Skerry and compares.
func TestMachines(t *testing.T) {
	b, err := builder()
	if err != nil {
		t.Fatal(err)
	}
	skerry := skerryCommand(t)
	for _, c := range selected(t) {
		for _, tc := range c.toolchain {
			for _, m := range c.machines {
				for _, cpus := range c.cpus {
					t.Run(fmt.Sprintf("%s/%s/%s/%d", c.name, tc, m, cpus), func(t *testing.T) {
						t.Parallel()
						path, err := b.Build(context.Background(), tc, c.program)
						if err != nil {
							t.Fatal(err)
						}
						slot(t)
						inMachine(t, skerry, &c, tc, path, m, cpus)
					})
				}
			}
		}
	}
}

func inMachine(t *testing.T, skerry string, c *test, tc, path, machineType string, cpus int) {
	p := &harness.Program{Path: path, Args: c.args, Env: c.env, CPUs: cpus, Memory: c.memory, Machine: machineType, Flags: c.flags, Timeout: c.timeout}
	if c.fetch {
		p.Flags = append([]string{"--host-access"}, p.Flags...)
		p.Args = withServer(t, c, c.args, "host.skerry.internal")
	}
	p.Env = withTime(p.Env)
	got, err := harness.OnSkerry(context.Background(), skerry, p)
	for again := 0; c.timed && again < 2 && err == nil && (got.Status != c.status || len(harness.Fails(got.Stdout)) > 0); again++ {
		t.Logf("once more: %q", tail(got.Stdout, 300))
		got, err = harness.OnSkerry(context.Background(), skerry, p)
	}
	if err != nil {
		if got != nil {
			t.Logf("end of stdout %q\nend of stderr %q", tail(got.Stdout, 3000), tail(got.Stderr, 3000))
		}
		t.Fatal(err)
	}
	t.Logf("%v", got.Elapsed.Round(10*time.Millisecond))
	checkMachine(t, c, tc, path, machineType, got)
}

// checkMachine checks what came from a machine of Skerry.
func checkMachine(t *testing.T, c *test, tc, path, machineType string, got *harness.Outcome) {
	t.Helper()
	checkAlone(t, c, got)
	out, designs := harness.Split(got.Stdout)
	if d := harness.DesignDifference(c.design, designs); d != "" {
		t.Error(d)
	}
	if c.reference == nothing {
		return
	}
	want := reference(t, c, tc, path, machineType)
	expected, _ := harness.Split(want.Stdout)
	if c.sorted {
		expected, out = harness.SortLines(expected), harness.SortLines(out)
	}
	if d := harness.Difference(expected, out); d != "" {
		t.Errorf("stdout, Linux (-) and Skerry (+): %s", d)
	}
	if c.looseStderr {
		return
	}
	if d := harness.Difference(want.Stderr, got.Stderr); d != "" {
		t.Errorf("stderr, Linux (-) and Skerry (+): %s", d)
	}
}

// withTime puts the time of now into a variable that asks for it.
func withTime(env []string) []string {
	var l []string
	for _, e := range env {
		if e == "REFERENCE_TIME=now" {
			e = "REFERENCE_TIME=" + strconv.FormatInt(time.Now().Unix(), 10)
		}
		l = append(l, e)
	}
	return l
}

// withServer adds the address of an HTTP server of the harness, by a name that
// the program can resolve where it runs.
func withServer(t *testing.T, c *test, args []string, name string) []string {
	if !c.fetch {
		return args
	}
	server.once.Do(func() {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		server.port = l.Addr().(*net.TCPAddr).Port
		// It lives as long as the tests.
		go http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch r.URL.Path {
			case "/hello":
				fmt.Fprintln(w, "hello from the host")
			case "/bulk":
				n, _ := strconv.Atoi(r.URL.Query().Get("n"))
				line := strings.Repeat("0123456789abcdef", 4)[:63] + "\n"
				for n = min(n, 64<<20); n > 0; n -= len(line) {
					fmt.Fprint(w, line[:min(n, len(line))])
				}
			default:
				http.NotFound(w, r)
			}
		}))
	})
	return append(append([]string{}, args...), fmt.Sprintf("http://%s:%d", name, server.port))
}

var server struct {
	once sync.Once
	port int
}
