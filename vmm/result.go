package vmm

import (
	"fmt"
	"strings"

	"skerry/bootrec"

	"golang.org/x/sys/unix"
)

// Exit statuses of the command (docs/ARCHITECTURE.md, "Exit statuses").
const (
	StatusKernelBug    = 120
	StatusPolicy       = 121
	StatusNoEntropy    = 122
	StatusDeviceFailed = 123
	StatusTimeout      = 124
	StatusFailed       = 125
	StatusCannotRun    = 126
	StatusNotFound     = 127
	StatusKilled       = 137 // 128 + SIGKILL: out of memory, or ended by the user
)

// Result is how a machine ended, and what a status file holds.
type Result struct {
	// Reason is a bootrec.Reason in words, or "timeout", "killed", "failed".
	Reason string `json:"reason"`
	// Status is the command's exit status.
	Status int `json:"status"`
	// Code is the program's exit code, and Signal the signal that ended it.
	Code   int `json:"code"`
	Signal int `json:"signal"`
	// Message is one line for the user, "" if there is nothing to say.
	Message string `json:"message"`

	// Of a program that failed: where it was, what it probably missed, was refused
	// and did not get.
	Crash   *Crash    `json:"crash,omitempty"`
	Missed  []Missed  `json:"missed,omitempty"`
	Refused []Refused `json:"refused,omitempty"`
	Memory  *Memory   `json:"memory,omitempty"`

	// Incident is the report about a program that a policy ended. Where it was written to
	// is the caller's to say.
	Incident     *Incident `json:"-"`
	IncidentFile string    `json:"incident,omitempty"`

	// AuditLost says that the machine ended since its audit record cannot be written: who
	// would read of that may be stuck.
	AuditLost bool `json:"-"`

	// Report is the same in lines for the user, to be shown below the message.
	Report []string `json:"-"`
	// Detail is what to show below the message: the kernel's or QEMU's last
	// words.
	Detail []string `json:"-"`
}

// exited is the result for an exit record.
func exited(e bootrec.Exit) *Result {
	r := &Result{Reason: e.Reason.String(), Code: e.Code, Signal: e.Signal, Message: printable(strings.TrimSpace(e.Message))}
	// say puts what happened before the kernel's message, unless that begins with
	// it already.
	say := func(what, name string) {
		switch {
		case r.Message == "":
			r.Message = what + name
		case strings.HasPrefix(r.Message, name):
			r.Message = what + r.Message
		default:
			r.Message = what + name + ": " + r.Message
		}
	}
	switch e.Reason {
	case bootrec.Exited:
		r.Status = e.Code
	case bootrec.Signaled:
		r.Status = 128 + e.Signal
		say("the program was ended by ", signalName(e.Signal))
	case bootrec.OutOfMemory:
		r.Status = StatusKilled
		say("", "out of memory")
		if !strings.Contains(r.Message, "-m ") {
			r.Message += " (give the machine more with -m)"
		}
	case bootrec.Policy:
		r.Status = StatusPolicy
		say("", policyWords)
	case bootrec.KernelBug:
		r.Status = StatusKernelBug
		say("", "a bug in the kernel; please report it")
	case bootrec.NoEntropy:
		r.Status = StatusNoEntropy
		say("", "too little randomness to start the program")
	case bootrec.DeviceFailed:
		r.Status = StatusDeviceFailed
		say("", "a device failed")
	case bootrec.CannotRun:
		r.Status = StatusCannotRun
		say("", "the program cannot be run")
	case bootrec.NotFound:
		r.Status = StatusNotFound
		say("", "the program was not found in the image")
	case bootrec.Stopped:
		r.Reason, r.Status = "killed", StatusKilled
	}
	return r
}

// policyWords begin the message of a machine that a policy ended.
const policyWords = "ended by policy"

