package known

import (
	"archive/zip"
	"bufio"
	"io"
	"path"
	"path/filepath"
	"strings"
)

// javaValued are options of java that take the next argument as their value.
var javaValued = map[string]bool{
	"-cp": true, "-classpath": true, "--class-path": true, "-p": true, "--module-path": true, "--upgrade-module-path": true,
	"--add-modules": true, "--add-reads": true, "--add-exports": true, "--add-opens": true, "--limit-modules": true, "--patch-module": true, "-d": true,
	"--describe-module": true, "--enable-native-access": true,
}

// javaApp is what java's arguments name of the program that it is to run: the jar
// file of -jar, or the jar files and folders of the class path, and where the jar
// files' own Class-Path entries lead. Only absolute paths are taken, since others
// mean something else in a machine.
func javaApp(args []string) (paths []Path, mainClass string) {
	a := &javaArchive{seen: map[string]bool{}}
	home := ""
options:
	for i := 0; i < len(args); i++ {
		arg, value := args[i], ""
		if javaValued[arg] && i+1 < len(args) {
			i++
			value = args[i]
		}
		switch {
		case arg == "-jar":
			if i+1 < len(args) {
				mainClass = a.add(args[i+1])
			}
			break options
		case arg == "-cp" || arg == "-classpath" || arg == "--class-path" || arg == "-p" || arg == "--module-path":
			a.list(value)
		case strings.HasPrefix(arg, "--class-path="):
			a.list(strings.TrimPrefix(arg, "--class-path="))
		case strings.HasPrefix(arg, "-Dactivemq.home="):
			home = strings.TrimPrefix(arg, "-Dactivemq.home=")
		case !strings.HasPrefix(arg, "-"):
			break options
		}
	}
	if mainClass == "org.apache.activemq.console.Main" {
		a.activeMQ(home)
	}
	return a.paths, mainClass
}

// javaArchive collects jar files.
type javaArchive struct {
	paths []Path
	seen  map[string]bool
}

// list adds the entries of a class path (java(1)): jar files, folders, and
// FOLDER/* for all jar files of a folder.
func (a *javaArchive) list(classPath string) {
	for _, e := range strings.Split(classPath, ":") {
		if dir, ok := strings.CutSuffix(e, "/*"); ok {
			a.folder(dir)
			continue
		}
		a.add(e)
	}
}

// folder adds the jar files of a folder.
func (a *javaArchive) folder(dir string) {
	jars, err := filepath.Glob(filepath.Join(dir, "*.[jJ][aA][rR]"))
	if err != nil {
		return // a pattern in the folder's name
	}
	for _, j := range jars {
		a.add(j)
	}
}

// maxJars bounds what one command line can bring in.
const maxJars = 10000

// add adds one entry of a class path with what it refers to, and answers the main
// class that it names.
func (a *javaArchive) add(file string) (mainClass string) {
	if !path.IsAbs(file) || a.seen[file] || len(a.seen) >= maxJars || !exists(file) {
		return ""
	}
	a.seen[file] = true
	a.paths = append(a.paths, Path{Host: file, Why: "the class path"})
	m := jarManifest(file)
	for _, e := range strings.Fields(m["Class-Path"]) {
		// URLs relative to the archive (JAR File Specification, "Class-Path");
		// those with a scheme are not files or not likely to be.
		if e = strings.TrimPrefix(e, "file:"); !path.IsAbs(e) {
			e = path.Join(path.Dir(file), e)
		}
		a.add(e)
	}
	return m["Main-Class"]
}

// activeMQ adds the libraries that ActiveMQ's console loads from its home folder,
// where it makes a class path of its own.
func (a *javaArchive) activeMQ(home string) {
	if home == "" {
		home = path.Dir(path.Dir(a.paths[0].Host))
	}
	for _, dir := range []string{"lib", "lib/camel", "lib/optional", "lib/web", "lib/extra"} {
		a.folder(path.Join(home, dir))
	}
}

// jarManifest reads the main section of a jar file's manifest; nil if there is none.
func jarManifest(file string) map[string]string {
	z, err := zip.OpenReader(file)
	if err != nil {
		return nil
	}
	defer z.Close()
	f, err := z.Open("META-INF/MANIFEST.MF")
	if err != nil {
		return nil
	}
	defer f.Close()
	return manifestSection(io.LimitReader(f, 4<<20))
}

// manifestSection reads the main section of a manifest: NAME: VALUE lines up to an
// empty one, where a line that begins with a space continues the one before (JAR File
// Specification, "Notes on Manifest and Signature Files").
func manifestSection(r io.Reader) map[string]string {
	m := map[string]string{}
	last := ""
	for s := bufio.NewScanner(r); s.Scan(); {
		line := strings.TrimSuffix(s.Text(), "\r")
		if line == "" {
			break
		}
		if more, ok := strings.CutPrefix(line, " "); ok {
			if last != "" {
				m[last] += more
			}
			continue
		}
		name, value, _ := strings.Cut(line, ":")
		last = name
		m[last] = strings.TrimPrefix(value, " ")
	}
	return m
}
