package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"skerry/image"
	"skerry/vmm"
)

func TestRun(t *testing.T) {
	w := newWorld(t)
	t.Setenv("HOST_ONLY", "secret")
	t.Setenv("PASSED", "yes")
	w.put(t, "vars", []byte("# comment\n\nFROM_FILE=a b # c\n  INDENTED=\"q\"\nBOTH=file\nPASSED\n"), 0o600)

	w.runK(t, "run", "./app", "hello", "out:one\ntwo", "exit:7").want(t, 7, "one\ntwo", "")
	w.runK(t, "run", "--", "./app", "hello", "out:x", "exit:0").want(t, 0, "x", "")
	// The program's stderr is its own.
	if o := w.runK(t, "run", "./app", "hello", "err:no newline", "exit:1"); o.status != 1 || o.stdout != "" || o.stderr != "no newline" {
		t.Errorf("%+v", o)
	}
	// Flags behind the program are the program's.
	record := func(args ...string) string {
		t.Helper()
		o := w.runK(t, append([]string{"run"}, args...)...)
		if o.status != 0 || o.stderr != "" {
			t.Errorf("%q: %+v", args, o)
		}
		return o.stdout
	}
	has := func(rec string, wants ...string) {
		t.Helper()
		for _, want := range wants {
			if !strings.Contains(rec, want) {
				t.Errorf("no %q in %s", want, rec)
			}
		}
	}
	r := record("./app", "record", "hello", "exit:0", "out: ", "out:-m", "out:--quiet", "out:--")
	has(r, "Program:"+w.path("app")+" ", "Args:[./app record hello exit:0 out:  out:-m out:--quiet out:--]", "Cwd:/ ", "Hostname:app ",
		"Env:[PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/ HOSTNAME=app]",
		"CPUs:1 ", "Memory:268435456 ", "StopTimeout:10000000000 ", "Trace:false Verbose:false Audit:false Data:false")
	if strings.Contains(r, "HOST_ONLY") {
		t.Error("the host's environment is passed")
	}
	r = record("-m", "1g", "--smp", "3", "-e", "A=1", "-e", "PASSED", "--env-file", "vars", "-e", "BOTH=flag", "-e", "A=2", "-e", "EMPTY=", "-e", "HOME=/srv",
		"-w", "/srv/x/", "--stop-timeout", "90s", "--host-access", "./app", "record", "hello", "exit:0")
	has(r, "CPUs:3 ", "Memory:1073741824 ", `HOME=/srv HOSTNAME=app A=2 PASSED=yes FROM_FILE=a b # c INDENTED="q" BOTH=flag EMPTY=]`, "Cwd:/srv/x ",
		"StopTimeout:90000000000 ", "host.skerry.internal", "Deny:[]")
	has(record("--network", "none", "./app", "record", "argv", "exit:0"), "Net:{Mode:0")
	has(record("--machine", "q35", "--cpu", "qemu64", "./app", "argv", "exit:0"), "q35", "qemu64", "virtio-net-pci")
	// By PATH, argv[0] as typed.
	t.Setenv("PATH", w.dir+":"+os.Getenv("PATH"))
	has(record("app", "record", "exit:0"), "Program:"+w.path("app")+" ", "Args:[app record exit:0]")
	// A folder below a mount point may be given; it is there as an empty one or not.
	os.Mkdir(w.path("folder"), 0o755)
	w.runK(t, "run", "--dir", "folder:/srv/www", "./app", "exit:0").want(t, 0, "", "")
}

func TestRunCache(t *testing.T) {
	w := newWorld(t)
	count := func() int {
		list, err := os.ReadDir(w.path("cache/skerry/images"))
		if err != nil {
			t.Fatal(err)
		}
		return len(list)
	}
	w.runK(t, "run", "--verbose", "-e", "A=1", "./app", "exit:0").want(t, 0, "", "the image was built")
	// Neither arguments nor environment are part of what is kept.
	w.runK(t, "run", "--verbose", "-e", "A=2", "./app", "exit:0", "out:").want(t, 0, "", "the image is in the cache")
	if n := count(); n != 1 {
		t.Errorf("%d images", n)
	}
	w.put(t, "conf", []byte("c"), 0o600)
	w.runK(t, "run", "--file", "conf:/conf", "./app", "exit:0").want(t, 0, "", "")
	if n := count(); n != 2 {
		t.Errorf("%d images", n)
	}
	w.run(t, "clean").want(t, 0, "", "removed 2 images, ")
	w.run(t, "clean", "--help")
	if n := count(); n != 0 {
		t.Errorf("%d images after clean", n)
	}
	w.run(t, "clean").want(t, 0, "", "removed 0 images, 0 bytes")
}

