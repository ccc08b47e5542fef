package skerrytest

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// stressReasons are why a stressor may fail in a machine.
var stressReasons = []string{
	"starts a process",
	"is not offered by this build of stress-ng, or only to root",
	"needs a device or a part of the kernel that is not there",
	"needs more memory than the test gives it",
	"makes memory executable that was written",
	"does not end without its parent",
}

// stressShort are the stressors that every change is tested with: a few of each
// kind that take seconds. None of them is on the list of those that do not pass.
var stressShort = []string{"aio", "close", "fallocate", "fcntl", "mmapmany", "mremap", "rename", "timerfd", "vm", "zero"}

// stressOps is how many operations a stressor makes, where it is not 20.
var stressOps = map[string]int{"lsearch": 1, "madvise": 1, "misaligned": 1, "stack": 5, "tree": 1}

// stressOptions make a stressor take less memory than its 256 MiB, so that it is done in
// time under an emulator.
var stressOptions = map[string][]string{
	"memfd": {"--memfd-bytes", "16M"}, "memrate": {"--memrate-bytes", "1M"}, "mmap": {"--mmap-bytes", "8M"}, "mremap": {"--mremap-bytes", "8M"}, "vm": {"--vm-bytes", "32M"},
}

// stressChild are the stressors that do all their work in one child, for which they only
// wait, so that the system may end it when memory runs out.
var stressChild = []string{
	"bigheap", "brk", "env", "filename", "flushcache", "handle", "malloc", "memfd", "memrate", "memthrash", "mlock", "mmap", "mmapaddr", "mmapfixed",
	"mmaphuge", "mmapmany", "mremap", "msyncmany", "munmap", "nice", "pagemove", "pageswap", "stack", "vm", "vm-addr",
}

// TestStress runs stress-ng's stressors, each in a machine of its own, with its own
// checks of the results. It starts a process for each; with a small library
// preloaded it goes on as that process instead, or as the one that this starts for all of
// its work (stress/nofork.c).
func TestStress(t *testing.T) {
	stress, err := exec.LookPath("stress-ng")
	if err != nil {
		t.Skip("there is no stress-ng")
	}
	skerry := skerryCommand(t)
	expected, err := readReasons("stress/expected.txt", stressReasons)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range stressShort {
		if reason, listed := expected[name]; listed {
			t.Errorf("%s is of those that every change is tested with, and on the list of those that do not pass (%s)", name, reason)
		}
	}
	dir, err := os.MkdirTemp("/var/tmp", "skerry-test-") // /tmp is not seen in a machine
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	preload := filepath.Join(dir, "nofork.so")
	if b, err := exec.Command("gcc", "-shared", "-fPIC", "-O2", "-o", preload, "stress/nofork.c").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, b)
	}
	b, err := exec.Command(stress, "--stressors").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range strings.Fields(string(b)) {
		if testing.Short() && !slices.Contains(stressShort, name) {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			slot(t)
			ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
			defer cancel()
			ops := 20
			if n, ok := stressOps[name]; ok {
				ops = n
			}
			reason, listed := expected[name]
			limit := "100s"
			if listed {
				limit = "20s"
			}
			children := "1"
			if slices.Contains(stressChild, name) {
				children = "2"
			}
			cmd := exec.CommandContext(ctx, skerry, "run", "-w", "/tmp", "-m", "512M", "--cpus", "2", "--timeout", limit, "--stop-timeout", "1s",
				"--lib", preload, "-e", "LD_PRELOAD="+preload, "-e", "NOFORK_CHILDREN="+children, stress, "--"+name, "1", fmt.Sprintf("--%s-ops", name), fmt.Sprint(ops), "--verify", "--temp-path", "/tmp")
			cmd.Args = append(cmd.Args, stressOptions[name]...)
			out, _ := cmd.CombinedOutput()
			status := cmd.ProcessState.ExitCode()
			text := string(out)
			if status == 120 {
				t.Errorf("a kernel bug: %s", tail(out, 3000))
			}
			passed := status == 0 && !strings.Contains(text, "No stress workers invoked") && !strings.Contains(text, "stress-ng: fail:")
			switch {
			case passed && listed && reason != "does not end without its parent":
				t.Errorf("passes: take it off the list (%s)", reason)
			case !passed && !listed:
				t.Errorf("status %d: %s", status, tail(out, 2000))
			case reason == "starts a process" && status == 0:
				t.Errorf("is on the list as one that starts a process, and did not: %s", tail(out, 2000))
			}
		})
	}
}

// readReasons reads a list of what does not pass, in lines "NAME REASON", each with one
// of the reasons. Lines with # are comments.
func readReasons(path string, reasons []string) (map[string]string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	list := map[string]string{}
	s := bufio.NewScanner(f)
	for n := 1; s.Scan(); n++ {
		line := strings.TrimSpace(s.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		name, reason, _ := strings.Cut(line, " ")
		if _, twice := list[name]; twice || !slices.Contains(reasons, reason) {
			return nil, fmt.Errorf("%s:%d: %q is listed twice or without a reason of the set", path, n, name)
		}
		list[name] = reason
	}
	return list, s.Err()
}
