package vfs

import (
	"skerry/kernel/abi"
)

// Flags of a path walk.
const (
	followLast   = 1 << iota // follow a symbolic link in the last place
	wantDir                  // the result must be a directory, as for a trailing slash
	emptyPath                // an empty path means the start itself (AT_EMPTY_PATH)
	noXdev                   // openat2's RESOLVE_ flags
	noMagicLinks             //
	noSymlinks               //
	beneath                  //
	inRoot                   //
)

// lastKind is what the last component of a path is.
type lastKind uint8

const (
	lastName lastKind = iota
	lastDot
	lastDotDot
	lastRoot
)

// walk is a path walk that is under way. It never recurses: a symbolic link's
// text is put in front of what is left of the path.
type walk struct {
	c     *Context
	root  *Dentry // where ".." and "/" end up
	at    *Dentry // where rest starts; not crossed into a mount only if last
	rest  string
	links int
	flags uint32
}

// begin sets the walk up at the directory that dirfd and the path's first
// character name.
func (w *walk) begin(c *Context, dirfd int32, path string, flags uint32) abi.Errno {
	*w = walk{c: c, root: c.root, rest: path, flags: flags}
	if len(path) >= abi.PATH_MAX {
		return abi.ENAMETOOLONG
	}
	if path == "" && flags&emptyPath == 0 {
		return abi.ENOENT
	}
	if path != "" && path[0] == '/' && flags&(beneath|inRoot) == 0 {
		w.at = c.root
		return abi.OK
	}
	if dirfd == abi.AT_FDCWD {
		w.at = c.cwd.Load()
	} else {
		d, e := c.Files.GetAny(dirfd)
		if e != abi.OK {
			return e
		}
		w.at = d.Dentry()
		d.Unref()
		if w.at.dir == nil && path != "" {
			return abi.ENOTDIR
		}
	}
	if flags&(beneath|inRoot) != 0 {
		w.root = w.at
		if path != "" && path[0] == '/' && flags&beneath != 0 {
			return abi.EXDEV
		}
	}
	return abi.OK
}

// parent walks up to the last component, which stays untouched: w.at is then
// the directory that it is in. slash reports a slash behind it.
func (w *walk) parent() (name string, kind lastKind, slash bool, e abi.Errno) {
	for {
		for w.rest != "" && w.rest[0] == '/' {
			w.rest = w.rest[1:]
		}
		if w.rest == "" {
			return "", lastRoot, true, abi.OK
		}
		n := 0
		for n < len(w.rest) && w.rest[n] != '/' {
			n++
		}
		name = w.rest[:n]
		after := w.rest[n:]
		slash = after != ""
		for after != "" && after[0] == '/' {
			after = after[1:]
		}
		if w.at.dir == nil {
			return "", 0, false, abi.ENOTDIR
		}
		kind = lastName
		switch name {
		case ".":
			kind = lastDot
		case "..":
			kind = lastDotDot
		}
		if after == "" {
			w.rest = ""
			return name, kind, slash, abi.OK
		}
		w.rest = after
		if e := w.enter(name, kind); e != abi.OK {
			return "", 0, false, e
		}
	}
}

// enter makes one step that is not the last one.
func (w *walk) enter(name string, kind lastKind) abi.Errno {
	switch kind {
	case lastDot:
		return abi.OK
	case lastDotDot:
		return w.up()
	}
	k, e := w.step(name)
	if e != abi.OK {
		return e
	}
	if k.dir != nil {
		w.at = k
		return abi.OK
	}
	if isLink(k.inode.Mode()) {
		return w.follow(k, true)
	}
	return abi.ENOTDIR
}

// step finds name in w.at and crosses into what is mounted there.
func (w *walk) step(name string) (*Dentry, abi.Errno) {
	k, e := w.at.child(name)
	if e != abi.OK {
		return nil, e
	}
	if m := k.cross(); m != k {
		if w.flags&noXdev != 0 {
			return nil, abi.EXDEV
		}
		k = m
	}
	return k, abi.OK
}

// up makes a ".." step.
func (w *walk) up() abi.Errno {
	if w.at == w.root && w.flags&beneath != 0 {
		return abi.EXDEV
	}
	p := w.at.up(w.root)
	if p.sb != w.at.sb && w.flags&noXdev != 0 {
		return abi.EXDEV
	}
	w.at = p
	return abi.OK
}

// follow puts the text of symbolic link k, found in w.at, in front of the rest.
// With more set the link is not the last component, or a slash follows it.
func (w *walk) follow(k *Dentry, more bool) abi.Errno {
	if w.flags&noSymlinks != 0 {
		return abi.ELOOP
	}
	if w.links++; w.links > maxSymlinks {
		return abi.ELOOP
	}
	if m, ok := k.inode.(MagicLink); ok {
		if w.flags&noMagicLinks != 0 {
			return abi.ELOOP
		}
		to, e := m.Follow()
		if e != abi.OK {
			return e
		}
		if w.flags&(beneath|inRoot) != 0 || w.flags&noXdev != 0 && to.sb != w.at.sb {
			return abi.EXDEV
		}
		w.at = to
		return abi.OK
	}
	l, ok := k.inode.(Symlink)
	if !ok {
		return abi.EINVAL
	}
	text, e := l.Readlink()
	if e != abi.OK {
		return e
	}
	if text == "" {
		return abi.ENOENT
	}
	if text[0] == '/' {
		if w.flags&beneath != 0 || w.flags&noXdev != 0 && w.at.sb != w.root.sb {
			return abi.EXDEV
		}
		w.at = w.root
	}
	switch {
	case w.rest != "":
		w.rest = text + "/" + w.rest
	case more:
		w.rest = text + "/"
	default:
		w.rest = text
	}
	return abi.OK
}

// finish walks all of the path.
func (w *walk) finish() (*Dentry, abi.Errno) {
	for {
		name, kind, slash, e := w.parent()
		if e != abi.OK {
			return nil, e
		}
		k := w.at
		switch kind {
		case lastDotDot:
			if e := w.up(); e != abi.OK {
				return nil, e
			}
			k = w.at
		case lastName:
			if k, e = w.step(name); e != abi.OK {
				return nil, e
			}
			if isLink(k.inode.Mode()) && (w.flags&followLast != 0 || slash) {
				if e := w.follow(k, slash); e != abi.OK {
					return nil, e
				}
				if w.rest != "" {
					continue
				}
				k = w.at // a magic link in the last place
			}
		case lastRoot:
			if w.links == 0 && w.flags&emptyPath != 0 {
				slash = false
			}
		}
		if k.dir == nil && (slash || w.flags&wantDir != 0) {
			return nil, abi.ENOTDIR
		}
		return k, abi.OK
	}
}

// lookup walks a path to its end.
func (c *Context) lookup(dirfd int32, path string, flags uint32) (*Dentry, abi.Errno) {
	var w walk
	if e := w.begin(c, dirfd, path, flags); e != abi.OK {
		return nil, e
	}
	return w.finish()
}

// atFlags turns AT_ flags into those of a walk: links are followed unless
// AT_SYMLINK_NOFOLLOW says otherwise. EINVAL for a flag not in allowed.
func atFlags(flags, allowed uint32) (uint32, abi.Errno) {
	if flags&^allowed != 0 {
		return 0, abi.EINVAL
	}
	f := uint32(0)
	if flags&abi.AT_SYMLINK_NOFOLLOW == 0 {
		f |= followLast
	}
	if flags&abi.AT_EMPTY_PATH != 0 {
		f |= emptyPath
	}
	return f, abi.OK
}
