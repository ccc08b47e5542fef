package known

import (
	"path/filepath"
	"regexp"
	"strings"
)

// rubyOptions are Ruby's (ruby(1)).
var rubyOptions = options{
	value:   []string{"-I", "-r", "-C", "-E", "-X", "--encoding", "--external-encoding", "--internal-encoding", "--enable", "--disable", "--backtrace-limit"},
	letters: "FiKTWx", code: []string{"-e"},
}

var (
	rubyLoads    = regexp.MustCompile(`\b(require|load|require_relative)\b[ \t(]*["']([^"'\n#]+)["']`)
	rubyAutoload = regexp.MustCompile(`\bautoload\b[ \t(]*:\w+\s*,\s*["']([^"'\n#]+)["']`)
	// What a line puts into the load path, and a require by the source's own folder.
	rubyPath   = regexp.MustCompile(`(?:\$LOAD_PATH|\$:)\s*(?:<<|\.(?:unshift|push|append|prepend)\b)([^\n]*)`)
	rubyOwn    = regexp.MustCompile(`\b(?:require|load)\b[ \t(]*((?:File\.|__dir__|"#\{__dir__\})[^\n]*)`)
	rubyQuoted = regexp.MustCompile(`["']([^"'\n]*)["']`)
)

// rubyConstant is the path that an expression of a source means which is made of the
// source's folder and a text: File.expand_path('lib', __dir__), File.join(__dir__, 'lib'),
// "#{__dir__}/lib" and the like; "" if it is none.
func rubyConstant(file, expression string) string {
	base := filepath.Dir(file)
	switch {
	case strings.Contains(expression, "__dir__"), strings.Contains(expression, "File.dirname(__FILE__)"):
	case strings.Contains(expression, "__FILE__"):
		base = file // File.expand_path('../lib', __FILE__)
	default:
		return ""
	}
	name := ""
	if m := rubyQuoted.FindStringSubmatch(expression); m != nil {
		name = strings.TrimPrefix(m[1], "#{__dir__}")
	}
	if strings.ContainsAny(name, "#\x00") {
		return ""
	}
	return filepath.Join(base, name)
}

// rubyScript adds the script that the arguments name, and what it requires by relative
// paths and out of folders of the load path. Ruby's own folders are packed.
func (p *Program) rubyScript(f *Facts) {
	var libs []place
	var before []string
	chdir := ""
	script := rubyOptions.scriptIn(p.Args, func(name, value string) {
		switch name {
		case "-I":
			for _, dir := range strings.Split(value, ":") {
				if at, ok := p.here(dir); ok {
					libs = append(libs, at)
				}
			}
		case "-r":
			before = append(before, value)
		case "-C", "-X":
			chdir = value
		}
	})
	if chdir != "" && script != "" && !filepath.IsAbs(script) {
		script = filepath.Join(chdir, script)
	}
	f.Paths = append(f.Paths, p.script(script)...)
	w := p.walkFrom(script, "what the script requires")
	if w == nil {
		return
	}
	files := func(name string) []string { return []string{name + ".rb", name + ".so", name} }
	find := func(name string) {
		if strings.HasPrefix(name, "./") || strings.HasPrefix(name, "../") || filepath.IsAbs(name) {
			if dir, ok := p.here(filepath.Dir(name)); ok {
				w.fileIn(dir, files(filepath.Base(name))...)
			}
			return
		}
		for _, lib := range libs {
			if w.fileIn(lib, files(name)...) {
				return
			}
		}
	}
	for _, name := range before {
		find(name)
	}
	w.run(func(file string, text []byte) {
		if filepath.Ext(file) == ".so" {
			return
		}
		for _, m := range rubyPath.FindAllSubmatch(text, maxLoads) {
			if dir := rubyConstant(file, string(m[1])); dir != "" {
				libs = append(libs, place{dir, w.to(dir)})
			}
		}
		for _, m := range rubyOwn.FindAllSubmatch(text, maxLoads) {
			if name := rubyConstant(file, string(m[1])); name != "" {
				if found := firstFile(files(name)...); found != "" {
					w.file(found)
				}
			}
		}
		for _, m := range rubyLoads.FindAllSubmatch(text, maxLoads) {
			name := string(m[2])
			switch string(m[1]) {
			case "require_relative":
				if found := firstFile(files(filepath.Join(filepath.Dir(file), name))...); found != "" {
					w.file(found)
				}
			case "load":
				if at, ok := p.here(name); ok && regular(at.host) { // looked for in the working folder at last
					w.fileAt(at.host, at.guest)
					continue
				}
				find(name)
			default:
				find(name)
			}
		}
		for _, m := range rubyAutoload.FindAllSubmatch(text, maxLoads) {
			find(string(m[1]))
		}
	})
	w.add(f)
}
