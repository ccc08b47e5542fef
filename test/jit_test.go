package skerrytest

import (
	"bytes"
	"context"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"skerry/test/harness"
)

// TestJIT: what the user is told about memory that may not become executable, that
// an image carries how much may, and that no system call comes from there.
func TestJIT(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	path := built(ctx, t, harness.Musl, "jit")
	slot(t)
	skerry := skerryCommand(t)
	run := func(args ...string) (stdout, stderr string) {
		t.Helper()
		var out, errs bytes.Buffer
		cmd := exec.CommandContext(ctx, skerry, args...)
		cmd.Stdout, cmd.Stderr = &out, &errs
		if err := cmd.Run(); err != nil {
			t.Fatalf("%q: %v; %s", args, err, errs.String())
		}
		return out.String(), errs.String()
	}
	// A system call of written code ends the machine.
	for _, c := range []string{"from-private", "from-shared", "from-thread", "from-last", "from-half"} {
		var out, errs bytes.Buffer
		cmd := exec.CommandContext(ctx, skerry, "run", "--jit", "64K", "--cpus", "2", path, c)
		cmd.Stdout, cmd.Stderr = &out, &errs
		cmd.Run() // the status is what counts
		if status := cmd.ProcessState.ExitCode(); status != 121 || out.String() != "case "+c+"\nabout to call\n" ||
			!strings.HasPrefix(errs.String(), "skerry: ended by policy: a system call (getpid) at 0x") || strings.Count(errs.String(), "\n") != 2+strings.Count(errs.String(), "\nskerry:   #") || !strings.Contains(errs.String(), "\nskerry: incident report: ") {
			t.Errorf("%s: status %d, stdout %q, stderr %q", c, status, out.String(), errs.String())
		}
	}

	const (
		needs  = "skerry: refused to make 4 KiB of memory executable (W^X): the program seems to have a JIT compiler: --jit 64M, or switch it off (node --jitless, opcache.jit=off, pcre.jit=0 and the like)\n"
		used   = "skerry: refused to make 4 KiB more of memory executable: 1 MiB of the 1 MiB of --jit are in use: --jit 2M\n"
		double = `skerry: refused to map "/memfd:jit (deleted)" executable (W^X): a file in memory is data: `
	)
	image := filepath.Join(t.TempDir(), "jit.img")
	run("build", "--jit", "1M", "-o", image, path, "private", "budget")
	for _, c := range []struct {
		args []string
		want []string // parts of stderr, a line each
	}{
		{[]string{path, "refused", "wish"}, []string{needs}},
		{[]string{path, "never"}, []string{double}},
		{[]string{"--no-jit", path, "refused"}, []string{needs}},
		{[]string{"--jit", "64M", path, "private", "shared"}, nil},
		{[]string{image}, []string{strings.Replace(used, ": --jit 2M", ": skerry build --jit 2M", 1)}},
		{[]string{image, "private"}, nil},
		{[]string{"--no-jit", image, "refused"}, []string{strings.Replace(needs, ": --jit 64M", ": skerry build --jit 64M", 1)}},
	} {
		_, stderr := run(append([]string{"run"}, c.args...)...)
		lines := strings.SplitAfter(stderr, "\n")
		lines = lines[:len(lines)-1]
		ok := len(lines) == len(c.want)
		for i := 0; ok && i < len(lines); i++ {
			ok = strings.HasPrefix(lines[i], c.want[i])
		}
		if !ok {
			t.Errorf("%q: told %q, want %q", c.args, lines, c.want)
		}
	}
}
