package dynlink

import (
	"bytes"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// gcc compiles a C text to an ELF file in dir.
func gcc(t *testing.T, dir, name, text string, args ...string) string {
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

func library(t *testing.T, dir, name, text string, args ...string) string {
	return gcc(t, dir, name, text, append([]string{"-shared", "-fPIC", "-Wl,-soname," + filepath.Base(name)}, args...)...)
}

// ldd is what the host's own linker loads for a program: names to paths.
func ldd(t *testing.T, path string, env ...string) map[string]string {
	t.Helper()
	// $ORIGIN is where the file is, which ldd takes from the path.
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("ldd", path)
	cmd.Env = append(os.Environ(), env...)
	b, err := cmd.Output()
	if err != nil {
		t.Fatalf("ldd %s: %v", path, err)
	}
	list := map[string]string{}
	for _, line := range strings.Split(string(b), "\n") {
		if f := strings.Fields(line); len(f) >= 3 && f[1] == "=>" {
			list[f[0]] = f[2]
		}
	}
	return list
}

func closure(t *testing.T, path string, s Search) *Closure {
	t.Helper()
	o, err := readFile(path)
	if err != nil {
		t.Fatal(err)
	}
	c, err := Program(path, o, s)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// same compares a closure with the linker's answer.
func same(t *testing.T, c *Closure, want map[string]string) {
	t.Helper()
	got := map[string]string{}
	for _, l := range c.Libraries {
		got[l.Name] = l.Path
	}
	for name, path := range want {
		if path == "not" {
			continue
		}
		if a, _ := filepath.EvalSymlinks(got[name]); a == "" {
			t.Errorf("%s: not found, the linker has %s", name, path)
		} else if b, _ := filepath.EvalSymlinks(path); a != b {
			t.Errorf("%s: %s, the linker has %s", name, a, b)
		}
		delete(got, name)
	}
	for name, path := range got {
		t.Errorf("%s: %s, and the linker does not load it", name, path)
	}
}

// TestSearchOrder makes libraries of one name in several places and programs that
// name these places in all ways, and compares with what the host's linker loads.
func TestSearchOrder(t *testing.T) {
	dir := t.TempDir()
	for _, d := range []string{"one", "two", "three"} {
		library(t, dir, d+"/libdeep.so", "int deep(void){return 1;}")
		library(t, dir, d+"/libmid.so", "int deep(void);int mid(void){return deep();}", "-L"+filepath.Join(dir, d), "-ldeep")
	}
	at := func(d string) string { return filepath.Join(dir, d) }
	const text = "int mid(void);int main(void){return mid();}"
	link := []string{"-L" + at("one"), "-lmid", "-Wl,-rpath-link," + at("one")}
	for name, c := range map[string]struct {
		args   []string
		path   []string
		broken bool
	}{
		"runpath":          {args: []string{"-Wl,--enable-new-dtags,-rpath," + at("one")}, broken: true}, // not for what libmid needs
		"rpath":            {args: []string{"-Wl,--disable-new-dtags,-rpath," + at("two")}},
		"rpath, two":       {args: []string{"-Wl,--disable-new-dtags,-rpath," + at("none") + ":" + at("three")}},
		"origin":           {args: []string{"-Wl,--disable-new-dtags,-rpath,$ORIGIN/../two"}},
		"origin, braces":   {args: []string{"-Wl,--disable-new-dtags,-rpath,${ORIGIN}/../three"}},
		"library path":     {path: []string{at("three")}},
		"path and runpath": {args: []string{"-Wl,--enable-new-dtags,-rpath," + at("one")}, path: []string{at("two")}},
		"path and rpath":   {args: []string{"-Wl,--disable-new-dtags,-rpath," + at("one")}, path: []string{at("two")}},
		"nowhere":          {broken: true},
	} {
		t.Run(name, func(t *testing.T) {
			prog := gcc(t, dir, "bin/"+strings.ReplaceAll(name, " ", "-"), text, append(slices.Clone(link), c.args...)...)
			var env []string
			if c.path != nil {
				env = append(env, "LD_LIBRARY_PATH="+strings.Join(c.path, ":"))
			}
			cl := closure(t, prog, Search{LibraryPath: c.path})
			same(t, cl, ldd(t, prog, env...))
			if (len(cl.Missing) > 0) != c.broken {
				t.Errorf("missing: %+v", cl.Missing)
			}
		})
	}
	// A library behind a symbolic link, and a program behind one.
	if err := os.Symlink(at("bin/origin"), filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	same(t, closure(t, filepath.Join(dir, "link"), Search{}), ldd(t, at("bin/origin")))
	// --lib comes first.
	cl := closure(t, at("bin/rpath"), Search{Dirs: []string{at("three")}})
	for _, l := range cl.Libraries {
		if strings.HasPrefix(l.Name, "libmid") && filepath.Dir(l.Path) != at("three") {
			t.Errorf("%s", l.Path)
		}
	}
}

// TestHostPrograms compares every dynamic program of the host's own bin with what
// its linker loads.
func TestHostPrograms(t *testing.T) {
	list, _ := filepath.Glob("/usr/bin/*")
	rand.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	n := 0
	for _, path := range list {
		o, err := readFile(path)
		if err != nil || KindOf(o.Interp) != Glibc {
			continue
		}
		if info, err := os.Stat(path); err != nil || info.Mode()&(os.ModeSetuid|os.ModeSetgid) != 0 {
			continue // the linker is stricter there
		}
		if n++; n > 40 {
			break
		}
		c := closure(t, path, Search{})
		if len(c.Missing) > 0 {
			t.Logf("%s: %+v", path, c.Missing)
		}
		t.Run(filepath.Base(path), func(t *testing.T) { same(t, c, ldd(t, path)) })
	}
	if n < 5 {
		t.Errorf("%d programs", n)
	}
}

func TestMusl(t *testing.T) {
	if _, err := exec.LookPath("musl-gcc"); err != nil {
		t.Skip("there is no musl-gcc")
	}
	dir := t.TempDir()
	src := filepath.Join(dir, "m.c")
	if err := os.WriteFile(src, []byte("int main(void){return 0;}"), 0o644); err != nil {
		t.Fatal(err)
	}
	if b, err := exec.Command("musl-gcc", "-o", filepath.Join(dir, "m"), src).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, b)
	}
	c := closure(t, filepath.Join(dir, "m"), Search{})
	if c.Kind != Musl || c.Interp == nil || len(c.Libraries) != 0 || len(c.Missing) != 0 {
		t.Errorf("%+v", c)
	}
}

// TestCache: ldconfig reads the cache as it was meant, and its own order of names
// is the one that the file must have.
func TestCache(t *testing.T) {
	var entries []Entry
	for _, n := range []string{"libz.so.1", "liba.so", "libcrypto.so.3", "libfoo.so.10", "libfoo.so.9", "libfoo-2.so", "libfoo.so", "lib2.so", "libB.so", "libstdc++.so.6", "lib10.so"} {
		entries = append(entries, Entry{n, "/srv/lib/" + n})
	}
	entries = append(entries, Entry{"libz.so.1", "/again/libz.so.1"})
	file := filepath.Join(t.TempDir(), "cache")
	if err := os.WriteFile(file, Cache(entries), 0o644); err != nil {
		t.Fatal(err)
	}
	ldconfig, err := exec.LookPath("ldconfig")
	if err != nil {
		ldconfig = "/sbin/ldconfig"
	}
	b, err := exec.Command(ldconfig, "-p", "-C", file).Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries[:len(entries)-1] {
		if !bytes.Contains(b, []byte("\t"+e.Name+" (libc6,x86-64) => "+e.Path+"\n")) {
			t.Errorf("%s is not in\n%s", e.Name, b)
		}
	}
	if bytes.Contains(b, []byte("/again/")) {
		t.Error("a name stands twice")
	}
	// The order against ldconfig's own: it writes a cache of the host's libraries.
	own, err := exec.Command(ldconfig, "-p").Output()
	if err != nil {
		t.Fatal(err)
	}
	last := ""
	for _, line := range strings.Split(string(own), "\n") {
		name, kind, ok := strings.Cut(strings.TrimSpace(line), " (")
		if !ok || !strings.HasPrefix(kind, "libc6") {
			continue
		}
		if last != "" && compareNames(last, name) < 0 {
			t.Errorf("%s stands before %s there", last, name)
		}
		last = name
	}
	if last == "" {
		t.Error("nothing to compare with")
	}
}

// TestDamaged: no damage to a library makes Read panic or read without bound.
func TestDamaged(t *testing.T) {
	path := library(t, t.TempDir(), "libx.so", "int x;", "-Wl,-rpath,/x")
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 20000 {
		b := slices.Clone(whole[:1+r.IntN(len(whole))])
		for range r.IntN(8) {
			b[r.IntN(min(len(b), 0x1000))] = byte(r.Uint32())
		}
		if o, err := Read(bytes.NewReader(b)); err == nil && o == nil {
			t.Fatal("neither an object nor an error")
		}
	}
}

func FuzzRead(f *testing.F) {
	self, err := os.Open("/proc/self/exe")
	if err != nil {
		f.Fatal(err)
	}
	b := make([]byte, 4096)
	self.ReadAt(b, 0)
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		if o, err := Read(bytes.NewReader(b)); err == nil && o == nil {
			t.Fatal("neither an object nor an error")
		}
	})
}
