package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// process is the command in a process of its own.
type process struct {
	*exec.Cmd
	out    *bufio.Reader
	stderr bytes.Buffer
}

func (w *world) start(t *testing.T, stdin io.Reader, args ...string) *process {
	t.Helper()
	p := &process{Cmd: exec.Command(w.skerry, append([]string{"run", "--kernel", w.path("kernel")}, args...)...)}
	p.Stdin = stdin
	p.Stderr = &p.stderr
	out, err := p.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.out = bufio.NewReader(out)
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Process.Kill() })
	return p
}

// line reads a line of its output.
func (p *process) line(t *testing.T) string {
	t.Helper()
	s, err := p.out.ReadString('\n')
	if err != nil {
		t.Fatalf("%v; stderr: %s", err, &p.stderr)
	}
	return strings.TrimSpace(s)
}

// end waits for the end and returns the exit status.
func (p *process) end(t *testing.T) int {
	t.Helper()
	io.Copy(io.Discard, p.out)
	timer := time.AfterFunc(15*time.Second, func() { p.Process.Kill() })
	defer timer.Stop()
	p.Wait()
	return p.ProcessState.ExitCode()
}

func TestProcessSignals(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct {
		name   string
		script string
		send   []syscall.Signal
		status int
	}{
		{"INT", "signals:1 signaled:2", []syscall.Signal{syscall.SIGINT}, 130},
		{"TERM and a status of its own", "signals:1 exit:0", []syscall.Signal{syscall.SIGTERM}, 0},
		{"all", "signals:5 exit:9", []syscall.Signal{syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGTERM}, 9},
		{"INT twice", "signals:1 hang", []syscall.Signal{syscall.SIGINT, syscall.SIGINT}, 137},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := w.start(t, nil, append([]string{"./app", "hello", "out:ready\n"}, strings.Fields(c.script)...)...)
			p.line(t)
			for _, s := range c.send {
				if err := p.Process.Signal(s); err != nil {
					t.Fatal(err)
				}
				time.Sleep(50 * time.Millisecond) // the same signal twice is one
			}
			if got := p.end(t); got != c.status {
				t.Errorf("status %d, want %d; %s", got, c.status, &p.stderr)
			}
			if strings.Contains(p.stderr.String(), "goroutine") {
				t.Errorf("a stack trace: %s", &p.stderr)
			}
		})
	}
}

// TestProcessKilled: the machine does not outlive the command.
func TestProcessKilled(t *testing.T) {
	w := newWorld(t)
	p := w.start(t, nil, "./app", "hello", "pid", "hang")
	var pid int
	fmt.Sscan(p.line(t), &pid)
	if pid == 0 || syscall.Kill(pid, 0) != nil {
		t.Fatal(pid)
	}
	p.Process.Kill()
	p.end(t)
	for begin := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil || bytes.Contains(b, []byte(") Z ")) {
			return
		}
		if time.Since(begin) > time.Second {
			t.Fatal("the machine outlives the command")
		}
	}
}

// TestProcessClosedPipe: what `| head` does is the program's to deal with.
func TestProcessClosedPipe(t *testing.T) {
	w := newWorld(t)
	r, wr, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(w.skerry, "run", "--kernel", w.path("kernel"), "./app", "hello", "out:first\n", "closed", "exit:6")
	cmd.Stdout = wr
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	wr.Close()
	if line, err := bufio.NewReader(io.LimitReader(r, 6)).ReadString('\n'); line != "first\n" {
		t.Fatal(line, err)
	}
	r.Close()
	cmd.Wait()
	if got := cmd.ProcessState.ExitCode(); got != 6 || !strings.HasPrefix(stderr.String(), "hung up") {
		t.Errorf("status %d, %s", got, &stderr)
	}
}

// TestProcessStuck: a reader that does not read cannot keep the machine up.
func TestProcessStuck(t *testing.T) {
	w := newWorld(t)
	r, wr, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	cmd := exec.Command(w.skerry, "run", "--verbose", "--timeout", "500ms", "--stop-timeout", "0s", "--kernel", w.path("kernel"), "./app", "hello", "big:1000000", "hang")
	cmd.Stdout, cmd.Stderr = wr, wr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	wr.Close()
	timer := time.AfterFunc(15*time.Second, func() { cmd.Process.Kill() })
	defer timer.Stop()
	cmd.Wait()
	if got := cmd.ProcessState.ExitCode(); got != 124 {
		t.Errorf("status %d", got)
	}
}

