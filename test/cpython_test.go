package skerrytest

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"skerry/test/harness"
)

// cpythonModules are the modules of CPython's own tests that are run.
var cpythonModules = []string{"test_asyncio", "test_socket", "test_ssl", "test_threading", "test_os", "test_signal",
	"test_time", "test_tempfile", "test_mmap", "test_selectors", "test_select", "test_epoll"}

// cpythonParts is cpythonModules with the parts of a package in its place, each of which
// gets a machine of its own: half an hour in one would be lost with its last case.
func cpythonParts(t *testing.T, suite string) (parts []string) {
	for _, m := range cpythonModules {
		files, err := filepath.Glob(filepath.Join(suite, "test", m, "test_*.py"))
		if err != nil {
			t.Fatal(err)
		}
		if len(files) == 0 {
			parts = append(parts, m)
		}
		for _, f := range files {
			part := m + "." + strings.TrimSuffix(filepath.Base(f), ".py")
			if !slices.Contains(cpythonElsewhere, part) {
				parts = append(parts, part)
			}
		}
	}
	return parts
}

// cpythonElsewhere are parts of packages that are for another system.
var cpythonElsewhere = []string{"test_asyncio.test_windows_events", "test_asyncio.test_windows_utils"}

// cpythonReasons are why a case may fail in a machine.
var cpythonReasons = []string{
	"starts a process",
	"needs another user",
	"needs a device or a part of the kernel that is not there",
	"needs a protocol that is left out",
	"needs files that the image does not have",
	"makes memory executable that was written",
	cpythonDefect,
}

// cpythonDefect is the reason of what is to be mended; some of these pass now and then.
const cpythonDefect = "defect (docs/ROADMAP.md)"

