package stack

import (
	"time"
	"unsafe"

	"gvisor.dev/gvisor/pkg/tcpip"

	"skerry/kernel/wait"
)

// clock is the IP stack's clock: that of kernel/wait. gVisor's own goes through
// calendar arithmetic for every reading, of which there are a dozen per packet.
type clock struct{}

// Now implements tcpip.Clock.
func (clock) Now() time.Time { return time.Now() }

// NowMonotonic implements tcpip.Clock.
func (clock) NowMonotonic() tcpip.MonotonicTime { return monotonic(wait.Now()) }

// AfterFunc implements tcpip.Clock.
func (clock) AfterFunc(d time.Duration, f func()) tcpip.Timer {
	return tcpip.NewStdTimer(time.AfterFunc(d, f))
}

// monotonic is ns nanoseconds in the IP stack's form, which is that number and
// has no constructor but an addition to zero. TestClock holds it to that.
func monotonic(ns int64) tcpip.MonotonicTime {
	return *(*tcpip.MonotonicTime)(unsafe.Pointer(&ns))
}

// A MonotonicTime of another size than a number's does not compile.
var _ = [1]struct{}{}[unsafe.Sizeof(tcpip.MonotonicTime{})-unsafe.Sizeof(int64(0))]
