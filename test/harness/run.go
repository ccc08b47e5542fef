package harness

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"sync"
	"syscall"
	"time"

	"skerry/bench/linuxvm"
)

// Program is what is run.
type Program struct {
	Path    string
	Args    []string // without argv[0], which is Path
	Env     []string // beside the three that every program gets
	CPUs    int
	Memory  int // MiB
	Machine string
	CPU     string // QEMU's model; "" is the launcher's choice
	Network bool
	// Files are put into the machine: path in it → path on the host. Dir is the
	// working directory, "" for /.
	Files map[string]string
	Dir   string
	// Flags are more flags for skerry run, such as --host-access.
	Flags []string
	// HostEnv is added to the skerry command's own environment.
	HostEnv []string
	Timeout time.Duration
}

// Outcome is what came back.
type Outcome struct {
	Stdout, Stderr []byte
	Status         int // 128+n for a signal
	Elapsed        time.Duration
}

// environment is what Skerry gives every program, on Linux.
func environment(extra []string) []string {
	return append([]string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/", "HOSTNAME=skerry"}, extra...)
}

// defaults makes programs start with the default actions of signals, as they do in a
// machine, even where nohup(1) or a shell's "&" had some ignored for this process: what
// it handles starts as default behind execve(2), and nothing else comes of handling it.
var defaults = sync.OnceFunc(func() {
	for _, s := range []os.Signal{syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT} {
		if signal.Ignored(s) {
			signal.Notify(make(chan os.Signal, 1), s)
		}
	}
})

// OnHost runs a program on this machine's Linux, with pipes and at end of input.
func OnHost(ctx context.Context, p *Program) (*Outcome, error) {
	defaults()
	ctx, cancel := context.WithTimeout(ctx, p.Timeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, p.Path, p.Args...)
	cmd.Env = environment(p.Env)
	cmd.Dir = "/"
	// A group of its own: some programs signal theirs.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	return run(ctx, cmd)
}

func run(ctx context.Context, cmd *exec.Cmd) (*Outcome, error) {
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	cmd.WaitDelay = 5 * time.Second
	start := time.Now()
	err := cmd.Run()
	o := &Outcome{Stdout: out.Bytes(), Stderr: errs.Bytes(), Elapsed: time.Since(start), Status: -1}
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return o, fmt.Errorf("%s: %w", cmd.Path, ctx.Err())
	case err != nil && !errors.As(err, &exit):
		return o, err
	}
	o.Status = cmd.ProcessState.ExitCode()
	if w, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && w.Signaled() {
		o.Status = 128 + int(w.Signal())
	}
	return o, nil
}

// OnSkerry runs a program in a machine of its own with the skerry command.
func OnSkerry(ctx context.Context, skerry string, p *Program) (*Outcome, error) {
	ctx, cancel := context.WithTimeout(ctx, p.Timeout)
	defer cancel()
	args := []string{"run", "--quiet", "-m", strconv.Itoa(p.Memory) + "M", "--cpus", strconv.Itoa(max(p.CPUs, 1))}
	if p.Machine != "" {
		args = append(args, "--machine", p.Machine)
	}
	if p.CPU != "" {
		args = append(args, "--cpu", p.CPU)
	}
	for _, e := range p.Env {
		args = append(args, "-e", e)
	}
	for guest, host := range p.Files {
		args = append(args, "--file", host+":"+guest)
	}
	if p.Dir != "" {
		args = append(args, "-w", p.Dir)
	}
	args = append(append(args, p.Flags...), p.Path)
	cmd := exec.CommandContext(ctx, skerry, append(args, p.Args...)...)
	cmd.Env = append(os.Environ(), p.HostEnv...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return run(ctx, cmd)
}

// OnLinuxMachine runs a program on Linux under the same emulator, where the
// emulated processor is what answers.
func OnLinuxMachine(ctx context.Context, k *linuxvm.Kernel, p *Program) (*Outcome, error) {
	ctx, cancel := context.WithTimeout(ctx, p.Timeout)
	defer cancel()
	cpu := p.CPU
	if cpu == "" {
		cpu = "max,-la57" // four levels of page tables, as Skerry has
	}
	start := time.Now()
	m, status, err := linuxvm.Run(ctx, k, &linuxvm.Config{
		Machine: p.Machine, CPU: cpu, CPUs: p.CPUs, Memory: int64(max(p.Memory, 256)) << 20,
		Program: p.Path, Target: p.Path, Args: append([]string{p.Path}, p.Args...), Env: environment(p.Env), Network: p.Network,
		Files: p.Files, Dir: p.Dir,
	})
	if m == nil {
		return nil, err
	}
	return &Outcome{Stdout: m.Stdout.Bytes(), Stderr: m.Stderr.Bytes(), Status: status, Elapsed: time.Since(start)}, err
}
