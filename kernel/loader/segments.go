package loader

import (
	"bytes"
	"sort"

	"skerry/kernel/usermem"
)

// Lowest is the first address that may be mapped (docs/SECURITY.md);
// limit is the end of them.
const (
	Lowest = 64 << 10
	limit  = usermem.Limit
)

// segments checks the PT_LOADs and sorts them by address.
func (img *Image) segments(headers []phdr, size uint64) *Error {
	for i := range headers {
		h := &headers[i]
		if h.kind != ptLoad {
			continue
		}
		if e := checkLoad(i, h, size); e != nil {
			return e
		}
		if h.memsz == 0 {
			continue
		}
		img.Align = max(img.Align, h.palign)
		img.Segments = append(img.Segments, Segment{Index: i, Off: h.off, Vaddr: h.vaddr,
			FileSize: h.filesz, MemSize: h.memsz, Prot: prot(h.flags)})
	}
	if len(img.Segments) == 0 {
		return malformed("has no segment to load")
	}
	// The gABI wants them in order; Linux does not mind.
	sort.Slice(img.Segments, func(i, j int) bool { return img.Segments[i].Vaddr < img.Segments[j].Vaddr })
	img.Lo = img.Segments[0].Vaddr &^ pageMask
	for i := range img.Segments {
		s := &img.Segments[i]
		if i > 0 && s.Vaddr&^pageMask < img.Hi {
			return segmentError(s.Index, "overlaps another segment, or shares a page with it")
		}
		img.Hi = pageUp(s.Vaddr + s.MemSize)
	}
	if img.PositionIndependent {
		if img.Hi-img.Lo > MaxSpan {
			return malformed("spans more than 1 TiB of address space")
		}
		return nil
	}
	if img.Lo < Lowest {
		return malformed("is linked below 64 KiB, where nothing may be mapped: link it higher (-Wl,-Ttext-segment=0x400000) or with -pie")
	}
	if img.Hi > fixedEnd {
		return malformed("is linked at a fixed address above 17 TiB, where other things go: link it lower or with -pie")
	}
	return nil
}

// checkLoad checks one PT_LOAD by itself.
func checkLoad(i int, h *phdr, size uint64) *Error {
	switch {
	case h.flags&(pfW|pfX) == pfW|pfX:
		return segmentError(i, "is writable and executable at once, which nothing may be here: link it without -N, and unpack it if a packer made it")
	case h.filesz > h.memsz:
		return segmentError(i, "has more bytes in the file than in memory")
	case h.palign&(h.palign-1) != 0:
		return segmentError(i, "has an alignment that is not a power of two")
	case h.palign > MaxAlign:
		return segmentError(i, "asks for an alignment above 1 GiB")
	case h.vaddr > limit || h.memsz > limit-h.vaddr:
		return segmentError(i, "lies outside of the address space")
	}
	if h.filesz > 0 {
		switch {
		case h.off > size || h.filesz > size-h.off:
			return segmentError(i, "lies behind the end of the file: the file is cut off")
		case (h.off^h.vaddr)&pageMask != 0:
			return segmentError(i, "cannot be mapped: its offset and address differ within the page; link without -n or -N")
		}
	}
	if h.memsz > h.filesz {
		// What lies behind the file's bytes is zero. In a page that is not
		// writable someone would have to write it.
		switch {
		case h.flags&pfX != 0:
			return segmentError(i, "is executable and has memory that does not come from the file")
		case h.flags&pfW == 0 && (h.vaddr+h.filesz)&pageMask != 0 && h.filesz != 0:
			return segmentError(i, "is read-only and has zeroes behind its bytes from the file")
		}
	}
	return nil
}

// prot turns p_flags into protection bits.
func prot(flags uint32) (p uint32) {
	if flags&pfR != 0 {
		p |= ProtRead
	}
	if flags&pfW != 0 {
		p |= ProtWrite
	}
	if flags&pfX != 0 {
		p |= ProtExec
	}
	return p
}

// pageUp rounds up to whole pages; n is at most limit.
func pageUp(n uint64) uint64 { return (n + pageMask) &^ pageMask }

// others checks the headers that say something about the whole program.
func (img *Image) others(f File, headers []phdr, size uint64) *Error {
	interp := false
	for i := range headers {
		h := &headers[i]
		switch h.kind {
		case ptInterp:
			if interp {
				return segmentError(i, "is a second PT_INTERP")
			}
			interp = true
			if e := img.readInterp(f, i, h, size); e != nil {
				return e
			}
		case ptGNUStack:
			if h.flags&pfX != 0 {
				return malformed("asks for an executable stack, which there is not: link it with -z noexecstack (nested C functions and assembly without .note.GNU-stack cause it)")
			}
		case ptDynamic:
			if e := checkDynamic(f, i, h, size); e != nil {
				return e
			}
		case ptGNURelro:
			img.relro(h)
		}
	}
	return nil
}

// readInterp reads the path in PT_INTERP, which ends in its only NUL.
func (img *Image) readInterp(f File, i int, h *phdr, size uint64) *Error {
	if h.filesz < 2 || h.filesz > maxInterp || h.off > size || h.filesz > size-h.off {
		return segmentError(i, "(the interpreter's path) has no sensible length")
	}
	b := make([]byte, h.filesz)
	if _, e := readAt(f, b, int64(h.off)); e != nil {
		return e
	}
	if bytes.IndexByte(b, 0) != len(b)-1 {
		return segmentError(i, "(the interpreter's path) does not end in its only NUL")
	}
	if b[0] != '/' {
		return segmentError(i, "(the interpreter's path) is not an absolute path")
	}
	img.Interp = string(b[:len(b)-1])
	return nil
}

// checkDynamic looks for relocations of text: they would have to write to code
// that has been mapped.
func checkDynamic(f File, i int, h *phdr, size uint64) *Error {
	if h.filesz > maxDynamic || h.off > size || h.filesz > size-h.off {
		return segmentError(i, "(PT_DYNAMIC) is too long, or lies behind the end of the file")
	}
	var b [64 * dynSize]byte
	for at := uint64(0); at+dynSize <= h.filesz; {
		n := min(h.filesz-at, uint64(len(b))) / dynSize * dynSize
		if _, e := readAt(f, b[:n], int64(h.off+at)); e != nil {
			return e
		}
		for d := b[:n]; len(d) > 0; d = d[dynSize:] {
			tag, v := le.Uint64(d), le.Uint64(d[8:])
			if tag == dtTextrel || tag == dtFlags && v&dfTextrel != 0 {
				return malformed("has relocations in its code (DT_TEXTREL), which cannot be written: compile everything with -fPIC or -fPIE and link with -z text")
			}
			if tag == dtNull {
				return nil
			}
		}
		at += n
	}
	return nil
}

// relro notes the range of PT_GNU_RELRO, both ends rounded down to whole pages as
// the C libraries do, if it lies in writable memory; a range that does not is of
// no consequence.
func (img *Image) relro(h *phdr) {
	if h.vaddr > limit || h.memsz > limit-h.vaddr {
		return
	}
	lo, hi := h.vaddr&^pageMask, (h.vaddr+h.memsz)&^pageMask
	for i := range img.Segments {
		s := &img.Segments[i]
		if s.Prot&ProtWrite != 0 && lo >= s.Vaddr&^pageMask && hi <= pageUp(s.Vaddr+s.MemSize) && lo < hi {
			img.RelroLo, img.RelroHi = lo, hi
		}
	}
}
