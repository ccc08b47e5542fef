package task

import (
	"slices"
	"testing"

	"skerry/kernel/abi"
)

// TestPast: the last calls of a thread, whatever way they were served, in their order and
// with what became of them.
func TestPast(t *testing.T) {
	const okay, fails, again, none = MaxCall - 2, MaxCall - 3, MaxCall - 4, MaxCall - 5
	oldUnknown, oldOrigins, oldNear := Unknown, origins, near
	saved := Calls
	defer func() { Calls, Unknown, origins, near = saved, oldUnknown, oldOrigins, oldNear }()
	answer := func(e abi.Errno) Handler {
		return func(*Thread, uintptr, uintptr, uintptr, uintptr, uintptr, uintptr) (uintptr, abi.Errno) { return 5, e }
	}
	Calls[okay], Calls[fails], Calls[again] = answer(abi.OK), answer(abi.EPERM), answer(abi.ERESTARTSYS)
	var asked []uint64
	Unknown = func(x *Thread, nr uint64, a *[6]uintptr) (uintptr, abi.Errno) {
		if uint64(x.Call()) != min(nr, MaxCall-1) || a[5] != 6 {
			t.Errorf("call %d, arguments %v", x.Call(), a)
		}
		asked = append(asked, nr)
		return 0, abi.ENOSYS
	}
	x := newProcess(t).thread()
	call := func(nr, rip uint64) {
		r := &x.Ctx.Regs
		r.AX, r.RIP, r.DI, r.SI, r.DX, r.R10, r.R8, r.R9 = nr, rip, 1, 2, rip+1, 4, 5, 6
		x.syscall()
	}
	if l := x.Past(History); len(l) != 0 {
		t.Errorf("%v before any call", l)
	}
	call(okay, 0x401000)
	call(fails, 1<<47-1)
	call(again, 0x401002)
	call(none, 0x401003)
	call(MaxCall, 0x401004)
	call(1<<63, 0x401005)
	want := []PastCall{
		{okay, abi.OK, 0x401000, [3]uintptr{1, 2, 0x401001}},
		{fails, abi.EPERM, 1<<47 - 1, [3]uintptr{1, 2, 1 << 47}},
		{again, abi.EINTR, 0x401002, [3]uintptr{1, 2, 0x401003}},
		{none, abi.ENOSYS, 0x401003, [3]uintptr{1, 2, 0x401004}},
		{MaxCall - 1, abi.ENOSYS, 0x401004, [3]uintptr{1, 2, 0x401005}},
		{MaxCall - 1, abi.ENOSYS, 0x401005, [3]uintptr{1, 2, 0x401006}},
	}
	if got := x.Past(History); !slices.Equal(got, want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
	if got := x.Past(2); !slices.Equal(got, want[4:]) {
		t.Errorf("the last two are %v", got)
	}
	if !slices.Equal(asked, []uint64{none, MaxCall, 1 << 63}) {
		t.Errorf("unknown calls: %v", asked)
	}
	for i := range uint64(5*History + 7) {
		call(okay, 0x500000+i)
	}
	got := x.Past(1000)
	if len(got) != History {
		t.Fatalf("%d calls are kept", len(got))
	}
	for i, c := range got {
		if c.PC != 0x500000+uint64(5*History+7-History+i) || c.Errno != abi.OK || c.Number != okay {
			t.Errorf("%d: %+v", i, c)
		}
	}
	// A thread that ends leaves its ring to a new one, which begins with nothing.
	p, ring := x.Proc, x.past
	p.mu.Lock()
	p.givePast(x)
	p.mu.Unlock()
	y, e := p.NewThread()
	if e != abi.OK || x.past != nil || y.past != ring || len(y.Past(History)) != 0 {
		t.Errorf("%v, calls %v", e, y.Past(History))
	}
	x = y
	if n := testing.AllocsPerRun(100, func() { call(okay, 1) }); n != 0 {
		t.Errorf("%v allocations for a call", n)
	}
}
