package loader

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"skerry/kernel/abi"
)

var errNoFile = func(string) (File, abi.Errno) { return nil, abi.ENOENT }

// checkPlan is what holds of every plan, for any files: see the package comment.
func checkPlan(p *Plan, l *Layout, program *Image) error {
	type owner struct{ lo, hi uint64 }
	code := false
	entry := false
	var ends []owner
	for i := range p.Mappings {
		m := &p.Mappings[i]
		lo, hi := uint64(m.Addr), uint64(m.Addr)+uint64(m.Len)
		switch {
		case lo&pageMask != 0 || uint64(m.Len)&pageMask != 0 || m.Len == 0 || m.Off&pageMask != 0:
			return fmt.Errorf("mapping %d is not whole pages: %+v", i, m)
		case lo < Lowest || hi > limit || hi < lo:
			return fmt.Errorf("mapping %d lies outside of user memory: %+v", i, m)
		case m.Prot&^(ProtRead|ProtWrite|ProtExec) != 0 || m.Prot&(ProtWrite|ProtExec) == ProtWrite|ProtExec:
			return fmt.Errorf("mapping %d has protection %d", i, m.Prot)
		case m.Prot&ProtExec != 0 && m.File == nil:
			return fmt.Errorf("mapping %d is executable and no file: %+v", i, m)
		case m.Seal != (m.Prot&ProtWrite == 0):
			return fmt.Errorf("mapping %d: sealed %v with protection %d", i, m.Seal, m.Prot)
		case m.File == nil && (m.ZeroLen != 0 || m.Off != 0):
			return fmt.Errorf("mapping %d: %+v", i, m)
		}
		if m.File != nil {
			size := uint64(m.File.Size())
			if m.Off >= size || pageUp(size)-m.Off < uint64(m.Len) {
				return fmt.Errorf("mapping %d goes beyond the file's %d bytes: %+v", i, size, m)
			}
		}
		if m.ZeroLen != 0 && (m.Prot&ProtWrite == 0 || uint64(m.ZeroLen) >= pageSize ||
			uint64(m.ZeroAddr) <= hi-pageSize || uint64(m.ZeroAddr)+uint64(m.ZeroLen) != hi) {
			return fmt.Errorf("mapping %d clears what it must not: %+v", i, m)
		}
		window := lo >= uint64(l.TextStart) && hi <= uint64(l.TextEnd)
		fixed := hi <= fixedEnd && !program.PositionIndependent
		if !window && !fixed {
			return fmt.Errorf("mapping %d lies where nothing belongs: %+v", i, m)
		}
		if m.Prot&ProtExec != 0 {
			code = true
			entry = entry || p.Start >= m.Addr && p.Start < m.Addr+m.Len
			if !window && (m.Addr < p.FixedLo || m.Addr+m.Len > p.FixedHi) {
				return fmt.Errorf("mapping %d is code outside of %#x..%#x", i, p.FixedLo, p.FixedHi)
			}
		}
		for _, e := range ends {
			if lo < e.hi && e.lo < hi {
				return fmt.Errorf("mapping %d overlaps another: %+v", i, m)
			}
		}
		ends = append(ends, owner{lo, hi})
	}
	if !code || !entry {
		return fmt.Errorf("the first instruction at %#x is not code", p.Start)
	}
	return nil
}

var someLayout = Draw(rand.New(rand.NewPCG(15, 16)).Uint64)

func TestPlanSample(t *testing.T) {
	l := &someLayout
	f := sample().file()
	p, e := Load(f, errNoFile, l)
	if e != nil {
		t.Fatal(e)
	}
	b := l.PIE
	want := []string{
		fmt.Sprintf("file 0 %#x+2000 prot 5 zero 0+0 true", b),
		fmt.Sprintf("file 2000 %#x+1000 prot 1 zero 0+0 true", b+0x2000),
		fmt.Sprintf("file 3000 %#x+2000 prot 3 zero %#x+c00 false", b+0x4000, b+0x5400),
		fmt.Sprintf("zero 0 %#x+2000 prot 3 zero 0+0 false", b+0x6000),
	}
	for i, m := range p.Mappings {
		kind := "file"
		if m.File == nil {
			kind = "zero"
		}
		zero := fmt.Sprintf("%#x+%x", m.ZeroAddr, m.ZeroLen)
		if m.ZeroLen == 0 {
			zero = "0+0"
		}
		got := fmt.Sprintf("%s %x %#x+%x prot %d zero %s %v", kind, m.Off, m.Addr, m.Len, m.Prot, zero, m.Seal)
		if i >= len(want) || got != want[i] {
			t.Errorf("mapping %d: %s", i, got)
		}
	}
	if len(p.Mappings) != 4 || p.Entry != b+0x1100 || p.Start != p.Entry || p.Phdr != b+ehdrSize || p.Phnum != 7 ||
		p.Base != 0 || p.FixedLo != p.FixedHi || p.CodeLo != b || p.CodeHi != b+0x1800 ||
		p.DataLo != b+0x2000 || p.DataHi != b+0x5400 || len(p.Relro) != 1 || p.Relro[0] != (Range{b + 0x4000, b + 0x5000}) {
		t.Errorf("%+v", p)
	}
}

func TestPlanFixed(t *testing.T) {
	x := sample()
	x.kind = etExec
	x.move(0x400000)
	p, e := Load(x.file(), errNoFile, &someLayout)
	if e != nil {
		t.Fatal(e)
	}
	if p.Start != 0x401100 || p.Mappings[0].Addr != 0x400000 || p.Phdr != 0x400040 || p.FixedLo != 0x400000 || p.FixedHi != 0x402000 {
		t.Errorf("%+v", p)
	}
}

