package image

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"sync"
	"syscall"

	"skerry/image/erofs"

	goerofs "github.com/erofs/go-erofs"
)

// Image is an open image file. It is not changed while it is open, which Verify
// and the machine's disk rely on: files are replaced, not rewritten.
type Image struct {
	Path     string // as opened, for messages
	Manifest Manifest

	f  *os.File
	h  *header
	id string
}

// Open opens the image at path and checks its header and manifest.
func Open(path string) (*Image, error) {
	f, err := openFile(path)
	if err != nil {
		return nil, failed(path, cause(err), "")
	}
	im, err := open(f, path)
	if err != nil {
		f.Close()
		return nil, err
	}
	return im, nil
}

// openFile opens path for reading; a named pipe without a writer does not block.
func openFile(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
}

func open(f *os.File, path string) (*Image, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, failed(path, cause(err), "")
	}
	if !info.Mode().IsRegular() {
		return nil, failed(path, "is not a regular file", "")
	}
	b := make([]byte, headerSize)
	n, err := f.ReadAt(b, 0)
	if err != nil && err != io.EOF {
		return nil, failed(path, cause(err), "")
	}
	im := &Image{Path: path, f: f}
	if im.h, err = decodeHeader(b[:n], info.Size()); err != nil {
		return nil, refuse(path, err)
	}
	im.id = hex.EncodeToString(b[headerSum:])
	text, err := im.read(kindManifest)
	if err != nil {
		return nil, err
	}
	m, err := decodeManifest(text)
	if err != nil {
		return nil, refuse(path, err)
	}
	if k := im.section(kindKernel).SHA256; m.Kernel.SHA256 != hex.EncodeToString(k[:]) {
		return nil, refuse(path, errDamaged)
	}
	im.Manifest = *m
	return im, nil
}

// refuse turns a reason why a file is no good image into a message.
func refuse(path string, err error) error {
	var v versionError
	switch {
	case errors.As(err, &v):
		mend := "use a newer skerry, or build the image again with this one"
		if v < FormatVersion {
			mend = "build the image again with this skerry"
		}
		return failed(path, err.Error(), mend)
	case errors.Is(err, errNotImage):
		return failed(path, err.Error(), "make one with `skerry build`")
	}
	return failed(path, err.Error(), "copy it again from where it came, or build it again")
}

// ID is the hash of the header in hexadecimal, and so names all of the content.
func (im *Image) ID() string { return im.id }

// Size is the size of the file in bytes.
func (im *Image) Size() int64 { return im.h.size }

// File is the open file; it belongs to the Image.
func (im *Image) File() *os.File { return im.f }

// Close closes the file.
func (im *Image) Close() error { return im.f.Close() }

func (im *Image) section(kind uint32) *Section { return &im.h.sections[kind-1] }

// Root is where the root file system lies in the file.
func (im *Image) Root() Section { return *im.section(kindRoot) }

// KernelSize is the size of the kernel in bytes.
func (im *Image) KernelSize() int64 { return im.section(kindKernel).Length }

// Kernel is the kernel's ELF file, which Verify checks with the rest.
func (im *Image) Kernel() *io.SectionReader { return im.reader(im.section(kindKernel)) }

// reader reads a section, unchecked.
func (im *Image) reader(s *Section) *io.SectionReader {
	return io.NewSectionReader(im.f, s.Offset, s.Length)
}

// Sum is the hash of a section, such as the kernel's.
func Sum(r *io.SectionReader) (sum [sha256.Size]byte, err error) {
	hash := sha256.New()
	_, err = chunked{r}.WriteTo(hash)
	return [sha256.Size]byte(hash.Sum(nil)), err
}

// chunked is written through a buffer that stays in the processor's cache: memory for all
// of it costs more than the copying.
type chunked struct{ *io.SectionReader }

func (s chunked) WriteTo(w io.Writer) (int64, error) {
	all := io.NewSectionReader(s, 0, s.Size())
	return io.CopyBuffer(struct{ io.Writer }{w}, all, make([]byte, 256<<10))
}

// read returns a whole section, checked.
func (im *Image) read(kind uint32) ([]byte, error) {
	s := im.section(kind)
	b := make([]byte, s.Length)
	if _, err := im.f.ReadAt(b, s.Offset); err != nil {
		return nil, failed(im.Path, "cannot be read: "+cause(err), "")
	}
	if sha256.Sum256(b) != s.SHA256 {
		return nil, refuse(im.Path, errDamaged)
	}
	return b, nil
}

