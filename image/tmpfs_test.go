package image

import (
	"slices"
	"strings"
	"testing"

	"skerry/image/erofs"
)

func TestParseTmpfs(t *testing.T) {
	for in, want := range map[string]Tmpfs{
		"/data": {"/data", 0}, "/data:64M": {"/data", 64 << 20}, "/a/b/:4k": {"/a/b", 4096}, "/tmp:1G": {"/tmp", 1 << 30}, "/dev/shm:8M": {"/dev/shm", 8 << 20},
	} {
		got, err := ParseTmpfs(in)
		if err != nil || got != want {
			t.Errorf("%s: %+v, %v", in, got, err)
		}
		if again, err := ParseTmpfs(strings.TrimPrefix(got.String(), "--tmpfs ")); err != nil || again != got {
			t.Errorf("%s: %+v, %v", got, again, err)
		}
	}
	for _, in := range []string{"", "data", "/", "/data:", "/data:64", "/data:x", "/data:-1M", "/data:0M", "/data:1K", "/proc", "/proc/x", "/run/secrets", "/run/secrets/x:1M", "/dev", "/dev/x:1M", "/sys/fs", "/a\x00b", "/data:99999999999G"} {
		if got, err := ParseTmpfs(in); err == nil || !strings.Contains(err.Error(), "--tmpfs "+in) {
			t.Errorf("%q: %+v, %v", in, got, err)
		}
	}
}

func TestTmpfsInImage(t *testing.T) {
	dir := visibleDir(t)
	app := put(t, dir, "app", elfFile(nil), 0o755)
	site := put(t, dir, "page", []byte("x"), 0o644)
	s := specOf(app, func(s *BuildSpec) {
		s.Tmpfs = []Tmpfs{{"/var/cache/app", 1 << 20}, {"/tmp", 8 << 20}}
		s.Copies = []Copy{{site, "/srv/page", false}}
	})
	p, err := s.Parts()
	if err != nil {
		t.Fatal(err)
	}
	if p.Root.Lookup("/var/cache/app") != erofs.Dir || !slices.Equal(p.Manifest.Tmpfs, s.Tmpfs) {
		t.Errorf("%+v", p.Manifest)
	}
	for want, list := range map[string][]Tmpfs{
		"would be hidden by --tmpfs /srv:1M": {{"/srv", 1 << 20}},
		"would hide the program, " + app:     {{dir, 0}},
		"is not a directory in the image":    {{app, 0}},
		"not a directory":                    {{app + "/x", 0}},
	} {
		s.Tmpfs = list
		if _, err := s.Parts(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	got := MergeTmpfs([]Tmpfs{{"/a", 1}, {"/b", 2}}, []Tmpfs{{"/c", 3}, {"/a", 4}})
	if !slices.Equal(got, []Tmpfs{{"/a", 4}, {"/b", 2}, {"/c", 3}}) {
		t.Errorf("%+v", got)
	}
}
