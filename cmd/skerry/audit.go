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

	"skerry/bootrec"
	"skerry/image"
	"skerry/vmm"
	"skerry/vmm/audit"

	"github.com/spf13/cobra"
)

// openAudit begins the machine's part of the audit record path, if that is one. done ends
// it; without a result no machine was started.
func (a *app) openAudit(p *prepared, path string) (done func(r *vmm.Result), err error) {
	if path == "" {
		return func(*vmm.Result) {}, nil
	}
	var w io.Writer = &prefixed{a: a, what: "audit"}
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
	broken := func(err error) { // a machine may run for long: it is told when it happens
		if err != nil {
			once.Do(func() { a.say(fmt.Sprintf("--audit %s: the record is not whole: %v", path, bare(err))) })
		}
	}
	p.config.Audit = func(b []byte) {
		rec.Event(b)
		broken(rec.Err())
	}
	p.config.Audited = func(t bootrec.Audited) { rec.Total(t.Records, t.Events) }
	return func(r *vmm.Result) {
		ended, status := "not started", vmm.StatusFailed
		if r != nil {
			ended, status = r.Reason, r.Status
		}
		err := rec.Close(ended, status)
		if file != nil {
			err = errors.Join(err, file.Close())
		}
		broken(err)
	}, nil
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
