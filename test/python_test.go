package skerrytest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"skerry/test/harness"
)

// onePython runs Python in a machine and answers what it wrote to both streams.
func onePython(t *testing.T, python string, flags []string, args ...string) string {
	t.Helper()
	o, err := harness.OnSkerry(context.Background(), skerryCommand(t), &harness.Program{Path: python, Args: args, CPUs: 1, Memory: 128, Flags: flags, Timeout: time.Minute})
	if err != nil || o.Status != 0 {
		t.Fatalf("%v, status %d\n%s\n%s", err, o.Status, tail(o.Stdout, 2000), tail(o.Stderr, 2000))
	}
	return string(o.Stdout) + string(o.Stderr)
}

// TestPythonCompiled: in a machine Python takes the compiled modules of its library,
// but not for a source that another was put over.
func TestPythonCompiled(t *testing.T) {
	python := packaged(t, "/usr/bin/python3", "python3")
	slot(t)
	out, err := exec.Command(python, "-c", "import base64; print(base64.__cached__)").Output()
	if err != nil {
		t.Fatal(err)
	}
	compiled := strings.TrimSpace(string(out))
	if _, err := os.Stat(compiled); err != nil {
		t.Skipf("this host's own is not compiled: %v", err)
	}
	if got := onePython(t, python, nil, "-v", "-c", "import base64"); !strings.Contains(got, "# code object from '"+compiled+"'") {
		t.Errorf("the compiled module was not taken: %s", tail([]byte(got), 3000))
	}
	mine := filepath.Join(t.TempDir(), "mine.py")
	writeFile(t, mine, "print('another')\n")
	source := filepath.Join(filepath.Dir(filepath.Dir(compiled)), "base64.py")
	if got := onePython(t, python, []string{"--file", mine + ":" + source}, "-c", "import base64"); got != "another\n" {
		t.Errorf("another source did not count: %s", tail([]byte(got), 3000))
	}
	if got := onePython(t, python, []string{"--exact", "--dir", filepath.Dir(source) + ":" + filepath.Dir(source)}, "-v", "-c", "import base64"); !strings.Contains(got, "# code object from '"+compiled+"'") {
		t.Errorf("of a folder that was given, the compiled module was not taken: %s", tail([]byte(got), 3000))
	}
}

