package skerrytest

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"skerry/test/harness"
)

// failing are what is said of a program that failed, each line an expression for one of stderr
// that begins with "skerry: ", in this order, all of them.
var failing = []struct {
	name      string
	program   string
	toolchain []string
	args      []string
	memory    int // MiB, default 64
	status    int
	lines     []string
	// open: more lines may follow the last one.
	open  bool
	short bool
}{
	{name: "null", args: []string{"null"}, status: 139, open: true, short: true, lines: []string{
		`the program was ended by SIGSEGV: read of address 0x8 \(null pointer\) in thread 1 \(crash\) at deepest\+0x\w+ \(.*/crash\)`,
		`  #0 deepest\+.*`, `  #1 middle\+.*`, `  #2 outer\+.*`}},
	{name: "overflow", args: []string{"overflow"}, status: 139, short: true, lines: []string{
		`the program was ended by SIGSEGV: write to address 0x\w+ \(stack overflow: below the stack of thread 1\) in thread 1 \(crash\) at recurse\+.*`,
		`  #0 recurse\+.*`, `  #1 recurse\+\S+ \(.*\), \d{2,} times`}},
	{name: "thread", args: []string{"thread-null"}, status: 139, open: true, lines: []string{
		`the program was ended by SIGSEGV: read of address 0x8 \(null pointer\) in thread 2 \(worker\) at deepest\+.*`,
		`  #0 deepest\+.*`, `  #1 middle\+.*`, `  #2 outer\+.*`, `  #3 in_thread\+.*`}},
	{name: "thread-overflow", args: []string{"thread-overflow"}, status: 139, lines: []string{
		`the program was ended by SIGSEGV: write to address 0x\w+ \(stack overflow: below the stack of thread 2\) in thread 2 \(worker\) at recurse\+.*`,
		`  #0 recurse\+.*`, `  #1 recurse\+\S+ \(.*\), \d{2,} times`}},
	{name: "abort", args: []string{"abort"}, status: 134, open: true, short: true, lines: []string{
		`the program was ended by SIGABRT in thread 1 \(crash\)`, `  #\d abort\+.*`, `  #\d aborts(\.cold)?\+.*`, `  #\d calls_abort\+.*`}},
	{name: "divide", args: []string{"divide"}, status: 136, open: true, lines: []string{
		`the program was ended by SIGFPE: an integer was divided by zero, or the result is too large in thread 1 \(crash\) at divides\+.*`, `  #0 divides\+.*`}},
	{name: "jump", args: []string{"jump"}, status: 139, open: true, short: true, lines: []string{
		`the program was ended by SIGSEGV: jump to address 0x123456789000 \(not mapped\) in thread 1 \(crash\) at 0x123456789000 \(not mapped\)`,
		`  #0 0x123456789000 \(not mapped\)`, `  #1 jumps\+.*`}},
	{name: "call-null", args: []string{"call-null"}, status: 139, open: true, lines: []string{
		`the program was ended by SIGSEGV: jump to address 0x0 \(null pointer\) in thread 1 \(crash\) at 0x0 \(not mapped\)`, `  #0 0x0 .*`, `  #1 calls_null\+.*`}},
	{name: "text", args: []string{"text"}, status: 139, open: true, lines: []string{
		`the program was ended by SIGSEGV: write to address 0x\w+ \(read-only: text of crash\) in thread 1 \(crash\) at writes_text\+.*`, `  #0 writes_text\+.*`}},
	{name: "handler", args: []string{"handler"}, status: 139, open: true, lines: []string{
		`the program was ended by SIGSEGV: read of .*`, `  #0 deepest\+.*`, `  #1 middle\+.*`, `  #2 outer\+.*`, `  #3 handler\+.*`, `  #4 return from a signal handler \(.*`}},
	{name: "noncanonical", args: []string{"noncanonical"}, status: 139, open: true, lines: []string{
		`the program was ended by SIGSEGV: an address that is not canonical, or .* at deepest\+.*`, `  #0 deepest\+.*`, `  #1 middle\+.*`}},
	{name: "near", args: []string{"near"}, status: 139, open: true, lines: []string{
		`the program was ended by SIGSEGV: read of address 0x\w+010 \(not mapped, 16 bytes above anonymous memory\) in .*`, `  #0 deepest\+.*`}},
	{name: "bus", args: []string{"bus"}, status: 135, open: true, lines: []string{
		`the program was ended by SIGBUS: read of address 0x\w+ \(beyond the end of /tmp/short\) in .*`, `  #0 deepest\+.*`}},
	{name: "rust", toolchain: []string{harness.Rust}, status: 134, open: true, short: true, lines: []string{
		`the program was ended by SIGABRT in thread 1 \(crash\)`, `  #\d+ core::panicking::.*`, `  #\d+ .*called_from_c\+.*`}},

	{name: "named", args: []string{"open", "/srv/none/app.conf"}, status: 3, short: true, lines: []string{
		`/srv/none/app\.conf is not in the image; add --file FILE:/srv/none/app\.conf`}},
	{name: "read-only", args: []string{"write", "/etc/app.conf"}, status: 3, short: true, lines: []string{
		`the image is read-only: --tmpfs DIR makes a folder writable, --overlay all of it, in memory`}},
	{name: "named-relative", args: []string{"open", "conf/app.conf"}, status: 3, lines: []string{
		`/conf/app\.conf is not in the image; add --file FILE:/conf/app\.conf`}},
	{name: "named-library", args: []string{"open", "/usr/lib/libnone.so.3"}, status: 3, lines: []string{
		`/usr/lib/libnone\.so\.3 is not in the image; add --lib FILE .*`}},
	// /etc/fstab is not looked for: this is the host's.
	{name: "here", args: []string{"look", "/etc/none", "/etc/ld.so.preload", "/etc/hosts.none", "/etc/shadow", "/etc/debian_version", "/etc/localtime"}, status: 3, short: true, lines: []string{
		`/etc/debian_version is not in the image; add --file /etc/debian_version:/etc/debian_version`}},
	{name: "here-folder", args: []string{"look", "/usr/share/doc", "/usr/share/doc/none"}, status: 3, lines: []string{
		`/usr/share/doc is not in the image; add --dir /usr/share/doc:/usr/share/doc`}},
	{name: "many", args: []string{"many", "/etc/debian_version"}, status: 3, lines: []string{`/etc/debian_version is not in the image; add .*`}},
	{name: "calls", args: []string{"calls"}, status: 3, short: true, lines: []string{
		`denied fork\(\) in thread 1 at .*`, `the program used system calls that are not supported: fork \(EPERM\), io_setup \(ENOSYS, 2 times\)`}},
	{name: "fine", args: []string{"fine", "/etc/debian_version"}, status: 0, short: true},
	{name: "refused-memory", args: []string{"malloc", "100"}, status: 3, short: true, lines: []string{
		`out of memory: the program asked for 100 MiB, [3-5]\d of 64 MiB are free: -m 128M`}},
	{name: "reserved", args: []string{"malloc", "10000000"}, status: 3}, // 10 TiB: address space, which no -m would give
	{name: "no-memory-left", args: []string{"touch", "96"}, status: 137, short: true, lines: []string{
		`out of memory: of 64 MiB the program has [3-5]\d MiB, its files in memory \d+ MiB, the kernel \d+ MiB(; the program asked for [3-5]\d MiB)?: -m 128M`}},
}

