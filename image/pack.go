package image

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"skerry/image/dynlink"
	"skerry/image/erofs"
	"skerry/image/known"
)

// libDir is where libraries stand that lie on the host where the machine mounts
// file systems of its own.
const libDir = "/usr/lib/skerry"

// ldCache is where glibc's linker looks for its list of libraries.
const ldCache = "/etc/ld.so.cache"

// muslPath is the file of musl's linker with the folders that it looks into.
const muslPath = "/etc/ld-musl-x86_64.path"

// maxLinks is how many symbolic links one path may lead through.
const maxLinks = erofs.MaxLinks

// errHidden is for a file that the machine would hide.
var errHidden = errors.New("lies where the machine mounts a file system of its own")

// packer puts files of the host into a root at the paths that they have there,
// with the symbolic links that lead to them. What is there already stays: files
// that the user gives come before those that are found.
type packer struct {
	t       *erofs.Tree
	clock   clock
	packed  []Packed
	counted int64 // bytes of everything in packed
	stack   bool  // what the program loads must have a PT_GNU_STACK
	notes   []known.Note
}

// Packed is a file that an image holds, or several that one thing brought in.
type Packed struct {
	Guest string `json:"path"`
	Host  string `json:"host"`
	Bytes int64  `json:"bytes"`
	Files int    `json:"files"`
	Why   string `json:"why"`
}

// record notes what was packed since the last record.
func (p *packer) record(what Packed) {
	what.Bytes = p.t.Bytes() - p.counted
	p.counted = p.t.Bytes()
	p.packed = append(p.packed, what)
}

func (p *packer) recordFile(guest, host, why string) {
	p.record(Packed{Guest: guest, Host: host, Files: 1, Why: why})
}

// host adds the file or the empty folder at an absolute path of the host, and
// answers where it stands, links followed.
func (p *packer) host(file string, executable bool) (guest string, err error) {
	rest := strings.Split(file, "/")
	cur, links := "", 0
	follow := func(target string) error {
		if links++; links > maxLinks {
			return fmt.Errorf("%s: too many symbolic links", file)
		}
		if path.IsAbs(target) {
			cur = ""
		}
		rest = append(strings.Split(target, "/"), rest...)
		return nil
	}
	for len(rest) > 0 {
		name := rest[0]
		rest = rest[1:]
		switch name {
		case "", ".":
			continue
		case "..":
			if cur = path.Dir("/" + cur); cur == "/" {
				cur = ""
			}
			continue
		}
		next := cur + "/" + name
		switch p.t.Lookup(next) {
		case erofs.Dir:
			cur = next
			continue
		case erofs.Symlink:
			if err := follow(p.t.Target(next)); err != nil {
				return "", err
			}
			continue
		case erofs.Regular, erofs.Executable:
			if len(rest) > 0 {
				return "", fmt.Errorf("%s is not a directory in the image", next)
			}
			return next, nil
		}
		info, err := os.Lstat(next)
		if err != nil {
			return "", err
		}
		m := info.Mode()
		switch {
		case m.IsDir():
			if err := p.t.Mkdir(next); err != nil {
				return "", err
			}
			cur = next
		case Hidden(next):
			return "", fmt.Errorf("%s: %w", next, errHidden)
		case m&fs.ModeSymlink != 0:
			target, err := os.Readlink(next)
			if err != nil {
				return "", err
			}
			if err := p.t.Symlink(next, target); err != nil {
				return "", err
			}
			if err := follow(target); err != nil {
				return "", err
			}
		case !m.IsRegular():
			return "", fmt.Errorf("%s is %s, which an image cannot hold", next, special(m))
		case len(rest) > 0:
			return "", fmt.Errorf("%s is not a directory", next)
		default:
			return next, p.t.File(next, p.clock.source(next, info, executable), executable)
		}
	}
	return cur, nil
}

