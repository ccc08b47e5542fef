package image

import (
	"os"
	"path/filepath"
	"testing"
)

func TestReadFile(t *testing.T) {
	dir := visibleDir(t)
	tree := filepath.Join(dir, "tree")
	for _, d := range []string{"usr/lib"} {
		if err := os.MkdirAll(filepath.Join(tree, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	put(t, dir, "tree/usr/lib/libx.so.1", []byte("library"), 0o644)
	for link, to := range map[string]string{"lib": "usr/lib", "usr/lib/libx.so": "libx.so.1", "abs": "/lib/libx.so", "loop": "loop", "up": "../../../lib/libx.so.1"} {
		if err := os.Symlink(to, filepath.Join(tree, link)); err != nil {
			t.Fatal(err)
		}
	}
	out := filepath.Join(dir, "x.img")
	if _, err := Create(out, parts(t, dir, Copy{tree, "/", true})); err != nil {
		t.Fatal(err)
	}
	im, err := Open(out)
	if err != nil {
		t.Fatal(err)
	}
	defer im.Close()
	for p, ok := range map[string]bool{"/usr/lib/libx.so.1": true, "/lib/libx.so": true, "/abs": true, "/up": true, "/loop": false, "/lib": false, "/none": false, "/": false, "": false, "/lib/../abs": true} {
		if b := im.ReadFile(p); (b != nil) != ok || ok && string(b) != "library" {
			t.Errorf("%q: %q", p, b)
		}
	}
}

func TestSecret(t *testing.T) {
	for p, want := range map[string]bool{"/etc/shadow": true, "/etc/shadow-": true, "/etc/ssl/private/x.pem": true, "/etc/ssl/certs/x.pem": false, "/home/u/.ssh/id": true,
		"/etc/ssh": true, "/srv/server.key": true, "/etc/passwd": false, "/": false, "": false, "relative/.env": true, "/usr/share/x/../../../etc/shadow": true} {
		if got := Secret(p); got != want {
			t.Errorf("%s: %v", p, got)
		}
	}
}
