package policy

import (
	"strconv"
	"strings"
	"testing"
)

// TestRepeats: a place and a call are told of three times, whatever the arguments,
// and all places together maxLines times.
func TestRepeats(t *testing.T) {
	n := 0
	say := func(pc uint64, what string) string {
		line := denied(pc, 1, SingleProcess, what)
		if line != "" {
			n++
		}
		return line
	}
	for i := range 10 {
		line := say(0x1000, "semget(0x"+strconv.Itoa(i)+", 1, 0)")
		if (line != "") != (i < told) {
			t.Errorf("%d: %q", i, line)
		}
		if last := strings.Contains(line, "further ones from there"); last != (i == told-1) {
			t.Errorf("%d: %q", i, line)
		}
	}
	if line := say(0x1000, "fork()"); line == "" || !strings.Contains(line, "denied fork() in thread 1 at 0x1000 (single process)") {
		t.Errorf("%q", line)
	}
	if say(0x2000, "semget(1, 1, 0)") == "" {
		t.Error("another place is not told of")
	}
	last := ""
	for pc := range uint64(20000) {
		if line := say(0x10000+pc, "fork()"); line != "" {
			last = line
		}
	}
	if n != maxLines || !strings.HasSuffix(last, "further denials are not shown") {
		t.Errorf("%d lines, the last %q", n, last)
	}
	if len(seen.count) > maxPlaces+8 {
		t.Errorf("%d places are kept", len(seen.count))
	}
}
