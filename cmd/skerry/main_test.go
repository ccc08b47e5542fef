package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"skerry/vmm/fakevm"
)

// The test binary is also QEMU, without a machine in it (package fakevm: the
// program's arguments say what the machine does), and skerry itself.
func TestMain(m *testing.M) {
	switch filepath.Base(os.Args[0]) {
	case "qemu-system-x86_64":
		fakevm.Main(os.Args)
	case "skerry":
		main()
	}
	os.Exit(m.Run())
}

// world is a folder to work in, with a program, a kernel and a fake QEMU.
type world struct {
	dir    string
	skerry string // path of the command, for tests that need a process
	stdin  *os.File
}

func newWorld(t *testing.T) *world {
	t.Helper()
	dir, err := os.MkdirTemp("/var/tmp", "skerry-test-") // /tmp is not seen in a machine
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	w := &world{dir: dir, skerry: filepath.Join(dir, "bin", "skerry")}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	w.put(t, "app", program(), 0o755)
	w.put(t, "kernel", []byte("kernel"), 0o644)
	if err := errors.Join(os.Mkdir(w.path("bin"), 0o755), os.Symlink(self, w.path("bin/qemu-system-x86_64")), os.Symlink(self, w.skerry)); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", w.path("bin")+":"+os.Getenv("PATH"))
	t.Setenv("XDG_CACHE_HOME", w.path("cache"))
	t.Setenv("XDG_STATE_HOME", w.path("state"))
	t.Chdir(dir)
	return w
}

func (w *world) path(name string) string { return filepath.Join(w.dir, name) }

func (w *world) put(t *testing.T, name string, data []byte, mode os.FileMode) string {
	t.Helper()
	p := w.path(name)
	if err := errors.Join(os.MkdirAll(filepath.Dir(p), 0o755), os.WriteFile(p, data, mode), os.Chmod(p, mode)); err != nil {
		t.Fatal(err)
	}
	return p
}

// program is a static x86-64 program, as far as the launcher looks.
func program() []byte {
	le := binary.LittleEndian
	b := make([]byte, 0x1000)
	copy(b, "\x7fELF\x02\x01\x01")
	le.PutUint16(b[16:], 2)
	le.PutUint16(b[18:], 62)
	le.PutUint32(b[20:], 1)
	le.PutUint64(b[24:], 0x400100)
	le.PutUint64(b[32:], 64)
	le.PutUint16(b[52:], 64)
	le.PutUint16(b[54:], 56)
	le.PutUint16(b[56:], 1)
	le.PutUint32(b[64:], 1)
	le.PutUint32(b[68:], 5)
	le.PutUint64(b[80:], 0x400000)
	le.PutUint64(b[96:], 0x1000)
	le.PutUint64(b[104:], 0x1000)
	return b
}

// outcome is what a command line led to.
type outcome struct {
	status         int
	stdout, stderr string
}

// skerryIn runs the command in this process.
func (w *world) run(t *testing.T, args ...string) outcome {
	t.Helper()
	var stdout, stderr bytes.Buffer
	a := &app{stdin: w.stdin, stdout: &stdout, stderr: &lockedWriter{w: &stderr}, host: "linux/amd64"}
	status := a.main(args)
	return outcome{status, stdout.String(), stderr.String()}
}

// runK is run with the kernel given.
func (w *world) runK(t *testing.T, args ...string) outcome {
	t.Helper()
	return w.run(t, append([]string{args[0], "--kernel", w.path("kernel")}, args[1:]...)...)
}

func (o outcome) want(t *testing.T, status int, stdout, stderr string) {
	t.Helper()
	if o.status != status || o.stdout != stdout || stderr == "" && o.stderr != "" || !strings.Contains(o.stderr, stderr) {
		t.Errorf("got status %d, stdout %q, stderr %q; want %d, %q, %q", o.status, o.stdout, o.stderr, status, stdout, stderr)
	}
	for l := range strings.Lines(o.stderr) {
		if !strings.HasPrefix(l, "skerry: ") || !strings.HasSuffix(l, "\n") {
			t.Errorf("a line that is not ours: %q", l)
		}
	}
	if strings.Contains(o.stderr, "goroutine ") {
		t.Errorf("a stack trace: %s", o.stderr)
	}
}

