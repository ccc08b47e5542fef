package known

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

var (
	pythonName = regexp.MustCompile(`^python(3(\.\d+)?)?$`)
	pythonLib  = regexp.MustCompile(`^python3\.\d+$`)
)

// python knows CPython 3: its standard library, found as the interpreter does by the
// landmark os.py (Python's documentation, "sys.prefix"), but for tests and tools; the
// packages of a venv that it is called in; and the script or module that its arguments
// name, with the modules beside it and the installed packages that it imports.
func python(p *Program) *Facts {
	if !pythonName.MatchString(p.Name()) {
		return nil
	}
	v := venvOf(p.At)
	prefixes := []string{filepath.Dir(filepath.Dir(p.Path))}
	if v != nil && v.home != "" {
		prefixes = []string{filepath.Dir(v.home), prefixes[0]}
	}
	for _, prefix := range prefixes {
		var libs []string
		if name := p.Name(); pythonLib.MatchString(name) {
			libs = []string{filepath.Join(prefix, "lib", name)}
		} else if v != nil && pythonLib.MatchString(v.version) {
			libs = []string{filepath.Join(prefix, "lib", v.version)}
		} else {
			libs, _ = filepath.Glob(filepath.Join(prefix, "lib", "python3.*"))
		}
		for _, lib := range libs {
			if info, err := os.Stat(filepath.Join(lib, "os.py")); err == nil && info.Mode().IsRegular() && pythonLib.MatchString(filepath.Base(lib)) {
				return p.pythonFacts(prefix, lib, v)
			}
		}
	}
	return nil
}

// pythonFacts are those of the Python whose standard library is lib.
func (p *Program) pythonFacts(prefix, lib string, v *venv) *Facts {
	base := filepath.Base(lib)
	minor := pythonMinor(base)
	f := &Facts{Name: "Python " + base[len("python"):]}
	f.Paths = append(f.Paths, Path{Host: lib, Why: "the standard library", Skip: func(rel string, dir bool) bool {
		return pythonSkip(rel, dir) || !dir && pycSkip(lib, rel, minor)
	}})
	for _, x := range append(p.certificates(), []Path{
		{Host: opensslConf, Why: "configuration of OpenSSL"},
		{Host: "/etc/mime.types", Why: "types of files"}, utf8Locale,
		TimeZones(), // for its module zoneinfo
	}...) {
		if exists(x.Host) {
			f.Paths = append(f.Paths, x)
		}
	}
	f.Env = []string{"LANG=C.UTF-8", "PYTHONDONTWRITEBYTECODE=1"}
	switch {
	case v == nil:
		f.Notes = append(f.Notes, Note{Level: Info,
			Text: "python: of the modules beside the script and the packages that are installed for it, those are packed that a source imports; what is imported by a name that is made at run time is added with --dir, and skerry trace finds it"})
	case p.hides(v.dir):
		f.Notes = append(f.Notes, Note{Level: Warn,
			Text: "python: the venv " + v.dir + " is not seen in a machine, which mounts a file system of its own there: make it in another folder"})
	default:
		f.Notes = append(f.Notes, Note{Level: Info, Text: "python: it runs in the venv " + v.dir + ", whose packages are packed"})
		f.Argv0 = p.At // by which it finds the venv, and a relative path would not lead there
		v.add(f, prefix, base, minor)
	}
	var dirs []string
	if v == nil {
		dirs = sitePlaces(prefix, base)
	}
	f.Paths = append(f.Paths, p.pythonModules(lib, dirs, minor)...)
	if text := processServer(pythonArgs(p.Args)); text != "" {
		f.warn(oneProcess, text)
	}
	f.Notes = append(f.Notes,
		Note{Level: Info, Point: "single process", Text: "python: os.fork, subprocess and multiprocessing's processes fail with PermissionError; threads and asyncio work"})
	return f
}

// pythonMinor is the 11 of "python3.11".
func pythonMinor(name string) int {
	n, err := strconv.Atoi(strings.TrimPrefix(name, "python3."))
	if err != nil {
		return 0
	}
	return n
}

// pythonSkip leaves out tests, documents, tools with windows, and what builds
// extensions.
func pythonSkip(rel string, dir bool) bool {
	if dir {
		switch filepath.Base(rel) {
		case "test", "tests", "idlelib", "tkinter", "turtledemo", "lib2to3", "ensurepip", "site-packages", "dist-packages", "pydoc_data", "venv":
			return true
		}
		return regexp.MustCompile(`^config-3\.`).MatchString(filepath.Base(rel))
	}
	return filepath.Ext(rel) == ".a"
}
