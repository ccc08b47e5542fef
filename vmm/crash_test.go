package vmm

import (
	"strings"
	"testing"

	"skerry/bootrec"
	"skerry/vmm/unwind"
)

func TestUneventful(t *testing.T) {
	for in, want := range map[string]int{
		"main+0x1 start+0x2":                      0,
		"raise+0x1 abort+0x2 aborts+0x3 main+0x4": 1,
		"libc.so.6+0x1 raise+0x1 abort+0x2 libx.so+0x3 std::terminate+0x1 __cxa_throw+0x4 libc.so.6+0x1 f+0x1": 5,
		"libc.so.6+0x1 f+0x1 raise+0x1": 0,
		"libc.so.6+0x1":                 0,
		"raise_error+0x1 main+0x1":      0,
		"":                              0,
	} {
		var stack []Frame
		for _, f := range strings.Fields(in) {
			file := "/bin/app"
			if lib, _, _ := strings.Cut(f, "+"); strings.Contains(lib, ".so") {
				file = "/lib/" + lib
			}
			stack = append(stack, Frame{Function: f, File: file})
		}
		if got := uneventful(stack); got != want {
			t.Errorf("%s: %d, expected %d", in, got, want)
		}
	}
}

// TestMapping describes addresses in and about mappings.
func TestMapping(t *testing.T) {
	const r, w, x, sh, file = bootrec.MapRead, bootrec.MapWrite, bootrec.MapExec, bootrec.MapShared, bootrec.MapFile
	mem := &unwind.Memory{Mappings: []bootrec.Mapping{
		{Start: 0x400000, End: 0x401000, Flags: r | x | file, Name: "/bin/app"},
		{Start: 0x401000, End: 0x402000, Flags: r | file, Name: "/bin/app"},
		{Start: 0x403000, End: 0x404000, Flags: r | w | bootrec.MapHeap, Name: "[heap]"},
		{Start: 0x7f0000000000, End: 0x7f0000001000}, // the guard of a thread's stack
		{Start: 0x7f0000001000, End: 0x7f0000800000, Flags: r | w},
		{Start: 0x7f0000900000, End: 0x7f0000901000, Flags: r | w | sh | file, Name: "/tmp/\x1bshort"},
		{Start: 0x7ffff0000000, End: 0x7ffff0010000, Flags: r | w | bootrec.MapStack, Name: "[stack]"},
	}}
	const read, write, fetch = bootrec.FaultPage, bootrec.FaultPage | bootrec.FaultWrite, bootrec.FaultPage | bootrec.FaultFetch
	for _, c := range []struct {
		signal int
		fault  uint32
		addr   uint64
		sp     uint64
		want   string
	}{
		{11, read, 0, 0, "null pointer"},
		{11, write, 0xffff, 0, "null pointer"},
		{11, write, 0x400010, 0, "read-only: text of app"},
		{11, write, 0x401010, 0, "read-only: data of app"},
		{11, fetch, 0x401010, 0, "not executable: data of app"},
		{11, fetch, 0x403010, 0, "not executable: [heap]"},
		{11, read, 0x402010, 0, "not mapped, 16 bytes above data of app"},
		{11, read, 0x402ff0, 0, "not mapped, 16 bytes below [heap]"},
		{11, read, 0x604000, 0, "not mapped, 2048 KiB above [heap]"},
		{11, read, 0x424000, 0, "not mapped, 128 KiB above [heap]"},
		{11, read, 0x100000000000, 0, "not mapped"},
		{11, read, 1<<64 - 1, 0, "not mapped"},
		{11, write, 0x7f0000000ff8, 0x7f0000001010, "stack overflow: below the stack of thread 3"},
		{11, write, 0x7f0000000008, 0x7f0000000010, "stack overflow: below the stack of thread 3"},
		{11, write, 0x7f0000000ff8, 0x7ffff0000100, "reserved or guard memory without any access, anonymous memory"},
		{11, write, 0x7fffefffff00, 0x7fffefffff40, "stack overflow: below the stack of thread 3"},
		{11, write, 0x7fffefe00000, 0x7fffefe00000, "not mapped, 2048 KiB below [stack]"},
		{7, read, 0x7f0000900010, 0, "beyond the end of /tmp/\x1bshort"},
		{11, read, 0x7f0000900010, 0, "shared memory of \x1bshort"},
	} {
		k := &bootrec.Crash{Thread: 3, Signal: c.signal, Code: 1, Addr: c.addr, Fault: c.fault}
		k.Reg[bootrec.RegSP] = c.sp
		if got := mapping(k, mem); got != c.want {
			t.Errorf("%#x: %q, expected %q", c.addr, got, c.want)
		}
	}
	if got := mapping(&bootrec.Crash{Signal: 11, Addr: 0x500000, Fault: read}, &unwind.Memory{}); got != "not mapped" {
		t.Error(got)
	}
}
