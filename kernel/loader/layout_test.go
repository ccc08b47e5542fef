package loader

import (
	"math"
	"math/bits"
	"math/rand/v2"
	"testing"

	"skerry/kernel/vdso"
)

const draws = 100_000

// part is one drawn number, as it shows in the address space.
type part struct {
	name  string
	bits  uint
	value func(l *Layout) uint64
}

var parts = []part{
	{"program", 32, func(l *Layout) uint64 { return uint64(l.PIE) >> 12 }},
	{"vDSO", 32, func(l *Layout) uint64 { return uint64(l.vDSO()) >> 12 }},
	{"interpreter", 32, func(l *Layout) uint64 { return uint64(l.TextEnd-0x34000) >> 12 }},
	{"mmap", 32, func(l *Layout) uint64 { return uint64(l.MmapBase) >> 12 }},
	{"brk", 30, func(l *Layout) uint64 { return uint64(l.Brk) >> 12 }},
	{"stack", 32, func(l *Layout) uint64 { return uint64(l.StackTop) >> 12 }},
	{"in the stack page", 8, func(l *Layout) uint64 { return uint64(l.StackShift) }},
}

// TestDraws: over 10^5 layouts, every bit of every address within its range of
// entropy is set half of the time, no two bits of different parts (or of one)
// agree more or less often than chance has it, and no part's value tells
// anything about its last one.
func TestDraws(t *testing.T) {
	rng := rand.New(rand.NewPCG(11, 12))
	// columns[i] holds bit i of all draws.
	var columns [][]uint64
	var names []string
	for _, p := range parts {
		for b := range p.bits {
			columns = append(columns, make([]uint64, (draws+63)/64))
			names = append(names, p.name+" bit "+string(rune('0'+b/10))+string(rune('0'+b%10)))
		}
	}
	for i := range draws {
		l := Draw(rng.Uint64)
		c := 0
		for _, p := range parts {
			v := p.value(&l)
			for b := range p.bits {
				columns[c][i/64] |= v >> b & 1 << (i % 64)
				c++
			}
		}
	}
	// 5 standard deviations of a fair coin; 6 for the 20,000 pairs.
	sigma := math.Sqrt(draws) / 2
	for i, c := range columns {
		ones := 0
		for _, w := range c {
			ones += bits.OnesCount64(w)
		}
		if d := math.Abs(float64(ones) - draws/2); d > 5*sigma {
			t.Errorf("%s is set in %d of %d draws", names[i], ones, draws)
		}
		for j := range i {
			differ := 0
			for k, w := range c {
				differ += bits.OnesCount64(w ^ columns[j][k])
			}
			if d := math.Abs(float64(differ) - draws/2); d > 6*sigma {
				t.Errorf("%s and %s differ in %d of %d draws", names[i], names[j], differ, draws)
			}
		}
		// Against the draw before.
		differ := 0
		for k, w := range c {
			next := uint64(0)
			if k+1 < len(c) {
				next = c[k+1]
			}
			differ += bits.OnesCount64(w ^ (w>>1 | next<<63))
		}
		if d := math.Abs(float64(differ) - draws/2); d > 6*sigma+64 {
			t.Errorf("%s and its last draw differ in %d of %d", names[i], differ, draws)
		}
	}
	if len(columns) < 5*32+28+8 {
		t.Errorf("%d bits of entropy", len(columns))
	}
}

// extreme answers words that draw every combination of the ends of the ranges.
func extremes(f func(l Layout)) {
	for mask := range 1 << 7 {
		n := 0
		f(Draw(func() uint64 {
			n++
			if mask>>(n-1)&1 != 0 {
				return math.MaxUint64
			}
			return 0
		}))
		if n != 7 {
			panic("Draw uses another number of words")
		}
	}
}

// biggest are files of the largest span and alignment that Parse accepts, which
// begin as high as they can behind their alignment.
func biggest() []*Image {
	var all []*Image
	for _, align := range []uint64{pageSize, 2 << 20, MaxAlign} {
		for _, lo := range []uint64{0, pageSize, align - pageSize, 1<<40 + align - pageSize} {
			for _, span := range []uint64{pageSize, 1 << 30, MaxSpan} {
				all = append(all, &Image{PositionIndependent: true, Lo: lo, Hi: lo + span, Align: align,
					Segments: []Segment{{Vaddr: lo, FileSize: span, MemSize: span}}})
			}
		}
	}
	return all
}

