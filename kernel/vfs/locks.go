package vfs

import (
	"slices"
	"sort"
	"sync"
	"sync/atomic"

	"gvisor.dev/gvisor/pkg/waiter"

	"skerry/kernel/abi"
	"skerry/kernel/wait"
)

// fileLocks are all advisory locks: flock(2), record locks of fcntl(2), and open
// file description locks (F_OFD_SETLK). With one process in the machine its own
// record locks never conflict with each other, but they do with those of open
// file descriptions.
var fileLocks lockTable

// maxLocks bounds the record locks of all files; ENOLCK beyond.
const maxLocks = 65536

// lockTable has one list per locked file. The table's one mutex is held for a
// few list steps at a time; waiting happens outside.
type lockTable struct {
	n       atomic.Int32 // locks of all kinds; 0 spares the mutex
	mu      sync.Mutex
	files   map[any]*lockList
	changed Queue
}

// lockList is the locks on one file.
type lockList struct {
	flocks []flock
	owners []lockOwner // those that hold record locks
}

// flock is a lock on a whole file.
type flock struct {
	owner     *Description
	exclusive bool
}

// lockOwner is a holder of record locks: a *Description, or nil for the process.
// Its records are sorted and do not overlap, so that one is found, and most
// changes are made, in no more than a few steps.
type lockOwner struct {
	owner   *Description
	records []record
}

// record is one record lock.
type record struct {
	start, end int64 // first and last byte
	exclusive  bool
}

// RecordLock is struct flock after SEEK_ has been resolved: [Start, End] in
// bytes, both inclusive; End is the largest offset for "to the end".
type RecordLock struct {
	Start, End int64
	Exclusive  bool
	Unlock     bool
	// OFD makes the open file description the owner, not the process.
	OFD bool
}

// key is what locks of d hang on: the inode, or the file if there is none.
func (d *Description) key() any {
	if e := d.dentry.Load(); e != nil && d.held {
		return e.inode
	}
	return d.file
}

// list is the locks of the file under key; made if missing. t.mu is held.
func (t *lockTable) list(key any) *lockList {
	l := t.files[key]
	if l == nil {
		if t.files == nil {
			t.files = make(map[any]*lockList)
		}
		l = &lockList{}
		t.files[key] = l
	}
	return l
}

// tidy drops an empty list. t.mu is held.
func (t *lockTable) tidy(key any, l *lockList) {
	if len(l.flocks) == 0 && len(l.owners) == 0 {
		delete(t.files, key)
	}
}

// Readiness, EventRegister and EventUnregister let a thread wait for any lock to
// go; it looks again itself.
func (t *lockTable) Readiness(waiter.EventMask) waiter.EventMask { return 0 }

// EventRegister implements waiter.Waitable.
func (t *lockTable) EventRegister(e *waiter.Entry) error { return t.changed.EventRegister(e) }

// EventUnregister implements waiter.Waitable.
func (t *lockTable) EventUnregister(e *waiter.Entry) { t.changed.EventUnregister(e) }

// Flock is flock(2).
func (d *Description) Flock(w *wait.Waiter, op int) abi.Errno {
	switch op &^ abi.LOCK_NB {
	case abi.LOCK_SH, abi.LOCK_EX, abi.LOCK_UN:
	default:
		return abi.EINVAL
	}
	if op&abi.LOCK_NB != 0 || op&abi.LOCK_UN != 0 {
		return fileLocks.flock(d, op)
	}
	_, e := w.Retry(&fileLocks, waiter.EventOut, wait.Forever, func() (int, abi.Errno) {
		return 0, fileLocks.flock(d, op)
	})
	return e
}

func (t *lockTable) flock(d *Description, op int) abi.Errno {
	t.mu.Lock()
	defer t.mu.Unlock()
	key := d.key()
	l := t.list(key)
	defer t.tidy(key, l)
	// A conversion gives the old lock up first, flock(2).
	for i := range l.flocks {
		if l.flocks[i].owner == d {
			l.flocks = append(l.flocks[:i], l.flocks[i+1:]...)
			t.n.Add(-1)
			t.changed.Notify(waiter.EventOut)
			break
		}
	}
	if op&abi.LOCK_UN != 0 {
		return abi.OK
	}
	for i := range l.flocks {
		if op&abi.LOCK_EX != 0 || l.flocks[i].exclusive {
			return abi.EAGAIN
		}
	}
	if t.n.Load() >= maxLocks {
		return abi.ENOLCK
	}
	l.flocks = append(l.flocks, flock{owner: d, exclusive: op&abi.LOCK_EX != 0})
	t.n.Add(1)
	return abi.OK
}

// SetLock is fcntl(2) F_SETLK and F_OFD_SETLK, and with block the forms that
// wait. Deadlock cannot arise between one process and itself, so EDEADLK never
// comes.
func (d *Description) SetLock(w *wait.Waiter, r *RecordLock, block bool) abi.Errno {
	if !r.Unlock && (r.Exclusive && !d.Writable() || !r.Exclusive && !d.Readable()) {
		return abi.EBADF
	}
	if !block || r.Unlock {
		return fileLocks.set(d, r)
	}
	_, e := w.Retry(&fileLocks, waiter.EventOut, wait.Forever, func() (int, abi.Errno) {
		return 0, fileLocks.set(d, r)
	})
	return e
}

