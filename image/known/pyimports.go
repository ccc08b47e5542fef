package known

import (
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// Bounds on what is looked into for imports: of a program's own sources and of installed
// packages. The largest sets of packages have some ten thousand sources.
const (
	maxSources    = 4000
	maxInstalled  = 30000
	maxSourceSize = 4 << 20 // bytes
)

// imports follows imports from one source to the next, and finds the modules in the
// places that Python looks into.
type imports struct {
	p      *Program
	lib    string     // the standard library's folder, which is packed by itself
	own    []*pyPlace // beside the script, the working folder: before the standard library
	sites  []*pyPlace // folders of installed packages, behind it
	minor  int
	script string // on the host

	left, leftInstalled int // sources that may still be read
	known               map[string]bool
	todo                []string
	paths               []Path
	packed              map[string]bool // paths on the host
}

// pyPlace is a folder that holds modules.
type pyPlace struct {
	host      string // "" for one that only the user's files are in
	guest     string
	installed bool
	pth       string // the .pth file that names it, if one does
	dists     []distribution
	read      bool // dists are known
}

// source notes what a source imports, and whether it imports from parts named tests.
func (w *imports) source(file string, installed bool) (tests bool) {
	left := &w.left
	if installed {
		left = &w.leftInstalled
	}
	if *left <= 0 {
		return false
	}
	text := readSource(file)
	if text == nil {
		return false
	}
	*left--
	return w.text(text, installed)
}

// text notes what a source imports, of which the bytes are given. What a program's own
// sources name in texts counts, too: Django's settings and uvicorn.run are told modules so.
func (w *imports) text(source []byte, installed bool) (tests bool) {
	s := scanPython(source)
	w.add(s.imports...)
	if !installed {
		w.add(s.texts...)
	}
	return s.tests
}

func (w *imports) add(names ...string) {
	for _, name := range names {
		if !w.known[name] {
			w.known[name] = true
			w.todo = append(w.todo, name)
		}
	}
}

// follow finds all modules that are still to be found, and what those import.
func (w *imports) follow() {
	for len(w.todo) > 0 {
		name := w.todo[0]
		w.todo = w.todo[1:]
		w.find(name, w.own, w.sites)
	}
}

// find packs a module out of the first place that has it. A folder without a source
// __init__ is a part of a namespace package, of which every place may hold another, but
// only if there is no module of that name in any (PEP 420).
func (w *imports) find(name string, own, sites []*pyPlace) bool {
	type part struct {
		pl  *pyPlace
		dir string
	}
	var parts []part
	in := func(places []*pyPlace) bool {
		for _, pl := range places {
			if w.given(path.Join(pl.guest, name)) {
				return true
			}
			if pl.host == "" {
				continue
			}
			dir := filepath.Join(pl.host, name)
			if isDir(dir) {
				if regularPackage(dir) {
					w.pack(pl, dir, name)
					return true
				}
				if !pl.installed || hasModules(dir) {
					parts = append(parts, part{pl, dir})
				}
			}
			if files := moduleFiles(pl.host, name); files != nil {
				for _, file := range files {
					w.pack(pl, file, name)
				}
				return true
			}
		}
		return false
	}
	if in(own) {
		return true
	}
	if regularPackage(filepath.Join(w.lib, name)) || moduleFiles(w.lib, name) != nil || moduleFiles(filepath.Join(w.lib, "lib-dynload"), name) != nil {
		return false
	}
	if in(sites) {
		return true
	}
	for _, part := range parts {
		if hasModules(part.dir) {
			w.pack(part.pl, part.dir, name)
		}
	}
	return len(parts) > 0
}

// given reports whether the user's own files have the module of a path without suffix, and
// reads what they import.
func (w *imports) given(at string) bool {
	if w.p.Has == nil || w.p.List == nil {
		return false
	}
	if w.p.Has(at + ".py") {
		w.left--
		w.text([]byte(w.p.text(at+".py")), false)
		return true
	}
	return w.givenFolder(at)
}

// givenFolder reads the sources of a folder of the user's; it reports whether there are any.
func (w *imports) givenFolder(at string) (yes bool) {
	for _, name := range w.p.List(at) {
		switch to := path.Join(at, name); {
		case besideSkip(name) || w.left <= 0:
		case strings.HasSuffix(name, ".py"):
			yes = true
			w.left--
			w.text([]byte(w.p.text(to)), false)
		default:
			yes = w.givenFolder(to) || yes
		}
	}
	return yes
}

// moduleFiles are the files of a module that is no package: one in machine code, which goes
// before a source (importlib's FileFinder), and the source. name is an identifier.
func moduleFiles(dir, name string) (l []string) {
	for _, pattern := range []string{name + ".cpython-3*.so", name + ".abi3.so", name + ".so"} {
		found, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			return nil // a pattern in the folder's name
		}
		l = append(l, found...)
	}
	if file := filepath.Join(dir, name+".py"); regular(file) {
		l = append(l, file)
	}
	return l
}

