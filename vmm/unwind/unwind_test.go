package unwind

import (
	"bytes"
	"crypto/sha256"
	"debug/elf"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"skerry/bootrec"
)

// recorded is a crash of frames.elf, which is made from testdata/frames.c, as the kernel
// told it.
type recorded struct {
	Reg   [bootrec.Regs]uint64
	Maps  []bootrec.Mapping
	At    uint64
	Stack []byte
}

// recordedCode is the SHA-256 of the .text that was running: the record tells of its
// addresses.
const recordedCode = "076de83f98eeb53cdc86a34e8c4771f727ba7bb9c783ecc18b907e453937527e"

// framesELF builds the program once for all tests.
var framesELF = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "skerry-unwind-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	out := filepath.Join(dir, "frames.elf")
	cmd := exec.Command("gcc", "-g1", "-O2", "-fomit-frame-pointer", "-static", "-nostdlib", "-ffreestanding", "-fno-pie", "-no-pie",
		"-fdebug-prefix-map="+dir+"=.", "-Wl,--build-id=none", "-o", out, "frames.c")
	source, err := os.ReadFile("testdata/frames.c")
	if err != nil {
		return nil, err
	}
	cmd.Dir = dir
	if err := os.WriteFile(filepath.Join(dir, "frames.c"), source, 0o600); err != nil {
		return nil, err
	}
	if b, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("gcc: %w: %s", err, b)
	}
	return os.ReadFile(out)
})

// record skips the test where no gcc is, or one that makes other code of frames.c.
func record(t testing.TB) (*recorded, []byte) {
	t.Helper()
	b, err := os.ReadFile("testdata/frames.json")
	if err != nil {
		t.Fatal(err)
	}
	r := &recorded{}
	if err := json.Unmarshal(b, r); err != nil {
		t.Fatal(err)
	}
	program, err := framesELF()
	if errors.Is(err, exec.ErrNotFound) {
		t.Skip("there is no gcc to build testdata/frames.c (Debian: apt install gcc)")
	}
	if err != nil {
		t.Fatal(err)
	}
	f, err := elf.NewFile(bytes.NewReader(program))
	if err != nil {
		t.Fatal(err)
	}
	code, err := f.Section(".text").Data()
	if err != nil {
		t.Fatal(err)
	}
	if sum := fmt.Sprintf("%x", sha256.Sum256(code)); sum != recordedCode {
		t.Skipf("this gcc makes other code of testdata/frames.c (%s) than was recorded with gcc 12.2.0 of Debian 12", sum)
	}
	return r, program
}

func (r *recorded) memory(elf []byte) *Memory {
	return &Memory{Mappings: r.Maps, StackAt: r.At, Stack: r.Stack, Open: func(path string) *File {
		if path != "/bin/frames.elf" {
			return nil
		}
		return Open(elf)
	}}
}

func show(list []Frame) string {
	var b strings.Builder
	for _, f := range list {
		fmt.Fprintf(&b, "%s+%#x %s %s:%d %d %v\n", f.Function, f.Into, f.File, f.Source, f.Line, f.Times, f.Guess)
	}
	return b.String()
}

func TestRecorded(t *testing.T) {
	r, elf := record(t)
	const want = `deepest+0x2f /bin/frames.elf ./frames.c:13 1 false
middle+0x35 /bin/frames.elf ./frames.c:20 1 false
recurse+0x2a /bin/frames.elf ./frames.c:30 1 false
recurse+0x48 /bin/frames.elf ./frames.c:30 5 false
outer+0x43 /bin/frames.elf ./frames.c:37 1 false
_start+0xe /bin/frames.elf ./frames.c:43 1 false
`
	got := show(r.memory(elf).Walk(&r.Reg, 32))
	if strings.ReplaceAll(got, "./", "") != strings.ReplaceAll(want, "./", "") {
		t.Errorf("got\n%sexpected\n%s", got, want)
	}
	if l := r.memory(elf).Walk(&r.Reg, 2); len(l) != 2 {
		t.Error(len(l), "frames")
	}
	// Without the file there is the place, and no way up that could be known.
	m := r.memory(elf)
	m.Open = nil
	if l := m.Walk(&r.Reg, 32); len(l) == 0 || l[0].File != "/bin/frames.elf" || l[0].Offset == 0 || l[0].Function != "" {
		t.Errorf("%+v", l)
	}
}

