package unwind

import (
	"bytes"
	"compress/zlib"
	"io"

	"github.com/ianlancetaylor/demangle"
)

// Sizes of ELF64 structures and the values that matter, gABI chapters 4 and 5.
const (
	ehdrSize, phdrSize, shdrSize, symSize, chdrSize = 64, 56, 64, 24, 24

	machineX8664         = 62
	ptLoad               = 1
	shtSymtab, shtDynsym = 2, 11
	shtNobits            = 8
	shfCompressed        = 1 << 11
	compressZlib         = 1
	sttFunc, sttIFunc    = 2, 10
)

// Bounds of what is looked at.
const (
	maxHeaders  = 1 << 14   // of segments, and of sections
	maxDebug    = 256 << 20 // bytes of a decompressed section
	maxName     = 1 << 10   // bytes of a symbol's name
	maxReadable = 400       // bytes of a name that is shown
)

// File is an ELF file of the image, in memory. Nothing in it is believed before it
// was compared with the file's size; what is found is part of the bytes, so reading
// it takes no memory.
type File struct {
	b        []byte
	segments []byte // program headers
	sections []byte // section headers
	names    []byte // of sections

	frame     []byte // .eh_frame
	frameBase uint64
	lines     lineTable

	rows  map[uint64]*row // what was looked for in frame
	known map[uint64]place
}

// place is what the file says of an address.
type place struct {
	function string
	into     uint64
	source   string
	line     int
}

// part is b[off : off+n], nil if it has no such part.
func part(b []byte, off, n uint64) []byte {
	if off > uint64(len(b)) || n > uint64(len(b))-off {
		return nil
	}
	return b[off : off+n : off+n]
}

// Open takes the bytes of an ELF file; nil if it is none for x86-64.
func Open(b []byte) *File {
	h := part(b, 0, ehdrSize)
	if h == nil || string(h[:6]) != "\x7fELF\x02\x01" || le.Uint16(h[18:]) != machineX8664 ||
		le.Uint16(h[54:]) != phdrSize || le.Uint16(h[56:]) > maxHeaders {
		return nil
	}
	f := &File{b: b, rows: map[uint64]*row{}, known: map[uint64]place{}}
	f.segments = part(b, le.Uint64(h[32:]), uint64(le.Uint16(h[56:]))*phdrSize)
	if n := le.Uint16(h[60:]); le.Uint16(h[58:]) == shdrSize && n <= maxHeaders {
		f.sections = part(b, le.Uint64(h[40:]), uint64(n)*shdrSize)
		if s := f.section(uint64(le.Uint16(h[62:]))); s != nil {
			f.names = f.content(s)
		}
	}
	if s := f.named(".eh_frame"); s != nil {
		f.frame, f.frameBase = f.content(s), le.Uint64(s[16:])
	}
	f.lines = lineTable{lines: f.debug(".debug_line"), lineStr: f.debug(".debug_line_str"), str: f.debug(".debug_str")}
	return f
}

// section is a section's header.
func (f *File) section(i uint64) []byte { return part(f.sections, i*shdrSize, shdrSize) }

// named is the header of the first section with a name.
func (f *File) named(name string) []byte {
	for s := f.sections; len(s) >= shdrSize; s = s[shdrSize:] {
		if n := part(f.names, uint64(le.Uint32(s)), uint64(len(name)+1)); n != nil && string(n[:len(name)]) == name && n[len(name)] == 0 {
			return s[:shdrSize]
		}
	}
	return nil
}

// content is what is in a section, as it stands in the file.
func (f *File) content(s []byte) []byte {
	if le.Uint32(s[4:]) == shtNobits || le.Uint64(s[8:])&shfCompressed != 0 {
		return nil
	}
	return part(f.b, le.Uint64(s[24:]), le.Uint64(s[32:]))
}