// cpythonSuite is a folder with Python's test package as a whole. Debian has it in a
// package of its own, which is unpacked, not installed; what it needs of the package
// with the library is beside Python.
func cpythonSuite(t *testing.T, b *harness.Builder) string {
	t.Helper()
	dir, err := b.Dir("cpython")
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("/usr/bin/python3", "-c", "import sys; print('%d.%d' % sys.version_info[:2])").Output()
	if err != nil {
		t.Skipf("no Python here: %v", err)
	}
	version := strings.TrimSpace(string(out))
	suite := filepath.Join(dir, version)
	if _, err := os.Stat(filepath.Join(suite, "test", "test_socket.py")); err == nil {
		return suite
	}
	pkg := "libpython" + version + "-testsuite"
	work, err := os.MkdirTemp(dir, "new-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(work)
	script := `set -e
cd "$1"
apt-get download -q "$2"
dpkg -x "$2"_*.deb x
mkdir suite
cp -a "/usr/lib/python$3/test" suite/
cp -a "x/usr/lib/python$3/test/." suite/test/
find suite -name __pycache__ -prune -exec rm -rf {} +
chmod -R a+rX suite`
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	if out, err := exec.CommandContext(ctx, "sh", "-c", script, "sh", work, pkg, version).CombinedOutput(); err != nil {
		t.Skipf("Debian's package %s cannot be had: %v: %s", pkg, err, tail(out, 300))
	}
	if err := os.Rename(filepath.Join(work, "suite"), suite); err != nil && !errors.Is(err, fs.ErrExist) {
		t.Fatal(err)
	}
	return suite
}

// cpythonCases reads what cases.py printed: verdict and reason by name.
func cpythonCases(module, text string) (cases map[string][2]string, ended bool) {
	cases = map[string][2]string{}
	for line := range strings.Lines(text) {
		f := strings.SplitN(strings.TrimSpace(line), " ", 4)
		switch {
		case len(f) >= 3 && f[0] == "CASE":
			why := ""
			if len(f) == 4 {
				why = f[3]
			}
			cases[strings.TrimPrefix(f[1], "test.")] = [2]string{f[2], why}
		case len(f) >= 2 && f[0] == "END" && f[1] == module:
			ended = true
		}
	}
	return cases, ended
}

// TestCPython runs CPython's own tests on Linux and in a machine. A case that passes on
// Linux alone has its reason in cpython/expected.txt, or is a defect.
func TestCPython(t *testing.T) {
	if testing.Short() {
		t.Skip("takes long")
	}
	skerry := skerryCommand(t)
	b, err := builder()
	if err != nil {
		t.Fatal(err)
	}
	suite := cpythonSuite(t, b)
	expected, err := readReasons("cpython/expected.txt", cpythonReasons)
	if err != nil {
		t.Fatal(err)
	}
	cases, err := filepath.Abs("cpython/cases.py")
	if err != nil {
		t.Fatal(err)
	}
	for _, module := range cpythonParts(t, suite) {
		t.Run(module, func(t *testing.T) {
			t.Parallel()
			slot(t)
			ctx, cancel := context.WithTimeout(context.Background(), 40*time.Minute)
			defer cancel()
			linux := cpythonOnLinux(ctx, t, suite, cases, module)
			args := []string{"run", "--quiet", "-m", "1G", "--cpus", "2", "--timeout", "35m", "--stop-timeout", "1s", "-w", "/tmp", "-e", "CASES_SLOW=1",
				"--dir", suite + ":/srv/suite", "--file", cases + ":/srv/cases.py"}
			if _, err := os.Stat("/etc/services"); err == nil { // then they count on it
				args = append(args, "--file", "/etc/services:/etc/services")
			}
			run := func(cases ...string) map[string][2]string {
				cmd := exec.CommandContext(ctx, skerry, append(append(args[:len(args):len(args)], "/usr/bin/python3", "/srv/cases.py", "/srv/suite", module), cases...)...)
				out, _ := cmd.Output()
				got, ended := cpythonCases(module, string(out))
				if status := cmd.ProcessState.ExitCode(); status == 120 || !ended {
					t.Errorf("the module did not end (status %d): %s", status, tail(out, 1000))
				}
				return got
			}
			got := run()
			// Some cases measure time, which a busy host breaks: they have another go alone.
			var again []string
			for name, c := range got {
				if l, ok := linux[name]; c[0] != "ok" && expected[name] == "" && !(ok && l[0] != "ok") && !strings.Contains(c[1], "Windows") {
					again = append(again, name)
				}
			}
			if len(again) > 0 && len(again) <= 3 {
				t.Logf("once more, alone: %v", again)
				maps.Copy(got, run(again...))
			}
			passed, listed, neither := 0, 0, 0
			for _, name := range slices.Sorted(maps.Keys(got)) {
				c := got[name]
				reason, on := expected[name]
				l, known := linux[name]
				switch {
				case c[0] == "ok" && on && reason != cpythonDefect:
					t.Errorf("%s passes: take it off the list (%s)", name, reason)
				case c[0] == "ok":
					passed++
				case on:
					listed++
				case known && l[0] != "ok", !known && c[0] == "skip" && strings.Contains(c[1], "Windows"):
					neither++
				default:
					t.Errorf("%s: %s: %s", name, c[0], c[1])
				}
			}
			for name, l := range linux {
				if _, ok := got[name]; !ok && l[0] == "ok" {
					t.Errorf("%s was not run", name)
				}
			}
			for name := range expected {
				if _, ok := got[name]; !ok && strings.HasPrefix(name, module+".") {
					t.Errorf("%s is on the list, and there is no such case", name)
				}
			}
			t.Logf("passed %d, on the list %d, not passed on Linux either %d", passed, listed, neither)
		})
	}
}

// cpythonOnLinux runs a module on this host, as a user without rights.
func cpythonOnLinux(ctx context.Context, t *testing.T, suite, cases, module string) map[string][2]string {
	t.Helper()
	// A few cases wait for ever for processes that others here may have taken; what is
	// not known then counts as passed.
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	tmp, copied := copyForAnyone(ctx, t, suite)
	// Its source is read before the user changes.
	source, err := os.Open(cases)
	if err != nil {
		t.Fatal(err)
	}
	defer source.Close()
	cmd := exec.CommandContext(ctx, "/usr/bin/python3", "/proc/self/fd/3", copied, module)
	cmd.ExtraFiles = []*os.File{source}
	cmd.Dir = tmp
	cmd.Env = []string{"PATH=/usr/bin:/bin", "HOME=" + tmp, "TMPDIR=" + tmp}
	withoutRights(cmd)
	out, _ := cmd.Output()
	got, ended := cpythonCases(module, string(out))
	if len(got) == 0 {
		t.Fatalf("nothing ran on Linux: %s", tail(out, 500))
	}
	if !ended {
		t.Logf("on Linux it did not end; %d cases did", len(got))
	}
	return got
}

// copyForAnyone copies a suite of tests, which may lie where only root can read, into a
// new folder that anyone can write to. It is gone when the test has ended.
func copyForAnyone(ctx context.Context, t *testing.T, suite string) (folder, copied string) {
	t.Helper()
	folder, err := os.MkdirTemp("", "skerry-suite-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(folder) })
	if err := os.Chmod(folder, 0o777); err != nil {
		t.Fatal(err)
	}
	copied = filepath.Join(folder, "suite")
	if out, err := exec.CommandContext(ctx, "cp", "-a", suite, copied).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return folder, copied
}

// withoutRights has a command run as nobody, if this is root, and end with all that it
// starts.
func withoutRights(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if os.Getuid() == 0 {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: 65534, Gid: 65534}
	}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
}
