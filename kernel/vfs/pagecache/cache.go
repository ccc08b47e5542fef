package pagecache

import (
	"sync"

	"skerry/kernel/ground/frame"
	"skerry/kernel/vfs"
)

// Cache is the pages of one file. The zero value is empty.
type Cache struct {
	mu   sync.RWMutex
	tree tree

	Mappings
}

// Peek returns the frame of a page with a reference for the caller, or 0 if it is
// not there, or is just being read in. It takes the cache's lock shared, for a
// moment.
func (c *Cache) Peek(index uint64) frame.PFN {
	c.mu.RLock()
	s := c.tree.get(index)
	if s == nil {
		c.mu.RUnlock()
		return 0
	}
	w := s.Load()
	if w&busy != 0 {
		c.mu.RUnlock()
		return 0
	}
	p := pfnOf(w)
	p.Ref()
	if w&accessed == 0 {
		s.Or(accessed)
	}
	c.mu.RUnlock()
	return p
}

// Add puts frame p, whose reference passes to the cache, in place of a page that
// is not there. If it came in meanwhile, p is freed. The answer is the frame that
// is there now, with a reference for the caller. index < 2^51.
func (c *Cache) Add(index uint64, p frame.PFN) frame.PFN {
	c.mu.Lock()
	if s := c.tree.get(index); s != nil {
		q := pfnOf(s.Load())
		q.Ref()
		c.mu.Unlock()
		p.Unref()
		return q
	}
	c.tree.put(index, uint64(p)|accessed)
	p.Ref()
	c.mu.Unlock()
	return p
}

// Remove drops the pages [first, last], and answers how many there were. Whoever
// maps them is told by Unmap before. It lets others in between now and then.
func (c *Cache) Remove(first, last uint64) int {
	const batch = 64
	removed := 0
	for {
		var gone [batch]frame.PFN
		n := 0
		c.mu.Lock()
		for n < batch {
			i, s := c.tree.next(first)
			if s == nil || i > last {
				break
			}
			gone[n] = pfnOf(s.Load())
			n++
			c.tree.remove(i)
			first = i + 1
		}
		c.mu.Unlock()
		for _, p := range gone[:n] {
			p.Unref()
		}
		removed += n
		if n < batch {
			return removed
		}
	}
}

// Count is the number of pages.
func (c *Cache) Count() int {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.tree.n
}

// NextData is the first page at or after index that is there; ok is false if
// there is none.
func (c *Cache) NextData(index uint64) (next uint64, ok bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	i, s := c.tree.next(index)
	return i, s != nil
}

// NextHole is the first page at or after index that is not there.
func (c *Cache) NextHole(index uint64) uint64 {
	c.mu.RLock()
	defer c.mu.RUnlock()
	for c.tree.get(index) != nil {
		index++
	}
	return index
}

// Mappings is who maps a file. The zero value is nobody.
type Mappings struct {
	mapsMu sync.Mutex
	maps   map[vfs.Mapping]int
}

// AddMapping is vfs.Mapper's.
func (l *Mappings) AddMapping(m vfs.Mapping) {
	l.mapsMu.Lock()
	if l.maps == nil {
		l.maps = make(map[vfs.Mapping]int)
	}
	l.maps[m]++
	l.mapsMu.Unlock()
}

// RemoveMapping is vfs.Mapper's. Unmap may still be called on m for a moment.
func (l *Mappings) RemoveMapping(m vfs.Mapping) {
	l.mapsMu.Lock()
	if l.maps[m]--; l.maps[m] <= 0 {
		delete(l.maps, m)
	}
	l.mapsMu.Unlock()
}

// Mapped reports whether anyone maps the file.
func (l *Mappings) Mapped() bool {
	l.mapsMu.Lock()
	defer l.mapsMu.Unlock()
	return len(l.maps) != 0
}

// Unmap takes the pages [first, last] out of all mappings; even is as in
// vfs.Mapping.
func (l *Mappings) Unmap(first, last uint64, even bool) {
	l.mapsMu.Lock()
	if len(l.maps) == 0 {
		l.mapsMu.Unlock()
		return
	}
	all := make([]vfs.Mapping, 0, len(l.maps))
	for m := range l.maps {
		all = append(all, m)
	}
	l.mapsMu.Unlock()
	for _, m := range all {
		m.Unmap(first, last, even)
	}
}
