package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"skerry/vmm"

	"github.com/spf13/cobra"
)

// passable are the signals that reach the program.
var passable = []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2}

// notify sends the signals that are to reach the program to the answer. One that
// was ignored when we were started (nohup, a shell's background job) stays so.
func notify() chan os.Signal {
	c := make(chan os.Signal, 16)
	for _, s := range passable {
		if !signal.Ignored(s) {
			signal.Notify(c, s)
		}
	}
	return c
}

func newRun(a *app) *cobra.Command {
	s := newSettings()
	cmd := &cobra.Command{
		Use:   "run [flags] PROGRAM|IMAGE|GO-PACKAGE-DIR [ARG...]",
		Short: "Run a program in its own machine",
		Long: `Run makes a machine for PROGRAM, a Linux x86-64 program, and boots it. It ends when
the program ends, with the program's exit status.

A name without a slash is an image in this folder, or else a program in PATH. A
folder with a Go package is built first. What stands behind PROGRAM goes to the
program; behind an IMAGE it replaces the stored arguments.

The libraries that a program is linked with are packed with it, and for languages
and servers that are known (skerry check PROGRAM lists them) the files that they
read. A script that begins with #! runs its interpreter. Files that arguments name
are not packed, but for a script of Python, Node, PHP, Perl, Ruby or Lua, with what
its sources load by constant names, and the jar files of Java: use --file and --dir.

The program's environment is PATH, HOME=/ and HOSTNAME, and what -e and --env-file
add; its stdin is at end of file; stdout and stderr are its own. INT, TERM, HUP,
QUIT, USR1 and USR2 are passed on; a second Ctrl-C, or the stop timeout after INT
or TERM, ends the machine.

When the program fails, the last lines say what probably mattered: files that it
looked for, calls and memory that it did not get, and for a crash the address and the
stack. --verbose adds registers, --quiet drops the lines, --status-file has them as
JSON.

A machine that ends by policy leaves a report, for people and as JSON: the stack, the
last system calls, what the kernel denied before, and the open connections. It is written to
the folder of --incident, or else to $XDG_STATE_HOME/skerry/incidents, usually
~/.local/state/skerry/incidents, which keeps the last 100.

Exit statuses: the program's own; 128+N if signal N ended it; 120 kernel bug, 121
policy, 122 too little randomness, 123 device failed, 124 timeout, 125 skerry
failed, 126 the program cannot be run, 127 it was not found, 137 out of memory or
killed. --status-file tells them apart from the program's.

The file ./skerry.toml, or the one of --config, holds the same settings. Keys are
the flags' names (memory = "512M", publish = ["8080:80"]), paths are relative to
the file, and env may be a table.`,
		Example: `  skerry run ./hello
  skerry run -p 8080:80 -m 512M --cpus 2 ./server --verbose
  skerry run -e TOKEN --dir ./site:/srv ./web -root /srv`,
		DisableFlagsInUseLine: true,
		Args:                  needProgram,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := s.load(a, cmd); err != nil {
				return err
			}
			return a.run(s, args[0], args[1:])
		},
	}
	s.runFlags(cmd.Flags())
	s.imageFlags(cmd.Flags())
	refuseDocker(cmd.Flags())
	return cmd
}

func needProgram(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return usage("PROGRAM is missing (skerry %s [flags] PROGRAM [ARG...])", cmd.Name())
	}
	return nil
}

// run prepares a machine and runs it.
func (a *app) run(s *settings, program string, args []string) error {
	_, err := a.runAndTell(s, program, args, nil)
	return err
}

// fitting changes a machine before it starts; done undoes what outlives it.
type fitting func(m *prepared) (done func(), err error)

