package symbols

import (
	"debug/elf"
	"math/rand"
	"os"
	"strings"
	"testing"

	"skerry/kernel/abi"
)

type bytesFile []byte

func (b bytesFile) Size() int64 { return int64(len(b)) }
func (b bytesFile) ReadAt(p []byte, off int64) (int, abi.Errno) {
	return copy(p, b[off:]), abi.OK
}

// TestOwnBinary looks functions of this test up in its own file.
func TestOwnBinary(t *testing.T) {
	b, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Skip("no /proc/self/exe")
	}
	f, err := elf.NewFile(strings.NewReader(string(b)))
	if err != nil {
		t.Fatal(err)
	}
	syms, err := f.Symbols()
	if err != nil {
		t.Skip("stripped test binary")
	}
	checked := 0
	for _, s := range syms {
		if elf.ST_TYPE(s.Info) != elf.STT_FUNC || s.Size < 16 || !strings.HasPrefix(s.Name, "skerry/kernel/symbols.") {
			continue
		}
		for _, p := range f.Progs {
			if p.Type == elf.PT_LOAD && s.Value >= p.Vaddr && s.Value < p.Vaddr+p.Filesz {
				if got := Name(bytesFile(b), s.Value-p.Vaddr+p.Off+5); got != s.Name+"+0x5" {
					t.Errorf("%s: %q", s.Name, got)
				}
				checked++
			}
		}
	}
	if checked == 0 {
		t.Fatal("no function checked")
	}
}

// TestHostile damages headers and tables; nothing may panic or read outside.
func TestHostile(t *testing.T) {
	b, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Skip("no /proc/self/exe")
	}
	rng := rand.New(rand.NewSource(1))
	m := make(bytesFile, len(b))
	copy(m, b)
	shoff := int(uint64(b[40]) | uint64(b[41])<<8 | uint64(b[42])<<16 | uint64(b[43])<<24)
	for i := 0; i < 300; i++ {
		var at [8]int
		for j := range at {
			at[j] = rng.Intn(600)
			if j&1 == 1 {
				at[j] = min(shoff+rng.Intn(64*30), len(b)-1)
			}
			m[at[j]] = byte(rng.Intn(256))
		}
		Name(m, rng.Uint64()>>uint(rng.Intn(64)))
		for _, p := range at {
			m[p] = b[p]
		}
	}
	Name(m[:100], 50)
	Name(bytesFile(nil), 0)
}

func FuzzName(f *testing.F) {
	f.Add([]byte("\x7fELF\x02\x01"), uint64(3))
	f.Fuzz(func(t *testing.T, b []byte, off uint64) { Name(bytesFile(b), off) })
}
