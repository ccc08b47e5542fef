package strace

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestLikeStrace runs one program under strace(1) and under a tracer that uses
// this package, and compares the lines.
func TestLikeStrace(t *testing.T) {
	for _, tool := range []string{"gcc", "strace", "setarch"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip(tool + " is not installed")
		}
	}
	dir := t.TempDir()
	program := filepath.Join(dir, "calls")
	if out, err := exec.Command("gcc", "-w", "-static", "-o", program, "testdata/calls.c").CombinedOutput(); err != nil {
		t.Skipf("the program does not compile here: %s", out)
	}

	// Each runs in its own empty folder, with the same addresses.
	fresh := func(name string) string {
		d := filepath.Join(dir, name)
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
		return d
	}
	log := filepath.Join(dir, "strace.txt")
	cmd := exec.Command("setarch", "-R", "strace", "-o", log, program)
	cmd.Dir, cmd.Env = fresh("a"), []string{"PATH=" + os.Getenv("PATH")}
	if out, err := cmd.CombinedOutput(); cmd.ProcessState == nil || cmd.ProcessState.ExitCode() != 3 {
		t.Skipf("strace does not run here: %v %s", err, out)
	}
	text, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}

	cmd = exec.Command("setarch", "-R", program)
	cmd.Dir, cmd.Env = fresh("b"), []string{"PATH=" + os.Getenv("PATH")}
	ours := between(t, "ours", trace(t, &Decoder{}, cmd))
	theirs := between(t, "strace's", strings.Split(strings.TrimSpace(string(text)), "\n"))

	same, known, different := 0, 0, 0
	for i := range max(len(ours), len(theirs)) {
		a, b := "(none)", "(none)"
		if i < len(ours) {
			a = normal(ours[i])
		}
		if i < len(theirs) {
			b = normal(theirs[i])
		}
		if a == b {
			same++
			continue
		}
		name, _, _ := strings.Cut(a, "(")
		if other, _, _ := strings.Cut(b, "("); knownDifference[name] != "" && name == other {
			known++
			t.Logf("%s: %s\nours:   %s\nstrace: %s", name, knownDifference[name], a, b)
			continue
		}
		different++
		t.Errorf("call %d\nours:   %s\nstrace: %s", i, a, b)
	}
	t.Logf("%d lines equal, %d different on purpose, %d not", same, known, different)
}

// knownDifference are the calls of which we show something else, and why.
var knownDifference = map[string]string{
	"nanosleep":          "a negative tv_nsec is shown as it is",
	"futex_waitv":        "the names of Linux 6.7",
	"set_tid_address":    "an address",
	"sched_setscheduler": "SCHED_RESET_ON_FORK is a flag beside the policy",
	"prctl":              "what the operation does not look at is left out",
	"membarrier":         "a command of Linux 6.3",
	"getsockopt":         "the value of SO_TYPE by its name",
	"kcmp":               "refused: operations without names",
	"keyctl":             "refused: operations without names",
	"bpf":                "refused: operations without names",
	"syslog":             "refused: operations without names",
}

// between are the lines between the markers, without those about signals.
func between(t *testing.T, whose string, lines []string) []string {
	t.Helper()
	var out []string
	inside := false
	for _, l := range lines {
		switch {
		case strings.HasPrefix(l, "close(-4242)"):
			inside = !inside
		case inside && !strings.HasPrefix(l, "---"):
			out = append(out, l)
		}
	}
	if inside || len(out) == 0 {
		t.Fatalf("%s lines have no markers; %d lines", whose, len(lines))
	}
	return out
}

var (
	pids   = regexp.MustCompile(`\b(kill|rt_sigqueueinfo)\(\d+`)
	pids2  = regexp.MustCompile(`si_pid=\d+|(getpid|set_tid_address)(\(.*\) *= )\d+`)
	dates  = regexp.MustCompile(` /\* \d{4}-\d\d-\d\dT[^*]* \*/`)
	spaces = regexp.MustCompile(` += `)
	nanos  = regexp.MustCompile(`left \{tv_sec=\d+, tv_nsec=\d+\}|tv_sec=0, tv_nsec=99\d+`)
)

// normal takes out of a line what differs from run to run.
func normal(l string) string {
	l = pids.ReplaceAllString(l, "$1(PID")
	l = pids2.ReplaceAllString(l, "$1$2 PID")
	if dates.MatchString(l) || strings.HasPrefix(l, "utime(") {
		// The date moves the column of the result.
		l = spaces.ReplaceAllString(dates.ReplaceAllString(l, ""), " = ")
	}
	l = nanos.ReplaceAllString(l, "TIME")
	return l
}