// TestMistakes: what a wrong command line is answered, in one line.
// TestJIT: how much memory may become executable is part of an image, which flags
// at run time may lower and not raise.
func TestJIT(t *testing.T) {
	w := newWorld(t)
	record := func(want string, args ...string) {
		t.Helper()
		if o := w.run(t, args...); o.status != 0 || o.stderr != "" || !strings.Contains(o.stdout, want) {
			t.Errorf("%v: no %q in %+v", args, want, o)
		}
	}
	kernel := w.path("kernel")
	record("JIT:0 ", "run", "--kernel", kernel, "./app", "record", "exit:0")
	record("JIT:1048576 ", "run", "--kernel", kernel, "--jit", "1M", "./app", "record", "exit:0")
	record("JIT:0 ", "run", "--kernel", kernel, "--no-jit", "./app", "record", "exit:0")

	w.runK(t, "build", "--jit", "64M", "-o", "jit.img", "./app", "record", "exit:0").want(t, 0, "", "wrote jit.img")
	w.runK(t, "build", "-o", "none.img", "./app", "record", "exit:0").want(t, 0, "", "wrote none.img")
	w.runK(t, "build", "--no-jit", "-o", "no.img", "./app", "record", "exit:0").want(t, 0, "", "wrote no.img")
	record("JIT:67108864 ", "run", "jit.img")
	record("JIT:67108864 ", "run", "--jit", "64M", "jit.img")
	record("JIT:4096 ", "run", "--jit", "4K", "jit.img")
	record("JIT:0 ", "run", "--no-jit", "jit.img")
	record("JIT:0 ", "run", "none.img")
	record("JIT:0 ", "run", "--no-jit", "none.img")
	w.run(t, "run", "--jit", "65M", "jit.img").want(t, 125, "", "--jit 65M: jit.img allows 64M at most (build it with --jit)")
	w.run(t, "run", "--jit", "4K", "none.img").want(t, 125, "", "--jit 4K: none.img allows no memory to become executable (build it with --jit)")

	// The kernel's advice is for whoever can follow it.
	w.run(t, "run", "--kernel", kernel, "./app", "hello", "notice:no JIT: --jit 128M", "exit:0").want(t, 0, "", "skerry: no JIT: --jit 128M\n")
	w.run(t, "run", "jit.img", "hello", "notice:no JIT: --jit 128M", "exit:0").want(t, 0, "", "skerry: no JIT: skerry build --jit 128M\n")
	w.run(t, "run", "--jit", "4K", "jit.img", "hello", "notice:no JIT: --jit 64M", "exit:0").want(t, 0, "", "skerry: no JIT: --jit 64M\n")

	record("jit          64 MiB of memory may become executable\n", "inspect", "jit.img")
	record(`"jit": 67108864,`, "inspect", "--json", "jit.img")
	record(`"jit": 0,`, "inspect", "--json", "none.img")
	if o := w.run(t, "inspect", "none.img"); strings.Contains(o.stdout, "jit") {
		t.Errorf("%+v", o)
	}
	record("jit: 64 MiB of memory that may become executable\n", "check", "--kernel", kernel, "--jit", "64M", "./app")
	// Without it, an image is what it was before there was one.
	a, _ := os.ReadFile("none.img")
	b, _ := os.ReadFile("no.img")
	if len(a) == 0 || !bytes.Equal(a, b) || bytes.Contains(a, []byte(`"jit"`)) {
		t.Error("images without a JIT budget differ")
	}
}