// debug is what is in a section of debugging information, which may be compressed.
func (f *File) debug(name string) []byte {
	s := f.named(name)
	if s == nil || le.Uint64(s[8:])&shfCompressed == 0 {
		if s == nil {
			return nil
		}
		return f.content(s)
	}
	b := part(f.b, le.Uint64(s[24:]), le.Uint64(s[32:]))
	if len(b) < chdrSize || le.Uint32(b) != compressZlib {
		return nil
	}
	r, err := zlib.NewReader(bytes.NewReader(b[chdrSize:]))
	if err != nil {
		return nil
	}
	text, err := io.ReadAll(io.LimitReader(r, int64(min(le.Uint64(b[8:]), maxDebug))))
	if err != nil {
		return nil
	}
	return text
}

// load calls yes for each loaded segment with its offset, size in the file, and
// address, until that answers true.
func (f *File) load(yes func(off, size, va uint64) bool) {
	for p := f.segments; len(p) >= phdrSize; p = p[phdrSize:] {
		if le.Uint32(p) == ptLoad && yes(le.Uint64(p[8:]), le.Uint64(p[32:]), le.Uint64(p[16:])) {
			return
		}
	}
}

// address turns a file offset into the address that the file gives it.
func (f *File) address(at uint64) (addr uint64, ok bool) {
	f.load(func(off, size, va uint64) bool {
		if at < off || at-off >= size {
			return false
		}
		addr, ok = va+at-off, true
		return true
	})
	return addr, ok
}

// before is the n bytes of the file before an offset, or as many as there are.
func (f *File) before(at, n uint64) []byte {
	n = min(n, at)
	return part(f.b, at-n, n)
}

// row is the call-frame information for an address, nil if there is none.
func (f *File) row(va uint64) *row {
	r, known := f.rows[va]
	if !known {
		r = find(f.frame, f.frameBase, va)
		f.rows[va] = r
	}
	return r
}

// place says what is at an address of the code.
func (f *File) place(va uint64) place {
	p, known := f.known[va]
	if !known {
		if name, value := f.function(va); name != "" {
			p.function, p.into = readable(name), va-value
		}
		p.source, p.line = f.lines.find(va)
		f.known[va] = p
	}
	return p
}

// function is the function that holds an address, by the symbol tables: the one that
// begins last, and of several names for it the shortest, which is the one that
// people write (abort, not __GI_abort).
func (f *File) function(va uint64) (name string, value uint64) {
	for s := f.sections; len(s) >= shdrSize; s = s[shdrSize:] {
		if k := le.Uint32(s[4:]); k != shtSymtab && k != shtDynsym {
			continue
		}
		link := f.section(uint64(le.Uint32(s[40:])))
		if link == nil {
			continue
		}
		names := f.content(link)
		for t := f.content(s); len(t) >= symSize; t = t[symSize:] {
			v, size := le.Uint64(t[8:]), le.Uint64(t[16:])
			if k := t[4] & 15; va-v >= max(size, 1) || v > va || k != sttFunc && k != sttIFunc || le.Uint16(t[6:]) == 0 || name != "" && v < value {
				continue
			}
			if n := text(names, uint64(le.Uint32(t))); n != "" && (name == "" || v > value || len(n) < len(name)) {
				name, value = n, v
			}
		}
	}
	return name, value
}

// text is a string of a string table, "" if it has none there or a very long one.
func text(b []byte, off uint64) string {
	if off >= uint64(len(b)) {
		return ""
	}
	b = b[off:min(uint64(len(b)), off+maxName)]
	if n := bytes.IndexByte(b, 0); n >= 0 {
		return string(b[:n])
	}
	return ""
}

// readable is a name as it stands in the source, for C++ and Rust.
func readable(name string) string {
	guarded(func() {
		if s, err := demangle.ToString(name, demangle.NoParams, demangle.MaxLength(10)); err == nil {
			name = s
		}
	})
	if len(name) > maxReadable {
		name = name[:maxReadable] + "…"
	}
	return name
}

// guarded runs f, and reports false if it panicked.
func guarded(f func()) (ok bool) {
	defer func() {
		if recover() != nil {
			ok = false
		}
	}()
	f()
	return true
}
