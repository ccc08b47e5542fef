package known

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"skerry/image/dynlink"
)

// named are the paths that arguments brought, below a folder: HOST or HOST=GUEST.
func namedBy(f *Facts, top string) (list []string) {
	for _, x := range f.Paths {
		if x.Named {
			s := strings.TrimPrefix(x.Host, top+"/")
			if x.Guest != "" {
				s += "=" + x.Guest
			}
			list = append(list, s)
		}
	}
	slices.Sort(list)
	return list
}

// TestRuntimes: the runtimes that are known by their files, and what their arguments name.
func TestRuntimes(t *testing.T) {
	top := tree(t, map[string]string{
		"bin/mono-sgen": "", "lib/mono/4.5/mscorlib.dll": "", "lib/libmono-native.so": "", "etc/mono/config": "",
		"bin/guile": "", "share/guile/3.0/ice-9/x.scm": "", "lib/guile/3.0/ccache/x.go": "",
		"alone/bin/mono": "",
		"srv/app.exe":    "", "srv/app.exe.config": "", "srv/one.dll": "", "srv/other.exe": "", "srv/m.scm": "", "srv/mod/a.scm": "", "srv/app.js": "",
	})
	t.Chdir(filepath.Join(top, "srv"))
	guileLib := &dynlink.Closure{Libraries: []*dynlink.Library{{Name: "libguile-3.0.so.1"}}}
	for _, c := range []struct {
		program, args string
		closure       *dynlink.Closure
		name          string
		jit           int64
		first         string
		named         []string
		warnings      int
	}{
		{"bin/mono-sgen", "--config x app.exe y.exe", nil, "Mono", monoCode, "lib/mono", []string{"app.exe.config=/w/app.exe.config", "app.exe=/w/app.exe", "one.dll=/w/one.dll"}, 0},
		{"bin/mono-sgen", "--debug", nil, "Mono", monoCode, "lib/mono", nil, 0},
		{"alone/bin/mono", "", nil, "", 0, "", nil, 0},
		{"bin/guile", "-L mod -e main -s m.scm x", guileLib, "Guile 3", guileCode, "share/guile/3.0", []string{"m.scm=/w/m.scm", "mod=/w/mod"}, 0},
		{"bin/guile", "-L . m.scm app.js", guileLib, "Guile 3", guileCode, "share/guile/3.0", []string{"m.scm=/w/m.scm"}, 1},
		{"bin/guile", "-c m.scm", guileLib, "Guile 3", guileCode, "share/guile/3.0", nil, 0},
		{"bin/guile", "", nil, "", 0, "", nil, 0},
	} {
		p := &Program{Path: filepath.Join(top, c.program), Args: strings.Fields(c.args), Cwd: "/w", Closure: c.closure}
		if p.Closure == nil {
			p.Closure = &dynlink.Closure{}
		}
		f := Lookup(p)
		if f == nil || c.name == "" {
			if f != nil || c.name != "" {
				t.Errorf("%s: %+v", c.program, f)
			}
			continue
		}
		for i := range c.named {
			c.named[i] = "srv/" + c.named[i]
		}
		if f.Name != c.name || f.JIT != c.jit || f.Paths[0].Host != filepath.Join(top, c.first) || !slices.Equal(namedBy(f, top), c.named) || len(notes(f)) != c.warnings {
			t.Errorf("%s %s: %s, %d, %q, %q, %+v", c.program, c.args, f.Name, f.JIT, namedBy(f, top), notes(f), f.Paths)
		}
	}
	for rel, want := range map[string]bool{"4.5/mscorlib.dll": false, "4.5/x.pdb": true, "4.5/mcs.exe": true, "gac/System/x.dll": false} {
		if monoUnused(rel, false) != want {
			t.Errorf("%s: %v", rel, !want)
		}
	}
	for line, want := range map[string]string{"app.js x": "/w/app.js", "run --preload m.scm --hot app.js": "/w/app.js", "run": "", "--port 3000 app.js": "/w/app.js", "test app.js": ""} {
		got := ""
		for _, x := range (&Program{Args: strings.Fields(line), Cwd: "/w"}).runScript(bunOptions) {
			got = x.Guest
		}
		if got != want {
			t.Errorf("%s: %q", line, got)
		}
	}
	// By their content, not by their names.
	for _, name := range []string{"bun", "deno"} {
		if f := Lookup(&Program{Path: filepath.Join(tree(t, map[string]string{name: "https://github.com/oven-sh/bun/issues"}), name), Closure: &dynlink.Closure{}}); f != nil {
			t.Errorf("%s: %+v", name, f)
		}
	}
}

// TestDaemons: what keeps servers from working, by their arguments and configuration.
func TestDaemons(t *testing.T) {
	top := tree(t, map[string]string{
		"h.cfg": "global\n  daemon # x\n  user haproxy\n  chroot /var\n", "plain.cfg": "global\n  # daemon\n  maxconn 5\n", "u.conf": "server:\n do-daemonize: no\n chroot: \"\"\n username: ''\n",
		"d.conf": "keep-in-foreground\n", "l.conf": "include_shell \"x\"\nserver.username = \"y\"\n", "m.conf": "listener 1883 0.0.0.0\npersistence_location /var/lib/m/\n",
	})
	t.Chdir(top)
	for _, c := range []struct {
		program, args string
		config        string
		want          []string
	}{
		{"haproxy", "-f h.cfg", "h.cfg", []string{"-db", "chroot /var needs", "user haproxy needs"}},
		{"haproxy", "-db -W -f h.cfg", "h.cfg", []string{"chroot", "user"}},
		{"haproxy", "-f plain.cfg", "plain.cfg", nil},
		{"haproxy", "-Ws -f plain.cfg", "plain.cfg", []string{"-db"}},
		{"dnsmasq", "-C d.conf -u skerry", "d.conf", nil},
		{"dnsmasq", "-k --conf-file=m.conf", "m.conf", []string{"-u skerry"}},
		{"dnsmasq", "-C m.conf --user=skerry", "m.conf", []string{"-k"}},
		{"unbound", "-c u.conf", "u.conf", nil},
		{"unbound", "-d -c m.conf", "m.conf", []string{"chroot", "username"}},
		{"lighttpd", "-D -f m.conf", "m.conf", nil},
		{"lighttpd", "-f l.conf", "l.conf", []string{"-D", "include_shell", "server.username"}},
		{"mosquitto", "-c m.conf", "m.conf", []string{"persistence_location /var/lib/m/"}},
		{"mosquitto", "-d -p 1", "", []string{"-d forks", "listener"}},
		{"mariadbd", "--datadir=/data --socket=/tmp/s", "", nil},
		{"mysqld", "", "", []string{"--datadir=DIR"}},
	} {
		f := Lookup(&Program{Path: "/usr/sbin/" + c.program, Args: strings.Split(c.args, " "), Cwd: "/w", Closure: &dynlink.Closure{}})
		got := notes(f)
		ok := len(got) == len(c.want)
		for i := range c.want {
			ok = ok && strings.Contains(got[i], c.want[i])
		}
		var config []string
		if c.config != "" {
			config = []string{c.config + "=/w/" + c.config}
		}
		if !ok || !slices.Equal(namedBy(f, top), config) {
			t.Errorf("%s %s: %q, %q", c.program, c.args, got, namedBy(f, top))
		}
	}
}
