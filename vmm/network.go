package vmm

import (
	"bufio"
	"net/netip"
	"os"
	"strings"

	"skerry/bootrec"
)

// The user network is QEMU's (`-netdev user`): a NAT in the QEMU process. These
// are its addresses, which args gives to QEMU and network to the machine.
const (
	netV4      = "10.0.2.0/24"
	machineV4  = "10.0.2.15"
	hostV4     = "10.0.2.2" // gateway, and an alias of the host's loopback
	resolverV4 = "10.0.2.3"
	netV6      = "fec0::/64"
	machineV6  = "fec0::15"
	hostV6     = "fec0::2"
	resolverV6 = "fec0::3"
	netMTU     = 1500
)

// HostName is the name of the host for a program with HostAccess.
const HostName = "host.skerry.internal"

// loopbackAliases are the addresses behind which the user network puts the
// host's loopback (found by trying, TestLoopbackAliases): the host's own address,
// every other one of the IPv6 prefix, all nodes and the broadcast address. The
// resolver's address is here for its ports other than 53, which Deny exempts.
// What stands for the loopback by itself, 127.0.0.0/8 and ::1, never leaves the
// machine.
var loopbackAliases = []string{
	hostV4 + "/32", resolverV4 + "/32", "255.255.255.255/32", netV6, "ff02::1/128",
}

// network is the configuration of a machine on the user network.
func network(hostAccess bool, resolvConf string) bootrec.Net {
	n := bootrec.Net{
		Mode: bootrec.NetStatic,
		MTU:  netMTU,
		V4:   iface(machineV4, netV4, hostV4),
		V6:   iface(machineV6, netV6, hostV6),
		DNS:  []netip.Addr{netip.MustParseAddr(resolverV4), netip.MustParseAddr(resolverV6)},
	}
	// The user network hands questions to the first resolver of the same family
	// that the host has. One that leads nowhere costs a timeout, so it is last.
	if onlyV6(resolvConf) {
		n.DNS[0], n.DNS[1] = n.DNS[1], n.DNS[0]
	}
	if hostAccess {
		n.Hosts = []bootrec.Host{{Addr: netip.MustParseAddr(hostV4), Names: []string{HostName}}}
		return n
	}
	for _, p := range loopbackAliases {
		n.Deny = append(n.Deny, netip.MustParsePrefix(p))
	}
	return n
}

func iface(addr, prefix, gateway string) bootrec.Iface {
	bits := netip.MustParsePrefix(prefix).Bits()
	return bootrec.Iface{Addr: netip.PrefixFrom(netip.MustParseAddr(addr), bits), Gateway: netip.MustParseAddr(gateway)}
}

// onlyV6 reports whether a resolv.conf(5) names resolvers, none of them IPv4.
func onlyV6(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	v4, v6 := false, false
	for s := bufio.NewScanner(f); s.Scan(); {
		w := strings.Fields(s.Text())
		if len(w) < 2 || w[0] != "nameserver" {
			continue
		}
		if a, err := netip.ParseAddr(w[1]); err == nil {
			v4, v6 = v4 || a.Is4(), v6 || a.Is6()
		}
	}
	return v6 && !v4
}