// tree adds what a runtime reads: a file, or a folder with everything in it that
// is not skipped. Where links lead is added, too. Files that cannot be read or held
// are left out; the ELF files among them are collected.
func (p *packer) tree(what known.Path, found *[]module) error {
	top, err := filepath.EvalSymlinks(what.Host)
	if err != nil {
		return err
	}
	// A single file is packed here, and as what it is.
	_, code := p.moduleAt(top)
	if _, err := p.host(what.Host, code); err != nil {
		if info, e := os.Stat(top); e != nil || info.IsDir() {
			return err
		}
	}
	n := 0
	return filepath.WalkDir(top, func(host string, d fs.DirEntry, err error) error {
		if err != nil {
			if d != nil && d.IsDir() && errors.Is(err, fs.ErrPermission) {
				return fs.SkipDir
			}
			return err
		}
		if n++; n > maxEntries {
			return fmt.Errorf("%s holds more than %d files", what.Host, maxEntries)
		}
		rel, _ := filepath.Rel(top, host)
		if what.Skip != nil && rel != "." && what.Skip(rel, d.IsDir()) {
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		switch t := d.Type(); {
		case t&fs.ModeSymlink != 0:
			if info, err := os.Stat(host); err != nil || info.IsDir() {
				_, err = p.host(host, false) // a folder is not walked: it may be this one
				if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, errHidden) {
					return err
				}
				return nil
			}
		case !t.IsRegular() && !t.IsDir():
			return nil
		}
		o, code := p.moduleAt(host)
		guest, err := p.host(host, code)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, errHidden) {
			return nil
		}
		if o != nil && err == nil {
			p.collect(module{host, o}, guest, found)
		}
		return err
	})
}

