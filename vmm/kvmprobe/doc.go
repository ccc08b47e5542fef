// Package kvmprobe finds out whether KVM really works on this host.
//
// That /dev/kvm opens says little. There are hosts, virtual machines most of
// them, whose KVM emulates what runs in ring 0 instruction by instruction, a
// thousandth as fast as the processor, and gives up at the first SSE instruction.
// So a guest of two pages is run that does in ring 0 what Skerry's kernel does:
// SSE, model-specific registers, the GS base, port output, a timed loop (guest.go).
// It must bring the right results, and be as fast as a processor is.
//
// Nothing here waits longer than Limit and a little: the virtual CPU runs on a
// thread of its own, which is called back by a signal. The result of a trial is
// kept for as long as the host is up (cache.go).
//
// It imports the standard library and golang.org/x/sys. All functions may be
// called from several goroutines. The facts about KVM are from the kernel's
// Documentation/virt/kvm/api.rst and include/uapi/linux/kvm.h.
package kvmprobe