// TestPythonBeside: a script finds the modules beside it without being told of them.
func TestPythonBeside(t *testing.T) {
	python := packaged(t, "/usr/bin/python3", "python3")
	slot(t)
	dir, err := os.MkdirTemp("/var/tmp", "skerry-beside-") // what is below /tmp is not seen in a machine
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if err := os.MkdirAll(filepath.Join(dir, "parts", "inner"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"app.py": "import helper\nfrom parts.inner import thing\nprint(helper.value, thing.text())\n", "helper.py": "import deeper\nvalue = deeper.value\n", "deeper.py": "value = 6\n",
		"parts/__init__.py": "", "parts/inner/thing.py": "import os\ndef text(): return open(os.path.join(os.path.dirname(__file__), 'data.txt')).read()\n", "parts/inner/data.txt": "seven",
	} {
		writeFile(t, filepath.Join(dir, name), text)
	}
	if got := onePython(t, python, nil, filepath.Join(dir, "app.py")); got != "6 seven\n" {
		t.Errorf("%s", tail([]byte(got), 3000))
	}
}

// needsModule skips a test where Python has no such module.
func needsModule(t *testing.T, python, module, pkg string) {
	t.Helper()
	if out, err := exec.Command(python, "-c", "import "+module).CombinedOutput(); err != nil {
		t.Skipf("no %s here (Debian has it in the package %s): %s", module, pkg, tail(out, 200))
	}
}

// TestPythonInstalled: packages that are installed for Python are there without being
// told of, modules in machine code and their libraries, too.
func TestPythonInstalled(t *testing.T) {
	python := packaged(t, "/usr/bin/python3", "python3")
	needsModule(t, python, "numpy", "python3-numpy")
	sameRun(t, python, map[string]string{"array.py": "import numpy as np\nfrom numpy import linalg\na = np.arange(10000.).reshape(100, 100)\n" +
		"print((a @ a).sum(), linalg.inv(np.eye(50) * 2).sum(), np.fft.fft(a[0]).shape, np.random.default_rng(7).integers(1000))\n"}, 192, 0, strict, "FILES/array.py")
}

// TestPythonFlask serves with Flask: by its module, which is told what to serve, and the
// application is given; and by its command, where it lies in the working folder.
func TestPythonFlask(t *testing.T) {
	python := packaged(t, "/usr/bin/python3", "python3")
	needsModule(t, python, "flask", "python3-flask")
	const app = "from flask import Flask, request, jsonify\nimport parts\napp = Flask(__name__)\n" +
		"@app.route('/<name>', methods=['GET', 'POST'])\ndef page(name): return jsonify(name=name, value=parts.value, data=request.get_data(as_text=True))\n"
	d := &harness.Daemon{
		Path: python, Memory: 192, Flags: strict,
		Args: func(p harness.Place) []string {
			return []string{"-m", "flask", "--app", p.Files + "/pages.py", "run", "-h", p.Host, "-p", fmt.Sprint(p.Ports[0])}
		},
		Files: func(p harness.Place) map[string][]byte {
			return map[string][]byte{"pages.py": []byte(app), "parts.py": []byte("value = 'part'\n")}
		},
		Ready: greets("GET /x HTTP/1.0\r\n\r\n", "HTTP/1.1 200 OK"),
	}
	var want string
	daemon(t, d, 143, func(t *testing.T, r *harness.Running) {
		a := newAsks(t, r.Address)
		a.do("GET", "/page", "", nil)
		a.do("POST", "/form", "text/plain", []byte("body"))
		a.do("GET", "/none/none", "", nil)
		a.compare(r.Tmp != "", &want)
	})
	t.Run("command", func(t *testing.T) {
		flask := packaged(t, "/usr/bin/flask", "python3-flask")
		slot(t)
		dir := t.TempDir()
		writeFile(t, filepath.Join(dir, "wsgi.py"), app)
		writeFile(t, filepath.Join(dir, "parts.py"), "value = 1\n")
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
		defer cancel()
		out, errs, status := skerryIn(ctx, skerryCommand(t), dir)("run", "--quiet", "-m", "192M", flask, "routes")
		if status != 0 || !strings.Contains(out, "/<name>") {
			t.Errorf("status %d: %s\n%s", status, out, tail([]byte(errs), 2000))
		}
	})
}

// TestPythonVenv runs a script, named by a relative path, in virtual environments, as on
// Linux: links to the interpreter and a copy of it, with the system's packages and
// without, by the interpreter's name and by the script's first line.
func TestPythonVenv(t *testing.T) {
	python := packaged(t, "/usr/bin/python3", "python3")
	slot(t)
	dir, err := os.MkdirTemp("/var/tmp", "skerry-venv-") // what is below /tmp is not seen in a machine
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	const app = `import os, sys, pkg, pkg.part
print(sys.prefix, sys.base_prefix, sys.executable, sys.argv[1:], [p for p in sys.path[1:]], sys.flags.dev_mode)
print(pkg.__file__, pkg.part.x, os.path.exists(pkg.part.__cached__))
`
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Minute)
	defer cancel()
	command := skerryIn(ctx, skerryCommand(t), dir)
	for name, flags := range map[string][]string{"links": {"--symlinks"}, "copies": {"--copies"}, "system": {"--symlinks", "--system-site-packages"}} {
		if out, err := exec.CommandContext(ctx, python, append(append([]string{"-m", "venv", "--without-pip"}, flags...), filepath.Join(dir, name))...).CombinedOutput(); err != nil {
			t.Skipf("no venv can be made here: %v: %s", err, out)
		}
		sites, err := filepath.Glob(filepath.Join(dir, name, "lib/python3.*/site-packages"))
		if err != nil || len(sites) != 1 {
			t.Fatalf("%v, %v", sites, err)
		}
		if err := os.Mkdir(filepath.Join(sites[0], "pkg"), 0o755); err != nil {
			t.Fatal(err)
		}
		writeFile(t, filepath.Join(sites[0], "pkg/__init__.py"), "")
		writeFile(t, filepath.Join(sites[0], "pkg/part.py"), "x = 'part'\n")
		script := filepath.Join(dir, name+".py")
		writeFile(t, script, "#!"+filepath.Join(dir, name, "bin/python")+"\n"+app)
		if err := os.Chmod(script, 0o700); err != nil {
			t.Fatal(err)
		}
		for _, line := range [][]string{{"./" + name + "/bin/python", "-X", "dev", name + ".py", "a"}, {"./" + name + ".py", "b", "c"}} {
			cmd := exec.CommandContext(ctx, line[0], line[1:]...)
			cmd.Dir = dir
			want, err := cmd.Output()
			if err != nil {
				t.Fatalf("%v: %v", line, err)
			}
			out, errs, status := command(append([]string{"run", "--quiet", "-m", "128M"}, line...)...)
			if d := harness.Difference(want, []byte(out)); d != "" || status != 0 {
				t.Errorf("%v: status %d, Linux (-) and Skerry (+): %s\n%s", line, status, d, tail([]byte(errs), 2000))
			}
		}
		if name == "links" { // the smallest image, with what was learnt
			line := []string{"./links/bin/python", "links.py", "a"}
			if _, errs, status := command(append([]string{"trace", "-o", "learnt.toml"}, line...)...); status != 0 {
				t.Errorf("trace: status %d: %s", status, errs)
			}
			out, errs, status := command(append([]string{"run", "--config", "learnt.toml"}, line...)...)
			if status != 0 || !strings.Contains(out, filepath.Join(dir, "links/lib")) {
				t.Errorf("with what was learnt: status %d\n%s\n%s", status, out, errs)
			}
		}
		out, _, _ := command("check", "./"+name+"/bin/python", name+".py")
		if !strings.Contains(out, "it runs in the venv "+filepath.Join(dir, name)) || (name == "system") != strings.Contains(out, "which the venv includes") && exists("/usr/lib/python3/dist-packages") {
			t.Errorf("check: %s", out)
		}
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
