package known

import (
	"archive/zip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"skerry/image/dynlink"
)

// tree makes files in a new folder; a text that begins with "-> " is a link.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	top := t.TempDir()
	for name, text := range files {
		p := filepath.Join(top, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		if target, ok := strings.CutPrefix(text, "-> "); ok {
			err = os.Symlink(target, p)
		} else {
			err = os.WriteFile(p, []byte(text), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return top
}

// jar writes a jar file with a manifest.
func jar(t *testing.T, path, manifest string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	z := zip.NewWriter(f)
	w, err := z.Create("META-INF/MANIFEST.MF")
	if err == nil {
		_, err = w.Write([]byte(manifest))
	}
	if err == nil {
		err = z.Close()
	}
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
}

// hosts are the paths of facts, made relative to a folder, and where they stand in the
// machine, if that is elsewhere.
func hosts(f *Facts, top string) []string {
	var l []string
	for _, p := range f.Paths {
		s := strings.TrimPrefix(p.Host, top)
		if p.Guest != "" {
			s += "=" + p.Guest
		}
		l = append(l, s)
	}
	return l
}

func TestJavaTree(t *testing.T) {
	top := tree(t, map[string]string{
		"jvm/bin/java": "", "jvm/lib/modules": "", "jvm/lib/server/libjvm.so": "", "jvm/conf/net.properties": "",
		"jvm/release": "IMPLEMENTOR=\"X\"\nJAVA_VERSION=\"17.0.15\"\n", "other/bin/java": "",
	})
	p := &Program{Path: top + "/jvm/bin/java", Closure: &dynlink.Closure{}}
	f := Lookup(p)
	if f == nil || f.Name != "Java 17" || f.JIT != 256<<20 {
		t.Fatalf("%+v", f)
	}
	if got, want := hosts(f, top), []string{"/jvm/lib", "/jvm/lib/security", "/jvm/conf", "/jvm/conf/security"}; !reflect.DeepEqual(got, want) {
		t.Errorf("%v, expected %v", got, want)
	}
	skip := f.Paths[0].Skip
	for rel, want := range map[string]bool{"modules": false, "server": false, "server/libjvm.so": false, "server/classes.jsa": false, "tzdb.dat": false, "security/cacerts": false,
		"src.zip": true, "ct.sym": true, "libawt_xawt.so": true, "server/classes_nocoops.jsa": true} {
		if skip(rel, false) != want {
			t.Errorf("%s is skipped: %v", rel, !want)
		}
	}
	p.Args = []string{"-XX:-UseCompressedOops", "-XX:ReservedCodeCacheSize=1g", "Main"}
	if f = Lookup(p); f.JIT != 1<<30+16<<20 || f.Paths[0].Skip("server/classes_nocoops.jsa", false) {
		t.Errorf("%+v", f)
	}
	if f := Lookup(&Program{Path: top + "/other/bin/java", Closure: &dynlink.Closure{}}); f != nil {
		t.Errorf("a file named java is %+v", f)
	}
}

func TestJavaApp(t *testing.T) {
	top := tree(t, map[string]string{"classes/A.class": "", "mq/lib/one.jar": "", "mq/lib/optional/two.jar": "", "mq/lib/readme.txt": ""})
	jar(t, top+"/app/app.jar", "Manifest-Version: 1.0\r\nMain-Class: org.example.Main\r\nClass-Path: lib/a.jar ../other/b\r\n .jar gone.jar app.jar http://x/y.jar\r\n\r\nName: x\r\nClass-Path: no.jar\r\n")
	jar(t, top+"/app/lib/a.jar", "Class-Path: c.jar\n")
	jar(t, top+"/app/lib/c.jar", "")
	jar(t, top+"/other/b.jar", "")
	jar(t, top+"/mq/bin/activemq.jar", "Main-Class: org.apache.activemq.console.Main\n")
	jar(t, top+"/app/given.jar", "")
	t.Chdir(top + "/app")
	app := []string{"/app/app.jar", "/app/lib/a.jar", "/app/lib/c.jar", "/other/b.jar"}
	for _, c := range []struct {
		args []string
		want []string
		main string
	}{
		{[]string{"-Xmx1g", "-jar", "@/app/app.jar", "-cp", "@/classes"}, app, "org.example.Main"},
		{[]string{"-cp", "@/classes:@/app/app.jar:relative.jar:", "Main", "-jar", "@/other/b.jar"}, append([]string{"/classes"}, app...), ""},
		{[]string{"--class-path=@/app/lib/*", "--add-opens", "java.base/java.lang=ALL-UNNAMED", "-jar", "@/other/b.jar"}, []string{"/app/lib/a.jar", "/app/lib/c.jar", "/other/b.jar"}, ""},
		{[]string{"-jar", "@/mq/bin/activemq.jar", "start"}, []string{"/mq/bin/activemq.jar", "/mq/lib/one.jar", "/mq/lib/optional/two.jar"}, "org.apache.activemq.console.Main"},
		{[]string{"-Dactivemq.home=@/app", "-jar", "@/mq/bin/activemq.jar", "start"}, []string{"/mq/bin/activemq.jar", "/app/lib/a.jar", "/app/lib/c.jar"}, "org.apache.activemq.console.Main"},
		// Relative to the folder here, and to the working folder there.
		{[]string{"-jar", "app.jar"}, []string{"/app/app.jar=/w/app.jar", "/app/lib/a.jar=/w/lib/a.jar", "/app/lib/c.jar=/w/lib/c.jar", "/other/b.jar=/other/b.jar"}, "org.example.Main"},
		{[]string{"-cp", "lib/*:../classes:given.jar:.:..:none", "Main"}, []string{"/app/lib/a.jar=/w/lib/a.jar", "/app/lib/c.jar=/w/lib/c.jar", "/classes=/classes"}, ""},
		{[]string{"-p", "*", "-m", "x"}, []string{"/app/app.jar=/w/app.jar", "/app/lib/a.jar=/w/lib/a.jar", "/app/lib/c.jar=/w/lib/c.jar", "/other/b.jar=/other/b.jar", "/app/given.jar=/w/given.jar"}, ""},
		{[]string{"-jar", "../mq/bin/activemq.jar"}, []string{"/mq/bin/activemq.jar=/mq/bin/activemq.jar", "/mq/lib/one.jar=/mq/lib/one.jar", "/mq/lib/optional/two.jar=/mq/lib/optional/two.jar"},
			"org.apache.activemq.console.Main"},
		{[]string{"-jar"}, nil, ""},
		{[]string{"-cp"}, nil, ""},
		{nil, nil, ""},
	} {
		var args []string
		for _, a := range c.args {
			args = append(args, strings.ReplaceAll(a, "@", top))
		}
		p := &Program{Args: args, Cwd: "/w", Has: func(p string) bool { return p == "/w/given.jar" }}
		paths, notes, main := p.javaApp()
		if want := strings.Contains(strings.Join(args, " "), ":.:"); len(notes) == 2 != want {
			t.Errorf("%v: %v", c.args, notes)
		}
		if got := hosts(&Facts{Paths: paths}, top); !reflect.DeepEqual(got, c.want) || main != c.main {
			t.Errorf("%v: %v %q, expected %v %q", c.args, got, main, c.want, c.main)
		}
	}
}

func FuzzManifest(f *testing.F) {
	f.Add("Main-Class: a.B\r\nClass-Path: x.jar\r\n y.jar\r\n\r\n")
	f.Add(" \n:\n \n")
	f.Fuzz(func(t *testing.T, s string) {
		for name, value := range manifestSection(strings.NewReader(s)) {
			if strings.ContainsAny(name, "\n:") || strings.Contains(value, "\n") {
				t.Errorf("%q: %q", name, value)
			}
		}
	})
}

func TestJavaSize(t *testing.T) {
	for arg, want := range map[string]int64{"-X=1": 1, "-X=2k": 2048, "-X=3M": 3 << 20, "-X=1G": 1 << 30, "-X=": 0, "-X=m": 0, "-X=-1": 0, "-X=1t": 0, "-Y=1": 0, "-X=99999999999g": 0} {
		if got := javaSize([]string{arg}, "-X="); got != want {
			t.Errorf("%s: %d, expected %d", arg, got, want)
		}
	}
	if got := javaSize([]string{"-X=1", "-X=2"}, "-X="); got != 2 {
		t.Errorf("the last does not hold: %d", got)
	}
}