func TestRunEnds(t *testing.T) {
	w := newWorld(t)
	for script, c := range map[string]struct {
		status int
		stderr string
		result vmm.Result
	}{
		"hello exit:0":       {0, "", vmm.Result{Reason: "exited"}},
		"hello exit:255":     {255, "", vmm.Result{Reason: "exited", Status: 255, Code: 255}},
		"hello signaled:11":  {139, "SIGSEGV", vmm.Result{Reason: "signaled", Status: 139, Signal: 11, Message: "the program was ended by SIGSEGV: at 0x10"}},
		"hello uart:SIGSEGV": {120, "| ", vmm.Result{Reason: "kernel bug", Status: 120}},
		"status:1":           {125, "QEMU ended with status 1", vmm.Result{Reason: "failed", Status: 125, Message: "QEMU ended with status 1"}},
	} {
		o := w.runK(t, append([]string{"run", "--status-file", "st"}, append([]string{"./app"}, strings.Fields(script)...)...)...)
		o.want(t, c.status, "", c.stderr)
		b, err := os.ReadFile("st")
		if err != nil {
			t.Fatal(err)
		}
		var got vmm.Result
		if err := json.Unmarshal(b, &got); err != nil {
			t.Fatalf("%s: %v in %s", script, err, b)
		}
		if c.result.Message == "" {
			c.result.Message = got.Message
		}
		if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", c.result) {
			t.Errorf("%s: %+v, want %+v", script, got, c.result)
		}
		// --quiet leaves the program's output alone.
		w.runK(t, append([]string{"run", "--quiet", "./app"}, strings.Fields(script)...)...).want(t, c.status, "", "")
	}
	// What fails before a machine runs is told, too.
	for program, want := range map[string]string{"./none": `"reason":"not found","status":127`, "./kernel": `"reason":"cannot run","status":126`} {
		os.Remove("st")
		w.runK(t, "run", "--status-file", "st", program)
		if b, err := os.ReadFile("st"); err != nil || !strings.Contains(string(b), want) {
			t.Errorf("%s: %s, %v", program, b, err)
		}
	}
	// An old file does not outlive a start.
	w.put(t, "st", []byte("old"), 0o600)
	w.runK(t, "run", "--status-file", "st", "./app", "exit:3")
	if b, _ := os.ReadFile("st"); !strings.Contains(string(b), `"code":3`) {
		t.Errorf("%s", b)
	}
	w.runK(t, "run", "--status-file", "/dev/null", "./app", "exit:3").want(t, 3, "", "")
	w.runK(t, "run", "--timeout", "500ms", "--stop-timeout", "0", "./app", "hello", "hang").want(t, 124, "", "the timeout of 500ms is over")
}

func TestRunLogs(t *testing.T) {
	w := newWorld(t)
	script := []string{"./app", "hello", "log:booting", "audit:{}", "strace:read() = 0", "notice:denied: fork()", "exit:0"}
	run := func(flags ...string) outcome {
		return w.runK(t, append(append([]string{"run"}, flags...), script...)...)
	}
	run().want(t, 0, "", "skerry: denied: fork()\n")
	if o := run(); strings.Contains(o.stderr, "booting") || strings.Contains(o.stderr, "read()") {
		t.Errorf("%+v", o)
	}
	run("--strace").want(t, 0, "", "skerry: strace: read() = 0\n")
	run("--log", "-").want(t, 0, "", "skerry: log: booting\n")
	run("--verbose").want(t, 0, "", "skerry: kernel: booting\n")
	run("--quiet", "--strace=s", "--log", "l").want(t, 0, "", "")
	if b, _ := os.ReadFile("s"); string(b) != "read() = 0\n" {
		t.Errorf("strace %q", b)
	}
	if b, _ := os.ReadFile("l"); string(b) != "booting\n{}\ndenied: fork()\n" {
		t.Errorf("log %q", b)
	}
	for _, f := range []string{"s", "l"} {
		if info, err := os.Stat(f); err != nil || info.Mode() != 0o600 {
			t.Errorf("%s: %v, %v", f, info.Mode(), err)
		}
	}
	// --strace takes a file with = only; what follows is the program.
	run("--strace", "--quiet").want(t, 125, "", "")
}

