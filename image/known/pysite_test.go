package known

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"skerry/image/dynlink"
)

// TestScanPython: statements are told from texts and comments.
func TestScanPython(t *testing.T) {
	for source, want := range map[string]string{
		"'''\nimport a\n'''\nimport b": "b", "\"\"\"it's\nfrom a import x\n\"\"\"": "", "# import a\nimport b # import c\nimport d": "b d",
		"x = 'import a'; import b": "b", "import a, \\\n  b": "a b", "from \\\n a.b import (c)": "a", "r'\\'\nimport a": "a", "x = 'unfinished\nimport a": "a",
		"yield from a\nfrom .b import c": "", "#": "", "'": "", "\\": "",
	} {
		if got := strings.Join(imported([]byte(source)), " "); got != want {
			t.Errorf("%q: %q, expected %q", source, got, want)
		}
	}
	s := scanPython([]byte("run('main:app')\nx = 'site.settings', 'word', '1.2', '/a.b', 'a b.c'"))
	if !slices.Equal(s.texts, []string{"main", "site"}) || s.tests {
		t.Errorf("%+v", s)
	}
	if s = scanPython([]byte("INSTALLED_APPS = ['polls', 'rest.apps.C']")); !slices.Equal(s.texts, []string{"polls", "rest"}) {
		t.Errorf("%+v", s)
	}
	if !scanPython([]byte("from .tests.x import y")).tests || scanPython([]byte("import testss")).tests {
		t.Error("tests")
	}
}

// packedBy are the paths below top that a program's arguments bring, sorted, but for its
// standard library.
func packedBy(t *testing.T, top string, p *Program) (list []string) {
	t.Helper()
	p.Path = filepath.Join(top, "usr/bin/python3.12")
	p.Closure, p.Cwd = &dynlink.Closure{}, "/w"
	for _, x := range Lookup(p).Paths {
		rel, ok := strings.CutPrefix(x.Host, top+"/")
		if !ok || rel == "usr/lib/python3.12" {
			continue
		}
		rel = strings.TrimPrefix(rel, "usr/lib/python3.12/site-packages/")
		if x.Guest != "" {
			rel += "=" + x.Guest
		}
		list = append(list, rel)
	}
	slices.Sort(list)
	return list
}

// TestPythonServers: those that serve from other processes are told of.
func TestPythonServers(t *testing.T) {
	for line, want := range map[string]string{
		"/usr/bin/gunicorn app:app": "forks its workers", "-m gunicorn.app app": "forks its workers", "-m uvicorn app:app --workers=2": "--workers starts", "-m flask --debug run": "--debug starts",
		"-m uvicorn app:app": "", "-m uvicorn app:app --workers 1": "", "-m uvicorn --reload app:app": "--reload starts", "app.py --workers 2": "", "-m flask run": "", "": "",
	} {
		if got := processServer(pythonArgs(strings.Fields(line))); want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%s: %q", line, got)
		}
	}
}

