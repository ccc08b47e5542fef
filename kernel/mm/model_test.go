package mm

import (
	"fmt"
	"math/rand"

	"skerry/kernel/abi"
)

// The reference model: an address space of a few dozen pages, each with its own
// record, and the calls as simple loops over pages. The arena straddles a 2 MiB
// border and holds whole 2 MiB blocks, of which the pages [0, 24) around each
// border are used, so that tables come and go.

const (
	arenaBase  = uintptr(0x7f0000200000) - 24*pageSize
	arenaPages = 48
	arenaEnd   = arenaBase + arenaPages*pageSize
)

// store is what a shared page shows: a file or a shared object.
type backing struct {
	name   string
	words  map[uint64]uint64
	size   uint64
	base   uint64
	object bool
	exec   bool
	file   *fakeFile
}

func (b *backing) word(i uint64) uint64 {
	if w, ok := b.words[i]; ok {
		return w
	}
	if b.object {
		return 0
	}
	return b.base + i
}

type modelPage struct {
	mapped bool
	prot   uint8
	flags  uint32
	back   *backing
	index  uint64
	own    bool   // a private copy, or anonymous memory that was written
	value  uint64 // its first word
}

type model struct {
	pages [arenaPages]modelPage
	jit   int // budget in pages
}

// memory: private or shared anonymous.
func (p *modelPage) memory() bool { return p.back == nil || p.back.object }

// same reports whether two neighbouring pages belong to one vma.
func (p *modelPage) same(q *modelPage) bool {
	return p.mapped && q.mapped && p.prot == q.prot && p.flags == q.flags && p.back == q.back &&
		(p.back == nil || p.index+1 == q.index)
}

// run is the vma around page i.
func (m *model) run(i int) (lo, hi int) {
	lo, hi = i, i+1
	for lo > 0 && m.pages[lo-1].same(&m.pages[lo]) {
		lo--
	}
	for hi < arenaPages && m.pages[hi-1].same(&m.pages[hi]) {
		hi++
	}
	return lo, hi
}

func (m *model) any(lo, hi int, f func(*modelPage) bool) bool {
	for i := lo; i < hi; i++ {
		if f(&m.pages[i]) {
			return true
		}
	}
	return false
}

func isMapped(p *modelPage) bool { return p.mapped }
func isHole(p *modelPage) bool   { return !p.mapped }
func isSealed(p *modelPage) bool { return p.mapped && p.flags&vmSealed != 0 }

// marked counts the pages of a range that were ever executable memory.
func (m *model) marked(lo, hi int) (n int) {
	for i := lo; i < hi; i++ {
		if p := &m.pages[i]; p.mapped && p.flags&vmJIT != 0 {
			n++
		}
	}
	return n
}

// affords reports whether the budget has n more pages, when over are given back.
func (m *model) affords(n, over int) bool { return m.marked(0, arenaPages)+n-over <= m.jit }

// grant is the rule of SECURITY.md 2.1 in its own words.
func (p *modelPage) grant(prot uint8) abi.Errno {
	w, x := prot&protWrite != 0, prot&protExec != 0
	switch {
	case w && p.flags&vmMayWrite == 0, x && p.flags&vmMayExec == 0:
		return abi.EACCES
	case p.memory():
		if x {
			p.flags |= vmJIT
		}
		return abi.OK
	case w && x:
		return abi.EACCES
	case w:
		p.flags &^= vmMayExec
	case x:
		p.flags &^= vmMayWrite
	}
	return abi.OK
}

func (m *model) mmap(lo, hi int, prot uint8, shared bool, b *backing, index uint64, noReplace bool) abi.Errno {
	var p modelPage
	p.mapped, p.prot, p.back = true, prot, b
	p.flags = vmMayRead | vmMayWrite
	if shared {
		p.flags |= vmShared
	}
	switch {
	case p.memory() && m.jit > 0, !shared && !p.memory() && b.exec:
		p.flags |= vmMayExec
	case !p.memory() && b.exec:
		p.flags &^= vmMayWrite // the root is not written
	}
	if e := p.grant(prot); e != abi.OK {
		return e
	}
	if noReplace && m.any(lo, hi, isMapped) {
		return abi.EEXIST
	}
	if m.any(lo, hi, isSealed) {
		return abi.EPERM
	}
	if p.flags&vmJIT != 0 && !m.affords(hi-lo, m.marked(lo, hi)) {
		return abi.ENOMEM
	}
	for i := lo; i < hi; i++ {
		m.pages[i] = p
		m.pages[i].index = index + uint64(i-lo)
	}
	return abi.OK
}

func (m *model) munmap(lo, hi int) abi.Errno {
	if m.any(lo, hi, isSealed) {
		return abi.EPERM
	}
	for i := lo; i < hi; i++ {
		m.pages[i] = modelPage{}
	}
	return abi.OK
}

func (m *model) mprotect(lo, hi int, prot uint8) abi.Errno {
	for lo < hi {
		p := &m.pages[lo]
		if !p.mapped {
			return abi.ENOMEM
		}
		q := *p
		if e := q.grant(prot); e != abi.OK {
			return e
		}
		if p.flags&vmSealed != 0 {
			return abi.EPERM
		}
		// Mapping by mapping: one is changed whole or not at all.
		_, end := m.run(lo)
		end = min(end, hi)
		if q.flags&^p.flags&vmJIT != 0 && !m.affords(end-lo, 0) {
			return abi.ENOMEM
		}
		for ; lo < end; lo++ {
			m.pages[lo].prot, m.pages[lo].flags = prot, q.flags
		}
	}
	return abi.OK
}

