package loader

import (
	"encoding/binary"
	"strconv"

	"skerry/kernel/abi"
)

// File is what a program is read from.
type File interface {
	// ReadAt reads len(b) bytes at off, fewer only at the end of the file.
	ReadAt(b []byte, off int64) (int, abi.Errno)
	// Size is the file's length in bytes; it does not change.
	Size() int64
}

// Limits on a file. MaxSegments is more than any linker makes; MaxSpan and
// MaxAlign are what Layout has room for.
const (
	MaxSegments = 128
	MaxSpan     = tib
	MaxAlign    = 1 << 30

	maxInterp  = 4096 // PATH_MAX, linux/limits.h, with the NUL
	maxDynamic = 64 << 10
)

// Numbers of the ELF format: System V gABI, chapters 4 and 5; its supplement for
// x86-64, chapter 4; linux/elf.h for the PT_GNU ones.
const (
	ehdrSize, phdrSize, dynSize = 64, 56, 16

	elfClass32, elfClass64              = 1, 2
	elfData2LSB, elfData2MSB            = 1, 2
	elfOSABINone, elfOSABILinux         = 0, 3
	etRel, etExec, etDyn, etCore        = 1, 2, 3, 4
	emX86_64                            = 62
	ptLoad, ptDynamic, ptInterp         = 1, 2, 3
	ptGNUStack, ptGNURelro              = 0x6474e551, 0x6474e552
	pfX, pfW, pfR                       = 1, 2, 4
	dtNull, dtTextrel, dtFlags          = 0, 22, 30
	dfTextrel                           = 4
	pageSize, pageMask           uint64 = 4096, 4095
)

// Prot bits of a mapping, as in mmap(2).
const (
	ProtRead  = 1
	ProtWrite = 2
	ProtExec  = 4
)

// Image is a checked ELF file. Addresses are the file's own: a position-
// independent file has yet to be given a place.
type Image struct {
	// PositionIndependent is set for ET_DYN.
	PositionIndependent bool
	Entry               uint64
	// Segments are what is to be mapped, none empty, by address, and no two on
	// one page.
	Segments []Segment
	// Interp is the interpreter's path, "" for a program that needs none.
	Interp string
	// Phdr is the address of the program headers, and false if no segment has
	// them all; Phnum their number.
	Phdr    uint64
	HasPhdr bool
	Phnum   int
	// Lo and Hi are the ends of the span of all segments, whole pages.
	Lo, Hi uint64
	// Align is the largest alignment that a segment asks for, at least a page.
	Align uint64
	// RelroLo and RelroHi are the whole pages that the program makes read-only
	// after relocation; empty if it has none.
	RelroLo, RelroHi uint64
}

// Segment is a PT_LOAD.
type Segment struct {
	// Index is its place among the program headers, for messages.
	Index int
	// Off, Vaddr, FileSize and MemSize as in the file.
	Off, Vaddr, FileSize, MemSize uint64
	Prot                          uint32
}

// phdr is one program header.
type phdr struct {
	kind, flags                       uint32
	off, vaddr, filesz, memsz, palign uint64
}

var le = binary.LittleEndian

// Parse reads and checks the headers of f, and what is small and pointed to by
// them. It does not read the segments.
func Parse(f File) (*Image, *Error) {
	size := f.Size()
	if size <= 0 {
		return nil, malformed("is empty")
	}
	// Linkers put the program headers right behind the file header: one read.
	var head [1024]byte
	n, e := readAt(f, head[:min(size, int64(len(head)))], 0)
	if e != nil {
		return nil, e
	}
	if e := checkHeader(head[:n]); e != nil {
		return nil, e
	}
	img := &Image{
		PositionIndependent: le.Uint16(head[16:]) == etDyn,
		Entry:               le.Uint64(head[24:]),
		Phnum:               int(le.Uint16(head[56:])),
		Align:               pageSize,
	}
	phoff, length := le.Uint64(head[32:]), uint64(img.Phnum)*phdrSize
	if phoff > uint64(size) || length > uint64(size)-phoff {
		return nil, malformed("is cut off: its program headers lie behind the end of the file")
	}
	table := make([]byte, length)
	if phoff+length <= uint64(n) {
		copy(table, head[phoff:])
	} else if _, e := readAt(f, table, int64(phoff)); e != nil {
		return nil, e
	}
	headers := make([]phdr, img.Phnum)
	for i := range headers {
		b := table[i*phdrSize:]
		headers[i] = phdr{kind: le.Uint32(b), flags: le.Uint32(b[4:]), off: le.Uint64(b[8:]),
			vaddr: le.Uint64(b[16:]), filesz: le.Uint64(b[32:]), memsz: le.Uint64(b[40:]), palign: le.Uint64(b[48:])}
	}
	if e := img.segments(headers, uint64(size)); e != nil {
		return nil, e
	}
	if e := img.others(f, headers, uint64(size)); e != nil {
		return nil, e
	}
	img.findPhdr(phoff, length)
	if e := img.checkEntry(); e != nil {
		return nil, e
	}
	return img, nil
}

