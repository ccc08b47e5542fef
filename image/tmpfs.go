package image

import (
	"errors"
	"path"
	"strconv"
	"strings"

	"skerry/bootrec"
	"skerry/image/erofs"
)

// Tmpfs is a file system in memory that the program finds mounted.
type Tmpfs struct {
	Path string `json:"path"`
	Size int64  `json:"size,omitempty"` // bytes that its files may take; 0: half of the machine's memory
}

// String is the flag as a user would write it.
func (t Tmpfs) String() string {
	s := "--tmpfs " + t.Path
	if t.Size != 0 {
		s += ":" + withUnit(t.Size)
	}
	return s
}

// withUnit is a number of bytes, a multiple of 1024, as sizeWithUnit reads it.
func withUnit(n int64) string {
	switch {
	case n%(1<<30) == 0:
		return strconv.FormatInt(n>>30, 10) + "G"
	case n%(1<<20) == 0:
		return strconv.FormatInt(n>>20, 10) + "M"
	}
	return strconv.FormatInt(n>>10, 10) + "K"
}

// sizeWithUnit reads a number of bytes that is not 0: a number with K, M or G.
func sizeWithUnit(s string) (int64, bool) {
	if s == "" {
		return 0, false
	}
	shift := map[byte]uint{'K': 10, 'M': 20, 'G': 30}[s[len(s)-1]&^0x20]
	n, err := strconv.ParseUint(s[:len(s)-1], 10, 32)
	return int64(n << shift), shift != 0 && err == nil && n != 0
}

// check refuses what cannot be mounted.
func (t Tmpfs) check() error {
	switch {
	case !path.IsAbs(t.Path) || path.Clean(t.Path) != t.Path || len(t.Path) > bootrec.MaxPath || strings.IndexByte(t.Path, 0) >= 0:
		return errors.New("is not an absolute path")
	case t.Path == "/":
		return errors.New("the root directory cannot be replaced")
	case t.Size < 0 || t.Size%4096 != 0 || t.Size > 1<<52:
		return errors.New("has a size that is not a number of pages")
	}
	if t.Path == "/run/secrets" || strings.HasPrefix(t.Path, "/run/secrets/") {
		return errors.New("the files of --secret are there, in memory already")
	}
	for _, m := range []string{"/dev", "/proc", "/sys"} {
		if t.Path != "/dev/shm" && (t.Path == m || strings.HasPrefix(t.Path, m+"/")) {
			return errors.New("the kernel's own files are there")
		}
	}
	return nil
}

// ParseTmpfs reads PATH[:SIZE], the value of --tmpfs. SIZE has a unit: K, M or G.
func ParseTmpfs(value string) (Tmpfs, error) {
	const want = "it is PATH or PATH:SIZE, such as /var/cache:64M"
	t := Tmpfs{Path: value}
	if i := strings.LastIndexByte(value, ':'); i >= 0 {
		size := value[i+1:]
		if size == "" {
			return t, failed("--tmpfs "+value, "has no size behind its colon", want)
		}
		n, ok := sizeWithUnit(size)
		if !ok {
			return t, failed("--tmpfs "+value, size+" is not a size (a number with K, M or G)", want)
		}
		t = Tmpfs{value[:i], n}
	}
	if path.IsAbs(t.Path) {
		t.Path = path.Clean(t.Path)
	}
	if err := t.check(); err != nil {
		return t, failed("--tmpfs "+value, err.Error(), want)
	}
	return t, nil
}

// mounted reports whether a path lies on a tmpfs of the list, and on which.
func mounted(list []Tmpfs, p string) (Tmpfs, bool) {
	for _, t := range list {
		if p == t.Path || strings.HasPrefix(p, t.Path+"/") {
			return t, true
		}
	}
	return Tmpfs{}, false
}

// MergeTmpfs is the list of an image with what is given when it is run, which
// counts for a path that both have.
func MergeTmpfs(image, run []Tmpfs) []Tmpfs {
	list := append([]Tmpfs(nil), image...)
next:
	for _, t := range run {
		for i := range list {
			if list[i].Path == t.Path {
				list[i] = t
				continue next
			}
		}
		list = append(list, t)
	}
	return list
}

// unhidden refuses file systems that would hide the program, or a file that is added.
func unhidden(list []Tmpfs, program string, copies []Copy) error {
	if t, ok := mounted(list, path.Dir(program)); ok {
		return failed(t.String(), "would hide the program, "+program, "name another path")
	}
	for _, c := range copies {
		if t, ok := mounted(list, c.Guest); ok {
			return failed(c.String(), "would be hidden by "+t.String(), "choose another path for one of them")
		}
	}
	return nil
}

// mountPoints makes the directories that are mounted on.
func (l *layout) mountPoints(list []Tmpfs, copies []Copy) error {
	if err := unhidden(list, l.m.Program, copies); err != nil {
		return err
	}
	for _, t := range list {
		if Hidden(t.Path) {
			continue
		}
		p := l.t.Follow(t.Path)
		if k := l.t.Lookup(p); k != erofs.None && k != erofs.Dir {
			return failed(t.String(), "is not a directory in the image", "name another path")
		}
		if err := l.t.Mkdir(p); err != nil {
			return failed(t.String(), err.Error(), "name a directory")
		}
	}
	return nil
}

// MountPoints checks what the machine will mount in memory against the image and the
// files that are added to it, and answers which of the directories are to be made.
func (im *Image) MountPoints(list []Tmpfs, copies []Copy) (missing []string, err error) {
	if err := unhidden(list, im.Manifest.Program, copies); err != nil {
		return nil, err
	}
	for _, t := range list {
		if Hidden(t.Path) {
			continue
		}
		k, err := im.Lookup(t.Path)
		switch {
		case err != nil:
			return nil, err
		case k == erofs.None:
			missing = append(missing, t.Path)
		case k != erofs.Dir && k != erofs.Symlink:
			return nil, failed(t.String(), "is not a directory in "+im.Path, "name another path")
		}
	}
	return missing, nil
}
