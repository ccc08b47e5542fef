package mm

import (
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"skerry/kernel/abi"
	"skerry/kernel/ground/arch"
	"skerry/kernel/ground/frame"
	"skerry/kernel/vfs"
)

// The software machine of the tests: CPUs that translate through the page
// tables as the processor does, cache translations and tables until they are
// flushed, set accessed and dirty bits, and fault. A flush returns when every
// CPU has dropped the range, and no CPU is in the middle of an access then.

type cpu struct {
	m   *machine
	mu  sync.Mutex
	tlb map[uintptr]uint64  // page → leaf entry, as a 4 KiB one
	pdc map[uintptr]uintptr // 2 MiB region → table (a paging-structure cache)
}

type machine struct {
	*Space
	t       testing.TB
	size    int // frames
	root    frame.PFN
	cpus    []*cpu
	flushes atomic.Int64
	before  frame.Stats
	denials atomic.Int64
	jumps   atomic.Int64
	last    atomic.Pointer[Denial]
	onFlush func(start, end uintptr) // at the start of every flush
}

// newMachine makes a machine with frames of memory and an empty space.
func newMachine(t testing.TB, frames, cpus int, o Options) *machine {
	frame.InitHost(frames)
	poison()
	checkTables = true
	m := &machine{t: t, size: frames, before: frame.Read()}
	for i := 0; i < cpus; i++ {
		m.cpus = append(m.cpus, &cpu{m: m, tlb: map[uintptr]uint64{}, pdc: map[uintptr]uintptr{}})
	}
	m.root = frame.AllocZero(frame.KindKernel)
	o.Root, o.TLB = m.root, m
	o.Audit = func(d Denial) {
		if d.Call == CallJump {
			m.jumps.Add(1)
		} else {
			m.denials.Add(1)
		}
		m.last.Store(&d)
	}
	m.Space = New(o)
	return m
}

// poison fills all free memory, so that nothing is zero by chance.
func poison() {
	var all []frame.PFN
	for order := uint8(frame.MaxOrder); ; {
		p := frame.AllocOrder(frame.KindUser, order)
		if p == 0 {
			if order == 0 {
				break
			}
			order--
			continue
		}
		for i, b := 0, p.Bytes(); i < len(b); i += pageSize {
			b[i] = 0xa5 // a page's first word is what tests look at
		}
		all = append(all, p)
	}
	for _, p := range all {
		p.Unref()
	}
}

// close tears the space down and checks that every frame came back.
func (m *machine) close() {
	m.t.Helper()
	m.Space.Destroy()
	for i := uintptr(0); i < entries/2; i++ {
		if e := entry(m.root.Addr(), i<<pml4Shift, pml4Shift).Load(); e != 0 {
			m.t.Errorf("PML4 entry %d is %#x after the end", i, e)
		}
	}
	m.root.Unref()
	if now := frame.Read(); now != m.before {
		m.t.Errorf("frames after the end: %+v, before: %+v", now, m.before)
	}
	// InitHost mapped this and makes a new one for the next test.
	if err := syscall.Munmap(arch.Bytes(frame.PFN(0).Addr(), uintptr(m.size)*pageSize)); err != nil {
		m.t.Error(err)
	}
	if st := m.Stats(); st.VM|st.Data|st.Stack|st.Exec|st.Locked|st.Tables != 0 || st.Mappings != 0 {
		m.t.Errorf("sums after the end: %+v", st)
	}
}

// Flush implements TLB.
func (m *machine) Flush(start, end uintptr) {
	m.flushes.Add(1)
	if m.onFlush != nil {
		m.onFlush(start, end)
	}
	for _, c := range m.cpus {
		c.mu.Lock()
		for p, e := range c.tlb {
			// What a CPU can still reach must not have been freed yet.
			if p >= start && p < end && !live(pfnOf(e)) {
				m.t.Errorf("frame %d at %#x is free before the flush", pfnOf(e), p)
			}
		}
		if (end-start)>>pageShift > uintptr(len(c.tlb)) {
			for p := range c.tlb {
				if p >= start && p < end {
					delete(c.tlb, p)
				}
			}
		} else {
			for p := start; p < end; p += pageSize {
				delete(c.tlb, p)
			}
		}
		clear(c.pdc)
		c.mu.Unlock()
	}
}

func allows(e uint64, a Access) bool {
	return e&(pteP|pteU) == pteP|pteU && (a != Write || e&pteW != 0) && (a != Exec || e&pteNX == 0)
}

