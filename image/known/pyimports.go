package known

import (
	"bytes"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Bounds on what is looked into for imports: a program's own sources have less.
const (
	maxSources    = 4000
	maxSourceSize = 4 << 20 // bytes
)

var (
	// Statements of Python's grammar ("import_stmt"), at the start of a line or behind another
	// (try: import x); several modules may stand behind import. What looks like one inside of a text does no harm:
	// there is a module of that name beside the script, or there is not.
	importLine = regexp.MustCompile(`(?m)(?:^|[;:])[ \t]*import[ \t]+([^#;\n]+)`)
	fromLine   = regexp.MustCompile(`(?m)(?:^|[;:])[ \t]*from[ \t]+([A-Za-z_]\w*)[\w.]*[ \t]+import\b`)
	importCall = regexp.MustCompile(`\b(?:import_module|__import__)\([ \t]*["']([A-Za-z_]\w*)`)
	identifier = regexp.MustCompile(`^[A-Za-z_]\w*`)
)

// imported are the first parts of the names of modules that a source imports, but for
// relative imports, which stay inside a package.
func imported(source []byte) (names []string) {
	add := func(name string) {
		if name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for _, m := range importLine.FindAllSubmatch(source, -1) {
		for part := range bytes.SplitSeq(m[1], []byte(",")) {
			add(string(identifier.Find(bytes.TrimSpace(part))))
		}
	}
	for _, re := range []*regexp.Regexp{fromLine, importCall} {
		for _, m := range re.FindAllSubmatch(source, -1) {
			add(string(m[1]))
		}
	}
	return names
}

// beside are the modules that a script imports from its own folder, which is the first
// that Python looks into (Python's documentation, "sys.path"), and those that these import
// from there: files, packages whole, and modules in machine code.
func (p *Program) beside(arg string) (l []Path) {
	host, guest, ok := p.argument(arg)
	if real, err := filepath.EvalSymlinks(host); err == nil {
		host = real
	}
	if info, err := os.Stat(host); !ok || err != nil || !info.Mode().IsRegular() {
		return nil
	}
	w := &imports{dir: filepath.Dir(host), sources: maxSources, known: map[string]bool{}}
	w.source(host)
	for len(w.todo) > 0 {
		name := w.todo[0]
		w.todo = w.todo[1:]
		for _, file := range w.module(name) {
			if file == host {
				continue
			}
			to := path.Join(path.Dir(guest), filepath.ToSlash(strings.TrimPrefix(file, w.dir)))
			if p.Has != nil && p.Has(to) {
				continue
			}
			x := named(file, to, "a module beside the script, which imports it")
			x.Skip = func(rel string, dir bool) bool { return besideSkip(filepath.Base(rel)) }
			l = append(l, x)
		}
	}
	return l
}

// besideSkip leaves out of a package what Python makes by itself, and what is hidden.
func besideSkip(name string) bool { return name == "__pycache__" || strings.HasPrefix(name, ".") }

// imports follows imports from one source to the next.
type imports struct {
	dir     string
	sources int // that may still be read
	known   map[string]bool
	todo    []string
}

// source reads what a source imports.
func (w *imports) source(file string) {
	info, err := os.Stat(file)
	if err != nil || !info.Mode().IsRegular() || info.Size() > maxSourceSize || w.sources == 0 {
		return
	}
	w.sources--
	text, err := os.ReadFile(file)
	if err != nil {
		return
	}
	for _, name := range imported(text) {
		if !w.known[name] {
			w.known[name] = true
			w.todo = append(w.todo, name)
		}
	}
}

// module are the files or the folder of a module in the script's folder, none if it is not
// there. A package goes before a module in machine code, and that before a source
// (importlib's FileFinder).
func (w *imports) module(name string) []string {
	if dir := filepath.Join(w.dir, name); w.isPackage(dir) {
		return []string{dir}
	}
	var l []string
	for _, pattern := range []string{name + ".cpython-3*.so", name + ".abi3.so", name + ".so"} {
		found, _ := filepath.Glob(filepath.Join(w.dir, pattern)) // an identifier: the pattern is right
		l = append(l, found...)
	}
	if file := filepath.Join(w.dir, name+".py"); exists(file) {
		w.source(file)
		l = append(l, file)
	}
	return l
}

// isPackage reports whether a folder holds a source or a module in machine code, here or
// further down, and reads what its sources import.
func (w *imports) isPackage(dir string) (yes bool) {
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return false
	}
	_ = filepath.WalkDir(dir, func(file string, d fs.DirEntry, err error) error { // what cannot be read is not packed
		switch {
		case err != nil || w.sources == 0:
			return fs.SkipAll
		case d.IsDir() && file != dir && besideSkip(d.Name()):
			return fs.SkipDir
		case filepath.Ext(file) == ".py":
			yes = true
			w.source(file)
		case filepath.Ext(file) == ".so":
			yes = true
		}
		return nil
	})
	return yes
}