// checkLayout: nothing that a layout places may overlap, with the largest
// programs and stacks, and everything has room.
func checkLayout(t *testing.T, l *Layout, images []*Image) {
	t.Helper()
	type span struct {
		name   string
		lo, hi uint64
	}
	room := StackRoom(math.MaxUint64)
	fixed := []span{
		{"fixed programs", 0, fixedEnd},
		{"heap", uint64(l.Brk), uint64(l.Brk) + tib},
		{"vDSO", uint64(l.VDSO), uint64(l.VDSO) + vdso.Size},
		{"libraries", uint64(l.VDSO) + vdso.Size, uint64(l.TextEnd) - MaxSpan - MaxAlign},
		{"mmap", uint64(l.MmapBase) - 16*tib, uint64(l.MmapBase)},
		{"stack", uint64(l.StackTop-room) - GuardGap, uint64(l.StackTop)},
	}
	aligned := func(a uintptr) bool { return uint64(a)&pageMask == 0 }
	if !aligned(l.PIE) || !aligned(l.VDSO) || !aligned(l.TextStart) || !aligned(l.TextEnd) || !aligned(l.MmapBase) ||
		!aligned(l.Brk) || !aligned(l.StackTop) {
		t.Fatalf("not whole pages: %+v", l)
	}
	for _, img := range images {
		pie := img.place(uint64(l.PIE))
		interp := img.placeBelow(uint64(l.TextEnd))
		if pie&(img.Align-1) != 0 || interp&(img.Align-1) != 0 {
			t.Fatalf("alignment %#x: moved by %#x and %#x", img.Align, pie, interp)
		}
		spans := append([]span{{"program", pie + img.Lo, pie + img.Hi}, {"interpreter", interp + img.Lo, interp + img.Hi}}, fixed...)
		for i, a := range spans {
			if a.lo >= a.hi || a.hi > limit {
				t.Fatalf("%s at %#x..%#x: %+v", a.name, a.lo, a.hi, l)
			}
			inside := a.lo >= uint64(l.TextStart) && a.hi <= uint64(l.TextEnd)
			if code := i < 2 || a.name == "vDSO" || a.name == "libraries"; code != inside {
				t.Fatalf("%s at %#x..%#x: inside the text window: %v, %+v", a.name, a.lo, a.hi, inside, l)
			}
			for _, b := range spans[:i] {
				if a.lo < b.hi && b.lo < a.hi {
					t.Fatalf("%s %#x..%#x overlaps %s %#x..%#x", a.name, a.lo, a.hi, b.name, b.lo, b.hi)
				}
			}
		}
		if spans[1].hi > uint64(l.TextEnd) || uint64(l.TextEnd)-spans[1].hi >= img.Align {
			t.Fatalf("the interpreter ends at %#x, the window at %#x", spans[1].hi, l.TextEnd)
		}
	}
	if lib := fixed[3]; lib.hi-lib.lo < 4*tib {
		t.Fatalf("%#x bytes for libraries", lib.hi-lib.lo)
	}
}

func TestNothingOverlaps(t *testing.T) {
	images := biggest()
	extremes(func(l Layout) { checkLayout(t, &l, images) })
	rng := rand.New(rand.NewPCG(13, 14))
	for i := range draws {
		l := Draw(rng.Uint64)
		checkLayout(t, &l, images[i%len(images):][:1])
	}
}

func TestStackRoom(t *testing.T) {
	for in, want := range map[uint64]uintptr{
		0: 512 << 10, 8 << 20: 8 << 20, 8<<20 + 5: 8 << 20, math.MaxUint64: 1 << 40, 1 << 40: 1 << 40,
	} {
		if got := StackRoom(in); got != want {
			t.Errorf("%#x: %#x, want %#x", in, got, want)
		}
	}
}
