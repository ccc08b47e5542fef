package dynlink

import (
	"bufio"
	"os"
	"path/filepath"
	"strings"
)

// Kind is which C library's dynamic linker a program names.
type Kind int

// Kinds of dynamic linkers.
const (
	Unknown Kind = iota
	Glibc
	Musl
)

// KindOf tells the linker by its file name.
func KindOf(interp string) Kind {
	switch base := filepath.Base(interp); {
	case strings.HasPrefix(base, "ld-musl-"):
		return Musl
	case strings.HasPrefix(base, "ld-linux"):
		return Glibc
	}
	return Unknown
}

// muslPath is musl's file of search directories (ldso/dynlink.c reads it beside
// the linker; see its reference manual, "path").
const muslPath = "/etc/ld-musl-x86_64.path"

// SystemDirs are the directories of the host that a linker looks into last: for
// glibc those of ld.so.conf, which ldconfig puts into its cache, and the built-in
// ones of the usual distributions; for musl its path file.
func SystemDirs(kind Kind) []string {
	if kind == Musl {
		if b, err := os.ReadFile(muslPath); err == nil {
			return strings.FieldsFunc(string(b), func(r rune) bool { return r == ':' || r == '\n' })
		}
		return []string{"/lib", "/usr/local/lib", "/usr/lib"}
	}
	dirs := confDirs("/etc/ld.so.conf", map[string]bool{})
	return unique(append(dirs, "/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/lib64", "/usr/lib64", "/lib", "/usr/lib"))
}

// confDirs reads ld.so.conf (ldconfig(8)): a directory on each line, `include`
// with patterns, comments behind #.
func confDirs(path string, seen map[string]bool) (dirs []string) {
	if seen[path] || len(seen) > 256 {
		return nil
	}
	seen[path] = true
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	s := bufio.NewScanner(f)
	for s.Scan() {
		line, _, _ := strings.Cut(s.Text(), "#")
		line = strings.TrimSpace(line)
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == "include" {
			for _, pattern := range fields[1:] {
				if !filepath.IsAbs(pattern) {
					pattern = filepath.Join(filepath.Dir(path), pattern)
				}
				list, _ := filepath.Glob(pattern)
				for _, p := range list {
					dirs = append(dirs, confDirs(p, seen)...)
				}
			}
			continue
		}
		if filepath.IsAbs(line) {
			dirs = append(dirs, filepath.Clean(line))
		}
	}
	return dirs
}

func unique(list []string) (out []string) {
	seen := map[string]bool{}
	for _, s := range list {
		if s != "" && !seen[s] {
			seen[s] = true
			out = append(out, s)
		}
	}
	return out
}

// expand replaces the dynamic string tokens of a search path or name (ld.so(8)).
// What $LIB stands for depends on how the linker was built, so there may be
// several answers.
func expand(s, origin string) []string {
	list := []string{s}
	for _, t := range []struct {
		name   string
		values []string
	}{
		{"ORIGIN", []string{origin}},
		{"LIB", []string{"lib/x86_64-linux-gnu", "lib64", "lib"}},
		{"PLATFORM", []string{"x86_64"}},
	} {
		var next []string
		for _, s := range list {
			if !strings.Contains(s, "$"+t.name) && !strings.Contains(s, "${"+t.name+"}") {
				next = append(next, s)
				continue
			}
			for _, v := range t.values {
				next = append(next, strings.NewReplacer("${"+t.name+"}", v, "$"+t.name, v).Replace(s))
			}
		}
		list = next
	}
	return list
}

// expandPath expands every directory of a search path. An empty one is the
// working directory, which no image should depend on; it is left out.
func expandPath(path []string, origin string) (dirs []string) {
	for _, p := range path {
		for _, d := range expand(p, origin) {
			if filepath.IsAbs(d) {
				dirs = append(dirs, filepath.Clean(d))
			}
		}
	}
	return dirs
}
