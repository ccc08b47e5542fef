//go:build !linux

package relay

import (
	"io"
	"net"
	"net/netip"
)

// Machines run on Linux only; what is here makes the package build elsewhere.

func dialOnce(to netip.AddrPort) (*net.TCPConn, error) {
	return net.DialTCP("tcp4", nil, net.TCPAddrFromAddrPort(to))
}

// Hold finds a free port.
func Hold() (at netip.AddrPort, release func(), err error) {
	l, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return at, nil, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).AddrPort(), func() {}, nil
}

type reader struct{ c *net.TCPConn }

func newReader(c *net.TCPConn) (*reader, error) { return &reader{c}, nil }

func (r *reader) read() (b *[bufferSize]byte, n int, err error) {
	b = buffers.Get().(*[bufferSize]byte)
	if n, err = r.c.Read(b[:]); n > 0 {
		return b, n, nil
	}
	buffers.Put(b)
	if err == io.EOF {
		err = nil
	}
	return nil, 0, err
}

func unsent(*net.TCPConn) (int, error) { return 0, nil }

// Limit is how many connections a relay may carry.
func Limit() int { return 100 }
