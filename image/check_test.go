package image

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"skerry/image/erofs"
)

func (c *Check) file(path string) *Packed {
	for i := range c.Files {
		if c.Files[i].Guest == path {
			return &c.Files[i]
		}
	}
	return nil
}

func (c *Check) note(text string) bool {
	for _, n := range c.Notes {
		if strings.Contains(n.Text, text) {
			return true
		}
	}
	return false
}

func TestCheck(t *testing.T) {
	dir := visibleDir(t)
	lib := cc(t, dir, "libs/libanswer.so", libText, "-shared", "-fPIC", "-Wl,-soname,libanswer.so")
	cc(t, dir, "libs/libother.so", "int other(void){return 1;}", "-shared", "-fPIC", "-Wl,-soname,libother.so")
	args := []string{"-L" + filepath.Dir(lib), "-lanswer", "-lother"}
	const text = "#include <stdio.h>\nint answer(void);int other(void);int main(void){return answer()+other();}"
	good := cc(t, dir, "good", text, append(args, "-Wl,-rpath,"+filepath.Dir(lib))...)
	site := filepath.Dir(put(t, dir, "site/index.html", []byte("hello"), 0o644))
	put(t, dir, "site/more.html", []byte("hello, more"), 0o644)

	c := specOf(good, func(s *BuildSpec) { s.Copies = []Copy{{site, "/srv", true}} }).Check()
	if c.Verdict != OK || c.Err != nil || c.Status() != 0 || len(c.Missing) != 0 || c.Interpreter == "" {
		t.Errorf("%+v", c)
	}
	var sum int64
	for _, f := range c.Files {
		if f.Files == 1 {
			if info, err := os.Stat(f.Host); err != nil || info.Size() != f.Bytes {
				t.Errorf("%+v", f)
			}
		}
		sum += f.Bytes
	}
	if sum > c.Bytes || c.Bytes-sum > 4096 { // the account files and the linker's cache
		t.Errorf("the files have %d bytes, all together %d", sum, c.Bytes)
	}
	if f := c.file(lib); f == nil || f.Why != "needed by "+good {
		t.Errorf("%+v", f)
	}
	if f := c.file("/srv"); f == nil || f.Files != 3 || f.Bytes != 16 {
		t.Errorf("%+v", f)
	}

	// Everything that is missing is told, not only the first.
	c = specOf(cc(t, dir, "bad", text, args...), nil).Check()
	if c.Verdict != CannotRun || c.Status() != StatusCannotRun || len(c.Missing) != 2 || c.Missing[0].Name != "libanswer.so" || c.Missing[1].Name != "libother.so" {
		t.Errorf("%+v", c)
	}
	if c.Err == nil || !strings.Contains(c.Err.Error(), "libanswer.so, not found in") || !strings.HasSuffix(c.Err.Error(), "; nor libother.so (install what has it, or add --lib DIR)") {
		t.Errorf("%v", c.Err)
	}

	c = specOf(cc(t, dir, "forks", "#include <unistd.h>\nint main(void){return fork()+setuid(0);}"), nil).Check()
	if c.Verdict != Warning || c.Status() != 0 || !c.note("start other programs (fork)") || !c.note("change its user (setuid)") {
		t.Errorf("%+v", c)
	}
	c = specOf(filepath.Join(dir, "none"), nil).Check()
	if c.Verdict != CannotRun || c.Status() != StatusNotFound {
		t.Errorf("%+v", c)
	}
	c = specOf(put(t, dir, "script", []byte("#!/usr/bin/perl\n"), 0o755), nil).Check()
	if f := c.file(filepath.Join(dir, "script")); c.Err != nil || f == nil || f.Why != "the script" || c.Args[0] != "/usr/bin/perl" {
		t.Errorf("%+v", c)
	}
}