func TestRunPorts(t *testing.T) {
	w := newWorld(t)
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	w.runK(t, "run", "-p", port+":80", "./app", "exit:0").want(t, 125, "", "port 127.0.0.1:"+port+": is in use by ")
	l.Close()
	o := w.runK(t, "run", "-p", port+":80", "-p", "0:53/udp", "./app", "argv", "exit:0")
	// TCP comes to QEMU through the launcher, on a port of its own.
	if !strings.Contains(o.stdout, "-10.0.2.15:80,hostfwd=udp:127.0.0.1:") || strings.Contains(o.stdout, ":"+port+"-") || !strings.Contains(o.stderr, "skerry: -p 127.0.0.1:") || !strings.Contains(o.stderr, " -> 53/udp\n") {
		t.Errorf("%+v", o)
	}
}

func TestBuildInspectRun(t *testing.T) {
	w := newWorld(t)
	w.put(t, "site/index.html", []byte("<html>"), 0o600)
	w.runK(t, "build", "./app", "record").want(t, 0, "", "wrote ./app.img (")
	w.runK(t, "build", "-o", "x.img", "-e", "TOKEN=hunter2", "-w", "/srv", "--dir", "site:/srv", "./app", "hello", "a b", "out:stored", "exit:4").want(t, 0, "", "wrote x.img")
	if info, err := os.Stat("x.img"); err != nil || info.Mode() != 0o600 {
		t.Error(info.Mode(), err)
	}
	again := w.path("again.img")
	w.runK(t, "build", "--quiet", "-o", again, "-e", "TOKEN=hunter2", "-w", "/srv", "--dir", "site:/srv", "./app", "hello", "a b", "out:stored", "exit:4").want(t, 0, "", "")
	a, _ := os.ReadFile("x.img")
	b, _ := os.ReadFile(again)
	if len(a) == 0 || string(a) != string(b) {
		t.Error("two builds differ")
	}

	o := w.run(t, "inspect", "x.img")
	o.want(t, 0, o.stdout, "")
	for _, want := range []string{"x.img, ", "format 1\n", "program      " + w.path("app"), `./app hello "a b" out:stored exit:4`, "environment  TOKEN\n", "folder       /srv\n", "/srv/index.html\n", "x         4096  " + w.path("app")} {
		if !strings.Contains(o.stdout, want) {
			t.Errorf("no %q in\n%s", want, o.stdout)
		}
	}
	j := w.run(t, "inspect", "--json", "x.img")
	var i inspection
	if err := json.Unmarshal([]byte(j.stdout), &i); err != nil || i.Program != w.path("app") || len(i.EnvNames) != 1 || len(i.Files) < 10 {
		t.Errorf("%v, %+v", err, i)
	}
	// What there is none of is an empty list.
	if j := w.run(t, "inspect", "--json", "app.img").stdout; !strings.Contains(j, `"tmpfs": []`) || !strings.Contains(j, `"env_names": []`) || strings.Contains(j, `s": null`) {
		t.Error(j[:min(len(j), 600)])
	}
	if strings.Contains(o.stdout+j.stdout, "hunter2") {
		t.Error("inspect tells a secret")
	}

	// The stored arguments, or others in their place.
	delete := func(s string) string { return strings.ReplaceAll(s, "\n", " ") }
	os.Remove("app") // an image needs nothing else
	os.Rename("app.img", "moved")
	w.run(t, "run", "x.img").want(t, 125, "", "what is a b") // is no command of the fake machine
	w.run(t, "run", "x.img", "out:new", "exit:5").want(t, 5, "new", "")
	r := w.run(t, "run", "-e", "B=1", "-w", "/etc", "./moved", "record", "exit:0").stdout
	for _, want := range []string{"Args:[./app record exit:0]", "HOSTNAME=app B=1]", "Cwd:/etc ", "Data:false"} {
		if !strings.Contains(delete(r), want) {
			t.Errorf("no %q in %s", want, r)
		}
	}
	r = w.run(t, "run", "-e", "TOKEN=mine", "--file", "site/index.html:/data/i", "x.img", "record", "out:|", "argv", "exit:0").stdout
	for _, want := range []string{"TOKEN=mine]", "Cwd:/srv ", "Data:true", "serial=skerry-data"} {
		if !strings.Contains(r, want) {
			t.Errorf("no %q in %s", want, r)
		}
	}
	w.run(t, "run", "-w", "/none", "x.img", "exit:0").want(t, 125, "", "-w /none: there is no such directory in x.img")
	w.run(t, "run", "--file", "site/index.html:"+w.path("app"), "x.img", "exit:0").want(t, 125, "", "is the program")
	w.run(t, "run", "--kernel", "kernel", "x.img", "exit:0").want(t, 125, "", "boots the kernel inside it")

	// Damage anywhere is found before anything runs.
	a[len(a)-1] ^= 1
	w.put(t, "x.img", a, 0o600)
	w.run(t, "run", "x.img", "exit:0").want(t, 125, "", "x.img: is damaged")
	w.run(t, "inspect", "x.img").want(t, 125, "", "x.img: is damaged")
	if image.Status(nil) != 125 {
		t.Error("an unknown error has another status")
	}
}

