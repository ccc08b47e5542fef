package vfs

// MaxNames is maxNames for tests.
const MaxNames = maxNames

// CachedNames is how many names the file system of d keeps.
func (d *Dentry) CachedNames() int {
	n := 0
	var walk func(d *Dentry)
	walk = func(d *Dentry) {
		for _, k := range d.kids {
			n++
			walk(k)
		}
	}
	walk(d.sb.root)
	return n
}

// WatchesLeft is the number of inotify watches and of files that have any.
func WatchesLeft() (n, files int) {
	watches.mu.Lock()
	defer watches.mu.Unlock()
	return int(watches.n.Load()), len(watches.m)
}
