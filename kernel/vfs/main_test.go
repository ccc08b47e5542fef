package vfs

import (
	"os"
	"testing"

	"skerry/kernel/abi"
	"skerry/kernel/ground/frame"
	"skerry/kernel/usermem"
	"skerry/kernel/wait"
)

func TestMain(m *testing.M) {
	frame.InitHost(16384)
	os.Exit(m.Run())
}

func vec(b []byte) *usermem.Vec {
	v := new(usermem.Vec)
	v.InitBytes(b)
	return v
}

func must(t testing.TB, what string, e, want abi.Errno) {
	t.Helper()
	if e != want {
		t.Fatalf("%s: %v, want %v", what, e, want)
	}
}

// pipeFor returns both ends of a pipe.
func pipeFor(t testing.TB, flags uint32) (r, w *Description) {
	t.Helper()
	r, w, e := NewPipe(flags)
	must(t, "pipe", e, abi.OK)
	return r, w
}

// sleeper is a thread's waiter.
type sleeper = wait.Waiter
