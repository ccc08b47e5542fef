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

// writeTree writes files below a folder, with the folders and links that they need; what
// begins with "-> " is a link.
func writeTree(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if target, ok := strings.CutPrefix(text, "-> "); ok {
			if err := os.Symlink(target, file); err != nil {
				t.Fatal(err)
			}
			continue
		}
		writeFile(t, file, text)
	}
}

// loads runs lines of arguments in a folder with files, on Linux and in machines, to
// which nothing is told of the files that a script loads.
func loads(t *testing.T, files map[string]string, lines ...[]string) {
	t.Helper()
	slot(t)
	dir, err := os.MkdirTemp("/var/tmp", "skerry-loads-") // what is below /tmp is not seen in a machine
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	writeTree(t, dir, files)
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Minute)
	defer cancel()
	for _, line := range lines {
		in := filepath.Join(dir, "app")
		for i := range line {
			line[i] = strings.ReplaceAll(line[i], "DIR", dir)
		}
		if strings.HasPrefix(line[0], "./") {
			if err := os.Chmod(filepath.Join(in, line[0]), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		cmd := exec.CommandContext(ctx, line[0], line[1:]...)
		cmd.Dir = in
		want, err := cmd.Output()
		if err != nil || len(want) == 0 {
			t.Errorf("%v on Linux: %v, %q", line, err, want)
			continue
		}
		out, errs, status := skerryIn(ctx, skerryCommand(t), in)(append([]string{"run", "--quiet", "-m", "192M"}, line...)...)
		if d := harness.Difference(want, []byte(out)); d != "" || status != 0 {
			t.Errorf("%v: status %d, Linux (-) and Skerry (+): %s\n%s", line, status, d, tail([]byte(errs), 2000))
		}
	}
}

// TestNodeLoads: files by relative paths, beside the script and above it, packages of
// node_modules as npm and pnpm lay them out, and modules of ECMAScript.
func TestNodeLoads(t *testing.T) {
	node := packaged(t, "node", "nodejs")
	loads(t, map[string]string{
		"app/a.js":                           "#!/usr/bin/env node\nconst {x} = require('./part'); console.log(x, require('../lib/up.js'), require('flat'), require('@s/linked').y)\n",
		"app/part.js":                        "exports.x = require('./data.json').n\n",
		"app/data.json":                      `{"n": 7}`,
		"lib/up.js":                          "module.exports = 'up'\n",
		"app/m.mjs":                          "import {z} from './z.mjs'; import flat from 'flat'; import {Worker} from 'node:worker_threads'\nconst w = new Worker(new URL('./w.mjs', import.meta.url)); w.on('message', m => console.log(z, flat, m))\n",
		"app/z.mjs":                          "export const z = (await import('./late.mjs')).late\n",
		"app/late.mjs":                       "export const late = 'late'\n",
		"app/w.mjs":                          "import {parentPort} from 'worker_threads'; parentPort.postMessage('worker')\n",
		"app/unused.mjs":                     "throw 1\n",
		"app/node_modules/flat/package.json": `{"name": "flat", "main": "lib/flat", "dependencies": {"deep": "1"}}`, "app/node_modules/flat/lib/flat.js": "module.exports = 'flat ' + require('deep')\n",
		"app/node_modules/deep/index.js":                                      "module.exports = 'deep'\n",
		"app/node_modules/@s/linked":                                          "-> ../.pnpm/linked@1/node_modules/@s/linked",
		"app/node_modules/.pnpm/linked@1/node_modules/@s/linked/package.json": `{"dependencies": {"dep": "*"}}`,
		"app/node_modules/.pnpm/linked@1/node_modules/@s/linked/index.js":     "exports.y = require('dep')\n",
		"app/node_modules/.pnpm/linked@1/node_modules/dep":                    "-> ../../dep@2/node_modules/dep",
		"app/node_modules/.pnpm/dep@2/node_modules/dep/index.js":              "module.exports = 'dep'\n",
	}, []string{node, "a.js"}, []string{node, "DIR/app/m.mjs"}, []string{"./a.js"})
}

// TestPHPLoads: constant includes, and the folders of Composer's autoloader.
func TestPHPLoads(t *testing.T) {
	php := packaged(t, "php", "php-cli")
	loads(t, map[string]string{
		"app/a.php":                         "<?php require __DIR__ . '/inc/b.php'; require_once('../lib/c.php'); require dirname(__DIR__) . '/app/vendor/autoload.php'; echo b(), c(), f(), \"\\n\";\n",
		"app/inc/b.php":                     "<?php include 'd.php'; function b() { return d(); }\n",
		"app/inc/d.php":                     "<?php function d() { return 'd'; }\n",
		"lib/c.php":                         "<?php function c() { return 'c'; }\n",
		"app/vendor/autoload.php":           "<?php require __DIR__ . '/composer/real.php';\n",
		"app/vendor/composer/real.php":      "<?php $p = __DIR__ . '/../../src/f.php'; require $p;\n",
		"app/composer.json":                 `{"autoload": {"psr-4": {"App\\": "src/"}}}`,
		"app/src/f.php":                     "<?php function f() { return 'f'; }\n",
		"app/vendor/composer/installed.php": "<?php\n",
	}, []string{php, "-d", "precision=3", "DIR/app/a.php"})
}

// TestPerlLoads: modules out of folders that `use lib` and -I name, and files.
func TestPerlLoads(t *testing.T) {
	perl := packaged(t, "perl", "perl")
	loads(t, map[string]string{
		"app/a.pl":            "#!/usr/bin/env perl\nuse strict; use FindBin; use lib \"$FindBin::Bin/lib\"; use Own::Part qw(x);\nprint x(), ' ', (do './b.pl'), \"\\n\";\n",
		"app/lib/Own/Part.pm": "package Own::Part; use parent 'Own::Base'; use Exporter 'import'; our @EXPORT_OK = 'x'; sub x { Own::Part->y }\n1;\n",
		"app/lib/Own/Base.pm": "package Own::Base; sub y { 'base' }\n1;\n",
		"app/b.pl":            "'b';\n",
		"more/Given.pm":       "package Given; sub g { 'given' }\n1;\n",
		"app/i.pl":            "use Given; print Given::g(), \"\\n\";\n",
	}, []string{perl, "a.pl"}, []string{perl, "-wI", "DIR/more", "i.pl"})
}

// TestRubyLoads: what is required by relative paths and out of the load path.
func TestRubyLoads(t *testing.T) {
	ruby := packaged(t, "ruby", "ruby")
	loads(t, map[string]string{
		"app/a.rb":           "$LOAD_PATH.unshift File.expand_path('../lib', __dir__)\nrequire 'own/part'\nrequire_relative 'b'\nrequire './c'\nputs PART, B, C\n",
		"app/b.rb":           "B = 'b'\n",
		"app/c.rb":           "C = 'c'\n",
		"lib/own/part.rb":    "require_relative 'deep/er'\nPART = ER\n",
		"lib/own/deep/er.rb": "ER = 'er'\n",
	}, []string{ruby, "a.rb"})
}

// TestLuaLoads: modules from the working folder, for Lua and for LuaJIT, which compiles: it
// wants what it writes within 1 GiB of its own code.
func TestLuaLoads(t *testing.T) {
	files := map[string]string{
		"app/a.lua":      "local b = require('b'); print(b.x, require 'p.q', dofile('d.lua'))\n",
		"app/i.lua":      "print(require [[p]])\n",
		"app/b.lua":      "return {x = require('b2')}\n",
		"app/b2.lua":     "return 'b2'\n",
		"app/p/q.lua":    "return 'q'\n",
		"app/p/init.lua": "return 'init'\n",
		"app/d.lua":      "return 'd'\n",
		"app/loop.lua":   "local s = 0; for i = 1, 1e6 do s = (s + i) % 1003 end; print(s, require('jit.util').traceinfo(1) ~= nil)\n",
	}
	t.Run("lua", func(t *testing.T) {
		lua := packaged(t, "lua5.4", "lua5.4")
		loads(t, files, []string{lua, "a.lua"}, []string{lua, "i.lua"})
	})
	t.Run("luajit", func(t *testing.T) {
		luajit := packaged(t, "luajit", "luajit")
		loads(t, files, []string{luajit, "a.lua"}, []string{luajit, "loop.lua"})
	})
}
