package skerrytest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"skerry/test/harness"
)

// TestGuile runs a script with threads; it compiles at run time.
func TestGuile(t *testing.T) {
	const script = `(define (fib n) (if (< n 2) n (+ (fib (- n 1)) (fib (- n 2)))))
(use-modules (ice-9 threads) (ice-9 match) (srfi srfi-1))
(display (fib 22)) (newline)
(display (par-map (lambda (x) (* x x)) (iota 5))) (newline)
(display (match '(1 (2 "u")) ((a (b c)) (list c b a)))) (newline)
(exit 3)
`
	sameRun(t, packaged(t, "guile", "guile-3.0"), map[string]string{"run.scm": script}, 192, 3, nil, "--no-auto-compile", "FILES/run.scm")
}

// TestMono runs a program with threads, regular expressions and a socket.
func TestMono(t *testing.T) {
	mono := packaged(t, "mono", "mono-runtime")
	mcs := packaged(t, "mcs", "mono-mcs")
	dir := t.TempDir()
	source, program := filepath.Join(dir, "run.cs"), filepath.Join(dir, "run.exe")
	writeFile(t, source, `using System; using System.Net; using System.Net.Sockets; using System.Threading; using System.Text.RegularExpressions;
class P { static int Main(string[] args) {
	var l = new TcpListener(IPAddress.Loopback, 0); l.Start();
	var t = new Thread(() => { using (var c = l.AcceptTcpClient()) c.GetStream().Write(new byte[]{104, 105}, 0, 2); }); t.Start();
	using (var c = new TcpClient("127.0.0.1", ((IPEndPoint)l.LocalEndpoint).Port)) { var b = new byte[2]; var n = 0; while (n < 2) n += c.GetStream().Read(b, n, 2 - n); Console.WriteLine("{0}{1}", (char)b[0], (char)b[1]); }
	t.Join();
	Console.WriteLine("{0} {1} {2}", Regex.Replace("a1b22", "[0-9]+", "#"), String.Join(",", args), "u".ToUpper());
	try { throw new Exception("thrown"); } catch (Exception e) { Console.WriteLine(e.Message); }
	return 4;
} }`)
	if out, err := exec.Command(mcs, "-out:"+program, source).CombinedOutput(); err != nil {
		t.Skipf("mcs: %v: %s", err, tail(out, 500))
	}
	b, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	sameRun(t, mono, map[string]string{"run.exe": string(b)}, 256, 4, nil, "FILES/run.exe", "one")
}

// TestHAProxy answers requests by itself.
func TestHAProxy(t *testing.T) {
	d := &harness.Daemon{
		Path: packaged(t, "haproxy", "haproxy"), Memory: 128, Flags: strict,
		Args: func(p harness.Place) []string { return []string{"-db", "-f", p.Files + "/haproxy.cfg"} },
		Files: func(p harness.Place) map[string][]byte {
			return map[string][]byte{"haproxy.cfg": []byte(fmt.Sprintf("global\n  maxconn 100\ndefaults\n  mode http\n  option http-buffer-request\n  timeout client 10s\n  timeout server 10s\n  timeout connect 10s\n"+
				"frontend f\n  bind %s:%d\n  http-request return status 404 content-type text/plain string \"none\\n\" if { path /none }\n"+
				"  http-request return status 200 content-type text/plain lf-string \"%%[method] %%[path] %%[req.hdr(content-type)]\\n\"\n", p.Host, p.Ports[0]))}
		},
		Ready: greets("GET /x HTTP/1.0\r\n\r\n", "HTTP/1.1 200 OK"),
	}
	var want string
	daemon(t, d, 143, func(t *testing.T, r *harness.Running) {
		a := newAsks(t, r.Address)
		a.do("GET", "/page", "", nil)
		a.do("POST", "/form", "text/plain", []byte("a small body, which it waits for"))
		a.do("GET", "/none", "", nil)
		a.compare(r.Tmp != "", &want)
		a.load("/page", 8, 300)
	})
}
