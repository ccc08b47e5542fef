package image

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"skerry/image/erofs"
	"skerry/image/known"
)

// Parts is what an image is made of. The manifest's Format, CreatedBy and Kernel
// are filled in by Write.
type Parts struct {
	Manifest Manifest
	Kernel   *io.SectionReader
	Root     *erofs.Tree
	Facts    *known.Facts // what is known about the program, nil if nothing is
	Notes    []known.Note // what a user should know

	check func() error // what may still speak against it; nil: nothing
}

// Write writes an image to f, which is empty, and returns its id, the hash of
// its header and so of everything in it.
func Write(f *os.File, p Parts) (id string, err error) {
	if p.check != nil {
		if err := p.check(); err != nil {
			return "", err
		}
	}
	m := p.Manifest
	sum, err := Sum(p.Kernel)
	if err != nil {
		return "", err
	}
	m.Format, m.CreatedBy = FormatVersion, "skerry "+Version
	m.Kernel = Kernel{KernelVersion(p.Kernel), hex.EncodeToString(sum[:])}
	if m.Env == nil {
		m.Env = []string{}
	}
	text, err := m.encode()
	if err != nil {
		return "", err
	}
	if p.Kernel.Size() == 0 || p.Kernel.Size() > maxKernel {
		return "", fmt.Errorf("a kernel of %d bytes", p.Kernel.Size())
	}
	if k := p.Root.Lookup(m.Program); k != erofs.Executable {
		return "", fmt.Errorf("%s is not an executable file of the root", m.Program)
	}

	h := &header{size: headerSize}
	if _, err := f.WriteAt(make([]byte, headerSize), 0); err != nil {
		return "", err
	}
	for _, s := range []struct {
		kind uint32
		from io.WriterTo
	}{
		{kindManifest, bytes.NewReader(text)},
		{kindKernel, chunked{p.Kernel}},
		{kindRoot, p.Root},
	} {
		if _, err := f.Seek(h.size, io.SeekStart); err != nil {
			return "", err
		}
		hash := sha256.New()
		n, err := s.from.WriteTo(io.MultiWriter(f, hash))
		if err != nil {
			return "", err
		}
		h.sections = append(h.sections, Section{s.kind, h.size, n, [sha256.Size]byte(hash.Sum(nil))})
		h.size = roundUp(h.size + n)
	}
	// The padding of a section that does not end at a block is a hole.
	if err := f.Truncate(h.size); err != nil {
		return "", err
	}
	b := h.encode()
	if _, err := f.WriteAt(b, 0); err != nil {
		return "", err
	}
	return hex.EncodeToString(b[headerSum:]), nil
}

// Create writes an image to a new file of mode 0600 at path; one that is there is
// replaced at once or, after an error, left alone.
func Create(path string, p Parts) (id string, err error) {
	// A rename would replace a device or a link to somewhere else.
	if info, err := os.Lstat(path); err == nil && !info.Mode().IsRegular() {
		return "", failed(path, "is there and is not a regular file", "give another name with -o")
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return "", failed(path, "cannot be written: "+cause(err), "give another place with -o")
	}
	defer func() {
		f.Close()
		if err != nil {
			os.Remove(f.Name())
		}
	}()
	if id, err = Write(f, p); err != nil {
		return "", err
	}
	if err = f.Close(); err != nil {
		return "", failed(path, cause(err), "")
	}
	if err = os.Rename(f.Name(), path); err != nil {
		return "", failed(path, cause(err), "")
	}
	return id, nil
}
