package known

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"skerry/image/dynlink"
)

// notes are the texts of the warnings and refusals of a program.
func notes(f *Facts) (list []string) {
	for _, n := range f.Notes {
		if n.Level != Info {
			list = append(list, n.Text)
		}
	}
	return list
}

func TestNotes(t *testing.T) {
	files := map[string]string{
		"/etc/redis.conf":       "# requirepass no\nrequirepass secret\nsave \"\"\ndir ./\nappendonly yes\n",
		"/srv/nginx.conf":       "daemon off;\nmaster_process off; # error_log /var/log/x\npid /run/nginx.pid;\nerror_log stderr;\nhttp{access_log off;}",
		"/srv/commented.conf":   "daemon off;\n#master_process off;\nerror_log /dev/stderr;",
		"/etc/nginx/nginx.conf": "user www-data;\nerror_log /var/log/nginx/error.log;\nhttp {\n\taccess_log /tmp/access.log;\n}\n",
	}
	for _, c := range []struct {
		file, called, args string
		name               string
		want               []string // what each note holds
	}{
		{"/usr/bin/redis-check-rdb", "redis-server", "", "Redis", []string{"protected mode", "BGSAVE", "working folder"}},
		{"/usr/bin/redis-check-rdb", "redis-check-rdb", "", "", nil},
		{"/usr/bin/redis-server", "", "--protected-mode|no|--dir|/tmp", "Redis", []string{"BGSAVE"}},
		{"/usr/bin/redis-server", "", "--protected-mode|no|--save|", "Redis", nil},
		{"/usr/bin/redis-server", "", "--requirepass|x|--save|60 1|--dir|/tmp", "Redis", []string{"BGSAVE"}},
		{"/usr/bin/redis-server", "", "--daemonize|yes|--bind|0.0.0.0|--save|", "Redis", []string{"daemonize"}},
		{"/usr/bin/redis-server", "", "/etc/redis.conf", "Redis", []string{"BGREWRITEAOF", "working folder"}},
		{"/usr/bin/redis-server", "", "/etc/redis.conf|--appendonly|no", "Redis", nil},
		{"/usr/sbin/nginx", "", "", "nginx", []string{"workers"}},
		{"/usr/sbin/nginx", "", "-g|master_process off; daemon off;", "nginx", nil},
		{"/usr/sbin/nginx", "", "-g|master_process off; daemon off; pid /srv/nginx.pid;", "nginx", []string{"pid /srv/nginx.pid cannot be written"}},
		{"/usr/sbin/nginx", "", "-c|/srv/nginx.conf", "nginx", nil},
		{"/usr/sbin/nginx", "", "-c|/srv/commented.conf", "nginx", []string{"workers"}},
		{"/usr/sbin/nginx", "", "-c|/srv/commented.conf|-g|master_process  off;", "nginx", nil},
		{"/usr/sbin/nginx", "", "-c|/srv/none.conf|-g|master_process off;", "nginx", []string{"background"}},
		{"/usr/bin/memcached", "", "-d|-m|32", "memcached", []string{"-d forks"}},
		{"/usr/bin/memcached", "", "-m|32", "memcached", nil},
		{"/usr/bin/caddy", "", "start|--config|/etc/caddy/Caddyfile", "Caddy", []string{"background"}},
		{"/usr/bin/caddy", "", "run", "Caddy", nil},
		{"/usr/lib/postgresql/15/bin/postgres", "", "", "PostgreSQL", []string{"forks a process for each connection"}},
		{"/usr/sbin/apache2", "", "", "Apache httpd", []string{"whichever MPM"}},
		{"/usr/bin/dash", "sh", "", "a shell", []string{"starts other programs"}},
		{"/usr/sbin/php-fpm8.2", "", "", "PHP-FPM", []string{"php -S"}},
		{"/srv/app", "", "", "", nil},
	} {
		p := &Program{Path: c.file, Called: c.called, Closure: &dynlink.Closure{}, Read: func(path string) []byte { return []byte(files[path]) }}
		if c.args != "" {
			p.Args = strings.Split(c.args, "|")
		}
		f := Lookup(p)
		if f == nil {
			if c.name != "" {
				t.Errorf("%s is not known", c.file)
			}
			continue
		}
		got := notes(f)
		if f.Name != c.name || len(got) != len(c.want) {
			t.Errorf("%s %q is %s: %q", c.file, p.Args, f.Name, got)
			continue
		}
		for i := range got {
			if !strings.Contains(got[i], c.want[i]) {
				t.Errorf("%s %q: %q, expected one with %q", c.file, p.Args, got[i], c.want[i])
			}
		}
	}
}

// TestRuledOut holds that each of those programs is refused by a point of the model.
func TestRuledOut(t *testing.T) {
	for _, r := range refused {
		for _, n := range r.names {
			f := Lookup(&Program{Path: "/usr/sbin/" + n, Closure: &dynlink.Closure{}})
			if f == nil || len(f.Notes) != 1 || f.Notes[0].Level != Refuse || !slices.Contains([]string{oneProcess, noUsers, NoShells}, f.Notes[0].Point) {
				t.Errorf("%s: %+v", n, f)
			}
		}
	}
}

