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

// resetState matches a processor that stands where a reset leaves it (Intel SDM vol. 3, table
// 10-1), as KVM's does after a shutdown, such as a triple fault. By then the machine has been
// up for long.
var resetState = regexp.MustCompile(`(?m)^EIP=0000fff0 `)

// mixedUp waits until the state of a machine's processor is that of the Linux around it,
// and then calls found; before that, seen is the last state. An emulator of SVM (QEMU 7.2's, with two processors) takes the
// wrong state now and then when it leaves the machine: instruction pointer, stack and
// tables are those of Linux' KVM, behind its VMRUN. Such a machine can
// never go on. (Or the state is the one of an earlier exit, which nothing in it tells.) If it faults before it is seen, with tables that are not its own, it is shut
// down; that cannot be told from a fault of the kernel's own, so found is told so.
func mixedUp(ctx context.Context, found func(shutdown bool), seen *atomic.Value) {
	for wait := firstLook; ; wait = nextLook {
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		state := registers()
		if shutdown := resetState.MatchString(state); shutdown || linuxState.MatchString(state) {
			found(shutdown)
			return
		}
		seen.Store(state)
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
