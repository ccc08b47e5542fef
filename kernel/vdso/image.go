package vdso

import "encoding/binary"

// The names that the program looks up, vdso(7), and which function they are.
// Each has the plain name as a weak alias, as on Linux.
var exports = [functions]string{
	"clock_gettime", "gettimeofday", "time", "clock_getres", "getcpu",
}

const (
	prefix = "__vdso_"
	soname = "linux-vdso.so.1"
	// version is what every lookup asks for, vdso(7), "x86-64 functions".
	version = "LINUX_2.6"
	// kernelVersion is in the note of the object: the Linux whose interface the
	// kernel has, as in uname(2): 6.12.0.
	kernelVersion = 6<<16 | 12<<8
)

// Numbers of the System V ABI (gABI, chapters 4 and 5), of its supplement for
// x86-64, and for versions and the GNU hash of the Linux Standard Base 5.0, Core
// generic, chapter 10.
const (
	ehdrSize, phdrSize, shdrSize, symSize, dynSize = 64, 56, 64, 24, 16

	etDyn, emX86_64 = 3, 62

	ptLoad, ptDynamic, ptNote     = 1, 2, 4
	ptGNUEHFrame, ptGNUStack      = 0x6474e550, 0x6474e551
	pfX, pfW, pfR                 = 1, 2, 4
	shtProgbits, shtStrtab        = 1, 3
	shtHash, shtDynamic, shtNote  = 5, 6, 7
	shtDynsym, shtUnwind          = 11, 0x70000001
	shtGNUHash, shtVerdef, shtVer = 0x6ffffff6, 0x6ffffffd, 0x6fffffff
	shfAlloc, shfExec             = 2, 4

	dtNull, dtHash, dtStrtab, dtSymtab  = 0, 4, 5, 6
	dtStrsz, dtSyment, dtSoname         = 10, 11, 14
	dtGNUHash                           = 0x6ffffef5
	dtVersym, dtVerdef, dtVerdefnum     = 0x6ffffff0, 0x6ffffffc, 0x6ffffffd
	verBase                             = 1
	stbGlobal, stbWeak, sttFunc         = 1, 2, 2
	versionIndex                        = 2 // 1 is the object itself
	hashBuckets, gnuBuckets, bloomShift = 3, 4, 6
)

var le = binary.LittleEndian

// writer fills the image from the front.
type writer struct {
	b        []byte
	n        int
	sections []section
	names    []byte
}

type section struct {
	name, kind, flags, off, size, link, info, align, entsize int
}

// begin starts a section at the next multiple of align and answers its offset.
func (w *writer) begin(name string, kind, flags, align, entsize int) int {
	w.n = (w.n + align - 1) &^ (align - 1)
	w.sections = append(w.sections, section{name: len(w.names), kind: kind, flags: flags,
		off: w.n, align: align, entsize: entsize})
	w.names = append(append(w.names, name...), 0)
	return w.n
}

// end closes the section that was begun last and answers its index.
func (w *writer) end(link, info int) int {
	i := len(w.sections) - 1
	s := &w.sections[i]
	s.size, s.link, s.info = w.n-s.off, link, info
	return i
}

func (w *writer) u8(v ...byte)  { w.n += copy(w.b[w.n:w.n+len(v)], v) }
func (w *writer) u16(v int)     { le.PutUint16(w.b[w.n:], uint16(v)); w.n += 2 }
func (w *writer) u32(v int)     { le.PutUint32(w.b[w.n:], uint32(v)); w.n += 4 }
func (w *writer) u64(v int)     { le.PutUint64(w.b[w.n:], uint64(v)); w.n += 8 }
func (w *writer) text(s string) { w.u8([]byte(s)...); w.u8(0) }

// Image is the shared object: one page, all of it one segment, readable and
// executable. It is the same at every address. The slice is the caller's.
func Image() []byte {
	b := make([]byte, PageSize)
	copy(b, built)
	return b
}

// build makes the object out of the functions. It is not for the kernel, where it
// would be work at every start: what it makes is in object.go, which
// `go test ./kernel/vdso -run TestObject -update` writes and TestObject compares.
// A page that does not suffice is a bug of this package and panics.
func build() []byte {
	w := &writer{b: make([]byte, PageSize), n: ehdrSize + 5*phdrSize}
	w.sections = []section{{}}
	w.names = []byte{0}

	syms := symbols()
	strings := stringTable(syms)
	hash, gnu, dynsym, dynstr := w.lookup(syms, strings)
	versym, verdef := w.versions(syms, strings)
	note := w.note()
	at, size := w.code()
	for i := range syms {
		s := &syms[i]
		o := dynsym + (i+1)*symSize
		le.PutUint16(w.b[o+6:], uint16(len(w.sections)-1))
		le.PutUint64(w.b[o+8:], uint64(at[s.function]))
		le.PutUint64(w.b[o+16:], uint64(size[s.function]))
	}
	text, textEnd := w.sections[len(w.sections)-1].off, w.n
	frame := w.unwind(text, textEnd)

	dynamic := w.begin(".dynamic", shtDynamic, shfAlloc, 8, dynSize)
	for _, d := range [...][2]int{
		{dtSoname, strings.at(soname)}, {dtHash, hash}, {dtGNUHash, gnu},
		{dtStrtab, dynstr}, {dtStrsz, len(strings.b)},
		{dtSymtab, dynsym}, {dtSyment, symSize},
		{dtVersym, versym}, {dtVerdef, verdef}, {dtVerdefnum, 2}, {dtNull, 0},
	} {
		w.u64(d[0])
		w.u64(d[1])
	}
	w.end(w.index(dynstr), 0)
	dynamicEnd := w.n

	headers := w.finish()
	w.header(headers)
	w.segment(ptLoad, pfR|pfX, 0, w.n, PageSize)
	w.segment(ptDynamic, pfR, dynamic, dynamicEnd, 8)
	w.segment(ptNote, pfR, note.off, note.off+note.size, 4)
	w.segment(ptGNUEHFrame, pfR, frame.off, frame.off+frame.size, 4)
	w.segment(ptGNUStack, pfR|pfW, 0, 0, 16)
	return w.b
}

