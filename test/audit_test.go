package skerrytest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"skerry/test/harness"
)

// auditLine is a line of an audit record, as far as this looks at it.
type auditLine struct {
	Seq     int    `json:"seq"`
	Rule    string `json:"rule"`
	Action  string `json:"action"`
	Call    string `json:"call"`
	What    string `json:"what"`
	Errno   string `json:"errno"`
	At      string `json:"at"`
	Point   int    `json:"point"`
	LeftOut int    `json:"left_out"`
	PC      string `json:"pc"`
	// Obj is looked at as text.
	Obj     json.RawMessage `json:"obj"`
	Stack   []string        `json:"stack"`
	StackAt []string        `json:"stack_at"`
	Ended   string          `json:"ended"`
	Status  *int            `json:"status"`
}

// TestAudit: --audit keeps a record of every refusal, bounded but counted in full, which
// the program cannot write to, and skerry audit verify finds what is changed in it.
func TestAudit(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	path := built(ctx, t, harness.Musl, "audited")
	jit := built(ctx, t, harness.Musl, "jit")
	slot(t)
	skerry := skerryCommand(t)
	record := filepath.Join(t.TempDir(), "audit.jsonl")
	run := func(args ...string) (int, string) {
		t.Helper()
		out, err := exec.CommandContext(ctx, skerry, args...).CombinedOutput()
		if _, ok := err.(*exec.ExitError); err != nil && !ok {
			t.Fatal(err)
		}
		if err != nil {
			return err.(*exec.ExitError).ExitCode(), string(out)
		}
		return 0, string(out)
	}
	// The end of the program's own, and of one that the machine ends by policy, behind it.
	if status, out := run("run", "--cpus", "2", "--audit", record, path); status != 3 || !strings.Contains(out, "not refused 0\n") {
		t.Fatalf("status %d: %s", status, out)
	}
	if status, out := run("run", "--audit", record, "--jit", "64K", jit, "from-private"); status != 121 {
		t.Fatalf("status %d: %s", status, out)
	}
	data, err := os.ReadFile(record)
	if err != nil {
		t.Fatal(err)
	}
	var lines []auditLine
	for l := range bytes.Lines(data) {
		var a auditLine
		if err := json.Unmarshal(l, &a); err != nil || a.Seq != len(lines) {
			t.Fatalf("%v, number %d: %s", err, len(lines), l)
		}
		lines = append(lines, a)
	}
	count := map[string]int{}
	machines, statuses := 0, []int{}
	for _, l := range lines {
		switch l.Rule {
		case "start":
			machines++
		case "end":
			statuses = append(statuses, *l.Status)
		default:
			count[l.Rule+" "+l.Call+" "+l.Action+" "+l.Errno] += 1 + l.LeftOut
		}
		if l.Call == "execve" && (l.Point != 1 || !strings.HasPrefix(l.At, "execve+0x") || !strings.Contains(l.What, `"/bin/sh\n`)) {
			t.Errorf("%+v", l)
		}
	}
	for what, n := range map[string]int{
		"call fork denied EPERM": 3001, "call execve denied EPERM": 1, "identity setuid denied EPERM": 1, "jit mmap denied EACCES": 1,
		"call io_uring_setup denied ENOSYS": 1, "call ptrace denied EPERM": 1, "origin getpid killed ": 1,
		"call socket denied EPERM": 1, "egress  denied EACCES": 1, "call sendto denied EPERM": 2, "sealed brk denied ENOMEM": 2, "call vfork denied EPERM": 1,
	} {
		if count[what] != n {
			t.Errorf("%q stands there for %d events, want %d", what, count[what], n)
		}
	}
	checkAbout(t, lines)
	if machines != 2 || len(statuses) != 2 || statuses[0] != 3 || statuses[1] != 121 {
		t.Errorf("%d machines, statuses %v", machines, statuses)
	}
	if len(lines) > 1000 {
		t.Errorf("%d lines: the program can make it grow", len(lines))
	}
	if status, out := run("audit", "verify", record); status != 0 || !strings.Contains(out, ": whole\nmachines  2\n") {
		t.Errorf("status %d: %s", status, out)
	}
	// A changed line, and a machine that is to write behind it.
	changed := bytes.Replace(data, []byte(`"call":"execve"`), []byte(`"call":"getpid"`), 1)
	if err := os.WriteFile(record, changed, 0o600); err != nil {
		t.Fatal(err)
	}
	if status, out := run("audit", "verify", record); status != 1 || !strings.Contains(out, ": line ") {
		t.Errorf("status %d: %s", status, out)
	}
	if status, out := run("run", "--audit", record, path); status != 125 || !strings.Contains(out, "no whole audit record: line ") {
		t.Errorf("status %d: %s", status, out)
	}
	if now, err := os.ReadFile(record); err != nil || !bytes.Equal(now, changed) {
		t.Errorf("the file that was refused has changed: %v", err)
	}
}

