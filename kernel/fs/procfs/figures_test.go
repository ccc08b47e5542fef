package procfs

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestFigures: files of names and numbers have the names and the order that the
// host's have, and their values come from the source.
func TestFigures(t *testing.T) {
	c, _ := world(t)
	numbers := regexp.MustCompile(`[0-9]+`)
	for _, path := range []string{"/proc/self/io", "/proc/self/timerslack_ns", "/proc/self/coredump_filter"} {
		want, err := os.ReadFile(path)
		if err != nil {
			t.Log(err)
			continue
		}
		got := read(t, c, path)
		if numbers.ReplaceAllString(got, "N") != numbers.ReplaceAllString(string(want), "N") {
			t.Errorf("%s: %q, host %q", path, got, want)
		}
	}
	host, err := os.ReadFile("/proc/vmstat")
	if err != nil {
		t.Skip(err)
	}
	for _, line := range strings.Split(strings.TrimSpace(read(t, c, "/proc/vmstat")), "\n") {
		name, _, ok := strings.Cut(line, " ")
		if !ok || !strings.Contains("\n"+string(host), "\n"+name+" ") {
			t.Errorf("vmstat: %q, which the host has not", line)
		}
	}
	if got := read(t, c, "/proc/vmstat"); !strings.Contains(got, "nr_free_pages 25600\n") {
		t.Errorf("%q", got)
	}
	if got := read(t, c, "/proc/self/status"); !strings.Contains(got, "THP_enabled:\t1\n") {
		t.Error("THP_enabled")
	}
}
