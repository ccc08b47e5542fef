package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"skerry/image"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// newMan is how `make man` writes the manual pages: one for skerry and one for
// each verb, out of the same texts as --help.
func newMan(a *app) *cobra.Command {
	return &cobra.Command{
		Use:                   "man DIR",
		Short:                 "Write the manual pages",
		Hidden:                true,
		DisableFlagsInUseLine: true,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usage("`skerry man` takes one DIR")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o755); err != nil {
				return usage("%s: %v", args[0], bare(err))
			}
			root := cmd.Root()
			for _, c := range append([]*cobra.Command{root}, root.Commands()...) {
				if c != root && (c.Hidden || c.Name() == "help" || c.Name() == "completion") {
					continue
				}
				name := filepath.Join(args[0], pageName(c)+".1")
				if err := os.WriteFile(name, []byte(manPage(c)), 0o644); err != nil {
					return usage("%s: %v", name, bare(err))
				}
			}
			return nil
		},
	}
}

func pageName(c *cobra.Command) string { return strings.ReplaceAll(c.CommandPath(), " ", "-") }

// manPage is a page in the macros of man(7).
func manPage(c *cobra.Command) string {
	var b strings.Builder
	line := func(format string, v ...any) { fmt.Fprintf(&b, format+"\n", v...) }
	line(`.TH %s 1 "" "skerry %s" "Skerry"`, strings.ToUpper(pageName(c)), roff(image.Version))
	line(".SH NAME\n%s \\- %s", roff(pageName(c)), roff(strings.ToLower(c.Short[:1])+c.Short[1:]))
	line(".SH SYNOPSIS\n.B skerry")
	if c.HasParent() {
		line("%s", roff(c.Use))
	} else {
		line("COMMAND [flags] ...")
	}
	line(".SH DESCRIPTION")
	text := c.Long
	if text == "" {
		text = c.Short + "."
	}
	paragraphs(&b, text)
	if c.HasAvailableSubCommands() {
		line(".SH COMMANDS")
		for _, s := range c.Commands() {
			if s.IsAvailableCommand() {
				line(".TP\n.B %s\n%s", roff(s.Name()), roff(s.Short))
			}
		}
	}
	flags := c.LocalFlags()
	first := true
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		if first {
			line(".SH OPTIONS")
			first = false
		}
		name, use := pflag.UnquoteUsage(f)
		head := "--" + f.Name
		if f.Shorthand != "" {
			head = "-" + f.Shorthand + ", " + head
		}
		if f.NoOptDefVal != "" && name != "" {
			head += "[=" + name + "]"
		} else if name != "" {
			head += " " + name
		}
		if f.DefValue != "" && f.DefValue != "false" {
			use += " (default " + f.DefValue + ")"
		}
		line(".TP\n.B %s\n%s", roff(head), roff(use))
	})
	if c.Example != "" {
		line(".SH EXAMPLES\n.nf\n%s\n.fi", roff(c.Example))
	}
	if c.HasParent() {
		line(".SH SEE ALSO\n.BR skerry (1)")
	}
	return b.String()
}

// paragraphs writes text: indented lines as they are, the rest filled.
func paragraphs(b *strings.Builder, text string) {
	for i, p := range strings.Split(text, "\n\n") {
		if i > 0 {
			b.WriteString(".PP\n")
		}
		if strings.HasPrefix(p, "  ") {
			fmt.Fprintf(b, ".nf\n%s\n.fi\n", roff(p))
		} else {
			b.WriteString(roff(p) + "\n")
		}
	}
}

// roff escapes text for roff: backslashes, hyphens that are to stay hyphens, and
// dots and quotes that would begin a request.
func roff(s string) string {
	s = strings.NewReplacer(`\`, `\e`, `-`, `\-`, "`", `\(ga`).Replace(s)
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		if strings.HasPrefix(l, ".") || strings.HasPrefix(l, "'") {
			lines[i] = `\&` + l
		}
	}
	return strings.Join(lines, "\n")
}
