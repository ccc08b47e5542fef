package skerrytest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"skerry/test/harness"
)

// sameRun runs a program on Linux and in machines and compares what it printed and
// how it ended. The arguments name FILES, the folder with files, and TMP, a folder
// that can be written.
func sameRun(t *testing.T, path string, files map[string]string, memory, status int, flags []string, args ...string) {
	t.Helper()
	at := func(folder, tmp string) []string {
		var l []string
		for _, a := range args {
			l = append(l, strings.NewReplacer("FILES", folder, "TMP", tmp).Replace(a))
		}
		return l
	}
	// The folders differ, so the files must not show where they are.
	write := func(t *testing.T, tmp string) string {
		dir := t.TempDir()
		for name, text := range files {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(strings.ReplaceAll(text, "TMPDIR", tmp)), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		return dir
	}
	var want *harness.Outcome
	check := func(t *testing.T, got *harness.Outcome, err error) {
		t.Helper()
		if err != nil || got.Status != status {
			t.Fatalf("%v, status %d, expected %d\nend of stdout %s\nend of stderr %s", err, got.Status, status, tail(got.Stdout, 2000), tail(got.Stderr, 2000))
		}
		if want == nil {
			want = got
			return
		}
		if d := harness.Difference(want.Stdout, got.Stdout); d != "" {
			t.Errorf("stdout, Linux (-) and Skerry (+): %s\nstderr %s", d, tail(got.Stderr, 2000))
		}
		t.Logf("%v, on Linux %v", got.Elapsed.Round(time.Millisecond), want.Elapsed.Round(time.Millisecond))
	}
	t.Run("linux", func(t *testing.T) {
		slot(t)
		tmp := t.TempDir()
		got, err := harness.OnHost(context.Background(), &harness.Program{Path: path, Args: at(write(t, tmp), tmp), Timeout: time.Minute})
		check(t, got, err)
	})
	if want == nil {
		return
	}
	skerry := skerryCommand(t)
	for _, cpus := range cpuCounts() {
		t.Run(fmt.Sprint("machine/", cpus), func(t *testing.T) {
			slot(t)
			got, err := harness.OnSkerry(context.Background(), skerry, &harness.Program{Path: path, Args: at("/srv", "/tmp"), CPUs: cpus, Memory: memory,
				Flags: append([]string{"--dir", write(t, "/tmp") + ":/srv"}, flags...), Timeout: 2 * time.Minute})
			check(t, got, err)
		})
	}
}

// text is a file of test/programs.
func text(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("programs", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestSQLite runs SQLite's own command on a database in /tmp.
func TestSQLite(t *testing.T) {
	script := strings.ReplaceAll(text(t, "scripts/load.sql"), "'OTHER'", "'TMPDIR/other.db'")
	sameRun(t, packaged(t, "sqlite3", "sqlite3"), map[string]string{"load.sql": script}, 64, 0, strict, "-init", "FILES/load.sql", "TMP/load.db")
}

func TestCPlusPlus(t *testing.T) {
	gxx := packaged(t, "g++", "g++")
	program := filepath.Join(t.TempDir(), "cpp")
	if out, err := exec.Command(gxx, "-std=c++17", "-O1", "-pthread", "-o", program, "programs/cpp/main.cc").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	t.Run("returns", func(t *testing.T) { sameRun(t, program, nil, 64, 3, strict, "TMP") })
	t.Run("terminates", func(t *testing.T) { sameRun(t, program, nil, 64, 134, strict, "TMP", "x") })
}

// TestLocale: the locale that the environment names is there as on Linux, and without
// one in the environment, or with one that this host does not have, there is none.
func TestLocale(t *testing.T) {
	if _, err := os.Stat("/usr/lib/locale/C.utf8"); err != nil {
		t.Skip("no locale C.UTF-8 here")
	}
	gcc := packaged(t, "gcc", "gcc")
	path := filepath.Join(t.TempDir(), "locale")
	if out, err := exec.Command(gcc, "-o", path, "programs/locale.c").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	slot(t)
	for _, env := range [][]string{nil, {"LC_ALL=C.UTF-8"}, {"LANG=C.UTF-8"}, {"LANG=C.UTF-8", "LC_CTYPE=C"}, {"LC_CTYPE=C.utf8"}, {"LANG=xx_XX.UTF-8"}} {
		p := &harness.Program{Path: path, Env: env, CPUs: 1, Memory: 64, Timeout: time.Minute}
		want, err := harness.OnHost(context.Background(), p)
		if err != nil {
			t.Fatal(err)
		}
		got, err := harness.OnSkerry(context.Background(), skerryCommand(t), p)
		if err != nil {
			t.Fatal(err)
		}
		if d := harness.Difference(want.Stdout, got.Stdout); d != "" || got.Status != want.Status {
			t.Errorf("%q: status %d, Linux (-) and Skerry (+): %s\n%s", env, got.Status, d, got.Stderr)
		}
		if utf8 := strings.Contains(string(want.Stdout), "character set UTF-8"); utf8 != (len(env) == 1 && strings.Contains(strings.ToLower(env[0]), "=c.utf")) {
			t.Errorf("%q on Linux: %s", env, want.Stdout)
		}
	}
}

func TestPerl(t *testing.T) {
	sameRun(t, packaged(t, "perl", "perl"), map[string]string{"perl.pl": text(t, "scripts/perl.pl")}, 96, 5, nil, "FILES/perl.pl")
}

func TestPython(t *testing.T) {
	python := packaged(t, "/usr/bin/python3", "python3")
	sameRun(t, python, map[string]string{"use.py": text(t, "scripts/use.py")}, 128, 7, strict, "FILES/use.py")
}
