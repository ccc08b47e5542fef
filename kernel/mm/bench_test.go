package mm

import (
	"testing"

	"skerry/kernel/abi"
	"skerry/kernel/ground/frame"
)

// nullTLB is a machine with one CPU and nothing cached.
type nullTLB struct{}

func (nullTLB) Flush(start, end uintptr) {}

func benchSpace(b *testing.B, frames int) *Space {
	frame.InitHost(frames)
	checkTables = false
	return New(Options{Root: frame.AllocZero(frame.KindKernel), TLB: nullTLB{}})
}

func benchMap(b *testing.B, s *Space, n uintptr) uintptr {
	a, e := s.Mmap(&Request{Len: n, Prot: rw, Flags: mapPrivate | mapAnonymous})
	if e != abi.OK {
		b.Fatal(e)
	}
	return a
}

// BenchmarkAnonFault is a first write to a page, zeroing included.
func BenchmarkAnonFault(b *testing.B) {
	const pages = 8192
	s := benchSpace(b, 2*pages)
	a := benchMap(b, s, pages*pageSize)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if i == pages {
			b.StopTimer()
			s.Madvise(a, pages*pageSize, madvDontNeed)
			i = 0
			b.StartTimer()
		}
		if s.Fault(a+uintptr(i)*pageSize, Write) != FaultOK {
			b.Fatal("fault")
		}
	}
}

// BenchmarkFileFault is a read of a page that the file has in memory, with its
// 15 neighbours.
func BenchmarkFileFault(b *testing.B) {
	const pages = 4096
	s := benchSpace(b, 3*pages)
	f := newFile("f", 0, pages)
	for i := uint64(0); i < pages; i++ {
		p, _ := f.Page(i, false)
		p.Unref()
	}
	a, e := s.Mmap(&Request{Len: pages * pageSize, Prot: protRead, Flags: mapPrivate, File: peekFile{f}, Readable: true})
	if e != abi.OK {
		b.Fatal(e)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i += aroundPages {
		if i == pages {
			b.StopTimer()
			s.Madvise(a, pages*pageSize, madvDontNeed)
			i = 0
			b.StartTimer()
		}
		if s.Fault(a+uintptr(i)*pageSize, Read) != FaultOK {
			b.Fatal("fault")
		}
	}
}

// BenchmarkMapTouchUnmap is mmap, 16 faults and munmap of 64 KiB.
func BenchmarkMapTouchUnmap(b *testing.B) {
	s := benchSpace(b, 4096)
	for i := uintptr(0); i < 20; i++ { // some neighbours, as a program has
		s.Mmap(&Request{Addr: 1<<40 + i<<22, Len: pageSize << (i % 3), Prot: rw, Flags: mapPrivate | mapAnonymous | mapFixed})
	}
	b.ReportAllocs()
	for b.Loop() {
		a := benchMap(b, s, 16*pageSize)
		for i := uintptr(0); i < 16; i++ {
			s.Fault(a+i*pageSize, Write)
		}
		if s.Munmap(a, 16*pageSize) != abi.OK {
			b.Fatal("munmap")
		}
	}
}

// BenchmarkManyVMAs is mmap and munmap of a page beside 60,000 mappings.
func BenchmarkManyVMAs(b *testing.B) {
	s := benchSpace(b, 4096)
	for i := uintptr(0); i < 60000; i++ {
		s.Mmap(&Request{Addr: Highest - (i+1)*2*pageSize, Len: pageSize, Prot: protRead, Flags: mapPrivate | mapAnonymous | mapFixed})
	}
	b.ReportAllocs()
	for b.Loop() {
		a := benchMap(b, s, 4*pageSize)
		if s.Munmap(a, 4*pageSize) != abi.OK {
			b.Fatal("munmap")
		}
	}
}

// BenchmarkSparseUnmap is munmap of 100 TiB with one page in each TiB.
func BenchmarkSparseUnmap(b *testing.B) {
	s := benchSpace(b, 4096)
	for b.Loop() {
		b.StopTimer()
		a, _ := s.Mmap(&Request{Len: 100 << 40, Prot: rw, Flags: mapPrivate | mapAnonymous | mapNoReserve})
		for i := uintptr(0); i < 100; i++ {
			s.Fault(a+i<<40, Write)
		}
		b.StartTimer()
		if s.Munmap(a, 100<<40) != abi.OK {
			b.Fatal("munmap")
		}
	}
}

// TestHotPathsAllocateNothing holds the rule for faults and the calls beside
// them.
func TestHotPathsAllocateNothing(t *testing.T) {
	m := newMachine(t, 4000, 1, Options{Huge: true})
	f := newFile("f", 0, 64)
	for i := uint64(0); i < 64; i++ {
		p, _ := f.Page(i, false)
		p.Unref()
	}
	anon := m.anon(1<<40+pageSize, 64*pageSize, rw)
	file := m.file(2<<40, 64*pageSize, rw, mapPrivate, peekFile{f}, 0)
	shared := m.file(3<<40, 64*pageSize, rw, mapShared, peekFile{f}, 0)
	n := testing.AllocsPerRun(20, func() {
		for i := uintptr(0); i < 64; i++ {
			m.Fault(anon+i*pageSize, Access(i&1))
			m.Fault(anon+i*pageSize, Write)
			m.Fault(file+i*pageSize, Read)
			m.Fault(file+i*pageSize, Write)
			m.Fault(shared+i*pageSize, Read)
			m.Fault(shared+i*pageSize, Write)
		}
		m.Madvise(anon, 64*pageSize, madvDontNeed)
		m.Madvise(file, 64*pageSize, madvDontNeed)
		m.Madvise(shared, 64*pageSize, madvDontNeed)
		m.Mprotect(anon, 64*pageSize, protRead)
		m.Mprotect(anon, 64*pageSize, rw)
	})
	if n != 0 {
		t.Errorf("%v allocations a round", n)
	}
	f.drop2(t, m)
	m.close()
}
