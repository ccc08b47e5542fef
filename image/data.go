package image

import (
	"fmt"
	"os"
	"strings"

	"skerry/image/erofs"
)

// DataFile is a data image: files added when an image is run. It has no name in
// the host's file system any more.
type DataFile struct {
	File *os.File
	Size int64 // bytes, a multiple of 4096
}

// Data writes the data image for copies, and empty folders, into an image that is already built. It
// is never executable and may not replace the program, another executable, or
// a path that the image needs to be a directory or a link. dir is where the file
// is made, "" for the usual place.
func (im *Image) Data(copies []Copy, folders []string, dir string) (*DataFile, error) {
	fsys, err := im.FS()
	if err != nil {
		return nil, err
	}
	clock, err := sourceDate()
	if err != nil {
		return nil, err
	}
	t := erofs.New()
	a := adder{program: im.Manifest.Program, clock: clock, allow: im.Manifest.Allow, check: func(p string, isDir bool) error {
		for i := 1; i < len(p); i++ {
			if p[i] != '/' {
				continue
			}
			if k := lookup(fsys, p[:i]); k != erofs.Dir && k != erofs.None {
				return fmt.Errorf("%s is a %s in %s", p[:i], kindNames[k], im.Path)
			}
		}
		switch k := lookup(fsys, p); {
		case k == erofs.Executable:
			return fmt.Errorf("%s is an executable of %s", p, im.Path)
		case (k == erofs.Dir) != isDir && k != erofs.None:
			return fmt.Errorf("%s is a %s in %s", p, kindNames[k], im.Path)
		}
		return nil
	}}
	for _, c := range copies {
		if err := c.addTo(t, a); err != nil {
			return nil, err
		}
	}
	for _, p := range folders {
		if err := t.Mkdir(p); err != nil {
			return nil, failed("--tmpfs "+p, err.Error(), "name a directory")
		}
	}
	f, err := unnamed(dir)
	if err != nil {
		return nil, failed(flagNames(copies), "cannot be copied: "+cause(err), "")
	}
	n, err := t.WriteTo(f)
	if err != nil {
		f.Close()
		return nil, failed(flagNames(copies), "cannot be copied: "+err.Error(), "")
	}
	return &DataFile{f, n}, nil
}

func flagNames(copies []Copy) string {
	names := make([]string, len(copies))
	for i, c := range copies {
		names[i] = c.String()
	}
	return strings.Join(names, " ")
}

// unnamed makes a file of mode 0600 and takes its name away.
func unnamed(dir string) (*os.File, error) {
	f, err := os.CreateTemp(dir, "tmp-")
	if err != nil {
		return nil, err
	}
	if err := os.Remove(f.Name()); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}
