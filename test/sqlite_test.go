package skerrytest

import (
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
	"testing"
	"time"
)

// sqliteParts is how many machines the files of SQLite's own tests are dealt out to.
const sqliteParts = 20

// sqliteLeftOut are files of SQLite's suite "veryquick" that are not run, and why.
var sqliteLeftOut = map[string]string{
	"analyzer1.test": "starts a process", "avtrans.test": "starts a process", "backcompat.test": "starts a process",
	"bigsort.test": "starts a process", "crash5.test": "starts a process", "eqp.test": "starts a process", "journal3.test": "starts a process",
	"loadext.test": "starts a process", "lock2.test": "starts a process", "lock4.test": "starts a process", "lock6.test": "starts a process",
	"memleak.test": "starts a process", "pagerfault.test": "starts a process", "pragma3.test": "starts a process", "shared9.test": "starts a process",
	"shell4.test": "starts a process", "sqldiff1.test": "starts a process", "symlink.test": "starts a process", "symlink2.test": "starts a process",
	"tkt-fc62af4523.test": "starts a process", "tkt4018.test": "starts a process", "walblock.test": "starts a process",
	"walcrash2.test": "starts a process", "walcrash4.test": "starts a process", "zipfile.test": "starts a process",
	"attach.test": "needs another user (or permission bits that count)",
	// They measure nothing that has to do with the system.
	"pager2.test": "takes long", "round1.test": "takes long", "index5.test": "takes long", "memjournal2.test": "takes long", "atof1.test": "takes long",
}

// sqliteExpected are cases that do not pass in a machine, and why.
var sqliteExpected = []struct {
	name   *regexp.Regexp
	reason string
}{
	// The crash happens in a process of its own.
	{regexp.MustCompile(`^(crash[0-9A-Z]*|walcrash[0-9]*|savepoint4)[-.]`), "starts a process"},
	{regexp.MustCompile(`^wal-20\.[234]$`), "starts a process"}, // the second connection is in one
	{regexp.MustCompile(`^(wal2-13\.|backup2-6$|delete-8\.|extension01-1\.6$|temptable-6\.[236]$|tkt3457-1\.[234]$|pager1\.4\.(7\.2|8\.1)$)`), "needs another user (or permission bits that count)"},
}

// sqliteReason is why a case may fail, "" if it may not.
func sqliteReason(name string) string {
	for _, e := range sqliteExpected {
		if e.name.MatchString(name) {
			return e.reason
		}
	}
	return ""
}

var (
	sqliteOK   = regexp.MustCompile(`^(.*)\.\.\.(?: \([0-9.]+ms\) )? Ok$`)
	sqliteFile = regexp.MustCompile(`^Time: (\S+\.test) \d+ ms$`)
	// The number in the name is the length of a path, which is another one in a machine.
	sqlitePath  = regexp.MustCompile(`^(pager1-16\.1)\.\d+$`)
	sqliteTotal = regexp.MustCompile(`^\d+ errors out of \d+ tests`)
)

// sqliteCases reads what run.tcl printed: how often each case passed, the files that were
// run to their ends, in order, and whether the run itself came to its end.
func sqliteCases(text string) (passed map[string]int, files []string, ended bool) {
	passed = map[string]int{}
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		if m := sqliteOK.FindStringSubmatch(line); m != nil {
			passed[sqlitePath.ReplaceAllString(m[1], "$1")]++
		} else if m := sqliteFile.FindStringSubmatch(line); m != nil {
			files = append(files, m[1])
		} else if sqliteTotal.MatchString(line) {
			ended = true
		}
	}
	return passed, files, ended
}

