package vfs

import (
	"encoding/binary"
	"slices"
	"sync"
	"sync/atomic"

	"gvisor.dev/gvisor/pkg/waiter"

	"skerry/kernel/abi"
	"skerry/kernel/usermem"
)

// Inotify is an inotify instance, inotify(7): a queue of events on the files and
// directories that it watches.
//
// Locks: watches.mu → Inotify.mu → the queue. They are taken with a directory's
// lock held, and nothing else is taken under them.
type Inotify struct {
	Queue
	ino uint64

	mu       sync.Mutex
	byWD     map[int32]*inotifyWatch
	last     int32 // watch descriptor
	events   []inotifyEvent
	overflow bool // the last event says that some were lost
}

// inotifyWatch is one watch of an instance. mask changes under watches.mu.
type inotifyWatch struct {
	in   *Inotify
	key  watchKey
	wd   int32
	mask uint32
}

type inotifyEvent struct {
	wd           int32
	mask, cookie uint32
	name         string
}

// watchKey is a file: its file system and its inode's number there.
type watchKey struct {
	sb  *Super
	ino uint64
}

// watches is all watches by file. While there are none, files pay one load for
// each operation.
var watches struct {
	n      atomic.Int32
	mu     sync.Mutex
	m      map[watchKey][]*inotifyWatch
	cookie uint32
}

// Limits, /proc/sys/fs/inotify: events that wait in an instance, and watches.
const (
	MaxInotifyEvents  = 16384
	MaxInotifyWatches = 65536
)

// Bits of a watch that are kept.
const inotifyKept = abi.IN_ALL_EVENTS | abi.IN_EXCL_UNLINK | abi.IN_ONESHOT

// NewInotify is inotify_init1(2) with O_NONBLOCK of flags.
func NewInotify(flags uint32) *Description {
	return NewDescription(&Inotify{ino: NewIno(), byWD: make(map[int32]*inotifyWatch)}, abi.O_RDONLY|flags&abi.O_NONBLOCK)
}

// InotifyAdd is inotify_add_watch(2) on an instance. EINVAL if d is none.
func (c *Context) InotifyAdd(d *Description, path string, mask uint32) (int32, abi.Errno) {
	const known = abi.IN_ALL_EVENTS | abi.IN_UNMOUNT | abi.IN_Q_OVERFLOW | abi.IN_IGNORED | abi.IN_ISDIR | abi.IN_ONLYDIR |
		abi.IN_DONT_FOLLOW | abi.IN_EXCL_UNLINK | abi.IN_MASK_CREATE | abi.IN_MASK_ADD | abi.IN_ONESHOT
	in, ok := d.file.(*Inotify)
	if mask&known == 0 || mask&^known != 0 || mask&abi.IN_MASK_ADD != 0 && mask&abi.IN_MASK_CREATE != 0 || !ok {
		return 0, abi.EINVAL
	}
	flags := uint32(0)
	if mask&abi.IN_DONT_FOLLOW == 0 {
		flags |= followLast
	}
	if mask&abi.IN_ONLYDIR != 0 {
		flags |= wantDir
	}
	e, errno := c.lookup(abi.AT_FDCWD, path, flags)
	if errno != abi.OK {
		return 0, errno
	}
	key := e.watchKey()
	watches.mu.Lock()
	defer watches.mu.Unlock()
	for _, w := range watches.m[key] {
		if w.in != in {
			continue
		}
		switch {
		case mask&abi.IN_MASK_CREATE != 0:
			return 0, abi.EEXIST
		case mask&abi.IN_MASK_ADD != 0:
			w.mask |= mask & inotifyKept
		default:
			w.mask = mask & inotifyKept
		}
		return w.wd, abi.OK
	}
	if watches.n.Load() >= MaxInotifyWatches {
		return 0, abi.ENOSPC
	}
	w := &inotifyWatch{in: in, key: key, mask: mask & inotifyKept}
	in.mu.Lock()
	for in.byWD[in.last+1] != nil || in.last+1 <= 0 {
		in.last = max(in.last+1, 0)
	}
	in.last++
	w.wd = in.last
	in.byWD[w.wd] = w
	in.mu.Unlock()
	if watches.m == nil {
		watches.m = make(map[watchKey][]*inotifyWatch)
	}
	watches.m[key] = append(watches.m[key], w)
	watches.n.Add(1)
	return w.wd, abi.OK
}

// InotifyRemove is inotify_rm_watch(2): EINVAL if there is no such watch.
func InotifyRemove(d *Description, wd int32) abi.Errno {
	in, ok := d.file.(*Inotify)
	if !ok {
		return abi.EINVAL
	}
	watches.mu.Lock()
	defer watches.mu.Unlock()
	in.mu.Lock()
	w := in.byWD[wd]
	in.mu.Unlock()
	if w == nil {
		return abi.EINVAL
	}
	w.remove()
	return abi.OK
}