// checkAbout looks at what events are about, and where they come from.
func checkAbout(t *testing.T, lines []auditLine) {
	t.Helper()
	for what, want := range map[string]string{
		"call execve": `{"path":"/bin/sh\n\"\u001b[2J"}`, "identity setuid": `{"id":0}`, "identity mknod": `{"path":"/tmp/device"}`, "identity setgroups": "", "call fork": "", "call io_uring_setup": "",
		"jit mmap": `{"addr":"0x0","len":4096,"prot":"rwx"}`, "call socket": `{"family":17,"type":3,"proto":0}`,
		"egress ": `{"addr":"10.0.2.2:22"}`, "call sendto": `{"family":16,"proto":0,"request":24}`,
	} {
		found := false
		for _, l := range lines {
			if l.Rule+" "+l.Call == what {
				found = true
				if string(l.Obj) != want {
					t.Errorf("%s is about %s, want %s", what, l.Obj, want)
				}
			}
		}
		if !found {
			t.Errorf("no event %s", what)
		}
	}
	brk := 0
	for _, l := range lines {
		switch l.Call {
		case "ptrace":
			// The caller of the function that made the call is the first one.
			if len(l.Stack) < 2 || len(l.StackAt) != len(l.Stack) || len(l.Stack) > 8 {
				t.Errorf("%+v", l)
			}
			for i, at := range l.StackAt {
				if !strings.Contains(at, "/audited+0x") || !strings.HasPrefix(l.Stack[i], "0x4") {
					t.Errorf("%s at %s", l.Stack[i], at)
				}
			}
		case "vfork", "unshare": // no frame is where they say
			if l.Stack != nil || l.StackAt != nil {
				t.Errorf("%+v", l)
			}
		case "brk":
			if want := [...]string{`"len":12288}`, `"len":53248}`}[brk%2]; !strings.HasSuffix(string(l.Obj), want) {
				t.Errorf("brk is about %s", l.Obj)
			}
			brk++
		}
	}
}

