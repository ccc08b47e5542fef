package image

import (
	"bytes"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"skerry/image/erofs"
	"skerry/image/known"

	goerofs "github.com/erofs/go-erofs"
)

// cc compiles a C text in dir.
func cc(t *testing.T, dir, name, text string, args ...string) string {
	t.Helper()
	out := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(out), 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("gcc", append([]string{"-xc", "-", "-o", out}, args...)...)
	cmd.Stdin = strings.NewReader(text)
	if b, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("gcc %s: %v\n%s", name, err, b)
	}
	return out
}

func specOf(path string, change func(s *BuildSpec)) *BuildSpec {
	s := &BuildSpec{Source: &Source{Program, path, path}, Program: path, Kernel: kernelOf("k")}
	if change != nil {
		change(s)
	}
	return s
}

// unpacked writes a root to a folder that a chroot can use.
func unpacked(t *testing.T, p Parts) string {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "x.img"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if p.Kernel == nil {
		p.Kernel = kernelOf("k")
	}
	if _, err := Write(f, p); err != nil {
		t.Fatal(err)
	}
	im, err := Open(f.Name())
	if err != nil {
		t.Fatal(err)
	}
	defer im.Close()
	fsys, err := im.FS()
	if err != nil {
		t.Fatal(err)
	}
	files, err := im.Files()
	if err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	for _, e := range files {
		to := filepath.Join(root, e.Path)
		switch e.Kind {
		case erofs.Dir:
			err = os.MkdirAll(to, 0o755)
		case erofs.Symlink:
			err = os.Symlink(e.Target, to)
		default:
			var b []byte
			if b, err = fs.ReadFile(fsys, e.Path[1:]); err == nil {
				err = os.WriteFile(to, b, 0o644|map[bool]os.FileMode{true: 0o111}[e.Kind == erofs.Executable])
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return root
}

const libText = "int answer(void){return 42;}"
const mainText = "#include <stdio.h>\nint answer(void);int main(void){printf(\"%d\\n\",answer());return 0;}"

// TestPackedRuns packs dynamic programs and runs them with nothing but what is in
// the image, in a chroot: the host's own linker judges.
func TestPackedRuns(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs chroot")
	}
	dir := visibleDir(t)
	lib := cc(t, dir, "deep/libs/libanswer.so.1", libText, "-shared", "-fPIC", "-Wl,-soname,libanswer.so.1")
	os.Symlink("libanswer.so.1", filepath.Join(dir, "deep/libs/libanswer.so"))
	link := []string{"-L" + filepath.Dir(lib), "-lanswer"}
	run := func(name string, s *BuildSpec, want string) {
		t.Helper()
		p, err := s.Parts()
		if err != nil {
			t.Errorf("%s: %v", name, err)
			return
		}
		cmd := exec.Command("chroot", append([]string{unpacked(t, p), p.Manifest.Program}, p.Manifest.Args[1:]...)...)
		cmd.Env = append([]string{"PATH=/"}, p.Manifest.Env...)
		b, err := cmd.CombinedOutput()
		if err != nil || string(b) != want {
			t.Errorf("%s: %v\n%s", name, err, b)
		}
	}
	run("rpath", specOf(cc(t, dir, "rpath", mainText, append(link, "-Wl,-rpath,"+filepath.Dir(lib))...), nil), "42\n")
	run("origin", specOf(cc(t, dir, "origin", mainText, append(link, "-Wl,-rpath,$ORIGIN/deep/libs")...), nil), "42\n")
	nowhere := cc(t, dir, "nowhere", mainText, link...)
	run("--lib DIR", specOf(nowhere, func(s *BuildSpec) { s.Libs = []string{filepath.Dir(lib)} }), "42\n")
	run("path", specOf(nowhere, func(s *BuildSpec) { s.LibraryPath = []string{filepath.Dir(lib)} }), "42\n")
	run("--lib FILE", specOf(nowhere, func(s *BuildSpec) { s.Libs = []string{lib} }), "42\n")
	// A program that lies where the machine has a file system of its own.
	tmp := t.TempDir()
	hiddenLib := cc(t, tmp, "lib/libanswer.so.1", libText, "-shared", "-fPIC", "-Wl,-soname,libanswer.so.1")
	os.Symlink("libanswer.so.1", filepath.Join(tmp, "lib/libanswer.so"))
	run("hidden", specOf(cc(t, tmp, "app", mainText, "-L"+filepath.Dir(hiddenLib), "-lanswer", "-Wl,-rpath,$ORIGIN/lib"), nil), "42\n")
	// A program behind links, called by another name.
	os.Symlink("origin", filepath.Join(dir, "called"))
	s := specOf(filepath.Join(dir, "called"), nil)
	run("link", s, "42\n")
	if p, _ := s.Parts(); p.Manifest.Program != filepath.Join(dir, "origin") || p.Manifest.Args[0] != filepath.Join(dir, "called") {
		t.Errorf("%+v", p.Manifest)
	}
	// A thread that is cancelled needs the unwinder, which nothing names.
	run("unwinder", specOf(cc(t, dir, "cancel", `#include <pthread.h>
#include <stdio.h>
#include <unistd.h>
static void *f(void *a){for(;;)pause();}
int main(void){pthread_t t;pthread_create(&t,0,f,0);pthread_cancel(t);pthread_join(t,0);puts("joined");return 0;}`, "-pthread"), nil), "joined\n")
	// A module without an x bit that is loaded by path, and needs a library.
	mod := cc(t, dir, "mods/mod.so", "int answer(void);int twice(void){return 2*answer();}", append([]string{"-shared", "-fPIC", "-Wl,-rpath," + filepath.Dir(lib)}, link...)...)
	os.Chmod(mod, 0o644)
	run("module", specOf(cc(t, dir, "loads", `#include <dlfcn.h>
#include <stdio.h>
int main(void){void*h=dlopen("/srv/mods/mod.so",RTLD_NOW);if(!h){puts(dlerror());return 1;}printf("%d\n",((int(*)(void))dlsym(h,"twice"))());return 0;}`),
		func(s *BuildSpec) { s.Copies = []Copy{{filepath.Dir(mod), "/srv/mods", true}} }), "84\n")
	// A script.
	script := put(t, dir, "script", []byte("#!/usr/bin/perl -w\nprint \"perl $0 @ARGV\\n\";\n"), 0o755)
	run("script", specOf(script, func(s *BuildSpec) { s.Args = []string{"a b", "c"} }), "perl "+script+" a b c\n")
	env := put(t, dir, "env", []byte("#!/usr/bin/env -S GREETING=hello perl -w\nprint \"$ENV{GREETING}\\n\";\n"), 0o755)
	run("env script", specOf(env, nil), "hello\n")
}

func TestPackRefuses(t *testing.T) {
	dir := visibleDir(t)
	lib := cc(t, dir, "libs/libanswer.so.1", libText, "-shared", "-fPIC", "-Wl,-soname,libanswer.so.1")
	os.Symlink("libanswer.so.1", filepath.Join(dir, "libs/libanswer.so"))
	nowhere := cc(t, dir, "nowhere", mainText, "-L"+filepath.Dir(lib), "-lanswer")
	mid := cc(t, dir, "libs/libmid.so", "int answer(void);int mid(void){return answer();}", "-shared", "-fPIC", "-L"+filepath.Dir(lib), "-lanswer")
	viaMid := cc(t, dir, "via", "int mid(void);int main(void){return mid();}", "-L"+filepath.Dir(lib), "-lmid", "-Wl,-rpath-link,"+filepath.Dir(lib), "-Wl,-rpath,"+filepath.Dir(mid))
	static := cc(t, dir, "static", "int main(void){return 0;}", "-static")
	execstack := cc(t, dir, "stack/libanswer.so.1", libText, "-shared", "-fPIC", "-Wl,-soname,libanswer.so.1", "-z", "execstack")
	interp := cc(t, dir, "interp", "int main(void){return 0;}", "-Wl,--dynamic-linker,/lib/ld-none.so")
	script := func(name, line string) string { return put(t, dir, name, []byte(line+"\n"), 0o755) }
	for name, c := range map[string]struct {
		path   string
		libs   []string
		status int
		text   []string
	}{
		"missing":     {nowhere, nil, StatusCannotRun, []string{nowhere + ": needs libanswer.so.1, not found in ", "/usr/lib", "add --lib DIR"}},
		"for another": {viaMid, nil, StatusCannotRun, []string{"needs libanswer.so.1 (for " + mid + "), not found in "}},
		"interpreter": {interp, nil, StatusCannotRun, []string{"needs /lib/ld-none.so, which is not there"}},
		"stack":       {nowhere, []string{filepath.Dir(execstack)}, StatusCannotRun, []string{execstack + " asks for an executable stack", "noexecstack"}},
		"--lib none":  {nowhere, []string{filepath.Join(dir, "none")}, StatusFailed, []string{"--lib " + filepath.Join(dir, "none"), "no such file"}},
		"--lib text":  {viaMid, []string{filepath.Dir(lib), script("text", "hello")}, StatusFailed, []string{"--lib " + dir, "is not an ELF file"}},
		"--lib, why":  {static, []string{lib}, StatusFailed, []string{"a static program loads no libraries"}},
		"shell":       {script("sh", "#!/bin/sh -e"), nil, StatusCannotRun, []string{"is a script for a shell (/bin/sh)", "no shells", "name the program that the script starts"}},
		"env shell":   {script("envsh", "#!/usr/bin/env bash"), nil, StatusCannotRun, []string{"is a script for a shell"}},
		"no interp":   {script("nointerp", "#!"), nil, StatusCannotRun, []string{"without an interpreter"}},
		"not there":   {script("notthere", "#!/opt/none/x"), nil, StatusCannotRun, []string{"/opt/none/x, which is not there"}},
		"relative":    {script("rel", "#!bin/x"), nil, StatusCannotRun, []string{"not an absolute path"}},
		"env option":  {script("envopt", "#!/usr/bin/env -i perl"), nil, StatusCannotRun, []string{"is not understood"}},
		"env none":    {script("envnone", "#!/usr/bin/env nosuchprogram"), nil, StatusCannotRun, []string{"nosuchprogram, which is not in PATH"}},
		"nested":      {script("nested", "#!"+script("inner", "#!/usr/bin/perl")), nil, StatusCannotRun, []string{"its interpreter", "is a script for"}},
		"long":        {script("long", "#!/"+strings.Repeat("x", 300)), nil, StatusCannotRun, []string{"first line is too long"}},
	} {
		_, err := specOf(c.path, func(s *BuildSpec) { s.Libs = c.libs }).Parts()
		if err == nil || Status(err) != c.status {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, want := range c.text {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, want %q", name, err, want)
			}
		}
	}
	notX := put(t, dir, "notx", []byte("#!/usr/bin/perl\n"), 0o644)
	if _, err := specOf(notX, nil).Parts(); err == nil || !strings.Contains(err.Error(), "chmod +x") {
		t.Errorf("%v", err)
	}
}

// TestUsersFilesFirst: a library that the user gives replaces the host's.
func TestUsersFilesFirst(t *testing.T) {
	dir := visibleDir(t)
	prog := cc(t, dir, "prog", "int main(void){return 0;}")
	mine := put(t, dir, "mine", []byte("mine"), 0o644)
	s := specOf(prog, func(s *BuildSpec) {
		s.Copies = []Copy{{mine, "/lib/x86_64-linux-gnu/libc.so.6", false}, {mine, "/etc/ld.so.cache", false}}
	})
	p, err := s.Parts()
	if err != nil {
		t.Fatal(err)
	}
	root := unpacked(t, p)
	for _, path := range []string{"/lib/x86_64-linux-gnu/libc.so.6", "/etc/ld.so.cache"} {
		if b, err := os.ReadFile(filepath.Join(root, path)); err != nil || !bytes.Equal(b, []byte("mine")) {
			t.Errorf("%s: %q, %v", path, b, err)
		}
	}
}

func TestFollow(t *testing.T) {
	tr := erofs.New()
	for _, l := range [][2]string{{"/lib", "usr/lib"}, {"/usr/lib/deep", "../share"}, {"/abs", "/usr/share"}, {"/loop", "loop"}, {"/top", "/"}} {
		if err := tr.Symlink(l[0], l[1]); err != nil {
			t.Fatal(err)
		}
	}
	for in, want := range map[string]string{
		"/lib/x": "/usr/lib/x", "/lib": "/lib", "/lib/deep/y": "/usr/share/y", "/abs/z/q": "/usr/share/z/q", "/loop/a": "/loop/a",
		"/top/usr/x": "/usr/x", "/other/x": "/other/x", "/": "/", "/top/lib/deep/w": "/usr/share/w",
	} {
		if got := tr.Follow(in); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}

// TestTreeOfOneLibrary packs a library that is named by itself as code, as one in a
// folder is.
func TestTreeOfOneLibrary(t *testing.T) {
	dir := visibleDir(t)
	lib := cc(t, dir, "modules/one.so", libText, "-shared", "-fPIC")
	data := put(t, dir, "modules/data", []byte("data"), 0o644)
	for _, what := range []string{lib, data, filepath.Dir(lib)} {
		p := packer{t: erofs.New()}
		var found []module
		if err := p.tree(known.Path{Host: what}, &found); err != nil {
			t.Fatal(err)
		}
		if what == data {
			if p.t.Lookup(data) != erofs.Regular || len(found) != 0 {
				t.Errorf("%s is %v, %d modules", data, p.t.Lookup(data), len(found))
			}
		} else if p.t.Lookup(lib) != erofs.Executable || len(found) != 1 || found[0].host != lib {
			t.Errorf("%s is %v, %d modules", lib, p.t.Lookup(lib), len(found))
		}
	}
}

// TestTimes: data keep their times, in whole seconds, but for what is younger than
// SOURCE_DATE_EPOCH; a compiled module keeps its source then. Code has no time.
func TestTimes(t *testing.T) {
	dir := visibleDir(t)
	set := func(path string, sec int64) string {
		t.Helper()
		at := time.Unix(sec, 999999999)
		if err := os.Chtimes(filepath.Join(dir, path), at, at); err != nil {
			t.Fatal(err)
		}
		return filepath.Join(dir, path)
	}
	head := []byte("\xa7\r\r\n\x00\x00\x00\x00\xd2\x02\x96\x49\x06\x00\x00\x00code")
	for name, text := range map[string][]byte{"app/mod.py": []byte("x = 1\n"), "app/__pycache__/mod.cpython-311.pyc": head, "app/old": nil, "app/young": []byte("y"), "app/before": []byte("b")} {
		put(t, dir, name, text, 0o644)
	}
	stale := put(t, dir, "app/__pycache__/gone.cpython-311.pyc", head, 0o644)
	lib := cc(t, dir, "app/lib.so", libText, "-shared", "-fPIC")
	set("app/mod.py", 1234567890)
	set("app/__pycache__/mod.cpython-311.pyc", 1234567891)
	set("app/old", 1000000000)
	set("app/young", 1600000000)
	set("app/before", -5)
	for _, path := range []string{stale, lib} {
		set(strings.TrimPrefix(path, dir), 1600000000)
	}
	prog := put(t, dir, "prog", elfFile(nil), 0o755)
	spec := specOf(prog, func(s *BuildSpec) { s.Copies = []Copy{{filepath.Join(dir, "app"), "/app", true}} })
	for _, c := range []struct {
		epoch                 string
		mod, pyc, old, latest int64
		head                  string
	}{
		{"", 1234567890, 1234567891, 1000000000, 1600000000, string(head)},
		{"1234567890", 1234567890, 1234567890, 1000000000, 1234567890, string(head)},
		{"1200000000", 1200000000, 1200000000, 1000000000, 1200000000, "\xa7\r\r\n\x00\x00\x00\x00\x00\x8c\x86\x47\x06\x00\x00\x00code"},
		{"0", 0, 0, 0, 0, "\xa7\r\r\n\x00\x00\x00\x00\x00\x00\x00\x00\x06\x00\x00\x00code"},
	} {
		t.Setenv("SOURCE_DATE_EPOCH", c.epoch)
		p, err := spec.Parts()
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if _, err := p.Root.WriteTo(&b); err != nil {
			t.Fatal(err)
		}
		fsys, err := goerofs.Open(bytes.NewReader(b.Bytes()))
		if err != nil {
			t.Fatal(err)
		}
		for path, want := range map[string]int64{
			"app/mod.py": c.mod, "app/__pycache__/mod.cpython-311.pyc": c.pyc, "app/__pycache__/gone.cpython-311.pyc": c.latest, "app/old": c.old, "app/young": c.latest,
			"app/before": 0, "app/lib.so": erofs.Time, "etc/passwd": erofs.Time, strings.TrimPrefix(prog, "/"): erofs.Time,
		} {
			info, err := fs.Stat(fsys, path)
			if err != nil || !info.ModTime().Equal(time.Unix(want, 0)) {
				t.Errorf("SOURCE_DATE_EPOCH=%s: %s: %v, %v, expected %v", c.epoch, path, info, err, time.Unix(want, 0).UTC())
			}
		}
		for path, want := range map[string]string{"app/__pycache__/mod.cpython-311.pyc": c.head, "app/__pycache__/gone.cpython-311.pyc": string(head)} {
			if got, err := fs.ReadFile(fsys, path); err != nil || string(got) != want {
				t.Errorf("SOURCE_DATE_EPOCH=%s: %s: %q, %v, expected %q", c.epoch, path, got, err, want)
			}
		}
	}
	for _, epoch := range []string{"yesterday", "-1", "1.5", "99999999999999999999"} {
		t.Setenv("SOURCE_DATE_EPOCH", epoch)
		if _, err := spec.Parts(); err == nil || !strings.Contains(err.Error(), "SOURCE_DATE_EPOCH="+epoch+": is not a number of seconds") {
			t.Errorf("SOURCE_DATE_EPOCH=%s: %v", epoch, err)
		}
	}
}

// TestPlace: what stands at another path than on the host, beside what the user gives.
func TestPlace(t *testing.T) {
	dir := visibleDir(t)
	for name, text := range map[string]string{"in/a": "a", "in/sub/b": "b", "in/skip/c": "c", "in/given": "host's", "in/clash/x": "x"} {
		put(t, dir, name, []byte(text), 0o644)
	}
	if err := os.Symlink("a", filepath.Join(dir, "in/link")); err != nil {
		t.Fatal(err)
	}
	lib := cc(t, dir, "in/sub/one.so", libText, "-shared", "-fPIC")
	p := packer{t: erofs.New()}
	for path, text := range map[string]string{"/srv/x/given": "user's", "/srv/x/clash": "a file"} {
		if err := p.t.File(path, erofs.Bytes(text), false); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.t.Symlink("/way", "srv"); err != nil {
		t.Fatal(err)
	}
	var found []module
	skip := func(rel string, isDir bool) bool { return isDir && rel == "skip" }
	for _, w := range []known.Path{{Host: filepath.Join(dir, "in"), Guest: "/way/x", Skip: skip}, {Host: filepath.Join(dir, "in/a"), Guest: "/run/a"},
		{Host: filepath.Join(dir, "in/a"), Guest: "/etc/hosts"}} {
		if err := p.place(w, &found); err != nil {
			t.Fatalf("%+v: %v", w, err)
		}
	}
	for path, want := range map[string]erofs.Kind{"/srv/x/a": erofs.Regular, "/srv/x/sub/b": erofs.Regular, "/srv/x/sub/one.so": erofs.Executable, "/srv/x/link": erofs.Symlink, "/srv/x/skip": erofs.None,
		"/srv/x/given": erofs.Regular, "/srv/x/clash": erofs.Regular, "/way": erofs.Symlink, "/run/a": erofs.None, "/etc/hosts": erofs.None} {
		if got := p.t.Lookup(path); got != want {
			t.Errorf("%s is %v, expected %v", path, got, want)
		}
	}
	if len(found) != 1 || found[0].host != lib || p.t.Source("/srv/x/given").Size() != int64(len("user's")) {
		t.Errorf("%+v", found)
	}
}

// TestArgumentsName: a script that arguments name stands where the program looks for it,
// in an exact image, too, unless the user gives one there.
func TestArgumentsName(t *testing.T) {
	dir := visibleDir(t)
	python := put(t, dir, "py/bin/python3", elfFile(nil), 0o755)
	put(t, dir, "py/lib/python3.11/os.py", []byte("os"), 0o644)
	put(t, dir, "work/sub/app.py", []byte("mine"), 0o644)
	other := put(t, dir, "other.py", []byte("other"), 0o644)
	t.Chdir(filepath.Join(dir, "work"))
	for _, c := range []struct {
		name   string
		arg    string
		change func(s *BuildSpec)
		at     string
		want   string
	}{
		{"relative", "sub/app.py", nil, "/sub/app.py", "mine"},
		{"in a folder", "./sub/app.py", func(s *BuildSpec) { s.Cwd = "/srv" }, "/srv/sub/app.py", "mine"},
		{"exact", "sub/app.py", func(s *BuildSpec) { s.Exact = true }, "/sub/app.py", "mine"},
		{"the user's", "sub/app.py", func(s *BuildSpec) { s.Copies = []Copy{{other, "/sub/app.py", false}} }, "/sub/app.py", "other"},
		{"absolute", filepath.Join(dir, "work/sub/app.py"), nil, filepath.Join(dir, "work/sub/app.py"), "mine"},
		{"hidden", "sub/app.py", func(s *BuildSpec) { s.Cwd = "/tmp" }, "/tmp/sub/app.py", ""},
		{"none", "sub/none.py", nil, "/sub/none.py", ""},
	} {
		p, err := specOf(python, func(s *BuildSpec) {
			s.RunArgs = []string{"-u", c.arg}
			if c.change != nil {
				c.change(s)
			}
		}).Parts()
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		got := ""
		if src := p.Root.Source(c.at); src != nil {
			r, err := src.Open()
			if err != nil {
				t.Fatal(err)
			}
			b, err := io.ReadAll(r)
			if err != nil {
				t.Fatal(err)
			}
			r.Close()
			got = string(b)
		}
		warned := false
		for _, n := range p.Notes {
			warned = warned || n.Level == known.Warn
		}
		if got != c.want || warned != (c.name == "hidden") {
			t.Errorf("%s: %q, expected %q; %+v", c.name, got, c.want, p.Notes)
		}
	}
}