// translate is the page walk; c.mu is held. A present entry that forbids the
// access is not cached.
func (c *cpu) translate(addr uintptr, a Access) (uint64, bool) {
	pt, ok := c.pdc[addr>>hugeShift]
	if !ok {
		table := c.m.root.Addr()
		for shift := uint(pml4Shift); ; shift -= 9 {
			p := entry(table, addr, shift)
			e := p.Load()
			if e&pteP == 0 {
				return 0, false
			}
			if shift == hugeShift {
				if isHuge(e) {
					if e, ok = mark(p, a); !ok {
						return 0, false
					}
					return e&^(pteMem|ptePS) | uint64(pfnOf(e)+frame.PFN(addr&hugeMask>>pageShift))<<pageShift, true
				}
				pt = tableOf(e)
				c.pdc[addr>>hugeShift] = pt
				break
			}
			table = tableOf(e)
		}
	}
	return mark(entry(pt, addr, pageShift), a)
}

// mark sets the accessed and dirty bits of an entry that allows the access.
func mark(p *slot, a Access) (uint64, bool) {
	for {
		old := p.Load()
		if !allows(old, a) {
			return 0, false
		}
		e := old | pteA
		if a == Write {
			e |= pteD
		}
		if e == old || p.CompareAndSwap(old, e) {
			return e, true
		}
	}
}

// access runs f on the word at addr, as one instruction of the program would,
// taking faults as they come.
func (c *cpu) access(addr uintptr, a Access, f func(*atomic.Uint64)) FaultResult {
	for n := 0; n < 1000000; n++ {
		if c.try(addr, a, f) {
			return FaultOK
		}
		if r := c.m.Fault(addr, a); r != FaultOK {
			return r
		}
	}
	c.m.t.Errorf("%#x: faults for ever", addr)
	return FaultMapErr
}

// try is the instruction without the fault handler; false is a fault, which
// drops what this CPU had cached of the page (SDM vol. 3, 4.10.4.1).
func (c *cpu) try(addr uintptr, a Access, f func(*atomic.Uint64)) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	page := addr &^ pageMask
	e, ok := c.tlb[page]
	if ok && (!allows(e, a) || a == Write && e&pteD == 0) {
		delete(c.tlb, page)
		delete(c.pdc, addr>>hugeShift)
		ok = false
	}
	if !ok {
		if e, ok = c.translate(addr, a); !ok {
			delete(c.pdc, addr>>hugeShift)
			return false
		}
		c.tlb[page] = e
	}
	p := pfnOf(e)
	if !live(p) {
		c.m.t.Errorf("%#x reaches frame %d, which is free", addr, p)
	}
	if a == Write && p == c.m.zero {
		c.m.t.Errorf("%#x: the page of zeroes is writable", addr)
	}
	if f != nil {
		f((*atomic.Uint64)(arch.Ptr(p.Addr() + addr&pageMask&^7)))
	}
	return true
}

// live reports whether a frame is in use, by itself or within a large page.
func live(p frame.PFN) bool {
	if p.Refs() > 0 {
		return p.Kind() > frame.KindFree
	}
	head := p &^ (entries - 1)
	return head.Refs() > 0 && head.Order() == frame.HugeOrder
}

func (c *cpu) load(addr uintptr) (v uint64, r FaultResult) {
	r = c.access(addr, Read, func(w *atomic.Uint64) { v = w.Load() })
	return
}

func (c *cpu) store(addr uintptr, v uint64) FaultResult {
	return c.access(addr, Write, func(w *atomic.Uint64) { w.Store(v) })
}

func (c *cpu) exec(addr uintptr) (v uint64, r FaultResult) {
	r = c.access(addr, Exec, func(w *atomic.Uint64) { v = w.Load() })
	return
}

// fakeFile is a page cache of one file: index i holds the word base+i until
// someone writes it.
type fakeFile struct {
	vfs.BaseFile
	name         string
	base         uint64
	exec, shared bool
	noPeek       bool
	kind         frame.Kind
	size         atomic.Uint64 // pages

	mu     sync.Mutex
	pages  map[uint64]frame.PFN
	maps   map[vfs.Mapping]int
	reads  atomic.Int64
	fail   atomic.Int64 // Page answers this errno
	after  func()       // runs at the end of Page, nothing locked
	peeked func()       // the same for Peek, with the space locked for reading
}

func newFile(name string, base, pages uint64) *fakeFile {
	f := &fakeFile{name: name, base: base, kind: frame.KindCache, shared: true,
		pages: map[uint64]frame.PFN{}, maps: map[vfs.Mapping]int{}}
	f.size.Store(pages)
	return f
}

func (f *fakeFile) Stat(*abi.Stat) abi.Errno { return abi.OK }
func (f *fakeFile) Executable() bool         { return f.exec }
func (f *fakeFile) MayWriteShared() bool     { return f.shared }

