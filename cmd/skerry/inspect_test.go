package main

import (
	"encoding/json"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// TestInspectLinking: inspect says whether the program's addresses are drawn, and how many
// files bind lazily.
func TestInspectLinking(t *testing.T) {
	w := newWorld(t)
	inspected := func(program string) (lines []string, i inspection) {
		t.Helper()
		if o := w.runK(t, "build", "--quiet", "-o", "x.img", program); o.status != 0 {
			t.Fatalf("%+v", o)
		}
		for line := range strings.Lines(w.run(t, "inspect", "x.img").stdout) {
			if rest, ok := strings.CutPrefix(line, "linked       "); ok {
				lines = append(lines, strings.TrimSuffix(rest, "\n"))
			}
		}
		if err := json.Unmarshal([]byte(w.run(t, "inspect", "--json", "x.img").stdout), &i); err != nil || i.Linking == nil || i.Linking.PositionIndependent == nil {
			t.Fatalf("%v, %+v", err, i)
		}
		return lines, i
	}
	const fixed = "position-dependent: its addresses are not drawn; link it with -pie (Go: -buildmode=pie)"
	const drawn = "position-independent: its addresses are drawn at each start"
	lines, i := inspected("./app")
	if l := i.Linking; !slices.Equal(lines, []string{fixed}) || *l.PositionIndependent || l.Dynamic != 0 || l.Lazy == nil || len(l.Lazy) != 0 || l.Unread != 0 {
		t.Errorf("%q, %+v", lines, l)
	}
	if _, err := exec.LookPath("gcc"); err != nil {
		t.Skip("there is no gcc")
	}
	w.put(t, "m.c", []byte("#include <stdio.h>\nint main(void){return puts(\"\")<0;}\n"), 0o600)
	for _, c := range []struct {
		args  []string
		line  string
		among bool
	}{
		{[]string{"-no-pie", "-Wl,-z,lazy"}, fixed, true},
		{[]string{"-pie", "-fPIE", "-Wl,-z,relro,-z,now"}, drawn, false},
	} {
		if b, err := exec.Command("gcc", append(c.args, "-o", "c", "m.c")...).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, b)
		}
		lines, i := inspected("./c")
		l := i.Linking
		if len(lines) == 0 || lines[0] != c.line || slices.Contains(l.Lazy, w.path("c")) != c.among || l.Dynamic < 3 {
			t.Errorf("%q: %q, %+v", c.args, lines, l)
		}
		// The C library of the host may bind lazily, or not.
		switch {
		case len(l.Lazy) == 0 && len(lines) != 1, len(l.Lazy) > 0 && len(lines) != 2:
			t.Errorf("%q: %q, %+v", c.args, lines, l)
		case len(l.Lazy) > 0 && (!strings.HasPrefix(lines[1], "lazy binding in ") || strings.Contains(lines[1], "the program among them") != c.among ||
			!strings.HasSuffix(lines[1], ": the table of the PLT stays writable; link with -Wl,-z,relro,-z,now")):
			t.Errorf("%q: %q", c.args, lines[1])
		}
	}
}
