package vfs

import (
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
	flocks  []lock
	records []lock // sorted by owner, then start; an owner's do not overlap
}

// lock is one lock: owner is a *Description, or nil for the process.
type lock struct {
	owner      *Description
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
	if len(l.flocks) == 0 && len(l.records) == 0 {
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
	switch op &^ LOCK_NB {
	case LOCK_SH, LOCK_EX, LOCK_UN:
	default:
		return abi.EINVAL
	}
	if op&LOCK_NB != 0 || op&LOCK_UN != 0 {
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
	if op&LOCK_UN != 0 {
		return abi.OK
	}
	for i := range l.flocks {
		if op&LOCK_EX != 0 || l.flocks[i].exclusive {
			return abi.EAGAIN
		}
	}
	if t.n.Load() >= maxLocks {
		return abi.ENOLCK
	}
	l.flocks = append(l.flocks, lock{owner: d, exclusive: op&LOCK_EX != 0})
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
	c := l.conflict(owner, r)
	if c == nil {
		return found, false, false
	}
	return RecordLock{Start: c.start, End: c.end, Exclusive: c.exclusive, OFD: c.owner != nil}, c.owner == nil, true
}

func (l *lockList) conflict(owner *Description, r *RecordLock) *lock {
	var first *lock
	for i := range l.records {
		k := &l.records[i]
		if k.owner == owner || k.end < r.Start || k.start > r.End || !k.exclusive && !r.Exclusive {
			continue
		}
		if first == nil || k.start < first.start {
			first = k
		}
	}
	return first
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
	if !r.Unlock && l.conflict(owner, r) != nil {
		return abi.EAGAIN
	}
	if t.n.Load() >= maxLocks {
		return abi.ENOLCK
	}
	before := len(l.records)
	l.records = replaceRange(l.records, owner, r)
	t.n.Add(int32(len(l.records) - before))
	t.changed.Notify(waiter.EventOut)
	return abi.OK
}

// replaceRange gives owner's bytes [r.Start, r.End] the state that r says, which
// may cut, split or join what the owner has there.
func replaceRange(in []lock, owner *Description, r *RecordLock) []lock {
	out := make([]lock, 0, len(in)+2)
	n := lock{owner, r.Start, r.End, r.Exclusive}
	for _, k := range in {
		if k.owner != owner || k.end < n.start-1 || n.end != maxOffset && k.start > n.end+1 {
			out = append(out, k)
			continue
		}
		if !r.Unlock && k.exclusive == n.exclusive {
			n.start, n.end = min(n.start, k.start), max(n.end, k.end)
			continue
		}
		if k.start < n.start {
			out = append(out, lock{owner, k.start, min(k.end, n.start-1), k.exclusive})
		}
		if k.end > n.end {
			out = append(out, lock{owner, max(k.start, n.end+1), k.end, k.exclusive})
		}
	}
	if !r.Unlock {
		out = append(out, n)
	}
	return out
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
	n := len(l.records) + len(l.flocks)
	keep := l.records[:0]
	for _, k := range l.records {
		if k.owner != owner {
			keep = append(keep, k)
		}
	}
	clear(l.records[len(keep):])
	l.records = keep
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
	t.n.Add(int32(len(l.records) + len(l.flocks) - n))
	t.tidy(key, l)
	t.changed.Notify(waiter.EventOut)
}
