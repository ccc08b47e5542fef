package image

import (
	"os"
	"slices"
	"strings"

	"skerry/image/erofs"
	"skerry/image/profile"
)

// Learned is what a traced run shows about the files that a program needs.
type Learned struct {
	// Files and Libs are what an image needs beside the program and the libraries
	// that it is linked with: paths of the host.
	Files []string `json:"files"`
	Libs  []string `json:"libs"`
	// Missed are those of them that the traced image did not have; they were served
	// from the host.
	Missed []string `json:"missed"`
	// Code are those of the missed that could not be used as they were, since they
	// hold code.
	Code []string `json:"code"`
	// Withheld are files that are there on the host, and that were not served.
	Withheld []string `json:"withheld"`
	// Folders were looked into and hold nothing that was used.
	Folders []string `json:"folders"`
	// Empty are folders that the program looked for, and of which it used nothing.
	Empty []string `json:"empty"`
}

// Learn compares what a program used with had, the root it ran with, and with what
// an exact image would have without being told.
func (s *BuildSpec) Learn(p *profile.Profile, had *erofs.Tree) (*Learned, error) {
	exact := *s
	exact.Exact, exact.Copies, exact.Libs = true, nil, libDirs(s.Libs)
	l := exact.layout()
	if err := l.lay(&exact); err != nil {
		return nil, err
	}
	out := &Learned{Files: []string{}, Libs: []string{}, Missed: []string{}, Code: []string{}, Withheld: []string{}, Folders: []string{}, Empty: []string{}}
	in := func(t *erofs.Tree, name string) bool {
		k := t.Lookup(t.Resolve(name))
		return k != erofs.None && k != erofs.Symlink
	}
	names := make([]string, 0, len(p.Paths))
	for name := range p.Paths {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if Hidden(name) || slices.Contains(generated, name) || name == ldCache || name == muslPath {
			continue
		}
		if _, ours := accounts[name]; ours {
			continue
		}
		info, err := os.Stat(name)
		if err != nil {
			continue
		}
		use := p.Paths[name]
		switch {
		case use == profile.Missed:
			out.Withheld = append(out.Withheld, name)
		case info.IsDir():
			if use == profile.Listed && !in(had, name) {
				out.Folders = append(out.Folders, name)
			}
			if use >= profile.Seen && !in(l.t, name) {
				out.Empty = append(out.Empty, name)
			}
		case !info.Mode().IsRegular() || use < profile.Seen:
		case !in(l.t, name):
			lib := false
			if o := elfAt(name); o != nil {
				lib = o.Library
			}
			if lib {
				out.Libs = append(out.Libs, name)
			} else {
				out.Files = append(out.Files, name)
			}
			if !in(had, name) {
				out.Missed = append(out.Missed, name)
				if lib {
					out.Code = append(out.Code, name)
				}
			}
		}
	}
	// Of a folder with something in it that is needed there is no more to say.
	out.Empty = slices.DeleteFunc(out.Empty, func(dir string) bool {
		inside := func(name string) bool { return name != dir && strings.HasPrefix(name, dir+"/") }
		return slices.ContainsFunc(out.Files, inside) || slices.ContainsFunc(out.Libs, inside) || slices.ContainsFunc(out.Empty, inside)
	})
	return out, nil
}

// libDirs are the folders among the values of --lib: where to look is part of what
// an image is built from, but what is packed is learnt.
func libDirs(libs []string) (dirs []string) {
	for _, l := range libs {
		if info, err := os.Stat(l); err == nil && info.IsDir() {
			dirs = append(dirs, l)
		}
	}
	return dirs
}
