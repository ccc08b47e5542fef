package vfs

import "skerry/kernel/abi"

// What happens to files, told to those who watch (inotify.go). Every function
// returns at once while nobody watches anything. The order of events is Linux's.

// watched reports whether anybody watches anything.
func watched() bool { return watches.n.Load() != 0 }

func (d *Dentry) watchKey() watchKey { return watchKey{d.sb, inoOf(d.inode)} }

// nameNow is the name that d has at the moment.
func (d *Dentry) nameNow() string {
	d.sb.names.RLock()
	defer d.sb.names.RUnlock()
	return d.name
}

// deliver tells the watches of one file. gone says that the child which the
// event is about has no name any more.
func deliver(k watchKey, mask, cookie uint32, name string, gone bool) {
	watches.mu.Lock()
	defer watches.mu.Unlock()
	for _, w := range watches.m[k] {
		if w.mask&mask&abi.IN_ALL_EVENTS == 0 || gone && w.mask&abi.IN_EXCL_UNLINK != 0 {
			continue
		}
		w.in.push(inotifyEvent{wd: w.wd, mask: mask, cookie: cookie, name: name})
		if w.mask&abi.IN_ONESHOT != 0 {
			w.remove()
		}
	}
}

// tell is an event on a file: its directory hears of it with the name, then the
// file itself.
func (d *Dentry) tell(mask uint32) {
	if !watched() || d.sb == nil {
		return
	}
	if d.dir != nil {
		mask |= abi.IN_ISDIR
	}
	if p := d.parent.Load(); p != nil {
		deliver(p.watchKey(), mask, 0, d.nameNow(), d.gone.Load())
	}
	deliver(d.watchKey(), mask, 0, "", false)
}

// tellSelf is an event that only those who watch the file itself hear of.
func (d *Dentry) tellSelf(mask uint32) {
	if watched() && d.sb != nil {
		deliver(d.watchKey(), mask, 0, "", false)
	}
}

// tellEntry is an event on an entry of directory d.
func (d *Dentry) tellEntry(mask, cookie uint32, name string, isDir bool) {
	if !watched() {
		return
	}
	if isDir {
		mask |= abi.IN_ISDIR
	}
	deliver(d.watchKey(), mask, cookie, name, false)
}

// tellRemoved follows the removal of an entry of d that led to k.
func (d *Dentry) tellRemoved(name string, k *Dentry) {
	if !watched() {
		return
	}
	if k.dir == nil {
		k.tellSelf(abi.IN_ATTRIB)
	}
	k.tellGone()
	d.tellEntry(abi.IN_DELETE, 0, name, k.dir != nil)
}

// goner is an inode that knows whether it has ended: no name and nobody who
// holds it.
type goner interface{ Gone() bool }

// tellGone ends the watches of a file that has ended.
func (d *Dentry) tellGone() {
	if !watched() || d.sb == nil {
		return
	}
	if g, ok := d.inode.(goner); !ok || !g.Gone() {
		return
	}
	k := d.watchKey()
	deliver(k, abi.IN_DELETE_SELF, 0, "", false)
	watches.mu.Lock()
	defer watches.mu.Unlock()
	for _, w := range watches.m[k] {
		w.remove()
	}
}

// tellMoved follows a rename, once for each entry that moved.
func tellMoved(from *Dentry, oldName string, to *Dentry, newName string, moved, victim *Dentry) {
	if !watched() {
		return
	}
	watches.mu.Lock()
	watches.cookie++
	cookie := watches.cookie
	watches.mu.Unlock()
	from.tellEntry(abi.IN_MOVED_FROM, cookie, oldName, moved.dir != nil)
	to.tellEntry(abi.IN_MOVED_TO, cookie, newName, moved.dir != nil)
	if victim != nil {
		mask := uint32(abi.IN_ATTRIB)
		if victim.dir != nil {
			mask |= abi.IN_ISDIR
		}
		victim.tellSelf(mask)
	}
	moved.tellSelf(abi.IN_MOVE_SELF)
	if victim != nil {
		victim.tellGone()
	}
}

// tellAttr follows a change of attributes.
func (d *Dentry) tellAttr(a *Attr) {
	if !watched() {
		return
	}
	mask := uint32(0)
	if a.Set&(AttrMode|AttrOwner) != 0 {
		mask |= abi.IN_ATTRIB
	}
	if a.Set&AttrSize != 0 {
		mask |= abi.IN_MODIFY
	}
	switch a.Set & (AttrAtime | AttrMtime) {
	case AttrAtime | AttrMtime:
		mask |= abi.IN_ATTRIB
	case AttrAtime:
		mask |= abi.IN_ACCESS
	case AttrMtime:
		mask |= abi.IN_MODIFY
	}
	if mask != 0 {
		d.tell(mask)
	}
}

// accessed and modified follow a transfer of n bytes.
func (d *Description) accessed(n int) {
	if n > 0 && watched() {
		d.Dentry().tell(abi.IN_ACCESS)
	}
}

func (d *Description) modified(n int) {
	if n > 0 && watched() {
		d.Dentry().tell(abi.IN_MODIFY)
	}
}
