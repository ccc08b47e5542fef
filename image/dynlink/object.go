package dynlink

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Bounds on what is read of one file. Linkers make far less.
const (
	maxHeaders = 128      // program headers; as many as kernel/loader takes
	maxDynamic = 64 << 10 // bytes of the dynamic section
	maxString  = 4096     // bytes of a name or a search path
	maxNeeded  = 1024
)

// Object is what an ELF file says about dynamic linking.
type Object struct {
	Interp    string   // PT_INTERP, "" for a library or a static program
	Soname    string   // DT_SONAME
	Needed    []string // DT_NEEDED, in order
	RPath     []string // DT_RPATH; empty if there is a DT_RUNPATH, as ld.so has it
	RunPath   []string // DT_RUNPATH
	Dynamic   bool     // it has a dynamic section
	Library   bool     // a shared library or module, not a program
	Position  bool     // ET_DYN
	PIE       bool     // DF_1_PIE: ET_DYN, and a program
	TextRel   bool     // it wants its text relocated
	Stack     bool     // there is a PT_GNU_STACK
	ExecStack bool     // PT_GNU_STACK with PF_X: it wants an executable stack
	Relro     bool     // there is a PT_GNU_RELRO
	PLT       bool     // DT_PLTRELSZ is not 0: it calls others through a table of their addresses
	BindNow   bool     // DF_BIND_NOW or DF_1_NOW

	segments []elf.ProgHeader
	r        io.ReaderAt
}

// ErrNotELF is the error for a file that is no ELF file of Linux x86-64.
var ErrNotELF = errors.New("is not an ELF file for x86-64")

// Lazy reports whether the table through which the file calls others stays writable
// while the program runs: the linker fills it in at the first call of each, or nothing
// makes it read-only behind that. Of a static program it is not asked.
func (o *Object) Lazy() bool {
	return o.Linked() && o.PLT && !(o.BindNow && o.Relro)
}

// Linked reports whether a dynamic linker loads the file.
func (o *Object) Linked() bool { return o.Dynamic && (o.Interp != "" || o.Library) }

// Read reads an ELF file's program headers and dynamic section; sections, which
// may be missing, are not looked at.
func Read(r io.ReaderAt) (*Object, error) {
	o, n, err := read(r)
	if err != nil {
		return nil, err
	}
	if err := o.readNames(n); err != nil {
		return nil, err
	}
	return o, nil
}

// ReadFlags is Read without the names and paths: what it reads is less than 1 MiB,
// whatever the file is.
func ReadFlags(r io.ReaderAt) (*Object, error) {
	o, _, err := read(r)
	return o, err
}

func read(r io.ReaderAt) (*Object, *names, error) {
	var h [64]byte
	if n, err := r.ReadAt(h[:], 0); n < len(h) && err != io.EOF {
		return nil, nil, err
	}
	if !bytes.HasPrefix(h[:], []byte(elf.ELFMAG)) || h[elf.EI_CLASS] != byte(elf.ELFCLASS64) || h[elf.EI_DATA] != byte(elf.ELFDATA2LSB) {
		return nil, nil, ErrNotELF
	}
	if size, n := binary.LittleEndian.Uint16(h[54:]), binary.LittleEndian.Uint16(h[56:]); n > 0 && size != 56 || n > maxHeaders {
		return nil, nil, fmt.Errorf("is a damaged ELF file: it has %d program headers of %d bytes", n, size)
	}
	f, err := elf.NewFile(NoSections(r))
	if err != nil {
		var format *elf.FormatError
		if errors.As(err, &format) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, nil, ErrNotELF
		}
		return nil, nil, err
	}
	if f.Machine != elf.EM_X86_64 || f.Type != elf.ET_DYN && f.Type != elf.ET_EXEC {
		return nil, nil, ErrNotELF
	}
	o := &Object{r: r, Position: f.Type == elf.ET_DYN}
	var dynamic *elf.Prog
	for _, p := range f.Progs {
		switch p.Type {
		case elf.PT_LOAD:
			o.segments = append(o.segments, p.ProgHeader)
		case elf.PT_INTERP:
			b := make([]byte, min(p.Filesz, maxString))
			if _, err := p.ReadAt(b, 0); err != nil {
				return nil, nil, fmt.Errorf("is a damaged ELF file: its interpreter's name lies behind its end")
			}
			b, _, _ = bytes.Cut(b, []byte{0})
			o.Interp = string(b)
		case elf.PT_DYNAMIC:
			dynamic = p
		case elf.PT_GNU_STACK:
			o.Stack, o.ExecStack = true, p.Flags&elf.PF_X != 0
		case elf.PT_GNU_RELRO:
			o.Relro = true
		}
	}
	n := &names{}
	if dynamic != nil {
		o.Dynamic = true
		if n, err = o.readDynamic(dynamic); err != nil {
			return nil, nil, err
		}
	}
	o.Library = o.Position && o.Dynamic && o.Interp == "" && !o.PIE
	return o, n, nil
}