// Verify reads the whole file and compares it with its hashes.
func (im *Image) Verify() error {
	// The two large sections take their time on a CPU each.
	errs := make([]error, len(im.h.sections))
	var wg sync.WaitGroup
	for i := range im.h.sections {
		wg.Go(func() { errs[i] = im.verify(&im.h.sections[i]) })
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// verify checks a section and the padding behind it.
func (im *Image) verify(s *Section) error {
	end := s.Offset + s.Length
	sum, err := Sum(im.reader(s))
	pad := make([]byte, roundUp(end)-end)
	if err == nil && len(pad) > 0 {
		_, err = im.f.ReadAt(pad, end)
	}
	if err != nil {
		return failed(im.Path, "cannot be read: "+cause(err), "")
	}
	if sum != s.SHA256 || len(bytes.Trim(pad, "\x00")) != 0 {
		return refuse(im.Path, errDamaged)
	}
	return nil
}

// FileInfo is an entry of the root file system.
type FileInfo struct {
	Path   string     `json:"path"`
	Kind   erofs.Kind `json:"-"`
	Type   string     `json:"type"` // file, executable, directory, symlink
	Size   int64      `json:"size"`
	Target string     `json:"target,omitempty"` // of a symlink
}

// maxFiles bounds what Files lists.
const maxFiles = 8 << 20

var kindNames = [...]string{erofs.Dir: "directory", erofs.Regular: "file", erofs.Executable: "executable", erofs.Symlink: "symlink"}

// FS returns the root file system, read by go-erofs.
func (im *Image) FS() (fs.FS, error) {
	fsys, err := goerofs.Open(im.reader(im.section(kindRoot)))
	if err != nil {
		return nil, refuse(im.Path, fmt.Errorf("has no readable root: %w", err))
	}
	return fsys, nil
}

// Files lists the root file system in order of paths, without "/" itself.
func (im *Image) Files() ([]FileInfo, error) {
	fsys, err := im.FS()
	if err != nil {
		return nil, err
	}
	var list []FileInfo
	dirs := map[int64]bool{} // by inode: a forged root may hold itself
	err = fs.WalkDir(fsys, ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if st, ok := info.Sys().(*goerofs.Stat); ok && info.IsDir() {
			if dirs[st.Ino] {
				return fmt.Errorf("/%s: a directory inside of itself", p)
			}
			dirs[st.Ino] = true
		}
		if p == "." {
			return nil
		}
		if len(list) == maxFiles {
			return fmt.Errorf("more than %d files", maxFiles)
		}
		e := FileInfo{Path: "/" + p, Size: info.Size(), Kind: kindOf(info.Mode())}
		switch e.Kind {
		case erofs.None:
			return fmt.Errorf("%s: a file of type %v", e.Path, info.Mode().Type())
		case erofs.Symlink:
			if e.Target, err = readLink(fsys, p); err != nil {
				return err
			}
		case erofs.Dir:
			e.Size = 0
		}
		e.Type = kindNames[e.Kind]
		list = append(list, e)
		return nil
	})
	if err != nil {
		return nil, refuse(im.Path, fmt.Errorf("has no readable root: %w", err))
	}
	return list, nil
}

func readLink(fsys fs.FS, name string) (string, error) {
	if l, ok := fsys.(fs.ReadLinkFS); ok {
		return l.ReadLink(name)
	}
	return "", errors.ErrUnsupported
}

// Lookup says what stands at an absolute path of the root, not following
// symbolic links.
func (im *Image) Lookup(p string) (erofs.Kind, error) {
	fsys, err := im.FS()
	if err != nil {
		return erofs.None, err
	}
	return lookup(fsys, p), nil
}

// lookup walks component by component, so that a symbolic link on the way is
// seen as one.
func lookup(fsys fs.FS, p string) erofs.Kind {
	p = path.Clean(p)
	if p == "/" {
		return erofs.Dir
	}
	for i := 1; i <= len(p); i++ {
		if i < len(p) && p[i] != '/' {
			continue
		}
		info, err := fs.Lstat(fsys, p[1:i])
		if err != nil {
			return erofs.None
		}
		k := kindOf(info.Mode())
		if i == len(p) {
			return k
		}
		if k != erofs.Dir {
			return erofs.None
		}
	}
	return erofs.None
}

func kindOf(m fs.FileMode) erofs.Kind {
	switch {
	case m.IsDir():
		return erofs.Dir
	case m&fs.ModeSymlink != 0:
		return erofs.Symlink
	case m.IsRegular() && m.Perm()&0o111 != 0:
		return erofs.Executable
	case m.IsRegular():
		return erofs.Regular
	}
	return erofs.None
}
