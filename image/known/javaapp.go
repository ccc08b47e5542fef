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
// files' own Class-Path entries lead. Relative paths are those of the folder that the
// command is given in, and of the working folder in the machine.
func (p *Program) javaApp() (paths []Path, notes []Note, mainClass string) {
	a := &javaArchive{p: p, seen: map[string]bool{}}
	args, home := p.Args, ""
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
				mainClass = a.entry(args[i+1])
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
	return a.paths, a.notes, mainClass
}

// javaArchive collects jar files.
type javaArchive struct {
	p     *Program
	paths []Path
	notes []Note
	seen  map[string]bool // by their paths in the machine
}

// entry adds a jar file or folder as an argument names it, and answers the main class
// that it names.
func (a *javaArchive) entry(arg string) (mainClass string) {
	host, guest, ok := a.p.argument(arg)
	if !ok {
		return ""
	}
	// Nobody who writes "." means all that is in his folder.
	if cwd, err := filepath.Abs("."); err == nil && !path.IsAbs(arg) && (cwd == host || strings.HasPrefix(cwd, strings.TrimSuffix(host, "/")+"/")) {
		a.notes = append(a.notes, Note{Level: Warn, Text: "java: " + arg + " of the class path is the working folder here, or has it inside, and is not packed: add --dir " + arg + ":" + guest +
			", or name a folder of classes"})
		return ""
	}
	return a.add(host, guest)
}

// list adds the entries of a class path (java(1)): jar files, folders, and
// FOLDER/* for all jar files of a folder.
func (a *javaArchive) list(classPath string) {
	for _, e := range strings.Split(classPath, ":") {
		if dir, ok := strings.CutSuffix(e, "/*"); ok || e == "*" {
			if e == "*" {
				dir = "."
			}
			if host, err := filepath.Abs(dir); err == nil {
				if !path.IsAbs(dir) {
					dir = path.Join("/", a.p.Cwd, dir)
				}
				a.folder(host, dir)
			}
			continue
		}
		a.entry(e)
	}
}

// folder adds the jar files of a folder.
func (a *javaArchive) folder(host, guest string) {
	jars, err := filepath.Glob(filepath.Join(host, "*.[jJ][aA][rR]"))
	if err != nil {
		return // a pattern in the folder's name
	}
	for _, j := range jars {
		a.add(j, path.Join(guest, path.Base(j)))
	}
}

// maxJars bounds what one command line can bring in.
const maxJars = 10000

// add adds one file or folder of a class path with what it refers to, and answers the
// main class that it names.
func (a *javaArchive) add(host, guest string) (mainClass string) {
	if a.seen[guest] || len(a.seen) >= maxJars || !exists(host) {
		return ""
	}
	a.seen[guest] = true
	a.paths = append(a.paths, named(host, guest, "the class path"))
	m := jarManifest(host)
	for _, e := range strings.Fields(m["Class-Path"]) {
		// URLs relative to the archive (JAR File Specification, "Class-Path");
		// those with a scheme are not files or not likely to be.
		if e = strings.TrimPrefix(e, "file:"); path.IsAbs(e) {
			a.add(path.Clean(e), path.Clean(e))
		} else {
			a.add(path.Join(path.Dir(host), e), path.Join(path.Dir(guest), e))
		}
	}
	return m["Main-Class"]
}

// activeMQ adds the libraries that ActiveMQ's console loads from its home folder,
// where it makes a class path of its own.
func (a *javaArchive) activeMQ(home string) {
	host, guest := home, home
	if home == "" {
		host = path.Dir(path.Dir(a.paths[0].Host))
		if guest = host; a.paths[0].Guest != "" {
			guest = path.Dir(path.Dir(a.paths[0].Guest))
		}
	}
	for _, dir := range []string{"lib", "lib/camel", "lib/optional", "lib/web", "lib/extra"} {
		a.folder(path.Join(host, dir), path.Join(guest, dir))
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
