package known

import (
	"encoding/binary"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// pyc is a compiled module with a header.
func pyc(flags uint32, a, b uint32) string {
	h := []byte{0xa7, 0x0d, '\r', '\n'}
	for _, v := range []uint32{flags, a, b} {
		h = binary.LittleEndian.AppendUint32(h, v)
	}
	return string(h) + "code"
}

func TestPyc(t *testing.T) {
	at := time.Unix(1234567890, 0)
	const text = "x = 1\n"
	ok := pyc(0, 1234567890, uint32(len(text)))
	top := tree(t, map[string]string{
		"a.py": text, "b.py": text, "c.py": text, "d.py": text, "e.py": text, "f.py": text, "dir.py/x": "",
		"__pycache__/a.cpython-311.pyc": ok, "__pycache__/a.cpython-312.pyc": ok, "__pycache__/a.cpython-311.opt-1.pyc": ok, "__pycache__/a.cpython-36.pyc": ok,
		"__pycache__/b.cpython-311.pyc":    pyc(0, 1234567891, uint32(len(text))), // stale by its time
		"__pycache__/c.cpython-311.pyc":    pyc(0, 1234567890, 7),                 // and by its size
		"__pycache__/d.cpython-311.pyc":    pyc(1, 1, 2),                          // by hash
		"__pycache__/e.cpython-311.pyc":    ok[:15],
		"__pycache__/f.cpython-311.pyc":    pyc(8, 1234567890, uint32(len(text))),
		"__pycache__/gone.cpython-311.pyc": ok, "__pycache__/dir.cpython-311.pyc": ok, "__pycache__/a.pypy39.pyc": ok, "__pycache__/a.py": text, "a.cpython-311.pyc": ok,
	})
	for _, f := range []string{"a.py", "b.py", "c.py", "d.py", "e.py", "f.py"} {
		if err := os.Chtimes(filepath.Join(top, f), at, at); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]string{ // "timed", "packed" as it is, or "skipped"
		"__pycache__/a.cpython-311.pyc": "timed", "__pycache__/b.cpython-311.pyc": "skipped", "__pycache__/c.cpython-311.pyc": "skipped",
		"__pycache__/d.cpython-311.pyc": "packed", "__pycache__/e.cpython-311.pyc": "skipped", "__pycache__/f.cpython-311.pyc": "skipped",
		"__pycache__/gone.cpython-311.pyc": "skipped", "__pycache__/dir.cpython-311.pyc": "skipped", "__pycache__/a.pypy39.pyc": "skipped",
		"__pycache__/a.cpython-36.pyc": "skipped", "__pycache__/a.py": "skipped", "a.cpython-311.pyc": "packed", "a.py": "packed",
	} {
		got := "packed"
		switch {
		case TimedPyc(filepath.Join(top, name)) != nil:
			got = "timed"
		case pycSkip(top, name, 11):
			got = "skipped"
		}
		if got != want {
			t.Errorf("%s is %s, expected %s", name, got, want)
		}
	}
	for _, other := range []string{"__pycache__/a.cpython-312.pyc", "__pycache__/a.cpython-311.opt-1.pyc"} {
		if !pycSkip(top, other, 11) {
			t.Errorf("%s is packed for Python 3.11", other)
		}
	}
	r, err := TimedPyc(filepath.Join(top, "__pycache__/a.cpython-311.pyc")).Open(1<<32 + 5)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	got, err := io.ReadAll(r)
	if want := pyc(0, 5, uint32(len(text))); err != nil || string(got) != want {
		t.Errorf("%q, %v", got, err)
	}
}

// TestPycIsTaken compiles a module and asks the Python of this host whether it takes
// what is made of it, and no longer when the source is another.
func TestPycIsTaken(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("no python3 here")
	}
	top := tree(t, map[string]string{"mod.py": "x = 1\n"})
	run := func(args ...string) string {
		t.Helper()
		cmd := exec.Command(python, args...)
		cmd.Dir = top
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return strings.TrimSpace(string(out))
	}
	version, err := strconv.Atoi(run("-c", "import sys; print(sys.version_info[1])"))
	if err != nil || version < 7 {
		t.Skipf("python3 is of version 3.%d", version)
	}
	file := filepath.Join(top, run("-c", "import py_compile; print(py_compile.compile('mod.py'))"))
	p := TimedPyc(file)
	if p == nil {
		t.Fatalf("%s is not known", file)
	}
	r, err := p.Open(315532800)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(r)
	r.Close()
	if err == nil {
		err = os.WriteFile(file, b, 0o644)
	}
	if err == nil { // as in an image
		err = os.Chtimes(filepath.Join(top, "mod.py"), time.Unix(315532800, 0), time.Unix(315532800, 0))
	}
	if err != nil {
		t.Fatal(err)
	}
	const tell = "import sys; sys.dont_write_bytecode = True; import mod; print(mod.x)"
	if out := run("-v", "-c", tell); !strings.Contains(out, "matches "+filepath.Join(top, "mod.py")) || !strings.Contains(out, "code object from '"+file+"'") {
		t.Errorf("it is not taken: %s", out)
	}
	if err := os.WriteFile(filepath.Join(top, "mod.py"), []byte("x = 22\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if out := run("-c", tell); out != "22" {
		t.Errorf("of another source it is still taken: %s", out)
	}
}
