package known

import (
	"path/filepath"
	"regexp"
	"strings"
)

// perlOptions are Perl's (perlrun).
var perlOptions = options{value: []string{"-I"}, letters: "iFMmxDCdV", code: []string{"-e", "-E", "-v"}}

var (
	// Statements that load a module or a file (perlfunc, "use", "require", "do"), at the
	// start of a line or behind another.
	perlModule = regexp.MustCompile(`(?m)(?:^|[;{}])[ \t]*(?:use|no|require)[ \t]+([A-Za-z_]\w*(?:::\w+)*)`)
	perlParent = regexp.MustCompile(`(?m)(?:^|[;{}])[ \t]*use[ \t]+(?:parent|base)\b([^;]*);`)
	perlLib    = regexp.MustCompile(`(?m)(?:^|[;{}])[ \t]*use[ \t]+lib\b([^;]*);`)
	perlFile   = regexp.MustCompile(`\b(?:require|do)\b[ \t(]*["']([^"'\n]+)["']`)
	perlQuoted = regexp.MustCompile(`"([^"\n]*)"|'([^'\n]*)'|\bqw\s*[(/{\[<]([^)/}\]>]*)`)
	perlBin    = regexp.MustCompile(`^\$\{?(?:FindBin::)?(?:Real)?Bin\}?/`)
)

// perlQuotes are the texts in a list of them.
func perlQuotes(list []byte) (l []string) {
	for _, m := range perlQuoted.FindAllSubmatch(list, maxLoads) {
		if m[3] != nil {
			l = append(l, strings.Fields(string(m[3]))...)
		} else {
			l = append(l, string(m[1])+string(m[2]))
		}
	}
	return l
}

// perlScript adds the script that the arguments name, and the modules that it uses out of
// folders that -I or `use lib` names. Perl's own folders are packed.
func (p *Program) perlScript(f *Facts) {
	var libs []place
	script := perlOptions.scriptIn(p.Args, func(name, value string) {
		if at, ok := p.here(value); ok && name == "-I" {
			libs = append(libs, at)
		}
	})
	f.Paths = append(f.Paths, p.script(script)...)
	w := p.walkFrom(script, "a module that the script uses")
	if w == nil {
		return
	}
	w.run(func(file string, text []byte) {
		for _, m := range perlLib.FindAllSubmatch(text, maxLoads) {
			for _, name := range perlQuotes(m[1]) {
				if bin := perlBin.FindString(name); bin != "" {
					dir := filepath.Join(w.dir, name[len(bin):])
					libs = append(libs, place{dir, w.to(dir)})
				} else if at, ok := p.here(name); ok && !strings.Contains(name, "$") {
					libs = append(libs, at)
				}
			}
		}
		var names []string
		for _, m := range perlModule.FindAllSubmatch(text, maxLoads) {
			names = append(names, string(m[1]))
		}
		for _, m := range perlParent.FindAllSubmatch(text, maxLoads) {
			names = append(names, perlQuotes(m[1])...)
		}
		for _, name := range names {
			rel := strings.ReplaceAll(name, "::", "/")
			if strings.ContainsAny(rel, ".$") {
				continue
			}
			for _, lib := range libs {
				if w.fileIn(lib, rel+".pm") {
					w.fileIn(lib, "auto/"+rel+"/"+filepath.Base(rel)+".so") // its part in machine code (XSLoader)
					break
				}
			}
		}
		for _, m := range perlFile.FindAllSubmatch(text, maxLoads) {
			name := string(m[1])
			if bin := perlBin.FindString(name); bin != "" {
				name = name[len(bin):]
			} else if at, ok := p.here(name); ok && regular(at.host) {
				w.fileAt(at.host, at.guest)
				continue
			}
			for _, dir := range append(libs[:len(libs):len(libs)], place{w.dir, w.at}) {
				if w.fileIn(dir, name) {
					break
				}
			}
		}
	})
	w.add(f)
}
