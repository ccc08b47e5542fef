package vfs

import (
	"math/rand"
	"sync"
	"sync/atomic"
	"testing"

	"skerry/kernel/abi"
)

// counted is a file that notices its release.
type counted struct {
	BaseFile
	released atomic.Int32
	users    atomic.Int32
}

func (f *counted) Stat(st *abi.Stat) abi.Errno { return anonStat(st, 1) }
func (f *counted) Release() {
	if f.users.Load() != 0 {
		panic("released while in use")
	}
	f.released.Add(1)
}

// TestTableAgainstModel compares the table with a map over random operations,
// with emphasis on which descriptor is the lowest free one.
func TestTableAgainstModel(t *testing.T) {
	rng := rand.New(rand.NewSource(1))
	for round := range 30 {
		tab := NewTable()
		limit := 40 + rng.Intn(400)
		if round == 0 {
			limit = MaxFiles
		}
		tab.SetLimit(limit)
		files := map[*Description]*counted{}
		model := map[int32]*Description{}
		refs := map[*Description]int{}
		cloexec := map[int32]bool{}
		lowest := func(from int) int32 {
			fd := int32(from)
			for model[fd] != nil {
				fd++
			}
			return fd
		}
		put := func(fd int32, d *Description, c bool) {
			if old := model[fd]; old != nil {
				refs[old]--
			}
			model[fd], cloexec[fd] = d, c
			refs[d]++
		}
		for range 3000 {
			c := rng.Intn(2) == 0
			switch rng.Intn(9) {
			case 0, 1, 2:
				f := &counted{}
				d := NewDescription(f, abi.O_RDWR)
				fd, e := tab.Install(d, c)
				want := lowest(0)
				if int(want) >= limit {
					if e != abi.EMFILE || f.released.Load() != 1 {
						t.Fatal("install at the limit:", fd, e)
					}
					continue
				}
				if e != abi.OK || fd != want {
					t.Fatalf("install: %d %v, want %d", fd, e, want)
				}
				files[d] = f
				put(fd, d, c)
			case 3:
				from := rng.Intn(limit + 20)
				old := int32(rng.Intn(limit))
				fd, e := tab.Dup(old, uint64(from), c)
				switch want := lowest(from); {
				case model[old] == nil:
					must(t, "dup of nothing", e, abi.EBADF)
				case from >= limit:
					must(t, "dup from the limit", e, abi.EINVAL)
				case int(want) >= limit:
					must(t, "dup beyond the limit", e, abi.EMFILE)
				case e != abi.OK || fd != want:
					t.Fatalf("dup: %d %v, want %d", fd, e, want)
				default:
					put(fd, model[old], c)
				}
			case 4:
				old, to := int32(rng.Intn(limit)), int32(rng.Intn(limit+10))
				fd, e := tab.Dup3(old, to, c, false)
				switch {
				case old == to:
					must(t, "dup3 onto itself", e, abi.EINVAL)
				case int(to) >= limit || model[old] == nil:
					must(t, "dup3", e, abi.EBADF)
				case e != abi.OK || fd != to:
					t.Fatalf("dup3: %d %v", fd, e)
				default:
					put(to, model[old], c)
				}
			case 5, 6:
				fd := int32(rng.Intn(limit))
				e := tab.Close(fd)
				if (model[fd] == nil) != (e == abi.EBADF) {
					t.Fatal("close:", e)
				}
				if d := model[fd]; d != nil {
					refs[d]--
					delete(model, fd)
					delete(cloexec, fd)
				}
			case 7:
				if rng.Intn(20) > 0 {
					continue
				}
				a := uint32(rng.Intn(limit))
				b := a + uint32(rng.Intn(limit))
				flags := uint32(rng.Intn(2) * abi.CLOSE_RANGE_CLOEXEC)
				must(t, "close_range", tab.CloseRange(a, b, flags, true), abi.OK)
				for fd, d := range model {
					if uint32(fd) < a || uint32(fd) > b {
						continue
					}
					if flags != 0 {
						cloexec[fd] = true
						continue
					}
					refs[d]--
					delete(model, fd)
					delete(cloexec, fd)
				}
			case 8:
				fd := int32(rng.Intn(limit + 100))
				d, e := tab.Get(fd)
				if e == abi.OK {
					d.Unref()
				}
				if (e == abi.OK) != (model[fd] != nil) || e == abi.OK && d != model[fd] {
					t.Fatal("get:", e)
				}
				on, e := tab.Cloexec(fd)
				if e == abi.OK && on != cloexec[fd] {
					t.Fatal("cloexec of", fd)
				}
			}
		}
		for d, f := range files {
			if (refs[d] == 0) != (f.released.Load() == 1) {
				t.Fatalf("%d references, released %d", refs[d], f.released.Load())
			}
		}
		if tab.Count() != len(model) {
			t.Fatal("count")
		}
	}
}

