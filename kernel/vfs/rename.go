package vfs

import "skerry/kernel/abi"

// Rename is renameat2(2). RENAME_WHITEOUT is EINVAL: it is for the upper layer of an
// overlay, which is not to be had by a path of its own.
func (c *Context) Rename(olddir int32, oldpath string, newdir int32, newpath string, flags uint32) abi.Errno {
	if flags&^(abi.RENAME_NOREPLACE|abi.RENAME_EXCHANGE) != 0 || flags == abi.RENAME_NOREPLACE|abi.RENAME_EXCHANGE {
		return abi.EINVAL
	}
	var from, to walk
	if e := from.begin(c, olddir, oldpath, 0); e != abi.OK {
		return e
	}
	oldName, kind, oldSlash, e := from.parent()
	if e != abi.OK {
		return e
	}
	if e := to.begin(c, newdir, newpath, 0); e != abi.OK {
		return e
	}
	newName, newKind, newSlash, e := to.parent()
	if e != abi.OK {
		return e
	}
	if from.at.sb != to.at.sb {
		return abi.EXDEV
	}
	if kind != lastName {
		return abi.EBUSY
	}
	if newKind != lastName {
		if flags&abi.RENAME_NOREPLACE != 0 {
			return abi.EEXIST
		}
		return abi.EBUSY
	}
	if from.at.readOnly() {
		return abi.EROFS
	}
	m, ok := from.at.dir.(MutableDir)
	if !ok {
		return removeHere(from.at, oldName)
	}
	r := renaming{dir: m, from: from.at, to: to.at, oldName: oldName, newName: newName,
		oldSlash: oldSlash, newSlash: newSlash, flags: flags}
	return r.run()
}

// renaming is a rename whose two directories are found.
type renaming struct {
	dir                MutableDir // from
	from, to           *Dentry
	oldName, newName   string
	oldSlash, newSlash bool
	flags              uint32
}

// run takes the locks: of one directory, or Super.rename and then both, the upper
// one first.
func (r *renaming) run() abi.Errno {
	if r.from == r.to {
		r.from.mu.Lock()
		defer r.from.mu.Unlock()
		return r.locked()
	}
	sb := r.from.sb
	sb.rename.Lock()
	defer sb.rename.Unlock()
	first, second := r.from, r.to
	if r.from.isBelow(r.to) {
		first, second = second, first
	}
	first.mu.Lock()
	defer first.mu.Unlock()
	second.mu.Lock()
	defer second.mu.Unlock()
	return r.locked()
}

// locked checks and makes the change with the directories' locks held.
func (r *renaming) locked() abi.Errno {
	old, e := r.from.childLocked(r.oldName)
	if e != abi.OK {
		return e
	}
	victim, e := r.to.childLocked(r.newName)
	if e != abi.OK && e != abi.ENOENT {
		return e
	}
	if r.to.gone.Load() {
		return abi.ENOENT
	}
	exchange := r.flags&abi.RENAME_EXCHANGE != 0
	if e := r.check(old, victim, exchange); e != abi.OK {
		return e
	}
	if victim != nil && victim.inode == old.inode {
		return abi.OK // two names of one file: nothing happens, rename(2)
	}
	if e := r.checkTypes(old, victim, exchange); e != abi.OK {
		return e
	}
	to := r.to.dir.(MutableDir) // one file system: all its directories are
	var over Inode
	if victim != nil {
		over = victim.inode
		if victim.dir != nil && !exchange {
			victim.mu.Lock()
			defer victim.mu.Unlock()
		}
	}
	newName := cloneName(r.newName)
	if e := r.dir.Rename(old.name, old.inode, to, newName, over, exchange); e != abi.OK {
		return e
	}
	r.move(old, victim, newName, exchange)
	return abi.OK
}

// check is what Linux asks before it looks at types.
func (r *renaming) check(old, victim *Dentry, exchange bool) abi.Errno {
	switch {
	case victim != nil && r.flags&abi.RENAME_NOREPLACE != 0:
		return abi.EEXIST
	case exchange && victim == nil:
		return abi.ENOENT
	case exchange && r.newSlash && victim.dir == nil:
		return abi.ENOTDIR
	case old.dir == nil && (r.oldSlash || !exchange && r.newSlash):
		return abi.ENOTDIR
	}
	if r.from != r.to {
		if r.to.isBelow(old) {
			return abi.EINVAL
		}
		if victim != nil && r.from.isBelow(victim) {
			if exchange {
				return abi.EINVAL
			}
			return abi.ENOTEMPTY
		}
	}
	return abi.OK
}

func (r *renaming) checkTypes(old, victim *Dentry, exchange bool) abi.Errno {
	if victim != nil && !exchange {
		if old.dir != nil && victim.dir == nil {
			return abi.ENOTDIR
		}
		if old.dir == nil && victim.dir != nil {
			return abi.EISDIR
		}
	}
	if old.mounted.Load() != nil || victim != nil && victim.mounted.Load() != nil {
		return abi.EBUSY
	}
	return abi.OK
}

// move makes the tree of names agree with what the file system did.
func (r *renaming) move(old, victim *Dentry, newName string, exchange bool) {
	oldName := old.name
	if victim != nil && !exchange {
		r.to.forget(newName, victim)
	}
	if !exchange {
		delete(r.from.kids, oldName)
	}
	sb := old.sb
	sb.names.Lock()
	old.name = newName
	old.parent.Store(r.to)
	if exchange {
		victim.name = oldName
		victim.parent.Store(r.from)
	}
	sb.names.Unlock()
	r.to.setKid(newName, old)
	if exchange {
		r.from.setKid(oldName, victim)
		tellMoved(r.from, oldName, r.to, newName, old, nil)
		tellMoved(r.to, newName, r.from, oldName, victim, nil)
	} else {
		tellMoved(r.from, oldName, r.to, newName, old, victim)
	}
}
