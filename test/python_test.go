package skerrytest

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"skerry/test/harness"
)

// onePython runs Python in a machine and answers what it wrote to both streams.
func onePython(t *testing.T, python string, flags []string, args ...string) string {
	t.Helper()
	o, err := harness.OnSkerry(context.Background(), skerryCommand(t), &harness.Program{Path: python, Args: args, CPUs: 1, Memory: 128, Flags: flags, Timeout: time.Minute})
	if err != nil || o.Status != 0 {
		t.Fatalf("%v, status %d\n%s\n%s", err, o.Status, tail(o.Stdout, 2000), tail(o.Stderr, 2000))
	}
	return string(o.Stdout) + string(o.Stderr)
}

// TestPythonCompiled: in a machine Python takes the compiled modules of its library,
// but not for a source that another was put over.
func TestPythonCompiled(t *testing.T) {
	python := packaged(t, "/usr/bin/python3", "python3")
	slot(t)
	out, err := exec.Command(python, "-c", "import base64; print(base64.__cached__)").Output()
	if err != nil {
		t.Fatal(err)
	}
	compiled := strings.TrimSpace(string(out))
	if _, err := os.Stat(compiled); err != nil {
		t.Skipf("this host's own is not compiled: %v", err)
	}
	if got := onePython(t, python, nil, "-v", "-c", "import base64"); !strings.Contains(got, "# code object from '"+compiled+"'") {
		t.Errorf("the compiled module was not taken: %s", tail([]byte(got), 3000))
	}
	mine := filepath.Join(t.TempDir(), "mine.py")
	writeFile(t, mine, "print('another')\n")
	source := filepath.Join(filepath.Dir(filepath.Dir(compiled)), "base64.py")
	if got := onePython(t, python, []string{"--file", mine + ":" + source}, "-c", "import base64"); got != "another\n" {
		t.Errorf("another source did not count: %s", tail([]byte(got), 3000))
	}
	if got := onePython(t, python, []string{"--exact", "--dir", filepath.Dir(source) + ":" + filepath.Dir(source)}, "-v", "-c", "import base64"); !strings.Contains(got, "# code object from '"+compiled+"'") {
		t.Errorf("of a folder that was given, the compiled module was not taken: %s", tail([]byte(got), 3000))
	}
}
