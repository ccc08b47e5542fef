package vmm

import (
	"errors"
	"os"
)

// Accel is how QEMU runs the machine's CPUs.
type Accel struct {
	Name string // KVM or TCG
	Why  string // why this one, for the user
}

// Accelerators.
const (
	KVM = "kvm" // the host's processor
	TCG = "tcg" // translation, in software
)

// ChooseAccel decides. A device file that opens says little, since some hosts
// emulate what KVM asks of them, a thousandth as fast and not all of it; so as
// long as nothing has tried KVM out, TCG is the answer.
var ChooseAccel = func() Accel {
	f, err := os.OpenFile("/dev/kvm", os.O_RDWR, 0)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return Accel{TCG, "there is no /dev/kvm"}
	case err != nil:
		return Accel{TCG, "/dev/kvm cannot be opened: " + cause(err)}
	}
	f.Close()
	return Accel{TCG, "KVM has not been tried out on this host"}
}