// TestWithoutFrames removes the section: what is left are frame pointers and guesses.
func TestWithoutFrames(t *testing.T) {
	r, elf := record(t)
	m := r.memory(elf)
	open := m.Open
	m.Open = func(path string) *File {
		f := open(path)
		f.frame = nil
		return f
	}
	got := show(m.Walk(&r.Reg, 32))
	// Not middle: the frame pointer is that of recurse, which alone has one.
	for _, want := range []string{"deepest+0x2f", "recurse+0x48", "outer+0x43", "_start+0xe"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s in\n%s", want, got)
		}
	}
	if !strings.Contains(got, "true\n") {
		t.Error("nothing is marked as a guess")
	}
}

// TestWildJump: nothing is mapped where the thread is; the call left its way back.
func TestWildJump(t *testing.T) {
	r, elf := record(t)
	regs := r.Reg
	ret, m := uint64(0), r.memory(elf)
	for off := 0; off+8 <= len(r.Stack); off += 8 {
		if v := le.Uint64(r.Stack[off:]); v != 0 && m.Mapping(v) != nil && m.Mapping(v).Flags&bootrec.MapExec != 0 {
			ret, regs[bootrec.RegSP] = v, r.At+uint64(off)
			break
		}
	}
	for _, pc := range []uint64{0, 8, 1 << 63, r.At} { // the last is the stack, which is not executable
		regs[bootrec.RegIP] = pc
		l := m.Walk(&regs, 32)
		if len(l) < 4 || l[0].PC != pc || l[1].PC != ret || l[1].Guess {
			t.Errorf("at %#x: %+v", pc, l)
		}
	}
}

// section is an .eh_frame with one CIE and one FDE.
func section(cieInstructions, fdeInstructions []byte, begin, size uint32) []byte {
	entry := func(b []byte) []byte {
		for len(b)%8 != 4 {
			b = append(b, 0) // DW_CFA_nop
		}
		return append(le.AppendUint32(nil, uint32(len(b))), b...)
	}
	// version 1, "zR", code 1, data -8, return address 16, absolute u32 pointers.
	c := entry(append([]byte{0, 0, 0, 0, 1, 'z', 'R', 0, 1, 0x78, 16, 1, 3}, cieInstructions...))
	f := le.AppendUint32(nil, uint32(len(c)+4))
	f = le.AppendUint32(le.AppendUint32(f, begin), size)
	return append(append(c, entry(append(append(f, 0), fdeInstructions...))...), 0, 0, 0, 0)
}

func TestInstructions(t *testing.T) {
	// CFA = rsp+8, the return address at CFA-8.
	first := []byte{0x0c, 7, 8, 0x80 | 16, 1}
	for _, c := range []struct {
		name string
		ops  []byte
		pc   uint64
		want string // of row 0x1000+pc
	}{
		{"first row", nil, 0, "r7+8 ra[-8]"},
		{"advance", []byte{0x41, 0x0e, 16, 0x80 | 6, 2}, 0, "r7+8 ra[-8]"},
		{"advanced", []byte{0x41, 0x0e, 16, 0x80 | 6, 2}, 1, "r7+16 r6[-16] ra[-8]"},
		{"advance1", []byte{0x02, 200, 0x0e, 16}, 200, "r7+16 ra[-8]"},
		{"advance2", []byte{0x03, 0, 2, 0x0e, 16}, 512, "r7+16 ra[-8]"},
		{"advance4", []byte{0x04, 0, 1, 0, 0, 0x0e, 16}, 255, "r7+8 ra[-8]"},
		{"frame pointer", []byte{0x0d, 6}, 0, "r6+8 ra[-8]"},
		{"remember", []byte{0x0a, 0x0e, 64, 0x80 | 3, 5, 0x41, 0x0b}, 0, "r7+64 r3[-40] ra[-8]"},
		{"restore state", []byte{0x0a, 0x0e, 64, 0x80 | 3, 5, 0x41, 0x0b}, 1, "r7+8 ra[-8]"},
		{"restore", []byte{0x80 | 3, 5, 0xc0 | 3}, 0, "r7+8 ra[-8]"},
		{"extended", []byte{0x05, 3, 2, 0x06, 3, 0x05, 12, 4}, 0, "r7+8 r12[-32] ra[-8]"},
		{"undefined", []byte{0x07, 16}, 0, "r7+8 ra?"},
		{"same value", []byte{0x80 | 3, 5, 0x08, 3}, 0, "r7+8 ra[-8]"},
		{"register", []byte{0x09, 3, 12}, 0, "r7+8 r3=r12 ra[-8]"},
		{"signed", []byte{0x11, 3, 0x7e, 0x12, 6, 0x7e, 0x13, 0x7d}, 0, "r6+24 r3[16] ra[-8]"},
		{"value", []byte{0x14, 3, 2, 0x15, 12, 0x7f}, 0, "r7+8 r3=cfa-16 r12=cfa+8 ra[-8]"},
		{"gnu", []byte{0x2e, 16, 0x2f, 3, 2}, 0, "r7+8 r3[16] ra[-8]"},
		{"vector register", []byte{0x80 | 20, 5}, 0, "r7+8 ra[-8]"},
		{"cfa expression", []byte{0x0f, 2, 0x77, 0}, 0, "expr ra[-8]"},
		{"unknown", []byte{0x3f}, 0, "none"},
		{"cfa of no register", []byte{0x0c, 40, 8}, 0, "none"},
		{"restore nothing", []byte{0x0b}, 0, "none"},
		{"cut", []byte{0x10, 3, 100}, 0, "none"},
		{"behind it", nil, 0x400, "none"},
	} {
		row := find(section(first, c.ops, 0x1000, 0x400), 0x5000, 0x1000+c.pc)
		if got := describe(row); got != c.want {
			t.Errorf("%s: %s, expected %s", c.name, got, c.want)
		}
	}
	many := bytes.Repeat([]byte{0x0a}, maxStates+1)
	if find(section(first, many, 0x1000, 0x400), 0x5000, 0x1000) != nil {
		t.Error("states are not bounded")
	}
}