func TestCheckGo(t *testing.T) {
	dir := visibleDir(t)
	put(t, dir, "go.mod", []byte("module x\n"), 0o644)
	for name, c := range map[string]struct {
		text string
		want Verdict
	}{
		"plain": {"package main\nfunc main() { println(1) }\n", OK},
		"exec":  {"package main\nimport \"os/exec\"\nfunc main() { exec.Command(\"x\").Run() }\n", Warning},
	} {
		put(t, dir, name+"/main.go", []byte(c.text), 0o644)
		cmd := exec.Command("go", "build", "-o", filepath.Join(dir, name+".bin"), "./"+name)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if b, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, b)
		}
		if got := specOf(filepath.Join(dir, name+".bin"), nil).Check(); got.Verdict != c.want || got.Interpreter != "" {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// TestRefused builds no image of a program of a class that cannot work.
func TestRefused(t *testing.T) {
	file := cc(t, visibleDir(t), "postgres", "int main(void){return 0;}")
	_, err := specOf(file, nil).Parts()
	if Status(err) != StatusCannotRun || !strings.Contains(err.Error(), "forks a process for each connection") || !strings.HasSuffix(err.Error(), "(single process)") {
		t.Errorf("%v", err)
	}
	c := specOf(file, nil).Check()
	if c.Verdict != CannotRun || c.Status() != StatusCannotRun || !c.note("forks a process for each connection") {
		t.Errorf("%+v", c)
	}
}

// TestConfigurationIsRead holds that what is known reads the user's file, not one of
// the host at the same path.
func TestConfigurationIsRead(t *testing.T) {
	dir := visibleDir(t)
	file := cc(t, dir, "nginx", "int main(void){return 0;}")
	put(t, dir, "nginx.conf", []byte("error_log stderr;\n"), 0o644)
	other := put(t, dir, "mine.conf", []byte("daemon off; master_process off;\n"), 0o644)
	conf := filepath.Join(dir, "nginx.conf")
	args := func(s *BuildSpec) { s.Args = []string{"-c", conf} }
	if c := specOf(file, args).Check(); !c.note("its master starts workers") {
		t.Errorf("%+v", c)
	}
	c := specOf(file, func(s *BuildSpec) {
		args(s)
		s.Copies = []Copy{{other, conf, false}}
	}).Check()
	if c.Verdict != OK {
		t.Errorf("%+v", c)
	}
}

// TestNginxLinks: logs that cannot be written are links, and the folder of bodies is in
// memory, unless the user has something there, or wants nothing that is not named.
func TestNginxLinks(t *testing.T) {
	dir := visibleDir(t)
	file := cc(t, dir, "nginx", "int main(void){return 0;}")
	conf := put(t, dir, "x.conf", []byte("error_log /var/log/nginx/e.log; access_log /srv/a.log;"), 0o644)
	mine := put(t, dir, "mine", []byte("mine"), 0o644)
	const temp = "/var/lib/nginx"
	_, err := os.Stat(temp)
	for _, c := range []struct {
		name   string
		change func(s *BuildSpec)
		log    erofs.Kind
		own    bool // the folder of bodies is in memory by itself
		tmpfs  int
	}{
		{"by itself", nil, erofs.Symlink, err == nil, 0},
		{"a file of the user", func(s *BuildSpec) {
			s.Copies = []Copy{{mine, "/var/log/nginx/e.log", false}, {mine, temp + "/x", false}}
		}, erofs.Regular, false, 0},
		{"exact", func(s *BuildSpec) { s.Exact = true }, erofs.None, err == nil, 0},
		{"tmpfs of the user", func(s *BuildSpec) { s.Tmpfs = []Tmpfs{{Path: "/var/lib"}, {Path: "/var/log", Size: 4096}} }, erofs.Symlink, false, 2},
		{"the same", func(s *BuildSpec) { s.Tmpfs = []Tmpfs{{Path: temp, Size: 4096}} }, erofs.Symlink, false, 1},
	} {
		p, err := specOf(file, func(s *BuildSpec) {
			s.Args = []string{"-c", conf}
			if c.change != nil {
				c.change(s)
			}
		}).Parts()
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if got := p.Root.Lookup("/var/log/nginx/e.log"); got != c.log {
			t.Errorf("%s: the log is %v, expected %v", c.name, got, c.log)
		}
		if c.log == erofs.Symlink && (p.Root.Target("/var/log/nginx/e.log") != "/dev/stderr" || p.Root.Target("/srv/a.log") != "/dev/stdout") {
			t.Errorf("%s: the logs lead to %q, %q", c.name, p.Root.Target("/var/log/nginx/e.log"), p.Root.Target("/srv/a.log"))
		}
		want := c.tmpfs
		if c.own {
			want++
		}
		if list := p.Manifest.Tmpfs; len(list) != want || c.own && list[0].Path != temp {
			t.Errorf("%s: in memory is %v", c.name, list)
		}
	}
}
