package known

import (
	"encoding/json"
	"path/filepath"
	"regexp"
	"strings"
)

// phpOptions are PHP's (php(1)); -f is what names a script, too.
var phpOptions = options{
	value: []string{"-c", "-d", "-S", "-t", "-z", "-f", "-F", "--php-ini", "--define", "--server", "--docroot", "--zend-extension", "--file", "--process-file"},
	code:  []string{"-r", "-R", "-B", "-E", "-a", "-i", "-m", "-v", "-h", "--run", "--process-code", "--process-begin", "--process-end", "--interactive", "--info", "--modules", "--version", "--help", "--ini"},
}

// phpLoadsFile is an include of a constant path (PHP's manual, "include"), alone or behind
// the source's own folder.
var phpLoadsFile = regexp.MustCompile(`\b(?:include|require)(?:_once)?\b[\s(]*(?:(__DIR__|dirname\(\s*__FILE__\s*\)|dirname\(\s*__DIR__\s*\))\s*\.\s*)?["']([^"'\n$]+)["']`)

const phpWhy = "what the script includes"

// phpScript adds the script that the arguments name, the folder that the built-in server
// serves if -t names one, and what the sources of both include.
func (p *Program) phpScript(f *Facts) {
	var root, named string
	serves := false
	script := phpOptions.scriptIn(p.Args, func(name, value string) {
		switch name {
		case "-S", "--server":
			serves = true
		case "-t", "--docroot":
			root = value
		case "-f", "--file", "-F", "--process-file":
			named = value
		}
	})
	if named != "" {
		script = named
	}
	f.Paths = append(f.Paths, p.script(script)...)
	if w := p.walkFrom(script, phpWhy); w != nil {
		w.php(f)
	}
	switch {
	case serves && root != "":
		p.phpRoot(f, root)
	case serves:
		f.Notes = append(f.Notes, Note{Level: Info, Text: "php: without -t DIR, -S serves the working folder, which is not packed: name it with -t, or give it with --dir"})
	}
}

// phpRoot adds a folder that is served.
func (p *Program) phpRoot(f *Facts, root string) {
	host, guest, ok := p.argument(root)
	real, err := filepath.EvalSymlinks(host)
	if err != nil || !ok || !isDir(real) || real == "/" {
		return
	}
	x := named(host, guest, "the folder that its arguments say to serve")
	x.Skip = hiddenFile
	f.Paths = append(f.Paths, x)
	if p.hides(guest) {
		return
	}
	if guest == host {
		guest = real
	}
	w := p.walkIn(real, guest, phpWhy)
	inside(real, hiddenFile, func(file string) { w.todo = append(w.todo, file); w.seen[file] = true }, ".php", ".phtml", ".inc")
	w.php(f)
}

// php follows what sources include. A path that does not begin with a dot is looked for
// from the working folder and beside the source, one that does from the working folder.
func (w *walk) php(f *Facts) {
	w.run(func(file string, text []byte) {
		dir := filepath.Dir(file)
		for _, m := range phpLoadsFile.FindAllSubmatch(text, maxLoads) {
			from, name := string(m[1]), string(m[2])
			switch {
			case strings.HasPrefix(from, "dirname(") && strings.Contains(from, "__DIR__"):
				w.phpFile(filepath.Join(filepath.Dir(dir), name))
			case from != "":
				w.phpFile(filepath.Join(dir, name))
			case filepath.IsAbs(name):
				if regular(name) {
					w.fileAt(name, filepath.Clean(name))
				}
			default:
				if at, ok := w.p.here(name); ok && regular(at.host) && at.guest != w.to(at.host) {
					w.fileAt(at.host, at.guest)
				} else if ok && regular(at.host) {
					w.phpFile(at.host)
				} else if !strings.HasPrefix(name, "./") && !strings.HasPrefix(name, "../") {
					w.phpFile(filepath.Join(dir, name))
				}
			}
		}
	})
	w.add(f)
}

// phpFile packs a source. Composer's autoload.php stands for the folder that it is in, and
// for the program's own folders that composer.json beside it has it look into.
func (w *walk) phpFile(file string) {
	if !regular(file) {
		return
	}
	dir := filepath.Dir(file)
	if filepath.Base(file) != "autoload.php" || !isDir(filepath.Join(dir, "composer")) {
		w.file(file)
		return
	}
	skip := w.skip
	w.skip = func(rel string, d bool) bool { return skip(rel, d) || d && rel == "bin" }
	w.folder(dir)
	w.skip = skip
	top := filepath.Dir(dir)
	text := readSource(filepath.Join(top, "composer.json"))
	var c struct {
		Autoload struct {
			PSR4     map[string]any `json:"psr-4"`
			PSR0     map[string]any `json:"psr-0"`
			Classmap []any          `json:"classmap"`
			Files    []any          `json:"files"`
		} `json:"autoload"`
	}
	if len(text) > maxManifest || json.Unmarshal(text, &c) != nil {
		return
	}
	own := append(c.Autoload.Classmap, c.Autoload.Files...)
	for _, m := range []map[string]any{c.Autoload.PSR4, c.Autoload.PSR0} {
		for _, v := range m {
			if l, ok := v.([]any); ok {
				own = append(own, l...)
			} else {
				own = append(own, v)
			}
		}
	}
	for _, v := range own {
		name, ok := v.(string)
		if at := filepath.Join(top, name); !ok || !strings.HasPrefix(at, top+"/") {
			continue
		} else if isDir(at) {
			w.folder(at)
			inside(at, hiddenFile, func(file string) {
				if !w.seen[file] {
					w.seen[file] = true
					w.todo = append(w.todo, file)
				}
			}, ".php")
		} else if regular(at) {
			w.file(at)
		}
	}
}
