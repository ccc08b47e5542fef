package known

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

var (
	luaName    = regexp.MustCompile(`^lua-?(5\.[1-5])?$`)
	luaJITName = regexp.MustCompile(`^luajit(-.*)?$`)
	// Calls of require with a constant (Lua's manual, "require"), and of files.
	luaModule = regexp.MustCompile(`\brequire\s*\(?\s*(?:["']|\[\[)([\w.\-]+)(?:["']|\]\])`)
	luaFile   = regexp.MustCompile(`\b(?:dofile|loadfile)\s*\(?\s*["']([^"'\n]+)["']`)
)

// Options of lua(1) and of LuaJIT ("Running LuaJIT"); code that -e gives runs before a
// script.
var (
	luaOptions    = options{value: []string{"-e", "-l"}, letters: "W"}
	luaJITOptions = options{value: []string{"-e", "-l", "-j"}, letters: "O", code: []string{"-b"}}
)

// luaJITCode is what LuaJIT may compile to: maxmcode, 2 MiB by default ("Running LuaJIT",
// -O), for each of some states.
const luaJITCode = 16 << 20

// lua knows Lua and LuaJIT: the script that their arguments name, and the modules that it
// requires, from the working folder and the folders of the system (package.path and
// package.cpath, as luaconf.h and Debian have them).
func lua(p *Program) *Facts {
	version, opts := "", luaOptions
	f := &Facts{}
	switch name := p.Name(); {
	case luaJITName.MatchString(name):
		version, opts = "5.1", luaJITOptions // whose modules it takes
		f.Name, f.JIT = "LuaJIT", luaJITCode
		dirs, _ := filepath.Glob("/usr/share/luajit-2*")
		more, _ := filepath.Glob("/usr/local/share/luajit-2*")
		for _, dir := range append(dirs, more...) {
			f.Paths = append(f.Paths, Path{Host: dir, Why: "its library"})
		}
	case luaName.MatchString(name):
		if version = luaName.FindStringSubmatch(name)[1]; version == "" {
			version = luaVersion(p.Path)
		}
		if version == "" {
			return nil
		}
		f.Name = "Lua " + version
	default:
		return nil
	}
	var before []string
	script := opts.scriptIn(p.Args, func(name, value string) {
		if name == "-l" {
			_, after, ok := strings.Cut(value, "=") // of Lua 5.4, name=module
			if !ok {
				after = value
			}
			before = append(before, after)
		}
	})
	f.Paths = append(f.Paths, p.script(script)...)
	f.Notes = append(f.Notes, Note{Level: Info, Point: "single process", Text: "lua: os.execute and io.popen fail"})
	w := p.walkFrom(script, "a module that the script requires")
	if w == nil {
		return f
	}
	find := func(module string) {
		rel := strings.ReplaceAll(module, ".", "/")
		for _, dir := range w.luaDirs(version) {
			if w.fileIn(dir, rel+".lua", rel+"/init.lua", rel+".so") {
				return
			}
		}
		if top, _, ok := strings.Cut(rel, "/"); ok { // which may hold what stands below it
			for _, dir := range w.luaDirs(version) {
				if w.fileIn(dir, top+".so") {
					return
				}
			}
		}
	}
	for _, module := range before {
		find(module)
	}
	w.run(func(file string, text []byte) {
		if filepath.Ext(file) == ".so" {
			return
		}
		for _, m := range luaModule.FindAllSubmatch(text, maxLoads) {
			find(string(m[1]))
		}
		for _, m := range luaFile.FindAllSubmatch(text, maxLoads) {
			if at, ok := p.here(string(m[1])); ok && regular(at.host) {
				w.fileAt(at.host, at.guest)
			}
		}
	})
	w.add(f)
	return f
}

// luaDirs are the folders that a module is looked for in. The working folder is the first
// in which a program's own stand; beside the script they are found if it says so in
// package.path, or if that is the working folder of the machine.
func (w *walk) luaDirs(version string) (l []place) {
	if here, ok := w.p.here("."); ok {
		l = append(l, here)
	}
	l = append(l, place{w.dir, w.at})
	for _, dir := range []string{"/usr/local/share/lua/", "/usr/local/lib/lua/", "/usr/share/lua/", "/usr/lib/x86_64-linux-gnu/lua/", "/usr/lib64/lua/", "/usr/lib/lua/"} {
		l = append(l, place{dir + version, dir + version})
	}
	return l
}

// luaVersion is the version that a file called lua says that it is, "" if it says none.
func luaVersion(file string) string {
	f, err := os.Open(file)
	if err != nil {
		return ""
	}
	defer f.Close()
	if digit := string(findIn(f, []byte("Lua 5."), 1)); len(digit) == 1 && strings.Contains("12345", digit) {
		return "5." + digit
	}
	return ""
}
