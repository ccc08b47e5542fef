// Package vmm runs an image: it starts a hypervisor, hands the kernel and the
// boot record over, carries the ports, and says how the machine ended.
//
// The hypervisor is QEMU. Nothing secret is in its arguments or in files: the
// kernel and the boot record are memory files (memfd_create(2)), the ports are
// socket pairs, the disk is the open image file; all are inherited as
// descriptors. QEMU gets a death signal when this process ends in whatever way
// (prctl(2), PR_SET_PDEATHSIG).
//
// What comes from the machine is hostile: frames are bounded and checked, text
// for the terminal is made printable. It prints nothing itself but the program's
// own bytes; lines for the user go to Config.Say.
//
// Connections to the machine are accepted here and carried to QEMU (vmm/relay);
// UDP comes to QEMU itself.
//
// Goroutines of a run, besides the relay's: one per port, one that waits for QEMU on a locked thread,
// and Run itself, which alone decides (run.go). They meet in channels; the only
// lock guards writes to the control port.
//
// Of a program that failed the kernel tells what may have been the reason; what of it
// is shown is decided here (failure.go, missed.go, crash.go).
//
// It imports the standard library, bootrec, its own sub-packages and
// golang.org/x/sys, and knows nothing of image files. It runs on Linux; elsewhere Run fails.
package vmm
