package dynlink

import (
	"bytes"
	"encoding/binary"
	"slices"
)

// Entry is a line of ld.so.cache: where the library of a name is.
type Entry struct{ Name, Path string }

// Numbers of the cache's format, version 1.1 (`ldconfig -p` reads it, which the
// tests use as a second opinion).
const (
	cacheMagic  = "glibc-ld.so.cache" + "1.1"
	cacheHeader = 48
	cacheEntry  = 24
	cacheLittle = 2      // in the byte behind the lengths: little endian
	cacheX86_64 = 0x0303 // flags of an entry: ELF for libc6, x86-64
)

// Cache returns a ld.so.cache with these entries, of which each name stands once.
// glibc's linker looks into it before its built-in directories.
func Cache(entries []Entry) []byte {
	list := slices.Clone(entries)
	// The linker searches by halves in an order of its own, which the last comes
	// first in.
	slices.SortStableFunc(list, func(a, b Entry) int { return compareNames(b.Name, a.Name) })
	list = slices.CompactFunc(list, func(a, b Entry) bool { return a.Name == b.Name })
	le := binary.LittleEndian
	strings := cacheHeader + cacheEntry*len(list)
	var names bytes.Buffer
	head := make([]byte, 0, strings)
	head = append(head, cacheMagic...)
	head = le.AppendUint32(head, uint32(len(list)))
	head = le.AppendUint32(head, 0) // length of the strings, below
	head = append(head, cacheLittle, 0, 0, 0)
	head = append(head, make([]byte, cacheHeader-len(head))...) // no extensions
	for _, e := range list {
		head = le.AppendUint32(head, cacheX86_64)
		head = le.AppendUint32(head, uint32(strings+names.Len()))
		names.WriteString(e.Name + "\x00")
		head = le.AppendUint32(head, uint32(strings+names.Len()))
		names.WriteString(e.Path + "\x00")
		head = le.AppendUint32(head, 0) // oldest kernel
		head = le.AppendUint64(head, 0) // hardware capabilities
	}
	le.PutUint32(head[24:], uint32(names.Len()))
	return append(head, names.Bytes()...)
}

// compareNames is the cache's order: as strings, but runs of digits as numbers, and
// a digit behind everything else.
func compareNames(a, b string) int {
	digit := func(s string) bool { return s != "" && s[0] >= '0' && s[0] <= '9' }
	for a != "" {
		switch {
		case digit(a) && digit(b):
			var x, y uint64
			for ; digit(a); a = a[1:] {
				x = x*10 + uint64(a[0]-'0')
			}
			for ; digit(b); b = b[1:] {
				y = y*10 + uint64(b[0]-'0')
			}
			if x != y {
				if x < y {
					return -1
				}
				return 1
			}
		case digit(a):
			return 1
		case digit(b):
			return -1
		default:
			var c byte
			if b != "" {
				c = b[0]
			}
			if a[0] != c {
				return int(a[0]) - int(c)
			}
			a, b = a[1:], b[1:]
		}
	}
	return -len(b)
}
