package vmm

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"skerry/bootrec"

	"golang.org/x/sys/unix"
)

// session is a run of the fake machine.
type session struct {
	Config
	out, err, log, strace bytes.Buffer

	mu   sync.Mutex
	said []string
	sig  chan os.Signal
}

func newSession(t testing.TB, script ...string) *session {
	t.Helper()
	s := &session{sig: make(chan os.Signal, 8)}
	disk, err := os.Open(put(t, "disk", "the disk"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { disk.Close() })
	s.Config = Config{
		QEMU: asName(t, "fake-qemu"), Accel: Accel{TCG, "a test"}, Name: "test,name", CPUs: 2, Memory: 64 << 20,
		Kernel: kernelOf("the kernel"), Root: Disk{File: disk, Offset: 4096, Size: 8192}, Network: true,
		Stdout: &s.out, Stderr: &s.err, Log: &s.log, Signals: s.sig, StopTimeout: 10 * time.Second,
		Record: bootrec.Record{Program: "/p", Args: append([]string{"p"}, script...), Env: []string{"SECRET=hunter2"}, Cwd: "/", Hostname: "h"},
	}
	s.Say = func(l string) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.said = append(s.said, l)
	}
	return s
}

func put(t testing.TB, name, text string) string {
	t.Helper()
	p := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return p
}

// run runs it to its end, which must come soon.
func (s *session) run(t testing.TB) *Result {
	t.Helper()
	type end struct {
		r   *Result
		err error
	}
	done := make(chan end, 1)
	go func() {
		r, err := Run(&s.Config)
		done <- end{r, err}
	}()
	select {
	case e := <-done:
		if e.err != nil {
			t.Fatal(e.err)
		}
		return e.r
	case <-time.After(20 * time.Second):
		t.Fatal("the machine does not end")
		return nil
	}
}

