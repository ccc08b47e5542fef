package skerrytest

import (
	"context"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"skerry/test/harness"
)

var (
	stdlibOn  = flag.String("stdlib-on", "skerry", "where Go's own tests run: skerry, or linux for a Linux machine that holds as little as Skerry's")
	stdlibAll = flag.Bool("stdlib-all", false, "run the tests on stdlib/expected.txt as well")
)

// stdlib are the packages whose tests must pass inside a machine.
var stdlib = []struct {
	pkg    string
	memory int // MiB
	short  bool
	limit  time.Duration
}{
	{"sync", 256, true, 5 * time.Minute},
	{"sync/atomic", 256, true, 5 * time.Minute},
	{"time", 256, true, 5 * time.Minute},
	{"sort", 256, true, 5 * time.Minute},
	{"strings", 512, true, 5 * time.Minute},
	{"bufio", 256, true, 5 * time.Minute},
	{"context", 256, true, 5 * time.Minute},
	{"math/big", 512, false, 20 * time.Minute},
	{"os", 512, false, 10 * time.Minute},
	{"io/fs", 256, false, 5 * time.Minute},
	{"net", 512, false, 20 * time.Minute},
	{"os/signal", 256, false, 10 * time.Minute},
	{"syscall", 256, false, 5 * time.Minute},
	{"crypto/tls", 512, false, 20 * time.Minute},
	{"net/http", 512, false, 30 * time.Minute},
	{"runtime", 4096, false, 40 * time.Minute},
}

// TestStdlib runs Go's own tests in machines. A test that passes on this host and
// not in the machine is a defect unless it is on the list.
func TestStdlib(t *testing.T) {
	expected, err := harness.ReadExpected("stdlib/expected.txt")
	if err != nil {
		t.Fatal(err)
	}
	b, err := builder()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range stdlib {
		if testing.Short() && !c.short {
			continue
		}
		t.Run(c.pkg, func(t *testing.T) {
			t.Parallel()
			ctx := context.Background()
			path, err := b.BuildGoTest(ctx, c.pkg)
			if err != nil {
				t.Fatal(err)
			}
			args := []string{"-test.short", "-test.v", "-test.timeout=" + c.limit.String()}
			if skip := expected.SkipPattern(c.pkg); skip != "" && !*stdlibAll {
				args = append(args, "-test.skip="+skip)
			}
			slot(t)
			dir, files, err := harness.PackageSources(ctx, c.pkg)
			if err != nil {
				t.Fatal(err)
			}
			want := onHost(t, c.pkg, path, dir)
			p := &harness.Program{Path: path, Args: args, CPUs: 2, Memory: c.memory, Network: true, Files: files, Dir: dir, Timeout: c.limit + time.Minute}
			run := func() (*harness.Outcome, error) {
				if *stdlibOn == "linux" {
					k, err := linuxKernel()
					if err != nil {
						t.Fatal(err)
					}
					return harness.OnLinuxMachine(ctx, k, p)
				}
				return harness.OnSkerry(ctx, skerryCommand(t), p)
			}
			o, err := run()
			if o == nil {
				t.Fatal(err)
			}
			keep(t, b, c.pkg, o)
			if err != nil {
				t.Errorf("%v", err)
			}
			got := harness.GoResults(o.Stdout)
			// Some tests allow themselves a time by the clock, which a busy host breaks:
			// what failed has a second go without the others around it.
			if failed := failures(want, got, expected[c.pkg]); len(failed) > 0 && len(failed) <= 3 {
				t.Logf("once more, alone: %v", failed)
				p.Args = append(p.Args[:len(p.Args):len(p.Args)], "-test.run=^("+strings.Join(failed, "|")+")$")
				if second, err := run(); err == nil {
					for name, result := range harness.GoResults(second.Stdout) {
						got[name] = result
					}
				}
			}
			report(t, want, got, expected[c.pkg], o)
		})
	}
}

// failures are the tests that ran here and failed, but pass on this host and are
// not on the list.
func failures(want, got, listed map[string]string) []string {
	var l []string
	for name, result := range got {
		if _, ok := listed[name]; result == "FAIL" && want[name] == "PASS" && !ok {
			l = append(l, regexp.QuoteMeta(name))
		}
	}
	slices.Sort(l)
	return l
}

// onHost gives the results on this host, where sources and commands are there.
func onHost(t *testing.T, pkg, path, dir string) map[string]string {
	t.Helper()
	cached := path + ".host"
	if out, err := os.ReadFile(cached); err == nil {
		return harness.GoResults(out)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, "-test.short", "-test.v")
	cmd.Dir = dir
	out, err := cmd.Output()
	results := harness.GoResults(out)
	if len(results) == 0 {
		t.Fatalf("%s on this host: no results: %v", pkg, err)
	}
	if err := os.WriteFile(cached, out, 0o644); err != nil {
		t.Fatal(err)
	}
	return results
}

// keep stores a run's output beside the program, for a look after a failure.
func keep(t *testing.T, b *harness.Builder, pkg string, o *harness.Outcome) {
	dir, err := b.Dir("gotest-output")
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(dir, filepath.FromSlash(slashless(pkg))+"."+*stdlibOn)
	if err := os.WriteFile(name, append(append(o.Stdout, "\n==== stderr\n"...), o.Stderr...), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Logf("%v, output in %s", o.Elapsed.Round(time.Second), name)
}

func slashless(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c == '/' {
			b[i] = '_'
		}
	}
	return string(b)
}

func report(t *testing.T, want, got, listed map[string]string, o *harness.Outcome) {
	t.Helper()
	var names []string
	for name := range want {
		names = append(names, name)
	}
	slices.Sort(names)
	passed, skipped, excused := 0, 0, 0
	for _, name := range names {
		reason, isListed := listed[name]
		switch {
		case want[name] != "PASS": // this host does not pass it either
			skipped++
		case got[name] == "PASS":
			passed++
			if isListed {
				t.Errorf("%s passes: take it off the list (%s)", name, reason)
			}
		case isListed:
			excused++
		case got[name] == "":
			t.Errorf("%s: no result", name)
		default:
			t.Errorf("%s: %s", name, got[name])
		}
	}
	for name := range listed {
		if _, ok := want[name]; !ok {
			t.Errorf("%s is on the list, but there is no such test", name)
		}
	}
	t.Logf("passed %d, on the list %d, not passed on the host either %d; status %d", passed, excused, skipped, o.Status)
	if t.Failed() {
		t.Logf("end of stdout %s\nend of stderr %s", tail(o.Stdout, 2000), tail(o.Stderr, 2000))
	}
}
