package image

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"skerry/image/erofs"
)

// TestLinking tells how the code in an image is linked.
func TestLinking(t *testing.T) {
	dir := visibleDir(t)
	late := []string{"-Wl,-z,lazy"}
	now := []string{"-Wl,-z,relro,-z,now"}
	bare := cc(t, dir, "m/bare.so", "int puts(const char*);int f(void){return puts(\"\");}", "-shared", "-fPIC", "-Wl,-z,norelro,-z,now")
	hard := cc(t, dir, "m/hard.so", "int puts(const char*);int f(void){return puts(\"\");}", append(now, "-shared", "-fPIC")...)
	plain := cc(t, dir, "m/plain.so", libText, append(late, "-shared", "-fPIC", "-nostdlib")...) // which calls nothing
	const text = "int puts(const char*);int main(void){return puts(\"\")<0;}"
	for _, c := range []struct {
		path      string
		pie, lazy bool
		dynamic   bool
	}{
		{cc(t, dir, "lazy", text, append(late, "-no-pie")...), false, true, true},
		{cc(t, dir, "lazypie", text, append(late, "-pie", "-fPIE")...), true, true, true},
		{cc(t, dir, "now", text, append(now, "-pie", "-fPIE")...), true, false, true},
		{cc(t, dir, "static", text, "-static"), false, false, false},
		{cc(t, dir, "staticpie", text, "-static-pie", "-fPIE"), true, false, false},
	} {
		p, err := specOf(c.path, func(s *BuildSpec) { s.Copies = []Copy{{filepath.Join(dir, "m"), "/m", true}} }).Parts()
		if err != nil {
			t.Fatal(err)
		}
		out := filepath.Join(t.TempDir(), "x.img")
		if _, err := Create(out, p); err != nil {
			t.Fatal(err)
		}
		im, err := Open(out)
		if err != nil {
			t.Fatal(err)
		}
		files, err := im.Files()
		if err != nil {
			t.Fatal(err)
		}
		l, err := im.Linking(files)
		if err != nil || l.PositionIndependent == nil || *l.PositionIndependent != c.pie || l.Unread != 0 {
			t.Fatalf("%s: %+v, %v", c.path, l, err)
		}
		is := map[string]bool{}
		for _, p := range l.Lazy {
			is[p] = true
		}
		if is[c.path] != c.lazy || !is["/m/bare.so"] || is["/m/hard.so"] || is["/m/plain.so"] {
			t.Errorf("%s: %q, beside %s, %s and %s", c.path, l.Lazy, bare, hard, plain)
		}
		if c.dynamic && l.Dynamic < 6 || !c.dynamic && l.Dynamic != 3 {
			t.Errorf("%s: %d dynamic files", c.path, l.Dynamic)
		}
		im.Close()
	}
}

// TestLinkingForged: nothing in a forged root makes Linking fail in another way than by an
// error.
func TestLinkingForged(t *testing.T) {
	tree := erofs.New()
	lib, err := os.ReadFile(cc(t, t.TempDir(), "x.so", "int puts(const char*);int f(void){return puts(\"\");}", "-shared", "-fPIC"))
	if err != nil {
		t.Fatal(err)
	}
	if err := tree.File("/p", erofs.Bytes(elfFile(nil)), true); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"/a/x.so", "/b"} {
		if err := tree.File(name, erofs.Bytes(lib), true); err != nil {
			t.Fatal(err)
		}
	}
	if err := tree.File("/none", erofs.Bytes(strings.Repeat("text", 2000)), true); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if _, err := tree.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	read := func(root []byte) *Linking {
		im, err := open(imageOf(t, root), "forged")
		if err != nil {
			t.Fatal(err)
		}
		files, err := im.Files()
		if err != nil {
			return nil
		}
		l, err := im.Linking(files)
		if err != nil {
			return nil
		}
		return l
	}
	if l := read(b.Bytes()); l == nil || l.Dynamic != 2 || len(l.Lazy) != 2 || l.Unread != 1 || *l.PositionIndependent {
		t.Fatalf("%+v", l)
	}
	rnd, listed := rand.New(rand.NewPCG(15, 16)), 0
	for range 300 {
		root := bytes.Clone(b.Bytes())
		for range 1 + rnd.IntN(8) {
			at := rnd.IntN(len(root))
			if rnd.IntN(2) == 0 {
				at = rnd.IntN(min(len(root), 3*4096)) // the superblock, inodes and names
			}
			root[at] = byte(rnd.Uint32())
		}
		if read(root) != nil {
			listed++
		}
	}
	if listed == 0 {
		t.Error("all were refused")
	}
	// A file in millions of places costs no more than those that are read.
	many := make([]FileInfo, 100000)
	for i := range many {
		many[i] = FileInfo{Path: "/b", Kind: erofs.Executable}
	}
	im, err := open(imageOf(t, b.Bytes()), "many")
	if err != nil {
		t.Fatal(err)
	}
	if l, err := im.Linking(many); err != nil || l.Dynamic != maxLinked || l.Unread != len(many)-maxLinked {
		t.Errorf("%v, %d read, %d not", err, l.Dynamic, l.Unread)
	}
}
