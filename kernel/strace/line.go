package strace

import "strconv"

// line is a bounded text: what goes beyond limit is dropped, and cut says so.
type line struct {
	buf   []byte
	limit int
	cut   bool
}

// str appends a text. It and its kin are not inlined: they are called from more
// than a thousand places, and the kernel's size counts.
//
//go:noinline
func (l *line) str(s string) {
	room := l.limit - len(l.buf)
	switch {
	case l.cut:
	case len(s) <= room:
		l.buf = append(l.buf, s...)
	default:
		l.buf = append(l.buf, s[:max(room, 0)]...)
		l.cut = true
	}
}

//go:noinline
func (l *line) byte(b byte) {
	if l.cut || len(l.buf) >= l.limit {
		l.cut = true
		return
	}
	l.buf = append(l.buf, b)
}

func (l *line) byteAlways(b byte) { l.buf = append(l.buf, b) }

// ellipsis marks a text that was cut. The room for it is not part of the limit.
func (l *line) ellipsis() {
	if l.cut && !l.ended("...") {
		l.buf = append(l.buf, "..."...)
	}
}

func (l *line) ended(s string) bool {
	return len(l.buf) >= len(s) && string(l.buf[len(l.buf)-len(s):]) == s
}

// number appends the text of a number unless there is no room for all of it: half
// a number would be another one.
//
//go:noinline
func (l *line) number(prefix string, v uint64, base int) {
	var t [24]byte
	s := strconv.AppendUint(append(t[:0], prefix...), v, base)
	if l.cut || len(l.buf)+len(s) > l.limit {
		l.cut = true
		return
	}
	l.buf = append(l.buf, s...)
}

//go:noinline
func (l *line) dec(v int64) {
	if v < 0 {
		l.number("-", -uint64(v), 10)
		return
	}
	l.number("", uint64(v), 10)
}

//go:noinline
func (l *line) udec(v uint64) { l.number("", v, 10) }

// hex writes v as C's %#x: 0 has no prefix.
//
//go:noinline
func (l *line) hex(v uint64) {
	if v == 0 {
		l.byte('0')
		return
	}
	l.number("0x", v, 16)
}

// addr writes an address.
//
//go:noinline
func (l *line) addr(v uint64) {
	if v == 0 {
		l.str("NULL")
		return
	}
	l.number("0x", v, 16)
}

// octal writes v with at least three digits, the first a zero, as modes are.
func (l *line) octal(v uint64) {
	switch {
	case v < 0o10:
		l.number("00", v, 8)
	default:
		l.number("0", v, 8)
	}
}

// digits writes v in decimal with leading zeroes.
func (l *line) digits(v uint64, width int) {
	div := uint64(1)
	for range width - 1 {
		div *= 10
	}
	for ; div > 0; div /= 10 {
		l.byte('0' + byte(v/div%10))
	}
}

const lowerHex = "0123456789abcdef"

func (l *line) hexByte(b byte) {
	l.byte(lowerHex[b>>4])
	l.byte(lowerHex[b&15])
}

// quote writes b between quotation marks, with C's escapes for all that is not
// printable ASCII, and dots behind it if more follows.
//
//go:noinline
func (l *line) quote(b []byte, more bool) {
	l.byte('"')
	for i, ch := range b {
		switch ch {
		case '"', '\\':
			l.byte('\\')
			l.byte(ch)
		case '\t':
			l.str(`\t`)
		case '\n':
			l.str(`\n`)
		case '\v':
			l.str(`\v`)
		case '\f':
			l.str(`\f`)
		case '\r':
			l.str(`\r`)
		default:
			if ch >= ' ' && ch < 0x7f {
				l.byte(ch)
				continue
			}
			// As short as the digit behind it allows.
			l.byte('\\')
			long := i+1 < len(b) && b[i+1] >= '0' && b[i+1] <= '9'
			if long || ch >= 0o100 {
				l.byte('0' + ch>>6)
			}
			if long || ch >= 0o10 {
				l.byte('0' + ch>>3&7)
			}
			l.byte('0' + ch&7)
		}
	}
	l.byte('"')
	if more {
		l.str("...")
	}
}

// named is a constant with its name.
type named struct {
	v    int64
	name string
}

// set is a list of names. unknown is how a value without a name is described,
// zero the name of "no bits" in sets of bits, if there is one.
type set struct {
	unknown string
	zero    string
	names   []named
}

// find is the name of a value, or "".
func (s *set) find(v int64) string {
	for i := range s.names {
		if s.names[i].v == v {
			return s.names[i].name
		}
	}
	return ""
}

// comment writes what kind of constant a number without a name should have been.
func (l *line) comment(s *set) {
	if s.unknown == "" {
		return
	}
	l.str(" /* ")
	l.str(s.unknown)
	l.str(" */")
}

// enum writes a value that is one of a set. Values are compared as 32 bits wide.
//
//go:noinline
func (l *line) enum(s *set, v uint64) {
	if n := s.find(int64(uint32(v))); n != "" {
		l.str(n)
		return
	}
	if n := s.find(int64(int32(v))); n != "" {
		l.str(n)
		return
	}
	l.hex(uint64(uint32(v)))
	l.comment(s)
}

// bits writes a value that is made of bits of a set.
//
//go:noinline
func (l *line) bits(s *set, v uint64) {
	if v == 0 {
		if s.zero != "" {
			l.str(s.zero)
			return
		}
		l.byte('0')
		return
	}
	if rest, any := l.bitNames(s, v, false); rest != 0 {
		if any {
			l.byte('|')
		}
		l.hex(rest)
		if !any {
			l.comment(s)
		}
	}
}

// bitNames writes the names of the bits in v, with a bar before the first if
// there is something before it, and answers what is left, and whether anything
// stands there now.
func (l *line) bitNames(s *set, v uint64, any bool) (rest uint64, some bool) {
	for i := range s.names {
		b := uint64(s.names[i].v)
		if b == 0 || v&b != b {
			continue
		}
		if any {
			l.byte('|')
		}
		l.str(s.names[i].name)
		v &^= b
		any = true
	}
	return v, any
}