// TestFailures looks at what is said of programs that fail.
func TestFailures(t *testing.T) {
	skerry := skerryCommand(t)
	b, err := builder()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range failing {
		if testing.Short() && !c.short {
			continue
		}
		toolchains := c.toolchain
		if toolchains == nil {
			toolchains = both
		}
		for _, tc := range toolchains {
			t.Run(c.name+"/"+tc, func(t *testing.T) {
				t.Parallel()
				ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
				defer cancel()
				path, err := b.Build(ctx, tc, "crash")
				if err != nil {
					t.Fatal(err)
				}
				slot(t)
				memory := c.memory
				if memory == 0 {
					memory = 64
				}
				status := filepath.Join(t.TempDir(), "status")
				o, err := harness.OnSkerry(ctx, skerry, &harness.Program{Path: path, Args: c.args, CPUs: 1, Memory: memory, Timeout: time.Minute,
					Flags: []string{"--quiet=false", "--status-file", status}})
				if err != nil {
					t.Fatal(err)
				}
				if o.Status != c.status {
					t.Errorf("status %d, expected %d", o.Status, c.status)
				}
				if d := differs(o.Stderr, c.lines, c.open); d != "" {
					t.Error(d)
				}
				checkStatus(t, status, c.status, o.Stderr)
				if t.Failed() {
					t.Logf("stderr:\n%s", o.Stderr)
				}
			})
		}
	}
}

