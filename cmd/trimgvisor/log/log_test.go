package log

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

type sink struct{ lines []string }

// Emit implements Emitter.
func (s *sink) Emit(_ int, l Level, _ time.Time, format string, v ...any) {
	s.lines = append(s.lines, fmt.Sprint(l)+" "+fmt.Sprintf(format, v...))
}

func TestLevels(t *testing.T) {
	target.Store(nil)
	Warningf("nowhere to go")
	early := BasicRateLimitedLogger(time.Hour) // as a package variable would be
	early.Warningf("nowhere to go, and this one must not count")
	var s sink
	SetTarget(&s)
	SetLevel(Warning)
	Warningf("w %d", 1)
	Infof("i")
	Debugf("d")
	SetLevel(Info)
	Infof("i %d", 2)
	Debugf("d")
	early.Warningf("first")
	early.Warningf("second, too soon")
	early.Debugf("not wanted")
	if got, want := strings.Join(s.lines, ","), "0 w 1,1 i 2,0 first"; got != want {
		t.Fatalf("%s, want %s", got, want)
	}
}

func TestRate(t *testing.T) {
	var s sink
	SetTarget(&s)
	SetLevel(Warning)
	l := BasicRateLimitedLogger(time.Nanosecond)
	for range 3 {
		l.Warningf("x")
		for t := time.Now(); time.Since(t) < time.Microsecond; {
		}
	}
	if len(s.lines) != 3 {
		t.Fatalf("%d of 3 messages came, each a period after the last", len(s.lines))
	}
}

func TestBug(t *testing.T) {
	var s sink
	SetTarget(&s)
	SetLevel(Warning)
	for range 3 {
		BugTracebackOnce(errors.New("boom"))
	}
	if len(s.lines) != 1 || !strings.Contains(s.lines[0], "boom") || !strings.Contains(s.lines[0], "TestBug") {
		t.Fatalf("%q", s.lines)
	}
}
