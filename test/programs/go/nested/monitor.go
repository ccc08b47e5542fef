package main

import (
	"context"
	"io"
	"net"
	"regexp"
	"strings"
	"sync/atomic"
	"time"
)

// monitorPath is where the machines' QEMU has its monitor; kvm_test.go tells it so.
const monitorPath = "/tmp/monitor"

// A machine that has not ended after firstLook is looked at, and again after each
// nextLook. Most have.
const (
	firstLook = 12 * time.Second
	nextLook  = 5 * time.Second
)

// linuxState matches what only Linux has in a processor's state as QEMU's monitor shows it:
// descriptor tables in the "cpu_entry_area mapping", or a program counter in the "module
// mapping space" (Documentation/arch/x86/x86_64/mm.rst). The kernel of a machine has nothing
// there.
var linuxState = regexp.MustCompile(`(?m)^([GI]DT= +fffffe[0-9a-f]{10} |RIP=ffffffff[c-f])`)

// mixedUp waits until the state of a machine's processor is that of the Linux around it,
// and then calls found; seen is the last state. An emulator of SVM (QEMU 7.2's, with two
// processors) takes the wrong state now and then when it leaves the machine: instruction
// pointer, stack and tables are those of Linux' KVM, behind its VMRUN. Such a machine can
// never go on.
func mixedUp(ctx context.Context, found func(), seen *atomic.Value) {
	for wait := firstLook; ; wait = nextLook {
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		state := registers()
		seen.Store(state)
		if linuxState.MatchString(state) {
			found()
			return
		}
	}
}

// registers asks QEMU's monitor for the state of all processors; "" if it does not answer.
func registers() string {
	c, err := net.Dial("unix", monitorPath)
	if err != nil {
		return ""
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(2 * time.Second)); err != nil {
		return ""
	}
	if _, err := io.WriteString(c, "info registers -a\n"); err != nil {
		return ""
	}
	b, _ := io.ReadAll(c) // to the deadline
	return strings.ReplaceAll(string(b), "\r", "")
}
