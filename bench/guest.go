package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"skerry/bench/linuxvm"
	"skerry/bench/proc"
)

// guestPort is where the servers listen inside their machines.
const guestPort = 8080

// machine says what is to be started.
type machine struct {
	program string
	args    []string
	cpus    int
	memory  int64 // bytes
	network bool
	icount  bool
}

// guest is one side of the comparison.
type guest interface {
	name() string
	// start starts a machine. Its output goes to out, a line at a time or more.
	start(ctx context.Context, m machine, out *output) (*instance, error)
}

// instance is a machine that runs.
type instance struct {
	started time.Time // just before the command was started
	port    int       // on 127.0.0.1, 0 without a network
	qemu    func() (int, error)
	kill    func()
	wait    func() (int, error) // the program's exit status
}

// stop ends a machine and waits for its end.
func (i *instance) stop() {
	i.kill()
	i.wait()
}

// output collects what a machine prints and tells when a text has come.
type output struct {
	mu    sync.Mutex
	b     bytes.Buffer
	want  string
	found chan struct{} // closed when want has come
	gone  bool
}

func newOutput(want string) *output {
	return &output{want: want, found: make(chan struct{})}
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.b.Write(b)
	if !o.gone && o.want != "" && bytes.Contains(o.b.Bytes(), []byte(o.want)) {
		o.gone = true
		close(o.found)
	}
	return len(b), nil
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// linux runs the program as process 1 of Debian's cloud kernel, or, where its
// output is wanted in full, under a small init.
type linux struct {
	kernel  *linuxvm.Kernel
	options *options
}

func (l *linux) name() string { return "linux" }

func (l *linux) start(ctx context.Context, m machine, out *output) (*instance, error) {
	c := &linuxvm.Config{
		Machine: l.options.machine, CPU: l.options.cpu, CPUs: m.cpus, Memory: m.memory, Icount: m.icount,
		Program: m.program, Args: append([]string{filepath.Base(m.program)}, m.args...),
		Env: []string{"PATH=/", "HOME=/"}, Network: m.network, Exec: m.network, Output: out,
	}
	i := &instance{}
	if m.network {
		port, err := linuxvm.FreePort()
		if err != nil {
			return nil, err
		}
		i.port = port
		c.Forwards = map[int]int{port: guestPort}
	}
	vm, err := linuxvm.Start(ctx, l.kernel, c)
	if err != nil {
		return nil, err
	}
	i.started = vm.Started
	i.qemu = func() (int, error) { return vm.PID(), nil }
	i.kill = vm.Kill
	i.wait = sync.OnceValues(vm.Wait)
	return i, nil
}

// skerry runs the program with the skerry command.
type skerry struct {
	command string
	options *options
}

func (s *skerry) name() string { return "skerry" }

func (s *skerry) start(ctx context.Context, m machine, out *output) (*instance, error) {
	args := []string{"run", "--machine", s.options.machine, "--cpu", s.options.cpu,
		"-m", strconv.FormatInt(m.memory>>20, 10) + "M", "--cpus", strconv.Itoa(max(m.cpus, 1))}
	i := &instance{}
	if m.network {
		port, err := linuxvm.FreePort()
		if err != nil {
			return nil, err
		}
		i.port = port
		args = append(args, "-p", fmt.Sprintf("127.0.0.1:%d:%d", port, guestPort))
	}
	args = append(append(args, m.program), m.args...)
	command, err := filepath.Abs(s.command)
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, command, args...)
	cmd.Env = os.Environ()
	var cleanup func()
	if m.icount {
		dir, err := icountQEMU()
		if err != nil {
			return nil, err
		}
		cleanup = func() { os.RemoveAll(dir) }
		cmd.Env = append(cmd.Env, "PATH="+dir+string(os.PathListSeparator)+os.Getenv("PATH"))
	}
	cmd.Stdout = out
	var messages bytes.Buffer
	cmd.Stderr = &messages
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	i.started = time.Now()
	if err := cmd.Start(); err != nil {
		if cleanup != nil {
			cleanup()
		}
		return nil, err
	}
	i.qemu = func() (int, error) { return proc.Descendant(cmd.Process.Pid, "qemu-system") }
	i.kill = func() { cmd.Process.Kill() }
	i.wait = sync.OnceValues(func() (int, error) {
		err := cmd.Wait()
		if cleanup != nil {
			cleanup()
		}
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			return -1, err
		}
		status := cmd.ProcessState.ExitCode()
		if status != 0 {
			return status, fmt.Errorf("status %d: %s", status, bytes.TrimSpace(messages.Bytes()))
		}
		return 0, nil
	})
	return i, nil
}

// icountQEMU makes a folder with a qemu-system-x86_64 that starts the real one in
// deterministic time: the launcher has no such option, and needs none.
func icountQEMU() (string, error) {
	real, err := exec.LookPath("qemu-system-x86_64")
	if err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp("", "skerry-icount")
	if err != nil {
		return "", err
	}
	// Only a machine gets the option, not a question for the version; and it
	// excludes the emulator's threads.
	script := `#!/bin/sh
case " $* " in *" -kernel "*) ;; *) exec '` + real + `' "$@" ;; esac
n=$#
for a; do
	if [ "$a" = tcg,thread=multi ]; then a=tcg,thread=single; fi
	set -- "$@" "$a"
done
shift "$n"
exec '` + real + `' "$@" -icount shift=0
`
	path := filepath.Join(dir, "qemu-system-x86_64")
	if err := os.WriteFile(path, []byte(script), 0o755); err != nil {
		os.RemoveAll(dir)
		return "", err
	}
	return dir, nil
}

// dial connects to a port of this host.
func dial(port int, timeout time.Duration) (net.Conn, error) {
	return net.DialTimeout("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), timeout)
}
