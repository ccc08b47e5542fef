package virtio

import (
	"time"

	"skerry/kernel/wait"
)

// An interrupt storm is a run of interrupts behind which there is nothing: a
// broken or hostile device could keep a CPU busy with them. After stormRun of
// them within stormTime the device is masked and looked at by a timer for
// stormPolls rounds, then let through again.
const (
	stormRun   = 1000
	stormTime  = int64(100 * time.Millisecond)
	stormPoll  = 5 * time.Millisecond
	stormPolls = 200
)

// storm counts interrupts without a cause. The driver's goroutine owns it.
type storm struct {
	run   int
	since int64 // wait.Now at the first of the run
	polls int   // rounds of polling left, 0 if the device is not masked
	timer *time.Timer
}

// Wait sleeps until the device interrupts, or has failed, and acknowledges the
// interrupt. It answers whether the configuration may have changed. One
// goroutine of the driver calls it, and looks at all of the device's queues
// afterwards.
func (d *Device) Wait() (config bool) {
	s := &d.storm
	switch {
	case s.polls > 1:
		s.polls--
		s.timer.Reset(stormPoll)
		d.line.Wait()
	case s.polls == 1:
		// What came while the source was masked is lost as an interrupt, so
		// this round begins without one.
		s.polls = 0
		d.t.Mask(false)
	default:
		d.line.Wait()
	}
	if d.Failed() {
		return false
	}
	return d.t.Ack()&InterruptConfig != 0
}

// Spurious tells whether the last Wait returned for nothing.
func (d *Device) Spurious(nothing bool) {
	s := &d.storm
	if !nothing || s.polls > 0 {
		s.run = 0
		return
	}
	if s.run++; s.run == 1 {
		s.since = wait.Now()
	}
	if s.run < stormRun {
		return
	}
	s.run = 0
	if wait.Now()-s.since > stormTime {
		return
	}
	if !d.t.Mask(true) {
		d.Fail("interrupts without end and cannot be masked")
		return
	}
	s.polls = stormPolls
	if s.timer == nil {
		s.timer = time.AfterFunc(stormPoll, d.line.Fire)
		s.timer.Stop() // Wait sets it
	}
}

// Storms reports whether the device is masked now because it interrupted
// without end.
func (d *Device) Storms() bool { return d.storm.polls > 0 }