// readAt fills b from offset off; a file that ends too early is an error.
func readAt(f File, b []byte, off int64) (int, *Error) {
	n, e := f.ReadAt(b, off)
	if e != abi.OK {
		return 0, readError(e)
	}
	if n != len(b) {
		return 0, malformed("is cut off: it ends before what its headers name")
	}
	return n, nil
}

// checkHeader checks the file header, of which b holds as much as there is.
func checkHeader(b []byte) *Error {
	if len(b) < 4 || string(b[:4]) != "\x7fELF" {
		if len(b) >= 2 && string(b[:2]) == "#!" {
			return malformed("is a script: there is no shell and nothing else here that runs one; name the ELF program itself")
		}
		return malformed("is not an ELF file, so it is not a Linux program")
	}
	if len(b) < ehdrSize {
		return malformed("is cut off: it ends inside the ELF header")
	}
	if b[4] == elfClass32 {
		return malformed("is a 32-bit program: build it for x86-64 (gcc -m64, GOARCH=amd64)")
	}
	machine := int(le.Uint16(b[18:]))
	switch {
	case b[4] != elfClass64:
		return malformed("has an unknown ELF class")
	case b[5] == elfData2MSB:
		return malformed("is built for a big-endian processor: build it for x86-64")
	case b[5] != elfData2LSB:
		return malformed("has an unknown ELF byte order")
	case machine != emX86_64:
		return malformed("is built for " + machineName(machine) + ": build it for x86-64 (GOARCH=amd64, an x86_64-linux compiler)")
	case b[6] != 1 || le.Uint32(b[20:]) != 1:
		return malformed("has an unknown ELF version")
	case b[7] != elfOSABINone && b[7] != elfOSABILinux:
		return malformed("is built for another system than Linux (ELF OSABI " + strconv.Itoa(int(b[7])) + ")")
	}
	switch le.Uint16(b[16:]) {
	case etExec, etDyn:
	case etRel:
		return malformed("is an object file: link it into a program")
	case etCore:
		return malformed("is a core dump, not a program")
	default:
		return malformed("is of an ELF type that is not a program")
	}
	if le.Uint16(b[52:]) != ehdrSize || le.Uint16(b[54:]) != phdrSize {
		return malformed("has ELF headers of the wrong size")
	}
	switch n := le.Uint16(b[56:]); {
	case n == 0:
		return malformed("has no program headers, so nothing to load")
	case n > MaxSegments:
		return malformed("has " + strconv.Itoa(int(n)) + " program headers, more than " + strconv.Itoa(MaxSegments))
	}
	return nil
}

// machineName is a processor's name by its EM_ number, gABI chapter 4.
func machineName(m int) string {
	switch m {
	case 3:
		return "32-bit x86"
	case 21, 22:
		return "PowerPC or S/390"
	case 40:
		return "32-bit Arm"
	case 183:
		return "64-bit Arm"
	case 243:
		return "RISC-V"
	case 258:
		return "LoongArch"
	}
	return "another processor (ELF machine " + strconv.Itoa(m) + ")"
}

// findPhdr finds the program headers in memory, for AT_PHDR.
func (img *Image) findPhdr(phoff, length uint64) {
	for i := range img.Segments {
		s := &img.Segments[i]
		if phoff >= s.Off && phoff-s.Off <= s.FileSize && length <= s.FileSize-(phoff-s.Off) {
			img.Phdr, img.HasPhdr = s.Vaddr+(phoff-s.Off), true
			return
		}
	}
}

// checkEntry: the first instruction is in the file part of a segment that may be
// executed.
func (img *Image) checkEntry() *Error {
	for i := range img.Segments {
		s := &img.Segments[i]
		if s.Prot&ProtExec != 0 && img.Entry >= s.Vaddr && img.Entry-s.Vaddr < s.FileSize {
			return nil
		}
	}
	if img.Entry == 0 && img.PositionIndependent {
		return malformed("has no entry point: it is a shared library, not a program")
	}
	return malformed("has its entry point outside of its code")
}