func TestMistakes(t *testing.T) {
	w := newWorld(t)
	w.put(t, "plain", program(), 0o644)
	w.put(t, "text", []byte("hello\n"), 0o755)
	w.put(t, "bad.img", append([]byte("SKERRYIM\x01\x00\x00\x00"), make([]byte, 5000)...), 0o644)
	w.put(t, "new.img", append([]byte("SKERRYIM\x63\x00\x00\x00"), make([]byte, 5000)...), 0o644)
	w.put(t, "vars", []byte("A=1\nnot a variable: secret\n"), 0o644)
	os.Mkdir(w.path("folder"), 0o755)
	for _, c := range []struct {
		line   string
		status int
		stderr string
	}{
		{"frobnicate", 125, "frobnicate: is not a command (to run a program: skerry run frobnicate)"},
		{"biuld", 125, "did you mean build?"},
		{"run", 125, "PROGRAM is missing (skerry run [flags] PROGRAM [ARG...])"},
		{"run --", 125, "PROGRAM is missing"},
		{"help nosuch", 125, "nosuch: is not a command"},
		{"help rnu", 125, "did you mean run?"},
		{"help run x", 125, "takes one command"},
		{"completion tcsh", 125, "tcsh: is not a shell that completion knows"},
		{"run --quit ./app", 125, "--quit: is not a flag of `skerry run` (did you mean --quiet?)"},
		{"run --xyzzy ./app", 125, "--xyzzy: is not a flag of `skerry run` (skerry run --help lists them)"},
		{"run -x ./app", 125, "-x: is not a flag"},
		{"run -m", 125, "-m: needs a value"},
		{"run --cpus", 125, "--cpus: needs a value"},
		{"run --quiet=maybe ./app", 125, "--quiet maybe: "},
		{"run --jit 512 ./app", 125, "--jit 512: has no unit (512M, or 512G)"},
		{"run --jit 0M ./app", 125, "--jit 0M: is nothing (--no-jit refuses all)"},
		{"run --jit 2000G ./app", 125, "--jit 2000G: is more than a machine can have"},
		{"run --jit 1K ./app", 125, "--jit 1K: is not a whole number of pages"},
		{"run --jit 1M --no-jit ./app", 125, "--jit --no-jit: are opposites (leave one out)"},
		{"run -m 512 ./app", 125, "-m 512: has no unit (512M, or 512G)"},
		{"run -m 1T ./app", 125, "-m 1T: is not a size"},
		{"run -m K ./app", 125, "-m K: is not a size"},
		{"run -m -1M ./app", 125, "-m -1M: is not a size"},
		{"run -m 8M ./app", 125, "-m 8M: is too little"},
		{"run -m 99999999G ./app", 125, "is more than a machine can have"},
		{"run -m 65537K ./app", 125, "whole number of pages"},
		{"run --cpus 0 ./app", 125, "--cpus 0: is not a number of CPUs (1 to 32)"},
		{"run --smp 99 ./app", 125, "--cpus 99: is not a number of CPUs"},
		{"run --timeout 10 ./app", 125, "--timeout 10: has no unit (10s, or 10m)"},
		{"run --stop-timeout -1s ./app", 125, "--stop-timeout -1s: is negative"},
		{"run --timeout soon ./app", 125, "--timeout soon: is not a time"},
		{"run -p x ./app", 125, `-p x: "x" is not a port`},
		{"run -p 80 -p 80 ./app", 125, "-p 80: the port of the host is given twice"},
		{"run -e =x ./app", 125, "-e: has no name"},
		{"run -e SKERRY_TEST_UNSET ./app", 125, "-e SKERRY_TEST_UNSET: is not set here"},
		{"run --env-file none ./app", 125, "--env-file none: no such file"},
		{"run --env-file vars ./app", 125, "--env-file vars, line 2: is not NAME=value"},
		{"run --file x ./app", 125, "--file x: has no absolute path in the machine"},
		{"run --file none:/x ./app", 125, "--file none:/x: none: no such file"},
		{"run --dir folder:/tmp/x ./app", 125, "wrote nothing"}, // replaced below: a folder there is fine
		{"run -w srv ./app", 125, "-w srv: is not an absolute path"},
		{"run --config none.toml ./app", 125, "none.toml: no such file"},
		{"run --quiet --verbose ./app", 125, ""},
		{"run --machine pc ./app", 125, "--machine pc: is not one of microvm, q35"},
		{"run --network bridge ./app", 125, "--network bridge: is not one of user, none"},
		{"run --network none -p 80 ./app", 125, "the machine has no network"},
		{"run --network none --host-access ./app", 125, "leave one out"},
		{"run --status-file no/such/dir ./app", 125, "--status-file no/such/dir: cannot be written"},
		{"run --status-file folder ./app", 125, "--status-file folder: is a directory"},
		{"run --log no/such/dir ./app", 125, "--log no/such/dir: no such file"},
		{"run ./none", 127, "./none: no such file or folder"},
		{"run nosuchprogram", 127, "nosuchprogram: not found in PATH"},
		{"run app", 127, "write ./app"},
		{"run ./plain", 126, "./plain: is not marked executable (chmod +x ./plain)"},
		{"run ./text", 126, "./text: is not an ELF program"},
		{"run ./folder", 126, "without a Go package"},
		{"run bad.img", 125, "bad.img: is damaged"},
		{"run new.img", 125, "bad.img"}, // replaced below
		{"inspect", 125, "takes one IMAGE"},
		{"inspect ./app", 125, "./app: is not a Skerry image (make one with `skerry build`)"},
		{"inspect none", 125, "none: no such file"},
		{"inspect bad.img", 125, "bad.img: is damaged"},
		{"build", 125, "PROGRAM is missing"},
		{"build bad.img", 125, "is an image already"},
		{"build -o no/such/x.img ./app", 125, "cannot be written"},
		{"build -p 80 ./app", 125, "-p: is not a flag of `skerry build`"},
		{"clean all", 125, "all: `skerry clean` takes no arguments"},
		{"doctor x", 125, "takes no arguments"},
		{"version x", 125, "takes no arguments"},
	} {
		switch c.line {
		case "run --dir folder:/tmp/x ./app":
			continue // a folder below a mount point is fine; see TestRun
		case "run new.img":
			c.stderr = "new.img: has image format 99, and skerry 0.1.0 reads format 1 (use a newer skerry"
		case "run --quiet --verbose ./app":
			w.run(t, strings.Fields(c.line)...).want(t, 125, "", "") // --quiet drops even this
			continue
		}
		args := strings.Fields(c.line)
		if (args[0] == "run" || args[0] == "build") && !strings.Contains(c.line, ".img") || strings.HasPrefix(c.line, "build -o") {
			args = append([]string{args[0], "--kernel", w.path("kernel")}, args[1:]...)
		}
		o := w.run(t, args...)
		o.want(t, c.status, "", "skerry: ")
		if !strings.Contains(o.stderr, c.stderr) || strings.Count(o.stderr, "\n") != 1 {
			t.Errorf("%s: %q, want %q", c.line, o.stderr, c.stderr)
		}
		if strings.Contains(o.stderr, "secret") {
			t.Errorf("%s: tells a secret: %q", c.line, o.stderr)
		}
	}
}