// remove ends a watch and says so. watches.mu is held.
func (w *inotifyWatch) remove() {
	w.unlink()
	w.in.push(inotifyEvent{wd: w.wd, mask: abi.IN_IGNORED})
	w.in.mu.Lock()
	delete(w.in.byWD, w.wd)
	w.in.mu.Unlock()
}

// unlink takes a watch from its file. watches.mu is held.
func (w *inotifyWatch) unlink() {
	// A copy: who removes may be walking the list.
	l := slices.DeleteFunc(slices.Clone(watches.m[w.key]), func(x *inotifyWatch) bool { return x == w })
	if len(l) == 0 {
		delete(watches.m, w.key)
	} else {
		watches.m[w.key] = l
	}
	watches.n.Add(-1)
}

// push adds an event unless it is the same as the last one that waits.
func (in *Inotify) push(e inotifyEvent) {
	in.mu.Lock()
	if n := len(in.events); n > 0 && in.events[n-1] == e {
		in.mu.Unlock()
		return
	}
	switch {
	case len(in.events) < MaxInotifyEvents:
		in.events = append(in.events, e)
	case !in.overflow:
		in.overflow = true
		in.events = append(in.events, inotifyEvent{wd: -1, mask: abi.IN_Q_OVERFLOW})
	}
	in.mu.Unlock()
	in.Notify(waiter.EventIn)
}

// inotifyHead is the size of struct inotify_event before the name.
const inotifyHead = 16

// size is what the event takes in a read: the name is padded to a multiple of
// the struct's size.
func (e *inotifyEvent) size() int {
	if e.name == "" {
		return inotifyHead
	}
	return inotifyHead + (len(e.name)+inotifyHead)&^(inotifyHead-1)
}

// Read takes as many events as fit. EINVAL if not even the first does.
func (in *Inotify) Read(v *usermem.Vec, _ int64) (int, abi.Errno) {
	done := 0
	for {
		in.mu.Lock()
		if len(in.events) == 0 {
			in.mu.Unlock()
			if done == 0 {
				return 0, abi.EAGAIN
			}
			return done, abi.OK
		}
		e := in.events[0]
		n := e.size()
		if n > v.Len() {
			in.mu.Unlock()
			if done == 0 {
				return 0, abi.EINVAL
			}
			return done, abi.OK
		}
		if in.events = in.events[1:]; len(in.events) == 0 {
			in.events, in.overflow = nil, false
		}
		in.mu.Unlock()
		var b [inotifyHead + abi.NAME_MAX + 1]byte
		binary.LittleEndian.PutUint32(b[:], uint32(e.wd))
		binary.LittleEndian.PutUint32(b[4:], e.mask)
		binary.LittleEndian.PutUint32(b[8:], e.cookie)
		binary.LittleEndian.PutUint32(b[12:], uint32(n-inotifyHead))
		copy(b[inotifyHead:], e.name)
		m, errno := v.CopyOut(b[:n])
		if errno != abi.OK {
			if done == 0 {
				return 0, errno
			}
			return done, abi.OK
		}
		done += m
	}
}

// Readiness: readable with an event.
func (in *Inotify) Readiness(mask waiter.EventMask) waiter.EventMask {
	in.mu.Lock()
	defer in.mu.Unlock()
	if len(in.events) == 0 {
		return 0
	}
	return waiter.EventIn & mask
}

// Write answers EBADF: an instance is open for reading only.
func (in *Inotify) Write(*usermem.Vec, int64) (int, abi.Errno) { return 0, abi.EBADF }

// Stat shows an anonymous inode.
func (in *Inotify) Stat(st *abi.Stat) abi.Errno { return anonStat(st, in.ino) }

// Ioctl knows FIONREAD: the bytes of all events.
func (in *Inotify) Ioctl(cmd uint32, arg uintptr) (uintptr, abi.Errno) {
	if cmd != abi.FIONREAD {
		return 0, abi.ENOTTY
	}
	in.mu.Lock()
	n := 0
	for i := range in.events {
		n += in.events[i].size()
	}
	in.mu.Unlock()
	return 0, usermem.Store32(arg, uint32(n))
}

// Positionless makes lseek(2) do nothing.
func (in *Inotify) Positionless() {}

// Seekable is false.
func (in *Inotify) Seekable() bool { return false }

// Name is what /proc/self/fd shows.
func (in *Inotify) Name() string { return "anon_inode:inotify" }

// Release ends all watches.
func (in *Inotify) Release() {
	watches.mu.Lock()
	defer watches.mu.Unlock()
	in.mu.Lock()
	all := in.byWD
	in.byWD, in.events = nil, nil
	in.mu.Unlock()
	for _, w := range all {
		w.unlink()
	}
}
