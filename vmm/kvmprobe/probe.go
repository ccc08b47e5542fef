package kvmprobe

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"syscall"
	"time"
)

const (
	// Limit is how long a trial may take. A good host takes a hundredth of it.
	Limit = time.Second
	// kickTime is how long a virtual CPU may take to come back when it is called.
	kickTime = 200 * time.Millisecond
	// slowest is how long a round of the loop may take at most, the best of all
	// rounds. Processors take a third of a millisecond, and KVM inside an emulated
	// Linux some ten (nested_test.go); KVM that emulates ring 0 takes hundreds.
	slowest = 50 * time.Millisecond
)

// Result says whether KVM works here.
type Result struct {
	Works bool   `json:"works"`
	Why   string `json:"why"`            // the reason, for the user
	Mend  string `json:"mend,omitempty"` // what to do about it, if something can be done

	// tried: a guest was run, so the result is worth keeping.
	tried bool
	// load: the result may be due to what else the host was doing.
	load bool
}

// exit is why the guest was left.
type exit struct {
	reason uint32 // KVM_EXIT_…
	detail uint64 // of a failure, such as the suberror
	port   uint16 // for exitIO
	out    bool
	value  byte
}

// Reasons of exits, linux/kvm.h.
const (
	exitUnknown  = 0
	exitIO       = 2
	exitHalt     = 5
	exitMMIO     = 6
	exitShutdown = 8
	exitFailed   = 9
	exitIntr     = 10
	exitInternal = 17
)

// guest is a machine with one virtual CPU that is about to run code.
type guest interface {
	// run runs the guest until an exit. It is called on one thread.
	run() (exit, error)
	// kick makes run come back soon, now and whenever it is called again. Any
	// goroutine may call it.
	kick()
	memory() []byte
	close()
}

// notAvailable is a host without a KVM that could be tried.
type notAvailable struct{ why, mend string }

func (n *notAvailable) Error() string { return n.why }

const noDevice = "load the module kvm_intel or kvm_amd; if there is none, switch virtualization on in the firmware, or nested virtualization in the host of this virtual machine"

// available tells what an error of opening the device means.
func available(device string, err error) error {
	switch {
	case errors.Is(err, syscall.ENOENT), errors.Is(err, syscall.ENXIO), errors.Is(err, syscall.ENODEV):
		return &notAvailable{"there is no " + device, noDevice}
	case errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM):
		return &notAvailable{"you may not open " + device, "add yourself to its group, such as with: sudo usermod -aG kvm $USER; then log in again"}
	}
	var n syscall.Errno
	if errors.As(err, &n) {
		err = n
	}
	return &notAvailable{device + " cannot be opened: " + err.Error(), ""}
}

// Try runs the guest, whatever is known already.
func Try(device string) Result {
	return try(func() (guest, error) { return open(device) }, Limit)
}

// trial is a guest that runs, and whether it was called back.
type trial struct {
	mu   sync.Mutex
	g    guest // nil before it is there and after it is closed
	late bool
}

// try runs the guest that open makes, and judges.
func try(open func() (guest, error), limit time.Duration) Result {
	t := &trial{}
	done := make(chan Result, 1)
	go func() {
		// A virtual CPU belongs to the thread that runs it, and it is that thread
		// which is called back. It is not unlocked: it ends with the goroutine.
		runtime.LockOSThread()
		done <- t.run(open)
	}()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case r := <-done:
		return r
	case <-timer.C:
	}
	t.call()
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	timer.Reset(kickTime)
	for {
		select {
		case r := <-done:
			return r
		case <-again.C:
			t.call()
		case <-timer.C:
			// The thread is lost in KVM. It holds nothing that we need.
			return Result{Why: fmt.Sprintf("KVM does not come back within %v", limit), tried: true, load: true}
		}
	}
}

// call calls the virtual CPU back.
func (t *trial) call() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.late = true
	if t.g != nil {
		t.g.kick()
	}
}

func (t *trial) isLate() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.late
}

func (t *trial) run(open func() (guest, error)) Result {
	g, err := open()
	if err != nil {
		var n *notAvailable
		if errors.As(err, &n) {
			return Result{Why: n.why, Mend: n.mend}
		}
		return Result{Why: "KVM makes no machine: " + err.Error(), tried: true}
	}
	t.mu.Lock()
	t.g = g
	t.mu.Unlock()
	defer func() {
		t.mu.Lock()
		t.g = nil
		t.mu.Unlock()
		g.close()
	}()
	return t.judge(g)
}

// judge runs the guest through its steps.
func (t *trial) judge(g guest) Result {
	fail := func(format string, v ...any) Result {
		return Result{Why: fmt.Sprintf(format, v...), tried: true}
	}
	steps := []byte{stepSSE, stepMSR}
	for range rounds {
		steps = append(steps, stepLoop)
	}
	steps = append(steps, stepEnd)
	doing := map[byte]string{stepSSE: "SSE instructions", stepMSR: "model-specific registers", stepLoop: "a loop", stepEnd: "its end"}
	best := time.Duration(1<<63 - 1)
	last := time.Now()
	for i := 0; i < len(steps); {
		e, err := g.run()
		now := time.Now()
		if t.isLate() && (err != nil || e.reason == exitIntr) {
			r := fail("KVM is too slow: the trial took more than %v, at %s", Limit, doing[steps[i]])
			r.load = true
			return r
		}
		switch {
		case err != nil:
			return fail("KVM does not run a machine: %v", err)
		case e.reason == exitIntr:
			continue // a signal for somebody else
		case e.reason != exitIO || e.port != port || !e.out || e.value != steps[i]:
			return fail("KVM fails at %s in ring 0: %s", doing[steps[i]], e)
		}
		if steps[i] == stepLoop {
			best = min(best, now.Sub(last))
		}
		last = now
		i++
	}
	if err := verify(g.memory()); err != nil {
		return fail("KVM computes wrongly in ring 0: %v", err)
	}
	speed := turns / max(best.Seconds(), 1e-9) / 1e6
	if best > slowest {
		r := fail("KVM is too slow: %.3g million turns of a loop in a second, as under emulation", speed)
		r.load = true
		return r
	}
	return Result{Works: true, tried: true, Why: fmt.Sprintf("tried out: %.0f million turns of a loop in a second", speed)}
}

func (e exit) String() string {
	switch e.reason {
	case exitUnknown:
		return fmt.Sprintf("the processor left it for the unknown reason %#x", e.detail)
	case exitIO:
		return fmt.Sprintf("it wrote %#x to port %#x", e.value, e.port)
	case exitHalt:
		return "it halted"
	case exitMMIO:
		return "it left its memory"
	case exitShutdown:
		return "it took a triple fault"
	case exitFailed:
		return fmt.Sprintf("the processor does not enter it, reason %#x", e.detail)
	case exitInternal:
		if e.detail == 1 { // KVM_INTERNAL_ERROR_EMULATION
			return "an instruction cannot be emulated (KVM_EXIT_INTERNAL_ERROR)"
		}
		return fmt.Sprintf("KVM_EXIT_INTERNAL_ERROR, suberror %d", e.detail)
	}
	return fmt.Sprintf("exit reason %d", e.reason)
}
