package image

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"skerry/image/dynlink"
	"skerry/image/erofs"
	"skerry/image/known"
)

// mounts are the places where the machine mounts file systems of its own. What
// an image holds there would not be seen.
var mounts = []string{"/dev", "/proc", "/run", "/sys", "/tmp"}

// generated are the files that the kernel makes from the network configuration.
var generated = []string{"/etc/hostname", "/etc/hosts", "/etc/resolv.conf"}

// emptyDirs are the directories that every root has.
var emptyDirs = []string{"/dev/shm", "/etc", "/proc", "/run", "/sys", "/tmp"}

// accounts are the files that C libraries look up users, groups and name
// services in. There is one identity, and it cannot log in.
var accounts = map[string]string{
	"/etc/passwd":        "skerry:x:65532:65532:skerry:/:/sbin/nologin\n",
	"/etc/group":         "skerry:x:65532:\n",
	"/etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
}

// Hidden reports whether an absolute path lies in a file system that every machine
// mounts: what an image has there is not seen.
func Hidden(path string) bool {
	for _, m := range mounts {
		if path == m || strings.HasPrefix(path, m+"/") {
			return true
		}
	}
	return false
}

// BuildSpec is what an image is built from.
type BuildSpec struct {
	Source  *Source
	Program string   // the file on the host: Source.Host, or what a Go package was built to
	Args    []string // argv without argv[0]
	Env     []string // NAME=value, put into the image
	Cwd     string   // "" is "/"; it is made if it is not there
	Copies  []Copy
	Libs    []string // of --lib: libraries, which are packed, and folders to look for libraries in
	Kernel  *io.SectionReader
	// JIT is how many bytes of memory the program may make executable, a multiple
	// of 4096; 0 is what is known that it needs, and with NoJIT it is nothing.
	JIT   int64
	NoJIT bool
	Tmpfs []Tmpfs
	// Policy is nil for the default one.
	Policy *Policy
	// Allow is what the user wants in it all the same: values of --allow.
	Allow []string
	// Overlay makes the whole root writable, in memory; nil: it is read-only.
	Overlay *Overlay
	// LibraryPath is LD_LIBRARY_PATH as the program will see it.
	LibraryPath []string
	// Locales are those that its environment will name.
	Locales []string
	// Zone is the time zone that its environment will name, "" for none.
	Zone string
	// Exact leaves out the files that a known program reads: what is needed is named, by
	// flags or arguments.
	Exact bool
	// RunArgs are arguments that it will be given beside those of the image; they
	// tell what it is going to do.
	RunArgs []string
}

// Parts checks the program and lays out the root: the program at its path, the
// copies, the libraries, and what is known that the program reads.
//
// Whether the program is a shell is looked at where an image is written: one out of the
// cache was looked at then, and reading all of the program takes its time.
func (s *BuildSpec) Parts() (Parts, error) {
	l := s.layout()
	if err := l.lay(s); err != nil {
		if shell := l.noShell(); shell != nil {
			err = shell
		}
		return Parts{}, err
	}
	for _, n := range l.notes {
		if n.Level == known.Refuse && !(n.Point == known.NoShells && slices.Contains(s.Allow, allowShell+l.m.Program)) {
			why := n.Text
			if n.Point != "" {
				why += " (" + n.Point + ")"
			}
			return Parts{}, cannotRun(l.name, why, "")
		}
	}
	return Parts{Manifest: l.m, Kernel: s.Kernel, Root: l.t, Facts: l.facts, Notes: l.notes, check: l.noShell}, nil
}

// layout is a root that is being laid out.
type layout struct {
	packer
	name    string // what the user called the program
	runs    string // the program's file on the host, "" until it is known
	m       Manifest
	closure *dynlink.Closure
	found   []module // libraries and modules among the files that were copied
	facts   *known.Facts
	// scriptFile is a script's file on the host and scriptAt where it stands, "" if the
	// program is none.
	scriptFile, scriptAt string
}

func (s *BuildSpec) layout() *layout {
	return &layout{packer: packer{t: erofs.New()}, name: s.Source.Typed, m: Manifest{Name: s.Source.Name(), Env: s.Env}}
}

