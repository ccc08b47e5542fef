package image

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"skerry/image/erofs"
	"skerry/image/known"
)

// textRelText is a C text that has relocations in its code when it is compiled for fixed
// addresses (textRelArgs) and linked to be drawn.
const textRelText = "int x=1;int answer(void){return x;}int main(void){return x-1;}"

var textRelArgs = []string{"-fno-pic", "-mcmodel=large", "-Wl,-z,notext"}

// withoutStack takes PT_GNU_STACK away from an ELF file.
func withoutStack(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := range int(le.Uint16(b[56:])) {
		if h := b[le.Uint64(b[32:])+56*uint64(i):]; le.Uint32(h) == 0x6474e551 {
			le.PutUint32(h, 0)
			if err := os.WriteFile(path, b, 0o755); err != nil {
				t.Fatal(err)
			}
			return path
		}
	}
	t.Fatalf("%s has none", path)
	return ""
}

// warnings are the notes that warn.
func warnings(list []known.Note) (texts []string) {
	for _, n := range list {
		if n.Level == known.Warn {
			texts = append(texts, n.Text)
		}
	}
	return texts
}

func TestTextRelocations(t *testing.T) {
	dir := visibleDir(t)
	pie := cc(t, dir, "pie", textRelText, append(textRelArgs, "-pie")...)
	static := cc(t, dir, "static", textRelText, append(textRelArgs, "-static-pie")...)
	lib := cc(t, dir, "libs/libanswer.so.1", textRelText, append(textRelArgs, "-shared", "-Wl,-soname,libanswer.so.1")...)
	fine := cc(t, dir, "fine", textRelText, "-static-pie", "-fPIE")
	os.Symlink("libanswer.so.1", filepath.Join(dir, "libs/libanswer.so"))
	prog := cc(t, dir, "prog", mainText, "-L"+filepath.Dir(lib), "-lanswer", "-Wl,-rpath,"+filepath.Dir(lib))
	for path, text := range map[string]string{pie: pie + ": wants", static: static + ": wants", prog: lib + " wants", fine: ""} {
		_, err := specOf(path, nil).Parts()
		if text == "" && err != nil || text != "" && (err == nil || !strings.Contains(err.Error(), text) || !strings.Contains(err.Error(), "DT_TEXTREL") ||
			!strings.Contains(err.Error(), "-fPI") || Status(err) != StatusCannotRun) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// TestModulesGiven: of the user's files none may be a module that cannot be loaded.
func TestModulesGiven(t *testing.T) {
	dir := visibleDir(t)
	rel := cc(t, dir, "rel/rel.so", textRelText, append(textRelArgs, "-shared")...)
	stack := cc(t, dir, "stack/stack.so", libText, "-shared", "-fPIC", "-z", "execstack")
	none := withoutStack(t, cc(t, dir, "none/none.so", libText, "-shared", "-fPIC"))
	good := cc(t, dir, "good/good.so", libText, "-shared", "-fPIC")
	static := put(t, dir, "static", elfFile(nil), 0o755)
	glibc := cc(t, dir, "glibc", "int main(void){return 0;}")
	old := withoutStack(t, cc(t, dir, "old", "int main(void){return 0;}"))
	for _, c := range []struct {
		prog, module string
		text         []string // nil if it is packed
	}{
		{static, rel, []string{rel + " wants its code to be changed", "DT_TEXTREL", "-fPIC"}},
		{static, stack, []string{stack + " asks for an executable stack", "-z noexecstack"}},
		{static, none, nil},
		{static, good, nil},
		{glibc, rel, []string{rel + " wants its code to be changed"}},
		{glibc, stack, []string{stack + " asks for an executable stack"}},
		{glibc, none, []string{none + " has no PT_GNU_STACK", "glibc", "-z noexecstack"}},
		{glibc, good, nil},
		{old, none, nil},
		{old, stack, []string{stack + " asks for an executable stack"}},
	} {
		for _, given := range []Copy{{c.module, "/srv/m.so", false}, {filepath.Dir(c.module), "/srv", true}} {
			p, err := specOf(c.prog, func(s *BuildSpec) { s.Copies = []Copy{given} }).Parts()
			if c.text == nil {
				at := "/srv/" + filepath.Base(c.module)
				if !given.Dir {
					at = given.Guest
				}
				if err != nil || p.Root.Lookup(at) != erofs.Executable {
					t.Errorf("%s, %s: %v", c.prog, given, err)
				}
				continue
			}
			if err == nil || !strings.HasPrefix(err.Error(), given.String()+": ") || !strings.Contains(err.Error(), "leave it out") || Status(err) != StatusFailed {
				t.Errorf("%s, %s: %v", c.prog, given, err)
				continue
			}
			for _, want := range c.text {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%s, %s: %v, want %q", c.prog, given, err, want)
				}
			}
		}
	}
	// A file that is added when an image runs is data, whatever it is.
	out := filepath.Join(dir, "x.img")
	if _, err := Create(out, parts(t, dir)); err != nil {
		t.Fatal(err)
	}
	im, err := Open(out)
	if err != nil {
		t.Fatal(err)
	}
	defer im.Close()
	data, err := im.Data([]Copy{{rel, "/srv/m.so", false}}, nil, "")
	if err != nil {
		t.Fatal(err)
	}
	data.File.Close()
}

// TestModulesFound: what lies among a runtime's own files and cannot be loaded is data, and
// so is a library that only such files need.
func TestModulesFound(t *testing.T) {
	dir := visibleDir(t)
	python := cc(t, dir, "py/bin/python3", "int main(void){return 0;}")
	put(t, dir, "py/lib/python3.11/os.py", []byte("os"), 0o644)
	modules := "py/lib/python3.11/lib-dynload/"
	needed := cc(t, dir, "libs/libneeded.so", libText, "-shared", "-fPIC", "-Wl,-soname,libneeded.so", "-z", "execstack")
	rel := cc(t, dir, modules+"rel.so", textRelText, append(textRelArgs, "-shared")...)
	stack := cc(t, dir, modules+"stack.so", libText, "-shared", "-fPIC", "-z", "execstack")
	none := withoutStack(t, cc(t, dir, modules+"none.so", libText, "-shared", "-fPIC"))
	user := cc(t, dir, modules+"user.so", "int answer(void);int f(void){return answer();}", "-shared", "-fPIC", "-L"+filepath.Dir(needed), "-lneeded", "-Wl,-rpath,"+filepath.Dir(needed))
	if err := os.Symlink("stack.so", filepath.Join(dir, modules+"link.so")); err != nil {
		t.Fatal(err)
	}
	p, err := specOf(python, nil).Parts()
	if err != nil {
		t.Fatal(err)
	}
	told := warnings(p.Notes)
	for path, text := range map[string]string{
		rel: "DT_TEXTREL", stack: "asks for an executable stack", none: "has no PT_GNU_STACK",
		needed: "asks for an executable stack: it is packed as data, and " + user + " cannot be loaded",
	} {
		n := 0
		for _, w := range told {
			if strings.HasPrefix(w, path+" ") && strings.Contains(w, text) {
				n++
			}
		}
		if k := p.Root.Lookup(path); k != erofs.Regular || n != 1 {
			t.Errorf("%s is %v, warned of %d times: %q", path, k, n, told)
		}
	}
	if k := p.Root.Lookup(user); k != erofs.Executable || len(told) != 4 {
		t.Errorf("%s is %v; %q", user, k, told)
	}
	// A better one of the user's stands in its place.
	good := cc(t, dir, "good.so", libText, "-shared", "-fPIC")
	p, err = specOf(python, func(s *BuildSpec) { s.Copies = []Copy{{good, rel, false}} }).Parts()
	if err != nil || p.Root.Lookup(rel) != erofs.Executable || len(warnings(p.Notes)) != 3 {
		t.Errorf("%v; %q", err, warnings(p.Notes))
	}
	// At another path than on the host.
	pk := packer{t: erofs.New()}
	var found []module
	if err := pk.place(known.Path{Host: filepath.Dir(rel), Guest: "/srv/m"}, &found); err != nil {
		t.Fatal(err)
	}
	if k := pk.t.Lookup("/srv/m/rel.so"); k != erofs.Regular || len(found) != 2 || len(pk.notes) != 2 {
		t.Errorf("%v, %+v, %+v", k, found, pk.notes)
	}
}

// TestStackHeader compares what is refused and warned of for want of PT_GNU_STACK with what
// the C libraries of the host do where no memory may become executable (PR_SET_MDWE), as in
// a machine.
func TestStackHeader(t *testing.T) {
	dir := visibleDir(t)
	confined := cc(t, dir, "confined", "#include <sys/prctl.h>\n#include <unistd.h>\nint main(int c,char**v){if(prctl(65,1,0,0,0))return 99;execv(v[1],v+1);return 98;}")
	if exec.Command(confined, "/bin/true").Run() != nil {
		confined = ""
		t.Log("this system has no PR_SET_MDWE: nothing is run")
	}
	const threads = "#include <pthread.h>\nint answer(void);static void *f(void*a){return a;}" +
		"int main(void){pthread_t t;if(answer()!=42)return 1;return pthread_create(&t,0,f,0)?2:0;}"
	lib := cc(t, dir, "with/libanswer.so", libText, "-shared", "-fPIC", "-Wl,-soname,libanswer.so")
	bare := withoutStack(t, cc(t, dir, "without/libanswer.so", libText, "-shared", "-fPIC", "-Wl,-soname,libanswer.so"))
	made := func(name, lib string) string {
		return cc(t, dir, name, threads, "-L"+filepath.Dir(lib), "-lanswer", "-Wl,-rpath,"+filepath.Dir(lib))
	}
	static := cc(t, dir, "static", "int main(void){return 0;}", "-static")
	for _, c := range []struct {
		path   string
		text   string // of the error or the warning
		warns  bool
		status int // when it runs
	}{
		{made("good", lib), "", false, 0},
		{made("library", bare), bare + " has no PT_GNU_STACK, and so asks glibc for an executable stack (link it with -z noexecstack", false, 127},
		{withoutStack(t, made("program", lib)), "has no PT_GNU_STACK, so that glibc asks for executable stacks for its threads", true, 2},
		{withoutStack(t, made("both", bare)), "has no PT_GNU_STACK, so that glibc asks for executable stacks for its threads", true, 2},
		{withoutStack(t, static), "", false, 0},
	} {
		p, err := specOf(c.path, nil).Parts()
		switch told := warnings(p.Notes); {
		case c.text == "" && (err != nil || len(told) > 0), c.warns && (err != nil || len(told) != 1 || !strings.Contains(told[0], c.text)),
			c.text != "" && !c.warns && (err == nil || !strings.Contains(err.Error(), c.text) || Status(err) != StatusCannotRun):
			t.Errorf("%s: %v, %q", c.path, err, told)
		}
		if confined != "" {
			cmd := exec.Command(confined, c.path)
			if cmd.Run(); cmd.ProcessState.ExitCode() != c.status {
				t.Errorf("%s: it ends with %v, want %d", c.path, cmd.ProcessState, c.status)
			}
		}
	}
	if _, err := exec.LookPath("musl-gcc"); err != nil {
		t.Skip("there is no musl-gcc")
	}
	// musl does not look.
	src := put(t, dir, "m.c", []byte(threads), 0o644)
	musl := filepath.Join(dir, "musl")
	if b, err := exec.Command("musl-gcc", "-o", musl, src, bare, "-Wl,-rpath,"+filepath.Dir(bare)).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, b)
	}
	if p, err := specOf(musl, nil).Parts(); err != nil || len(warnings(p.Notes)) > 0 {
		t.Errorf("%v; %q", err, warnings(p.Notes))
	}
	if confined != "" {
		if b, err := exec.Command(confined, musl).CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, b)
		}
	}
}
