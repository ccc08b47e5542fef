package image

import (
	"errors"
	"io"
	"io/fs"

	"skerry/image/dynlink"
	"skerry/image/erofs"

	goerofs "github.com/erofs/go-erofs"
)

// maxLinked bounds how many files Linking reads; of a forged image millions could be
// said to be executable.
const maxLinked = 4096

// Linking is how the code of an image is linked, as far as that makes it harder or easier
// to attack.
type Linking struct {
	// PositionIndependent tells of the program whether its own addresses are drawn; nil
	// if it cannot be read.
	PositionIndependent *bool `json:"position_independent"`
	// Dynamic is how many files a dynamic linker loads, the program and the linker itself
	// among them.
	Dynamic int `json:"dynamic"`
	// Lazy are those of them whose table of functions' addresses stays writable.
	Lazy []string `json:"lazy_binding"`
	// Unread is how many executable files could not be read, or were too many.
	Unread int `json:"unread"`
}

// Linking reads the headers of the program and of the other executables among files, which
// Files has listed.
func (im *Image) Linking(files []FileInfo) (*Linking, error) {
	fsys, err := im.FS()
	if err != nil {
		return nil, err
	}
	l := &Linking{Lazy: []string{}}
	if o, err := im.object(fsys, follow(fsys, im.Manifest.Program)); err == nil {
		l.PositionIndependent = &o.Position
	}
	n := 0
	for _, f := range files {
		if f.Kind != erofs.Executable {
			continue
		}
		if n++; n > maxLinked {
			l.Unread++
			continue
		}
		o, err := im.object(fsys, f.Path[1:])
		if err != nil {
			l.Unread++
			continue
		}
		if o.Linked() {
			l.Dynamic++
		}
		if o.Lazy() {
			l.Lazy = append(l.Lazy, f.Path)
		}
	}
	return l, nil
}

// errNotFlat is for a file that is no executable as our images have them.
var errNotFlat = errors.New("is not in one piece")

// object reads the headers of an ELF file of the root, without reading the rest. Executables
// lie in one piece (docs/IMAGE.md).
func (im *Image) object(fsys fs.FS, name string) (*dynlink.Object, error) {
	info, err := fs.Stat(fsys, name)
	if err != nil {
		return nil, err
	}
	const flatPlain = 0 // of the layouts of an inode
	st, ok := info.Sys().(*goerofs.Stat)
	at, has := info.(interface{ DataRange() []goerofs.DataRange })
	if !ok || !has || !info.Mode().IsRegular() || st.InodeLayout != flatPlain {
		return nil, errNotFlat
	}
	pieces := at.DataRange()
	if len(pieces) != 1 || pieces[0].Offset < 0 {
		return nil, errNotFlat
	}
	return dynlink.ReadFlags(io.NewSectionReader(im.reader(im.section(kindRoot)), pieces[0].Offset, pieces[0].Size))
}