// lay fills the root. After an error the layout tells how far it came.
func (l *layout) lay(s *BuildSpec) error {
	m := &l.m
	cwd, err := workdir(s.Cwd)
	if err != nil {
		return err
	}
	m.Cwd, m.Tmpfs = cwd, s.Tmpfs
	if l.clock, err = sourceDate(); err != nil {
		return err
	}
	for _, d := range emptyDirs {
		if err := l.t.Mkdir(d); err != nil {
			return err
		}
	}
	program := s.Program
	sc, err := readScript(program, l.name)
	switch {
	case err != nil:
		return err
	case sc != nil:
		if err := l.script(s, sc); err != nil {
			return err
		}
		program = sc.interp
	default:
		m.Args = []string{s.Source.Argv0()}
		if m.Program, err = l.program(s, program, s.Source.GuestPath()); err != nil {
			return err
		}
	}
	l.runs, m.Allow, m.Policy = program, allowed(s.Allow), s.Policy
	o := elfAt(program)
	if o == nil {
		return cannotRun(l.name, "cannot be read", "")
	}
	l.stack, l.notes = needStack(o), stackNote(program, o)
	m.Args = append(m.Args, s.Args...)
	a := adder{program: m.Program, file: program, clock: l.clock, found: &l.found, stack: l.stack, allow: s.Allow}
	for _, c := range s.Copies {
		before := l.t.Count()
		if err := c.addTo(l.t, a); err != nil {
			return err
		}
		l.record(Packed{Guest: c.Guest, Host: c.Host, Files: l.t.Count() - before, Why: c.String()})
	}
	if err := l.libraries(s, program, o, append(m.Args[1:len(m.Args):len(m.Args)], s.RunArgs...)); err != nil {
		return err
	}
	if l.facts != nil {
		m.Env = withDefaults(m.Env, l.facts.Env)
		m.JIT = (l.facts.JIT + 4095) &^ 4095
	}
	if s.JIT != 0 || s.NoJIT {
		m.JIT = s.JIT
	}
	for path, text := range accounts {
		// A file of the user's comes before ours.
		if err := l.t.File(path, erofs.Bytes(text), false); err != nil && !errors.Is(err, erofs.ErrExist) {
			return err
		}
	}
	m.Overlay = s.Overlay
	if err := l.mountPoints(m.Tmpfs, s.Copies); err != nil {
		return err
	}
	// C libraries and Java look file systems up there.
	if err := l.t.Symlink("/etc/mtab", "../proc/self/mounts"); err != nil && !errors.Is(err, erofs.ErrExist) {
		return err
	}
	if k := l.t.Lookup(m.Cwd); !Hidden(m.Cwd) && k != erofs.Symlink {
		if err := l.t.Mkdir(m.Cwd); err != nil {
			return failed("-w "+s.Cwd, "is not a directory in the image", "")
		}
	}
	return nil
}

// noShell refuses a program that is a shell, by what is in it.
func (l *layout) noShell() error {
	if l.runs == "" || slices.Contains(l.m.Allow, allowShell+l.m.Program) {
		return nil
	}
	if why := contentAt(l.runs, false); why != "" {
		return cannotRun(l.name, "is "+why+", which starts other programs for what it does (no shells)",
			"name the program that it would start, with its arguments; or --allow "+allowShell+l.m.Program)
	}
	return nil
}

// program packs the program and answers where it stands.
func (l *layout) program(s *BuildSpec, file, guest string) (string, error) {
	if err := CheckProgram(file, l.name); err != nil {
		return "", err
	}
	real, err := filepath.EvalSymlinks(file)
	if err != nil {
		return "", cannotRun(l.name, cause(err), "")
	}
	if guest == file && !Hidden(real) {
		if guest, err = l.host(file, true); err != nil {
			return "", cannotRun(l.name, "cannot be packed: "+cause(err), "")
		}
		l.recordFile(guest, real, "the program")
		return guest, nil
	}
	info, err := os.Stat(real)
	if err != nil {
		return "", cannotRun(l.name, cause(err), "")
	}
	if err := l.t.File(guest, l.clock.source(real, info, true), true); err != nil {
		return "", cannotRun(l.name, "cannot be packed at "+guest+": "+err.Error(), "")
	}
	l.recordFile(guest, real, "the program")
	return guest, nil
}

// script packs a script and its interpreter, which is the one program.
func (l *layout) script(s *BuildSpec, sc *script) (err error) {
	m := &l.m
	guest := s.Source.GuestPath()
	info, err := os.Stat(s.Program)
	if err != nil {
		return cannotRun(l.name, cause(err), "")
	}
	if info.Mode().Perm()&0o111 == 0 {
		return cannotRun(l.name, "is not marked executable", "chmod +x "+l.name)
	}
	called := l.name
	l.name += ": its interpreter " + sc.interp
	if m.Program, err = l.program(s, sc.interp, sc.interp); err != nil {
		return err
	}
	l.name = called
	if err := l.t.File(guest, l.clock.source(s.Program, info, false), false); err != nil {
		return cannotRun(l.name, "cannot be packed at "+guest+": "+err.Error(), "")
	}
	l.recordFile(guest, s.Program, "the script")
	l.scriptFile, l.scriptAt = s.Program, guest
	m.Args = append(sc.argv, guest)
	m.Env = withDefaults(m.Env, sc.env)
	return nil
}

