package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// sample is the output of go test -json, shortened, with a broken package and
// words of the go command between.
const sample = `{"ImportPath":"x/broken","Action":"build-output","Output":"broken.go:1: no\n"}
{"ImportPath":"x/broken","Action":"build-fail"}
not json
{"Action":"start","Package":"skerry/test"}
{"Action":"run","Package":"skerry/test","Test":"TestMachines"}
{"Action":"output","Package":"skerry/test","Test":"TestMachines/hello/musl/q35/2","Output":"    machine_test.go:1: 10ms\n"}
{"Action":"pass","Package":"skerry/test","Test":"TestMachines/hello/musl/q35/2","Elapsed":0.5}
{"Action":"output","Package":"skerry/test","Test":"TestMachines/hello/musl/microvm/8","Output":"    machine_test.go:1: wrong | line\n"}
{"Action":"fail","Package":"skerry/test","Test":"TestMachines/hello/musl/microvm/8","Elapsed":0.5}
{"Action":"pass","Package":"skerry/test","Test":"TestMachines/hello/musl/microvm/1","Elapsed":0.5}
{"Action":"fail","Package":"skerry/test","Test":"TestMachines","Elapsed":1}
{"Action":"output","Package":"skerry/test","Test":"TestTap","Output":"=== RUN   TestTap\n"}
{"Action":"output","Package":"skerry/test","Test":"TestTap","Output":"    tap_test.go:107: changes the host | run with -tap\n"}
{"Action":"output","Package":"skerry/test","Test":"TestTap","Output":"--- SKIP: TestTap (0.00s)\n"}
{"Action":"skip","Package":"skerry/test","Test":"TestTap","Elapsed":0}
{"Action":"output","Package":"skerry/test","Test":"TestStdlib/sync","Output":"    stdlib_test.go:1: passed 30, on the list 2, not passed on the host either 1; status 0\n"}
{"Action":"pass","Package":"skerry/test","Test":"TestStdlib/sync","Elapsed":12}
{"Action":"pass","Package":"skerry/test","Test":"TestStdlib","Elapsed":12}
{"Action":"output","Package":"skerry/test","Output":"FAIL\n"}
{"Action":"fail","Package":"skerry/test","Elapsed":14}
{"Action":"output","Package":"skerry/hung","Test":"TestHung","Output":"=== RUN   TestHung\n"}
{"Action":"output","Package":"skerry/hung","Test":"TestHung","Output":"panic: test timed out\n"}
{"Action":"fail","Package":"skerry/hung","Elapsed":600}
{"Action":"skip","Package":"skerry/none","Elapsed":0}
`

func TestEvents(t *testing.T) {
	o := &outcome{group: &group{name: "programs in machines", page: "programs", dir: "test", json: true}}
	var out strings.Builder
	o.read(strings.NewReader(sample), &out)
	for action, want := range map[string]int{"pass": 3, "fail": 2, "skip": 1} {
		if n := o.count(action); n != want {
			t.Errorf("%s: %d, expected %d", action, n, want)
		}
	}
	if o.packages != 2 {
		t.Errorf("%d packages", o.packages)
	}
	for _, s := range []string{"broken.go:1: no", "not json", "wrong | line", "FAIL  skerry/test", "panic: test timed out"} {
		if !strings.Contains(out.String(), s) {
			t.Errorf("not printed: %s; it was %s", s, out.String())
		}
	}

	r := &report{groups: []*outcome{o}}
	var text strings.Builder
	r.print(&text)
	if !strings.Contains(text.String(), "skipped  skerry/test TestTap: changes the host | run with -tap\n") || !strings.Contains(text.String(), "FAILED, ") {
		t.Error(text.String())
	}
	page := o.markdown(machine{accel: "TCG (no KVM)"}, "abc")
	for _, s := range []string{
		"| hello/musl | 1 ok, 8 **FAIL** | 2 ok |\n",
		"| sync | ok | 30 | 2 | 1 | 12s |\n",
		"| skerry/test TestTap | skipped | changes the host \\| run with -tap |\n",
		"* Every row under KVM: TCG (no KVM).\n",
	} {
		if !strings.Contains(page, s) {
			t.Errorf("not on the page: %s\n%s", s, page)
		}
	}
	// A second group does not touch the first one's page; RESULTS.md has a row for each.
	dir := t.TempDir()
	if err := writePage(dir, o, machine{}, "abc"); err != nil {
		t.Fatal(err)
	}
	if err := writePage(dir, &outcome{group: &group{name: "soak", page: "soak", dir: "test"}, ok: true, elapsed: 20 * time.Minute}, machine{}, "def with changes"); err != nil {
		t.Fatal(err)
	}
	list, err := os.ReadFile(filepath.Join(dir, "RESULTS.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{
		"| [programs in machines](results/programs.md) | **failed** | 3 | 2 | 1 | 0s | 0001-01-01 | abc |\n",
		"| [soak](results/soak.md) | ok | 0 | 0 | 0 | 20m0s | 0001-01-01 | def with changes |\n",
	} {
		if !strings.Contains(string(list), s) {
			t.Errorf("not in RESULTS.md: %s\n%s", s, list)
		}
	}
	if r.ok() {
		t.Error("a failed group is no success")
	}
	if (&report{}).ok() {
		t.Error("nothing was run, and that is no success")
	}
}

// TestGroups: what -all runs is each boot test once, and groups can be chosen.
func TestGroups(t *testing.T) {
	list, err := groups(true, "1s")
	if err != nil {
		t.Fatal(err)
	}
	var pages []string
	for _, g := range list {
		if g.page != "" {
			pages = append(pages, g.page)
		}
	}
	if want := []string{"programs", "go", "cpython", "redis", "sqlite", "stress", "soak", "kvm", "race", "fuzz"}; !slices.Equal(pages, want) {
		t.Errorf("groups %v, expected %v", pages, want)
	}
	var skipped string
	for _, g := range list {
		if i := slices.Index(g.args, "-skip"); i > 0 {
			skipped = g.args[i+1]
		}
	}
	for _, l := range long {
		if !strings.Contains(skipped, l.test) {
			t.Errorf("%s is run twice: %s", l.test, skipped)
		}
	}
	chosen, err := choose(list, []string{"soak", "fuzz"})
	if err != nil || len(chosen) != 2 || chosen[0].page != "soak" || chosen[1].page != "fuzz" {
		t.Errorf("%v, %v", chosen, err)
	}
	for _, n := range []string{"", "vet", "none"} {
		if _, err := choose(list, []string{n}); err == nil {
			t.Errorf("%q was chosen", n)
		}
	}
}

func TestFuzzTargets(t *testing.T) {
	dir := t.TempDir()
	for path, text := range map[string]string{
		"a/a_test.go":          "package a\nfunc FuzzOne() {}\nfunc helper() {}\n",
		"a/b/b_test.go":        "package b\nfunc FuzzTwo() {}\ntype t int\nfunc (t) FuzzNot() {}\n",
		"a/a.go":               "package a\nfunc FuzzNot() {}\n",
		"test/t_test.go":       "package t\nfunc FuzzNot() {}\n",
		"a/testdata/d_test.go": "package d\nfunc FuzzNot() {}\n",
	} {
		path = filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	list, err := fuzzTargets(dir)
	if err != nil {
		t.Fatal(err)
	}
	if want := []fuzzTarget{{"./a", "FuzzOne"}, {"./a/b", "FuzzTwo"}}; !slices.Equal(list, want) {
		t.Errorf("%v, expected %v", list, want)
	}
}
