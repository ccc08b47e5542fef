package link

import (
	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
)

// Merging of acknowledgements. A peer that receives in bulk acknowledges every
// segment or every second one, and each acknowledgement costs the IP stack about as
// much as a segment that is sent. Acknowledgements are cumulative (RFC 9293 section
// 3.10.7.4), so where one burst of received frames holds several of a connection in
// a row, the last says it all: the ones before it go no further, which is what
// routers on thin links do as "ACK filtering" (RFC 3449 section 5.2.1). Only those
// that say nothing else are merged: no payload, no flag but ACK, no option but
// timestamps, acknowledging more than the one before with the same sequence number
// and IP marking. Duplicates, which tell of losses, go up one by one. Nothing is
// delayed: what is held goes up before any other packet, and at the burst's end.

// maxMerged is how many bytes merged acknowledgements may acknowledge at once: the
// stack answers with as many in one go.
const maxMerged = 64 << 10

// heldACK is the acknowledgement in hand, on the driver's goroutine.
type heldACK struct {
	view  *buffer.View
	f     frame
	proto tcpip.NetworkProtocolNumber
	first uint32 // the acknowledgement number of the first that was merged
	ip    int    // size of the IP header
}

// pureACK finds the TCP header of a packet that is an acknowledgement and nothing
// else. The filters have looked at the IP header.
func pureACK(p []byte) (ip int, ok bool) {
	switch {
	case len(p) >= 40 && p[0] == 0x45 && p[9] == protoTCP && be16(p[6:])&0x3fff == 0:
		ip = 20
	case len(p) >= 60 && p[0]>>4 == 6 && p[6] == protoTCP:
		ip = 40
	default:
		return 0, false
	}
	t := p[ip:]
	switch len(t) {
	case 20:
		return ip, t[12]>>4 == 5 && t[13] == 0x10
	case 32: // two of no operation, then timestamps, RFC 7323 appendix A
		return ip, t[12]>>4 == 8 && t[13] == 0x10 && be32(t[20:]) == 0x0101080a
	}
	return 0, false
}

// replaces reports whether acknowledgement p makes the held one needless.
func (h *heldACK) replaces(p []byte, ip int) bool {
	q := h.f.packet
	if ip != h.ip || len(p) != len(q) {
		return false
	}
	if ip == 20 {
		if p[1] != q[1] || [8]byte(p[12:]) != [8]byte(q[12:]) {
			return false
		}
	} else if be32(p) != be32(q) || [32]byte(p[8:]) != [32]byte(q[8:]) {
		return false
	}
	t, u := p[ip:], q[ip:]
	ack := be32(t[8:])
	return [8]byte(t) == [8]byte(u) && // ports and sequence number
		int32(ack-be32(u[8:])) > 0 && ack-h.first <= maxMerged
}

// pass delivers a packet, or holds it if it is an acknowledgement; the view passes
// to it.
func (e *Endpoint) pass(f *frame, view *buffer.View, proto tcpip.NetworkProtocolNumber) {
	ip, pure := pureACK(f.packet)
	h := &e.held
	if h.view != nil {
		if pure && h.replaces(f.packet, ip) {
			h.view.Release()
			h.view, h.f = view, *f
			e.merged.Add(1)
			return
		}
		e.passHeld()
	}
	if pure {
		h.view, h.f, h.proto, h.ip, h.first = view, *f, proto, ip, be32(f.packet[ip+8:])
		return
	}
	e.deliver(f, view, proto)
}

// passHeld delivers the acknowledgement in hand.
func (e *Endpoint) passHeld() {
	h := &e.held
	view := h.view
	if view == nil {
		return
	}
	h.view = nil
	e.deliver(&h.f, view, h.proto)
	h.f = frame{}
}

// Merged is how many acknowledgements went no further.
func (e *Endpoint) Merged() uint64 { return e.merged.Load() }
