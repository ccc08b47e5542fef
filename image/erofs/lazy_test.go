package erofs

import (
	"bytes"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// TestLazy: a lazy file system reads, in pieces of any size, as what WriteTo writes.
func TestLazy(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	dir := t.TempDir()
	tree := New()
	for i := range 200 {
		b := make([]byte, r.IntN(3)*r.IntN(20000))
		for j := range b {
			b[j] = byte(r.Uint32())
		}
		if i%5 != 0 && len(b) <= maxInline {
			b = nil // a small one would lie elsewhere in what WriteTo writes
		}
		name := strconv.Itoa(i)
		path := "/d" + strconv.Itoa(i%7) + "/" + name
		var src Source = Bytes(b)
		if i%3 != 0 {
			host := filepath.Join(dir, name)
			if err := os.WriteFile(host, b, 0o644); err != nil {
				t.Fatal(err)
			}
			src = HostFile{host, int64(len(b)), Time + int64(i%2)}
		}
		if err := tree.File(path, src, i%5 == 0); err != nil {
			t.Fatal(err)
		}
		if err := tree.Symlink("/l/"+name, path); err != nil {
			t.Fatal(err)
		}
	}
	var want bytes.Buffer
	if _, err := tree.WriteTo(&want); err != nil {
		t.Fatal(err)
	}
	z, err := tree.Lazy()
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	if z.Size() != int64(want.Len()) {
		t.Fatalf("%d bytes, want %d", z.Size(), want.Len())
	}
	all := make([]byte, z.Size())
	if n, err := z.ReadAt(all, 0); n != len(all) || err != nil || !bytes.Equal(all, want.Bytes()) {
		t.Fatalf("%d, %v, equal: %v", n, err, bytes.Equal(all, want.Bytes()))
	}
	for range 2000 {
		off := r.IntN(len(all))
		b := make([]byte, r.IntN(min(len(all)-off, 50000)+1))
		if n, err := z.ReadAt(b, int64(off)); n != len(b) || err != nil || !bytes.Equal(b, want.Bytes()[off:off+n]) {
			t.Fatalf("%d bytes from %d: %d, %v", len(b), off, n, err)
		}
	}
	if n, err := z.ReadAt(make([]byte, 10), z.Size()-4); n != 4 || err == nil {
		t.Errorf("at the end: %d, %v", n, err)
	}
	if n, err := z.ReadAt(make([]byte, 10), -1); n != 0 || err == nil {
		t.Errorf("before the start: %d, %v", n, err)
	}
}

// TestLazySmall: small files, too, are read from their sources, and only when they
// are asked for.
func TestLazySmall(t *testing.T) {
	m := sample()
	tree := buildOf(t, m, func(data string) Source { return opened{Bytes(data), t} })
	z, err := tree.Lazy()
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	for path, w := range m {
		if w.kind == Regular || w.kind == Executable {
			n := tree.root
			for _, name := range strings.Split(path[1:], "/") {
				n = n.children[name]
			}
			if n.inline {
				t.Errorf("%s lies behind its inode", path)
			}
			n.src = Bytes(w.data)
		}
	}
	image := make([]byte, z.Size())
	if _, err := z.ReadAt(image, 0); err != nil {
		t.Fatal(err)
	}
	fsck(t, image, "")
}

// opened is a file that must not be opened.
type opened struct {
	Bytes
	t *testing.T
}

func (o opened) Open() (io.ReadCloser, error) {
	o.t.Error("a file was opened before it was read")
	return o.Bytes.Open()
}

// TestLazyChanged: files that change or go away do not hurt what is around them.
func TestLazyChanged(t *testing.T) {
	dir := t.TempDir()
	tree := New()
	for _, n := range []string{"a", "b", "c"} {
		p := filepath.Join(dir, n)
		os.WriteFile(p, bytes.Repeat([]byte(n), 5000), 0o644)
		if err := tree.File("/"+n, HostFile{p, 5000, Time}, false); err != nil {
			t.Fatal(err)
		}
	}
	z, err := tree.Lazy()
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	first := z.Size() - 3*8192
	os.WriteFile(filepath.Join(dir, "a"), []byte("short"), 0o644)
	os.Remove(filepath.Join(dir, "b"))
	b := make([]byte, 8192)
	if n, err := z.ReadAt(b, first); n != 8192 || err != nil || !bytes.HasPrefix(b, []byte("short\x00\x00")) {
		t.Errorf("%d, %v, %q", n, err, b[:10])
	}
	if n, err := z.ReadAt(b, first+8192); err == nil {
		t.Errorf("a file that is gone: %d bytes", n)
	}
	if n, err := z.ReadAt(b, first+2*8192); n != 8192 || err != nil || b[4999] != 'c' || b[5000] != 0 {
		t.Errorf("%d, %v", n, err)
	}
}