// runAndTell runs a machine and tells how it ended. The status file tells that in
// any case.
func (a *app) runAndTell(s *settings, program string, args []string, fit fitting) (*vmm.Result, error) {
	status, err := openStatus(s.statusFile)
	if err != nil {
		return nil, err
	}
	r, err := a.runMachine(s, program, args, fit)
	if err != nil {
		status.write(failure(err))
		return nil, err
	}
	if err := status.write(r); err != nil {
		a.say(fmt.Sprintf("--status-file %s: %v", s.statusFile, bare(err)))
	}
	said := make(chan struct{})
	go func() {
		defer close(said)
		if r.Message != "" && !(s.timeoutMeant && r.Status == vmm.StatusTimeout) {
			a.say(r.Message)
		}
		for _, line := range r.Report {
			a.say(line)
		}
		for _, line := range r.Detail {
			a.say("| " + line)
		}
	}()
	// Whoever wanted the end is not to wait for a reader of stderr that is stuck.
	var limit <-chan time.Time
	if unawaited(r) {
		limit = time.After(stuckGrace)
	}
	select {
	case <-said:
	case <-limit:
	}
	a.status = r.Status
	return r, nil
}

// stuckGrace is how long a reader of stderr, or the file of an audit record, may take
// when a machine was to end at once.
const stuckGrace = 2 * time.Second

// unawaited says that r's machine was to end whoever reads of it.
func unawaited(r *vmm.Result) bool {
	return r != nil && (r.Status == vmm.StatusTimeout || r.Status == vmm.StatusKilled || r.AuditLost)
}

// runMachine runs a machine. If its image comes out of the cache and is damaged, it is
// made again, once.
func (a *app) runMachine(s *settings, program string, args []string, fit fitting) (*vmm.Result, error) {
	if err := a.checkHost(); err != nil {
		return nil, err
	}
	if err := checkIncidents(s.incident); err != nil {
		return nil, err
	}
	signals := notify()
	defer signal.Stop(signals)
	for first := true; ; first = false {
		m, err := a.prepareWatched(s, program, args, signals)
		if err != nil {
			return nil, err
		}
		if first {
			a.warnStdin()
		}
		ended, err := a.openAudit(m, s.audit)
		if err != nil {
			m.close()
			return nil, err
		}
		r, err := m.run(signals, fit)
		r = ended(r)
		writeIncident(m, s.incident, r)
		var damaged *vmm.NotReady
		if !first || !errors.As(err, &damaged) {
			return r, err
		}
		if err := m.discard(); err != nil {
			return nil, err
		}
	}
}

// run boots the machine and closes what it was made of.
func (p *prepared) run(signals <-chan os.Signal, fit fitting) (*vmm.Result, error) {
	defer p.close()
	p.config.Signals = signals
	if fit != nil {
		done, err := fit(p)
		if err != nil {
			return nil, err
		}
		defer done()
	}
	return vmm.Run(&p.config)
}

// prepareWatched is prepare, which a signal ends.
func (a *app) prepareWatched(s *settings, program string, args []string, signals <-chan os.Signal) (*prepared, error) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	stopped := a.stopOnSignal(ctx, cancel, signals)
	m, err := a.prepare(ctx, s, program, args)
	if sig := stopped(); sig != 0 {
		if m != nil {
			m.close()
		}
		return nil, statusError(128 + int(sig))
	}
	return m, err
}

// stopOnSignal cancels when a signal comes while nothing runs yet: there is no
// program that could handle it, so it ends the command as it would end most. The
// answer ends the watch and tells which signal came, if one did. What cannot be
// cancelled within two seconds is left.
func (a *app) stopOnSignal(ctx context.Context, cancel func(), signals <-chan os.Signal) (stopped func() syscall.Signal) {
	quit, done := make(chan struct{}), make(chan struct{})
	var got syscall.Signal
	go func() {
		defer close(done)
		select {
		case <-quit:
		case s := <-signals:
			got, _ = s.(syscall.Signal)
			cancel()
			select {
			case <-quit:
			case <-time.After(2 * time.Second):
				os.Exit(128 + int(got))
			}
		}
	}()
	return func() syscall.Signal {
		close(quit)
		<-done
		return got
	}
}
