package main

import (
	"os"
	"strings"
	"testing"
)

func TestConfig(t *testing.T) {
	w := newWorld(t)
	w.put(t, "conf/app.conf", []byte("c"), 0o600)
	w.put(t, "conf/vars", []byte("FROM_FILE=1\nBOTH=file\n"), 0o600)
	const text = `# a comment
memory = "512M"
cpus = 2
publish = ["0:80", "0:53/udp"]
env-file = "vars"
file = "app.conf:/etc/"
workdir = "/srv"
stop-timeout = "3s"
verbose = false
strace = "trace"
host-access = true
output = "x"

[env]
BOTH = "table"
NUMBER = 5
YES = true
FLAG = "table"
`
	w.put(t, "conf/skerry.toml", []byte(strings.Replace(text, "output = \"x\"\n", "", 1)), 0o600)
	o := w.runK(t, "run", "--config", "conf/skerry.toml", "-e", "FLAG=flag", "--cpus", "4", "./app", "record", "out:|", "argv", "exit:0", "strace:x")
	for _, want := range []string{"Memory:536870912 ", "CPUs:4 ", "Cwd:/srv ", "StopTimeout:3000000000 ", "Trace:true", "host.skerry.internal",
		"HOSTNAME=app FROM_FILE=1 BOTH=table FLAG=flag NUMBER=5 YES=true]", "-10.0.2.15:80,", "-10.0.2.15:53"} {
		if !strings.Contains(o.stdout, want) {
			t.Errorf("no %q in %s", want, o.stdout)
		}
	}
	if o.status != 0 {
		t.Errorf("%+v", o)
	}
	if _, err := os.Stat("conf/trace"); err != nil {
		t.Error("a path is not relative to the file:", err)
	}
	// The file in the working folder is read without being asked for, by build, too.
	w.put(t, "skerry.toml", []byte("memory = \"64M\"\nquiet = true\nworkdir = \"/srv\"\nsmp = 3\n"), 0o600)
	o = w.runK(t, "run", "./app", "record", "notice:x", "exit:0")
	if !strings.Contains(o.stdout, "Memory:67108864 ") || !strings.Contains(o.stdout, "CPUs:3 ") || o.stderr != "" {
		t.Errorf("%+v", o)
	}
	if o = w.runK(t, "run", "--cpus", "2", "./app", "record", "exit:0"); !strings.Contains(o.stdout, "CPUs:2 ") {
		t.Errorf("a flag does not win over the file: %+v", o)
	}
	for _, c := range []struct{ want, text, flag string }{
		{"Overlay:false OverlaySize:0 ", "overlay = false", ""}, {"Overlay:true OverlaySize:0 ", "overlay = true", ""}, {"Overlay:true OverlaySize:8192 ", "overlay = \"8K\"", ""},
		{"Overlay:true OverlaySize:1048576 ", "overlay = true", "--overlay=1M"}, {"Overlay:true OverlaySize:0 ", "overlay = \"8K\"", "--overlay"},
	} {
		w.put(t, "skerry.toml", []byte(c.text+"\n"), 0o600)
		args := []string{"run", "./app", "record", "exit:0"}
		if c.flag != "" {
			args = append([]string{"run", c.flag}, args[1:]...)
		}
		if o := w.runK(t, args...); !strings.Contains(o.stdout, c.want) {
			t.Errorf("%+v: no %q in %+v", c, c.want, o)
		}
	}
	w.put(t, "skerry.toml", []byte("jit = \"64M\"\n"), 0o600)
	for _, c := range []struct {
		want  string
		flags []string
	}{{"JIT:67108864 ", nil}, {"JIT:1048576 ", []string{"--jit", "1M"}}, {"JIT:0 ", []string{"--no-jit"}}} {
		if o := w.runK(t, append(append([]string{"run"}, c.flags...), "./app", "record", "exit:0")...); !strings.Contains(o.stdout, c.want) {
			t.Errorf("%v: no %q in %+v", c.flags, c.want, o)
		}
	}
	w.put(t, "skerry.toml", []byte("no-jit = true\n"), 0o600)
	if o := w.runK(t, "run", "--jit", "1M", "./app", "record", "exit:0"); !strings.Contains(o.stdout, "JIT:1048576 ") {
		t.Errorf("%+v", o)
	}
	w.put(t, "skerry.toml", []byte("quiet = true\nworkdir = \"/srv\"\n"), 0o600)
	w.runK(t, "build", "-o", "y.img", "./app").want(t, 0, "", "")
	if o := w.run(t, "inspect", "y.img"); !strings.Contains(o.stdout, "folder       /srv\n") {
		t.Errorf("%+v", o)
	}
	os.Remove("skerry.toml")

	for text, want := range map[string]string{
		`memroy = "1G"`:                        `unknown key "memroy" (did you mean memory?)`,
		`frobnicate = 1`:                       `unknown key "frobnicate" (keys are`,
		`config = "x"`:                         "unknown key",
		`detach = true`:                        "unknown key",
		`help = true`:                          "unknown key",
		`output = "x"`:                         "unknown key",
		`memory = "1"`:                         "-m 1: has no unit",
		`memory = 1`:                           "-m 1: has no unit",
		`memory = ["1G"]`:                      "memory: takes one value, not a list",
		`memory = true`:                        "memory: a value of the wrong type (it is SIZE)",
		`jit = "1"`:                            "--jit 1: has no unit",
		`jit = true`:                           "jit: a value of the wrong type (it is SIZE)",
		`no-jit = "1M"`:                        "no-jit: is not true or false",
		"jit=\"1M\"\nno-jit=true":              "--jit --no-jit: are opposites",
		"[policy]\nlevel = \"lax\"":            "--level lax: is neither default nor strict",
		"[policy]\nproces = \"kill\"":          "policy: unknown key \"proces\" (did you mean process?)",
		"[policy]\nprocess = true":             "policy: process: a value of the wrong type",
		"[policy]\nprocess = \"log\"":          "--verdict process=log: is no rule with a verdict",
		"jit = \"1M\"\n[policy]\njit = \"1M\"": "policy: jit stands outside of the table, too",
		`allow = ["sh"]`:                       "--allow sh: allows nothing that is known",
		`cpus = 1.5`:                           "cpus: a value of the wrong type",
		`cpus = 0`:                             "--cpus 0: is not a number",
		`publish = "x"`:                        `-p x: "x" is not a port`,
		`publish = [[1]]`:                      "wrong type",
		`env = "A"`:                            "-e A: is not set here",
		"[env]\nA = [1]":                       "env: A: a value of the wrong type",
		"[memory]\nA = 1":                      "memory: is not a table",
		`quiet = "maybe"`:                      "skerry.toml: ",
		`env-file = "none"`:                    "none: no such file",
		`file = "none:/x"`:                     "none: no such file",
		"memory = \"1G\"\nmemory=1":            "skerry.toml, line 2: ",
		`memory = `:                            "skerry.toml, line 1: ",
		"\x00":                                 "skerry.toml, line 1: ",
	} {
		w.put(t, "skerry.toml", []byte(text), 0o600)
		o := w.runK(t, "run", "./app", "exit:0")
		o.want(t, 125, "", want)
		if strings.Count(o.stderr, "\n") != 1 {
			t.Errorf("%s: %q", text, o.stderr)
		}
	}
	for _, text := range []string{"", "[policy]\nlevel = \"strict\"\nmemory = \"kill\"\nidentity = \"deny\"", "allow = [\"shell:/x\", \"shell:/y\"]", "strace = false", "verbose = false", "publish = []", "env = []", "timeout = \"1h\""} {
		w.put(t, "skerry.toml", []byte(text), 0o600)
		w.runK(t, "run", "./app", "exit:0").want(t, 0, "", "")
	}
}