// withDefaults adds variables that are not set yet.
func withDefaults(env, defaults []string) []string {
	env = slices.Clip(env)
	for _, e := range defaults {
		n, _, _ := strings.Cut(e, "=")
		if !slices.ContainsFunc(env, func(have string) bool { return strings.HasPrefix(have, n+"=") }) {
			env = append(env, e)
		}
	}
	return env
}

// libraries packs the libraries, and the files that a known program reads.
func (l *layout) libraries(s *BuildSpec, program string, o *dynlink.Object, args []string) error {
	search := dynlink.Search{LibraryPath: s.LibraryPath}
	for _, lib := range s.Libs {
		info, err := os.Stat(lib)
		switch {
		case err != nil:
			return failed("--lib "+lib, cause(err), "")
		case info.IsDir():
			search.Dirs = append(search.Dirs, lib)
		case o.Interp == "":
			return failed("--lib "+lib, "a static program loads no libraries", "leave it out")
		case elfAt(lib) == nil:
			return failed("--lib "+lib, dynlink.ErrNotELF.Error(), "name a shared library, or a folder")
		default:
			search.Files = append(search.Files, lib)
		}
	}
	c, err := dynlink.Program(program, o, search)
	if err != nil {
		return cannotRun(l.name, err.Error(), "")
	}
	l.closure = c
	if err := missing(l.name, c); err != nil {
		return err
	}
	for _, lib := range search.Files {
		abs, err := filepath.Abs(lib)
		if err != nil {
			return failed("--lib "+lib, cause(err), "")
		}
		if err := c.AddLibrary(abs, "--lib"); err != nil {
			return failed("--lib "+lib, err.Error(), "")
		}
		if err := missing("--lib "+lib, c); err != nil {
			return err
		}
	}
	if c.Interp != nil {
		byName(c, program)
	}
	real, err := filepath.EvalSymlinks(program)
	if err != nil {
		return cannotRun(l.name, cause(err), "")
	}
	given := len(l.found)
	l.facts = known.Lookup(&known.Program{Path: real, Called: path.Base(l.m.Args[0]), Args: args, Closure: c, Read: l.read, At: program, Cwd: l.m.Cwd, Script: l.scriptFile, ScriptAt: l.scriptAt,
		List: func(p string) []string { return l.t.Names(l.t.Follow(path.Clean(p))) },
		Has:  func(p string) bool { return l.t.Lookup(l.t.Resolve(path.Clean(p))) != erofs.None }, Hidden: Hidden, Secret: Secret})
	if facts := l.facts; facts != nil {
		for _, n := range facts.Libs {
			c.AddName(n, facts.Name)
		}
		paths := facts.Paths
		if s.Exact {
			paths = slices.DeleteFunc(slices.Clone(paths), func(p known.Path) bool { return !p.Named })
		}
		for _, p := range paths {
			guest, add := p.Host, l.tree
			if p.Guest != "" {
				guest, add = p.Guest, l.place
			}
			if p.Named && Hidden(guest) {
				l.notes = append(l.notes, known.Note{Level: known.Warn, Text: guest + " (" + p.Why + ") is not seen in a machine, which mounts a file system of its own there: " +
					"give it with --file or --dir elsewhere, or choose another folder with -w"})
				continue
			}
			if err := l.add(p, guest, add, facts.Name+": "+p.Why); err != nil {
				return err
			}
		}
		if err := l.links(facts, s.Exact); err != nil {
			return err
		}
		l.m.Tmpfs = l.ownTmpfs(s, facts)
		if facts.Argv0 != "" {
			l.m.Args[0] = facts.Argv0
		}
		l.notes = append(l.notes, facts.Notes...)
	}
	if c.Kind == dynlink.Glibc && !s.Exact {
		if err := l.locales(s.Locales, localeDir); err != nil {
			return err
		}
	}
	var names known.Names
	if !s.Exact {
		if names, err = l.names(program); err != nil {
			return err
		}
		if names.Zones {
			if err := l.zones(); err != nil {
				return err
			}
		}
		if err := l.zone(s.Zone, zoneDir); err != nil {
			return err
		}
	}
	// Modules may need libraries of their own; one that cannot be loaded is no
	// reason not to start.
	for _, f := range l.found {
		c.Provide(f.host, f.o)
	}
	for _, f := range l.found[:given] {
		c.Add(f.host, f.o)
	}
	must := len(c.Libraries)
	for _, f := range l.found[given:] {
		c.Add(f.host, f.o)
	}
	for _, m := range c.Missing {
		l.notes = append(l.notes, known.Note{Level: known.Warn, Text: m.By + " needs " + m.Name + ", which is not there; it cannot be loaded"})
	}
	if !s.Exact {
		if err := l.certificates(c, names); err != nil {
			return err
		}
	}
	return l.pack(c, l.name, must)
}