// place adds a file, or a folder with everything in it that is not skipped, at
// another path than it has on the host. Links are kept as they are; what the user gave
// stays.
func (p *packer) place(what known.Path, found *[]module) error {
	top, err := filepath.EvalSymlinks(what.Host)
	if err != nil {
		return err
	}
	n := 0
	return filepath.WalkDir(top, func(host string, d fs.DirEntry, err error) error {
		if err != nil {
			if d != nil && d.IsDir() && errors.Is(err, fs.ErrPermission) {
				return fs.SkipDir
			}
			return err
		}
		if n++; n > maxEntries {
			return fmt.Errorf("%s holds more than %d files", what.Host, maxEntries)
		}
		rel, _ := filepath.Rel(top, host)
		guest := p.t.Follow(path.Join(what.Guest, rel))
		leave := Hidden(guest) || slices.Contains(generated, guest) || what.Skip != nil && rel != "." && what.Skip(rel, d.IsDir())
		if k := p.t.Lookup(guest); k != erofs.None {
			leave = leave || !d.IsDir() || k != erofs.Dir
		}
		switch t := d.Type(); {
		case leave && d.IsDir():
			return fs.SkipDir
		case leave:
			return nil
		case d.IsDir():
			return p.t.Mkdir(guest)
		case t&fs.ModeSymlink != 0:
			target, err := os.Readlink(host)
			if err != nil {
				return err
			}
			return p.t.Symlink(guest, target)
		case !t.IsRegular():
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		o, code := p.moduleAt(host)
		if err := p.t.File(guest, p.clock.source(host, info, code), code); err != nil {
			return err
		}
		if o != nil {
			p.collect(module{host, o}, guest, found)
		}
		return nil
	})
}

// module is an ELF file that was packed.
type module struct {
	host string
	o    *dynlink.Object
}

// elfAt reads the ELF file at path; nil if it is none.
func elfAt(path string) *dynlink.Object {
	f, err := openFile(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	var magic [4]byte
	if n, _ := f.ReadAt(magic[:], 0); n < 4 || string(magic[:]) != "\x7fELF" {
		return nil
	}
	o, err := dynlink.Read(f)
	if err != nil {
		return nil
	}
	return o
}

// pack packs the closure: the interpreter, the libraries, and what their linker
// needs to find them. The first libraries, must of them, are loaded when the program
// starts, or for the user's files; what only a runtime's modules need may never be.
func (p *packer) pack(c *dynlink.Closure, name string, must int) error {
	if c.Interp == nil {
		return nil
	}
	var entries []dynlink.Entry
	for i, l := range append([]*dynlink.Library{c.Interp}, c.Libraries...) {
		// glibc does not ask for the stack of its linker.
		why, mend := barred(l.Object, p.stack && i > 0)
		code := why == ""
		switch {
		case !code && i <= must:
			return cannotRun(name, l.Path+" "+why, mend)
		case !code:
			p.warn(l.Path + " " + why + ": it is packed as data, and " + l.By + " cannot be loaded (" + mend + ")")
		}
		guest := l.Path
		real, err := filepath.EvalSymlinks(l.Path)
		if err != nil {
			return cannotRun(name, l.Path+": "+cause(err), "")
		}
		switch elsewhere := Hidden(real) || Hidden(l.Path); {
		case elsewhere || c.Kind == dynlink.Musl && !l.System:
			guest = libDir + "/" + path.Base(l.Name)
			if c.Kind == dynlink.Musl {
				guest = "/usr/lib/" + path.Base(l.Name)
			}
			if p.t.Lookup(guest) != erofs.None {
				break
			}
			info, err := os.Stat(real)
			if err != nil {
				return cannotRun(name, real+": "+cause(err), "")
			}
			if err := p.t.File(guest, p.clock.source(real, info, code), code); err != nil {
				return cannotRun(name, l.Path+" cannot be packed: "+err.Error(), "")
			}
		default:
			if _, err := p.host(l.Path, code); err != nil {
				return cannotRun(name, l.Path+" cannot be packed: "+err.Error(), "")
			}
		}
		if l == c.Interp {
			p.recordFile(guest, real, "the dynamic linker")
		} else {
			p.recordFile(guest, real, "needed by "+l.By)
		}
		if strings.Contains(l.Name, "/") {
			if guest != l.Path {
				return cannotRun(name, "needs "+l.Name+" by its path, and that "+errHidden.Error(), "move it elsewhere")
			}
		} else {
			entries = append(entries, dynlink.Entry{Name: l.Name, Path: guest})
		}
		if s := l.Object.Soname; s != "" && s != l.Name {
			entries = append(entries, dynlink.Entry{Name: s, Path: guest})
		}
	}
	switch c.Kind {
	case dynlink.Glibc:
		if p.t.Lookup(ldCache) == erofs.None {
			return p.t.File(ldCache, erofs.Bytes(dynlink.Cache(entries)), false)
		}
	case dynlink.Musl:
		dirs := append([]string{"/usr/lib"}, c.System...)
		if p.t.Lookup(muslPath) == erofs.None {
			return p.t.File(muslPath, erofs.Bytes(strings.Join(dirs, "\n")+"\n"), false)
		}
	}
	return nil
}

// byName adds the libraries that C programs load by name when they use what needs
// them: the unwinder, which ending a thread asks for, and name services, of which
// newer versions of glibc leave empty files.
func byName(c *dynlink.Closure, program string) {
	const stub = 20 << 10 // bytes; a real one is larger
	for _, n := range []string{"libnss_files.so.2", "libnss_dns.so.2"} {
		for _, dir := range c.System {
			file := filepath.Join(dir, n)
			if info, err := os.Stat(file); err == nil && info.Size() > stub && elfAt(file) != nil {
				c.AddName(n, "the C library")
				break
			}
		}
	}
	ends := func(file string) bool {
		f, err := openFile(file)
		if err != nil {
			return false
		}
		defer f.Close()
		names := dynlink.Imports(f)
		return slices.ContainsFunc([]string{"pthread_cancel", "pthread_exit", "thrd_exit", "backtrace"}, func(n string) bool { return slices.Contains(names, n) })
	}
	files := []string{program}
	for _, l := range c.Libraries {
		files = append(files, l.Path)
	}
	if slices.ContainsFunc(files, ends) {
		c.AddName("libgcc_s.so.1", "the C library")
	}
}

// missing is the error for the libraries that the program needs and that are
// nowhere.
func missing(name string, c *dynlink.Closure) error {
	if len(c.Missing) == 0 {
		return nil
	}
	m := c.Missing[0]
	if m.Searched == nil && strings.Contains(m.Name, "/") {
		return cannotRun(name, "needs "+m.Name+", which is not there", "install it; for another C library, its own packages have it")
	}
	why := "needs " + m.Name + ", not found in " + strings.Join(m.Searched, ", ")
	if path.Base(m.By) != path.Base(name) {
		why = "needs " + m.Name + " (for " + m.By + "), not found in " + strings.Join(m.Searched, ", ")
	}
	if n := len(c.Missing) - 1; n > 0 {
		names := make([]string, 0, n)
		for _, m := range c.Missing[1:] {
			names = append(names, m.Name)
		}
		why += "; nor " + strings.Join(names, ", ")
	}
	return cannotRun(name, why, "install what has it, or add --lib DIR")
}
