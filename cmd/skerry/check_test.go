package main

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestCheck(t *testing.T) {
	w := newWorld(t)
	o := w.runK(t, "check", "./app", "a", "-b")
	if o.status != 0 || !strings.HasSuffix(o.stdout, "verdict: ok\n") || !strings.Contains(o.stdout, w.path("app")+"  · the program") {
		t.Errorf("%+v", o)
	}
	o = w.runK(t, "check", "--json", "./app", "a", "-b")
	var c struct {
		Program, Verdict, Error string
		Args                    []string
		Files                   []struct{ Path, Why string }
	}
	if err := json.Unmarshal([]byte(o.stdout), &c); err != nil || o.status != 0 {
		t.Fatalf("%v: %+v", err, o)
	}
	if c.Program != w.path("app") || c.Verdict != "ok" || strings.Join(c.Args, " ") != "./app a -b" || len(c.Files) != 1 || c.Files[0].Why != "the program" {
		t.Errorf("%+v", c)
	}
	w.put(t, "text", []byte("hello"), 0o755)
	o = w.runK(t, "check", "./text")
	if o.status != 126 || !strings.HasSuffix(o.stdout, "./text: is not an ELF program\nverdict: cannot run\n") {
		t.Errorf("%+v", o)
	}
	o = w.runK(t, "check", "--json", "./text")
	c.Error = ""
	if err := json.Unmarshal([]byte(o.stdout), &c); err != nil || o.status != 126 || c.Verdict != "cannot run" || c.Error == "" {
		t.Errorf("%v: %+v", err, o)
	}
	if o = w.runK(t, "check", "./none"); o.status != 127 {
		t.Errorf("%+v", o)
	}
	w.run(t, "build", "--kernel", "kernel", "-o", "x.img", "./app")
	if o = w.runK(t, "check", "./x.img"); o.status != 125 || !strings.Contains(o.stderr, "is an image already") {
		t.Errorf("%+v", o)
	}
}
