package reg

import (
	"os"
	"testing"

	"skerry/kernel/ground/frame"
)

func TestMain(m *testing.M) {
	frame.InitHost(16)
	os.Exit(m.Run())
}

// hidden is a window that Slice does not know to be plain memory.
type hidden struct{ Memory }

// TestWindows: slices of both kinds, slices of slices, and every access at
// every offset around the edges.
func TestWindows(t *testing.T) {
	p := frame.AllocZero(frame.KindKernel)
	defer p.Unref()
	b := p.Bytes()
	for _, whole := range []Window{Memory{p.Addr(), 64}, hidden{Memory{p.Addr(), 64}}} {
		for _, c := range []struct {
			off, n uint32
			ok     bool
		}{{0, 64, true}, {0, 65, false}, {64, 0, true}, {65, 0, false}, {1 << 31, 1 << 31, false}, {1, 1<<32 - 1, false}, {1<<32 - 1, 1, false}, {16, 32, true}} {
			if _, ok := Slice(whole, c.off, c.n); ok != c.ok {
				t.Error("slice", c, ok)
			}
		}
		outer, _ := Slice(whole, 8, 40)
		w, ok := Slice(outer, 8, 16)
		if !ok || w.Size() != 16 || w.Addr(4) != p.Addr()+20 {
			t.Fatal("slice of a slice")
		}
		for _, off := range []uint32{0, 1, 12, 13, 14, 15, 16, 17, 1<<32 - 4, 1<<32 - 2, 1<<32 - 1} {
			for i := range b {
				b[i] = byte(i)
			}
			at := off + 16
			in := func(n uint32) bool { return off <= 16 && off+n <= 16 }
			want := func(n uint32) (v uint32) {
				if !in(n) {
					return 1<<(8*n) - 1
				}
				for i := range n {
					v |= uint32(b[at+i]) << (8 * i)
				}
				return v
			}
			if w.Load8(off) != uint8(want(1)) || w.Load16(off) != uint16(want(2)) || in(4) && w.Load32(off) != want(4) || !in(4) && w.Load32(off) != 1<<32-1 {
				t.Error("load at", off)
			}
			w.Store8(off, 0xee)
			w.Store16(off, 0xeeee)
			w.Store32(off, 0xeeeeeeee)
			for i := range b {
				inside := i >= 16 && i < 32
				if b[i] != byte(i) && !inside {
					t.Fatal("store at", off, "changed byte", i)
				}
				if inside && off < 1<<31 {
					n := uint32(0)
					for _, k := range []uint32{1, 2, 4} {
						if in(k) {
							n = k
						}
					}
					k := uint32(i) - at
					if hit := uint32(i) >= at && k < n; (b[i] == 0xee) != hit {
						t.Fatal("store at", off, "byte", i)
					}
				}
			}
		}
	}
}