func TestEnds(t *testing.T) {
	t.Parallel()
	const trace = "early text\npanic: oh no\n\ngoroutine 1 [running]:\nmain.main()\n"
	for _, c := range []struct {
		script  []string
		reason  string
		status  int
		message string
		detail  string
	}{
		{[]string{"hello", "exit:0"}, "exited", 0, "", ""},
		{[]string{"hello", "exit:7"}, "exited", 7, "", ""},
		{[]string{"hello", "exit:255"}, "exited", 255, "", ""},
		{[]string{"exit:0"}, "exited", 0, "", ""},
		{[]string{"hello", "exit:3", "exit:4"}, "exited", 3, "", ""},
		{[]string{"hello", "exit:3", "status:1"}, "exited", 3, "", ""},
		{[]string{"hello", "signaled:11"}, "signaled", 139, "ended by SIGSEGV: at 0x10", ""},
		{[]string{"hello", "signaled:64"}, "signaled", 192, "signal 64", ""},
		{[]string{"hello", "reason:3"}, "out of memory", 137, `out of memory: because\x1b[31m (give the machine more with -m)`, ""},
		{[]string{"hello", "reason:4"}, "policy", 121, "because", ""},
		{[]string{"hello", "uart:" + trace, "reason:5"}, "kernel bug", 120, "because", "panic: oh no"},
		{[]string{"hello", "reason:6"}, "no entropy", 122, "because", ""},
		{[]string{"hello", "reason:7"}, "device failed", 123, "because", ""},
		{[]string{"hello", "reason:8"}, "cannot run", 126, "because", ""},
		{[]string{"hello", "reason:9"}, "not found", 127, "because", ""},
		// No exit record.
		{[]string{"hello", "uart:" + trace}, "kernel bug", 120, "bug in the kernel", "panic: oh no"},
		{[]string{"uart:" + trace, "status:1"}, "kernel bug", 120, "bug in the kernel", "goroutine 1 [running]:"},
		{[]string{"uart:dump\n", "status:121"}, "kernel bug", 120, "bug in the kernel", "dump"},
		{[]string{"hello"}, "kernel bug", 120, "reset itself", ""},
		{[]string{"hello", "uart:early text\r\n\r\nout of memory: the kernel could not grow; give the machine more (-m); frames free 0000000000000000\r\n"},
			"out of memory", 137, "out of memory: the kernel could not grow; give the machine more (-m)", ""},
		{[]string{"uart:out of memory: the kernel could not grow; give it more\r\n", "status:1"}, "out of memory", 137, "could not grow; give it more", ""},
		{[]string{"uart:early text\r\nskerry: this processor has no NX\r\n"}, "failed", 125, "this processor has no NX", ""},
		{[]string{"uart:skerry: the boot record is damaged\x1b[2J\r\n", "status:121"}, "failed", 125, `the boot record is damaged\x1b[2J`, ""},
		{[]string{"hello", "uart:early text\r\n\r\nkernel bug: no such trap\r\nvector 13\r\n", "status:121"}, "kernel bug", 120, "bug in the kernel", "kernel bug: no such trap\nvector 13"},
		// The first of several words is the cause.
		{[]string{"uart:panic: oh no\n\nskerry: after that\nout of memory: and this\n"}, "kernel bug", 120, "bug in the kernel", "panic: oh no"},
		{[]string{"uart:out of memory: the heap\n\nfatal error: after that\n"}, "out of memory", 137, "out of memory: the heap", ""},
		// An exit record counts more than what the serial port says.
		{[]string{"hello", "uart:out of memory: x\n", "exit:4"}, "exited", 4, "", ""},
		{[]string{"stderr:qemu: bad thing\n", "uart:text\n", "status:1"}, "failed", 125, "QEMU ended with status 1", "qemu: bad thing"},
		{[]string{"kill:9"}, "failed", 125, "killed from outside", ""},
		{[]string{"kill:15"}, "failed", 125, "QEMU was ended by SIGTERM", ""},
		{[]string{"stderr:Could not set up host forwarding rule 'tcp:…'\n", "status:1"}, "failed", 125, "in use", ""},
		{[]string{"stderr:cannot set up guest memory 'pc.ram': Cannot allocate memory\n", "status:1"}, "failed", 125, "less with -m", ""},
		{[]string{"hello-version:9", "hang"}, "failed", 125, "version 9", ""},
		// Hostile ports.
		{[]string{"hello", "raw-control:ffffffff01000000"}, "kernel bug", 120, "no frame", ""},
		{[]string{"hello", "raw-log:0000000000000000"}, "kernel bug", 120, "no frame", ""},
		{[]string{"hello", "exit-on-log"}, "kernel bug", 120, "no frame", ""},
		{[]string{"hello", "raw-control:010000000700000001"}, "kernel bug", 120, "no frame", ""},
		{[]string{"hello", "raw-log:6761726261676521", "exit:5"}, "exited", 5, "", ""},
		{[]string{"hello", "raw-control:02000000700000003f3f", "exit:6"}, "exited", 6, "", ""}, // an unknown kind
	} {
		t.Run(strings.Join(c.script, " "), func(t *testing.T) {
			t.Parallel()
			r := newSession(t, c.script...).run(t)
			if r.Reason != c.reason || r.Status != c.status || !strings.Contains(r.Message, c.message) || c.message == "" && r.Message != "" {
				t.Errorf("got %+v", r)
			}
			if detail := strings.Join(r.Detail, "\n"); !strings.Contains(detail, c.detail) || strings.Contains(detail, "early text") {
				t.Errorf("detail %q", detail)
			}
		})
	}
}