func TestDockerFlags(t *testing.T) {
	w := newWorld(t)
	for line, text := range map[string]string{
		"-d": "-d: a machine runs in the foreground", "--detach": "-d: a machine", "-v /a:/b": "-v: there are no volumes", "--volume=/a:/b": "--dir HOST:GUEST",
		"-it": "-i: a program in a machine has no terminal", "-ti": "-t: a program", "-i": "stdin is at end of file", "--name web": "--name: machines have no names",
		"--rm": "--rm: is not needed", "--restart always": "--restart: ", "--restart=always": "systemd unit", "-u 1000": "there are no users", "--user=root": "no users",
		"--privileged": "no privileges", "--entrypoint /bin/sh": "one program", "-P": "-P: name each port", "--read-only": "always",
	} {
		for _, verb := range []string{"run", "build"} {
			o := w.run(t, append([]string{verb}, append(strings.Fields(line), "./app")...)...)
			o.want(t, 125, "", text)
			if strings.Count(o.stderr, "\n") != 1 {
				t.Errorf("%s: %q", line, o.stderr)
			}
		}
	}
}

func TestHelp(t *testing.T) {
	w := newWorld(t)
	for _, line := range []string{"", "--help", "help", "help run", "run --help", "run -h", "build --help", "inspect --help", "doctor --help", "clean --help", "version --help"} {
		o := w.run(t, strings.Fields(line)...)
		if o.status != 0 || o.stderr != "" || !strings.Contains(o.stdout, "Usage:") {
			t.Errorf("%s: %+v", line, o)
		}
		for l := range strings.Lines(o.stdout) {
			if len(l) > 101 {
				t.Errorf("%s: a long line: %s", line, l)
			}
		}
	}
	run := w.run(t, "run", "--help").stdout
	for _, want := range []string{"--publish", "--memory", "--cpus", "--env ", "--env-file", "--file", "--dir", "--workdir", "--timeout", "--stop-timeout", "--status-file",
		"--log", "--strace", "--quiet", "--verbose", "--host-access", "--config", "does not follow changes", "137 out of memory"} {
		if !strings.Contains(run, want) {
			t.Errorf("help of run lacks %s", want)
		}
	}
	for _, hidden := range []string{"--machine", "--detach", "--kernel", "refused"} {
		if strings.Contains(run, hidden) {
			t.Errorf("help of run shows %s", hidden)
		}
	}
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		if o := w.run(t, "completion", shell); o.status != 0 || !strings.Contains(o.stdout, "skerry") {
			t.Errorf("completion %s: %+v", shell, o)
		}
	}
}

