package vfs

import "sync"

// maxNames bounds the Dentries that a file system with DropNames keeps; a few
// hundred bytes each.
const maxNames = 4096

// lru is the ring of Dentries of a file system whose names may be forgotten, and
// the hand of its clock. Its lock is taken with no directory's lock held.
type lru struct {
	mu   sync.Mutex
	ring []*Dentry
	hand int
}

// add puts a new Dentry into the ring, and forgets some if there are too many.
// Two threads may both have found the same new entry; it is in the ring once.
func (l *lru) add(d *Dentry) {
	if !d.listed.CompareAndSwap(false, true) {
		return
	}
	l.mu.Lock()
	l.ring = append(l.ring, d)
	for tries := 0; len(l.ring) > maxNames && tries < 64; tries++ {
		l.step()
	}
	l.mu.Unlock()
}

// step moves the hand by one: a Dentry that was used since gets another round, a
// leaf that was not is forgotten.
func (l *lru) step() {
	if l.hand >= len(l.ring) {
		l.hand = 0
	}
	d := l.ring[l.hand]
	if d.used.CompareAndSwap(true, false) || !d.drop() {
		l.hand++
		return
	}
	last := len(l.ring) - 1
	l.ring[l.hand] = l.ring[last]
	l.ring[last] = nil
	l.ring = l.ring[:last]
}

// drop takes d out of its parent's table unless names below it or a mount need
// it. Whoever still holds d goes on with it: nothing changes in such a file
// system, so a second Dentry of the same entry does no harm.
func (d *Dentry) drop() bool {
	p := d.parent.Load()
	if !p.mu.TryLock() {
		return false // someone reads the directory from the disk
	}
	defer p.mu.Unlock()
	if d.mounted.Load() != nil || !d.mu.TryLock() {
		return false
	}
	defer d.mu.Unlock()
	if len(d.kids) != 0 || p.kids[d.name] != d {
		return false
	}
	delete(p.kids, d.name)
	return true
}
