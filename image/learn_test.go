package image

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"skerry/image/erofs"
	"skerry/image/profile"
)

func TestHostFiles(t *testing.T) {
	dir := visibleDir(t)
	work := filepath.Join(dir, "work")
	for _, f := range []struct {
		name string
		mode os.FileMode
	}{{"page.html", 0o644}, {"private", 0o600}, {".env", 0o644}, {".git/config", 0o644}, {"server.key", 0o644}, {"sub/deep", 0o644}, {"in-image", 0o644}} {
		put(t, work, f.name, []byte("x"), f.mode)
	}
	os.Symlink("page.html", filepath.Join(work, "link"))
	extra := filepath.Dir(put(t, dir, "extra/secret.key", []byte("y"), 0o600))
	have := erofs.New()
	if err := have.File(filepath.Join(work, "in-image"), erofs.Bytes("x"), false); err != nil {
		t.Fatal(err)
	}
	tree, err := HostFiles(have, work, []string{extra})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]erofs.Kind{
		"page.html": erofs.Regular, "sub/deep": erofs.Regular, "link": erofs.Symlink,
		"private": erofs.None, ".env": erofs.None, ".git": erofs.None, "server.key": erofs.None, "in-image": erofs.None,
		"../extra/secret.key": erofs.Regular,
	} {
		if got := tree.Lookup(filepath.Join(work, name)); got != want {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
	for _, name := range []string{"/etc/shadow", "/etc/shadow-", "/etc/gshadow", "/etc/ssl/private", "/etc/resolv.conf", "/root", "/tmp", "/proc"} {
		if k := tree.Lookup(name); k != erofs.None {
			t.Errorf("%s is offered", name)
		}
	}
	for _, name := range []string{"/etc/passwd", "/usr/bin/env"} {
		if k := tree.Lookup(tree.Resolve(name)); k != erofs.Regular {
			t.Errorf("%s: %v", name, k)
		}
	}
	if _, err := HostFiles(have, work, []string{filepath.Join(dir, "none")}); err == nil || !strings.Contains(err.Error(), "--allow-path") {
		t.Errorf("%v", err)
	}
	if _, err := HostFiles(have, work, []string{t.TempDir()}); err == nil || !strings.Contains(err.Error(), "mounts a file system") {
		t.Errorf("%v", err)
	}
}

func TestLearn(t *testing.T) {
	dir := visibleDir(t)
	prog := cc(t, dir, "prog", "int main(void){return 0;}")
	lib := cc(t, dir, "plugin.so", "int x;", "-shared", "-fPIC")
	conf := put(t, dir, "conf", []byte("c"), 0o644)
	packed := put(t, dir, "packed", []byte("p"), 0o644)
	other := put(t, dir, "other", []byte("o"), 0o644)
	folder := filepath.Dir(put(t, dir, "folder/unused", nil, 0o644))
	seen := filepath.Dir(put(t, dir, "seen/unused", nil, 0o644))
	outer := filepath.Dir(folder)
	s := specOf(prog, func(s *BuildSpec) { s.Copies = []Copy{{packed, packed, false}} })
	ps, err := s.Parts()
	if err != nil {
		t.Fatal(err)
	}
	p := profile.New("/")
	for name, u := range map[string]profile.Use{
		prog: profile.Opened, lib: profile.Opened, conf: profile.Opened, packed: profile.Seen, other: profile.Missed, folder: profile.Listed, seen: profile.Seen, outer: profile.Seen,
		dir + "/nowhere": profile.Missed, "/etc/passwd": profile.Opened, "/etc/ld.so.cache": profile.Opened, "/proc/self/maps": profile.Opened, "/etc/resolv.conf": profile.Opened,
		"/lib/x86_64-linux-gnu/libc.so.6": profile.Opened,
	} {
		p.Paths[name] = u
	}
	l, err := s.Learn(p, ps.Root)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		what      string
		got, want []string
	}{
		{"files", l.Files, []string{conf, packed}}, {"libraries", l.Libs, []string{lib}}, {"missed", l.Missed, []string{conf, lib}},
		{"code", l.Code, []string{lib}}, {"withheld", l.Withheld, []string{other}}, {"folders", l.Folders, []string{folder}},
		{"empty", l.Empty, []string{folder, seen}},
	} {
		if !slices.Equal(c.got, c.want) {
			t.Errorf("%s: %q, want %q", c.what, c.got, c.want)
		}
	}
	// What was learnt makes an image with all of it and no more.
	exact := specOf(prog, func(s *BuildSpec) { s.Exact, s.Libs = true, l.Libs })
	for _, f := range l.Files {
		exact.Copies = append(exact.Copies, Copy{f, f, false})
	}
	for _, f := range l.Empty {
		exact.Copies = append(exact.Copies, Copy{"", f, true})
	}
	ps, err = exact.Parts()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range []string{conf, packed, lib} {
		if ps.Root.Lookup(f) == erofs.None {
			t.Errorf("%s is not in the image", f)
		}
	}
	if ps.Root.Lookup(other) != erofs.None {
		t.Errorf("%s is in the image", other)
	}
}
