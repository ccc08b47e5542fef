package image

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// maxInterpLine is how much of a script's first line counts (execve(2)).
const maxInterpLine = 255

// shells are interpreters that start other programs for everything they do.
var shells = []string{"sh", "bash", "dash", "zsh", "ksh", "mksh", "fish", "ash", "csh", "tcsh", "busybox", "toybox", "rbash"}

// script is a `#!` script as execve(2) reads it.
type script struct {
	interp string   // absolute path of the interpreter on the host
	argv   []string // the interpreter's name and the argument of the line
	env    []string // NAME=value that the line sets through env
}

// readScript returns what the script at path, which the user called name, is run
// by; nil if the file does not begin with "#!".
func readScript(path, name string) (*script, error) {
	f, err := openFile(path)
	if err != nil {
		return nil, nil // CheckProgram says it better
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, nil
	}
	b := make([]byte, maxInterpLine+1)
	n, err := io.ReadFull(f, b)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) || !bytes.HasPrefix(b, []byte("#!")) {
		return nil, nil
	}
	line, _, whole := strings.Cut(string(b[2:n]), "\n")
	if !whole && n == len(b) {
		return nil, cannotRun(name, "is a script whose first line is too long", "shorten it")
	}
	line = strings.Trim(line, " \t\r")
	interp, arg, _ := strings.Cut(line, " ")
	if i := strings.IndexByte(interp, '\t'); i >= 0 {
		interp, arg = interp[:i], interp[i+1:]+arg
	}
	arg = strings.Trim(arg, " \t")
	if interp == "" {
		return nil, cannotRun(name, "is a script without an interpreter", "name one in its first line, such as #!/usr/bin/python3")
	}
	s := &script{interp: interp, argv: []string{interp}}
	if arg != "" {
		s.argv = append(s.argv, arg)
	}
	if filepath.Base(interp) == "env" {
		if err := s.throughEnv(arg, name); err != nil {
			return nil, err
		}
	}
	if !filepath.IsAbs(s.interp) {
		return nil, cannotRun(name, "is a script for "+s.interp+", which is not an absolute path", "mend its first line")
	}
	if slices.Contains(shells, filepath.Base(s.interp)) {
		return nil, cannotRun(name, "is a script for a shell ("+s.interp+"), and a machine has no shell and starts no second program (no shells)",
			"name the program that the script starts, with its arguments")
	}
	if _, err := os.Stat(s.interp); err != nil {
		return nil, cannotRun(name, "is a script for "+s.interp+", which is not there", "install it, or mend the script's first line")
	}
	return s, nil
}

// throughEnv resolves `env [-S] [NAME=value...] PROGRAM [ARG...]` (env(1)).
func (s *script) throughEnv(arg, name string) error {
	words := []string{arg}
	if rest, ok := strings.CutPrefix(arg, "-S"); ok {
		words = strings.Fields(rest)
	} else if rest, ok := strings.CutPrefix(arg, "--split-string="); ok {
		words = strings.Fields(rest)
	}
	for len(words) > 0 && strings.IndexByte(words[0], '=') > 0 {
		s.env = append(s.env, words[0])
		words = words[1:]
	}
	if len(words) == 0 || words[0] == "" || strings.HasPrefix(words[0], "-") || strings.ContainsAny(arg, `"'\$`) {
		return cannotRun(name, "is a script whose first line, `env "+arg+"`, is not understood", "name the interpreter there, such as #!/usr/bin/python3")
	}
	path, err := exec.LookPath(words[0])
	if err != nil {
		return cannotRun(name, "is a script for "+words[0]+", which is not in PATH", "install it, or mend PATH")
	}
	if path, err = filepath.Abs(path); err != nil {
		return failed(name, cause(err), "")
	}
	s.interp, s.argv = path, words
	return nil
}
