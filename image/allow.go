package image

import (
	"path"
	"slices"
	"strings"

	"skerry/image/known"
)

// allowShell begins what --allow takes, and a manifest's allow holds: a path in the
// machine at which a shell or an interpreter may be.
const allowShell = "shell:"

// ParseAllow checks the value of --allow: shell:PATH.
func ParseAllow(value string) error {
	if !allows(value) {
		return failed("--allow "+value, "allows nothing that is known", "it is shell:PATH, with the path in the machine of a shell or interpreter that is to be in it")
	}
	return nil
}

// allows reports whether value is one of --allow.
func allows(value string) bool {
	p, ok := strings.CutPrefix(value, allowShell)
	return ok && cleanPath(p)
}

// cleanPath reports whether p is an absolute path in its shortest form.
func cleanPath(p string) bool {
	return path.IsAbs(p) && path.Clean(p) == p && p != "/" && strings.IndexByte(p, 0) < 0
}

// allowed is what a manifest records of the values of --allow.
func allowed(list []string) []string { return slices.Compact(slices.Sorted(slices.Values(list))) }

// beside says what the program at a path of the host is that may not stand beside
// another one, or "": a shell, or an interpreter.
func beside(file string) string { return contentAt(file, true) }

// contentAt says which shell, or interpreter too, the program at a path of the host is, by
// what is in it, or "".
func contentAt(file string, interpreters bool) string {
	f, err := openFile(file)
	if err != nil {
		return ""
	}
	defer f.Close()
	if shell := known.Shell(f); shell != "" {
		return named(shell)
	}
	if !interpreters {
		return ""
	}
	if what := known.Interpreter(f); what != "" {
		return "an interpreter (" + what + ")"
	}
	return ""
}

func named(shell string) string {
	if strings.HasPrefix(shell, "a ") {
		return shell
	}
	return "a shell (" + shell + ")"
}
