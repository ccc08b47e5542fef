package main

import (
	"encoding/json"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// TestWarnings: of a program that is known, run and build warn of what check warns of,
// and of nothing else.
func TestWarnings(t *testing.T) {
	w := newWorld(t)
	w.put(t, "nginx", program(), 0o755) // known by its name
	w.put(t, "nginx.conf", []byte("pid /srv/none.pid;\n"), 0o644)
	w.put(t, "fine.conf", []byte("error_log /dev/stderr;\n"), 0o644)
	for _, c := range []struct {
		args  []string
		warns int
	}{
		{[]string{"./nginx", "-c", w.path("fine.conf")}, 1},
		{[]string{"./nginx", "-c", w.path("nginx.conf"), "-g", "master_process off;"}, 2},
		{[]string{"./nginx", "-c", w.path("fine.conf"), "-g", "master_process off; daemon off;"}, 0},
		{[]string{"./app"}, 0},
	} {
		args := c.args
		lines := func(text, prefix string) (list []string) {
			for l := range strings.Lines(text) {
				if rest, ok := strings.CutPrefix(l, prefix); ok {
					list = append(list, strings.TrimSuffix(rest, "\n"))
				}
			}
			return list
		}
		want := lines(w.runK(t, append([]string{"check"}, args...)...).stdout, "warning: ")
		for i := range want { // which names the point of the model, too
			want[i] = strings.TrimSuffix(want[i], " (single process)")
		}
		for _, verb := range [][]string{{"build", "-o", "x.img"}, {"run"}} {
			o := w.runK(t, append(verb, args...)...)
			if got := lines(o.stderr, "skerry: warning: "); !slices.Equal(got, want) {
				t.Errorf("%s %q warns of %q, check of %q", verb[0], args, got, want)
			}
		}
		if len(want) != c.warns {
			t.Errorf("check %q warns of %q, expected %d", args, want, c.warns)
		}
	}
}

// TestImportWarnings: of a program that is not known, check and build warn of what its
// imports show. run does not: most programs never call these.
func TestImportWarnings(t *testing.T) {
	w := newWorld(t)
	nohup, err := exec.LookPath("nohup")
	if err != nil {
		t.Skip("nohup is not installed")
	}
	const text = "it can start other programs (execvp)"
	if o := w.runK(t, "check", nohup); o.status != 0 || !strings.Contains(o.stdout, "warning: "+text) {
		t.Errorf("%+v", o)
	}
	if o := w.runK(t, "build", "-o", "x.img", nohup); o.status != 0 || !strings.Contains(o.stderr, "skerry: warning: "+text) {
		t.Errorf("%+v", o)
	}
	if o := w.runK(t, "run", nohup); strings.Contains(o.stderr, text) {
		t.Errorf("%+v", o)
	}
}

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
