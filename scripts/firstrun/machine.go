package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"syscall"
	"time"
)

// machine is a `skerry run` that was started.
type machine struct {
	cmd     *exec.Cmd
	begin   time.Time
	address chan string   // where it listens on the host, once
	output  chan struct{} // closed when the program has printed something
	ended   chan struct{} // closed when the command has ended
}

// listens is the line in which skerry tells which port it picked.
var listens = regexp.MustCompile(`^skerry: -p (127\.0\.0\.1:[0-9]+) -> 8080\b`)

// start starts the machine. The command is in a process group of its own: a Ctrl-C
// is for this program, which then ends the machine in its order.
func start(p *plan) (*machine, error) {
	m := &machine{address: make(chan string, 1), output: make(chan struct{}), ended: make(chan struct{})}
	m.cmd = exec.Command(p.skerry, "run", "-p", "0:8080", "-m", p.memory, p.image)
	m.cmd.Stdout = &firstOutput{to: os.Stdout, seen: m.output}
	m.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	stderr, err := m.cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	started := make(chan error)
	go func() {
		// The death signal comes when the thread ends that started the process.
		runtime.LockOSThread()
		m.begin = time.Now()
		err := m.cmd.Start()
		started <- err
		if err != nil {
			return
		}
		m.watch(stderr)
		m.cmd.Wait() // its status is in ProcessState
		close(m.ended)
	}()
	return m, <-started
}

// firstOutput hands output on and tells when the first comes.
type firstOutput struct {
	to   io.Writer
	seen chan struct{} // closed, then nil
}

func (f *firstOutput) Write(b []byte) (int, error) {
	if f.seen != nil {
		close(f.seen)
		f.seen = nil
	}
	return f.to.Write(b)
}

// watch shows what the command says and finds the address in it.
func (m *machine) watch(stderr io.Reader) {
	r := bufio.NewReader(stderr)
	for {
		line, err := r.ReadString('\n')
		io.WriteString(os.Stderr, line)
		if f := listens.FindStringSubmatch(line); f != nil {
			select {
			case m.address <- f[1]:
			default:
			}
		}
		if err != nil {
			return
		}
	}
}

// answer is the first page that came, and when.
type answer struct {
	page    string
	address string
	after   time.Duration // since the command was started
}

// answer asks until the server answers. Whether somebody listens in the machine
// only an attempt can tell: the port of the host is there before.
func (m *machine) answer(ctx context.Context, limit time.Duration) (*answer, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	var address string
	select {
	case address = <-m.address:
	case <-m.ended:
		return nil, m.early()
	case <-ctx.Done():
		return nil, m.late(ctx, limit, "named no port")
	}
	// A server that prints something is nearly there. An attempt long before may
	// wait in QEMU's network for a machine that has no address yet.
	select {
	case <-m.output:
	case <-time.After(quietLimit):
	case <-m.ended:
		return nil, m.early()
	case <-ctx.Done():
		return nil, m.late(ctx, limit, "did nothing")
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}
	var last error
	for {
		page, err := fetch(ctx, client, "http://"+address+"/")
		if err == nil {
			return &answer{page, address, time.Since(m.begin)}, nil
		}
		if ctx.Err() == nil {
			last = err
		}
		select {
		case <-m.ended:
			return nil, m.early()
		case <-ctx.Done():
			return nil, m.late(ctx, limit, fmt.Sprintf("did not answer; the last attempt: %v", last))
		case <-time.After(2 * time.Millisecond):
		}
	}
}

func (m *machine) early() error {
	return fmt.Errorf("the machine ended before it answered, with status %d", m.status())
}

func (m *machine) late(ctx context.Context, limit time.Duration, what string) error {
	if ctx.Err() == context.DeadlineExceeded {
		return fmt.Errorf("the machine %s within %v", what, limit)
	}
	return ctx.Err()
}

// fetch gets a page of at most 64 KiB.
func fetch(ctx context.Context, client *http.Client, url string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	resp, err := client.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", url, resp.Status)
	}
	return string(b), err
}

// stop asks the machine to end, then makes it.
func (m *machine) stop(limit time.Duration) error {
	m.cmd.Process.Signal(syscall.SIGTERM) // it may have ended: then there is nothing to do
	select {
	case <-m.ended:
		return nil
	case <-time.After(limit):
	}
	m.cmd.Process.Kill() // QEMU ends with it
	<-m.ended
	return fmt.Errorf("the machine did not end within %v after SIGTERM and was killed", limit)
}

// status is the command's exit status, after its end.
func (m *machine) status() int { return m.cmd.ProcessState.ExitCode() }
