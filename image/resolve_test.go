package image

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestResolve(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	bin := filepath.Join(dir, "bin")
	put(t, dir, "bin/tool", elfFile(nil), 0o755)
	put(t, dir, "bin/both", elfFile(nil), 0o755)
	put(t, dir, "local", elfFile(nil), 0o755)
	put(t, dir, "both", []byte(Magic+"…"), 0o600)
	put(t, dir, "app.img", []byte(Magic), 0o600)
	put(t, dir, "pkg/main.go", []byte("package main\nfunc main(){}\n"), 0o600)
	put(t, dir, "pk[g]*/main.go", []byte("package main\nfunc main(){}\n"), 0o600)
	put(t, dir, "empty/readme", nil, 0o600)
	if err := syscall.Mkfifo("fifo", 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin)
	for arg, want := range map[string]Source{
		"tool":      {Program, "tool", filepath.Join(bin, "tool")},
		"./local":   {Program, "./local", filepath.Join(dir, "local")},
		"both":      {ImageFile, "both", filepath.Join(dir, "both")},
		"app.img":   {ImageFile, "app.img", filepath.Join(dir, "app.img")},
		"./app.img": {ImageFile, "./app.img", filepath.Join(dir, "app.img")},
		"bin/both":  {Program, "bin/both", filepath.Join(bin, "both")},
		"./pkg":     {GoPackage, "./pkg", filepath.Join(dir, "pkg")},
		"./pk[g]*":  {GoPackage, "./pk[g]*", filepath.Join(dir, "pk[g]*")},
		"pkg/":      {GoPackage, "pkg/", filepath.Join(dir, "pkg")},
		"./fifo":    {Program, "./fifo", filepath.Join(dir, "fifo")}, // refused later, and not read here
	} {
		got, err := Resolve(arg)
		if err != nil || *got != want {
			t.Errorf("%s: %+v, %v", arg, got, err)
		}
	}
	for arg, c := range map[string]struct {
		status int
		text   string
	}{
		"":           {127, ""},
		"nothing":    {127, "not found in PATH"},
		"local":      {127, "write ./local"},
		"./nothing":  {127, "no such file"},
		"./empty":    {126, "without a Go package"},
		".":          {126, "without a Go package"},
		"./local/x":  {126, "not a directory"},
		"fifo":       {127, "not found in PATH"},
		"./no/thing": {127, "no such file"},
	} {
		_, err := Resolve(arg)
		if err == nil || Status(err) != c.status || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%q: %v (status %d)", arg, err, Status(err))
		}
	}
}

func TestNames(t *testing.T) {
	for host, want := range map[string][3]string{
		"/usr/bin/server":     {"server", "/usr/bin/server", "server"},
		"/tmp/x/server":       {"server", "/bin/server", "server"},
		"/tmp":                {"tmp", "/bin/tmp", "tmp"},
		"/tmpfs/a":            {"a", "/tmpfs/a", "a"},
		"/run/a":              {"a", "/bin/a", "a"},
		"/proc/self/exe":      {"exe", "/bin/exe", "exe"},
		"/srv/My App_1.img":   {"My App_1", "/srv/My App_1.img", "my-app-1"},
		"/srv/\n\x00":         {"--", "/srv/\n\x00", "skerry"},
		"/srv/é":              {"é", "/srv/é", "skerry"},
		"/.img":               {"program", "/.img", "program"},
		"/a/" + longName(100): {longName(100), "/a/" + longName(100), longName(63)},
	} {
		s := &Source{Program, "x", host}
		if got := [3]string{s.Name(), s.GuestPath(), Hostname(s.Name())}; got != want {
			t.Errorf("%q: got %q, want %q", host, got, want)
		}
	}
	s := &Source{GoPackage, "./cmd/web", "/home/u/cmd/web"}
	if s.GuestPath() != "/bin/web" || s.Argv0() != "/bin/web" {
		t.Error(s.GuestPath(), s.Argv0())
	}
}

func longName(n int) string { return strings.Repeat("n", n) }

func TestBuildGo(t *testing.T) {
	if testing.Short() {
		t.Skip("runs the go command")
	}
	dir := t.TempDir()
	put(t, dir, "good/go.mod", []byte("module good\n\ngo 1.21\n"), 0o600)
	put(t, dir, "good/main.go", []byte("package main\n\nfunc main() { println(\"hi\") }\n"), 0o600)
	put(t, dir, "bad/go.mod", []byte("module bad\n\ngo 1.21\n"), 0o600)
	put(t, dir, "bad/main.go", []byte("package main\n\nfunc main() { undefined() }\n"), 0o600)
	put(t, dir, "lib/go.mod", []byte("module lib\n\ngo 1.21\n"), 0o600)
	put(t, dir, "lib/lib.go", []byte("package lib\n\nfunc F() {}\n"), 0o600)
	var stderr bytes.Buffer
	src := func(name string) *Source { return &Source{GoPackage, "./" + name, filepath.Join(dir, name)} }

	out, err := BuildGo(context.Background(), src("good"), t.TempDir(), &stderr)
	if err != nil {
		t.Fatalf("%v\n%s", err, &stderr)
	}
	if err := CheckProgram(out, "./good"); err != nil {
		t.Error(err)
	}
	if _, err := BuildGo(context.Background(), src("bad"), t.TempDir(), &stderr); err == nil || !strings.Contains(stderr.String(), "undefined") {
		t.Errorf("%v, %s", err, &stderr)
	}
	if out, err := BuildGo(context.Background(), src("lib"), t.TempDir(), &stderr); err == nil {
		if err := CheckProgram(out, "./lib"); err == nil || !strings.Contains(err.Error(), "not `main`") {
			t.Errorf("a library: %v", err)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	if _, err := BuildGo(ctx, src("good"), t.TempDir(), &stderr); err == nil {
		t.Error("not cancelled")
	}
	t.Setenv("PATH", t.TempDir())
	if _, err := BuildGo(context.Background(), src("good"), t.TempDir(), &stderr); err == nil || !strings.Contains(err.Error(), "no go command") {
		t.Error(err)
	}
}

func TestVersion(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	if v := KernelVersion(bytes.NewReader(b)); v == "" || v == "unknown" {
		t.Errorf("a Go program has version %q", v)
	}
	if v := KernelVersion(strings.NewReader("x")); v != "unknown" {
		t.Errorf("no program has version %q", v)
	}
}
