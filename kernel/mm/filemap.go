package mm

import (
	"sync/atomic"

	"skerry/kernel/ground/frame"
	"skerry/kernel/vfs"
)

// Peeker is a Mapper that can say, without I/O and without waiting for any,
// what it has in memory. A Mapper without it gets no fault-around.
type Peeker interface {
	// Peek returns the frame that caches page index, with a reference taken for
	// the caller, or 0 if it is not there, is being read, or lies beyond the end
	// of the file. It is called with the address space locked: it may take the
	// file's own short locks and nothing else.
	Peek(index uint64) frame.PFN
}

// onDevice is a Mapper that may say that what it does not have in memory is read from a
// device, which makes a fault a major one (getrusage(2)).
type onDevice interface{ OnDevice() bool }

// fileMap is all mappings of one Mapper, as the file sees them: one
// vfs.Mapping, however often the vmas are split, joined and moved.
type fileMap struct {
	space  *Space
	mapper vfs.Mapper
	peek   Peeker // mapper, if it is one
	device bool   // its pages come from a device

	// useq counts the calls of Unmap. A frame that a fault fetched before one is
	// not installed after it.
	useq atomic.Uint64

	// vmas may have entries in the page tables; under Space.rmu.
	vmas []*vma

	// refs counts the vmas that name this; under Space.mu held for writing.
	refs int
}

// mapOf is the fileMap of a Mapper, whose dynamic type must be comparable, with
// a reference for the caller. The caller holds mu for writing.
func (s *Space) mapOf(f vfs.Mapper) *fileMap {
	m := s.files[f]
	if m == nil {
		m = &fileMap{space: s, mapper: f}
		m.peek, _ = f.(Peeker)
		if d, ok := f.(onDevice); ok {
			m.device = d.OnDevice()
		}
		if s.files == nil {
			s.files = make(map[vfs.Mapper]*fileMap)
		}
		s.files[f] = m
		f.AddMapping(m)
	}
	m.refs++
	return m
}

// unref drops one vma's hold. After the last one the file is told as soon as mu
// is let go (see unlock). The caller holds mu for writing.
func (m *fileMap) unref() {
	if m.refs--; m.refs == 0 {
		delete(m.space.files, m.mapper)
		m.space.dropped = append(m.space.dropped, m)
	}
}

// link lets Unmap see a vma. The caller holds rmu for writing.
func (m *fileMap) link(v *vma) {
	v.at = len(m.vmas)
	m.vmas = append(m.vmas, v)
}

// unlink takes a vma out of Unmap's sight; its entries are gone, or another
// vma's. The caller holds rmu for writing.
func (m *fileMap) unlink(v *vma) {
	last := len(m.vmas) - 1
	w := m.vmas[last]
	m.vmas[v.at], w.at = w, v.at
	m.vmas[last] = nil
	m.vmas = m.vmas[:last]
}

// unlock lets mu go and does what had to wait for that: it frees objects and
// tells files that nobody maps any more, which may free them.
func (s *Space) unlock() {
	files, objects := s.dropped, s.freed
	s.dropped, s.freed = nil, nil
	s.mu.Unlock()
	for _, o := range objects {
		o.free()
	}
	for _, m := range files {
		m.mapper.RemoveMapping(m)
	}
}