func TestHandOver(t *testing.T) {
	s := newSession(t, "hello", "record", "exit:0")
	s.Forwards = []Forward{{"tcp", addrPort("127.0.0.1:0"), 80}}
	s.Strace = &s.strace
	before := time.Now().UnixNano()
	s.run(t)
	rec := s.out.String()
	for _, want := range []string{
		"Program:/p", "Env:[SECRET=hunter2]", "CPUs:2", "Memory:67108864", "StopTimeout:10000000000", "Trace:true", "Verbose:true", "Data:false",
		"Mode:2", "10.0.2.15/24", "10.0.2.2/32", "10.0.2.3/32", "fec0::/64", "255.255.255.255/32",
	} {
		if !strings.Contains(rec, want) {
			t.Errorf("no %s in %s", want, rec)
		}
	}
	var wall int64
	fmt.Sscanf(rec[strings.Index(rec, "Wall:"):], "Wall:%d", &wall)
	if wall < before || wall > time.Now().UnixNano() {
		t.Errorf("wall clock %d", wall)
	}
	if len(s.said) != 1 || !strings.HasPrefix(s.said[0], "-p 127.0.0.1:") || !strings.HasSuffix(s.said[0], " -> 80") {
		t.Errorf("said %q", s.said)
	}

	// Two machines have different seeds.
	seeds := map[string]bool{}
	for range 2 {
		s := newSession(t, "hello", "record", "exit:0")
		s.run(t)
		for _, name := range []string{"Seed:", "Early:"} {
			seed := s.out.String()
			seed = seed[strings.Index(seed, name)+len(name):]
			seeds[seed[:strings.IndexByte(seed, ']')]] = true
		}
	}
	if len(seeds) != 4 {
		t.Errorf("seeds %v", seeds)
	}

	s = newSession(t, "hello", "kernel", "out:|", "disk:0", "out:|", "disk:1", "out:|", "stdin", "out:|", "group", "exit:0")
	data, err := os.Open(put(t, "data", "the data"))
	if err != nil {
		t.Fatal(err)
	}
	defer data.Close()
	s.Data = &Disk{File: data, Offset: 0, Size: 4096}
	s.run(t)
	if got := s.out.String(); got != "the kernel writable=false|the disk <nil>|the data <nil>|0 <nil>|true" {
		t.Errorf("got %q", got)
	}
}

// TestNoSecrets: nothing of the record is in QEMU's arguments or environment.
func TestNoSecrets(t *testing.T) {
	t.Setenv("HOST_SECRET", "hunter3")
	s := newSession(t, "hello", "argv", "environ", "exit:0", "out:")
	s.run(t)
	for _, secret := range []string{"hunter2", "hunter3", "SECRET", "/p"} {
		got := strings.ReplaceAll(s.out.String(), "/proc/self", "")
		got = strings.ReplaceAll(got, os.Getenv("PATH"), "")
		if i := strings.Index(got, secret); i >= 0 {
			t.Errorf("%s in …%s", secret, got[i:min(len(got), i+60)])
		}
	}
}

func TestHostAccess(t *testing.T) {
	s := newSession(t, "hello", "record", "exit:0")
	s.HostAccess = true
	s.run(t)
	if rec := s.out.String(); !strings.Contains(rec, "Names:[host.skerry.internal]") || !strings.Contains(rec, "Deny:[]") {
		t.Error(rec)
	}
	s = newSession(t, "hello", "record", "argv", "exit:0")
	s.Network = false
	s.run(t)
	if rec := s.out.String(); !strings.Contains(rec, "Mode:0") || strings.Contains(rec, "netdev") {
		t.Error(rec)
	}
}

func TestOutput(t *testing.T) {
	const size = 3 << 20
	s := newSession(t, "hello", "big:"+strconv.Itoa(size), "exit:0")
	r := s.run(t)
	if r.Status != 0 || s.out.Len() != size || !bytes.Equal(s.out.Bytes(), s.err.Bytes()) {
		t.Fatalf("%+v, %d and %d bytes", r, s.out.Len(), s.err.Len())
	}
	for i, b := range s.out.Bytes() {
		if b != byte(i*7>>3) {
			t.Fatalf("byte %d is wrong", i)
		}
	}
}

// slow takes a little at a time.
type slow struct {
	n    int
	rate time.Duration
}

func (s *slow) Write(p []byte) (int, error) {
	time.Sleep(s.rate)
	s.n += len(p)
	return len(p), nil
}

