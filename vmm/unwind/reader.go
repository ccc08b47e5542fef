package unwind

import "encoding/binary"

var le = binary.LittleEndian

// reader takes values from bytes. After the first that is not there, bad is set
// and everything is zero.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) take(n uint64) []byte {
	if n > uint64(len(r.b)) {
		r.b, r.bad = nil, true
		return nil
	}
	p := r.b[:n]
	r.b = r.b[n:]
	return p
}

// uint takes an unsigned number of n bytes, 1, 2, 4 or 8.
func (r *reader) uint(n uint64) uint64 {
	var w [8]byte
	copy(w[:], r.take(n))
	return le.Uint64(w[:])
}

// int takes a signed number of n bytes.
func (r *reader) int(n uint64) int64 {
	shift := 64 - 8*n
	return int64(r.uint(n)<<shift) >> shift
}

// uleb and sleb take numbers in LEB128, DWARF 5, 7.6. Bits beyond 64 are dropped.
func (r *reader) uleb() (v uint64) {
	for shift := uint(0); ; shift += 7 {
		c := r.uint(1)
		if shift < 64 {
			v |= c & 0x7f << shift
		}
		if c&0x80 == 0 {
			return v
		}
	}
}

func (r *reader) sleb() (v int64) {
	for shift := uint(0); ; {
		c := r.uint(1)
		if shift < 64 {
			v |= int64(c&0x7f) << shift
			shift += 7
		}
		if c&0x80 == 0 {
			if shift < 64 && c&0x40 != 0 {
				v |= -1 << shift
			}
			return v
		}
	}
}

// text takes bytes up to a NUL.
func (r *reader) text() string {
	for i, c := range r.b {
		if c == 0 {
			s := string(r.b[:i])
			r.b = r.b[i+1:]
			return s
		}
	}
	r.b, r.bad = nil, true
	return ""
}

// Pointer encodings, LSB Core (generic), 10.5.1 "DWARF Exception Header Encoding".
const (
	peFormat  = 0x0f
	peApplied = 0x70
	pePCRel   = 0x10
	peOmit    = 0xff
)

// pointer takes an encoded pointer; at is the address of the section's byte where
// r began with n bytes. Encodings that no compiler for x86-64 uses are errors.
func (r *reader) pointer(enc byte, at uint64, n int) (v uint64) {
	here := at + uint64(n-len(r.b))
	switch enc & peFormat {
	case 0, 4, 12:
		v = r.uint(8)
	case 1:
		v = r.uleb()
	case 2:
		v = r.uint(2)
	case 3:
		v = r.uint(4)
	case 9:
		v = uint64(r.sleb())
	case 10:
		v = uint64(r.int(2))
	case 11:
		v = uint64(r.int(4))
	default:
		r.bad = true
	}
	switch enc & peApplied {
	case 0:
	case pePCRel:
		v += here
	default:
		r.bad = true
	}
	return v
}
