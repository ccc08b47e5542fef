package known

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// maxTrees bounds how many files and folders one script brings in.
const maxTrees = 20000

// maxLoads bounds how many statements of one kind in a source are looked at.
const maxLoads = 10000

// start is the script that an argument names, where its sources are followed from: its
// file on the host, links followed, and where it stands in the machine. ok is false if
// there is none, if the user gave another file there, or if it would not be seen.
func (p *Program) start(arg string) (host, guest string, ok bool) {
	if p.Script != "" && arg == p.ScriptAt {
		host, guest, ok = p.Script, p.ScriptAt, true // which is packed already
	} else {
		host, guest, ok = p.argument(arg)
	}
	real, err := filepath.EvalSymlinks(host)
	if err != nil || !ok || !regular(real) || p.hides(guest) {
		return "", "", false
	}
	if guest == host {
		guest = real // packed where it is, with the links that lead there
	}
	return real, guest, true
}

// walk follows sources from one to the next, and collects what is to be packed. A path of
// the host goes to where it is from the script, so that paths in sources that are relative
// mean the same; what lies above the machine's root is clamped to it, as there.
type walk struct {
	p     *Program
	why   string                          // of each file
	skip  func(rel string, dir bool) bool // of folders
	dir   string                          // of the script on the host
	at    string                          // of the script in the machine
	fixed []string                        // folders that stand in the machine where they are on the host
	left  int                             // sources that may still be read
	seen  map[string]bool
	todo  []string
	paths []Path
	links []Link
	roots []string // the program's folders, see own; nil until they are asked for
	held  []string // what is not packed, since it may be somebody's secret
}

// walkFrom begins at the script that an argument names; nil if there is none.
func (p *Program) walkFrom(arg, why string) *walk {
	host, guest, ok := p.start(arg)
	if !ok {
		return nil
	}
	w := p.walkIn(filepath.Dir(host), path.Dir(guest), why)
	w.seen[host] = true
	w.todo = []string{host}
	return w
}

// walkIn is a walk from a folder of the host, which stands at a path of the machine.
func (p *Program) walkIn(dir, at, why string) *walk {
	return &walk{p: p, why: why, dir: dir, at: at, left: maxSources, seen: map[string]bool{}, skip: hiddenFile}
}

// hiddenFile leaves out hidden files and folders.
func hiddenFile(rel string, dir bool) bool { return strings.HasPrefix(filepath.Base(rel), ".") }

// place is a folder of the host and where it stands in the machine.
type place struct{ host, guest string }

// here is a folder or file that the program looks for from its working folder, which on
// the host is the folder that the command is given in.
func (p *Program) here(name string) (place, bool) {
	host, err := filepath.Abs(name)
	if err != nil || name == "" || strings.IndexByte(name, 0) >= 0 {
		return place{}, false
	}
	return place{host, p.guest(name)}, true
}

// fileIn packs the first of the files of a folder that is there.
func (w *walk) fileIn(dir place, names ...string) bool {
	for _, n := range names {
		if file := filepath.Join(dir.host, n); regular(file) {
			w.fileAt(file, path.Join(dir.guest, filepath.ToSlash(n)))
			return true
		}
	}
	return false
}

// run reads the sources.
func (w *walk) run(scan func(file string, text []byte)) {
	for len(w.todo) > 0 && w.left > 0 {
		file := w.todo[0]
		w.todo = w.todo[1:]
		w.left--
		if text := readSource(file); text != nil {
			scan(file, text)
		}
	}
}

// readSource is the text of a source, nil if it cannot be read, is none or is too large.
func readSource(file string) []byte {
	info, err := os.Stat(file)
	if err != nil || !info.Mode().IsRegular() || info.Size() > maxSourceSize {
		return nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil
	}
	return text
}

// to is where a file of the host stands in the machine.
func (w *walk) to(host string) string {
	for _, dir := range w.fixed {
		if strings.HasPrefix(host, dir+"/") {
			return host
		}
	}
	rel, err := filepath.Rel(w.dir, host)
	if err != nil {
		return host
	}
	return path.Join(w.at, filepath.ToSlash(rel))
}

// file packs a source that was found, and reads it in its turn.
func (w *walk) file(host string) { w.fileAt(host, w.to(host)) }

// fileAt is file for one that stands elsewhere.
func (w *walk) fileAt(host, guest string) {
	if w.pack(host, guest, false) {
		w.todo = append(w.todo, host)
	}
}

// folder packs a folder whole.
func (w *walk) folder(host string) { w.pack(host, w.to(host), true) }

// pack reports whether a path is new.
func (w *walk) pack(host, guest string, dir bool) bool {
	if w.seen[host] || len(w.seen) > maxTrees {
		return false
	}
	w.seen[host] = true
	if w.p.Has != nil && w.p.Has(guest) && !dir {
		return false // the user's own is there
	}
	if w.p.hides(guest) {
		return false
	}
	if !w.free(host) {
		w.held = append(w.held, host)
		return false
	}
	x := named(host, guest, w.why)
	if dir {
		x.Skip = w.skip
	}
	w.paths = append(w.paths, x)
	return true
}

