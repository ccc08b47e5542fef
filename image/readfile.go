package image

import (
	"io/fs"
	"path"
	"strings"
)

// maxOpen is how large a file, in bytes, ReadFile reads.
const maxOpen = 512 << 20

// ReadFile reads a regular file of the root, following symbolic links as the machine
// does. nil if there is none, or if it is very large.
func (im *Image) ReadFile(p string) []byte {
	fsys, err := im.FS()
	if err != nil {
		return nil
	}
	p = follow(fsys, p)
	if p == "" {
		return nil
	}
	info, err := fs.Stat(fsys, p)
	if err != nil || !info.Mode().IsRegular() || info.Size() > maxOpen {
		return nil
	}
	b, err := fs.ReadFile(fsys, p)
	if err != nil {
		return nil
	}
	return b
}

// follow resolves the symbolic links of an absolute path inside fsys; "" if that
// leads nowhere. The answer is a name for fsys.
func follow(fsys fs.FS, p string) string {
	at, rest, links := "", strings.TrimPrefix(path.Clean("/"+p), "/"), 0
	for rest != "" {
		name, more, _ := strings.Cut(rest, "/")
		next := path.Join(at, name)
		info, err := fs.Lstat(fsys, next)
		if err != nil {
			return ""
		}
		if info.Mode()&fs.ModeSymlink == 0 {
			at, rest = next, more
			continue
		}
		target, err := readLink(fsys, next)
		if links++; err != nil || links > maxLinks {
			return ""
		}
		if !path.IsAbs(target) {
			target = "/" + path.Join(at, target)
		}
		at, rest = "", strings.TrimPrefix(path.Clean(target+"/"+more), "/")
	}
	return at
}
