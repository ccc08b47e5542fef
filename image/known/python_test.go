package known

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"skerry/image/dynlink"
)

func TestPython(t *testing.T) {
	home := t.TempDir()
	for _, name := range []string{"bin/python3.12", "lib/python3.12/os.py", "lib/python3.11/nothing.py"} {
		p := filepath.Join(home, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, nil, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]string{"python3.12": "Python 3.12", "python3": "Python 3.12", "python": "Python 3.12", "python3.11": "", "python2.7": "", "pythonx": ""} {
		f := Lookup(&Program{Path: filepath.Join(home, "bin", name), Closure: &dynlink.Closure{}})
		switch {
		case f == nil && want == "":
		case f == nil || f.Name != want:
			t.Errorf("%s: %+v, want %q", name, f, want)
		case f.Paths[0].Host != filepath.Join(home, "lib/python3.12") || !slices.ContainsFunc(f.Notes, func(n Note) bool { return strings.Contains(n.Text, "subprocess") }):
			t.Errorf("%s: %+v", name, f)
		}
	}
	for rel, want := range map[string]bool{"test": true, "json/__pycache__": false, "json": false, "lib-dynload": false, "config-3.12-x86_64-linux-gnu": true} {
		if pythonSkip(rel, true) != want {
			t.Errorf("%s: %v", rel, !want)
		}
	}
}