func TestVersion(t *testing.T) {
	w := newWorld(t)
	if o := w.run(t, "version"); o.status != 0 || !strings.HasPrefix(o.stdout, "skerry 0.1.0\nkernel ") || o.stderr != "" {
		t.Errorf("%+v", o)
	}
	if o := w.run(t, "version", "--json"); o.status != 0 || !strings.Contains(o.stdout, `"image_format": 1`) {
		t.Errorf("%+v", o)
	}
}

// panics is a place to write to that is broken beyond an error.
type panics struct{}

func (panics) Write([]byte) (int, error) { panic("oh no") }

func TestInternalError(t *testing.T) {
	for _, debug := range []bool{false, true} {
		var stderr bytes.Buffer
		a := &app{stdout: panics{}, stderr: &stderr, host: "linux/amd64", debug: debug}
		if status := a.main([]string{"version"}); status != 125 {
			t.Error(status)
		}
		text := stderr.String()
		if !strings.HasPrefix(text, "skerry: internal error: oh no; please report it") || strings.Contains(text, "goroutine") != debug {
			t.Error(text)
		}
	}
}

func TestOtherHost(t *testing.T) {
	newWorld(t)
	var stderr bytes.Buffer
	a := &app{stdout: &stderr, stderr: &stderr, host: "darwin/arm64"}
	if status := a.main([]string{"run", "./app"}); status != 125 || !strings.Contains(stderr.String(), "darwin/arm64: skerry runs machines on Linux x86-64 only") {
		t.Error(status, stderr.String())
	}
}

func TestNoQEMU(t *testing.T) {
	w := newWorld(t)
	if _, err := os.Stat("/usr/libexec/qemu-kvm"); err == nil {
		t.Skip("there is a QEMU outside of PATH")
	}
	t.Setenv("PATH", w.path("none"))
	w.runK(t, "run", "./app").want(t, 125, "", "qemu-system-x86_64: not found in PATH (install it, on Debian and Ubuntu with: sudo apt-get install")
	if o := w.run(t, "doctor"); o.status != 125 || !strings.Contains(o.stdout, "FAIL  qemu") || !strings.Contains(o.stdout, "apt-get install") {
		t.Errorf("%+v", o)
	}
}

func TestMan(t *testing.T) {
	w := newWorld(t)
	w.run(t, "man", "man").want(t, 0, "", "")
	list, err := os.ReadDir("man")
	if err != nil {
		t.Fatal(err)
	}
	names := ""
	for _, e := range list {
		names += e.Name() + " "
	}
	if names != "skerry-audit.1 skerry-build.1 skerry-check.1 skerry-clean.1 skerry-doctor.1 skerry-inspect.1 skerry-run.1 skerry-trace.1 skerry-version.1 skerry.1 " {
		t.Error(names)
	}
	b, err := os.ReadFile("man/skerry-run.1")
	if err != nil {
		t.Fatal(err)
	}
	page := string(b)
	for _, want := range []string{".TH SKERRY-RUN 1", ".SH NAME\nskerry\\-run \\- run a program", ".SH SYNOPSIS", ".SH OPTIONS", `.B \-p, \-\-publish [IP:]HOST:GUEST`, `.B \-\-strace[=FILE]`, ".SH EXAMPLES"} {
		if !strings.Contains(page, want) {
			t.Errorf("no %q in\n%s", want, page)
		}
	}
	if strings.Contains(page, "detach") || strings.Contains(page, "`") {
		t.Error("the page shows what it should not")
	}
	w.run(t, "man", "app").want(t, 125, "", "skerry: app: ")
}

func TestEditDistance(t *testing.T) {
	for _, c := range []struct {
		a, b string
		d    int
	}{{"", "", 0}, {"a", "", 1}, {"memroy", "memory", 1}, {"memory", "memory", 0}, {"kitten", "sitting", 3}, {"ABC", "abc", 0}} {
		if got := editDistance(c.a, c.b); got != c.d {
			t.Errorf("%q %q: %d", c.a, c.b, got)
		}
		if got := editDistance(c.b, c.a); got != c.d {
			t.Errorf("%q %q: %d", c.b, c.a, got)
		}
	}
}
