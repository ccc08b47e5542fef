package vmm

import "skerry/vmm/kvmprobe"

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
// emulate what KVM asks of them, a thousandth as fast and not all of it; so KVM is
// tried out, once for as long as the host is up. cacheDir is where the result is
// kept, "" nowhere.
var ChooseAccel = func(cacheDir string) Accel { return accelFor(kvmprobe.Known(cacheDir)) }

func accelFor(r kvmprobe.Result) Accel {
	if r.Works {
		return Accel{KVM, r.Why}
	}
	return Accel{TCG, r.Why}
}
