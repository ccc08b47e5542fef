package vdso

import (
	"testing"

	"skerry/kernel/ground/arch"
)

// TestInstructions counts what each function costs, by single steps, and checks
// on the way that it keeps the registers that are the caller's.
func TestInstructions(t *testing.T) {
	for name, budget := range map[string]int{
		"clock_gettime": 33, "gettimeofday": 37, "time": 31, "clock_getres": 11, "getcpu": 15,
	} {
		t.Run(name, func(t *testing.T) {
			c := trace(t, name)
			b := c.enter()
			steps := 0
			for ; c.inside(); c.step() {
				if steps++; steps > 1000 {
					t.Fatalf("no end at %#x", c.regs.Rip-c.base)
				}
			}
			if steps > budget || steps < 5 {
				t.Errorf("%d instructions, at most %d are allowed", steps, budget)
			}
			t.Logf("%d instructions", steps)
			a := &c.regs
			if b.Rbx != a.Rbx || b.Rbp != a.Rbp || b.Rsp != a.Rsp || b.R12 != a.R12 || b.R13 != a.R13 ||
				b.R14 != a.R14 || b.R15 != a.R15 || a.Eflags&arch.FlagDF != 0 || a.Rax != 0 && name != "time" {
				t.Errorf("registers before %+v, after %+v", b, *a)
			}
		})
	}
}

// numbers are the clock of a Data page, as words from tsc on, with Monotonic at
// mono.
func numbers(tsc, mult, mono uint64) []uint64 {
	w := []uint64{tsc, mult}
	for range clocks {
		w = append(w, mono)
	}
	return w
}

// TestUpdateAtEveryInstruction rewrites the clock before each instruction of
// clock_gettime in turn. The result is a time by the old numbers or by the new
// ones, never by some of each.
func TestUpdateAtEveryInstruction(t *testing.T) {
	c := trace(t, "clock_gettime")
	// A time is base, or base and the whole counter, or base and half of it: too
	// far apart to be mistaken for each other.
	const future, one, half = 1<<64 - 1, 1 << 32, 1 << 31
	const small, big = 12345, 1 << 61
	for _, s := range []struct{ oldTSC, oldMult, newTSC, newMult uint64 }{
		{future, one, 1, one}, {1, one, future, one}, {1, one, 1, half}, {1, half, 1, one},
	} {
		plausible := func(ns, from, tsc, mult, before uint64) bool {
			return ns >= from+elapsed(before, tsc, mult) && ns <= from+elapsed(arch.RDTSC(), tsc, mult)
		}
		seen := map[bool]int{}
		for at := 0; ; at++ {
			c.poke(0, 2)
			c.poke(8, numbers(s.oldTSC, s.oldMult, small)...)
			c.enter()
			start := arch.RDTSC()
			steps := 0
			for ; c.inside(); c.step() {
				if steps == at {
					c.poke(8, numbers(s.newTSC, s.newMult, big)...)
					c.poke(0, 4)
				}
				if steps++; steps > 200 {
					t.Fatalf("updated at %d: no end", at)
				}
			}
			ns := c.result()
			isOld := plausible(ns, small, s.oldTSC, s.oldMult, start)
			isNew := plausible(ns, big, s.newTSC, s.newMult, start)
			if isOld == isNew {
				t.Fatalf("%+v: updated before instruction %d: %d ns is neither by the old numbers nor by the new", s, at, ns)
			}
			seen[isNew]++
			c.toBreakpoint()
			if at >= steps {
				break
			}
		}
		if seen[true] < 10 || seen[false] < 10 {
			t.Errorf("%+v: %v", s, seen)
		}
	}
}

// TestWriterAtEveryInstruction stops a writer halfway before each instruction of
// clock_gettime in turn: the reader waits, or has its time already.
func TestWriterAtEveryInstruction(t *testing.T) {
	c := trace(t, "clock_gettime")
	waited, done := 0, 0
	for at := 0; ; at++ {
		c.poke(0, 2)
		c.poke(8, numbers(1<<64-1, 1<<32, 7e9)...)
		c.enter()
		steps, finished := 0, false
		for ; c.inside() && steps < 150; c.step() {
			if steps == at {
				c.poke(0, 3)
				c.poke(8, numbers(1<<64-1, 1<<32, 1)[:5]...) // part of it
			}
			steps++
		}
		if finished = !c.inside(); finished {
			if ns := c.result(); ns != 7e9 {
				t.Fatalf("written at %d: %d ns", at, ns)
			}
			done++
		} else {
			waited++
			c.poke(8, numbers(1<<64-1, 1<<32, 9e9)...)
			c.poke(0, 4)
			for ; c.inside() && steps < 300; c.step() {
				steps++
			}
			if ns := c.result(); c.inside() || ns != 9e9 {
				t.Fatalf("written at %d: %d ns after %d instructions", at, ns, steps)
			}
		}
		c.toBreakpoint()
		if finished && at >= steps {
			break
		}
	}
	if waited < 15 || done < 5 {
		t.Errorf("waited %d times, was done %d times", waited, done)
	}
}