// TestSQLiteSuite runs SQLite's own tests, those of "veryquick" that start no process, on
// Linux and in machines: SQLite of the version that is installed, built from its
// package's source with its test harness.
func TestSQLiteSuite(t *testing.T) {
	if testing.Short() {
		t.Skip("takes many minutes")
	}
	skerry := skerryCommand(t)
	suite := sqliteSuite(t)
	script, err := filepath.Abs("sqlite/run.tcl")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, pattern := range []string{"test/*.test", "ext/*/*.test", "ext/*/test/*.test"} {
		found, err := filepath.Glob(filepath.Join(suite, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range found {
			if name := filepath.Base(f); sqliteLeftOut[name] == "" {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	for part := range sqliteParts {
		t.Run(fmt.Sprint(part), func(t *testing.T) {
			t.Parallel()
			slot(t)
			ctx, cancel := context.WithTimeout(context.Background(), 20*time.Minute)
			defer cancel()
			var mine []string
			for i := part; i < len(names); i += sqliteParts {
				mine = append(mine, names[i])
			}
			list := "SQLITE_TEST_PATTERN_LIST=" + strings.Join(mine, " ")
			linux := sqliteOnLinux(ctx, t, suite, script, list)
			want, files, ended := sqliteCases(linux)
			if !ended || len(files) == 0 {
				t.Fatalf("it did not end on Linux: %s", tail([]byte(linux), 1000))
			}
			cmd := exec.CommandContext(ctx, skerry, "run", "--quiet", "-m", "512M", "--cpus", "2", "--timeout", "18m", "-w", "/tmp",
				"-e", list, "-e", "SQLITE_TEST_SUITE=/srv/test", "--dir", filepath.Join(suite, "test")+":/srv/test", "--dir", filepath.Join(suite, "ext")+":/srv/ext",
				"--file", script+":/srv/run.tcl", "--dir", "/usr/share/tcltk:/usr/share/tcltk", filepath.Join(suite, "testfixture"), "/srv/run.tcl")
			out, err := cmd.Output()
			var exit *exec.ExitError
			if err != nil && !errors.As(err, &exit) {
				t.Fatal(err)
			}
			got, ran, ended := sqliteCases(string(out))
			if !ended {
				t.Errorf("it did not end (%v): %s", err, tail(out, 1000))
			}
			if !slices.Equal(files, ran) {
				t.Errorf("files %q, on Linux %q", ran, files)
			}
			passed, listed := 0, 0
			for name, n := range want {
				passed += min(n, got[name])
				if got[name] < n && sqliteReason(name) != "" {
					listed += n - got[name]
				} else if got[name] != n {
					t.Errorf("%s passed %d times, on Linux %d: %s", name, got[name], n, after(string(out), "! "+name))
				}
			}
			t.Logf("passed %d, on the list %d, not passed on Linux either %d", passed, listed, strings.Count(linux, "\n! ")/2)
		})
	}
}

// sqliteOnLinux runs files on this host, as a user without rights in a folder of its own,
// and returns what was printed.
func sqliteOnLinux(ctx context.Context, t *testing.T, suite, script, list string) string {
	t.Helper()
	tmp, copied := copyForAnyone(ctx, t, suite)
	if out, err := exec.CommandContext(ctx, "cp", script, copied+"/run.tcl").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	work := filepath.Join(tmp, "work")
	if err := os.Mkdir(work, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(work, 0o777); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(ctx, filepath.Join(copied, "testfixture"), filepath.Join(copied, "run.tcl"))
	cmd.Dir = work
	cmd.Env = []string{"PATH=/usr/bin:/bin", "HOME=/", list, "SQLITE_TEST_SUITE=" + filepath.Join(copied, "test")}
	withoutRights(cmd)
	out, _ := cmd.Output()
	return string(out)
}

// sqliteSuite is a folder with SQLite's tests and the program that runs them, built once
// from the source of the package sqlite3 that is installed.
func sqliteSuite(t *testing.T) string {
	t.Helper()
	packaged(t, "sqlite3", "sqlite3")
	if _, err := os.Stat("/usr/lib/tcl8.6/tclConfig.sh"); err != nil {
		t.Skip("Tcl's headers are not installed (Debian: tcl8.6-dev)")
	}
	dir, version := sourceFolder(t, "sqlite3", "sqlite")
	suite := filepath.Join(dir, "suite")
	if _, err := os.Stat(filepath.Join(suite, "testfixture")); err == nil {
		return suite
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Minute)
	defer cancel()
	if err := fetchSource(ctx, dir, "sqlite3="+version); err != nil {
		t.Skipf("the source of sqlite3 %s cannot be had: %v", version, err)
	}
	work, err := os.MkdirTemp(dir, "build")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(work)
	const build = `set -e
cd "$1"
mkdir source suite
tar -xf ../sqlite3_*.orig.tar.* -C source --strip-components 1
cd source
./configure --with-tcl=/usr/lib/tcl8.6 --disable-readline
make testfixture
cp -a test ext testfixture ../suite/
chmod -R a+rX ../suite`
	if out, err := exec.CommandContext(ctx, "sh", "-c", build, "sh", work).CombinedOutput(); err != nil {
		t.Fatalf("SQLite does not build: %v: %s", err, tail(out, 1000))
	}
	if err := os.Rename(filepath.Join(work, "suite"), suite); err != nil && !errors.Is(err, fs.ErrExist) {
		t.Fatal(err)
	}
	return suite
}
