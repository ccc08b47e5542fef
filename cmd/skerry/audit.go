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
			return nil, usage("%s: its policy requires a record of what the kernel refuses (add --audit FILE)", p.image.Manifest.Name)
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
		for try := 0; syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != nil; try++ {
			if try == 10 { // audit verify holds it for a moment, to see who has it
				return nil, fail("another machine writes to it (give each a file of its own)")
			}
			time.Sleep(10 * time.Millisecond)
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
	cmd.AddCommand(newAuditVerify(a))
	return cmd
}

// Statuses of audit verify.
const (
	verifyBroken = 1 // a line is not what it was
	verifyOpen   = 2 // every line is, and a machine has no end
)

func newAuditVerify(a *app) *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{
		Use:   "verify [--json] FILE",
		Short: "Tell whether an audit record is whole",
		Long: `Verify reads a record of ` + "`skerry run --audit FILE`" + ` and tells whether it is whole: no
line of it was changed, removed or moved since it was written, and every machine has
an end. It prints what the record counts, what the kernels counted that did not come,
and the hash of its last line. Whoever can write the whole file can make it anew; to
notice that, or the loss of the newest machines, keep this hash elsewhere.

A machine whose launcher was killed has no end, and neither has one whose last lines
were cut off: the record is complete up to a line, and what came then is not known.
One that writes to the record now has none yet.

The status is 0 if the record is whole, or is whole so far and a machine writes to it;
2 if it is whole but for a machine without an end; and 1 if it is not.`,
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
			v := verify(f)
			if asJSON {
				if err := writeJSON(a.stdout, v); err != nil {
					return err
				}
			} else {
				a.tellVerified(args[0], v)
			}
			if v.status != 0 {
				return statusError(v.status)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print it as JSON")
	return cmd
}

// verified is what audit verify finds.
type verified struct {
	// Whole says that no line is changed, removed or moved, and every machine has an end but
	// one that runs.
	Whole   bool   `json:"whole"`
	Error   string `json:"error,omitempty"` // what is wrong with the line behind Lines
	Running bool   `json:"running"`         // a machine writes to it now
	// Lines are those that are as they were written, and Last the hash of the last of them.
	Lines uint64   `json:"lines"`
	Last  string   `json:"last"`
	NoEnd []uint64 `json:"no_end"` // the last line of each machine that has no end: killed, or cut off
	counts

	status int
}

type counts struct {
	Machines  int    `json:"machines"`
	Events    uint64 `json:"events"`
	LeftOut   uint64 `json:"left_out"`
	Lost      uint64 `json:"lost"`
	Untold    uint64 `json:"untold"`    // events that have no line and are in the count of none
	Uncounted int    `json:"uncounted"` // machines with an end, and without a count of their kernel's
}

// verify reads a record.
func verify(f *os.File) *verified {
	running := written(f) // and again behind it: one may start or end meanwhile
	s, err := audit.Verify(f)
	running = written(f) || running
	v := &verified{Lines: s.Lines, Last: hex.EncodeToString(s.Last[:]), NoEnd: []uint64{},
		counts: counts{s.Machines, s.Events, s.LeftOut, s.Lost, s.Untold, s.Uncounted}}
	if err != nil {
		v.Error, v.status = err.Error(), verifyBroken
		return v
	}
	v.NoEnd = append(v.NoEnd, s.Open...)
	if n := len(v.NoEnd); running && n > 0 && v.NoEnd[n-1] == s.Lines {
		v.Running, v.NoEnd = true, v.NoEnd[:n-1]
	}
	if v.Whole = len(v.NoEnd) == 0; !v.Whole {
		v.status = verifyOpen
	}
	return v
}

// written reports whether a machine's launcher holds the record.
func written(f *os.File) bool {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB)
	if err == nil {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_UN)
	}
	return errors.Is(err, syscall.EWOULDBLOCK)
}

// maxNoEnd is how many machines without an end are told one by one.
const maxNoEnd = 10

// tellVerified is the same for people.
func (a *app) tellVerified(name string, v *verified) {
	if v.Error != "" {
		a.say(fmt.Sprintf("%s: %s", name, v.Error))
		if v.Lines > 0 {
			a.say(fmt.Sprintf("%s: complete up to line %d", name, v.Lines))
		}
		return
	}
	say := func(format string, args ...any) { fmt.Fprintf(a.stdout, format, args...) }
	switch {
	case !v.Whole:
		for _, n := range v.NoEnd[:min(len(v.NoEnd), maxNoEnd)] {
			cut := "lines behind it were cut off"
			if n < v.Lines {
				cut += " before the next one began"
			}
			say("%s: complete up to line %d, no end: the machine was killed, or %s\n", name, n, cut)
		}
	case v.Running:
		say("%s: whole so far; a machine writes to it\n", name)
	default:
		say("%s: whole\n", name)
	}
	say("machines  %d", v.Machines)
	if n := len(v.NoEnd); n > 0 {
		say(", of which %d without an end (killed, or cut off)", n)
	}
	say("\nevents    %d, and %d like them that were left out\nlost      %d", v.Events, v.LeftOut, v.Lost)
	if v.Untold > 0 {
		say(" (%d events have no line and are in the count of none)", v.Untold)
	}
	if v.Uncounted > 0 {
		say("; %d ended without a count, so what was lost at the end is not known", v.Uncounted)
	}
	if len(v.NoEnd) > 0 {
		say("; of those without an end it is not known")
	}
	say("\nlines     %d\nlast      sha256 %s\n", v.Lines, v.Last)
}