// TestPythonInstalled: installed packages are packed as far as they are imported, with
// their metadata.
func TestPythonInstalled(t *testing.T) {
	const site = "usr/lib/python3.12/site-packages/"
	top := tree(t, map[string]string{
		"usr/bin/python3.12": "", "usr/lib/python3.12/os.py": "", "usr/lib/python3.12/json/__init__.py": "import unused", "usr/lib/python3.12/lib-dynload/_x.cpython-312-x86_64-linux-gnu.so": "",
		site + "web/__init__.py": "from .sub import x\nimport helper_one as h", site + "web/sub.py": "try:\n    import missing, fast\nexcept ImportError: pass", site + "web/tests/t.py": "import unused",
		site + "web/__pycache__/old.cpython-312.pyc": "", site + "web/page.html": "",
		site + "Web_Server-1.0.dist-info/RECORD": "web/__init__.py,,\nWeb_Server-1.0.dist-info/RECORD,,\n../../bin/x,,\n", site + "Web_Server-1.0.dist-info/entry_points.txt": "",
		site + "helper_one.py": "import json, _x", site + "helper.one-2.egg-info": "",
		site + "fast.abi3.so": "", site + "Fast-3.egg-info/top_level.txt": "fast\n_fast\n", site + "fast.libs/libfast.so": "",
		site + "json/__init__.py": "", site + "_x.py": "", site + "unused.py": "", site + "unused-1.dist-info/top_level.txt": "unused",
		site + "space/one/__init__.py": "import helper_one", site + "space/two/data": "", site + "empty/data": "", site + "keeps/__init__.py": "from keeps.tests import x", site + "keeps/tests/x.py": "import unused",
		site + "more.pth": "# note\nimport sys\n../../../../elsewhere\n/none\n", "elsewhere/edited/__init__.py": "",
		"srv/app.py": "import web", "srv/space.py": "import space", "srv/empty.py": "import empty", "srv/keeps.py": "", "srv/keep/run.py": "import keeps", "srv/edit.py": "import edited",
		"srv/bin/tool": "load_entry_point('web-server==1.0', 'console_scripts', 'x')", "srv/own.py": "import web\n", "srv/web.py": "", "srv/sub/other.py": "import web\n",
	})
	t.Chdir(filepath.Join(top, "srv"))
	web := []string{"Fast-3.egg-info", "Web_Server-1.0.dist-info", "fast.abi3.so", "fast.libs", "helper.one-2.egg-info", "helper_one.py", "web"}
	with := func(more ...string) []string {
		l := append(slices.Clone(web), more...)
		slices.Sort(l)
		return l
	}
	for args, want := range map[string][]string{
		"sub/other.py":                         with("srv/sub/other.py=/w/sub/other.py"),
		"own.py":                               {"srv/own.py=/w/own.py", "srv/web.py=/w/web.py"},
		"keep/run.py":                          {"keeps", "srv/keep/run.py=/w/keep/run.py", "unused-1.dist-info", "unused.py"},
		"edit.py":                              {"elsewhere/edited", "more.pth", "srv/edit.py=/w/edit.py"},
		"bin/tool run app x own.none":          with("srv/app.py=/w/app.py", "srv/bin/tool=/w/bin/tool", "srv/own.py=/w/own.py", "srv/web.py=/w/web.py"),
		"-m json own":                          nil,
		"-m helper_one --app=edit.py":          {"elsewhere/edited", "helper.one-2.egg-info", "helper_one.py", "more.pth", "srv/edit.py=/w/edit.py"},
		"-mhelper_one --app-dir sub other:app": {"helper.one-2.egg-info", "helper_one.py", "srv/sub/other.py=/w/sub/other.py", "srv/web.py=/w/web.py"},
		"-m unused.part nothing":               {"unused-1.dist-info", "unused.py"},
	} {
		if got := packedBy(t, top, &Program{Args: strings.Fields(args)}); !slices.Equal(got, want) {
			t.Errorf("%s: %q, expected %q", args, got, want)
		}
	}
	if got := packedBy(t, top, &Program{Args: []string{"-c", "import fast"}}); !slices.Equal(got, []string{"Fast-3.egg-info", "fast.abi3.so", "fast.libs"}) {
		t.Errorf("-c: %q", got)
	}
	// By its first line; the user's own files.
	if got := packedBy(t, top, &Program{Args: []string{"/srv/x"}, Script: filepath.Join(top, "srv/sub/other.py"), Has: func(p string) bool { return p == "/srv/x" }}); !slices.Equal(got, web) {
		t.Errorf("a script: %q", got)
	}
	files := map[string]string{"/given/main.py": "import part", "/given/part/a.py": "import fast"}
	p := &Program{Args: []string{"/given/main.py"}, Read: func(p string) []byte { return []byte(files[p]) }, Has: func(p string) bool { _, ok := files[p]; return ok },
		List: func(p string) []string { return map[string][]string{"/given/part": {"a.py", "b"}}[p] }}
	if got := packedBy(t, top, p); !slices.Equal(got, []string{"Fast-3.egg-info", "fast.abi3.so", "fast.libs"}) {
		t.Errorf("given: %q", got)
	}
	for script, want := range map[string][]string{"space.py": {"srv/space.py=/w/space.py"}, "empty.py": {"srv/empty.py=/w/empty.py"}} {
		if got := packedBy(t, top, &Program{Args: []string{script}}); !slices.Equal(got, want) { // it imports itself
			t.Errorf("%s: %q", script, got)
		}
	}
	t.Chdir(top)
	if got := packedBy(t, top, &Program{Args: []string{"-c", "import space, empty"}}); !slices.Equal(got, []string{"helper.one-2.egg-info", "helper_one.py", "space"}) {
		t.Errorf("a namespace: %q", got)
	}
	for _, x := range Lookup(&Program{Path: filepath.Join(top, "usr/bin/python3.12"), Args: []string{"srv/sub/other.py"}, Closure: &dynlink.Closure{}}).Paths {
		if filepath.Base(x.Host) == "web" && (!x.Skip("a/tests", true) || x.Skip("a/tests.py", false) || x.Skip("page.html", false) || !x.Skip("__pycache__/old.cpython-312.pyc", false)) {
			t.Errorf("what is left out of %s", x.Host)
		}
	}
}
