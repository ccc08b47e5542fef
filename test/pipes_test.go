package skerrytest

import (
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"syscall"
	"testing"
	"time"

	"skerry/test/harness"
)

// program builds a test program with musl.
func program(t *testing.T, name string) string {
	t.Helper()
	b, err := builder()
	if err != nil {
		t.Fatal(err)
	}
	path, err := b.Build(context.Background(), harness.Musl, name)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// TestClosedPipe stops reading the output, as head(1) does: the program's next
// write ends it with SIGPIPE.
func TestClosedPipe(t *testing.T) {
	path := program(t, "output")
	slot(t)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, skerryCommand(t), "run", "--quiet", path, "large")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(out, make([]byte, 1000)); err != nil {
		t.Error(err)
	}
	out.Close()
	cmd.Wait() // the status is what counts
	if s := cmd.ProcessState.ExitCode(); s != 128+int(syscall.SIGPIPE) {
		t.Errorf("status %d", s)
	}
}

// TestEarlySignal sends a signal at every stage of the start; none is lost.
func TestEarlySignal(t *testing.T) {
	path := program(t, "exit")
	slot(t)
	last := 400 * time.Millisecond
	if testing.Short() {
		last = 200 * time.Millisecond
	}
	for delay := 20 * time.Millisecond; delay <= last; delay += 30 * time.Millisecond {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		cmd := exec.CommandContext(ctx, skerryCommand(t), "run", "--quiet", path, "sleep")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(delay)
		cmd.Process.Signal(syscall.SIGTERM)
		cmd.Wait() // the status is what counts
		if s := cmd.ProcessState.ExitCode(); s != 128+int(syscall.SIGTERM) {
			t.Errorf("after %v: status %d", delay, s)
		}
		cancel()
	}
}

// TestUnfinished looks for the calls that other threads were in when the program
// ended. That it ends wakes them, so they may come back before the machine does.
func TestUnfinished(t *testing.T) {
	path := program(t, "exit")
	slot(t)
	file := filepath.Join(t.TempDir(), "trace")
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	unfinished := regexp.MustCompile(`(?m)^.*\d+ \w+\(.* <unfinished \.\.\.>$`)
	seen := 0
	var b []byte
	for range 10 {
		out, err := exec.CommandContext(ctx, skerryCommand(t), "run", "--strace="+file, path, "thread-exit", "0").CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		if b, err = os.ReadFile(file); err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(b, []byte("ERESTART")) {
			t.Fatalf("a call is to be made again:\n%s", b)
		}
		if unfinished.Match(b) {
			seen++
		}
	}
	if seen == 0 { // one of the threads can end it before the others have made a call
		t.Errorf("no call is unfinished:\n%s", b)
	}
}