// LoseAudit is the result for a machine whose audit record is required and cannot be
// written; r is what there is without that. If a policy ended it for something else, this
// is more important.
func (r *Result) LoseAudit(err error) *Result {
	why := printable(bootrec.AuditLost + cause(err))
	if r != nil && r.Status == StatusPolicy && r.Reason == bootrec.Policy.String() {
		r.AuditLost = true
		r.Report = append(r.Report, why)
		return r
	}
	return &Result{Reason: bootrec.Policy.String(), Status: StatusPolicy, AuditLost: true, Message: policyWords + ": " + why}
}

// auditLost recognizes the same in what the kernel says.
func auditLost(e *bootrec.Exit) bool {
	return e.Reason == bootrec.Policy && strings.HasPrefix(e.Message, policyWords+": "+bootrec.AuditLost)
}

func signalName(n int) string {
	if s := unix.SignalName(unix.Signal(n)); s != "" {
		return s
	}
	return fmt.Sprintf("signal %d", n)
}

// What a kernel writes to the serial port when it ends without an exit record,
// besides the reports that lastWords finds (kernel/ground, fatal.go).
const (
	// oomWords begin the line of a kernel whose own memory could not grow.
	oomWords = "out of memory: "
	// oomDetail is where that line goes on with numbers.
	oomDetail = "; frames free"
	// fatalWords begin the line of a kernel that cannot start: what is wrong is
	// not the kernel.
	fatalWords = "skerry: "
)

// died is the result for a machine that ended without an exit record: code is
// QEMU's exit code, -1 if signal ended it.
func died(code, signal int, uart, stderr []string) *Result {
	r := &Result{Reason: bootrec.KernelBug.String(), Status: StatusKernelBug, Message: "a bug in the kernel ended the machine; please report it with these lines"}
	// What stands first in the text is the cause; the rest follows from it.
	for i, l := range uart {
		if lastWords(uart[i:i+1], 1) != nil {
			r.Detail = lastWords(uart[i:], 60)
			return r
		}
		if strings.HasPrefix(l, oomWords) {
			text, _, _ := strings.Cut(l, oomDetail)
			return &Result{Reason: bootrec.OutOfMemory.String(), Status: StatusKilled, Message: text}
		}
		if text, ok := strings.CutPrefix(l, fatalWords); ok {
			return &Result{Reason: "failed", Status: StatusFailed, Message: text}
		}
	}
	if code == bootrec.BugStatus {
		r.Detail = last(uart, 30)
		return r
	}
	if code == 0 {
		// -no-reboot turns a reset, as by a triple fault, into this.
		r.Message = "the machine reset itself without saying why: a bug in the kernel; please report it"
		r.Detail = last(uart, 30)
		return r
	}
	r.Reason, r.Status = "failed", StatusFailed
	r.Detail = append(last(stderr, 10), last(uart, 20)...)
	switch {
	case signal == int(unix.SIGKILL):
		r.Message = "QEMU was killed from outside, perhaps since the host is out of memory"
	case signal != 0:
		r.Message = "QEMU was ended by " + signalName(signal)
	default:
		r.Message = fmt.Sprintf("QEMU ended with status %d", code)
		explain(r, stderr)
	}
	return r
}

// explain recognizes what QEMU says when it cannot start.
func explain(r *Result, stderr []string) {
	text := strings.Join(stderr, "\n")
	has := func(s string) bool { return strings.Contains(text, s) }
	switch {
	case has(noForward):
		r.Message = "a port of -p is in use (another program took it just now; try again)"
	case has("cannot set up guest memory") || has("Cannot allocate memory"):
		r.Message = "the host does not have the memory that the machine is to get (give it less with -m)"
	case has("network backend 'user' is not compiled") || has("Parameter 'type' expects a netdev backend type"):
		r.Message = "this QEMU has no user network (install a QEMU with slirp support)"
	case has("unsupported machine type"):
		r.Message = "this QEMU does not have the machine type (install QEMU 6.0 or newer)"
	case has("unable to find CPU model"):
		r.Message = "this QEMU does not have the CPU model"
	case has("Could not access KVM kernel module") || has("failed to initialize kvm"):
		r.Message = "KVM does not work here"
	case has("linux kernel too old") || has("could not load kernel") || has("Error loading uncompressed kernel"):
		r.Message = "QEMU does not accept the kernel in the image"
	}
}
