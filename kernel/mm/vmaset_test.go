package mm

import (
	"math/rand"
	"sort"
	"testing"
)

// TestSetModel compares the set with a sorted slice, and its searches for gaps
// with looking at every page.
func TestSetModel(t *testing.T) {
	const pages = 3000
	rng := rand.New(rand.NewSource(1))
	var set vmaSet
	var ref []*vma
	used := make([]bool, pages)
	addr := func(p int) uintptr { return uintptr(p+16) << pageShift }
	free := func(lo, hi int) bool {
		for p := lo; p < hi; p++ {
			if used[p] {
				return false
			}
		}
		return true
	}
	mark := func(v *vma, b bool) {
		for a := v.start; a < v.end; a += pageSize {
			used[int(a>>pageShift)-16] = b
		}
	}
	for round := 0; round < 60000; round++ {
		switch k := rng.Intn(10); {
		case k < 5:
			p, n := rng.Intn(pages-4), 1+rng.Intn(4)
			if free(p, p+n) {
				v := &vma{start: addr(p), end: addr(p + n)}
				if rng.Intn(20) == 0 {
					v.flags = vmGrowsDown
				}
				set.insert(v)
				mark(v, true)
				i := sort.Search(len(ref), func(i int) bool { return ref[i].start > v.start })
				ref = append(ref[:i], append([]*vma{v}, ref[i:]...)...)
			}
		case k < 8 && len(ref) > 0 && (round/8000)%2 == 1 || k == 5 && len(ref) > 0:
			i := rng.Intn(len(ref))
			v := ref[i]
			set.remove(v)
			mark(v, false)
			ref = append(ref[:i], ref[i+1:]...)
		case k == 8 && len(ref) > 0: // move a border
			v := ref[rng.Intn(len(ref))]
			mark(v, false)
			start, end := v.start, v.end
			if rng.Intn(2) == 0 {
				start += uintptr(rng.Intn(5)-2) << pageShift
			} else {
				end += uintptr(rng.Intn(5)-2) << pageShift
			}
			if start >= addr(0) && end <= addr(pages) && start < end &&
				free(int(start>>pageShift)-16, int(end>>pageShift)-16) {
				v.start, v.end = start, end
				set.moved(v)
			}
			mark(v, true)
		}
		a := addr(rng.Intn(pages))
		i := sort.Search(len(ref), func(i int) bool { return ref[i].end > a })
		var want, prev *vma
		if i < len(ref) {
			want = ref[i]
		}
		if i > 0 {
			prev = ref[i-1]
		}
		if got := set.find(a); got != want {
			t.Fatalf("round %d: find(%#x) = %v, want %v", round, a, got, want)
		}
		if p, n := set.neighbours(a); p != prev || n != want {
			t.Fatalf("round %d: neighbours(%#x)", round, a)
		}
		if want != nil {
			p, n := set.around(want)
			if p != prev || (i+1 < len(ref)) != (n != nil) || n != nil && n != ref[i+1] {
				t.Fatalf("round %d: around", round)
			}
		}
		if round%16 == 0 {
			checkGaps(t, rng, &set, ref, addr(0), pages)
		}
	}
	i := 0
	set.each(0, func(v *vma) bool {
		if v != ref[i] {
			t.Fatalf("each: %d differs", i)
		}
		i++
		return true
	})
	if i != len(ref) || set.n != i || len(set.chunks) < 10 {
		t.Fatalf("%d vmas in %d chunks, want %d", set.n, len(set.chunks), len(ref))
	}
}

// checkGaps compares highest and lowest with brute force.
func checkGaps(t *testing.T, rng *rand.Rand, set *vmaSet, ref []*vma, base uintptr, pages int) {
	t.Helper()
	n := uintptr(1+rng.Intn(12)) << pageShift
	align := uintptr(pageSize) << rng.Intn(4)
	lo := base + uintptr(rng.Intn(pages))<<pageShift
	hi := lo + uintptr(rng.Intn(pages))<<pageShift
	fits := func(a uintptr) bool {
		i := sort.Search(len(ref), func(i int) bool { return ref[i].end > a })
		return i == len(ref) || a+n <= ref[i].edge()
	}
	var low, high uintptr
	for a := roundUp(lo, align); a+n <= hi; a += align {
		if fits(a) {
			if low == 0 {
				low = a
			}
			high = a
		}
	}
	if got := set.highest(n, lo, hi, align); got != high {
		t.Fatalf("highest(%#x, %#x, %#x, %#x) = %#x, want %#x", n, lo, hi, align, got, high)
	}
	if got := set.lowest(n, lo, hi, align); got != low {
		t.Fatalf("lowest(%#x, %#x, %#x, %#x) = %#x, want %#x", n, lo, hi, align, got, low)
	}
}