// TestSlowReader: nothing is lost though the machine ends long before its output
// was taken.
func TestSlowReader(t *testing.T) {
	t.Parallel()
	const size = 1 << 20
	s := newSession(t, "hello", "big:"+strconv.Itoa(size), "exit:9")
	w := &slow{rate: 20 * time.Millisecond}
	s.Stdout = w
	if r := s.run(t); r.Status != 9 || w.n != size {
		t.Errorf("%+v, %d bytes", r, w.n)
	}
}

// stuck takes nothing until it is let go.
type stuck chan struct{}

func (s stuck) Write(p []byte) (int, error) { <-s; return len(p), nil }

func TestStuckReader(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		script []string
		change func(*session)
		status int
	}{
		// The program blocks on its output; the timeout still ends it.
		"timeout": {[]string{"hello", "big:1000000"}, func(s *session) { s.Timeout, s.StopTimeout = 200*time.Millisecond, 0 }, 124},
		// The program has ended; only its output is left, and Ctrl-C drops that.
		"interrupt": {[]string{"hello", "out:x", "exit:4"}, func(s *session) {
			// Under load the first may come before the end is seen.
			time.AfterFunc(500*time.Millisecond, func() { s.sig <- os.Interrupt })
			time.AfterFunc(1500*time.Millisecond, func() { s.sig <- os.Interrupt })
		}, 4},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSession(t, c.script...)
			w := make(stuck)
			defer close(w)
			s.Stdout = w
			c.change(s)
			if r := s.run(t); r.Status != c.status {
				t.Errorf("%+v", r)
			}
		})
	}
}

type broken struct{ err error }

func (b broken) Write([]byte) (int, error) { return 0, b.err }

func TestBrokenReader(t *testing.T) {
	for _, err := range []error{unix.EPIPE, unix.ENOSPC} {
		s := newSession(t, "hello", "closed", "exit:2")
		s.Stdout = broken{err}
		r := s.run(t)
		if r.Status != 2 || !strings.HasPrefix(s.err.String(), "hung up") {
			t.Errorf("%v: %+v, %q", err, r, s.err.String())
		}
		if said := strings.Join(s.said, "\n"); (said != "") != (err == unix.ENOSPC) || err == unix.ENOSPC && !strings.Contains(said, "no space left") {
			t.Errorf("%v: said %q", err, said)
		}
	}
}

func TestText(t *testing.T) {
	s := newSession(t, "hello", "notice:denied: fork()\n", "notice:two\nlines\x1b[2J\xff", "log:booting\n", "audit:{\"a\":1}", "strace:read(0) = 0\n", "uart:serial\r\npartial", "exit:0")
	s.Strace = &s.strace
	var verbose []string
	s.Verbose = func(l string) { s.mu.Lock(); verbose = append(verbose, l); s.mu.Unlock() }
	s.run(t)
	if got := strings.Join(s.said, "|"); got != `denied: fork()|two|lines\x1b[2J\xff` {
		t.Errorf("said %q", got)
	}
	if s.strace.String() != "read(0) = 0\n" {
		t.Errorf("strace %q", s.strace.String())
	}
	log := s.log.String()
	for _, want := range []string{"denied: fork()\n", "booting\n", "{\"a\":1}\n", "serial\n", "partial\n"} {
		if !strings.Contains(log, want) {
			t.Errorf("no %q in log %q", want, log)
		}
	}
	all := strings.Join(verbose, "\n")
	for _, want := range []string{"TCG: a test", "starting ", "kernel up after", "kernel: booting", "kernel: serial", "kernel: partial"} {
		if !strings.Contains(all, want) {
			t.Errorf("no %q in %q", want, all)
		}
	}
	if strings.Contains(all, "hunter2") {
		t.Error("the environment is in verbose lines")
	}
}

