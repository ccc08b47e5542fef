package dynlink

import (
	"bytes"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
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

// TestFlags reads what decides how hard a file is to attack, with its names and without.
func TestFlags(t *testing.T) {
	const text = "int puts(const char*);int f(void){return puts(\"\");}int main(void){return f();}"
	dir := t.TempDir()
	for name, c := range map[string]struct {
		args []string
		want Object
		lazy bool
	}{
		"lazy":   {[]string{"-no-pie", "-Wl,-z,lazy"}, Object{Stack: true, Relro: true, PLT: true}, true},
		"open":   {[]string{"-pie", "-fPIE", "-Wl,-z,now,-z,norelro"}, Object{Position: true, PIE: true, Stack: true, PLT: true, BindNow: true}, true},
		"hard":   {[]string{"-pie", "-fPIE", "-Wl,-z,now,-z,relro"}, Object{Position: true, PIE: true, Stack: true, Relro: true, PLT: true, BindNow: true}, false},
		"no PLT": {[]string{"-shared", "-fPIC", "-fno-plt", "-fvisibility=hidden", "-Wl,-z,lazy"}, Object{Library: true, Position: true, Stack: true, Relro: true}, false},
		"stack":  {[]string{"-shared", "-fPIC", "-Wl,-z,lazy,-z,execstack"}, Object{Library: true, Position: true, Stack: true, ExecStack: true, Relro: true, PLT: true}, true},
		"text":   {[]string{"-shared", "-fno-pic", "-mcmodel=large", "-Wl,-z,notext,-z,now"}, Object{Library: true, Position: true, TextRel: true, Stack: true, Relro: true, BindNow: true}, false},
		"static": {[]string{"-static"}, Object{Stack: true, Relro: true}, false},
	} {
		path := gcc(t, dir, strings.ReplaceAll(name, " ", "-"), text, c.args...)
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		for i, read := range []func(io.ReaderAt) (*Object, error){Read, ReadFlags} {
			o, err := read(f)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			got := Object{Library: o.Library, Position: o.Position, PIE: o.PIE, TextRel: o.TextRel, Stack: o.Stack, ExecStack: o.ExecStack, Relro: o.Relro, PLT: o.PLT, BindNow: o.BindNow}
			if !reflect.DeepEqual(got, c.want) || o.Lazy() != c.lazy || o.Linked() != (name != "static") {
				t.Errorf("%s: %+v, lazy %v", name, got, o.Lazy())
			}
			if (len(o.Needed) > 0) != (i == 0 && name != "static") {
				t.Errorf("%s: needs %q", name, o.Needed)
			}
		}
	}
}

// TestBounds: of a forged file no more than a little is read.
func TestBounds(t *testing.T) {
	b, err := os.ReadFile(library(t, t.TempDir(), "libx.so", "int x;"))
	if err != nil {
		t.Fatal(err)
	}
	b = append(b, make([]byte, 64<<20-len(b))...)
	for name, change := range map[string]func(b []byte){
		"number of headers": func(b []byte) { b[56], b[57] = 0xff, 0xff },
		"headers":           func(b []byte) { b[56], b[57] = 129, 0 },
		"size of a header":  func(b []byte) { b[54], b[55] = 0xff, 0xff },
		"smaller header":    func(b []byte) { b[54] = 55 },
	} {
		forged := slices.Clone(b)
		change(forged)
		r := &counted{r: bytes.NewReader(forged)}
		if o, err := ReadFlags(r); err == nil || !strings.Contains(err.Error(), "program headers of") || r.n > 1<<20 {
			t.Errorf("%s: %+v, %v, %d bytes read", name, o, err, r.n)
		}
	}
	// As many interpreters as there may be headers.
	forged := slices.Clone(b)
	forged[56] = maxHeaders
	copy(forged[32:], []byte{0, 0, 0x10, 0, 0, 0, 0, 0}) // e_phoff, 1 MiB
	for i := range maxHeaders {
		h := forged[1<<20+56*i:]
		h[0], h[8+2], h[32+2] = 3, 0x20, 0x10 // PT_INTERP of 1 MiB, at 2 MiB
	}
	r := &counted{r: bytes.NewReader(forged)}
	if _, err := ReadFlags(r); err != nil || r.n > 1<<20 {
		t.Errorf("%v, %d bytes read", err, r.n)
	}
}

// counted counts the bytes that are read.
type counted struct {
	r io.ReaderAt
	n int
}

func (c *counted) ReadAt(p []byte, off int64) (int, error) {
	n, err := c.r.ReadAt(p, off)
	c.n += n
	return n, err
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
