package vmm

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"syscall"
)

// Forward leads a port of the host to a port of the machine.
type Forward struct {
	Proto string // tcp or udp
	Host  netip.AddrPort
	Guest uint16
}

// String is the forward as the user reads it.
func (f Forward) String() string {
	s := fmt.Sprintf("%v -> %d", f.Host, f.Guest)
	if f.Proto == "udp" {
		s += "/udp"
	}
	return s
}

// ParseForward reads [IP:]HOST:GUEST[/udp], the value of -p. One number is both
// ports; host port 0 stands for any free one; the address is 127.0.0.1 if there
// is none.
func ParseForward(value string) (Forward, error) {
	const want = "it is [IP:]HOST:GUEST, such as 8080:80, with /udp behind it for UDP"
	bad := func(why string) (Forward, error) { return Forward{}, failed("-p "+value, why, want) }
	f := Forward{Proto: "tcp"}
	rest, proto, found := strings.Cut(value, "/")
	if found {
		if proto != "tcp" && proto != "udp" {
			return bad(fmt.Sprintf("unknown protocol %q", proto))
		}
		f.Proto = proto
	}
	if strings.HasPrefix(rest, "[") {
		return bad("QEMU's user network forwards IPv4 only")
	}
	parts := strings.Split(rest, ":")
	addr := netip.AddrFrom4([4]byte{127, 0, 0, 1})
	if len(parts) > 3 {
		return bad("QEMU's user network forwards IPv4 only")
	}
	if len(parts) == 3 {
		var err error
		if addr, err = netip.ParseAddr(parts[0]); err != nil || !addr.Is4() {
			return bad(fmt.Sprintf("%q is not an IPv4 address", parts[0]))
		}
		parts = parts[1:]
	} else if _, err := netip.ParseAddr(parts[0]); err == nil {
		return bad("the port of the machine is missing")
	}
	host, err := parsePort(parts[0])
	if err != nil {
		return bad(err.Error())
	}
	guest, err := parsePort(parts[len(parts)-1])
	if err != nil {
		return bad(err.Error())
	}
	if guest == 0 {
		return bad("a port of the machine cannot be 0")
	}
	f.Host, f.Guest = netip.AddrPortFrom(addr, host), guest
	return f, nil
}

func parsePort(s string) (uint16, error) {
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil || s[0] == '+' {
		return 0, fmt.Errorf("%q is not a port, 0 to 65535", s)
	}
	return uint16(n), nil
}

// reservation holds the ports of forwards until QEMU takes them.
type reservation struct {
	forwards []Forward // with the port that was picked for 0
	held     []io.Closer
}

// reserve takes the ports, so that a port in use is told by name.
func reserve(list []Forward) (*reservation, error) {
	r := &reservation{}
	for _, f := range list {
		c, port, err := take(f)
		if err != nil {
			r.release()
			return nil, portError(f, err)
		}
		r.held = append(r.held, c)
		f.Host = netip.AddrPortFrom(f.Host.Addr(), port)
		r.forwards = append(r.forwards, f)
	}
	return r, nil
}

func take(f Forward) (io.Closer, uint16, error) {
	if f.Proto == "udp" {
		c, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(f.Host))
		if err != nil {
			return nil, 0, err
		}
		return c, c.LocalAddr().(*net.UDPAddr).AddrPort().Port(), nil
	}
	l, err := net.ListenTCP("tcp4", net.TCPAddrFromAddrPort(f.Host))
	if err != nil {
		return nil, 0, err
	}
	return l, l.Addr().(*net.TCPAddr).AddrPort().Port(), nil
}

// release lets the ports go.
func (r *reservation) release() {
	for _, c := range r.held {
		c.Close()
	}
	r.held = nil
}

func portError(f Forward, err error) error {
	what := fmt.Sprintf("port %v", f.Host)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		why := "is in use"
		if who := portOwner(f); who != "" {
			why += " by " + who
		}
		return failed(what, why, fmt.Sprintf("stop that, or take another with -p, such as -p 0:%d for any free one", f.Guest))
	case errors.Is(err, syscall.EACCES):
		return failed(what, "only root may listen below "+firstFreePort(), "take a port above it, or lower net.ipv4.ip_unprivileged_port_start")
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return failed(what, "this host does not have that address", "give one that it has, or none for 127.0.0.1")
	}
	return failed(what, "cannot be used: "+cause(err), "")
}
