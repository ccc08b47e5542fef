package known

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"skerry/image/dynlink"
)

func TestScriptIn(t *testing.T) {
	for _, c := range []struct {
		of         options
		args, want string
	}{
		{nodeOptions, "", ""},
		{nodeOptions, "a.js -e", "a.js"},
		{nodeOptions, "-r ./x.js --enable-source-maps a.js", "a.js"},
		{nodeOptions, "--import=./x.mjs --env-file .env a.js", "a.js"},
		{nodeOptions, "-e 1 a.js", ""},
		{nodeOptions, "-pe 1", ""},
		{nodeOptions, "--max-old-space-size=64 -- -a.js", "-a.js"},
		{nodeOptions, "- a.js", ""},
		{nodeOptions, "-r", ""},
		{phpOptions, "-d a=b -dc=d -n a.php -r", "a.php"},
		{phpOptions, "-r echo", ""},
		{phpOptions, "-S :80 -t pub router.php", "router.php"},
		{perlOptions, "-w -I lib -Mstrict -i.bak a.pl", "a.pl"},
		{perlOptions, "-Ilib a.pl", "a.pl"},
		{perlOptions, "-lne print a.pl", ""},
		{perlOptions, "-wT -0777 a.pl", "a.pl"},
		{rubyOptions, "-I lib -rset -W0 -E UTF-8 a.rb", "a.rb"},
		{rubyOptions, "--disable gems --yjit a.rb", "a.rb"},
		{rubyOptions, "-ne puts", ""},
		{luaOptions, "-W -e x=1 -l m -i a.lua", "a.lua"},
		{luaOptions, "-e x=1", ""},
		{luaOptions, "- a.lua", ""},
		{luaJITOptions, "-joff -O3 -j v a.lua", "a.lua"},
		{luaJITOptions, "-b a.lua b.lua", ""},
	} {
		if got := c.of.scriptIn(strings.Fields(c.args), func(string, string) {}); got != c.want {
			t.Errorf("%q: %q, expected %q", c.args, got, c.want)
		}
	}
}

// scripts are what adds the script of each language.
var scripts = map[string]func(p *Program, f *Facts){
	"node": (*Program).nodeScript, "php": (*Program).phpScript, "perl": (*Program).perlScript, "ruby": (*Program).rubyScript,
	"lua": func(p *Program, f *Facts) { *f = *lua(p) },
}

// packed is what a script brings in: paths below top, those in the machine where they
// differ, and links.
func packed(p *Program, language, top string) (l []string, f *Facts) {
	p.Path, f = "/usr/bin/lua5.4", &Facts{}
	if p.Closure == nil {
		p.Closure = &dynlink.Closure{}
	}
	scripts[language](p, f)
	for _, x := range f.Paths {
		name := strings.TrimPrefix(x.Host, top+"/")
		if x.Guest != "" {
			name += ":" + x.Guest
		}
		l = append(l, name)
	}
	for _, k := range f.Links {
		l = append(l, strings.TrimPrefix(k.Path, top)+"->"+strings.TrimPrefix(k.Target, top))
	}
	slices.Sort(l)
	return l, f
}

