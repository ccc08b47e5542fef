package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"skerry/image"

	"github.com/spf13/cobra"
)

func newCheck(a *app) *cobra.Command {
	s := newSettings()
	asJSON := false
	cmd := &cobra.Command{
		Use:   "check [flags] PROGRAM|GO-PACKAGE-DIR [ARG...]",
		Short: "Tell whether a program would run, without running it",
		Long: `Check reads the program's files and tells what an image of it would hold and which
file needs each, what is missing, and what is known about the program. Nothing is
run or booted; what a program does at run time is not seen (skerry run --strace).

The last line is the verdict: ok or warn (status 0), or cannot run (126; 127 if
there is no such program).`,
		Example: `  skerry check nginx
  skerry check --json --dir ./site:/srv ./server -root /srv`,
		DisableFlagsInUseLine: true,
		Args:                  needProgram,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := s.load(a, cmd); err != nil {
				return err
			}
			return a.check(s, args[0], args[1:], asJSON)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	s.imageFlags(cmd.Flags())
	refuseDocker(cmd.Flags())
	return cmd
}

func (a *app) check(s *settings, program string, args []string, asJSON bool) error {
	src, err := image.Resolve(program)
	if err != nil {
		return err
	}
	if src.Kind == image.ImageFile {
		return usage("%s: is an image already (skerry inspect %s shows what is in it)", program, program)
	}
	cache, err := image.DefaultCache()
	if err != nil {
		return err
	}
	spec, done, err := a.spec(context.Background(), cache, s, src)
	if err != nil {
		return err
	}
	defer done()
	spec.Args, spec.Env = args, s.env
	c := spec.Check()
	a.status = c.Status()
	if asJSON {
		return writeJSON(a.stdout, struct {
			*image.Check
			Error string `json:"error,omitempty"`
		}{c, errorText(c.Err)})
	}
	return writeCheck(a.stdout, c, spec.Kernel.Size())
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// writeCheck prints a check for people.
func writeCheck(w io.Writer, c *image.Check, kernel int64) error {
	var b strings.Builder
	line := func(format string, v ...any) { fmt.Fprintf(&b, format+"\n", v...) }
	if c.Known != "" {
		line("%s is %s", shown(c.Program), c.Known)
	}
	for _, f := range c.Files {
		what := shown(f.Guest)
		if f.Files != 1 {
			what += fmt.Sprintf(" (%d files)", f.Files)
		}
		line("  %10s  %s  %s", size(f.Bytes), what, "· "+f.Why)
	}
	if c.Err == nil {
		line("  %10s  in all, and a kernel of %s", size(c.Bytes), size(kernel))
	}
	for _, m := range c.Missing {
		text := "missing: " + m.Name + ", for " + shown(m.By)
		if len(m.Searched) > 0 {
			text += ", not in " + strings.Join(m.Searched, ", ")
		}
		line("%s", text)
	}
	if c.JIT > 0 {
		line("jit: %s of memory that may become executable", size(c.JIT))
	}
	for _, n := range c.Notes {
		text := map[string]string{"info": "note: ", "warn": "warning: ", "refuse": "cannot work: "}[n.Level] + n.Text
		if n.Point != "" {
			text += " (" + n.Point + ")"
		}
		line("%s", text)
	}
	if c.Err != nil {
		line("%s", c.Err)
	}
	line("verdict: %s", c.Verdict)
	_, err := io.WriteString(w, b.String())
	return err
}
