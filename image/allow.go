package image

import (
	"path"
	"slices"
	"strings"

	"skerry/image/known"
)

// ParseAllow reads the value of --allow: shell:PATH, with a path in the machine.
func ParseAllow(value string) (path string, err error) {
	p, ok := strings.CutPrefix(value, "shell:")
	if !ok || !cleanPath(p) {
		return "", failed("--allow "+value, "allows nothing that is known", "it is shell:PATH, with the path in the machine of a shell or interpreter that is to be in it")
	}
	return p, nil
}

// cleanPath reports whether p is an absolute path in its shortest form.
func cleanPath(p string) bool {
	return path.IsAbs(p) && path.Clean(p) == p && p != "/" && strings.IndexByte(p, 0) < 0
}

// allowed is what a manifest records of the paths.
func allowed(paths []string) []string {
	var list []string
	for _, p := range paths {
		list = append(list, "shell:"+p)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// shellAt says which shell the program at a path of the host is, by what is in it, or "".
func shellAt(file string) string {
	f, err := openFile(file)
	if err != nil {
		return ""
	}
	defer f.Close()
	return named(known.Shell(f))
}

// beside says what the program at a path of the host is that may not stand beside
// another one, or "".
func beside(file string) string {
	if what := shellAt(file); what != "" {
		return what
	}
	f, err := openFile(file)
	if err != nil {
		return ""
	}
	defer f.Close()
	if what := known.Interpreter(f); what != "" {
		return "an interpreter (" + what + ")"
	}
	return ""
}

func named(shell string) string {
	if shell == "" || strings.HasPrefix(shell, "a ") {
		return shell
	}
	return "a shell (" + shell + ")"
}
