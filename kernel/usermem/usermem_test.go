package usermem

import (
	"bytes"
	"math/rand"
	"testing"
	"unsafe"

	"skerry/kernel/abi"
)

// fakeUser makes pages of a Go buffer stand for user pages; bad pages fault.
func fakeUser(t *testing.T, pages int, bad map[uintptr]bool) ([]byte, uintptr) {
	mem := make([]byte, pages*4096)
	const base = 0x10000
	HostTranslate = func(addr uintptr, write bool) (uintptr, bool) {
		if addr < base || addr >= base+uintptr(len(mem)) || bad[addr>>12] {
			return 0, false
		}
		return uintptr(unsafe.Pointer(&mem[addr-base])), true
	}
	t.Cleanup(func() { HostTranslate = func(uintptr, bool) (uintptr, bool) { return 0, false } })
	return mem, base
}

func TestRange(t *testing.T) {
	for _, c := range []struct {
		addr, n uintptr
		ok      bool
	}{
		{0, 0, true}, {Limit, 0, true}, {Limit, 1, false}, {Limit - 1, 1, true},
		{^uintptr(0), 2, false}, {1 << 63, 8, false}, {0x1000, ^uintptr(0), false},
	} {
		if InRange(c.addr, c.n) != c.ok {
			t.Errorf("InRange(%#x, %#x) != %v", c.addr, c.n, c.ok)
		}
	}
}

func TestVecAgainstModel(t *testing.T) {
	mem, base := fakeUser(t, 8, nil)
	rng := rand.New(rand.NewSource(2))
	for round := 0; round < 2000; round++ {
		rng.Read(mem)
		n := rng.Intn(12)
		segs := make([]Seg, n)
		var want []byte
		for i := range segs {
			off, l := rng.Intn(len(mem)), rng.Intn(300)
			l = min(l, len(mem)-off)
			segs[i] = Seg{base + uintptr(off), uintptr(l)}
			want = append(want, mem[off:off+l]...)
		}
		var v Vec
		v.segs = segs
		copy(v.own[:], segs)
		v.left = len(want)
		var got []byte
		for v.Len() > 0 {
			b := make([]byte, 1+rng.Intn(200))
			m, e := v.CopyIn(b)
			if e != abi.OK {
				t.Fatal(e)
			}
			got = append(got, b[:m]...)
		}
		if !bytes.Equal(got, want) {
			t.Fatalf("round %d: vector read differs", round)
		}
	}
}

func TestPartialFault(t *testing.T) {
	_, base := fakeUser(t, 3, map[uintptr]bool{0x11: true})
	n, e := CopyOut(base+4000, make([]byte, 500))
	if n != 96 || e != abi.EFAULT {
		t.Fatalf("copy up to a missing page: %d, %v", n, e)
	}
	resolved := uintptr(0)
	old := Resolve
	defer func() { Resolve = old }()
	bad := map[uintptr]bool{0x11: true}
	fakeUser(t, 3, bad)
	Resolve = func(a uintptr, w bool) abi.Errno { resolved = a; delete(bad, a>>12); return abi.OK }
	if n, e := CopyOut(base+4000, make([]byte, 500)); n != 500 || e != abi.OK || resolved != 0x11000 {
		t.Fatalf("resolved copy: %d, %v, at %#x", n, e, resolved)
	}
}

func TestString(t *testing.T) {
	mem, base := fakeUser(t, 2, nil)
	long := bytes.Repeat([]byte("x"), 5000)
	copy(mem, long)
	if s, e := String(base, 8192); e != abi.OK || len(s) != 5000 {
		t.Fatal(len(s), e)
	}
	if _, e := String(base, 4096); e != abi.ENAMETOOLONG {
		t.Fatal(e)
	}
	copy(mem[8190:], "ab")
	if _, e := String(base+8190, 100); e != abi.EFAULT {
		t.Fatal("string that runs off the mapping:", e)
	}
	mem[8191] = 0
	if s, e := String(base+8190, 100); e != abi.OK || s != "a" {
		t.Fatal(s, e)
	}
}

func TestIovecLimits(t *testing.T) {
	mem, base := fakeUser(t, 8, nil)
	put := func(i int, s Seg) {
		*(*Seg)(unsafe.Pointer(&mem[i*16])) = s
	}
	var v Vec
	put(0, Seg{base, 1 << 63})
	if e := v.InitIovec(base, 1); e != abi.EINVAL {
		t.Fatal("negative length:", e)
	}
	put(0, Seg{base, 0x7fffffff})
	put(1, Seg{base, 0x7fffffff})
	if e := v.InitIovec(base, 2); e != abi.OK || v.Len() != maxRW {
		t.Fatal("total is not capped:", e, v.Len())
	}
	put(0, Seg{1 << 62, 8})
	if e := v.InitIovec(base, 1); e != abi.EFAULT {
		t.Fatal("kernel range:", e)
	}
	if e := v.InitIovec(base, 1025); e != abi.EINVAL {
		t.Fatal("too many:", e)
	}
}

// TestRawCopy runs the assembly itself on the host, over memory of its own.
func TestRawCopy(t *testing.T) {
	for n := 0; n < 300; n++ {
		src, dst := make([]byte, 400), make([]byte, 400)
		rand.New(rand.NewSource(int64(n))).Read(src)
		left := rawCopy(uintptr(unsafe.Pointer(&dst[7])), uintptr(unsafe.Pointer(&src[3])), uintptr(n))
		if left != 0 || !bytes.Equal(dst[7:7+n], src[3:3+n]) || dst[7+n] != 0 {
			t.Fatalf("copy of %d bytes is wrong", n)
		}
	}
	x := uint32(5)
	p := uintptr(unsafe.Pointer(&x))
	if v, ok := rawCmpxchg32(p, 5, 9); v != 5 || !ok || x != 9 {
		t.Fatal(v, ok, x)
	}
	if v, ok := rawCmpxchg32(p, 5, 7); v != 9 || !ok || x != 9 {
		t.Fatal(v, ok, x)
	}
	if v, ok := rawLoad32(p); v != 9 || !ok {
		t.Fatal(v, ok)
	}
}

func TestFixupTable(t *testing.T) {
	for i, f := range Fixups() {
		if f.End <= f.Start || f.End-f.Start > 128 || f.Landing == 0 {
			t.Errorf("entry %d: %+v", i, f)
		}
		for j, g := range Fixups() {
			if i != j && f.Start < g.End && g.Start < f.End {
				t.Errorf("entries %d and %d overlap", i, j)
			}
		}
	}
}