func TestTableEdges(t *testing.T) {
	tab := NewTable()
	for _, fd := range []int32{-1, -1 << 31, 0, 63, 64, 1 << 30} {
		if _, e := tab.Get(fd); e != abi.EBADF {
			t.Errorf("get %d: %v", fd, e)
		}
		if e := tab.Close(fd); e != abi.EBADF {
			t.Errorf("close %d: %v", fd, e)
		}
	}
	// An open under way keeps its number, and dup2 onto it is refused.
	fd, _ := tab.Reserve()
	d := NewDescription(&counted{}, 0)
	n, _ := tab.Install(d, false)
	if fd != 0 || n != 1 {
		t.Fatal(fd, n)
	}
	if _, e := tab.Dup3(n, fd, false, false); e != abi.EBUSY {
		t.Error("dup2 onto a reserved descriptor:", e)
	}
	must(t, "close of a reserved descriptor", tab.Close(fd), abi.EBADF)
	tab.Cancel(fd)
	if n, e := tab.Dup(n, 0, true); n != 0 || e != abi.OK {
		t.Error("dup after cancel:", n, e)
	}
	must(t, "close_range backwards", tab.CloseRange(5, 4, 0, true), abi.EINVAL)
	must(t, "close_range flags", tab.CloseRange(0, 4, 1, true), abi.EINVAL)
	must(t, "close_range to the end", tab.CloseRange(0, ^uint32(0), 0, true), abi.OK)
	if tab.Count() != 0 {
		t.Error("descriptors left")
	}
	// A limit below what is open leaves it open.
	d = NewDescription(&counted{}, abi.O_PATH)
	n, _ = tab.Install(d, false)
	tab.SetLimit(0)
	if _, e := tab.Get(n); e != abi.EBADF {
		t.Error("O_PATH descriptor through Get:", e)
	}
	if d, e := tab.GetAny(n); e != abi.OK {
		t.Error("O_PATH descriptor through GetAny:", e)
	} else {
		d.Unref()
	}
	if _, e := tab.Dup(n, 0, false); e != abi.EINVAL {
		t.Error("dup at limit 0:", e)
	}
}

// TestTableTogether has threads open, use, duplicate and close the same
// descriptors; a file must not be released while somebody uses it, and each is
// released once.
func TestTableTogether(t *testing.T) {
	tab := NewTable()
	var all []*counted
	var mu sync.Mutex
	var wg sync.WaitGroup
	for g := range 6 {
		wg.Go(func() {
			rng := rand.New(rand.NewSource(int64(g)))
			for range 20000 {
				fd := int32(rng.Intn(80))
				switch rng.Intn(6) {
				case 0:
					f := &counted{}
					if _, e := tab.Install(NewDescription(f, abi.O_RDWR), false); e == abi.OK {
						mu.Lock()
						all = append(all, f)
						mu.Unlock()
					}
				case 1:
					tab.Close(fd)
				case 2:
					tab.Dup3(fd, int32(rng.Intn(200)), false, true)
				default:
					if d, e := tab.Get(fd); e == abi.OK {
						f := d.File().(*counted)
						f.users.Add(1)
						if f.released.Load() != 0 {
							t.Error("used after its release")
						}
						f.users.Add(-1)
						d.Unref()
					}
				}
			}
		})
	}
	wg.Wait()
	tab.CloseRange(0, MaxFiles, 0, true)
	for _, f := range all {
		if f.released.Load() != 1 {
			t.Fatal("released", f.released.Load(), "times")
		}
	}
}
