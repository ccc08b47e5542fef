// Command testrun runs the project's tests one group after another, prints what
// fails, which tests were skipped and why, and how long it took, and can write the
// results as dated pages.
//
//	testrun [-all] [-only GROUP,…] [-results FOLDER]
//
// Without -all: `go vet`, the host tests, and the boot tests that -short selects.
// With it: every boot test, the host tests under the race detector, and the fuzz
// targets, each for half a minute. Groups do not overlap, since many
// tests measure time and a machine under emulation takes the whole processor.
//
// Each group of -all has a page of its own, with the commit that it was run on, so
// that one can be run again without the others; RESULTS.md lists them.
//
// A skipped test is never silent: all are listed with their reasons. It imports
// the standard library only.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
)

// group is one go command, or several that belong together.
type group struct {
	name string
	dir  string
	args []string
	// more are further commands, run after args whatever became of it.
	more [][]string
	json bool // the output is that of go test -json
	// verbose: each test is a line, since there are minutes between packages.
	verbose bool
	// page is the name of the group's page of results, "" if it has none.
	page string
}

// long are the boot tests that are groups of their own.
var long = []struct{ page, name, test string }{
	{"go", "Go's own tests in machines", "TestStdlib"},
	{"cpython", "CPython's own tests in machines", "TestCPython"},
	{"redis", "Redis' own tests against a machine", "TestRedisUnits"},
	{"sqlite", "SQLite's own tests in machines", "TestSQLiteSuite"},
	{"stress", "stress-ng in machines", "TestStress"},
	{"soak", "soak", "TestSoak"},
	{"kvm", "machines under an emulated KVM", "TestKVM"},
}

func groups(all bool, fuzz string) ([]group, error) {
	// ground's assembly switches stacks, which the check of frame pointers does
	// not know.
	list := []group{
		{name: "vet", dir: ".", args: []string{"vet", "-framepointer=false", "./..."}},
		{name: "vet of the boot tests", dir: "test", args: []string{"vet", "./..."}},
	}
	if !all {
		return append(list,
			group{name: "host tests", dir: ".", args: []string{"test", "-json", "-timeout", "5m", "./..."}, json: true},
			group{name: "boot tests", dir: "test", args: []string{"test", "-json", "-count=1", "-short", "-timeout", "18m", "./..."}, json: true, verbose: true},
		), nil
	}
	boot := func(page, name, flag, tests string) group {
		return group{page: page, name: name, dir: "test", json: true, verbose: true, args: []string{"test", "-json", "-count=1", "-timeout", "3h", flag, "^(" + tests + ")$", "./..."}}
	}
	var others []string
	for _, l := range long {
		others = append(others, l.test)
	}
	list = append(list, boot("programs", "programs in machines", "-skip", strings.Join(others, "|")))
	for _, l := range long {
		list = append(list, boot(l.page, l.name, "-run", l.test))
	}
	list = append(list, group{page: "race", name: "host tests, race detector", dir: ".", json: true, args: []string{"test", "-json", "-race", "-timeout", "60m", "./..."}})
	targets, err := fuzzTargets(".")
	if err != nil {
		return nil, err
	}
	g := group{page: "fuzz", name: "fuzz targets, " + fuzz + " each", dir: ".", json: true, verbose: true}
	for _, t := range targets {
		args := []string{"test", "-json", "-run=^$", "-fuzz=^" + t.name + "$", "-fuzztime=" + fuzz, "-fuzzminimizetime=100x", "-timeout", "60m", t.pkg}
		if g.args == nil {
			g.args = args
		} else {
			g.more = append(g.more, args)
		}
	}
	return append(list, g), nil
}

func main() {
	all := flag.Bool("all", false, "everything, which takes hours")
	fuzz := flag.String("fuzz", "30s", "how long each fuzz target runs with -all, as -fuzztime")
	results := flag.String("results", "", "write the results to pages in `folder`/results and list them in its RESULTS.md")
	only := flag.String("only", "", "of the groups with a page, run these alone (`names` with commas between)")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	ok, err := run(ctx, *all, *fuzz, *only, *results)
	if err != nil {
		fmt.Fprintln(os.Stderr, "test:", err)
	}
	if err != nil || !ok {
		os.Exit(1)
	}
}

func run(ctx context.Context, all bool, fuzz, only, results string) (bool, error) {
	list, err := groups(all, fuzz)
	if err != nil {
		return false, err
	}
	if only != "" {
		if list, err = choose(list, strings.Split(only, ",")); err != nil {
			return false, err
		}
	}
	r := &report{begin: time.Now()}
	for _, g := range list {
		fmt.Printf("== %s: go %s\n", g.name, strings.Join(g.args, " "))
		o, err := g.run(ctx, os.Stdout)
		if err != nil {
			return false, err
		}
		if ctx.Err() != nil {
			return false, ctx.Err()
		}
		r.groups = append(r.groups, o)
		fmt.Printf("== %s\n\n", o.summary())
		// At once, so that an interrupt later takes nothing away.
		if results != "" && g.page != "" {
			if err := writePage(results, o, host(ctx), commit(ctx)); err != nil {
				return false, err
			}
		}
	}
	r.print(os.Stdout)
	return r.ok(), nil
}

// choose picks groups by the names of their pages.
func choose(list []group, names []string) (chosen []group, err error) {
	for _, n := range names {
		i := slices.IndexFunc(list, func(g group) bool { return g.page == n && n != "" })
		if i < 0 {
			var have []string
			for _, g := range list {
				if g.page != "" {
					have = append(have, g.page)
				}
			}
			return nil, fmt.Errorf("%q is no group (one of %s)", n, strings.Join(have, ", "))
		}
		chosen = append(chosen, list[i])
	}
	return chosen, nil
}

// commit names what was tested.
func commit(ctx context.Context) string {
	out, err := exec.CommandContext(ctx, "git", "rev-parse", "--short=12", "HEAD").Output()
	if err != nil {
		return "unknown"
	}
	id := strings.TrimSpace(string(out))
	// Pages of results are written while it runs.
	if out, err := exec.CommandContext(ctx, "git", "status", "--porcelain", "--", ":!docs/results", ":!docs/RESULTS.md").Output(); err != nil || len(out) > 0 {
		id += " with changes"
	}
	return id
}

// run runs a group. Failures and the results of packages are printed as they
// come.
func (g *group) run(ctx context.Context, w io.Writer) (*outcome, error) {
	o := &outcome{group: g, begin: time.Now(), ok: true}
	for _, args := range append([][]string{g.args}, g.more...) {
		ok, err := g.command(ctx, o, args, w)
		if err != nil {
			return nil, err
		}
		o.ok = o.ok && ok
		if ctx.Err() != nil {
			break
		}
	}
	o.elapsed = time.Since(o.begin)
	return o, nil
}

func (g *group) command(ctx context.Context, o *outcome, args []string, w io.Writer) (ok bool, err error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = g.dir
	// An interrupt reaches the tests, too, which end their machines.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGINT) }
	cmd.WaitDelay = 20 * time.Second
	cmd.Stderr = w
	out, err := cmd.StdoutPipe()
	if err != nil {
		return false, err
	}
	if err := cmd.Start(); err != nil {
		return false, err
	}
	if g.json {
		o.read(out, w)
	} else {
		io.Copy(w, out)
	}
	return cmd.Wait() == nil, nil
}
