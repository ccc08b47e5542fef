package machine

import (
	"encoding/binary"
	"os"

	"skerry/kernel/ground"
	"skerry/kernel/hw/irq"
	"skerry/kernel/hw/pci"
	"skerry/kernel/hw/reg"
	"skerry/kernel/hw/virtio"
)

// interrupts connects drivers to ground's interrupt controllers.
type interrupts struct{}

// GSI routes an I/O APIC input to a line.
func (interrupts) GSI(l *irq.Line, gsi uint32) { ground.RouteGSI(l.Index(), gsi) }

// MaskGSI silences an input.
func (interrupts) MaskGSI(gsi uint32, masked bool) { ground.MaskGSI(gsi, masked) }

// MSI is the message for a line.
func (interrupts) MSI(l *irq.Line) (addr uint64, data uint32) { return ground.MSI(l.Index()) }

// mapDevice maps device registers. RAM is refused: the addresses come from the
// hypervisor's tables.
func mapDevice(phys, size uint64) (reg.Window, bool) {
	if size == 0 || size > 1<<24 || phys+size < phys || ground.IsRAM(phys, size) {
		return nil, false
	}
	va := ground.MapDevice(phys, uintptr(size))
	if va == 0 {
		return nil, false
	}
	return reg.Memory{Base: va, Len: uint32(size)}, true
}

// findTransports lists the machine's virtio devices: those that the loader's
// command line names (memory-mapped), else those on the PCI bus. What cannot be
// used is reported beside.
func findTransports() (list []virtio.Transport, errs []error) {
	if list, errs = virtio.FindMMIO(string(ground.Cmdline()), mapDevice, interrupts{}); len(list) > 0 {
		return list, errs
	}
	on, bad := virtio.FindPCI(&pci.Ports{}, mapDevice, interrupts{})
	return append(list, on...), append(errs, bad...)
}

// startPoller starts the goroutine that delivers device interrupts while the
// machine is idle; on a busy CPU the task loop does it first. It waits in the
// runtime's netpoller, which is what keeps the runtime from calling an idle
// machine a deadlock.
func startPoller() {
	f := os.NewFile(ground.IRQDescriptor, "irq")
	go func() {
		var b [8]byte
		for {
			if n, err := f.Read(b[:]); err != nil || n != len(b) {
				panic("machine: the interrupt descriptor cannot be read")
			}
			irq.Deliver(binary.LittleEndian.Uint64(b[:]))
		}
	}()
}
