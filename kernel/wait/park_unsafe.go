package wait

import (
	"unsafe"

	"gvisor.dev/gvisor/pkg/sync"
)

// Park sleeps until Unpark; it returns at once if Unpark came since the last
// Park returned.
func (p *Parker) Park() {
	if !p.state.CompareAndSwap(notified, idle) {
		sync.Gopark(commit, unsafe.Pointer(p), sync.WaitReasonSelect, sync.TraceBlockSelect, 1)
	}
	if sync.RaceEnabled {
		sync.RaceAcquire(unsafe.Pointer(p))
	}
}

// commit runs on the scheduler's stack once the goroutine counts as parked. It
// answers false, and the goroutine runs on, if a wake-up came in between. The
// race detector has no context there, hence the unchecked operations.
//
//go:norace
//go:nosplit
func commit(g uintptr, arg unsafe.Pointer) bool {
	p := (*Parker)(arg)
	p.g = g
	state := (*uintptr)(unsafe.Pointer(&p.state))
	if sync.RaceUncheckedAtomicCompareAndSwapUintptr(state, idle, parked) {
		return true
	}
	*state = idle // it was notified, and only this goroutine leaves that state
	return false
}

// Unpark wakes the goroutine, or lets its next Park return at once.
//
//go:norace
func (p *Parker) Unpark() {
	if sync.RaceEnabled {
		sync.RaceReleaseMerge(unsafe.Pointer(p))
	}
	for {
		switch p.state.Load() {
		case notified:
			return
		case idle:
			if p.state.CompareAndSwap(idle, notified) {
				return
			}
		case parked:
			g := p.g
			if p.state.CompareAndSwap(parked, idle) {
				sync.Goready(g, 1, true)
				return
			}
		}
	}
}
