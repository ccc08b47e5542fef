// Package mmspace joins loader and mm: it lets loader read a program through the
// page cache, makes a plan's mappings in an mm.Space, and puts vDSO and stack
// beside them.
//
// It holds no state and no lock. It must be called without locks, since mapping
// and reading may wait for the root's device. It imports abi, loader, mm, vfs,
// vdso, usermem and ground/frame.
package mmspace

import (
	"skerry/kernel/abi"
	"skerry/kernel/ground/frame"
	"skerry/kernel/loader"
	"skerry/kernel/mm"
	"skerry/kernel/usermem"
	"skerry/kernel/vdso"
	"skerry/kernel/vfs"
)

// File is a file of the root as loader reads and maps it.
type File struct {
	mapper vfs.Mapper
	// name is its path, for /proc/self/maps.
	name string
	size int64
}

// NewFile makes a File of a regular file that is open for reading. EACCES for
// anything else, as execve(2).
func NewFile(m vfs.Mapper, name string) (*File, abi.Errno) {
	var st abi.Stat
	if e := m.Stat(&st); e != abi.OK {
		return nil, e
	}
	if st.Mode&abi.S_IFMT != abi.S_IFREG {
		return nil, abi.EACCES
	}
	return &File{m, name, st.Size}, abi.OK
}

// Size implements loader.File.
func (f *File) Size() int64 { return f.size }

// ReadAt implements loader.File with the frames of the page cache.
func (f *File) ReadAt(b []byte, off int64) (int, abi.Errno) {
	if off < 0 {
		return 0, abi.EINVAL
	}
	if off >= f.size {
		return 0, abi.OK
	}
	b = b[:min(int64(len(b)), f.size-off)]
	for n := 0; n < len(b); {
		at := off + int64(n)
		p, e := f.mapper.Page(uint64(at)>>frame.Shift, false)
		if e != abi.OK {
			return n, e
		}
		n += copy(b[n:], p.Bytes()[at&(frame.Size-1):])
		p.Unref()
	}
	return len(b), abi.OK
}

// Space is an address space that implements loader.AddressSpace.
type Space struct{ *mm.Space }

// Flags of mmap(2), asm-generic/mman-common.h.
const fixedPrivate, anonymous, noReserve = 0x100000 | 0x02, 0x20, 0x4000

// MapFile implements loader.AddressSpace; f is a *File.
func (s Space) MapFile(f loader.File, addr, n uintptr, prot uint32, off uint64) abi.Errno {
	file, ok := f.(*File)
	if !ok {
		return abi.EINVAL
	}
	_, e := s.Mmap(&mm.Request{Addr: addr, Len: n, Prot: prot, Flags: fixedPrivate,
		File: file.mapper, Offset: off, Readable: true, Name: file.name, ELFData: true})
	return e
}

// MapAnon implements loader.AddressSpace. A program's BSS is not held against the
// machine's memory: every Go program that links crypto has one of 32 MiB of which
// it touches nothing.
func (s Space) MapAnon(addr, n uintptr, prot uint32) abi.Errno {
	_, e := s.Mmap(&mm.Request{Addr: addr, Len: n, Prot: prot, Flags: fixedPrivate | anonymous | noReserve, ELFData: true})
	return e
}

// Zero implements loader.AddressSpace: through the program's own translation,
// which copies the file's page first.
func (s Space) Zero(addr, n uintptr) abi.Errno {
	_, e := usermem.Zero(addr, n)
	return e
}

// Seal implements loader.AddressSpace.
func (s Space) Seal(addr, n uintptr) abi.Errno { return s.Space.Seal(addr, n, 0) }

// VDSO are the frames of the two pages that vdso describes. The caller keeps its
// references for good.
type VDSO struct{ Data, Image frame.PFN }

// NewVDSO makes the two pages: the image, and a Data page that sends every clock
// to the kernel until someone updates it. ENOMEM without two frames.
func NewVDSO() (v VDSO, e abi.Errno) {
	if v.Data = frame.AllocZero(frame.KindKernel); v.Data == 0 {
		return VDSO{}, abi.ENOMEM
	}
	if v.Image = frame.AllocZero(frame.KindKernel); v.Image == 0 {
		v.Data.Unref()
		return VDSO{}, abi.ENOMEM
	}
	vdso.At(v.Data.Addr()).Init()
	copy(v.Image.Bytes(), vdso.Image())
	return v, abi.OK
}

// Load makes everything in an empty address space that a program finds at its
// first instruction: its mappings, the vDSO, the stack with st on it, and the
// place of the heap and of what it maps later. usermem must resolve into s.
//
// The vDSO's frames go in as they are; Data stays writable for the kernel.
func (s Space) Load(p *loader.Plan, l *loader.Layout, v VDSO, st *loader.Stack) *loader.Error {
	s.SetLayout(mm.Layout{MmapBase: l.MmapBase, TextStart: l.TextStart, TextEnd: l.TextEnd,
		FixedStart: p.FixedLo, FixedEnd: p.FixedHi})
	s.InitBrk(l.Brk)
	if e := p.Apply(s); e != nil {
		return e
	}
	for _, r := range p.Relro {
		s.SealRelro(r.Lo, r.Hi)
	}
	e := s.MapSpecial(l.VDSO, []frame.PFN{v.Data}, false, "[vvar]")
	if e == abi.OK {
		e = s.MapSpecial(l.VDSO+vdso.ImageOffset, []frame.PFN{v.Image}, true, "[vdso]")
	}
	if e == abi.OK {
		e = s.MapStack(l.StackTop, st.Mapped(l))
	}
	if e == abi.OK {
		if _, e = usermem.CopyOut(st.SP, st.Bytes); e == abi.EFAULT {
			e = abi.ENOMEM // the stack is mapped, so all that can be missing is a frame
		}
	}
	if e != abi.OK {
		return &loader.Error{Status: loader.StatusCannotRun, Errno: e,
			Text: "cannot be started: its stack and the vDSO do not fit into the machine's memory: give it more (-m)"}
	}
	return nil
}
