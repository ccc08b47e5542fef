package skerrytest

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"skerry/test/harness"
)

// strict are the flags with which a machine ends for an attempt to start another program,
// and libraries are sealed. The tests of nginx and of servers in Go and Rust run with them,
// too.
var strict = []string{"--level", "strict", "--seal", "all"}

// TestStrict: programs that behave do not notice, and the record says that nothing was
// refused.
func TestStrict(t *testing.T) {
	for _, c := range []struct {
		name, program, pkg string
		args               func(p harness.Place) []string
		ask, answer        string
	}{
		{"redis", "redis-server", "redis-server", func(p harness.Place) []string {
			return []string{"--port", strconv.Itoa(p.Ports[0]), "--bind", p.Host, "--protected-mode", "no", "--dir", p.Tmp, "--save", "", "--appendonly", "yes"}
		}, "SET k v\r\nEVAL \"return redis.call('GET','k')\" 0\r\nCONFIG GET maxmemory\r\n", "+OK\r\n$1\r\nv\r\n"},
		{"python", "/usr/bin/python3", "python3", func(p harness.Place) []string {
			return []string{"-m", "http.server", "--bind", p.Host, strconv.Itoa(p.Ports[0])}
		}, "GET / HTTP/1.0\r\n\r\n", "HTTP/1.0 200 OK"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := packaged(t, c.program, c.pkg)
			record := filepath.Join(t.TempDir(), "audit")
			ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
			defer cancel()
			slot(t)
			d := &harness.Daemon{Path: path, Memory: 128, CPUs: 2, Flags: append([]string{"--audit", record}, strict...), Args: c.args,
				Ready: greets(c.ask, c.answer), Timeout: 2 * time.Minute}
			r, err := d.Start(ctx, skerryCommand(t), t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := r.Stop(30 * time.Second); err != nil {
				t.Error(err)
			}
			b, err := os.ReadFile(record)
			if err != nil {
				t.Fatal(err)
			}
			if bytes.Contains(b, []byte(`"killed"`)) || bytes.Contains(b, []byte(`"point":1`)) && bytes.Contains(b, []byte(`"rule":"call"`)) {
				t.Errorf("%s", b)
			}
		})
	}
	// The scripts of Perl and Ruby that the other tests run start processes.
	for _, c := range []struct {
		program, pkg string
		args         []string
		out          string
	}{
		{"sqlite3", "sqlite3", []string{"/tmp/x.db", "create table t(a); insert into t values(6),(7); select a*7 from t"}, "42\n49\n"},
		{"perl", "perl", []string{"-e", `use Socket; use POSIX; use Digest::SHA "sha1_hex"; use Encode; socketpair(A, B, AF_UNIX, SOCK_STREAM, 0); syswrite A, "x"; sysread B, $x, 1; print $x, floor(6.7), substr(sha1_hex("a"), 0, 4), "\n"`}, "x686f7\n"},
		{"ruby", "ruby", []string{"-e", `require "socket"; require "json"; require "digest"; s = TCPServer.new("127.0.0.1", 0); t = Thread.new { s.accept.puts JSON.dump([6 * 7]) }; puts TCPSocket.new("127.0.0.1", s.addr[1]).gets, Digest::SHA1.hexdigest("a")[0, 4]`}, "[42]\n86f7\n"},
		{"php", "php-cli", []string{"-d", "opcache.enable_cli=1", "-d", "opcache.jit=tracing", "-d", "opcache.jit_buffer_size=8M", "-r",
			`function f($n) { $s = 0; for ($i = 0; $i < $n; $i++) { $s += $i % 7; } return $s; } for ($k = 0; $k < 50; $k++) $x = f(20000); $j = opcache_get_status()["jit"]; var_dump($x, $j["on"], $j["buffer_size"] - $j["buffer_free"] > 1000);`}, "int(59997)\nbool(true)\nbool(true)\n"},
	} {
		t.Run(c.program, func(t *testing.T) {
			path := packaged(t, c.program, c.pkg)
			slot(t)
			var out, errs bytes.Buffer
			cmd := exec.Command(skerryCommand(t), append(append(append([]string{"run", "-m", "256M"}, strict...), path), c.args...)...)
			cmd.Stdout, cmd.Stderr = &out, &errs
			if err := cmd.Run(); err != nil || out.String() != c.out || strings.Contains(errs.String(), "denied") {
				t.Errorf("%v: %q, %s", err, out.String(), errs.String())
			}
		})
	}
}

