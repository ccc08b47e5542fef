package vmm

import (
	"os"
	"strings"
	"testing"
	"time"

	"skerry/bootrec"

	"golang.org/x/sys/unix"
)

// TestAuditLost: a machine whose events cannot be recorded is asked to end, and is ended if
// it does not, whoever reads its output; why is told, after what a policy ended it for.
func TestAuditLost(t *testing.T) {
	lost := &os.PathError{Op: "write", Path: "/record", Err: unix.ENOSPC}
	const says = "ended by policy: the audit record cannot be written: no space left on device"
	for _, c := range []struct {
		script  string
		message string
		report  string
	}{
		{"stop", says, ""},
		{"hang", says, ""},
		{"exit:0", says, ""},
		{"signaled:11", says, ""},
		{"reason:4", `ended by policy: because\x1b[31m`, "the audit record cannot be written: no space left on device"},
		{"", says, ""},
	} {
		script := []string{"hello", "audit:{}", "audit:{}", "sleep:50"}
		if c.script != "" {
			script = append(script, c.script)
		}
		s := newSession(t, script...)
		n := 0
		s.Audit = func([]byte) error { n++; return lost }
		begin := time.Now()
		r := s.run(t)
		if d := time.Since(begin); r.Status != StatusPolicy || r.Reason != "policy" || r.Message != c.message || strings.Join(r.Report, "\n") != c.report || !r.AuditLost || d > 10*time.Second {
			t.Errorf("%q: after %v: %+v", c.script, d, r)
		}
	}
	// What the kernel says of it.
	for text, want := range map[string]bool{"ended by policy: " + bootrec.AuditLost + "x": true, "ended by policy: fork()": false} {
		if auditLost(&bootrec.Exit{Reason: bootrec.Policy, Message: text}) != want {
			t.Error(text)
		}
	}
	// Without an error nothing ends.
	s := newSession(t, "hello", "audit:{}", "sleep:50", "exit:3")
	s.Audit = func([]byte) error { return nil }
	if r := s.run(t); r.Status != 3 {
		t.Errorf("%+v", r)
	}
}
