package tmpfs

import (
	"os"
	"testing"

	"skerry/kernel/abi"
	"skerry/kernel/ground/frame"
	"skerry/kernel/usermem"
	"skerry/kernel/vfs"
	"skerry/kernel/wait"
)

func TestMain(m *testing.M) {
	frame.InitHost(16384)
	if dir := os.Getenv("SKERRY_DIFF_ROOT"); dir != "" {
		os.Exit(diffChild(dir))
	}
	os.Exit(m.Run())
}

// world is a Context on a fresh tmpfs.
func world(opt Options) (*vfs.Context, *FS) {
	fs := New(opt)
	return vfs.NewContext(fs), fs
}

func bytesVec(b []byte) *usermem.Vec {
	v := new(usermem.Vec)
	v.InitBytes(b)
	return v
}

// must fails the test unless e is want.
func must(t *testing.T, what string, e, want abi.Errno) {
	t.Helper()
	if e != want {
		t.Fatalf("%s: %v, want %v", what, e, want)
	}
}

func open(t *testing.T, c *vfs.Context, path string, flags, mode uint32) *vfs.Description {
	t.Helper()
	var w wait.Waiter
	d, e := c.OpenFile(&w, abi.AT_FDCWD, path, flags, mode, 0)
	must(t, "open "+path, e, abi.OK)
	return d
}
