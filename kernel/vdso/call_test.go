package vdso

import (
	"math/rand/v2"
	"syscall"
	"testing"

	"skerry/kernel/ground/arch"
	"skerry/kernel/vdso/vdsotest"
)

// A hosted object: the code that the program runs, called from here.
type object struct {
	*vdsotest.Object
	d   *Data
	fn  map[string]uintptr
	out uintptr
}

func newObject(t testing.TB) *object {
	t.Helper()
	img := Image()
	l, err := newLinker(img)
	if err != nil {
		t.Fatal(err)
	}
	m, err := vdsotest.Map(img)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Unmap(); err != nil {
			t.Error(err)
		}
	})
	o := &object{Object: m, d: At(m.Data), fn: map[string]uintptr{}, out: vdsotest.Addr(m.Out)}
	o.d.Init()
	for _, name := range exports {
		off, err := l.find(prefix + name)
		if err != nil {
			t.Fatal(err)
		}
		o.fn[name] = m.Base + uintptr(off)
	}
	return o
}

// call calls a function with a0 and, for true, the addresses of the two 16-byte
// results in Out, which are filled with a5 before.
func (o *object) call(name string, args ...uintptr) int64 {
	for i := range o.Out[:64] {
		o.Out[i] = 0xa5
	}
	args = append(args, 0, 0, 0)
	return int64(vdsotest.Call(o.fn[name], args[0], args[1], args[2]))
}

func (o *object) word(i int) int64 { return int64(le.Uint64(o.Out[i*8:])) }

const sysGetcpu = 309 // syscall_64.tbl

const untouched = -0x5a5a5a5a5a5a5a5b // 8 bytes of a5

// fix stops the clock at given times, in nanoseconds.
func (o *object) fix(mono, real, boot uint64) {
	o.d.Init()
	o.d.Update(Base{TSC: 1, Mult: 0, Mono: mono, Real: real, Boot: boot})
}

