package image

import (
	"path"

	"skerry/image/dynlink"
	"skerry/image/erofs"
	"skerry/image/known"
)

// certificates packs the CA certificates of this host for a program with a library that
// looks for them. A folder of the user's in their place says whom the program trusts:
// nothing is added.
func (l *layout) certificates(c *dynlink.Closure) error {
	for i, p := range known.Certificates(c) {
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
