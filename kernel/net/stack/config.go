package stack

import (
	"net/netip"

	"skerry/kernel/hw/nic"
	"skerry/kernel/net/link"
)

// Iface is an address with its prefix length, and the gateway if there is one.
// The zero value means that the family is not configured.
type Iface struct {
	Addr    netip.Prefix
	Gateway netip.Addr
}

// Host is a line of /etc/hosts.
type Host struct {
	Addr  netip.Addr
	Names []string
}

// Config is what the machine is told of its network.
type Config struct {
	// Device is the network device, or nil: then there is only loopback.
	Device nic.Device

	// DHCP asks for IPv4's configuration; V4 is then ignored.
	DHCP   bool
	V4, V6 Iface
	// MTU in bytes; 0 leaves it to the device.
	MTU int

	DNS      []netip.Addr
	Search   []string
	Hosts    []Host
	Hostname string

	// Deny lists destinations that the program may not reach. Port 53 of the
	// resolvers in force, DNS's or else the DHCP lease's, is exempt.
	Deny []netip.Prefix
	// SealedPage gives zeroed pages that are read-only before the program runs; nil
	// takes ordinary ones.
	SealedPage func() []byte

	// Memory is the machine's memory in bytes; sockets may use a part of it
	// (see memoryShare).
	Memory int64

	// Random fills its argument with unpredictable bytes. It is called from
	// several goroutines at a time.
	Random func([]byte)

	// Events hears what the owner of the machine should know. All are optional
	// and must not block.
	Events Events
}

// Events are the stack's hooks for the kernel log and the audit.
type Events struct {
	// Log takes a warning of the IP stack.
	Log func(message string)
	// Denied hears of destinations that the program may not reach; proto is
	// TCP's or UDP's number.
	Denied func(proto uint8, to netip.AddrPort)
	// Gateway hears that a gateway answers from another MAC than before.
	Gateway func(addr netip.Addr, before, now link.MAC)
	// Link hears that the network device went up or down.
	Link func(up bool)
	// Lease hears of a DHCP lease gained (valid address) or lost (zero).
	Lease func(addr netip.Prefix)
}
