package harness

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestGoResults(t *testing.T) {
	out := `=== RUN   TestA
--- PASS: TestA (0.00s)
=== RUN   TestB
=== RUN   TestB/sub
text without an end--- FAIL: TestB (1.20s)
    --- FAIL: TestB/sub (0.10s)
--- SKIP: TestC (0.00s)
    c_test.go:1: no reason
    --- PASS: TestD (0.00s)
FAIL
`
	want := map[string]string{"TestA": "PASS", "TestB": "FAIL", "TestC": "SKIP"}
	if got := GoResults([]byte(out)); !maps.Equal(got, want) {
		t.Errorf("%v", got)
	}
}

func TestPackageSources(t *testing.T) {
	for pkg, want := range map[string][]string{
		"net":          {"sendfile_test.go", "testdata/resolv.conf", "../testdata/Isaac.Newton-Opticks.txt"},
		"compress/lzw": {"reader_test.go", "../testdata/e.txt"},
		"errors":       {"errors_test.go"},
	} {
		dir, files, err := PackageSources(t.Context(), pkg)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range want {
			if path := filepath.Join(dir, name); files[path] != path {
				t.Errorf("%s: no %s", pkg, path)
			}
		}
		if _, ok := files[services]; ok != exists(services) {
			t.Errorf("%s: %v", services, ok)
		}
	}
	if _, _, err := PackageSources(t.Context(), "no/such"); err == nil {
		t.Error("a package that is not there")
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func TestReadExpected(t *testing.T) {
	path := filepath.Join(t.TempDir(), "list")
	read := func(text string) (Expected, error) {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return ReadExpected(path)
	}
	e, err := read("# comment\n\nsync TestA starts a process\nsync Test.B needs source files\n")
	if err != nil || e["sync"]["TestA"] != "starts a process" || e.SkipPattern("sync") != `^(TestA|Test\.B)$` || e.SkipPattern("time") != "" {
		t.Errorf("%v %v %q", e, err, e.SkipPattern("sync"))
	}
	for _, bad := range []string{"sync TestA\n", "sync TestA because\n", "sync TestA starts a process\nsync TestA starts a process\n"} {
		if _, err := read(bad); err == nil || !strings.Contains(err.Error(), "list:") {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if _, err := ReadExpected("../stdlib/expected.txt"); err != nil {
		t.Error(err)
	}
}
