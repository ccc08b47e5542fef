package known

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"skerry/image/dynlink"
)

func TestImported(t *testing.T) {
	for source, want := range map[string]string{
		"":                                      "",
		"import os":                             "os",
		"import os, a.b as c ,\td # e, f":       "os a d",
		"  from pkg.sub import (x,\n y)\n":      "pkg",
		"from . import x\nfrom .y import z":     "",
		"x = importlib.import_module('plug.a')": "plug",
		"__import__( \"p\")":                    "p",
		"important = 1\nfromage import\nprint('import x')": "",
		"import a; import b; from c import d":              "a b c",
		"try: import e\nexcept: from f import g":           "e f",
		"\r\nimport a\r\nimport b\r\n":                     "a b",
		"import \xff\x00, é":                               "",
		"import a\nimport a":                               "a",
	} {
		if got := strings.Join(imported([]byte(source)), " "); got != want {
			t.Errorf("%q: %q, expected %q", source, got, want)
		}
	}
}

// TestPythonBeside: modules beside a script are packed, with what they import from there,
// and nothing else of the folder is.
func TestPythonBeside(t *testing.T) {
	top := tree(t, map[string]string{
		"usr/bin/python3.12": "", "usr/lib/python3.12/os.py": "", "usr/lib/python3.12/json.py": "",
		"app/main.py":   "import json, helper\nfrom pkg.sub import thing\nimport native, app_main, nothing, data\n",
		"app/helper.py": "def f():\n    import deep\n", "app/deep.py": "import helper, main", "app/unused.py": "import other", "app/other.py": "",
		"app/pkg/__init__.py": "from . import sub", "app/pkg/sub/thing.py": "import config", "app/pkg/sub/data.json": "{}", "app/pkg/__pycache__/x.pyc": "", "app/pkg/.git/x.py": "import unused",
		"app/config.py": "", "app/native.cpython-312-x86_64-linux-gnu.so": "", "app/data/table.csv": "", "app/.env": "",
		"app/link.py": "-> main.py", "elsewhere/start.py": "-> ../app/main.py",
	})
	t.Chdir(top)
	modules := []string{"config.py", "deep.py", "helper.py", "native.cpython-312-x86_64-linux-gnu.so", "pkg"}
	for arg, guest := range map[string]string{"app/main.py": "/w/app", "elsewhere/start.py": "/w/elsewhere", filepath.Join(top, "app/main.py"): ""} {
		p := &Program{Path: filepath.Join(top, "usr/bin/python3.12"), Args: []string{arg}, Cwd: "/w", Closure: &dynlink.Closure{}}
		var got []string
		for _, x := range Lookup(p).Paths {
			if strings.HasPrefix(x.Why, "a module beside") {
				name := strings.TrimPrefix(x.Host, filepath.Join(top, "app")+"/")
				got = append(got, name)
				if to := x.Guest; guest != "" && to != guest+"/"+name || guest == "" && to != "" {
					t.Errorf("%s: %s goes to %q", arg, x.Host, to)
				}
				if x.Skip("a/__pycache__", true) != true || x.Skip("a.py", false) || x.Skip("sub", true) {
					t.Errorf("%s: what is left out of %s", arg, name)
				}
			}
		}
		slices.Sort(got)
		if !slices.Equal(got, modules) {
			t.Errorf("%s: %q, expected %q", arg, got, modules)
		}
		// What the user gave is not packed a second time.
		p.Has = func(guest string) bool { return strings.HasSuffix(guest, "/helper.py") }
		for _, x := range Lookup(p).Paths {
			if strings.HasSuffix(x.Host, "helper.py") {
				t.Errorf("%s: %s is packed", arg, x.Host)
			}
		}
	}
}

func FuzzImported(f *testing.F) {
	f.Add([]byte("import a, b.c as d\nfrom e import f\nimport_module('g')"))
	f.Fuzz(func(t *testing.T, source []byte) {
		for _, name := range imported(source) {
			if name == "" || strings.ContainsAny(name, "./*?[\\\x00") {
				t.Errorf("%q", name)
			}
		}
	})
}
