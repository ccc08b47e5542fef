package known

import (
	"path"
	"path/filepath"
	"strings"
)

// guileCode bounds what Guile compiles: it has it in pieces of 256 KiB for each thread.
const guileCode = 64 << 20

// guile knows Guile 3: its modules and their compiled forms, and the script that its
// arguments name.
func guile(p *Program) *Facts {
	if name := p.Name(); name != "guile" && name != "guile-3.0" || !p.Uses("libguile-3.0.so") {
		return nil
	}
	f := &Facts{Name: "Guile 3", JIT: guileCode}
	prefix := filepath.Dir(filepath.Dir(p.Path))
	places := []string{"/usr/share/guile/3.0", "/usr/share/guile/site/3.0", "/usr/lib/x86_64-linux-gnu/guile/3.0", "/usr/lib64/guile/3.0", "/usr/lib/guile/3.0"}
	if strings.HasPrefix(prefix, "/usr/lib") { // Debian's stands in bin of its own folder
		prefix = "/usr"
	}
	if prefix != "/usr" {
		places = nil
		for _, dir := range []string{"share/guile/3.0", "share/guile/site/3.0", "lib/guile/3.0", "lib64/guile/3.0"} {
			places = append(places, filepath.Join(prefix, dir))
		}
	}
	for _, dir := range places {
		if exists(dir) {
			f.Paths = append(f.Paths, Path{Host: dir, Why: "Guile's modules", Skip: func(rel string, dir bool) bool { return dir && rel == "bin" }})
		}
	}
	if exists(utf8Locale.Host) {
		f.Paths = append(f.Paths, utf8Locale)
	}
	// Without a locale it converts by gconv, whose modules are not there. What it compiled
	// by itself would be gone at the end.
	f.Env = []string{"LANG=C.UTF-8", "GUILE_AUTO_COMPILE=0"}
	f.guileScript(p)
	return f
}

// guileScript adds the script, and the folders of -L (Guile's manual, "Command-line
// Options").
func (f *Facts) guileScript(p *Program) {
	for i := 0; i < len(p.Args); i++ {
		next := ""
		if i+1 < len(p.Args) {
			next = p.Args[i+1]
		}
		switch a := p.Args[i]; {
		case a == "-L" || a == "-C":
			i++
			host, guest, ok := p.argument(next)
			if cwd, err := filepath.Abs("."); err != nil || !ok {
				continue
			} else if !path.IsAbs(next) && (cwd == host || strings.HasPrefix(cwd, strings.TrimSuffix(host, "/")+"/")) {
				f.Notes = append(f.Notes, Note{Level: Warn, Text: "guile: " + a + " " + next + " is the working folder here, or has it inside, and is not packed: add --dir " + next + ":" + guest + ", or name a folder of modules"})
				continue
			}
			f.Paths = append(f.Paths, named(host, guest, "the folder of modules that its arguments name"))
		case a == "-l":
			i++
			f.Paths = append(f.Paths, p.script(next)...)
		case a == "-s":
			f.Paths = append(f.Paths, p.script(next)...)
			return
		case a == "-c" || a == "--":
			return
		case a == "-e" || a == "-x":
			i++
		case !strings.HasPrefix(a, "-"):
			f.Paths = append(f.Paths, p.script(a)...)
			return
		}
	}
}
