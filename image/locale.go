package image

import (
	"io"
	"os"
	"path/filepath"
	"strings"

	"skerry/image/known"
)

// localeDir is where glibc has locales: one file of many, which it asks first, or a folder
// for each (locale(7), localedef(1)).
const localeDir = "/usr/lib/locale"

// maxArchive is how large the file of all locales may be to be packed for one of them,
// in bytes: some distributions have every locale in it.
const maxArchive = 16 << 20

// Locales are the locales that an environment names.
func Locales(env []string) (names []string) {
	for _, e := range env {
		name, value, _ := strings.Cut(e, "=")
		if (name == "LANG" || strings.HasPrefix(name, "LC_")) && value != "" && value != "C" && value != "POSIX" && !strings.ContainsAny(value, "/\x00") && value != "." && value != ".." {
			names = append(names, value)
		}
	}
	return names
}

// plainCodeset is a name of a locale with its character set as glibc writes it in the
// names of folders: C.UTF-8 is C.utf8 there.
func plainCodeset(name string) string {
	name, modifier, modified := strings.Cut(name, "@")
	place, set, ok := strings.Cut(name, ".")
	if ok {
		digits := true
		set = strings.Map(func(r rune) rune {
			switch {
			case r >= '0' && r <= '9':
				return r
			case r >= 'A' && r <= 'Z':
				r += 'a' - 'A'
			case r < 'a' || r > 'z':
				return -1
			}
			digits = false
			return r
		}, set)
		if digits && set != "" {
			set = "iso" + set
		}
		place += "." + set
	}
	if modified {
		place += "@" + modifier
	}
	return place
}

// locales packs the locales that the environment names, as far as this host has them; a
// program without them goes on with the locale C, on Linux, too.
func (l *layout) locales(names []string, dir string) error {
	for _, name := range names {
		host := ""
		for _, n := range []string{name, plainCodeset(name)} {
			if info, err := os.Stat(filepath.Join(dir, n)); host == "" && err == nil && info.IsDir() {
				host = filepath.Join(dir, n)
			}
		}
		if archive := filepath.Join(dir, "locale-archive"); host == "" && archived(archive, plainCodeset(name)) {
			host = archive
		}
		if host == "" {
			l.notes = append(l.notes, known.Note{Level: known.Info, Text: "the environment names the locale " + name + ", which this host does not have"})
			continue
		}
		before := l.t.Count()
		if err := l.tree(known.Path{Host: host}, &l.found); err != nil {
			return cannotRun(l.name, host+": "+cause(err), "")
		}
		if n := l.t.Count() - before; n > 0 {
			l.record(Packed{Guest: host, Host: host, Files: n, Why: "the locale " + name + ", which the environment names"})
		}
	}
	return nil
}

// archived reports whether a file of locales has one, and is small enough to be packed.
// It begins with a magic number and, among others, the offset and length of its strings
// (glibc's locale/locarchive.h), of which each name is one.
func archived(file, name string) bool {
	f, err := openFile(file)
	if err != nil {
		return false
	}
	defer f.Close()
	var h [32]byte
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() || info.Size() > maxArchive {
		return false
	}
	if _, err := io.ReadFull(f, h[:]); err != nil || le.Uint32(h[:]) != 0xde020109 {
		return false
	}
	at, used := int64(le.Uint32(h[20:])), int64(le.Uint32(h[24:]))
	b, err := io.ReadAll(io.NewSectionReader(f, at, used))
	return err == nil && (strings.HasPrefix(string(b), name+"\x00") || strings.Contains(string(b), "\x00"+name+"\x00"))
}
