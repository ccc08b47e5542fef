package harness

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"skerry/bench/linuxvm"
)

// Place is where a daemon runs, as it sees it: on the host or in a machine.
type Place struct {
	Host  string // the address to listen at
	Ports []int  // to listen on
	Files string // the folder with its files, read-only in a machine
	Tmp   string // a folder that it may write
}

// Daemon is a server program as a distribution packages it, which says nothing of a
// kind when it is ready.
type Daemon struct {
	Path   string
	Ports  int // how many
	Memory int // MiB
	CPUs   int
	Flags  []string // of skerry run
	Args   func(p Place) []string
	// HostEnv is added to its environment on the host; it may be nil.
	HostEnv func(p Place) []string
	// Files are its files by name; nil if it has none.
	Files func(p Place) map[string][]byte
	// Ready asks, through the first port, whether it answers. A port of a machine
	// accepts before the program does.
	Ready   func(address string) error
	Timeout time.Duration // for being ready
}

// Running is a daemon that runs.
type Running struct {
	Server
	Addresses []string // where it answers on this host
	Tmp       string   // on the host only
}

// daemonPort is the first port in a machine.
const daemonPort = 7000

// Start starts a daemon and waits until it answers. dir is an empty folder for its
// files. With an empty skerry it runs on this host.
func (d *Daemon) Start(ctx context.Context, skerry, dir string) (*Running, error) {
	r := &Running{Server: Server{done: make(chan struct{})}}
	p := Place{Host: "127.0.0.1", Files: filepath.Join(dir, "files"), Tmp: filepath.Join(dir, "tmp")}
	if skerry != "" {
		p = Place{Host: "0.0.0.0", Files: "/srv", Tmp: "/tmp"}
	} else {
		r.Tmp = p.Tmp
	}
	args := []string{"run", "-m", strconv.Itoa(d.Memory) + "M", "--cpus", strconv.Itoa(max(d.CPUs, 1))}
	for i := range max(d.Ports, 1) {
		port, err := linuxvm.FreePort()
		if err != nil {
			return nil, err
		}
		r.Addresses = append(r.Addresses, "127.0.0.1:"+strconv.Itoa(port))
		if skerry == "" {
			p.Ports = append(p.Ports, port)
		} else {
			p.Ports = append(p.Ports, daemonPort+i)
			args = append(args, "-p", fmt.Sprintf("127.0.0.1:%d:%d", port, daemonPort+i))
		}
	}
	r.Address = r.Addresses[0]
	for _, name := range []string{"files", "tmp"} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o755); err != nil {
			return nil, err
		}
	}
	if d.Files != nil {
		for name, b := range d.Files(p) {
			name = filepath.Join(dir, "files", name)
			if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
				return nil, err
			}
			if err := os.WriteFile(name, b, 0o644); err != nil {
				return nil, err
			}
			// Each has a time of its own, the same wherever it runs.
			at := time.Unix(1<<30+int64(len(b)), 0)
			if err := os.Chtimes(name, at, at); err != nil {
				return nil, err
			}
		}
		args = append(args, "--dir", filepath.Join(dir, "files")+":"+p.Files)
	}
	if skerry == "" {
		r.cmd = exec.CommandContext(ctx, d.Path, d.Args(p)...)
		r.cmd.Env = environment(nil)
		if d.HostEnv != nil {
			r.cmd.Env = append(r.cmd.Env, d.HostEnv(p)...)
		}
		r.cmd.Dir = p.Tmp
	} else {
		args = append(append(args, d.Flags...), d.Path)
		r.cmd = exec.CommandContext(ctx, skerry, append(args, d.Args(p)...)...)
		r.cmd.Dir = dir // not where a skerry.toml may be
	}
	r.cmd.Stdout, r.cmd.Stderr = &r.out, &r.errs
	r.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := r.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		r.cmd.Wait() // its status is in ProcessState
		close(r.done)
	}()
	deadline := time.Now().Add(d.Timeout)
	for {
		err := d.Ready(r.Address)
		if err == nil {
			return r, nil
		}
		select {
		case <-r.done:
			return nil, fmt.Errorf("ended before it answered: %v; %s", r.cmd.ProcessState, r.Output())
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			r.cmd.Process.Kill()
			return nil, fmt.Errorf("does not answer in %v: %v; %s", d.Timeout, err, r.Output())
		}
	}
}
