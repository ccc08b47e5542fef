package arch

import "sync/atomic"

// Spin is the kernel's only spin lock. It is taken with interrupts off, which
// makes it safe between ground and ordinary kernel Go on the same CPU; whoever
// waits serves TLB shoot-downs meanwhile, so that a CPU which waits for an
// acknowledgement never waits for a CPU that spins.
//
// While it is held, the rules of IRQSave apply.
type Spin struct{ word uint32 }

// Lock takes the lock and returns the flags for Unlock.
//
//go:nosplit
func (l *Spin) Lock() uint64 {
	if Hosted != 0 {
		for !atomic.CompareAndSwapUint32(&l.word, 0, 1) {
			Pause()
		}
		return 0
	}
	return lockIRQ(&l.word)
}

// TryLock is Lock if the lock is free now; ok is false, and nothing has changed,
// if it is not.
//
//go:nosplit
func (l *Spin) TryLock() (flags uint64, ok bool) {
	if Hosted == 0 {
		flags = IRQSave()
	}
	if atomic.CompareAndSwapUint32(&l.word, 0, 1) {
		return flags, true
	}
	if Hosted == 0 {
		IRQRestore(flags)
	}
	return 0, false
}

// Unlock releases the lock and restores the interrupt flag.
//
//go:nosplit
func (l *Spin) Unlock(flags uint64) {
	atomic.StoreUint32(&l.word, 0)
	IRQRestore(flags)
}

// lockIRQ masks interrupts, takes the lock and returns the former RFLAGS.
//
//go:noescape
func lockIRQ(word *uint32) uint64

// ShootStart and ShootEnd are the range that CPUs with CPU.Shoot set must
// flush; both zero means everything, global pages included. Written by the
// initiator, who holds ground's shoot-down lock, before it sets any word.
var ShootStart, ShootEnd uintptr

// ServeShoot flushes what is owed and acknowledges. Interrupts must be off.
// It may be called when nothing is owed.
func ServeShoot()

// FlushAll drops every translation of this CPU, global pages included.
func FlushAll()
