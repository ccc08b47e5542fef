package strace

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"skerry/kernel/abi"
)

// check decodes one call in both phases and holds what must be true of every
// line, whatever the program gave.
func check(t testing.TB, nr int, args [6]uint64, before, after Mem, ret, ns int64, prefix int) {
	t.Helper()
	d := Decoder{StrMax: int(args[5] % 300)}
	line := bytes.Repeat([]byte{'p'}, prefix)
	line = d.Enter(line, nr, args, before)
	if len(line) > MaxLine && prefix <= MaxLine-resultRoom-auxRoom {
		t.Fatalf("call %d %#x: Enter wrote %d bytes", nr, args, len(line))
	}
	un := d.Unfinished(append([]byte(nil), line...))
	no := d.NoReturn(append([]byte(nil), line...))
	line = d.Exit(line, nr, args, ret, ns, after)
	if len(line) > max(MaxLine, prefix+resultRoom) {
		t.Fatalf("call %d %#x: %d bytes: %q", nr, args, len(line), line)
	}
	for _, l := range [][]byte{line, un, no, []byte(Describe(nr, args, before))} {
		for i, b := range l {
			if b < ' ' || b > '~' {
				t.Fatalf("call %d %#x: byte %#x at %d of %q", nr, args, b, i, l)
			}
		}
	}
	if prefix == 0 && !bytes.Contains(line, []byte(") ")) {
		t.Fatalf("call %d %#x: no result in %q", nr, args, line)
	}
	if n := len(Describe(nr, args, after)); n > maxDescribe {
		t.Fatalf("call %d %#x: described in %d bytes", nr, args, n)
	}
}

// FuzzDecode gives a call any arguments, and memory that any of them may point
// into and that may change between the phases.
func FuzzDecode(f *testing.F) {
	f.Add(uint16(abi.SYS_RECVMSG), bytes.Repeat([]byte{0, 0, 1, 0, 0, 0, 0, 0}, 40), []byte{1, 2, 3}, int64(16), uint16(0))
	f.Add(uint16(abi.SYS_EXECVE), []byte("\x00\x00\x01\x00\x00\x00\x00\x00\x08\x00\x01\x00\x00\x00\x00\x00/bin/sh"), []byte{}, int64(-1), uint16(3))
	f.Add(uint16(abi.SYS_PPOLL), bytes.Repeat([]byte{0, 0, 1, 0, 0, 0, 0, 0xff}, 30), bytes.Repeat([]byte{0xff}, 300), int64(5), uint16(1000))
	f.Fuzz(func(t *testing.T, nr uint16, data, other []byte, ret int64, prefix uint16) {
		var args [6]uint64
		for i := range args {
			if len(data) >= (i+1)*8 {
				args[i] = binary.LittleEndian.Uint64(data[i*8:])
			}
		}
		check(t, int(nr%600), args, &testMem{data}, &testMem{other}, ret, ret, int(prefix%1100))
	})
}

// TestHostile does the same with values that are likely to hurt, for every call.
func TestHostile(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	mem, other := &testMem{make([]byte, 8192)}, &testMem{make([]byte, 8192)}
	word := func() uint64 {
		switch r.IntN(8) {
		case 0:
			return uint64(r.IntN(70))
		case 1:
			return base + uint64(r.IntN(8192))&^7
		case 2:
			return base + uint64(r.IntN(8300))
		case 3:
			return 1 << r.IntN(64)
		case 4:
			return -uint64(r.IntN(5000))
		case 5:
			return r.Uint64()
		case 6:
			return uint64(r.Uint32())
		}
		return 0
	}
	rounds := 40
	if testing.Short() {
		rounds = 5
	}
	for round := range rounds {
		for i := 0; i+8 <= len(mem.b); i += 8 {
			binary.LittleEndian.PutUint64(mem.b[i:], word())
			if r.IntN(4) == 0 {
				binary.LittleEndian.PutUint64(other.b[i:], word())
			} else {
				copy(other.b[i:i+8], mem.b[i:])
			}
		}
		for nr := range abi.MaxSyscall + 1 {
			var args [6]uint64
			for i := range args {
				args[i] = word()
			}
			ret := int64(word())
			if r.IntN(3) == 0 {
				ret = -int64(r.IntN(520))
			}
			prefix := 0
			if round%8 == 7 {
				prefix = r.IntN(1100)
			}
			check(t, nr, args, mem, other, ret, int64(word()), prefix)
		}
	}
}

// TestHostileMemory is memory that is there everywhere and never ends: no loop may
// depend on the program to stop.
func TestHostileMemory(t *testing.T) {
	for _, fill := range []byte{0, 1, 0x12, 0xff} {
		m := endless(fill)
		for nr := range abi.MaxSyscall {
			for _, a := range []uint64{8, 0x1000, 1 << 62, ^uint64(0)} {
				check(t, nr, [6]uint64{a, a, a, a, a, a}, m, m, 1<<62, 0, 0)
				check(t, nr, [6]uint64{a, a, a, a, a, a}, m, m, int64(a), 0, 0)
			}
		}
	}
}

// endless is memory of one byte.
type endless byte

func (e endless) Read(dst []byte, addr uintptr) bool {
	for i := range dst {
		dst[i] = byte(e)
	}
	return true
}

func (e endless) String(addr uintptr, max int) (string, bool) {
	if e == 0 {
		return "", true
	}
	return string(bytes.Repeat([]byte{byte(e)}, max)), true
}
