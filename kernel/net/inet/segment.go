package inet

import (
	"io"
	"sync"

	"gvisor.dev/gvisor/pkg/tcpip"

	"skerry/kernel/abi"
)

// UDP_SEGMENT (udp(7)): a send is cut into datagrams of a size. The device has no part
// in it: what a program saves is system calls.

// maxSegments is the most datagrams that one send may become.
const maxSegments = 64

// part is the next n bytes of what is sent.
type part struct {
	from tcpip.Payloader
	n    int
}

var partPool = sync.Pool{New: func() any { return new(part) }}

// Read implements io.Reader.
func (p *part) Read(b []byte) (int, error) {
	if p.n == 0 {
		return 0, io.EOF
	}
	n, err := p.from.Read(b[:min(len(b), p.n)])
	p.n -= n
	return n, err
}

// Len implements tcpip.Payloader.
func (p *part) Len() int { return p.n }

// write sends what there is in v, as one datagram or, with a size of segments, as many.
// Once one has gone the rest cannot come again, so that what the device has no room for
// is lost then, as it is on a network.
func (d *Datagram) write(v tcpip.Payloader, opts *tcpip.WriteOptions, segment int) (int, abi.Errno) {
	size := v.Len()
	if segment == 0 || size <= segment {
		n, err := d.ep.Load().Write(v, *opts)
		return int(n), d.sendErrno(err, opts.To != nil)
	}
	if size > segment*maxSegments {
		return 0, abi.EINVAL
	}
	if segment > leastMTU && !d.fits(segment, opts.To) {
		return 0, abi.EMSGSIZE
	}
	p := partPool.Get().(*part)
	defer partPool.Put(p)
	for left := size; left > 0; left -= segment {
		p.from, p.n = v, min(segment, left)
		_, err := d.ep.Load().Write(p, *opts)
		p.from = nil
		if err != nil && left == size {
			return 0, d.sendErrno(err, opts.To != nil)
		}
		if err != nil {
			break
		}
	}
	return size, abi.OK
}

// leastMTU is the payload of UDP that every link takes: IPv6's least MTU, less headers.
const leastMTU = 1280 - 40 - 8

// fits reports whether a datagram of n bytes reaches its destination's link whole.
func (d *Datagram) fits(n int, to *tcpip.FullAddress) bool {
	if to == nil {
		a, err := d.ep.Load().GetRemoteAddress()
		if err != nil {
			return true // the send says it
		}
		to = &a
	}
	v := addrOf(to.Addr).Unmap()
	r, err := d.host.st.IP.FindRoute(to.NIC, tcpip.Address{}, tcpip.AddrFromSlice(v.AsSlice()), protoOf(tcpip.AddrFromSlice(v.AsSlice())), false)
	if err != nil {
		return true
	}
	defer r.Release()
	return n+8 <= int(r.MTU())
}
