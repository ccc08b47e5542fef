// Command kernel is Skerry's kernel: an ordinary Go program that package ground
// has made the machine's only one. What happens before main is in ground's boot
// and the Go runtime's own start; what happens here is the rest, in order.
package main

import (
	"skerry/kernel/machine"
)

func main() {
	m := machine.New() // the boot record
	m.Prepare()        // user memory access, interrupts, the clock
	m.Devices()        // console, disks, network, entropy
	m.Entropy()        // no start below the floor
	m.Network()        // the IP stack
	fs := m.Files()    // the root and what is mounted on it
	m.WatchMemory()    // what the kernel's own heap may not take
	m.KeepTime()       // the wall clock, from now on
	m.Run(fs)          // the program

	select {} // it ends the machine when it ends
}
