package skerrytest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestAttacks runs what somebody would do who has taken over a program in a scripting
// language: starting programs in every way that the language has, running bytes that were
// written, changing code, becoming someone else. On Linux each attempt works; in a machine
// none does, each is refused with an error that the language's own library understands,
// and the record says so. The same for programs in C: points.c, jit.c, overlay.c,
// hostile.c, execrace.c.
func TestAttacks(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 8*time.Minute)
	defer cancel()
	scripts, err := filepath.Abs("programs/attacks")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, program, pkg, script string
		flags                      []string
		attempts                   int // at least
	}{
		{name: "python", program: "/usr/bin/python3", pkg: "python3", script: "attack.py", attempts: 18},
		{name: "perl", program: "/usr/bin/perl", pkg: "perl", script: "attack.pl", attempts: 12},
		{name: "node", program: "/usr/bin/node", pkg: "nodejs", script: "attack.js", attempts: 9},
		{name: "ruby", program: "/usr/bin/ruby", pkg: "ruby", script: "attack.rb", attempts: 12},
		{name: "php", program: "/usr/bin/php", pkg: "php-cli", script: "attack.php", flags: []string{"--no-jit"}, attempts: 11},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := packaged(t, c.program, c.pkg)
			slot(t)
			linux := exec.CommandContext(ctx, path, filepath.Join(scripts, c.script), t.TempDir())
			linux.WaitDelay = time.Second
			out, err := linux.Output()
			if err != nil {
				t.Fatalf("Linux: %v: %s", err, out)
			}
			names := outcomes(t, out, "done")
			if len(names) < c.attempts {
				t.Errorf("Linux: %d attempts: %s", len(names), out)
			}
			record := filepath.Join(t.TempDir(), "audit")
			run := func(flags ...string) (out, errs []byte, err error) {
				args := append(append(append([]string{"run", "-m", "512M", "--dir", scripts + ":/attacks"}, c.flags...), flags...), path, "/attacks/"+c.script, "/tmp")
				cmd := exec.CommandContext(ctx, skerryCommand(t), args...)
				var o, e bytes.Buffer
				cmd.Stdout, cmd.Stderr = &o, &e
				err = cmd.Run()
				return o.Bytes(), e.Bytes(), err
			}
			for _, cpus := range []string{"1", "2"} {
				out, errs, err := run("--cpus", cpus, "--audit", record+cpus)
				if err != nil {
					t.Fatalf("%v: %s\n%s", err, out, errs)
				}
				if got := outcomes(t, out, "refused"); !slices.Equal(got, names) {
					t.Errorf("attempts %q, on Linux %q", got, names)
				}
				if !bytes.Contains(errs, []byte("skerry: denied ")) || !bytes.Contains(errs, []byte(" (single process)\n")) {
					t.Errorf("the user was not told: %s", errs)
				}
				checkAttackRecord(t, record+cpus)
			}
			// At strict, the first of them is the last.
			out, errs, err := run("--level", "strict", "--incident", "none")
			if e, ok := err.(*exec.ExitError); !ok || e.ExitCode() != 121 || len(out) != 0 || !bytes.Contains(errs, []byte("skerry: ended by policy: ")) {
				t.Errorf("%v: %s\n%s", err, out, errs)
			}
		})
	}
}

// outcomes are the names of a script's attempts, which must all have ended in the way that
// is expected. One that is not root cannot become someone else, on Linux, either.
func outcomes(t *testing.T, out []byte, want string) (names []string) {
	t.Helper()
	for line := range strings.Lines(string(out)) {
		name, how, ok := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		if !ok {
			t.Errorf("the line %q", line)
			continue
		}
		names = append(names, name)
		if word, _, _ := strings.Cut(how, " "); word != want && (name != "another user" || os.Geteuid() == 0) {
			t.Errorf("%s, expected %s", strings.TrimSpace(line), want)
		}
	}
	return names
}

// checkAttackRecord: the record has attempts of each kind.
func checkAttackRecord(t *testing.T, path string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	for line := range bytes.Lines(b) {
		var l auditLine
		if err := json.Unmarshal(line, &l); err != nil {
			t.Fatal(err)
		}
		if l.Action == "killed" {
			t.Errorf("%s", line)
		}
		if l.Action == "denied" {
			seen[l.Rule+fmt.Sprint(l.Point)]++
		}
	}
	if seen["call1"] < 2 || seen["identity2"] < 1 {
		t.Errorf("%v: %s", seen, b)
	}
}
