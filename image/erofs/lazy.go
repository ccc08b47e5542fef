package erofs

import (
	"io"
	"os"
	"sort"
	"sync"
)

// Lazy is a file system that is made while it is read: its metadata is held in
// memory, files are read from their sources when their blocks are asked for.
// Methods may be called by several goroutines.
type Lazy struct {
	meta  []byte // everything before the first block of file data
	files []*node
	size  int64

	mu   sync.Mutex
	open *os.File // the file that was read last, and which
	last *node
}

// Lazy plans the tree, which must not change any more.
func (t *Tree) Lazy() (*Lazy, error) {
	// Every file from blocks of its own: none is read before it is asked for.
	l, err := t.plan(false)
	if err != nil {
		return nil, err
	}
	meta, err := l.metadata()
	if err != nil {
		return nil, err
	}
	z := &Lazy{meta: meta, size: int64(l.blocks) * BlockSize}
	for _, b := range l.blocksOfNames() {
		z.meta = append(z.meta, b...)
		z.meta = append(z.meta, zeros[:roundUp(int64(len(z.meta)))-int64(len(z.meta))]...)
	}
	for _, n := range l.nodes {
		if (n.kind == Regular || n.kind == Executable) && n.size > 0 {
			z.files = append(z.files, n)
		}
	}
	sort.Slice(z.files, func(i, j int) bool { return z.files[i].block < z.files[j].block })
	return z, nil
}

// Size is the size in bytes, a multiple of BlockSize.
func (z *Lazy) Size() int64 { return z.size }

// Close closes what is open.
func (z *Lazy) Close() error {
	z.mu.Lock()
	defer z.mu.Unlock()
	if z.open != nil {
		z.open.Close()
		z.open, z.last = nil, nil
	}
	return nil
}

// ReadAt implements io.ReaderAt. What a file has lost since the tree was made
// reads as zeros; what it has gained is not seen.
func (z *Lazy) ReadAt(b []byte, off int64) (n int, err error) {
	for n < len(b) {
		at := off + int64(n)
		if at < 0 || at >= z.size {
			return n, io.EOF
		}
		if at < int64(len(z.meta)) {
			n += copy(b[n:], z.meta[at:])
			continue
		}
		i := sort.Search(len(z.files), func(i int) bool { return int64(z.files[i].block)*BlockSize > at }) - 1
		if i < 0 {
			return n, io.ErrUnexpectedEOF
		}
		f := z.files[i]
		begin := int64(f.block) * BlockSize
		part := b[n:min(int64(len(b)), int64(n)+begin+roundUp(f.size)-at)]
		if err := z.read(f, part, at-begin); err != nil {
			return n, err
		}
		n += len(part)
	}
	return n, nil
}

// read fills part with a file's bytes from off on, and zeros behind its end.
func (z *Lazy) read(f *node, part []byte, off int64) error {
	clear(part)
	if off >= f.size {
		return nil
	}
	part = part[:min(int64(len(part)), f.size-off)]
	h, ok := f.src.(HostFile)
	if !ok {
		r, err := f.src.Open()
		if err != nil {
			return err
		}
		defer r.Close()
		if _, err := io.CopyN(io.Discard, r, off); err != nil {
			return err
		}
		_, err = io.ReadFull(r, part)
		return err
	}
	z.mu.Lock()
	defer z.mu.Unlock()
	if z.last != f {
		if z.open != nil {
			z.open.Close()
			z.open, z.last = nil, nil
		}
		file, err := os.Open(h.Path)
		if err != nil {
			return err
		}
		z.open, z.last = file, f
	}
	if _, err := z.open.ReadAt(part, off); err != nil && err != io.EOF {
		return err
	}
	return nil
}
