package machine

import (
	"strings"
	"testing"
	"time"

	"skerry/bootrec"
	"skerry/kernel/entropy"
)

// device is an entropy device that gives n bytes a time.
type device struct {
	n     int
	asked chan int64
}

func (d *device) Read(b []byte, deadline int64) int {
	n := min(d.n, len(b))
	for i := range b[:n] {
		b[i] = byte(i*7 + 1)
	}
	d.asked <- deadline
	return n
}

// TestFloor: who gives how much, and that what comes to less ends the machine with the
// status for it before the program starts.
func TestFloor(t *testing.T) {
	seeded, unseeded := &bootrec.Record{}, &bootrec.Record{}
	seeded.Seed[3], seeded.Early[3], unseeded.Early[3] = 1, 1, 1
	for _, c := range []struct {
		record *bootrec.Record
		device int // bytes that it gives, -1 without one
		enough bool
	}{
		{seeded, -1, true}, {seeded, 0, true}, {unseeded, 64, true}, {unseeded, 32, true},
		{unseeded, 31, false}, {unseeded, 0, false}, {unseeded, -1, false},
	} {
		m := &Machine{Record: c.record}
		m.Pool.Mix(c.record.Seed[:], seedBits(c.record))
		if c.device >= 0 {
			m.rng = &device{c.device, make(chan int64, 1)}
		}
		m.stir(rngFirst, true)
		e := tooLittle(m.Pool.Credit())
		if (e == nil) != c.enough {
			t.Errorf("%d bits with a device of %d: %+v", m.Pool.Credit(), c.device, e)
		}
		if e != nil {
			if _, err := bootrec.ParseExit(bootrec.AppendExit(nil, e)[bootrec.FrameHeader:]); err != nil || e.Reason != bootrec.NoEntropy || !strings.HasPrefix(e.Message, "only ") {
				t.Errorf("%+v, %v", e, err)
			}
		}
	}
}

// TestFreshen: the device is asked at a reseed, without the draw that it is due at
// waiting for it, and not credited: the pool had enough.
func TestFreshen(t *testing.T) {
	d := &device{64, make(chan int64)}
	m := &Machine{rng: d}
	m.Pool.Mix([]byte("x"), entropy.Floor)
	m.freshen()
	for range 3 {
		m.Pool.Uint64() // the first one reseeds
	}
	select {
	case <-d.asked:
	case <-time.After(10 * time.Second):
		t.Fatal("the device is not asked")
	}
	if c := m.Pool.Credit(); c != entropy.Floor {
		t.Error(c)
	}
	(&Machine{}).freshen() // no device, nothing to do
}
