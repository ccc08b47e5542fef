package image

import (
	"errors"
	"io/fs"
	"path"

	"skerry/image/dynlink"
	"skerry/image/erofs"
	"skerry/image/known"
)

// names is what a program that is not known names in its own text. Those that are known
// have said it, and some of them are large.
func (l *layout) names(program string) (n known.Names, err error) {
	if l.facts != nil {
		return n, nil
	}
	f, err := openFile(program)
	if err != nil {
		return n, cannotRun(l.name, cause(err), "")
	}
	defer f.Close()
	return known.NamesIn(f), nil
}

// zones packs the time zones of this host for a program that looks them up, but if the
// user gave others.
func (l *layout) zones(n known.Names) error {
	for _, p := range n.TimeZones() {
		if l.t.Lookup(l.t.Follow(p.Host)) != erofs.None {
			continue
		}
		before := l.t.Count()
		if err := l.tree(p, &l.found); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return cannotRun(l.name, p.Host+" ("+p.Why+"): "+cause(err), "")
		}
		if n := l.t.Count() - before; n > 0 {
			l.record(Packed{Guest: p.Host, Host: p.Host, Files: n, Why: p.Why + ", which it looks up"})
		}
	}
	return nil
}

// certificates packs the CA certificates of this host for a program that looks for them,
// itself or by a library. A folder of the user's in their place says whom the program
// trusts: nothing is added.
func (l *layout) certificates(c *dynlink.Closure, n known.Names) error {
	for i, p := range known.Certificates(c, n) {
		have := l.t.Lookup(l.t.Follow(p.Host)) != erofs.None
		if i == 0 && !have && l.t.Lookup(l.t.Follow(path.Dir(p.Host))) != erofs.None {
			return nil
		}
		if have {
			continue
		}
		if err := l.tree(p, &l.found); err != nil {
			return cannotRun(l.name, p.Host+" ("+p.Why+"): "+cause(err), "")
		}
		l.recordFile(p.Host, p.Host, p.Why)
	}
	return nil
}
