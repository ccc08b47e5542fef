package dynlink

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// maxLibraries bounds a closure.
const maxLibraries = 4096

// Search is where libraries are looked for beside the places that the files
// themselves and the system name.
type Search struct {
	Files       []string // libraries that are packed in any case; before all others
	Dirs        []string // before those that the files name
	LibraryPath []string // LD_LIBRARY_PATH in the program's environment
}

// Library is a shared library, or the interpreter, that was found.
type Library struct {
	Name   string // as it was asked for: a name, or a path with a slash
	Path   string // on the host, absolute; the last part may be a symbolic link
	By     string // path of the file that needs it
	Object *Object
	// System: its directory is one that the linker looks into by itself.
	System bool
}

// Missing is a library that was not found.
type Missing struct {
	Name     string
	By       string   // path of the file that needs it
	Searched []string // the directories
}

// Closure collects the libraries of a program and of files that it loads later.
// What the program itself has loaded is found first by them, too, as in the
// program.
type Closure struct {
	Kind      Kind
	Interp    *Library // nil for a static program
	Libraries []*Library
	Missing   []Missing

	// System are the directories that the linker looks into by itself.
	System []string

	search Search
	byName map[string]*Library
	failed map[string]bool
	given  map[string]string // libraries of Search.Files by name
	chain  []string          // search path that libraries inherit from the program: its DT_RPATH
}

// Program starts the closure of the ELF file at path, which was read to o.
func Program(path string, o *Object, search Search) (*Closure, error) {
	c := &Closure{search: search, byName: map[string]*Library{}, failed: map[string]bool{}, given: map[string]string{}}
	for i, d := range c.search.Dirs {
		abs, err := filepath.Abs(d)
		if err != nil {
			return nil, err
		}
		c.search.Dirs[i] = abs
	}
	if o.Interp == "" {
		return c, nil
	}
	for _, path := range search.Files {
		abs, err := filepath.Abs(path)
		if err != nil {
			return nil, err
		}
		lib, err := readFile(abs)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		c.given[filepath.Base(abs)] = abs
		if lib.Soname != "" {
			c.given[lib.Soname] = abs
		}
	}
	c.Kind = KindOf(o.Interp)
	c.System = SystemDirs(c.Kind)
	interp, err := readFile(o.Interp)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		c.Missing = append(c.Missing, Missing{o.Interp, path, nil})
		return c, nil
	case err != nil:
		return nil, fmt.Errorf("%s: %w", o.Interp, err)
	}
	c.Interp = &Library{Name: o.Interp, Path: o.Interp, By: path, Object: interp, System: true}
	c.byName[filepath.Base(o.Interp)] = c.Interp
	if interp.Soname != "" {
		c.byName[interp.Soname] = c.Interp
	}
	// $ORIGIN of a program is the folder of the file, links followed.
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil, err
	}
	c.chain = expandPath(o.RPath, filepath.Dir(real))
	c.add(real, path, o, nil)
	return c, nil
}

// Add adds what a library, or a module that the program loads, needs.
func (c *Closure) Add(path string, o *Object) {
	if c.Interp != nil {
		c.add(path, path, o, nil)
	}
}

// Provide tells that a module is loaded by its path, so that what needs its name
// finds it.
func (c *Closure) Provide(path string, o *Object) {
	for _, name := range []string{filepath.Base(path), o.Soname} {
		if name != "" && c.byName[name] == nil {
			c.byName[name] = &Library{Name: name, Path: path, Object: o}
		}
	}
}

// AddLibrary adds a library by its path, such as one that is known to be loaded
// with dlopen, and what it needs; by says who loads it.
func (c *Closure) AddLibrary(path, by string) error {
	o, err := readFile(path)
	if err != nil {
		return err
	}
	name := filepath.Base(path)
	if o.Soname != "" {
		name = o.Soname
	}
	if c.Interp == nil || c.byName[name] != nil {
		return nil
	}
	c.found(&Library{Name: name, Path: path, By: by, Object: o, System: c.isSystem(path)})
	c.add(path, path, o, nil)
	return nil
}

