// Package known is what is known about programs that many people run: the files
// that a language's runtime reads beside its libraries, the libraries that it
// loads by name, whether it writes code at run time, and what does not work or
// needs a setting.
//
// Each file holds one program or runtime. A program is known by what its file is
// (name, libraries, folders beside it), read on the host and never run. Whatever
// is not known has no facts; nothing depends on being known but convenience.
//
// It imports the standard library and image/dynlink.
package known

import (
	"os"
	"path"
	"path/filepath"
	"strings"

	"skerry/image/dynlink"
)

// Program is what is to be packed.
type Program struct {
	Path   string   // of the ELF file on the host, links followed
	Called string   // the last part of argv[0], where a file is several programs; "" if not known
	Args   []string // what it will be given, without argv[0]; nil if not known yet
	// Read reads a file as it will be in the machine, by its path there: the user's,
	// or else the host's at the same path. nil if there is none; Read may be nil.
	Read    func(path string) []byte
	Closure *dynlink.Closure

	// At is the absolute path by which it is called on the host, links not followed.
	At string
	// Cwd is its working folder in the machine, "" for the root.
	Cwd string
	// Script is the file on the host of a script whose first line names the program, and
	// ScriptAt the argument that is its path in the machine, where it stands already; ""
	// if there is none.
	Script, ScriptAt string
	// Has reports whether the user gives a file or folder at a path of the machine, and
	// Hidden whether nothing that is packed there would be seen. Both may be nil.
	Has, Hidden func(path string) bool
	// Secret reports whether a path of the host is known to hold secrets. It may be nil.
	Secret func(path string) bool
	// List are the names of what the image has in a folder of the machine so far. It may be nil.
	List func(path string) []string
}

// Name is the file's name.
func (p *Program) Name() string { return filepath.Base(p.Path) }

// Uses reports whether the program loads a library whose name begins so.
func (p *Program) Uses(prefix string) bool {
	for _, l := range p.Closure.Libraries {
		if strings.HasPrefix(l.Name, prefix) {
			return true
		}
	}
	return false
}

// text is what a file will hold in the machine, "" if it is not known.
func (p *Program) text(path string) string {
	if p.Read == nil || path == "" {
		return ""
	}
	return string(p.Read(path))
}

// after is the argument that follows the last one called name, "" if there is none.
func (p *Program) after(name string) (value string) {
	for i, a := range p.Args {
		if a == name && i+1 < len(p.Args) {
			value = p.Args[i+1]
		}
	}
	return value
}

// flag reports whether an argument is name.
func (p *Program) flag(name string) bool {
	for _, a := range p.Args {
		if a == name {
			return true
		}
	}
	return false
}

// hides reports whether the machine has another file system at a path.
func (p *Program) hides(path string) bool { return p.Hidden != nil && p.Hidden(path) }

// guest is where the program looks for a path: a relative one is from its working folder.
func (p *Program) guest(name string) string {
	if path.IsAbs(name) {
		return path.Clean(name)
	}
	return path.Join("/", p.Cwd, name)
}

// argument is the file or folder that an argument names: where it is on the host, where
// whoever typed it is in a folder, and where the program will look for it. ok is false
// if there is none on the host, or the user has given what will be there.
func (p *Program) argument(arg string) (host, guest string, ok bool) {
	host, err := filepath.Abs(arg)
	if err != nil || arg == "" || !exists(host) {
		return "", "", false
	}
	guest = p.guest(arg)
	return host, guest, p.Has == nil || !p.Has(guest)
}

// named is a path that an argument names.
func named(host, guest, why string) Path {
	if guest == host {
		guest = ""
	}
	return Path{Host: host, Guest: guest, Why: why, Named: true}
}

// script is the file of a script that an argument names, if it is one.
func (p *Program) script(arg string) []Path {
	host, guest, ok := p.argument(arg)
	if !ok || !regular(host) {
		return nil
	}
	return []Path{named(host, guest, "the script that its arguments name")}
}

// Path is a file or folder of the host that the program reads.
type Path struct {
	Host string
	// Guest is where it stands in the machine, "" for the same place.
	Guest string
	Why   string
	// Named is set for what an argument names.
	Named bool
	// Skip leaves out files and folders of a folder, by their path in it; nil
	// leaves out nothing.
	Skip func(rel string, dir bool) bool
}

// Link is a symbolic link of the machine. Named is set for one of what an argument names.
type Link struct {
	Path, Target string
	Named        bool
}

// Level says how much a note matters.
type Level int

// Levels of notes.
const (
	Info   Level = iota // good to know
	Warn                // it may fail because of it
	Refuse              // it cannot work
)

// Note is something that a user should know, in one line.
type Note struct {
	Level Level
	Text  string
	// Point is the point of the model that rules it out, such as "single
	// process"; empty if none does.
	Point string
}

// Facts is what is known about one program.
type Facts struct {
	Name  string // such as "Python 3.11"
	Paths []Path
	Libs  []string // names of libraries that it loads with dlopen
	Env   []string // NAME=value that it needs; the user's come before
	Links []Link   // made where nothing else stands
	Tmpfs []string // folders that it writes to, which have to be in memory
	Argv0 string   // what it has to be called as, "" if that does not matter
	JIT   int64    // bytes of memory that must be able to become executable
	Notes []Note
}

// programs are asked one after another; the first that knows the program answers.
var programs = []func(p *Program) *Facts{
	bun,
	caddy,
	daemon,
	deno,
	guile,
	java,
	lua,
	mono,
	node,
	memcached,
	nginx,
	perl,
	php,
	python,
	redis,
	ruby,
	ruledOut,
}

// Lookup returns what is known about a program, nil if nothing is.
func Lookup(p *Program) *Facts {
	for _, f := range programs {
		if facts := f(p); facts != nil {
			facts.compiles(p)
			return facts
		}
	}
	if facts := new(Facts); facts.compiles(p) {
		facts.Name = "LuaJIT"
		return facts
	}
	return nil
}

// compiles adds what a library that the program is linked with compiles to.
func (f *Facts) compiles(p *Program) bool {
	if !p.Uses("libluajit-5.1.so") {
		return false
	}
	f.JIT = max(f.JIT, luaJITCode)
	return true
}

// exists reports whether the host has a path.
func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
