package vfs

import (
	"sync"
	"sync/atomic"

	"gvisor.dev/gvisor/pkg/waiter"

	"skerry/kernel/abi"
	"skerry/kernel/ground/frame"
)

// epollItems counts the items of all instances; /proc/sys/fs/epoll/max_user_watches
// bounds them.
var epollItems atomic.Int64

// epollItemCost is about what an item takes, in bytes, map entry included.
const epollItemCost = 320

// MaxEpollWatches is the most items there may be: those that fit into 1/25 of
// memory, as in Linux.
func MaxEpollWatches() int64 {
	return max(frame.Total()*frame.Size/25/epollItemCost, 1024)
}

// EpollControl is epoll_ctl(2).
func (t *Table) EpollControl(epfd int32, op int, fd int32, ev *EpollEvent) abi.Errno {
	ed, e := t.Get(epfd)
	if e != abi.OK {
		return e
	}
	defer ed.Unref()
	d, e := t.Get(fd)
	if e != abi.OK {
		return e
	}
	defer d.Unref()
	if _, no := d.file.(Unpollable); no {
		return abi.EPERM
	}
	ep, ok := ed.file.(*Epoll)
	if !ok || ed == d {
		return abi.EINVAL
	}
	child, _ := d.file.(*Epoll)
	if op != abi.EPOLL_CTL_DEL && ev.Events&abi.EPOLLEXCLUSIVE != 0 {
		const fine = abi.POLLIN | abi.POLLOUT | alwaysEvents | abi.EPOLLWAKEUP | abi.EPOLLET | abi.EPOLLEXCLUSIVE
		if op == abi.EPOLL_CTL_MOD || child != nil || ev.Events&^fine != 0 {
			return abi.EINVAL
		}
	}
	key := epollKey{fd, d}
	switch op {
	case abi.EPOLL_CTL_ADD:
		return ep.add(key, child, ev)
	case abi.EPOLL_CTL_MOD:
		return ep.modify(key, ev)
	case abi.EPOLL_CTL_DEL:
		return ep.delete(key)
	}
	return abi.EINVAL
}

// EpollOf is the instance behind a description; EINVAL if it is none.
func EpollOf(d *Description) (*Epoll, abi.Errno) {
	if ep, ok := d.file.(*Epoll); ok {
		return ep, abi.OK
	}
	return nil, abi.EINVAL
}

// add makes an item. EPOLLEXCLUSIVE is kept and has no effect beyond its checks:
// all instances are woken, which epoll_ctl(2) allows ("one or more").
func (ep *Epoll) add(key epollKey, child *Epoll, ev *EpollEvent) abi.Errno {
	if child != nil {
		nesting.Lock()
		defer nesting.Unlock()
		if !mayNest(ep, child) {
			return abi.ELOOP
		}
	}
	ep.mu.Lock()
	defer ep.mu.Unlock()
	if ep.items[key] != nil {
		return abi.EEXIST
	}
	if epollItems.Add(1) > MaxEpollWatches() {
		epollItems.Add(-1)
		return abi.ENOSPC
	}
	it := &epollItem{ep: ep, key: key, file: key.d.file, child: child, data: ev.Data}
	it.events.Store(ev.Events | alwaysEvents)
	it.Entry.Init(it, itemEvents)
	if it.file.EventRegister(&it.Entry) != nil {
		epollItems.Add(-1)
		return abi.EPERM
	}
	if child != nil {
		parentsMu.Lock()
		child.parents = append(child.parents, it)
		parentsMu.Unlock()
	}
	ep.items[key] = it
	key.d.watch.add(it)
	ep.look(it)
	return abi.OK
}

// look puts an item on the ready list if it has something to report already. The
// caller holds mu, and has registered the item or stored its new events, so that
// nothing falls in between.
func (ep *Epoll) look(it *epollItem) {
	if it.poll() != 0 && ep.push(it, false) {
		ep.threads.NotifyOne(waiter.EventIn)
		ep.others.Notify(waiter.EventIn)
	}
}

func (ep *Epoll) modify(key epollKey, ev *EpollEvent) abi.Errno {
	ep.mu.Lock()
	defer ep.mu.Unlock()
	it := ep.items[key]
	if it == nil {
		return abi.ENOENT
	}
	if it.events.Load()&abi.EPOLLEXCLUSIVE != 0 {
		return abi.EINVAL
	}
	it.data = ev.Data
	it.events.Store(ev.Events | alwaysEvents)
	ep.look(it)
	return abi.OK
}

func (ep *Epoll) delete(key epollKey) abi.Errno {
	ep.mu.Lock()
	defer ep.mu.Unlock()
	it := ep.items[key]
	if it == nil {
		return abi.ENOENT
	}
	ep.detach(it)
	return abi.OK
}

