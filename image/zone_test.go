package image

import (
	"os"
	"path/filepath"
	"testing"

	"skerry/image/erofs"
)

func TestZone(t *testing.T) {
	for value, want := range map[string]string{
		"Europe/Berlin": "Europe/Berlin", ":Europe/Berlin": "Europe/Berlin", "UTC": "UTC", "/usr/share/zoneinfo/Asia/Tokyo": "Asia/Tokyo", ":/usr/share/zoneinfo/Asia/Tokyo": "Asia/Tokyo",
		"": "", ":": "", "/etc/localtime": "", "localtime": "", ":localtime": "", "../../etc/passwd": "", "Europe/../x": "", ".": "", "a//b": "", "CET-1CEST": "CET-1CEST",
	} {
		if got := Zone([]string{"LANG=C", "TZ=" + value, "TZDIR=/x"}); got != want {
			t.Errorf("%q: %q, expected %q", value, got, want)
		}
	}
	if got := Zone([]string{"TZ=Asia/Tokyo", "TZ=Europe/Paris"}); got != "Europe/Paris" {
		t.Error(got)
	}
	if got := Zone([]string{"X=TZ=Asia/Tokyo", "TZ"}); got != "" {
		t.Error(got)
	}
}

func TestPackZone(t *testing.T) {
	dir := visibleDir(t)
	zones := filepath.Join(dir, "zoneinfo")
	put(t, zones, "Europe/Berlin", []byte("TZif2rest"), 0o644)
	put(t, zones, "EST5EDT", []byte("TZif2rest"), 0o644)
	put(t, zones, "Europe/Text", []byte("text"), 0o644)
	put(t, dir, "localtime", []byte("TZif2rest"), 0o644)
	for link, target := range map[string]string{"Europe/Busingen": "Berlin", "Outside": "../localtime", "Loop": "Loop"} {
		if err := os.Symlink(target, filepath.Join(zones, link)); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name  string
		files []string
		notes int
	}{
		{"Europe/Berlin", []string{"Europe/Berlin"}, 0}, {"Europe/Busingen", []string{"Europe/Busingen", "Europe/Berlin"}, 0}, {"EST5EDT", []string{"EST5EDT"}, 0},
		{"", nil, 0}, {"CET-1CEST", nil, 0}, {"<+03>-3", nil, 0}, {"CET-1CEST,M3.5.0,M10.5.0/3", nil, 0},
		{"Europe/Text", nil, 1}, {"Europe", nil, 1}, {"Europe/None", nil, 1}, {"Outside", nil, 1}, {"Loop", nil, 1}, {"Etc/GMT+5", nil, 1},
	} {
		l := specOf("/x", nil).layout()
		if err := l.zone(c.name, zones); err != nil {
			t.Fatal(c.name, err)
		}
		for _, f := range c.files {
			if l.t.Lookup(filepath.Join(zones, f)) == erofs.None {
				t.Errorf("%s: no %s", c.name, f)
			}
		}
		if len(l.notes) != c.notes || len(l.packed) != min(len(c.files), 1) || l.t.Lookup(filepath.Join(dir, "localtime")) != erofs.None {
			t.Errorf("%s: %+v %+v", c.name, l.packed, l.notes)
		}
	}
}

// TestZoneOfProgram: a program of any kind gets the zone, and the host's own never.
func TestZoneOfProgram(t *testing.T) {
	const name = "Europe/Berlin"
	if !isZone(filepath.Join(zoneDir, name), zoneDir) {
		t.Skip("no time zones here")
	}
	dir := visibleDir(t)
	for _, c := range []struct {
		name  string
		args  []string
		exact bool
		want  erofs.Kind
	}{{"dynamic", nil, false, erofs.Regular}, {"static", []string{"-static"}, false, erofs.Regular}, {"exact", nil, true, erofs.None}} {
		p, err := specOf(cc(t, dir, c.name, "int main(void){return 0;}", c.args...), func(s *BuildSpec) { s.Zone, s.Exact = name, c.exact }).Parts()
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Root.Lookup(p.Root.Follow(filepath.Join(zoneDir, name))); got != c.want {
			t.Errorf("%s: %v, expected %v", c.name, got, c.want)
		}
		if p.Root.Lookup("/etc/localtime") != erofs.None || p.Root.Lookup(zoneDir+"/Asia/Tokyo") != erofs.None {
			t.Errorf("%s: more than the zone", c.name)
		}
	}
}
