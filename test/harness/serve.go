package harness

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"syscall"
	"time"

	"skerry/bench/linuxvm"
)

// Server is a server program that runs, on the host or in a machine.
type Server struct {
	Address string // where it answers on this host

	cmd  *exec.Cmd
	out  lockedBuffer
	errs lockedBuffer
	done chan struct{} // closed when cmd has ended
}

// lockedBuffer is a buffer that may be read while it is written.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// guestPort is where servers listen inside a machine.
const guestPort = 8080

// Serve starts a server and waits for its line "listening on". With an empty
// skerry it runs on this host.
func Serve(ctx context.Context, skerry string, p *Program) (*Server, error) {
	port, err := linuxvm.FreePort()
	if err != nil {
		return nil, err
	}
	s := &Server{Address: "127.0.0.1:" + strconv.Itoa(port), done: make(chan struct{})}
	if skerry == "" {
		s.cmd = exec.CommandContext(ctx, p.Path, p.Args...)
		s.cmd.Env = append(environment(p.Env), "PORT="+strconv.Itoa(port))
		s.cmd.Dir = "/"
	} else {
		args := []string{"run", "-m", strconv.Itoa(p.Memory) + "M", "--cpus", strconv.Itoa(max(p.CPUs, 1)),
			"-p", fmt.Sprintf("%s:%d", s.Address, guestPort)}
		if p.Machine != "" {
			args = append(args, "--machine", p.Machine)
		}
		args = append(append(args, p.Flags...), p.Path)
		s.cmd = exec.CommandContext(ctx, skerry, append(args, p.Args...)...)
	}
	if err := s.start(); err != nil {
		return nil, err
	}
	deadline := time.After(p.Timeout)
	for !bytes.Contains([]byte(s.out.String()), []byte("listening on")) {
		select {
		case <-s.done:
			return nil, fmt.Errorf("ended before it listened: %v; %s", s.cmd.ProcessState, s.errs.String())
		case <-deadline:
			s.cmd.Process.Kill()
			return nil, fmt.Errorf("does not listen in %v; %s", p.Timeout, s.errs.String())
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(5 * time.Millisecond):
		}
	}
	return s, nil
}

// Start starts a command as a server and does not wait for a line of it.
func Start(cmd *exec.Cmd) (*Server, error) {
	s := &Server{cmd: cmd, done: make(chan struct{})}
	return s, s.start()
}

func (s *Server) start() error {
	s.cmd.Stdout, s.cmd.Stderr = &s.out, &s.errs
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := s.cmd.Start(); err != nil {
		return err
	}
	go func() {
		s.cmd.Wait() // its status is in ProcessState
		close(s.done)
	}()
	return nil
}

// Stop sends SIGTERM and waits for the end; it returns the exit status, 128+n for
// a signal.
func (s *Server) Stop(timeout time.Duration) (int, error) {
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return -1, err
	}
	select {
	case <-s.done:
	case <-time.After(timeout):
		s.cmd.Process.Kill()
		return -1, fmt.Errorf("does not end in %v after SIGTERM", timeout)
	}
	status := s.cmd.ProcessState.ExitCode()
	if w, ok := s.cmd.ProcessState.Sys().(syscall.WaitStatus); ok && w.Signaled() {
		status = 128 + int(w.Signal())
	}
	return status, nil
}

// Output is what the server and its launcher have printed.
func (s *Server) Output() string { return s.out.String() + s.errs.String() }

// PID is the process that was started: the server's, or the launcher's.
func (s *Server) PID() int { return s.cmd.Process.Pid }
