package image

import (
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"

	"skerry/image/erofs"
)

// hostShell is a copy of a shell of this host under a name that says nothing.
func hostShell(t *testing.T, dir string) string {
	t.Helper()
	for _, p := range []string{"/usr/bin/dash", "/bin/dash", "/bin/bash", "/usr/bin/bash"} {
		if b, err := os.ReadFile(p); err == nil {
			return put(t, dir, "tool", b, 0o755)
		}
	}
	t.Skip("there is neither dash nor bash")
	return ""
}

// TestNoShells: a shell is refused under any name, as the program and beside it, and so
// is an interpreter beside the program, unless --allow names it; the image says so.
func TestNoShells(t *testing.T) {
	dir := visibleDir(t)
	shell := hostShell(t, dir)
	app := put(t, dir, "app", elfFile(nil), 0o755)
	spec := func(program string, allow []string, copies ...Copy) (Parts, error) {
		s := BuildSpec{Source: &Source{Program, program, program}, Program: program, Copies: copies, Allow: allow, Kernel: kernelOf("the kernel")}
		return s.Parts()
	}
	refused := func(err error, text string) {
		t.Helper()
		if err == nil || !strings.Contains(err.Error(), text) || !strings.Contains(err.Error(), "no shells") || !strings.Contains(err.Error(), "--allow shell:") {
			t.Errorf("%v, want %q in it", err, text)
		}
	}
	// The program itself is looked at where an image is written.
	ps, err := spec(shell, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = Create(filepath.Join(dir, "shell.img"), ps)
	refused(err, "is a shell")
	for range 2 { // the cache keeps none
		_, _, err = (&Cache{t.TempDir(), CacheLimit}).Image(ps)
		refused(err, "is a shell")
	}
	check := (&BuildSpec{Source: &Source{Program, shell, shell}, Program: shell}).Check()
	refused(check.Err, "is a shell")
	if check.Verdict != CannotRun {
		t.Errorf("the verdict is %v", check.Verdict)
	}
	_, err = spec(app, nil, Copy{shell, "/srv/data", false})
	refused(err, shell+" is a shell")
	put(t, dir, "tree/deep/data", nil, 0o644)
	if err := os.Rename(shell, filepath.Join(dir, "tree/deep/x")); err != nil {
		t.Fatal(err)
	}
	tree := Copy{filepath.Join(dir, "tree"), "/srv", true}
	_, err = spec(app, nil, tree)
	refused(err, "tree/deep/x is a shell")
	if _, err = spec(app, []string{"shell:/srv/x"}, tree); err == nil {
		t.Error("the permission was for another path")
	}

	ps, err = spec(app, []string{"shell:/srv/deep/x", "shell:/other"}, tree)
	if err != nil {
		t.Fatal(err)
	}
	if k := ps.Root.Lookup("/srv/deep/x"); k != erofs.Regular {
		t.Errorf("it is %v in the root: it must not be executable", k)
	}
	if want := []string{"shell:/other", "shell:/srv/deep/x"}; !reflect.DeepEqual(ps.Manifest.Allow, want) {
		t.Errorf("the manifest allows %q, want %q", ps.Manifest.Allow, want)
	}
	out := filepath.Join(dir, "x.img")
	if _, err := Create(out, ps); err != nil {
		t.Fatal(err)
	}
	im, err := Open(out)
	if err != nil {
		t.Fatal(err)
	}
	defer im.Close()
	if len(im.Manifest.Allow) != 2 {
		t.Errorf("%+v", im.Manifest)
	}
	// Files of a run are looked at, too.
	_, err = im.Data([]Copy{{filepath.Join(dir, "tree/deep/x"), "/etc/conf", false}}, nil, "")
	refused(err, "is a shell")

	program := filepath.Join(dir, "tree/deep/x")
	ps, err = spec(program, []string{"shell:" + program})
	if err == nil {
		_, err = Create(out, ps)
	}
	if err != nil || ps.Manifest.Program != program {
		t.Errorf("a shell that is allowed as the program: %v", err)
	}
	if python, err := exec.LookPath("/usr/bin/python3"); err == nil {
		_, err = spec(app, nil, Copy{python, "/py", false})
		refused(err, "an interpreter (Python)")
		if _, err := spec(python, nil); err != nil {
			t.Errorf("an interpreter as the program: %v", err)
		}
	}
}

// TestCapabilities: a file with capabilities of its own is refused.
func TestCapabilities(t *testing.T) {
	dir := visibleDir(t)
	f := put(t, dir, "data", []byte("x"), 0o755)
	// vfs_cap_data of linux/capability.h, revision 2: CAP_NET_BIND_SERVICE, permitted.
	value := []byte{1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
	if err := syscall.Setxattr(f, "security.capability", value, 0); err != nil {
		t.Skipf("capabilities cannot be set here: %v", err)
	}
	s := BuildSpec{Source: &Source{Program, "app", put(t, dir, "app", elfFile(nil), 0o755)}, Program: filepath.Join(dir, "app"), Copies: []Copy{{f, "/data", false}}, Kernel: kernelOf("k")}
	if _, err := s.Parts(); err == nil || !strings.Contains(err.Error(), "file capabilities") || !strings.Contains(err.Error(), "setcap -r") {
		t.Error(err)
	}
}

func TestParseAllow(t *testing.T) {
	if err := ParseAllow("shell:/bin/sh"); err != nil {
		t.Error(err)
	}
	for _, bad := range []string{"", "shell:", "shell:bin/sh", "shell:/", "shell:/a/../b", "/bin/sh", "exec:/bin/sh", "shell:/a\x00"} {
		if err := ParseAllow(bad); err == nil || !strings.Contains(err.Error(), "shell:PATH") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
