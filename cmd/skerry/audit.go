package main

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"
	"time"

	"skerry/bootrec"
	"skerry/image"
	"skerry/vmm"
	"skerry/vmm/audit"

	"github.com/spf13/cobra"
)

// openAudit begins the machine's part of the audit record path, if that is one. done ends
// it, and answers what is to be told of the machine: r, or, if the policy requires a record
// and the end of it cannot be written, that. Without a result no machine was started.
func (a *app) openAudit(p *prepared, path string) (done func(r *vmm.Result) *vmm.Result, err error) {
	kill, _ := bootrec.ParsePolicy(p.config.Record.Policy)
	required := kill&bootrec.AuditRequired != 0
	if path == "" {
		if required {
			return nil, usage("%s: its policy requires a record of what the kernel refuses (add --audit FILE)", p.image.Manifest.Program)
		}
		return func(r *vmm.Result) *vmm.Result { return r }, nil
	}
	var w io.Writer = &auditLines{a: a}
	var old audit.Summary
	var file *os.File
	fail := func(why any) error { return usage("--audit %s: %v", path, why) }
	if path != "-" {
		if file, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600); err != nil {
			return nil, fail(bare(err))
		}
		defer func() {
			if err != nil {
				file.Close()
			}
		}()
		if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
			return nil, fail("is not a regular file")
		}
		if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
			return nil, fail("another machine writes to it (give each a file of its own)")
		}
		if old, err = audit.Verify(file); err != nil {
			return nil, fail(fmt.Sprintf("is there, and is no whole audit record: %v (name another file)", err))
		}
		w = file
	}
	id := make([]byte, 16)
	if _, err := rand.Read(id); err != nil {
		return nil, err
	}
	im := p.image
	policy := auditPolicy(&p.config)
	sum := sha256.Sum256([]byte(policy))
	rec, err := audit.New(w, old, audit.Line{Boot: hex.EncodeToString(id), Image: im.ID(), Kernel: im.Manifest.Kernel.SHA256,
		Policy: policy, PolicySHA256: hex.EncodeToString(sum[:]), Program: im.Manifest.Program, By: "skerry " + image.Version})
	if err != nil {
		return nil, fail(bare(err))
	}
	var once sync.Once
	broken := func(err error) error { // a machine may run for long: it is told when it happens
		if err != nil && !required {
			once.Do(func() { a.say(fmt.Sprintf("--audit %s: the record is not whole: %v", path, bare(err))) })
			return nil
		}
		return err
	}
	p.config.Audit = func(b []byte) error {
		rec.Event(b)
		return broken(rec.Err())
	}
	p.config.Audited = func(t bootrec.Audited) { rec.Total(t.Records, t.Events) }
	return func(r *vmm.Result) *vmm.Result {
		ended, status := "not started", vmm.StatusFailed
		if r != nil {
			ended, status = r.Reason, r.Status
		}
		closed := make(chan error, 1)
		go func() {
			err := rec.Close(ended, status)
			if file != nil {
				err = errors.Join(err, file.Close())
			}
			closed <- broken(err)
		}()
		var limit <-chan time.Time
		if unawaited(r) {
			limit = time.After(stuckGrace)
		}
		select {
		case err = <-closed:
		case <-limit: // a write that does not end
		}
		if err != nil && r != nil && !r.AuditLost {
			return r.LoseAudit(err)
		}
		return r
	}, nil
}

// auditLines writes a record to stderr. Unlike other lines, one that cannot be written is
// an error.
type auditLines struct{ a *app }

func (l *auditLines) Write(b []byte) (int, error) {
	if _, err := io.WriteString(l.a.stderr, "skerry: audit: "+string(b)); err != nil {
		return 0, err
	}
	return len(b), nil
}

// auditPolicy is what a machine is held to, as its kernel is told: the same text for the
// same policy, whether the image says it or a flag has tightened it for this run.
func auditPolicy(c *vmm.Config) string {
	return fmt.Sprintf("%s jit=%d host-access=%t", image.VerdictsOf(c.Record.Policy), c.Record.JIT, c.HostAccess)
}

func newAudit(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "audit",
		Short: "Check the record that run --audit keeps",
		Long: `Audit verify FILE tells whether a record of ` + "`skerry run --audit FILE`" + ` is whole: no line
of it was changed, removed or moved since it was written. See its own help.`,
		Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			return usage("a verb is missing (skerry audit verify FILE)")
		},
		DisableFlagsInUseLine: true,
	}
	cmd.AddCommand(&cobra.Command{
		Use:   "verify FILE",
		Short: "Tell whether an audit record is whole",
		Long: `Verify reads a record of ` + "`skerry run --audit FILE`" + ` and tells whether it is whole: no
line of it was changed, removed or moved since it was written. It prints what the
record counts, what the kernels counted that did not come, and the hash of its last
line. Whoever can write the whole file can
make it anew; to notice that, or the loss of the newest machines, keep this hash
elsewhere.

The status is 0 if the record is whole and 1 if it is not.`,
		DisableFlagsInUseLine: true,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usage("FILE is missing, or there are several (skerry audit verify FILE)")
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error {
			f, err := os.Open(args[0])
			if err != nil {
				return usage("%s: %v", args[0], bare(err))
			}
			defer f.Close()
			s, err := audit.Verify(f)
			if err != nil {
				a.say(fmt.Sprintf("%s: %v", args[0], err))
				return statusError(1)
			}
			fmt.Fprintf(a.stdout, "%s: whole\nmachines  %d", args[0], s.Machines)
			if s.Open > 0 {
				fmt.Fprintf(a.stdout, ", of which %d without an end (killed, or running)", s.Open)
			}
			fmt.Fprintf(a.stdout, "\nevents    %d, and %d like them that were left out\nlost      %d", s.Events, s.LeftOut, s.Lost)
			if s.Untold > 0 {
				fmt.Fprintf(a.stdout, " (%d events have no line and are in the count of none)", s.Untold)
			}
			if s.Uncounted > 0 {
				fmt.Fprintf(a.stdout, "; %d ended without a count, so what was lost at the end is not known", s.Uncounted)
			}
			fmt.Fprintf(a.stdout, "\nlines     %d\nlast      sha256 %x\n", s.Lines, s.Last)
			return nil
		},
	})
	return cmd
}