// TestPlanApart: with room for code that the program writes, its own code is a range by
// itself, and the window what libraries take.
func TestPlanApart(t *testing.T) {
	l := someLayout
	l.MakeRoom()
	p, e := Load(sample().file(), errNoFile, &l)
	if e != nil {
		t.Fatal(e)
	}
	if b := l.PIE; p.Start != b+0x1100 || p.FixedLo != b || p.FixedHi != b+0x2000 || l.TextStart != l.TextEnd-libraryRoom || l.PIE != someLayout.PIE || l.TextEnd != someLayout.TextEnd {
		t.Errorf("%+v, %+v", p, l)
	}
}

func TestPlanInterpreter(t *testing.T) {
	l := &someLayout
	ld := sample()
	ld.headers[iText].palign = 0x10000
	ld.entry = 0x1234
	open := func(path string) (File, abi.Errno) {
		if path != "/lib/ld.so" {
			t.Errorf("%q is opened", path)
		}
		return ld.file(), abi.OK
	}
	program := sample().interp("/lib/ld.so\x00")
	p, e := Load(program.file(), open, l)
	if e != nil {
		t.Fatal(e)
	}
	if p.Base&0xffff != 0 || p.Base+0x8000 > l.TextEnd || p.Base+0x18000 <= l.TextEnd || p.Start != p.Base+0x1234 ||
		p.Entry != l.PIE+0x1100 || p.Interp != "/lib/ld.so" || p.Phnum != 8 || len(p.Mappings) != 8 || len(p.Relro) != 2 {
		t.Errorf("%+v", p)
	}
	img, _ := Parse(program.file())
	if err := checkPlan(p, l, img); err != nil {
		t.Error(err)
	}

	// An interpreter of an interpreter is not looked at.
	ld.interp("/nowhere\x00")
	if _, e := Load(program.file(), open, l); e != nil {
		t.Error(e)
	}
	for want, change := range map[string]func(x *testELF){
		`its interpreter "/lib/ld.so", which is linked at a fixed address`: func(x *testELF) { x.kind = etExec; x.move(1 << 22) },
		`its interpreter "/lib/ld.so", which is a 32-bit program`:          func(x *testELF) { x.ident[4] = 1 },
		`its interpreter "/lib/ld.so", which has its entry point`:          func(x *testELF) { x.entry = 3 << 20 },
	} {
		ld = sample()
		change(ld)
		if _, e := Load(program.file(), open, l); e == nil || !strings.Contains(e.Text, want) || e.Status != StatusCannotRun {
			t.Errorf("%s: %+v", want, e)
		}
	}
	for errno, status := range map[abi.Errno]int{abi.ENOENT: 127, abi.ENOTDIR: 127, abi.EACCES: 126, abi.EIO: 126, abi.ELOOP: 126} {
		_, e := Load(program.file(), func(string) (File, abi.Errno) { return nil, errno }, l)
		if e == nil || e.Status != status || !strings.Contains(e.Text, `"/lib/ld.so"`) {
			t.Errorf("%v: %+v", errno, e)
		}
	}
}

// recorder is an AddressSpace that keeps what it is told, and fails at its nth
// call.
type recorder struct {
	calls  []string
	failAt int
	errno  abi.Errno
}

func (r *recorder) call(format string, args ...any) abi.Errno {
	r.calls = append(r.calls, fmt.Sprintf(format, args...))
	if len(r.calls) == r.failAt {
		return r.errno
	}
	return abi.OK
}

func (r *recorder) MapFile(f File, addr, n uintptr, prot uint32, off uint64) abi.Errno {
	return r.call("file %d %x+%x prot %d off %x", f.Size(), addr, n, prot, off)
}

func (r *recorder) MapAnon(addr, n uintptr, prot uint32) abi.Errno {
	return r.call("anon %x+%x prot %d", addr, n, prot)
}

func (r *recorder) Zero(addr, n uintptr) abi.Errno { return r.call("zero %x+%x", addr, n) }
func (r *recorder) Seal(addr, n uintptr) abi.Errno { return r.call("seal %x+%x", addr, n) }

func TestApply(t *testing.T) {
	x := sample()
	x.kind = etExec
	x.move(0x400000)
	p, e := Load(x.file(), errNoFile, &someLayout)
	if e != nil {
		t.Fatal(e)
	}
	r := &recorder{}
	if e := p.Apply(r); e != nil {
		t.Fatal(e)
	}
	want := []string{
		"file 18432 400000+2000 prot 5 off 0",
		"file 18432 402000+1000 prot 1 off 2000",
		"file 18432 404000+2000 prot 3 off 3000",
		"zero 405400+c00",
		"anon 406000+2000 prot 3",
		"seal 400000+2000",
		"seal 402000+1000",
	}
	if got := strings.Join(r.calls, "\n"); got != strings.Join(want, "\n") {
		t.Errorf("calls:\n%s", got)
	}
	for errno, text := range map[abi.Errno]string{
		abi.ENOMEM: "does not fit into the machine's memory", abi.EACCES: "is not marked executable",
		abi.EIO: "cannot be read from its disk", abi.EINVAL: "cannot be loaded: EINVAL",
	} {
		for at := range want {
			r := &recorder{failAt: at + 1, errno: errno}
			e := p.Apply(r)
			if e == nil || e.Errno != errno || e.Status != StatusCannotRun || len(r.calls) != at+1 {
				t.Errorf("%v at call %d: %+v after %d calls", errno, at, e, len(r.calls))
			} else if at == 0 && !strings.Contains(e.Text, text) {
				t.Errorf("%v: %q", errno, e.Text)
			}
		}
	}
}
