// Package clock keeps the machine's clocks in step with the host's.
//
// Time is the time-stamp counter times a factor (ground, and the program's vDSO
// page, hold the same numbers). Boot finds the factor to about one in a
// thousand and the wall clock from the boot record. From then on the launcher is
// asked for its clocks now and then over the control port; each answer is a
// Sample, good to the length of its round trip. The first one sets the wall
// clock, before the program starts; all later ones only change the rate, by at
// most MaxSlew, so that neither clock ever jumps or runs backwards.
//
// It imports ground, ground/arch and vdso. One goroutine calls Add.
package clock

import (
	"math/bits"
	"time"

	"skerry/kernel/ground"
	"skerry/kernel/vdso"
)

// MaxSlew bounds how much faster or slower than the best known rate the clock
// runs while it makes up an error, in parts per million.
const MaxSlew = 500

// Sample is one look at the launcher's clocks: the counter before the question
// and after the answer, and what the launcher read in between, in nanoseconds.
type Sample struct {
	Before, After uint64
	Wall, Mono    int64
}

func (s *Sample) mid() uint64 { return s.Before + (s.After-s.Before)/2 }

// Set is where the numbers go: ground's clock, and the program's page.
type Set func(ground.ClockParams)

// Clock is the state of the discipline.
type Clock struct {
	set     Set
	now     func() uint64 // the counter
	get     func() ground.ClockParams
	first   Sample
	started bool
	mult    uint64 // best known rate, without slew
	quality uint64 // counter ticks of uncertainty over span
}

// New makes the discipline over ground's clock and the program's page, which
// may be nil.
func New(page *vdso.Data) *Clock {
	return &Clock{
		now: counter,
		get: ground.Clock,
		set: func(p ground.ClockParams) {
			ground.SetClock(p)
			if page != nil {
				page.Update(vdso.Base{TSC: p.TSC, Mult: p.Mult, Mono: p.Mono, Real: p.Real, Boot: p.Mono})
			}
		},
	}
}

// Start sets the wall clock to what the boot record says, for the moment of the
// kernel's first instruction: right to within the time that the machine took to
// get there. The first Sample corrects it.
func (c *Clock) Start(wall int64) {
	p := c.get()
	p.Real = uint64(wall) // the clock's first point is the first instruction
	c.mult = p.Mult
	c.set(p)
}

// Add takes a sample; the first one sets the wall clock.
func (c *Clock) Add(s Sample) {
	if s.After < s.Before || s.Wall <= 0 || s.Mono < 0 {
		return
	}
	p := c.get()
	if c.mult == 0 {
		c.mult = p.Mult
	}
	if !c.started {
		c.started, c.first = true, s
		at := c.now()
		mono := p.Mono + scale(at-p.TSC, p.Mult)
		// The wall clock now is the launcher's reading plus what has passed.
		real := uint64(s.Wall) + scale(at-s.mid(), p.Mult)
		c.set(ground.ClockParams{TSC: at, Mult: p.Mult, Mono: mono, Real: real})
		return
	}
	c.rate(s)
	at := c.now()
	mono := p.Mono + scale(at-p.TSC, p.Mult)
	real := p.Real + scale(at-p.TSC, p.Mult)
	// The error is judged where the sample was taken.
	theirs := uint64(s.Wall) + scale(at-s.mid(), c.mult)
	err := int64(theirs - real) // positive: we are behind
	// Make it up over the time until the next look, or as fast as is allowed.
	span := int64(Interval(c.age(s)))
	slew := int64(0)
	if span > 0 {
		slew = clamp(mulDiv(err, 1_000_000, span), MaxSlew)
	}
	mult := c.mult + uint64(mulDiv(int64(c.mult), slew, 1_000_000))
	c.set(ground.ClockParams{TSC: at, Mult: mult, Mono: mono, Real: real})
}

// rate improves the factor from the time between the first sample and this one:
// the uncertainty is the two round trips over the distance.
func (c *Clock) rate(s Sample) {
	ticks := s.mid() - c.first.mid()
	ns := s.Mono - c.first.Mono
	if s.mid() <= c.first.mid() || ns < int64(50*time.Millisecond) {
		return
	}
	m, ok := div64(uint64(ns), ticks)
	if !ok {
		return
	}
	// A counter that the hypervisor lets run at another speed than it did at
	// boot is not believed beyond one in a hundred.
	if d := int64(m - c.mult); c.quality == 0 && abs(d) > int64(c.mult/100) {
		return
	}
	wobble := (s.After - s.Before) + (c.first.After - c.first.Before)
	q := wobble * 1_000_000 / max(ticks, 1) // ppm of uncertainty
	if c.quality != 0 && q > c.quality*2+50 {
		return
	}
	c.mult, c.quality = m, max(q, 1)
}

func (c *Clock) age(s Sample) time.Duration {
	return time.Duration(scale(s.mid()-c.first.mid(), c.mult))
}

// Interval is how long after a sample, taken age after the first, the next one
// is due: soon while the rate is still unknown, then ever more rarely.
func Interval(age time.Duration) time.Duration {
	return min(max(age, 250*time.Millisecond), 10*time.Minute)
}

// scale is ticks * mult / 2^32; 0 for negative distances.
func scale(ticks, mult uint64) uint64 {
	if int64(ticks) < 0 {
		return 0
	}
	hi, lo := bits.Mul64(ticks, mult)
	return hi<<32 | lo>>32
}

// div64 is ns * 2^32 / ticks.
func div64(ns, ticks uint64) (uint64, bool) {
	hi, lo := ns>>32, ns<<32
	if hi >= ticks {
		return 0, false
	}
	q, _ := bits.Div64(hi, lo, ticks)
	return q, q != 0
}

// mulDiv is a*b/c for signed a and b of moderate size and positive c.
func mulDiv(a, b, c int64) int64 {
	neg := (a < 0) != (b < 0)
	hi, lo := bits.Mul64(uint64(abs(a)), uint64(abs(b)))
	if hi >= uint64(c) {
		hi = uint64(c) - 1
	}
	q, _ := bits.Div64(hi, lo, uint64(c))
	if q > 1<<62 {
		q = 1 << 62
	}
	if neg {
		return -int64(q)
	}
	return int64(q)
}

func abs(v int64) int64 {
	if v < 0 {
		return -v
	}
	return v
}

func clamp(v, lim int64) int64 { return max(-lim, min(v, lim)) }
