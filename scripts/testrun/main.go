// Command testrun runs the project's tests one group after another, prints what
// fails, which tests were skipped and why, and how long it took, and can write the
// results as a dated page.
//
//	testrun [-all] [-results FILE]
//
// Without -all: `go vet`, the host tests, and the boot tests that -short selects.
// With it: every boot test, the host tests under the race detector, and the fuzz
// targets, each for half a minute. Groups do not overlap, since many
// tests measure time and a machine under emulation takes the whole processor.
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
	"strings"
	"syscall"
	"time"
)

// group is one go command.
type group struct {
	name string
	dir  string
	args []string
	json bool // the output is that of go test -json
	// verbose: each test is a line, since there are minutes between packages.
	verbose bool
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
	// The fuzz targets take the longest and come last.
	list = append(list,
		group{name: "boot tests", dir: "test", json: true, verbose: true, args: []string{"test", "-json", "-count=1", "-timeout", "3h", "./..."}},
		group{name: "host tests, race detector", dir: ".", args: []string{"test", "-json", "-race", "-timeout", "60m", "./..."}, json: true},
	)
	targets, err := fuzzTargets(".")
	if err != nil {
		return nil, err
	}
	for _, t := range targets {
		list = append(list, group{name: "fuzz " + t.pkg + " " + t.name, dir: ".", json: true,
			args: []string{"test", "-json", "-run=^$", "-fuzz=^" + t.name + "$", "-fuzztime=" + fuzz, "-fuzzminimizetime=100x", "-timeout", "60m", t.pkg}})
	}
	return list, nil
}

func main() {
	all := flag.Bool("all", false, "everything, which takes hours")
	fuzz := flag.String("fuzz", "30s", "how long each fuzz target runs with -all, as -fuzztime")
	results := flag.String("results", "", "write the results to `file`")
	only := flag.String("only", "", "run the groups whose names begin with this")
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
	r := &report{begin: time.Now()}
	for _, g := range list {
		if !strings.HasPrefix(g.name, only) {
			continue
		}
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
	}
	r.print(os.Stdout)
	if results != "" {
		if err := os.WriteFile(results, []byte(r.markdown(host(ctx))), 0o644); err != nil {
			return false, err
		}
		fmt.Println("wrote", results)
	}
	return r.ok(), nil
}

// run runs a group. Failures and the results of packages are printed as they
// come.
func (g *group) run(ctx context.Context, w io.Writer) (*outcome, error) {
	o := &outcome{group: g, begin: time.Now()}
	cmd := exec.CommandContext(ctx, "go", g.args...)
	cmd.Dir = g.dir
	// An interrupt reaches the tests, too, which end their machines.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGINT) }
	cmd.WaitDelay = 20 * time.Second
	cmd.Stderr = w
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	if g.json {
		o.read(out, w)
	} else {
		io.Copy(w, out)
	}
	o.ok = cmd.Wait() == nil
	o.elapsed = time.Since(o.begin)
	return o, nil
}
