package budget

import (
	"math/rand"
	"sync"
	"sync/atomic"
	"testing"
)

func TestExact(t *testing.T) {
	b := New(200) // half of it for queues
	if !b.Charge(60) || b.Charge(41) || !b.Charge(40) || b.Charge(1) {
		t.Fatal("limit not exact")
	}
	b.Release(100)
	if b.Used() != 0 || b.Refused() != 2 {
		t.Fatal(b.Used(), b.Refused())
	}
	defer func() {
		if recover() == nil {
			t.Fatal("releasing too much went unnoticed")
		}
	}()
	b.Release(1)
}

// TestCensusBoundsQueues models queues that fill through Flow and drain
// silently: their true sum never exceeds the limit, and they are not refused
// while a count would show room.
func TestCensusBoundsQueues(t *testing.T) {
	const limit = 1 << 20
	b := New(2 * limit)
	b.interval = 0 // the model's time stands still
	var queued atomic.Int64
	counts := 0
	b.SetCensus(func(int64) int64 { counts++; return queued.Load() })
	rng := rand.New(rand.NewSource(1))
	accepted := 0
	for i := 0; i < 200000; i++ {
		n := 1 + rng.Intn(1500)
		if b.Flow(n) {
			accepted++
			if q := queued.Add(int64(n)); q > limit {
				t.Fatalf("step %d: %d bytes queued, limit %d", i, q, limit)
			}
		} else if queued.Load() < limit/2 {
			t.Fatalf("step %d: refused with %d of %d bytes queued", i, queued.Load(), limit)
		}
		if rng.Intn(3) > 0 { // drains faster than it fills, in bursts
			queued.Store(max(queued.Load()-int64(rng.Intn(2000)), 0))
		}
	}
	if accepted < 150000 || counts == 0 || counts > 100000 {
		t.Fatal(accepted, counts)
	}
}

func TestFullQueuesRefuse(t *testing.T) {
	b := New(2000)
	b.SetCensus(func(int64) int64 { return 1000 })
	refused := 0
	for i := 0; i < 100; i++ {
		if !b.Flow(100) {
			refused++
		}
	}
	if refused < 90 {
		t.Fatal(refused)
	}
	if b.Charge(1) {
		t.Fatal("exact charge over a full budget")
	}
}

func TestConcurrent(t *testing.T) {
	b := New(1 << 17)
	var queued atomic.Int64
	b.SetCensus(func(int64) int64 { return queued.Load() })
	var wg sync.WaitGroup
	for g := 0; g < 4; g++ {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := 0; i < 20000; i++ {
				if b.Flow(100) {
					queued.Add(100)
					queued.Add(-100)
				}
				if b.Charge(10) {
					b.Release(10)
				}
			}
		}()
	}
	wg.Wait()
	b.Recount()
	if b.Used() < 0 || b.Used() > 1<<16 {
		t.Fatal(b.Used())
	}
}

// TestSocketsHaveAShare: sockets can be had whatever queues hold, up to their
// half; beyond that what queues do not use, up to three quarters; and queues
// give way for those.
func TestSocketsHaveAShare(t *testing.T) {
	b := New(1000)
	queued := int64(500)
	b.SetCensus(func(int64) int64 { return queued })
	b.interval = 0
	if b.Recount(); b.Flow(100) {
		t.Fatal("queues hold more than half")
	}
	for i := 0; i < 5; i++ {
		if !b.SocketRoom(100, 0) || !b.ChargeSocket(100) {
			t.Fatal("no room for a socket beside full queues:", i)
		}
	}
	if b.SocketRoom(1, 0) || b.ChargeSocket(1) {
		t.Fatal("more than the limit")
	}
	if !b.SocketRoom(100, 100) {
		t.Fatal("what would be given back does not count")
	}
	queued = 100
	if !b.ChargeSocket(250) || b.ChargeSocket(1) || b.Used() != 850 {
		t.Fatal("sockets have three quarters if queues are short:", b.Used())
	}
	if !b.Flow(100) {
		t.Fatal("queues are refused what sockets leave")
	}
	if queued = 200; b.Flow(100) {
		t.Fatal("queues have more than what sockets leave")
	}
	b.ReleaseSocket(750)
	defer func() {
		if recover() == nil {
			t.Fatal("releasing too much went unnoticed")
		}
	}()
	b.ReleaseSocket(1)
}