// TestAuditRequired: a machine whose record is required runs as any other while it can be
// written, does not start without one, and ends when its file or pipe takes no more, or
// nobody reads what the kernel sends.
func TestAuditRequired(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	audited := built(ctx, t, harness.Musl, "audited")
	unseen := built(ctx, t, harness.Musl, "unseen")
	slot(t)
	skerry, dir := skerryCommand(t), t.TempDir()
	image, record := filepath.Join(dir, "required.img"), filepath.Join(dir, "record")
	in := skerryIn(ctx, skerry, dir)
	if _, text, status := in("build", "--audit-required", "-o", image, audited); status != 0 {
		t.Fatal(text)
	}
	if _, text, status := in("run", image); status != 125 || !strings.Contains(text, "(add --audit FILE)") {
		t.Errorf("status %d: %s", status, text)
	}
	if _, text, status := in("run", "--audit", record, image); status != 3 {
		t.Errorf("status %d: %s", status, text)
	}
	if b, err := os.ReadFile(record); err != nil || !bytes.Contains(b, []byte(" audit=required ")) || !bytes.Contains(b, []byte(`"rule":"end"`)) {
		t.Errorf("%v: %s", err, b)
	}
	if out, _, status := in("audit", "verify", record); status != 0 || !strings.Contains(out, "\nlost      0\n") {
		t.Errorf("status %d: %s", status, out)
	}
	for _, c := range []struct {
		name     string
		required bool
		closed   bool // who reads goes; else they are there and do not read on
		args     []string
		status   int
		message  string
	}{
		{"closed", true, true, []string{unseen, "on"}, 121, "ended by policy: the audit record cannot be written: broken pipe"},
		{"not read", true, false, []string{unseen}, 121, "ended by policy: the audit record cannot be written: nobody reads it in time"},
		{"not required", false, true, []string{"--timeout", "4s", unseen, "on"}, 124, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			file := filepath.Join(dir, "status")
			args := []string{"run", "--incident", "none", "--audit", "-", "--status-file", file}
			if c.required {
				args = append(args, "--audit-required")
			}
			cmd := exec.CommandContext(ctx, skerry, append(args, c.args...)...)
			cmd.Stderr = w
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			w.Close()
			if !c.closed { // beyond the notices, so that it is a record that waits
				go io.CopyN(io.Discard, r, 200<<10)
			}
			b := make([]byte, 64)
			n, _ := out.Read(b)
			if c.closed {
				r.Close()
			}
			begin := time.Now()
			rest, _ := io.ReadAll(out)
			cmd.Wait()
			if d := time.Since(begin); d > 20*time.Second || bytes.Contains(rest, []byte("unseen")) {
				t.Errorf("ended after %v: %s", d, append(b[:n], rest...))
			}
			text, err := os.ReadFile(file)
			if err != nil || cmd.ProcessState.ExitCode() != c.status || !bytes.Contains(text, []byte(`"message":"`+c.message)) {
				t.Errorf("%v: status %d: %s", err, cmd.ProcessState.ExitCode(), text)
			}
		})
	}
}

// TestAuditKilled: what is left of a machine that is killed from outside is told apart from
// a whole record: without an end if it was the launcher, without the kernel's count if QEMU.
func TestAuditKilled(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	path := built(ctx, t, harness.Musl, "unseen")
	slot(t)
	skerry := skerryCommand(t)
	for _, c := range []struct {
		name         string
		qemu         bool
		status       int
		says, saysTo string
	}{
		{"launcher", false, 2, ": complete up to line ", `"no_end": [`},
		{"QEMU", true, 0, "; 1 ended without a count, so what was lost at the end is not known", `"uncounted": 1`},
	} {
		t.Run(c.name, func(t *testing.T) {
			record := filepath.Join(t.TempDir(), "record")
			cmd := exec.CommandContext(ctx, skerry, "run", "--quiet", "--audit", record, path, "on")
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			out.Read(make([]byte, 8))
			time.Sleep(300 * time.Millisecond)
			victim := cmd.Process.Pid
			if c.qemu {
				lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", victim))
				for _, l := range lists {
					if b, _ := os.ReadFile(l); len(b) > 0 {
						fmt.Sscan(string(b), &victim)
					}
				}
				if victim == cmd.Process.Pid {
					t.Fatal("no QEMU")
				}
			}
			if err := syscall.Kill(victim, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			cmd.Wait()
			in := skerryIn(ctx, skerry, "")
			if text, _, status := in("audit", "verify", record); status != c.status || !strings.Contains(text, c.says) {
				t.Errorf("status %d: %s", status, text)
			}
			if text, _, status := in("audit", "verify", "--json", record); status != c.status || !strings.Contains(text, c.saysTo) {
				t.Errorf("status %d: %s", status, text)
			}
		})
	}
}
