package image

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"skerry/image/erofs"
)

// maxEntries bounds what one --dir may bring in.
const maxEntries = 1 << 20

// Copy is one --file or --dir.
type Copy struct {
	Host  string // path on the host; "" for an empty folder
	Guest string // absolute, clean path in the machine
	Dir   bool
}

// ParseCopy reads HOST:GUEST, the value of --file or, with dir, --dir. The guest
// path is absolute; for a file it may end in a slash, and then the file keeps its
// name. Without HOST, --dir makes an empty folder.
func ParseCopy(value string, dir bool) (Copy, error) {
	flag := flagName(dir) + " " + value
	want, least := "it is HOST:GUEST, such as ./site:/srv/site", 1
	if dir {
		want, least = want+", or :GUEST for an empty folder", 0
	}
	// The host's path may hold colons; the guest's path begins with a slash.
	i := strings.LastIndex(value, ":/")
	if i < least {
		return Copy{}, failed(flag, "has no absolute path in the machine", want)
	}
	host, guest := value[:i], value[i+1:]
	if strings.IndexByte(value, 0) >= 0 {
		return Copy{}, failed(flag, "holds a NUL byte", want)
	}
	if !dir && strings.HasSuffix(guest, "/") {
		guest += filepath.Base(host)
	}
	c := Copy{host, path.Clean(guest), dir}
	if c.Guest == "/" && !dir {
		return Copy{}, failed(flag, "the path in the machine is the root directory", want)
	}
	return c, nil
}

func flagName(dir bool) string {
	if dir {
		return "--dir"
	}
	return "--file"
}

// String is the flag as the user wrote it.
func (c Copy) String() string { return flagName(c.Dir) + " " + c.Host + ":" + c.Guest }

// adder says how host files become entries of a tree.
type adder struct {
	program string // path of the program, which nothing may replace
	file    string // the program's file on the host, "" if it is not known
	clock   clock
	// check, if there is one, may refuse a path.
	check func(path string, dir bool) error
	// stack is set if libraries and modules must have a PT_GNU_STACK.
	stack bool
	// allow is what --allow said.
	allow []string
	// found collects the libraries and modules among the files, which may be
	// mapped as code; nil if files are data only.
	found *[]module
}

// addTo copies what c names into t.
func (c Copy) addTo(t *erofs.Tree, a adder) error {
	info, err := os.Stat(cmp.Or(c.Host, "/")) // a link that the user names is followed; an empty folder is one like any
	if err != nil {
		return failed(c.String(), c.Host+": "+cause(err), "")
	}
	if !c.Dir {
		if info.IsDir() {
			return failed(c.String(), c.Host+" is a directory", "use --dir")
		}
		return c.addEntry(t, a, c.Host, c.Guest, info)
	}
	if !info.IsDir() {
		return failed(c.String(), c.Host+" is not a directory", "use --file")
	}
	if c.Host == "" {
		return c.addEntry(t, a, "", c.Guest, info)
	}
	top, err := filepath.EvalSymlinks(c.Host)
	if err != nil {
		return failed(c.String(), cause(err), "")
	}
	n := 0
	return filepath.WalkDir(top, func(host string, d fs.DirEntry, err error) error {
		if err != nil {
			return failed(c.String(), host+": "+cause(err), "leave it out, or make it readable")
		}
		if n++; n > maxEntries {
			return failed(c.String(), fmt.Sprintf("holds more than %d files", maxEntries), "copy less")
		}
		rel, err := filepath.Rel(top, host)
		if err != nil {
			return failed(c.String(), cause(err), "")
		}
		info, err := d.Info()
		if err != nil {
			return failed(c.String(), host+": "+cause(err), "")
		}
		return c.addEntry(t, a, host, path.Join(c.Guest, rel), info)
	})
}

// addEntry adds one file, directory or symbolic link.
func (c Copy) addEntry(t *erofs.Tree, a adder, host, guest string, info fs.FileInfo) error {
	guest = t.Follow(guest)
	m := info.Mode()
	refuse := func(why, mend string) error { return failed(c.String(), why, mend) }
	switch {
	case guest == a.program && sameFile(host, a.file):
		return nil // a folder that has the program in it
	case guest == a.program:
		return refuse(guest+" is the program", "choose another path")
	case slices.Contains(generated, guest):
		return refuse(guest+" is made by the machine from its network configuration", "leave it out")
	case Hidden(guest) && !m.IsDir():
		return refuse(guest+" would be hidden: the machine mounts a file system there", "choose a path outside of "+strings.Join(mounts, ", "))
	}
	if a.check != nil {
		if err := a.check(guest, m.IsDir()); err != nil {
			return refuse(err.Error(), "choose another path")
		}
	}
	var err error
	switch {
	case m.IsDir():
		err = t.Mkdir(guest)
	case m&fs.ModeSymlink != 0:
		target, e := os.Readlink(host)
		if e != nil {
			return refuse(host+": "+cause(e), "")
		}
		err = t.Symlink(guest, target)
	case !m.IsRegular():
		return refuse(host+" is "+special(m)+", which an image cannot hold", "leave it out")
	case m&(fs.ModeSetuid|fs.ModeSetgid) != 0:
		return refuse(host+" has the setuid or setgid bit, and a machine has no other user to become", "chmod ug-s "+host)
	default:
		// No program but the one can be executed, so no other file is marked as one.
		executable := false
		switch o := elfAt(host); {
		case o == nil:
		case !o.Library:
			if why := beside(host); why != "" && !slices.Contains(a.allow, allowShell+guest) {
				return refuse(host+" is "+why+", and a machine has none beside its program (no shells)",
					"leave it out, or give --allow "+allowShell+guest+", which the image records")
			}
		case a.found != nil:
			if why, mend := barred(o, a.stack); why != "" {
				return refuse(host+" "+why, mend+"; or leave it out")
			}
			executable = true
			*a.found = append(*a.found, module{host, o})
		}
		if hasCapabilities(host) {
			return refuse(host+" has file capabilities, and a machine has no others to give", "setcap -r "+host)
		}
		err = t.File(guest, a.clock.source(host, info, executable), executable)
	}
	if errors.Is(err, erofs.ErrExist) {
		return refuse(err.Error(), "each path may be given once")
	}
	if err != nil {
		return refuse(err.Error(), "")
	}
	return nil
}

// sameFile reports whether two paths of the host lead to one file.
func sameFile(a, b string) bool {
	x, err := os.Stat(a)
	if err != nil || b == "" {
		return false
	}
	y, err := os.Stat(b)
	return err == nil && os.SameFile(x, y)
}

// special names a file type.
func special(m fs.FileMode) string {
	switch {
	case m&fs.ModeSocket != 0:
		return "a socket"
	case m&fs.ModeNamedPipe != 0:
		return "a named pipe"
	case m&fs.ModeDevice != 0:
		return "a device"
	}
	return "a special file"
}
