package vmm

import (
	"errors"
	"io"
	"strings"
	"testing"
	"time"
)

// TestReady: nothing runs before Ready has said yes, nor after it has said no.
func TestReady(t *testing.T) {
	s := newSession(t, "hello", "out:ran", "exit:3")
	s.Ready = func() error {
		time.Sleep(300 * time.Millisecond) // for a QEMU that does not wait
		if out := s.out.String(); out != "" {
			t.Errorf("it printed %q too soon", out)
		}
		return nil
	}
	if r := s.run(t); r.Status != 3 || s.out.String() != "ran" {
		t.Errorf("got %+v, output %q", r, s.out.String())
	}
	no := errors.New("no")
	s = newSession(t, "hello", "out:ran", "exit:3")
	s.Ready = func() error { return no }
	r, err := Run(&s.Config)
	var notReady *NotReady
	if r != nil || !errors.As(err, &notReady) || !errors.Is(err, no) || s.out.String() != "" {
		t.Errorf("%+v, %v, output %q", r, err, s.out.String())
	}
}

// TestNobodyReadsTheLog: the kernel learns whether what is for the log alone is
// worth making.
func TestNobodyReadsTheLog(t *testing.T) {
	for _, c := range []struct {
		log     io.Writer
		verbose func(string)
		want    string
	}{{nil, nil, "Verbose:false"}, {io.Discard, nil, "Verbose:true"}, {nil, func(string) {}, "Verbose:true"}} {
		s := newSession(t, "hello", "record", "exit:0")
		s.Log, s.Verbose = c.log, c.verbose
		s.run(t)
		if rec := s.out.String(); !strings.Contains(rec, c.want) {
			t.Errorf("no %s in %s", c.want, rec)
		}
	}
}
