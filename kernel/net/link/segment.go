package link

import (
	"gvisor.dev/gvisor/pkg/tcpip/checksum"
	gstack "gvisor.dev/gvisor/pkg/tcpip/stack"

	"skerry/kernel/hw/nic"
)

// Segmentation in software. The IP stack hands over TCP packets of up to 64 KiB
// with a checksum that is still to be made, as it does for a device that cuts them;
// where the device cannot, they are cut here, as late as possible: all that is done
// once for each segment is to patch a copy of the headers, to add up the payload
// where it lies, and to let the device copy it. What changes from segment to
// segment is what RFC 9293 and the IP headers demand: lengths, the sequence number,
// the IPv4 identification (which need only be distinct where packets may be
// fragmented, RFC 6864), the checksums, and FIN, PSH and CWR, which belong to the
// last segment and to the first (RFC 3168 section 6.1.2).

// maxHeaders is the most that Ethernet, IPv4 or IPv6 without extension headers, and
// TCP can take.
const maxHeaders = ethSize + 60 + 60

// Bits of the TCP header's flags, RFC 9293 section 3.1.
const (
	flagFIN = 0x01
	flagPSH = 0x08
	flagCWR = 0x80
)

// does reports whether the device does the rest that o asks for.
func (e *Endpoint) does(o *nic.Offload) bool {
	switch o.GSO {
	case nic.GSOTCPv4:
		return e.devCaps.TxGSO4
	case nic.GSOTCPv6:
		return e.devCaps.TxGSO6
	}
	return e.devCaps.TxCsum
}

// sendCut sends a TCP packet as segments, from byte done of its payload on. It
// answers up to where it came, and false if the ring was full.
func (e *Endpoint) sendCut(pkt *gstack.PacketBuffer, p *pieces, o *nic.Offload, done int) (int, bool) {
	ip := len(pkt.NetworkHeader().Slice())
	all := ethSize + ip + len(pkt.TransportHeader().Slice())
	if all > maxHeaders || ip < 20 || all < ethSize+ip+20 {
		e.drop(DropTxProtocol) // cannot be: no such packet is made
		return done, true
	}
	head := p.head[:all]
	payload := splitHead(head, p.list)
	total := 0
	for _, b := range payload {
		total += len(b)
	}
	size := total
	if o.GSO != nic.GSONone {
		size = int(o.GSOSize)
	}
	payload, at := skip(payload, done)
	began := done
	pseudo, original := pseudoSum(head[ethSize:ethSize+ip]), [2]byte(head[ethSize+4:])
	for {
		n := min(size, total-done)
		list := append(p.cut[:0], p.seg[:copy(p.seg[:], head)])
		var sum checksum.Checksumer
		for left := n; left > 0; {
			b := payload[0][at:]
			if len(b) > left {
				b, at = b[:left], at+left
			} else {
				payload, at = payload[1:], 0
			}
			left -= len(b)
			list = append(list, b)
			if !e.devCaps.TxCsum {
				sum.Add(b)
			}
		}
		var off nic.Offload
		s := segment{head: list[0], ip: ip, id: original, index: done / max(size, 1), first: done == 0, last: done+n == total}
		s.patch(n, done)
		if e.devCaps.TxCsum {
			off = nic.Offload{NeedsCsum: true, CsumStart: o.CsumStart, CsumOffset: o.CsumOffset}
			s.put(checksum.Combine(pseudo, uint16(all-ethSize-ip+n)))
		} else {
			s.put(0)
			x := checksum.Checksum(list[0][ethSize+ip:], checksum.Combine(pseudo, uint16(all-ethSize-ip+n)))
			s.put(^checksum.Combine(x, sum.Checksum()))
		}
		ok := e.dev.Send(list, off)
		p.cut = list
		if ok {
			done += n
		}
		if !ok || done == total {
			e.countCut(done-began, size, all, began == 0)
			return done, ok
		}
	}
}

// countCut counts the frames that were made of n bytes of a packet beyond the one
// that the IP stack knows of, with their headers.
func (e *Endpoint) countCut(n, size, headers int, first bool) {
	if n <= size && first {
		return
	}
	more := (n + size - 1) / size
	if first {
		more--
	}
	e.more.Add(uint64(more))
	e.moreBytes.Add(uint64(more * (headers - ethSize)))
}

// Cut is how many frames, and bytes of their headers, segmentation in software has
// made beyond what the IP stack counts, for which a packet is one however large.
func (e *Endpoint) Cut() (frames, bytes uint64) { return e.more.Load(), e.moreBytes.Load() }

// splitHead copies the first bytes of list to head and answers the rest, in list's
// own memory.
func splitHead(head []byte, list [][]byte) [][]byte {
	for len(head) > 0 && len(list) > 0 {
		n := copy(head, list[0])
		head = head[n:]
		if n < len(list[0]) {
			list[0] = list[0][n:]
			break
		}
		list = list[1:]
	}
	return list
}

// skip answers the pieces that follow n bytes, and where in the first of them.
func skip(list [][]byte, n int) (rest [][]byte, at int) {
	for len(list) > 0 && n >= len(list[0]) {
		n -= len(list[0])
		list = list[1:]
	}
	return list, n
}

// pseudoSum is the sum of the pseudo-header without the length, RFC 9293 section
// 3.1 and RFC 8200 section 8.1.
func pseudoSum(ip []byte) uint16 {
	if ip[0]>>4 == 6 {
		return checksum.Checksum(ip[8:40], protoTCP)
	}
	return checksum.Checksum(ip[12:20], protoTCP)
}

// segment is one segment's headers.
type segment struct {
	head        []byte // from the Ethernet header on
	ip          int    // size of the IP header
	id          [2]byte
	index       int // of the segment in the packet
	first, last bool
}

// patch makes the headers those of a segment with n bytes of payload, which lie done
// bytes behind the packet's first.
func (s *segment) patch(n, done int) {
	ip, tcp := s.head[ethSize:ethSize+s.ip], s.head[ethSize+s.ip:]
	if ip[0]>>4 == 6 {
		put16(ip[4:], uint16(s.ip-40+len(tcp)+n))
	} else {
		put16(ip[2:], uint16(s.ip+len(tcp)+n))
		put16(ip[4:], be16(s.id[:])+uint16(s.index))
		put16(ip[10:], 0)
		put16(ip[10:], ^checksum.Checksum(ip, 0))
	}
	put32(tcp[4:], be32(tcp[4:])+uint32(done))
	if !s.last {
		tcp[13] &^= flagFIN | flagPSH
	}
	if !s.first {
		tcp[13] &^= flagCWR
	}
}

// put stores the TCP checksum.
func (s *segment) put(sum uint16) { put16(s.head[ethSize+s.ip+16:], sum) }
