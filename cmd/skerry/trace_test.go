package main

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"skerry/image"
	"skerry/image/profile"
)

// TestLearnedPolicy: what trace writes holds the policy and the exceptions that the
// program was traced with, in keys that run takes.
func TestLearnedPolicy(t *testing.T) {
	s := newSettings()
	s.policy = &image.Policy{Level: image.LevelStrict, Verdicts: map[string]string{"memory": image.Kill, "process": image.Deny}}
	s.allow = []string{"shell:/bin/sh"}
	text := learnedConfig(s, &image.Learned{}, &profile.Profile{}, "./app")
	for _, want := range []string{"level = \"strict\"\n", "verdict = [\n  \"memory=kill\",\n  \"process=deny\",\n]\n", "allow = [\n  \"shell:/bin/sh\",\n]\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
	w := newWorld(t)
	w.put(t, "skerry.toml", []byte(text), 0o600)
	w.runK(t, "run", "./app", "exit:0").want(t, 0, "", "")
}

// TestTellLearned: what was opened and called is told by name, and not without end.
func TestTellLearned(t *testing.T) {
	tell := func(p *profile.Profile, l *image.Learned) string {
		var b bytes.Buffer
		(&app{stderr: &b}).tellLearned(l, p)
		return b.String()
	}
	p := profile.New("/srv")
	for _, line := range []string{
		`1 openat(AT_FDCWD, "/lib/libc.so.6", O_RDONLY|O_CLOEXEC) = 3`, `1 openat(AT_FDCWD, "data\33 file", O_RDONLY) = 4`,
		`1 openat(AT_FDCWD, "/none", O_RDONLY) = -1 ENOENT`, `1 newfstatat(AT_FDCWD, "/etc/seen", {}, 0) = 0`, `1 read(3, "x", 1) = 1`,
	} {
		p.Add(line)
	}
	if len(p.Calls) != 3 || len(p.Paths) != 4 {
		t.Fatalf("%+v", p)
	}
	const want = `skerry: files opened, 2:
skerry:   /lib/libc.so.6
skerry:   "/srv/data\x1b file"
skerry: system calls made, 3:
skerry:   newfstatat openat read
skerry: needed beside the libraries that it is linked with: files 1, libraries 0
skerry: not in the image, taken from this host: /srv/data
`
	if got := tell(p, &image.Learned{Files: []string{"/srv/data"}, Missed: []string{"/srv/data"}}); got != want {
		t.Errorf("got\n%swanted\n%s", got, want)
	}
	p = profile.New("/")
	for i := range 60 {
		p.Paths[fmt.Sprintf("/f%02d", i)] = profile.Opened
		p.Calls[fmt.Sprintf("call%02d", i)] = 1
	}
	got := tell(p, &image.Learned{})
	if !strings.Contains(got, "files opened, 60:\nskerry:   /f00\n") || !strings.Contains(got, "/f39\nskerry:   … and 20 more (--json lists all)\n") || strings.Contains(got, "/f40") {
		t.Error(got)
	}
	for i := range 60 {
		if !strings.Contains(got, fmt.Sprintf(" call%02d", i)) {
			t.Errorf("no call%02d", i)
		}
	}
	for line := range strings.Lines(got) {
		if len(line) > 90 {
			t.Errorf("%d columns: %s", len(line), line)
		}
	}
	if got := tell(profile.New("/"), &image.Learned{}); strings.Contains(got, "opened") || strings.Contains(got, "calls") {
		t.Errorf("of nothing: %s", got)
	}
	if got := wrapped([]string{"aa", "bb", "longer than a line", "c"}, " ", 6); got != " aa bb\n \"longer than a line\"\n c" {
		t.Errorf("%q", got)
	}
}
