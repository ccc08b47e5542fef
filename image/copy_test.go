package image

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"skerry/image/erofs"
)

func TestParseCopy(t *testing.T) {
	for in, want := range map[string]Copy{
		"a:/b":          {"a", "/b", false},
		"./a/b:/c/d":    {"./a/b", "/c/d", false},
		"a:b:/c":        {"a:b", "/c", false},
		"/x/conf:/etc/": {"/x/conf", "/etc/conf", false},
		"a://b/../c":    {"a", "/c", false},
		"a:/b:c":        {"a", "/b:c", false},
	} {
		if got, err := ParseCopy(in, false); err != nil || got != want {
			t.Errorf("%q: %+v, %v", in, got, err)
		}
	}
	if got, err := ParseCopy(":/var/empty", true); err != nil || got != (Copy{"", "/var/empty", true}) || got.String() != "--dir :/var/empty" {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := ParseCopy(":/etc/x", false); err == nil {
		t.Errorf("%+v", got)
	}
	if got, err := ParseCopy("site:/", true); err != nil || got != (Copy{"site", "/", true}) {
		t.Errorf("%+v, %v", got, err)
	}
	for _, in := range []string{"", "a", ":/b", "a:b", "a:", "a:/b\x00", "a:/..", "/a"} {
		if got, err := ParseCopy(in, false); err == nil || !strings.Contains(err.Error(), "--file "+in) {
			t.Errorf("%q: %+v, %v", in, got, err)
		}
	}
}

// tree makes a folder with every kind of file that may be copied.
func hostTree(t *testing.T) string {
	dir := filepath.Join(t.TempDir(), "site")
	put(t, dir, "index.html", []byte("<html>"), 0o640)
	put(t, dir, "bin/tool", []byte("x"), 0o711)
	for _, e := range []error{
		os.Mkdir(filepath.Join(dir, "empty"), 0o700),
		os.Symlink("../index.html", filepath.Join(dir, "bin/link")),
		os.Symlink("/nowhere", filepath.Join(dir, "dangling")),
	} {
		if e != nil {
			t.Fatal(e)
		}
	}
	return dir
}

func TestCopies(t *testing.T) {
	site := hostTree(t)
	link := filepath.Join(t.TempDir(), "link-to-site")
	if err := os.Symlink(site, link); err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{site, link} {
		ps := parts(t, visibleDir(t), Copy{host, "/srv/www", true})
		for p, k := range map[string]erofs.Kind{
			"/srv/www": erofs.Dir, "/srv/www/index.html": erofs.Regular, "/srv/www/bin/tool": erofs.Regular, // x bits of the host do not count
			"/srv/www/bin/link": erofs.Symlink, "/srv/www/dangling": erofs.Symlink, "/srv/www/empty": erofs.Dir,
		} {
			if got := ps.Root.Lookup(p); got != k {
				t.Errorf("%s is %v, want %v", p, got, k)
			}
		}
	}
}

func TestCopiesRefused(t *testing.T) {
	dir := visibleDir(t)
	app := put(t, dir, "app", elfFile(nil), 0o755)
	file := put(t, dir, "file", []byte("f"), 0o644)
	suid := put(t, dir, "suid", nil, 0o755)
	os.Chmod(suid, 0o755|os.ModeSetgid)
	os.MkdirAll(filepath.Join(dir, "withfifo"), 0o755)
	fifo := filepath.Join(dir, "withfifo", "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		copies []Copy
		text   string
	}{
		{[]Copy{{file, app, false}}, "is the program"},
		{[]Copy{{file, app + "/x", false}}, "not a directory"},
		{[]Copy{{file, "/tmp/x", false}}, "would be hidden"},
		{[]Copy{{file, "/dev/null", false}}, "would be hidden"},
		{[]Copy{{file, "/etc/resolv.conf", false}}, "made by the machine"},
		{[]Copy{{file, "/a", false}, {file, "/a", false}}, "each path may be given once"},
		{[]Copy{{file, "/a", false}, {file, "/a/b", false}}, "is not a directory"},
		{[]Copy{{dir, "/a", false}}, "use --dir"},
		{[]Copy{{file, "/a", true}}, "use --file"},
		{[]Copy{{filepath.Join(dir, "none"), "/a", false}}, "no such file"},
		{[]Copy{{suid, "/a", false}}, "setuid or setgid"},
		{[]Copy{{fifo, "/a", false}}, "named pipe"},
		{[]Copy{{filepath.Join(dir, "withfifo"), "/a", true}}, fifo},
		{[]Copy{{"/dev/null", "/a", false}}, "device"},
		{[]Copy{{"/dev", "/a", true}}, "which an image cannot hold"},
		{[]Copy{{file, "/" + strings.Repeat("n", 300), false}}, "too long"},
	} {
		s := BuildSpec{Source: &Source{Program, "./app", app}, Program: app, Copies: c.copies}
		_, err := s.Parts()
		if err == nil || !strings.Contains(err.Error(), c.text) || !strings.HasPrefix(err.Error(), "--") || Status(err) != StatusFailed {
			t.Errorf("%v: %v", c.copies, err)
		}
	}
}

func TestWorkdir(t *testing.T) {
	dir := visibleDir(t)
	app := put(t, dir, "app", elfFile(nil), 0o755)
	file := put(t, dir, "file", nil, 0o644)
	build := func(cwd string) (Parts, error) {
		s := BuildSpec{Source: &Source{Program, "./app", app}, Program: app, Cwd: cwd, Copies: []Copy{{file, "/etc/f", false}}, Kernel: kernelOf("k")}
		return s.Parts()
	}
	for in, want := range map[string]string{"": "/", "/": "/", "/new/dir/": "/new/dir", "/tmp": "/tmp", "/etc/..": "/"} {
		ps, err := build(in)
		if err != nil || ps.Manifest.Cwd != want || ps.Root.Lookup(want) != erofs.Dir {
			t.Errorf("%q: %q, %v", in, ps.Manifest.Cwd, err)
		}
	}
	for _, in := range []string{"srv", "./x", "/etc/f", "/a\x00"} {
		if ps, err := build(in); err == nil {
			t.Errorf("%q: %q", in, ps.Manifest.Cwd)
		}
	}
	ps, err := build("/srv")
	if err != nil {
		t.Fatal(err)
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
	for in, ok := range map[string]bool{"": true, "/srv": true, "/tmp": true, "/dev/shm": true, "/none": false, "/etc/f": false, "x": false, "/tmp/x": false} {
		if cwd, err := im.Workdir(in); (err == nil) != ok {
			t.Errorf("%q: %q, %v", in, cwd, err)
		}
	}
}

func TestData(t *testing.T) {
	dir := visibleDir(t)
	site := hostTree(t)
	tool := put(t, dir, "tool", []byte("t"), 0o755)
	lnk := filepath.Join(dir, "tree/lnk")
	os.MkdirAll(filepath.Dir(lnk), 0o755)
	os.Symlink("etc", lnk)
	out := filepath.Join(dir, "x.img")
	if _, err := Create(out, parts(t, dir, Copy{library(t), "/bin/tool", false}, Copy{filepath.Dir(lnk), "/", true})); err != nil {
		t.Fatal(err)
	}
	im, err := Open(out)
	if err != nil {
		t.Fatal(err)
	}
	defer im.Close()

	df, err := im.Data([]Copy{{site, "/srv", true}, {tool, "/etc/passwd", false}}, nil, "")
	if err != nil {
		t.Fatal(err)
	}
	defer df.File.Close()
	if info, err := df.File.Stat(); err != nil || info.Size() != df.Size || info.Mode() != 0o600 || info.Sys().(*syscall.Stat_t).Nlink != 0 {
		t.Errorf("%+v, %v", info, err)
	}
	b := make([]byte, df.Size)
	if _, err := df.File.ReadAt(b, 0); err != nil {
		t.Fatal(err)
	}
	data, err := open(imageOf(t, b), "data")
	if err != nil {
		t.Fatal(err)
	}
	files, err := data.Files()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, f := range files {
		seen[f.Path] = true
		if f.Kind == erofs.Executable {
			t.Errorf("%s is executable", f.Path)
		}
	}
	for _, p := range []string{"/srv/index.html", "/srv/bin/tool", "/srv/dangling", "/etc/passwd"} {
		if !seen[p] {
			t.Errorf("%s is missing", p)
		}
	}
	for guest, text := range map[string]string{
		filepath.Join(dir, "app"): "is the program", "/bin/tool": "is an executable", "/lnk/x": "/lnk is a symlink", "/etc/passwd/x": "/etc/passwd is a file",
		"/etc": "/etc is a directory", "/tmp/x": "would be hidden", "/etc/hosts": "made by the machine",
	} {
		if _, err := im.Data([]Copy{{tool, guest, false}}, nil, ""); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%s: %v", guest, err)
		}
	}
	if _, err := im.Data([]Copy{{site, "/etc/passwd", true}}, nil, ""); err == nil {
		t.Error("a directory over a file accepted")
	}
}

// library is a shared library of this host, which an image marks executable.
func library(t *testing.T) string {
	t.Helper()
	for _, p := range []string{"/lib/x86_64-linux-gnu/libm.so.6", "/lib64/libm.so.6", "/usr/lib/libm.so.6"} {
		if _, err := os.Stat(p); err == nil {
			return p
		}
	}
	t.Skip("there is no libm.so.6")
	return ""
}

// imageOf wraps a file system into an image, to list it.
func imageOf(t *testing.T, root []byte) *os.File {
	f, err := os.Open(put(t, t.TempDir(), "wrapped.img", forged([]byte(forgedManifest), root), 0o600))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}