func (f *fakeFile) AddMapping(m vfs.Mapping) {
	f.mu.Lock()
	f.maps[m]++
	f.mu.Unlock()
}

func (f *fakeFile) RemoveMapping(m vfs.Mapping) {
	f.mu.Lock()
	if f.maps[m]--; f.maps[m] < 0 {
		panic("mapping removed twice")
	} else if f.maps[m] == 0 {
		delete(f.maps, m)
	}
	f.mu.Unlock()
}

func (f *fakeFile) Page(index uint64, write bool) (frame.PFN, abi.Errno) {
	p, e := f.page(index)
	if f.after != nil {
		f.after()
	}
	return p, e
}

func (f *fakeFile) page(index uint64) (frame.PFN, abi.Errno) {
	if e := f.fail.Load(); e != 0 {
		return 0, abi.Errno(e)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if index >= f.size.Load() {
		return 0, abi.ENXIO
	}
	p := f.pages[index]
	if p == 0 {
		if p = frame.AllocZero(f.kind); p == 0 {
			return 0, abi.ENOMEM
		}
		word(p).Store(f.base + index)
		f.pages[index] = p
		f.reads.Add(1)
	}
	p.Ref()
	return p, abi.OK
}

// peekFile is a fakeFile with Peek.
type peekFile struct{ *fakeFile }

func (f peekFile) Peek(index uint64) frame.PFN {
	f.mu.Lock()
	p := f.pages[index]
	if index >= f.size.Load() {
		p = 0
	}
	if p != 0 {
		p.Ref()
	}
	f.mu.Unlock()
	if f.peeked != nil {
		f.peeked()
	}
	return p
}

func word(p frame.PFN) *atomic.Uint64 { return (*atomic.Uint64)(arch.Ptr(p.Addr())) }

// mappings copies the list, as a real page cache may.
func (f *fakeFile) mappings() []vfs.Mapping {
	f.mu.Lock()
	defer f.mu.Unlock()
	var l []vfs.Mapping
	for m := range f.maps {
		l = append(l, m)
	}
	return l
}

// truncate cuts the file to n pages, or grows it; cut pages come back fresh.
func (f *fakeFile) truncate(n uint64) {
	f.mu.Lock()
	f.size.Store(n)
	var gone []frame.PFN
	for i, p := range f.pages {
		if i >= n {
			delete(f.pages, i)
			gone = append(gone, p)
		}
	}
	// With the lock held, which is allowed.
	for m := range f.maps {
		m.Unmap(n, 1<<52-1, true)
	}
	f.mu.Unlock()
	for _, p := range gone {
		p.Unref()
	}
}

// evict drops one page from the cache, as reclaim does.
func (f *fakeFile) evict(index uint64) {
	f.mu.Lock()
	p := f.pages[index]
	delete(f.pages, index)
	f.mu.Unlock()
	for _, m := range f.mappings() {
		m.Unmap(index, index, false)
	}
	if p != 0 {
		p.Unref()
	}
}

// drop empties the cache; nothing maps the file any more.
func (f *fakeFile) drop(t testing.TB) {
	if len(f.maps) != 0 {
		t.Errorf("%s: %d mappings are left", f.name, len(f.maps))
	}
	for i, p := range f.pages {
		if p.Refs() != 1 {
			t.Errorf("%s: page %d has %d references at the end", f.name, i, p.Refs())
		}
		p.Unref()
	}
	f.pages = map[uint64]frame.PFN{}
}

// must stops the test on an errno.
func must(t testing.TB, what string, e abi.Errno) {
	t.Helper()
	if e != abi.OK {
		t.Fatalf("%s: %v", what, e)
	}
}

// anon maps n bytes of private anonymous memory, at addr if it is not 0.
func (m *machine) anon(addr, n uintptr, prot uint32) uintptr {
	m.t.Helper()
	r := Request{Addr: addr, Len: n, Prot: prot, Flags: mapPrivate | mapAnonymous}
	if addr != 0 {
		r.Flags |= mapFixed
	}
	a, e := m.Mmap(&r)
	must(m.t, fmt.Sprintf("mmap(%#x, %#x)", addr, n), e)
	return a
}

// file maps n bytes of a file.
func (m *machine) file(addr, n uintptr, prot, flags uint32, f vfs.Mapper, off uint64) uintptr {
	m.t.Helper()
	r := Request{Addr: addr, Len: n, Prot: prot, Flags: flags, File: f, Offset: off, Readable: true, Writable: true}
	if addr != 0 {
		r.Flags |= mapFixed
	}
	a, e := m.Mmap(&r)
	must(m.t, "mmap of a file", e)
	return a
}