// detach takes an item out of everything. The caller holds mu, so that no wait
// is looking at it.
func (ep *Epoll) detach(it *epollItem) {
	it.file.EventUnregister(&it.Entry)
	// Nobody can queue it any more.
	if it.queued.Load() {
		ep.list.Lock()
		ep.unlink(it)
		ep.list.Unlock()
		it.queued.Store(false)
	}
	delete(ep.items, it.key)
	it.key.d.watch.remove(it)
	epollItems.Add(-1)
	if it.child != nil {
		it.child.disown(it)
	}
}

// disown forgets an item that watched the instance.
func (ep *Epoll) disown(it *epollItem) {
	parentsMu.Lock()
	defer parentsMu.Unlock()
	for i, p := range ep.parents {
		if p == it {
			last := len(ep.parents) - 1
			ep.parents[i] = ep.parents[last]
			ep.parents[last] = nil
			ep.parents = ep.parents[:last]
			return
		}
	}
}

// Release ends the instance: all its items go.
func (ep *Epoll) Release() {
	ep.mu.Lock()
	defer ep.mu.Unlock()
	for _, it := range ep.items {
		ep.detach(it)
	}
}

// watchers are the epoll items on one description.
type watchers struct {
	mu   sync.Mutex
	head *epollItem
}

func (l *watchers) add(it *epollItem) {
	l.mu.Lock()
	it.nextWatch = l.head
	if l.head != nil {
		l.head.prevWatch = it
	}
	l.head = it
	l.mu.Unlock()
}

func (l *watchers) remove(it *epollItem) {
	l.mu.Lock()
	if it.prevWatch != nil {
		it.prevWatch.nextWatch = it.nextWatch
	} else {
		l.head = it.nextWatch
	}
	if it.nextWatch != nil {
		it.nextWatch.prevWatch = it.prevWatch
	}
	it.nextWatch, it.prevWatch = nil, nil
	l.mu.Unlock()
}

// removeAll ends all items on a description that is being closed. No new ones
// come: that would take a reference.
func (l *watchers) removeAll() {
	for {
		l.mu.Lock()
		it := l.head
		l.mu.Unlock()
		if it == nil {
			return
		}
		ep := it.ep
		ep.mu.Lock()
		if ep.items[it.key] == it { // else the instance's own end was faster
			ep.detach(it)
		}
		ep.mu.Unlock()
	}
}

// maxNesting is how many instances may watch one another in a row, EP_MAX_NESTS
// of Linux plus the file's own.
const maxNesting = 5

// nesting serializes what makes instances watch instances, and with it the check
// below. It comes before any instance's mu. parentsMu guards the parent lists,
// which also shrink when items go; it is a leaf.
var (
	nesting   sync.Mutex
	parentsMu sync.Mutex
)

// nestingCheck numbers the checks; under nesting.
var nestingCheck uint64

// mayNest reports whether ep may watch child: no cycle, and no chain of more than
// maxNesting instances. Each instance is looked at once a check, so the cost is
// bounded by the number of items. No instance's mu is held.
func mayNest(ep, child *Epoll) bool {
	nestingCheck++
	below, ok := depthBelow(child, ep, 1)
	return ok && below+heightAbove(ep, 1) <= maxNesting
}

// depthBelow is the length of the longest chain of instances from ep downwards,
// itself included; false if target is in one, or it is too long.
func depthBelow(ep, target *Epoll, level int) (int, bool) {
	if ep == target || level > maxNesting {
		return 0, false
	}
	if ep.checked[0] == nestingCheck {
		return ep.checkedDown, true
	}
	ep.mu.Lock()
	var kids []*Epoll
	for _, it := range ep.items {
		if it.child != nil {
			kids = append(kids, it.child)
		}
	}
	ep.mu.Unlock()
	deepest := 0
	for _, k := range kids {
		n, ok := depthBelow(k, target, level+1)
		if !ok {
			return 0, false
		}
		deepest = max(deepest, n)
	}
	ep.checked[0], ep.checkedDown = nestingCheck, deepest+1
	return deepest + 1, true
}

// heightAbove is the length of the longest chain of instances from ep upwards,
// itself included.
func heightAbove(ep *Epoll, level int) int {
	if level > maxNesting {
		return level
	}
	if ep.checked[1] == nestingCheck {
		return ep.checkedUp
	}
	parentsMu.Lock()
	up := make([]*Epoll, len(ep.parents))
	for i, it := range ep.parents {
		up[i] = it.ep
	}
	parentsMu.Unlock()
	highest := 0
	for _, p := range up {
		highest = max(highest, heightAbove(p, level+1))
	}
	ep.checked[1], ep.checkedUp = nestingCheck, highest+1
	return highest + 1
}
