package known

import (
	"bufio"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
)

// javaUnused are files of a Java runtime's lib folder that a program in a machine
// does not read: sources, signatures for javac --release, helpers that would be
// other processes, debuggers, and what draws on a screen or plays sounds (with the
// libraries that these would bring).
var javaUnused = map[string]bool{
	"src.zip": true, "ct.sym": true, "classlist": true, "jexec": true, "jspawnhelper": true, "jar.binfmt": true, "jvm.cfg-default": true,
	"jrt-fs.jar": true, "libsaproc.so": true, "libattach.so": true, "libawt_xawt.so": true, "libsplashscreen.so": true, "libjsound.so": true, "libjawt.so": true,
	"libatk-wrapper.so": true, "libj2pcsc.so": true,
	"psfont.properties.ja": true, "psfontj2d.properties": true,
}

// Executable memory of HotSpot: its code cache is reserved whole and becomes
// executable as it grows. ReservedCodeCacheSize is 240 MiB by default; the rest is
// for stubs and rounding.
const (
	hotspotCode  = 240 << 20
	hotspotStubs = 16 << 20
)

// java knows a Java runtime of version 9 or later by the layout of its home folder,
// as java finds that itself: bin/java beside lib/modules and lib/server/libjvm.so.
func java(p *Program) *Facts {
	if p.Name() != "java" || filepath.Base(filepath.Dir(p.Path)) != "bin" {
		return nil
	}
	home := filepath.Dir(filepath.Dir(p.Path))
	if !exists(home+"/lib/modules") || !exists(home+"/lib/server/libjvm.so") {
		return nil
	}
	f := &Facts{Name: "Java"}
	if v := javaVersion(home); v != "" {
		f.Name += " " + v
	}
	f.JIT = max(hotspotCode, javaSize(p.Args, "-XX:ReservedCodeCacheSize=")) + hotspotStubs
	// The second archive of shared classes is for heaps without compressed pointers.
	wide := false
	for _, a := range p.Args {
		wide = wide || a == "-XX:-UseCompressedOops" || a == "-XX:+UseZGC"
	}
	skip := func(rel string, dir bool) bool {
		base := path.Base(rel)
		return javaUnused[base] || !wide && strings.Contains(base, "_nocoops") || strings.HasSuffix(base, ".debuginfo")
	}
	const why = "the Java runtime"
	f.Paths = []Path{
		{Host: home + "/lib", Why: why, Skip: skip},
		// Some distributions keep these elsewhere, with links to the folders.
		{Host: home + "/lib/security", Why: why},
		{Host: home + "/conf", Why: "configuration of the Java runtime"},
		{Host: home + "/conf/security", Why: "configuration of the Java runtime"},
	}
	app, notes, _ := p.javaApp()
	f.Paths, f.Notes = append(f.Paths, app...), notes
	return f
}

// javaVersion is the feature version that a home's release file tells, "" if it does
// not.
func javaVersion(home string) string {
	f, err := os.Open(home + "/release")
	if err != nil {
		return ""
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		if v, ok := strings.CutPrefix(s.Text(), `JAVA_VERSION="`); ok {
			v, _, _ = strings.Cut(strings.TrimSuffix(v, `"`), ".")
			return v
		}
	}
	return ""
}

// javaSize is the last size that an option is given, in bytes; 0 if there is none
// that can be read.
func javaSize(args []string, option string) (size int64) {
	for _, a := range args {
		v, ok := strings.CutPrefix(a, option)
		if !ok || v == "" {
			continue
		}
		unit := int64(1)
		switch v[len(v)-1] {
		case 'k', 'K':
			unit = 1 << 10
		case 'm', 'M':
			unit = 1 << 20
		case 'g', 'G':
			unit = 1 << 30
		}
		if unit != 1 {
			v = v[:len(v)-1]
		}
		n, err := strconv.ParseInt(v, 10, 32)
		if err == nil && n > 0 {
			size = n * unit
		}
	}
	return size
}
