package known

import (
	"bufio"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// sitePlaces are the folders of a Python's installed packages in the order of sys.path
// (Python's documentation, "site"; Debian's has dist-packages instead, README.Debian).
func sitePlaces(prefix, base string) (list []string) {
	var dirs []string
	if prefix == "/usr" {
		dirs = []string{"/usr/local/lib/" + base + "/dist-packages", "/usr/lib/python3/dist-packages", "/usr/lib/" + base + "/dist-packages",
			"/usr/local/lib64/" + base + "/site-packages", "/usr/local/lib/" + base + "/site-packages"}
	}
	dirs = append(dirs, filepath.Join(prefix, "lib64", base, "site-packages"), filepath.Join(prefix, "lib", base, "site-packages"))
	for _, dir := range dirs {
		real, err := filepath.EvalSymlinks(dir)
		if err == nil && !slices.ContainsFunc(list, func(l string) bool { r, err := filepath.EvalSymlinks(l); return err == nil && r == real }) {
			list = append(list, dir)
		}
	}
	return list
}

// sites are the places of installed packages, each followed by the folders that its .pth
// files name (Python's documentation, "site").
func sites(dirs []string) (list []*pyPlace) {
	for _, dir := range dirs {
		list = append(list, &pyPlace{host: dir, guest: dir, installed: true})
		files, err := filepath.Glob(filepath.Join(dir, "*.pth"))
		if err != nil {
			continue // a pattern in the folder's name
		}
		for _, file := range files {
			for _, folder := range pthFolders(file) {
				list = append(list, &pyPlace{host: folder, guest: folder, installed: true, pth: file})
			}
		}
	}
	return list
}

// pthFolders are the folders that a .pth file names, as far as they are there.
func pthFolders(file string) (list []string) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil
	}
	for line := range strings.Lines(string(b)) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") || strings.HasPrefix(line, "import ") || strings.HasPrefix(line, "import\t") {
			continue
		}
		if !filepath.IsAbs(line) {
			line = filepath.Join(filepath.Dir(file), line)
		}
		if isDir(line) {
			list = append(list, line)
		}
	}
	return list
}

// installedSkip leaves out of installed packages what besideSkip does, and tests.
func installedSkip(name string) bool { return besideSkip(name) || name == "tests" }

// install adds a module or package that is installed with what belongs to it: metadata,
// which importlib.metadata reads, libraries, the compiled form of a module.
func (w *imports) install(pl *pyPlace, file, name string, tests bool) {
	const why = "an installed package that is imported"
	dir, minor := file, w.minor
	w.paths = append(w.paths, Path{Host: file, Why: why, Skip: func(rel string, isDir bool) bool {
		return !tests && isDir && path.Base(rel) == "tests" || !isDir && pycSkip(dir, rel, minor)
	}})
	more := func(file, why string) {
		if !w.packed[file] {
			w.packed[file] = true
			w.paths = append(w.paths, Path{Host: file, Why: why})
		}
	}
	if module, ok := strings.CutSuffix(filepath.Base(file), ".py"); ok {
		list, err := filepath.Glob(filepath.Join(pl.host, "__pycache__", module+".cpython-3*.pyc"))
		for _, pyc := range list {
			if rel, e := filepath.Rel(pl.host, pyc); err == nil && e == nil && !pycSkip(pl.host, rel, minor) {
				more(pyc, why)
			}
		}
	}
	if pl.pth != "" {
		more(pl.pth, "it names the folder "+pl.host)
	}
	// Where wheels have the libraries that they bring (auditwheel).
	if libs := filepath.Join(pl.host, name+".libs"); exists(libs) {
		more(libs, "libraries of the package "+name)
	}
	for _, d := range pl.distributions() {
		if slices.Contains(d.modules, name) {
			more(d.file, "metadata of the package "+name)
			if libs := filepath.Join(pl.host, d.name+".libs"); exists(libs) {
				more(libs, "libraries of the package "+name)
			}
		}
	}
}

// distribution is what was installed as one (PyPA, "Recording installed projects").
type distribution struct {
	name    string // as the metadata's file has it
	file    string // a folder or, of the oldest form, a file
	modules []string
}

var nameRuns = regexp.MustCompile(`[-_.]+`)

// sameProject reports whether two names are one (PyPA, "Names and normalization").
func sameProject(a, b string) bool {
	norm := func(s string) string { return strings.ToLower(nameRuns.ReplaceAllString(s, "-")) }
	return norm(a) == norm(b)
}

// distributions are those whose metadata lies in a place.
func (pl *pyPlace) distributions() []distribution {
	if pl.read {
		return pl.dists
	}
	pl.read = true
	entries, err := os.ReadDir(pl.host)
	if err != nil {
		return nil
	}
	for _, e := range entries {
		base, dist := strings.CutSuffix(e.Name(), ".dist-info")
		if !dist {
			var egg bool
			if base, egg = strings.CutSuffix(e.Name(), ".egg-info"); !egg {
				continue
			}
		}
		d := distribution{file: filepath.Join(pl.host, e.Name())}
		d.name, _, _ = strings.Cut(base, "-")
		d.modules = topLevel(filepath.Join(d.file, "top_level.txt"))
		if d.modules == nil && dist {
			d.modules = recorded(filepath.Join(d.file, "RECORD"))
		}
		if d.modules == nil {
			d.modules = []string{d.name, strings.ToLower(nameRuns.ReplaceAllString(d.name, "_"))}
		}
		pl.dists = append(pl.dists, d)
	}
	return pl.dists
}

// topLevel reads the names of a top_level.txt (setuptools), one a line.
func topLevel(file string) (names []string) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil
	}
	for _, line := range strings.Fields(string(b)) {
		first, _, _ := strings.Cut(line, "/")
		names = append(names, first)
	}
	return names
}

// recorded are the names of modules by the files that a RECORD lists: PATH,HASH,SIZE lines,
// paths relative to the place.
func recorded(file string) (names []string) {
	f, err := os.Open(file)
	if err != nil {
		return nil
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		first, _, _ := strings.Cut(strings.TrimPrefix(s.Text(), `"`), ",")
		first, _, folder := strings.Cut(first, "/")
		if !folder {
			first, _, _ = strings.Cut(first, ".") // NAME.py, NAME.cpython-311-x86_64-linux-gnu.so
		}
		if plainText.MatchString(first) && !slices.Contains(names, first) {
			names = append(names, first)
		}
	}
	return names
}

// entryPoint is how a script that pip or setuptools made names the distribution whose
// function it calls.
var entryPoint = regexp.MustCompile(`(?:load_entry_point\(|\bdistribution\(|__requires__\s*=)\s*["']([A-Za-z0-9][A-Za-z0-9._-]*)`)

// entryPoints adds the modules of the distributions that a script names so.
func (w *imports) entryPoints(script string) {
	for _, m := range entryPoint.FindAllStringSubmatch(script, -1) {
		for _, pl := range w.sites {
			for _, d := range pl.distributions() {
				if sameProject(d.name, m[1]) {
					w.add(d.modules...)
				}
			}
		}
	}
}
