package syscalls

import (
	"skerry/kernel/abi"
	"skerry/kernel/task"
)

// entry is one row of the table.
type entry struct {
	nr int
	fn task.Handler
	// note says in what a handler falls short of Linux, for docs/ABI.md; ""
	// where it does not.
	note string
}

// families are the rows, by the file that they stand in.
var families = [][]entry{threadCalls, futex2Calls, schedCalls, signalCalls, memoryCalls, timeCalls, timexCalls, systemCalls, identityCalls, fileCalls, pathCalls, xattrCalls, pidfdCalls, shmCalls, eventCalls, transferCalls, socketCalls}

// Install fills task's table.
func Install() {
	for _, f := range families {
		for _, e := range f {
			task.Calls[e.nr] = e.fn
		}
	}
	task.Unknown = unknown
}

// Support reports whether a call has a handler, and its note.
func Support(nr int) (implemented bool, note string) {
	for _, f := range families {
		for _, e := range f {
			if e.nr == nr {
				return true, e.note
			}
		}
	}
	return false, ""
}

// Refused is told of a call that has no handler; policy decides what else
// happens. Set at boot.
var Refused = func(t *task.Thread, nr uint64, a *[6]uintptr, e abi.Errno) {}

// unknown answers a call without a handler.
func unknown(t *task.Thread, nr uint64, a *[6]uintptr) (uintptr, abi.Errno) {
	e := abi.ENOSYS
	if nr < task.MaxCall {
		e = abi.Denied(int(nr))
	}
	Refused(t, nr, a, e)
	return 0, e
}
