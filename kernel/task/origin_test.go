package task

import (
	"testing"

	"skerry/kernel/abi"
	"skerry/kernel/ground/frame"
	"skerry/kernel/mm"
)

type noTLB struct{}

func (noTLB) Flush(start, end uintptr) {}

// TestOrigin: a system call is served if its instruction lies in one of the two
// ranges or in mapped code of the image; from anywhere else it ends the program.
func TestOrigin(t *testing.T) {
	root := frame.AllocZero(frame.KindKernel)
	space := mm.New(mm.Options{Root: root, TLB: noTLB{}, JIT: 1 << 20})
	defer func() { space.Destroy(); root.Unref() }()
	const jit, data, vdso = 0x7f0000000000, 0x7f0000100000, 0x7f0000200000
	for addr, prot := range map[uintptr]uint32{jit: abi.PROT_READ | abi.PROT_EXEC, data: abi.PROT_READ | abi.PROT_WRITE} {
		if _, e := space.Mmap(&mm.Request{Addr: addr, Len: 4096, Prot: prot, Flags: abi.MAP_PRIVATE | abi.MAP_ANONYMOUS | abi.MAP_FIXED}); e != abi.OK {
			t.Fatal(e)
		}
	}
	page := frame.AllocZero(frame.KindKernel)
	defer page.Unref()
	want(t, "vDSO", space.MapSpecial(vdso, []frame.PFN{page}, true, "[vdso]"), abi.OK)

	if _, e := space.Mmap(&mm.Request{Addr: vdso + 4096, Len: 4096, Prot: abi.PROT_READ | abi.PROT_EXEC, Flags: abi.MAP_PRIVATE | abi.MAP_ANONYMOUS | abi.MAP_FIXED}); e != abi.OK {
		t.Fatal(e)
	}
	old := instruction
	defer func() { instruction = old }()
	instruction = func(_ *mm.Space, addr uintptr) [syscallSize]byte {
		if addr == vdso+0x100 {
			return [syscallSize]byte{0x0f, 0x06} // another file came in its place
		}
		return syscallCode
	}

	const nr = MaxCall - 1
	oldCall, oldOrigins, oldNear, oldTrace := Calls[nr], origins, near, Trace
	defer func() { Calls[nr], origins, near, Trace, tracing = oldCall, oldOrigins, oldNear, oldTrace, false }()
	Calls[nr] = func(*Thread, uintptr, uintptr, uintptr, uintptr, uintptr, uintptr) (uintptr, abi.Errno) {
		return 77, abi.OK
	}
	call := func(rip uint64) (served bool) {
		p := newProcess(t)
		p.MM = space
		x := p.thread()
		x.Ctx.Regs.RIP, x.Ctx.Regs.AX = rip, nr
		x.syscall()
		if x.Ctx.Regs.AX == 77 {
			if p.Dying() {
				t.Errorf("%#x: served and ended", rip)
			}
			return true
		}
		if s := <-p.ended; !s.Origin || s.Thread != x || x.Ctx.Regs.AX != nr || x.Ctx.Regs.RIP != rip {
			t.Errorf("%#x: ended with %+v, registers %+v", rip, s, x.Ctx.Regs)
		}
		return false
	}
	if !call(5) || !call(1<<47-1) {
		t.Error("a call is refused before the ranges are known")
	}
	a, b := [2]uintptr{0x160000000000, 0x3e0000000000}, [2]uintptr{0x401000, 0x402000}
	traced := 0
	Trace.Enter = func(*Thread, uint64, *[6]uintptr) { traced++ }
	Trace.Exit = func(*Thread, uint64, *[6]uintptr, uintptr, abi.Errno) {}
	for i, ranges := range [][2][2]uintptr{{a, b}, {b, a}, {a, {}}, {{}, a}, {a, {8, 9}}, {a, b}} {
		if i == 5 {
			SetTracing()
		}
		SetOrigins(ranges)
		fixed := ranges[0] == b || ranges[1] == b
		for rip, ok := range map[uint64]bool{
			0: false, 1: false, 2: false, 9: false, ^uint64(0): false, 1 << 47: false,
			0x160000000000: false, 0x160000000001: false, 0x160000000002: true, 0x200000000000: true, 0x3e0000000000: true, 0x3e0000000001: false,
			0x401000: false, 0x401001: false, 0x401002: fixed, 0x402000: fixed, 0x402001: false,
			jit + 2: false, jit + 4096: false, data + 2: false, vdso + 1: false, vdso + 2: true, vdso + 4096: true, vdso + 4098: false,
			vdso + 4097: false, vdso + 0x102: false, vdso + 0x104: true, // the second byte is written code's
		} {
			if call(rip) != ok {
				t.Errorf("%d: a call that returns to %#x: served %v", i, rip, !ok)
			}
		}
	}
	if traced != 8 {
		t.Errorf("%d calls were traced", traced)
	}
}
