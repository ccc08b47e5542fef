package vdso

// symbol is one exported name.
type symbol struct {
	name     string
	function int
	bind     int
}

// symbols are all exports in the order of the symbol table: the GNU hash wants
// the symbols of a bucket in a row.
func symbols() []symbol {
	var all []symbol
	for i, name := range exports {
		all = append(all, symbol{prefix + name, i, stbGlobal}, symbol{name, i, stbWeak})
	}
	var sorted []symbol
	for b := uint32(0); b < gnuBuckets; b++ {
		for _, s := range all {
			if gnuHash(s.name)%gnuBuckets == b {
				sorted = append(sorted, s)
			}
		}
	}
	return sorted
}

// table is a string table.
type table struct{ b []byte }

func (t *table) add(s string) { t.b = append(append(t.b, s...), 0) }

// at is the offset of a string that was added as such or ends one.
func (t *table) at(s string) int {
	for i := range t.b {
		if i+len(s) < len(t.b) && string(t.b[i:i+len(s)]) == s && t.b[i+len(s)] == 0 {
			return i
		}
	}
	panic("vdso: no such string")
}

// stringTable holds the names; a plain name is the tail of its prefixed one.
func stringTable(syms []symbol) *table {
	t := &table{b: []byte{0}}
	for _, s := range syms {
		if s.bind == stbGlobal {
			t.add(s.name)
		}
	}
	t.add(soname)
	t.add(version)
	return t
}

// elfHash is the hash of DT_HASH and of version names, gABI chapter 5, "Hash
// Table".
func elfHash(s string) uint32 {
	var h uint32
	for i := 0; i < len(s); i++ {
		h = h<<4 + uint32(s[i])
		h ^= h >> 24 & 0xf0
		h &= 0x0fffffff
	}
	return h
}

// gnuHash is the hash of DT_GNU_HASH.
func gnuHash(s string) uint32 {
	h := uint32(5381)
	for i := 0; i < len(s); i++ {
		h = h*33 + uint32(s[i])
	}
	return h
}

// lookup writes what finds a symbol: both hash tables, the symbols (values come
// later) and their names. It answers the four offsets.
func (w *writer) lookup(syms []symbol, strings *table) (hash, gnu, dynsym, dynstr int) {
	// Sections 1, 2, 3 and 4; links are to 3 and 4.
	hash = w.begin(".hash", shtHash, shfAlloc, 4, 4)
	w.hash(syms)
	w.end(3, 0)

	gnu = w.begin(".gnu.hash", shtGNUHash, shfAlloc, 8, 0)
	w.gnuHash(syms)
	w.end(3, 0)

	dynsym = w.begin(".dynsym", shtDynsym, shfAlloc, 8, symSize)
	w.n += symSize // symbol 0 is none
	for _, s := range syms {
		w.u32(strings.at(s.name))
		w.u8(byte(s.bind<<4|sttFunc), 0)
		w.u16(0)
		w.u64(0)
		w.u64(0)
	}
	w.end(4, 1)

	dynstr = w.begin(".dynstr", shtStrtab, shfAlloc, 1, 0)
	w.u8(strings.b...)
	w.end(0, 0)
	return hash, gnu, dynsym, dynstr
}

// hash writes DT_HASH: counts, the first symbol of each bucket, the next one of
// each symbol.
func (w *writer) hash(syms []symbol) {
	var bucket [hashBuckets]int
	chain := make([]int, len(syms)+1)
	for i := len(syms); i > 0; i-- {
		b := elfHash(syms[i-1].name) % hashBuckets
		chain[i], bucket[b] = bucket[b], i
	}
	w.u32(hashBuckets)
	w.u32(len(chain))
	for _, i := range bucket {
		w.u32(i)
	}
	for _, i := range chain {
		w.u32(i)
	}
}

// gnuHash writes DT_GNU_HASH: counts, a Bloom filter of one word, the first
// symbol of each bucket, and each symbol's hash with bit 0 set on the last of a
// bucket.
func (w *writer) gnuHash(syms []symbol) {
	var bloom uint64
	var bucket [gnuBuckets]int
	for i, s := range syms {
		h := gnuHash(s.name)
		bloom |= 1<<(h%64) | 1<<(h>>bloomShift%64)
		if b := h % gnuBuckets; bucket[b] == 0 {
			bucket[b] = i + 1
		}
	}
	w.u32(gnuBuckets)
	w.u32(1) // the first symbol that is in here
	w.u32(1) // words of the filter
	w.u32(bloomShift)
	w.u64(int(bloom))
	for _, i := range bucket {
		w.u32(i)
	}
	for i, s := range syms {
		h := gnuHash(s.name)
		last := i+1 == len(syms) || gnuHash(syms[i+1].name)%gnuBuckets != h%gnuBuckets
		if h &^= 1; last {
			h |= 1
		}
		w.u32(int(h))
	}
}

// versions writes each symbol's version and the two definitions: the object
// itself and the one version that there is.
func (w *writer) versions(syms []symbol, strings *table) (versym, verdef int) {
	versym = w.begin(".gnu.version", shtVer, shfAlloc, 2, 2)
	w.u16(0)
	for range syms {
		w.u16(versionIndex)
	}
	w.end(3, 0)

	verdef = w.begin(".gnu.version_d", shtVerdef, shfAlloc, 8, 0)
	for i, name := range [...]string{soname, version} {
		flags, next := 0, 0
		if i == 0 {
			flags, next = verBase, 28
		}
		w.u16(1)
		w.u16(flags)
		w.u16(i + 1)
		w.u16(1) // names
		w.u32(int(elfHash(name)))
		w.u32(20) // to the name
		w.u32(next)
		w.u32(strings.at(name))
		w.u32(0)
	}
	w.end(4, 2)
	return versym, verdef
}
