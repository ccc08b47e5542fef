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
// landmark os.py (Python's documentation, "sys.prefix"), but for tests and tools.
// Other modules are the owner's to add.
func python(p *Program) *Facts {
	if !pythonName.MatchString(p.Name()) {
		return nil
	}
	prefix := filepath.Dir(filepath.Dir(p.Path))
	var libs []string
	if name := p.Name(); pythonLib.MatchString(name) {
		libs = []string{filepath.Join(prefix, "lib", name)}
	} else {
		libs, _ = filepath.Glob(filepath.Join(prefix, "lib", "python3.*"))
	}
	for _, lib := range libs {
		base := filepath.Base(lib)
		if info, err := os.Stat(filepath.Join(lib, "os.py")); err != nil || !info.Mode().IsRegular() || !pythonLib.MatchString(base) {
			continue
		}
		f := &Facts{Name: "Python " + base[len("python"):]}
		f.Paths = append(f.Paths, Path{Host: lib, Why: "the standard library", Skip: func(rel string, dir bool) bool {
			return pythonSkip(rel, dir) || !dir && pycSkip(lib, rel, pythonMinor(base))
		}})
		for _, x := range []Path{
			{Host: opensslConf, Why: "configuration of OpenSSL"}, {Host: "/etc/ssl/certs/ca-certificates.crt", Why: "CA certificates"}, {Host: "/usr/lib/ssl/cert.pem", Why: "CA certificates"},
			{Host: "/etc/mime.types", Why: "types of files"}, {Host: "/usr/lib/locale/C.utf8", Why: "the locale C.UTF-8"},
		} {
			if exists(x.Host) {
				f.Paths = append(f.Paths, x)
			}
		}
		f.Env = []string{"LANG=C.UTF-8", "PYTHONDONTWRITEBYTECODE=1"}
		f.Notes = append(f.Notes,
			Note{Level: Info, Text: "python: modules that are not of the standard library (dist-packages, site-packages, a venv) are added with --dir; skerry trace finds them"},
			Note{Level: Info, Point: "single process", Text: "python: os.fork, subprocess and multiprocessing's processes fail with PermissionError; threads and asyncio work"})
		return f
	}
	return nil
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
