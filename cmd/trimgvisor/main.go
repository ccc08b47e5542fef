// Command trimgvisor prepares the copy of gVisor's IP stack that the kernel is
// built from.
//
//	trimgvisor DIR
//
// The kernel uses gvisor.dev/gvisor/pkg/tcpip of the version that go.mod pins.
// That code serves more masters than ours: every type carries methods to save and
// restore it, the log can write JSON and match regular expressions, reference
// counts can be watched for leaks. The linker cannot drop these, since they are
// reached through interfaces and package variables, and a kernel should not hold
// code that never runs. So the build copies the packages that the kernel links
// from the module cache to DIR/gvisor, leaves the files out that only save and
// restore, puts packages log and refs of this folder and one file of package rand
// in place of gVisor's, applies the edits of edits.go, and writes DIR/go.mod, which is the project's own
// with a replace line. It also writes DIR/overlay.json, which has files of the standard
// library replaced (those of folder std). "go build -modfile=DIR/go.mod
// -overlay=DIR/overlay.json" then builds the kernel.
//
// What a peer can see of the protocols does not change: what goes is what no packet
// and no call of the kernel reaches, and what comes (the *.go.txt of this folder) tells
// the link where bursts begin and end, asks it whether an acknowledgement may wait, and
// gives listeners room. Host tests use gVisor as it is published; "go test -modfile=…"
// runs them on the copy.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

const module = "gvisor.dev/gvisor"

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: trimgvisor DIR")
		os.Exit(2)
	}
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "trimgvisor:", err)
		os.Exit(1)
	}
}

// goList runs go list in the project's folder for the kernel's platform.
func goList(root string, args ...string) ([]string, error) {
	cmd := exec.Command("go", append([]string{"list"}, args...)...)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64", "GOAMD64=v1", "GOFLAGS=")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w\n%s", err, stderr.Bytes())
	}
	return strings.Split(strings.TrimRight(string(out), "\n"), "\n"), nil
}

func run(dir string) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	out, err := goList(".", "-m", "-f", "{{.Dir}}", "skerry")
	if err != nil {
		return err
	}
	root := out[0]
	pkgs, err := goList(root, "-deps", "-f", "{{if .Module}}{{if eq .Module.Path \""+module+"\"}}{{.ImportPath}}\t{{.Dir}}\t{{range .GoFiles}}{{.}} {{end}}{{range .SFiles}}{{.}} {{end}}{{end}}{{end}}", "./kernel")
	if err != nil {
		return err
	}
	src, err := goList(root, "-m", "-f", "{{.Dir}}", module)
	if err != nil {
		return err
	}
	if src[0] == "" {
		return errors.New(module + " is not in the module cache: run go mod download")
	}
	want := map[string][]byte{}
	for _, line := range pkgs {
		f := strings.Split(line, "\t")
		if len(f) != 3 {
			continue
		}
		rel := strings.TrimPrefix(f[0], module+"/")
		if err := addPackage(want, root, rel, f[1], strings.Fields(f[2])); err != nil {
			return err
		}
	}
	for name, own := range added {
		b, err := os.ReadFile(filepath.Join(root, "cmd/trimgvisor", own))
		if err != nil {
			return err
		}
		want[name] = b
	}
	if err := apply(want, edits); err != nil {
		return err
	}
	for _, name := range []string{"go.mod", "LICENSE"} {
		b, err := os.ReadFile(filepath.Join(src[0], name))
		if err != nil {
			return err
		}
		want[name] = b
	}
	if err := sync(filepath.Join(dir, "gvisor"), want); err != nil {
		return err
	}
	if err := overlay(root, dir); err != nil {
		return err
	}
	return modFiles(root, dir)
}

// standard are files of the standard library, by package and name, and the files of
// folder std that the kernel gets in their place.
var standard = []struct{ pkg, file, own string }{
	{"crypto/internal/boring", "notboring.go", "notboring.go.txt"},
	{"time", "zoneinfo_unix.go", "zoneinfo.go.txt"},
}

// overlay writes overlay.json for -overlay and the files it names. It is an error when
// the standard library has no such file: another Go release, and someone has to look.
func overlay(root, dir string) error {
	replace := map[string]string{}
	for _, r := range standard {
		out, err := goList(root, "-f", "{{.Dir}}", r.pkg)
		if err != nil {
			return err
		}
		from := filepath.Join(out[0], r.file)
		if _, err := os.Stat(from); err != nil {
			return fmt.Errorf("the standard library has changed (mend overlay): %w", err)
		}
		b, err := os.ReadFile(filepath.Join(root, "cmd/trimgvisor/std", r.own))
		if err != nil {
			return err
		}
		to := filepath.Join(dir, r.file)
		if err := write(to, b); err != nil {
			return err
		}
		replace[from] = to
	}
	j, err := json.Marshal(map[string]map[string]string{"Replace": replace})
	if err != nil {
		return err
	}
	return write(filepath.Join(dir, "overlay.json"), j)
}

// addPackage adds the files of one package to want, by their path in the module.
func addPackage(want map[string][]byte, root, rel, dir string, files []string) error {
	if dropped[rel] {
		return nil
	}
	if own, ok := replaced[rel]; ok {
		list, err := filepath.Glob(filepath.Join(root, "cmd/trimgvisor", own, "*.go"))
		if err != nil {
			return err
		}
		dir, files = filepath.Join(root, "cmd/trimgvisor", own), nil
		for _, f := range list {
			if !strings.HasSuffix(f, "_test.go") {
				files = append(files, filepath.Base(f))
			}
		}
		if len(files) == 0 {
			return fmt.Errorf("cmd/trimgvisor/%s has no Go files", own)
		}
	}
	for _, name := range files {
		if saves(name) {
			continue
		}
		from := filepath.Join(dir, name)
		if own, ok := replacedFiles[rel+"/"+name]; ok {
			from = filepath.Join(root, "cmd/trimgvisor", own)
		}
		b, err := os.ReadFile(from)
		if err != nil {
			return err
		}
		want[rel+"/"+name] = b
	}
	return nil
}

// saves reports whether a file holds nothing but generated code that saves and
// restores.
func saves(name string) bool { return strings.HasSuffix(name, "_state_autogen.go") }

// sync makes the folder dir hold want and nothing else; files that are right
// already are not touched.
func sync(dir string, want map[string][]byte) error {
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		if _, ok := want[filepath.ToSlash(rel)]; !ok {
			return os.Remove(path)
		}
		return nil
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for rel, b := range want {
		if err := write(filepath.Join(dir, filepath.FromSlash(rel)), b); err != nil {
			return err
		}
	}
	return nil
}

// write writes a file whose contents differ.
func write(path string, b []byte) error {
	if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, b) {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	// By another name first: several builds may run at once.
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Chmod(f.Name(), 0o644)
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}

// modFiles writes go.mod and go.sum for -modfile.
func modFiles(root, dir string) error {
	mod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		return err
	}
	mod = fmt.Appendf(mod, "\nreplace %s => %s\n", module, filepath.Join(dir, "gvisor"))
	if err := write(filepath.Join(dir, "go.mod"), mod); err != nil {
		return err
	}
	sum, err := os.ReadFile(filepath.Join(root, "go.sum"))
	if err != nil {
		return err
	}
	return write(filepath.Join(dir, "go.sum"), sum)
}