func TestSplitsExactly(t *testing.T) {
	o := newObject(t)
	check := func(ns uint64) {
		t.Helper()
		o.fix(ns, ns, ns)
		sec, nsec := int64(ns/1e9), int64(ns%1e9)
		if r := o.call("clock_gettime", Monotonic, o.out); r != 0 || o.word(0) != sec || o.word(1) != nsec || o.word(2) != untouched {
			t.Fatalf("clock_gettime at %d ns: %d, %d.%09d, %x", ns, r, o.word(0), o.word(1), o.word(2))
		}
		if r := o.call("gettimeofday", o.out, 0); r != 0 || o.word(0) != sec || o.word(1) != nsec/1000 || o.word(2) != untouched {
			t.Fatalf("gettimeofday at %d ns: %d, %d.%06d", ns, r, o.word(0), o.word(1))
		}
		if r := o.call("time", 0); r != sec {
			t.Fatalf("time at %d ns: %d", ns, r)
		}
		if r := o.call("time", o.out); r != sec || o.word(0) != sec || o.word(1) != untouched {
			t.Fatalf("time with a pointer at %d ns: %d, %d", ns, r, o.word(0))
		}
	}
	for _, ns := range []uint64{0, 1, 999, 1000, 999_999_999, 1e9, 1e9 + 1, 1<<32 - 1, 1 << 32,
		1<<62 - 1, 1<<63 - 1, 9223372036e9 - 1, 9223372036e9} {
		check(ns)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for range 20000 {
		ns := rng.Uint64() >> (1 + rng.IntN(62))
		check(ns)
		// The borders of a second are where a rounded quotient goes wrong.
		if s := ns / 1e9 * 1e9; s > 0 {
			check(s)
			check(s - 1)
		}
	}
}

func TestClocks(t *testing.T) {
	o := newObject(t)
	const mono, real, boot = 1_000_000_001, 1_700_000_000_123_456_789, 2_000_000_002
	o.fix(mono, real, boot)
	want := map[uintptr]int64{Realtime: real, Monotonic: mono, MonotonicRaw: mono, RealtimeCoarse: real,
		MonotonicCoarse: mono, Boottime: boot, TAI: real}
	for id := uintptr(0); id < 64; id++ {
		ns, served := want[id]
		r := o.call("clock_gettime", id, o.out)
		if now, ok := o.d.Now(int(id)); ok != served || ok && now != ns {
			t.Errorf("clock %d: Now answers %d, %v", id, now, ok)
		}
		if served {
			// The upper half of the argument is not part of an int.
			if got := o.word(0)*1e9 + o.word(1); r != 0 || got != ns {
				t.Errorf("clock %d: %d, %d ns, want %d", id, r, got, ns)
			}
			if r := o.call("clock_gettime", id|0xdead_beef<<32, o.out); r != 0 || o.word(0)*1e9+o.word(1) != ns {
				t.Errorf("clock %d with a dirty upper half: %d", id, r)
			}
			continue
		}
		// The host's kernel answered: as a direct system call would.
		_, _, e := syscall.Syscall(syscall.SYS_CLOCK_GETTIME, id, o.out+32, 0)
		if want := -int64(e); r != want {
			t.Errorf("clock %d: %d, the system call answers %d", id, r, want)
		}
	}
	for _, id := range []uintptr{1 << 31, 0xffffffff, 0x80000001, 12, 0xfffffffe} {
		_, _, e := syscall.Syscall(syscall.SYS_CLOCK_GETTIME, uintptr(int32(id)), o.out+32, 0)
		if r := o.call("clock_gettime", id, o.out); r != -int64(e) {
			t.Errorf("clock %#x: %d, the system call answers %d", id, r, -int64(e))
		}
	}
}

func TestFollowsTheCounter(t *testing.T) {
	o := newObject(t)
	rng := rand.New(rand.NewPCG(3, 4))
	for range 5000 {
		b := Base{TSC: arch.RDTSC() - rng.Uint64N(1<<uint(rng.IntN(40)+1)), Mult: rng.Uint64() >> (31 + rng.IntN(20)),
			Mono: rng.Uint64() >> 3, Real: rng.Uint64() >> 3, Boot: rng.Uint64() >> 3}
		o.d.Init()
		if got := o.d.Update(b); got != b {
			t.Fatalf("the first update %+v became %+v", b, got)
		}
		for id, base := range map[uintptr]uint64{Monotonic: b.Mono, Realtime: b.Real, Boottime: b.Boot} {
			t0 := arch.RDTSC()
			r := o.call("clock_gettime", id, o.out)
			t1 := arch.RDTSC()
			lo, hi := base+elapsed(t0, b.TSC, b.Mult), base+elapsed(t1, b.TSC, b.Mult)
			if ns := uint64(o.word(0)*1e9 + o.word(1)); r != 0 || ns < lo || ns > hi {
				t.Fatalf("clock %d: %d is not in [%d, %d], %+v", id, ns, lo, hi, b)
			}
		}
	}
}

// TestCounterBehind: a counter behind the point counts as equal to it.
func TestCounterBehind(t *testing.T) {
	o := newObject(t)
	for _, ahead := range []uint64{1 << 30, 1 << 50, 1<<64 - 1<<60} {
		o.d.Init()
		o.d.Update(Base{TSC: arch.RDTSC() + ahead, Mult: 1 << 33, Mono: 5e9 + 7, Real: 6e9 + 8, Boot: 9})
		if r := o.call("clock_gettime", Monotonic, o.out); r != 0 || o.word(0) != 5 || o.word(1) != 7 {
			t.Errorf("%d.%09d with the counter %#x behind", o.word(0), o.word(1), ahead)
		}
		if r := o.call("gettimeofday", o.out, 0); r != 0 || o.word(0) != 6 || o.word(1) != 0 {
			t.Errorf("gettimeofday %d.%06d with the counter %#x behind", o.word(0), o.word(1), ahead)
		}
		if r := o.call("time", 0); r != 6 {
			t.Errorf("time %d with the counter %#x behind", r, ahead)
		}
		if ns, ok := o.d.Now(Monotonic); !ok || ns != 5e9+7 {
			t.Errorf("Now %d with the counter %#x behind", ns, ahead)
		}
	}
}

// TestKernelAnswers: before Update and after Disable every call is the system
// call of its name.
func TestKernelAnswers(t *testing.T) {
	o := newObject(t)
	now := func() int64 {
		var ts syscall.Timespec
		if _, _, e := syscall.Syscall(syscall.SYS_CLOCK_GETTIME, 0, o.out+48, 0); e != 0 {
			t.Fatal(e)
		}
		ts.Sec, ts.Nsec = o.word(6), o.word(7)
		return ts.Nano()
	}
	round := func(when string) {
		t.Helper()
		if ns, ok := o.d.Now(Realtime); ok {
			t.Errorf("%s: Now answers %d", when, ns)
		}
		t0 := now()
		r := o.call("clock_gettime", Realtime, o.out)
		got := o.word(0)*1e9 + o.word(1)
		if t1 := now(); r != 0 || got < t0 || got > t1 {
			t.Errorf("%s: clock_gettime %d: %d not in [%d, %d]", when, r, got, t0, t1)
		}
		t0 = now()
		r = o.call("gettimeofday", o.out, o.out+16)
		got = o.word(0)*1e6 + o.word(1)
		if t1 := now(); r != 0 || got < t0/1000 || got > t1/1000 || o.word(2) != 0 {
			t.Errorf("%s: gettimeofday %d: %d not in [%d, %d]", when, r, got, t0/1000, t1/1000)
		}
		t0 = now()
		r = o.call("time", o.out)
		if t1 := now(); r < t0/1e9-1 || r > t1/1e9 || o.word(0) != r {
			t.Errorf("%s: time %d not in [%d, %d]", when, r, t0/1e9, t1/1e9)
		}
	}
	round("before the first update")
	o.d.Update(Base{TSC: arch.RDTSC(), Mult: 1 << 31, Mono: 1, Real: 1, Boot: 1})
	if r := o.call("time", 0); r > 1000 {
		t.Errorf("time %d although the page says 0", r)
	}
	o.d.Disable()
	round("after Disable")
}

func TestResolution(t *testing.T) {
	o := newObject(t)
	for _, updated := range []bool{false, true} {
		if updated {
			o.fix(1, 2, 3)
		}
		for id := uintptr(0); id < 40; id++ {
			r := o.call("clock_getres", id, o.out)
			switch id {
			case Realtime, Monotonic, MonotonicRaw, Boottime, TAI:
				if r != 0 || o.word(0) != 0 || o.word(1) != 1 || o.word(2) != untouched {
					t.Errorf("clock %d: %d, %d.%09d", id, r, o.word(0), o.word(1))
				}
			default:
				got := [2]int64{o.word(0), o.word(1)}
				_, _, e := syscall.Syscall(syscall.SYS_CLOCK_GETRES, id, o.out, 0)
				if r != -int64(e) || e == 0 && got != [2]int64{o.word(0), o.word(1)} {
					t.Errorf("clock %d: %d %v, the system call answers %v", id, r, got, e)
				}
			}
			if r2 := o.call("clock_getres", id, 0); r2 != r {
				t.Errorf("clock %d without a result: %d, with one %d", id, r2, r)
			}
		}
	}
}

func TestGettimeofdayArguments(t *testing.T) {
	o := newObject(t)
	o.fix(1, 77e9+5000, 3)
	if r := o.call("gettimeofday", 0, 0); r != 0 || o.word(0) != untouched {
		t.Errorf("no arguments: %d", r)
	}
	if r := o.call("gettimeofday", 0, o.out); r != 0 || o.word(0) != 0 || o.word(1) != untouched {
		t.Errorf("zone only: %d, %x", r, o.word(0))
	}
	if r := o.call("gettimeofday", o.out, o.out+16); r != 0 || o.word(0) != 77 || o.word(1) != 5 || o.word(2) != 0 || o.word(3) != untouched {
		t.Errorf("both: %d, %x", r, o.Out[:32])
	}
}

func TestGetcpu(t *testing.T) {
	o := newObject(t)
	kernel := func(when string) {
		t.Helper()
		r := o.call("getcpu", o.out, o.out+8)
		if cpu := le.Uint32(o.Out); r != 0 || cpu > 4096 || le.Uint32(o.Out[4:]) != 0xa5a5a5a5 {
			t.Errorf("%s: %d, CPU %d", when, r, cpu)
		}
	}
	kernel("by the system call")
	if _, _, _, d := arch.CPUID(0x80000001, 0); d&(1<<27) == 0 {
		t.Skip("no RDTSCP here")
	}
	// Linux keeps CPU and node in IA32_TSC_AUX the same way.
	o.d.SetTSCAux()
	kernel("by RDTSCP")
	for range 1000 {
		_, _, e := syscall.RawSyscall(sysGetcpu, o.out+16, o.out+24, 0)
		before := le.Uint32(o.Out[16:])
		r := o.call("getcpu", o.out, o.out+8)
		cpu, node := le.Uint32(o.Out), le.Uint32(o.Out[8:])
		_, _, e2 := syscall.RawSyscall(sysGetcpu, o.out+16, o.out+24, 0)
		after, home := le.Uint32(o.Out[16:]), le.Uint32(o.Out[24:])
		if before == after && e == 0 && e2 == 0 && (r != 0 || cpu != before || node != home) {
			t.Fatalf("%d, CPU %d node %d; the system call says %d and %d", r, cpu, node, before, home)
		}
	}
	if r := o.call("getcpu", 0, o.out); r != 0 || le.Uint32(o.Out[4:]) != 0xa5a5a5a5 {
		t.Errorf("node only: %d %x", r, o.Out[:8])
	}
	if r := o.call("getcpu", 0, 0); r != 0 || o.word(0) != untouched {
		t.Errorf("neither: %d", r)
	}
}