// AddName looks for a library by name as dlopen(3) of the program would, and adds
// it with what it needs; it reports whether there is one.
func (c *Closure) AddName(name, by string) bool {
	if c.Interp == nil {
		return false
	}
	if c.byName[name] != nil {
		return true
	}
	lib, _ := c.find(name, by, &Object{}, c.chain)
	if lib == nil {
		return false
	}
	c.found(lib)
	c.add(lib.Path, lib.Path, lib.Object, nil)
	return true
}

func (c *Closure) found(lib *Library) {
	c.Libraries = append(c.Libraries, lib)
	c.byName[lib.Name] = lib
	if s := lib.Object.Soname; s != "" && c.byName[s] == nil {
		c.byName[s] = lib
	}
}

// pending is a file whose needs are looked for.
type pending struct {
	path, shown string
	o           *Object
	rpath       []string // DT_RPATH of it and of those that loaded it
}

// add looks breadth first, as the linker loads.
func (c *Closure) add(path, shown string, o *Object, rpath []string) {
	queue := []pending{{path, shown, o, append(expandPath(o.RPath, filepath.Dir(path)), rpath...)}}
	for len(queue) > 0 && len(c.Libraries) < maxLibraries {
		p := queue[0]
		queue = queue[1:]
		for _, name := range p.o.Needed {
			for _, name := range c.names(name, filepath.Dir(p.path)) {
				if c.byName[name] != nil || c.failed[name] {
					continue
				}
				if c.Kind == Musl && muslOwn(name) {
					c.byName[name] = c.Interp
					continue
				}
				lib, searched := c.find(name, p.path, p.o, append(p.rpath[:len(p.rpath):len(p.rpath)], c.chain...))
				if lib == nil {
					c.failed[name] = true
					c.Missing = append(c.Missing, Missing{name, p.shown, searched})
					continue
				}
				lib.By = p.shown
				c.found(lib)
				queue = append(queue, pending{lib.Path, lib.Path, lib.Object, append(expandPath(lib.Object.RPath, filepath.Dir(lib.Path)), p.rpath...)})
			}
		}
	}
}

// names expands a needed name, which holds tokens only if it is a path.
func (c *Closure) names(name, origin string) []string {
	if !strings.Contains(name, "/") {
		return []string{name}
	}
	list := expand(name, origin)
	for _, n := range list {
		if _, err := os.Stat(n); err == nil {
			return []string{n}
		}
	}
	return list[:1]
}

// muslOwn reports whether musl's linker is that library itself.
func muslOwn(name string) bool {
	for _, p := range []string{"libc.", "libpthread.", "librt.", "libm.", "libdl.", "libutil.", "libxnet."} {
		if strings.HasPrefix(name, p) {
			return true
		}
	}
	return false
}

// find looks for a library in the linker's order. A file that is there but is not
// for this machine is passed over, as the linker does.
func (c *Closure) find(name, by string, o *Object, rpath []string) (lib *Library, searched []string) {
	if strings.Contains(name, "/") {
		if !filepath.IsAbs(name) {
			return nil, nil // relative to a working directory that is not known
		}
		if obj, err := readFile(name); err == nil {
			return &Library{Name: name, Path: filepath.Clean(name), By: by, Object: obj}, nil
		}
		return nil, nil
	}
	if path := c.given[name]; path != "" {
		if obj, err := readFile(path); err == nil {
			return &Library{Name: name, Path: path, By: by, Object: obj, System: c.isSystem(path)}, nil
		}
	}
	dirs := append([]string{}, c.search.Dirs...)
	if len(o.RunPath) == 0 || c.Kind == Musl {
		dirs = append(dirs, rpath...)
	}
	dirs = append(dirs, c.search.LibraryPath...)
	dirs = append(dirs, expandPath(o.RunPath, filepath.Dir(by))...)
	dirs = unique(append(dirs, c.System...))
	for _, d := range dirs {
		path := filepath.Join(d, name)
		obj, err := readFile(path)
		if err != nil {
			continue
		}
		return &Library{Name: name, Path: path, By: by, Object: obj, System: c.isSystem(path)}, nil
	}
	return nil, dirs
}

func (c *Closure) isSystem(path string) bool {
	dir := filepath.Dir(path)
	for _, d := range c.System {
		if d == dir {
			return true
		}
	}
	return false
}

// readFile reads the ELF file at path.
func readFile(path string) (*Object, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("is not a regular file")
	}
	o, err := Read(f)
	if o != nil {
		o.r = nil
	}
	return o, err
}