func TestLoads(t *testing.T) {
	for _, c := range []struct {
		language, args, cwd string
		files               map[string]string
		want                string
	}{
		{"node", "a/s.js", "/w", map[string]string{
			"a/s.js":   "require('./x'); require(`../up`); require.resolve('./d'); import('./n.mjs')\nexport * from './r.mjs'; import './bare.js'; require('./absent'); require('fs')",
			"a/x.json": "{}", "up.js": "require('./a/s')", "a/d/package.json": `{"main": "m"}`, "a/d/m.js": "", "a/n.mjs": "new Worker(new URL('./w.mjs', import.meta.url)); new Worker('./a/cwd.js')",
			"a/w.mjs": "", "a/cwd.js": "", "a/r.mjs": "import x from\n  \"./native.node\"", "a/native.node": "", "a/bare.js": "", "a/unused.js": "", "package.json": "{}",
		}, "a/bare.js:/w/a/bare.js a/cwd.js:/w/a/cwd.js a/d/m.js:/w/a/d/m.js a/d/package.json:/w/a/d/package.json a/n.mjs:/w/a/n.mjs a/native.node:/w/a/native.node a/r.mjs:/w/a/r.mjs a/s.js:/w/a/s.js a/w.mjs:/w/a/w.mjs a/x.json:/w/a/x.json package.json:/w/package.json up.js:/w/up.js"},
		{"node", "s.js", "", map[string]string{ // hoisted, nested, optional, of a workspace, and a cycle
			"s.js": "require('p/sub'); require('@o/q'); require('ws')", "node_modules/p/package.json": `{"dependencies": {"hoisted": "1", "nested": "1", "../x": "1"}, "optionalDependencies": {"absent": "1"}}`,
			"node_modules/hoisted/package.json": `{"peerDependencies": {"p": "1"}}`, "node_modules/p/node_modules/nested/index.js": "", "node_modules/@o/q/index.js": "", "node_modules/unused/index.js": "",
			"node_modules/ws": "-> ../packages/ws", "packages/ws/package.json": "{}", "packages/ws/node_modules/dev/x.js": "", "node_modules/.bin/x": "",
		}, "/node_modules/ws->/packages/ws node_modules/@o/q:/node_modules/@o/q node_modules/hoisted:/node_modules/hoisted node_modules/p/node_modules/nested:/node_modules/p/node_modules/nested node_modules/p:/node_modules/p packages/ws:/packages/ws s.js:/s.js"},
		{"node", "src", "", map[string]string{"src/package.json": `{"main": "m.js"}`, "src/m.js": "require('..')", "index.js": ""}, "index.js:/index.js src/m.js:/src/m.js src/package.json:/src/package.json"},
		{"node", "bad.js", "", map[string]string{ // what cannot be followed
			"bad.js": "require('./loop'); require('./dir'); require('odd'); require('\x00'); require('./\x00'); require('///')", "loop.js": "-> loop.js", "dir/package.json": `{"main": {}}`, "node_modules/odd/package.json": `[`,
		}, "bad.js:/bad.js node_modules/odd:/node_modules/odd"},
		{"php", "-f s.php", "/w", map[string]string{
			"s.php": "<?php require __DIR__.'/i/a.php'; include_once(dirname( __FILE__ ) . \"/b.php\"); require 'c.php'; include \"$x.php\"; require __DIR__ . '/vendor/autoload.php';",
			"b.php": "<?php require dirname(__DIR__) . '/none.php';", "c.php": "", "i/a.php": "<?php require 'near.php';", "i/near.php": "", "vendor/autoload.php": "", "vendor/composer/x.php": "",
			"composer.json": `{"autoload": {"psr-4": {"A\\": ["src/", ".."], "B\\": 7}, "files": ["h.php"]}}`, "src/a.php": "<?php require __DIR__ . '/../late.php';", "late.php": "", "h.php": "", "unused.php": "",
		}, "b.php:/w/b.php c.php:/w/c.php h.php:/w/h.php i/a.php:/w/i/a.php i/near.php:/w/i/near.php late.php:/w/late.php s.php:/w/s.php src:/w/src vendor:/w/vendor"},
		{"php", "-S :80 -t pub router.php", "", map[string]string{"pub/index.php": "<?php require __DIR__ . '/../lib.php';", "lib.php": "", "router.php": "<?php require 'r2.php';", "r2.php": ""},
			"lib.php:/lib.php pub:/pub r2.php:/r2.php router.php:/router.php"},
		{"perl", "-I inc bin/s.pl", "", map[string]string{
			"bin/s.pl": "use FindBin qw($Bin);\nuse lib \"$Bin/../lib\", qw(own);\nuse A::B; require C; use parent -norequire, 'D';\n  use strict; do './f.pl'; require \"g.pl\"; eval { require H };", "lib/A/B.pm": "use A::N;", "lib/A/N.pm": "", "lib/auto/A/B/B.so": "", "inc/C.pm": "",
			"own/D.pm": "", "f.pl": "", "bin/g.pl": "", "lib/H.pm": "", "lib/unused.pm": "",
		}, "bin/g.pl:/bin/g.pl bin/s.pl:/bin/s.pl f.pl:/f.pl inc/C.pm:/inc/C.pm lib/A/B.pm:/lib/A/B.pm lib/A/N.pm:/lib/A/N.pm lib/H.pm:/lib/H.pm lib/auto/A/B/B.so:/lib/auto/A/B/B.so own/D.pm:/own/D.pm"},
		{"ruby", "-I inc bin/s.rb", "", map[string]string{
			"bin/s.rb":   "$: << File.expand_path('../lib', __dir__)\n$LOAD_PATH.unshift(File.dirname(__FILE__) + '/own')\nrequire 'a/b'; require \"c\"; require 'd'\nrequire_relative '../e'\nrequire './f.rb'; load 'g.rb'\nrequire File.join(__dir__, 'h')\nrequire \"#{__dir__}/i\"\nrequire 'json'",
			"lib/a/b.rb": "autoload :X, 'a/x'", "lib/a/x.rb": "", "inc/c.so": "", "bin/own/d.rb": "", "e.rb": "", "f.rb": "", "g.rb": "", "bin/h.rb": "", "bin/i.rb": "", "lib/unused.rb": "",
		}, "bin/h.rb:/bin/h.rb bin/i.rb:/bin/i.rb bin/own/d.rb:/bin/own/d.rb bin/s.rb:/bin/s.rb e.rb:/e.rb f.rb:/f.rb g.rb:/g.rb inc/c.so:/inc/c.so lib/a/b.rb:/lib/a/b.rb lib/a/x.rb:/lib/a/x.rb"},
		{"lua", "-l first s/s.lua", "/w", map[string]string{
			"s/s.lua": "local a = require('a.b'); require \"p\"; require [[c]]; dofile('d.lua'); require 'beside'; require '...'", "a/b.lua": "require 'deep'", "deep.lua": "", "p/init.lua": "", "c.so": "", "d.lua": "", "s/beside.lua": "", "first.lua": "", "unused.lua": "",
		}, "a/b.lua:/w/a/b.lua c.so:/w/c.so d.lua:/w/d.lua deep.lua:/w/deep.lua first.lua:/w/first.lua p/init.lua:/w/p/init.lua s/beside.lua:/w/s/beside.lua s/s.lua:/w/s/s.lua"},
	} {
		top := tree(t, c.files)
		t.Chdir(top)
		got, f := packed(&Program{Args: strings.Fields(c.args), Cwd: c.cwd}, c.language, top)
		if s := strings.Join(got, " "); s != c.want {
			t.Errorf("%s %s:\n%s, expected\n%s", c.language, c.args, s, c.want)
		}
		for _, x := range f.Paths {
			if !x.Named {
				t.Errorf("%s %s: %s is not named", c.language, c.args, x.Host)
			}
		}
		// What the user gave or what would not be seen is not packed, nor followed.
		for _, p := range []*Program{{Has: func(string) bool { return true }}, {Hidden: func(string) bool { return true }}} {
			p.Args, p.Cwd = strings.Fields(c.args), c.cwd
			if got, _ := packed(p, c.language, top); len(got) > 2 || p.Has != nil && len(got) > 0 {
				t.Errorf("%s %s, given or hidden: %q", c.language, c.args, got)
			}
		}
	}
}