func TestTime(t *testing.T) {
	s := newSession(t, "hello", "time:77", "time:78", "exit:0")
	s.run(t)
	if got := s.out.String(); got != "kind=0x81 id=77 near=true err=<nil>\nkind=0x81 id=78 near=true err=<nil>\n" {
		t.Error(got)
	}
}

func TestSignals(t *testing.T) {
	t.Parallel()
	all := []os.Signal{syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGTERM, syscall.SIGINT}
	// The last is the second request to stop, but not a second Ctrl-C… which it
	// is after TERM: so it ends the machine.
	s := newSession(t, "hello", "signals:5", "hang")
	for _, sig := range all[:5] {
		s.sig <- sig
	}
	time.AfterFunc(1500*time.Millisecond, func() { s.sig <- all[5] })
	r := s.run(t)
	if got := s.out.String(); got != "signal=1 signal=3 signal=10 signal=12 signal=15 " {
		t.Error(got)
	}
	if r.Status != StatusKilled || r.Reason != "killed" {
		t.Errorf("%+v", r)
	}

	// A program that ends by itself after a signal has its own status.
	s = newSession(t, "hello", "signals:1", "signaled:2")
	s.sig <- os.Interrupt
	if r := s.run(t); r.Status != 130 || r.Signal != 2 {
		t.Errorf("%+v", r)
	}
	// TERM and HUP may come as often as they like.
	s = newSession(t, "hello", "signals:4", "exit:1")
	for _, sig := range []os.Signal{syscall.SIGTERM, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGTERM} {
		s.sig <- sig
	}
	if r := s.run(t); r.Status != 1 {
		t.Errorf("%+v", r)
	}
}

func TestStopTimeout(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		script []string
		stop   time.Duration
	}{
		"kernel obeys":         {[]string{"hello", "out:x", "stop"}, 200 * time.Millisecond},
		"kernel does not":      {[]string{"hello", "hang"}, 200 * time.Millisecond},
		"no time":              {[]string{"hello", "hang"}, 0},
		"still booting":        {[]string{"hang"}, 200 * time.Millisecond},
		"kernel reads nothing": {[]string{"hello", "signals:1", "hang"}, 200 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSession(t, c.script...)
			s.StopTimeout = c.stop
			s.sig <- syscall.SIGTERM
			begin := time.Now()
			r := s.run(t)
			if r.Status != StatusKilled || r.Reason != "killed" || !strings.HasPrefix(r.Message, "ended") {
				t.Errorf("%+v", r)
			}
			if d := time.Since(begin); d < c.stop || d > 8*time.Second {
				t.Errorf("took %v", d)
			}
		})
	}
}

func TestExitedMessages(t *testing.T) {
	for _, c := range []struct {
		e    bootrec.Exit
		want string
	}{
		{bootrec.Exit{Reason: bootrec.Signaled, Signal: 11}, "the program was ended by SIGSEGV"},
		{bootrec.Exit{Reason: bootrec.Signaled, Signal: 11, Message: "SIGSEGV at address 0x10 in thread 1"}, "the program was ended by SIGSEGV at address 0x10 in thread 1"},
		{bootrec.Exit{Reason: bootrec.Signaled, Signal: 6, Message: "asked to"}, "the program was ended by SIGABRT: asked to"},
		{bootrec.Exit{Reason: bootrec.OutOfMemory}, "out of memory (give the machine more with -m)"},
		{bootrec.Exit{Reason: bootrec.OutOfMemory, Message: "page cache"}, "out of memory: page cache (give the machine more with -m)"},
		{bootrec.Exit{Reason: bootrec.OutOfMemory, Message: "out of memory: of 64 MiB the program has 47 MiB (give the machine more: -m 128M)"},
			"out of memory: of 64 MiB the program has 47 MiB (give the machine more: -m 128M)"},
		{bootrec.Exit{Reason: bootrec.DeviceFailed, Message: "virtio-blk"}, "a device failed: virtio-blk"},
	} {
		if got := exited(c.e).Message; got != c.want {
			t.Errorf("%q, expected %q", got, c.want)
		}
	}
}