func (m *model) reflag(lo, hi int, set, clear uint32, stop bool) abi.Errno {
	e := abi.OK
	for i := lo; i < hi; i++ {
		p := &m.pages[i]
		if !p.mapped {
			e = abi.ENOMEM
			if stop {
				return e
			}
			continue
		}
		p.flags = p.flags&^clear | set
	}
	return e
}

func (m *model) discard(lo, hi int, advice int) abi.Errno {
	e := abi.OK
	for i := lo; i < hi; i++ {
		p := &m.pages[i]
		switch {
		case !p.mapped:
			e = abi.ENOMEM
			continue
		case p.flags&vmSealed != 0 && p.flags&vmShared == 0 && p.prot&protWrite == 0:
			return abi.EPERM
		case p.flags&vmLocked != 0 && advice != madvDontNeedLocked, advice == madvFree && p.back != nil:
			return abi.EINVAL
		}
		p.own, p.value = false, 0
	}
	return e
}

// mremap moves [lo, hi) to place, which the kernel or the caller chose; the
// caller has checked the arguments.
func (m *model) mremap(lo, hi, to, n int, fixed bool) abi.Errno {
	if !m.pages[lo].mapped {
		return abi.EFAULT
	}
	if m.pages[lo].flags&vmSealed != 0 {
		return abi.EPERM
	}
	if hi == lo && m.pages[lo].flags&vmShared == 0 {
		return abi.EINVAL
	}
	grows := func(over int) bool {
		return hi-lo >= n || m.pages[lo].flags&vmJIT == 0 || m.affords(n-(hi-lo), over)
	}
	if fixed {
		if _, end := m.run(lo); min(hi, lo+n) > end {
			return abi.EFAULT
		}
		if !grows(m.marked(to, to+n)) {
			return abi.ENOMEM
		}
		if m.any(to, to+n, isSealed) {
			return abi.EPERM
		}
		m.munmap(to, to+n)
		if !m.pages[lo].mapped { // length 0: the target may hold the source
			return abi.EFAULT
		}
	}
	if hi-lo > n {
		if m.any(lo+n, hi, isSealed) {
			return abi.EPERM
		}
		m.munmap(lo+n, hi)
		hi = lo + n
	}
	if hi-lo == n && !fixed {
		return abi.OK
	}
	if _, end := m.run(lo); hi > end {
		return abi.EFAULT
	}
	if !grows(0) {
		return abi.ENOMEM
	}
	return abi.OK
}

// carry does the move once the target is known.
func (m *model) carry(lo, hi, to, n int) {
	first := m.pages[lo]
	moved := append([]modelPage(nil), m.pages[lo:hi]...)
	for i := lo; i < hi; i++ {
		m.pages[i] = modelPage{}
	}
	for i := 0; i < n; i++ {
		p := first
		p.index += uint64(i)
		p.own, p.value = false, 0
		if i < len(moved) {
			p.own, p.value = moved[i].own, moved[i].value
		}
		m.pages[to+i] = p
	}
}

// access is a load, store or instruction fetch.
func (m *model) access(i int, a Access, v uint64) (uint64, FaultResult) {
	p := &m.pages[i]
	switch {
	case !p.mapped:
		return 0, FaultMapErr
	case p.prot&needs[a] == 0:
		return 0, FaultAccErr
	}
	beyond := p.back != nil && p.index >= p.back.size
	if beyond && !p.own {
		return 0, FaultBusErr
	}
	if a == Write {
		if p.flags&vmShared != 0 && p.back != nil {
			p.back.words[p.index] = v
		} else {
			p.own, p.value = true, v
		}
		return v, FaultOK
	}
	if p.own {
		return p.value, FaultOK
	}
	if p.back != nil {
		return p.back.word(p.index), FaultOK
	}
	return 0, FaultOK
}

// truncate changes a file's size; copies beyond the end go too.
func (m *model) truncate(b *backing, size uint64) {
	for i := range m.pages {
		if p := &m.pages[i]; p.mapped && p.back == b && p.index >= size {
			p.own, p.value = false, 0
		}
	}
	for i := range b.words {
		if i >= size {
			delete(b.words, i)
		}
	}
	b.size = size
}

// runs lists the model's vmas as the kernel should.
func (m *model) runs() []string {
	var l []string
	for i := 0; i < arenaPages; {
		if !m.pages[i].mapped {
			i++
			continue
		}
		_, hi := m.run(i)
		p := &m.pages[i]
		name, off := "", uint64(0)
		if p.back != nil {
			name, off = p.back.name, p.index
		}
		l = append(l, line(i, hi, p.prot, p.flags, name, off))
		i = hi
	}
	return l
}

func line(lo, hi int, prot uint8, flags uint32, name string, off uint64) string {
	return fmt.Sprintf("%d-%d prot %d flags %#x %s+%d", lo, hi, prot, flags, name, off)
}

// kernelRuns is the same list from the space.
func kernelRuns(s *Space, names map[*object]string) []string {
	var l []string
	s.mu.RLock()
	defer s.mu.RUnlock()
	s.set.each(arenaBase, func(v *vma) bool {
		if v.start >= arenaEnd {
			return false
		}
		name, off := v.name, uint64(0)
		if v.obj != nil {
			name = names[v.obj]
		}
		if v.backed() {
			off = v.pgoff
		}
		page := func(a uintptr) int { return int(a-arenaBase) >> pageShift }
		l = append(l, line(page(v.start), page(v.end), v.prot, v.flags, name, off))
		return true
	})
	return l
}

// source gives the driver its decisions: seeded random numbers or fuzz input.
type source interface{ Intn(n int) int }

var _ source = (*rand.Rand)(nil)
