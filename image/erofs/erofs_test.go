package erofs

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	goerofs "github.com/erofs/go-erofs"
)

// want is what a path should be in the file system.
type want struct {
	kind Kind
	data string // of a file, or a link's target
}

// build makes a tree out of a description.
func build(t testing.TB, m map[string]want) *Tree {
	t.Helper()
	return buildOf(t, m, func(data string) Source { return timed(data) })
}

// timed is a file that has a time of its own if its length is odd.
type timed string

func (d timed) Size() int64                  { return int64(len(d)) }
func (d timed) Open() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(string(d))), nil }
func (d timed) Time() int64 {
	if len(d)&1 == 0 {
		return Time
	}
	return 1<<33 + int64(len(d))
}

// timeOf is the time of an entry that build made.
func timeOf(w want) int64 {
	if w.kind == Dir || w.kind == Symlink {
		return Time
	}
	return timed(w.data).Time()
}

// buildOf is build with files that source makes of their data.
func buildOf(t testing.TB, m map[string]want, source func(data string) Source) *Tree {
	t.Helper()
	tree := New()
	for path, w := range m {
		var err error
		switch w.kind {
		case Dir:
			err = tree.Mkdir(path)
		case Symlink:
			err = tree.Symlink(path, w.data)
		default:
			err = tree.File(path, source(w.data), w.kind == Executable)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return tree
}

func write(t testing.TB, tree *Tree) []byte {
	t.Helper()
	var b bytes.Buffer
	n, err := tree.WriteTo(&b)
	if err != nil || n != int64(b.Len()) || n%BlockSize != 0 {
		t.Fatal(n, b.Len(), err)
	}
	return b.Bytes()
}

// sample has every kind of entry and the sizes around a block.
func sample() map[string]want {
	m := map[string]want{
		"/bin/app": {Executable, strings.Repeat("\x7fELF", 5000)}, "/tmp": {Dir, ""}, "/dev/shm": {Dir, ""},
		"/etc/passwd": {Regular, "x:y\n"}, "/link": {Symlink, "bin/app"}, "/dangling": {Symlink, "/no/../where"},
		"/long": {Symlink, strings.Repeat("a/", 2000)}, "/!before-dot": {Regular, "1"}, "/-also": {Dir, ""},
		"/\xff\xfe": {Regular, "bytes"}, "/" + strings.Repeat("n", MaxName): {Regular, "long name"},
	}
	for _, n := range []int{0, 1, 31, 4032, 4095, 4096, 4097, 8191, 8192, 70000} {
		m[fmt.Sprintf("/sizes/%d", n)] = want{Regular, strings.Repeat("s", n)}
	}
	// Directories around and far over one block.
	for _, n := range []int{100, 205, 206, 3000} {
		for i := range n {
			m[fmt.Sprintf("/many/%d/name-%04d", n, i)] = want{Regular, fmt.Sprint(i)}
		}
	}
	deep := ""
	for range 60 {
		deep += "/d"
	}
	m[deep+"/f"] = want{Regular, "deep"}
	return m
}

// withParents adds the directories that the paths imply.
func withParents(m map[string]want) map[string]want {
	all := map[string]want{"/": {Dir, ""}}
	for p, w := range m {
		all[p] = w
		for d := filepath.Dir(p); d != "/"; d = filepath.Dir(d) {
			all[d] = want{Dir, ""}
		}
	}
	return all
}

// fsck runs fsck.erofs and, with a folder given, lets it extract the files.
func fsck(t testing.TB, image []byte, to string) {
	t.Helper()
	tool, err := exec.LookPath("fsck.erofs")
	if err != nil {
		t.Skip("fsck.erofs is not installed (Debian: erofs-utils)")
	}
	f := filepath.Join(t.TempDir(), "image")
	if err := os.WriteFile(f, image, 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"--extract", f}
	if to != "" {
		args = []string{"--extract=" + to, "--preserve-perms", f}
	}
	if out, err := exec.Command(tool, args...).CombinedOutput(); err != nil || bytes.Contains(out, []byte("<E>")) {
		t.Fatalf("fsck.erofs: %v\n%s", err, out)
	}
}

func TestFsck(t *testing.T) {
	m := sample()
	// Not a name that a host file system must be able to hold.
	to := filepath.Join(t.TempDir(), "out")
	fsck(t, write(t, build(t, m)), to)
	all := withParents(m)
	seen := 0
	err := filepath.Walk(to, func(p string, info fs.FileInfo, err error) error {
		if err != nil {
			return err
		}
		path := "/" + strings.TrimPrefix(strings.TrimPrefix(p, to), "/")
		w, ok := all[path]
		if !ok {
			t.Errorf("%s should not be there", path)
			return nil
		}
		seen++
		compare(t, path, w, info.Mode(), func() (string, error) { return os.Readlink(p) }, func() ([]byte, error) { return os.ReadFile(p) })
		if got := info.ModTime().Unix(); w.kind != Dir && w.kind != Symlink && got != timeOf(w) {
			t.Errorf("%s: time %d", path, got)
		}
		return nil
	})
	if err != nil || seen != len(all) {
		t.Errorf("%d of %d entries extracted, %v", seen, len(all), err)
	}
}

func compare(t *testing.T, path string, w want, mode fs.FileMode, link func() (string, error), data func() ([]byte, error)) {
	t.Helper()
	mode &= fs.ModeType | fs.ModePerm | fs.ModeSetuid | fs.ModeSetgid | fs.ModeSticky // go-erofs sets others too
	var got string
	var err error
	wantMode := fs.FileMode(0o444)
	switch w.kind {
	case Dir:
		wantMode = fs.ModeDir | 0o555
	case Symlink:
		wantMode = fs.ModeSymlink | 0o777
		got, err = link()
	default:
		var b []byte
		b, err = data()
		got = string(b)
		if w.kind == Executable {
			wantMode = 0o555
		}
	}
	if err != nil || got != w.data || mode != wantMode {
		t.Errorf("%s: mode %v, %d bytes, %v; want %v, %d bytes", path, mode, len(got), err, wantMode, len(w.data))
	}
}

// layoutOf is the layout that an entry should have, EROFS_INODE_FLAT_PLAIN or
// EROFS_INODE_FLAT_INLINE.
func layoutOf(w want, size int64) int {
	limit := int64(BlockSize - compactSize)
	switch w.kind {
	case Executable:
		limit = 0
	case Regular:
		limit = maxInline
	}
	if size == 0 || size > limit {
		return 0
	}
	return 2
}

// readBack compares image with m through another implementation's reader.
func readBack(t *testing.T, image []byte, m map[string]want) {
	t.Helper()
	fsys, err := goerofs.Open(bytes.NewReader(image))
	if err != nil {
		t.Fatal(err)
	}
	all := withParents(m)
	inos := map[int64]string{}
	seen := 0
	err = fs.WalkDir(fsys, ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		path := filepath.Join("/", p)
		w, ok := all[path]
		if !ok {
			t.Errorf("%s should not be there", path)
			return nil
		}
		seen++
		info, err := d.Info()
		if err != nil {
			return err
		}
		compare(t, path, w, info.Mode(),
			func() (string, error) { return fsys.(fs.ReadLinkFS).ReadLink(p) },
			func() ([]byte, error) { return fs.ReadFile(fsys, p) })
		st := info.Sys().(*goerofs.Stat)
		if st.UID != Owner || st.GID != Owner || st.Mtime != uint64(timeOf(w)) || int(st.InodeLayout) != layoutOf(w, st.Size) || len(st.Xattrs) != 0 {
			t.Errorf("%s: %+v", path, st)
		}
		if st.Ino == 0 || inos[st.Ino] != "" {
			t.Errorf("%s has inode %d, as has %q", path, st.Ino, inos[st.Ino])
		}
		inos[st.Ino] = path
		nlink := 1
		if w.kind == Dir {
			nlink = 2
			for q, x := range all {
				if x.kind == Dir && q != "/" && filepath.Dir(q) == path {
					nlink++
				}
			}
		}
		if st.Nlink != nlink {
			t.Errorf("%s: %d links, want %d", path, st.Nlink, nlink)
		}
		return nil
	})
	if err != nil || seen != len(all) {
		t.Errorf("%d of %d entries, %v", seen, len(all), err)
	}
}

func TestReadBack(t *testing.T) {
	m := sample()
	readBack(t, write(t, build(t, m)), m)
	readBack(t, write(t, New()), nil)
}

// TestRandomTrees builds seeded random trees and reads them back.
func TestRandomTrees(t *testing.T) {
	rnd := rand.New(rand.NewPCG(7, 8))
	for range 60 {
		m := map[string]want{}
		dirs := []string{""}
		for range rnd.IntN(120) {
			name := make([]byte, 1+rnd.IntN(1<<rnd.IntN(8)))
			for i := range name {
				name[i] = byte(1 + rnd.IntN(255))
				if name[i] == '/' {
					name[i] = '.'
				}
			}
			path := dirs[rnd.IntN(len(dirs))] + "/" + string(name)
			if len(strings.Trim(string(name), ".")) == 0 || m[path].kind != None {
				continue
			}
			switch rnd.IntN(4) {
			case 0:
				m[path] = want{Dir, ""}
				dirs = append(dirs, path)
			case 1:
				m[path] = want{Symlink, strings.Repeat("t", 1+rnd.IntN(MaxSymlink))}
			default:
				m[path] = want{Regular + Kind(rnd.IntN(2)), strings.Repeat("d", rnd.IntN(1<<rnd.IntN(15)))}
			}
		}
		readBack(t, write(t, build(t, m)), m)
	}
}

// TestAligned checks what the kernel maps from the device: data of an executable
// file, and of any that is not small, begins at a block, and its last block ends
// with zeros.
func TestAligned(t *testing.T) {
	const mark = "\xa5marker\x5a"
	m := map[string]want{}
	for i := range 50 {
		m[fmt.Sprintf("/x%d", i)] = want{Executable, mark + strings.Repeat("x", i*97)}
		m[fmt.Sprintf("/f%d", i)] = want{Regular, mark + strings.Repeat("x", maxInline-len(mark)+1+i*97)}
	}
	image := write(t, build(t, m))
	found := 0
	for off := 0; ; {
		i := bytes.Index(image[off:], []byte(mark))
		if i < 0 {
			break
		}
		off += i
		if off%BlockSize != 0 {
			t.Errorf("data at offset %d", off)
		}
		n := len(mark)
		for image[off+n] == 'x' {
			n++
		}
		end := int(roundUp(int64(off + n)))
		if tail := image[off+n : end]; !bytes.Equal(tail, make([]byte, len(tail))) {
			t.Errorf("tail behind %d is not zero", off+n)
		}
		found++
		off += n
	}
	if found != len(m) {
		t.Errorf("%d of %d files found", found, len(m))
	}
}

// TestInline checks that small data costs a place behind its inode, not a block,
// and that a file which changes its size meanwhile is an error.
func TestInline(t *testing.T) {
	m := map[string]want{}
	for i := range 500 {
		m[fmt.Sprintf("/d%03d/file", i)] = want{Regular, strings.Repeat("x", 100)}
		m[fmt.Sprintf("/d%03d/link", i)] = want{Symlink, "file"}
	}
	image := write(t, build(t, m))
	readBack(t, image, m)
	fsck(t, image, "")
	// 500 folders of 32+62 bytes, files of 32+100, links of 32+4, in slots of 32,
	// and a root of three blocks.
	if n := len(image) / BlockSize; n > 500*(96+160+64)/BlockSize+6 {
		t.Errorf("%d blocks", n)
	}
	for _, n := range []int64{10, 12} {
		tree := New()
		if err := tree.File("/f", changing{Bytes(strings.Repeat("x", int(n)))}, false); err != nil {
			t.Fatal(err)
		}
		if _, err := tree.WriteTo(io.Discard); err == nil || err.Error() != "/f changed while it was read" {
			t.Errorf("a file of %d bytes that had 11: %v", n, err)
		}
	}
}

// changing is a file that had 11 bytes when it was added.
type changing struct{ Bytes }

func (changing) Size() int64 { return 11 }

// TestChecksum compares our checksum with the one of mkfs.erofs.
func TestChecksum(t *testing.T) {
	tool, err := exec.LookPath("mkfs.erofs")
	if err != nil {
		t.Skip("mkfs.erofs is not installed (Debian: erofs-utils)")
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "f"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	image := filepath.Join(t.TempDir(), "image")
	if out, err := exec.Command(tool, image, dir).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	theirs, err := os.ReadFile(image)
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{"mkfs.erofs": theirs, "ours": write(t, build(t, sample()))} {
		if le.Uint32(b[superOffset+8:])&featureChecksum == 0 {
			t.Errorf("%s: no checksum", name)
		}
		sum := le.Uint32(b[superOffset+4:])
		b = bytes.Clone(b[superOffset:BlockSize])
		le.PutUint32(b[4:], 0)
		if got := ^crc32.Checksum(b, castagnoli); got != sum {
			t.Errorf("%s: checksum %#x, computed %#x", name, sum, got)
		}
	}
}

// TestReproducible: the same tree in another order gives the same bytes, and
// those bytes are the ones of every other machine.
func TestReproducible(t *testing.T) {
	m := sample()
	first := write(t, build(t, m))
	for range 3 { // maps are walked in another order each time
		if !bytes.Equal(first, write(t, build(t, m))) {
			t.Fatal("two trees with the same content differ")
		}
	}
	small := write(t, build(t, map[string]want{"/a": {Executable, "x"}, "/b": {Symlink, "a"}}))
	sum := sha256.Sum256(small)
	const golden = "def11c0edc737cf920e6bad400d63d2fd38a5512a08d7df82cf399e4bf0e5340"
	if got := hex.EncodeToString(sum[:]); got != golden {
		t.Errorf("the bytes of a known tree changed: %s. If that is meant, the cache and the documentation must know", got)
	}
}

type zeroSource int64

func (z zeroSource) Size() int64 { return int64(z) }
func (z zeroSource) Time() int64 { return Time }
func (z zeroSource) Open() (io.ReadCloser, error) {
	return io.NopCloser(io.LimitReader(zeroReader{}, int64(z))), nil
}

type zeroReader struct{}

func (zeroReader) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// sparse writes a file but leaves holes for zeros.
type sparse struct{ f *os.File }

var noBytes = make([]byte, 1<<20)

func (s sparse) Write(p []byte) (int, error) {
	if bytes.Equal(p, noBytes[:len(p)]) {
		_, err := s.f.Seek(int64(len(p)), io.SeekCurrent)
		return len(p), err
	}
	return s.f.Write(p)
}

// TestOver4GiB needs the extended inode.
func TestOver4GiB(t *testing.T) {
	if testing.Short() {
		t.Skip("copies 4 GiB of zeros")
	}
	tool, err := exec.LookPath("fsck.erofs")
	if err != nil {
		t.Skip("fsck.erofs is not installed (Debian: erofs-utils)")
	}
	tree := New()
	const size = 1<<32 + 5
	if err := errors.Join(tree.File("/big", zeroSource(size), false), tree.File("/small", Bytes("s"), false)); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(filepath.Join(t.TempDir(), "image"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	n, err := tree.WriteTo(sparse{f})
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Truncate(n); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(tool, f.Name()).CombinedOutput(); err != nil {
		t.Fatalf("fsck.erofs: %v\n%s", err, out)
	}
	fsys, err := goerofs.Open(f)
	if err != nil {
		t.Fatal(err)
	}
	info, err := fs.Stat(fsys, "big")
	if err != nil || info.Size() != size || info.Sys().(*goerofs.Stat).Mtime != Time {
		t.Errorf("%+v, %v", info, err)
	}
	if b, err := fs.ReadFile(fsys, "small"); string(b) != "s" || err != nil {
		t.Errorf("%q, %v", b, err)
	}
}

func TestRefuses(t *testing.T) {
	tree := New()
	if err := errors.Join(tree.Mkdir("/d"), tree.File("/f", Bytes("x"), false), tree.Symlink("/l", "d")); err != nil {
		t.Fatal(err)
	}
	if err := tree.Mkdir("/d"); err != nil {
		t.Error("a directory twice:", err)
	}
	for _, p := range []string{"", "f", "/", "/d", "/f", "/l", "/f/x", "/l/x", "//", "/d/", "/d/../x", "/./x", "/d//x", "/a\x00", "/" + strings.Repeat("n", 256), strings.Repeat("/n", 2048), strings.Repeat("/n", MaxDepth+1)} {
		if err := tree.File(p, Bytes("x"), false); err == nil {
			t.Errorf("file at %.40q accepted", p)
		}
	}
	for _, p := range []string{"/f", "/l", "/f/x", "x"} {
		if err := tree.Mkdir(p); err == nil {
			t.Errorf("directory at %q accepted", p)
		}
	}
	for _, s := range []string{"", "a\x00", strings.Repeat("x", MaxSymlink+1)} {
		if err := tree.Symlink("/new", s); err == nil {
			t.Errorf("target %.20q accepted", s)
		}
	}
	for p, k := range map[string]Kind{"/": Dir, "/d": Dir, "/f": Regular, "/l": Symlink, "/none": None, "/f/x": None, "x": None} {
		if got := tree.Lookup(p); got != k {
			t.Errorf("Lookup(%q) = %d, want %d", p, got, k)
		}
	}
	// A file that is not what it was.
	for name, size := range map[string]int64{"grew": 2, "shrank": 4} {
		f := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(f, []byte("abc"), 0o600); err != nil {
			t.Fatal(err)
		}
		tree := New()
		if err := tree.File("/f", HostFile{f, size, Time}, false); err != nil {
			t.Fatal(err)
		}
		if _, err := tree.WriteTo(io.Discard); err == nil || !strings.Contains(err.Error(), f) {
			t.Errorf("%s: %v", name, err)
		}
	}
	gone := New()
	gone.File("/f", HostFile{"/no/such/file", 1, Time}, false)
	if _, err := gone.WriteTo(io.Discard); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	if err := gone.File("/n", zeroSource(-1), false); err == nil {
		t.Error("negative size accepted")
	}
	if err := gone.File("/t", HostFile{"/no/such/file", 1, -1}, false); err == nil {
		t.Error("negative time accepted")
	}
	huge := New()
	huge.File("/f", zeroSource(1<<44), false)
	if _, err := huge.WriteTo(io.Discard); err == nil {
		t.Error("16 TiB accepted")
	}
}
