package vmm

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// firstFreePort is the first port that everybody may listen on (ip(7)).
func firstFreePort() string {
	b, err := os.ReadFile("/proc/sys/net/ipv4/ip_unprivileged_port_start")
	if s := strings.TrimSpace(string(b)); err == nil && s != "" {
		return s
	}
	return "1024"
}

// portOwner names the process that has f's port, "" if that cannot be seen: other
// users' processes are closed to us.
func portOwner(f Forward) string {
	table := "/proc/net/tcp"
	if f.Proto == "udp" {
		table = "/proc/net/udp"
	}
	inodes := map[string]bool{}
	if f.Host.Addr().Is4() {
		socketInodes(table, f, inodes)
	}
	// Sockets of IPv6 may take IPv4 as well.
	socketInodes(table+"6", f, inodes)
	if len(inodes) == 0 {
		return ""
	}
	fds, _ := filepath.Glob("/proc/[0-9]*/fd/[0-9]*")
	for _, fd := range fds {
		link, err := os.Readlink(fd)
		if err != nil || !inodes[link] {
			continue
		}
		pid := strings.Split(fd, "/")[2]
		comm, err := os.ReadFile("/proc/" + pid + "/comm")
		if err != nil {
			continue
		}
		return fmt.Sprintf("%s (process %s)", printable(strings.TrimSpace(string(comm))), pid)
	}
	return ""
}

// socketInodes adds what sockets of a /proc/net table are bound so that f's port
// is taken, as the links in /proc/PID/fd name them (proc(5)).
func socketInodes(table string, f Forward, inodes map[string]bool) {
	file, err := os.Open(table)
	if err != nil {
		return
	}
	defer file.Close()
	const listening = "0A"
	for s := bufio.NewScanner(file); s.Scan(); {
		w := strings.Fields(s.Text())
		if len(w) < 10 || f.Proto == "tcp" && w[3] != listening {
			continue
		}
		addr, port, ok := parseSocket(w[1])
		if !ok || port != f.Host.Port() {
			continue
		}
		if addr == f.Host.Addr().WithZone("") || addr.IsUnspecified() || f.Host.Addr().IsUnspecified() {
			inodes["socket:["+w[9]+"]"] = true
		}
	}
}

// parseSocket reads ADDRESS:PORT in hexadecimal. An address is written as words
// in the host's byte order.
func parseSocket(s string) (netip.Addr, uint16, bool) {
	a, p, ok := strings.Cut(s, ":")
	port, err := strconv.ParseUint(p, 16, 16)
	if !ok || err != nil || len(a)%8 != 0 || len(a) > 32 {
		return netip.Addr{}, 0, false
	}
	var b []byte
	for ; len(a) > 0; a = a[8:] {
		w, err := strconv.ParseUint(a[:8], 16, 32)
		if err != nil {
			return netip.Addr{}, 0, false
		}
		b = binary.NativeEndian.AppendUint32(b, uint32(w))
	}
	addr, ok := netip.AddrFromSlice(b)
	return addr.Unmap(), uint16(port), ok
}
