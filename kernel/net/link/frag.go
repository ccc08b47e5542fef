package link

import (
	"sync"

	"skerry/kernel/wait"
)

// Bounds of reassembly, per link. The stack reassembles, within 4 MiB and 30
// (IPv4) or 60 (IPv6) seconds; what it lacks is a share for each source, so that
// one sender of unfinished datagrams cannot push out everybody else's. The table
// here follows the datagrams that are under way and refuses to begin another
// for a source that has its share of unfinished ones.
const (
	maxFragmented = 128           // datagrams under way
	maxPerSource  = 16            // of one source
	fragLifetime  = 5_000_000_000 // ns after which an unfinished one no longer counts
)

// datagram is one that is under way.
type datagram struct {
	src   [16]byte
	id    uint32
	got   uint32 // bytes so far
	total uint32 // bytes in all, once the last fragment was seen
	began int64
	used  bool
}

// fragments is the table. It is used by the driver's goroutine; the lock is for
// tests that look.
type fragments struct {
	mu    sync.Mutex
	table [maxFragmented]datagram
}

// admit notes a fragment of length bytes at offset, and reports whether it may
// go up.
func (t *fragments) admit(src *[16]byte, id, offset, length uint32, more bool) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := wait.Now()
	free, same := -1, 0
	for i := range t.table {
		d := &t.table[i]
		if d.used && now-d.began > fragLifetime {
			d.used = false
		}
		switch {
		case !d.used:
			free = i
		case d.src == *src:
			if d.id == id {
				d.add(offset, length, more)
				return true
			}
			same++
		}
	}
	if free < 0 || same >= maxPerSource {
		return false
	}
	d := &t.table[free]
	*d = datagram{src: *src, id: id, began: now, used: true}
	d.add(offset, length, more)
	return true
}

// add counts a fragment; a datagram whose bytes are all there leaves the table.
// Duplicates make it leave early, which costs nothing but its slot.
func (d *datagram) add(offset, length uint32, more bool) {
	d.got += length
	if !more {
		d.total = offset + length
	}
	if d.total != 0 && d.got >= d.total {
		d.used = false
	}
}
