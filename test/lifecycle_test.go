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

	"skerry/bench/proc"
	"skerry/test/harness"
)

// started is a skerry command that runs a program which has printed its first
// line.
type started struct {
	cmd  *exec.Cmd
	out  io.ReadCloser
	errs bytes.Buffer
}

// start runs exit.c with arguments and waits for its first line.
func start(t *testing.T, flags []string, args ...string) *started {
	t.Helper()
	b, err := builder()
	if err != nil {
		t.Fatal(err)
	}
	path, err := b.Build(context.Background(), harness.Musl, "exit")
	if err != nil {
		t.Fatal(err)
	}
	slot(t)
	s := &started{cmd: exec.Command(skerryCommand(t), append(append(append([]string{"run"}, flags...), path), args...)...)}
	s.cmd.Stderr = &s.errs
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if s.out, err = s.cmd.StdoutPipe(); err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	watchdog := time.AfterFunc(2*time.Minute, func() { s.cmd.Process.Kill() })
	t.Cleanup(func() { watchdog.Stop(); s.cmd.Process.Kill() })
	line := make([]byte, len("about to: "))
	if _, err := io.ReadFull(s.out, line); err != nil || string(line) != "about to: " {
		s.cmd.Wait()
		t.Fatalf("first output %q, %v; %s", line, err, s.errs.String())
	}
	return s
}

// wait returns the status and how long the end took.
func (s *started) wait() (int, time.Duration) {
	begin := time.Now()
	io.Copy(io.Discard, s.out)
	s.cmd.Wait() // the status is what counts
	return s.cmd.ProcessState.ExitCode(), time.Since(begin)
}

// TestSignals sends signals to the command; they reach the program, which has no
// handlers.
func TestSignals(t *testing.T) {
	for _, c := range []struct {
		signal syscall.Signal
		status int
	}{
		{syscall.SIGTERM, 143}, {syscall.SIGINT, 130}, {syscall.SIGHUP, 129}, {syscall.SIGQUIT, 131}, {syscall.SIGUSR1, 138}, {syscall.SIGUSR2, 140},
	} {
		if testing.Short() && c.signal != syscall.SIGTERM && c.signal != syscall.SIGUSR1 {
			continue
		}
		t.Run(c.signal.String(), func(t *testing.T) {
			s := start(t, nil, "sleep")
			if err := s.cmd.Process.Signal(c.signal); err != nil {
				t.Fatal(err)
			}
			if status, took := s.wait(); status != c.status || took > 9*time.Second {
				t.Errorf("status %d after %v, expected %d; %s", status, took, c.status, s.errs.String())
			}
		})
	}
}

// TestTimeout ends a program that does not end by itself.
func TestTimeout(t *testing.T) {
	file := filepath.Join(t.TempDir(), "status")
	s := start(t, []string{"--timeout", "3s", "--stop-timeout", "1s", "--status-file", file}, "sleep")
	if status, took := s.wait(); status != 124 || took > 30*time.Second {
		t.Errorf("status %d after %v; %s", status, took, s.errs.String())
	}
	if _, err := readStatus(file); err != nil {
		t.Error(err)
	}
}

// readStatus reads what --status-file wrote.
func readStatus(file string) (map[string]any, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var m map[string]any
	if err := json.Unmarshal(b, &m); err != nil {
		return nil, fmt.Errorf("%s: %w", b, err)
	}
	return m, nil
}

// TestStatusFile tells a program's 137 from one that a signal ended.
func TestStatusFile(t *testing.T) {
	for _, c := range []struct {
		args   []string
		status int
	}{{[]string{"exit", "137"}, 137}, {[]string{"kill", "9"}, 137}} {
		file := filepath.Join(t.TempDir(), "status")
		s := start(t, []string{"--status-file", file}, c.args...)
		if status, _ := s.wait(); status != c.status {
			t.Errorf("%q: status %d; %s", c.args, status, s.errs.String())
		}
		m, err := readStatus(file)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%q: %v", c.args, m)
		if signal, ok := m["signal"].(float64); (ok && signal != 0) != (c.args[0] == "kill") {
			t.Errorf("%q: %v", c.args, m)
		}
	}
}

// TestKilledCommand looks for the machine after its command was killed.
func TestKilledCommand(t *testing.T) {
	s := start(t, nil, "sleep")
	pid, err := proc.Descendant(s.cmd.Process.Pid, "qemu-system")
	if err != nil {
		t.Fatal(err)
	}
	s.cmd.Process.Kill()
	s.wait()
	for end := time.Now().Add(time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if syscall.Kill(pid, 0) != nil || zombie(pid) {
			return
		}
	}
	t.Errorf("QEMU, process %d, is still there a second later", pid)
}

// zombie: nobody has asked for its status yet, but it runs no more.
func zombie(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err != nil || strings.Contains(string(b), ") Z ")
}

// TestSlowReader takes ten megabytes of output slowly and loses nothing.
func TestSlowReader(t *testing.T) {
	b, err := builder()
	if err != nil {
		t.Fatal(err)
	}
	path, err := b.Build(context.Background(), harness.Musl, "output")
	if err != nil {
		t.Fatal(err)
	}
	slot(t)
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, skerryCommand(t), "run", "--quiet", path, "large")
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	sum, total := uint64(0xcbf29ce484222325), 0
	buf := make([]byte, 100000)
	for n := 0; ; n++ {
		m, err := out.Read(buf)
		for _, c := range buf[:m] {
			sum = (sum ^ uint64(c)) * 0x100000001b3
		}
		total += m
		if err != nil {
			break
		}
		if n%20 == 0 && n < 2000 {
			time.Sleep(20 * time.Millisecond)
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%v; %s", err, errs.String())
	}
	if want := fmt.Sprintf("bytes %d fnv1a %016x\n", total, sum); errs.String() != want {
		t.Errorf("the program wrote %q, %q arrived", errs.String(), want)
	}
}

// TestIdle measures what a machine costs whose server has nothing to do.
func TestIdle(t *testing.T) {
	b, err := builder()
	if err != nil {
		t.Fatal(err)
	}
	path, err := b.Build(context.Background(), harness.Go, "../../examples/http")
	if err != nil {
		t.Fatal(err)
	}
	slot(t)
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	s, err := harness.Serve(ctx, skerryCommand(t), &harness.Program{Path: path, CPUs: 2, Memory: 128, Timeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Stop(30 * time.Second)
	pid, err := proc.Descendant(s.PID(), "qemu-system")
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(3 * time.Second)
	before, err := proc.PreciseTime(pid)
	if err != nil {
		t.Fatal(err)
	}
	const while = 5 * time.Second
	time.Sleep(while)
	after, err := proc.PreciseTime(pid)
	if err != nil {
		t.Fatal(err)
	}
	percent := 100 * (after - before).Seconds() / while.Seconds()
	t.Logf("%.2f %% of a processor", percent)
	if percent > 3 {
		t.Errorf("an idle machine takes %.2f %% of a processor, more than 3 %%", percent)
	}
}
