// Package virtio is what all virtio drivers share: the transports (memory-mapped
// and PCI, modern devices only), feature negotiation, and the split virtqueue.
// The devices themselves are in the packages below it, one each.
//
// The reference is "Virtual I/O Device (VIRTIO) Version 1.2", OASIS Committee
// Specification 01; sections are cited as "virtio 1.2, 2.7".
//
// # Trust
//
// A device is the hypervisor's code and may be hostile (any byte of shared
// memory may change at any moment). So: every descriptor has a private shadow,
// and what is read back from a device is the used ring, status bytes and
// registers, each of them read once into a local variable and checked there. A
// device that breaks a rule is failed, never the kernel: Device.Fail resets it,
// after which every operation on its queues answers that nothing is there, and
// the driver answers EIO. Memory that a device was given is not given to anyone
// else unless the device confirmed a reset.
//
// # Locking
//
// Nothing here has a lock. A Queue is owned by one driver, which serializes the
// calls on it; different queues of a device may be used at the same time.
// Device.Fail, Device.Failed and Device.Why may be called from anywhere.
//
// It imports kernel/ground/{arch,frame}, kernel/hw/{irq,reg,pci} and
// kernel/wait.
package virtio
