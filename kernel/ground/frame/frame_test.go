package frame

import (
	"math/rand"
	"runtime"
	"runtime/debug"
	"sync"
	"testing"
)

// TestModel allocates and frees at random and checks against a map that no
// two live blocks overlap and that everything comes back merged.
func TestModel(t *testing.T) {
	const n = 5000
	InitHost(n)
	rng := rand.New(rand.NewSource(1))
	owner := make([]int, n)
	type block struct {
		p     PFN
		order uint8
		id    int
	}
	var live []block
	id := 0
	for i := 0; i < 200000; i++ {
		if rng.Intn(100) < 52 {
			order := uint8(0)
			if rng.Intn(4) == 0 {
				order = uint8(rng.Intn(MaxOrder + 1))
			}
			p := AllocOrder(KindUser, order)
			if p == 0 {
				continue
			}
			if uint32(p)&(1<<order-1) != 0 {
				t.Fatalf("order %d block at %#x is not aligned", order, p)
			}
			id++
			for j := PFN(0); j < 1<<order; j++ {
				if owner[p+j] != 0 {
					t.Fatalf("frame %d handed out twice", p+j)
				}
				owner[p+j] = id
			}
			live = append(live, block{p, order, id})
		} else if len(live) > 0 {
			k := rng.Intn(len(live))
			b := live[k]
			live[k] = live[len(live)-1]
			live = live[:len(live)-1]
			for j := PFN(0); j < 1<<b.order; j++ {
				owner[b.p+j] = 0
			}
			if b.order > 0 && rng.Intn(3) == 0 {
				b.p.Split()
				for j := PFN(0); j < 1<<b.order; j++ {
					(b.p + j).Unref()
				}
			} else {
				b.p.Unref()
			}
		}
	}
	for _, b := range live {
		b.p.Unref()
	}
	s := Read()
	if s.Free != s.Total || s.Total != n-1 || s.User != 0 {
		t.Fatalf("after all is freed: %+v", s)
	}
	got := 0
	for AllocOrder(KindKernel, MaxOrder) != 0 {
		got++
	}
	if want := n/(1<<MaxOrder) - 1; got != want { // the first holds frame 0
		t.Fatalf("%d whole blocks after merging, want %d", got, want)
	}
}

func TestReserve(t *testing.T) {
	InitHost(100)
	SetReserve(10)
	n := 0
	for Alloc(KindUser) != 0 {
		n++
	}
	if n != 89 {
		t.Fatalf("%d user frames of 99 with a reserve of 10", n)
	}
	for Alloc(KindHeap) != 0 {
		n++
	}
	if n != 99 {
		t.Fatalf("%d frames in all, want 99", n)
	}
}

func TestOwnerAndRefs(t *testing.T) {
	InitHost(16)
	p := AllocZero(KindCache)
	p.SetOwner(1<<63 | 5)
	p.Ref()
	p.Unref()
	if p.Owner() != 1<<63|5 || p.Refs() != 1 || p.Kind() != KindCache {
		t.Fatal(p.Owner(), p.Refs(), p.Kind())
	}
	p.Unref()
	if q := Alloc(KindUser); q.Owner() != 0 {
		t.Fatal("owner word survives the frame")
	}
}

func TestConcurrent(t *testing.T) {
	InitHost(4096)
	// On a host the runtime may stop who holds a spin lock, which it cannot do in the
	// kernel: who waits must not keep its processor from it, and the collector must not
	// wait for who waits.
	const goroutines = 4
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(goroutines + 1))
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	var wg sync.WaitGroup
	for g := 0; g < goroutines; g++ {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := 0; i < 20000; i++ {
				p, q := AllocZero(KindUser), AllocOrder(KindUser, 3)
				p.Bytes()[0] = 1
				p.Unref()
				q.Unref()
			}
		}()
	}
	wg.Wait()
	if s := Read(); s.Free != s.Total {
		t.Fatalf("%+v", s)
	}
}