func TestProcessStdin(t *testing.T) {
	w := newWorld(t)
	file := func(text string) io.Reader {
		f, err := os.Open(w.put(t, "in"+text, []byte(text), 0o600))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		return f
	}
	pipe := func(text string, close bool) io.Reader {
		r, wr, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { r.Close(); wr.Close() })
		wr.WriteString(text)
		if close {
			wr.Close()
		}
		return r
	}
	for name, c := range map[string]struct {
		stdin io.Reader
		warn  bool
	}{
		"null":        {nil, false},
		"file":        {file("x"), true},
		"empty file":  {file(""), false},
		"pipe":        {pipe("x", true), true},
		"open pipe":   {pipe("x", false), true},
		"empty pipe":  {pipe("", true), false},
		"silent pipe": {pipe("", false), false},
	} {
		p := w.start(t, c.stdin, "./app", "hello", "sleep:300", "stdin", "exit:0")
		out, _ := io.ReadAll(p.out)
		if status := p.end(t); status != 0 || string(out) != "0 <nil>" {
			t.Errorf("%s: status %d, stdin %q", name, status, out)
		}
		if got := strings.Count(p.stderr.String(), "skerry: stdin is not passed on"); (got == 1) != c.warn || got > 1 {
			t.Errorf("%s: %q", name, &p.stderr)
		}
		if f, ok := c.stdin.(*os.File); ok {
			f.Close()
		}
	}
}

// TestProcessSignalEarly: a signal while the program is built ends the command.
func TestProcessSignalEarly(t *testing.T) {
	w := newWorld(t)
	w.put(t, "pkg/main.go", []byte("package main\n"), 0o600)
	w.put(t, "bin/go", []byte("#!/bin/sh\necho waiting >&2\nexec sleep 20\n"), 0o755)
	for s, status := range map[syscall.Signal]int{syscall.SIGINT: 130, syscall.SIGQUIT: 131, syscall.SIGHUP: 129} {
		p := w.start(t, nil, "--status-file", "st", "./pkg")
		for begin := time.Now(); ; time.Sleep(10 * time.Millisecond) {
			if list, _ := os.ReadDir(w.path("cache/skerry/images")); len(list) > 0 || time.Since(begin) > 5*time.Second {
				break
			}
		}
		time.Sleep(100 * time.Millisecond)
		p.Process.Signal(s)
		if got := p.end(t); got != status {
			t.Errorf("%v: status %d, %s", s, got, &p.stderr)
		}
		if text := p.stderr.String(); strings.Contains(text, "goroutine") {
			t.Errorf("a stack trace: %s", text)
		}
		if list, _ := os.ReadDir(w.path("cache/skerry/images")); len(list) != 0 {
			t.Errorf("%v: something is left", s)
		}
		if b, _ := os.ReadFile("st"); !strings.Contains(string(b), `"reason":"signaled"`) {
			t.Errorf("%s", b)
		}
	}
}

// TestProcessNohup: an ignored signal stays ignored.
func TestProcessNohup(t *testing.T) {
	w := newWorld(t)
	cmd := exec.Command("/bin/sh", "-c", fmt.Sprintf("trap '' HUP INT; exec %s run --kernel %s ./app hello 'out:ready\n' signals:1 exit:8", w.skerry, w.path("kernel")))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	b := make([]byte, 5)
	io.ReadFull(out, b)
	for _, s := range []syscall.Signal{syscall.SIGHUP, syscall.SIGINT, syscall.SIGTERM} {
		cmd.Process.Signal(s)
		time.Sleep(50 * time.Millisecond)
	}
	rest, _ := io.ReadAll(out)
	cmd.Wait()
	if !strings.HasSuffix(string(rest), "signal=15 ") || cmd.ProcessState.ExitCode() != 8 {
		t.Errorf("%q, status %d", rest, cmd.ProcessState.ExitCode())
	}
}

// TestProcessClosedDescriptors: standard descriptors may be closed.
func TestProcessClosedDescriptors(t *testing.T) {
	w := newWorld(t)
	for _, redirect := range []string{"<&-", ">&-", "2>&-", "<&- >&- 2>&-"} {
		cmd := exec.Command("/bin/sh", "-c", fmt.Sprintf("exec %s run --kernel %s ./app hello out:x exit:8 %s", w.skerry, w.path("kernel"), redirect))
		out, _ := cmd.CombinedOutput()
		if got := cmd.ProcessState.ExitCode(); got != 8 || strings.Contains(string(out), "goroutine") {
			t.Errorf("%s: status %d, %s", redirect, got, out)
		}
	}
}
