package strace

import (
	"encoding/binary"
	"strings"
)

// base is where the memory of tests begins.
const base = 0x10000

// testMem is one run of memory at base; there is nothing before and behind it.
type testMem struct{ b []byte }

func (m *testMem) Read(dst []byte, addr uintptr) bool {
	if addr < base || addr-base > uintptr(len(m.b)) || uintptr(len(dst)) > uintptr(len(m.b))-(addr-base) {
		return false
	}
	copy(dst, m.b[addr-base:])
	return true
}

func (m *testMem) String(addr uintptr, max int) (string, bool) {
	if addr < base || addr-base > uintptr(len(m.b)) {
		return "", false
	}
	rest := m.b[addr-base:]
	if i := strings.IndexByte(string(rest[:min(max, len(rest))]), 0); i >= 0 {
		return string(rest[:i]), true
	}
	if len(rest) < max {
		return "", false
	}
	return string(rest[:max]), true
}

// put appends values in the layout of C and answers the address of the first.
// Strings get a NUL; byte slices do not.
func (m *testMem) put(vs ...any) uint64 {
	for len(m.b)%8 != 0 {
		m.b = append(m.b, 0)
	}
	at := base + uint64(len(m.b))
	for _, v := range vs {
		switch v := v.(type) {
		case string:
			m.b = append(append(m.b, v...), 0)
		case []byte:
			m.b = append(m.b, v...)
		default:
			var err error
			if m.b, err = binary.Append(m.b, binary.LittleEndian, v); err != nil {
				panic(err)
			}
		}
	}
	return at
}