// TestDamagedCache: an image of the cache is verified each time, and one that is
// damaged is made anew.
func TestDamagedCache(t *testing.T) {
	w := newWorld(t)
	w.runK(t, "run", "--verbose", "./app", "out:a", "exit:0").want(t, 0, "a", "the image was built")
	w.runK(t, "run", "--verbose", "./app", "out:b", "exit:0").want(t, 0, "b", "the image is in the cache")
	files, err := filepath.Glob(w.path("cache/skerry/images/*.img"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	good, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range []int{0, 100, len(good) / 2, len(good) - 5000} {
		bad := bytes.Clone(good)
		bad[at] ^= 1
		if err := os.WriteFile(files[0], bad, 0o600); err != nil {
			t.Fatal(err)
		}
		r := w.runK(t, "run", "--verbose", "./app", "out:c", "exit:4")
		r.want(t, 4, "c", "the image was built")
		if b, err := os.ReadFile(files[0]); err != nil || !bytes.Equal(b, good) {
			t.Errorf("byte %d: the image was not replaced, %v", at, err)
		}
	}
}

func TestGoPackage(t *testing.T) {
	if testing.Short() {
		t.Skip("runs the go command")
	}
	// The world has a cache of its own, but the go command may use its old one.
	goCache, err := exec.Command("go", "env", "GOCACHE").Output()
	if err != nil {
		t.Skip("no go command")
	}
	t.Setenv("GOCACHE", strings.TrimSpace(string(goCache)))
	w := newWorld(t)
	w.put(t, "cmd/web/go.mod", []byte("module web\n\ngo 1.21\n"), 0o600)
	w.put(t, "cmd/web/main.go", []byte("package main\n\nfunc main() {}\n"), 0o600)
	r := w.runK(t, "run", "./cmd/web", "record", "exit:0")
	if r.status != 0 || !strings.Contains(r.stdout, "Program:/bin/web Args:[/bin/web record exit:0]") || r.stderr != "" {
		t.Errorf("%+v", r)
	}
	w.runK(t, "run", "--verbose", "./cmd/web", "exit:0").want(t, 0, "", "the image is in the cache")
	w.runK(t, "build", "./cmd/web").want(t, 0, "", "wrote ./web.img")
	w.put(t, "cmd/web/main.go", []byte("package main\n\nfunc main() { nothing() }\n"), 0o600)
	w.runK(t, "run", "./cmd/web").want(t, 125, "", "undefined: nothing")
	if list, _ := os.ReadDir(w.path("cache/skerry/images")); len(list) != 1 {
		t.Errorf("%d files left", len(list))
	}
}
