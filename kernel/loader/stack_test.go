package loader

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"skerry/kernel/abi"
	"skerry/kernel/vdso"
)

// readStack reads a stack as a C start-up routine would, by the psABI alone.
type readStack struct {
	st  *Stack
	err error
}

func (r *readStack) word(addr uint64) uint64 {
	off := addr - uint64(r.st.SP)
	if off > uint64(len(r.st.Bytes))-8 || addr&7 != 0 {
		r.err = fmt.Errorf("a word at %#x, SP %#x, %d bytes", addr, r.st.SP, len(r.st.Bytes))
		return 0
	}
	return le.Uint64(r.st.Bytes[off:])
}

func (r *readStack) str(addr uint64) string {
	off := addr - uint64(r.st.SP)
	if off < uint64(len(r.st.Bytes)) {
		b := r.st.Bytes[off:]
		if n := bytes.IndexByte(b, 0); n >= 0 {
			return string(b[:n])
		}
	}
	r.err = fmt.Errorf("no string at %#x", addr)
	return ""
}

func (r *readStack) read() (args, env []string, aux [][2]uint64) {
	at := uint64(r.st.SP)
	n := r.word(at)
	at += 8
	for range n {
		args = append(args, r.str(r.word(at)))
		at += 8
	}
	if r.word(at) != 0 && r.err == nil {
		r.err = fmt.Errorf("argv does not end")
	}
	at += 8
	for r.err == nil && r.word(at) != 0 {
		env = append(env, r.str(r.word(at)))
		at += 8
	}
	at += 8
	for r.err == nil {
		a := [2]uint64{r.word(at), r.word(at + 8)}
		aux = append(aux, a)
		at += 16
		if a[0] == atNull {
			break
		}
	}
	return args, env, aux
}

func TestStack(t *testing.T) {
	rng := rand.New(rand.NewPCG(19, 20))
	random := func(n int) (list []string) {
		for range rng.IntN(n) {
			b := make([]byte, rng.IntN(40))
			for i := range b {
				b[i] = byte(1 + rng.IntN(255))
			}
			list = append(list, string(b))
		}
		return list
	}
	p, e := Load(sample().file(), errNoFile, &someLayout)
	if e != nil {
		t.Fatal(e)
	}
	low := map[uint64]bool{}
	for i := range 5000 {
		l := Draw(rng.Uint64)
		s := &Start{Args: random(20), Env: random(20), Path: "/app/" + strings.Repeat("p", i%50), StackLimit: DefaultStack,
			CPU: CPU{HWCAP: rng.Uint64(), HWCAP2: rng.Uint64(), MinSignalStack: rng.Uint64N(3)}}
		for j := range s.Random {
			s.Random[j] = byte(rng.Uint32())
		}
		st, e := NewStack(s, p, &l)
		if e != nil {
			t.Fatal(e)
		}
		r := &readStack{st: st}
		args, env, aux := r.read()
		want := s.Args
		if len(want) == 0 {
			want = []string{""}
		}
		if r.err != nil || !slices.Equal(args, want) || !slices.Equal(env, s.Env) {
			t.Fatalf("%v: %q %q of %q %q", r.err, args, env, s.Args, s.Env)
		}
		sp, top := uint64(st.SP), uint64(st.SP)+uint64(len(st.Bytes))
		if sp&15 != 0 || top > uint64(l.StackTop) || uint64(l.StackTop)-top != 8+16*uint64(l.StackShift) ||
			st.Mapped(&l)&uintptr(pageMask) != 0 || uint64(l.StackTop)-uint64(st.Mapped(&l)) > sp-(128<<10) {
			t.Fatalf("SP %#x, %d bytes, top %#x, mapped %#x", sp, len(st.Bytes), l.StackTop, st.Mapped(&l))
		}
		low[sp&pageMask] = true
		got := map[uint64]uint64{}
		for _, a := range aux {
			if _, twice := got[a[0]]; twice {
				t.Fatalf("auxv %d twice", a[0])
			}
			got[a[0]] = a[1]
		}
		if _, there := got[atMinsigstksz]; there != (s.CPU.MinSignalStack != 0) {
			t.Fatalf("AT_MINSIGSTKSZ: %v", there)
		}
		delete(got, atMinsigstksz)
		for kind, v := range map[uint64]uint64{
			atSysinfoEhdr: uint64(l.VDSO) + vdso.ImageOffset, atHwcap: s.CPU.HWCAP, atHwcap2: s.CPU.HWCAP2, atPagesz: 4096,
			atClktck: 100, atPhdr: uint64(p.Phdr), atPhent: 56, atPhnum: uint64(p.Phnum), atBase: 0, atFlags: 0,
			atEntry: uint64(p.Entry), atUID: 65532, atEUID: 65532, atGID: 65532, atEGID: 65532, atSecure: 0, atNull: 0,
		} {
			if g, ok := got[kind]; !ok || g != v {
				t.Fatalf("auxv %d is %#x (%v), want %#x", kind, g, ok, v)
			}
			delete(got, kind)
		}
		random := got[atRandom] - sp
		if r.str(got[atPlatform]) != "x86_64" || r.str(got[atExecfn]) != s.Path ||
			random > uint64(len(st.Bytes))-16 || !bytes.Equal(st.Bytes[random:random+16], s.Random[:]) {
			t.Fatalf("what the vector points to: %+v", got)
		}
		if len(got) != 3 {
			t.Fatalf("auxv has more: %v", got)
		}
		area := func(lo, hi uintptr) string { return string(st.Bytes[lo-st.SP : hi-st.SP]) }
		joined := func(list []string) string {
			if len(list) == 0 {
				return ""
			}
			return strings.Join(list, "\x00") + "\x00"
		}
		if area(st.ArgLo, st.ArgHi) != joined(want) || area(st.EnvLo, st.EnvHi) != joined(s.Env) || st.ArgHi != st.EnvLo {
			t.Fatal("the areas of /proc/self/cmdline and environ")
		}
		off := bytes.Index(st.Bytes, st.Auxv)
		if off < 0 || len(st.Auxv) != len(aux)*16 || le.Uint64(st.Auxv) != aux[0][0] {
			t.Fatal("the vector of /proc/self/auxv")
		}
	}
	if len(low) != 256 {
		t.Errorf("the stack pointer has %d places in its page", len(low))
	}
}