// names is where the dynamic section says that names are: offsets in a table, 0 for
// none, and the table's address and size.
type names struct {
	needed                                []uint64
	soname, rpath, runpath, strtab, strsz uint64
}

// readDynamic reads the dynamic section: pairs of a tag and a value, up to DT_NULL.
func (o *Object) readDynamic(p *elf.Prog) (*names, error) {
	if p.Filesz > maxDynamic {
		return nil, errors.New("is a damaged ELF file: its dynamic section is too long")
	}
	b := make([]byte, p.Filesz)
	if got, err := p.ReadAt(b, 0); got < len(b) && err != nil {
		return nil, errors.New("is a damaged ELF file: its dynamic section lies behind its end")
	}
	n := &names{}
	for ; len(b) >= 16; b = b[16:] {
		tag, value := elf.DynTag(binary.LittleEndian.Uint64(b)), binary.LittleEndian.Uint64(b[8:])
		if tag == elf.DT_NULL {
			break
		}
		switch tag {
		case elf.DT_NEEDED:
			if len(n.needed) == maxNeeded {
				return nil, errors.New("is a damaged ELF file: it needs more than 1024 libraries")
			}
			n.needed = append(n.needed, value)
		case elf.DT_SONAME:
			n.soname = value
		case elf.DT_RPATH:
			n.rpath = value
		case elf.DT_RUNPATH:
			n.runpath = value
		case elf.DT_STRTAB:
			n.strtab = value
		case elf.DT_STRSZ:
			n.strsz = value
		case elf.DT_PLTRELSZ:
			o.PLT = value != 0
		case elf.DT_TEXTREL:
			o.TextRel = true
		case elf.DT_BIND_NOW:
			o.BindNow = true
		case elf.DT_FLAGS:
			o.TextRel = o.TextRel || elf.DynFlag(value)&elf.DF_TEXTREL != 0
			o.BindNow = o.BindNow || elf.DynFlag(value)&elf.DF_BIND_NOW != 0
		case elf.DT_FLAGS_1:
			o.PIE = elf.DynFlag1(value)&elf.DF_1_PIE != 0
			o.BindNow = o.BindNow || elf.DynFlag1(value)&elf.DF_1_NOW != 0
		}
	}
	return n, nil
}

// readNames reads the names and paths.
func (o *Object) readNames(n *names) error {
	table, ok := o.offset(n.strtab)
	if !ok && (len(n.needed) > 0 || n.soname != 0) {
		return errors.New("is a damaged ELF file: its table of names is nowhere in it")
	}
	str := func(off uint64) (string, error) {
		if off >= n.strsz {
			return "", errors.New("is a damaged ELF file: a name lies outside of its table of names")
		}
		b := make([]byte, min(n.strsz-off, maxString))
		got, err := o.r.ReadAt(b, int64(table+off))
		if err != nil && err != io.EOF {
			return "", err
		}
		name, _, found := bytes.Cut(b[:got], []byte{0})
		if !found {
			return "", errors.New("is a damaged ELF file: a name has no end")
		}
		return string(name), nil
	}
	var err error
	for _, off := range n.needed {
		name, e := str(off)
		if e != nil {
			return e
		}
		if name != "" {
			o.Needed = append(o.Needed, name)
		}
	}
	if n.soname != 0 {
		if o.Soname, err = str(n.soname); err != nil {
			return err
		}
	}
	switch {
	case n.runpath != 0:
		var s string
		if s, err = str(n.runpath); err == nil {
			o.RunPath = strings.Split(s, ":")
		}
	case n.rpath != 0:
		var s string
		if s, err = str(n.rpath); err == nil {
			o.RPath = strings.Split(s, ":")
		}
	}
	return err
}

// offset is where in the file an address is loaded from.
func (o *Object) offset(addr uint64) (uint64, bool) {
	for _, s := range o.segments {
		if addr >= s.Vaddr && addr-s.Vaddr < s.Filesz && s.Off <= 1<<62 {
			return addr - s.Vaddr + s.Off, true
		}
	}
	return 0, false
}

// NoSections is an ELF file in whose header the section table is struck out, for
// readers that would stumble over a damaged one.
func NoSections(r io.ReaderAt) io.ReaderAt { return noSections{r} }

type noSections struct{ io.ReaderAt }

func (f noSections) ReadAt(p []byte, off int64) (int, error) {
	n, err := f.ReaderAt.ReadAt(p, off)
	for _, field := range [][2]int64{{0x28, 0x30}, {0x3a, 0x40}} { // e_shoff; e_shentsize, e_shnum, e_shstrndx
		for i := max(field[0], off); i < min(field[1], off+int64(n)); i++ {
			p[i-off] = 0
		}
	}
	return n, err
}

// Imports are the names of the symbols that the ELF file takes from others, as far
// as its sections tell; none if it has no sections.
func Imports(r io.ReaderAt) (names []string) {
	f, err := elf.NewFile(r)
	if err != nil {
		return nil
	}
	list, err := f.ImportedSymbols()
	if err != nil {
		return nil
	}
	for _, s := range list {
		names = append(names, s.Name)
	}
	return names
}
