package harness

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// BuildGoTest compiles a package's tests into a static program. It is kept for
// each version of the toolchain.
func (b *Builder) BuildGoTest(ctx context.Context, pkg string) (string, error) {
	version, err := goEnv(ctx, "GOVERSION")
	if err != nil {
		return "", err
	}
	dir, err := b.Dir(filepath.Join("gotest", version))
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, strings.ReplaceAll(pkg, "/", "_")+".test")
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	cmd := exec.CommandContext(ctx, "go", "test", "-c", "-o", path+".new", pkg)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go test -c %s: %v: %s", pkg, err, out)
	}
	return path, os.Rename(path+".new", path)
}

// PackageSources gives what a package's tests read, at the paths where they look
// for it: the package's folder, which is their working directory, the testdata in it
// and beside it, a file of each package below it, Go's time zones, and the host's list of
// services; for os also a folder /usr/bin with files in it.
func PackageSources(ctx context.Context, pkg string) (dir string, files map[string]string, err error) {
	root, err := goEnv(ctx, "GOROOT")
	if err != nil {
		return "", nil, err
	}
	dir = filepath.Join(root, "src", filepath.FromSlash(pkg))
	zones := filepath.Join(root, "lib", "time", "zoneinfo.zip")
	files = map[string]string{zones: zones}
	if info, err := os.Stat(services); err == nil && info.Mode().IsRegular() {
		files[services] = services
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", nil, err
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		if e.IsDir() {
			if below, _ := filepath.Glob(filepath.Join(path, "*.go")); len(below) > 0 {
				path = below[0]
				files[path] = path
			}
		} else if e.Type().IsRegular() {
			files[path] = path
		}
		if pkg == "os" && e.Type().IsRegular() {
			files["/usr/bin/"+e.Name()] = path
		}
	}
	for _, data := range []string{filepath.Join(dir, "testdata"), filepath.Join(filepath.Dir(dir), "testdata")} {
		err = filepath.WalkDir(data, func(path string, d fs.DirEntry, err error) error {
			if path == data && errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			if err == nil && d.Type().IsRegular() {
				files[path] = path
			}
			return err
		})
		if err != nil {
			return "", nil, err
		}
	}
	return dir, files, nil
}

// services is read by the tests of package net.
const services = "/etc/services"

func goEnv(ctx context.Context, name string) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "env", name).Output()
	return strings.TrimSpace(string(out)), err
}

var resultPattern = regexp.MustCompile(`^\s*--- (PASS|FAIL|SKIP): (\S+) \(`)

// GoResults reads the output of a test program run with -test.v: the results of
// its top-level tests by name.
func GoResults(out []byte) map[string]string {
	results := map[string]string{}
	for line := range bytes.Lines(out) {
		// A test that prints without a newline leaves its text before the result.
		if i := bytes.Index(line, []byte("--- ")); i > 0 && !bytes.HasPrefix(line, []byte(" ")) {
			line = line[i:]
		}
		m := resultPattern.FindSubmatch(line)
		if m == nil || bytes.HasPrefix(line, []byte(" ")) || bytes.Contains(m[2], []byte("/")) {
			continue
		}
		results[string(m[2])] = string(m[1])
	}
	return results
}

// Reasons for which one of Go's own tests may not pass.
var Reasons = []string{"starts a process", "needs another user", "needs a device that is not there", "needs source files", "needs permission bits that count"}

// Expected is the list of tests that do not pass, by package and name, with their
// reasons.
type Expected map[string]map[string]string

// ReadExpected reads such a list: lines "PACKAGE TEST REASON", comments with #.
func ReadExpected(path string) (Expected, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	e := Expected{}
	s := bufio.NewScanner(f)
	for n := 1; s.Scan(); n++ {
		line := strings.TrimSpace(s.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		w := strings.SplitN(line, " ", 3)
		if len(w) != 3 || !slices.Contains(Reasons, strings.TrimSpace(w[2])) {
			return nil, fmt.Errorf("%s:%d: not of the form PACKAGE TEST REASON with one of %q", path, n, Reasons)
		}
		if e[w[0]] == nil {
			e[w[0]] = map[string]string{}
		}
		if _, ok := e[w[0]][w[1]]; ok {
			return nil, fmt.Errorf("%s:%d: %s is listed twice", path, n, w[1])
		}
		e[w[0]][w[1]] = strings.TrimSpace(w[2])
	}
	return e, s.Err()
}

// SkipPattern is the -test.skip expression for the listed tests of a package.
func (e Expected) SkipPattern(pkg string) string {
	var names []string
	for n := range e[pkg] {
		names = append(names, regexp.QuoteMeta(n))
	}
	if len(names) == 0 {
		return ""
	}
	slices.Sort(names)
	return "^(" + strings.Join(names, "|") + ")$"
}
