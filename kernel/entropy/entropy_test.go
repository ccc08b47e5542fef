package entropy

import (
	"bytes"
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

func TestPoolsDiffer(t *testing.T) {
	var a, b Pool
	a.Mix([]byte("seed"), 256)
	b.Mix([]byte("seed"), 256)
	x, y := make([]byte, 64), make([]byte, 64)
	a.Read(x)
	b.Read(y)
	if bytes.Equal(x, y) {
		t.Fatal("two pools with one seed draw the same: the counter is not mixed in")
	}
	a.Read(y)
	if bytes.Equal(x, y) {
		t.Fatal("two draws are equal")
	}
}

func TestCredit(t *testing.T) {
	var p Pool
	p.Mix(make([]byte, 100), 0)
	if p.Credit() != 0 {
		t.Fatal("timing was credited")
	}
	if src := p.MixProcessor(); src != "" && (p.Credit() < 64 || p.Credit() > 256) {
		t.Fatal(src, p.Credit())
	}
	if !stuck(bytes.Repeat([]byte{0xff}, 64)) || stuck([]byte("aaaaaaaabbbbbbbb")) {
		t.Fatal("stuck source not recognised")
	}
}

// TestStatistics is a smoke test: bit counts and byte counts of a megabyte lie
// within 6 standard deviations.
func TestStatistics(t *testing.T) {
	var p Pool
	p.Mix([]byte("x"), 256)
	b := make([]byte, 1<<20)
	p.Read(b)
	ones, hist := 0, [256]int{}
	for _, v := range b {
		hist[v]++
		for ; v != 0; v &= v - 1 {
			ones++
		}
	}
	n := float64(len(b) * 8)
	if d := math.Abs(float64(ones) - n/2); d > 6*math.Sqrt(n)/2 {
		t.Errorf("%d ones in %v bits", ones, n)
	}
	chi := 0.0
	for _, c := range hist {
		d := float64(c) - 4096
		chi += d * d / 4096
	}
	if chi > 255+6*math.Sqrt(510) || chi < 255-6*math.Sqrt(510) {
		t.Errorf("chi-square of bytes %v, expected about 255", chi)
	}
}

func TestKeyErasure(t *testing.T) {
	var p Pool
	p.Mix([]byte("x"), 256)
	before := p.key
	var b [16]byte
	p.Read(b[:])
	if p.key == before {
		t.Fatal("the key survives a draw")
	}
	if p.Uint64() == p.Uint64() || p.Derive("a") == p.Derive("a") {
		t.Fatal("draws repeat")
	}
}

// TestReseed: fresh input comes in after a time and after an amount, and not before.
func TestReseed(t *testing.T) {
	var p Pool
	asked, at := 0, time.Unix(1e9, 0)
	p.now = func() time.Time { return at }
	p.OnReseed(func() { asked++ })
	p.Mix([]byte("x"), 256)
	// next tells whether the key that a draw leaves is the old one's, alone.
	next := func() bool {
		g := rand.NewChaCha8(p.key)
		var want [32]byte
		g.Read(want[:])
		p.Uint64()
		return p.key == want
	}
	if next() || asked != 1 {
		t.Error("the first draw does not reseed:", asked)
	}
	at = at.Add(reseedAfter)
	if !next() || asked != 1 {
		t.Error("a reseed too early:", asked)
	}
	at = at.Add(1)
	if next() || asked != 2 {
		t.Error("none after its time:", asked)
	}
	p.drawn = reseedBytes - 16
	p.Uint64()
	p.Uint64()
	if p.drawn != reseedBytes || !next() || asked != 2 {
		t.Error("a reseed after too little:", p.drawn, asked)
	}
	if next() || asked != 3 || p.drawn != 8 {
		t.Error("none after its amount:", asked, p.drawn)
	}
	if p.Credit() != 256 {
		t.Error("a reseed is credited:", p.Credit())
	}
}

// TestAllocations: a draw allocates nothing.
func TestAllocations(t *testing.T) {
	var p Pool
	p.Mix([]byte("x"), 256)
	b := make([]byte, 100)
	if n := testing.AllocsPerRun(100, func() { p.Read(b); p.Uint64() }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkRead(b *testing.B) {
	var p Pool
	p.Mix([]byte("x"), 256)
	var v [16]byte
	for b.Loop() {
		p.Read(v[:])
	}
}
