package policy

import (
	"encoding/binary"
	"encoding/json"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"skerry/kernel/abi"
	"skerry/kernel/ground"
	"skerry/kernel/mm"
	"skerry/kernel/strace"
	"skerry/kernel/usermem"
)

// text is the program's memory with one string everywhere.
type text string

func (s text) String(addr uintptr, most int) (string, bool) {
	return string(s[:min(len(s), most)]), addr == 1
}

func (text) Read([]byte, uintptr) bool { return false }

// TestPath: the path of a refused call is what the program gave, whatever bytes are in it;
// where there is none, no other string is taken for one.
func TestPath(t *testing.T) {
	path := func(nr int, a [6]uint64, s string) string {
		what := strace.Describe(nr, a, text(s))
		o := Path(nr, what)
		if o.Members == "" {
			return "none"
		}
		if o.Members != "path" {
			t.Fatalf("%+v", o)
		}
		return plain(o.Text)
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	for i := range 20000 {
		b := make([]byte, i%20)
		for j := range b {
			b[j] = "\x00\x01\x07\n\t\"\\/012789a.\x1b\x7f\x80\xff,([{"[rnd.IntN(24)]
			if rnd.IntN(8) == 0 {
				b[j] = byte(rnd.Uint32())
			}
		}
		for _, c := range []struct {
			nr int
			a  [6]uint64
		}{{abi.SYS_EXECVE, [6]uint64{1}}, {abi.SYS_EXECVEAT, [6]uint64{7, 1}}, {abi.SYS_CHROOT, [6]uint64{1}}, {abi.SYS_MOUNT, [6]uint64{0, 1, 1}}} {
			if got := path(c.nr, c.a, string(b)); got != string(b) {
				t.Fatalf("%s: %q of %q in %s", abi.Lookup(c.nr).Name, got, b, strace.Describe(c.nr, c.a, text(b)))
			}
		}
	}
	long := strings.Repeat("/\x01", 200)
	if got := path(abi.SYS_EXECVE, [6]uint64{1}, long); !strings.HasSuffix(got, "...") || !strings.HasPrefix(long, strings.TrimSuffix(got, "...")) || len(got) < 40 {
		t.Errorf("cut to %q", got)
	}
	for _, c := range []struct {
		nr int
		a  [6]uint64
	}{{abi.SYS_EXECVE, [6]uint64{2}}, {abi.SYS_MOUNT, [6]uint64{2, 2, 1}}, {abi.SYS_FORK, [6]uint64{}}, {abi.SYS_ADD_KEY, [6]uint64{1, 1}}, {abi.SYS_FSOPEN, [6]uint64{1}}, {-1, [6]uint64{}}} {
		if got := path(c.nr, c.a, "x"); got != "none" {
			t.Errorf("call %d: %q", c.nr, got)
		}
	}
	if o := Path(abi.SYS_EXECVE, `execve(0x1234, ["sh"])`); o.Members != "" {
		t.Errorf("%+v", o)
	}
	for _, s := range []string{"", `\`, `\1`, `a\`, `"`, `a"..`} {
		_ = plain(s)
	}
}

// TestObject: what an event is about, as a record has it.
func TestObject(t *testing.T) {
	for _, c := range []struct {
		o    Object
		want string
	}{
		{Object{}, ""},
		{Path(abi.SYS_EXECVE, "execve(\"/bin/\\33[2J\\\"\", [\"x\"])"), `{"path":"/bin/\u001b[2J\""}`},
		{Object{Members: APeer, Text: "10.0.2.2:22"}, `{"addr":"10.0.2.2:22"}`},
		{Object{Members: AnID}, `{"id":0}`},
		{Object{Members: ASocket, N: [3]uint64{17, 3, 0}}, `{"family":17,"type":3,"proto":0}`},
		{Object{Members: ARequest, N: [3]uint64{16, 0, 20}}, `{"family":16,"proto":0,"request":20}`},
		{Object{Members: aMapping, Text: "/tmp/\u00e9", N: [3]uint64{0x7f0000001000, 4096, 5}}, `{"addr":"0x7f0000001000","len":4096,"prot":"r-x","map":"/tmp/\u00c3\u00a9"}`},
		{Object{Members: aMapping, N: [3]uint64{0, 1 << 46, 0}}, `{"addr":"0x0","len":70368744177664}`},
		{Object{Members: aMapping, N: [3]uint64{1, 2, 7}}, `{"addr":"0x1","len":2,"prot":"rwx"}`},
	} {
		w := &writer{}
		w.text("a", "", maxCall)
		c.o.write(w)
		want := `{"a":""`
		if c.want != "" {
			want += `,"obj":` + c.want
		}
		if string(w.b) != want {
			t.Errorf("%+v: %s, want %s", c.o, w.b, want)
		}
	}
	_, _ = collect(t, "/bin/x")
	r := audited(t, func(func(float64)) {
		Mapping(mm.Denial{Rule: mm.RuleSealed, Call: "munmap", Addr: 0x5000, Len: 8192, Name: "/lib/a.so", Errno: abi.EPERM})
	})
	if o, want := r[0]["obj"], (map[string]any{"addr": "0x5000", "len": 8192.0, "map": "/lib/a.so"}); !reflect.DeepEqual(o, want) {
		t.Errorf("%v", o)
	}
}

// TestRecordBound: a record with as much in it as can be is no longer than it may be, and
// what is cut of it are names.
func TestRecordBound(t *testing.T) {
	oldPlace, oldOffset := Place, Offset
	defer func() { Place, Offset = oldPlace, oldOffset }()
	bad := strings.Repeat("\x00\"", 5000)
	Place = func(uint64) string { return bad }
	for _, offset := range []string{bad, "/lib/x86_64-linux-gnu/libc.so.6+0x29d90", ""} {
		Offset = func(uint64) string { return offset }
		for _, o := range []Object{{Members: "path", Text: bad}, {Members: aMapping, Text: bad, N: [3]uint64{^uint64(0), ^uint64(0), 7}}, {Members: APeer, Text: bad}, {}} {
			e := Event{Rule: bad, Point: 4, Call: bad, What: bad, Errno: abi.EAFNOSUPPORT, TID: 1<<31 - 1, PC: ^uint64(0), Object: o, mono: 1<<63 - 1, wall: 1<<63 - 1}
			for i := range e.stack {
				e.stack[i] = ^uint64(0)
			}
			b := record(&e, ^uint64(0), ^uint64(0))
			var m struct {
				Stack   []string `json:"stack"`
				StackAt []string `json:"stack_at"`
			}
			if err := json.Unmarshal(b, &m); err != nil || len(b) > MaxRecord || len(m.Stack) != maxStack || offset == "" && len(m.StackAt) != maxStack {
				t.Errorf("%d bytes, %v: %s", len(b), err, b)
			}
		}
	}
}

// TestCallers: the return addresses of a thread are found by frame pointers that ascend
// within bounds; what the program puts there instead ends them, and nothing else of the
// program's memory, nor of the kernel's, is taken for one.
func TestCallers(t *testing.T) {
	const sp, size, code = 0x7000_0000, 3 << 20, 0x401000
	memory := make([]byte, size)
	oldTranslate, oldCode := usermem.HostTranslate, Code
	defer func() { usermem.HostTranslate, Code = oldTranslate, oldCode }()
	hole := uintptr(0) // a page that is not there
	usermem.HostTranslate = func(a uintptr, write bool) (uintptr, bool) {
		if write || a >= usermem.Limit || a&7 != 0 {
			t.Errorf("access to %#x", a)
		}
		if a < sp || a >= sp+size || a&^4095 == hole {
			return 0, false
		}
		return reflect.ValueOf(&memory[a-sp]).Pointer(), true
	}
	Code = func(pc uint64) bool { return pc >= code && pc < code+0x1000 }
	put := func(at, v uint64) { binary.LittleEndian.PutUint64(memory[at-sp:], v) }
	// chain writes n frames that are gap bytes apart, the first at fp.
	chain := func(fp, gap uint64, n int) {
		clear(memory)
		for i := range n {
			next := fp + gap
			if i == n-1 {
				next = 0
			}
			put(fp, next)
			put(fp+8, code+uint64(i))
			fp += gap
		}
	}
	for _, c := range []struct {
		name string
		do   func() (fp uint64)
		want int
	}{
		{"three", func() uint64 { chain(sp+64, 64, 3); return sp + 64 }, 3},
		{"at the stack pointer", func() uint64 { chain(sp, 16, 3); return sp }, 3},
		{"many", func() uint64 { chain(sp+64, 64, 50); return sp + 64 }, maxStack},
		{"none", func() uint64 { return 0 }, 0},
		{"a number", func() uint64 { return 12345 }, 0},
		{"below the stack pointer", func() uint64 { chain(sp+64, 64, 3); return sp - 64 }, 0},
		{"not aligned", func() uint64 { chain(sp+64, 64, 3); return sp + 68 }, 0},
		{"too far", func() uint64 { chain(sp+1<<20, 64, 3); return sp + 1<<20 }, 0},
		{"in reach", func() uint64 { chain(sp+1<<20-64, 32, 3); return sp + 1<<20 - 64 }, 2},
		{"gets too far", func() uint64 { chain(sp+64, 1<<19, 5); return sp + 64 }, 2},
		{"a loop", func() uint64 { chain(sp+64, 64, 3); put(sp+128, sp+64); return sp + 64 }, 2},
		{"itself", func() uint64 { chain(sp+64, 64, 1); put(sp+64, sp+64); return sp + 64 }, 1},
		{"overlapping", func() uint64 { chain(sp+64, 64, 1); put(sp+64, sp+72); put(sp+80, code); return sp + 64 }, 1},
		{"no code", func() uint64 { chain(sp+64, 64, 4); put(sp+64+2*64+8, 0xdeadbeefcafe); return sp + 64 }, 2},
		{"a kernel's address", func() uint64 { chain(sp+64, 64, 3); put(sp+128, 0xffffffff80201000); return sp + 64 }, 2},
		{"the kernel", func() uint64 { return 0xffffffff80201000 }, 0},
		{"the last one", func() uint64 { return ^uint64(0) &^ 7 }, 0},
		{"a page that is not there", func() uint64 { chain(sp+64, 2048, 8); hole = sp + 8192; return sp + 64 }, 4},
		{"half of it", func() uint64 { chain(sp+4088, 64, 3); hole = sp + 4096; return sp + 4088 }, 0},
	} {
		hole = 0
		r := &ground.Regs{RSP: sp, BP: c.do()}
		got := callers(r)
		n := 0
		for n < maxStack && got[n] != 0 {
			if !Code(got[n]) {
				t.Errorf("%s: %#x", c.name, got[n])
			}
			n++
		}
		if n != c.want || got[min(n, maxStack-1)] != 0 && n < maxStack {
			t.Errorf("%s: %d of %d: %#x", c.name, n, c.want, got)
		}
	}
	hole = 0
	chain(sp+64, 64, 8)
	r := &ground.Regs{RSP: sp, BP: sp + 64}
	if n := testing.AllocsPerRun(100, func() { callers(r) }); n != 0 {
		t.Error(n, "allocations")
	}
	for _, wild := range []uint64{usermem.Limit - 8, usermem.Limit - 16, usermem.Limit, 1<<47 - 8, 1 << 63, ^uint64(0) - 7} {
		callers(&ground.Regs{RSP: wild, BP: wild})
		callers(&ground.Regs{RSP: wild - 64, BP: wild})
	}
}