func TestStackWithoutVDSO(t *testing.T) {
	l := someLayout
	l.VDSO = 0
	p, _ := Load(sample().file(), errNoFile, &l)
	st, e := NewStack(&Start{Path: "/a", StackLimit: DefaultStack}, p, &l)
	if e != nil {
		t.Fatal(e)
	}
	if le.Uint64(st.Auxv) == atSysinfoEhdr {
		t.Error("a vDSO at 0")
	}
}

func TestStackRefuses(t *testing.T) {
	p, _ := Load(sample().file(), errNoFile, &someLayout)
	many := make([]string, 1<<20)
	long := strings.Repeat("x", 128<<10)
	for i, c := range []struct {
		s     Start
		errno abi.Errno
	}{
		{Start{Args: []string{"a\x00b"}}, abi.EINVAL},
		{Start{Env: []string{"a=\x00"}}, abi.EINVAL},
		{Start{Path: "/\x00"}, abi.EINVAL},
		{Start{Args: []string{long}, StackLimit: DefaultStack}, abi.E2BIG},
		{Start{Env: []string{long}, StackLimit: DefaultStack}, abi.E2BIG},
		{Start{Args: []string{long[:100_000], long[:100_000]}}, abi.E2BIG},
		{Start{Args: many, StackLimit: ^uint64(0)}, abi.E2BIG},
		{Start{Env: many, StackLimit: 1 << 40}, abi.E2BIG},
	} {
		if _, e := NewStack(&c.s, p, &someLayout); e == nil || e.Errno != c.errno || e.Status != StatusCannotRun {
			t.Errorf("%d: %+v", i, e)
		}
	}
	// The smallest limit still takes 128 KiB, and the room is there.
	st, e := NewStack(&Start{Args: []string{long[:130_000]}}, p, &someLayout)
	if e != nil || st.Mapped(&someLayout) > StackRoom(0) {
		t.Errorf("%v; %#x bytes are mapped of %#x", e, st.Mapped(&someLayout), StackRoom(0))
	}
}