// add packs a path that a program reads, if this host has it, to stand at guest, by tree or
// place.
func (l *layout) add(p known.Path, guest string, by func(known.Path, *[]module) error, why string) error {
	before := l.t.Count()
	if err := by(p, &l.found); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return cannotRun(l.name, p.Host+" ("+p.Why+"): "+cause(err), "")
	}
	if n := l.t.Count() - before; n > 0 {
		l.record(Packed{Guest: guest, Host: p.Host, Files: n, Why: why})
	}
	return nil
}

// has reports whether something stands at a path, or where links lead from there.
func (l *layout) has(p string) bool { return l.t.Lookup(l.t.Follow(p)) != erofs.None }

// links makes the links that a known program needs, where nothing stands yet;
// exact leaves out those that no argument names.
func (l *layout) links(facts *known.Facts, exact bool) error {
	for _, k := range facts.Links {
		if exact && !k.Named {
			continue
		}
		at := l.t.Follow(k.Path)
		if Hidden(at) || l.t.Lookup(at) != erofs.None {
			continue
		}
		if err := l.t.Symlink(at, k.Target); err != nil {
			return cannotRun(l.name, err.Error(), "")
		}
		l.record(Packed{Guest: at, Host: k.Target, Files: 1, Why: facts.Name + ": a link to " + k.Target})
	}
	return nil
}

// ownTmpfs are the file systems of the user and those that a known program needs where
// the user's files or file systems do not have a say.
func (l *layout) ownTmpfs(s *BuildSpec, facts *known.Facts) []Tmpfs {
	list := s.Tmpfs
	for _, p := range facts.Tmpfs {
		t := Tmpfs{Path: p}
		_, over := mounted(list, p)
		at := l.t.Follow(p)
		if k := l.t.Lookup(at); over || k != erofs.None && k != erofs.Dir || unhidden([]Tmpfs{t}, l.m.Program, s.Copies) != nil {
			continue
		}
		list = MergeTmpfs(list, []Tmpfs{t})
	}
	return list
}

// read reads a file as it will be in the machine, as far as that is known: one that
// was copied, or else the host's at the same path.
func (l *layout) read(file string) []byte {
	const most = 1 << 20 // bytes; it is a configuration
	var r io.ReadCloser
	var err error
	if !path.IsAbs(file) {
		return nil
	}
	if src := l.t.Source(l.t.Follow(path.Clean(file))); src != nil {
		r, err = src.Open()
	} else if !Hidden(path.Clean(file)) {
		r, err = openFile(file)
	} else {
		return nil
	}
	if err != nil {
		return nil
	}
	defer r.Close()
	b, err := io.ReadAll(io.LimitReader(r, most))
	if err != nil {
		return nil
	}
	return b
}

// workdir checks a working directory and cleans it.
func workdir(dir string) (string, error) {
	if dir == "" {
		return "/", nil
	}
	if !path.IsAbs(dir) || strings.IndexByte(dir, 0) >= 0 {
		return "", failed("-w "+dir, "is not an absolute path", "it is a path in the machine, such as -w /srv")
	}
	return path.Clean(dir), nil
}

// Workdir checks a working directory for an image that is already built.
func (im *Image) Workdir(dir string) (string, error) {
	cwd, err := workdir(dir)
	if err != nil {
		return "", err
	}
	// What lies below a mount point is made by the program, so not there yet.
	if Hidden(cwd) && path.Dir(cwd) != "/" && cwd != "/dev/shm" {
		return "", failed("-w "+dir, "does not exist when the program starts", "")
	}
	k, err := im.Lookup(cwd)
	if err != nil {
		return "", err
	}
	if k != erofs.Dir && k != erofs.Symlink {
		return "", failed("-w "+dir, fmt.Sprintf("there is no such directory in %s", im.Path), "build the image with it")
	}
	return cwd, nil
}
