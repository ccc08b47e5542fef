package image

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"skerry/image/erofs"
)

func TestLocales(t *testing.T) {
	got := Locales([]string{"LANG=C.UTF-8", "LC_ALL=", "LC_CTYPE=C", "LC_TIME=POSIX", "LC_X=../../etc", "LC_Y=..", "LANGUAGE=de", "X=de_DE", "LC_NUMERIC=de_DE@euro", "LANG"})
	if !slices.Equal(got, []string{"C.UTF-8", "de_DE@euro"}) {
		t.Errorf("%q", got)
	}
	for name, want := range map[string]string{"C.UTF-8": "C.utf8", "de_DE": "de_DE", "de_DE.ISO-8859-15@euro": "de_DE.iso885915@euro", "de_DE@euro": "de_DE@euro", "x.8859-1": "x.iso88591", "C.utf8": "C.utf8", "a.": "a."} {
		if got := plainCodeset(name); got != want {
			t.Errorf("%s: %s, expected %s", name, got, want)
		}
	}
}

func TestPackLocales(t *testing.T) {
	dir := visibleDir(t)
	for _, f := range []string{"C.utf8/LC_CTYPE", "C.utf8/LC_MESSAGES/SYS_LC_MESSAGES", "sv_SE/LC_CTYPE"} {
		put(t, dir, f, []byte("x"), 0o644)
	}
	pack := func(names ...string) *layout {
		t.Helper()
		l := specOf("/x", nil).layout()
		if err := l.locales(names, dir); err != nil {
			t.Fatal(err)
		}
		return l
	}
	has := func(l *layout, file string) bool { return l.t.Lookup(filepath.Join(dir, file)) == erofs.Regular }
	l := pack("C.UTF-8", "C.utf8")
	if !has(l, "C.utf8/LC_CTYPE") || !has(l, "C.utf8/LC_MESSAGES/SYS_LC_MESSAGES") || has(l, "sv_SE/LC_CTYPE") || len(l.packed) != 1 || len(l.notes) != 0 {
		t.Errorf("%+v %+v", l.packed, l.notes)
	}
	if l = pack("sv_SE"); !has(l, "sv_SE/LC_CTYPE") {
		t.Errorf("%+v", l.packed)
	}
	if l = pack("fi_FI.UTF-8"); len(l.packed) != 0 || len(l.notes) != 1 {
		t.Errorf("%+v %+v", l.packed, l.notes)
	}
	// The archive, as this host's own tool makes it.
	prefix := t.TempDir()
	if err := os.MkdirAll(prefix+localeDir, 0o755); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("localedef", "-i", "de_DE", "-f", "UTF-8", "--prefix="+prefix, "de_DE.UTF-8").CombinedOutput(); err != nil {
		t.Skipf("no locale can be made here: %v: %s", err, out)
	}
	b, err := os.ReadFile(prefix + localeDir + "/locale-archive")
	if err != nil {
		t.Fatal(err)
	}
	archive := put(t, dir, "locale-archive", b, 0o644)
	if l = pack("de_DE.UTF-8"); !has(l, "locale-archive") || len(l.notes) != 0 {
		t.Errorf("%+v %+v", l.packed, l.notes)
	}
	if l = pack("de_DE.ISO-8859-1", "de", "DE.utf8"); has(l, "locale-archive") || len(l.notes) != 3 {
		t.Errorf("%+v %+v", l.packed, l.notes)
	}
	if err := os.Truncate(archive, maxArchive+1); err != nil {
		t.Fatal(err)
	}
	if l = pack("de_DE.UTF-8"); has(l, "locale-archive") {
		t.Error("an archive that is too large was packed")
	}
	for _, bad := range [][]byte{nil, b[:31], []byte(strings.Repeat("x", 64)), append(append([]byte{}, b[:20]...), []byte(strings.Repeat("\xff", 40))...)} {
		put(t, dir, "locale-archive", bad, 0o644)
		if l = pack("de_DE.UTF-8"); has(l, "locale-archive") {
			t.Errorf("%d bytes are no archive", len(bad))
		}
	}
}

// TestLocalesOfC: a program of glibc gets the locale, one of another C library or a
// static one does not.
func TestLocalesOfC(t *testing.T) {
	if _, err := os.Stat(localeDir + "/C.utf8/LC_CTYPE"); err != nil {
		t.Skip("no C.utf8 here")
	}
	dir := visibleDir(t)
	for _, c := range []struct {
		name  string
		args  []string
		exact bool
		want  erofs.Kind
	}{{"dynamic", nil, false, erofs.Regular}, {"static", []string{"-static"}, false, erofs.None}, {"exact", nil, true, erofs.None}} {
		p, err := specOf(cc(t, dir, c.name, "int main(void){return 0;}", c.args...), func(s *BuildSpec) { s.Locales, s.Exact = []string{"C.UTF-8"}, c.exact }).Parts()
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Root.Lookup(localeDir + "/C.utf8/LC_CTYPE"); got != c.want {
			t.Errorf("%s: %v, expected %v", c.name, got, c.want)
		}
	}
}
