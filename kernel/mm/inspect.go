package mm

import "skerry/kernel/vfs"

// Info describes one mapping, for /proc/self/maps, cores and reports.
type Info struct {
	Start, End          uintptr
	Read, Write, Exec   bool // what it allows now
	MayWrite, MayExec   bool // what it could ever allow
	Shared              bool
	Stack, Heap         bool
	GrowsDown           bool
	Locked, Sealed      bool
	NoDump, NoReserve   bool
	HugeAdvised, NoHuge bool
	Random, Sequential  bool
	Anonymous           bool // private memory without a file
	Special             bool // kernel pages: the vDSO
	// Offset in bytes and File, if the mapping has one, and the path that it
	// was mapped by (or a name such as "[heap]").
	Offset uint64
	File   vfs.Mapper
	Name   string
	// Object is a number of its own for each shared anonymous object, which
	// with Offset names its pages; 0 for other mappings.
	Object uint64
}

func (v *vma) describe() Info {
	f := v.flags
	m := Info{
		Start: v.start, End: v.end,
		Read: v.prot&protRead != 0, Write: v.prot&protWrite != 0, Exec: v.prot&protExec != 0,
		MayWrite: f&vmMayWrite != 0, MayExec: f&vmMayExec != 0,
		Shared: f&vmShared != 0, Stack: f&vmStack != 0, Heap: f&vmHeap != 0, GrowsDown: f&vmGrowsDown != 0,
		Locked: f&vmLocked != 0, Sealed: f&vmSealed != 0, NoDump: f&vmNoDump != 0,
		NoReserve: f&vmNoReserve != 0, HugeAdvised: f&vmHuge != 0, NoHuge: f&vmNoHuge != 0,
		Random: f&vmRandom != 0, Sequential: f&vmSeq != 0,
		Anonymous: v.anonymous(), Special: f&vmSpecial != 0,
		Name: v.name,
	}
	if v.file != nil {
		m.File = v.file.mapper
	}
	if v.obj != nil {
		m.Object = v.obj.id
	}
	if v.file != nil || v.obj != nil {
		m.Offset = v.pgoff << pageShift
	}
	return m
}

// Next returns the first mapping that ends above addr. Calling it again with
// the End of the last one walks the whole space without keeping it locked.
func (s *Space) Next(addr uintptr) (m Info, ok bool) {
	s.mu.RLock()
	v := s.set.find(addr)
	for v != nil && v.flags&vmDying != 0 {
		v = s.set.find(v.end)
	}
	if v != nil {
		m, ok = v.describe(), true
	}
	s.mu.RUnlock()
	return m, ok
}

// Find returns the mapping that holds addr.
func (s *Space) Find(addr uintptr) (Info, bool) {
	m, ok := s.Next(addr)
	return m, ok && m.Start <= addr
}

// ImageCode reports whether addr lies in memory that is executable and has a file
// of the image or the kernel's own pages (the vDSO) behind it.
func (s *Space) ImageCode(addr uintptr) bool {
	s.mu.RLock()
	v := s.lookup(addr)
	ok := v != nil && v.prot&protExec != 0 && !v.memory()
	s.mu.RUnlock()
	return ok
}

// Usage is what a range has in memory, in bytes, as /proc/self/smaps counts.
type Usage struct {
	Rss                 uint64
	Anonymous           uint64 // private copies and anonymous memory
	Huge                uint64 // of that, in 2 MiB pages
	Shared              uint64 // frames with more than one holder, or a file's
	PrivateDirty, Dirty uint64
	Referenced          uint64
}

// add sums up.
func (u *Usage) add(o *Usage) {
	u.Rss += o.Rss
	u.Anonymous += o.Anonymous
	u.Huge += o.Huge
	u.Shared += o.Shared
	u.PrivateDirty += o.PrivateDirty
	u.Dirty += o.Dirty
	u.Referenced += o.Referenced
}