// index is the section that begins at an offset.
func (w *writer) index(off int) int {
	for i := range w.sections {
		if i > 0 && w.sections[i].off == off {
			return i
		}
	}
	panic("vdso: no such section")
}

// note is the object's only note: "Linux" and the version (what a C library
// compares with the oldest kernel that it knows).
func (w *writer) note() section {
	w.begin(".note", shtNote, shfAlloc, 4, 0)
	w.u32(6) // with the NUL
	w.u32(4)
	w.u32(0)
	w.text("Linux")
	w.u16(0) // to a multiple of 4
	w.u32(kernelVersion)
	return w.sections[w.end(0, 0)]
}

// code copies the functions in, each at a multiple of 16 and INT3 in between.
func (w *writer) code() (at, size [functions]int) {
	w.begin(".text", shtProgbits, shfAlloc|shfExec, 16, 0)
	for i := range at {
		for w.n&15 != 0 {
			w.u8(0xcc)
		}
		c := code(i)
		at[i], size[i] = w.n, len(c)
		w.u8(c...)
		relocate(w.b[at[i]:w.n], at[i])
	}
	w.end(0, 0)
	return at, size
}

// unwind writes the call-frame information: in all of .text the return address
// is at the top of the stack, since no function touches the stack. Formats: LSB
// 5.0, Core generic, 10.6; DWARF 4, 7.23; register numbers: psABI 3.6.2.
func (w *writer) unwind(text, textEnd int) section {
	const pcrel4, udata4, datarel4 = 0x1b, 0x03, 0x3b
	hdr := w.begin(".eh_frame_hdr", shtProgbits, shfAlloc, 4, 0)
	frame := hdr + 20
	w.u8(1, pcrel4, udata4, datarel4)
	w.u32(frame - w.n)
	w.u32(1)
	w.u32(text - hdr)
	w.u32(frame + 24 - hdr) // the FDE
	h := w.sections[w.end(0, 0)]

	w.begin(".eh_frame", shtUnwind, shfAlloc, 4, 0)
	w.u32(20) // the CIE: version 1, "zR", unit 1, -8, return address register 16
	w.u32(0)
	w.u8(1, 'z', 'R', 0, 1, 0x78, 16, 1, pcrel4)
	w.u8(0x0c, 7, 8) // DW_CFA_def_cfa RSP + 8
	w.u8(0x90, 1)    // DW_CFA_offset RA at CFA - 8
	w.u8(0, 0)
	w.u32(16) // the FDE
	w.u32(w.n - frame)
	w.u32(text - w.n)
	w.u32(textEnd - text)
	w.u32(0) // no augmentation data, padding
	w.u32(0)
	w.end(0, 0)
	return h
}

// finish writes the section names and headers, for debuggers and profilers, and
// answers the offset of the headers.
func (w *writer) finish() int {
	w.begin(".shstrtab", shtStrtab, 0, 1, 0)
	w.u8(w.names...)
	w.end(0, 0)
	w.n = (w.n + 7) &^ 7
	at := w.n
	for i := range w.sections {
		s := &w.sections[i]
		addr := s.off
		if s.flags&shfAlloc == 0 {
			addr = 0
		}
		w.u32(s.name)
		w.u32(s.kind)
		w.u64(s.flags)
		w.u64(addr)
		w.u64(s.off)
		w.u64(s.size)
		w.u32(s.link)
		w.u32(s.info)
		w.u64(s.align)
		w.u64(s.entsize)
	}
	return at
}

// header writes the ELF header and leaves w.n for the segments.
func (w *writer) header(sections int) {
	end := w.n
	w.n = 0
	w.u8(0x7f, 'E', 'L', 'F', 2, 1, 1, 0)
	w.u64(0)
	w.u16(etDyn)
	w.u16(emX86_64)
	w.u32(1)
	w.u64(0) // no entry
	w.u64(ehdrSize)
	w.u64(sections)
	w.u32(0)
	w.u16(ehdrSize)
	w.u16(phdrSize)
	w.u16(0) // segments so far
	w.u16(shdrSize)
	w.u16(len(w.sections))
	w.u16(len(w.sections) - 1) // .shstrtab
	w.n = end
}

// segment adds a program header for the bytes from off to end.
func (w *writer) segment(kind, flags, off, end, align int) {
	const count = 56 // e_phnum
	n := int(le.Uint16(w.b[count:]))
	le.PutUint16(w.b[count:], uint16(n+1))
	keep := w.n
	w.n = ehdrSize + n*phdrSize
	w.u32(kind)
	w.u32(flags)
	w.u64(off)
	w.u64(off)
	w.u64(off)
	w.u64(end - off)
	w.u64(end - off)
	w.u64(align)
	w.n = keep
}
