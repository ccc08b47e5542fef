package stack

import (
	"reflect"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
)

// TestClock holds the form that monotonic relies on, and the clock to its order.
func TestClock(t *testing.T) {
	f := reflect.TypeOf(tcpip.MonotonicTime{})
	if f.NumField() != 1 || f.Field(0).Type.Kind() != reflect.Int64 || f.Field(0).Name != "nanoseconds" {
		t.Fatal("tcpip.MonotonicTime has changed")
	}
	for _, ns := range []int64{0, 1, -1, 1e9, 1<<62 - 1, -1 << 62} {
		if m := monotonic(ns); m != (tcpip.MonotonicTime{}).Add(time.Duration(ns)) || m.Sub(tcpip.MonotonicTime{}) != time.Duration(ns) {
			t.Error(ns, m)
		}
	}
	var c clock
	last := c.NowMonotonic()
	for i := 0; i < 1000; i++ {
		now := c.NowMonotonic()
		if now.Before(last) {
			t.Fatal("time ran backwards")
		}
		last = now
	}
	if n := testing.AllocsPerRun(100, func() { last = c.NowMonotonic() }); n != 0 {
		t.Error(n, "allocations")
	}
	rang := make(chan struct{}, 1)
	at := c.NowMonotonic()
	c.AfterFunc(5*time.Millisecond, func() { rang <- struct{}{} })
	<-rang
	if d := c.NowMonotonic().Sub(at); d < 5*time.Millisecond {
		t.Error("rang after", d)
	}
}

func BenchmarkClock(b *testing.B) {
	for name, c := range map[string]tcpip.Clock{"ours": clock{}, "gVisor's": tcpip.NewStdClock()} {
		b.Run(name, func(b *testing.B) {
			for i := 0; i < b.N; i++ {
				c.NowMonotonic()
			}
		})
	}
}