// regularPackage reports whether a folder is a package by its own source.
func regularPackage(dir string) bool { return moduleFiles(dir, "__init__") != nil }

// hasModules reports whether a folder holds a source or a module in machine code, here or
// further down.
func hasModules(dir string) (yes bool) {
	_ = walkModules(dir, besideSkip, func(file string) error {
		yes = true
		return fs.SkipAll
	})
	return yes
}

// walkModules visits the modules of a folder, links to it followed.
func walkModules(dir string, skip func(name string) bool, visit func(file string) error) error {
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		dir = real
	}
	return filepath.WalkDir(dir, func(file string, d fs.DirEntry, err error) error { // what cannot be read is not packed
		switch {
		case err != nil:
			return fs.SkipAll
		case d.IsDir() && file != dir && skip(d.Name()):
			return fs.SkipDir
		case d.IsDir():
			return nil
		case filepath.Ext(file) == ".py" || filepath.Ext(file) == ".so":
			return visit(file)
		}
		return nil
	})
}

// besideSkip leaves out of a package what Python makes by itself, and what is hidden.
func besideSkip(name string) bool { return name == "__pycache__" || strings.HasPrefix(name, ".") }

// pack adds a file or a package of a place, and reads what it imports.
func (w *imports) pack(pl *pyPlace, file, name string) {
	if w.packed[file] || file == w.script {
		return
	}
	w.packed[file] = true
	tests := w.sources(pl, file)
	if pl.installed {
		w.install(pl, file, name, tests)
		return
	}
	to := path.Join(pl.guest, filepath.Base(file))
	if w.p.Has != nil && w.p.Has(to) {
		return
	}
	x := named(file, to, "a module beside the script, which imports it")
	x.Skip = func(rel string, dir bool) bool { return besideSkip(filepath.Base(rel)) }
	w.paths = append(w.paths, x)
}

// sources reads the sources of a module or package. Tests of installed packages are read
// only if the rest imports from them.
func (w *imports) sources(pl *pyPlace, file string) (tests bool) {
	if !isDir(file) {
		return filepath.Ext(file) == ".py" && w.source(file, pl.installed)
	}
	read := func(skip func(string) bool) {
		_ = walkModules(file, skip, func(file string) error {
			if filepath.Ext(file) == ".py" && w.source(file, pl.installed) {
				tests = true
			}
			return nil
		})
	}
	if !pl.installed {
		read(besideSkip)
		return false
	}
	if read(installedSkip); tests {
		read(besideSkip)
	}
	return tests
}

// from adds the modules that a script imports: host is where it is on the host, "" if
// the user gives it, and guest in the machine.
func (w *imports) from(host, guest string) {
	if host == "" {
		dir := path.Dir(guest)
		w.own = append(w.own, &pyPlace{guest: dir})
		w.text([]byte(w.p.text(guest)), false)
		return
	}
	if real, err := filepath.EvalSymlinks(host); err == nil {
		host = real
	}
	w.script = host
	w.own = append(w.own, &pyPlace{host: filepath.Dir(host), guest: path.Dir(guest)})
	w.source(host, false)
}

// here is the working folder as a place of modules.
func (w *imports) here() *pyPlace { return w.folder(".") }

// folder is one that an argument names as a place of modules.
func (w *imports) folder(arg string) *pyPlace {
	host, err := filepath.Abs(arg)
	if err != nil {
		host = ""
	}
	guest := w.p.guest(arg)
	if i := slices.IndexFunc(w.own, func(pl *pyPlace) bool { return pl.guest == guest && pl.host == host }); i >= 0 {
		return w.own[i]
	}
	return &pyPlace{host: host, guest: guest}
}
