package strace

import (
	"strings"
	"testing"
	"unsafe"

	"skerry/kernel/usermem"
)

// TestUser reads through usermem: two pages of the test's own memory stand for
// the program's, with nothing behind them.
func TestUser(t *testing.T) {
	const page = 4096
	const at = 0x10000
	mem := make([]byte, 2*page)
	old := usermem.HostTranslate
	defer func() { usermem.HostTranslate = old }()
	usermem.HostTranslate = func(addr uintptr, write bool) (uintptr, bool) {
		if write || addr < at || addr >= at+2*page {
			return 0, false
		}
		return uintptr(unsafe.Pointer(&mem[addr-at])), true
	}
	copy(mem[page-3:], "across\x00")
	copy(mem[2*page-3:], "end")

	var u User
	for _, c := range []struct {
		addr uintptr
		max  int
		want string
		ok   bool
	}{
		{at + page - 3, 100, "across", true},
		{at + page - 3, 6, "across", true},
		{at + page - 3, 4, "acro", true},
		{at + 2*page - 3, 3, "end", true},
		{at + 2*page - 3, 4, "", false},
		{at + 2*page, 4, "", false},
		{at, 10, "", true},
		{^uintptr(0) - 2, 10, "", false},
		{at, 0, "", true},
	} {
		if got, ok := u.String(c.addr, c.max); got != c.want || ok != c.ok {
			t.Errorf("String(%#x, %d) = %q, %v", c.addr, c.max, got, ok)
		}
	}
	b := make([]byte, 6)
	if !u.Read(b, at+page-3) || string(b) != "across" {
		t.Errorf("Read across pages: %q", b)
	}
	if u.Read(b, at+2*page-3) {
		t.Error("Read beyond the memory")
	}

	// More than a path's worth: the answer is cut, not an error.
	copy(mem, strings.Repeat("x", 2*page))
	if got, ok := u.String(at, 2*page); !ok || len(got) != maxPath+1 {
		t.Errorf("a long string: %d bytes, %v", len(got), ok)
	}
	args := [6]uint64{at, 0, 0}
	if got := string(plain.Enter(nil, 2, args, u)); got != `open("`+strings.Repeat("x", maxPath)+`"..., O_RDONLY` {
		t.Errorf("a long path: %s", got)
	}
}
