package image

import (
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"skerry/image/known"
)

// zoneDir is where C libraries, Go and others look for time zones (tzset(3)).
const zoneDir = "/usr/share/zoneinfo"

// zoneRule is how a value of TZ begins that is a rule and names no file, such as
// CET-1CEST. Some files have names of that form; they come first.
var zoneRule = regexp.MustCompile(`^(<[^<>]*>|[A-Za-z]{3,})[-+]?[0-9]`)

// Zone is the time zone's name that an environment has in TZ, "" if there is none, or
// none that could be a file of zoneDir.
func Zone(env []string) (name string) {
	for _, e := range env {
		value, ok := strings.CutPrefix(e, "TZ=")
		if !ok {
			continue
		}
		name = strings.TrimPrefix(strings.TrimPrefix(value, ":"), zoneDir+"/")
		// localtime is this host's own; a machine has UTC where it is told nothing else.
		if !filepath.IsLocal(name) || filepath.Clean(name) != name || name == "." || name == "localtime" {
			name = ""
		}
	}
	return name
}

// zones packs the time zones of this host for a program that looks them up, but if the
// user gave others.
func (l *layout) zones() error {
	p := known.TimeZones()
	if l.has(p.Host) {
		return nil
	}
	return l.add(p, p.Host, l.tree, p.Why+", which it looks up")
}

// zone packs the time zone that the environment names, as far as this host has it; a
// program without it goes on with UTC, on Linux, too.
func (l *layout) zone(name, dir string) error {
	if name == "" {
		return nil
	}
	host := filepath.Join(dir, name)
	if !isZone(host, dir) {
		if !zoneRule.MatchString(name) {
			l.notes = append(l.notes, known.Note{Level: known.Info, Text: "the environment names the time zone " + name + ", which this host does not have"})
		}
		return nil
	}
	if l.has(host) {
		return nil
	}
	if _, err := l.host(host, false); err != nil {
		return cannotRun(l.name, host+": "+cause(err), "")
	}
	l.recordFile(host, host, "the time zone "+name+", which the environment names")
	return nil
}

// isZone reports whether a file of dir is one of a time zone (tzfile(5)); links may lead
// to others of dir only.
func isZone(file, dir string) bool {
	top, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return false
	}
	real, err := filepath.EvalSymlinks(file)
	if err != nil || !strings.HasPrefix(real, top+"/") {
		return false
	}
	if info, err := os.Stat(real); err != nil || !info.Mode().IsRegular() {
		return false
	}
	f, err := openFile(real)
	if err != nil {
		return false
	}
	defer f.Close()
	var magic [4]byte
	_, err = io.ReadFull(f, magic[:])
	return err == nil && string(magic[:]) == "TZif"
}
