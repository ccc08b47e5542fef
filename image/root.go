package image

import (
	"errors"
	"fmt"
	"os"
	"path"
	"strings"

	"skerry/image/erofs"
)

// mounts are the places where the machine mounts file systems of its own. What
// an image holds there would not be seen.
var mounts = []string{"/dev", "/proc", "/run", "/sys", "/tmp"}

// generated are the files that the kernel makes from the network configuration.
var generated = []string{"/etc/hostname", "/etc/hosts", "/etc/resolv.conf"}

// emptyDirs are the directories that every root has.
var emptyDirs = []string{"/dev/shm", "/etc", "/proc", "/run", "/sys", "/tmp"}

// accounts are the files that C libraries look up users, groups and name
// services in. There is one identity, and it cannot log in.
var accounts = map[string]string{
	"/etc/passwd":        "skerry:x:65532:65532:skerry:/:/sbin/nologin\n",
	"/etc/group":         "skerry:x:65532:\n",
	"/etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
}

// hidden reports whether path lies in a file system that the machine mounts.
func hidden(path string) bool {
	for _, m := range mounts {
		if path == m || strings.HasPrefix(path, m+"/") {
			return true
		}
	}
	return false
}

// BuildSpec is what an image is built from.
type BuildSpec struct {
	Source  *Source
	Program string   // the ELF file on the host: Source.Host, or what a Go package was built to
	Args    []string // argv without argv[0]
	Env     []string // NAME=value
	Cwd     string   // "" is "/"; it is made if it is not there
	Copies  []Copy
	Kernel  []byte
}

// Parts checks the program and lays out the root: the program at its path, the
// copies, and what a static program expects to be there.
func (s *BuildSpec) Parts() (Parts, error) {
	if err := CheckProgram(s.Program, s.Source.Typed); err != nil {
		return Parts{}, err
	}
	info, err := os.Stat(s.Program)
	if err != nil {
		return Parts{}, cannotRun(s.Source.Typed, cause(err), "")
	}
	guest := s.Source.GuestPath()
	t := erofs.New()
	for _, d := range emptyDirs {
		if err := t.Mkdir(d); err != nil {
			return Parts{}, err
		}
	}
	if err := t.File(guest, erofs.HostFile{Path: s.Program, Bytes: info.Size()}, true); err != nil {
		return Parts{}, cannotRun(s.Source.Typed, "cannot be packed at "+guest+": "+err.Error(), "")
	}
	for _, c := range s.Copies {
		if err := c.addTo(t, adder{program: guest, executable: true}); err != nil {
			return Parts{}, err
		}
	}
	for path, text := range accounts {
		// A file of the user's comes before ours.
		if err := t.File(path, erofs.Bytes(text), false); err != nil && !errors.Is(err, erofs.ErrExist) {
			return Parts{}, err
		}
	}
	cwd, err := workdir(s.Cwd)
	if err != nil {
		return Parts{}, err
	}
	if k := t.Lookup(cwd); !hidden(cwd) && k != erofs.Symlink {
		if err := t.Mkdir(cwd); err != nil {
			return Parts{}, failed("-w "+s.Cwd, "is not a directory in the image", "")
		}
	}
	return Parts{
		Manifest: Manifest{
			Name: s.Source.Name(), Program: guest, Cwd: cwd,
			Args: append([]string{s.Source.Argv0()}, s.Args...),
			Env:  s.Env,
		},
		Kernel: s.Kernel,
		Root:   t,
	}, nil
}

// workdir checks a working directory and cleans it.
func workdir(dir string) (string, error) {
	if dir == "" {
		return "/", nil
	}
	if !path.IsAbs(dir) || strings.IndexByte(dir, 0) >= 0 {
		return "", failed("-w "+dir, "is not an absolute path", "it is a path in the machine, such as -w /srv")
	}
	return path.Clean(dir), nil
}

// Workdir checks a working directory for an image that is already built.
func (im *Image) Workdir(dir string) (string, error) {
	cwd, err := workdir(dir)
	if err != nil {
		return "", err
	}
	// What lies below a mount point is made by the program, so not there yet.
	if hidden(cwd) && path.Dir(cwd) != "/" && cwd != "/dev/shm" {
		return "", failed("-w "+dir, "does not exist when the program starts", "")
	}
	k, err := im.Lookup(cwd)
	if err != nil {
		return "", err
	}
	if k != erofs.Dir && k != erofs.Symlink {
		return "", failed("-w "+dir, fmt.Sprintf("there is no such directory in %s", im.Path), "build the image with it")
	}
	return cwd, nil
}
