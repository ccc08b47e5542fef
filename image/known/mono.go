package known

import (
	"os"
	"path"
	"path/filepath"
	"strings"
)

// monoCode bounds what Mono compiles. It asks for pieces of it, as large as they need to be.
const monoCode = 256 << 20

// monoUnused are folders and files below lib/mono that a program which runs does not
// read: build tools, compilers, what tells a debugger of sources.
func monoUnused(rel string, dir bool) bool {
	base := path.Base(rel)
	if dir {
		return base == "msbuild" || base == "xbuild" || base == "xbuild-frameworks" || strings.HasSuffix(base, "-api")
	}
	switch path.Ext(base) {
	case ".pdb", ".mdb":
		return true
	}
	return base == "mcs.exe" || base == "csc.exe" || base == "vbc.exe" || base == "csi.exe" || base == "gacutil.exe"
}

// mono knows Mono by its name and the folder of its class libraries, as it finds that
// itself: lib/mono beside bin (mono(1), "Runtime Environment").
func mono(p *Program) *Facts {
	if name := p.Name(); name != "mono" && name != "mono-sgen" && name != "mono-boehm" {
		return nil
	}
	prefix := filepath.Dir(filepath.Dir(p.Path))
	lib := filepath.Join(prefix, "lib")
	if !exists(lib + "/mono/4.5/mscorlib.dll") {
		return nil
	}
	etc := filepath.Join(prefix, "etc/mono")
	if prefix == "/usr" {
		etc = "/etc/mono"
	}
	f := &Facts{Name: "Mono", JIT: monoCode}
	for _, x := range append([]Path{
		{Host: lib + "/mono", Why: "Mono's class libraries", Skip: monoUnused},
		{Host: etc, Why: "configuration of Mono", Skip: func(rel string, dir bool) bool { return path.Base(rel) == "browscap.ini" }},
		// Loaded with dlopen by the names that its configuration has ($mono_libdir).
		{Host: lib + "/libmono-native.so", Why: "a library that its class libraries load"},
		{Host: lib + "/libmono-btls-shared.so", Why: "a library that its class libraries load"},
		{Host: lib + "/libMonoPosixHelper.so", Why: "a library that its class libraries load"},
		{Host: "/etc/protocols", Why: "names of protocols"},
		utf8Locale,
		TimeZones(),
	}, p.certificates()...) {
		if exists(x.Host) {
			f.Paths = append(f.Paths, x)
		}
	}
	f.Env = []string{"LANG=C.UTF-8"}
	f.Paths = append(f.Paths, p.monoProgram()...)
	f.Notes = append(f.Notes, Note{Level: Info, Point: "single process", Text: "mono: System.Diagnostics.Process.Start fails; threads and sockets work"})
	return f
}

// monoProgram is the program in Mono's arguments, with its configuration and the libraries
// beside it.
func (p *Program) monoProgram() (l []Path) {
	for i := 0; i < len(p.Args); i++ {
		a := p.Args[i]
		if a == "--config" { // mono(1): the one option whose value stands apart
			i++
			continue
		}
		if strings.HasPrefix(a, "-") {
			continue
		}
		host, guest, _ := p.argument(a)
		if !regular(host) {
			return nil
		}
		l = p.script(a)
		entries, err := os.ReadDir(filepath.Dir(host))
		if err != nil {
			return l
		}
		base := filepath.Base(host)
		for _, e := range entries {
			name := e.Name()
			to := path.Join(path.Dir(guest), name)
			if !strings.HasSuffix(name, ".dll") && name != base+".config" || name == base || p.Has != nil && p.Has(to) {
				continue
			}
			l = append(l, named(filepath.Join(filepath.Dir(host), name), to, "a library beside the program"))
		}
		return l
	}
	return nil
}