func TestTimeout(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		script []string
		stop   time.Duration
		out    string
	}{
		"program stops":  {[]string{"hello", "signals:1", "exit:0"}, 10 * time.Second, "signal=15 "},
		"does not":       {[]string{"hello", "signals:2", "exit:0"}, 200 * time.Millisecond, "signal=15 kind=0x83 "},
		"at once":        {[]string{"hello", "signals:1", "exit:0"}, 0, ""},
		"while it boots": {[]string{"hang"}, 10 * time.Second, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSession(t, c.script...)
			s.Timeout, s.StopTimeout = 700*time.Millisecond, c.stop
			r := s.run(t)
			if r.Status != StatusTimeout || r.Reason != "timeout" || s.out.String() != c.out {
				t.Errorf("%+v, %q", r, s.out.String())
			}
		})
	}
}

func TestBootTimeout(t *testing.T) {
	t.Parallel()
	for script, want := range map[string]*Result{
		"uart:hello\n":                    {Reason: "failed", Status: 125, Message: "the kernel did not come up within 300ms"},
		"uart:fatal error: out of luck\n": {Reason: "kernel bug", Status: 120, Message: "a bug in the kernel"},
	} {
		s := newSession(t, script, "hang")
		s.BootTimeout = 300 * time.Millisecond
		r := s.run(t)
		if r.Reason != want.Reason || r.Status != want.Status || !strings.HasPrefix(r.Message, want.Message) || len(r.Detail) != 1 {
			t.Errorf("%+v", r)
		}
	}
	// A QEMU that does not end after its exit record is ended.
	s := newSession(t, "hello", "exit:5", "hang")
	if r := s.run(t); r.Status != 5 {
		t.Errorf("%+v", r)
	}
}

func TestSandboxFallback(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	// A QEMU without seccomp.
	q := put(t, "qemu", "#!/bin/sh\nfor a; do if [ \"$a\" = -sandbox ]; then echo 'qemu: -sandbox on: -sandbox support is not enabled in this QEMU binary' >&2; exit 1; fi; done\n"+
		"exec "+strings.ReplaceAll(asName(t, "fake-qemu"), " ", `\ `)+" \"$@\"\n")
	if err := os.Chmod(q, 0o700); err != nil {
		t.Fatal(err, self)
	}
	s := newSession(t, "hello", "exit:3")
	s.QEMU = q
	if r := s.run(t); r.Status != 3 || len(s.said) != 1 || !strings.Contains(s.said[0], "sandbox") {
		t.Errorf("%+v, %q", r, s.said)
	}
}

func TestRefused(t *testing.T) {
	for text, change := range map[string]func(*session){
		"is not a machine type":      func(s *session) { s.Machine = "pc" },
		"number of CPUs":             func(s *session) { s.CPUs = 0 },
		"1 to 32":                    func(s *session) { s.CPUs = 33 },
		"amount of memory":           func(s *session) { s.Memory = 1 << 20 },
		"impossible amount":          func(s *session) { s.Memory = 64<<20 + 1 },
		"has no network":             func(s *session) { s.Network = false; s.Forwards = []Forward{{"tcp", addrPort("127.0.0.1:1"), 1}} },
		"cannot be started":          func(s *session) { s.QEMU = "/no/qemu" },
		"configuration: boot record": func(s *session) { s.Record.Cwd = "x" },
	} {
		s := newSession(t)
		change(s)
		r, err := Run(&s.Config)
		var e *Error
		if r != nil || !errors.As(err, &e) || !strings.Contains(err.Error(), text) {
			t.Errorf("%s: %+v, %v", text, r, err)
		}
	}
	t.Setenv("PATH", t.TempDir())
	s := newSession(t)
	s.QEMU = ""
	if _, err := os.Stat("/usr/libexec/qemu-kvm"); err != nil {
		if _, err := Run(&s.Config); err == nil || !strings.Contains(err.Error(), "apt-get install") {
			t.Error(err)
		}
	}
}
