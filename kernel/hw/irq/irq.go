// Package irq turns device interrupts into wake-ups of driver goroutines.
//
// Ground only notes that a vector fired (a bit in a word) and acknowledges the
// local APIC; Deliver, called from ordinary kernel Go (the task loop on a busy
// CPU, the poller goroutine on an idle one), wakes the goroutine that waits on
// the line. Lines are edge-like: an interrupt that comes while nobody waits is
// remembered once. It imports wait.
package irq

import (
	"math/bits"
	"sync/atomic"

	"skerry/kernel/wait"
)

// MaxLines is how many lines there are: one bit each of a 64-bit word.
const MaxLines = 64

// Line is one interrupt source, waited for by one goroutine.
type Line struct {
	name   string
	index  int
	parker wait.Parker
	fired  atomic.Bool
	count  atomic.Uint64
}

var (
	lines [MaxLines]atomic.Pointer[Line]
	next  atomic.Int32
)

// New makes a line, or nil when all are taken.
func New(name string) *Line {
	i := int(next.Add(1)) - 1
	if i >= MaxLines {
		return nil
	}
	l := &Line{name: name, index: i}
	lines[i].Store(l)
	return l
}

// Index is the line's bit number, which the machine's interrupt controller code
// turns into a vector, an MSI message or an IOAPIC entry.
func (l *Line) Index() int { return l.index }

// Name is what the line was made with.
func (l *Line) Name() string { return l.name }

// Count is how many interrupts were delivered.
func (l *Line) Count() uint64 { return l.count.Load() }

// Wait sleeps until the line fired since Wait last returned.
func (l *Line) Wait() {
	for !l.fired.Swap(false) {
		l.parker.Park()
	}
}

// Fire marks the line and wakes its waiter.
func (l *Line) Fire() {
	l.count.Add(1)
	if !l.fired.Swap(true) {
		l.parker.Unpark()
	}
}

// Deliver fires every line whose bit is set.
func Deliver(pending uint64) {
	for pending != 0 {
		i := bits.TrailingZeros64(pending)
		pending &^= 1 << i
		if l := lines[i].Load(); l != nil {
			l.Fire()
		}
	}
}