// TestBesideProgram finds the library of a runtime that is not the distribution's.
func TestBesideProgram(t *testing.T) {
	home := t.TempDir()
	for _, dir := range []string{"bin", "lib/ruby/3.3.0", "lib/perl5/5.40.0"} {
		if err := os.MkdirAll(filepath.Join(home, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]string{"ruby": "lib/ruby", "ruby3.3": "lib/ruby", "perl": "lib/perl5", "perl5.40.0": "lib/perl5"} {
		f := Lookup(&Program{Path: filepath.Join(home, "bin", name), Closure: &dynlink.Closure{}})
		if f == nil || len(f.Paths) == 0 || f.Paths[0].Host != filepath.Join(home, want) {
			t.Errorf("%s: %+v", name, f)
			continue
		}
		if !f.Paths[0].Skip(map[byte]string{'r': "gems/3.3.0/doc", 'p': "5.40.0/pod"}[name[0]], true) {
			t.Errorf("%s: documents are packed", name)
		}
		for _, rel := range []string{"3.3.0/json.rb", "5.40.0/strict.pm", "auto/Socket/Socket.so"} {
			if f.Paths[0].Skip(rel, false) {
				t.Errorf("%s leaves %s out", name, rel)
			}
		}
	}
}

func TestPHP(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "one.so")
	for name, text := range map[string]string{"one.so": "", "a.ini": "; extension=none\nzend_extension = \"" + file + "\"\nextension=" + filepath.Join(dir, "missing") + "\n", "b.ini": "extension=" + file} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got := phpExtensions([]string{dir + "/*.ini", dir + "/none.ini"}); !slices.Equal(got, []string{file}) {
		t.Errorf("%q", got)
	}
	for s, n := range map[string]int64{"64M": 64 << 20, "1g": 1 << 30, "100": 100, "2K": 2048, "x": 0, "M": 0, "99999999999999M": 0} {
		if got := phpSize(s); got != n {
			t.Errorf("%s is %d", s, got)
		}
	}
	for args, want := range map[string]int64{
		"": pcreCode, "-d pcre.jit=0": 0, "-dpcre.jit=Off": 0, "-d pcre.jit=0 -d opcache.jit_buffer_size=64M": 64 << 20, "-dopcache.jit_buffer_size=1M": pcreCode + 1<<20,
	} {
		p := &Program{Path: "/opt/php", Args: strings.Fields(args), Closure: &dynlink.Closure{}}
		if f := Lookup(p); f == nil || f.JIT != want {
			t.Errorf("%q: %+v", args, f)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "php.ini"), []byte(";pcre.jit = 1\npcre.jit = 0\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if v := (&Program{Args: []string{"-n"}}).phpSetting("pcre.jit", []string{dir + "/*.ini"}); v != "0" {
		t.Errorf("pcre.jit is %q", v)
	}
}

// TestNginxPlaces: where nginx writes, by its configuration and what that includes.
func TestNginxPlaces(t *testing.T) {
	top := tree(t, map[string]string{"site/index.html": "", "other/x": "", "given/x": "", "conf/sites/a": "", "conf/sites/b": "", "conf/loop.conf": ""})
	at := func(s string) string { return strings.ReplaceAll(s, "@", top) }
	files := map[string]string{}
	for name, text := range map[string]string{
		"@/conf/nginx.conf": "master_process off; daemon off; # include none;\nerror_log /var/log/e.log warn;\nhttp { access_log /var/log/a.log combined buffer=4k; include sites/*; include @/conf/loop.conf;\ninclude given.conf; }",
		"@/conf/sites/a":    "server { root @/site; access_log /var/log/./a.log; location /x { alias @/none/; access_log /var/log/$host.log; } }",
		"@/conf/sites/b":    "server { root @/site/; location / { root @/given; } location /y { alias @/other/; error_log /run/e; } client_body_temp_path /tmp/b; }",
		"@/conf/loop.conf":  "include loop.conf;",
		"@/conf/given.conf": "error_log /srv/given.log;",
	} {
		files[at(name)] = at(text)
	}
	p := &Program{Path: "/usr/sbin/nginx", Args: []string{"-c", top + "/conf/nginx.conf"}, Closure: &dynlink.Closure{}, Read: func(path string) []byte { return []byte(files[path]) },
		Has: func(p string) bool { return p == top+"/given" }}
	f := Lookup(p)
	if want := []Link{{Path: "/var/log/e.log", Target: "/dev/stderr"}, {Path: "/var/log/a.log", Target: "/dev/stdout"}, {Path: "/srv/given.log", Target: "/dev/stderr"}}; !slices.Equal(f.Links, want) || f.Tmpfs != nil {
		t.Errorf("%v %v, expected %v", f.Links, f.Tmpfs, want)
	}
	got := notes(f)
	want := []string{"access_log /var/log/$host.log cannot be written", at("root @/site is not packed: add --dir @/site:@/site"), at("alias @/other is not packed")}
	if len(got) != len(want) {
		t.Fatalf("%q", got)
	}
	for i := range got {
		if !strings.Contains(got[i], want[i]) {
			t.Errorf("%q, expected %q", got[i], want[i])
		}
	}
	p.Args = []string{"-c", top + "/conf/given.conf"}
	if f = Lookup(p); (len(f.Tmpfs) == 1) != exists(nginxTemp) {
		t.Errorf("%v", f.Tmpfs)
	}
}
