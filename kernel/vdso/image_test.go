package vdso

import (
	"bytes"
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestHashesMatchTheGoRuntime(t *testing.T) {
	// The constants of the Go runtime's vdso_linux_amd64.go.
	for _, c := range []struct {
		name      string
		elf, gnu_ uint32
	}{
		{"__vdso_gettimeofday", 0x315ca59, 0xb01bca00},
		{"__vdso_clock_gettime", 0xd35ec75, 0x6e43a318},
	} {
		if h, g := elfHash(c.name), gnuHash(c.name); h != c.elf || g != c.gnu_ {
			t.Errorf("%s: hashes %#x %#x, want %#x %#x", c.name, h, g, c.elf, c.gnu_)
		}
	}
	if h := elfHash(version); h != 0x3ae75f6 {
		t.Errorf("hash of the version: %#x", h)
	}
}

func TestLookup(t *testing.T) {
	l, err := newLinker(Image())
	if err != nil {
		t.Fatal(err)
	}
	if l.soname != soname {
		t.Errorf("soname %q", l.soname)
	}
	if v := l.version(version, elfHash(version)); v != versionIndex {
		t.Errorf("version index %d", v)
	}
	if v := l.version(soname, elfHash(soname)); v != -1 {
		t.Errorf("the base version counts as index %d", v)
	}
	seen := map[int]string{}
	for _, name := range exports {
		a, err := l.find(prefix + name)
		if err != nil {
			t.Error(err)
		}
		if b, err := l.find(name); err != nil || a != b {
			t.Errorf("%s is at %#x, its alias at %#x: %v", name, a, b, err)
		}
		if other := seen[a]; other != "" {
			t.Errorf("%s and %s are both at %#x", name, other, a)
		}
		seen[a] = name
	}
	for _, name := range []string{"", "__vdso_getrandom", "__vdso_clock_gettim", "__vdso_clock_gettime64"} {
		if a, b, c := l.bySysV(name, versionIndex), l.byAll(name, versionIndex), l.byGNU(name, versionIndex); a|b|c != 0 {
			t.Errorf("%q is found: %#x %#x %#x", name, a, b, c)
		}
	}
}

func TestDebugELF(t *testing.T) {
	f, err := elf.NewFile(bytes.NewReader(Image()))
	if err != nil {
		t.Fatal(err)
	}
	if f.Type != elf.ET_DYN || f.Machine != elf.EM_X86_64 || f.Entry != 0 {
		t.Errorf("header %+v", f.FileHeader)
	}
	syms, err := f.DynamicSymbols()
	if err != nil {
		t.Fatal(err)
	}
	if len(syms) != 2*functions {
		t.Errorf("%d symbols", len(syms))
	}
	text := f.Section(".text")
	for _, s := range syms {
		if s.Version != version || s.Library != "" && s.Library != soname {
			t.Errorf("%s has version %q of %q", s.Name, s.Version, s.Library)
		}
		weak := !strings.HasPrefix(s.Name, prefix)
		if elf.ST_TYPE(s.Info) != elf.STT_FUNC || (elf.ST_BIND(s.Info) == elf.STB_WEAK) != weak {
			t.Errorf("%s: info %#x", s.Name, s.Info)
		}
		if s.Value < text.Addr || s.Value+s.Size > text.Addr+text.Size || s.Size == 0 ||
			f.Sections[s.Section] != text {
			t.Errorf("%s at %#x+%#x, section %d, lies outside of .text", s.Name, s.Value, s.Size, s.Section)
		}
	}
	if names, err := f.DynString(elf.DT_SONAME); err != nil || len(names) != 1 || names[0] != soname {
		t.Errorf("soname %q, %v", names, err)
	}
	loads := 0
	for _, p := range f.Progs {
		if p.Off+p.Filesz > PageSize || p.Vaddr != p.Off || p.Memsz != p.Filesz {
			t.Errorf("segment %+v", p.ProgHeader)
		}
		switch p.Type {
		case elf.PT_LOAD:
			loads++
			if p.Off != 0 || p.Flags != elf.PF_R|elf.PF_X {
				t.Errorf("segment %+v", p.ProgHeader)
			}
		case elf.PT_GNU_STACK:
			if p.Flags&elf.PF_X != 0 {
				t.Error("an executable stack")
			}
		}
	}
	if loads != 1 {
		t.Errorf("%d loadable segments", loads)
	}
	if imports, err := f.ImportedSymbols(); err != nil || len(imports) != 0 {
		t.Errorf("imports %v, %v", imports, err)
	}
	for _, s := range f.Sections {
		if s.Type == elf.SHT_RELA || s.Type == elf.SHT_REL {
			t.Errorf("relocations in %s", s.Name)
		}
	}
}

func TestReadelf(t *testing.T) {
	readelf, err := exec.LookPath("readelf")
	if err != nil {
		t.Skip("no readelf here")
	}
	file := filepath.Join(t.TempDir(), "vdso.so")
	if err := os.WriteFile(file, Image(), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(readelf, "-aW", "--debug-dump=frames", file).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	text := string(out)
	for _, bad := range []string{"arning", "rror", "orrupt", "<unknown", "out of range"} {
		if i := strings.Index(text, bad); i >= 0 {
			t.Errorf("readelf says: %s", text[max(0, i-60):min(len(text), i+100)])
		}
	}
	for _, want := range []string{
		"(SONAME)             Library soname: [linux-vdso.so.1]",
		"__vdso_clock_gettime@@LINUX_2.6",
		"Flags: BASE  Index: 1  Cnt: 1  Name: linux-vdso.so.1",
		"DW_CFA_def_cfa: r7 (rsp) ofs 8",
		"DW_CFA_offset: r16 (rip) at cfa-8",
		"description data: 00 0c 06 00",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("readelf does not say %q", want)
		}
	}
	if t.Failed() {
		t.Log(text)
	}
}

func TestImageIsTheSameEachTime(t *testing.T) {
	if !bytes.Equal(build(), build()) {
		t.Error("two images differ")
	}
}

// TestPlaceholders: every hole for the Data page is filled, and with a distance
// that leads exactly to it.
func TestPlaceholders(t *testing.T) {
	img := Image()
	for _, s := range []string{vvarHole, endCode} {
		if i := bytes.Index(img, []byte(s)); i >= 0 {
			t.Errorf("%q is left at %#x", s, i)
		}
	}
	holes := 0
	for i := range functions {
		holes += bytes.Count(code(i), []byte(vvarHole))
	}
	lea := []byte{0x4c, 0x8d, 0x05}
	found := 0
	f, err := elf.NewFile(bytes.NewReader(img))
	if err != nil {
		t.Fatal(err)
	}
	text := f.Section(".text")
	for i := int(text.Offset); i < int(text.Offset+text.Size)-7; i++ {
		if bytes.Equal(img[i:i+3], lea) {
			found++
			if to := i + 7 + int(int32(le.Uint32(img[i+3:]))); to != -ImageOffset {
				t.Errorf("the code at %#x reads from %#x", i, to)
			}
		}
	}
	if holes != 4 || found != holes {
		t.Errorf("%d holes, %d filled in, want 4", holes, found)
	}
}
