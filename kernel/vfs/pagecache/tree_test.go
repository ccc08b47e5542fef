package pagecache

import (
	"math/rand"
	"sort"
	"testing"
)

// TestTreeAgainstMap runs random operations on a tree and on a map.
func TestTreeAgainstMap(t *testing.T) {
	rng := rand.New(rand.NewSource(1))
	for round := 0; round < 60; round++ {
		var tr tree
		model := map[uint64]uint64{}
		pick := func() uint64 {
			switch rng.Intn(6) {
			case 0:
				return maxIndex - 1 - uint64(rng.Intn(70))
			case 1:
				return 1<<uint(rng.Intn(51)) + uint64(rng.Intn(3)) - 1
			case 2:
				for k := range model {
					return k
				}
			}
			return uint64(rng.Intn(300))
		}
		for op := 0; op < 2000; op++ {
			i := pick()
			switch s := tr.get(i); {
			case (s != nil) != (model[i] != 0):
				t.Fatalf("get(%d) disagrees", i)
			case s != nil && s.Load() != model[i]:
				t.Fatalf("get(%d) = %d, want %d", i, s.Load(), model[i])
			case s == nil && rng.Intn(2) == 0:
				w := 1 + uint64(rng.Intn(1000))
				tr.put(i, w)
				model[i] = w
			case s != nil && rng.Intn(2) == 0:
				tr.remove(i)
				delete(model, i)
			}
			if tr.n != len(model) {
				t.Fatalf("%d slots, want %d", tr.n, len(model))
			}
			from := pick()
			want, found := uint64(0), false
			for k := range model {
				if k >= from && (!found || k < want) {
					want, found = k, true
				}
			}
			if got, s := tr.next(from); (s != nil) != found || found && got != want {
				t.Fatalf("next(%d) = %d %v, want %d %v", from, got, s != nil, want, found)
			}
		}
		var keys []uint64
		for k := range model {
			keys = append(keys, k)
		}
		sort.Slice(keys, func(i, j int) bool { return keys[i] < keys[j] })
		at := uint64(0)
		for _, k := range keys {
			i, s := tr.next(at)
			if s == nil || i != k {
				t.Fatalf("walk: %d, want %d", i, k)
			}
			tr.remove(i)
			at = i + 1
		}
		if tr.n != 0 || tr.root != nil {
			t.Fatal("not empty at the end")
		}
	}
}