// differs compares the launcher's lines in stderr with expressions.
func differs(stderr []byte, want []string, open bool) string {
	var got []string
	for _, l := range strings.Split(string(stderr), "\n") {
		if s, ok := strings.CutPrefix(l, "skerry: "); ok {
			got = append(got, s)
		}
	}
	for i, w := range want {
		if i >= len(got) {
			return fmt.Sprintf("no line %q", w)
		}
		if !regexp.MustCompile(`^(` + w + `)$`).MatchString(got[i]) {
			return fmt.Sprintf("line %q, expected %q", got[i], w)
		}
	}
	if len(got) > len(want) && !open {
		return fmt.Sprintf("a line too many: %q", got[len(want)])
	}
	return ""
}

// checkStatus compares what the status file tells with the lines.
func checkStatus(t *testing.T, file string, status int, stderr []byte) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var r struct {
		Status int
		Crash  *struct {
			Signal, Address string
			Stack           []struct{ Function string }
		}
		Missed  []struct{ Path, Add string }
		Refused []struct{ Call, Errno string }
		Memory  *struct{ Asked, Suggested uint64 }
	}
	if err := json.Unmarshal(b, &r); err != nil {
		t.Fatal(err)
	}
	said := func(s string) bool { return strings.Contains(string(stderr), s) }
	if r.Status != status || (r.Crash != nil) != said("skerry:   #") || (r.Refused != nil) != said("not supported: ") ||
		(r.Missed != nil) != said(" is not in the image") || (r.Memory != nil) != said("out of memory: the program asked") {
		t.Errorf("the status file does not say what the lines do: %s", b)
	}
	if r.Crash != nil && (!said(r.Crash.Signal) || !said(r.Crash.Address) || len(r.Crash.Stack) < 2) {
		t.Errorf("the crash in the status file: %s", b)
	}
}

// TestFailureFlags: --quiet drops the lines, but not from the status file; --verbose
// adds the registers.
func TestFailureFlags(t *testing.T) {
	path := program(t, "crash")
	slot(t)
	for _, c := range []struct {
		flags       []string
		lines, regs bool
	}{{nil, false, false}, {[]string{"--quiet=false"}, true, false}, {[]string{"--quiet=false", "--verbose"}, true, true}} {
		status := filepath.Join(t.TempDir(), "status")
		o, err := harness.OnSkerry(context.Background(), skerryCommand(t), &harness.Program{Path: path, Args: []string{"null"}, CPUs: 1, Memory: 64, Timeout: time.Minute,
			Flags: append(c.flags, "--status-file", status)})
		if err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(status)
		if err != nil || !strings.Contains(string(b), `"function":"deepest+`) {
			t.Errorf("%q: status file %s, %v", c.flags, b, err)
		}
		errs := string(o.Stderr)
		if strings.Contains(errs, "skerry:   #0 deepest+") != c.lines || strings.Contains(errs, "skerry: registers: rax 0x") != c.regs || !c.lines && errs != "" {
			t.Errorf("%q: %s", c.flags, errs)
		}
	}
}

// TestProbes: of runtimes that end with a failure of their own nothing is said that
// they merely probed for.
func TestProbes(t *testing.T) {
	dir, err := os.MkdirTemp("/var/tmp", "skerry-probes-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	command := skerryIn(context.Background(), skerryCommand(t), dir)
	for _, c := range []struct {
		program, debian string
		args            []string
	}{
		// Node asks for the time zone, and its event loops for io_uring.
		{"node", "nodejs", []string{"-e", `new Date().toLocaleString(); require("fs").promises.readFile("/etc/passwd").then(() => process.exit(3))`}},
		{"/usr/bin/python3", "python3", []string{"-c", "import datetime, ssl, sysconfig; datetime.datetime.now().astimezone(); ssl.create_default_context(); sysconfig.get_config_vars(); exit(3)"}},
		{"ruby", "ruby", []string{"-rsocket", "-ropenssl", "-e", "OpenSSL::SSL::SSLContext.new.set_params; puts Time.now; exit 3"}},
		{"perl", "perl", []string{"-e", "use Socket; use POSIX; print scalar localtime; exit 3"}},
		{"php", "php-cli", []string{"-r", "echo date('c'); exit(3);"}},
	} {
		t.Run(c.debian, func(t *testing.T) {
			path := packaged(t, c.program, c.debian)
			slot(t)
			_, stderr, status := command(append([]string{"run", "-m", "256M", path}, c.args...)...)
			for line := range strings.Lines(stderr) {
				if strings.HasPrefix(line, "skerry: ") && !strings.HasPrefix(line, "skerry: jit: ") {
					t.Error(line)
				}
			}
			if status != 3 {
				t.Errorf("status %d: %s", status, tail([]byte(stderr), 1000))
			}
		})
	}
}
