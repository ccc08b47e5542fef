package policy

import (
	"testing"

	"skerry/kernel/abi"
)

func TestRefusals(t *testing.T) {
	Count(abi.SYS_FORK, abi.EPERM)
	Count(abi.SYS_IO_URING_SETUP, abi.ENOSYS)
	Count(abi.SYS_IO_URING_SETUP, abi.EPERM)
	Count(abi.MaxSyscall, abi.ENOSYS)
	Count(1<<63, abi.ENOSYS)
	want := map[int]struct {
		n uint32
		e abi.Errno
	}{abi.SYS_FORK: {1, abi.EPERM}, abi.SYS_IO_URING_SETUP: {2, abi.EPERM}, abi.MaxSyscall: {2, abi.ENOSYS}}
	Refusals(func(nr int, e abi.Errno, n uint32) {
		if w := want[nr]; w.n != n || w.e != e {
			t.Errorf("call %d: %d times, %v", nr, n, e)
		}
		delete(want, nr)
	})
	if len(want) != 0 {
		t.Error("not told of:", want)
	}
}