func describe(r *row) string {
	if r == nil {
		return "none"
	}
	s := []string{"expr"}
	if r.cfa.kind == ruleRegister {
		s[0] = fmt.Sprintf("r%d+%d", r.cfa.n, r.off)
	}
	for i, q := range r.regs {
		name := fmt.Sprint("r", i)
		if i == regRA {
			name = "ra"
		}
		switch q.kind {
		case ruleOffset:
			s = append(s, fmt.Sprintf("%s[%d]", name, q.n))
		case ruleValOffset:
			s = append(s, fmt.Sprintf("%s=cfa%+d", name, q.n))
		case ruleRegister:
			s = append(s, fmt.Sprintf("%s=r%d", name, q.n))
		case ruleUndefined:
			s = append(s, name+"?")
		case ruleExpr, ruleValExpr:
			s = append(s, name+" expr")
		}
	}
	return strings.Join(s, " ")
}

func TestExpressions(t *testing.T) {
	var regs [numRegs]uint64
	regs[7], regs[16] = 1000, 0x40001b
	read := func(a uint64) (uint64, bool) { return a * 2, a != 13 }
	for _, c := range []struct {
		expr []byte
		want uint64
		ok   bool
	}{
		// What linkers write for the PLT: rsp + 8 + ((rip & 15) >= 11) * 8.
		{[]byte{0x77, 8, 0x80, 0, 0x3f, 0x1a, 0x3b, 0x2a, 0x33, 0x24, 0x22}, 1016, true},
		{[]byte{0x77, 0xa0, 1, 0x06}, 2320, true}, // as for a signal's frame: [rsp+160]
		{[]byte{0x3d, 0x06}, 0, false},            // cannot be read
		{[]byte{0x08, 200}, 200, true},
		{[]byte{0x09, 200}, ^uint64(55), true},
		{[]byte{0x0e, 1, 2, 3, 4, 5, 6, 7, 8}, 0x0807060504030201, true},
		{[]byte{0x10, 0x80, 1, 0x23, 3}, 131, true},
		{[]byte{0x11, 0x7f, 0x1f}, 1, true},
		{[]byte{0x35, 0x37, 0x16, 0x1c}, 2, true},
		{[]byte{0x35, 0x12, 0x1e, 0x20}, ^uint64(25), true},
		{[]byte{0x31, 0x32, 0x14, 0x13, 0x21}, 3, true},
		{[]byte{0x92, 16, 0x7f}, 0x40001a, true},
		{[]byte{0x92, 17, 0}, 0, false},
		{[]byte{0x22}, 0, false},
		{[]byte{0x31, 0x22}, 0, false},
		{[]byte{0x2f, 0, 0}, 0, false}, // a jump
		{[]byte{0x0e, 1}, 0, false},
		{nil, 0, false},
		{bytes.Repeat([]byte{0x31}, maxDepth+1), 0, false},
	} {
		got, ok := evaluate(c.expr, &regs, read, false, 0)
		if ok != c.ok || ok && got != c.want {
			t.Errorf("% x: %#x, %v, expected %#x, %v", c.expr, got, ok, c.want, c.ok)
		}
	}
	if got, ok := evaluate([]byte{0x23, 8}, &regs, read, true, 100); !ok || got != 108 {
		t.Error(got, ok)
	}
}

