package image

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"skerry/image/erofs"
)

// elfFile makes a static x86-64 program of one segment; change may spoil it.
func elfFile(change func(b []byte)) []byte {
	b := make([]byte, 0x2000)
	copy(b, "\x7fELF\x02\x01\x01")
	le.PutUint16(b[16:], 2)  // ET_EXEC
	le.PutUint16(b[18:], 62) // EM_X86_64
	le.PutUint32(b[20:], 1)
	le.PutUint64(b[24:], 0x401000) // entry
	le.PutUint64(b[32:], 64)       // e_phoff
	le.PutUint16(b[52:], 64)
	le.PutUint16(b[54:], 56)
	le.PutUint16(b[56:], 2)
	putSegment(b[64:], 1, 5, 0, 0x400000, 0x2000, 0x2000)
	putSegment(b[120:], 0x6474e551, 6, 0, 0, 0, 0) // PT_GNU_STACK
	if change != nil {
		change(b)
	}
	return b
}

func putSegment(b []byte, kind, flags uint32, off, addr, filesz, memsz uint64) {
	le.PutUint32(b, kind)
	le.PutUint32(b[4:], flags)
	le.PutUint64(b[8:], off)
	le.PutUint64(b[16:], addr)
	le.PutUint64(b[24:], addr)
	le.PutUint64(b[32:], filesz)
	le.PutUint64(b[40:], memsz)
	le.PutUint64(b[48:], 0x1000)
}

