package skerrytest

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
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
	Ended   string `json:"ended"`
	Status  *int   `json:"status"`
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
	} {
		if count[what] != n {
			t.Errorf("%q stands there for %d events, want %d", what, count[what], n)
		}
	}
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
