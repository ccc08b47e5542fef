package vdso

import (
	"bytes"
	"fmt"
)

// A dynamic linker's view of an image, written after how three of them read a
// vDSO: the Go runtime (vdso_linux.go: the first PT_LOAD gives the offset, GNU
// hash if there is one, else DT_HASH), musl (vdso.c: all symbols in turn, count
// from DT_HASH) and glibc (dl-lookup.c: GNU hash with its Bloom filter).
type linker struct {
	b                      []byte
	strtab, symtab         int
	hash, gnu              int
	versym, verdef, verNum int
	soname                 string
}

func newLinker(b []byte) (*linker, error) {
	if len(b) != PageSize || string(b[:4]) != "\x7fELF" {
		return nil, fmt.Errorf("not an ELF page")
	}
	phoff, phnum := int(le.Uint64(b[32:])), int(le.Uint16(b[56:]))
	dyn, load := -1, -1
	for i := 0; i < phnum; i++ {
		p := b[phoff+i*phdrSize:]
		switch le.Uint32(p) {
		case ptLoad:
			if load < 0 {
				load = int(le.Uint64(p[8:])) - int(le.Uint64(p[16:])) // offset - vaddr
			}
		case ptDynamic:
			dyn = int(le.Uint64(p[8:]))
		}
	}
	if dyn < 0 || load != 0 {
		return nil, fmt.Errorf("dynamic section %d, load offset %d", dyn, load)
	}
	l := &linker{b: b}
	soname := 0
	for ; le.Uint64(b[dyn:]) != dtNull; dyn += dynSize {
		v := int(le.Uint64(b[dyn+8:]))
		switch le.Uint64(b[dyn:]) {
		case dtHash:
			l.hash = v
		case dtGNUHash:
			l.gnu = v
		case dtStrtab:
			l.strtab = v
		case dtSymtab:
			l.symtab = v
		case dtVersym:
			l.versym = v
		case dtVerdef:
			l.verdef = v
		case dtVerdefnum:
			l.verNum = v
		case dtSoname:
			soname = v
		}
	}
	if l.hash == 0 || l.gnu == 0 || l.strtab == 0 || l.symtab == 0 || l.versym == 0 || l.verdef == 0 {
		return nil, fmt.Errorf("a table is missing: %+v", l)
	}
	l.soname = l.str(soname)
	return l, nil
}

func (l *linker) u32(off int) uint32 { return le.Uint32(l.b[off:]) }

func (l *linker) str(off int) string {
	s := l.b[l.strtab+off:]
	return string(s[:bytes.IndexByte(s, 0)])
}

// wanted reports whether symbol i is a defined function of this name and version.
func (l *linker) wanted(i uint32, name string, version int) bool {
	s := l.b[l.symtab+int(i)*symSize:]
	kind, bind := s[4]&0xf, s[4]>>4
	return kind == sttFunc && (bind == stbGlobal || bind == stbWeak) && le.Uint16(s[6:]) != 0 &&
		l.str(int(le.Uint32(s))) == name && int(le.Uint16(l.b[l.versym+int(i)*2:])&0x7fff) == version
}

func (l *linker) value(i uint32) int { return int(le.Uint64(l.b[l.symtab+int(i)*symSize+8:])) }

// version is the index of a version definition that is not the object's own.
func (l *linker) version(name string, hash uint32) int {
	for at, n := l.verdef, 0; n < l.verNum; n++ {
		if le.Uint16(l.b[at+2:])&verBase == 0 && l.u32(at+8) == hash {
			if aux := at + int(l.u32(at+12)); l.str(int(l.u32(aux))) == name {
				return int(le.Uint16(l.b[at+4:]) & 0x7fff)
			}
		}
		next := int(l.u32(at + 16))
		if next == 0 {
			break
		}
		at += next
	}
	return -1
}

// bySysV looks in DT_HASH, byAll at all symbols, byGNU in DT_GNU_HASH; 0 is "no
// such symbol".
func (l *linker) bySysV(name string, version int) int {
	buckets := l.u32(l.hash)
	chain := l.hash + 8 + int(buckets)*4
	steps := 0
	for i := l.u32(l.hash + 8 + int(elfHash(name)%buckets)*4); i != 0; i = l.u32(chain + int(i)*4) {
		if l.wanted(i, name, version) {
			return l.value(i)
		}
		if steps++; steps > 1000 {
			panic("a chain without end")
		}
	}
	return 0
}

func (l *linker) byAll(name string, version int) int {
	for i := uint32(0); i < l.u32(l.hash+4); i++ {
		if l.wanted(i, name, version) {
			return l.value(i)
		}
	}
	return 0
}

func (l *linker) byGNU(name string, version int) int {
	buckets, first := l.u32(l.gnu), l.u32(l.gnu+4)
	words, shift := l.u32(l.gnu+8), l.u32(l.gnu+12)
	h := gnuHash(name)
	word := le.Uint64(l.b[l.gnu+16+int(h/64%words)*8:])
	if word>>(h%64)&1 == 0 || word>>(h>>shift%64)&1 == 0 {
		return 0
	}
	table := l.gnu + 16 + int(words)*8
	chain := table + int(buckets)*4
	i := l.u32(table + int(h%buckets)*4)
	if i < first {
		return 0
	}
	for ; ; i++ {
		c := l.u32(chain + int(i-first)*4)
		if c|1 == h|1 && l.wanted(i, name, version) {
			return l.value(i)
		}
		if c&1 != 0 {
			return 0
		}
	}
}

// find is the offset of a function by all three ways, which must agree.
func (l *linker) find(name string) (int, error) {
	v := l.version(version, elfHash(version))
	a, b, c := l.bySysV(name, v), l.byAll(name, v), l.byGNU(name, v)
	if a == 0 || a != b || b != c {
		return 0, fmt.Errorf("%s: DT_HASH %#x, all symbols %#x, DT_GNU_HASH %#x", name, a, b, c)
	}
	return a, nil
}
