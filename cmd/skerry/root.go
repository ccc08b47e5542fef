package main

import (
	"errors"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func newRoot(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:   "skerry",
		Short: "Run a Linux program inside its own machine",
		Long: `Skerry makes a virtual machine that holds one program and a kernel, and nothing
else: no users, no shell, no second process.

  skerry run -p 8080 ./server       run a program, its port 8080 on 127.0.0.1:8080
  skerry build -o app.img ./server  pack it, to be run later or elsewhere
  skerry doctor                     would that work here?`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			return usage("%s: is not a command%s", args[0], didYouMean(args[0], verbs(cmd), "to run a program: skerry run "+args[0]))
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cobra.AddTemplateFunc("wrapped", func(f *pflag.FlagSet) string {
		// pflag writes flags whose value may be left out in its own way.
		return optionalValue.ReplaceAllStringFunc(f.FlagUsagesWrapped(100), func(s string) string {
			m := optionalValue.FindStringSubmatch(s)
			head := "--" + m[1] + "[=" + m[2] + "]"
			return head + strings.Repeat(" ", len(s)-len(head))
		})
	})
	root.SetUsageTemplate(strings.ReplaceAll(root.UsageTemplate(), "Flags.FlagUsages", "Flags | wrapped"))
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return flagError(cmd, err) })
	root.SetHelpCommand(newHelp())
	root.AddCommand(newRun(a), newBuild(a), newCheck(a), newTrace(a), newInspect(a), newAudit(a), newDoctor(a), newClean(a), newVersion(a), newMan(a))
	return root
}

// completion adds cobra's command, which by itself takes an unknown shell for a
// wish for help. It keeps root's output, which is to be set before.
func completion(root *cobra.Command) {
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		if c.Name() != "completion" {
			continue
		}
		c.Use, c.DisableFlagsInUseLine = "completion SHELL", true
		c.Short = "Print a script that completes command lines in a shell"
		c.Long = "Completion prints a script that completes the command lines of skerry in bash, fish,\nPowerShell or zsh; `skerry completion SHELL --help` says how to use it."
		c.RunE = func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usage("%s: is not a shell that completion knows%s", args[0], didYouMean(args[0], verbs(cmd), "bash, fish, powershell, zsh"))
			}
			return cmd.Help()
		}
		c.Args = cobra.ArbitraryArgs
	}
}

// newHelp is `skerry help [COMMAND]`.
func newHelp() *cobra.Command {
	return &cobra.Command{
		Use:                   "help [COMMAND]",
		Short:                 "Show the help of a command",
		DisableFlagsInUseLine: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			root := cmd.Root()
			of, rest, err := root.Find(args)
			if err != nil || of == root && len(args) > 0 {
				return usage("%s: is not a command%s", args[0], didYouMean(args[0], verbs(root), "skerry help lists them"))
			}
			if len(rest) > 0 {
				return usage("%s: `skerry help` takes one command", rest[0])
			}
			of.InitDefaultHelpFlag()
			return of.Help()
		},
		ValidArgsFunction: func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return verbs(cmd.Root()), cobra.ShellCompDirectiveNoFileComp
		},
	}
}

// verbs are the names of the commands that are shown.
func verbs(root *cobra.Command) (names []string) {
	for _, c := range root.Commands() {
		if c.IsAvailableCommand() {
			names = append(names, c.Name())
		}
	}
	return names
}

// noArgs refuses arguments.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usage("%s: `skerry %s` takes no arguments", args[0], cmd.Name())
	}
	return nil
}

// flagError puts pflag's errors into our words.
func flagError(cmd *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	var missing *pflag.ValueRequiredError
	var invalid *pflag.InvalidValueError
	switch {
	case errors.As(err, &unknown):
		name := unknown.GetSpecifiedName()
		if len(name) == 1 {
			return usage("-%s: is not a flag of `skerry %s` (skerry %s --help lists them; the program's own flags stand behind it)", name, cmd.Name(), cmd.Name())
		}
		var names []string
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			if !f.Hidden {
				names = append(names, "--"+f.Name)
			}
		})
		return usage("--%s: is not a flag of `skerry %s`%s", name, cmd.Name(), didYouMean("--"+name, names, "skerry "+cmd.Name()+" --help lists them"))
	case errors.As(err, &missing):
		return usage("%s: needs a value (%s)", flagOf(missing.GetFlag()), missing.GetFlag().Usage)
	case errors.As(err, &invalid):
		// Our values say everything themselves.
		var u *usageError
		cause := errors.Unwrap(invalid)
		if errors.As(cause, &u) {
			return u
		}
		return usage("%s %s: %v", flagOf(invalid.GetFlag()), invalid.GetValue(), cause)
	}
	return usage("%v", err)
}

// flagOf is how a user would write the flag.
func flagOf(f *pflag.Flag) string {
	if f.Shorthand != "" && slices.Contains(shortFirst, f.Name) {
		return "-" + f.Shorthand
	}
	return "--" + f.Name
}

// shortFirst are the flags that people know by their letter.
var shortFirst = []string{"publish", "memory", "env", "workdir", "output"}

// didYouMean is a mend in parentheses: the nearest of names, or else the other
// advice.
func didYouMean(word string, names []string, other string) string {
	best, distance := "", 3
	for _, n := range names {
		if d := editDistance(word, n); d < distance && d < len(word) {
			best, distance = n, d
		}
	}
	if best != "" {
		return " (did you mean " + best + "?)"
	}
	if other == "" {
		return ""
	}
	return " (" + other + ")"
}

// editDistance counts the insertions, deletions, substitutions and swaps of
// neighbours that make b of a.
func editDistance(a, b string) int {
	a, b = strings.ToLower(a), strings.ToLower(b)
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}

// optionalValue is a flag whose value may be left out, as pflag writes it: the name of
// the value, what stands for it, and the blanks up to the text.
var optionalValue = regexp.MustCompile(`--([a-z-]+) (\S+?)\[=(?:"[^"]*"|[a-z]+)\]( *)`)
