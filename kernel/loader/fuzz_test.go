package loader

import (
	"math/rand/v2"
	"os"
	"testing"

	"skerry/kernel/abi"
)

// load runs everything that a file can reach: as a program, and as the
// interpreter of one. It reports whether the file can run.
func load(t testing.TB, f File, l *Layout) bool {
	t.Helper()
	img, e := Parse(f)
	if e != nil {
		if e.Text == "" || e.Status != StatusCannotRun {
			t.Fatalf("%+v", e)
		}
		return false
	}
	other := sample().file()
	p, e := Load(f, func(string) (File, abi.Errno) { return other, abi.OK }, l)
	if e != nil {
		t.Fatalf("parsed, but not loaded: %v", e)
	}
	if err := checkPlan(p, l, img); err != nil {
		t.Fatal(err)
	}
	ldImg, _ := Parse(other)
	host := sample().interp("/ld.so\x00")
	p, e = Load(host.file(), func(string) (File, abi.Errno) { return f, abi.OK }, l)
	if (e == nil) != img.PositionIndependent {
		t.Fatalf("as an interpreter: %v", e)
	}
	if e == nil {
		if err := checkPlan(p, l, ldImg); err != nil {
			t.Fatalf("as an interpreter: %v", err)
		}
	}
	return true
}

// sparseFile is a file that begins with some bytes and goes on with zeroes: what
// Parse reads of a large program is at its front.
type sparseFile struct {
	b    []byte
	size int64
}

func (s sparseFile) Size() int64 { return s.size }

func (s sparseFile) ReadAt(b []byte, off int64) (int, abi.Errno) {
	if off < 0 || off > s.size {
		return 0, abi.EINVAL
	}
	n := int(min(int64(len(b)), s.size-off))
	clear(b[:n])
	if off < int64(len(s.b)) {
		copy(b[:n], s.b[off:])
	}
	return n, abi.OK
}

func FuzzLoad(f *testing.F) {
	x := sample()
	x.kind = etExec
	x.move(0x400000)
	for _, b := range [][]byte{sample().file(), sample().interp("/ld.so\x00").file(), x.file()} {
		f.Add(b[:1200], int64(len(b)))
	}
	for _, path := range realPrograms(f) {
		b, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b[:min(len(b), 1200)], int64(len(b)))
	}
	f.Fuzz(func(t *testing.T, b []byte, size int64) { load(t, sparseFile{b, size}, &someLayout) })
}

// TestMutations changes single fields and bytes of well-formed files, as a fuzzer
// would, in each run of the tests.
func TestMutations(t *testing.T) {
	rng := rand.New(rand.NewPCG(17, 18))
	x := sample()
	x.kind = etExec
	x.move(0x400000)
	bases := [][]byte{sample().file(), sample().interp("/ld.so\x00").file(), x.file()}
	for _, path := range realPrograms(t) {
		if b, err := os.ReadFile(path); err == nil && len(b) < 4<<20 {
			bases = append(bases, b)
		}
	}
	type shape struct {
		b            []byte
		phoff, phnum int
	}
	var shapes []shape
	for _, b := range bases {
		shapes = append(shapes, shape{b, int(le.Uint64(b[32:])), int(le.Uint16(b[56:]))})
	}
	rounds := 40_000
	if testing.Short() {
		rounds = 4000
	}
	interesting := []uint64{0, 1, 2, 7, 0xfff, 0x1000, 0x1001, 1 << 12, 1 << 16, 1 << 20, 1 << 30, 1 << 31, 1 << 32,
		1 << 40, 1 << 44, 1 << 46, 1 << 47, 1<<47 - 1, limit, limit - 0x1000, 1 << 48, 1 << 63, 1<<63 - 1, ^uint64(0), ^uint64(0xfff)}
	ran, refused := 0, 0
	for range rounds {
		s := shapes[rng.IntN(len(shapes))]
		b := s.b
		var undo []func()
		for range rng.IntN(4) + 1 {
			at, n := 0, []int{1, 2, 4, 8}[rng.IntN(4)]
			if rng.IntN(3) > 0 {
				// A field of a program header.
				at = s.phoff + rng.IntN(s.phnum)*phdrSize
				if rng.IntN(4) == 0 {
					at, n = at+rng.IntN(2)*4, 4
				} else {
					at, n = at+8+rng.IntN(6)*8, 8
				}
			} else if rng.IntN(2) == 0 {
				at = rng.IntN(ehdrSize - 8)
			} else {
				at = rng.IntN(min(len(b)-8, 4096))
			}
			v := rng.Uint64()
			switch rng.IntN(4) {
			case 0:
				v = interesting[rng.IntN(len(interesting))]
			case 1:
				v = le.Uint64(b[at:]) + interesting[rng.IntN(len(interesting))]
			case 2:
				v = le.Uint64(b[at:]) ^ 1<<rng.IntN(64)
			}
			old := le.Uint64(b[at:])
			undo = append(undo, func() { le.PutUint64(b[at:], old) })
			if n < 8 {
				mask := uint64(1)<<(8*n) - 1
				v = v&mask | old&^mask
			}
			le.PutUint64(b[at:], v)
		}
		f := b
		if rng.IntN(8) == 0 {
			f = b[:rng.IntN(len(b))]
		}
		if load(t, memFile(f), &someLayout) {
			ran++
		} else {
			refused++
		}
		for i := len(undo) - 1; i >= 0; i-- {
			undo[i]()
		}
	}
	t.Logf("%d can run, %d are refused", ran, refused)
	if ran < rounds/100 || refused < rounds/10 {
		t.Error("the mutations test one side only")
	}
}