// TestVerdicts: what each rule does at each level, and that a run of an image can only
// tighten what the image says.
func TestVerdicts(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	path := built(ctx, t, harness.Musl, "audited")
	glibc := built(ctx, t, harness.Glibc, "audited") // which asks for rseq first
	kernel := built(ctx, t, harness.Glibc, "attacks/kernel")
	slot(t)
	skerry := skerryCommand(t)
	dir := t.TempDir()
	run := func(args ...string) (int, string) {
		t.Helper()
		out, err := exec.CommandContext(ctx, skerry, append([]string{"run", "--cpus", "2", "-e", "SKERRY_POINTS=1"}, args...)...).CombinedOutput()
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			t.Fatal(err)
		}
		if exit != nil {
			return exit.ExitCode(), string(out)
		}
		return 0, string(out)
	}
	policy := filepath.Join(dir, "policy.toml")
	if err := os.WriteFile(policy, []byte("[policy]\nlevel = \"strict\"\nprocess = \"deny\"\nidentity = \"kill\"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	image := filepath.Join(dir, "strict.img")
	if out, err := exec.CommandContext(ctx, skerry, "build", "--level", "strict", "-o", image, path).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if out, err := exec.CommandContext(ctx, skerry, "inspect", image).CombinedOutput(); err != nil || !strings.Contains(string(out), "\npolicy       strict\n") {
		t.Errorf("%v: %s", err, out)
	}
	for _, c := range []struct {
		args   []string
		status int
		says   string
	}{
		{[]string{path}, 3, "not refused 0\n"},
		{[]string{"--level", "default", path}, 3, "not refused 0\n"},
		{[]string{"--level", "strict", path}, 121, "skerry: ended by policy: fork() in thread 1 at "},
		{[]string{"--level", "strict", glibc}, 121, " main+0x"}, // the stack
		{[]string{"--level", "strict", "--verdict", "process=deny", path}, 3, "not refused 0\n"},
		{[]string{"--verdict", "identity=kill", path}, 121, "skerry: ended by policy: setuid(0) in thread 1 at "},
		{[]string{"--verdict", "memory=kill", path}, 121, "skerry: ended by policy: mmap of 4096 bytes at 0x0: "},
		{[]string{"--verdict", "surface=kill", path}, 121, "skerry: ended by policy: io_uring_setup("},
		{[]string{"--verdict", "surface=kill", glibc}, 121, "skerry: ended by policy: io_uring_setup("},
		{[]string{"--verdict", "egress=kill", path}, 121, "skerry: ended by policy: a connection to 10.0.2.2:22, which is the host's own services in thread 1 at "},
		{[]string{"--policy", policy, path}, 121, "skerry: ended by policy: setuid(0) in thread 1 at "},
		{[]string{image}, 121, "skerry: ended by policy: fork() in thread 1 at "},
		{[]string{"--verdict", "identity=kill", image}, 121, "skerry: ended by policy: fork() in thread 1 at "},
		{[]string{"--level", "default", image}, 125, "a run may only tighten that"},
		{[]string{"--policy", policy, image}, 125, "a run may only tighten that"},
		// Code for the kernel is of one rule, what libraries probe for of another.
		{[]string{"--level", "strict", kernel, "init_module"}, 121, "skerry: ended by policy: init_module("},
		{[]string{"--level", "strict", kernel, "finit_module"}, 121, "skerry: ended by policy: finit_module("},
		{[]string{"--level", "strict", kernel, "delete_module"}, 121, "skerry: ended by policy: delete_module("},
		{[]string{"--level", "strict", kernel, "kexec_load"}, 121, "skerry: ended by policy: kexec_load("},
		{[]string{"--level", "strict", kernel, "a message queue"}, 0, "a message queue: refused ENOSYS\n"},
		{[]string{"--level", "strict", kernel, "a packet socket"}, 0, "a packet socket: refused EPERM\n"},
		{[]string{"--level", "strict", kernel, "a raw socket"}, 0, "a raw socket: refused EPERM\n"},
		{[]string{"--level", "strict", "--verdict", "surface=kill", kernel, "a message queue"}, 121, "skerry: ended by policy: mq_open("},
		{[]string{"--level", "strict", "--verdict", "surface=kill", kernel, "a packet socket"}, 121, "skerry: ended by policy: socket(AF_PACKET"},
	} {
		if status, out := run(c.args...); status != c.status || !strings.Contains(out, c.says) || c.status == 121 && strings.Contains(out, "not refused") {
			t.Errorf("%q: status %d, want %d with %q: %s", c.args, status, c.status, c.says, out)
		}
	}
}

// TestSeal: with --seal all, code, constants and relocated data of libraries can neither be
// changed nor unmapped, and a library that is closed stays; without, all of that goes, as on
// Linux. An image keeps its seal.
func TestSeal(t *testing.T) {
	python := packaged(t, "/usr/bin/python3", "python3")
	slot(t)
	skerry, dir := skerryCommand(t), t.TempDir()
	const names = "libsqlite3.so code,libsqlite3.so relocated data,libc.so code,libc.so relocated data,libssl.so code,libssl.so relocated data,libbz2.so unloaded,libbz2.so unloaded"
	open, sealed := "", ""
	for name := range strings.SplitSeq(names, ",") {
		open += name + " done\n"
		if strings.HasPrefix(name, "libbz2") {
			sealed += name + " no\n"
		} else {
			sealed += name + " EPERM\n"
		}
	}
	open, sealed = open+"still 42\nlibsqlite3.so constants done\n", sealed+"still 42\nlibsqlite3.so constants EPERM\n"
	script, err := filepath.Abs("programs/scripts/seal.py")
	if err != nil {
		t.Fatal(err)
	}
	image := filepath.Join(dir, "sealed.img")
	if out, err := exec.Command(skerry, "build", "--seal", "all", "--file", script+":/seal.py", "-o", image, python, "/seal.py").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--file", script + ":/seal.py", python, "/seal.py"}, open},
		{[]string{"--seal", "all", "--cpus", "2", "--file", script + ":/seal.py", python, "/seal.py"}, sealed},
		{[]string{image}, sealed},
	} {
		cmd := exec.Command(skerry, append([]string{"run", "--timeout", "60s"}, c.args...)...)
		var errs bytes.Buffer
		cmd.Stderr = &errs
		if out, err := cmd.Output(); err != nil || string(out) != c.want {
			t.Errorf("%q: %v: got %s\nexpected %s\n%s", c.args, err, out, c.want, errs.String())
		}
	}
	out, err := exec.Command(skerry, "run", "--seal", "default", image).CombinedOutput()
	if e, ok := err.(*exec.ExitError); !ok || e.ExitCode() != 125 || !strings.Contains(string(out), "libraries are sealed by the image's policy") {
		t.Errorf("%v: %s", err, out)
	}
	if out, err := exec.Command(skerry, "inspect", image).CombinedOutput(); err != nil || !strings.Contains(string(out), "\npolicy       default, seal=all\n") {
		t.Errorf("%v: %s", err, out)
	}
}

// TestEgressSealed: the addresses that a program may not reach stand on a page that is
// read-only, as the kernel's walk of its page table counts them, and are refused from there.
func TestEgressSealed(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	path := built(ctx, t, harness.Musl, "audited")
	slot(t)
	in := skerryIn(ctx, skerryCommand(t), t.TempDir())
	readOnly := func(flags ...string) (kib int, text string) {
		t.Helper()
		_, text, _ = in(append(append([]string{"run", "--verbose", "--incident", "none"}, flags...), path)...)
		_, rest, ok := strings.Cut(text, " KiB executable, ")
		kib, err := strconv.Atoi(strings.SplitN(rest, " ", 2)[0])
		if !ok || err != nil {
			t.Fatal(text)
		}
		return kib, text
	}
	with, refused := readOnly()
	without, allowed := readOnly("--host-access")
	if with != without+4 {
		t.Errorf("%d KiB are read-only, and %d without such addresses", with, without)
	}
	const denied = "skerry: denied a connection to 10.0.2.2:22"
	if !strings.Contains(refused, denied) || strings.Contains(allowed, denied) {
		t.Errorf("%s\n%s", refused, allowed)
	}
}
