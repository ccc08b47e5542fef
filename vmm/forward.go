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

	"skerry/vmm/relay"
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
// is none. An IPv6 address stands in brackets.
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
	addr := netip.AddrFrom4([4]byte{127, 0, 0, 1})
	var parts []string
	if in, ok := strings.CutPrefix(rest, "["); ok {
		text, ports, ok := strings.Cut(in, "]:")
		a, err := netip.ParseAddr(text)
		if !ok || err != nil || !a.Is6() || a.Is4In6() {
			return bad(fmt.Sprintf("%q does not begin with an IPv6 address in brackets", rest))
		}
		if f.Proto == "udp" {
			return bad("QEMU's user network forwards UDP over IPv4 only")
		}
		addr, parts = a, strings.Split(ports, ":")
		if len(parts) == 1 {
			return bad("the port of the machine is missing")
		}
	} else if parts = strings.Split(rest, ":"); len(parts) == 3 {
		var err error
		if addr, err = netip.ParseAddr(parts[0]); err != nil || !addr.Is4() {
			return bad(fmt.Sprintf("%q is not an IPv4 address", parts[0]))
		}
		parts = parts[1:]
	}
	if len(parts) > 2 {
		return bad("too many colons (an IPv6 address stands in brackets, such as [::1]:8080:80)")
	}
	if _, err := netip.ParseAddr(parts[0]); err == nil {
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

// published are the ports of the host that lead to a machine. TCP is accepted
// here, and a relay carries it to a port of the loopback on which QEMU listens;
// UDP comes to QEMU directly.
type published struct {
	forwards []Forward // with the port that was picked for 0
	qemu     []Forward // what QEMU forwards
	relay    *relay.Relay

	udp   []io.Closer // hold the ports until QEMU takes them
	holds []func()    // the same for the relay's, which QEMU can take meanwhile
}

// publish takes the ports, so that a port in use is told by name, and begins to
// accept connections. They wait until the machine is up.
func publish(list []Forward) (*published, error) {
	p := &published{relay: relay.New(0)}
	for _, f := range list {
		if f.Proto == "tcp" {
			p.relay = relay.New(relay.Limit())
			break
		}
	}
	for _, f := range list {
		if err := p.take(f); err != nil {
			p.close()
			return nil, err
		}
	}
	return p, nil
}

func (p *published) take(f Forward) error {
	if f.Proto == "udp" {
		c, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(f.Host))
		if err != nil {
			return portError(f, err)
		}
		p.udp = append(p.udp, c)
		f.Host = netip.AddrPortFrom(f.Host.Addr(), c.LocalAddr().(*net.UDPAddr).AddrPort().Port())
		p.forwards, p.qemu = append(p.forwards, f), append(p.qemu, f)
		return nil
	}
	network := "tcp4"
	if f.Host.Addr().Is6() {
		network = "tcp6" // for :: too this is IPv6 alone
	}
	l, err := net.ListenTCP(network, net.TCPAddrFromAddrPort(f.Host))
	if err != nil {
		return portError(f, err)
	}
	at, err := p.hold(f)
	if err != nil {
		l.Close()
		return err
	}
	f.Host = netip.AddrPortFrom(f.Host.Addr(), l.Addr().(*net.TCPAddr).AddrPort().Port())
	p.forwards = append(p.forwards, f)
	i := len(p.qemu)
	p.qemu = append(p.qemu, Forward{"tcp", at, f.Guest})
	p.relay.Listen(l, func() netip.AddrPort { return p.qemu[i].Host })
	return nil
}

// again takes other ports of the loopback for QEMU, after somebody who wanted one by its
// number got it first: that it is bound keeps nobody from listening on it who reuses
// addresses. The user's own ports are not given up.
func (p *published) again() error {
	p.letGo()
	for i := range p.qemu {
		if p.qemu[i].Proto != "tcp" {
			continue
		}
		at, err := p.hold(p.forwards[i])
		if err != nil {
			return err
		}
		p.qemu[i].Host = at
	}
	return nil
}

// portTaken recognizes a QEMU that did not get a port of the loopback.
func portTaken(lines []string) bool {
	for _, l := range lines {
		if strings.Contains(l, noForward+" 'tcp:") {
			return true
		}
	}
	return false
}

// noForward is what QEMU says when it cannot listen (net/slirp.c).
const noForward = "Could not set up host forwarding rule"

// release lets the ports go that only QEMU can take.
func (p *published) release() {
	for _, c := range p.udp {
		c.Close()
	}
	p.udp = nil
}

// close ends everything at once.
func (p *published) close() {
	p.release()
	p.relay.Close()
	p.letGo()
}

// hold takes a port of the loopback on which QEMU may listen for f, until letGo.
func (p *published) hold(f Forward) (netip.AddrPort, error) {
	at, release, err := relay.Hold()
	if err != nil {
		return at, failed("-p "+f.String(), cause(err), "")
	}
	p.holds = append(p.holds, release)
	return at, nil
}

func (p *published) letGo() {
	for _, release := range p.holds {
		release()
	}
	p.holds = nil
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