// GetLock is F_GETLK and F_OFD_GETLK: the first lock that keeps r from being
// set, if there is one. process reports that the process owns it.
func (d *Description) GetLock(r *RecordLock) (found RecordLock, process, ok bool) {
	t := &fileLocks
	t.mu.Lock()
	defer t.mu.Unlock()
	l := t.files[d.key()]
	if l == nil {
		return found, false, false
	}
	owner := d
	if !r.OFD {
		owner = nil
	}
	c, holder := l.conflict(owner, r)
	if c == nil {
		return found, false, false
	}
	return RecordLock{Start: c.start, End: c.end, Exclusive: c.exclusive, OFD: holder != nil}, holder == nil, true
}

// conflict is a record of another owner that keeps r from being set, and that owner:
// the first one's of those that there are, as Linux keeps them by when they came
// (posix_lock_inode).
func (l *lockList) conflict(owner *Description, r *RecordLock) (c *record, holder *Description) {
	for i := range l.owners {
		o := &l.owners[i]
		if o.owner == owner {
			continue
		}
		for k := o.from(r.Start); k < len(o.records) && o.records[k].start <= r.End; k++ {
			if c := &o.records[k]; c.exclusive || r.Exclusive {
				return c, o.owner
			}
		}
	}
	return nil, nil
}

// from is the index of the first record that ends at off or behind it.
func (o *lockOwner) from(off int64) int {
	return sort.Search(len(o.records), func(i int) bool { return o.records[i].end >= off })
}

func (t *lockTable) set(d *Description, r *RecordLock) abi.Errno {
	t.mu.Lock()
	defer t.mu.Unlock()
	key := d.key()
	l := t.list(key)
	defer t.tidy(key, l)
	owner := d
	if !r.OFD {
		owner = nil
	}
	if !r.Unlock {
		if c, _ := l.conflict(owner, r); c != nil {
			return abi.EAGAIN
		}
	}
	i := slices.IndexFunc(l.owners, func(o lockOwner) bool { return o.owner == owner })
	if i < 0 {
		if r.Unlock {
			return abi.OK
		}
		i = len(l.owners)
		l.owners = append(l.owners, lockOwner{owner: owner})
	}
	// To unlock is always possible, but for what cuts a record in two.
	change := l.owners[i].change(r)
	more := len(change.put) - change.drop
	if more > 0 && int(t.n.Load())+more > maxLocks {
		l.forget(i)
		return abi.ENOLCK
	}
	l.owners[i].apply(&change)
	l.forget(i)
	t.n.Add(int32(more))
	t.changed.Notify(waiter.EventOut)
	return abi.OK
}

// forget drops an owner that holds nothing.
func (l *lockList) forget(i int) {
	if len(l.owners[i].records) == 0 {
		l.owners = slices.Delete(l.owners, i, i+1)
	}
}

// change is what a call does to an owner's records: drop of them, from at on,
// are replaced by put.
type change struct {
	at, drop int
	put      []record
	room     [3]record
}

// change works out how the bytes [r.Start, r.End] get the state that r says,
// which may cut, split or join what the owner has there.
func (o *lockOwner) change(r *RecordLock) (c change) {
	n := record{r.Start, r.End, r.Exclusive}
	c.at = o.from(n.start - 1) // one that ends just before may be joined
	var left, right record
	hasLeft, hasRight := false, false
	for _, k := range o.records[c.at:] {
		if n.end != maxOffset && k.start > n.end+1 {
			break
		}
		c.drop++
		if !r.Unlock && k.exclusive == n.exclusive {
			n.start, n.end = min(n.start, k.start), max(n.end, k.end)
			continue
		}
		if k.start < r.Start {
			left, hasLeft = record{k.start, min(k.end, r.Start-1), k.exclusive}, true
		}
		if k.end > r.End {
			right, hasRight = record{max(k.start, r.End+1), k.end, k.exclusive}, true
		}
	}
	c.put = c.room[:0]
	if hasLeft {
		c.put = append(c.put, left)
	}
	if !r.Unlock {
		c.put = append(c.put, n)
	}
	if hasRight {
		c.put = append(c.put, right)
	}
	return c
}

// apply makes the change.
func (o *lockOwner) apply(c *change) {
	o.records = slices.Replace(o.records, c.at, c.at+c.drop, c.put...)
}

// dropOwner removes what an open file description holds, at its end.
func (t *lockTable) dropOwner(d *Description) {
	if t.n.Load() == 0 {
		return
	}
	t.remove(d, d)
}

// closeRecordLocks removes the process's record locks on d's file, as any close
// of a descriptor for that file does.
func (t *lockTable) closeRecordLocks(d *Description) {
	if t.n.Load() == 0 {
		return
	}
	t.remove(d, nil)
}

func (t *lockTable) remove(d, owner *Description) {
	t.mu.Lock()
	defer t.mu.Unlock()
	key := d.key()
	l := t.files[key]
	if l == nil {
		return
	}
	n := len(l.flocks)
	for i := range l.owners {
		if o := &l.owners[i]; o.owner == owner {
			n += len(o.records)
			o.records = nil
			l.forget(i)
			break
		}
	}
	if owner != nil {
		keep := l.flocks[:0]
		for _, k := range l.flocks {
			if k.owner != owner {
				keep = append(keep, k)
			}
		}
		clear(l.flocks[len(keep):])
		l.flocks = keep
	}
	t.n.Add(int32(len(l.flocks) - n))
	t.tidy(key, l)
	t.changed.Notify(waiter.EventOut)
}
