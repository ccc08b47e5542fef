package vdso

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"skerry/kernel/ground/arch"
	"skerry/kernel/vdso/vdsotest"
)

func TestUpdateNeverStepsBack(t *testing.T) {
	var page Data
	d := &page
	d.Init()
	rng := rand.New(rand.NewPCG(5, 6))
	b := Base{TSC: arch.RDTSC(), Mult: 1 << 31, Mono: 1000, Real: 1e18, Boot: 2000}
	d.Update(b)
	stepped := false
	for range 20000 {
		mono, _ := d.Now(Monotonic)
		boot, _ := d.Now(Boottime)
		now := arch.RDTSC()
		// Up to 50 us behind or ahead, at another speed.
		next := Base{TSC: now, Mult: 1<<31 + rng.Uint64N(1<<28) - 1<<27, Real: rng.Uint64() >> 3,
			Mono: max(uint64(mono)+rng.Uint64N(100_000), 50_000) - 50_000,
			Boot: max(uint64(boot)+rng.Uint64N(100_000), 50_000) - 50_000}
		got := d.Update(next)
		if got.Mult != next.Mult {
			t.Fatalf("speed %#x became %#x", next.Mult, got.Mult)
		}
		if got == next {
			if next.Mono < uint64(mono) && next.Mono+1_000_000 < uint64(mono) {
				t.Fatalf("a step back of %d ns was taken", uint64(mono)-next.Mono)
			}
		} else {
			stepped = true
			if drift := int64(got.Real - next.Real - elapsed(got.TSC, next.TSC, next.Mult)); drift != 0 {
				t.Fatalf("real time is off by %d ns", drift)
			}
		}
		m2, _ := d.Now(Monotonic)
		b2, _ := d.Now(Boottime)
		if m2 < mono || b2 < boot {
			t.Fatalf("monotonic time %d after %d, boot time %d after %d", m2, mono, b2, boot)
		}
	}
	if !stepped {
		t.Error("no update was behind: the test tests nothing")
	}
}

func TestSequenceWraps(t *testing.T) {
	o := newObject(t)
	o.d.seq = 1<<32 - 2
	o.d.Update(Base{TSC: 1, Mono: 41, Real: 42, Boot: 43})
	if o.d.seq != 0 {
		t.Fatalf("sequence number %d", o.d.seq)
	}
	if r := o.call("clock_gettime", Monotonic, o.out); r != 0 || o.word(1) != 41 {
		t.Fatalf("%d %d", r, o.word(1))
	}
}

// TestReadersAndWriter: with the clock rewritten all the time, no reader, in
// machine code or in Go, sees a torn or a backward time, on its own or after
// another one's.
func TestReadersAndWriter(t *testing.T) {
	o := newObject(t)
	const bootOff = 1 << 40
	base := func(tsc, mult, mono uint64) Base {
		return Base{TSC: tsc, Mult: mult, Mono: mono, Real: 1e18, Boot: mono + bootOff}
	}
	o.d.Update(base(arch.RDTSC(), 1<<31, 1_000_000))
	rounds := 30000
	if testing.Short() {
		rounds = 3000
	}
	var latest atomic.Int64
	var stop atomic.Bool
	var reads atomic.Int64
	var wg sync.WaitGroup
	reader := func(read func(clock int) int64) {
		defer wg.Done()
		clocks := [...]struct {
			id  int
			off int64
		}{{Monotonic, 0}, {Boottime, bootOff}, {MonotonicCoarse, 0}, {MonotonicRaw, 0}}
		for i := 0; !stop.Load(); i++ {
			c := clocks[i%len(clocks)]
			seen := latest.Load()
			ns := read(c.id) - c.off
			// Rounding is the same for all, so off is exact.
			if ns < seen {
				t.Errorf("clock %d: %d after %d was seen", c.id, ns, seen)
				return
			}
			for seen < ns && !latest.CompareAndSwap(seen, ns) {
				seen = latest.Load()
			}
			reads.Add(1)
		}
	}
	wg.Add(2)
	go reader(func(id int) int64 { ns, _ := o.d.Now(id); return ns })
	go func() {
		fn, out := o.fn["clock_gettime"], o.out
		reader(func(id int) int64 {
			vdsotest.Call(fn, uintptr(id), out, 0)
			return o.word(0)*1e9 + o.word(1)
		})
	}()
	rng := rand.New(rand.NewPCG(7, 8))
	cur := base(arch.RDTSC(), 1<<31, 0)
	for range rounds {
		// What a clock that follows the host does: the time at now by the old
		// numbers, and another speed from there; now and then a point behind.
		now := arch.RDTSC()
		mono := cur.Mono + elapsed(now, cur.TSC, cur.Mult)
		if rng.IntN(4) == 0 {
			mono -= min(mono, rng.Uint64N(20_000))
		}
		cur = o.d.Update(base(now, 1<<31+rng.Uint64N(1<<27)-1<<26, mono))
		if cur.Boot-cur.Mono != bootOff {
			t.Fatalf("boot time is %d ahead", cur.Boot-cur.Mono)
		}
	}
	stop.Store(true)
	wg.Wait()
	t.Logf("%d reads, %d updates", reads.Load(), rounds)
}
