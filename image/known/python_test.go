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

func TestPythonScript(t *testing.T) {
	for line, want := range map[string]string{
		"": "", "app.py": "app.py", "app.py -c x": "app.py", "-u app.py x": "app.py", "-W ignore app.py": "app.py", "-Wignore app.py": "app.py", "-uX dev -B app.py": "app.py",
		"-c print(1) x": "", "-m http.server 80": "", "-um http.server": "", "- x": "", "--check-hash-based-pycs always app.py": "app.py", "--version": "", "-W": "", "-I -S -E /x/app.py": "/x/app.py",
	} {
		if got := pythonArgs(strings.Fields(line)).script; got != want {
			t.Errorf("%s: %q, expected %q", line, got, want)
		}
	}
}

// TestVenv: a venv is known by the path that its Python is called by.
func TestVenv(t *testing.T) {
	top := tree(t, map[string]string{
		"base/bin/python3.12": "", "base/lib/python3.12/os.py": "", "base/lib/python3.12/site-packages/sys.py": "", "elsewhere/x.py": "",
		"venv/bin/python3": "-> ../../base/bin/python3.12", "venv/bin/python": "-> python3", "venv/lib/python3.12/site-packages/mod.py": "", "venv/lib64": "-> lib",
		"copied/bin/python3": "", "copied/lib/python3.12/site-packages/mod.py": "", "copied/lib64/python3.12/site-packages/b.py": "",
		"app.py": "", "plain/bin/python3": "-> ../../base/bin/python3.12",
	})
	put := func(name, text string) {
		if err := os.WriteFile(filepath.Join(top, name), []byte(strings.ReplaceAll(text, "@", top)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	put("venv/pyvenv.cfg", "home = @/base/bin\ninclude-system-site-packages = false\nversion = 3.12.1\n")
	put("venv/lib/python3.12/site-packages/x.pth", "import sys\n# note\n@/elsewhere\n@/none\nrelative\n")
	put("copied/pyvenv.cfg", "HOME=@/base/bin\nInclude-System-Site-Packages = True\nversion_info = 3.12.1.final.0\n")
	t.Chdir(top)
	for _, c := range []struct {
		path, at, name string
		venv           bool
		want           []string
		warn           string
	}{
		{"base/bin/python3.12", "venv/bin/python", "Python 3.12", true,
			[]string{"/base/lib/python3.12", "/venv/pyvenv.cfg", "/venv/lib/python3.12/site-packages", "/app.py=/w/app.py"}, "@/elsewhere, a folder of modules that @/venv/lib/python3.12/site-packages/x.pth names"},
		{"copied/bin/python3", "copied/bin/python3", "Python 3.12", true,
			[]string{"/base/lib/python3.12", "/copied/pyvenv.cfg", "/copied/lib/python3.12/site-packages", "/copied/lib64/python3.12/site-packages", "/base/lib/python3.12/site-packages", "/app.py=/w/app.py"}, ""},
		{"base/bin/python3.12", "plain/bin/python3", "Python 3.12", false, []string{"/base/lib/python3.12", "/app.py=/w/app.py"}, ""},
		{"base/bin/python3.12", "", "Python 3.12", false, []string{"/base/lib/python3.12", "/app.py=/w/app.py"}, ""},
		{"base/bin/python3.12", "venv/bin/hidden", "Python 3.12", false, []string{"/base/lib/python3.12", "/app.py=/w/app.py"}, "the venv @/venv is not seen in a machine"},
	} {
		p := &Program{Path: filepath.Join(top, c.path), Args: []string{"app.py"}, Cwd: "/w", Closure: &dynlink.Closure{}}
		if c.at != "" {
			p.At = filepath.Join(top, c.at)
		}
		if strings.HasSuffix(c.at, "hidden") {
			p.Hidden = func(string) bool { return true }
		}
		f := Lookup(p)
		if f == nil || f.Name != c.name || (f.Argv0 == p.At && p.At != "") != c.venv ||
			c.venv != slices.ContainsFunc(f.Notes, func(n Note) bool {
				return n.Text == "python: it runs in the venv "+filepath.Dir(filepath.Dir(p.At))+", whose packages are packed"
			}) {
			t.Errorf("%s: %+v", c.at, f)
			continue
		}
		got := slices.DeleteFunc(hosts(f, top), func(h string) bool { return strings.HasPrefix(h, "/etc/") || strings.HasPrefix(h, "/usr/") })
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, expected %v", c.at, got, c.want)
		}
		if warn := strings.Join(notes(f), "\n"); c.warn == "" && warn != "" || !strings.Contains(warn, strings.ReplaceAll(c.warn, "@", top)) {
			t.Errorf("%s: %s", c.at, warn)
		}
	}
}
