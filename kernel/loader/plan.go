package loader

import (
	"strconv"

	"skerry/kernel/abi"
)

// Mapping is one mapping to make.
type Mapping struct {
	// File is what is mapped, privately, from byte Off on; nil for zeroes.
	File File
	Off  uint64
	// Addr and Len are whole pages.
	Addr, Len uintptr
	// Prot is never ProtWrite with ProtExec.
	Prot uint32
	// ZeroAddr and ZeroLen are bytes of the last page to clear once it is
	// mapped: file contents behind the end of the segment, where zeroes belong.
	ZeroAddr, ZeroLen uintptr
	// Seal is set for what never changes: everything that is not writable.
	Seal bool
}

// Plan is all that is to be done to load a program.
type Plan struct {
	// Mappings by address within each file, the program's first.
	Mappings []Mapping
	// Start is where the first instruction is: the interpreter's, if there is
	// one.
	Start uintptr
	// Entry, Phdr (0 if not in memory) and Phnum are the program's, for the
	// auxiliary vector. Base is where the interpreter was put, 0 without one.
	Entry, Phdr, Base uintptr
	Phnum             int
	// FixedLo and FixedHi bound the code of a program that is linked at a fixed
	// address, or apart from the libraries (Layout.MakeRoom): the one code outside of
	// the text window; empty otherwise.
	FixedLo, FixedHi uintptr
	// Code and Data bound the program's executable and other segments, for
	// /proc/self/stat (proc_pid_stat(5): startcode, endcode, start_data,
	// end_data).
	CodeLo, CodeHi, DataLo, DataHi uintptr
	// Relro are the ranges that the program and the interpreter make read-only
	// after relocation: to be sealed when that happens.
	Relro []Range
	// Interp is the interpreter's path.
	Interp string
}

// Range is [Lo, Hi).
type Range struct{ Lo, Hi uintptr }

// Load reads the program and, if it names one, its interpreter, which open is
// asked for by path (ENOENT, EACCES, ... if it cannot be had), and plans them
// into the layout.
func Load(program File, open func(path string) (File, abi.Errno), l *Layout) (*Plan, *Error) {
	img, e := Parse(program)
	if e != nil {
		return nil, e
	}
	p := &Plan{Phnum: img.Phnum, Interp: img.Interp}
	bias := uint64(0)
	if img.PositionIndependent {
		bias = img.place(uint64(l.PIE))
	}
	p.add(program, img, bias)
	p.Entry = uintptr(img.Entry + bias)
	p.Start = p.Entry
	if img.HasPhdr {
		p.Phdr = uintptr(img.Phdr + bias)
	}
	p.bounds(img, bias, !img.PositionIndependent || l.apart)
	if img.Interp == "" {
		return p, nil
	}
	if e := p.interpreter(open, l); e != nil {
		return nil, e
	}
	return p, nil
}

// interpreter adds the interpreter, which ends at the end of the text window.
func (p *Plan) interpreter(open func(path string) (File, abi.Errno), l *Layout) *Error {
	name := strconv.Quote(p.Interp)
	f, errno := open(p.Interp)
	switch errno {
	case abi.OK:
	case abi.ENOENT, abi.ENOTDIR:
		return &Error{StatusNotFound, abi.ENOENT, "needs its interpreter " + name +
			", which is not there: build the program statically, or put the interpreter and the libraries into the image"}
	default:
		return &Error{StatusCannotRun, errno, "needs its interpreter " + name + ", which cannot be opened: " + errno.Error()}
	}
	img, e := Parse(f)
	if e != nil {
		return &Error{e.Status, e.Errno, "needs its interpreter " + name + ", which " + e.Text}
	}
	if !img.PositionIndependent {
		return malformed("needs its interpreter " + name + ", which is linked at a fixed address")
	}
	bias := img.placeBelow(uint64(l.TextEnd))
	p.add(f, img, bias)
	p.Base = uintptr(bias)
	p.Start = uintptr(img.Entry + bias)
	return nil
}

// place is what to add to the file's addresses so that the file begins in the
// first Align bytes from at on, rounded down to Align itself.
func (img *Image) place(at uint64) uint64 {
	return at&^(img.Align-1) - img.Lo&^(img.Align-1)
}

// placeBelow is what to add so that the file ends at end, or less than Align
// below.
func (img *Image) placeBelow(end uint64) uint64 {
	return img.place(end - (img.Hi - img.Lo&^(img.Align-1)))
}

// add plans the mappings of one file.
func (p *Plan) add(f File, img *Image, bias uint64) {
	for i := range img.Segments {
		s := &img.Segments[i]
		page := s.Vaddr &^ pageMask
		fileEnd := page
		if s.FileSize > 0 {
			fileEnd = pageUp(s.Vaddr + s.FileSize)
			m := Mapping{File: f, Off: s.Off &^ pageMask, Addr: uintptr(page + bias), Len: uintptr(fileEnd - page),
				Prot: s.Prot, Seal: s.Prot&ProtWrite == 0}
			if end := s.Vaddr + s.FileSize; s.MemSize > s.FileSize {
				m.ZeroAddr, m.ZeroLen = uintptr(end+bias), uintptr(fileEnd-end)
			}
			p.Mappings = append(p.Mappings, m)
		}
		if end := pageUp(s.Vaddr + s.MemSize); end > fileEnd {
			p.Mappings = append(p.Mappings, Mapping{Addr: uintptr(fileEnd + bias), Len: uintptr(end - fileEnd),
				Prot: s.Prot, Seal: s.Prot&ProtWrite == 0})
		}
	}
	if img.RelroLo < img.RelroHi {
		p.Relro = append(p.Relro, Range{uintptr(img.RelroLo + bias), uintptr(img.RelroHi + bias)})
	}
}

// bounds fills in where the program's code and data are. fixed says that the code is a range
// by itself.
func (p *Plan) bounds(img *Image, bias uint64, fixed bool) {
	for i := range img.Segments {
		s := &img.Segments[i]
		lo, hi := uintptr(s.Vaddr+bias), uintptr(s.Vaddr+s.FileSize+bias)
		if s.Prot&ProtExec == 0 {
			if p.DataHi == 0 {
				p.DataLo = lo
			}
			p.DataHi = hi
			continue
		}
		if p.CodeHi == 0 {
			p.CodeLo = lo
		}
		p.CodeHi = hi
		if fixed {
			if p.FixedHi == 0 {
				p.FixedLo = lo &^ uintptr(pageMask)
			}
			p.FixedHi = uintptr(pageUp(s.Vaddr + s.FileSize + bias))
		}
	}
}