// Usage walks the page tables of [addr, end). It locks in small steps, so the
// sums of a large range are not of one moment.
func (s *Space) Usage(addr, end uintptr) Usage {
	var sum Usage
	for addr < end {
		s.mu.RLock()
		v := s.set.find(addr)
		if v == nil || v.start >= end {
			s.mu.RUnlock()
			break
		}
		addr = max(addr, v.start)
		to := min(end, v.end)
		if v.flags&vmDying != 0 {
			addr = to
		} else {
			var u Usage
			addr = s.usageSome(&u, addr, to)
			sum.add(&u)
		}
		s.mu.RUnlock()
	}
	return sum
}

// MaxRSS is the most that was ever resident, in bytes; u is what is now. It is not kept
// for the pages of files, of which what is there now counts.
func (s *Space) MaxRSS(u *Usage) uint64 {
	s.notePeak()
	return max(u.Rss, uint64(s.anonPeak.Load())<<pageShift+u.Rss-u.Anonymous)
}

// usageSome looks at one table's worth of entries.
func (s *Space) usageSome(u *Usage, addr, end uintptr) uintptr {
	d, next := s.tree.pde(addr)
	if d == nil {
		return min(end, next)
	}
	e := settled(d)
	next = min(end, nextSpan(addr, hugeShift))
	switch {
	case isHuge(e):
		u.entry(e, uint64(next-addr))
		u.Huge += uint64(next - addr)
	case isTable(e):
		for a := addr; a < next; a += pageSize {
			e := settled(entry(tableOf(e), a, pageShift))
			if mapped(e) && pfnOf(e) != s.zero {
				u.entry(e, pageSize)
			}
		}
	}
	return next
}

func (u *Usage) entry(e, bytes uint64) {
	u.Rss += bytes
	if e&ptePriv != 0 {
		u.Anonymous += bytes
	} else {
		u.Shared += bytes
	}
	if e&pteA != 0 {
		u.Referenced += bytes
	}
	if e&pteD != 0 {
		u.Dirty += bytes
		if e&ptePriv != 0 {
			u.PrivateDirty += bytes
		}
	}
}

// Stats are the sums of a Space; sizes in bytes.
type Stats struct {
	VM, Peak, Data, Stack, Exec, Locked, Tables uint64
	JIT                                         uint64 // may become executable: out of the budget
	Mappings                                    int
	Brk                                         uintptr

	// Events since the start.
	Anon     uint64 // faults that took a zeroed frame
	Zero     uint64 // reads of untouched memory
	File     uint64 // pages of files and shared memory mapped
	Around   uint64 // of files, mapped along with another
	Copied   uint64 // copies on write
	Upgraded uint64 // pages made writable in place
	Huge     uint64 // 2 MiB pages made
	Splits   uint64 // and split
	Major    uint64 // faults for which a page was read from a device
	Retried  uint64 // attempts that found something changed
	Reclaims uint64 // times that memory ran out
	Unmaps   uint64 // calls of Unmap by files
}

// Faults are the faults that something was done for, as getrusage(2) counts them: major
// ones had to read from a device.
func (s Stats) Faults() (minor, major uint64) {
	all := s.Anon + s.Zero + s.File + s.Copied + s.Upgraded + s.Huge
	return all - min(s.Major, all), s.Major
}

// Stats reads the sums; each is exact, but they are not of one moment.
func (s *Space) Stats() Stats {
	s.mu.RLock()
	n, brk := s.set.n, s.brkEnd
	s.mu.RUnlock()
	c := &s.stats
	return Stats{
		VM: s.total.Load() << pageShift, Peak: s.peak.Load() << pageShift,
		Data: s.data.Load() << pageShift, Stack: s.stack.Load() << pageShift,
		Exec: s.exec.Load() << pageShift, Locked: s.locked.Load() << pageShift,
		Tables:   uint64(s.tree.tables.Load()) << pageShift,
		JIT:      s.jit.Load() << pageShift,
		Mappings: n, Brk: brk,
		Anon: c.anon.Load(), Zero: c.zeroed.Load(), File: c.file.Load(), Around: c.around.Load(),
		Copied: c.copied.Load(), Upgraded: c.upgraded.Load(), Huge: c.huge.Load(), Splits: c.splits.Load(),
		Major: c.major.Load(), Retried: c.retried.Load(), Reclaims: c.reclaims.Load(), Unmaps: c.unmaps.Load(),
	}
}
