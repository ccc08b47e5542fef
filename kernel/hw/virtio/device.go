package virtio

import (
	"strconv"
	"sync/atomic"
	"time"

	"skerry/kernel/ground/arch"
	"skerry/kernel/hw/irq"
	"skerry/kernel/wait"
)

// resetTime bounds the wait for a device to confirm a reset.
const resetTime = time.Second

// maxGenerations bounds how often a configuration that keeps changing is read.
const maxGenerations = 8

// Device is the part of a driver that all drivers have: one transport, what was
// negotiated over it, the memory that it shares with us, and whether it still
// works.
type Device struct {
	t        Transport
	features uint64
	line     *irq.Line
	mem      arena
	storm    storm
	onFail   func(why string)
	started  bool

	failed atomic.Uint32
	quiet  atomic.Bool // the reset after a failure was confirmed
	why    atomic.Pointer[string]
}

// Open resets the device behind t, which must be of type typ, and negotiates
// features (virtio 1.2, 3.1.1, steps 1 to 6): out of the offered ones those
// that choose answers, version 1, and event indices where offered. What is not
// known to us is never accepted. onFail, which may be nil, is called once from
// a goroutine of its own if the device fails after Start.
//
// The driver goes on with Queue, as often as it has queues, and Start.
func Open(t Transport, typ uint32, choose func(offered uint64) uint64, onFail func(why string)) (*Device, error) {
	d := &Device{t: t, onFail: onFail}
	if t.Type() != typ {
		return nil, d.bad("device type is " + strconv.Itoa(int(t.Type())) + ", not " + strconv.Itoa(int(typ)))
	}
	if !d.reset() {
		return nil, d.bad("does not reset")
	}
	t.SetStatus(StatusAcknowledge)
	t.SetStatus(StatusAcknowledge | StatusDriver)
	offered := t.Features()
	if offered&FeatureVersion1 == 0 {
		return nil, d.giveUp("is a legacy device (VIRTIO_F_VERSION_1 is not offered)")
	}
	d.features = offered & (choose(offered) | FeatureVersion1 | FeatureEventIdx)
	t.SetFeatures(d.features)
	t.SetStatus(StatusAcknowledge | StatusDriver | StatusFeaturesOK)
	if t.Status()&StatusFeaturesOK == 0 {
		return nil, d.giveUp("refuses our features (offered 0x" + strconv.FormatUint(offered, 16) +
			", wanted 0x" + strconv.FormatUint(d.features, 16) + ")")
	}
	var err error
	if d.line, err = t.Line(); err != nil {
		d.giveUp("")
		return nil, err
	}
	return d, nil
}

// bad is an error that names the device.
func (d *Device) bad(cause string) error { return &Error{d.t.Name(), cause} }

// giveUp leaves the device in the state that virtio 1.2, 3.1.1 asks for.
func (d *Device) giveUp(cause string) error {
	d.t.SetStatus(d.t.Status() | StatusFailed)
	d.failed.Store(1)
	return d.bad(cause)
}

// Refuse ends a driver's set-up: it resets the device, returns its memory, and
// answers the error.
func (d *Device) Refuse(cause string) error {
	err := d.bad(cause)
	d.Close()
	return err
}

// Start lets the device run (virtio 1.2, 3.1.1, step 8). Queues are made before.
func (d *Device) Start() {
	d.started = true
	d.t.SetStatus(StatusAcknowledge | StatusDriver | StatusFeaturesOK | StatusDriverOK)
}

// reset stops the device; true means that it will not touch our memory any
// more (virtio 1.2, 2.4: reset is complete when the status reads as 0).
func (d *Device) reset() bool {
	d.t.SetStatus(0)
	for end := wait.Now() + int64(resetTime); d.t.Status() != 0; arch.Pause() {
		if wait.Now() > end {
			return false
		}
	}
	return true
}

// Name is the transport's name.
func (d *Device) Name() string { return d.t.Name() }

// Has reports whether a feature was negotiated; bit is its number.
func (d *Device) Has(bit uint) bool { return d.features>>bit&1 != 0 }

// Line is where the device's interrupts arrive.
func (d *Device) Line() *irq.Line { return d.line }

// WatchConfig makes Wait return for changes of the configuration too.
func (d *Device) WatchConfig() error { return d.t.WatchConfig() }

// NeedsReset reports whether the device itself says that it is broken. It reads
// a register: for after a change of configuration, not for hot paths.
func (d *Device) NeedsReset() bool { return d.t.Status()&StatusNeedsReset != 0 }

// ReadConfig runs read, which reads fields of the configuration through the
// transport, until no change came in between, at most eight times. It answers
// false, with the device failed, if the configuration never stood still.
func (d *Device) ReadConfig(read func(t Transport)) bool {
	for range maxGenerations {
		before := d.t.Generation()
		read(d.t)
		if d.t.Generation() == before {
			return true
		}
	}
	d.Fail("its configuration never stands still")
	return false
}

// Fail takes the device out of use: it is reset, every queue answers that it
// has nothing, and Failed is true from then on. Only the first call counts. The
// reason is a sentence that goes behind the device's name.
func (d *Device) Fail(why string) {
	if !d.failed.CompareAndSwap(0, 1) {
		return
	}
	d.why.Store(&why)
	d.t.SetStatus(StatusAcknowledge | StatusDriver | StatusFailed)
	d.quiet.Store(d.reset())
	d.line.Fire() // the driver's goroutine answers those who wait
	if d.onFail != nil && d.started {
		go d.onFail(d.t.Name() + " " + why)
	}
}

// Failed reports whether the device is out of use.
func (d *Device) Failed() bool { return d.failed.Load() != 0 }

// Why is the reason of the failure, "" if there is none.
func (d *Device) Why() string {
	if p := d.why.Load(); p != nil {
		return *p
	}
	return ""
}

// Close ends the use of a device that has no driver goroutine (any more): it is
// reset and its memory returned, unless it does not confirm the reset; then the
// memory is given up, since the device may still write to it.
func (d *Device) Close() {
	stopped := d.quiet.Load()
	if d.failed.Swap(1) == 0 || !stopped {
		stopped = d.reset()
	}
	if stopped {
		d.mem.release()
	}
}