// free reports whether a path may be packed only because a source names it. Whoever writes
// a source, or changes one, must not get at more of the host than the program's own: no
// secrets, and elsewhere than in the program's folders nothing that others may not read.
func (w *walk) free(host string) bool {
	real, err := filepath.EvalSymlinks(host)
	if err != nil || w.p.Secret != nil && (w.p.Secret(real) || w.p.Secret(host)) {
		return false
	}
	if w.roots == nil {
		w.roots = w.own()
	}
	for _, dir := range w.roots {
		if strings.HasPrefix(real, strings.TrimSuffix(dir, "/")+"/") {
			return true
		}
	}
	info, err := os.Stat(real)
	return err == nil && info.Mode().Perm()&0o004 != 0
}

// own are the program's folders: the script's and, as far as they are not a user's home or
// above it, the one around that (bin beside lib) and the one that the command is given in.
func (w *walk) own() (l []string) {
	home, _ := os.UserHomeDir()
	if real, err := filepath.EvalSymlinks(home); err == nil {
		home = real
	}
	for i, dir := range []string{w.dir, filepath.Dir(w.dir), "."} {
		dir, err := filepath.Abs(dir)
		if err == nil {
			dir, err = filepath.EvalSymlinks(dir)
		}
		if err == nil && (i == 0 || dir != "/" && home != dir && !strings.HasPrefix(home, dir+"/")) {
			l = append(l, dir)
		}
	}
	return l
}

// link makes a link in the machine, from where one path of the host is to where the other
// is.
func (w *walk) link(from, to string) {
	at, target := w.to(from), w.to(to)
	if at == target || w.seen[from] || w.p.hides(at) || w.p.Has != nil && w.p.Has(at) {
		return
	}
	w.seen[from] = true
	w.links = append(w.links, Link{Path: at, Target: target, Named: true})
}

// add gives what was found to the facts.
func (w *walk) add(f *Facts) {
	f.Paths = append(f.Paths, w.paths...)
	f.Links = append(f.Links, w.links...)
	for _, file := range w.held[:min(len(w.held), maxMissing)] {
		f.Notes = append(f.Notes, Note{Level: Warn, Text: file + ", which a source names, is not packed: others may not read it, or it is known to hold secrets; if it is needed, give it with --file"})
	}
}

// inside calls f for each file of a folder whose name ends so and that skip does not leave
// out.
func inside(dir string, skip func(rel string, dir bool) bool, f func(file string), exts ...string) {
	n := 0
	_ = filepath.WalkDir(dir, func(file string, d fs.DirEntry, err error) error { // what cannot be read is not packed
		if n++; err != nil || n > maxTrees {
			return fs.SkipAll
		}
		if rel, _ := filepath.Rel(dir, file); rel != "." && skip(rel, d.IsDir()) {
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		for _, e := range exts {
			if d.Type().IsRegular() && filepath.Ext(file) == e {
				f(file)
			}
		}
		return nil
	})
}

// firstFile is the first path that is a file, "" if none is.
func firstFile(paths ...string) string {
	for _, p := range paths {
		if regular(p) {
			return p
		}
	}
	return ""
}

// isDir reports whether a path leads to a folder.
func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// options is how an interpreter's arguments are read.
type options struct {
	// value are the options whose value is the next argument: long ones, and letters with
	// a dash that take what follows in the same argument, or else the next one.
	value []string
	// letters are those that take only the rest of the argument, which may be empty.
	letters string
	// code are options that say what to run, so that no script follows.
	code []string
	// commands are words before the script that say to run it.
	commands []string
}

// scriptIn is the first argument that is neither an option nor the value of one, "" if an
// option says what to run instead. each is called for the options that take a value.
func (o options) scriptIn(args []string, each func(name, value string)) string {
	for i := 0; i < len(args); i++ {
		a := args[i]
		if a == "--" {
			if i+1 < len(args) {
				return args[i+1]
			}
			return ""
		}
		if a == "-" {
			return ""
		}
		if !strings.HasPrefix(a, "-") {
			if slices.Contains(o.commands, a) {
				continue
			}
			return a
		}
		take := func(name, value string, has bool) {
			if !has && i+1 < len(args) {
				i++
				value = args[i]
			}
			each(name, value)
		}
		if strings.HasPrefix(a, "--") {
			name, value, has := strings.Cut(a, "=")
			if slices.Contains(o.code, name) {
				return ""
			}
			if slices.Contains(o.value, name) {
				take(name, value, has)
			}
			continue
		}
		for j := 1; j < len(a); j++ {
			name := "-" + a[j:j+1]
			if slices.Contains(o.code, name) {
				return ""
			}
			if slices.Contains(o.value, name) {
				take(name, a[j+1:], j+1 < len(a))
				break
			}
			if strings.Contains(o.letters, a[j:j+1]) {
				each(name, a[j+1:])
				break
			}
		}
	}
	return ""
}
