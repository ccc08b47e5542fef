package vfs

import (
	"time"

	"skerry/kernel/abi"
)

// Realtime is CLOCK_REALTIME in nanoseconds since 1970. The kernel's clock sets
// it at boot; on the host it is the host's.
var Realtime = func() int64 { return time.Now().UnixNano() }

// Now is the time for time stamps of files.
func Now() abi.Timespec {
	ns := Realtime()
	return abi.Timespec{Sec: ns / 1e9, Nsec: ns % 1e9}
}
