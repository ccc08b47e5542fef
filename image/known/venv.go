package known

import (
	"bufio"
	"os"
	"path/filepath"
	"strings"
)

// venv is a virtual environment of Python (PEP 405): a folder with packages, and a
// file that says where the interpreter's own library is.
type venv struct {
	dir     string
	config  string // the path of pyvenv.cfg
	home    string // the folder of the interpreter that it was made with
	version string // such as "python3.11", "" if the file does not tell
	system  bool   // the interpreter's own packages count, too
}

// venvOf is the virtual environment that Python is in when it is called by a path: the
// one of a pyvenv.cfg beside the path or one folder above, links not followed (Python's
// documentation, "site"). nil if there is none.
func venvOf(at string) *venv {
	if !filepath.IsAbs(at) {
		return nil
	}
	for _, dir := range []string{filepath.Dir(at), filepath.Dir(filepath.Dir(at))} {
		f, err := os.Open(filepath.Join(dir, "pyvenv.cfg"))
		if err != nil {
			continue
		}
		defer f.Close()
		// What is beside the path is the program's folder, and the packages are above it.
		v := &venv{dir: filepath.Dir(filepath.Dir(at)), config: f.Name()}
		for s := bufio.NewScanner(f); s.Scan(); {
			name, value, ok := strings.Cut(s.Text(), "=")
			if !ok {
				continue
			}
			value = strings.TrimSpace(value)
			switch strings.ToLower(strings.TrimSpace(name)) {
			case "home":
				v.home = value
			case "include-system-site-packages":
				v.system = strings.ToLower(value) == "true"
			case "version", "version_info": // of venv, and of virtualenv
				if n := strings.SplitN(value, ".", 3); len(n) > 1 {
					v.version = "python" + n[0] + "." + n[1]
				}
			}
		}
		return v
	}
	return nil
}

// add adds what Python reads of the environment: prefix is the interpreter's own, base
// the name of its library's folder.
func (v *venv) add(f *Facts, prefix, base string, minor int) {
	f.Paths = append(f.Paths, Path{Host: v.config, Why: "the venv's configuration"})
	dirs := []string{"lib"}
	if info, err := os.Lstat(filepath.Join(v.dir, "lib64")); err == nil && info.IsDir() {
		dirs = append(dirs, "lib64") // where that is not a link to lib
	}
	for _, d := range dirs {
		v.packages(f, filepath.Join(v.dir, d, base, "site-packages"), minor, "packages of the venv")
	}
	if !v.system {
		return
	}
	for _, dir := range sitePlaces(prefix, base) {
		v.packages(f, dir, minor, "packages of the system, which the venv includes")
	}
}

// packages adds a folder of packages, and says which other folders its .pth files
// name.
func (v *venv) packages(f *Facts, dir string, minor int, why string) {
	if !exists(dir) {
		return
	}
	f.Paths = append(f.Paths, Path{Host: dir, Why: why, Skip: func(rel string, isDir bool) bool {
		if isDir {
			return rel == "pip" // which would start programs and write here
		}
		return pycSkip(dir, rel, minor)
	}})
	list, err := filepath.Glob(filepath.Join(dir, "*.pth"))
	if err != nil {
		return // a pattern in the folder's name
	}
	for _, file := range list {
		b, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(b)) {
			line = strings.TrimSpace(line)
			if info, err := os.Stat(line); err == nil && info.IsDir() && filepath.IsAbs(line) {
				f.Notes = append(f.Notes, Note{Level: Warn, Text: "python: " + line + ", a folder of modules that " + file + " names, is not packed: add --dir " + line + ":" + line})
			}
		}
	}
}
