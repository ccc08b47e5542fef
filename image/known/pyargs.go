package known

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// pythonRun is what Python's arguments tell it to run: at most one of a script, a module
// and a text, and the arguments of that.
type pythonRun struct {
	script, module, command string
	args                    []string
}

// pythonArgs reads Python's arguments: the script is what is neither an option nor the
// value of one, unless -c or -m say what to run (Python's documentation, "Command line").
func pythonArgs(args []string) (r pythonRun) {
	for i := 0; i < len(args); i++ {
		a := args[i]
		switch {
		case a == "--check-hash-based-pycs":
			i++
		case strings.HasPrefix(a, "--"):
		case a == "-":
			return r
		case strings.HasPrefix(a, "-"):
			// Letters may stand together; what follows the first that takes a value is
			// the value.
			at := strings.IndexAny(a, "cmWX")
			if at <= 0 {
				continue
			}
			value := a[at+1:]
			if value == "" {
				if i++; i == len(args) {
					return r
				}
				value = args[i]
			}
			switch a[at] {
			case 'c':
				r.command, r.args = value, args[i+1:]
				return r
			case 'm':
				r.module, r.args = value, args[i+1:]
				return r
			}
		default:
			r.script, r.args = a, args[i+1:]
			return r
		}
	}
	return r
}

// application is how servers are told what to serve: MODULE, MODULE:NAME, FILE.py[:NAME].
var application = regexp.MustCompile(`^(?:--[a-z-]+=)?(?:([A-Za-z_]\w*)(?:\.\w+)*|([^:]*\.py))(:.*)?$`)

// pythonModules are the modules that what Python runs needs beside the standard library,
// and the script itself: own ones beside it, and those out of the folders of packages
// dirs.
func (p *Program) pythonModules(lib string, dirs []string, minor int) []Path {
	r := pythonArgs(p.Args)
	w := &imports{p: p, lib: lib, sites: sites(dirs), minor: minor, left: maxSources, leftInstalled: maxInstalled, known: map[string]bool{}, packed: map[string]bool{}}
	server := false // it may be told what to serve
	var l []Path
	switch {
	case r.command != "":
		w.own = append(w.own, w.here())
		w.text([]byte(r.command), false)
	case r.module != "":
		here := w.here()
		w.own = append(w.own, here)
		first, _, _ := strings.Cut(r.module, ".")
		if !plainText.MatchString(first) {
			return nil
		}
		w.known[first] = true
		server = w.find(first, w.own, w.sites)
	case r.script != "":
		host, guest, given := p.scriptAt(r.script)
		if p.Script != "" {
			host, given = p.Script, true
		}
		switch {
		case host == "" && !given:
			return nil
		case host != "" && !given:
			l = append(l, named(host, guest, "the script that its arguments name"))
		}
		w.from(host, guest)
		text := p.text(guest)
		if host != "" {
			b, err := os.ReadFile(host)
			if err != nil {
				return l
			}
			text = string(b)
		}
		w.entryPoints(text)
		dir := path.Base(path.Dir(guest))
		if p.Script != "" {
			dir = filepath.Base(filepath.Dir(p.Script))
		}
		server = dir == "bin" || dir == "sbin"
	}
	w.follow()
	if server {
		l = append(l, w.applications(r)...)
		w.follow()
	}
	return append(l, w.paths...)
}

// processServer says what of a server's arguments starts processes, "" if nothing does.
func processServer(r pythonRun) string {
	name := path.Base(r.script)
	if r.module != "" {
		name, _, _ = strings.Cut(r.module, ".")
	}
	switch name {
	case "gunicorn":
		return "gunicorn: it forks its workers, which fails: uvicorn, waitress or the framework's own server serve from one process"
	case "uvicorn", "flask":
		for i, a := range r.args {
			option, value, ok := strings.Cut(a, "=")
			if !ok && i+1 < len(r.args) {
				value = r.args[i+1]
			}
			if option == "--workers" && value != "1" || option == "--reload" || option == "--debug" && name == "flask" {
				return name + ": " + option + " starts other processes, which fails: leave it out"
			}
		}
	}
	return ""
}

// scriptAt is a script that an argument names: where it is on the host, unless the user
// gives one at that place of the machine.
func (p *Program) scriptAt(arg string) (host, guest string, given bool) {
	guest = p.guest(arg)
	if p.Has != nil && p.Has(guest) {
		return "", guest, true
	}
	host, _, ok := p.argument(arg)
	if !ok || !regular(host) {
		return "", guest, false
	}
	return host, guest, false
}

// applications are the files and modules that arguments of a server name: in the working
// folder, or where --app-dir (uvicorn) or --chdir (gunicorn) say.
func (w *imports) applications(r pythonRun) (l []Path) {
	here := []*pyPlace{w.here()}
	for i, a := range r.args {
		for _, option := range []string{"--app-dir", "--chdir"} {
			if value, ok := strings.CutPrefix(a, option+"="); ok {
				here = append(here, w.folder(value))
			} else if a == option && i+1 < len(r.args) {
				here = append(here, w.folder(r.args[i+1]))
			}
		}
	}
	w.own = append(w.own, here...)
	w.known = map[string]bool{} // what was not found elsewhere may be here
	names := r.args
	if r.module == "flask" || path.Base(r.script) == "flask" {
		names = append(slices.Clone(names), "wsgi", "app") // its documentation, "Application Discovery"
	}
	for _, a := range names {
		m := application.FindStringSubmatch(a)
		switch {
		case m == nil:
		case m[1] == "":
			if host, guest, given := w.p.scriptAt(m[2]); host != "" {
				l = append(l, named(host, guest, "the script that its arguments name"))
				w.from(host, guest)
			} else if given {
				w.from("", guest)
			}
		case m[3] != "":
			w.find(m[1], w.own, w.sites)
		case strings.Contains(a, "."):
			w.find(m[1], here, nil)
		default:
			for _, pl := range here { // a folder of that name is more likely to be something else
				if w.given(path.Join(pl.guest, m[1])) || moduleFiles(pl.host, m[1]) != nil || regularPackage(filepath.Join(pl.host, m[1])) {
					w.find(m[1], []*pyPlace{pl}, nil)
				}
			}
		}
	}
	return l
}
