package known

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"skerry/image/dynlink"
)

func TestFindIn(t *testing.T) {
	const what = "https://nodejs.org/download/release/v"
	for _, size := range []int{0, 1, 1000, 1<<20 - 40, 1<<20 - 37, 1<<20 - 20, 1 << 20, 3<<20 - 5} {
		text := append(bytes.Repeat([]byte{'h'}, size), what+"20.1.2/x"...)
		if got := findIn(iotest.HalfReader(bytes.NewReader(text)), []byte(what), 4); string(got) != "20.1" {
			t.Errorf("after %d bytes: %q", size, got)
		}
		if got := findIn(bytes.NewReader(text[:len(text)-6]), []byte(what), 4); string(got) != "20" {
			t.Errorf("at the end, after %d bytes: %q", size, got)
		}
		if got := findIn(bytes.NewReader(text[:size+10]), []byte(what), 4); got != nil {
			t.Errorf("a part of it, after %d bytes: %q", size, got)
		}
	}
}

// TestNodeHere asks for the Node.js of this host.
func TestNodeHere(t *testing.T) {
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("no node here")
	}
	out, err := exec.Command(node, "--version").Output()
	if err != nil {
		t.Skipf("node --version: %v", err)
	}
	real, err := filepath.EvalSymlinks(node)
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(real)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	o, err := dynlink.Read(file)
	if err != nil {
		t.Skipf("%s: %v", real, err)
	}
	c, err := dynlink.Program(real, o, dynlink.Search{})
	if err != nil {
		t.Fatal(err)
	}
	major, _, _ := strings.Cut(strings.TrimPrefix(string(out), "v"), ".")
	f := Lookup(&Program{Path: real, Closure: c})
	if f == nil || f.Name != "Node.js "+major || f.JIT == 0 {
		t.Errorf("%+v, expected Node.js %s", f, major)
	}
}

// TestNodeOther shows that a program which is only named node is not known.
func TestNodeOther(t *testing.T) {
	if f := Lookup(&Program{Path: tree(t, map[string]string{"node": "#!/bin/sh\n"}) + "/node", Closure: &dynlink.Closure{}}); f != nil {
		t.Errorf("%+v", f)
	}
}