func TestCall(t *testing.T) {
	for _, c := range []struct {
		code string
		want bool
	}{
		{"\xe8\x00\x00\x00\x00", true}, {"\x90\x90\xe8\x01\x02\x03\x04", true}, {"\xff\xd0", true}, {"\x41\xff\xd4", true},
		{"\xff\x10", true}, {"\xff\x14\x24", true}, {"\xff\x50\x08", true}, {"\xff\x54\x24\x08", true}, {"\xff\x90\x00\x01\x00\x00", true},
		{"\xff\x94\x24\x00\x01\x00\x00", true}, {"\xff\x15\x00\x01\x00\x00", true}, {"\xff\x14\xc5\x00\x00\x00\x10", true},
		{"\xff\x14\x25\x00\x00\x00\x10", true}, {"\xff\xe0", false}, {"\x90\x90\x90\x90\x90\x90\x90", false}, {"", false}, {"\xff", false}, {"\xd0", false},
	} {
		if got := call([]byte(c.code)); got != c.want {
			t.Errorf("%x: %v", c.code, got)
		}
	}
}

func TestReadable(t *testing.T) {
	for in, want := range map[string]string{
		"main": "main", "_ZN4shop4CartIiE5totalEi": "shop::Cart<int>::total", "_ZN3std9panicking11begin_panic17h0123456789abcdefE": "std::panicking::begin_panic",
		"_RNvNtCs1234_7mycrate3foo3bar": "mycrate::foo::bar", "_Z": "_Z", "": "",
	} {
		if got := readable(in); got != want {
			t.Errorf("%s: %s, expected %s", in, got, want)
		}
	}
	if n := len(readable(strings.Repeat("x", 1<<20))); n > maxName+10 {
		t.Error(n)
	}
}

// TestHostile changes bytes of the file, the record and the stack at random.
func TestHostile(t *testing.T) {
	r, elf := record(t)
	rnd := rand.New(rand.NewPCG(7, 8))
	for range 3000 {
		m, e, regs := *r, bytes.Clone(elf), r.Reg
		m.Stack = bytes.Clone(r.Stack)
		for range rnd.IntN(6) {
			switch at := rnd.IntN(len(e) - 100); rnd.IntN(4) {
			case 0: // lengths and counts that are huge
				copy(e[at:], "\xff\xff\xff\xff\xff\xff\xff\x7f"[:rnd.IntN(8)])
			case 1:
				e = append(e[:at], e[at+rnd.IntN(100):]...)
			case 2:
				e = append(e[:at:at], append(make([]byte, rnd.IntN(100)), e[at:]...)...)
			default:
				e[at+rnd.IntN(100)] = byte(rnd.Uint32())
			}
			m.Stack[rnd.IntN(len(m.Stack))] = byte(rnd.Uint32())
		}
		for range rnd.IntN(3) {
			regs[rnd.IntN(len(regs))] ^= 1 << rnd.IntN(64)
		}
		mem := m.memory(e)
		mem.Stack = mem.Stack[:rnd.IntN(len(mem.Stack)+1)]
		if l := mem.Walk(&regs, 8); len(l) == 0 || len(l) > 8 {
			t.Fatal(len(l), "frames")
		}
	}
}

func FuzzFrames(f *testing.F) {
	f.Add(section([]byte{0x0c, 7, 8, 0x90, 1}, []byte{0x41, 0x0e, 16}, 0x1000, 0x400), uint64(0x1001))
	_, elf := record(f)
	if s := Open(elf); s != nil {
		f.Add(s.frame, uint64(0x401030))
	}
	f.Fuzz(func(t *testing.T, b []byte, pc uint64) {
		r := find(b, 0x5000, pc)
		if r == nil {
			return
		}
		s := state{m: &Memory{StackAt: 0x7000, Stack: make([]byte, 256)}}
		s.regs[bootrec.RegSP] = 0x7000
		s.apply(r)
	})
}

func FuzzFile(f *testing.F) {
	r, elf := record(f)
	f.Add(elf, r.Stack)
	f.Fuzz(func(t *testing.T, elf, stack []byte) {
		m := *r
		m.Stack = stack
		m.memory(elf).Walk(&r.Reg, 8)
	})
}
