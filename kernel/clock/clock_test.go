package clock

import (
	"math/rand"
	"testing"
	"time"

	"skerry/kernel/ground"
)

// sim is a machine whose counter runs at hz while the kernel believes in
// another rate, and a launcher with true clocks.
type sim struct {
	ns     int64 // true time since the start
	hz     float64
	params ground.ClockParams
	worst  int64
	last   struct{ mono, real int64 }
	t      *testing.T
}

const epoch = int64(1_700_000_000e9)

func (s *sim) tsc() uint64 { return uint64(float64(s.ns) * s.hz / 1e9) }

func (s *sim) read() (mono, real int64) {
	d := scale(s.tsc()-s.params.TSC, s.params.Mult)
	return int64(s.params.Mono + d), int64(s.params.Real + d)
}

// check reads both clocks, which must not go back.
func (s *sim) check(started bool) {
	m, r := s.read()
	if m < s.last.mono {
		s.t.Fatalf("monotonic time went back by %d ns", s.last.mono-m)
	}
	if started && r < s.last.real {
		s.t.Fatalf("wall time went back by %d ns", s.last.real-r)
	}
	s.last.mono, s.last.real = m, r
}

func (s *sim) sample(rng *rand.Rand) Sample {
	var a Sample
	a.Before = s.tsc()
	s.ns += int64(rng.Intn(200_000))
	a.Wall, a.Mono = epoch+s.ns, 12345+s.ns
	s.ns += int64(rng.Intn(200_000))
	a.After = s.tsc()
	return a
}

func TestDiscipline(t *testing.T) {
	for _, off := range []float64{1, 1.001, 0.9985, 1.00002} { // how wrong the first factor is
		rng := rand.New(rand.NewSource(int64(off * 1e6)))
		s := &sim{hz: 2.6e9, t: t, ns: 60e6}
		s.params = ground.ClockParams{Mult: uint64(1e9 * (1 << 32) / 2.6e9 * off), Mono: 1_000_000}
		c := &Clock{now: s.tsc, get: func() ground.ClockParams { return s.params }, set: func(p ground.ClockParams) { s.params = p }}
		c.Start(epoch - 30e6) // written 90 ms before
		age := time.Duration(0)
		for i := 0; i < 40; i++ {
			a := s.sample(rng)
			c.Add(a)
			s.check(i > 0)
			if i > 0 {
				age = c.age(a)
			}
			_, real := s.read()
			err := real - epoch - s.ns
			limit := int64(2_000_000) // 2 ms while the rate is being learnt
			if i > 6 {
				limit = 700_000
			}
			if err > limit || err < -limit {
				t.Fatalf("factor %v, sample %d, age %v: wall clock is off by %v", off, i, age, time.Duration(err))
			}
			for n := 0; n < 10; n++ {
				s.ns += int64(Interval(age)) / 10
				s.check(true)
			}
		}
	}
}

func TestBadSamples(t *testing.T) {
	s := &sim{hz: 1e9, t: t, ns: 1e6, params: ground.ClockParams{Mult: 1 << 32, Mono: 1}}
	c := &Clock{now: s.tsc, get: func() ground.ClockParams { return s.params }, set: func(p ground.ClockParams) { s.params = p }}
	before := s.params
	for _, a := range []Sample{{Before: 5, After: 4, Wall: 1, Mono: 1}, {Before: 1, After: 2, Wall: -1, Mono: 1}, {Before: 1, After: 2, Wall: 1, Mono: -1}} {
		c.Add(a)
	}
	if s.params != before {
		t.Fatal("a nonsensical sample was used")
	}
	// A launcher whose clock runs ten times as fast is not followed.
	c.Add(Sample{Before: 1e6, After: 1e6 + 10, Wall: epoch, Mono: 0})
	s.ns += 1e9
	c.Add(Sample{Before: s.tsc(), After: s.tsc() + 10, Wall: epoch + 10e9, Mono: 10e9})
	if r := float64(s.params.Mult) / (1 << 32); r > 1.001 || r < 0.999 {
		t.Fatalf("rate %v", r)
	}
}
