package image

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// SourceKind is what a user named.
type SourceKind int

// Kinds of sources.
const (
	Program SourceKind = iota
	ImageFile
	GoPackage
)

// Source is what is to be run or built.
type Source struct {
	Kind  SourceKind
	Typed string // as the user wrote it
	Host  string // absolute path on the host
}

// Resolve finds what the user means by arg: an image, a program or a folder with
// a Go package. A name without a slash is an image in the working directory or
// else a program in PATH.
func Resolve(arg string) (*Source, error) {
	if arg == "" {
		return nil, &Error{StatusNotFound, `""`, "is no program", ""}
	}
	if !strings.Contains(arg, "/") && arg != "." && arg != ".." {
		if isImage(arg) {
			return source(ImageFile, arg, arg)
		}
		path, err := exec.LookPath(arg)
		if err != nil {
			mend := ""
			if _, err := os.Stat(arg); err == nil {
				mend = "for the one in this folder write ./" + arg
			}
			return nil, &Error{StatusNotFound, arg, "not found in PATH", mend}
		}
		return source(Program, arg, path)
	}
	info, err := os.Stat(arg)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, &Error{StatusNotFound, arg, "no such file or folder", ""}
	case err != nil:
		return nil, cannotRun(arg, cause(err), "")
	case info.IsDir():
		if list, _ := filepath.Glob(filepath.Join(globQuote(arg), "*.go")); len(list) == 0 {
			return nil, cannotRun(arg, "is a folder without a Go package", "name a program, an image, or a folder with a Go package `main`")
		}
		return source(GoPackage, arg, arg)
	case isImage(arg):
		return source(ImageFile, arg, arg)
	}
	return source(Program, arg, arg)
}

// globQuote makes a path mean itself in a pattern.
func globQuote(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}

func source(kind SourceKind, typed, path string) (*Source, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, failed(typed, cause(err), "")
	}
	return &Source{kind, typed, abs}, nil
}

// isImage tells by its first bytes whether path is an image, of any version.
func isImage(path string) bool {
	f, err := openFile(path)
	if err != nil {
		return false
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return false // nothing is read from a pipe or a device
	}
	b := make([]byte, len(Magic))
	_, err = io.ReadFull(f, b)
	return err == nil && string(b) == Magic
}

// Name is the source's short name, for the image and the machine.
func (s *Source) Name() string {
	name := strings.TrimSuffix(filepath.Base(s.Host), ".img")
	name = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '/' {
			return '-'
		}
		return r
	}, name)
	if name == "" {
		return "program"
	}
	return name
}

// GuestPath is where the program stands in the machine: at its absolute path on
// the host; under /bin if it was built from a Go package or lies where the
// machine has a file system of its own.
func (s *Source) GuestPath() string {
	if s.Kind == GoPackage || Hidden(s.Host) || s.Host == "/" {
		return "/bin/" + s.Name()
	}
	return s.Host
}

// Argv0 is what the program is told as its name: what the user typed, or the
// path in the machine if it is built from a package.
func (s *Source) Argv0() string {
	if s.Kind == GoPackage {
		return s.GuestPath()
	}
	return s.Typed
}

// Hostname makes a host name (letters, digits, hyphens) of any name.
func Hostname(name string) string {
	b := []byte(strings.ToLower(name))
	for i, c := range b {
		if !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9') {
			b[i] = '-'
		}
	}
	h := string(b[:min(len(b), 63)]) // RFC 1035, 2.3.4
	if h = strings.Trim(h, "-"); h == "" {
		return "skerry"
	}
	return h
}