// TestLoadsInPlace: an absolute path is packed where it is, through links, and so is what
// a script loads whose first line names the program.
func TestLoadsInPlace(t *testing.T) {
	top := tree(t, map[string]string{"app/s.js": "require('./x'); require('p')", "app/x.js": "", "app/node_modules/p": "-> ../../p", "p/package.json": "{}", "bin/s": "-> ../app/s.js"})
	const want = "/app/node_modules/p->/p app/x.js p"
	for script, also := range map[string]string{"app/s.js": " app/s.js", "bin/s": " bin/s"} {
		if got, _ := packed(&Program{Args: []string{filepath.Join(top, script)}}, "node", top); !slices.Equal(got, slices.Sorted(slices.Values(strings.Fields(want+also)))) {
			t.Errorf("%s: %q", script, got)
		}
	}
	at := filepath.Join(top, "app/s.js")
	p := &Program{Args: []string{at}, Script: at, ScriptAt: at, Has: func(p string) bool { return p == at }}
	if got, _ := packed(p, "node", top); !slices.Equal(got, strings.Fields(want)) {
		t.Errorf("by its first line: %q", got)
	}
}

func TestLoadsBounds(t *testing.T) {
	top := tree(t, map[string]string{"s.rb": "require_relative 'big'; require_relative 'closed'; require_relative 'pipe'", "big.rb": "require_relative 'far'\n", "closed.rb": "require_relative 'far'", "far.rb": "", "pipe.rb": "-> /dev/zero"})
	if err := os.Truncate(filepath.Join(top, "big.rb"), maxSourceSize+1); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(top, "closed.rb"), 0); err != nil {
		t.Fatal(err)
	}
	t.Chdir(top)
	got, _ := packed(&Program{Args: []string{"s.rb"}}, "ruby", top)
	want := []string{"big.rb:/big.rb", "closed.rb:/closed.rb", "s.rb:/s.rb"}
	if os.Getuid() == 0 { // who may read it
		want = slices.Insert(want, 2, "far.rb:/far.rb")
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

func TestNodeMissing(t *testing.T) {
	top := tree(t, map[string]string{"s.js": "require('gone'); // require('comment')\n /* require('c2') */ import x from '@a/b/c'; require('node:sqlite'); require('fs/promises'); require('https://x'); require('#in'); require('self/x'); require('here'); require('given')",
		"package.json": `{"name": "self"}`, "node_modules/here/package.json": `{"dependencies": {"inner": "1"}}`, "node_modules/here/x.js": "require('inner')"})
	t.Chdir(top)
	_, f := packed(&Program{Args: []string{"s.js"}, Has: func(p string) bool { return p == "/node_modules/given" }}, "node", top)
	var got []string
	for _, n := range f.Notes {
		got = append(got, strings.Fields(n.Text)[3])
	}
	if want := "[gone, @a/b,]"; fmt.Sprint(got) != want {
		t.Errorf("%q", got)
	}
}

// TestNodeDebian: Debian's modules are packed where they are, for its Node alone.
func TestNodeDebian(t *testing.T) {
	top := tree(t, map[string]string{"sys/a/package.json": `{"dependencies": {"b": "1"}}`, "sys/b.js": "", "app/s.js": "require('a')"})
	old := debianNode
	defer func() { debianNode = old }()
	debianNode = []string{filepath.Join(top, "sys")}
	t.Chdir(filepath.Join(top, "app"))
	for lib, want := range map[string]string{"libnode.so.108": "app/s.js:/s.js sys/a sys/b.js", "libc.so.6": "app/s.js:/s.js"} {
		p := &Program{Args: []string{"s.js"}, Closure: &dynlink.Closure{Libraries: []*dynlink.Library{{Name: lib}}}}
		if got, _ := packed(p, "node", top); strings.Join(got, " ") != want {
			t.Errorf("%s: %q", lib, got)
		}
	}
}

func TestLuaKnown(t *testing.T) {
	top := tree(t, map[string]string{"lua": "x Lua 5.3.6", "other/lua": "nothing"})
	for path, want := range map[string]string{"/usr/bin/lua5.1": "Lua 5.1", "/x/luajit-2.1.0": "LuaJIT", top + "/lua": "Lua 5.3", top + "/other/lua": "", "/usr/bin/luac5.4": "", "/usr/bin/luatex": ""} {
		f := Lookup(&Program{Path: path, Closure: &dynlink.Closure{}})
		if f == nil {
			f = &Facts{}
		}
		if f.Name != want || (f.JIT > 0) != (want == "LuaJIT") {
			t.Errorf("%s: %+v", path, f)
		}
	}
	with := &dynlink.Closure{Libraries: []*dynlink.Library{{Name: "libluajit-5.1.so.2"}}}
	for path, want := range map[string]string{"/x/resolver": "LuaJIT", "/usr/sbin/memcached": "memcached"} {
		if f := Lookup(&Program{Path: path, Closure: with}); f == nil || f.Name != want || f.JIT != luaJITCode {
			t.Errorf("%s with LuaJIT: %+v", path, f)
		}
	}
}

// FuzzLoads: whatever stands in a source, what is packed is there, has a clean path in the
// machine, and is none twice.
func FuzzLoads(f *testing.F) {
	f.Add("require('./s'); import x from 'p'; require_relative 's'; $: << __dir__ + '/..'; use lib '$Bin/..'; require 'a.b'; include __DIR__ . '/s'")
	top := f.TempDir()
	for _, dir := range []string{"node_modules/p", "node_modules/s"} {
		if err := os.MkdirAll(filepath.Join(top, dir), 0o755); err != nil {
			f.Fatal(err)
		}
	}
	f.Fuzz(func(t *testing.T, source string) {
		if err := os.WriteFile(filepath.Join(top, "s"), []byte(source), 0o644); err != nil {
			t.Fatal(err)
		}
		for _, language := range slices.Sorted(maps.Keys(scripts)) {
			_, f := packed(&Program{Args: []string{filepath.Join(top, "s")}, Cwd: "/w"}, language, top)
			seen := map[string]bool{}
			for _, x := range f.Paths {
				if to := x.Guest; !exists(x.Host) || !filepath.IsAbs(x.Host) || to != "" && to != filepath.Clean("/"+to) || seen[x.Host] {
					t.Errorf("%s: %+v", language, x)
				}
				seen[x.Host] = true
			}
		}
	})
}

// TestSecretsStay: a source cannot have files of the host packed that others may not read,
// or that hold secrets, however it names them.
func TestSecretsStay(t *testing.T) {
	top := t.TempDir()
	put := func(name, text string, mode os.FileMode) string {
		file := filepath.Join(top, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return file
	}
	t.Setenv("HOME", filepath.Join(top, "home"))
	private := put("home/private.js", "", 0o600)
	secret := put("home/id.js", "", 0o644)
	put("home/shared.js", "", 0o644)
	put("home/x/app/own.js", "", 0o600)
	put("home/x/lib/beside.js", "", 0o600)
	if err := os.Symlink(private, filepath.Join(top, "home/x/app/link.js")); err != nil {
		t.Fatal(err)
	}
	for language, line := range map[string]string{"node": "require(%q)\n", "php": "<?php require %q;\n", "perl": "require %q;\n", "ruby": "load %q\n", "lua": "dofile(%q)\n"} {
		text := ""
		if language == "php" {
			text = "<?php\n"
			line = "require %q;\n"
		}
		prefix := ""
		if language == "node" {
			prefix = "./"
		}
		for _, name := range []string{"own.js", "link.js"} {
			text += fmt.Sprintf(line, prefix+name)
		}
		for _, file := range []string{private, secret, filepath.Join(top, "home/shared.js"), filepath.Join(top, "home/x/lib/beside.js")} {
			text += fmt.Sprintf(line, file)
		}
		script := put("home/x/app/main", text, 0o644)
		t.Chdir(filepath.Dir(script))
		p := &Program{Path: "/usr/bin/lua5.4", Args: []string{"main"}, Cwd: "/", Closure: &dynlink.Closure{}, Secret: func(p string) bool { return filepath.Base(p) == "id.js" }}
		f := &Facts{}
		scripts[language](p, f)
		var got []string
		for _, x := range f.Paths {
			if filepath.Ext(x.Host) == ".js" {
				got = append(got, filepath.Base(x.Host))
			}
		}
		slices.Sort(got)
		warned := 0
		for _, n := range f.Notes {
			if strings.Contains(n.Text, "others may not read it") {
				warned++
			}
		}
		if !slices.Equal(got, []string{"beside.js", "own.js", "shared.js"}) || warned != 3 {
			t.Errorf("%s: packed %q, %d warnings: %+v", language, got, warned, f.Notes)
		}
	}
}
