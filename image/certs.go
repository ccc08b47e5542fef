package image

import (
	"path"

	"skerry/image/dynlink"
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

// certificates packs the CA certificates of this host for a program that looks for them,
// itself or by a library. A folder of the user's in their place says whom the program
// trusts: nothing is added.
func (l *layout) certificates(c *dynlink.Closure, n known.Names) error {
	for i, p := range known.Certificates(c, n) {
		have := l.has(p.Host)
		if i == 0 && !have && l.has(path.Dir(p.Host)) {
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
