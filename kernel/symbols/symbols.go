// Package symbols finds the name of a function in an ELF file, for messages that
// say where in the program something happened. It is used rarely and trusts the
// file no more than the loader does: a symbol table that is not what it says is
// as good as none. It imports abi.
package symbols

import (
	"encoding/binary"
	"strconv"

	"skerry/kernel/abi"
)

// File is what the symbols are read from.
type File interface {
	ReadAt(b []byte, off int64) (int, abi.Errno)
	Size() int64
}

// Sizes of ELF64 structures and the values that matter, gABI chapter 4.
const (
	ehdrSize, shdrSize, symSize, phdrSize = 64, 64, 24, 56

	shtSymtab, shtDynsym = 2, 11
	ptLoad               = 1
	sttFunc              = 2

	maxSections = 1 << 14
	maxName     = 200
	chunk       = 64 * symSize
)

// Name is the function that holds file offset off, as "name+0x12", or "" if the
// file does not say.
func Name(f File, off uint64) string {
	var eh [ehdrSize]byte
	if !read(f, eh[:], 0) || string(eh[:4]) != "\x7fELF" || eh[4] != 2 || eh[5] != 1 {
		return ""
	}
	le := binary.LittleEndian
	va, ok := address(f, le.Uint64(eh[32:]), int(le.Uint16(eh[56:])), off)
	if !ok {
		return ""
	}
	shoff, n := le.Uint64(eh[40:]), int(le.Uint16(eh[60:]))
	if n > maxSections || shoff == 0 {
		return ""
	}
	best, at := "", uint64(0)
	for i := 0; i < n; i++ {
		var sh [shdrSize]byte
		if !read(f, sh[:], shoff+uint64(i)*shdrSize) {
			return best
		}
		kind, link := le.Uint32(sh[4:]), le.Uint32(sh[40:])
		if kind != shtSymtab && kind != shtDynsym || int(link) >= n {
			continue
		}
		var str [shdrSize]byte
		if !read(f, str[:], shoff+uint64(link)*shdrSize) {
			continue
		}
		idx, value, found := search(f, le.Uint64(sh[24:]), le.Uint64(sh[32:]), va)
		if found && (best == "" || value > at) {
			if s := text(f, le.Uint64(str[24:]), le.Uint64(str[32:]), idx); s != "" {
				best, at = s, value
			}
		}
	}
	if best == "" {
		return ""
	}
	return best + "+0x" + strconv.FormatUint(va-at, 16)
}

// address turns a file offset into the address that the file gives it.
func address(f File, phoff uint64, n int, off uint64) (uint64, bool) {
	le := binary.LittleEndian
	for i := 0; i < n && i < 128; i++ {
		var ph [phdrSize]byte
		if !read(f, ph[:], phoff+uint64(i)*phdrSize) {
			return 0, false
		}
		start, size := le.Uint64(ph[8:]), le.Uint64(ph[32:])
		if le.Uint32(ph[:]) == ptLoad && off >= start && off-start < size {
			return le.Uint64(ph[16:]) + off - start, true
		}
	}
	return 0, false
}

// search looks for the function with the highest value at or below va that is
// long enough to hold it.
func search(f File, off, size, va uint64) (name uint32, value uint64, found bool) {
	le := binary.LittleEndian
	var b [chunk]byte
	if size > uint64(f.Size()) {
		return 0, 0, false
	}
	for done := uint64(0); done+symSize <= size; {
		n := min(size-done, chunk) / symSize * symSize
		if !read(f, b[:n], off+done) {
			return name, value, found
		}
		for i := uint64(0); i < n; i += symSize {
			s := b[i:]
			v, length := le.Uint64(s[8:]), le.Uint64(s[16:])
			if s[4]&15 == sttFunc && v <= va && va-v < max(length, 1) && (!found || v > value) {
				name, value, found = le.Uint32(s), v, true
			}
		}
		done += n
	}
	return name, value, found
}

// text is a string of a string table, printable or "".
func text(f File, off, size uint64, idx uint32) string {
	if uint64(idx) >= size {
		return ""
	}
	var b [maxName]byte
	n := min(size-uint64(idx), maxName)
	if !read(f, b[:n], off+uint64(idx)) {
		return ""
	}
	for i, c := range b[:n] {
		if c == 0 {
			return string(b[:i])
		}
		if c < 0x20 || c > 0x7e {
			return ""
		}
	}
	return ""
}

func read(f File, b []byte, off uint64) bool {
	if off > uint64(f.Size()) || uint64(len(b)) > uint64(f.Size())-off {
		return false
	}
	n, e := f.ReadAt(b, int64(off))
	return e == abi.OK && n == len(b)
}