// put writes a file of the test's folder.
func put(t testing.TB, dir, name string, data []byte, mode os.FileMode) string {
	t.Helper()
	p := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(p, data, mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(p, mode); err != nil {
		t.Fatal(err)
	}
	return p
}

// visibleDir is a folder whose path the machine does not hide, as it does /tmp.
func visibleDir(t testing.TB) string {
	t.Helper()
	d, err := os.MkdirTemp("/var/tmp", "skerry-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(d) })
	return d
}

func kernelOf(s string) *io.SectionReader {
	return io.NewSectionReader(strings.NewReader(s), 0, int64(len(s)))
}

func parts(t testing.TB, dir string, copies ...Copy) Parts {
	t.Helper()
	p := put(t, dir, "app", elfFile(nil), 0o755)
	s := BuildSpec{
		Source: &Source{Program, "./app", p}, Program: p, Args: []string{"-x", "a b"}, Env: []string{"K=secret=1", "E="},
		Copies: copies, Kernel: kernelOf("the kernel"),
	}
	ps, err := s.Parts()
	if err != nil {
		t.Fatal(err)
	}
	return ps
}

func TestWriteOpen(t *testing.T) {
	dir := visibleDir(t)
	conf := put(t, dir, "conf", []byte("answer=42\n"), 0o600)
	tool := put(t, dir, "tool", []byte("x"), 0o700)
	ps := parts(t, dir, Copy{conf, "/etc/app/conf", false}, Copy{tool, "/tool", false}, Copy{conf, "/etc/passwd", false})
	out := filepath.Join(t.TempDir(), "app.img")
	id, err := Create(out, ps)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(out); err != nil || info.Mode() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	im, err := Open(out)
	if err != nil {
		t.Fatal(err)
	}
	defer im.Close()
	if err := im.Verify(); err != nil || im.ID() != id {
		t.Error(err, im.ID(), id)
	}
	sum := sha256.Sum256([]byte("the kernel"))
	want := Manifest{
		Format: 1, Name: "app", Program: filepath.Join(dir, "app"), Args: []string{"./app", "-x", "a b"}, Env: []string{"K=secret=1", "E="},
		Cwd: "/", CreatedBy: "skerry " + Version, Kernel: Kernel{"unknown", hex.EncodeToString(sum[:])},
	}
	if !reflect.DeepEqual(im.Manifest, want) {
		t.Errorf("got  %+v\nwant %+v", im.Manifest, want)
	}
	if got := im.Manifest.EnvNames(); !reflect.DeepEqual(got, []string{"K", "E"}) {
		t.Error(got)
	}
	if k, err := io.ReadAll(im.Kernel()); string(k) != "the kernel" || err != nil {
		t.Errorf("%q, %v", k, err)
	}
	files, err := im.Files()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, f := range files {
		got[f.Path] = f.Type
	}
	for p, kind := range map[string]string{
		filepath.Join(dir, "app"): "executable", "/tool": "file", "/etc/app/conf": "file", "/etc/passwd": "file", "/etc/group": "file",
		"/etc/nsswitch.conf": "file", "/tmp": "directory", "/run": "directory", "/dev/shm": "directory", "/proc": "directory", "/sys": "directory",
	} {
		if got[p] != kind {
			t.Errorf("%s is %q, want %q", p, got[p], kind)
		}
		if k, err := im.Lookup(p); err != nil || kindNames[k] != kind {
			t.Errorf("Lookup(%s) = %v, %v", p, k, err)
		}
	}
	for _, p := range []string{"/etc/hosts", "/etc/resolv.conf", "/etc/hostname", "/none", "/tool/x"} {
		if k, _ := im.Lookup(p); got[p] != "" || k != erofs.None {
			t.Errorf("%s is there", p)
		}
	}
	root := im.Root()
	if root.Offset%4096 != 0 || root.Length%4096 != 0 || root.Offset+root.Length != im.Size() {
		t.Errorf("%+v of %d", root, im.Size())
	}
	fsckRoot(t, im)
}

func fsckRoot(t *testing.T, im *Image) {
	tool, err := exec.LookPath("fsck.erofs")
	if err != nil {
		t.Log("fsck.erofs is not installed: root not checked")
		return
	}
	root := im.Root()
	b := make([]byte, root.Length)
	if _, err := im.f.ReadAt(b, root.Offset); err != nil {
		t.Fatal(err)
	}
	f := put(t, t.TempDir(), "root", b, 0o600)
	if out, err := exec.Command(tool, "--extract", f).CombinedOutput(); err != nil {
		t.Errorf("fsck.erofs: %v\n%s", err, out)
	}
}

func TestReproducible(t *testing.T) {
	dir := visibleDir(t)
	conf := put(t, dir, "conf", []byte("c"), 0o600)
	build := func() []byte {
		out := filepath.Join(t.TempDir(), "x.img")
		if _, err := Create(out, parts(t, dir, Copy{conf, "/a", false}, Copy{conf, "/b", false})); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	if a, b := build(), build(); !bytes.Equal(a, b) {
		t.Error("two builds of the same differ")
	}
}

// TestSealed flips each bit group of an image: no change may go unseen.
func TestSealed(t *testing.T) {
	dir := visibleDir(t)
	out := filepath.Join(t.TempDir(), "app.img")
	if _, err := Create(out, parts(t, dir)); err != nil {
		t.Fatal(err)
	}
	good, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	f := filepath.Join(t.TempDir(), "bad.img")
	check := func(b []byte) error {
		if err := os.WriteFile(f, b, 0o600); err != nil {
			t.Fatal(err)
		}
		im, err := Open(f)
		if err != nil {
			return err
		}
		defer im.Close()
		return im.Verify()
	}
	if err := check(good); err != nil {
		t.Fatal(err)
	}
	rnd := rand.New(rand.NewPCG(9, 10))
	offsets := []int{0, 7, 8, 12, 16, 24, 28, 32, 36, 40, 48, 56, 88, 95, 96, 300, headerSum - 1, headerSum, headerSize - 1, headerSize, len(good) - 1}
	for range 300 {
		offsets = append(offsets, rnd.IntN(len(good)))
	}
	for _, off := range offsets {
		b := bytes.Clone(good)
		b[off] ^= 1 << rnd.IntN(8)
		err := check(b)
		var e *Error
		if !errors.As(err, &e) || e.Status != StatusFailed || !strings.Contains(err.Error(), f) {
			t.Errorf("change at %d: %v", off, err)
		}
	}
	for _, b := range [][]byte{nil, good[:1], good[:8], good[:11], good[:100], good[:headerSize], good[:len(good)-1], good[:len(good)-4096], append(bytes.Clone(good), 0), append(bytes.Clone(good), make([]byte, 4096)...)} {
		if err := check(b); err == nil {
			t.Errorf("%d of %d bytes accepted", len(b), len(good))
		}
	}
	newer := bytes.Clone(good)
	le.PutUint32(newer[8:], 7)
	if err := check(newer); err == nil || !strings.Contains(err.Error(), "format 7") || !strings.Contains(err.Error(), "format 1") || !strings.Contains(err.Error(), "newer skerry") {
		t.Errorf("version 7: %v", err)
	}
}

// reseal makes a header's hash right again, as somebody who forges one would.
func reseal(b []byte) []byte {
	sum := sha256.Sum256(b[:headerSum])
	copy(b[headerSum:headerSize], sum[:])
	return b
}

func TestDecodeHeader(t *testing.T) {
	good := func() (*header, []byte) {
		h := &header{size: 5 * 4096, sections: []Section{{Kind: 1, Offset: 4096, Length: 10}, {Kind: 2, Offset: 8192, Length: 4097}, {Kind: 3, Offset: 16384, Length: 4096}}}
		return h, h.encode()
	}
	h, b := good()
	if got, err := decodeHeader(b, h.size); err != nil || !reflect.DeepEqual(got, h) {
		t.Fatalf("%+v, %v", got, err)
	}
	section := func(i int) int { return sectionBase + i*sectionSize }
	for name, change := range map[string]func(b []byte){
		"count":        func(b []byte) { b[24] = 2 },
		"count huge":   func(b []byte) { b[24], b[27] = 0xff, 0xff },
		"reserved":     func(b []byte) { b[28] = 1 },
		"header size":  func(b []byte) { b[13] = 0x20 },
		"kind":         func(b []byte) { b[section(1)] = 1 },
		"kind unknown": func(b []byte) { b[section(2)] = 4 },
		"flags":        func(b []byte) { b[section(1)+4] = 1 },
		"offset":       func(b []byte) { b[section(1)+9] = 0x10 },
		"offset huge":  func(b []byte) { b[section(1)+15] = 0xff },
		"length zero":  func(b []byte) { b[section(0)+16] = 0 },
		"length huge":  func(b []byte) { b[section(2)+23] = 0xff },
		"length root":  func(b []byte) { b[section(2)+16] = 1 },
		"gap":          func(b []byte) { b[section(2)+9] = 0x50 },
		"behind":       func(b []byte) { b[1000] = 1 },
		"tail":         func(b []byte) { b[section(0)+60] = 1 },
	} {
		_, b := good()
		change(b)
		if _, err := decodeHeader(reseal(b), h.size); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, err := decodeHeader(b, h.size+4096); err == nil {
		t.Error("another file size accepted")
	}
}

func TestDecodeManifest(t *testing.T) {
	const good = `{"format":1,"name":"n","program":"/p","args":["p"],"env":[],"cwd":"/","created_by":"c","kernel":{"version":"v","sha256":"s"}}`
	if m, err := decodeManifest([]byte(good)); err != nil || m.JIT != 0 {
		t.Fatal(m, err)
	}
	if m, err := decodeManifest([]byte(strings.Replace(good, `"cwd"`, `"jit":1048576,"cwd"`, 1))); err != nil || m.JIT != 1<<20 {
		t.Fatal(m, err)
	}
	for _, c := range [][2]string{
		{`"format":1`, `"format":2`}, {`"name":"n"`, `"name":""`}, {`"name":"n"`, `"name":"a/b"`}, {`"/p"`, `"p"`}, {`"/p"`, `"/p/../q"`}, {`"/p"`, `"/p/"`},
		{`["p"]`, `[]`}, {`["p"]`, `["\u0000"]`}, {`"env":[]`, `"env":["x"]`}, {`"env":[]`, `"env":["=x"]`}, {`"cwd":"/"`, `"cwd":""`},
		{`"cwd"`, `"jit":-4096,"cwd"`}, {`"cwd"`, `"jit":4095,"cwd"`}, {`"cwd"`, `"jit":140737488355328,"cwd"`}, {`"cwd"`, `"jit":"1M","cwd"`},
		{`"cwd"`, `"new":1,"cwd"`}, {`}}`, `}`}, {`}}`, `}}x`}, {`}}`, `}}{}`},
	} {
		if m, err := decodeManifest([]byte(strings.Replace(good, c[0], c[1], 1))); err == nil {
			t.Errorf("%s instead of %s accepted: %+v", c[1], c[0], m)
		}
	}
}

// openBytes runs everything that inspects an image over bytes.
func openBytes(t testing.TB, b []byte) bool {
	f, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Write(b); err != nil {
		t.Fatal(err)
	}
	im, err := open(f, "x")
	if err != nil {
		return false
	}
	im.Verify()
	Sum(im.Kernel())
	im.Files()
	im.Lookup("/etc/passwd/x")
	return true
}

// forged puts a root and a manifest into an image whose hashes are right.
func forged(manifest, root []byte) []byte {
	kernel := []byte("k")
	ksum := sha256.Sum256(kernel)
	manifest = bytes.ReplaceAll(manifest, []byte("KERNEL"), []byte(hex.EncodeToString(ksum[:])))
	h := &header{size: headerSize}
	b := make([]byte, headerSize)
	for i, data := range [][]byte{manifest, kernel, root} {
		h.sections = append(h.sections, Section{uint32(i + 1), h.size, int64(len(data)), sha256.Sum256(data)})
		b = append(b, data...)
		h.size = roundUp(int64(len(b)))
		b = append(b, make([]byte, int(h.size)-len(b))...)
	}
	copy(b, h.encode())
	return b
}

const forgedManifest = `{"format":1,"name":"n","program":"/p","args":["p"],"env":[],"cwd":"/","created_by":"c","kernel":{"version":"v","sha256":"KERNEL"}}`

func sampleRoot(t testing.TB) []byte {
	tree := erofs.New()
	if err := errors.Join(tree.File("/etc/passwd", erofs.Bytes("x"), false), tree.Symlink("/l", "etc"), tree.File("/p", erofs.Bytes(strings.Repeat("p", 5000)), true)); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if _, err := tree.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func FuzzOpen(f *testing.F) {
	f.Add([]byte(forgedManifest), sampleRoot(f))
	f.Fuzz(func(t *testing.T, manifest, root []byte) {
		if len(manifest) == 0 || len(root) == 0 {
			return
		}
		openBytes(t, forged(manifest, append(root, make([]byte, -len(root)&4095)...)))
	})
}

// TestForgedRandom inspects images whose hashes are right and whose root is not.
func TestForgedRandom(t *testing.T) {
	root := sampleRoot(t)
	rnd := rand.New(rand.NewPCG(11, 12))
	opened := 0
	for range 1500 {
		b := bytes.Clone(root)
		for n := 1 + rnd.IntN(8); n > 0; n-- {
			// The metadata is what is parsed.
			b[1024+rnd.IntN(min(len(b)-1024, 16384-1024))] = byte(rnd.Uint32())
		}
		if openBytes(t, forged([]byte(forgedManifest), b)) {
			opened++
		}
	}
	if opened != 1500 {
		t.Errorf("%d opened: the damage did not reach the root", opened)
	}
}

func TestCreateRefuses(t *testing.T) {
	dir := visibleDir(t)
	ps := parts(t, dir)
	link := filepath.Join(dir, "link")
	if err := os.Symlink("nowhere", link); err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{link, dir, "/dev/null", filepath.Join(dir, "no", "such", "folder.img")} {
		if _, err := Create(p, ps); err == nil {
			t.Errorf("%s: written", p)
		}
	}
	// After an error nothing is left and what was there stays.
	out := put(t, dir, "old.img", []byte("old"), 0o600)
	bad := ps
	bad.Root = erofs.New()
	if _, err := Create(out, bad); err == nil {
		t.Error("an image without its program was written")
	}
	if b, err := os.ReadFile(out); string(b) != "old" || err != nil {
		t.Errorf("%q, %v", b, err)
	}
	if list, _ := filepath.Glob(filepath.Join(dir, ".*")); len(list) != 0 {
		t.Errorf("left behind: %v", list)
	}
}
