package skerrytest

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"skerry/bench/linuxvm"
	"skerry/test/harness"
)

// attacker is a program that does what somebody would do who has taken it over. It prints a
// line for each attempt (programs/attempt.h); techniques_test.go has the list of them.
type attacker struct {
	name         string // of the C file, or the language
	program, pkg string // the interpreter, and the package that it comes in
	script       string
	flags        []string
	// kernel: on Linux it changes the kernel, which is that of a machine therefore.
	kernel bool
}

var attackers = []*attacker{
	{name: "process.c"},
	{name: "code.c"},
	{name: "kernel.c", kernel: true},
	{name: "python", program: "/usr/bin/python3", pkg: "python3", script: "attack.py"},
	{name: "perl", program: "/usr/bin/perl", pkg: "perl", script: "attack.pl"},
	{name: "node", program: "/usr/bin/node", pkg: "nodejs", script: "attack.js"},
	{name: "ruby", program: "/usr/bin/ruby", pkg: "ruby", script: "attack.rb"},
	{name: "php", program: "/usr/bin/php", pkg: "php-cli", script: "attack.php", flags: []string{"--no-jit"}},
}

func (p *attacker) c() bool { return p.script == "" }

// attacked is what came of a program's attempts.
type attacked struct {
	names    []string          // of the attempts, in their order
	linux    map[string]string // what each came to
	machines []attackedMachine // with 1 and 2 CPUs
}

type attackedMachine struct {
	out, errs string
	status    int
	outcomes  map[string]string
	records   map[string]int // events in the audit record, by rule, call and errno
	killed    string         // the rule and the call that ended the machine
}

// attackRuns are those of all tests, by the program's name; nil is of one that failed.
var attackRuns = map[string]*attacked{}

// attempts are the outcomes of a program, which runs once for all tests.
func attempts(t *testing.T, p *attacker) *attacked {
	t.Helper()
	path := p.path(t)
	slot(t)
	got, done := attackRuns[p.name]
	if done {
		if got == nil {
			t.Fatal("an earlier test has failed")
		}
		return got
	}
	attackRuns[p.name] = nil
	got = &attacked{}
	got.names, got.linux = outcomes(t, p.onLinux(t, path))
	for _, cpus := range []string{"1", "2"} {
		got.machines = append(got.machines, p.run(t, []string{"--cpus", cpus}))
	}
	attackRuns[p.name] = got
	return got
}

// path is the program's, or the interpreter's.
func (p *attacker) path(t *testing.T) string {
	t.Helper()
	if p.c() {
		return built(t.Context(), t, harness.Glibc, "attacks/"+strings.TrimSuffix(p.name, ".c"))
	}
	return packaged(t, p.program, p.pkg)
}

func scripts(t *testing.T) string {
	dir, err := filepath.Abs("programs/attacks")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// onLinux is what the program prints on Linux.
func (p *attacker) onLinux(t *testing.T, path string) []byte {
	t.Helper()
	h := &harness.Program{Path: path, CPUs: 1, Memory: 256, Machine: linuxvm.MicroVM, Timeout: 2 * time.Minute}
	if !p.c() {
		h.Args = []string{filepath.Join(scripts(t), p.script), t.TempDir()}
	}
	var o *harness.Outcome
	var err error
	if p.kernel {
		var k *linuxvm.Kernel
		if k, err = linuxKernel(); err != nil {
			t.Fatal(err)
		}
		h.Files = map[string]string{}
		for _, m := range []string{"cpuid", "msr"} {
			if h.Files["/"+m+".ko"], err = k.Module(m); err != nil {
				t.Fatal(err)
			}
		}
		o, err = harness.OnLinuxMachine(t.Context(), k, h)
	} else {
		o, err = harness.OnHost(t.Context(), h)
	}
	if err != nil || o.Status != 0 {
		t.Fatalf("Linux: %v: %+v", err, o)
	}
	return o.Stdout
}

// run runs the program in a machine: all attempts, or those that are named.
func (p *attacker) run(t *testing.T, flags []string, only ...string) (m attackedMachine) {
	t.Helper()
	record := filepath.Join(t.TempDir(), "audit")
	args := append([]string{"run", "--audit", record}, flags...)
	if p.c() {
		args = append(append(args, "-e", "SKERRY_POINTS=1", p.path(t)), only...)
	} else {
		args = append(append(args, "-m", "512M", "--dir", scripts(t)+":/attacks"), p.flags...)
		args = append(args, p.path(t), "/attacks/"+p.script, "/tmp")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	m.out, m.errs, m.status = skerryIn(ctx, skerryCommand(t), t.TempDir())(args...)
	_, m.outcomes = outcomes(t, []byte(m.out))
	b, err := os.ReadFile(record)
	if err != nil {
		t.Fatalf("%v: %s", err, m.errs)
	}
	m.records = map[string]int{}
	for line := range bytes.Lines(b) {
		var l auditLine
		if err := json.Unmarshal(line, &l); err != nil {
			t.Fatal(err)
		}
		if i := slices.IndexFunc(bytes.TrimSuffix(line, []byte("\n")), func(c byte) bool { return c < ' ' || c >= 0x7f }); i >= 0 {
			t.Errorf("byte %d of %q", i, line)
		}
		switch l.Action {
		case "denied":
			m.records[l.Rule+" "+l.Call+" "+l.Errno] += 1 + l.LeftOut
			switch l.Call {
			case "fork", "vfork", "clone", "clone3":
				m.records[process+" "+l.Errno] += 1 + l.LeftOut
			}
		case "killed":
			m.killed = l.Rule + " " + l.Call
		}
	}
	return m
}

// outcomes are the lines that a program prints.
func outcomes(t *testing.T, out []byte) (names []string, how map[string]string) {
	t.Helper()
	how = map[string]string{}
	for line := range strings.Lines(string(out)) {
		name, result, ok := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		if _, twice := how[name]; !ok || twice {
			t.Errorf("the line %q", line)
			continue
		}
		names = append(names, name)
		how[name] = result
	}
	return names, how
}

// TestAttacks: no attempt of a program that has been taken over works in a machine, the user
// is told of those at what point 1 is about, and at strict the first of those is the last.
func TestAttacks(t *testing.T) {
	for _, p := range attackers {
		t.Run(p.name, func(t *testing.T) {
			got := attempts(t, p)
			for i, m := range got.machines {
				if m.status != 0 || m.killed != "" || len(m.outcomes) != len(got.names) {
					t.Errorf("%d CPUs: status %d, %d attempts of %d: %s\n%s", i+1, m.status, len(m.outcomes), len(got.names), m.out, m.errs)
				}
				for name, how := range m.outcomes {
					if !strings.HasPrefix(how, "refused ") {
						t.Errorf("%d CPUs: %s: %s", i+1, name, how)
					}
				}
				if !strings.Contains(m.errs, "skerry: denied ") || !strings.Contains(m.errs, " (single process)\n") {
					t.Errorf("%d CPUs: the user was not told: %s", i+1, m.errs)
				}
			}
			m := p.run(t, []string{"--level", "strict", "--incident", "none"})
			if m.status != 121 || m.killed == "" || len(m.outcomes) >= len(got.names) || !strings.Contains(m.errs, "skerry: ended by policy: ") {
				t.Errorf("status %d: %s\n%s", m.status, m.out, m.errs)
			}
		})
	}
}
