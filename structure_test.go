// Package skerry_test holds the tests of the repository's structure: what may
// import what, where unsafe may stand, how long a file may be.
package skerry_test

import (
	"bufio"
	"bytes"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const maxLines = 600

// sourceFiles calls f for every source file of the project.
func sourceFiles(t *testing.T, f func(path string)) {
	t.Helper()
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if n := d.Name(); path != "." && (strings.HasPrefix(n, ".") || n == "build" || n == "bin" || n == "testdata") {
				return filepath.SkipDir
			}
			return nil
		}
		if ext := filepath.Ext(path); ext == ".go" || ext == ".s" {
			f(filepath.ToSlash(path))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// tracked calls f with every file that is committed, or is new and not ignored.
func tracked(t *testing.T, f func(path string, content []byte)) {
	t.Helper()
	out, err := exec.Command("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard").Output()
	if err != nil {
		t.Skipf("git ls-files: %v (this test needs the repository)", err)
	}
	for _, path := range strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00") {
		info, err := os.Lstat(path)
		if err != nil || !info.Mode().IsRegular() {
			continue // deleted, and not committed yet
		}
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		f(path, b)
	}
}

// codeFiles are the endings of files with the limit of lines.
var codeFiles = []string{".go", ".s", ".c", ".h", ".cc", ".cpp", ".rs", ".java", ".py", ".js"}

func TestFilesAreShort(t *testing.T) {
	tracked(t, func(path string, b []byte) {
		if !slices.Contains(codeFiles, filepath.Ext(path)) {
			return
		}
		if n := bytes.Count(b, []byte("\n")); n > maxLines {
			t.Errorf("%s has %d lines; a file has at most %d", path, n, maxLines)
		}
	})
}

// isBinary reports whether a file's content is no text.
func isBinary(b []byte) bool {
	return bytes.HasPrefix(b, []byte("\x7fELF")) || bytes.IndexByte(b, 0) >= 0
}

// TestNoBinaries: what a tool makes is made where it is needed, since nobody can review
// its bytes. Corpora of fuzzers are text, in which Go writes bytes as it does in source.
func TestNoBinaries(t *testing.T) {
	tracked(t, func(path string, b []byte) {
		if isBinary(b) {
			t.Errorf("%s is binary; build it in the test, or write its bytes in Go", path)
		}
	})
	for content, want := range map[string]bool{"": false, "text\n": false, "go test fuzz v1\n[]byte(\"\\x7fELF\\x00\")\n": false, "\x7fELF\x02": true, "a\x00b": true} {
		if isBinary([]byte(content)) != want {
			t.Errorf("%q: binary %v", content, !want)
		}
	}
}

// imports returns the import paths of a Go file.
func imports(t *testing.T, path string) []string {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, s := range f.Imports {
		p, _ := strconv.Unquote(s.Path.Value)
		list = append(list, p)
	}
	return list
}

func TestUnsafeHasItsFiles(t *testing.T) {
	sourceFiles(t, func(path string) {
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_unsafe.go") || strings.HasSuffix(path, "_test.go") {
			return
		}
		if slices.Contains(imports(t, path), "unsafe") {
			t.Errorf("%s imports unsafe; only files named *_unsafe.go may", path)
		}
	})
}

// layers are the kernel's packages from the bottom up. A package imports only
// from its own layer and those below it, and inside a layer only its own folder.
var layers = [][]string{
	{"kernel/abi", "bootrec", "kernel/ground/arch"},
	{"kernel/ground/frame"},
	{"kernel/ground", "kernel/usermem", "kernel/wait", "kernel/entropy", "kernel/vdso", "kernel/strace"},
	{"kernel/hw"},
	{"kernel/vfs", "kernel/clock"},
	{"kernel/fs", "kernel/mm", "kernel/net", "kernel/loader", "kernel/ports", "kernel/symbols"},
	{"kernel/loader/mmspace"},
	{"kernel/task"},
	{"kernel/policy"},
	{"kernel/syscalls"},
	{"kernel/machine"},
	{"kernel"},
}

func layerOf(pkg string) (layer int, folder string) {
	best := -1
	for i, l := range layers {
		for _, f := range l {
			if (pkg == f || strings.HasPrefix(pkg, f+"/")) && len(f) > len(folder) {
				best, folder = i, f
			}
		}
	}
	return best, folder
}

// TestDependencyDirection keeps a driver from knowing a file system and a file
// system from knowing a driver.
func TestDependencyDirection(t *testing.T) {
	sourceFiles(t, func(path string) {
		if !strings.HasPrefix(path, "kernel/") || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return
		}
		pkg := path[:strings.LastIndex(path, "/")]
		if pkg == "kernel/ground/boottest" {
			return // a kernel of its own
		}
		from, folder := layerOf(pkg)
		for _, imp := range imports(t, path) {
			to, ok := strings.CutPrefix(imp, "skerry/")
			if !ok {
				continue
			}
			l, f := layerOf(to)
			switch {
			case l < 0:
				t.Errorf("%s imports %s, which is no part of the kernel", path, imp)
			case l > from:
				t.Errorf("%s imports %s, which lies above it", path, imp)
			case l == from && f != folder && l > 2:
				t.Errorf("%s imports %s, its neighbour", path, imp)
			}
		}
	})
}

// TestKernelDependencies compares what is linked into the kernel with
// kernel/DEPS: a package more is attack surface more, and shows up in review.
func TestKernelDependencies(t *testing.T) {
	trim := t.TempDir()
	if out, err := exec.Command("go", "run", "./cmd/trimgvisor", trim).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	cmd := exec.Command("go", "list", "-modfile="+trim+"/go.mod", "-overlay="+trim+"/overlay.json", "-deps", "-f", "{{.ImportPath}}", "./kernel")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOAMD64=v1")
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Fields(string(out))
	slices.Sort(got)
	f, err := os.Open("kernel/DEPS")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var want []string
	for s := bufio.NewScanner(f); s.Scan(); {
		if line := strings.TrimSpace(s.Text()); line != "" && !strings.HasPrefix(line, "#") {
			want = append(want, line)
		}
	}
	for _, p := range got {
		if !slices.Contains(want, p) {
			t.Errorf("%s is linked into the kernel but not in kernel/DEPS (make deps rewrites it; say in the commit why)", p)
		}
	}
	for _, p := range want {
		if !slices.Contains(got, p) {
			t.Errorf("kernel/DEPS names %s, which is not linked any more (make deps)", p)
		}
	}
}

// TestPackagesAreDocumented wants a package comment everywhere.
func TestPackagesAreDocumented(t *testing.T) {
	documented := map[string]bool{}
	sourceFiles(t, func(path string) {
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.PackageClauseOnly|parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		dir := filepath.Dir(path)
		documented[dir] = documented[dir] || f.Doc != nil
	})
	for dir, ok := range documented {
		if !ok {
			t.Errorf("package in %s has no package comment", dir)
		}
	}
}