func TestMemoryValue(t *testing.T) {
	for in, want := range map[string]int64{"16M": 16 << 20, "1g": 1 << 30, "262144K": 256 << 20, "65540k": 65540 << 10, "1024G": 1 << 40} {
		var m memoryValue
		if err := m.Set(in); err != nil || int64(m) != want {
			t.Errorf("%s: %d, %v", in, m, err)
		}
		var again memoryValue
		if err := again.Set(m.String()); err != nil || again != m {
			t.Errorf("%s is shown as %s: %v", in, m.String(), err)
		}
	}
	for _, in := range []string{"", "M", "1", "1MB", "1MiB", "0x10M", "1.5G", "+16M", " 16M", "16 M", "99999999999999999999G", "18446744073709551616K", "1025G", "15M", "-16M"} {
		var m memoryValue
		if err := m.Set(in); err == nil {
			t.Errorf("%q is %d", in, m)
		}
	}
}

// TestBuildOnly: what says what goes into an image is refused for one that is built,
// but not where the file of settings, which build reads, too, has it.
func TestBuildOnly(t *testing.T) {
	w := newWorld(t)
	w.run(t, "build", "--kernel", "kernel", "-o", "x.img", "./app").want(t, 0, "", "wrote x.img")
	for _, flags := range [][]string{{"--exact"}, {"--lib", "lib"}, {"--allow", "shell:/bin/sh"}} {
		o := w.run(t, append(append([]string{"run"}, flags...), "./x.img")...)
		if o.status != 125 || !strings.Contains(o.stderr, flags[0]+": what an image holds was decided when it was built") {
			t.Errorf("%v: %+v", flags, o)
		}
	}
	w.put(t, "skerry.toml", []byte("exact = true\nlib = [\"lib\"]\n"), 0o644)
	if o := w.run(t, "run", "./x.img"); strings.Contains(o.stderr, "when it was built") {
		t.Errorf("%+v", o)
	}
}
