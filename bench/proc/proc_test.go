package proc

import (
	"os"
	"testing"
	"time"
)

func TestParseStat(t *testing.T) {
	line := "123 (a) b (c) S 1 123 123 0 -1 4194560 100 0 0 0 250 150 0 0 20 0 5 0 100 0 0\n"
	if d, err := parseStat([]byte(line)); err != nil || d != 4*time.Second {
		t.Error(d, err)
	}
	for _, bad := range []string{"", "1 (x", "1 (x) S 1 2 3", "1 (x) S 1 1 1 0 -1 1 1 1 1 1 u s 0"} {
		if _, err := parseStat([]byte(bad)); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
	if _, err := Time(os.Getpid()); err != nil {
		t.Error(err)
	}
	if d, err := PreciseTime(os.Getpid()); err != nil || d <= 0 {
		t.Error(d, err)
	}
	if _, err := Descendant(os.Getpid(), "no-such-name"); err == nil {
		t.Error("found a process that is not there")
	}
}
